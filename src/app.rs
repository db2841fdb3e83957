//! All that a running server carries; tests start several in one process.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    admin,
    audit::{Audit, Keeper},
    blob::{self, Blobs},
    check_in,
    clock::Clock,
    config::{DEMO_DOMAIN, Environment, ServeSettings},
    emergency,
    error::{Error, Result},
    geofence,
    identity::{Passwords, Seal, Tokens, token::SKEW},
    live::{self, Cache, Hub, Wake, limits::Limits, relay::Relay, stream::FeedStream},
    mail::{Courier, Postman},
    notify::{self, Channels},
    outbound::Outbound,
    privacy::{self, Precision},
    recurring,
    statistics::{self, Boards},
    store::{self, Database},
};

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
    /// What the database keeps sealed.
    pub seal: Seal,
    /// How exactly places are shown.
    pub precision: Precision,
    /// Who did what.
    pub audit: Arc<Audit>,
    /// Files of attachments.
    pub blobs: Blobs,
    /// How often somebody may call.
    pub limits: Limits,
    /// Answers that are kept for a while.
    pub cache: Cache,
    /// Live feed.
    pub hub: Hub,
    /// Tells the relay that there is something to copy.
    pub wake: Wake,
    /// How webhooks are called.
    pub webhooks: Outbound,
    /// How much is open.
    pub boards: Boards,
    /// Snapshots that may be read at a time.
    pub snapshots: Semaphore,
    /// Tells streams to end.
    pub closing: CancellationToken,
    /// Time.
    pub clock: Clock,
}

/// What runs beside the calls of a server.
pub struct Background {
    app: Arc<App>,
    relay: Relay,
    postman: Postman,
    channels: Arc<Channels>,
    keeper: Keeper,
}

impl Background {
    /// Runs until stopped.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            app,
            relay,
            postman,
            channels,
            keeper,
        } = self;
        let connector = app.database.connector().clone();
        // What was revoked longer ago has ended by itself.
        let lifetime = app.tokens.lifetime() + SKEW + SKEW;
        let (clock, tokens) = (app.clock.clone(), &app.tokens);
        let now = move || clock.now();
        tokio::join!(
            relay.run(stop.clone()),
            app.hub.clone().run(stop.clone()),
            tokens
                .revocations
                .clone()
                .run(connector.clone(), lifetime, now.clone(), stop.clone()),
            tokens.follow(now, stop.clone()),
            postman.run(stop.clone()),
            app.precision.clone().run(app.database.clone(), stop.clone()),
            privacy::retention::run(&app, stop.clone()),
            emergency::run(&app, stop.clone()),
            check_in::run(&app, stop.clone()),
            geofence::run(&app, stop.clone()),
            blob::run(&app, stop.clone()),
            recurring::run(&app, stop.clone()),
            notify::run(Arc::clone(&app), channels, stop.clone()),
            statistics::run(&app, stop.clone()),
            keeper.run(stop.clone()),
            app.wake.clone().carry(connector, stop)
        );
    }
}

/// Longest wait for a database that may not be there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why production does not start with accounts of the demo city, if there are some.
async fn demo_accounts(database: &Database) -> Result<Vec<String>> {
    let conn = database.lease().await?;
    let found = store::user::emails_ending(&*conn, DEMO_DOMAIN).await?;
    let problem = || {
        format!(
            "the database has demo accounts, whose password everybody knows: {}",
            found.join(", ")
        )
    };
    Ok((!found.is_empty()).then(problem).into_iter().collect())
}

impl App {
    /// Connects, and reads what a server must know before its first call.
    pub async fn start(settings: ServeSettings, clock: Clock) -> Result<(Arc<Self>, Background)> {
        let database = opened(&settings, &clock).await?;
        let stream = FeedStream::new(&settings.redis)?;
        let seal = Seal::changing(settings.secret_key.clone(), settings.secret_key_previous.clone());
        let lifetime = SignedDuration::from_mins(settings.access_token_expire_minutes.into());
        let tokens = Tokens::load(database.clone(), seal.clone(), lifetime, clock.now()).await?;
        let precision = Precision::load(&database).await?;
        let (audit, keeper) = Audit::start(&database, &seal, &clock).await?;
        let wake = Wake::default();
        let hub = Hub::start(database.clone(), stream.clone(), wake.clone(), clock.now().as_microsecond()).await?;
        let relay = Relay {
            database: database.clone(),
            stream,
            wake: wake.clone(),
            clock: clock.clone(),
            retention: SignedDuration::from_hours(settings.feed_retention_hours.into()),
        };
        notify::begin(&database).await?;
        let courier = Arc::new(Courier::new(&settings.account.mail)?);
        let webhooks = notify::webhooks(&settings.notify)?;
        let channels = Arc::new(Channels::new(&settings.notify, Arc::clone(&courier), webhooks.clone())?);
        let postman = Postman::new(courier, database.clone(), seal.clone(), clock.clone());
        let snapshots = Semaphore::new((settings.database.database_pool_size as usize / 2).max(1));
        let passwords = Passwords::new()?;
        let app = Arc::new(Self {
            limits: Limits::new(&settings)?,
            blobs: Blobs::new(&settings.files, clock.clone())?,
            cache: Cache::new(&settings.redis)?,
            settings,
            database,
            tokens,
            passwords,
            seal,
            precision,
            audit,
            hub,
            wake,
            webhooks,
            boards: Boards::default(),
            snapshots,
            closing: CancellationToken::new(),
            clock,
        });
        let background = Background {
            app: Arc::clone(&app),
            relay,
            postman,
            channels,
            keeper,
        };
        Ok((app, background))
    }

    /// All reasons beside the settings themselves why production may not start, as far as they can be found out now.
    pub async fn production_problems(settings: &ServeSettings) -> Vec<String> {
        if settings.environment != Environment::Production {
            return Vec::new();
        }
        let mut problems = Vec::new();
        if !settings.database.database_url.expose_secret().is_empty() {
            problems.extend(store::connector::production_problems(&settings.database));
        }
        problems.extend(live::connection::production_problems(&settings.redis));
        // A database that is not there yet is asked again when it is.
        let look = async { demo_accounts(&Database::connect(&settings.database).await?).await };
        if let Ok(Ok(demo)) = tokio::time::timeout(PATIENCE, look).await {
            problems.extend(demo);
        }
        problems
    }

    /// An outside name for something new: UUIDv7, so that names sort by time.
    pub fn uid(&self, now: Timestamp) -> Uuid {
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
    }
}

/// The database, if this program may run on it; with its first administrator, if there is to be one.
async fn opened(settings: &ServeSettings, clock: &Clock) -> Result<Database> {
    let database = Database::connect(&settings.database).await?;
    migrated(&database).await?;
    if settings.environment == Environment::Production {
        let demo = demo_accounts(&database).await?;
        if !demo.is_empty() {
            return Err(Error::Down(demo.join("; ")));
        }
    }
    if let Some(address) = &settings.account.admin_email
        && let Some(password) = admin::first(&database, address, clock.now()).await?
    {
        // Not by the log, which is kept.
        eprintln!("gad: made the administrator {address}; one-time password, to be changed at the first sign-in: {password}");
    }
    Ok(database)
}

/// Refuses a database that this program's migrations have not reached.
async fn migrated(database: &Database) -> Result<()> {
    let conn = database.lease().await?;
    let pending = store::migrate::pending(&*conn).await?;
    if pending > 0 {
        return Err(Error::Down(format!(
            "the database is {pending} migrations behind; run `gad migrate`"
        )));
    }
    Ok(())
}
