//! `/events`: one subscription as an event stream.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{ConnectInfo, RawQuery, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::{Bytes, BytesMut};
use futures::Stream;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    Shared,
    door::{Refused, Visitor, bearer, tell},
    ended::Ended,
    frame,
    limit::{Entry, UserEntry},
    meter::Counted,
    query,
    revocations::Listed,
    subscription::{Heard, Subscription},
    wait::until,
};

/// What a browser waits before it comes back, in milliseconds.
const COME_BACK: u32 = 2000;
/// The same if it would only hear the same again, such as that its cursor has expired.
const COME_BACK_LATER: u32 = 30_000;
/// Bytes that are handed on at a time.
const BATCH: usize = 16 * 1024;

/// `GET /events`.
pub async fn events(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let entry = shared.enter()?;
    let (wish, token) = query::read(query.as_deref().unwrap_or_default(), &headers, &shared.feeds.json)?;
    let token = bearer(&headers).or(token);
    let address = shared.proxies.caller(peer.ip(), &headers);
    let Visitor { credential, limits } = shared.receive(token.as_deref(), address).await?;
    let credential = Arc::new(credential.ok_or(Refused::SIGNED_OUT)?);
    let listed = shared.tokens.revocations.list(&credential);
    let identity = credential.identity();
    let user = shared.users.enter(identity.user).ok_or(Refused::TOO_MANY)?;
    let seat = shared.subscribers.enter(identity.user).ok_or(Refused::TOO_MANY)?;
    let subscription = Subscription::new(&shared.feeds, *wish, &credential);
    let period = Duration::from_secs_f64(shared.settings.heartbeat_interval);
    let mut heartbeat = interval_at(Instant::now() + period, period);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let left = until(identity.until, shared.feeds.clock.now());
    let stream = EventStream {
        subscription,
        heartbeat,
        token_over: Box::pin(sleep_until(Instant::now() + left)),
        stopped: Box::pin(shared.stop.clone().cancelled_owned()),
        revoked: Box::pin(async move { credential.ended().await }),
        phase: Phase::Beginning,
        _held: (entry, user, seat, shared.feeds.meter.stream(), listed),
        shared,
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let mut response = (StatusCode::OK, headers, Body::from_stream(stream)).into_response();
    tell(&limits, response.headers_mut());
    Ok(response)
}

enum Phase {
    Beginning,
    Open,
    Over,
}

/// The body of an answer.
struct EventStream {
    subscription: Subscription,
    heartbeat: Interval,
    token_over: Pin<Box<Sleep>>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    revoked: Pin<Box<dyn Future<Output = ()> + Send>>,
    phase: Phase,
    _held: (Entry, UserEntry, UserEntry, Counted, Listed),
    shared: Arc<Shared>,
}

impl EventStream {
    /// The last message. It has no id: the browser keeps that of the last message before it.
    fn end(&mut self, ended: &Ended) -> Bytes {
        self.phase = Phase::Over;
        let data = frame::end("", self.subscription.cursor(), ended);
        let data = data.replacen(r#""id":"","#, "", 1);
        let retry = if ended.is_final() { COME_BACK_LATER } else { COME_BACK };
        format!("retry: {retry}\nevent: end\ndata: {data}\n\n").into()
    }

    /// What is heard without waiting, up to a batch; nothing if nothing is.
    fn heard(&mut self, context: &mut Context<'_>) -> Bytes {
        let mut batch = BytesMut::new();
        let mut messages = 0;
        while batch.len() < BATCH && matches!(self.phase, Phase::Open) {
            match self.subscription.poll(context) {
                Poll::Ready(Heard::Item(item)) => batch.extend_from_slice(&item.sse()),
                Poll::Ready(Heard::Over(ended)) => batch.extend_from_slice(&self.end(&ended)),
                Poll::Pending => break,
            }
            messages += 1;
        }
        self.shared.feeds.meter.sent(messages);
        batch.freeze()
    }
}

impl Stream for EventStream {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let said = match this.phase {
            Phase::Over => return Poll::Ready(None),
            Phase::Beginning => {
                this.phase = Phase::Open;
                format!("retry: {COME_BACK}\n\n").into()
            }
            Phase::Open if this.stopped.as_mut().poll(context).is_ready() => this.end(&Ended::SHUTDOWN),
            Phase::Open if this.revoked.as_mut().poll(context).is_ready() => this.end(&Ended::AUTH_REVOKED),
            Phase::Open if this.token_over.as_mut().poll(context).is_ready() => this.end(&Ended::AUTH_REVOKED),
            Phase::Open => this.heard(context),
        };
        if !said.is_empty() {
            return Poll::Ready(Some(Ok(said)));
        }
        match this.heartbeat.poll_tick(context) {
            Poll::Ready(_) => Poll::Ready(Some(Ok(Bytes::from_static(b": ping\n\n")))),
            Poll::Pending => Poll::Pending,
        }
    }
}
