//! Templates: what tasks are made of.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    Revision, UserId, ZoneId,
    access::{Caller, Level},
    geo::Point,
    recurrence::{Recurrence, Wrong},
    task::{Kind, Plan, Priority},
};

/// What people set of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// What people call it.
    pub name: String,
    /// Title of its tasks.
    pub title: String,
    /// Description of its tasks.
    pub description: String,
    /// Kind of its tasks.
    pub kind: Kind,
    /// Urgency of its tasks.
    pub priority: Priority,
    /// Where they are.
    pub location: Option<Point>,
    /// Where they are, in words.
    pub location_description: String,
    /// Who oversees them; none: whoever makes the task.
    pub delegate: Option<UserId>,
    /// How long each is planned to take.
    pub planned: Option<SignedDuration>,
    /// Checklist of each.
    pub checklist: Vec<String>,
    /// When they are made.
    pub recurrence: Option<Recurrence>,
    /// The recurrence rests.
    pub paused: bool,
}

impl Pattern {
    /// What a task of it is to be.
    pub fn plan(&self, maker: UserId, start: Timestamp) -> Plan {
        Plan {
            code: String::new(),
            title: self.title.clone(),
            description: self.description.clone(),
            kind: self.kind,
            priority: self.priority,
            planned_start: start,
            planned_end: self.planned.and_then(|length| start.checked_add(length).ok()),
            location: self.location,
            location_description: self.location_description.clone(),
            delegate: self.delegate.unwrap_or(maker),
        }
    }

    /// The next occurrence after a moment, unless it rests.
    pub fn next(&self, after: Timestamp) -> Result<Option<Timestamp>, Wrong> {
        match &self.recurrence {
            Some(recurrence) if !self.paused => recurrence.next(after),
            _ => Ok(None),
        }
    }
}

/// What tasks are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Number.
    pub id: i64,
    /// Outside name.
    pub uid: Uuid,
    /// What people set.
    pub pattern: Pattern,
    /// Who made it.
    pub creator: UserId,
    /// Zone that holds the location.
    pub zone: Option<ZoneId>,
    /// The next occurrence.
    pub next: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

impl Template {
    /// Whether a caller may know of it.
    pub fn is_visible_to(&self, caller: &Caller) -> bool {
        caller.level >= Level::Supervisor && (caller.sees_zone(self.zone) || self.creator == caller.user)
    }

    /// When the task of an occurrence is made.
    pub fn due(&self, occurrence: Timestamp) -> Timestamp {
        let lead = self.pattern.recurrence.as_ref().map(|recurrence| recurrence.lead);
        occurrence.saturating_sub(lead.unwrap_or_default()).unwrap_or(occurrence)
    }
}
