//! Facts in the words of GRUPO_GAD.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::envelope::{DASHBOARD, KPIS, Message};
use crate::pb::{
    Agent, Announcement, Availability, CheckIn, Event, EventType, Hidden, Kpi, Position, PositionSource, Task, TaskKind,
    TaskPriority, TaskState, event::Resource,
};

/// What older clients hear of an event at this place of the feed: mostly one message, none of what they know nothing of.
pub fn messages(event: &Event, cursor: &str) -> Vec<Message> {
    let kind = event.r#type();
    let time = event.event_time.and_then(timestamp).unwrap_or(Timestamp::UNIX_EPOCH);
    let tell = |event_type: &str, data: &Value| Message::at(cursor, event_type, data, time, None);
    match &event.resource {
        Some(Resource::Task(task)) => {
            let (event_type, sub) = task_words(kind);
            let mut told = vec![tell(event_type, &of_task(task.id, task_data(task), sub))];
            if kind == EventType::TaskCreated && task.priority() >= TaskPriority::Urgent {
                told.push(tell("alert", &alert(task)));
            }
            told
        }
        Some(Resource::Agent(agent)) => {
            let sub = agent_word(kind);
            vec![tell("efectivo_status_changed", &of_agent(agent.id, agent_data(agent), sub))]
        }
        Some(Resource::Position(fix)) => vec![tell(
            "efectivo_location_update",
            &of_agent(fix.agent_id, position_data(fix), "location_update"),
        )],
        Some(Resource::Hidden(Hidden { task_id, agent_id: 0 })) => {
            vec![tell("task_updated", &of_task(*task_id, Value::Null, "hidden"))]
        }
        Some(Resource::Hidden(Hidden { task_id: _, agent_id })) => {
            vec![tell("efectivo_status_changed", &of_agent(*agent_id, Value::Null, "hidden"))]
        }
        Some(Resource::Announcement(words)) => vec![announced(words, cursor, time)],
        Some(Resource::CheckIn(check_in)) if kind == EventType::CheckInMissed => vec![tell("warning", &missed(check_in))],
        // It is no fact of the feed: several may have one place in it.
        Some(Resource::Kpi(kpi)) => {
            let place = format!("{cursor} {time}");
            vec![Message::at(&place, DASHBOARD, &dashboard(kpi, time), time, Some(KPIS))]
        }
        _ => Vec::new(),
    }
}

/// How much is open, with the keys of the older product. Of what it made up and nobody counts it is null.
pub fn dashboard(kpi: &Kpi, time: Timestamp) -> Value {
    let Kpi {
        scheduled_count,
        in_progress_count,
        paused_count,
        overdue_count,
        emergency_count,
        urgent_count,
    } = kpi;
    json!({
        "total_tasks": scheduled_count + in_progress_count + paused_count,
        "active_tasks": in_progress_count,
        "pending_tasks": scheduled_count,
        "paused_tasks": paused_count,
        "overdue_tasks": overdue_count,
        "emergencies": emergency_count,
        "alerts_count": urgent_count,
        "completed_tasks": null,
        "active_efectivos": null,
        "available_efectivos": null,
        "busy_efectivos": null,
        "last_updated": time.to_string(),
    })
}

fn announced(words: &Announcement, cursor: &str, time: Timestamp) -> Message {
    let data = json!({ "title": words.title, "content": words.content, "level": words.level });
    let topic = Some(words.topic.as_str()).filter(|topic| !topic.is_empty());
    Message::at(cursor, "notification", &data, time, topic)
}

fn missed(check_in: &CheckIn) -> Value {
    json!({
        "task_id": check_in.task_id,
        "efectivo_id": check_in.agent_id,
        "message": "El efectivo no respondió al control de presencia",
    })
}

fn of_task(id: i64, data: Value, sub: &str) -> Value {
    json!({ "task_id": id, "task_data": data, "sub_event_type": sub })
}

fn of_agent(id: i64, data: Value, sub: &str) -> Value {
    json!({ "efectivo_id": id, "efectivo_data": data, "sub_event_type": sub })
}

fn task_words(kind: EventType) -> (&'static str, &'static str) {
    match kind {
        EventType::TaskCreated => ("task_created", "created"),
        EventType::TaskStateChanged => ("task_status_changed", "status_changed"),
        EventType::TaskAssigned => ("task_assigned", "assigned"),
        EventType::TaskUnassigned => ("task_updated", "unassigned"),
        EventType::TaskDeleted => ("task_updated", "deleted"),
        EventType::TaskUndeleted => ("task_updated", "restored"),
        _ => ("task_updated", "updated"),
    }
}

fn agent_word(kind: EventType) -> &'static str {
    match kind {
        EventType::AgentCreated => "created",
        EventType::AgentUpdated => "updated",
        EventType::AgentDeleted => "deleted",
        EventType::AgentUndeleted => "restored",
        _ => "status_changed",
    }
}

fn alert(task: &Task) -> Value {
    let word = match task.priority() {
        TaskPriority::Critical => "crítica",
        _ => "urgente",
    };
    json!({
        "task_id": task.id,
        "codigo": task.code,
        "titulo": task.title,
        "prioridad": task.priority,
        "creador": task.creator_user_id,
        "message": format!("Nueva tarea {word}: {}", task.title),
    })
}

/// A `Tarea` as its REST paths have it, and who is on it.
fn task_data(task: &Task) -> Value {
    json!({
        "id": task.id,
        "uuid": task.uid,
        "codigo": task.code,
        "titulo": task.title,
        "descripcion": task.description,
        "estado": state(task.state()),
        "tipo": kind(task.kind()),
        "prioridad": task.priority,
        "delegado_usuario_id": task.delegate_user_id,
        "creado_por_usuario_id": task.creator_user_id,
        "inicio_programado": time(task.planned_start_time),
        "fin_programado": time(task.planned_end_time),
        "efectivos_asignados": task.agent_ids,
    })
}

fn agent_data(agent: &Agent) -> Value {
    let place = agent.position.as_ref().and_then(|fix| fix.location);
    json!({
        "id": agent.id,
        "uuid": agent.uid,
        "usuario_id": agent.user_id,
        "codigo_interno": agent.code,
        "nombre": agent.display_name,
        "rango": agent.rank,
        "unidad": agent.unit,
        "especialidad": agent.specialty,
        "estado_disponibilidad": availability(agent.availability()),
        "ultima_actualizacion_estado": time(agent.availability_time),
        "lat": place.map(|place| place.latitude),
        "lng": place.map(|place| place.longitude),
    })
}

fn position_data(fix: &Position) -> Value {
    json!({
        "id": fix.agent_id,
        "lat": fix.location.map(|place| place.latitude),
        "lng": fix.location.map(|place| place.longitude),
        "precision_m": fix.accuracy_meters,
        "velocidad_mps": fix.speed_meters_per_second,
        "rumbo": fix.heading_degrees,
        "source": source(fix.source()),
        "timestamp": time(fix.fix_time),
    })
}

fn state(state: TaskState) -> &'static str {
    match state {
        TaskState::Unspecified | TaskState::Scheduled => "programada",
        TaskState::InProgress => "en_curso",
        TaskState::Paused => "pausada",
        TaskState::Finished => "finalizada",
        TaskState::Cancelled => "cancelada",
    }
}

fn kind(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Unspecified | TaskKind::Patrol => "patrullaje",
        TaskKind::Investigation => "investigacion",
        TaskKind::Surveillance => "vigilancia",
        TaskKind::Intervention => "intervencion",
        TaskKind::Administrative => "administrativa",
        TaskKind::Training => "entrenamiento",
        TaskKind::Inspection => "inspeccion",
        TaskKind::Emergency => "emergencia",
    }
}

fn availability(availability: Availability) -> &'static str {
    match availability {
        Availability::Available => "disponible",
        Availability::OnTask => "en_tarea",
        Availability::OffDuty => "fuera_servicio",
        Availability::Unspecified | Availability::Unavailable => "no_disponible",
    }
}

fn source(source: PositionSource) -> &'static str {
    match source {
        PositionSource::Unspecified | PositionSource::Gps => "GPS",
        PositionSource::Network => "NETWORK",
        PositionSource::Manual => "MANUAL",
    }
}

fn timestamp(time: prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(time.seconds, time.nanos).ok()
}

fn time(time: Option<prost_types::Timestamp>) -> Value {
    time.and_then(timestamp).map_or(Value::Null, |time| time.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: EventType, resource: Resource) -> Vec<Value> {
        let event = Event {
            r#type: kind.into(),
            event_time: Some(prost_types::Timestamp::default()),
            actor_user_id: 1,
            resource: Some(resource),
        };
        let read = |message: Message| serde_json::from_str(&message.text).expect("JSON");
        messages(&event, "c1").into_iter().map(read).collect()
    }

    fn task(priority: TaskPriority) -> Resource {
        Resource::Task(Task {
            id: 7,
            priority: priority.into(),
            title: "Robo".to_owned(),
            ..Task::default()
        })
    }

    fn types(told: &[Value]) -> Vec<&str> {
        told.iter().filter_map(|one| one["event_type"].as_str()).collect()
    }

    #[test]
    fn only_a_new_task_of_high_priority_alerts() {
        let (high, urgent) = (task(TaskPriority::High), task(TaskPriority::Urgent));
        assert_eq!(types(&told(EventType::TaskCreated, high)), ["task_created"]);
        let told_of = told(EventType::TaskCreated, urgent.clone());
        assert_eq!(types(&told_of), ["task_created", "alert"]);
        assert_eq!(
            (&told_of[1]["data"]["prioridad"], &told_of[1]["data"]["task_id"]),
            (&json!(4), &json!(7))
        );
        assert_eq!(types(&told(EventType::TaskUpdated, urgent)), ["task_updated"]);
    }

    #[test]
    fn what_goes_out_of_sight_is_named_and_no_more() {
        let hidden = |task_id, agent_id| Resource::Hidden(Hidden { task_id, agent_id });
        let told_of = told(EventType::TaskHidden, hidden(7, 0));
        assert_eq!(
            told_of[0]["data"],
            json!({ "task_id": 7, "task_data": null, "sub_event_type": "hidden" })
        );
        let told_of = told(EventType::AgentHidden, hidden(0, 8));
        assert_eq!(told_of[0]["data"]["efectivo_id"], 8);
    }
}
