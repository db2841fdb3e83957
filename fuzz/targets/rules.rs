//! The validation rules of the protos, read a second time: from the descriptors, not from generated code.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use prost_protovalidate::regex::Regex;
use prost_reflect::{DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, ReflectMessage as _, SerializeOptions, Value};
use serde_json::Value as Json;

/// What the rules say of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It keeps all of them.
    Kept,
    /// It breaks this one.
    Broken(String),
    /// It keeps those that are known here; there are others.
    Unknown(String),
}

impl Verdict {
    fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Kept => other(),
            Self::Broken(_) => self,
            Self::Unknown(_) => match other() {
                Self::Broken(rule) => Self::Broken(rule),
                _ => self,
            },
        }
    }

    fn keep(kept: bool, rule: impl FnOnce() -> String) -> Self {
        if kept { Self::Kept } else { Self::Broken(rule()) }
    }

    /// Of all of them; after the first that is broken nobody looks any further.
    fn all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        let mut sum = Self::Kept;
        for verdict in verdicts {
            match verdict {
                Self::Kept => {}
                Self::Broken(_) => return verdict,
                Self::Unknown(_) => sum = verdict,
            }
        }
        sum
    }
}

/// Whether a message and all in it keep their rules.
pub fn of_message(message: &DynamicMessage) -> Verdict {
    let descriptor = message.descriptor();
    if descriptor.full_name().starts_with("google.protobuf.") {
        return Verdict::Kept;
    }
    of_choices(message).and(|| Verdict::all(descriptor.fields().map(|field| of_field(message, &field))))
}

/// Fields of which at most one may be set, or exactly one.
fn of_choices(message: &DynamicMessage) -> Verdict {
    let descriptor = message.descriptor();
    let extension = descriptor.parent_pool().get_extension_by_name("buf.validate.message");
    let rules = written(&descriptor.options(), extension).unwrap_or_default();
    let choices = rules["oneof"].as_array().into_iter().flatten();
    Verdict::all(choices.map(|choice| {
        let fields = choice["fields"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let set = fields.filter(|name| {
            let field = descriptor.get_field_by_name(name);
            field.is_some_and(|field| message.has_field(&field))
        });
        let least = usize::from(choice["required"] == true);
        Verdict::keep((least..=1).contains(&set.count()), || {
            format!("{}: {choice}", descriptor.full_name())
        })
    }))
}

fn of_field(message: &DynamicMessage, field: &FieldDescriptor) -> Verdict {
    let rules = rules(field);
    let name = field.full_name();
    let present = message.has_field(field);
    if rules["required"] == true && !present {
        return Verdict::Broken(format!("{name}: required"));
    }
    let skipped = match rules["ignore"].as_str() {
        Some("IGNORE_ALWAYS") => true,
        Some("IGNORE_IF_ZERO_VALUE") => !present,
        _ => field.supports_presence() && !present,
    };
    if skipped {
        return Verdict::Kept;
    }
    of_value(name, field, &message.get_field(field), &rules)
}

fn of_value(name: &str, field: &FieldDescriptor, value: &Value, rules: &Json) -> Verdict {
    match value {
        Value::List(items) => {
            let own = &rules["repeated"];
            counted(name, own, items.len(), ["min_items", "max_items"])
                .and(|| known(name, own, &["min_items", "max_items", "items"]))
                .and(|| Verdict::all(items.iter().map(|item| of_value(name, field, item, &own["items"]))))
        }
        Value::Map(entries) => {
            let own = &rules["map"];
            counted(name, own, entries.len(), ["min_pairs", "max_pairs"])
                .and(|| known(name, own, &["min_pairs", "max_pairs"]))
                .and(|| Verdict::all(entries.values().map(|value| of_value(name, field, value, &own["values"]))))
        }
        Value::String(text) => of_text(name, text, &rules["string"]),
        Value::Bytes(bytes) => counted(name, &rules["bytes"], bytes.len(), ["min_len", "max_len"])
            .and(|| known(name, &rules["bytes"], &["min_len", "max_len"])),
        Value::Bool(flag) => of_choice(name, &rules["bool"], &Json::from(*flag)),
        Value::EnumNumber(number) => {
            let defined = !matches!(field.kind(), Kind::Enum(kind) if kind.get_value(*number).is_none());
            let kept = defined || rules["enum"]["defined_only"] != true;
            Verdict::keep(kept, || format!("{name}: enum.defined_only"))
                .and(|| of_choice(name, &rules["enum"], &Json::from(*number)))
        }
        Value::I32(number) => of_number(name, &rules["int32"], f64::from(*number), Some(i128::from(*number))),
        Value::U32(number) => of_number(name, &rules["uint32"], f64::from(*number), Some(i128::from(*number))),
        Value::I64(number) => of_number(name, &rules["int64"], *number as f64, Some(i128::from(*number))),
        Value::U64(number) => of_number(name, &rules["uint64"], *number as f64, Some(i128::from(*number))),
        Value::F32(number) => of_number(name, &rules["float"], f64::from(*number), None),
        Value::F64(number) => of_number(name, &rules["double"], *number, None),
        Value::Message(message) => match message.descriptor().full_name() {
            "google.protobuf.Duration" => of_duration(name, message, &rules["duration"]),
            _ => known(name, &rules["timestamp"], &[]).and(|| of_message(message)),
        },
    }
}

/// Rules that are not among those known here.
fn known(name: &str, rules: &Json, names: &[&str]) -> Verdict {
    let others = rules.as_object().into_iter().flatten();
    let mut others = others.filter(|(rule, value)| !names.contains(&rule.as_str()) && !value.is_null());
    match others.next() {
        Some((rule, _)) => Verdict::Unknown(format!("{name}: {rule}")),
        None => Verdict::Kept,
    }
}

fn counted(name: &str, rules: &Json, count: usize, [least, most]: [&str; 2]) -> Verdict {
    let bound = |rule: &str| rules[rule].as_u64().map(|bound| usize::try_from(bound).expect("small"));
    let kept = bound(least).is_none_or(|least| count >= least) && bound(most).is_none_or(|most| count <= most);
    Verdict::keep(kept, || format!("{name}: {count} is not within {least} and {most}"))
}

fn of_text(name: &str, text: &str, rules: &Json) -> Verdict {
    let matches = rules["pattern"].as_str().is_none_or(|pattern| regex(pattern).is_match(text));
    let names = ["min_len", "max_len", "min_bytes", "max_bytes", "pattern", "in", "not_in"];
    counted(name, rules, text.chars().count(), ["min_len", "max_len"])
        .and(|| counted(name, rules, text.len(), ["min_bytes", "max_bytes"]))
        .and(|| Verdict::keep(matches, || format!("{name}: string.pattern")))
        .and(|| of_choice(name, rules, &Json::from(text)))
        .and(|| known(name, rules, &names))
}

fn of_choice(name: &str, rules: &Json, value: &Json) -> Verdict {
    let within = rules["in"].as_array().is_none_or(|list| list.contains(value));
    let without = rules["not_in"].as_array().is_none_or(|list| !list.contains(value));
    Verdict::keep(within && without, || format!("{name}: in or not_in"))
}

/// A number as a float, and as it is if it is whole.
fn of_number(name: &str, rules: &Json, number: f64, whole: Option<i128>) -> Verdict {
    let compare = |bound: &Json| match (whole, bound.as_i64()) {
        (Some(whole), Some(bound)) => Some(whole.cmp(&i128::from(bound))),
        // As the message holds it: the bound of a float is a float.
        _ => number.partial_cmp(&bound.as_f64()?),
    };
    let is = |rule: &str, passes: fn(std::cmp::Ordering) -> bool| {
        let bound = &rules[rule];
        bound.is_null() || compare(bound).is_some_and(passes)
    };
    let kept = is("gt", |order| order.is_gt())
        && is("gte", |order| order.is_ge())
        && is("lt", |order| order.is_lt())
        && is("lte", |order| order.is_le())
        && (rules["finite"] != true || number.is_finite());
    Verdict::keep(kept, || format!("{name}: {number} is not within {rules}"))
        .and(|| known(name, rules, &["gt", "gte", "lt", "lte", "finite"]))
}

fn of_duration(name: &str, message: &DynamicMessage, rules: &Json) -> Verdict {
    let part = |field: &str| message.get_field_by_name(field).expect("a duration has it");
    let nanos = |seconds: i64, nanos: i32| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let (whole, rest) = (
        part("seconds").as_i64().expect("whole"),
        part("nanos").as_i32().expect("whole"),
    );
    // What is no duration is compared by its seconds first; handlers refuse it when they read it.
    if rest.unsigned_abs() >= 1_000_000_000 || i64::from(rest.signum()) * whole.signum() < 0 {
        return Verdict::Unknown(format!("{name}: not a duration"));
    }
    let length = nanos(whole, rest);
    let is = |rule: &str, passes: fn(std::cmp::Ordering) -> bool| {
        let bound = rules[rule]
            .as_str()
            .map(|text| text.trim_end_matches('s').parse::<f64>().expect("seconds"));
        bound.is_none_or(|bound| passes(length.cmp(&nanos(bound as i64, (bound.fract() * 1e9) as i32))))
    };
    let kept = is("gt", |order| order.is_gt())
        && is("gte", |order| order.is_ge())
        && is("lt", |order| order.is_lt())
        && is("lte", |order| order.is_le());
    Verdict::keep(kept, || format!("{name}: {length} ns is not within {rules}"))
        .and(|| known(name, rules, &["gt", "gte", "lt", "lte"]))
}

/// The rules of a field by their names in `buf.validate.FieldRules`; null if it has none.
fn rules(field: &FieldDescriptor) -> Arc<Json> {
    static RULES: LazyLock<Mutex<HashMap<String, Arc<Json>>>> = LazyLock::new(Mutex::default);
    let mut rules = RULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = rules.get(field.full_name()) {
        return Arc::clone(known);
    }
    let extension = field.parent_pool().get_extension_by_name("buf.validate.field");
    let read = Arc::new(written(&field.options(), extension).unwrap_or_default());
    rules.insert(field.full_name().to_owned(), Arc::clone(&read));
    read
}

/// What an option says, by its names; none: it is not there.
fn written(options: &DynamicMessage, extension: Option<ExtensionDescriptor>) -> Option<Json> {
    let extension = extension.filter(|extension| options.has_extension(extension))?;
    let form = SerializeOptions::new()
        .stringify_64_bit_integers(false)
        .use_proto_field_name(true);
    let option = options.get_extension(&extension);
    option
        .as_message()?
        .serialize_with_options(serde_json::value::Serializer, &form)
        .ok()
}

fn regex(pattern: &str) -> Regex {
    static PATTERNS: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut patterns = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = patterns.entry(pattern.to_owned());
    known
        .or_insert_with(|| Regex::new(pattern).expect("the build has tried it"))
        .clone()
}
