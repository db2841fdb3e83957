//! What a server does by itself for the privacy of people: it knows how exactly places are shown, and forgets in time.

pub mod precision;

pub use precision::Precision;
