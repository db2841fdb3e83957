//! Statistics: what is counted, and how lengths of time are read from classes.

use std::sync::Arc;

use jiff::{SignedDuration, civil::Date};

use super::{
    ZoneId,
    access::{Caller, Sight},
    plan::{Kind, Priority},
};

/// What is measured; numbers as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Tasks by state.
    State = 1,
    /// Open tasks by the minute at which they should end.
    Due = 2,
    /// Work without pauses of finished tasks.
    Worked = 3,
    /// Planned length of finished tasks.
    Planned = 4,
    /// Until the first agent.
    Assign = 5,
    /// Until somebody took care of an emergency.
    Acknowledge = 6,
    /// Until the start.
    Start = 7,
    /// Until the end.
    Finish = 8,
    /// Finished after the planned end.
    Late = 9,
}

impl Measure {
    /// All measures.
    pub const ALL: [Self; 9] = [
        Self::State,
        Self::Due,
        Self::Worked,
        Self::Planned,
        Self::Assign,
        Self::Acknowledge,
        Self::Start,
        Self::Finish,
        Self::Late,
    ];

    /// The measure of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| *measure as i32 == number)
    }
}

/// What is grouped by; numbers as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// All in one.
    All = 0,
    /// Whom tasks are delegated to.
    User = 1,
    /// Agents on tasks.
    Agent = 2,
    /// Units of agents on tasks.
    Unit = 3,
    /// Zones.
    Zone = 4,
    /// Kinds.
    Kind = 5,
    /// Priorities.
    Priority = 6,
    /// Days.
    Day = 7,
}

impl Group {
    /// The group of a number.
    pub fn of(number: i32) -> Option<Self> {
        let all = [
            Self::All,
            Self::User,
            Self::Agent,
            Self::Unit,
            Self::Zone,
            Self::Kind,
            Self::Priority,
            Self::Day,
        ];
        all.into_iter().find(|group| *group as i32 == number)
    }
}

/// Which tasks, and which time; lists mean any of, an empty one all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// First day.
    pub since: Option<Date>,
    /// First day after.
    pub until: Option<Date>,
    /// Whom tasks are delegated to.
    pub users: Vec<i64>,
    /// Agents on the tasks.
    pub agents: Vec<i64>,
    /// Units of agents on the tasks.
    pub units: Vec<String>,
    /// Zones.
    pub zones: Vec<i64>,
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Priorities.
    pub priorities: Vec<Priority>,
    /// What is theirs who asks; none: everything.
    pub sight: Option<Sight>,
}

impl Filter {
    /// Whether it is about agents on tasks rather than about tasks.
    pub fn is_about_agents(&self, group: Group) -> bool {
        matches!(group, Group::Agent | Group::Unit) || !self.agents.is_empty() || !self.units.is_empty()
    }
}

/// Classes to the octave.
const CLASSES: f64 = 16.0;

/// The middle of a class of lengths of time: no length in it differs by more than 2.2 % and a millisecond.
pub fn middle(class: i32) -> SignedDuration {
    if class < 1 {
        return SignedDuration::ZERO;
    }
    let milliseconds = ((f64::from(class) - 0.5) / CLASSES).exp2().round();
    SignedDuration::from_millis(milliseconds as i64)
}

/// How long something took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spread {
    /// How many were measured.
    pub count: i64,
    /// How long together, in milliseconds.
    pub total: i64,
    /// Classes of a quarter, of half and of three quarters.
    pub classes: [i32; 3],
}

/// How much is open somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Open {
    /// Scheduled, in progress, paused.
    pub states: [i64; 3],
    /// Should have ended.
    pub overdue: i64,
    /// Of kind emergency.
    pub emergencies: i64,
    /// Of the two highest priorities.
    pub urgent: i64,
}

/// How much is open, by zone; zone 0: in none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Board(pub Arc<[(i64, Open)]>);

impl Board {
    /// What somebody sees of it.
    pub fn seen_by(&self, caller: &Caller) -> Open {
        let mut sum = Open::default();
        for (zone, open) in self.0.iter() {
            let zone = (*zone > 0).then_some(ZoneId(*zone));
            if caller.sees_zone(zone) {
                for (sum, states) in sum.states.iter_mut().zip(open.states) {
                    *sum += states;
                }
                sum.overdue += open.overdue;
                sum.emergencies += open.emergencies;
                sum.urgent += open.urgent;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_length_is_further_from_the_middle_of_its_class_than_it_is_said() {
        for length in (1..100_000_i64).step_by(7).chain([1 << 31, 1 << 40]) {
            let class = 1 + (16.0 * (length as f64).log2()).floor() as i32;
            let read = middle(class).as_millis() as f64;
            let off = (read - length as f64).abs();
            assert!(off <= length as f64 * 0.022 + 1.0, "{length}: {read}");
        }
        assert_eq!(middle(0), SignedDuration::ZERO);
    }
}
