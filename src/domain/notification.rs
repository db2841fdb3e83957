//! Notifications: rules that say who is told of what, and when a message is tried again.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    AgentId, EmergencyId, Revision, TaskId, UserId,
    access::{Caller, Level},
    agent::Agent,
    check_in::CheckIn,
    emergency::Emergency,
    fact::{Fact, Subject},
    geofence,
    plan::{Kind, Priority},
    task::Task,
};

/// A way by which somebody is told; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// The bell of the dashboard.
    Bell = 1,
    /// Telegram.
    Telegram = 2,
    /// Mail.
    Email = 3,
    /// A program.
    Webhook = 4,
}

impl Channel {
    /// The channels that messages go out by.
    pub const OUTSIDE: [Self; 3] = [Self::Telegram, Self::Email, Self::Webhook];

    /// The channel of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Bell, Self::Telegram, Self::Email, Self::Webhook]
            .into_iter()
            .find(|channel| *channel as i32 == number)
    }
}

/// Who is told of what, by which ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Number; 0 before it is stored.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// It does not count.
    pub disabled: bool,
    /// What must have happened: numbers of event types on the wire.
    pub events: Vec<i32>,
    /// Kinds of tasks; empty: all, and what is no task.
    pub kinds: Vec<Kind>,
    /// Least priority of the task; none: any, and what is no task.
    pub least: Option<Priority>,
    /// Told are those whom the thing concerns.
    pub audience: bool,
    /// Told are these.
    pub users: Vec<UserId>,
    /// Told is everybody of these levels.
    pub levels: Vec<Level>,
    /// Told are the agents of these units.
    pub units: Vec<String>,
    /// Ways by which people are told.
    pub channels: Vec<Channel>,
    /// Webhooks that are called.
    pub webhooks: Vec<i64>,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

/// The thing that a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A task.
    Task(TaskId),
    /// An agent.
    Agent(AgentId),
    /// An emergency, and its task.
    Emergency(EmergencyId, TaskId),
    /// The sign of life of an agent on a task.
    CheckIn(TaskId, AgentId),
    /// What an agent did at a geofence: number of the event.
    Crossing(i64, AgentId),
}

impl Thing {
    /// The task, also that of an emergency.
    pub fn task(self) -> Option<TaskId> {
        match self {
            Self::Task(task) | Self::Emergency(_, task) | Self::CheckIn(task, _) => Some(task),
            Self::Agent(_) | Self::Crossing(..) => None,
        }
    }

    /// The agent.
    pub fn agent(self) -> Option<AgentId> {
        match self {
            Self::Agent(agent) | Self::CheckIn(_, agent) | Self::Crossing(_, agent) => Some(agent),
            Self::Task(_) | Self::Emergency(..) => None,
        }
    }

    /// The emergency.
    pub fn emergency(self) -> Option<EmergencyId> {
        match self {
            Self::Emergency(emergency, _) => Some(emergency),
            Self::Task(_) | Self::Agent(_) | Self::CheckIn(..) | Self::Crossing(..) => None,
        }
    }

    /// The event at a geofence.
    pub fn crossing(self) -> Option<i64> {
        match self {
            Self::Crossing(event, _) => Some(event),
            Self::Task(_) | Self::Agent(_) | Self::Emergency(..) | Self::CheckIn(..) => None,
        }
    }

    /// The thing of these numbers.
    pub fn of(
        task: Option<TaskId>,
        agent: Option<AgentId>,
        emergency: Option<EmergencyId>,
        crossing: Option<i64>,
    ) -> Option<Self> {
        match (crossing, emergency, task, agent) {
            (Some(event), _, _, Some(agent)) => Some(Self::Crossing(event, agent)),
            (None, Some(emergency), Some(task), _) => Some(Self::Emergency(emergency, task)),
            (None, None, Some(task), Some(agent)) => Some(Self::CheckIn(task, agent)),
            (None, None, Some(task), None) => Some(Self::Task(task)),
            (None, None, None, Some(agent)) => Some(Self::Agent(agent)),
            _ => None,
        }
    }
}

/// What people may be told of: a thing as it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Topic {
    /// A task.
    Task(Box<Task>),
    /// An agent.
    Agent(Box<Agent>),
    /// An emergency.
    Emergency(Box<Emergency>),
    /// A sign of life, or that there is none.
    CheckIn(Box<CheckIn>),
    /// What happened at a geofence.
    Crossing(Box<geofence::Event>),
}

impl Topic {
    /// What a fact is about, if people may be told of it.
    pub fn of(subject: &Subject) -> Option<Self> {
        match subject {
            Subject::Task(task) => Some(Self::Task(task.clone())),
            Subject::Agent(agent) => Some(Self::Agent(agent.clone())),
            Subject::Emergency(emergency) => Some(Self::Emergency(emergency.clone())),
            Subject::CheckIn(check_in) => Some(Self::CheckIn(check_in.clone())),
            Subject::Geofence(event) => Some(Self::Crossing(event.clone())),
            Subject::Fix { .. } | Subject::Notification(_) | Subject::Announcement(_) => None,
        }
    }

    /// Its number.
    pub fn thing(&self) -> Thing {
        match self {
            Self::Task(task) => Thing::Task(task.id),
            Self::Agent(agent) => Thing::Agent(agent.id),
            Self::Emergency(emergency) => Thing::Emergency(emergency.id, emergency.task),
            Self::CheckIn(check_in) => Thing::CheckIn(check_in.task, check_in.agent),
            Self::Crossing(event) => Thing::Crossing(event.id, event.agent),
        }
    }

    /// Whether somebody may know of it.
    pub fn is_visible_to(&self, caller: &Caller) -> bool {
        match self {
            Self::Task(task) => task.is_visible_to(caller),
            Self::Agent(agent) => agent.is_visible_to(caller),
            Self::Emergency(emergency) => emergency.is_visible_to(caller),
            Self::CheckIn(check_in) => check_in.is_visible_to(caller),
            Self::Crossing(event) => event.is_visible_to(caller),
        }
    }

    /// Whom it concerns.
    pub fn audience(&self) -> Vec<UserId> {
        match self {
            Self::Task(task) => task.audience().collect(),
            Self::Agent(agent) => vec![agent.user],
            Self::Emergency(emergency) => emergency.audience.clone(),
            Self::CheckIn(check_in) => check_in.audience.clone(),
            Self::Crossing(event) => vec![event.user],
        }
    }

    /// Kind and priority of the task.
    fn class(&self) -> Option<(Kind, Priority)> {
        match self {
            Self::Task(task) => Some((task.plan.kind, task.plan.priority)),
            Self::Agent(_) | Self::Crossing(_) => None,
            Self::Emergency(_) => Some((Kind::Emergency, Priority::Critical)),
            Self::CheckIn(check_in) => check_in.class,
        }
    }

    /// Whether a message about it may disturb somebody who is off duty: a call for help that concerns them.
    pub fn disturbs(&self, user: UserId) -> bool {
        match self {
            Self::Task(_) | Self::Agent(_) | Self::CheckIn(_) | Self::Crossing(_) => false,
            Self::Emergency(emergency) => emergency.is_open() && emergency.audience.contains(&user),
        }
    }
}

impl Rule {
    /// Whether it counts for something that happened.
    pub fn is_about(&self, event: i32, topic: &Topic) -> bool {
        let class = topic.class();
        let kind = self.kinds.is_empty() || class.is_some_and(|(kind, _)| self.kinds.contains(&kind));
        let priority = self
            .least
            .is_none_or(|least| class.is_some_and(|(_, priority)| priority >= least));
        !self.disabled && self.events.contains(&event) && kind && priority
    }
}

/// Somebody who may be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Reader {
    /// Who, and how far they see.
    pub caller: Caller,
    /// Number at Telegram.
    pub telegram: Option<i64>,
    /// Whether they are an agent who is off duty.
    pub off_duty: bool,
}

impl Reader {
    /// Whether a message about a topic may be sent to them by a channel.
    pub fn takes(&self, channel: Channel, topic: &Topic) -> bool {
        let reachable = channel != Channel::Telegram || self.telegram.is_some();
        let quiet = channel != Channel::Bell && self.off_duty && !topic.disturbs(self.caller.user);
        reachable && !quiet && topic.is_visible_to(&self.caller)
    }
}

/// What somebody is told by the bell; also as it is on the feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Number.
    pub id: i64,
    /// Who is told.
    pub user: UserId,
    /// What happened: number of the event type on the wire.
    pub event: i32,
    /// When.
    pub time: Timestamp,
    /// Who did it; none: the system.
    pub actor: Option<UserId>,
    /// The task it is about.
    pub task: Option<TaskId>,
    /// The agent it is about.
    pub agent: Option<AgentId>,
    /// The emergency it is about.
    pub emergency: Option<EmergencyId>,
    /// The event at a geofence that it is about.
    #[serde(default)]
    pub crossing: Option<i64>,
    /// When it was read.
    pub read: Option<Timestamp>,
}

/// What became of a message; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for its turn.
    Waiting = 1,
    /// It was taken.
    Sent = 2,
    /// It was given up.
    Dead = 3,
    /// Its reader may not have it.
    Withheld = 4,
}

impl State {
    /// The state of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Waiting, Self::Sent, Self::Dead, Self::Withheld]
            .into_iter()
            .find(|state| *state as i32 == number)
    }
}

/// Who gets a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A person.
    User(UserId),
    /// A webhook.
    Webhook(i64),
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Number.
    pub id: i64,
    /// Outside name, the same at every try.
    pub uid: Uuid,
    /// By which way.
    pub channel: Channel,
    /// To whom.
    pub target: Target,
    /// The rule that asked for it.
    pub rule: Option<i64>,
    /// What happened: number of the event type on the wire.
    pub event: i32,
    /// When.
    pub time: Timestamp,
    /// Who did it; none: the system.
    pub actor: Option<UserId>,
    /// What it is about.
    pub thing: Option<Thing>,
    /// The message to a group that it carries.
    pub message: Option<i64>,
    /// What became of it.
    pub state: State,
    /// Tries so far.
    pub attempts: u32,
    /// When it is tried next.
    pub next: Option<Timestamp>,
    /// When it is given up.
    pub expires: Timestamp,
    /// Why the last try failed.
    pub failure: String,
    /// HTTP status of the last answer.
    pub http_status: Option<u16>,
    /// When it was queued.
    pub created: Timestamp,
    /// When it was over.
    pub ended: Option<Timestamp>,
}

/// How long a message is tried.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// First and longest wait before another try.
const WAITS: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(5), SignedDuration::from_hours(1));

/// Wait after so many tries: doubles each time, and is shortened by up to a half, so that what failed together does not come
/// again together. What is drawn by lot is the message's outside name.
pub fn wait(attempts: u32, uid: Uuid) -> SignedDuration {
    let (first, longest) = WAITS;
    let whole = (first * (1_i32 << attempts.saturating_sub(1).min(16))).min(longest);
    let lot = (uid.as_u128() as u64).rotate_left(attempts.wrapping_mul(13)) % 1000;
    let spared = whole.as_millis() / 2 * i128::from(lot) / 1000;
    whole - SignedDuration::from_millis(i64::try_from(spared).unwrap_or_default())
}

/// Failures in a row after which a channel or webhook is let alone for a while.
const FAILURES: u32 = 3;
/// First and longest time for which it is let alone.
const PAUSES: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(10), SignedDuration::from_mins(10));

/// For how long a channel or webhook is let alone after so many failures in a row; none: it is not.
pub fn pause(failures: u32) -> Option<SignedDuration> {
    let more = failures.checked_sub(FAILURES)?;
    let (first, longest) = PAUSES;
    Some((first * (1_i32 << more.min(16))).min(longest))
}

/// The number of an event as rules name it.
pub fn event(fact: &Fact) -> i32 {
    fact.kind as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_shortened_by_half_at_most() {
        for (attempts, seconds) in [(1, 5), (2, 10), (3, 20), (40, 3600)] {
            for lot in [0, 1, 999, u128::MAX] {
                let wait = wait(attempts, Uuid::from_u128(lot)).as_secs_f64();
                assert!(
                    wait <= f64::from(seconds) && wait >= f64::from(seconds) / 2.0,
                    "{attempts}: {wait}"
                );
            }
        }
        let some: std::collections::BTreeSet<_> = (0..100).map(|lot| wait(3, Uuid::from_u128(lot * 7))).collect();
        assert!(some.len() > 20, "not all at once");
    }

    #[test]
    fn a_thing_is_found_again_by_its_numbers() {
        let (task, agent) = (TaskId(1), AgentId(2));
        for thing in [
            Thing::Task(task),
            Thing::Agent(agent),
            Thing::Emergency(EmergencyId(3), task),
            Thing::CheckIn(task, agent),
            Thing::Crossing(4, agent),
        ] {
            let again = Thing::of(thing.task(), thing.agent(), thing.emergency(), thing.crossing());
            assert_eq!(again, Some(thing));
        }
        assert_eq!(Thing::of(None, None, None, None), None);
    }

    #[test]
    fn who_fails_again_and_again_is_let_alone_ever_longer() {
        let pauses = [0, 2, 3, 4, 60].map(|failures| pause(failures).map(|pause| pause.as_secs()));
        assert_eq!(pauses, [None, None, Some(10), Some(20), Some(600)]);
    }
}
