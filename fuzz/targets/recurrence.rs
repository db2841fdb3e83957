//! Recurrences of templates: rules as somebody writes them.

use gad::domain::recurrence::{Missed, Recurrence};
use jiff::{SignedDuration, Timestamp};

use super::{line, pick};

const ZONES: [&str; 5] = [
    "America/Argentina/Buenos_Aires",
    "Europe/Madrid",
    "America/Bogota",
    "Australia/Lord_Howe",
    "Pacific/Apia",
];

/// A zone, the second it begins at, the second after which it is asked for, and the rule, a line each.
pub fn run(data: &[u8]) {
    let (zone, rest) = line(data);
    let (start, rest) = line(rest);
    let (after, rule) = line(rest);
    let zone = pick(&ZONES, zone, |zone| zone);
    let (start, after) = (second(start), second(after));
    let Ok(rule) = std::str::from_utf8(rule) else { return };
    let made = Recurrence::new(
        rule.to_owned(),
        start,
        (*zone).to_owned(),
        SignedDuration::ZERO,
        Missed::Latest,
    );
    let Ok(made) = made else { return };
    let times: Vec<Timestamp> = made.times(after).expect("it was followed before").take(20).collect();
    assert!(times.windows(2).all(|two| two[0] < two[1]), "{times:?}");
    assert!(times.iter().all(|time| *time > after && *time >= start), "{times:?}");
    assert_eq!(made.next(after), Ok(times.first().copied()));
    // From the beginning it comes to the same, where that is not too far.
    let far = after.duration_since(start) > SignedDuration::from_hours(24 * 100);
    let walked = made.times(Timestamp::MIN).expect("followed").take_while(|_| !far);
    let walked: Vec<Timestamp> = walked
        .filter(|time| *time > after)
        .take(if far { 0 } else { times.len() })
        .collect();
    assert!(far || walked == times, "{walked:?} and not {times:?}");
}

/// A second between the years 1 and 9999.
fn second(text: &[u8]) -> Timestamp {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    Timestamp::from_second(number.unwrap_or_default().clamp(-62_000_000_000, 253_000_000_000)).expect("within time")
}
