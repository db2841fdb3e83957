//! What the bridge counts: for Prometheus, and for whoever holds the bridge.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use metrics::{Counter, Gauge, counter, gauge};

/// Counters of one bridge.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    feeds: Level,
    watches: Level,
    websockets: Level,
    streams: Level,
    broadcasts: Counter,
    sent: Counter,
    slow: Counter,
    malformed: Counter,
}

/// Something that goes up and down.
#[derive(Debug)]
struct Level {
    now: AtomicU64,
    ever: AtomicU64,
    gauge: Gauge,
}

impl Level {
    fn of(gauge: Gauge) -> Self {
        Self {
            now: AtomicU64::new(0),
            ever: AtomicU64::new(0),
            gauge,
        }
    }
}

/// Numbers of one bridge, for tests and for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// WebSockets now.
    pub websockets: u64,
    /// Event streams now.
    pub streams: u64,
    /// Feeds now.
    pub feeds: u64,
    /// Upstream watches now.
    pub watches: u64,
    /// Upstream watches since the start.
    pub watches_ever: u64,
}

/// Counts until dropped.
#[derive(Debug)]
pub struct Counted {
    inner: Arc<Inner>,
    what: fn(&Inner) -> &Level,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let level = (self.what)(&self.inner);
        level.now.fetch_sub(1, Ordering::Relaxed);
        level.gauge.decrement(1.0);
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self(Arc::new(Inner {
            feeds: Level::of(gauge!("ws_groups_active")),
            watches: Level::of(gauge!("ws_watches_active")),
            websockets: Level::of(gauge!("ws_connections_active", "door" => "websocket")),
            streams: Level::of(gauge!("ws_connections_active", "door" => "sse")),
            broadcasts: counter!("ws_broadcasts_total"),
            sent: counter!("ws_messages_sent"),
            slow: counter!("ws_slow_consumers_total"),
            malformed: counter!("ws_malformed_frames_total"),
        }))
    }
}

impl Meter {
    fn count(&self, what: fn(&Inner) -> &Level) -> Counted {
        let level = what(&self.0);
        level.now.fetch_add(1, Ordering::Relaxed);
        level.ever.fetch_add(1, Ordering::Relaxed);
        level.gauge.increment(1.0);
        Counted {
            inner: Arc::clone(&self.0),
            what,
        }
    }

    /// A feed.
    pub fn feed(&self) -> Counted {
        self.count(|inner| &inner.feeds)
    }

    /// An upstream watch.
    pub fn watch(&self) -> Counted {
        self.count(|inner| &inner.watches)
    }

    /// A WebSocket.
    pub fn websocket(&self) -> Counted {
        self.count(|inner| &inner.websockets)
    }

    /// An event stream.
    pub fn stream(&self) -> Counted {
        self.count(|inner| &inner.streams)
    }

    /// An event went to all members of a feed.
    pub fn broadcast(&self) {
        self.0.broadcasts.increment(1);
    }

    /// Messages went to a client.
    pub fn sent(&self, messages: u64) {
        self.0.sent.increment(messages);
    }

    /// A client did not keep up.
    pub fn slow_consumer(&self) {
        self.0.slow.increment(1);
    }

    /// A client sent what is no frame.
    pub fn malformed(&self) {
        self.0.malformed.increment(1);
    }

    /// The numbers now.
    pub fn stats(&self) -> Stats {
        let now = |level: &Level| level.now.load(Ordering::Relaxed);
        let inner = &self.0;
        Stats {
            websockets: now(&inner.websockets),
            streams: now(&inner.streams),
            feeds: now(&inner.feeds),
            watches: now(&inner.watches),
            watches_ever: inner.watches.ever.load(Ordering::Relaxed),
        }
    }
}
