//! What phones say of when something happened while they were offline.

use jiff::{SignedDuration, Timestamp};

/// Longest that a phone may have been offline for its clock to be believed.
const PAST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How far a phone's clock may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// Whether something can have happened at this time by the clock of a phone, if it is `now` here.
pub fn is_credible(reported: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(reported);
    (-AHEAD..=PAST).contains(&age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_ago_and_a_minute_ahead_are_believed_and_no_more() {
        let now = Timestamp::UNIX_EPOCH;
        let second = SignedDuration::from_secs(1);
        for (time, believed) in [
            (now, true),
            (now - PAST, true),
            (now - PAST - second, false),
            (now + AHEAD, true),
            (now + AHEAD + second, false),
            (Timestamp::MIN, false),
            (Timestamp::MAX, false),
        ] {
            assert_eq!(is_credible(time, now), believed, "{time}");
        }
    }
}
