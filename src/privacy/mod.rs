//! The privacy of people: how exactly places are shown, how somebody is erased, and what is forgotten in time.

pub mod erase;
pub mod precision;
pub mod retention;

pub use precision::Precision;
