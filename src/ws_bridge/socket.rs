//! One WebSocket: who it is, what it subscribed to, and when to let it go.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures::{SinkExt as _, StreamExt as _, future::poll_fn};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, error::Elapsed, interval_at, sleep_until, timeout};
use uuid::Uuid;

use super::{
    Shared,
    door::Refused,
    ended::Ended,
    frame::{self, ClientFrame, Problem, Welcome, Wish},
    item::quoted,
    limit::{Entry, FrameBudget, UserEntry},
    subscription::{Heard, Subscription},
    token::{Credential, Refusal},
    wait::until,
};

/// Time that a client has to say who it is.
const AUTH_PATIENCE: Duration = Duration::from_secs(10);
/// Subscriptions that a socket may have.
const SUBSCRIPTIONS: usize = 16;
/// Malformed frames until the socket is closed.
const MALFORMED: u32 = 10;
/// Messages that are written before the socket is flushed.
const BATCH: usize = 64;
/// Time that a client has to take part in closing.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a socket is closed: the code and the words of the close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Close(u16, &'static str);

impl Close {
    const GOING_AWAY: Self = Self(1001, "the bridge is going down");
    const TOO_BIG: Self = Self(1009, "the frame is too big");
    const TRY_LATER: Self = Self(1013, "try again later");
    const MALFORMED: Self = Self(4400, "too many malformed frames");
    const SIGNED_OUT: Self = Self(4401, "sign in");
    const IDLE: Self = Self(4408, "nothing was heard of you");
    const TOO_MANY: Self = Self(4409, "you have too many connections");
    const TOO_OFTEN: Self = Self(4429, "you open too many connections");
    const SLOW: Self = Self(4429, "you did not keep up");
    const TALKATIVE: Self = Self(4429, "you send too many frames");
}

/// How a socket is over.
#[derive(Debug)]
enum Over {
    /// The client went away, or does not take anything any longer.
    Gone,
    /// We close it; the subscriptions end for this reason.
    Close(Close, Ended),
}

impl From<Close> for Over {
    fn from(close: Close) -> Self {
        let ended = match close {
            Close::GOING_AWAY => Ended::SHUTDOWN,
            Close::SIGNED_OUT => Ended::AUTH_REVOKED,
            Close::SLOW => Ended::SLOW_CONSUMER,
            Close(_, words) => Ended::closed(words),
        };
        Self::Close(close, ended)
    }
}

/// What happens next to a socket.
enum Turn {
    Stop,
    TokenOver,
    Revoked,
    Heartbeat,
    Received(Option<Result<Message, axum::Error>>),
    Heard(usize, Heard),
}

/// A subscription and its name.
struct Named {
    id: String,
    quoted: String,
    subscription: Subscription,
    _counted: UserEntry,
}

/// One WebSocket.
struct Socket {
    shared: Arc<Shared>,
    ws: WebSocket,
    credential: Arc<Credential>,
    subscriptions: Vec<Named>,
    /// Which subscription is looked at first, so that all get their turn.
    turn: usize,
    budget: FrameBudget,
    malformed: u32,
    heard: Instant,
}

/// What the handshake says of the client.
#[derive(Debug)]
pub enum Arrival {
    /// Its token was verified.
    Known(Credential),
    /// Its token does not count.
    Nobody,
    /// The first frame must bring the token. Few may be in that state at a time. And where it comes from.
    Unknown(Entry, IpAddr),
}

/// Serves a WebSocket to its end.
pub async fn serve(shared: Arc<Shared>, mut ws: WebSocket, arrival: Arrival, entry: Entry) {
    let _counted = (shared.feeds.meter.websocket(), entry);
    let close = match Box::pin(admit(&shared, &mut ws, arrival)).await {
        Ok((credential, _entry)) => {
            let heard = Instant::now();
            let credential = Arc::new(credential);
            let _listed = shared.tokens.revocations.list(&credential);
            let socket = Socket {
                shared,
                ws,
                credential,
                subscriptions: Vec::new(),
                turn: 0,
                budget: FrameBudget::new(heard),
                malformed: 0,
                heard,
            };
            return Box::pin(socket.run()).await;
        }
        Err(close) => close,
    };
    if let Some(close) = close {
        farewell(&mut ws, close).await;
    }
}

/// Finds out who the client is; an error is how to close, or none if it is gone.
async fn admit(shared: &Shared, ws: &mut WebSocket, arrival: Arrival) -> Result<(Credential, UserEntry), Option<Close>> {
    let credential = match arrival {
        Arrival::Known(credential) => credential,
        Arrival::Nobody => return Err(Some(Close::SIGNED_OUT)),
        Arrival::Unknown(_entry, address) => {
            let token = tokio::select! {
                () = shared.stop.cancelled() => return Err(Some(Close::GOING_AWAY)),
                token = timeout(AUTH_PATIENCE, first_token(shared, ws)) => token.map_err(|_| Some(Close::SIGNED_OUT))??,
            };
            known(shared, &token, address).await?
        }
    };
    let entry = shared.users.enter(credential.identity().user).ok_or(Some(Close::TOO_MANY))?;
    Ok((credential, entry))
}

/// Whose token the first frame brought. It counts as another opening, now of its user.
async fn known(shared: &Shared, token: &str, address: IpAddr) -> Result<Credential, Option<Close>> {
    match shared.receive(Some(token), address).await {
        Ok(visitor) => visitor.credential.ok_or(Some(Close::SIGNED_OUT)),
        Err(refused) if refused == Refused::DOWN => Err(Some(Close::TRY_LATER)),
        Err(_) => Err(Some(Close::TOO_OFTEN)),
    }
}

/// The token of the first frame.
async fn first_token(shared: &Shared, ws: &mut WebSocket) -> Result<String, Option<Close>> {
    loop {
        let text = match ws.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Binary(_))) => return Err(Some(Close::SIGNED_OUT)),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(None),
        };
        return match ClientFrame::parse(&text, &shared.feeds.json) {
            Ok(ClientFrame::Auth { token }) => Ok(token),
            _ => Err(Some(Close::SIGNED_OUT)),
        };
    }
}

/// Closes, and waits a moment for the client to do the same.
async fn farewell(ws: &mut WebSocket, Close(code, reason): Close) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    let _ = timeout(FAREWELL, async {
        if ws.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = ws.next().await {}
        }
    })
    .await;
}

impl Socket {
    /// Serves until it is over, then says good-bye.
    async fn run(mut self) {
        let over = match self.serve().await {
            Ok(never) => match never {},
            Err(over) => over,
        };
        if let Over::Close(close, ended) = over {
            tracing::debug!(code = close.0, "closing a socket");
            if timeout(FAREWELL, self.end_all(&ended)).await.is_ok_and(|told| told.is_ok()) {
                farewell(&mut self.ws, close).await;
            }
        }
    }

    async fn end_all(&mut self, ended: &Ended) -> Result<(), Over> {
        for named in std::mem::take(&mut self.subscriptions) {
            let end = frame::end(&named.id, named.subscription.cursor(), ended);
            self.ws.feed(Message::Text(end)).await.map_err(|_| Over::Gone)?;
        }
        self.ws.flush().await.map_err(|_| Over::Gone)
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, Over> {
        self.welcome().await?;
        let stop = self.shared.stop.clone();
        let stopped = stop.cancelled();
        tokio::pin!(stopped);
        let mut expiry = Box::pin(sleep_until(self.token_end()));
        let period = Duration::from_secs_f64(self.shared.settings.heartbeat_interval);
        let mut heartbeat = interval_at(Instant::now() + period, period);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let turn = tokio::select! {
                biased;
                () = &mut stopped => Turn::Stop,
                turn = self.turn(expiry.as_mut(), &mut heartbeat) => turn,
            };
            match turn {
                Turn::Stop => return Err(Close::GOING_AWAY.into()),
                Turn::Revoked => return Err(Close::SIGNED_OUT.into()),
                Turn::TokenOver if self.token_end() <= Instant::now() => return Err(Close::SIGNED_OUT.into()),
                Turn::TokenOver => expiry.as_mut().reset(self.token_end()),
                Turn::Heartbeat => self.beat().await?,
                Turn::Received(message) => self.receive(message).await?,
                Turn::Heard(index, heard) => self.pass_on(index, heard).await?,
            }
        }
    }

    async fn turn(&mut self, expiry: Pin<&mut Sleep>, heartbeat: &mut Interval) -> Turn {
        let Self {
            ws,
            credential,
            subscriptions,
            turn,
            ..
        } = self;
        tokio::select! {
            biased;
            () = credential.ended() => Turn::Revoked,
            () = expiry => Turn::TokenOver,
            _ = heartbeat.tick() => Turn::Heartbeat,
            message = ws.next() => Turn::Received(message),
            (index, heard) = poll_fn(|context| poll_any(subscriptions, turn, context)) => Turn::Heard(index, heard),
        }
    }

    fn token_end(&self) -> Instant {
        let now = self.shared.feeds.clock.now();
        Instant::now() + until(self.credential.identity().until, now)
    }

    async fn welcome(&mut self) -> Result<(), Over> {
        let settings = &self.shared.settings;
        let identity = self.credential.identity();
        let welcome = Welcome {
            connection_id: Uuid::new_v4().to_string(),
            user_id: identity.user,
            expire_time: identity.until,
            heartbeat_seconds: settings.heartbeat_interval,
            timeout_seconds: settings.connection_timeout,
            subscription_limit: SUBSCRIPTIONS,
            frame_limit_bytes: settings.message_max_size,
        };
        self.tell(welcome.frame()).await
    }

    /// Adds a message to what is to be sent.
    async fn feed(&mut self, text: Utf8Bytes) -> Result<(), Over> {
        let patience = self.patience();
        let fed = timeout(patience, self.ws.feed(Message::Text(text))).await;
        self.taken(fed)
    }

    /// Sends what waits.
    async fn flush(&mut self) -> Result<(), Over> {
        let patience = self.patience();
        let flushed = timeout(patience, self.ws.flush()).await;
        self.taken(flushed)
    }

    async fn tell(&mut self, text: Utf8Bytes) -> Result<(), Over> {
        self.feed(text).await?;
        self.shared.feeds.meter.sent(1);
        self.flush().await
    }

    fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.shared.settings.send_timeout)
    }

    /// A client that does not take anything for long is gone.
    fn taken(&self, sent: Result<Result<(), axum::Error>, Elapsed>) -> Result<(), Over> {
        if sent.is_err() {
            self.shared.feeds.meter.slow_consumer();
        }
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Over::Gone),
        }
    }

    /// Shows that we are there, and looks whether the client is.
    async fn beat(&mut self) -> Result<(), Over> {
        if self.heard.elapsed().as_secs_f64() > self.shared.settings.connection_timeout {
            return Err(Close::IDLE.into());
        }
        let patience = self.patience();
        let sent = timeout(patience, self.ws.send(Message::Ping(bytes::Bytes::new()))).await;
        self.taken(sent)
    }

    /// Sends what a subscription heard, and what others hear at the same time, in one go.
    async fn pass_on(&mut self, index: usize, heard: Heard) -> Result<(), Over> {
        let mut next = Some((index, heard));
        let mut fed = 0;
        while let Some((index, heard)) = next {
            match heard {
                Heard::Item(item) => self.feed(item.frame(&self.subscriptions[index].quoted)).await?,
                Heard::Over(ended) => self.end(index, &ended).await?,
            }
            fed += 1;
            // What is polled must be sent: a batch ends before the next poll.
            next = if fed < BATCH { self.heard_already().await } else { None };
        }
        self.shared.feeds.meter.sent(fed as u64);
        self.flush().await
    }

    /// What some subscription hears without waiting.
    async fn heard_already(&mut self) -> Option<(usize, Heard)> {
        let Self { subscriptions, turn, .. } = self;
        poll_fn(|context| match poll_any(subscriptions, turn, context) {
            Poll::Ready(heard) => Poll::Ready(Some(heard)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// A subscription is over; some reasons are the whole socket's.
    async fn end(&mut self, index: usize, ended: &Ended) -> Result<(), Over> {
        if *ended == Ended::SLOW_CONSUMER {
            return Err(Close::SLOW.into());
        }
        if *ended == Ended::AUTH_REVOKED {
            return Err(Close::SIGNED_OUT.into());
        }
        let Named { id, subscription, .. } = self.subscriptions.remove(index);
        self.feed(frame::end(&id, subscription.cursor(), ended)).await
    }

    async fn receive(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), Over> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(cause)) if cause.to_string().starts_with("Space limit exceeded") => return Err(Close::TOO_BIG.into()),
            Some(Err(_)) | None => return Err(Over::Gone),
        };
        self.heard = Instant::now();
        if !matches!(message, Message::Pong(_)) && !self.budget.take(self.heard) {
            self.tell(frame::error(&Problem::of("RATE_LIMITED", Close::TALKATIVE.1)))
                .await?;
            return Err(Close::TALKATIVE.into());
        }
        match message {
            Message::Text(text) if text.len() > self.shared.settings.message_max_size => Err(Close::TOO_BIG.into()),
            Message::Text(text) => match ClientFrame::parse(&text, &self.shared.feeds.json) {
                Ok(frame) => self.answer(frame).await,
                Err(problem) => self.malformed(problem).await,
            },
            Message::Binary(_) => self.malformed(Problem::of("MALFORMED_FRAME", "frames are text")).await,
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => {
                let _ = timeout(FAREWELL, async { while let Some(Ok(_)) = self.ws.next().await {} }).await;
                Err(Over::Gone)
            }
        }
    }

    async fn malformed(&mut self, problem: Problem) -> Result<(), Over> {
        self.shared.feeds.meter.malformed();
        self.malformed += 1;
        self.tell(frame::error(&problem)).await?;
        if self.malformed >= MALFORMED {
            Err(Close::MALFORMED.into())
        } else {
            Ok(())
        }
    }

    async fn answer(&mut self, frame: ClientFrame) -> Result<(), Over> {
        let answer = match frame {
            ClientFrame::Ping { data } => Ok(frame::pong(&data)),
            ClientFrame::Auth { token } => self.renew(&token).await,
            ClientFrame::Subscribe { id, wish } => self.subscribe(id, *wish),
            ClientFrame::Unsubscribe { id } => self.unsubscribe(&id),
        };
        self.tell(answer.unwrap_or_else(|problem| frame::error(&problem))).await
    }

    async fn renew(&mut self, token: &str) -> Result<Utf8Bytes, Problem> {
        let verified = self.shared.tokens.verify_anew(token, self.shared.feeds.clock.now()).await;
        let identity = verified.map_err(|refusal| match refusal {
            Refusal::Invalid => Problem::of("SIGNED_OUT", "the token is not valid; the one before still counts"),
            Refusal::NoKeys => Problem::of("OVERLOADED", "the token cannot be checked now; try again"),
        })?;
        if self.credential.renew(token, identity) {
            Ok(frame::authenticated(identity.until))
        } else {
            Err(Problem::of(
                "FORBIDDEN",
                "the token is of another user or level; open another connection",
            ))
        }
    }

    fn subscribe(&mut self, id: String, wish: Wish) -> Result<Utf8Bytes, Problem> {
        if self.subscriptions.iter().any(|named| named.id == id) {
            return Err(Problem::of("SUBSCRIPTION_EXISTS", "there is a subscription of that name").about(&id));
        }
        if self.subscriptions.len() >= SUBSCRIPTIONS {
            return Err(Problem::of("TOO_MANY_SUBSCRIPTIONS", "unsubscribe first").about(&id));
        }
        let counted = self.shared.subscribers.enter(self.credential.identity().user);
        let counted = counted
            .ok_or_else(|| Problem::of("TOO_MANY_SUBSCRIPTIONS", "you have too many on all your connections").about(&id))?;
        let answer = frame::subscribed(&id);
        self.subscriptions.push(Named {
            quoted: quoted(&id),
            subscription: Subscription::new(&self.shared.feeds, wish, &self.credential),
            _counted: counted,
            id,
        });
        Ok(answer)
    }

    fn unsubscribe(&mut self, id: &str) -> Result<Utf8Bytes, Problem> {
        let found = self.subscriptions.iter().position(|named| named.id == id);
        let index =
            found.ok_or_else(|| Problem::of("UNKNOWN_SUBSCRIPTION", "there is no subscription of that name").about(id))?;
        let Named { id, subscription, .. } = self.subscriptions.remove(index);
        Ok(frame::end(&id, subscription.cursor(), &Ended::UNSUBSCRIBED))
    }
}

/// What any of the subscriptions hears, in turn.
fn poll_any(subscriptions: &mut [Named], turn: &mut usize, context: &mut Context<'_>) -> Poll<(usize, Heard)> {
    let count = subscriptions.len();
    for offset in 0..count {
        let index = (*turn + offset) % count;
        if let Poll::Ready(heard) = subscriptions[index].subscription.poll(context) {
            *turn = index + 1;
            return Poll::Ready((index, heard));
        }
    }
    Poll::Pending
}
