//! Check-ins: signs of life of agents at work.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    AgentId, EmergencyId, Revision, TaskId, UserId, ZoneId,
    access::Caller,
    plan::{Kind, Priority},
};

/// How it stands with a sign of life; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// None is missing.
    Waiting = 1,
    /// One is missing.
    Missed = 2,
    /// One is missing, and an emergency was raised.
    Raised = 3,
}

impl State {
    /// The state of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Waiting, Self::Missed, Self::Raised]
            .into_iter()
            .find(|state| *state as i32 == number)
    }
}

/// How often agents on tasks of a kind are to check in.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Kind of task.
    pub kind: Kind,
    /// Time between two signs of life; none is asked for if it is zero.
    pub interval: SignedDuration,
    /// Time after a missed one until the emergency.
    pub grace: SignedDuration,
    /// Whether an emergency is raised at all.
    pub sos: bool,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

/// An agent at work, and what is heard of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckIn {
    /// Number.
    pub id: i64,
    /// The task.
    pub task: TaskId,
    /// The agent.
    pub agent: AgentId,
    /// The agent's user.
    pub user: UserId,
    /// How it stands.
    pub state: State,
    /// When the next step is due.
    pub due: Option<Timestamp>,
    /// When the agent last checked in.
    pub last: Option<Timestamp>,
    /// The emergency that was raised last.
    pub emergency: Option<EmergencyId>,
    /// Zone of the task.
    pub zone: Option<ZoneId>,
    /// Users who see the task whatever their level.
    pub audience: Vec<UserId>,
    /// Kind and priority of the task.
    #[serde(default)]
    pub class: Option<(Kind, Priority)>,
    /// When it began.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

impl CheckIn {
    /// Whether a caller may know of it: who sees the task does.
    pub fn is_visible_to(&self, caller: &Caller) -> bool {
        caller.sees_zone(self.zone) || self.audience.contains(&caller.user)
    }

    /// After a sign of life that was given at some time, and is heard of now. What a later one has said, or what it is too old
    /// to say, stays: whoever was well this morning may not be now.
    pub fn heard(self, policy: &Policy, given: Timestamp, now: Timestamp) -> Self {
        if self.last.is_some_and(|last| last > given) {
            return self;
        }
        let asked = !policy.interval.is_zero();
        let due = asked.then(|| given + policy.interval);
        if due.is_some_and(|due| due <= now) {
            return Self {
                last: Some(given),
                ..self
            };
        }
        Self {
            state: State::Waiting,
            due,
            last: Some(given),
            ..self
        }
    }

    /// After its time is over: a warning first, then, if the policy says so, it is to be an emergency.
    pub fn overdue(self, policy: &Policy, now: Timestamp) -> Self {
        match self.state {
            State::Waiting => Self {
                state: State::Missed,
                due: policy.sos.then_some(now + policy.grace),
                ..self
            },
            State::Missed if policy.sos => Self {
                state: State::Raised,
                due: None,
                ..self
            },
            // The policy has changed meanwhile.
            State::Missed | State::Raised => Self { due: None, ..self },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn policy(interval: i64, sos: bool) -> Policy {
        Policy {
            kind: Kind::Patrol,
            interval: SignedDuration::from_secs(interval),
            grace: SignedDuration::from_secs(10),
            sos,
            updated: NOW,
            revision: Revision(1),
        }
    }

    fn check_in() -> CheckIn {
        CheckIn {
            id: 1,
            task: TaskId(1),
            agent: AgentId(1),
            user: UserId(1),
            state: State::Waiting,
            due: Some(NOW),
            last: None,
            emergency: None,
            zone: None,
            audience: vec![UserId(1)],
            class: None,
            created: NOW,
            updated: NOW,
            revision: Revision(1),
        }
    }

    fn seconds(due: Option<Timestamp>) -> Option<i64> {
        due.map(|due| due.as_second())
    }

    #[test]
    fn a_warning_comes_before_the_emergency() {
        let missed = check_in().overdue(&policy(60, true), NOW);
        assert_eq!((missed.state, seconds(missed.due)), (State::Missed, Some(10)));
        let raised = missed.overdue(&policy(60, true), NOW);
        assert_eq!((raised.state, raised.due), (State::Raised, None));
        let heard = raised.heard(&policy(60, true), NOW, NOW);
        assert_eq!(
            (heard.state, seconds(heard.due), heard.last),
            (State::Waiting, Some(60), Some(NOW))
        );
    }

    #[test]
    fn an_old_sign_of_life_takes_back_no_warning() {
        let (policy, second) = (policy(60, true), SignedDuration::from_secs(1));
        let missed = check_in().overdue(&policy, NOW);
        let late = missed.clone().heard(&policy, NOW - second * 60, NOW);
        assert_eq!(
            (late.state, late.due, late.last),
            (State::Missed, missed.due, Some(NOW - second * 60))
        );
        let timely = missed.heard(&policy, NOW - second * 59, NOW);
        assert_eq!((timely.state, seconds(timely.due)), (State::Waiting, Some(1)));
        // Nor does one that comes after a later one bring the next step nearer.
        let known = check_in().heard(&policy, NOW, NOW);
        assert_eq!(known.clone().heard(&policy, NOW - second, NOW), known);
    }

    #[test]
    fn without_an_emergency_it_stays_a_warning_and_without_an_interval_nothing_is_due() {
        let missed = check_in().overdue(&policy(60, false), NOW);
        assert_eq!((missed.state, missed.due), (State::Missed, None));
        assert_eq!(missed.heard(&policy(0, true), NOW, NOW).due, None);
    }
}
