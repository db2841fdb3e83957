//! What messages say, in Spanish and English, and what programs are told.

use serde_json::{Value, json};

use crate::{
    domain::{
        agent::Agent,
        check_in::CheckIn,
        emergency::Emergency,
        geofence,
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
    /// Its agent, where it is no agent itself, if the reader sees it.
    pub agent: Option<&'a Agent>,
    /// Where people open the dashboard.
    pub frontend: &'a str,
    /// Name of the installation.
    pub project: &'a str,
}

impl Story<'_> {
    /// Agent, task and fence that it is about, in a line.
    fn name(&self) -> String {
        let (agent, task, fence) = match self.topic {
            Topic::Task(task) => (None, Some(&**task), None),
            Topic::Agent(agent) => (Some(&**agent), None, None),
            Topic::Emergency(_) | Topic::CheckIn(_) => (self.agent, self.task, None),
            Topic::Crossing(event) => (self.agent, None, Some(&event.display_name)),
        };
        let parts = [
            agent.map(|agent| agent.profile.code.clone()),
            task.map(|task| format!("{} {}", task.plan.code, task.plan.title)),
            fence.cloned(),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ").chars().filter(|letter| !letter.is_control()).collect()
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
        E::GeofenceEntered => ("Entró en la geocerca", "Entered the geofence"),
        E::GeofenceLeft => ("Salió de la geocerca", "Left the geofence"),
        E::GeofenceDwelt => ("Permanece en la geocerca", "Stays in the geofence"),
        E::TaskCommented => ("Comentario en la tarea", "Comment on the task"),
        E::TaskAttachmentsChanged => ("Archivos de la tarea", "Files of the task"),
        E::TaskChecklistChanged => ("Lista de control de la tarea", "Checklist of the task"),
        E::TaskDependenciesChanged => ("Dependencias de la tarea", "Dependencies of the task"),
        E::CheckInMade => ("Señal de vida", "Sign of life"),
        E::CheckInMissed => ("FALTA LA SEÑAL DE VIDA", "NO SIGN OF LIFE"),
        E::CheckInRaised => ("SOS: SIN SEÑAL DE VIDA", "SOS: STILL NO SIGN OF LIFE"),
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
    let (name, thing) = match topic {
        Topic::Task(task) => ("task", task_payload(task)),
        Topic::Agent(agent) => ("agent", agent_payload(agent)),
        Topic::Emergency(emergency) => ("emergency", emergency_payload(emergency)),
        Topic::CheckIn(check_in) => ("check_in", check_in_payload(check_in)),
        Topic::Crossing(event) => ("geofence_event", crossing_payload(event)),
    };
    told[name] = thing;
    told
}

fn task_payload(task: &Task) -> Value {
    json!({
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
    })
}

fn agent_payload(agent: &Agent) -> Value {
    json!({
        "id": agent.id.0,
        "uid": agent.uid.to_string(),
        "code": agent.profile.code,
        "availability": pb::Availability::try_from(agent.availability() as i32).unwrap_or_default().as_str_name(),
        "deleted": agent.deleted.is_some(),
        "revision": agent.revision.0,
    })
}

fn emergency_payload(emergency: &Emergency) -> Value {
    json!({
        "id": emergency.id.0,
        "uid": emergency.uid.to_string(),
        "task_id": emergency.task.0,
        "state": pb::EmergencyState::try_from(emergency.state as i32).unwrap_or_default().as_str_name(),
        "stage": pb::EscalationStage::try_from(emergency.stage as i32).unwrap_or_default().as_str_name(),
        "zone_id": emergency.zone.map(|zone| zone.0),
        "agent_ids": emergency.agents.iter().map(|agent| agent.0).collect::<Vec<_>>(),
        "revision": emergency.revision.0,
    })
}

fn check_in_payload(check_in: &CheckIn) -> Value {
    json!({
        "id": check_in.id,
        "task_id": check_in.task.0,
        "agent_id": check_in.agent.0,
        "state": pb::CheckInState::try_from(check_in.state as i32).unwrap_or_default().as_str_name(),
        "due_time": check_in.due.map(|due| due.to_string()),
        "check_in_time": check_in.last.map(|last| last.to_string()),
        "emergency_id": check_in.emergency.map(|emergency| emergency.0),
        "zone_id": check_in.zone.map(|zone| zone.0),
        "revision": check_in.revision.0,
    })
}

/// Where exactly is not said: how exactly somebody may see it depends on who asks.
fn crossing_payload(event: &geofence::Event) -> Value {
    json!({
        "id": event.id,
        "geofence_id": event.geofence.0,
        "geofence_name": event.display_name,
        "zone_id": event.zone.map(|zone| zone.0),
        "agent_id": event.agent.0,
        "kind": pb::GeofenceEventKind::try_from(event.kind as i32).unwrap_or_default().as_str_name(),
        "fix_time": event.fix_time.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_that_rules_may_name_has_words_of_its_own_in_both_languages() {
        let unnamed = [0, 8, 14, 15, 30, 31, 32, 50];
        let all = (0..100).filter(|event| pb::EventType::try_from(*event).is_ok());
        for event in all.filter(|event| !unnamed.contains(event)) {
            let (es, en) = headlines(event);
            assert!(es != en && es != "Novedad", "{event}");
        }
    }
}
