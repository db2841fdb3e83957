//! `gad simulate`: keeps the demo city's agents moving and their positions fresh, through the public API.

use std::time::{Duration, SystemTime};

use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use crate::{
    clock::Clock,
    config::{DEMO_ACCOUNTS, DEMO_PASSWORD, SimulateSettings},
    pb::{self, agent_service_client::AgentServiceClient, auth_service_client::AuthServiceClient},
};

/// A step in degrees: some 40 m.
const STEP: f64 = 0.000_36;
/// Wait before another try.
const RETRY: Duration = Duration::from_secs(2);

/// Moves everybody again and again; never returns.
pub async fn run(settings: SimulateSettings, clock: Clock) -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(settings.upstream_url)?.connect_lazy();
    let wait = Duration::from_secs_f64(settings.interval_seconds.clamp(0.1, 3600.0));
    let mut tick = 0_u32;
    loop {
        // A token lives shorter than the simulation: whatever ends the walk begins it anew.
        if let Err(cause) = walk(&channel, &clock, wait, &mut tick).await {
            tracing::warn!(%cause, "the simulation was interrupted");
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn walk(channel: &Channel, clock: &Clock, wait: Duration, tick: &mut u32) -> Result<(), tonic::Status> {
    let [_, supervisor, _] = DEMO_ACCOUNTS;
    let login = pb::LoginRequest {
        email: supervisor.to_owned(),
        password: DEMO_PASSWORD.to_owned(),
        code: String::new(),
    };
    let answer = AuthServiceClient::new(channel.clone()).login(login).await?.into_inner();
    let bearer: MetadataValue<Ascii> = format!("Bearer {}", answer.access_token)
        .parse()
        .map_err(|_| tonic::Status::internal("the token is no header"))?;
    let mut agents = AgentServiceClient::with_interceptor(channel.clone(), move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", bearer.clone());
        Ok(request)
    });
    loop {
        let list = pb::ListAgentsRequest {
            page_size: 1000,
            ..Default::default()
        };
        let there = agents.list_agents(list).await?.into_inner().agents;
        let time = prost_types::Timestamp::from(SystemTime::from(clock.now()));
        let positions: Vec<pb::Position> = there.iter().filter_map(|agent| next(agent, *tick, time)).collect();
        if !positions.is_empty() {
            agents.report_positions(pb::ReportPositionsRequest { positions }).await?;
        }
        *tick = tick.wrapping_add(1);
        tokio::time::sleep(wait).await;
    }
}

/// Where an agent is next: on a slow curve of its own. The first one, whom the demo account is, stays where it is.
fn next(agent: &pb::Agent, tick: u32, time: prost_types::Timestamp) -> Option<pb::Position> {
    let last = agent.position.as_ref()?;
    if agent.availability() == pb::Availability::OffDuty {
        return None;
    }
    let here = last.location?;
    let angle = agent.id as f64 * 2.4 + f64::from(tick) * 0.13;
    let step = if agent.code == "AG-001" { 0.0 } else { STEP };
    Some(pb::Position {
        agent_id: agent.id,
        location: Some(pb::LatLng {
            latitude: (here.latitude + step * angle.cos()).clamp(-89.0, 89.0),
            longitude: (here.longitude + step * angle.sin()).clamp(-179.0, 179.0),
        }),
        fix_time: Some(time),
        accuracy_meters: Some(8.0),
        speed_meters_per_second: Some(4.0),
        heading_degrees: Some(angle.to_degrees().rem_euclid(360.0) as f32 % 360.0),
        source: pb::PositionSource::Gps as i32,
    })
}
