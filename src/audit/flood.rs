//! Refusals that come in thousands: one row a while for all that are alike, which says how many they were.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::domain::audit::{Actor, Entry};

/// Kinds that are told apart at most; what is beyond them is counted without saying who it was.
const KINDS: usize = 1000;

/// Entries that are alike but for their moment, and how often they came.
#[derive(Debug, Default)]
pub struct Flood(Mutex<Vec<(Entry, u64)>>);

impl Flood {
    fn kinds(&self) -> MutexGuard<'_, Vec<(Entry, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an entry.
    pub fn add(&self, entry: Entry) {
        let mut kinds = self.kinds();
        if count(&mut kinds, &entry) {
            return;
        }
        let entry = if kinds.len() < KINDS { entry } else { anybodys(entry) };
        if !count(&mut kinds, &entry) {
            kinds.push((entry, 1));
        }
    }

    /// What came since this was asked last.
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.kinds()).into_iter().map(told).collect()
    }
}

/// Entries, those that are alike made one.
pub fn folded(entries: &[Entry]) -> Vec<Entry> {
    let mut kinds = Vec::new();
    for entry in entries {
        if !count(&mut kinds, entry) {
            kinds.push((entry.clone(), 1));
        }
    }
    kinds.into_iter().map(told).collect()
}

/// Counts an entry if there is one like it.
fn count(kinds: &mut [(Entry, u64)], entry: &Entry) -> bool {
    let known = kinds.iter_mut().find(|(like, _)| is_like(like, entry));
    known.map(|(_, count)| *count += 1).is_some()
}

fn is_like(one: &Entry, other: &Entry) -> bool {
    let Entry {
        time: _,
        actor,
        door,
        method,
        permission,
        resource,
        subject,
        outcome,
        request_id: _,
        idempotency_id: _,
        personal,
    } = one;
    let who = (actor, door, subject) == (&other.actor, &other.door, &other.subject);
    let what = [method, permission, resource, outcome] == [&other.method, &other.permission, &other.resource, &other.outcome];
    who && what && *personal == other.personal && one.day() == other.day()
}

/// The entry without who it was and what it was about.
fn anybodys(entry: Entry) -> Entry {
    let mut entry = Entry {
        actor: Actor::Nobody,
        resource: String::new(),
        subject: None,
        ..entry
    };
    if let Some(personal) = &mut entry.personal {
        personal.address = None;
        personal.reason = String::new();
        "{}".clone_into(&mut personal.detail);
    }
    entry
}

/// The entry, saying how often it came.
fn told((mut entry, count): (Entry, u64)) -> Entry {
    if let Some(personal) = entry.personal.as_mut().filter(|_| count > 1)
        && let Ok(Value::Object(mut detail)) = serde_json::from_str(&personal.detail)
    {
        detail.insert("repeated".to_owned(), count.into());
        personal.detail = Value::Object(detail).to_string();
    }
    entry
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn entry(method: &str, second: i64) -> Entry {
        let time = Timestamp::from_second(second).expect("a time");
        Entry::by_system(method, String::new(), "{}".to_owned(), Uuid::new_v4(), time)
    }

    fn detail(entry: &Entry) -> String {
        entry.personal.clone().expect("words").detail
    }

    #[test]
    fn a_flood_of_one_kind_becomes_one_row_that_counts() {
        let entries = [entry("a", 1), entry("b", 2), entry("a", 3), entry("a", 4)];
        let told = folded(&entries);
        assert_eq!(told.len(), 2);
        assert_eq!(
            (told[0].method.as_str(), detail(&told[0]).as_str()),
            ("a", r#"{"repeated":3}"#)
        );
        assert_eq!(told[1], entries[1]);
    }

    #[test]
    fn a_flood_of_many_kinds_stays_within_bounds_and_counts_all() {
        let flood = Flood::default();
        for number in 0..3 * KINDS {
            let mut entry = entry("a", 1);
            entry.resource = number.to_string();
            flood.add(entry);
        }
        let told = flood.take();
        assert_eq!(told.len(), KINDS + 1);
        assert_eq!(detail(&told[KINDS]), format!(r#"{{"repeated":{}}}"#, 2 * KINDS));
        assert_eq!(flood.take(), Vec::new());
    }
}
