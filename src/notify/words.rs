//! What messages say, in Spanish and English, and what programs are told.

use serde_json::{Value, json};

use crate::{
    domain::{
        mail::Letter,
        message::{Message, Urgency},
        notification::{Delivery, Topic},
        task::Task,
    },
    pb,
};

/// What a message is about, beside the thing itself.
pub struct Story<'a> {
    /// What happened.
    pub event: i32,
    /// The thing as it is.
    pub topic: &'a Topic,
    /// Its task, where it is no task itself.
    pub task: Option<&'a Task>,
    /// Where people open the dashboard.
    pub frontend: &'a str,
    /// Name of the installation.
    pub project: &'a str,
}

impl Story<'_> {
    /// The task that it is about.
    fn task(&self) -> Option<&Task> {
        match self.topic {
            Topic::Task(task) => Some(task),
            Topic::Emergency(_) => self.task,
            Topic::Agent(_) => None,
        }
    }

    /// What it is about, in a line.
    fn name(&self) -> String {
        let name = match (self.topic, self.task()) {
            (Topic::Agent(agent), _) => agent.profile.code.clone(),
            (Topic::Task(_) | Topic::Emergency(_), Some(task)) => format!("{} {}", task.plan.code, task.plan.title),
            (Topic::Task(_) | Topic::Emergency(_), None) => String::new(),
        };
        name.chars().filter(|letter| !letter.is_control()).collect()
    }

    fn link(&self) -> String {
        let base = self.frontend.trim_end_matches('/');
        match self.topic.thing().task() {
            Some(task) => format!("{base}/board/{}", task.0),
            None => format!("{base}/map"),
        }
    }

    /// What a message says, in two lines.
    pub fn text(&self, language: &str) -> String {
        format!("{}: {}\n{}", self.headline(language), self.name(), self.link())
    }

    /// What a mail says.
    pub fn letter(&self, to: &str, language: &str) -> Letter {
        Letter {
            to: to.to_owned(),
            subject: format!("{}: {} - {}", self.headline(language), self.name(), self.project),
            text: format!("{}\n\n{}\n", self.text(language), self.project),
        }
    }

    fn headline(&self, language: &str) -> &'static str {
        let (es, en) = headlines(self.event);
        if language == "en" { en } else { es }
    }
}

/// A message to a group, with its mark.
pub fn marked(message: &Message, language: &str) -> String {
    let (es, en) = match message.urgency {
        Urgency::Normal => return message.text.clone(),
        Urgency::Info => ("Información", "Information"),
        Urgency::Alert => ("ALERTA", "ALERT"),
        Urgency::Urgent => ("URGENTE", "URGENT"),
    };
    let mark = if language == "en" { en } else { es };
    format!("{mark}\n{}", message.text)
}

/// What happened, in Spanish and English.
fn headlines(event: i32) -> (&'static str, &'static str) {
    use pb::EventType as E;
    match E::try_from(event).unwrap_or_default() {
        E::TaskCreated => ("Tarea nueva", "New task"),
        E::TaskUpdated => ("Tarea modificada", "Task changed"),
        E::TaskStateChanged => ("La tarea avanzó", "Task moved on"),
        E::TaskAssigned => ("Asignación a la tarea", "Assigned to the task"),
        E::TaskUnassigned => ("Asignación retirada", "Taken off the task"),
        E::TaskDeleted => ("Tarea eliminada", "Task deleted"),
        E::TaskUndeleted => ("Tarea recuperada", "Task restored"),
        E::AgentCreated => ("Agente nuevo", "New agent"),
        E::AgentUpdated => ("Agente modificado", "Agent changed"),
        E::AgentAvailabilityChanged => ("Disponibilidad del agente", "Agent's availability"),
        E::AgentDeleted => ("Agente eliminado", "Agent deleted"),
        E::AgentUndeleted => ("Agente recuperado", "Agent restored"),
        E::EmergencyRaised => ("EMERGENCIA", "EMERGENCY"),
        E::EmergencyChanged => ("La emergencia avanzó", "Emergency moved on"),
        _ => ("Novedad", "News"),
    }
}

/// The name of an event as programs are told it.
pub fn event_name(event: i32) -> &'static str {
    pb::EventType::try_from(event).unwrap_or_default().as_str_name()
}

/// What a program is told: what happened, and the thing as it is.
pub fn payload(delivery: &Delivery, topic: &Topic) -> Value {
    let mut told = json!({
        "delivery_id": delivery.uid.to_string(),
        "event_type": event_name(delivery.event),
        "event_time": delivery.time.to_string(),
        "actor_user_id": delivery.actor.map_or(0, |actor| actor.0),
    });
    match topic {
        Topic::Task(task) => {
            told["task"] = json!({
                "id": task.id.0,
                "uid": task.uid.to_string(),
                "code": task.plan.code,
                "title": task.plan.title,
                "kind": pb::TaskKind::try_from(task.plan.kind as i32).unwrap_or_default().as_str_name(),
                "priority": pb::TaskPriority::try_from(task.plan.priority as i32).unwrap_or_default().as_str_name(),
                "state": pb::TaskState::try_from(task.state() as i32).unwrap_or_default().as_str_name(),
                "zone_id": task.zone.map(|zone| zone.0),
                "agent_ids": task.assignments.iter().map(|on| on.agent.0).collect::<Vec<_>>(),
                "deleted": task.deleted.is_some(),
                "revision": task.revision.0,
            });
        }
        Topic::Agent(agent) => {
            told["agent"] = json!({
                "id": agent.id.0,
                "uid": agent.uid.to_string(),
                "code": agent.profile.code,
                "availability": pb::Availability::try_from(agent.availability() as i32).unwrap_or_default().as_str_name(),
                "deleted": agent.deleted.is_some(),
                "revision": agent.revision.0,
            });
        }
        Topic::Emergency(emergency) => {
            told["emergency"] = json!({
                "id": emergency.id.0,
                "uid": emergency.uid.to_string(),
                "task_id": emergency.task.0,
                "state": pb::EmergencyState::try_from(emergency.state as i32).unwrap_or_default().as_str_name(),
                "stage": pb::EscalationStage::try_from(emergency.stage as i32).unwrap_or_default().as_str_name(),
                "zone_id": emergency.zone.map(|zone| zone.0),
                "agent_ids": emergency.agents.iter().map(|agent| agent.0).collect::<Vec<_>>(),
                "revision": emergency.revision.0,
            });
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_that_rules_may_name_has_words_of_its_own_in_both_languages() {
        for event in [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16, 17] {
            let (es, en) = headlines(event);
            assert!(es != en && es != "Novedad", "{event}");
        }
    }
}
