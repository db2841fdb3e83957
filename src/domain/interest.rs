//! Who hears of what: a watcher's filter and rights against a fact.

use super::{
    AgentId, TaskId, UserId, ZoneId,
    access::{Caller, Level},
    agent::{Agent, Fix},
    check_in::CheckIn,
    emergency::Emergency,
    fact::{Before, Fact, FactKind, Subject},
    geo::{Bounds, Point},
    geofence,
    lens::Lens,
    notification::Notification,
    task::Task,
};

/// What an event is about; numbers as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Noun {
    /// A task.
    Task = 1,
    /// An agent's own fields and availability.
    Agent = 2,
    /// An agent's fix.
    Position = 3,
    /// An emergency.
    Emergency = 4,
    /// What happened at a geofence.
    Geofence = 5,
    /// An agent's sign of life at work.
    CheckIn = 8,
    /// Words to everybody who is connected.
    Announcement = 9,
    /// How much is open.
    Kpi = 6,
    /// What somebody was told by the bell.
    Notification = 7,
}

impl Noun {
    /// The noun of a number.
    pub fn of(number: i32) -> Option<Self> {
        let all = [
            Self::Task,
            Self::Agent,
            Self::Position,
            Self::Emergency,
            Self::Geofence,
            Self::CheckIn,
            Self::Announcement,
            Self::Kpi,
            Self::Notification,
        ];
        all.into_iter().find(|noun| *noun as i32 == number)
    }
}

/// Number on the wire of the event that a task went out of sight.
pub const TASK_HIDDEN: i32 = 8;
/// Number on the wire of the event that an agent went out of sight.
pub const AGENT_HIDDEN: i32 = 15;

/// Number on the wire of the event that the counts changed.
pub const KPI_CHANGED: i32 = 32;

/// Which events somebody wants; lists mean any of, an empty one all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wanted {
    /// What about.
    pub nouns: Vec<Noun>,
    /// What happened: numbers of event types on the wire.
    pub types: Vec<i32>,
    /// Tasks.
    pub tasks: Vec<TaskId>,
    /// Agents.
    pub agents: Vec<AgentId>,
    /// Zones.
    pub zones: Vec<ZoneId>,
    /// A rectangle.
    pub bounds: Option<Bounds>,
}

/// What a watcher wants and may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Interest {
    /// Who watches.
    pub caller: Caller,
    /// How exactly they see where others are.
    pub lens: Lens,
    /// What they want.
    pub wanted: Wanted,
}

/// How a watcher hears of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// Not at all.
    Nothing,
    /// In full.
    Event,
    /// Only that this task went out of sight.
    TaskHidden(TaskId),
    /// Only that this agent went out of sight.
    AgentHidden(AgentId),
}

impl Interest {
    /// How the watcher hears of a fact.
    pub fn hearing(&self, fact: &Fact) -> Hearing {
        let Fact {
            kind,
            time: _,
            actor: _,
            subject,
            before,
        } = fact;
        match subject {
            Subject::Task(task) if !(self.is_about(Noun::Task) && self.matches_task(task, before)) => Hearing::Nothing,
            Subject::Task(task) if task.is_visible_to(&self.caller) => self.typed(*kind),
            Subject::Task(task) if self.was_visible(before) && self.is_typed(TASK_HIDDEN) => Hearing::TaskHidden(task.id),
            Subject::Task(_) => Hearing::Nothing,
            Subject::Agent(agent) if !self.matches_agent(agent, *kind) => Hearing::Nothing,
            Subject::Agent(agent) if self.reaches(agent.user, agent.zone) && self.is_about(Noun::Agent) => self.typed(*kind),
            Subject::Agent(agent) if self.lost(agent.user, agent.zone, before) => Hearing::AgentHidden(agent.id),
            Subject::Agent(_) => Hearing::Nothing,
            Subject::Emergency(emergency) if self.has_emergency(emergency) => self.typed(*kind),
            Subject::Emergency(_) => Hearing::Nothing,
            Subject::Geofence(event) if self.has_geofence_event(event) => self.typed(*kind),
            Subject::Geofence(_) => Hearing::Nothing,
            Subject::Announcement(_) if self.hears_announcements() => self.typed(*kind),
            Subject::Announcement(_) => Hearing::Nothing,
            Subject::CheckIn(check_in) if self.has_check_in(check_in) => self.typed(*kind),
            Subject::CheckIn(_) => Hearing::Nothing,
            Subject::Notification(notification) if self.has_notification(notification) => self.typed(*kind),
            Subject::Notification(_) => Hearing::Nothing,
            Subject::Fix {
                fix,
                user,
                tasks,
                zone,
                off_duty,
            } => {
                let shown = self.reaches(*user, *zone) && (!off_duty || self.lens.is_own(*user));
                if !self.matches_fix(fix, *user, tasks, *zone, before) {
                    Hearing::Nothing
                } else if shown && self.is_about(Noun::Position) {
                    self.typed(*kind)
                } else if self.lost(*user, *zone, before) {
                    Hearing::AgentHidden(fix.agent)
                } else {
                    Hearing::Nothing
                }
            }
        }
    }

    /// Whether an open task belongs into the watcher's snapshot.
    pub fn has_task(&self, task: &Task) -> bool {
        self.is_about(Noun::Task) && task.is_visible_to(&self.caller) && self.matches_task(task, &Before::default())
    }

    /// Whether an agent belongs into the watcher's snapshot.
    pub fn has_agent(&self, agent: &Agent) -> bool {
        self.knows_agents() && self.reaches(agent.user, agent.zone) && self.matches_agent(agent, FactKind::AgentUpdated)
    }

    /// Whether the watcher wants to know of an emergency, and may.
    pub fn has_emergency(&self, emergency: &Emergency) -> bool {
        self.is_about(Noun::Emergency)
            && emergency.is_visible_to(&self.caller)
            && any_of(&self.wanted.tasks, [&emergency.task])
            && any_of(&self.wanted.agents, &emergency.agents)
            && any_of(&self.wanted.zones, &emergency.zone)
            && self.holds([emergency.location, None])
    }

    /// Whether the watcher wants to know what happened at a geofence, and may.
    fn has_geofence_event(&self, event: &geofence::Event) -> bool {
        self.is_about(Noun::Geofence)
            && event.is_visible_to(&self.caller)
            && self.wanted.tasks.is_empty()
            && any_of(&self.wanted.agents, [&event.agent])
            && any_of(&self.wanted.zones, &event.zone)
            && self.holds([Some(self.lens.place(event.location, event.user)), None])
    }

    /// Whether the watcher wants to know of a check-in, and may. It is nowhere: who watches a rectangle does not hear of it.
    fn has_check_in(&self, check_in: &CheckIn) -> bool {
        self.is_about(Noun::CheckIn)
            && check_in.is_visible_to(&self.caller)
            && any_of(&self.wanted.tasks, [&check_in.task])
            && any_of(&self.wanted.agents, [&check_in.agent])
            && any_of(&self.wanted.zones, &check_in.zone)
            && self.wanted.bounds.is_none()
    }

    /// Who watches certain things or places wants no words to everybody.
    fn hears_announcements(&self) -> bool {
        let Wanted {
            nouns: _,
            types: _,
            tasks,
            agents,
            zones,
            bounds,
        } = &self.wanted;
        let everywhere = tasks.is_empty() && agents.is_empty() && zones.is_empty() && bounds.is_none();
        everywhere && self.is_about(Noun::Announcement)
    }

    /// Whether it is the watcher's own notification, and asked for by name: so who asks for all may share a feed with others.
    fn has_notification(&self, notification: &Notification) -> bool {
        self.wanted.nouns.contains(&Noun::Notification)
            && notification.user == self.caller.user
            && any_of(&self.wanted.tasks, &notification.task)
            && any_of(&self.wanted.agents, &notification.agent)
    }

    /// Whether the watcher asks by name for how much is open, and directs anybody.
    pub fn has_kpi(&self) -> bool {
        self.wanted.nouns.contains(&Noun::Kpi) && self.caller.level >= Level::Supervisor && self.is_typed(KPI_CHANGED)
    }

    /// Whether the watcher wants anything about a noun.
    pub fn is_about(&self, noun: Noun) -> bool {
        self.wanted.nouns.is_empty() || self.wanted.nouns.contains(&noun)
    }

    fn is_typed(&self, number: i32) -> bool {
        self.wanted.types.is_empty() || self.wanted.types.contains(&number)
    }

    fn typed(&self, kind: FactKind) -> Hearing {
        if self.is_typed(kind as i32) {
            Hearing::Event
        } else {
            Hearing::Nothing
        }
    }

    fn was_visible(&self, before: &Before) -> bool {
        before.audience.contains(&self.caller.user) || self.caller.sees_zone(before.zone)
    }

    fn reaches(&self, user: UserId, zone: Option<ZoneId>) -> bool {
        user == self.caller.user || self.caller.sees_zone(zone)
    }

    /// Whether an agent of this user went out of the watcher's sight, and they are to hear of it.
    fn lost(&self, user: UserId, zone: Option<ZoneId>, before: &Before) -> bool {
        let left = !self.reaches(user, zone) && self.caller.sees_zone(before.zone);
        left && self.knows_agents() && self.is_typed(AGENT_HIDDEN)
    }

    /// Whether the watcher was told of agents, or where they are.
    fn knows_agents(&self) -> bool {
        self.is_about(Noun::Agent) || self.is_about(Noun::Position)
    }

    fn matches_task(&self, task: &Task, before: &Before) -> bool {
        let agents = task.assignments.iter().map(|on| &on.agent).chain(&before.agents);
        any_of(&self.wanted.tasks, [&task.id])
            && any_of(&self.wanted.agents, agents)
            && any_of(&self.wanted.zones, task.zone.iter().chain(&before.zone))
            && self.holds([task.plan.location, before.location])
    }

    fn matches_agent(&self, agent: &Agent, kind: FactKind) -> bool {
        any_of(&self.wanted.tasks, &agent.tasks) && any_of(&self.wanted.agents, [&agent.id]) && self.matches_place(agent, kind)
    }

    /// Who watches a place hears that an agent there went off duty, and then nothing more that tells it is there. That an
    /// agent is deleted is heard wherever it was.
    fn matches_place(&self, agent: &Agent, kind: FactKind) -> bool {
        if self.wanted.zones.is_empty() && self.wanted.bounds.is_none() || kind == FactKind::AgentDeleted {
            return true;
        }
        let went = kind == FactKind::AgentAvailabilityChanged;
        let shown = agent.duty.is_on() || went || self.lens.is_own(agent.user);
        let place = agent.fix.map(|fix| self.lens.place(fix.location, agent.user));
        shown && any_of(&self.wanted.zones, &agent.zone) && self.holds([place, None])
    }

    fn matches_fix(&self, fix: &Fix, user: UserId, tasks: &[TaskId], zone: Option<ZoneId>, before: &Before) -> bool {
        let seen = |place: Point| self.lens.place(place, user);
        any_of(&self.wanted.tasks, tasks)
            && any_of(&self.wanted.agents, [&fix.agent])
            && any_of(&self.wanted.zones, zone.iter().chain(&before.zone))
            && self.holds([Some(seen(fix.location)), before.location.map(seen)])
    }

    fn holds(&self, places: [Option<Point>; 2]) -> bool {
        self.wanted
            .bounds
            .is_none_or(|bounds| places.into_iter().flatten().any(|place| bounds.contains(place)))
    }
}

fn any_of<'a, T: PartialEq + 'a>(wanted: &[T], there: impl IntoIterator<Item = &'a T>) -> bool {
    wanted.is_empty() || there.into_iter().any(|one| wanted.contains(one))
}
