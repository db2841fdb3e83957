//! GeoService: where agents were.

use jiff::{SignedDuration, Timestamp};
use tonic::Response;

use super::{
    Call, agent_read, page,
    position::{TRACK, WITHHELD, shown_until},
    wire,
};
use crate::{
    app::App,
    domain::{AgentId, access::Level, agent::Fix},
    error::{Error, Result},
    pb,
    store::{
        self,
        track::{Lines, Moment, Wanted},
    },
};

/// Points of a line, unless the request says how many.
const POINTS: i32 = 500;
/// Fewest that a line can be drawn with.
const FEWEST: i32 = 10;
/// Break of a line, unless the request says how long.
const GAP: SignedDuration = SignedDuration::from_mins(10);
/// Longest time that is drawn at once.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);
/// Oldest fix that still counts, unless the request says how old.
const FIX_AGE: SignedDuration = SignedDuration::from_mins(15);

/// GetTrackLine.
pub async fn line(app: &App, call: &Call, request: pb::GetTrackLineRequest) -> Result<Response<pb::GetTrackLineResponse>> {
    let (caller, now) = (call.caller()?, app.clock.now());
    call.trail.resource("agent", request.agent_id);
    call.trail.request(&request);
    let (from, until) = period(&request, now)?;
    let gap = length("gap", request.gap, GAP)?;
    let points = match request.point_count {
        0 => POINTS,
        few if few < FEWEST => return Err(Error::invalid("point_count", "debe ser 10 o más", "must be 10 or more")),
        points => points,
    };
    let conn = app.database.lease().await?;
    let agent = agent_read::visible(&*conn, AgentId(request.agent_id), &caller).await?;
    call.trail.subject(agent.user);
    let lens = app.precision.lens(&caller);
    let own = lens.is_own(agent.user);
    let until = if own {
        until
    } else {
        until.min(shown_until(&*conn, agent.id).await?)
    };
    // Where an agent was beyond the zones of who asks is not theirs to know, though it is within them now.
    let sight = caller.sight().filter(|_| !own);
    let wanted = Wanted {
        agent: agent.id,
        from,
        until,
        zones: sight.map(|sight| sight.zones),
        points: i64::from(points),
        gap_seconds: gap.as_secs_f64(),
    };
    let Lines {
        lines,
        fixes,
        gap_seconds,
    } = store::track::lines(&*conn, &wanted).await?;
    let shown = |fix: &Fix| wire::position(&if own { *fix } else { lens.blurred(fix) });
    let line = |fixes: Vec<Fix>| pb::TrackLine {
        points: fixes.iter().map(shown).collect(),
    };
    let gap = SignedDuration::try_from_secs_f64(gap_seconds).map_err(Error::internal)?;
    Ok(Response::new(pb::GetTrackLineResponse {
        lines: lines.into_iter().map(line).collect(),
        fix_count: fixes,
        gap: Some(wire::duration(gap)),
    }))
}

/// From when until when.
fn period(request: &pb::GetTrackLineRequest, now: Timestamp) -> Result<(Timestamp, Timestamp)> {
    let until = request.end_time.map_or(Ok(now), |time| wire::time("end_time", time))?;
    let from = match request.start_time {
        Some(time) => wire::time("start_time", time)?,
        None => before("end_time", until, TRACK)?,
    };
    if from > until {
        return Err(Error::invalid("start_time", "es posterior al final", "is after the end"));
    }
    if until.duration_since(from) > LONGEST {
        return Err(Error::invalid(
            "start_time",
            "es más de 31 días antes del final",
            "is more than 31 days before the end",
        ));
    }
    Ok((from, until))
}

fn length(field: &str, wire: Option<prost_types::Duration>, usual: SignedDuration) -> Result<SignedDuration> {
    let Some(wire) = wire else { return Ok(usual) };
    SignedDuration::try_from(wire::length(field, wire)?).map_err(Error::internal)
}

/// The time so long before another; there is none before the first.
fn before(field: &str, time: Timestamp, length: SignedDuration) -> Result<Timestamp> {
    time.checked_sub(length)
        .map_err(|_| Error::invalid(field, "no es una fecha válida", "is not a valid time"))
}

/// Replay.
pub async fn replay(app: &App, call: &Call, request: pb::ReplayRequest) -> Result<Response<pb::ReplayResponse>> {
    let caller = call.caller()?;
    call.trail.request(&request);
    let pb::ReplayRequest {
        time,
        max_fix_age,
        page_size,
        page_token,
    } = request;
    let bound = pb::ReplayRequest {
        time,
        max_fix_age,
        page_size: 0,
        page_token: String::new(),
    };
    let query = page::Query::of("Replay", &bound, caller.user.0);
    let after = query.open(&page_token)?.map_or(0, |[id]| id);
    let limit = page::limit(page_size, 500);
    let time = wire::time("time", time.unwrap_or_default())?;
    let moment = Moment {
        time,
        since: before("time", time, length("max_fix_age", max_fix_age, FIX_AGE)?)?,
        viewer: caller.user,
        sight: caller.sight(),
        deleted_shown: caller.level >= Level::Administrator,
        withheld_seconds: WITHHELD.as_secs_f64(),
    };
    let lens = app.precision.lens(&caller);
    let conn = app.database.lease().await?;
    let mut rows = store::track::replay(&*conn, &moment, after, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |(_, fix)| [fix.agent.0]);
    // Whose fix is told there the statement has decided: also of who is off duty by now.
    let shown = |(user, fix): &(_, Fix)| wire::position(&if lens.is_own(*user) { *fix } else { lens.blurred(fix) });
    Ok(Response::new(pb::ReplayResponse {
        positions: rows.iter().map(shown).collect(),
        next_page_token,
    }))
}
