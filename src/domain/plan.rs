//! What people may set of a task.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{UserId, geo::Point};

/// Kind of work; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Patrol.
    Patrol = 1,
    /// Investigation.
    Investigation = 2,
    /// Surveillance.
    Surveillance = 3,
    /// Intervention.
    Intervention = 4,
    /// Desk work.
    Administrative = 5,
    /// Training.
    Training = 6,
    /// Inspection of a place.
    Inspection = 7,
    /// Emergency.
    Emergency = 8,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Patrol,
        Self::Investigation,
        Self::Surveillance,
        Self::Intervention,
        Self::Administrative,
        Self::Training,
        Self::Inspection,
        Self::Emergency,
    ];

    /// The kind of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i32 == number)
    }
}

/// Urgency, 1 to 5; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Priority {
    /// Can wait.
    Low = 1,
    /// The usual.
    Medium = 2,
    /// Soon.
    High = 3,
    /// Now.
    Urgent = 4,
    /// Before all else.
    Critical = 5,
}

impl Priority {
    /// All priorities, lowest first.
    pub const ALL: [Self; 5] = [Self::Low, Self::Medium, Self::High, Self::Urgent, Self::Critical];

    /// The priority of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| *priority as i32 == number)
    }
}

/// What people may set of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Unique short code.
    pub code: String,
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, in full.
    pub description: String,
    /// Kind of work.
    pub kind: Kind,
    /// Urgency.
    pub priority: Priority,
    /// When it is to begin.
    pub planned_start: Timestamp,
    /// When it is to end, after the start.
    pub planned_end: Option<Timestamp>,
    /// Where it is.
    pub location: Option<Point>,
    /// Where it is, in words.
    pub location_description: String,
    /// User that oversees it.
    pub delegate: UserId,
}
