//! Recurrences: when something happens again, by the clock on the wall of a time zone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    SignedDuration, Span, Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};
use rrule::RRuleSet;

/// Least time between two occurrences.
const GAP: SignedDuration = SignedDuration::from_mins(15);
/// Occurrences that are looked at to find two that are too close.
const LOOKED_AT: usize = 200;
/// For how long it is looked for them.
const HORIZON: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);
/// Occurrences that are told at most, one after the other.
const STEPS: usize = 1_000_000;
/// Occurrences that a rule may count: all that are passed are passed over on the way to the next.
const COUNT: u64 = 10_000;
/// Periods from one occurrence to the next at most.
const INTERVAL: u64 = 65_535;
/// Hours before a moment from which a rule is followed at the latest: more than any clock was ever put forward or back.
const JUMP: i64 = 48;
/// Periods that are tried for one that has the day of the first: leap years are eight years apart at most.
const PERIODS: usize = 100;
/// How rules write a time on the wall.
const FORM: &str = "%Y%m%dT%H%M%S";
/// How much later than its time an occurrence still is not missed.
const GRACE: SignedDuration = SignedDuration::from_hours(1);
/// Missed occurrences that are made up for at most.
pub const MISSED: usize = 1000;

/// What becomes of occurrences that were missed; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// The latest is made up for.
    Latest = 1,
    /// All are, up to [`MISSED`].
    All = 2,
    /// Those more than an hour over are not.
    None = 3,
}

impl Missed {
    /// The policy of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Latest, Self::All, Self::None]
            .into_iter()
            .find(|missed| *missed as i32 == number)
    }

    /// Which of these occurrences, in order, are made up for at `now`; the last is never more than just due.
    pub fn made(self, mut due: Vec<Timestamp>, now: Timestamp) -> Vec<Timestamp> {
        match self {
            Self::Latest => due.split_off(due.len().saturating_sub(1)),
            Self::All => due.split_off(due.len().saturating_sub(MISSED)),
            Self::None => {
                due.retain(|time| now.duration_since(*time) <= GRACE);
                due
            }
        }
    }
}

/// Why a recurrence is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Nobody knows this time zone.
    #[error("unknown time zone")]
    Zone,
    /// The rule is none that is taken.
    #[error("not a rule")]
    Rule,
    /// It happens too often.
    #[error("too often")]
    Often,
    /// It counts too many.
    #[error("too many")]
    Long,
}

/// When something happens again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    rule: String,
    start: Timestamp,
    zone: String,
    /// How long before its time the task is made.
    pub lead: SignedDuration,
    /// What becomes of those that were missed.
    pub missed: Missed,
}

impl Recurrence {
    /// A recurrence that can be followed.
    pub fn new(rule: String, start: Timestamp, zone: String, lead: SignedDuration, missed: Missed) -> Result<Self, Wrong> {
        let new = Self::kept(rule, start, zone, lead, missed);
        let seen = |time: &Timestamp| time.duration_since(start) < HORIZON;
        let times: Vec<Timestamp> = new.times(Timestamp::MIN)?.take(LOOKED_AT).take_while(seen).collect();
        if times.windows(2).any(|two| two[1].duration_since(two[0]) < GAP) {
            return Err(Wrong::Often);
        }
        Ok(new)
    }

    /// One that was found good when it was kept; if it is not any more, its times say so.
    pub fn kept(rule: String, start: Timestamp, zone: String, lead: SignedDuration, missed: Missed) -> Self {
        Self {
            rule,
            start,
            zone,
            lead,
            missed,
        }
    }

    /// The rule.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// First moment from which it counts.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Name of the time zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// The first occurrence after a moment.
    pub fn next(&self, after: Timestamp) -> Result<Option<Timestamp>, Wrong> {
        Ok(self.times(after)?.next())
    }

    /// The occurrences after a moment, in order. A time that a clock put forward leaves out is as much later, one that comes
    /// twice is the first (RFC 5545, 3.3.5); what falls on the same moment is one.
    pub fn times(&self, after: Timestamp) -> Result<impl Iterator<Item = Timestamp> + use<>, Wrong> {
        let zone = TimeZone::get(&self.zone).map_err(|_| Wrong::Zone)?;
        let rule = Rule::read(&self.rule, &zone)?;
        let before = self.start.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(self.start);
        let first = before.max(after);
        let start = rule.shortly_before(zone.to_datetime(self.start), zone.to_datetime(first));
        let start = start.strftime("%Y%m%dT%H%M%SZ").to_string();
        // The rule is followed as if the wall's clock were UTC's, which never jumps.
        let set = format!("DTSTART:{start}\nRRULE:{}", rule.text);
        let set: RRuleSet = set.parse().map_err(|_| Wrong::Rule)?;
        let walls = set.limit().into_iter().take(STEPS).map_while(|wall| {
            let wall = Timestamp::from_second(wall.timestamp()).ok()?;
            Some(TimeZone::UTC.to_datetime(wall))
        });
        let moments = Moments {
            zone,
            walls,
            held: BTreeSet::new(),
            sure: Timestamp::MIN,
            last: first,
            over: false,
        };
        Ok(moments)
    }
}

/// Moments of times on a wall, in order, each once.
struct Moments<I> {
    zone: TimeZone,
    walls: I,
    /// Moments that are not told yet. A time that was left out may be later than some that come after it on the wall.
    held: BTreeSet<Timestamp>,
    /// Up to here none comes any more.
    sure: Timestamp,
    /// The last that was told, or the one after which they are told.
    last: Timestamp,
    over: bool,
}

impl<I: Iterator<Item = DateTime>> Moments<I> {
    fn hold(&mut self, wall: DateTime) {
        let moment = self.zone.to_ambiguous_timestamp(wall);
        let left_out = matches!(moment.offset(), AmbiguousOffset::Gap { .. });
        // Beyond the end of time there is none.
        let Ok(moment) = moment.compatible() else { return };
        self.held.insert(moment);
        if !left_out {
            self.sure = self.sure.max(moment);
        }
    }
}

impl<I: Iterator<Item = DateTime>> Iterator for Moments<I> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        loop {
            let next = self.held.first().copied().filter(|next| self.over || *next <= self.sure);
            if let Some(next) = next {
                self.held.remove(&next);
                if next > self.last {
                    self.last = next;
                    return Some(next);
                }
            } else if self.over {
                return None;
            } else if let Some(wall) = self.walls.next() {
                self.hold(wall);
            } else {
                self.over = true;
            }
        }
    }
}

/// How long a period of a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Hours(i64),
    Months(i64),
}

/// A rule by the clock on the wall.
struct Rule {
    text: String,
    period: Period,
    interval: i64,
    counted: bool,
    ends: Option<DateTime>,
}

impl Rule {
    /// The rule, if it is one that is taken, with its end by the clock on the wall.
    fn read(rule: &str, zone: &TimeZone) -> Result<Self, Wrong> {
        let mut parts: BTreeMap<&str, String> = BTreeMap::new();
        let mut ends = None;
        for part in rule.split(';') {
            let (name, value) = part.split_once('=').ok_or(Wrong::Rule)?;
            let value = if name == "UNTIL" {
                let end = until(value, zone)?;
                ends = Some(end);
                format!("{}Z", end.strftime(FORM))
            } else {
                value.to_owned()
            };
            if value.contains(|letter: char| letter.is_control() || letter == ':') || parts.insert(name, value).is_some() {
                return Err(Wrong::Rule);
            }
        }
        let period = match parts.get("FREQ").map(String::as_str) {
            Some("HOURLY") => Period::Hours(1),
            Some("DAILY") => Period::Hours(24),
            Some("WEEKLY") => Period::Hours(7 * 24),
            Some("MONTHLY") => Period::Months(1),
            Some("YEARLY") => Period::Months(12),
            Some("MINUTELY" | "SECONDLY") => return Err(Wrong::Often),
            _ => return Err(Wrong::Rule),
        };
        if parts.contains_key("BYSECOND") {
            return Err(Wrong::Often);
        }
        let number = |name| match parts.get(name) {
            Some(value) => value.parse::<u64>().map(Some).map_err(|_| Wrong::Rule),
            None => Ok(None),
        };
        let (interval, count) = (number("INTERVAL")?.unwrap_or(1), number("COUNT")?);
        if !(1..=INTERVAL).contains(&interval) || count == Some(0) {
            return Err(Wrong::Rule);
        }
        if count.is_some_and(|count| count > COUNT) {
            return Err(Wrong::Long);
        }
        let text: Vec<String> = parts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(Self {
            text: text.join(";"),
            period,
            interval: i64::try_from(interval).map_err(|_| Wrong::Rule)?,
            counted: count.is_some(),
            ends,
        })
    }

    /// A beginning of a period of a rule that begins at `start`, so that there are only a few until `first`: what it leaves out is
    /// all before that. A rule that counts must be followed from its beginning.
    fn shortly_before(&self, start: DateTime, first: DateTime) -> DateTime {
        // A rule that is over began before its end.
        let first = self.ends.map_or(first, |ends| first.min(ends));
        let hours = start.duration_until(first).as_hours() - JUMP;
        if self.counted || hours <= 0 {
            return start;
        }
        match self.period {
            Period::Hours(period) => {
                let period = period * self.interval;
                let passed = SignedDuration::from_hours(hours / period * period);
                start.checked_add(passed).unwrap_or(start)
            }
            Period::Months(period) => {
                let period = period * self.interval;
                let months = i64::from(first.year() - start.year()) * 12 + i64::from(first.month() - start.month()) - 2;
                // The day of the first must be there in the month: the rule may take it from it.
                let there = |passed: i64| {
                    let begin = Span::new()
                        .try_months(passed * period)
                        .and_then(|span| start.checked_add(span));
                    begin.ok().filter(|begin| begin.day() == start.day())
                };
                (0..=months / period).rev().take(PERIODS).find_map(there).unwrap_or(start)
            }
        }
    }
}

/// The end of a rule by the clock on the wall: it is in UTC, or a time on the wall, or a whole day.
fn until(value: &str, zone: &TimeZone) -> Result<DateTime, Wrong> {
    let wall = match value.strip_suffix('Z') {
        Some(utc) => {
            let utc = DateTime::strptime(FORM, utc).map_err(|_| Wrong::Rule)?;
            let moment = TimeZone::UTC.to_timestamp(utc).map_err(|_| Wrong::Rule)?;
            zone.to_datetime(moment)
        }
        None if value.len() == 8 => DateTime::strptime(FORM, format!("{value}T235959")).map_err(|_| Wrong::Rule)?,
        None => DateTime::strptime(FORM, value).map_err(|_| Wrong::Rule)?,
    };
    Ok(wall)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(rule: &str, start: &str, zone: &str, count: usize) -> Vec<String> {
        let start: Timestamp = start.parse().expect("a time");
        let recurrence = Recurrence::new(rule.to_owned(), start, zone.to_owned(), SignedDuration::ZERO, Missed::Latest);
        let recurrence = recurrence.expect("a recurrence");
        let times = recurrence.times(Timestamp::MIN).expect("times");
        times.take(count).map(|time| time.to_string()).collect()
    }

    fn wrong(rule: &str, zone: &str) -> Wrong {
        let zone = zone.to_owned();
        Recurrence::new(
            rule.to_owned(),
            Timestamp::UNIX_EPOCH,
            zone,
            SignedDuration::ZERO,
            Missed::Latest,
        )
        .expect_err("none")
    }

    #[test]
    fn eight_o_clock_stays_eight_o_clock_when_summer_time_begins_and_ends() {
        let spring = times("FREQ=DAILY", "2026-03-07T13:00:00Z", "America/New_York", 3);
        assert_eq!(
            spring,
            ["2026-03-07T13:00:00Z", "2026-03-08T12:00:00Z", "2026-03-09T12:00:00Z"]
        );
        let autumn = times("FREQ=DAILY", "2026-10-31T12:00:00Z", "America/New_York", 3);
        assert_eq!(
            autumn,
            ["2026-10-31T12:00:00Z", "2026-11-01T13:00:00Z", "2026-11-02T13:00:00Z"]
        );
    }

    #[test]
    fn a_time_that_is_left_out_is_later_and_one_that_comes_twice_is_the_first() {
        // 02:30 is not there on 8 March, and 01:30 is there twice on 1 November.
        let left_out = times("FREQ=DAILY", "2026-03-07T07:30:00Z", "America/New_York", 3);
        assert_eq!(
            left_out,
            ["2026-03-07T07:30:00Z", "2026-03-08T07:30:00Z", "2026-03-09T06:30:00Z"]
        );
        let twice = times("FREQ=DAILY", "2026-10-31T05:30:00Z", "America/New_York", 3);
        assert_eq!(
            twice,
            ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]
        );
        // Each hour of that night: what falls on the same moment is one.
        let hourly = times("FREQ=HOURLY", "2026-03-08T06:00:00Z", "America/New_York", 3);
        assert_eq!(
            hourly,
            ["2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z", "2026-03-08T08:00:00Z"]
        );
    }

    #[test]
    fn an_end_is_the_moment_that_it_says() {
        // Eight in the evening in Bogotá is one in the morning in UTC.
        let utc = times(
            "FREQ=DAILY;UNTIL=20260103T010000Z",
            "2026-01-01T01:00:00Z",
            "America/Bogota",
            9,
        );
        assert_eq!(utc, ["2026-01-01T01:00:00Z", "2026-01-02T01:00:00Z", "2026-01-03T01:00:00Z"]);
        let day = times("FREQ=DAILY;UNTIL=20260102", "2026-01-01T01:00:00Z", "America/Bogota", 9);
        assert_eq!(day.last().map(String::as_str), Some("2026-01-03T01:00:00Z"));
        let counted = times("FREQ=WEEKLY;BYDAY=MO,TH;COUNT=3", "2026-01-01T13:00:00Z", "America/Bogota", 9);
        assert_eq!(
            counted,
            ["2026-01-01T13:00:00Z", "2026-01-05T13:00:00Z", "2026-01-08T13:00:00Z"]
        );
        let last_day = times("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-01T13:00:00Z", "America/Bogota", 2);
        assert_eq!(last_day, ["2026-01-31T13:00:00Z", "2026-02-28T13:00:00Z"]);
    }

    #[test]
    fn what_is_no_rule_or_comes_too_often_is_refused_and_one_that_never_comes_ends() {
        for rule in [
            "",
            "DAILY",
            "FREQ=",
            "FREQ=DAILY;UNTIL=x",
            "FREQ=DAILY;FOO=1",
            "FREQ=DAILY;COUNT=x",
        ] {
            assert_eq!(wrong(rule, "America/Bogota"), Wrong::Rule, "{rule}");
        }
        for rule in [
            "FREQ=MINUTELY",
            "FREQ=SECONDLY",
            "FREQ=DAILY;BYSECOND=1,2",
            "FREQ=HOURLY;BYMINUTE=0,5",
        ] {
            assert_eq!(wrong(rule, "America/Bogota"), Wrong::Often, "{rule}");
        }
        assert_eq!(wrong("FREQ=DAILY", "Nowhere/City"), Wrong::Zone);
        let never = times(
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "2026-01-01T13:00:00Z",
            "America/Bogota",
            1,
        );
        assert_eq!(never, Vec::<String>::new());
    }

    #[test]
    fn what_is_bad_is_refused_by_name_however_it_is_bad() {
        for rule in [
            "FREQ=DAILY;FREQ=SECONDLY",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;INTERVAL=-1",
            "FREQ=DAILY;INTERVAL=65536",
            "FREQ=DAILY;COUNT=0",
            "FREQ=DAILY;COUNT=99999999999999999999",
            "FREQ=DAILY;INTERVAL=1\nRRULE:FREQ=SECONDLY",
            "FREQ=DAILY;BYHOUR=8:RDATE=1",
            "FREQ=DAILY;BYHOUR=24",
            "FREQ=DAILY;UNTIL=99991231T235959Z",
            "FREQ=DAILY;UNTIL=19600101",
            "FREQ=YEARLY;BYMONTH=13",
            ";",
            "=",
        ] {
            assert_eq!(wrong(rule, "America/Bogota"), Wrong::Rule, "{rule}");
        }
        assert_eq!(wrong("FREQ=DAILY;COUNT=4294967295", "America/Bogota"), Wrong::Long);
    }

    #[test]
    fn what_a_clock_left_out_does_not_swallow_what_comes_after_it() {
        // Of 02:00, 02:45, 03:00 and 03:45 the second and the third: one is 03:45 then, which comes after the other.
        let rule = "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,45;BYSETPOS=2,3";
        let spring = times(rule, "2026-03-28T12:00:00Z", "Europe/Madrid", 3);
        assert_eq!(
            spring,
            ["2026-03-29T01:00:00Z", "2026-03-29T01:45:00Z", "2026-03-30T00:45:00Z"]
        );
    }

    #[test]
    fn of_what_was_missed_is_made_what_the_policy_says() {
        let at = |hour| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour);
        let due = || vec![at(0), at(1), at(2)];
        let now = at(2) + SignedDuration::from_mins(30);
        assert_eq!(Missed::Latest.made(due(), now), [at(2)]);
        assert_eq!(Missed::All.made(due(), now), due());
        assert_eq!(Missed::None.made(due(), now), [at(2)]);
        assert_eq!(Missed::None.made(due(), at(9)), []);
        assert_eq!(Missed::Latest.made(Vec::new(), now), []);
    }
}
