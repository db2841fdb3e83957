//! The live feed: outbox → relay → Redis Stream → hubs → watchers. Nothing lost, nothing twice, in order.

pub mod cache;
pub mod connection;
pub mod hub;
pub mod leases;
pub mod limits;
pub mod relay;
pub mod stream;
pub mod wake;

pub use cache::Cache;
pub use hub::{Hub, Subscription};
pub use wake::Wake;
