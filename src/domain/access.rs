//! Who is calling, how much authority that is, and how far it reaches.

use std::sync::Arc;

use super::{UserId, ZoneId};

/// Level of authority; each may do all that the levels below it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Field agent.
    Agent = 1,
    /// Supervisor.
    Supervisor = 2,
    /// Administrator.
    Administrator = 3,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Supervisor, Self::Administrator];

    /// The level of a number, as stored and as on the wire.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|level| *level as i32 == number)
    }
}

/// Somebody who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub user: UserId,
    /// How much authority.
    pub level: Level,
    /// Zones that a supervisor's authority ends at; empty: it reaches everywhere.
    pub zones: Arc<[ZoneId]>,
}

/// The part of the world that somebody sees who does not see all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// What is theirs: created by, delegated to, or worked on by them, or they themselves.
    pub user: UserId,
    /// What is in these zones.
    pub zones: Vec<ZoneId>,
}

impl Caller {
    /// Whether everything of everyone is theirs to see.
    pub fn sees_all(&self) -> bool {
        match self.level {
            Level::Agent => false,
            Level::Supervisor => self.zones.is_empty(),
            Level::Administrator => true,
        }
    }

    /// Whether what is in a zone is theirs to see; what is in none is not.
    pub fn sees_zone(&self, zone: Option<ZoneId>) -> bool {
        self.sees_all() || self.level == Level::Supervisor && zone.is_some_and(|zone| self.zones.contains(&zone))
    }

    /// What they see; none: all.
    pub fn sight(&self) -> Option<Sight> {
        let zones = match self.level {
            Level::Agent => Vec::new(),
            Level::Supervisor | Level::Administrator => self.zones.to_vec(),
        };
        (!self.sees_all()).then_some(Sight { user: self.user, zones })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(level: Level, zones: &[i64]) -> Caller {
        Caller {
            user: UserId(7),
            level,
            zones: zones.iter().map(|zone| ZoneId(*zone)).collect(),
        }
    }

    #[test]
    fn zones_limit_supervisors_only() {
        let limited = caller(Level::Supervisor, &[1, 2]);
        assert!(!limited.sees_all());
        assert!(limited.sees_zone(Some(ZoneId(2))));
        assert!(!limited.sees_zone(Some(ZoneId(3))));
        assert!(!limited.sees_zone(None));
        assert_eq!(limited.sight().unwrap().zones, [ZoneId(1), ZoneId(2)]);
        assert!(caller(Level::Supervisor, &[]).sees_zone(None));
        assert!(caller(Level::Administrator, &[1]).sees_all());
        let agent = caller(Level::Agent, &[1]);
        assert!(!agent.sees_zone(Some(ZoneId(1))));
        assert_eq!(agent.sight().unwrap().zones, []);
    }
}
