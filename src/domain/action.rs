//! What can be done to a task.

use serde::{Deserialize, Serialize};

use super::access::Level;

/// What can be done to a task; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Begin.
    Start = 1,
    /// Interrupt.
    Pause = 2,
    /// Go on.
    Resume = 3,
    /// Be done.
    Finish = 4,
    /// Give up.
    Cancel = 5,
    /// Carry on in a new task.
    Reopen = 6,
    /// Put an agent on it.
    Assign = 7,
    /// Take an agent off it.
    Unassign = 8,
    /// Change its fields.
    Update = 9,
    /// Delete.
    Delete = 10,
    /// Take the deletion back.
    Undelete = 11,
    /// Say something of it.
    Comment = 12,
    /// Add a file.
    Attach = 13,
    /// Take a file away.
    Detach = 14,
    /// Change its checklist.
    Checklist = 15,
    /// Change what it waits for.
    Depend = 16,
}

impl Action {
    /// All actions that clients are told of as what they may do.
    pub const ALL: [Self; 11] = [
        Self::Start,
        Self::Pause,
        Self::Resume,
        Self::Finish,
        Self::Cancel,
        Self::Reopen,
        Self::Assign,
        Self::Unassign,
        Self::Update,
        Self::Delete,
        Self::Undelete,
    ];

    /// The actions that move a task to another state.
    pub const STEPS: [Self; 5] = [Self::Start, Self::Pause, Self::Resume, Self::Finish, Self::Cancel];

    /// The action of a number.
    pub fn of(number: i32) -> Option<Self> {
        let details = [Self::Comment, Self::Attach, Self::Detach, Self::Checklist, Self::Depend];
        Self::ALL.into_iter().chain(details).find(|action| *action as i32 == number)
    }

    /// Least level that may do it to any task.
    pub fn level(self) -> Level {
        match self {
            Self::Start | Self::Pause | Self::Resume | Self::Finish | Self::Cancel => Level::Supervisor,
            Self::Reopen | Self::Assign | Self::Unassign | Self::Update => Level::Supervisor,
            Self::Comment | Self::Attach | Self::Detach | Self::Checklist | Self::Depend => Level::Supervisor,
            Self::Delete | Self::Undelete => Level::Administrator,
        }
    }

    /// Whether whoever is on the task may do it too, whatever the level.
    pub fn open_to_agents(self) -> bool {
        matches!(
            self,
            Self::Start | Self::Pause | Self::Resume | Self::Finish | Self::Checklist
        )
    }
}
