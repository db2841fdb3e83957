//! Wire types to values and back. Wire types end here.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{
    domain::{
        AgentId, Revision,
        access::{Caller, Level},
        agent::{Agent, Fix, Source},
        emergency::{Emergency, Step},
        geo::{Bounds, Point},
        lens::Lens,
        session::Session,
        task::{Action, Task},
        user::{Name, User, View},
        zone::Zone,
    },
    error::{Error, Result},
    pb,
};

/// Earliest and latest second that `google.protobuf.Timestamp` holds: years 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A time on the wire.
pub fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    let mut seconds = time.as_second();
    let mut nanos = time.subsec_nanosecond();
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    prost_types::Timestamp { seconds, nanos }
}

/// A time from the wire, to the microsecond.
pub fn time(field: &str, wire: prost_types::Timestamp) -> Result<Timestamp> {
    let wrong = || Error::invalid(field, "no es una fecha válida", "is not a valid time");
    if !SECONDS.contains(&wire.seconds) || !(0..1_000_000_000).contains(&wire.nanos) {
        return Err(wrong());
    }
    Timestamp::new(wire.seconds, wire.nanos)
        .map(crate::store::decode::stored)
        .map_err(|_| wrong())
}

/// A length of time on the wire.
pub fn duration(length: SignedDuration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: length.as_secs(),
        nanos: length.subsec_nanos(),
    }
}

/// A length of time from the wire; its rule has made it positive.
pub fn length(field: &str, wire: prost_types::Duration) -> Result<Duration> {
    Duration::try_from(wire).map_err(|_| Error::invalid(field, "no es una duración válida", "is not a valid duration"))
}

/// A length in whole seconds; absent: none.
pub fn seconds(field: &str, wire: Option<prost_types::Duration>) -> Result<SignedDuration> {
    let wire = wire.unwrap_or_default();
    if wire.nanos != 0 {
        return Err(Error::invalid(
            field,
            "debe ser en segundos enteros",
            "must be in whole seconds",
        ));
    }
    Ok(SignedDuration::from_secs(wire.seconds))
}

/// A place on the wire.
pub fn lat_lng(point: Point) -> pb::LatLng {
    pb::LatLng {
        latitude: point.latitude(),
        longitude: point.longitude(),
    }
}

/// A place from the wire.
pub fn point(field: &str, wire: pb::LatLng) -> Result<Point> {
    let pb::LatLng { latitude, longitude } = wire;
    Point::new(latitude, longitude).map_err(|_| Error::invalid(field, "está fuera del globo", "is off the globe"))
}

/// A rectangle from the wire.
pub fn bounds(field: &str, wire: pb::Box) -> Result<Bounds> {
    let pb::Box {
        south,
        west,
        north,
        east,
    } = wire;
    let corner = |latitude, longitude| point(field, pb::LatLng { latitude, longitude });
    Bounds::new(corner(south, west)?, corner(north, east)?)
        .ok_or_else(|| Error::invalid(field, "el sur está al norte del norte", "south lies above north"))
}

/// Numbers of an enum from the wire; their rule has made them known.
pub fn enums<T>(field: &str, wire: &[i32], of: impl Fn(i32) -> Option<T>) -> Result<Vec<T>> {
    wire.iter()
        .map(|number| {
            of(*number)
                .ok_or_else(|| Error::invalid(field, "no es uno de los valores admitidos", "is not one of the known values"))
        })
        .collect()
}

/// Etag of a version.
pub fn etag(revision: Revision) -> String {
    format!("r{}", revision.0)
}

/// The etag that a caller saw: the request's own, or that of the resource in it.
pub fn seen_etag(request: &str, resource: &str) -> String {
    if request.is_empty() { resource } else { request }.to_owned()
}

/// Whether an etag from a caller is that of the present version; an empty one always is.
pub fn check_etag(wire: &str, present: Revision) -> Result<()> {
    if wire.is_empty() || wire == etag(present) {
        Ok(())
    } else {
        Err(Error::Stale)
    }
}

/// A task as a caller sees it at `now`.
pub fn task(task: &Task, caller: &Caller, now: Timestamp) -> pb::Task {
    let Task {
        id,
        uid,
        plan,
        progress,
        creator,
        zone,
        assignments,
        reopened_from,
        created,
        updated,
        deleted,
        revision,
    } = task;
    pb::Task {
        id: id.0,
        uid: uid.to_string(),
        code: plan.code.clone(),
        title: plan.title.clone(),
        description: plan.description.clone(),
        kind: plan.kind as i32,
        priority: plan.priority as i32,
        state: progress.state() as i32,
        planned_start_time: Some(timestamp(plan.planned_start)),
        planned_end_time: plan.planned_end.map(timestamp),
        actual_start_time: progress.started().map(timestamp),
        actual_end_time: progress.ended().map(timestamp),
        pause_start_time: progress.pause_started().map(timestamp),
        paused_duration: Some(duration(progress.paused())),
        worked_duration: progress.worked().map(duration),
        location: plan.location.map(lat_lng),
        location_description: plan.location_description.clone(),
        zone_id: zone.map(|zone| zone.0),
        delegate_user_id: plan.delegate.0,
        creator_user_id: creator.0,
        agent_ids: assignments.iter().map(|assignment| assignment.agent.0).collect(),
        reopened_from_task_id: reopened_from.map(|id| id.0),
        allowed_actions: task.actions_for(caller).into_iter().map(|action| action as i32).collect(),
        late: task.is_late(now),
        create_time: Some(timestamp(*created)),
        update_time: Some(timestamp(*updated)),
        delete_time: deleted.map(timestamp),
        etag: etag(*revision),
        revision: revision.0,
    }
}

/// An agent, and where it is as somebody sees it.
pub fn agent(agent: &Agent, lens: Lens) -> pb::Agent {
    let Agent {
        id,
        uid,
        user,
        display_name,
        profile,
        duty,
        occupied: _,
        availability_since,
        fix,
        zone: _,
        tasks,
        created,
        updated,
        deleted,
        revision,
    } = agent;
    pb::Agent {
        id: id.0,
        uid: uid.to_string(),
        user_id: user.0,
        code: profile.code.clone(),
        display_name: display_name.clone(),
        rank: profile.rank.clone(),
        unit: profile.unit.clone(),
        specialty: profile.specialty.clone(),
        availability: agent.availability() as i32,
        availability_time: Some(timestamp(*availability_since)),
        position: fix
            .as_ref()
            .and_then(|fix| lens.fix(fix, *user, !duty.is_on()))
            .as_ref()
            .map(position),
        task_ids: tasks.iter().map(|task| task.0).collect(),
        create_time: Some(timestamp(*created)),
        update_time: Some(timestamp(*updated)),
        delete_time: deleted.map(timestamp),
        etag: etag(*revision),
        revision: revision.0,
    }
}

/// A fix.
pub fn position(fix: &Fix) -> pb::Position {
    let Fix {
        agent,
        location,
        time,
        accuracy_meters,
        speed_meters_per_second,
        heading_degrees,
        source,
    } = *fix;
    pb::Position {
        agent_id: agent.0,
        location: Some(lat_lng(location)),
        fix_time: Some(timestamp(time)),
        accuracy_meters,
        speed_meters_per_second,
        heading_degrees,
        source: source as i32,
    }
}

/// A fix from the wire.
pub fn fix(field: &str, wire: pb::Position) -> Result<Fix> {
    let pb::Position {
        agent_id,
        location,
        fix_time,
        accuracy_meters,
        speed_meters_per_second,
        heading_degrees,
        source,
    } = wire;
    Ok(Fix {
        agent: AgentId(agent_id),
        location: point(field, location.unwrap_or_default())?,
        time: time(field, fix_time.unwrap_or_default())?,
        accuracy_meters,
        speed_meters_per_second,
        heading_degrees,
        source: Source::of(source).unwrap_or(Source::Unknown),
    })
}

/// A user as a caller sees it.
pub fn user_for(user: &User, caller: &Caller) -> pb::User {
    let whole = self::user(user);
    match user.view_for(caller) {
        View::Whole => whole,
        View::Dispatch => pb::User {
            id: whole.id,
            uid: whole.uid,
            display_name: whole.display_name,
            level: whole.level,
            agent_id: whole.agent_id,
            given_name: whole.given_name,
            family_name: whole.family_name,
            phone: whole.phone,
            zone_ids: whole.zone_ids,
            active: whole.active,
            service: whole.service,
            ..pb::User::default()
        },
        View::Card => pb::User {
            id: whole.id,
            display_name: whole.display_name,
            level: whole.level,
            agent_id: whole.agent_id,
            ..pb::User::default()
        },
    }
}

/// A user, whole.
pub fn user(user: &User) -> pb::User {
    let User {
        id,
        uid,
        email,
        username,
        name: Name { display, given, family },
        phone,
        telegram_id,
        language,
        level,
        zones,
        agent,
        service,
        active,
        locked,
        country,
        email_verified,
        must_verify_email: _,
        password_expired,
        locked_until,
        second_factor,
        last_login,
        token_version: _,
        created,
        updated,
        deleted,
        erased,
        revision,
    } = user;
    pb::User {
        id: id.0,
        uid: uid.to_string(),
        email: email.clone(),
        display_name: display.clone(),
        level: *level as i32,
        agent_id: agent.map(|agent| agent.0),
        username: username.clone(),
        given_name: given.clone(),
        family_name: family.clone(),
        phone: phone.clone(),
        telegram_id: *telegram_id,
        language: language.clone(),
        zone_ids: zones.iter().map(|zone| zone.0).collect(),
        active: *active,
        email_verify_time: email_verified.map(timestamp),
        password_expired: *password_expired,
        lock_end_time: locked_until.map(timestamp),
        second_factor: *second_factor,
        last_login_time: last_login.map(timestamp),
        create_time: Some(timestamp(*created)),
        update_time: Some(timestamp(*updated)),
        delete_time: deleted.map(timestamp),
        erase_time: erased.map(timestamp),
        etag: etag(*revision),
        service: *service,
        lock_time: locked.as_ref().map(|lock| timestamp(lock.since)),
        lock_reason: locked.as_ref().map(|lock| lock.reason.clone()).unwrap_or_default(),
        country_code: country.clone(),
    }
}

/// A session, as whoever calls with the session `current` sees it.
pub fn session(session: &Session, current: Option<Uuid>) -> pb::Session {
    let Session {
        id,
        user,
        created,
        auth_time,
        last_used,
        expires,
        ended,
        user_agent,
        address,
    } = session;
    pb::Session {
        id: id.to_string(),
        user_id: user.0,
        create_time: Some(timestamp(*created)),
        auth_time: Some(timestamp(*auth_time)),
        last_use_time: Some(timestamp(*last_used)),
        expire_time: Some(timestamp(*expires)),
        end_time: ended.map(|(time, _)| timestamp(time)),
        end_reason: ended.map_or(0, |(_, reason)| reason as i32),
        user_agent: user_agent.clone(),
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        current: current == Some(*id),
    }
}

/// A zone.
pub fn zone(zone: &Zone) -> pb::Zone {
    let Zone {
        id,
        code,
        display_name,
        boundary,
        created,
        updated,
        revision,
    } = zone;
    pb::Zone {
        id: id.0,
        code: code.clone(),
        display_name: display_name.clone(),
        boundary: boundary.points().iter().copied().map(lat_lng).collect(),
        create_time: Some(timestamp(*created)),
        update_time: Some(timestamp(*updated)),
        etag: etag(*revision),
    }
}

/// The state machine as data.
pub fn workflow() -> pb::Workflow {
    use crate::domain::task::{Progress, State, transitions};
    let transitions = transitions().into_iter().map(|arrow| pb::Transition {
        action: arrow.action as i32,
        from: arrow.from as i32,
        to: arrow.to as i32,
        level: level(arrow.action),
        agents_allowed: arrow.action.open_to_agents(),
    });
    pb::Workflow {
        initial_state: Progress::Scheduled.state() as i32,
        final_states: State::ALL
            .into_iter()
            .filter(|state| !state.is_open())
            .map(|state| state as i32)
            .collect(),
        transitions: transitions.collect(),
    }
}

fn level(action: Action) -> i32 {
    let level: Level = action.level();
    level as i32
}

/// An emergency and all that happened to it.
pub fn emergency(emergency: &Emergency) -> pb::Emergency {
    let Emergency {
        id,
        uid,
        task,
        reporter,
        source,
        location,
        description,
        state,
        stage,
        called: _,
        repeats,
        due,
        outcome,
        zone: _,
        agents,
        audience: _,
        steps,
        created,
        updated,
        revision,
    } = emergency;
    pb::Emergency {
        id: id.0,
        uid: uid.to_string(),
        task_id: task.0,
        reporter_user_id: reporter.map(|user| user.0),
        source: *source as i32,
        location: location.map(lat_lng),
        description: description.clone(),
        state: *state as i32,
        stage: *stage as i32,
        agent_ids: agents.iter().map(|agent| agent.0).collect(),
        repeat_count: i32::try_from(*repeats).unwrap_or(i32::MAX),
        escalation_time: due.map(timestamp),
        outcome: outcome.map_or(0, |outcome| outcome as i32),
        steps: steps.iter().map(emergency_step).collect(),
        create_time: Some(timestamp(*created)),
        update_time: Some(timestamp(*updated)),
        revision: revision.0,
    }
}

fn emergency_step(step: &Step) -> pb::EmergencyStep {
    let Step {
        kind,
        user,
        agent,
        stage,
        note,
        time,
    } = step;
    pb::EmergencyStep {
        kind: *kind as i32,
        user_id: user.map_or(0, |user| user.0),
        agent_id: agent.map(|agent| agent.0),
        stage: *stage as i32,
        note: note.clone(),
        create_time: Some(timestamp(*time)),
    }
}
