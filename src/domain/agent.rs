//! Field agents: duty, availability, fixes.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AgentId, Revision, TaskId, UserId, ZoneId, geo::Point};

/// Oldest fix that is kept: how far back positions reach.
pub const POSITION_RETENTION: SignedDuration = SignedDuration::from_hours(7 * 24);

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
    /// Older than the days that positions are kept.
    TooOld = 3,
}

impl Fix {
    /// Whether its time can be believed at `now`.
    pub fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        let age = now.duration_since(self.time);
        if age < -CLOCK_AHEAD {
            Err(Refusal::Future)
        } else if age > POSITION_RETENTION {
            Err(Refusal::TooOld)
        } else {
            Ok(())
        }
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
}
