//! Messages and enums as JSON Schema, in the JSON that Envoy reads and writes.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::rules;
use crate::descriptor;

/// The named schemas that a document speaks of.
#[derive(Debug, Default)]
pub struct Schemas {
    named: BTreeMap<String, Value>,
    /// In the older products' JSON: numbers of 64 bits are numbers, what is not there is null.
    older: bool,
}

impl Schemas {
    /// Of the older products' JSON.
    pub fn of_older() -> Self {
        Self {
            older: true,
            ..Self::default()
        }
    }

    /// All of them.
    pub fn into_value(self) -> Value {
        Value::Object(self.named.into_iter().collect())
    }

    fn key<'a>(&self, field: &'a FieldDescriptor) -> &'a str {
        if self.older { descriptor::key(field) } else { field.name() }
    }

    /// A reference to a message's schema, which is made if it is not there yet.
    pub fn message(&mut self, message: &MessageDescriptor) -> Value {
        let name = short(message.full_name());
        if !self.named.contains_key(&name) {
            self.named.insert(name.clone(), Value::Null);
            let mut schema = self.object(message, &[]);
            schema["description"] = json!(descriptor::comment(&message.parent_file(), message.path()));
            self.named.insert(name.clone(), schema);
        }
        reference(&name)
    }

    /// A schema of a message without some of its fields.
    pub fn object(&mut self, message: &MessageDescriptor, without: &[&str]) -> Value {
        let fields = || message.fields().filter(|field| !without.contains(&field.name()));
        let properties: Map<String, Value> = fields()
            .map(|field| (self.key(&field).to_owned(), self.property(&field)))
            .collect();
        let required: Vec<String> = fields()
            .filter(rules::is_required)
            .map(|field| self.key(&field).to_owned())
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
        if self.older && field.supports_presence() && !rules::is_required(field) {
            schema = json!({ "anyOf": [schema, { "type": "null" }] });
        }
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
            Kind::Int64 | Kind::Uint64 if self.older => return json!({ "type": "integer", "format": "int64" }),
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
            Kind::Message(message) => match descriptor::bare_list(message) {
                Some(list) if self.older => return self.field(&list),
                _ => known(message.full_name()).unwrap_or_else(|| self.message(message)),
            },
        };
        with(schema, rules::of_value(&kind, rules))
    }

    fn enumeration(&mut self, kind: &EnumDescriptor) -> Value {
        let name = short(kind.full_name());
        if !self.named.contains_key(&name) {
            let file = kind.parent_file();
            let words: Vec<Value> = kind.values().map(|value| json!(value.name())).collect();
            let mut text = descriptor::comment(&file, kind.path());
            for value in kind.values() {
                let comment = descriptor::comment(&file, value.path()).replace('\n', " ");
                text += &format!("\n- `{}`: {comment}", value.name());
            }
            let schema = json!({ "type": "string", "enum": words, "description": text });
            self.named.insert(name.clone(), schema);
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
    let name = full_name.trim_start_matches("gad.v1.").trim_start_matches("gad.legacy.v1.");
    name.replace('.', "_")
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
