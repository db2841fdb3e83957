//! Comments: what people say of a task.

use jiff::Timestamp;

use super::{Revision, TaskId, UserId};

/// What a comment is for; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Part of a conversation.
    Comment = 1,
    /// A note of the work.
    Note = 2,
}

impl Kind {
    /// The kind of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Comment, Self::Note].into_iter().find(|kind| *kind as i32 == number)
    }
}

/// What somebody says of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Number.
    pub id: i64,
    /// The task.
    pub task: TaskId,
    /// Who says it.
    pub user: UserId,
    /// What it is for.
    pub kind: Kind,
    /// In their words; empty if the person was erased.
    pub text: String,
    /// When it was said.
    pub created: Timestamp,
    /// When the words last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}
