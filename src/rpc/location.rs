//! PrivacyService: how exactly places are shown, and breaking the glass.

use tonic::Response;

use super::{
    Call, agent_read,
    change::{Change, asked},
    wire,
};
use crate::{
    app::App,
    domain::{AgentId, access::Level},
    error::{Error, Result},
    pb,
    store::{
        self,
        location::{Precision, Reveal},
    },
};

/// ListLocationPrecisions.
pub async fn list(app: &App) -> Result<Response<pb::ListLocationPrecisionsResponse>> {
    let conn = app.database.lease().await?;
    let precisions = store::location::precisions(&*conn).await?;
    Ok(Response::new(pb::ListLocationPrecisionsResponse {
        precisions: precisions.iter().map(wire_precision).collect(),
    }))
}

fn wire_precision(precision: &Precision) -> pb::LocationPrecision {
    let Precision {
        level,
        meters,
        updated,
        updated_by,
    } = precision;
    pb::LocationPrecision {
        level: *level as i32,
        meters: i32::try_from(*meters).unwrap_or(i32::MAX),
        update_time: Some(wire::timestamp(*updated)),
        update_user_id: updated_by.map(|user| user.0),
    }
}

/// UpdateLocationPrecision.
pub async fn update(
    app: &App,
    call: &Call,
    request: pb::UpdateLocationPrecisionRequest,
) -> Result<Response<pb::LocationPrecision>> {
    let unknown = || {
        Error::invalid(
            "level",
            "no es uno de los valores admitidos",
            "is not one of the known values",
        )
    };
    let level = Level::of(request.level).ok_or_else(unknown)?;
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateLocationPrecision", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.trail.resource("locationPrecision", format_args!("{level:?}"));
    let precisions = store::location::precisions(change.tx()).await?;
    if let Some(before) = precisions.iter().find(|precision| precision.level == level) {
        change.trail.before(&wire_precision(before));
    }
    let precision = Precision {
        level,
        meters: u32::try_from(request.meters).unwrap_or_default(),
        updated: change.now,
        updated_by: Some(change.caller.user),
    };
    store::location::set_precision(change.tx(), &precision).await?;
    let answer = change.commit(wire_precision(&precision)).await?;
    app.precision.set(level, precision.meters);
    Ok(answer)
}

/// RevealLocation. What is shown and who saw it are one transaction.
pub async fn reveal(app: &App, call: &Call, request: pb::RevealLocationRequest) -> Result<Response<pb::RevealLocationResponse>> {
    let pb::RevealLocationRequest { agent_id, reason } = request;
    let (caller, now) = (call.caller()?, app.clock.now());
    call.trail.resource("agent", agent_id);
    call.trail.reason(&reason);
    if reason.trim().is_empty() {
        return Err(Error::invalid("reason", "falta", "is required"));
    }
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let agent = agent_read::visible(&tx, AgentId(agent_id), &caller).await?;
    call.trail.subject(agent.user);
    let reveal = Reveal {
        agent: agent.id,
        user: agent.user,
        by: caller.user,
        reason: &reason,
        fix_time: agent.fix.map(|fix| fix.time),
        now,
    };
    store::location::add_reveal(&tx, &reveal).await?;
    app.audit.commit(tx, &call.trail, now).await?;
    Ok(Response::new(pb::RevealLocationResponse {
        agent_id,
        position: agent.fix.as_ref().map(wire::position),
    }))
}
