//! What differs between two messages, by the names of their fields, without secrets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use prost::{Message, Name};
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _, SerializeOptions, Value as Field};
use serde_json::{Map, Value};

use crate::descriptor;

/// Fields that follow from others, or from who looks, and so tell nothing.
const DERIVED: [&str; 5] = ["etag", "revision", "update_time", "allowed_actions", "late"];

/// A message, encoded, and the name of its type.
#[derive(Debug, Clone)]
pub struct Encoded {
    name: String,
    bytes: Vec<u8>,
}

impl Encoded {
    /// Of a message.
    pub fn of<T: Message + Name>(message: &T) -> Self {
        Self {
            name: T::full_name(),
            bytes: message.encode_to_vec(),
        }
    }

    fn decoded(&self) -> Option<DynamicMessage> {
        let kind = descriptor::pool().get_message_by_name(&self.name)?;
        let mut message = DynamicMessage::decode(kind, self.bytes.as_slice()).ok()?;
        scrub(&mut message);
        Some(message)
    }

    /// The message as JSON.
    pub fn json(&self) -> Value {
        self.decoded().map(|message| json(&message)).unwrap_or_default()
    }
}

/// The fields in which two messages differ, as they were before and after; none before: all that are set.
pub fn changes(before: Option<&Encoded>, after: &Encoded) -> Map<String, Value> {
    let Some(new) = after.decoded() else {
        return Map::new();
    };
    let old = before.filter(|before| before.name == after.name).and_then(Encoded::decoded);
    let mut changes = Map::new();
    let Some(old) = old else {
        changes.insert("after".to_owned(), without_derived(json(&new)));
        return changes;
    };
    let (mut was, mut is) = (Map::new(), Map::new());
    let changed: Vec<_> = new
        .descriptor()
        .fields()
        .filter(|field| !DERIVED.contains(&field.name()))
        .filter(|field| old.has_field(field) != new.has_field(field) || old.get_field(field) != new.get_field(field))
        .collect();
    for (message, side) in [(&old, &mut was), (&new, &mut is)] {
        let mut only = DynamicMessage::new(message.descriptor());
        for field in changed.iter().filter(|field| message.has_field(field)) {
            only.set_field(field, message.get_field(field).into_owned());
        }
        let Value::Object(mut told) = json(&only) else { continue };
        for field in &changed {
            let value = told.remove(field.name()).unwrap_or_default();
            side.insert(field.name().to_owned(), value);
        }
    }
    changes.insert("before".to_owned(), Value::Object(was));
    changes.insert("after".to_owned(), Value::Object(is));
    changes
}

fn json(message: &DynamicMessage) -> Value {
    let form = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &form)
        .unwrap_or_default()
}

fn without_derived(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !DERIVED.contains(&name.as_str()));
    }
    value
}

/// Messages that hold secrets, they themselves or deeper: of each the fields that lead there.
static SECRETIVE: LazyLock<BTreeMap<String, BTreeSet<String>>> = LazyLock::new(|| {
    let messages: Vec<MessageDescriptor> = descriptor::pool().all_messages().collect();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    loop {
        let before: usize = found.values().map(BTreeSet::len).sum();
        for message in &messages {
            for field in message.fields() {
                let deep = matches!(field.kind(), Kind::Message(inner) if found.contains_key(inner.full_name()));
                if deep || descriptor::is_secret(&field) {
                    let fields = found.entry(message.full_name().to_owned()).or_default();
                    fields.insert(field.name().to_owned());
                }
            }
        }
        if found.values().map(BTreeSet::len).sum::<usize>() == before {
            return found;
        }
    }
});

/// Takes all secrets out.
fn scrub(message: &mut DynamicMessage) {
    let kind = message.descriptor();
    let Some(fields) = SECRETIVE.get(kind.full_name()) else {
        return;
    };
    for field in kind.fields().filter(|field| fields.contains(field.name())) {
        if descriptor::is_secret(&field) {
            message.clear_field(&field);
        } else if message.has_field(&field) {
            scrub_inside(message.get_field_mut(&field));
        }
    }
}

fn scrub_inside(value: &mut Field) {
    match value {
        Field::Message(inner) => scrub(inner),
        Field::List(items) => items.iter_mut().for_each(scrub_inside),
        Field::Map(items) => items.values_mut().for_each(scrub_inside),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pb;

    fn task(title: &str, agents: &[i64]) -> Encoded {
        Encoded::of(&pb::Task {
            id: 7,
            title: title.to_owned(),
            agent_ids: agents.to_vec(),
            etag: title.to_owned(),
            state: pb::TaskState::Paused as i32,
            ..Default::default()
        })
    }

    #[test]
    fn only_what_differs_is_told() {
        let told = Value::Object(changes(Some(&task("a", &[])), &task("b", &[1, 2])));
        let is = json!({ "title": "b", "agent_ids": [1, 2] });
        assert_eq!(told, json!({ "before": { "title": "a", "agent_ids": null }, "after": is }));
        let same = Value::Object(changes(Some(&task("a", &[])), &task("a", &[])));
        assert_eq!(same, json!({ "before": {}, "after": {} }));
    }

    #[test]
    fn what_is_new_is_told_wholly() {
        let told = Value::Object(changes(None, &task("a", &[])));
        assert_eq!(told, json!({ "after": { "id": 7, "title": "a", "state": "TASK_STATE_PAUSED" } }));
    }

    #[test]
    fn secrets_are_not_told() {
        let login = pb::LoginRequest {
            email: "ana@gad.example".to_owned(),
            password: "secreto".to_owned(),
        };
        assert_eq!(Encoded::of(&login).json(), json!({ "email": "ana@gad.example" }));
    }
}
