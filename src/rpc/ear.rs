//! How somebody hears of facts: what of them, and how exactly.

use super::{announcement, check_in, notification, wire};
use crate::{
    app::App,
    domain::{
        fact::{Fact, Subject},
        interest::{AGENT_HIDDEN, Hearing, Interest, TASK_HIDDEN},
        lens::Lens,
    },
    pb,
};

/// How somebody hears of facts.
pub struct Ear<'a> {
    /// The server.
    pub app: &'a App,
    /// What they want and may have.
    pub interest: &'a Interest,
}

impl Ear<'_> {
    /// The fact as this watcher hears of it.
    pub fn event(&self, fact: &Fact) -> Option<pb::Event> {
        let Fact {
            kind,
            time,
            actor,
            subject,
            before: _,
        } = fact;
        let (number, resource) = match self.interest.hearing(fact) {
            Hearing::Nothing => return None,
            Hearing::Event => (*kind as i32, self.resource(subject)),
            Hearing::TaskHidden(task) => (TASK_HIDDEN, hidden(task.0, 0)),
            Hearing::AgentHidden(agent) => (AGENT_HIDDEN, hidden(0, agent.0)),
        };
        Some(pb::Event {
            r#type: number,
            event_time: Some(wire::timestamp(*time)),
            actor_user_id: actor.map_or(0, |user| user.0),
            resource: Some(resource),
        })
    }

    /// How this watcher sees where others are, as it is now.
    pub fn lens(&self) -> Lens {
        self.app.precision.shared_lens(&self.interest.caller)
    }

    fn resource(&self, subject: &Subject) -> pb::event::Resource {
        match subject {
            Subject::Task(task) => pb::event::Resource::Task(wire::task(task, &self.interest.caller, self.app.clock.now())),
            Subject::Agent(agent) => pb::event::Resource::Agent(wire::agent(agent, self.lens())),
            Subject::Emergency(emergency) => pb::event::Resource::Emergency(wire::emergency(emergency)),
            Subject::Geofence(event) => pb::event::Resource::GeofenceEvent(super::geofence::wire_event(event, self.lens())),
            Subject::CheckIn(sign) => pb::event::Resource::CheckIn(check_in::wire_check_in(sign)),
            Subject::Announcement(words) => pb::event::Resource::Announcement(announcement::wire(words)),
            Subject::Notification(told) => pb::event::Resource::Notification(notification::bare(told)),
            Subject::Fix {
                fix,
                user,
                tasks: _,
                zone: _,
                off_duty: _,
            } => {
                // Of who is off duty the interest has let through one's own only.
                let seen = if self.lens().is_own(*user) {
                    *fix
                } else {
                    self.lens().blurred(fix)
                };
                pb::event::Resource::Position(wire::position(&seen))
            }
        }
    }
}

/// Something that went out of sight.
fn hidden(task_id: i64, agent_id: i64) -> pb::event::Resource {
    pb::event::Resource::Hidden(pb::Hidden { task_id, agent_id })
}
