//! The one integration crate: through the wire, against real PostgreSQL, Redis, Envoy and Chromium.
//!
//! Started by `make test`, which provides the stores (`gad with-stores`).

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests stop at once when what they stand on is not there, and take it from where they run"
)]

mod contract;
mod envoy;
mod layers;
mod stack;
mod task;
mod world;
