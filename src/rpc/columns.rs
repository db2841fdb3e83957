//! The columns of exported tables, by which imported ones are read, too.

use jiff::Timestamp;

use super::sheet::{Cell, Column};
use crate::pb;

fn text(text: &str) -> Cell {
    if text.is_empty() {
        Cell::Empty
    } else {
        Cell::Text(text.to_owned())
    }
}

fn number(number: i64) -> Cell {
    if number == 0 { Cell::Empty } else { Cell::Whole(number) }
}

fn optional(number: Option<i64>) -> Cell {
    number.map_or(Cell::Empty, Cell::Whole)
}

fn numbers(numbers: &[i64]) -> Cell {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    text(&numbers.join(" "))
}

/// RFC 3339 in UTC.
fn time(time: Option<prost_types::Timestamp>) -> Cell {
    let time = time.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok());
    time.map_or(Cell::Empty, |time| Cell::Text(time.to_string()))
}

fn seconds(length: Option<prost_types::Duration>) -> Cell {
    let whole = |length: prost_types::Duration| length.seconds as f64 + f64::from(length.nanos) / 1e9;
    length.map_or(Cell::Empty, |length| Cell::Real(whole(length)))
}

fn latitude(place: Option<pb::LatLng>) -> Cell {
    place.map_or(Cell::Empty, |place| Cell::Real(place.latitude))
}

fn longitude(place: Option<pb::LatLng>) -> Cell {
    place.map_or(Cell::Empty, |place| Cell::Real(place.longitude))
}

/// The name of an enum's value without what all of them begin with.
fn name(value: &str, prefix: &str) -> Cell {
    match value.strip_prefix(prefix) {
        None | Some("UNSPECIFIED") => Cell::Empty,
        Some(name) => text(name),
    }
}

/// Prefix of kinds.
pub const KIND: &str = "TASK_KIND_";
/// Prefix of priorities.
pub const PRIORITY: &str = "TASK_PRIORITY_";

/// Columns of tasks.
#[rustfmt::skip]
pub const TASKS: &[Column<pb::Task>] = &[
    Column { es: "id", en: "id", cell: |task| Cell::Whole(task.id) },
    Column { es: "uid", en: "uid", cell: |task| text(&task.uid) },
    Column { es: "codigo", en: "code", cell: |task| text(&task.code) },
    Column { es: "titulo", en: "title", cell: |task| text(&task.title) },
    Column { es: "descripcion", en: "description", cell: |task| text(&task.description) },
    Column { es: "tipo", en: "kind", cell: |task| name(task.kind().as_str_name(), KIND) },
    Column { es: "prioridad", en: "priority", cell: |task| name(task.priority().as_str_name(), PRIORITY) },
    Column { es: "estado", en: "state", cell: |task| name(task.state().as_str_name(), "TASK_STATE_") },
    Column { es: "inicio_planificado", en: "planned_start_time", cell: |task| time(task.planned_start_time) },
    Column { es: "fin_planificado", en: "planned_end_time", cell: |task| time(task.planned_end_time) },
    Column { es: "inicio_real", en: "actual_start_time", cell: |task| time(task.actual_start_time) },
    Column { es: "fin_real", en: "actual_end_time", cell: |task| time(task.actual_end_time) },
    Column { es: "inicio_pausa", en: "pause_start_time", cell: |task| time(task.pause_start_time) },
    Column { es: "segundos_pausados", en: "paused_seconds", cell: |task| seconds(task.paused_duration) },
    Column { es: "segundos_trabajados", en: "worked_seconds", cell: |task| seconds(task.worked_duration) },
    Column { es: "latitud", en: "latitude", cell: |task| latitude(task.location) },
    Column { es: "longitud", en: "longitude", cell: |task| longitude(task.location) },
    Column { es: "lugar", en: "location_description", cell: |task| text(&task.location_description) },
    Column { es: "zona", en: "zone_id", cell: |task| optional(task.zone_id) },
    Column { es: "responsable", en: "delegate_user_id", cell: |task| number(task.delegate_user_id) },
    Column { es: "creador", en: "creator_user_id", cell: |task| number(task.creator_user_id) },
    Column { es: "agentes", en: "agent_ids", cell: |task| numbers(&task.agent_ids) },
    Column { es: "continua_a", en: "reopened_from_task_id", cell: |task| optional(task.reopened_from_task_id) },
    Column { es: "atrasada", en: "late", cell: |task| Cell::Flag(task.late) },
    Column { es: "creada", en: "create_time", cell: |task| time(task.create_time) },
    Column { es: "modificada", en: "update_time", cell: |task| time(task.update_time) },
    Column { es: "eliminada", en: "delete_time", cell: |task| time(task.delete_time) },
    Column { es: "version", en: "revision", cell: |task| Cell::Whole(task.revision) },
];

/// Columns of agents.
#[rustfmt::skip]
pub const AGENTS: &[Column<pb::Agent>] = &[
    Column { es: "id", en: "id", cell: |agent| Cell::Whole(agent.id) },
    Column { es: "uid", en: "uid", cell: |agent| text(&agent.uid) },
    Column { es: "usuario", en: "user_id", cell: |agent| number(agent.user_id) },
    Column { es: "codigo", en: "code", cell: |agent| text(&agent.code) },
    Column { es: "nombre", en: "display_name", cell: |agent| text(&agent.display_name) },
    Column { es: "rango", en: "rank", cell: |agent| text(&agent.rank) },
    Column { es: "unidad", en: "unit", cell: |agent| text(&agent.unit) },
    Column { es: "especialidad", en: "specialty", cell: |agent| text(&agent.specialty) },
    Column { es: "disponibilidad", en: "availability", cell: |agent| name(agent.availability().as_str_name(), "AVAILABILITY_") },
    Column { es: "disponibilidad_desde", en: "availability_time", cell: |agent| time(agent.availability_time) },
    Column { es: "latitud", en: "latitude", cell: |agent| latitude(agent.position.and_then(|fix| fix.location)) },
    Column { es: "longitud", en: "longitude", cell: |agent| longitude(agent.position.and_then(|fix| fix.location)) },
    Column { es: "posicion_desde", en: "fix_time", cell: |agent| time(agent.position.and_then(|fix| fix.fix_time)) },
    Column { es: "tareas", en: "task_ids", cell: |agent| numbers(&agent.task_ids) },
    Column { es: "creado", en: "create_time", cell: |agent| time(agent.create_time) },
    Column { es: "modificado", en: "update_time", cell: |agent| time(agent.update_time) },
    Column { es: "eliminado", en: "delete_time", cell: |agent| time(agent.delete_time) },
    Column { es: "version", en: "revision", cell: |agent| Cell::Whole(agent.revision) },
];

/// Columns of emergencies.
#[rustfmt::skip]
pub const EMERGENCIES: &[Column<pb::Emergency>] = &[
    Column { es: "id", en: "id", cell: |emergency| Cell::Whole(emergency.id) },
    Column { es: "uid", en: "uid", cell: |emergency| text(&emergency.uid) },
    Column { es: "tarea", en: "task_id", cell: |emergency| number(emergency.task_id) },
    Column { es: "reportada_por", en: "reporter_user_id", cell: |emergency| optional(emergency.reporter_user_id) },
    Column { es: "origen", en: "source", cell: |emergency| name(emergency.source().as_str_name(), "EMERGENCY_SOURCE_") },
    Column { es: "latitud", en: "latitude", cell: |emergency| latitude(emergency.location) },
    Column { es: "longitud", en: "longitude", cell: |emergency| longitude(emergency.location) },
    Column { es: "descripcion", en: "description", cell: |emergency| text(&emergency.description) },
    Column { es: "estado", en: "state", cell: |emergency| name(emergency.state().as_str_name(), "EMERGENCY_STATE_") },
    Column { es: "etapa", en: "stage", cell: |emergency| name(emergency.stage().as_str_name(), "EMERGENCY_STAGE_") },
    Column { es: "agentes", en: "agent_ids", cell: |emergency| numbers(&emergency.agent_ids) },
    Column { es: "repeticiones", en: "repeat_count", cell: |emergency| Cell::Whole(emergency.repeat_count.into()) },
    Column { es: "proxima_escalada", en: "escalation_time", cell: |emergency| time(emergency.escalation_time) },
    Column { es: "resultado", en: "outcome", cell: |emergency| name(emergency.outcome().as_str_name(), "EMERGENCY_OUTCOME_") },
    Column { es: "creada", en: "create_time", cell: |emergency| time(emergency.create_time) },
    Column { es: "modificada", en: "update_time", cell: |emergency| time(emergency.update_time) },
    Column { es: "version", en: "revision", cell: |emergency| Cell::Whole(emergency.revision) },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_columns_of_a_table_have_one_name() {
        for names in [
            TASKS.iter().map(|column| column.es).collect::<Vec<_>>(),
            TASKS.iter().map(|column| column.en).collect(),
            AGENTS.iter().map(|column| column.es).collect(),
            AGENTS.iter().map(|column| column.en).collect(),
            EMERGENCIES.iter().map(|column| column.es).collect(),
            EMERGENCIES.iter().map(|column| column.en).collect(),
        ] {
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        }
    }
}
