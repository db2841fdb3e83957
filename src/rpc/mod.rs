//! One file per proto service: read, authorise, decide, write, answer.

pub mod agent;
pub mod agent_mask;
pub mod agent_read;
pub mod announcement;
pub mod api_token;
pub mod attachment;
pub mod attachment_file;
pub mod audit;
pub mod audit_export;
pub mod auth;
pub mod auth_mail;
pub mod auth_password;
pub mod auth_session;
pub mod auth_totp;
pub mod bulk;
pub mod change;
pub mod check_in;
pub mod columns;
pub mod checklist;
pub mod comment;
pub mod consent;
pub mod crossing;
pub mod dependency;
pub mod detail;
pub mod dispatch;
pub mod ear;
pub mod edge;
pub mod emergency;
pub mod event;
pub mod export;
pub mod extract;
pub mod geofence;
pub mod geofence_mask;
pub mod legacy;
pub mod letter;
pub mod location;
pub mod map;
pub mod message;
pub mod national_id;
pub mod nearby;
pub mod notification;
pub mod notification_rule;
pub mod page;
pub mod permission;
pub mod position;
pub mod privacy;
pub mod proof;
pub mod retention;
pub mod refusal;
pub mod rule;
pub mod statistics;
pub mod sheet;
pub mod sync;
pub mod sync_pull;
pub mod task;
pub mod task_import;
pub mod task_mask;
pub mod task_read;
pub mod tile;
pub mod track;
pub mod task_whole;
pub mod template;
pub mod user;
pub mod user_access;
pub mod user_mask;
pub mod user_read;
pub mod user_stats;
pub mod watch;
pub mod webhook;
pub mod wire;
pub mod zone;
pub mod zone_mask;

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;
use tonic::{Extensions, Request};
use uuid::Uuid;

use crate::{
    audit::Trail,
    domain::{
        access::Caller,
        limit::{Class, Payer, Standing},
    },
    error::{Error, Result},
    identity::{Credential, SignedIn},
    live::limits::{Counted, Limits},
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
    /// What the caller's program says of itself; printable, and not long.
    pub user_agent: String,
    /// What is to be written down of it.
    pub trail: Trail,
    /// How whoever pays for it stands; the answer tells it.
    pub standing: Arc<OnceLock<Standing>>,
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
        Ok(self.signed_in()?.caller.clone())
    }

    /// Who calls, and by what.
    pub fn signed_in(&self) -> Result<&SignedIn> {
        self.signed_in.as_ref().ok_or(Error::SignedOut)
    }

    /// The session that calls; an API token is none.
    pub fn session(&self) -> Result<Uuid> {
        match self.signed_in()?.credential {
            Credential::Session { id, .. } => Ok(id),
            Credential::ApiToken { .. } => Err(Error::Forbidden),
        }
    }

    /// The call as one of several things that it does, with a trail of its own.
    pub fn part(&self) -> Self {
        Self {
            trail: self.trail.part(),
            ..self.clone()
        }
    }

    /// Counts it against somebody whom the layers could not know.
    pub async fn count(&self, limits: &Limits, class: Class, payer: Payer) -> Result<()> {
        let Counted { standing, verdict } = limits.count(class, payer).await;
        if let Some(standing) = standing {
            let _ = self.standing.set(standing);
        }
        verdict
    }

    /// Time left.
    pub fn left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// Time from `now` until then; none if it is past.
pub fn left(until: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default()
}
