//! Messages: words to a group of people.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{UserId, notification::Reader};

/// How long a message is tried: what is said to a group is of the hour.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// Who is meant; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everybody.
    Everybody = 1,
    /// Supervisors and administrators.
    Supervisors = 2,
    /// Agents, supervisors and administrators.
    Responders = 3,
    /// Agents.
    Agents = 4,
}

impl Audience {
    /// The audience of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Everybody, Self::Supervisors, Self::Responders, Self::Agents]
            .into_iter()
            .find(|audience| *audience as i32 == number)
    }
}

/// How it is marked; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Not at all.
    Normal = 1,
    /// As information.
    Info = 2,
    /// As an alert.
    Alert = 3,
    /// As urgent.
    Urgent = 4,
}

impl Urgency {
    /// The urgency of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Normal, Self::Info, Self::Alert, Self::Urgent]
            .into_iter()
            .find(|urgency| *urgency as i32 == number)
    }

    /// Whether it may disturb an agent who is off duty.
    pub fn disturbs(self) -> bool {
        self == Self::Urgent
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Outside name.
    pub uid: Uuid,
    /// Who sent it.
    pub sender: UserId,
    /// Who is meant.
    pub audience: Audience,
    /// How it is marked.
    pub urgency: Urgency,
    /// What it says.
    pub text: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it is given up.
    pub expires: Timestamp,
}

impl Message {
    /// Whether it may be sent to somebody who was meant when it was made.
    pub fn is_for(&self, reader: &Reader) -> bool {
        reader.telegram.is_some() && (!reader.off_duty || self.urgency.disturbs())
    }
}
