//! One file per proto service: read, authorise, decide, write, answer.

pub mod agent;
pub mod agent_mask;
pub mod agent_read;
pub mod audit;
pub mod audit_export;
pub mod auth;
pub mod change;
pub mod event;
pub mod nearby;
pub mod page;
pub mod position;
pub mod task;
pub mod task_mask;
pub mod task_read;
pub mod watch;
pub mod wire;
pub mod zone;

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;
use tonic::{Extensions, Request};
use uuid::Uuid;

use crate::{
    audit::Trail,
    domain::access::Caller,
    error::{Error, Result},
    identity::SignedIn,
};

pub use crate::domain::audit::Door;

/// What the layers found out about a call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls; none for public methods without a token.
    pub signed_in: Option<SignedIn>,
    /// When it must be answered; none for streams without a deadline.
    pub deadline: Option<Instant>,
    /// Its name in logs.
    pub request_id: Uuid,
    /// Where it came from, if that is known.
    pub address: Option<IpAddr>,
    /// How it came in.
    pub door: Door,
    /// What is to be written down of it.
    pub trail: Trail,
}

impl Call {
    /// The call that a request is.
    pub fn of<T>(request: &Request<T>) -> Result<Self> {
        Self::in_extensions(request.extensions())
    }

    /// The call that extensions speak of.
    pub fn in_extensions(extensions: &Extensions) -> Result<Self> {
        extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Error::internal("a call came past the layers"))
    }

    /// Who calls.
    pub fn caller(&self) -> Result<Caller> {
        Ok(self.signed_in.ok_or(Error::SignedOut)?.caller)
    }

    /// Time left.
    pub fn left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Time until the caller's token ends.
    pub fn token_left(&self, now: Timestamp) -> Duration {
        self.signed_in.map_or(Duration::ZERO, |signed_in| left(signed_in.until, now))
    }
}

/// Time from `now` until then; none if it is past.
pub fn left(until: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default()
}
