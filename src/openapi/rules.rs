//! What `buf.validate` demands of a field, in the words of JSON Schema.

use prost_reflect::{FieldDescriptor, Kind, SerializeOptions};
use serde_json::{Map, Value, json};

/// The rules of a field by their names in `buf.validate.FieldRules`; null if it has none.
pub fn of(field: &FieldDescriptor) -> Value {
    let Some(extension) = field.parent_pool().get_extension_by_name("buf.validate.field") else {
        return Value::Null;
    };
    let options = field.options();
    if !options.has_extension(&extension) {
        return Value::Null;
    }
    let form = SerializeOptions::new()
        .stringify_64_bit_integers(false)
        .use_proto_field_name(true);
    let rules = options.get_extension(&extension);
    let rules = rules
        .as_message()
        .map(|rules| rules.serialize_with_options(serde_json::value::Serializer, &form));
    rules.and_then(Result::ok).unwrap_or_default()
}

/// Whether a request without the field is refused.
pub fn is_required(field: &FieldDescriptor) -> bool {
    let rules = of(field);
    let asked = rules["required"] == true;
    let present = field.supports_presence();
    asked || (!present && !admits_zero(&rules))
}

/// Whether the value that stands for "not sent" passes.
fn admits_zero(rules: &Value) -> bool {
    if rules["repeated"]["min_items"].as_u64().is_some_and(|least| least > 0)
        || rules["string"]["min_len"].as_u64().is_some_and(|least| least > 0)
    {
        return false;
    }
    if let Some(allowed) = rules["enum"]["in"].as_array()
        && !allowed.contains(&json!(0))
    {
        return false;
    }
    if let Some(refused) = rules["enum"]["not_in"].as_array()
        && refused.contains(&json!(0))
    {
        return false;
    }
    NUMBERS.into_iter().all(|kind| {
        let rules = &rules[kind];
        let bound = |name: &str| rules[name].as_f64();
        bound("gt").is_none_or(|bound| bound < 0.0)
            && bound("gte").is_none_or(|bound| bound <= 0.0)
            && bound("lt").is_none_or(|bound| bound > 0.0)
            && bound("lte").is_none_or(|bound| bound >= 0.0)
    })
}

const NUMBERS: [&str; 6] = ["int32", "int64", "uint32", "uint64", "float", "double"];

/// Bounds of a list.
pub fn of_list(rules: &Value) -> Map<String, Value> {
    let names = [
        ("min_items", "minItems"),
        ("max_items", "maxItems"),
        ("unique", "uniqueItems"),
    ];
    renamed(&rules["repeated"], &names)
}

/// Bounds of one value. Numbers of 64 bits travel as strings, so their signs are bound by a pattern.
pub fn of_value(kind: &Kind, rules: &Value) -> Map<String, Value> {
    let bounds = [
        ("gte", "minimum"),
        ("gt", "exclusiveMinimum"),
        ("lte", "maximum"),
        ("lt", "exclusiveMaximum"),
        ("in", "enum"),
    ];
    match kind {
        Kind::String => {
            let mut bounds = renamed(
                &rules["string"],
                &[
                    ("min_len", "minLength"),
                    ("max_len", "maxLength"),
                    ("pattern", "pattern"),
                    ("in", "enum"),
                ],
            );
            // JSON Schema has the expressions of ECMA-262, without flags inside.
            if bounds
                .get("pattern")
                .and_then(Value::as_str)
                .is_some_and(|pattern| pattern.starts_with("(?"))
            {
                bounds.remove("pattern");
            }
            bounds
        }
        Kind::Double => renamed(&rules["double"], &bounds),
        Kind::Float => renamed(&rules["float"], &bounds),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => renamed(&rules["int32"], &bounds),
        Kind::Uint32 | Kind::Fixed32 => renamed(&rules["uint32"], &bounds),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            let rules = &rules["int64"];
            let pattern = if rules["gt"] == 0 {
                "^[1-9][0-9]*$"
            } else if rules["gte"] == 0 {
                "^[0-9]+$"
            } else {
                "^-?[0-9]+$"
            };
            Map::from_iter([("pattern".to_owned(), json!(pattern))])
        }
        Kind::Uint64 | Kind::Fixed64 => Map::from_iter([("pattern".to_owned(), json!("^[0-9]+$"))]),
        Kind::Enum(kind) => words(kind, &rules["enum"]),
        Kind::Bool | Kind::Bytes | Kind::Message(_) => Map::new(),
    }
}

/// The words of an enum that pass, where not all do.
fn words(kind: &prost_reflect::EnumDescriptor, rules: &Value) -> Map<String, Value> {
    let numbers = |name: &str| rules[name].as_array();
    if numbers("in").is_none() && numbers("not_in").is_none() {
        return Map::new();
    }
    let passes = |number: i32| {
        numbers("in").is_none_or(|list| list.contains(&json!(number)))
            && numbers("not_in").is_none_or(|list| !list.contains(&json!(number)))
    };
    let words = kind.values().filter(|value| passes(value.number()));
    let words = words.map(|value| json!(value.name())).collect();
    Map::from_iter([("enum".to_owned(), Value::Array(words))])
}

fn renamed(rules: &Value, names: &[(&str, &str)]) -> Map<String, Value> {
    let there = names.iter().filter(|(ours, _)| !rules[*ours].is_null());
    there
        .map(|(ours, theirs)| ((*theirs).to_owned(), rules[*ours].clone()))
        .collect()
}
