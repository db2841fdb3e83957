//! Facts: what happened, with all that is needed to tell who may hear of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AgentId, TaskId, UserId, ZoneId,
    agent::{Agent, Fix},
    emergency::Emergency,
    geo::Point,
    geofence,
    task::Task,
};

/// What happened; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FactKind {
    /// A task was created.
    TaskCreated = 1,
    /// A task's own fields changed.
    TaskUpdated = 2,
    /// A task took a step.
    TaskStateChanged = 3,
    /// An agent was put on a task.
    TaskAssigned = 4,
    /// An agent was taken off a task.
    TaskUnassigned = 5,
    /// A task was deleted.
    TaskDeleted = 6,
    /// A task's deletion was taken back.
    TaskUndeleted = 7,
    /// An agent was created.
    AgentCreated = 9,
    /// An agent's own fields changed.
    AgentUpdated = 10,
    /// An agent's availability changed.
    AgentAvailabilityChanged = 11,
    /// An agent was deleted.
    AgentDeleted = 12,
    /// An agent's deletion was taken back.
    AgentUndeleted = 13,
    /// An agent has a new latest fix.
    AgentMoved = 14,
    /// An emergency was reported.
    EmergencyRaised = 16,
    /// Something happened to an emergency.
    EmergencyChanged = 17,
    /// An agent came into a geofence.
    GeofenceEntered = 20,
    /// An agent went out of a geofence.
    GeofenceLeft = 21,
    /// An agent has been in a geofence for long.
    GeofenceDwelt = 22,
    /// A comment on a task was added, changed or deleted.
    TaskCommented = 40,
    /// A task has an attachment more or less.
    TaskAttachmentsChanged = 41,
    /// The checklist of a task changed.
    TaskChecklistChanged = 42,
    /// What a task waits for changed.
    TaskDependenciesChanged = 43,
}

/// A thing after it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Subject {
    /// A task.
    Task(Box<Task>),
    /// An agent.
    Agent(Box<Agent>),
    /// An emergency.
    Emergency(Box<Emergency>),
    /// What happened at a geofence.
    Geofence(Box<geofence::Event>),
    /// A fix, and whose it is.
    Fix {
        /// The fix.
        fix: Fix,
        /// The agent's user.
        user: UserId,
        /// Open tasks the agent is on.
        tasks: Vec<TaskId>,
        /// Zone that holds the place.
        zone: Option<ZoneId>,
        /// The agent is off duty by now: the fix came late, and is nobody else's business.
        #[serde(default)]
        off_duty: bool,
    },
}

impl Subject {
    /// The person whom it tells of.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Task(_) | Self::Emergency(_) => None,
            Self::Agent(agent) => Some(agent.user),
            Self::Geofence(event) => Some(event.user),
            Self::Fix { user, .. } => Some(*user),
        }
    }
}

/// What a thing was before, as far as it decides who hears of the change.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Before {
    /// Users who saw the task.
    pub audience: Vec<UserId>,
    /// Agents who were on it.
    pub agents: Vec<AgentId>,
    /// Zone it was in.
    pub zone: Option<ZoneId>,
    /// Place it was at.
    pub location: Option<Point>,
}

impl Before {
    /// What there was of a task.
    pub fn of(task: &Task) -> Self {
        Self {
            audience: task.audience().collect(),
            agents: task.assignments.iter().map(|assignment| assignment.agent).collect(),
            zone: task.zone,
            location: task.plan.location,
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What.
    pub kind: FactKind,
    /// When.
    pub time: Timestamp,
    /// Who did it; none: the system.
    pub actor: Option<UserId>,
    /// The thing after.
    pub subject: Subject,
    /// The thing before.
    pub before: Before,
}
