//! How much one caller may do a minute, and how much the server does at a time.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{body::Body, transport::server::TcpConnectInfo};

use crate::{
    config::ServeSettings,
    descriptor::Rule,
    error::{Error, Result},
    identity::SignedIn,
    pb::RateClass,
};

/// Callers that are told apart; beyond it, those who were quiet are forgotten.
const CALLERS: usize = 100_000;

/// Whom a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Payer {
    User(i64),
    Address(IpAddr),
}

/// The limits of one server.
#[derive(Debug)]
pub struct Limits {
    calls: DefaultKeyedRateLimiter<(Payer, i32)>,
    logins: DefaultKeyedRateLimiter<Payer>,
    unary: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    counted: AtomicU64,
    since: Instant,
    /// The last second in which it was logged that calls are refused.
    told: AtomicU64,
}

impl Limits {
    /// Limits as set.
    pub fn new(settings: &ServeSettings) -> Self {
        let quota = |calls: u32| Quota::per_minute(NonZeroU32::new(calls).unwrap_or(NonZeroU32::MIN));
        Self {
            calls: RateLimiter::keyed(quota(settings.rate_limit_calls)),
            logins: RateLimiter::keyed(quota(settings.rate_limit_logins)),
            unary: Arc::new(Semaphore::new(settings.max_concurrent_calls)),
            streams: Arc::new(Semaphore::new(settings.max_streams)),
            counted: AtomicU64::new(0),
            since: Instant::now(),
            told: AtomicU64::new(0),
        }
    }

    /// Counts a call against its caller; refuses it when there were too many.
    pub fn count(&self, rule: &Rule, caller: Option<&SignedIn>, request: &Request<Body>) -> Result<()> {
        self.forget();
        let payer = match caller {
            Some(signed_in) => Payer::User(signed_in.caller.user.0),
            None => match address(request) {
                Some(address) => Payer::Address(address),
                None => return Ok(()),
            },
        };
        let free = if rule.rate == RateClass::Login {
            self.logins.check_key(&payer).map_err(|until| wait(&until))
        } else {
            self.calls.check_key(&(payer, rule.rate as i32)).map_err(|until| wait(&until))
        };
        free.map_err(|retry_after| {
            metrics::counter!("rate_limited_total", "class" => rule.rate.as_str_name()).increment(1);
            Error::RateLimited { retry_after }
        })
    }

    fn forget(&self) {
        let counted = self.counted.fetch_add(1, Ordering::Relaxed);
        if counted % 10_000 == 9_999 && self.calls.len() + self.logins.len() > CALLERS {
            self.calls.retain_recent();
            self.logins.retain_recent();
        }
    }

    /// Room for a call, or none: then it is refused at once rather than late.
    pub fn room(&self, rule: &Rule) -> Result<Room> {
        let seats = if rule.streaming { &self.streams } else { &self.unary };
        let seat = Arc::clone(seats).try_acquire_owned().map_err(|_| {
            metrics::counter!("overloaded_total").increment(1);
            self.tell();
            Error::Overloaded
        })?;
        Ok(Room(seat))
    }

    /// Logs that calls are refused, once a second at most.
    fn tell(&self) {
        let second = self.since.elapsed().as_secs() + 1;
        if self.told.swap(second, Ordering::Relaxed) != second {
            tracing::warn!("overloaded: calls are refused");
        }
    }
}

fn wait(until: &governor::NotUntil<governor::clock::QuantaInstant>) -> Duration {
    use governor::clock::Clock as _;
    until.wait_time_from(governor::clock::DefaultClock::default().now())
}

/// The address of the caller: the edge's word if the edge is on this machine, else the peer's.
pub fn address(request: &Request<Body>) -> Option<IpAddr> {
    let peer = request
        .extensions()
        .get::<TcpConnectInfo>()
        .and_then(TcpConnectInfo::remote_addr)
        .as_ref()
        .map(SocketAddr::ip)?;
    if !peer.is_loopback() {
        return Some(peer);
    }
    let forwarded = request
        .headers()
        .get("x-forwarded-for")
        .and_then(|header| header.to_str().ok());
    // The last entry is the edge's own; those before it are what the caller says of itself.
    let said = forwarded.and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    Some(said.unwrap_or(peer))
}

/// A seat that a call holds until its answer has been sent.
#[derive(Debug)]
pub struct Room(OwnedSemaphorePermit);

impl Room {
    /// Holds the seat until the answer's body ends.
    pub fn kept_by(self, response: Response<Body>) -> Response<Body> {
        let (head, body) = response.into_parts();
        let body = body.map_frame(move |frame| {
            let _held = &self.0;
            frame
        });
        Response::from_parts(head, Body::new(body))
    }
}
