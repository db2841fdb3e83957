//! What people may set of a task: from the wire, whole or by mask.

use jiff::Timestamp;
use prost_types::FieldMask;

use super::wire;
use crate::{
    domain::{
        UserId,
        task::{Kind, Plan, Priority},
    },
    error::{Error, Result},
    pb,
};

/// The plan of a new task. The creator oversees it unless somebody else is named.
pub fn plan(wire: pb::Task, creator: UserId, now: Timestamp) -> Result<Plan> {
    let kind = Kind::of(wire.kind).ok_or_else(|| Error::required("task.kind"))?;
    let priority = Priority::of(wire.priority).unwrap_or(Priority::Medium);
    let plan = Plan {
        title: title(&wire.title)?,
        kind,
        priority,
        planned_start: wire
            .planned_start_time
            .map_or(Ok(now), |time| wire::time("task.planned_start_time", time))?,
        planned_end: wire
            .planned_end_time
            .map(|time| wire::time("task.planned_end_time", time))
            .transpose()?,
        location: wire.location.map(|point| wire::point("task.location", point)).transpose()?,
        delegate: if wire.delegate_user_id == 0 {
            creator
        } else {
            UserId(wire.delegate_user_id)
        },
        code: wire.code,
        description: wire.description,
        location_description: wire.location_description,
    };
    check(&plan)?;
    Ok(plan)
}

/// Fields that a mask may name.
const PATHS: [&str; 10] = [
    "code",
    "title",
    "description",
    "kind",
    "priority",
    "planned_start_time",
    "planned_end_time",
    "location",
    "location_description",
    "delegate_user_id",
];

/// Puts the fields that the mask names into the plan; without a mask, those that are filled in.
pub fn apply(plan: &mut Plan, wire: pb::Task, mask: Option<&FieldMask>) -> Result<()> {
    let named: Vec<&str> = match mask {
        Some(mask) if !mask.paths.is_empty() => mask.paths.iter().map(String::as_str).collect(),
        _ => PATHS.into_iter().filter(|path| is_filled(&wire, path)).collect(),
    };
    let paths = if named == ["*"] { PATHS.to_vec() } else { named };
    for path in paths {
        set(plan, &wire, path)?;
    }
    check(plan)
}

fn is_filled(wire: &pb::Task, path: &str) -> bool {
    match path {
        "code" => !wire.code.is_empty(),
        "title" => !wire.title.is_empty(),
        "description" => !wire.description.is_empty(),
        "kind" => wire.kind != 0,
        "priority" => wire.priority != 0,
        "planned_start_time" => wire.planned_start_time.is_some(),
        "planned_end_time" => wire.planned_end_time.is_some(),
        "location" => wire.location.is_some(),
        "location_description" => !wire.location_description.is_empty(),
        "delegate_user_id" => wire.delegate_user_id != 0,
        _ => false,
    }
}

fn set(plan: &mut Plan, wire: &pb::Task, path: &str) -> Result<()> {
    match path {
        "code" if wire.code.is_empty() => return Err(Error::required("task.code")),
        "code" => plan.code.clone_from(&wire.code),
        "title" => plan.title = title(&wire.title)?,
        "description" => plan.description.clone_from(&wire.description),
        "kind" => plan.kind = Kind::of(wire.kind).ok_or_else(|| Error::required("task.kind"))?,
        "priority" => plan.priority = Priority::of(wire.priority).ok_or_else(|| Error::required("task.priority"))?,
        "planned_start_time" => {
            let time = wire
                .planned_start_time
                .ok_or_else(|| Error::required("task.planned_start_time"))?;
            plan.planned_start = wire::time("task.planned_start_time", time)?;
        }
        "planned_end_time" => {
            plan.planned_end = wire
                .planned_end_time
                .map(|time| wire::time("task.planned_end_time", time))
                .transpose()?;
        }
        "location" => plan.location = wire.location.map(|point| wire::point("task.location", point)).transpose()?,
        "location_description" => plan.location_description.clone_from(&wire.location_description),
        "delegate_user_id" if wire.delegate_user_id == 0 => return Err(Error::required("task.delegate_user_id")),
        "delegate_user_id" => plan.delegate = UserId(wire.delegate_user_id),
        _ => return Err(Error::fixed(path)),
    }
    Ok(())
}

fn title(wire: &str) -> Result<String> {
    if wire.trim().is_empty() {
        return Err(Error::required("task.title"));
    }
    Ok(wire.to_owned())
}

fn check(plan: &Plan) -> Result<()> {
    if plan.planned_end.is_some_and(|end| end <= plan.planned_start) {
        return Err(Error::invalid(
            "task.planned_end_time",
            "debe ser posterior al inicio planificado",
            "must be after the planned start",
        ));
    }
    Ok(())
}
