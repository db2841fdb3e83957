//! All that a running server carries; tests start several in one process.

use std::{fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    audit::{Audit, Chain, Keeper},
    config::ServeSettings,
    error::{Error, Result},
    identity::{Passwords, Tokens},
    live::{Hub, Wake, relay::Relay, stream::FeedStream},
    store::{self, Database, database::Connector},
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
    /// Who did what.
    pub audit: Arc<Audit>,
    /// Live feed.
    pub hub: Hub,
    /// Tells the relay that there is something to copy.
    pub wake: Wake,
    /// Snapshots that may be read at a time.
    pub snapshots: Semaphore,
    /// Tells streams to end.
    pub closing: CancellationToken,
    /// Time.
    pub clock: Clock,
}

/// What runs beside the calls of a server.
pub struct Background {
    relay: Relay,
    hub: Hub,
    wake: Wake,
    connector: Connector,
    keeper: Keeper,
}

impl Background {
    /// Runs until stopped.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            relay,
            hub,
            wake,
            connector,
            keeper,
        } = self;
        tokio::join!(
            relay.run(stop.clone()),
            hub.run(stop.clone()),
            keeper.run(stop.clone()),
            wake.carry(connector, stop)
        );
    }
}

impl App {
    /// Connects, and reads what a server must know before its first call.
    pub async fn start(settings: ServeSettings, clock: Clock) -> Result<(Arc<Self>, Background)> {
        let database = Database::connect(&settings.database).await?;
        let pending = {
            let conn = database.lease().await?;
            store::migrate::pending(&*conn).await?
        };
        if pending > 0 {
            return Err(Error::Down(format!(
                "the database is {pending} migrations behind; run `gad migrate`"
            )));
        }
        let stream = match &settings.redis.redis_url {
            Some(url) => Some(FeedStream::new(url, &settings.redis.redis_prefix)?),
            None => None,
        };
        let lifetime = SignedDuration::from_mins(settings.access_token_expire_minutes.into());
        let tokens = Tokens::load(database.clone(), settings.secret_key.clone(), lifetime, clock.now()).await?;
        let wake = Wake::default();
        let hub = Hub::start(database.clone(), stream.clone(), wake.clone(), clock.now().as_microsecond()).await?;
        let relay = Relay {
            database: database.clone(),
            stream,
            wake: wake.clone(),
            clock: clock.clone(),
            retention: SignedDuration::from_hours(settings.feed_retention_hours.into()),
        };
        let (audit, refused) = Audit::new(Chain::new(&settings.secret_key));
        let audit = Arc::new(audit);
        let keeper = Keeper {
            audit: Arc::clone(&audit),
            refused,
            database: database.clone(),
            clock: clock.clone(),
            retention_days: settings.audit_retention_days,
        };
        let background = Background {
            relay,
            hub: hub.clone(),
            wake: wake.clone(),
            connector: database.connector().clone(),
            keeper,
        };
        let snapshots = Semaphore::new((settings.database.database_pool_size as usize / 2).max(1));
        let passwords = Passwords::new()?;
        let app = Self {
            settings,
            database,
            tokens,
            passwords,
            audit,
            hub,
            wake,
            snapshots,
            closing: CancellationToken::new(),
            clock,
        };
        Ok((Arc::new(app), background))
    }

    /// An outside name for something new: UUIDv7, so that names sort by time.
    pub fn uid(&self, now: Timestamp) -> Uuid {
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
    }
}
