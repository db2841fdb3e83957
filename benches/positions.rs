//! Fixes as they come from the field, and psql's COPY of the same rows.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gad::pb::{self, agent_service_client::AgentServiceClient};
use jiff::{SignedDuration, Timestamp};
use tonic::Request;

use crate::{
    Bench, city,
    table::{Row, Target, median, number},
    tools::psql,
};

/// Agents in a batch.
const AGENTS: u32 = 50;
/// Fixes of each of them.
const FIXES: u32 = 10;
/// Batches that are sent at the same time.
const CALLERS: u32 = 4;

/// The fixes of one batch: what agents of a region did for ten seconds.
fn batch(number: u32, agents: u32, begun: Timestamp) -> pb::ReportPositionsRequest {
    let regions = (agents / AGENTS).max(1);
    let (region, turn) = (number % regions, number / regions);
    let fix = |agent: u32, second: u32| pb::Position {
        // The first three agents are those of the demo.
        agent_id: i64::from(4 + region * AGENTS + agent),
        location: Some(pb::LatLng {
            latitude: 4.58 + f64::from(region % 140 + second) / 1000.0,
            longitude: -74.14 + f64::from(agent % 100) / 1000.0,
        }),
        fix_time: Some(prost_types::Timestamp {
            seconds: begun.as_second() + i64::from(turn * FIXES + second),
            nanos: 0,
        }),
        accuracy_meters: Some(5.0),
        speed_meters_per_second: Some(3.0),
        heading_degrees: Some(90.0),
        source: pb::PositionSource::Gps as i32,
    };
    let positions = (0..AGENTS).flat_map(|agent| (0..FIXES).map(move |second| fix(agent, second)));
    pb::ReportPositionsRequest {
        positions: positions.collect(),
    }
}

/// Fixes per second by ReportPositions.
async fn report(bench: &Bench, begun: Timestamp) -> Result<f64> {
    let (batches, agents) = (bench.sizes.batches, bench.sizes.agents);
    let start = Instant::now();
    let mut tasks = Vec::new();
    for caller in 0..CALLERS {
        let mut client = AgentServiceClient::new(bench.great.channel().await?);
        let token: tonic::metadata::MetadataValue<_> = format!("Bearer {}", bench.great_token).parse()?;
        tasks.push(tokio::spawn(async move {
            for number in (caller..batches).step_by(CALLERS as usize) {
                let mut request = Request::new(batch(number, agents, begun));
                request.metadata_mut().insert("authorization", token.clone());
                let answer = client.report_positions(request).await?.into_inner();
                ensure!(answer.accepted_count == (AGENTS * FIXES) as i32, "{answer:?}");
            }
            Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(f64::from(batches * AGENTS * FIXES) / start.elapsed().as_secs_f64())
}

/// Rows per second by COPY. The rows are those that were reported, of another time.
async fn copy(bench: &Bench, begun: Timestamp, earlier: SignedDuration) -> Result<f64> {
    let database = bench.world.database(city::GREAT);
    let file = bench.world.folder().join("fixes.txt");
    let columns = "agent_id, fix_time, location, accuracy, speed, heading, source, receive_time";
    let rows = format!(
        "select agent_id, fix_time - interval '{} seconds', location, accuracy, speed, heading, source, receive_time \
         from positions where fix_time >= '{begun}' and fix_time < '{}'",
        earlier.as_secs(),
        begun + SignedDuration::from_mins(30)
    );
    psql(&database, &format!("\\copy ({rows}) to '{}'", file.display())).await?;
    let start = Instant::now();
    psql(&database, &format!("\\copy positions ({columns}) from '{}'", file.display())).await?;
    Ok(f64::from(bench.sizes.batches * AGENTS * FIXES) / start.elapsed().as_secs_f64())
}

/// The row of fixes.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let admin = city::connect(&bench.world.database(city::GREAT)).await?;
    admin
        .batch_execute(&format!(
            "select ensure_position_partition(day::date) from generate_series(current_date - 2, current_date, '1 day') day;
             update agents set duty = 1, duty_time = now() - interval '7 days' where id between 4 and {}",
            4 + bench.sizes.batches * AGENTS
        ))
        .await?;
    // Each round has its hour, and COPY the same hour of the day before.
    let now = admin.query_one("select extract(epoch from now())::bigint", &[]).await?;
    let now = Timestamp::from_second(now.get(0))?;
    let (mut ours, mut copies, mut cost) = (vec![], vec![], vec![]);
    for round in 0..=bench.sizes.rounds {
        let hours = 1 + bench.sizes.rounds - round;
        let begun = now - SignedDuration::from_hours(hours as i64);
        let before = bench.great.processor_seconds();
        let per_second = report(bench, begun).await?;
        let spent = bench.great.processor_seconds() - before;
        let copied = copy(bench, begun, SignedDuration::from_hours(24)).await?;
        // The first round warms both up.
        if round > 0 {
            ours.push(per_second);
            copies.push(copied);
            cost.push(spent * 1e6 / f64::from(bench.sizes.batches * AGENTS * FIXES));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let work = format!("fixes by ReportPositions, {CALLERS} callers, batches of {}", AGENTS * FIXES);
    let note = format!(
        "each batch also moves {AGENTS} agents on the map and tells of it; gad serve takes {} µs of processor a fix",
        number(median(&cost))
    );
    Ok(vec![
        Row::new(work, "fixes/s", ours)
            .limit("psql COPY of the same rows", copies)
            .target(Target::AtLeast(0.3))
            .note(note),
    ])
}
