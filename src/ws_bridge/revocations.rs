//! What is not believed any more although it was signed, as the servers tell it; and the connections that end by it.
//!
//! Clients of the same rights share an upstream watch, which lives by the token of one of them: so the end of another's
//! token would not be noticed there.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};
use tonic::Status;
use uuid::Uuid;

use super::{
    token::{Credential, Identity},
    upstream::Upstream,
    wait::jitter,
};
use crate::pb;

/// Longest silence of a server; it says something every second.
const SILENCE: Duration = Duration::from_secs(3);
/// Wait before another server is asked.
const AGAIN: Duration = Duration::from_millis(100);
/// How long something is remembered if the server does not say.
const KEEP: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Default)]
struct Known {
    /// Sessions that ended, until they are forgotten.
    sessions: HashMap<Uuid, Instant>,
    /// Least good version of users' tokens, likewise.
    users: HashMap<i64, (i32, Instant)>,
    /// When a server last said that it told everything.
    heard: Option<Instant>,
}

impl Known {
    fn believes(&self, identity: &Identity) -> bool {
        let least = self.users.get(&identity.user).map(|(version, _)| *version);
        !self.sessions.contains_key(&identity.session) && least.is_none_or(|least| identity.version >= least)
    }
}

/// What is not believed any more, and the open connections.
#[derive(Debug, Default)]
pub struct Revocations {
    known: Mutex<Known>,
    open: Arc<Mutex<HashMap<u64, Weak<Credential>>>>,
    number: AtomicU64,
}

/// An open connection; struck off when dropped.
#[derive(Debug)]
pub struct Listed {
    number: u64,
    open: Arc<Mutex<HashMap<u64, Weak<Credential>>>>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

impl Revocations {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a token is believed, by what is known here.
    pub fn believes(&self, identity: &Identity) -> bool {
        self.known().believes(identity)
    }

    /// Whether a server was heard a moment ago.
    pub fn are_current(&self) -> bool {
        self.known().heard.is_some_and(|at| at.elapsed() < SILENCE)
    }

    /// Lists a connection that ends when its token does.
    pub fn list(&self, credential: &Arc<Credential>) -> Listed {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(number, Arc::downgrade(credential));
        drop(open);
        // What came before it was listed.
        credential.doubt(|identity| self.believes(identity));
        Listed {
            number,
            open: Arc::clone(&self.open),
        }
    }

    /// Hears the servers, one at a time, for ever.
    pub async fn follow(&self, upstream: &Upstream) {
        loop {
            if let Err(status) = self.hear(upstream).await {
                tracing::warn!(code = ?status.code(), message = status.message(), "revocations are not heard");
            }
            sleep(jitter(AGAIN)).await;
        }
    }

    /// Hears one server until it goes away or falls silent.
    async fn hear(&self, upstream: &Upstream) -> Result<(), Status> {
        let (mut stream, _lease) = upstream.revocations().await?;
        loop {
            match timeout(SILENCE, stream.message()).await {
                Ok(Ok(Some(told))) => self.take(told, Instant::now()),
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(status)) => return Err(status),
                Err(_) => return Err(Status::unavailable("the server fell silent")),
            }
        }
    }

    fn take(&self, told: pb::Revocations, now: Instant) {
        let pb::Revocations {
            session_ids,
            // The bridge takes no API tokens.
            api_token_ids: _,
            users,
            whole,
            keep,
        } = told;
        let news = !session_ids.is_empty() || !users.is_empty();
        let until = now + keep.and_then(|keep| Duration::try_from(keep).ok()).unwrap_or(KEEP);
        let mut known = self.known();
        for id in session_ids {
            match Uuid::try_parse(&id) {
                Ok(id) => drop(known.sessions.insert(id, until)),
                Err(_) => tracing::error!(id, "a session without a name"),
            }
        }
        for pb::RevokedUser { user_id, version } in users {
            let entry = known.users.entry(user_id).or_insert((version, until));
            *entry = (entry.0.max(version), until);
        }
        known.sessions.retain(|_, until| *until > now);
        known.users.retain(|_, (_, until)| *until > now);
        if whole {
            known.heard = Some(now);
        }
        drop(known);
        if news {
            self.end_connections();
        }
    }

    fn end_connections(&self) {
        let open: Vec<Arc<Credential>> = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.values().filter_map(Weak::upgrade).collect()
        };
        let known = self.known();
        for credential in open {
            credential.doubt(|identity| known.believes(identity));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn identity(user: i64, session: u128, version: i32) -> Identity {
        Identity {
            user,
            level: 2,
            limited: false,
            session: Uuid::from_u128(session),
            version,
            until: Timestamp::MAX,
        }
    }

    fn told(sessions: &[u128], users: &[(i64, i32)]) -> pb::Revocations {
        pb::Revocations {
            session_ids: sessions.iter().map(|id| Uuid::from_u128(*id).to_string()).collect(),
            users: users
                .iter()
                .map(|(user_id, version)| pb::RevokedUser {
                    user_id: *user_id,
                    version: *version,
                })
                .collect(),
            whole: true,
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn a_connection_ends_with_its_session_or_its_users_version_and_no_other_does() {
        let revocations = Revocations::default();
        assert!(!revocations.are_current());
        let connect = |identity| {
            let credential = Arc::new(Credential::new("token", identity));
            (Arc::clone(&credential), revocations.list(&credential))
        };
        let (one, _one) = connect(identity(7, 1, 1));
        let (two, _two) = connect(identity(7, 2, 1));
        let (other, _other) = connect(identity(8, 3, 1));
        revocations.take(told(&[1], &[]), Instant::now());
        assert!(revocations.are_current());
        one.ended().await;
        assert!(!two.is_revoked() && !other.is_revoked());
        revocations.take(told(&[], &[(7, 2), (8, 1)]), Instant::now());
        two.ended().await;
        assert!(!other.is_revoked());
        let (late, _late) = connect(identity(7, 4, 1));
        late.ended().await;
        assert!(revocations.believes(&identity(7, 4, 2)));
        revocations.take(told(&[], &[(7, 1)]), Instant::now());
        assert!(
            !revocations.believes(&identity(7, 4, 1)),
            "older news do not take anything back"
        );
    }

    #[test]
    fn what_speaks_of_ended_tokens_is_forgotten() {
        let revocations = Revocations::default();
        let keep = prost_types::Duration { seconds: 60, nanos: 0 };
        let now = Instant::now();
        let first = pb::Revocations {
            keep: Some(keep),
            ..told(&[1], &[(7, 2)])
        };
        revocations.take(first, now);
        assert!(!revocations.believes(&identity(9, 1, 1)));
        revocations.take(told(&[], &[]), now + Duration::from_secs(61));
        assert!(revocations.believes(&identity(7, 1, 1)));
        let known = revocations.known();
        assert!(known.sessions.is_empty() && known.users.is_empty());
    }

    #[test]
    fn a_connection_that_is_gone_is_not_listed() {
        let revocations = Revocations::default();
        let credential = Arc::new(Credential::new("token", identity(7, 1, 1)));
        drop(revocations.list(&credential));
        assert!(revocations.open.lock().expect("not poisoned").is_empty());
    }
}
