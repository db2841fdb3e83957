//! All that a running server carries; tests start several in one process.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    config::ServeSettings,
    identity::{Passwords, Tokens},
    live::{Hub, Wake},
    store::Database,
};

/// Tells the time. Everything below it takes the time as an argument.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "here the time enters the program")]
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that tells what a function says.
    pub fn of(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The time, cut to the microseconds that the database keeps.
    pub fn now(&self) -> Timestamp {
        crate::store::decode::stored((self.0)())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A running server's parts.
#[derive(Debug)]
pub struct App {
    /// Settings.
    pub settings: ServeSettings,
    /// Database.
    pub database: Database,
    /// Access tokens.
    pub tokens: Tokens,
    /// Passwords.
    pub passwords: Passwords,
    /// Live feed.
    pub hub: Hub,
    /// Tells the relay that there is something to copy.
    pub wake: Wake,
    /// Time.
    pub clock: Clock,
}

impl App {
    /// An outside name for something new: UUIDv7, so that names sort by time.
    pub fn uid(&self, now: Timestamp) -> Uuid {
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
    }
}
