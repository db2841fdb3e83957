//! Tasks: the state machine, and who may do what.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use super::plan::{Kind, Plan, Priority};
use super::{
    AgentId, Revision, TaskId, UserId, ZoneId,
    access::{Caller, Level},
};

/// How much later than planned still is in time.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// Where a task stands, without particulars; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Planned, not begun.
    Scheduled = 1,
    /// Somebody is at it.
    InProgress = 2,
    /// Begun and interrupted.
    Paused = 3,
    /// Done.
    Finished = 4,
    /// Given up.
    Cancelled = 5,
}

impl State {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Scheduled,
        Self::InProgress,
        Self::Paused,
        Self::Finished,
        Self::Cancelled,
    ];

    /// The state of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i32 == number)
    }

    /// Whether a task in it can still move.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Finished | Self::Cancelled)
    }

    /// Whether agents of a task in it are at work.
    pub fn occupies(self) -> bool {
        matches!(self, Self::InProgress | Self::Paused)
    }
}

/// What can be done to a task; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Begin.
    Start = 1,
    /// Interrupt.
    Pause = 2,
    /// Go on.
    Resume = 3,
    /// Be done.
    Finish = 4,
    /// Give up.
    Cancel = 5,
    /// Carry on in a new task.
    Reopen = 6,
    /// Put an agent on it.
    Assign = 7,
    /// Take an agent off it.
    Unassign = 8,
    /// Change its fields.
    Update = 9,
    /// Delete.
    Delete = 10,
    /// Take the deletion back.
    Undelete = 11,
    /// Say something of it.
    Comment = 12,
    /// Add a file.
    Attach = 13,
    /// Take a file away.
    Detach = 14,
    /// Change its checklist.
    Checklist = 15,
    /// Change what it waits for.
    Depend = 16,
}

impl Action {
    /// All actions that clients are told of as what they may do.
    pub const ALL: [Self; 11] = [
        Self::Start,
        Self::Pause,
        Self::Resume,
        Self::Finish,
        Self::Cancel,
        Self::Reopen,
        Self::Assign,
        Self::Unassign,
        Self::Update,
        Self::Delete,
        Self::Undelete,
    ];

    /// The actions that move a task to another state.
    pub const STEPS: [Self; 5] = [Self::Start, Self::Pause, Self::Resume, Self::Finish, Self::Cancel];

    /// What is done to things of a task, and leaves the task itself as it is.
    pub const DETAILS: [Self; 5] = [Self::Comment, Self::Attach, Self::Detach, Self::Checklist, Self::Depend];

    /// The action of a number.
    pub fn of(number: i32) -> Option<Self> {
        let mut all = Self::ALL.into_iter().chain(Self::DETAILS);
        all.find(|action| *action as i32 == number)
    }

    /// Least level that may do it to any task.
    pub fn level(self) -> Level {
        match self {
            Self::Start | Self::Pause | Self::Resume | Self::Finish | Self::Cancel => Level::Supervisor,
            Self::Reopen | Self::Assign | Self::Unassign | Self::Update => Level::Supervisor,
            Self::Comment | Self::Attach | Self::Detach | Self::Checklist | Self::Depend => Level::Supervisor,
            Self::Delete | Self::Undelete => Level::Administrator,
        }
    }

    /// Whether whoever is on the task may do it too, whatever the level.
    pub fn open_to_agents(self) -> bool {
        matches!(
            self,
            Self::Start | Self::Pause | Self::Resume | Self::Finish | Self::Checklist
        )
    }
}

/// How far a task is: a state with its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Planned, not begun.
    Scheduled,
    /// Somebody is at it.
    InProgress {
        /// When it began.
        started: Timestamp,
        /// Sum of all pauses.
        paused: SignedDuration,
    },
    /// Begun and interrupted.
    Paused {
        /// When it began.
        started: Timestamp,
        /// When this pause began.
        since: Timestamp,
        /// Sum of the pauses before.
        paused: SignedDuration,
    },
    /// Done.
    Finished {
        /// When it began.
        started: Timestamp,
        /// When it ended.
        ended: Timestamp,
        /// Sum of all pauses.
        paused: SignedDuration,
    },
    /// Given up.
    Cancelled {
        /// When it began, if it did.
        started: Option<Timestamp>,
        /// When it was given up.
        ended: Timestamp,
        /// Sum of all pauses.
        paused: SignedDuration,
    },
}

/// A step that the state machine does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IllegalStep {
    /// What was tried.
    pub action: Action,
    /// State it was tried from.
    pub state: State,
}

impl Progress {
    /// The state without its data.
    pub fn state(&self) -> State {
        match self {
            Self::Scheduled => State::Scheduled,
            Self::InProgress { .. } => State::InProgress,
            Self::Paused { .. } => State::Paused,
            Self::Finished { .. } => State::Finished,
            Self::Cancelled { .. } => State::Cancelled,
        }
    }

    /// The progress after a step at `now`. A clock that went back never makes a time before the one it follows.
    pub fn step(self, action: Action, now: Timestamp) -> Result<Self, IllegalStep> {
        let none = SignedDuration::ZERO;
        Ok(match (action, self) {
            (Action::Start, Self::Scheduled) => Self::InProgress {
                started: now,
                paused: none,
            },
            (Action::Pause, Self::InProgress { started, paused }) => Self::Paused {
                started,
                since: now.max(started),
                paused,
            },
            (Action::Resume, Self::Paused { started, since, paused }) => Self::InProgress {
                started,
                paused: paused.saturating_add(pause(since, now)),
            },
            (Action::Finish, Self::InProgress { started, paused }) => Self::Finished {
                started,
                ended: now.max(started),
                paused,
            },
            (Action::Finish, Self::Paused { started, since, paused }) => Self::Finished {
                started,
                ended: now.max(since),
                paused: paused.saturating_add(pause(since, now)),
            },
            (Action::Cancel, Self::Scheduled) => Self::Cancelled {
                started: None,
                ended: now,
                paused: none,
            },
            (Action::Cancel, Self::InProgress { started, paused }) => Self::Cancelled {
                started: Some(started),
                ended: now.max(started),
                paused,
            },
            (Action::Cancel, Self::Paused { started, since, paused }) => Self::Cancelled {
                started: Some(started),
                ended: now.max(since),
                paused: paused.saturating_add(pause(since, now)),
            },
            (action, other) => {
                return Err(IllegalStep {
                    action,
                    state: other.state(),
                });
            }
        })
    }

    /// When it began.
    pub fn started(&self) -> Option<Timestamp> {
        match *self {
            Self::Scheduled => None,
            Self::InProgress { started, .. } | Self::Paused { started, .. } | Self::Finished { started, .. } => Some(started),
            Self::Cancelled { started, .. } => started,
        }
    }

    /// When it was finished or cancelled.
    pub fn ended(&self) -> Option<Timestamp> {
        match *self {
            Self::Scheduled | Self::InProgress { .. } | Self::Paused { .. } => None,
            Self::Finished { ended, .. } | Self::Cancelled { ended, .. } => Some(ended),
        }
    }

    /// When the open pause began.
    pub fn pause_started(&self) -> Option<Timestamp> {
        match *self {
            Self::Paused { since, .. } => Some(since),
            Self::Scheduled | Self::InProgress { .. } | Self::Finished { .. } | Self::Cancelled { .. } => None,
        }
    }

    /// Sum of all ended pauses.
    pub fn paused(&self) -> SignedDuration {
        match *self {
            Self::Scheduled => SignedDuration::ZERO,
            Self::InProgress { paused, .. }
            | Self::Paused { paused, .. }
            | Self::Finished { paused, .. }
            | Self::Cancelled { paused, .. } => paused,
        }
    }

    /// Work time without pauses, once it has ended. Never negative, even where clocks differed.
    pub fn worked(&self) -> Option<SignedDuration> {
        let worked = self.ended()?.duration_since(self.started()?).saturating_sub(self.paused());
        Some(worked.max(SignedDuration::ZERO))
    }
}

fn pause(since: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(since).max(SignedDuration::ZERO)
}

/// An arrow of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// What is done.
    pub action: Action,
    /// State before.
    pub from: State,
    /// State after.
    pub to: State,
}

/// All arrows of the state machine, as [`Progress::step`] has them.
pub fn transitions() -> Vec<Transition> {
    let at = Timestamp::UNIX_EPOCH;
    let after = |from: Progress, action| from.step(action, at).unwrap_or(from);
    let begun = after(Progress::Scheduled, Action::Start);
    let [paused, finished, cancelled] = [Action::Pause, Action::Finish, Action::Cancel].map(|action| after(begun, action));
    let states = [Progress::Scheduled, begun, paused, finished, cancelled];
    Action::STEPS
        .into_iter()
        .flat_map(|action| states.into_iter().map(move |from| (action, from)))
        .filter_map(|(action, from)| {
            let to = from.step(action, at).ok()?.state();
            Some(Transition {
                action,
                from: from.state(),
                to,
            })
        })
        .collect()
}

/// The action that leads from one state to another; if none does, one that would lead there from elsewhere.
pub fn action_towards(from: State, to: State) -> Action {
    let arrows = transitions();
    let straight = arrows.iter().find(|arrow| arrow.from == from && arrow.to == to);
    let arrow = straight.or_else(|| arrows.iter().find(|arrow| arrow.to == to));
    arrow.map_or(Action::Reopen, |arrow| arrow.action)
}

/// An agent on a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The agent.
    pub agent: AgentId,
    /// The agent's user.
    pub user: UserId,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Number.
    pub id: TaskId,
    /// Outside name.
    pub uid: Uuid,
    /// What people may set.
    pub plan: Plan,
    /// How far it is.
    pub progress: Progress,
    /// User that created it.
    pub creator: UserId,
    /// Zone that holds the location.
    pub zone: Option<ZoneId>,
    /// Who is on it, by agent.
    pub assignments: Vec<Assignment>,
    /// The task this one carries on.
    pub reopened_from: Option<TaskId>,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
    /// Version.
    pub revision: Revision,
}

impl Task {
    /// The state without its data.
    pub fn state(&self) -> State {
        self.progress.state()
    }

    /// Whether a caller may know of it.
    pub fn is_visible_to(&self, caller: &Caller) -> bool {
        caller.sees_zone(self.zone) || self.audience().any(|user| user == caller.user)
    }

    /// Whether it is there for a caller who asks for it; deleted ones are there for administrators.
    pub fn is_there_for(&self, caller: &Caller) -> bool {
        self.is_visible_to(caller) && (self.deleted.is_none() || caller.level >= Level::Administrator)
    }

    /// The users who see it whatever their level: creator, delegate, and whoever is on it.
    pub fn audience(&self) -> impl Iterator<Item = UserId> + '_ {
        [self.creator, self.plan.delegate]
            .into_iter()
            .chain(self.assignments.iter().map(|assignment| assignment.user))
    }

    /// Whether a caller's authority reaches this action on this task, whatever its state.
    pub fn is_open_to(&self, caller: &Caller, action: Action) -> bool {
        let on_it = || self.assignments.iter().any(|assignment| assignment.user == caller.user);
        let own_plan = || action == Action::Cancel && self.creator == caller.user && self.state() == State::Scheduled;
        let directed = || caller.level >= action.level() && self.is_within_reach_of(caller);
        directed() || (action.open_to_agents() && on_it()) || own_plan()
    }

    /// Whether the authority of a supervisor reaches it: by its zone; where it has no place, by being theirs.
    fn is_within_reach_of(&self, caller: &Caller) -> bool {
        let nowhere = self.plan.location.is_none();
        let theirs = self.creator == caller.user || self.plan.delegate == caller.user;
        caller.sees_zone(self.zone) || (nowhere && theirs)
    }

    /// Whether the state lets this action happen, whoever asks.
    pub fn admits(&self, action: Action) -> Result<(), IllegalStep> {
        let state = self.state();
        let fits = match action {
            Action::Undelete => self.deleted.is_some(),
            _ if self.deleted.is_some() => false,
            Action::Start | Action::Pause | Action::Resume | Action::Finish | Action::Cancel => {
                self.progress.step(action, self.updated).is_ok()
            }
            Action::Reopen => !state.is_open(),
            Action::Assign | Action::Update | Action::Detach | Action::Checklist | Action::Depend => state.is_open(),
            Action::Comment | Action::Attach => true,
            Action::Unassign => state.is_open() && !self.assignments.is_empty(),
            Action::Delete => true,
        };
        if fits { Ok(()) } else { Err(IllegalStep { action, state }) }
    }

    /// What a caller may do to it now.
    pub fn actions_for(&self, caller: &Caller) -> Vec<Action> {
        Action::ALL
            .into_iter()
            .filter(|action| self.is_open_to(caller, *action) && self.admits(*action).is_ok())
            .collect()
    }

    /// Began more than a minute later than planned, or still has not begun at `now` though it should have.
    pub fn is_late(&self, now: Timestamp) -> bool {
        let latest = self.plan.planned_start.checked_add(GRACE).unwrap_or(Timestamp::MAX);
        match self.progress.started() {
            Some(started) => started > latest,
            None => self.state() == State::Scheduled && now > latest,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_step() -> impl Strategy<Value = (Action, i64)> {
        (prop::sample::select(Action::STEPS.to_vec()), -5_000_i64..5_000)
    }

    proptest! {
        /// Whatever is tried, with clocks that go back and forth: times never contradict each other.
        #[test]
        fn times_fit_the_state_after_any_steps(steps in prop::collection::vec(any_step(), 0..30)) {
            let (mut progress, mut now) = (Progress::Scheduled, Timestamp::UNIX_EPOCH);
            for (action, millis) in steps {
                now += SignedDuration::from_millis(millis);
                let before = progress;
                match progress.step(action, now) {
                    Ok(after) => progress = after,
                    Err(refused) => prop_assert_eq!(refused, IllegalStep { action, state: before.state() }),
                }
                prop_assert!(progress.paused() >= SignedDuration::ZERO);
                prop_assert!(progress.ended().zip(progress.started()).is_none_or(|(end, start)| end >= start));
                prop_assert!(progress.worked().is_none_or(|worked| worked >= SignedDuration::ZERO));
                prop_assert_eq!(progress.pause_started().is_some(), progress.state() == State::Paused);
                prop_assert_eq!(progress.ended().is_some(), !progress.state().is_open());
            }
        }

        /// The state machine as data says exactly what can be done.
        #[test]
        fn the_workflow_is_the_state_machine(steps in prop::collection::vec(any_step(), 0..30)) {
            let (arrows, mut progress) = (transitions(), Progress::Scheduled);
            for (action, _) in steps {
                let arrow = arrows.iter().find(|arrow| arrow.action == action && arrow.from == progress.state());
                let stepped = progress.step(action, Timestamp::UNIX_EPOCH);
                prop_assert_eq!(stepped.map(|after| after.state()).ok(), arrow.map(|arrow| arrow.to));
                progress = stepped.unwrap_or(progress);
            }
        }
    }

    #[test]
    fn a_pause_does_not_count_as_work() {
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        let mut progress = Progress::Scheduled;
        for (action, second) in [
            (Action::Start, 0),
            (Action::Pause, 10),
            (Action::Resume, 30),
            (Action::Pause, 40),
            (Action::Finish, 100),
        ] {
            progress = progress.step(action, at(second)).expect("a legal step");
        }
        assert_eq!(progress.paused(), SignedDuration::from_secs(80));
        assert_eq!(progress.worked(), Some(SignedDuration::from_secs(20)));
    }
}
