//! The live feed: outbox → relay → Redis Stream → hubs → watchers. Nothing lost, nothing twice, in order.

pub mod connection;
pub mod hub;
pub mod leases;
pub mod limits;
pub mod relay;
pub mod stream;
pub mod wake;

pub use hub::{Hub, Subscription};
pub use wake::Wake;
