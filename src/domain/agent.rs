//! Field agents: duty, availability, fixes.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, btree_map::Entry},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    AgentId, Revision, TaskId, UserId, ZoneId,
    access::{Caller, Level},
    geo::Point,
};

/// Oldest fix that is taken: so late it may come.
pub const OLDEST_FIX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Furthest that a device's clock may run ahead.
pub const CLOCK_AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// What an agent says of itself; numbers as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Duty {
    /// On duty, can be sent.
    Available = 1,
    /// Not on duty.
    OffDuty = 3,
    /// On duty and not to be sent.
    Unavailable = 4,
}

impl Duty {
    /// The duty of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Available, Self::OffDuty, Self::Unavailable]
            .into_iter()
            .find(|duty| *duty as i32 == number)
    }

    /// Whether it is on duty, to be sent or not.
    pub fn is_on(self) -> bool {
        self != Self::OffDuty
    }
}

/// Whether an agent can be sent; numbers as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Availability {
    /// On duty and free.
    Available = 1,
    /// On duty and at work.
    OnTask = 2,
    /// Not on duty.
    OffDuty = 3,
    /// On duty and not to be sent.
    Unavailable = 4,
}

impl Availability {
    /// All availabilities.
    pub const ALL: [Self; 4] = [Self::Available, Self::OnTask, Self::OffDuty, Self::Unavailable];

    /// The availability of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|availability| *availability as i32 == number)
    }

    /// What follows from duty and work.
    pub fn from_duty(duty: Duty, occupied: bool) -> Self {
        match (duty, occupied) {
            (Duty::Available, false) => Self::Available,
            (Duty::Available, true) => Self::OnTask,
            (Duty::OffDuty, _) => Self::OffDuty,
            (Duty::Unavailable, _) => Self::Unavailable,
        }
    }
}

/// Why an agent that is near cannot be sent; numbers as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// At work.
    Busy = 1,
    /// Not on duty.
    OffDuty = 2,
    /// On duty and not to be sent.
    Unavailable = 3,
    /// Nobody knows where it is by now.
    Stale = 4,
}

impl Obstacle {
    /// What keeps an agent from being sent; `fresh`: its latest fix still counts.
    pub fn of(availability: Availability, fresh: bool) -> Option<Self> {
        match availability {
            Availability::OnTask => Some(Self::Busy),
            Availability::OffDuty => Some(Self::OffDuty),
            Availability::Unavailable => Some(Self::Unavailable),
            Availability::Available => (!fresh).then_some(Self::Stale),
        }
    }
}

/// How a fix was made; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// Not known.
    Unknown = 0,
    /// Satellite receiver.
    Gps = 1,
    /// Cell or Wi-Fi network.
    Network = 2,
    /// Set by a person.
    Manual = 3,
}

impl Source {
    /// The source of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Unknown, Self::Gps, Self::Network, Self::Manual]
            .into_iter()
            .find(|source| *source as i32 == number)
    }
}

/// Where an agent was at a moment. Agent and time name a fix: two with the same are one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// The agent.
    pub agent: AgentId,
    /// The place.
    pub location: Point,
    /// When, by the device's clock, to the microsecond.
    pub time: Timestamp,
    /// Radius of 68 % confidence in metres.
    pub accuracy_meters: Option<f32>,
    /// Speed in metres per second.
    pub speed_meters_per_second: Option<f32>,
    /// Direction in degrees clockwise from north.
    pub heading_degrees: Option<f32>,
    /// How it was made.
    pub source: Source,
}

/// Why a fix is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such agent, or not the caller's.
    AgentNotFound = 1,
    /// Too far in the future.
    Future = 2,
    /// Older than a fix may come late.
    TooOld = 3,
    /// The agent was not on duty at that time.
    OffDuty = 4,
    /// The person does not agree that their place is known.
    ConsentWithdrawn = 5,
}

/// Since when an agent is on duty, or off it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// What it says of itself.
    pub duty: Duty,
    /// When it last began or ended its duty.
    pub since: Timestamp,
}

impl Service {
    /// Whether the agent was on duty at a time; none if that was before: then its earlier shifts say it.
    pub fn covers(self, time: Timestamp) -> Option<bool> {
        (time >= self.since).then_some(self.duty.is_on())
    }
}

impl Fix {
    /// What makes it this fix and no other.
    pub fn name(&self) -> (AgentId, Timestamp) {
        (self.agent, self.time)
    }

    /// Whether its time can be believed at `now`.
    pub fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        let age = now.duration_since(self.time);
        if age < -CLOCK_AHEAD {
            Err(Refusal::Future)
        } else if age > OLDEST_FIX {
            Err(Refusal::TooOld)
        } else {
            Ok(())
        }
    }

    /// Order by time; of two that claim the same moment the one further north, then east, then with more in it, is the
    /// greater. The greater one is kept, so it does not matter in which order they come.
    pub fn cmp_time(&self, other: &Self) -> Ordering {
        let place = |fix: &Self| (fix.location.latitude(), fix.location.longitude());
        let ((north, east), (other_north, other_east)) = (place(self), place(other));
        self.time
            .cmp(&other.time)
            .then_with(|| north.total_cmp(&other_north))
            .then_with(|| east.total_cmp(&other_east))
            .then_with(|| cmp_known(self.accuracy_meters, other.accuracy_meters))
            .then_with(|| cmp_known(self.speed_meters_per_second, other.speed_meters_per_second))
            .then_with(|| cmp_known(self.heading_degrees, other.heading_degrees))
            .then_with(|| (self.source as i32).cmp(&(other.source as i32)))
    }
}

/// Order of values that may not be known; those that are not come first.
fn cmp_known(one: Option<f32>, other: Option<f32>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

/// What a batch of fixes changes in the history.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Intake {
    /// Fixes of moments that had none.
    pub added: Vec<Fix>,
    /// Fixes that take the place of lesser ones of the same moment.
    pub replacing: Vec<Fix>,
    /// Fixes that were known already, or are lesser than what is known.
    pub repeated: usize,
}

impl Intake {
    /// Of a batch in any order; `known` holds at least every fix of the history with the agent and time of one of them.
    pub fn of(batch: impl IntoIterator<Item = Fix>, known: impl IntoIterator<Item = Fix>) -> Self {
        let known: BTreeMap<_, _> = known.into_iter().map(|fix| (fix.name(), fix)).collect();
        let mut intake = Self::default();
        let mut greatest = BTreeMap::new();
        for fix in batch {
            match greatest.entry(fix.name()) {
                Entry::Vacant(first) => {
                    first.insert(fix);
                }
                Entry::Occupied(mut other) => {
                    intake.repeated += 1;
                    if fix.cmp_time(other.get()).is_gt() {
                        other.insert(fix);
                    }
                }
            }
        }
        for (name, fix) in greatest {
            match known.get(&name) {
                None => intake.added.push(fix),
                Some(there) if fix.cmp_time(there).is_gt() => intake.replacing.push(fix),
                Some(_) => intake.repeated += 1,
            }
        }
        intake
    }

    /// Fixes that are kept now.
    pub fn kept(&self) -> impl Iterator<Item = &Fix> {
        self.added.iter().chain(&self.replacing)
    }

    /// The latest of what is kept now of each agent, by agent.
    pub fn latest(&self) -> BTreeMap<AgentId, Fix> {
        let mut latest: BTreeMap<AgentId, Fix> = BTreeMap::new();
        for fix in self.kept() {
            let there = latest.entry(fix.agent).or_insert(*fix);
            if fix.cmp_time(there).is_gt() {
                *there = *fix;
            }
        }
        latest
    }
}

/// What people may set of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Call sign, unique.
    pub code: String,
    /// Rank.
    pub rank: String,
    /// Unit.
    pub unit: String,
    /// What the agent is trained for.
    pub specialty: String,
}

/// A person in the field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Number.
    pub id: AgentId,
    /// Outside name.
    pub uid: Uuid,
    /// The user this agent is.
    pub user: UserId,
    /// The user's name.
    pub display_name: String,
    /// What people may set.
    pub profile: Profile,
    /// What the agent says of itself.
    pub duty: Duty,
    /// Whether a task occupies it.
    pub occupied: bool,
    /// When its availability last changed.
    pub availability_since: Timestamp,
    /// Latest fix.
    pub fix: Option<Fix>,
    /// Zone that holds it.
    pub zone: Option<ZoneId>,
    /// Open tasks it is on, ascending.
    pub tasks: Vec<TaskId>,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed; fixes do not count.
    pub updated: Timestamp,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
    /// Version.
    pub revision: Revision,
}

impl Agent {
    /// Whether it can be sent.
    pub fn availability(&self) -> Availability {
        Availability::from_duty(self.duty, self.occupied)
    }

    /// Whether a caller may know of it: supervisors of all in their zones, others of their own; of deleted ones
    /// administrators only.
    pub fn is_visible_to(&self, caller: &Caller) -> bool {
        let reached = caller.sees_zone(self.zone) || self.user == caller.user;
        reached && (self.deleted.is_none() || caller.level >= Level::Administrator)
    }

    /// Says anew whether it is on duty.
    pub fn set_duty(&mut self, duty: Duty, now: Timestamp) {
        let before = self.availability();
        self.duty = duty;
        if self.availability() != before {
            self.availability_since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(agent: i64, seconds: i64, latitude: f64) -> Fix {
        Fix {
            agent: AgentId(agent),
            location: Point::new(latitude, 0.0).expect("valid"),
            time: Timestamp::from_second(seconds).expect("valid"),
            accuracy_meters: None,
            speed_meters_per_second: None,
            heading_degrees: None,
            source: Source::Gps,
        }
    }

    #[test]
    fn who_began_a_shift_is_on_duty_from_that_moment() {
        let time = |seconds| Timestamp::from_second(seconds).expect("valid");
        let on = Service {
            duty: Duty::Unavailable,
            since: time(10),
        };
        assert_eq!([9, 10, 11].map(|at| on.covers(time(at))), [None, Some(true), Some(true)]);
        let off = Service {
            duty: Duty::OffDuty,
            since: time(10),
        };
        assert_eq!([9, 10, 11].map(|at| off.covers(time(at))), [None, Some(false), Some(false)]);
    }

    #[test]
    fn of_two_fixes_of_a_moment_the_greater_stays() {
        let (low, high) = (fix(1, 10, 4.0), fix(1, 10, 5.0));
        let known = Fix {
            accuracy_meters: Some(3.0),
            ..high
        };
        for batch in [[low, high], [high, low]] {
            let intake = Intake::of(batch, []);
            assert_eq!((intake.added, intake.repeated), (vec![high], 1));
        }
        assert_eq!(Intake::of([known], [high]).replacing, [known]);
        for lesser in [low, high, known] {
            let intake = Intake::of([lesser], [known]);
            assert_eq!((intake.kept().count(), intake.repeated), (0, 1));
        }
    }

    #[test]
    fn the_latest_of_a_batch_is_told_per_agent() {
        let batch = [fix(1, 10, 4.0), fix(2, 5, 4.0), fix(1, 12, 4.0), fix(1, 11, 9.0)];
        let latest = Intake::of(batch, [fix(2, 5, 4.0)]).latest();
        assert_eq!(latest.into_values().collect::<Vec<_>>(), [fix(1, 12, 4.0)]);
    }

    #[test]
    fn a_fix_may_be_a_minute_ahead_and_a_week_old() {
        let now = Timestamp::from_second(1_000_000).expect("valid");
        let check = |seconds: i64| fix(1, 1_000_000 + seconds, 0.0).check_time(now);
        let week = 7 * 24 * 3600;
        assert_eq!((check(60), check(-week)), (Ok(()), Ok(())));
        assert_eq!((check(61), check(-week - 1)), (Err(Refusal::Future), Err(Refusal::TooOld)));
    }

    #[test]
    fn whoever_cannot_go_has_one_obstacle() {
        use Availability as A;
        for fresh in [true, false] {
            assert_eq!(Obstacle::of(A::OnTask, fresh), Some(Obstacle::Busy));
            assert_eq!(Obstacle::of(A::OffDuty, fresh), Some(Obstacle::OffDuty));
            assert_eq!(Obstacle::of(A::Unavailable, fresh), Some(Obstacle::Unavailable));
        }
        assert_eq!(Obstacle::of(A::Available, false), Some(Obstacle::Stale));
        assert_eq!(Obstacle::of(A::Available, true), None);
    }
}
