//! Geofences: what people set of them, and what happens at them. Who comes, goes and stays is in `crossing`.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AgentId, GeofenceId, Revision, UserId, ZoneId, access::Caller, geo::Point};

/// A fence, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Geofence {
    /// Number.
    pub id: GeofenceId,
    /// What people set of it.
    pub plan: Plan,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

/// What people set of a fence.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Name.
    pub display_name: String,
    /// The zone that it is drawn around.
    pub zone: ZoneId,
    /// Looks at everybody.
    pub everybody: bool,
    /// Agents that it looks at.
    pub agents: Vec<AgentId>,
    /// Units whose agents it looks at too.
    pub units: Vec<String>,
    /// When it tells what.
    pub rule: Rule,
}

/// When a fence tells what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Of who comes in.
    pub enter: bool,
    /// Of who goes out.
    pub exit: bool,
    /// Of who has been inside for so long.
    pub dwell: Option<SignedDuration>,
    /// How far inside or outside one must be.
    pub margin_meters: f64,
    /// Greatest inaccuracy of a fix that counts.
    pub max_accuracy_meters: f64,
    /// Fixes in a row that it takes to be elsewhere.
    pub confirmations: u16,
}

/// What happened; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Came in.
    Entered = 1,
    /// Went out.
    Left = 2,
    /// Has been inside for long.
    Dwelt = 3,
}

impl Kind {
    /// The kind of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Entered, Self::Left, Self::Dwelt]
            .into_iter()
            .find(|kind| *kind as i32 == number)
    }
}

/// Something that happened at a fence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Number.
    pub id: i64,
    /// The fence.
    pub geofence: GeofenceId,
    /// Its name.
    pub display_name: String,
    /// Its zone; none: it is gone.
    pub zone: Option<ZoneId>,
    /// The agent.
    pub agent: AgentId,
    /// The agent's user.
    pub user: UserId,
    /// What happened.
    pub kind: Kind,
    /// Time of the fix.
    pub fix_time: Timestamp,
    /// Place of the fix.
    pub location: Point,
    /// When it was noticed.
    pub time: Timestamp,
}

impl Event {
    /// Whether a caller may know of it: it is in their zone, or they did it themselves.
    pub fn is_visible_to(&self, caller: &Caller) -> bool {
        self.user == caller.user || caller.sees_zone(self.zone)
    }
}
