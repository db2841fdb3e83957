//! How often one caller may call, and how much the server does at a time.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;

use crate::{
    config::ServeSettings,
    descriptor::{Access, Rule},
    domain::limit::{Class, Payer, Standing},
    error::{Error, Result},
    identity::SignedIn,
    live::limits::{Counted, Limits},
};

/// Counts a call against its user or API token, or against its address where nobody is signed in. Services of the
/// installation are not counted: they count for others. Nor is what only its handler can count.
pub async fn count(limits: &Limits, rule: &Rule, caller: Option<&SignedIn>, address: Option<IpAddr>) -> Counted {
    let payer = caller.map(SignedIn::payer).or_else(|| address.map(Payer::at));
    let service = matches!(rule.access, Access::Service(_));
    match (Class::of(rule.rate as i32), payer) {
        (Some(class), Some(payer)) if !service && !class.is_counted_by_handler() => limits.count(class, payer).await,
        _ => Counted {
            standing: None,
            verdict: Ok(()),
        },
    }
}

/// Tells how the caller stands.
pub fn tell(standing: &Standing, headers: &mut HeaderMap) {
    for (name, number) in standing.headers() {
        headers.insert(name, HeaderValue::from(number));
    }
}

/// The seats of one server.
#[derive(Debug)]
pub struct Seats {
    unary: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    since: Instant,
    /// The last second in which it was logged that calls are refused.
    told: AtomicU64,
}

impl Seats {
    /// Seats as set.
    pub fn new(settings: &ServeSettings) -> Self {
        Self {
            unary: Arc::new(Semaphore::new(settings.max_concurrent_calls)),
            streams: Arc::new(Semaphore::new(settings.max_streams)),
            since: Instant::now(),
            told: AtomicU64::new(0),
        }
    }

    /// Room for a call, or none: then it is refused at once rather than late.
    pub fn room(&self, rule: &Rule) -> Result<Room> {
        // Parts of the installation are few, and must hear what they must hear while all seats of streams are taken.
        let stream = rule.streaming && !matches!(rule.access, Access::Service(_));
        let seats = if stream { &self.streams } else { &self.unary };
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
