//! What people may set of a geofence: from the wire, whole or by mask.

use prost_types::FieldMask;

use super::wire;
use crate::{
    domain::{
        AgentId, ZoneId,
        geofence::{Kind, Plan, Rule},
    },
    error::{Error, Result},
    pb,
};

/// Fields that a mask may name.
const PATHS: [&str; 9] = [
    "display_name",
    "zone_id",
    "crossings",
    "dwell_time",
    "agent_ids",
    "units",
    "margin_meters",
    "max_accuracy_meters",
    "confirmation_count",
];

/// The usual margin in metres.
const MARGIN: f64 = 25.0;
/// The usual greatest inaccuracy in metres.
const ACCURACY: f64 = 100.0;
/// The usual number of fixes in a row.
const CONFIRMATIONS: u16 = 2;

/// A new fence.
pub fn plan(wire: &pb::Geofence) -> Result<Plan> {
    let mut plan = Plan {
        display_name: String::new(),
        zone: ZoneId(0),
        everybody: true,
        agents: Vec::new(),
        units: Vec::new(),
        rule: Rule {
            enter: false,
            exit: false,
            dwell: None,
            margin_meters: MARGIN,
            max_accuracy_meters: ACCURACY,
            confirmations: CONFIRMATIONS,
        },
    };
    for path in PATHS {
        set(&mut plan, wire, path)?;
    }
    checked(plan)
}

/// The fence with the fields that the mask names; without a mask, those that are filled in.
pub fn apply(mut plan: Plan, wire: &pb::Geofence, mask: Option<&FieldMask>) -> Result<Plan> {
    let named: Vec<&str> = match mask {
        Some(mask) if !mask.paths.is_empty() => mask.paths.iter().map(String::as_str).collect(),
        _ => PATHS.into_iter().filter(|path| is_filled(wire, path)).collect(),
    };
    let paths = if named == ["*"] { PATHS.to_vec() } else { named };
    for path in paths {
        set(&mut plan, wire, path)?;
    }
    checked(plan)
}

fn set(plan: &mut Plan, wire: &pb::Geofence, path: &str) -> Result<()> {
    match path {
        "display_name" => {
            wire.display_name.trim().clone_into(&mut plan.display_name);
            if plan.display_name.is_empty() {
                return Err(Error::required("geofence.display_name"));
            }
        }
        "zone_id" => {
            plan.zone = ZoneId(wire.zone_id);
            if wire.zone_id == 0 {
                return Err(Error::required("geofence.zone_id"));
            }
        }
        "crossings" => {
            plan.rule.enter = wire.crossings.contains(&(Kind::Entered as i32));
            plan.rule.exit = wire.crossings.contains(&(Kind::Left as i32));
        }
        "dwell_time" => {
            let seconds = |dwell| wire::seconds("geofence.dwell_time", Some(dwell));
            plan.rule.dwell = wire.dwell_time.map(seconds).transpose()?;
        }
        "agent_ids" => {
            plan.agents = wire.agent_ids.iter().copied().map(AgentId).collect();
            plan.agents.sort_unstable();
            plan.everybody = plan.agents.is_empty() && plan.units.is_empty();
        }
        "units" => {
            plan.units.clone_from(&wire.units);
            plan.everybody = plan.agents.is_empty() && plan.units.is_empty();
        }
        "margin_meters" => plan.rule.margin_meters = wire.margin_meters.unwrap_or(MARGIN),
        "max_accuracy_meters" => plan.rule.max_accuracy_meters = wire.max_accuracy_meters.unwrap_or(ACCURACY),
        "confirmation_count" => {
            let count = wire.confirmation_count.and_then(|count| u16::try_from(count).ok());
            plan.rule.confirmations = count.unwrap_or(CONFIRMATIONS);
        }
        _ => return Err(Error::fixed(path)),
    }
    Ok(())
}

fn checked(plan: Plan) -> Result<Plan> {
    if plan.rule.enter || plan.rule.exit || plan.rule.dwell.is_some() {
        return Ok(plan);
    }
    Err(Error::invalid(
        "geofence.crossings",
        "no avisaría de nada: indique cruces o una permanencia",
        "would tell of nothing: name crossings or a dwell time",
    ))
}

fn is_filled(wire: &pb::Geofence, path: &str) -> bool {
    match path {
        "display_name" => !wire.display_name.is_empty(),
        "zone_id" => wire.zone_id != 0,
        "crossings" => !wire.crossings.is_empty(),
        "dwell_time" => wire.dwell_time.is_some(),
        "agent_ids" => !wire.agent_ids.is_empty(),
        "units" => !wire.units.is_empty(),
        "margin_meters" => wire.margin_meters.is_some(),
        "max_accuracy_meters" => wire.max_accuracy_meters.is_some(),
        "confirmation_count" => wire.confirmation_count.is_some(),
        _ => false,
    }
}
