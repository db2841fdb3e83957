//! The older products' words for what `gad.v1` has numbers for.

use crate::pb::{TaskKind, TaskState};

/// Kinds of work: the first word of each kind is told, all are understood. GRUPO_GAD's API, its Telegram routes and its bot each
/// had their own.
const KINDS: [(&str, TaskKind); 12] = [
    ("patrullaje", TaskKind::Patrol),
    ("investigacion", TaskKind::Investigation),
    ("vigilancia", TaskKind::Surveillance),
    ("intervencion", TaskKind::Intervention),
    ("administrativa", TaskKind::Administrative),
    ("entrenamiento", TaskKind::Training),
    ("inspeccion", TaskKind::Inspection),
    ("emergencia", TaskKind::Emergency),
    ("operativa", TaskKind::Intervention),
    ("OPERATIVO", TaskKind::Intervention),
    ("ADMINISTRATIVO", TaskKind::Administrative),
    ("EMERGENCIA", TaskKind::Emergency),
];

const STATES: [(&str, TaskState); 5] = [
    ("programada", TaskState::Scheduled),
    ("en_curso", TaskState::InProgress),
    ("pausada", TaskState::Paused),
    ("finalizada", TaskState::Finished),
    ("cancelada", TaskState::Cancelled),
];

/// Priorities, from 1 up: in Telegram, and on the map.
const PRIORITIES: [(&str, &str); 5] = [
    ("baja", "BAJA"),
    ("media", "MEDIA"),
    ("alta", "ALTA"),
    ("urgente", "URGENTE"),
    ("critica", "CRITICA"),
];

/// The number of a kind's word; 0 if it is none.
pub fn kind(word: &str) -> i32 {
    KINDS
        .iter()
        .find(|(known, _)| *known == word)
        .map_or(0, |(_, kind)| *kind as i32)
}

/// The word of a kind's number.
pub fn kind_word(number: i32) -> String {
    word(&KINDS, number)
}

/// The number of a state's word; 0 if it is none.
pub fn state(word: &str) -> i32 {
    STATES
        .iter()
        .find(|(known, _)| *known == word)
        .map_or(0, |(_, state)| *state as i32)
}

/// The word of a state's number.
pub fn state_word(number: i32) -> String {
    word(&STATES, number)
}

fn word<T: Copy + Into<i32>>(words: &[(&str, T)], number: i32) -> String {
    let found = words.iter().find(|(_, value)| (*value).into() == number);
    found.map_or_else(String::new, |(word, _)| (*word).to_owned())
}

/// The number of a priority's word in Telegram; 0 if it is none.
pub fn priority(word: &str) -> i32 {
    let place = PRIORITIES.iter().position(|(known, _)| *known == word);
    place.and_then(|place| i32::try_from(place + 1).ok()).unwrap_or_default()
}

/// The word of a priority's number on the map.
pub fn priority_on_map(number: i32) -> String {
    let place = usize::try_from(number - 1).ok();
    let found = place.and_then(|place| PRIORITIES.get(place));
    found.map_or_else(String::new, |(_, word)| (*word).to_owned())
}
