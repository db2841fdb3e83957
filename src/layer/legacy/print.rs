//! Answers as JSON: proto names (or `json_name`, where it is declared) as keys, numbers as numbers, null for what is
//! not there.

use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, ReflectMessage as _, SerializeOptions, Value};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap as _, SerializeSeq as _},
};

use crate::descriptor::key;

/// A message, printed.
pub struct Message<'a>(pub &'a DynamicMessage);

/// A field of a message, printed alone.
pub struct Field<'a>(pub &'a DynamicMessage, pub &'a FieldDescriptor);

struct One<'a>(&'a Value, &'a Kind);

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let descriptor = self.0.descriptor();
        if descriptor.package_name() == "google.protobuf" {
            let form = SerializeOptions::new().stringify_64_bit_integers(false);
            return self.0.serialize_with_options(serializer, &form);
        }
        let mut map = serializer.serialize_map(Some(descriptor.fields().len()))?;
        for field in descriptor.fields() {
            map.serialize_entry(key(&field), &Field(self.0, &field))?;
        }
        map.end()
    }
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(message, field) = self;
        if field.supports_presence() && !message.has_field(field) {
            return serializer.serialize_none();
        }
        let value = message.get_field(field);
        let kind = field.kind();
        let Value::List(items) = value.as_ref() else {
            return One(&value, &kind).serialize(serializer);
        };
        let mut list = serializer.serialize_seq(Some(items.len()))?;
        for item in items {
            list.serialize_element(&One(item, &kind))?;
        }
        list.end()
    }
}

impl Serialize for One<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            (Value::Bool(value), _) => serializer.serialize_bool(*value),
            (Value::I32(value), _) => serializer.serialize_i32(*value),
            (Value::I64(value), _) => serializer.serialize_i64(*value),
            (Value::U32(value), _) => serializer.serialize_u32(*value),
            (Value::U64(value), _) => serializer.serialize_u64(*value),
            (Value::F32(value), _) => serializer.serialize_f32(*value),
            (Value::F64(value), _) => serializer.serialize_f64(*value),
            (Value::String(value), _) => serializer.serialize_str(value),
            (Value::EnumNumber(number), Kind::Enum(words)) => serializer.serialize_str(&word(words, *number)),
            (Value::Message(value), _) => Message(value).serialize(serializer),
            // Maps kill Envoy, so no answer has any (`tests/it/contract.rs`); bytes and lists of lists there are none.
            _ => serializer.serialize_none(),
        }
    }
}

fn word(words: &EnumDescriptor, number: i32) -> String {
    words
        .get_value(number)
        .map_or_else(|| number.to_string(), |value| value.name().to_owned())
}
