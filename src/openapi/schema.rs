//! Messages and enums as JSON Schema, in the JSON that Envoy reads and writes.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::rules;
use crate::descriptor;

/// The named schemas that a document speaks of.
#[derive(Debug, Default)]
pub struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// All of them.
    pub fn into_value(self) -> Value {
        Value::Object(self.0.into_iter().collect())
    }

    /// A reference to a message's schema, which is made if it is not there yet.
    pub fn message(&mut self, message: &MessageDescriptor) -> Value {
        let name = short(message.full_name());
        if !self.0.contains_key(&name) {
            self.0.insert(name.clone(), Value::Null);
            let mut schema = self.object(message, &[]);
            schema["description"] = json!(descriptor::comment(&message.parent_file(), message.path()));
            self.0.insert(name.clone(), schema);
        }
        reference(&name)
    }

    /// A schema of a message without some of its fields.
    pub fn object(&mut self, message: &MessageDescriptor, without: &[&str]) -> Value {
        let fields = || message.fields().filter(|field| !without.contains(&field.name()));
        let properties: Map<String, Value> = fields()
            .map(|field| (field.name().to_owned(), self.property(&field)))
            .collect();
        let required: Vec<String> = fields()
            .filter(rules::is_required)
            .map(|field| field.name().to_owned())
            .collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    /// The schema of a field as a property: with its comment, its number, and whether requests ignore it.
    fn property(&mut self, field: &FieldDescriptor) -> Value {
        let comment = described(field);
        let mut schema = self.field(field);
        schema["x-gad-number"] = json!(field.number());
        if is_output(&comment) {
            schema["readOnly"] = json!(true);
        }
        schema["description"] = json!(comment);
        schema
    }

    /// The schema of a field's values.
    pub fn field(&mut self, field: &FieldDescriptor) -> Value {
        let rules = rules::of(field);
        if !field.is_list() {
            return self.value(field, &rules);
        }
        let items = self.value(field, &rules["repeated"]["items"]);
        with(json!({ "type": "array", "items": items }), rules::of_list(&rules))
    }

    fn value(&mut self, field: &FieldDescriptor, rules: &Value) -> Value {
        let kind = field.kind();
        let schema = match &kind {
            Kind::Double => json!({ "type": "number", "format": "double" }),
            Kind::Float => json!({ "type": "number", "format": "float" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer", "format": "int32" }),
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "minimum": 0 }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({ "type": "string", "format": "int64" }),
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Enum(kind) => self.enumeration(kind),
            Kind::Message(message) => known(message.full_name()).unwrap_or_else(|| self.message(message)),
        };
        with(schema, rules::of_value(&kind, rules))
    }

    fn enumeration(&mut self, kind: &EnumDescriptor) -> Value {
        let name = short(kind.full_name());
        if !self.0.contains_key(&name) {
            let file = kind.parent_file();
            let words: Vec<Value> = kind.values().map(|value| json!(value.name())).collect();
            let mut text = descriptor::comment(&file, kind.path());
            for value in kind.values() {
                let comment = descriptor::comment(&file, value.path()).replace('\n', " ");
                text += &format!("\n- `{}`: {comment}", value.name());
            }
            let schema = json!({ "type": "string", "enum": words, "description": text });
            self.0.insert(name.clone(), schema);
        }
        reference(&name)
    }
}

/// Messages that have a JSON form of their own.
pub fn known(name: &str) -> Option<Value> {
    let schema = match name {
        "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "google.protobuf.Duration" => json!({ "type": "string", "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$", "examples": ["900s"] }),
        "google.protobuf.FieldMask" => json!({ "type": "string", "examples": ["title,priority"] }),
        _ => return None,
    };
    Some(schema)
}

/// The comment of a field.
pub fn described(field: &FieldDescriptor) -> String {
    descriptor::comment(&field.parent_message().parent_file(), field.path())
}

/// Fields marked "Output" are ignored in requests.
pub fn is_output(comment: &str) -> bool {
    ["Output.", "Output:", "Output;"].iter().any(|mark| comment.contains(mark))
}

fn short(full_name: &str) -> String {
    full_name.trim_start_matches("gad.v1.").replace('.', "_")
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn with(mut schema: Value, more: Map<String, Value>) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.extend(more);
    }
    schema
}
