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
use serde_json::{Map, Value};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    Shared,
    clock::until,
    door::{Refused, Visitor, bearer, tell},
    ended::Ended,
    frame::{self, Problem, Wish},
    json::Json,
    limit::{Entry, UserEntry},
    meter::Counted,
    subscription::{Heard, Subscription},
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
    let (wish, token) = read(query.as_deref().unwrap_or_default(), &headers, &shared.feeds.json)?;
    let token = bearer(&headers).or(token);
    let address = shared.proxies.caller(peer.ip(), &headers);
    let Visitor { credential, limits } = shared.receive(token.as_deref(), address).await?;
    let credential = Arc::new(credential.ok_or(Refused::SIGNED_OUT)?);
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
        phase: Phase::Beginning,
        _held: (entry, user, seat, shared.feeds.meter.stream()),
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

/// Reads the parameters: the wish, and the token if there is one.
fn read(query: &str, headers: &HeaderMap, json: &Json) -> Result<(Box<Wish>, Option<String>), Problem> {
    let mut filter = Map::new();
    let (mut cursor, mut snapshot, mut token) = (None, None, None);
    for (name, text) in parameters(query)? {
        let twice = match name.as_str() {
            "cursor" => cursor.replace(text).is_some(),
            "access_token" => token.replace(text).is_some(),
            "include_snapshot" | "includeSnapshot" => {
                let flag = text.parse::<bool>();
                let flag = flag.map_err(|_| Problem::invalid(&name, "must be true or false".to_owned()))?;
                snapshot.replace(flag).is_some()
            }
            _ => {
                let known = name.strip_prefix("filter.");
                let known = known.ok_or_else(|| Problem::invalid(&name, "is not a known parameter".to_owned()))?;
                json.put(&mut filter, known, &text)?;
                false
            }
        };
        if twice {
            return Err(Problem::invalid(&name, "is given twice".to_owned()));
        }
    }
    let filter = json.filter(Value::Object(filter))?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    // Whoever comes back goes on where they were, whatever the address says.
    let wish = match last.filter(|last| !last.is_empty()) {
        Some(last) => Wish::new(filter, last, false)?,
        None => Wish::new(filter, cursor.as_deref().unwrap_or_default(), snapshot.unwrap_or_default())?,
    };
    Ok((Box::new(wish), token))
}

/// Names and values of a query string.
fn parameters(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode(&spaced);
        decoded.ok_or_else(|| Problem::invalid("query", "is not percent-encoded UTF-8".to_owned()))
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(text)?))
        })
        .collect()
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
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
    phase: Phase,
    _held: (Entry, UserEntry, UserEntry, Counted),
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

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::{super::feed::Start, *};

    fn parse(query: &str, last: Option<&'static str>) -> Result<(Box<Wish>, Option<String>), Problem> {
        let mut headers = HeaderMap::new();
        if let Some(last) = last {
            headers.insert("last-event-id", HeaderValue::from_static(last));
        }
        read(query, &headers, &Json::load().expect("the descriptors are whole"))
    }

    #[test]
    fn the_parameters_make_a_wish() {
        let (wish, token) = parse(
            "filter.agent_ids=5&filter.agent_ids=6&filter.nouns=NOUN_TASK&access_token=a%2Eb",
            None,
        )
        .expect("it is good");
        assert_eq!(wish.filter.agent_ids, [5, 6]);
        assert_eq!(wish.start, Start::Now);
        assert_eq!(token.as_deref(), Some("a.b"));
    }

    #[test]
    fn who_comes_back_goes_on_where_they_were() {
        let starts = |query, last| parse(query, last).expect("it is good").0.start;
        assert_eq!(
            starts("cursor=old&include_snapshot=false", Some("new")),
            Start::Cursor("new".into())
        );
        assert_eq!(starts("include_snapshot=true", Some("new")), Start::Cursor("new".into()));
        assert_eq!(starts("include_snapshot=true", Some("")), Start::Snapshot);
        assert_eq!(starts("cursor=old", None), Start::Cursor("old".into()));
    }

    #[test]
    fn a_wrong_parameter_is_refused_by_name() {
        for (query, field) in [
            ("colour=red", "colour"),
            ("filter.colour=red", "filter.colour"),
            ("filter.agent_ids=x", "filter"),
            ("filter.agent_ids=0", "filter.agent_ids[0]"),
            ("include_snapshot=maybe", "include_snapshot"),
            ("cursor=a&cursor=b", "cursor"),
            ("cursor=a&include_snapshot=true", "include_snapshot"),
            ("filter.nouns=%zz", "query"),
            ("filter.nouns=%ff", "query"),
        ] {
            let problem = parse(query, None).expect_err(query);
            assert_eq!(problem.field.as_deref(), Some(field), "{query}");
        }
    }
}
