//! The bridge: streams the live feed to WebSockets and event streams. A gRPC client; owns no data.
//!
//! A client's frame or query becomes a *wish* (filter and start). Wishes of the same filter and rights share a *feed*: one
//! upstream watch whose latest messages stand in a ring, printed once. Each *subscription* has a place in a ring and reads
//! from there at its client's pace; one that falls out of the ring is told so, with a cursor. Who comes with a cursor that
//! the main feed's ring does not reach gets a feed of its own, and goes over to the main feed where both meet.
//!
//! `older` speaks GRUPO_GAD's protocol from the same feeds.

pub mod wait;
mod door;
mod ended;
mod feed;
mod feeds;
pub mod frame;
pub mod item;
pub mod json;
mod limit;
pub mod meter;
mod older;
pub mod query;
mod revocations;
mod ring;
mod serve;
mod socket;
mod sse;
mod subscription;
pub mod token;
mod upstream;
mod watching;

pub use serve::{Bridge, run};

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::{
    door::Refused,
    feeds::Feeds,
    limit::{Doors, Entry, Users},
    token::Tokens,
    upstream::Upstream,
};
use crate::{address::Proxies, config::BridgeSettings};

/// All that a running bridge carries; tests start several in one process.
#[derive(Debug)]
struct Shared {
    settings: BridgeSettings,
    feeds: Arc<Feeds>,
    upstream: Arc<Upstream>,
    tokens: Tokens,
    /// Whose word on a client's address counts.
    proxies: Proxies,
    doors: Doors,
    /// Sockets that have not yet said whose they are.
    strangers: Doors,
    /// Connections by user.
    users: Users,
    /// Subscriptions by user: each may cost an upstream watch.
    subscribers: Users,
    /// Who came by the older protocol.
    older: older::Roster,
    /// The bridge is going down.
    stop: CancellationToken,
}

impl Shared {
    /// Lets a connection in, if there is room.
    fn enter(&self) -> Result<Entry, Refused> {
        let entry = self.doors.enter().ok_or(Refused::OVERLOADED)?;
        if self.stop.is_cancelled() {
            Err(Refused::OVERLOADED)
        } else {
            Ok(entry)
        }
    }
}
