//! How late an emergency goes on where its server was restarted meanwhile.

use std::time::Duration;

use anyhow::Result;
use gad::pb::{self, emergency_service_client::EmergencyServiceClient};
use tokio::time::sleep;
use tonic::{Request, transport::Channel};

use crate::{
    Bench, city,
    table::{Row, Target},
    world::Server,
};

/// Emergencies that are due while nobody serves.
const RAISED: usize = 10;

async fn raise(server: &Server, token: &str, number: usize) -> Result<i64> {
    let mut client = EmergencyServiceClient::new(server.channel().await?);
    let request = pb::RaiseEmergencyRequest {
        location: Some(pb::LatLng {
            latitude: 4.65,
            longitude: -74.07,
        }),
        description: format!("Medida {number}"),
        ..Default::default()
    };
    Ok(client.raise_emergency(signed(request, token)?).await?.into_inner().id)
}

fn signed<T>(message: T, token: &str) -> Result<Request<T>> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse()?);
    Ok(request)
}

/// Emergencies that have called everybody.
async fn called(client: &mut EmergencyServiceClient<Channel>, token: &str, ids: &[i64]) -> Result<usize> {
    let mut count = 0;
    for id in ids {
        let request = signed(pb::GetEmergencyRequest { id: *id }, token)?;
        let emergency = client.get_emergency(request).await?.into_inner();
        count += usize::from(emergency.stage() == pb::EscalationStage::Everybody);
    }
    Ok(count)
}

/// Raises emergencies, ends the server, starts another before their time is over, and reads how late each went on.
async fn round(bench: &Bench, token: &str) -> Result<Vec<f64>> {
    let admin = city::connect(&bench.world.database(city::SMALL)).await?;
    admin
        .batch_execute(
            "update escalation_plan set acknowledge_seconds = 1, agent_count = 1, supervisor_seconds = 4, repeat_seconds = 0",
        )
        .await?;
    let (server, _) = bench.world.serve(city::SMALL).await?;
    let mut ids = Vec::new();
    for number in 0..RAISED {
        ids.push(raise(&server, token, number).await?);
    }
    server.end().await;
    let due = "select extract(epoch from due_time)::float8 from emergencies where id = any($1) order by id";
    let due: Vec<f64> = admin.query(due, &[&ids]).await?.iter().map(|row| row.get(0)).collect();
    let (server, _) = bench.world.serve(city::SMALL).await?;
    let mut client = EmergencyServiceClient::new(server.channel().await?);
    while called(&mut client, token, &ids).await? < ids.len() {
        sleep(Duration::from_millis(50)).await;
    }
    server.end().await;
    // What was due at the end of the first server, and when a second one did it.
    let done = "select extract(epoch from min(s.create_time))::float8 from emergency_steps s
                where s.emergency_id = any($1) and s.kind = 4 and s.create_time > to_timestamp($2) - interval '10 milliseconds'
                group by s.emergency_id order by s.emergency_id";
    let mut late = Vec::new();
    for (id, due) in ids.iter().zip(&due) {
        let row = admin.query_one(done, &[&vec![*id], due]).await?;
        late.push(row.get::<_, f64>(0) - due);
    }
    Ok(late)
}

/// The row of emergencies.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut worst = Vec::new();
    for _ in 0..bench.sizes.rounds {
        let late = round(bench, &bench.small_token).await?;
        worst.push(late.into_iter().fold(0.0, f64::max));
    }
    let work = format!("the latest of {RAISED} emergencies after a restart");
    Ok(vec![Row::new(work, "s", worst).target(Target::AtMost(1.0)).note(
        "from its time, or from when the new server was started if that was later, to the next call",
    )])
}
