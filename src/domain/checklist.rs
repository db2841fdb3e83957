//! Checklists: the single things that a task consists of.

use jiff::Timestamp;

use super::{Revision, TaskId, UserId};

/// Items that a task has at most.
pub const ITEMS: i64 = 200;

/// A single thing that is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Number.
    pub id: i64,
    /// The task.
    pub task: TaskId,
    /// What is to be done.
    pub title: String,
    /// When it was ticked off, and by whom.
    pub done: Option<(Timestamp, UserId)>,
    /// When it was added.
    pub created: Timestamp,
    /// Version.
    pub revision: Revision,
}

impl Item {
    /// Ticks it off, or takes that back. Of one that is done already it stays who did it.
    pub fn tick(&mut self, done: bool, user: UserId, now: Timestamp) {
        self.done = match self.done {
            _ if !done => None,
            Some(before) => Some(before),
            None => Some((now, user)),
        };
    }
}
