//! Dependencies: which tasks must be finished before another begins.

use jiff::Timestamp;

use super::{TaskId, UserId};

/// Tasks that one task waits for at most.
pub const OTHERS: i64 = 50;

/// That a task waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// The task that waits.
    pub task: TaskId,
    /// The task that is waited for.
    pub on: TaskId,
    /// Who said so.
    pub user: UserId,
    /// When.
    pub created: Timestamp,
    /// Whether the one that is waited for is finished, or deleted.
    pub satisfied: bool,
}
