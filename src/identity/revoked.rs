//! What is not believed any more although it was signed: sessions that ended, older tokens of a user.
//!
//! Rows are written in the transaction that ends a session or changes a user, and every replica reads the new ones
//! several times a second on a connection of its own: nothing is lost with Redis, and no call waits for the database.
//! A replica that could not read for a second asks the database at each call instead.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Credential, SignedIn};
use crate::{
    domain::UserId,
    error::Result,
    store::{
        self, Database, Query,
        connector::Connector,
        revocation::{Revocation, Revoked},
    },
};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// Age at which what is known counts as old.
const OLD: Duration = Duration::from_millis(900);
/// Longest that a look may take, in milliseconds.
const TIMEOUT_MS: u64 = 2000;
/// Looks after which what speaks of ended tokens is forgotten.
const SWEEP: u32 = 1000;

/// What is known.
#[derive(Debug)]
struct Known {
    sessions: HashMap<Uuid, Timestamp>,
    api_tokens: HashMap<i64, Timestamp>,
    users: HashMap<UserId, (i32, Timestamp)>,
    /// Rows of older transactions were read.
    floor: i64,
    read: Instant,
}

/// Revocations that somebody who is told of each may be behind.
const BEHIND: usize = 4096;

/// What is not believed any more.
#[derive(Debug, Clone)]
pub struct Revocations {
    known: Arc<RwLock<Known>>,
    changed: watch::Sender<()>,
    news: broadcast::Sender<Revoked>,
}

impl Revocations {
    /// All there are.
    pub async fn load(database: &Database) -> Result<Self> {
        let known = Known {
            sessions: HashMap::new(),
            api_tokens: HashMap::new(),
            users: HashMap::new(),
            floor: 0,
            read: Instant::now(),
        };
        let revocations = Self {
            known: Arc::new(RwLock::new(known)),
            changed: watch::Sender::new(()),
            news: broadcast::Sender::new(BEHIND),
        };
        revocations.read(&*database.lease().await?).await?;
        Ok(revocations)
    }

    /// Reads what is new. Whoever revokes does so after the commit, so that the next call here is refused already.
    pub async fn read(&self, on: &impl Query) -> Result<()> {
        let read = Instant::now();
        let floor = self.known.read().unwrap_or_else(PoisonError::into_inner).floor;
        let (rows, floor) = store::revocation::since(on, floor).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut news = false;
        for row in rows {
            if known.take(row) {
                news = true;
                // Nobody may be listening.
                let _ = self.news.send(row.revoked);
            }
        }
        known.floor = known.floor.max(floor);
        known.read = known.read.max(read);
        drop(known);
        if news {
            self.changed.send_replace(());
        }
        Ok(())
    }

    /// Whether the token is still believed, by what is known here; none if that is too old.
    fn knows(&self, signed_in: &SignedIn) -> Option<bool> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let believed = known.believes(signed_in);
        (!believed || known.read.elapsed() < OLD).then_some(believed)
    }

    /// Whether the token is still believed.
    pub async fn believes(&self, signed_in: &SignedIn, database: &Database) -> Result<bool> {
        if let Some(believed) = self.knows(signed_in) {
            return Ok(believed);
        }
        self.read(&*database.lease().await?).await?;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Ok(known.believes(signed_in))
    }

    /// Waits until the token is believed no more.
    pub async fn end_of(&self, signed_in: &SignedIn) {
        let mut changed = self.changed.subscribe();
        loop {
            let believed = {
                let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
                known.believes(signed_in)
            };
            if !believed || changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// All that is known, and whatever comes after it.
    pub fn tell(&self) -> (Vec<Revoked>, broadcast::Receiver<Revoked>) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        (known.all(), self.news.subscribe())
    }

    /// Whether this replica knows what others revoked a moment ago.
    pub fn is_current(&self) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.read.elapsed() < OLD
    }

    /// Reads until stopped. Rows older than `lifetime` speak of tokens that have ended.
    pub async fn run(
        self,
        connector: Connector,
        lifetime: SignedDuration,
        now: impl Fn() -> Timestamp + Send,
        stop: CancellationToken,
    ) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                ended = self.follow(&connector, lifetime, &now) => {
                    if let Err(cause) = ended {
                        tracing::warn!(%cause, "revocations cannot be read");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn follow(&self, connector: &Connector, lifetime: SignedDuration, now: &(impl Fn() -> Timestamp + Send)) -> Result<()> {
        let conn = connector.open(TIMEOUT_MS).await?;
        for look in 0_u32.. {
            self.read(&conn).await?;
            if look % SWEEP == 0 {
                let before = now() - lifetime;
                store::revocation::forget(&conn, before).await?;
                self.known.write().unwrap_or_else(PoisonError::into_inner).forget(before);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

impl Known {
    /// Takes a row; whether it says something new.
    fn take(&mut self, row: Revocation) -> bool {
        let Revocation { time, revoked } = row;
        match revoked {
            Revoked::Session(id) => self.sessions.insert(id, time).is_none(),
            Revoked::ApiToken(id) => self.api_tokens.insert(id, time).is_none(),
            Revoked::User { user, version } => {
                let newer = self.users.get(&user).is_none_or(|(known, _)| *known < version);
                if newer {
                    self.users.insert(user, (version, time));
                }
                newer
            }
        }
    }

    fn believes(&self, signed_in: &SignedIn) -> bool {
        let SignedIn {
            caller,
            version,
            credential,
            until: _,
        } = signed_in;
        let held = match credential {
            Credential::Session { id, .. } => !self.sessions.contains_key(id),
            Credential::ApiToken { id, .. } => !self.api_tokens.contains_key(id),
        };
        held && self.users.get(&caller.user).is_none_or(|(least, _)| version >= least)
    }

    fn all(&self) -> Vec<Revoked> {
        let sessions = self.sessions.keys().map(|id| Revoked::Session(*id));
        let api_tokens = self.api_tokens.keys().map(|id| Revoked::ApiToken(*id));
        let users = self.users.iter().map(|(user, (version, _))| Revoked::User {
            user: *user,
            version: *version,
        });
        sessions.chain(api_tokens).chain(users).collect()
    }

    fn forget(&mut self, before: Timestamp) {
        self.sessions.retain(|_, time| *time >= before);
        self.api_tokens.retain(|_, time| *time >= before);
        self.users.retain(|_, (_, time)| *time >= before);
    }
}
