//! Who is calling, and how much authority that is.

use super::{AgentId, UserId};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub user: UserId,
    /// How much authority.
    pub level: Level,
}

impl Caller {
    /// Whether everything of everyone is theirs to see.
    pub fn sees_all(&self) -> bool {
        self.level >= Level::Supervisor
    }
}

/// Somebody's own user, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Number.
    pub id: UserId,
    /// Outside name.
    pub uid: uuid::Uuid,
    /// E-mail, lower case.
    pub email: String,
    /// Name as shown.
    pub display_name: String,
    /// Level of authority.
    pub level: Level,
    /// The user's agent.
    pub agent: Option<AgentId>,
}
