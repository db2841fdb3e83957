//! Listeners, routes, health, and the end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{any, get},
    serve::ListenerExt as _,
};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Shared, door,
    feed::Terms,
    feeds::Feeds,
    json::Json,
    limit::{Doors, Users},
    meter::{Meter, Stats},
    older::{self, Roster},
    ring::Limits,
    sse,
    token::Tokens,
    upstream::Upstream,
};
use crate::{address::Proxies, clock::Clock, config::BridgeSettings, telemetry::Metrics};

/// How long a message is kept that everybody has read: for those who lose their connection and come back.
const KEPT: Duration = Duration::from_secs(30);
/// Longest that a transaction lasts; the server's statements end sooner.
const SETTLING: Duration = Duration::from_secs(60);
/// Bytes that the kernel keeps for a client that does not read. Beyond that the client is behind.
const SEND_BUFFER: usize = 128 * 1024;
/// Wait before the server is asked again for its keys.
const KEYS_AGAIN: Duration = Duration::from_millis(500);

/// A bridge that listens already and serves as soon as it is told to.
#[derive(Debug)]
pub struct Bridge {
    /// Where WebSockets and event streams come in.
    pub address: SocketAddr,
    /// Where /health, /ready and /metrics are.
    pub internal_address: SocketAddr,
    shared: Arc<Shared>,
    listener: TcpListener,
    internal: TcpListener,
    metrics: Metrics,
}

/// Serves until stopped.
pub async fn run(settings: BridgeSettings, stop: CancellationToken) -> anyhow::Result<()> {
    let bridge = Bridge::bind(settings, Clock::system()).await?;
    tracing::info!(address = %bridge.address, internal = %bridge.internal_address, "the bridge listens");
    bridge.serve(stop).await
}

impl Bridge {
    /// Listens.
    pub async fn bind(settings: BridgeSettings, clock: Clock) -> anyhow::Result<Self> {
        let metrics = Metrics::start()?;
        let upstream = Upstream::new(&settings.upstream_url, &settings.upstream_tls, settings.bridge_token.clone())?;
        let upstream = Arc::new(upstream);
        let ring = Limits {
            items: settings.queue.max(1),
            bytes: settings.queue_bytes,
            age: KEPT,
        };
        let terms = Terms {
            ring,
            settling: SETTLING,
        };
        let feeds = Feeds::new(Arc::clone(&upstream), Json::load()?, clock, Meter::default(), terms);
        let listener = listen(settings.listen).await?;
        let internal = listen(settings.internal_listen).await?;
        Ok(Self {
            address: listener.local_addr()?,
            internal_address: internal.local_addr()?,
            shared: Arc::new(Shared {
                feeds: Arc::new(feeds),
                tokens: Tokens::new(Arc::clone(&upstream)),
                upstream,
                proxies: Proxies::new(&settings.trusted_proxy_hosts),
                doors: Doors::new(settings.max_connections),
                strangers: Doors::new((settings.max_connections / 10).max(10)),
                users: Users::new(settings.max_connections_per_user),
                subscribers: Users::new(settings.max_subscriptions_per_user),
                older: Roster::new(settings.max_connections),
                stop: CancellationToken::new(),
                settings,
            }),
            listener,
            internal,
            metrics,
        })
    }

    /// Tells the numbers of this bridge at any time.
    pub fn stats(&self) -> impl Fn() -> Stats + Send + Sync + 'static {
        let meter = self.shared.feeds.meter.clone();
        move || meter.stats()
    }

    /// Serves until stopped: then nobody is let in, everybody gets a cursor, and those who stay too long are cut.
    pub async fn serve(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self {
            shared,
            listener,
            internal,
            metrics,
            ..
        } = self;
        let _stop_on_drop = shared.stop.clone().drop_guard();
        let health = axum::serve(internal, internal_routes(Arc::clone(&shared), metrics));
        let health = tokio::spawn(health.into_future());
        let keys = tokio::spawn(fetch_keys(Arc::clone(&shared)));
        let heard = Arc::clone(&shared);
        let hearing = tokio::spawn(async move { heard.tokens.revocations.follow(&heard.upstream).await });
        let tuned = listener.tap_io(|stream| tune(stream));
        let doors = axum::serve(
            tuned,
            routes(Arc::clone(&shared)).into_make_service_with_connect_info::<SocketAddr>(),
        )
        .with_graceful_shutdown(shared.stop.clone().cancelled_owned());
        let mut doors = tokio::spawn(doors.into_future());
        stop.cancelled().await;
        shared.stop.cancel();
        let patience = Duration::from_secs_f64(shared.settings.drain_seconds);
        let began = Instant::now();
        let left = shared.doors.all_left(patience).await;
        // Last words of event streams may still be on their way out.
        let patience = patience.saturating_sub(began.elapsed());
        let flushed = tokio::time::timeout(patience, &mut doors).await.is_ok();
        if left > 0 || !flushed {
            tracing::warn!(left, "cutting clients that did not leave");
        }
        keys.abort();
        hearing.abort();
        health.abort();
        doors.abort();
        tracing::info!("the bridge has stopped");
        Ok(())
    }
}

/// `/ws/v1/watch`, `/events`, and `/ws/connect` with its pages.
fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/ws/v1/watch", any(door::watch))
        .route("/events", get(sse::events))
        .merge(older::pages::routes())
        .fallback(older::pages::nothing)
        .with_state(shared)
}

/// `/health`, `/ready` and `/metrics`.
fn internal_routes(shared: Arc<Shared>, metrics: Metrics) -> Router {
    async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
        if shared.stop.is_cancelled() {
            (StatusCode::SERVICE_UNAVAILABLE, "going down\n")
        } else if !shared.tokens.ready() {
            (StatusCode::SERVICE_UNAVAILABLE, "no keys from the server as yet\n")
        } else {
            (StatusCode::OK, "ready\n")
        }
    }
    Router::new()
        .route("/health", get(async || "ok\n"))
        .route("/ready", get(ready))
        .with_state(shared)
        .merge(metrics.routes())
}

/// Asks the server for its keys until it has given them.
async fn fetch_keys(shared: Arc<Shared>) {
    while !shared.tokens.ready() {
        shared.tokens.fetch().await;
        if !shared.tokens.ready() {
            tokio::time::sleep(KEYS_AGAIN).await;
        }
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// A client that does not read must not pile up bytes here, and one that is gone must be noticed.
fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let tuned = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_send_buffer_size(SEND_BUFFER))
        .and_then(|()| socket.set_tcp_user_timeout(Some(Duration::from_secs(30))));
    if let Err(cause) = tuned {
        tracing::debug!(%cause, "a socket keeps its usual settings");
    }
}
