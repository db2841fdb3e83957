//! Sign-ins on devices: how they go on, how they end, and what failed attempts lead to.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::UserId;

/// Failed attempts in a row that lock an account.
pub const ATTEMPTS: i32 = 5;
/// How long it stays locked.
pub const LOCKED_FOR: SignedDuration = SignedDuration::from_mins(30);
/// How long the last exchange of a refresh token may be asked for again: the answer may have been lost.
pub const RETRY: SignedDuration = SignedDuration::from_secs(10);

/// A sign-in on one device, from its first password to its last refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Name.
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// When it began.
    pub created: Timestamp,
    /// When the person last proved to be there.
    pub auth_time: Timestamp,
    /// When it was used last: begun, refreshed, or proved anew.
    pub last_used: Timestamp,
    /// When it ends unless it is used.
    pub expires: Timestamp,
    /// When and why it was ended.
    pub ended: Option<(Timestamp, End)>,
    /// What the device says of itself.
    pub user_agent: String,
    /// Where it began.
    pub address: Option<IpAddr>,
}

/// Why a session ended. Numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The person signed out.
    SignedOut = 1,
    /// The person ended it from another session.
    Revoked = 2,
    /// An administrator ended it.
    RevokedByAdministrator = 3,
    /// A refresh token came a second time: somebody else has it.
    RefreshReused = 4,
    /// The password changed.
    PasswordChanged = 5,
    /// The user was deactivated, locked, deleted or erased.
    UserClosed = 6,
}

impl End {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::SignedOut,
        Self::Revoked,
        Self::RevokedByAdministrator,
        Self::RefreshReused,
        Self::PasswordChanged,
        Self::UserClosed,
    ];

    /// The reason of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|end| *end as i32 == number)
    }
}

impl Session {
    /// Whether it goes on at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires
    }
}

/// What a refresh token that came back is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// The fresh one: it is exchanged for the next.
    Fresh,
    /// The last one that was exchanged, a moment ago, and nobody has used what it was exchanged for: the answer was lost,
    /// and is given again.
    Again,
    /// One that was used up: two have it, and one of them stole it.
    Reused,
}

impl Exchange {
    /// Of a token that was used up at `used`, whose successor is the fresh one or is not.
    pub fn of(used: Option<Timestamp>, is_last: bool, now: Timestamp) -> Self {
        match used {
            None => Self::Fresh,
            Some(used) if is_last && now < used + RETRY => Self::Again,
            Some(_) => Self::Reused,
        }
    }
}

/// Failed attempts to prove to be somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    /// In a row, since the account was last locked.
    pub failed: i32,
    /// Until when the account is locked.
    pub locked_until: Option<Timestamp>,
}

impl Attempts {
    /// Whether no attempt counts now.
    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// After one more failure; the last one of a row locks.
    #[must_use]
    pub fn fail(self, now: Timestamp) -> Self {
        let failed = self.failed + 1;
        if failed < ATTEMPTS {
            return Self {
                failed,
                locked_until: None,
            };
        }
        Self {
            failed: 0,
            locked_until: Some(now + LOCKED_FOR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    #[test]
    fn five_failures_lock_for_half_an_hour_and_then_it_begins_anew() {
        let mut attempts = Attempts::default();
        for _ in 0..4 {
            attempts = attempts.fail(at(0));
            assert!(!attempts.is_locked(at(0)));
        }
        attempts = attempts.fail(at(0));
        assert!(attempts.is_locked(at(0)) && attempts.is_locked(at(1799)) && !attempts.is_locked(at(1800)));
        let again = attempts.fail(at(1800));
        assert_eq!(again.failed, 1);
        assert!(!again.is_locked(at(1800)));
    }

    #[test]
    fn only_the_last_exchange_may_be_repeated_and_not_for_long() {
        assert_eq!(Exchange::of(None, false, at(0)), Exchange::Fresh);
        assert_eq!(Exchange::of(Some(at(0)), true, at(9)), Exchange::Again);
        assert_eq!(Exchange::of(Some(at(0)), true, at(10)), Exchange::Reused);
        assert_eq!(Exchange::of(Some(at(0)), false, at(1)), Exchange::Reused);
    }
}
