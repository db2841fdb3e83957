//! Recurrences: what any rule comes to, when clocks are put forward and back.

use std::collections::BTreeSet;

use gad::domain::recurrence::{Missed, Recurrence};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use proptest::prelude::*;

fn after(rule: &str, start: &str, zone: &str, after: &str) -> Option<String> {
    let (start, after) = (start.parse().expect("a time"), after.parse().expect("a time"));
    let recurrence = Recurrence::new(rule.to_owned(), start, zone.to_owned(), SignedDuration::ZERO, Missed::Latest);
    let next = recurrence.expect("a recurrence").next(after).expect("followed");
    next.map(|time| time.to_string())
}

#[test]
fn what_is_old_goes_on_and_what_is_rare_comes() {
    let zone = "Europe/Madrid";
    let quarters = "FREQ=HOURLY;BYMINUTE=0,15,30,45";
    let next = after(quarters, "1900-01-01T00:00:00Z", zone, "2026-07-01T10:07:00Z");
    assert_eq!(next.as_deref(), Some("2026-07-01T10:15:16Z"));
    let leap = after("FREQ=YEARLY", "1896-02-29T12:00:00Z", zone, "2026-07-01T10:07:00Z");
    assert_eq!(
        leap.as_deref(),
        Some("2028-02-29T10:45:16Z"),
        "the wall's clock was 14 minutes and 44 s behind"
    );
    let monday = "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO";
    let next = after(monday, "2026-01-01T12:00:00Z", zone, "2026-07-01T10:07:00Z");
    assert_eq!(next.as_deref(), Some("2044-02-29T12:00:00Z"));
    let last = after(
        "FREQ=MONTHLY;INTERVAL=5",
        "2001-01-31T12:00:00Z",
        zone,
        "2026-07-01T10:07:00Z",
    );
    assert_eq!(last.as_deref(), Some("2028-07-31T11:00:00Z"));
    for over in [
        "FREQ=DAILY;UNTIL=20260301",
        "FREQ=MONTHLY;UNTIL=20260301T000000Z",
        "FREQ=DAILY;COUNT=3",
    ] {
        let next = after(over, "2026-01-01T12:00:00Z", zone, "2026-07-01T10:07:00Z");
        assert_eq!(next, None, "{over} is over");
    }
    let never = after(
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "2026-01-01T12:00:00Z",
        zone,
        "9000-01-01T00:00:00Z",
    );
    assert_eq!(never, None);
}

/// Rules that are simple enough to be followed another way.
#[derive(Debug, Clone)]
struct Simple {
    /// 0 hourly, 1 daily, 2 weekly.
    freq: usize,
    interval: i64,
    hours: BTreeSet<i8>,
    minutes: BTreeSet<i8>,
    days: BTreeSet<usize>,
}

const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

impl Simple {
    fn text(&self) -> String {
        fn list<T: ToString>(name: &str, all: impl Iterator<Item = T>) -> String {
            let all: Vec<String> = all.map(|one| one.to_string()).collect();
            if all.is_empty() {
                String::new()
            } else {
                format!(";{name}={}", all.join(","))
            }
        }
        let freq = ["HOURLY", "DAILY", "WEEKLY"][self.freq];
        let hours = list("BYHOUR", self.hours.iter());
        let minutes = list("BYMINUTE", self.minutes.iter());
        let days = list("BYDAY", self.days.iter().map(|day| DAYS[*day]));
        format!("FREQ={freq};INTERVAL={}{hours}{minutes}{days}", self.interval)
    }

    /// Whether the wall's clock shows an occurrence, minute by minute.
    fn is_at(&self, start: DateTime, wall: DateTime) -> bool {
        let monday = |at: DateTime| {
            let days = at.date().duration_since(jiff::civil::date(1970, 1, 5)).as_hours() / 24;
            days.div_euclid(7)
        };
        let passed = start.duration_until(wall);
        let day = usize::from(wall.weekday().to_monday_zero_offset().unsigned_abs());
        let in_step = match self.freq {
            0 => {
                let hour =
                    |at: DateTime| at.date().duration_since(jiff::civil::date(1970, 1, 1)).as_hours() + i64::from(at.hour());
                (hour(wall) - hour(start)) % self.interval == 0
            }
            1 => start.date().duration_until(wall.date()).as_hours() / 24 % self.interval == 0,
            _ => (monday(wall) - monday(start)) % self.interval == 0,
        };
        let hour = if self.hours.is_empty() {
            self.freq == 0 || wall.hour() == start.hour()
        } else {
            self.hours.contains(&wall.hour())
        };
        let minute = if self.minutes.is_empty() {
            wall.minute() == start.minute()
        } else {
            self.minutes.contains(&wall.minute())
        };
        let own = usize::from(start.weekday().to_monday_zero_offset().unsigned_abs());
        let on_day = if self.days.is_empty() {
            self.freq < 2 || day == own
        } else {
            self.days.contains(&day)
        };
        !passed.is_negative() && in_step && hour && minute && on_day
    }
}

fn simple() -> impl Strategy<Value = Simple> {
    let few = |most: i8| prop::collection::btree_set(0..most, 0..4);
    let minutes = prop::collection::btree_set(prop::sample::select(vec![0_i8, 15, 30, 45]), 0..4);
    let days = prop::collection::btree_set(0_usize..7, 0..4);
    (0_usize..3, 1_i64..5, few(24), minutes, days).prop_map(|(freq, interval, hours, minutes, days)| Simple {
        freq,
        interval,
        hours,
        minutes,
        days,
    })
}

/// Nights of which an hour was left out or came twice.
const NIGHTS: [(&str, &str); 8] = [
    ("America/Argentina/Buenos_Aires", "2007-12-30T03:00:00Z"),
    ("America/Argentina/Buenos_Aires", "2008-03-16T02:00:00Z"),
    ("America/Argentina/Buenos_Aires", "2008-10-19T03:00:00Z"),
    ("America/Argentina/Buenos_Aires", "2009-03-15T02:00:00Z"),
    ("Europe/Madrid", "2026-03-29T01:00:00Z"),
    ("Europe/Madrid", "2026-10-25T01:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
];

proptest! {
    /// No occurrence is lost or doubled when clocks are put forward or back, from wherever it is looked for them.
    #[test]
    fn occurrences_are_those_that_the_wall_shows(
        rule in simple(),
        night in prop::sample::select(NIGHTS.to_vec()),
        before in 0_i64..60 * 24 * 4,
        years in 0_i64..40,
        looked in -60_i64 * 24 * 2..60 * 24 * 3,
    ) {
        let (zone, transition) = (night.0, night.1.parse::<Timestamp>().expect("a time"));
        let minute = |minutes: i64| SignedDuration::from_mins(minutes);
        let tz = TimeZone::get(zone).expect("a zone");
        let start = transition - minute(before) - SignedDuration::from_hours(24 * 7 * 52 * years);
        let after = transition + minute(looked);
        let recurrence = Recurrence::new(rule.text(), start, zone.to_owned(), SignedDuration::ZERO, Missed::Latest);
        let Ok(recurrence) = recurrence else {
            // An hour that comes twice, or one that is left out, may bring two too near.
            return Ok(());
        };
        let begin = tz.to_datetime(start);
        let until = transition + minute(60 * 24 * 4);
        let mut wall = begin.max(tz.to_datetime(after - SignedDuration::from_hours(50)));
        // Walls have the seconds of the start.
        wall = wall.with().second(begin.second()).subsec_nanosecond(0).build().expect("a time");
        let mut expected = BTreeSet::new();
        while wall <= tz.to_datetime(until + SignedDuration::from_hours(30)) {
            if rule.is_at(begin, wall) {
                let time = tz.to_ambiguous_timestamp(wall).compatible().expect("a moment");
                if time > after && time >= start && time <= until {
                    expected.insert(time);
                }
            }
            wall = wall.checked_add(minute(1)).expect("a time");
        }
        let expected: Vec<Timestamp> = expected.into_iter().collect();
        let told: Vec<Timestamp> = recurrence.times(after).expect("times").take_while(|time| *time <= until).collect();
        prop_assert_eq!(told, expected, "{} from {} after {}", recurrence.rule(), start, after);
    }

    /// Whatever somebody writes, there is an answer.
    #[test]
    fn no_rule_does_harm(
        parts in prop::collection::vec(("(FREQ|INTERVAL|COUNT|UNTIL|BYMONTH|BYMONTHDAY|BYYEARDAY|BYWEEKNO|BYDAY|BYHOUR|BYMINUTE|BYSETPOS|WKST|BYEASTER)",
            "(HOURLY|DAILY|WEEKLY|MONTHLY|YEARLY|-?[0-9]{1,3}(,-?[0-9]{1,2}){0,3}|[-+]?[0-9]{0,2}(MO|TU|SU)|65535|99991231)"), 0..6),
        freq in prop::sample::select(vec!["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
        start in -60_000_000_000_i64..250_000_000_000,
        after in -60_000_000_000_i64..250_000_000_000,
        zone in prop::sample::select(vec!["America/Argentina/Buenos_Aires", "Europe/Madrid", "UTC"]),
    ) {
        let parts: Vec<String> = parts.into_iter().filter(|(name, _)| name != "FREQ").map(|(name, value)| format!(";{name}={value}")).collect();
        let rule = format!("FREQ={freq}{}", parts.concat());
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        let made = Recurrence::new(rule, at(start), zone.to_owned(), SignedDuration::ZERO, Missed::Latest);
        if let Ok(made) = made {
            let after = at(after).max(at(start));
            let times: Vec<Timestamp> = made.times(after).expect("followed").take(5).collect();
            prop_assert!(times.windows(2).all(|two| two[0] < two[1]) && times.iter().all(|time| *time > after));
        }
    }
}
