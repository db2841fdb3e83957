//! Recurrences: when something happens again, by the clock on the wall of a time zone.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use rrule::RRuleSet;

/// Least time between two occurrences.
const GAP: SignedDuration = SignedDuration::from_mins(15);
/// Occurrences that are looked at to find two that are too close.
const LOOKED_AT: usize = 200;
/// Occurrences that are passed over at most on the way to the next: an hour's for a century.
const STEPS: usize = 1_000_000;
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
        let times = new.times(Timestamp::MIN)?.take(LOOKED_AT).collect::<Vec<_>>();
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
        let rule = walled(&self.rule, &zone)?;
        let start = zone.to_datetime(self.start).strftime("%Y%m%dT%H%M%SZ").to_string();
        // The rule is followed as if the wall's clock were UTC's, which never jumps.
        let set: RRuleSet = format!("DTSTART:{start}\nRRULE:{rule}").parse().map_err(|_| Wrong::Rule)?;
        let first = (self.start - SignedDuration::from_secs(1)).max(after);
        let mut last = Timestamp::MIN;
        let times = set.limit().into_iter().take(STEPS).filter_map(move |wall| {
            let wall = Timestamp::from_second(wall.timestamp()).ok()?;
            let wall: DateTime = TimeZone::UTC.to_datetime(wall);
            let time = zone.to_ambiguous_timestamp(wall).compatible().ok()?;
            let later = time > last && time > first;
            last = last.max(time);
            later.then_some(time)
        });
        Ok(times)
    }
}

/// The rule with its end by the clock on the wall, if it is one that is taken.
fn walled(rule: &str, zone: &TimeZone) -> Result<String, Wrong> {
    let mut parts = Vec::new();
    let mut frequent = None;
    for part in rule.split(';') {
        let (name, value) = part.split_once('=').ok_or(Wrong::Rule)?;
        let value = match name {
            "FREQ" => {
                frequent = Some(value);
                value.to_owned()
            }
            "BYSECOND" => return Err(Wrong::Often),
            "UNTIL" => until(value, zone)?,
            _ => value.to_owned(),
        };
        parts.push(format!("{name}={value}"));
    }
    match frequent {
        Some("HOURLY" | "DAILY" | "WEEKLY" | "MONTHLY" | "YEARLY") => Ok(parts.join(";")),
        Some("MINUTELY" | "SECONDLY") => Err(Wrong::Often),
        _ => Err(Wrong::Rule),
    }
}

/// The end of a rule by the clock on the wall: it is in UTC, or a time on the wall, or a whole day.
fn until(value: &str, zone: &TimeZone) -> Result<String, Wrong> {
    const FORM: &str = "%Y%m%dT%H%M%S";
    let wall = match value.strip_suffix('Z') {
        Some(utc) => {
            let utc = DateTime::strptime(FORM, utc).map_err(|_| Wrong::Rule)?;
            let moment = TimeZone::UTC.to_timestamp(utc).map_err(|_| Wrong::Rule)?;
            zone.to_datetime(moment)
        }
        None if value.len() == 8 => DateTime::strptime(FORM, format!("{value}T235959")).map_err(|_| Wrong::Rule)?,
        None => DateTime::strptime(FORM, value).map_err(|_| Wrong::Rule)?,
    };
    Ok(format!("{}Z", wall.strftime(FORM)))
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
