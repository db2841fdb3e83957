//! Emergencies: from the report to the end, and what happens while nobody answers.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    AgentId, EmergencyId, Revision, TaskId, UserId, ZoneId,
    access::{Caller, Level},
    geo::Point,
};

/// How far an emergency is; numbers as on the wire and as stored. It only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Reported.
    Received = 1,
    /// Somebody who could do something has seen it.
    Seen = 2,
    /// Somebody takes care of it.
    Acknowledged = 3,
    /// Somebody is there.
    OnSite = 4,
    /// Over.
    Closed = 5,
}

impl State {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Received, Self::Seen, Self::Acknowledged, Self::OnSite, Self::Closed];

    /// The state of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i32 == number)
    }
}

/// Who is called while nobody answers; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// One agent after the other.
    Agents = 1,
    /// Supervisors too.
    Supervisors = 2,
    /// Everybody.
    Everybody = 3,
}

impl Stage {
    /// The stage of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Agents, Self::Supervisors, Self::Everybody]
            .into_iter()
            .find(|stage| *stage as i32 == number)
    }

    /// The first stage that calls everybody of a level.
    pub fn calling(level: Level) -> Self {
        match level {
            Level::Agent => Self::Everybody,
            Level::Supervisor | Level::Administrator => Self::Supervisors,
        }
    }
}

/// From where it was reported; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// An agent's phone.
    Agent = 1,
    /// The control room.
    Dashboard = 2,
    /// Telegram.
    Telegram = 3,
    /// Another program.
    Program = 4,
}

impl Source {
    /// The source of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Agent, Self::Dashboard, Self::Telegram, Self::Program]
            .into_iter()
            .find(|source| *source as i32 == number)
    }
}

/// How it ended; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// Done.
    Resolved = 1,
    /// There was none.
    FalseAlarm = 2,
    /// Whoever reported it took it back.
    Withdrawn = 3,
}

impl Outcome {
    /// The outcome of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Resolved, Self::FalseAlarm, Self::Withdrawn]
            .into_iter()
            .find(|outcome| *outcome as i32 == number)
    }
}

/// What happened to it; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StepKind {
    /// It was reported.
    Received = 1,
    /// An agent was sent.
    Sent = 2,
    /// Nobody could be sent.
    Unassigned = 3,
    /// More people are called.
    Escalated = 4,
    /// Somebody has seen it.
    Seen = 5,
    /// Somebody takes care of it.
    Acknowledged = 6,
    /// Somebody is there.
    OnSite = 7,
    /// It is over.
    Closed = 8,
}

impl StepKind {
    /// The step of a number.
    pub fn of(number: i32) -> Option<Self> {
        [
            Self::Received,
            Self::Sent,
            Self::Unassigned,
            Self::Escalated,
            Self::Seen,
            Self::Acknowledged,
            Self::OnSite,
            Self::Closed,
        ]
        .into_iter()
        .find(|kind| *kind as i32 == number)
    }
}

/// Something that happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What.
    pub kind: StepKind,
    /// Who did it; none: the system.
    pub user: Option<UserId>,
    /// The agent concerned.
    pub agent: Option<AgentId>,
    /// Who was called from then on.
    pub stage: Stage,
    /// In whose words.
    pub note: String,
    /// When.
    pub time: Timestamp,
}

/// How long each of those who are called has to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Time of an agent.
    pub acknowledge: SignedDuration,
    /// Agents that are called before supervisors are.
    pub agent_count: u32,
    /// Time of the supervisors.
    pub supervisors: SignedDuration,
    /// Time between tries to find somebody, afterwards.
    pub retry: SignedDuration,
    /// Agents that are sent at most without anybody's word.
    pub crew_count: usize,
    /// Time in which a second report of the same person is the same emergency.
    pub repeat: SignedDuration,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

/// An emergency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Emergency {
    /// Number.
    pub id: EmergencyId,
    /// Outside name.
    pub uid: Uuid,
    /// The task that it is worked on by.
    pub task: TaskId,
    /// Who reported it, if they are known.
    pub reporter: Option<UserId>,
    /// From where.
    pub source: Source,
    /// The place, if anybody knows it.
    pub location: Option<Point>,
    /// In the words of who reported it.
    pub description: String,
    /// How far it is.
    pub state: State,
    /// Who is called.
    pub stage: Stage,
    /// Agents who were called.
    pub called: u32,
    /// Further reports of the same person.
    pub repeats: u32,
    /// When more people are called, unless somebody answers.
    pub due: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Zone that holds the place.
    pub zone: Option<ZoneId>,
    /// Who is sent to it, by agent.
    pub agents: Vec<AgentId>,
    /// Users who see it whatever their level: whoever reported it, and whoever is sent.
    pub audience: Vec<UserId>,
    /// What happened, the earliest first.
    pub steps: Vec<Step>,
    /// When it was reported.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

impl Emergency {
    /// Whether a caller may know of it.
    pub fn is_visible_to(&self, caller: &Caller) -> bool {
        let called = self.stage >= Stage::calling(caller.level);
        called || caller.sees_zone(self.zone) || self.audience.contains(&caller.user)
    }

    /// Whether a caller may answer it: whoever is sent, and whoever directs.
    pub fn is_open_to(&self, caller: &Caller) -> bool {
        caller.level >= Level::Supervisor || (self.audience.contains(&caller.user) && self.reporter != Some(caller.user))
    }

    /// Whether it goes on.
    pub fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// When it is looked at again after a try to send somebody at `now`, and who is called from then on.
    pub fn after_try(&self, plan: &Plan, found: bool, now: Timestamp) -> (Stage, Option<Timestamp>) {
        let in_time = |length: SignedDuration| Some(now + length);
        if self.state >= State::Acknowledged {
            // Somebody cares for it; only who is to go there is still looked for.
            return (self.stage, if found { None } else { in_time(plan.retry) });
        }
        match self.stage {
            Stage::Agents if found && self.called < plan.agent_count => (Stage::Agents, in_time(plan.acknowledge)),
            Stage::Agents => (Stage::Supervisors, in_time(plan.supervisors)),
            Stage::Supervisors | Stage::Everybody => (Stage::Everybody, in_time(plan.retry)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn plan() -> Plan {
        Plan {
            acknowledge: SignedDuration::from_secs(30),
            agent_count: 2,
            supervisors: SignedDuration::from_secs(60),
            retry: SignedDuration::from_secs(15),
            crew_count: 3,
            repeat: SignedDuration::from_secs(300),
            updated: NOW,
            revision: Revision(1),
        }
    }

    fn emergency() -> Emergency {
        Emergency {
            id: EmergencyId(1),
            uid: Uuid::nil(),
            task: TaskId(1),
            reporter: Some(UserId(1)),
            source: Source::Agent,
            location: Point::new(4.65, -74.07).ok(),
            description: String::new(),
            state: State::Received,
            stage: Stage::Agents,
            called: 0,
            repeats: 0,
            due: None,
            outcome: None,
            zone: None,
            agents: Vec::new(),
            audience: vec![UserId(1)],
            steps: Vec::new(),
            created: NOW,
            updated: NOW,
            revision: Revision(1),
        }
    }

    #[test]
    fn more_and_more_people_are_called() {
        let (plan, mut emergency) = (plan(), emergency());
        let mut seen = Vec::new();
        for found in [true, true, true, false, true] {
            let (stage, due) = emergency.after_try(&plan, found, NOW);
            seen.push((stage, due.map(|due| due.as_second())));
            emergency.stage = stage;
            emergency.called += u32::from(found);
        }
        let expected = [
            (Stage::Agents, Some(30)),
            (Stage::Agents, Some(30)),
            (Stage::Supervisors, Some(60)),
            (Stage::Everybody, Some(15)),
            (Stage::Everybody, Some(15)),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn nobody_to_send_calls_the_supervisors_at_once() {
        assert_eq!(emergency().after_try(&plan(), false, NOW).0, Stage::Supervisors);
    }

    #[test]
    fn who_cares_for_it_stops_the_calling_but_not_the_search() {
        let mut emergency = emergency();
        emergency.state = State::Acknowledged;
        assert_eq!(emergency.after_try(&plan(), true, NOW), (Stage::Agents, None));
        let (stage, due) = emergency.after_try(&plan(), false, NOW);
        assert_eq!((stage, due.is_some()), (Stage::Agents, true));
    }
}
