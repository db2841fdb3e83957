//! AgentService: who is near and could go.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use tonic::Response;

use super::{Call, wire};
use crate::{
    app::App,
    domain::{
        AgentId,
        access::Caller,
        agent::{Agent, Obstacle},
        lens::Lens,
    },
    error::{Error, Result},
    pb,
    store::{
        self,
        nearby::{Near, Wanted},
    },
};

/// Agents wanted, unless the request says how many.
const COUNT: usize = 10;

/// Oldest fix that still counts, unless the request says how old.
const FIX_AGE: SignedDuration = SignedDuration::from_mins(15);

/// ListNearby.
pub async fn list(app: &App, call: &Call, request: pb::ListNearbyRequest) -> Result<Response<pb::ListNearbyResponse>> {
    let now = app.clock.now();
    let caller = call.caller()?;
    let lens = app.precision.lens(&caller);
    let wanted = wanted(request, &caller, now)?;
    let conn = app.database.lease().await?;
    let neighbors = store::nearby::find(&*conn, &wanted).await?;
    let ids: Vec<AgentId> = neighbors.able.iter().map(|near| near.id).collect();
    let found = store::agent::find(&*conn, &ids).await?;
    let mut found: HashMap<AgentId, Agent> = found.into_iter().map(|agent| (agent.id, agent)).collect();
    let agents = neighbors
        .able
        .into_iter()
        .filter_map(|near| Some(able(&near, &found.remove(&near.id)?, lens, now)))
        .collect();
    let skipped = neighbors
        .unable
        .into_iter()
        .filter_map(|near| skipped(near, lens, now))
        .collect();
    Ok(Response::new(pb::ListNearbyResponse { agents, skipped }))
}

/// Who is looked for at `now`.
pub fn wanted(request: pb::ListNearbyRequest, caller: &Caller, now: Timestamp) -> Result<Wanted> {
    let pb::ListNearbyRequest {
        location,
        page_size,
        radius_meters,
        max_fix_age,
        units,
        specialties,
    } = request;
    let age = match max_fix_age {
        Some(age) => SignedDuration::try_from(wire::length("max_fix_age", age)?).map_err(Error::internal)?,
        None => FIX_AGE,
    };
    Ok(Wanted {
        center: wire::point("location", location.unwrap_or_default())?,
        count: usize::try_from(page_size).ok().filter(|count| *count > 0).unwrap_or(COUNT),
        radius_meters: (radius_meters > 0.0).then_some(radius_meters),
        fresh_since: now - age,
        units,
        specialties,
        sight: caller.sight(),
    })
}

fn able(near: &Near, agent: &Agent, lens: Lens, now: Timestamp) -> pb::NearbyAgent {
    pb::NearbyAgent {
        agent: Some(wire::agent(agent, lens)),
        distance_meters: lens.distance(near.meters),
        fix_age: Some(fix_age(near, now)),
    }
}

fn skipped(near: Near, lens: Lens, now: Timestamp) -> Option<pb::SkippedAgent> {
    let reason: Obstacle = near.obstacle?;
    let fix_age = Some(fix_age(&near, now));
    let Near {
        id,
        code,
        meters,
        fix_time: _,
        obstacle: _,
    } = near;
    Some(pb::SkippedAgent {
        agent_id: id.0,
        code,
        distance_meters: lens.distance(meters),
        fix_age,
        reason: reason as i32,
    })
}

/// Age of a fix; a device's clock may run ahead.
pub fn fix_age(near: &Near, now: Timestamp) -> prost_types::Duration {
    wire::duration(now.duration_since(near.fix_time).max(SignedDuration::ZERO))
}
