//! One socket of the older protocol: what it hears, what it says, and when to let it go.

use std::{collections::HashSet, future::pending, pin::Pin, sync::Arc, task::Poll, time::Duration};

use axum::extract::ws::{CloseFrame, Message as Frame, Utf8Bytes, WebSocket};
use futures::{SinkExt as _, StreamExt as _, future::poll_fn};
use metrics::{gauge, histogram};
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep_until, timeout};

use super::{
    envelope::{DASHBOARD, own},
    event::dashboard,
    roster::Place,
    wish,
};
use crate::{
    pb::Noun,
    ws_bridge::{
        Shared,
        ended::Ended,
        limit::{Entry, FrameBudget, UserEntry},
        subscription::{Heard, Subscription},
        token::Credential,
        wait::until,
    },
};

/// Longest time between two `ping`s.
const PING: Duration = Duration::from_secs(45);
/// Pings without any answer until a client is dead.
const PINGS: u32 = 3;
/// Longest wait for the feed before a client is let in all the same.
const READY: Duration = Duration::from_secs(5);
/// Messages that are written before the socket is flushed.
const BATCH: usize = 64;
/// Topics that a client may have, and letters of one.
const TOPICS: (usize, usize) = (100, 100);
/// Time that a client has to take part in closing.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whoever is let in.
#[derive(Debug)]
pub struct Guest {
    /// Whether they are somebody.
    pub known: bool,
    /// By what they hear.
    pub credential: Arc<Credential>,
    /// What counts them.
    pub _held: (Vec<Entry>, Vec<UserEntry>),
}

impl Guest {
    /// Level of who they are; 0: nobody.
    fn level(&self) -> u8 {
        if self.known { self.credential.identity().level } else { 0 }
    }
}

/// How a socket is over: the client is gone, or we close it with this code and these words.
enum Over {
    Gone,
    Close(u16, &'static str),
}

const GOING_AWAY: Over = Over::Close(1001, "the server is going down");
const SIGNED_OUT: Over = Over::Close(1008, "Invalid token");
const DEAD: Over = Over::Close(1008, "nothing was heard of you");
const TALKATIVE: Over = Over::Close(1008, "you send too many messages");
const TOO_BIG: Over = Over::Close(1009, "the message is too big");
const SLOW: Over = Over::Close(1013, "you did not keep up");

enum Turn {
    Over(Over),
    TokenOver,
    Heartbeat,
    Received(Option<Result<Frame, axum::Error>>),
    Heard(Heard),
}

struct Socket {
    shared: Arc<Shared>,
    ws: WebSocket,
    guest: Guest,
    subscription: Subscription,
    place: Place,
    topics: HashSet<String>,
    budget: FrameBudget,
    heard: Instant,
    pinged: Option<Instant>,
    /// How much is open, as it was heard last; and whether the client waits for it.
    counts: Option<Value>,
    awaits_counts: bool,
}

/// Serves a socket to its end.
pub async fn serve(shared: Arc<Shared>, ws: WebSocket, guest: Guest) {
    let _counted = shared.feeds.meter.websocket();
    let _listed = shared.tokens.revocations.list(&guest.credential);
    let nouns: &[Noun] = match guest.level() {
        0 => &[Noun::Announcement],
        1 => &[Noun::Task, Noun::Agent, Noun::Position, Noun::CheckIn, Noun::Announcement],
        _ => &[
            Noun::Task,
            Noun::Agent,
            Noun::Position,
            Noun::CheckIn,
            Noun::Announcement,
            Noun::Kpi,
        ],
    };
    let identity = guest.known.then(|| guest.credential.identity());
    let heard = Instant::now();
    let socket = Socket {
        subscription: Subscription::new(&shared.feeds, wish(nouns), &guest.credential),
        place: shared.older.enter(identity),
        topics: HashSet::new(),
        budget: FrameBudget::new(heard),
        pinged: None,
        counts: None,
        awaits_counts: false,
        shared,
        ws,
        guest,
        heard,
    };
    Box::pin(socket.run()).await;
}

impl Socket {
    async fn run(mut self) {
        let over = match self.welcome().await {
            Ok(()) => self.go_on().await,
            Err(over) => over,
        };
        let Over::Close(code, reason) = over else { return };
        let close = CloseFrame {
            code,
            reason: reason.into(),
        };
        let _ = timeout(FAREWELL, async {
            self.ws.send(Frame::Close(Some(close))).await?;
            while let Some(Ok(_)) = self.ws.next().await {}
            Ok::<_, axum::Error>(())
        })
        .await;
    }

    /// Says that from now on everything is heard: so not before that is true, unless it takes too long.
    async fn welcome(&mut self) -> Result<(), Over> {
        let subscription = &mut self.subscription;
        let first = tokio::select! {
            () = self.shared.stop.cancelled() => return Err(GOING_AWAY),
            first = timeout(READY, poll_fn(|context| subscription.poll(context))) => first,
        };
        let now = self.shared.feeds.clock.now().to_string();
        let (name, kind) = self.place.channel.clone();
        let data = json!({
            "connection_id": self.place.id.to_string(),
            "connected_at": now,
            "server_time": now,
            "assigned_channel": name,
            "channel_type": kind,
        });
        self.tell("connection_ack", &data).await?;
        match first {
            Ok(heard) => self.pass_on(heard).await,
            Err(_) => Ok(()),
        }
    }

    async fn go_on(&mut self) -> Over {
        let mut expiry = Box::pin(sleep_until(self.token_end()));
        let period = self.period();
        let mut heartbeat = interval_at(Instant::now() + period, period);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = match self.turn(expiry.as_mut(), &mut heartbeat).await {
                Turn::Over(over) => Err(over),
                Turn::TokenOver if self.token_end() <= Instant::now() => Err(SIGNED_OUT),
                Turn::TokenOver => {
                    expiry.as_mut().reset(self.token_end());
                    Ok(())
                }
                Turn::Heartbeat => self.beat().await,
                Turn::Received(frame) => self.receive(frame).await,
                Turn::Heard(heard) => self.pass_on(heard).await,
            };
            if let Err(over) = done {
                return over;
            }
        }
    }

    async fn turn(&mut self, expiry: Pin<&mut Sleep>, heartbeat: &mut Interval) -> Turn {
        let Self {
            shared,
            ws,
            guest,
            subscription,
            place,
            ..
        } = self;
        let expiry = async { if guest.known { expiry.await } else { pending().await } };
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => Turn::Over(GOING_AWAY),
            () = guest.credential.ended() => Turn::Over(SIGNED_OUT),
            () = place.end.cancelled() => Turn::Over(DEAD),
            () = expiry => Turn::TokenOver,
            _ = heartbeat.tick() => Turn::Heartbeat,
            frame = ws.next() => Turn::Received(frame),
            heard = poll_fn(|context| subscription.poll(context)) => Turn::Heard(heard),
        }
    }

    fn token_end(&self) -> Instant {
        let left = until(self.guest.credential.identity().until, self.shared.feeds.clock.now());
        Instant::now() + left.min(Duration::from_secs(24 * 3600))
    }

    fn period(&self) -> Duration {
        Duration::from_secs_f64(self.shared.settings.heartbeat_interval).min(PING)
    }

    /// Shows that we are there, twice: programs answer the one, libraries the other. Who answers neither is dead.
    async fn beat(&mut self) -> Result<(), Over> {
        let patience = Duration::from_secs_f64(self.shared.settings.connection_timeout);
        if self.heard.elapsed() > patience.min(self.period() * PINGS) {
            self.shared.older.dropped();
            return Err(DEAD);
        }
        self.pinged = Some(Instant::now());
        let now = self.shared.feeds.clock.now();
        gauge!("ggrt_heartbeat_last_timestamp").set(now.as_second() as f64);
        self.put(Frame::Ping(bytes::Bytes::new())).await?;
        self.tell("ping", &json!({ "server_time": now.to_string() })).await
    }

    /// Adds a frame to what is to be sent. A client that does not take anything for long is gone.
    async fn put(&mut self, frame: Frame) -> Result<(), Over> {
        let patience = Duration::from_secs_f64(self.shared.settings.send_timeout);
        let taken = timeout(patience, self.ws.feed(frame)).await;
        self.taken(matches!(taken, Ok(Ok(()))), taken.is_err())
    }

    async fn flush(&mut self) -> Result<(), Over> {
        let patience = Duration::from_secs_f64(self.shared.settings.send_timeout);
        let taken = timeout(patience, self.ws.flush()).await;
        self.taken(matches!(taken, Ok(Ok(()))), taken.is_err())
    }

    fn taken(&self, well: bool, late: bool) -> Result<(), Over> {
        if well {
            return Ok(());
        }
        self.shared.older.failed();
        if late {
            self.shared.feeds.meter.slow_consumer();
        }
        Err(Over::Gone)
    }

    async fn tell(&mut self, event_type: &str, data: &Value) -> Result<(), Over> {
        let text = own(event_type, data, self.shared.feeds.clock.now());
        self.put(Frame::Text(text)).await?;
        self.count(1);
        self.flush().await
    }

    fn count(&self, messages: u64) {
        self.shared.feeds.meter.sent(messages);
        self.shared.older.sent(messages);
    }

    /// Sends what is heard, and what can be heard without waiting, in one go.
    async fn pass_on(&mut self, heard: Heard) -> Result<(), Over> {
        let mut next = Some(heard);
        let (mut read, mut sent) = (0, 0);
        while let Some(heard) = next {
            let item = match heard {
                Heard::Item(item) => item,
                Heard::Over(ended) if ended == Ended::AUTH_REVOKED => return Err(SIGNED_OUT),
                Heard::Over(_) => return Err(SLOW),
            };
            let roster = self.shared.older.clone();
            let clock = &self.shared.feeds.clock;
            if let Some(counts) = item.counts() {
                self.counts = Some(dashboard(counts, clock.now()));
            }
            let texts: Vec<Utf8Bytes> = item
                .older(|| roster.broadcast(clock.now()))
                .iter()
                .filter(|message| message.is_for(&self.topics))
                .map(|message| message.text.clone())
                .collect();
            for text in texts {
                self.put(Frame::Text(text)).await?;
                sent += 1;
            }
            read += 1;
            next = if read < BATCH { self.heard_already().await } else { None };
        }
        self.count(sent);
        if self.awaits_counts && self.counts.is_some() {
            return self.dashboard().await;
        }
        self.flush().await
    }

    async fn heard_already(&mut self) -> Option<Heard> {
        let subscription = &mut self.subscription;
        poll_fn(|context| match subscription.poll(context) {
            Poll::Ready(heard) => Poll::Ready(Some(heard)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    async fn receive(&mut self, frame: Option<Result<Frame, axum::Error>>) -> Result<(), Over> {
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(cause)) if cause.to_string().starts_with("Space limit exceeded") => return Err(TOO_BIG),
            Some(Err(_)) | None => return Err(Over::Gone),
        };
        self.heard = Instant::now();
        self.shared.older.heard(self.place.id, self.heard);
        if !matches!(frame, Frame::Pong(_)) && !self.budget.take(self.heard) {
            self.error("Too many messages").await?;
            return Err(TALKATIVE);
        }
        match frame {
            Frame::Text(text) if text.len() > self.shared.settings.message_max_size => {
                self.error("Message too big").await?;
                Err(TOO_BIG)
            }
            Frame::Text(text) => match serde_json::from_str(&text) {
                Ok(Value::Object(said)) => self.answer(&Value::Object(said)).await,
                Ok(_) => self.malformed("Message must be a JSON object").await,
                Err(_) => self.malformed("Invalid JSON format").await,
            },
            Frame::Binary(_) => self.malformed("Invalid JSON format").await,
            Frame::Pong(_) => {
                self.answered();
                Ok(())
            }
            Frame::Ping(_) => Ok(()),
            Frame::Close(_) => {
                let _ = timeout(FAREWELL, async { while let Some(Ok(_)) = self.ws.next().await {} }).await;
                Err(Over::Gone)
            }
        }
    }

    /// The first answer to a ping.
    fn answered(&mut self) {
        if let Some(at) = self.pinged.take() {
            histogram!("ggrt_message_latency_seconds").record(at.elapsed().as_secs_f64());
        }
    }

    async fn error(&mut self, words: &str) -> Result<(), Over> {
        self.tell("error", &json!({ "error": words })).await
    }

    async fn malformed(&mut self, words: &str) -> Result<(), Over> {
        self.shared.feeds.meter.malformed();
        self.error(words).await
    }

    /// What is not known is ignored, as it always was.
    async fn answer(&mut self, said: &Value) -> Result<(), Over> {
        let events = &said["data"]["events"];
        match said["event_type"].as_str() {
            Some("pong") => {
                self.answered();
                Ok(())
            }
            Some("subscribe") => self.subscribe(events).await,
            Some("unsubscribe") => {
                for topic in events.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    self.topics.remove(topic);
                }
                self.shared.older.has_topics(self.place.id, &self.topics);
                Ok(())
            }
            Some(DASHBOARD) => match self.guest.level() {
                0 => Ok(()),
                1 => self.error("The user doesn't have enough privileges").await,
                _ => self.dashboard().await,
            },
            Some("metrics_update") if self.guest.known => self.metrics().await,
            _ => Ok(()),
        }
    }

    async fn subscribe(&mut self, events: &Value) -> Result<(), Over> {
        let (most, longest) = TOPICS;
        let topics: Option<Vec<&str>> = match events {
            Value::Null => Some(Vec::new()),
            Value::Array(events) => events.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let topics = topics.filter(|topics| topics.iter().all(|topic| topic.len() <= longest));
        let Some(topics) = topics else {
            return self.error("events must be a list of short texts").await;
        };
        let fresh = topics.iter().filter(|topic| !self.topics.contains(**topic)).count();
        if self.topics.len() + fresh > most {
            return self.error("Too many subscriptions").await;
        }
        let count = topics.len();
        self.topics.extend(topics.into_iter().map(str::to_owned));
        self.shared.older.has_topics(self.place.id, &self.topics);
        let data = json!({
            "title": "Suscripción confirmada",
            "content": format!("Suscrito a {count} tipos de eventos"),
            "level": "info",
        });
        self.tell("notification", &data).await
    }

    /// How much is open, as soon as that is known.
    async fn dashboard(&mut self) -> Result<(), Over> {
        self.awaits_counts = self.counts.is_none();
        match self.counts.clone() {
            Some(counts) => self.tell(DASHBOARD, &counts).await,
            None => Ok(()),
        }
    }

    /// The numbers of this bridge; of others the older product only made some up.
    async fn metrics(&mut self) -> Result<(), Over> {
        let (connections, users, peak, _) = self.shared.older.counts();
        let usage = json!({ "active_users": users, "total_sessions": connections, "peak_concurrent_users": peak });
        self.tell("metrics_update", &json!({ "usage": usage })).await
    }
}
