//! Waits: where chance enters the bridge.

use std::time::Duration;

use jiff::Timestamp;
use rand::Rng as _;

/// Some wait between nothing and `most`, so that many who wait do not come back together.
#[expect(clippy::disallowed_methods, reason = "here chance enters the program")]
pub fn jitter(most: Duration) -> Duration {
    most.mul_f64(rand::rng().random_range(0.0..=1.0))
}

/// How long until `then`; nothing if it is past.
pub fn until(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}
