//! What differs between two messages, by the names of their fields, without secrets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use prost::{
    Message, Name,
    encoding::{DecodeContext, decode_key, skip_field},
};
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

    /// The message as JSON, with null for those of these fields that are not set.
    fn with_empty(&self, tags: &BTreeSet<u32>) -> Value {
        let Some(message) = self.decoded() else {
            return Value::Null;
        };
        let mut told = json(&message);
        for tag in tags {
            let field = message.descriptor().get_field(*tag);
            let field = field.filter(|field| !message.has_field(field) && !descriptor::is_secret(field));
            if let (Some(field), Some(told)) = (field, told.as_object_mut()) {
                told.insert(field.name().to_owned(), Value::Null);
            }
        }
        told
    }
}

/// The fields in which two messages differ, as they were before and after; none before: all that are set.
pub fn changes(before: Option<&Encoded>, after: &Encoded) -> Map<String, Value> {
    let mut told = Map::new();
    let Some(before) = before.filter(|before| before.name == after.name) else {
        told.insert("after".to_owned(), without_derived(after.json()));
        return told;
    };
    let (mut old, mut new) = (fields(&before.bytes), fields(&after.bytes));
    let same: Vec<u32> = old
        .iter()
        .filter(|(tag, bytes)| new.get(tag) == Some(bytes))
        .map(|(tag, _)| *tag)
        .collect();
    for tag in same {
        old.remove(&tag);
        new.remove(&tag);
    }
    let names: BTreeSet<u32> = old.keys().chain(new.keys()).copied().collect();
    for (side, fields) in [("before", old), ("after", new)] {
        let only = Encoded {
            name: after.name.clone(),
            bytes: fields.into_values().collect::<Vec<_>>().concat(),
        };
        told.insert(side.to_owned(), without_derived(only.with_empty(&names)));
    }
    told
}

/// What a thing was that is there no more.
pub fn gone(before: &Encoded) -> Map<String, Value> {
    let was = without_derived(before.json());
    Map::from_iter([("before".to_owned(), was), ("after".to_owned(), Value::Object(Map::new()))])
}

/// The bytes of each field of a message, by its number.
fn fields(mut bytes: &[u8]) -> BTreeMap<u32, Vec<u8>> {
    let mut fields: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    while !bytes.is_empty() {
        let whole = bytes;
        let skipped = decode_key(&mut bytes)
            .and_then(|(tag, kind)| skip_field(kind, tag, &mut bytes, DecodeContext::default()).map(|()| tag));
        let Ok(tag) = skipped else { break };
        fields.entry(tag).or_default().extend(&whole[..whole.len() - bytes.len()]);
    }
    fields
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
        assert_eq!(
            told,
            json!({ "after": { "id": 7, "title": "a", "state": "TASK_STATE_PAUSED" } })
        );
    }

    #[test]
    fn secrets_are_not_told() {
        let login = pb::LoginRequest {
            email: "ana@gad.example".to_owned(),
            password: "secreto".to_owned(),
            code: String::new(),
        };
        assert_eq!(Encoded::of(&login).json(), json!({ "email": "ana@gad.example" }));
    }
}
