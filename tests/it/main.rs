//! The one integration crate: through the wire, against real PostgreSQL, Redis, Envoy and Chromium.
//!
//! Started by `make test`, which provides the stores (`gad with-stores`).

// Tests may stop at once when what they stand on is not there.
#![allow(clippy::unwrap_used, clippy::allow_attributes)]

mod agent;
mod bridge;
mod bridge_clients;
mod bridge_limits;
mod chaos;
mod children;
mod envoy;
mod live;
mod nearby;
mod position;
mod stack;
mod task;
mod world;
