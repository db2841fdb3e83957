//! The hub of a replica: reads the feed once and hands it to all watchers.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::aio::ConnectionManager;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Wake, stream::FeedStream};
use crate::{
    domain::fact::Fact,
    error::Result,
    store::{
        self, Database,
        outbox::{Entry, Position},
    },
};

/// Facts read from the database at a time.
const BATCH: i64 = 500;
/// Longest wait for a bell that may have been lost, without Redis.
const LOOK: Duration = Duration::from_millis(250);
/// Longest wait for an entry of the stream; then the database is asked whether that is the truth.
const BLOCK_MS: usize = 1000;
/// Wait before another try.
const RETRY: Duration = Duration::from_secs(1);
/// Time between two looks whether the stream was cleared.
const POLL: Duration = Duration::from_millis(20);
/// Recent entries that are kept for watchers who come back soon.
const RECENT: usize = 2048;

/// Why a hub let a watcher go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dismissal {
    /// The watcher's queue was full.
    Slow,
    /// The feed was started anew, or facts are gone that the hub had not seen.
    Expired,
}

/// Whether a watcher wants an entry.
pub type Wants = Box<dyn Fn(&Fact) -> bool + Send + Sync>;

struct Watcher {
    queue: mpsc::Sender<Arc<Entry>>,
    dismissal: Arc<OnceLock<Dismissal>>,
    wants: Wants,
}

#[derive(Default)]
struct State {
    epoch: i64,
    position: Position,
    /// Erasures up to which `recent` was forgotten.
    erasures: i64,
    /// Everything after `recent_from` up to `position`.
    recent: VecDeque<Arc<Entry>>,
    recent_from: Position,
    watchers: HashMap<u64, Watcher>,
}

struct Inner {
    state: Mutex<State>,
    database: Database,
    stream: Option<FeedStream>,
    wake: Wake,
    next: AtomicU64,
    has_redis: AtomicBool,
}

/// The hub of a replica.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

/// A watcher's place at the hub; leaving is dropping it.
pub struct Subscription {
    hub: Hub,
    number: u64,
    /// Feed that the places below are of.
    pub epoch: i64,
    /// Entries after this place arrive in the queue.
    pub from: Position,
    /// Entries before `from` that the hub still has: all after `recent_from`.
    pub recent: Vec<Arc<Entry>>,
    /// Where `recent` begins.
    pub recent_from: Position,
    queue: mpsc::Receiver<Arc<Entry>>,
    dismissal: Arc<OnceLock<Dismissal>>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.lock().watchers.remove(&self.number);
    }
}

impl Subscription {
    /// The next wanted entry, or why there will be none.
    pub async fn next(&mut self) -> std::result::Result<Arc<Entry>, Dismissal> {
        match self.queue.recv().await {
            Some(entry) => Ok(entry),
            None => Err(self.dismissal.get().copied().unwrap_or(Dismissal::Slow)),
        }
    }

    /// A wanted entry if one is waiting; otherwise a place before which nothing wanted is missing.
    pub fn checkpoint(&mut self) -> std::result::Result<Position, Option<Arc<Entry>>> {
        // The hub moves its position and fills the queues under one lock, so the order of these two lines counts.
        let position = self.hub.position();
        match self.queue.try_recv() {
            Ok(entry) => Err(Some(entry)),
            Err(mpsc::error::TryRecvError::Empty) => Ok(position),
            Err(mpsc::error::TryRecvError::Disconnected) => Err(None),
        }
    }
}

impl Hub {
    /// A hub at the present end of the feed. Claims the feed for this database cluster if it is of another;
    /// `epoch` is its number in that case.
    pub async fn start(database: Database, stream: Option<FeedStream>, wake: Wake, epoch: i64) -> Result<Self> {
        let mut conn = database.lease().await?;
        let tx = conn.begin(None).await?;
        if store::outbox::adopt(&tx, epoch).await? {
            tracing::warn!("the feed starts anew: this is another database cluster or timeline");
        }
        tx.commit().await?;
        let feed = store::outbox::feed(&*conn).await?;
        let position = store::outbox::head(&*conn).await?;
        drop(conn);
        let state = State {
            epoch: feed.epoch,
            position,
            erasures: feed.erasures,
            recent_from: position,
            ..State::default()
        };
        Ok(Self(Arc::new(Inner {
            state: Mutex::new(state),
            database,
            stream,
            wake,
            next: AtomicU64::new(0),
            has_redis: AtomicBool::new(false),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far this replica has read.
    pub fn position(&self) -> Position {
        self.lock().position
    }

    /// Whether the feed comes through Redis now; otherwise it is read from the database.
    pub fn has_redis(&self) -> bool {
        self.0.has_redis.load(Ordering::Relaxed)
    }

    /// Number of watchers.
    pub fn watchers(&self) -> usize {
        self.lock().watchers.len()
    }

    /// Forgets what was kept for those who come back: facts were taken out of the feed.
    fn forget(&self, erasures: i64) {
        let mut state = self.lock();
        if state.erasures < erasures {
            state.erasures = erasures;
            state.recent.clear();
            state.recent_from = state.position;
        }
    }

    /// Forgets facts that an erasure took out of the feed, and waits until the stream has lost them too; whether it has.
    pub async fn forgets(&self, erasures: i64, patience: Duration) -> bool {
        self.forget(erasures);
        let Some(stream) = &self.0.stream else { return true };
        let epoch = self.lock().epoch;
        let wait = async {
            let mut redis = stream.connect().await?;
            loop {
                let cleared = stream.cleared(&mut redis, epoch).await?;
                if cleared.is_some_and(|cleared| cleared.erasures >= erasures) {
                    return redis::RedisResult::Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        matches!(tokio::time::timeout(patience, wait).await, Ok(Ok(())))
    }

    /// Takes a watcher in; wanted entries after `from` arrive, at most `queue` waiting.
    pub fn subscribe(&self, queue: usize, wants: Wants) -> Subscription {
        let (sender, receiver) = mpsc::channel(queue);
        let dismissal = Arc::new(OnceLock::new());
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mut state = self.lock();
        let watcher = Watcher {
            queue: sender,
            dismissal: Arc::clone(&dismissal),
            wants,
        };
        state.watchers.insert(number, watcher);
        Subscription {
            hub: self.clone(),
            number,
            epoch: state.epoch,
            from: state.position,
            recent: state.recent.iter().cloned().collect(),
            recent_from: state.recent_from,
            queue: receiver,
            dismissal,
        }
    }

    /// Follows the feed until stopped.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                ended = self.follow() => {
                    if let Err(cause) = ended {
                        tracing::warn!(%cause, "hub interrupted");
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn follow(&self) -> Result<()> {
        self.catch_up(None).await?;
        loop {
            let mut looked = Instant::now();
            let mut redis = self.without_redis().await?;
            self.0.has_redis.store(true, Ordering::Relaxed);
            while let Some(still) = self.with_redis(redis).await? {
                redis = still;
                // A busy stream of a feed that was replaced meanwhile would go on for ever.
                if looked.elapsed() > RETRY {
                    self.check_feed().await?;
                    looked = Instant::now();
                }
            }
            self.0.has_redis.store(false, Ordering::Relaxed);
        }
    }

    /// Follows the outbox itself until Redis is there.
    async fn without_redis(&self) -> Result<ConnectionManager> {
        let connect = async {
            let Some(stream) = &self.0.stream else {
                return std::future::pending().await;
            };
            loop {
                match stream.connect().await {
                    Ok(redis) => return redis,
                    Err(cause) => tracing::debug!(%cause, "no Redis: reading the outbox"),
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        tokio::pin!(connect);
        let mut bell = self.0.wake.listen();
        loop {
            tokio::select! {
                redis = &mut connect => return Ok(redis),
                _ = tokio::time::timeout(LOOK, bell.changed()) => self.catch_up(None).await?,
            }
        }
    }

    /// Takes a batch from the stream; none if Redis is gone.
    async fn with_redis(&self, mut redis: ConnectionManager) -> Result<Option<ConnectionManager>> {
        let Some(stream) = &self.0.stream else {
            return Ok(None);
        };
        let (epoch, position) = {
            let state = self.lock();
            (state.epoch, state.position)
        };
        match stream.read(&mut redis, epoch, position, BLOCK_MS).await {
            Ok(entries) if entries.is_empty() => self.catch_up(None).await?,
            Ok(entries) => {
                for linked in entries {
                    if linked.previous > self.position() {
                        self.catch_up(Some(linked.previous)).await?;
                    }
                    self.hand_out(linked.entry);
                }
            }
            Err(cause) => {
                tracing::warn!(%cause, "Redis went away: reading the outbox");
                return Ok(None);
            }
        }
        Ok(Some(redis))
    }

    /// Reads what the outbox has beyond the hub's place, up to `until` if given.
    async fn catch_up(&self, until: Option<Position>) -> Result<()> {
        loop {
            let position = self.position();
            let conn = self.0.database.lease().await?;
            let entries = store::outbox::read(&*conn, position, until, BATCH).await?;
            drop(conn);
            // Looked at after reading: what was trimmed before is noticed, what is trimmed later was read.
            if !self.check_feed().await? {
                return Ok(());
            }
            let last = entries.len() < usize::try_from(BATCH).unwrap_or(usize::MAX);
            for entry in entries {
                self.hand_out(entry);
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Whether the feed still is the one that was read, and reaches back to the hub's place; lets everybody go if not.
    async fn check_feed(&self) -> Result<bool> {
        let conn = self.0.database.lease().await?;
        let feed = store::outbox::feed(&*conn).await?;
        let (epoch, position) = {
            let state = self.lock();
            (state.epoch, state.position)
        };
        self.forget(feed.erasures);
        let same = feed.epoch == epoch && feed.floor <= position && position.xid < feed.next_xid;
        if !same {
            let head = store::outbox::head(&*conn).await?;
            tracing::warn!(%position, %head, "the feed was replaced or trimmed: watchers start over");
            self.expire(&feed, head);
        }
        Ok(same)
    }

    /// The next entry, to everybody who wants it. Entries that were handed out already are skipped.
    fn hand_out(&self, entry: Entry) {
        let mut state = self.lock();
        if entry.position <= state.position {
            return;
        }
        let entry = Arc::new(entry);
        state.position = entry.position;
        state.recent.push_back(Arc::clone(&entry));
        if state.recent.len() > RECENT
            && let Some(old) = state.recent.pop_front()
        {
            state.recent_from = old.position;
        }
        state.watchers.retain(|_, watcher| {
            if !(watcher.wants)(&entry.fact) {
                return true;
            }
            let taken = watcher.queue.try_send(Arc::clone(&entry)).is_ok();
            if !taken {
                // The queue's end comes after what is in it: the watcher learns where it stopped.
                let _ = watcher.dismissal.set(Dismissal::Slow);
                metrics::counter!("watch_slow_consumers_total").increment(1);
            }
            taken
        });
        metrics::counter!("hub_facts_total").increment(1);
    }

    /// Lets everybody go: the feed is another, or has lost what they had not seen.
    fn expire(&self, feed: &store::outbox::Feed, position: Position) {
        let mut state = self.lock();
        for watcher in state.watchers.values() {
            let _ = watcher.dismissal.set(Dismissal::Expired);
        }
        let fresh = State {
            epoch: feed.epoch,
            position,
            erasures: feed.erasures,
            recent_from: position,
            ..State::default()
        };
        *state = fresh;
    }
}
