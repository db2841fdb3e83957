//! How long what is kept: a policy per kind of data, within bounds.

use jiff::{SignedDuration, Timestamp};

use super::UserId;

/// A kind of data that is forgotten after a time; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Where agents were, by days.
    Positions = 1,
    /// When agents were on duty.
    Shifts = 2,
    /// Answers to changes that carried a request id.
    Replays = 3,
    /// Sessions and API tokens that are over.
    Sessions = 4,
    /// Mail that could not be sent.
    Mails = 5,
    /// Secrets that were mailed and are used or over.
    MailedTokens = 6,
    /// Tasks that were deleted.
    DeletedTasks = 7,
    /// Users who were deleted: erased as if they had asked for it.
    DeletedUsers = 8,
    /// Who looked, with a reason, where somebody is.
    Reveals = 9,
    /// The audit, by days.
    Audit = 10,
}

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// The longest time that anything is kept: a hundred years.
const LONGEST: SignedDuration = days(36_500);

impl Kind {
    /// All kinds, in the order in which they are forgotten.
    pub const ALL: [Self; 10] = [
        Self::Positions,
        Self::Shifts,
        Self::Replays,
        Self::Sessions,
        Self::Mails,
        Self::MailedTokens,
        Self::DeletedTasks,
        Self::DeletedUsers,
        Self::Reveals,
        Self::Audit,
    ];

    /// The kind of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i32 == number)
    }

    /// Shortest and longest time that a policy may say.
    pub fn bounds(self) -> (SignedDuration, SignedDuration) {
        match self {
            // A fix may come a week late: till then its place and its shift must be there.
            Self::Positions | Self::Shifts => (days(8), days(3_650)),
            // A change must not be done again by who repeats it an hour later.
            Self::Replays => (SignedDuration::from_hours(1), days(30)),
            Self::Sessions | Self::Mails | Self::MailedTokens => (days(1), days(3_650)),
            Self::DeletedTasks => (days(30), LONGEST),
            Self::DeletedUsers => (days(1), LONGEST),
            // Who was looked for, and who asks what was done, must have the time to ask for it.
            Self::Reveals | Self::Audit => (days(365), LONGEST),
        }
    }
}

/// How long a kind of data is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What.
    pub kind: Kind,
    /// How long.
    pub keep: SignedDuration,
    /// When that was said last.
    pub updated: Timestamp,
    /// Who said so; none: it always was so.
    pub updated_by: Option<UserId>,
}

impl Policy {
    /// What is older than this is forgotten.
    pub fn before(&self, now: Timestamp) -> Timestamp {
        now - self.keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixes_that_may_still_come_have_their_day_and_their_shift() {
        for kind in [Kind::Positions, Kind::Shifts] {
            assert!(kind.bounds().0 > super::super::agent::OLDEST_FIX);
        }
        for kind in Kind::ALL {
            assert_eq!(Kind::of(kind as i32), Some(kind));
            assert!(kind.bounds().0 < kind.bounds().1);
        }
    }
}
