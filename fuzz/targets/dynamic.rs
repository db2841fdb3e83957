//! Messages made of random choices: near the edges of their rules more often than chance would have it.

use arbitrary::{Result, Unstructured};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

/// Deepest that messages hold messages.
const DEPTH: usize = 4;

/// Lengths about which lists and texts are bounded.
const LENGTHS: [usize; 16] = [1, 2, 3, 10, 11, 50, 51, 64, 65, 100, 101, 200, 201, 500, 1001, 10_001];

/// Texts that mean something somewhere.
const TEXTS: [&str; 16] = [
    "create_time desc",
    "priority",
    "a@gad.example",
    "r1",
    "*",
    "title",
    "planned_end_time",
    "año ½ ŉ İ",
    "\u{0}",
    "\u{202e}\u{feff}",
    "a\nb",
    "' or 1=1 --",
    "0190a8f0-0000-7000-8000-000000000000",
    "\u{10ffff}",
    "-1",
    " ",
];

/// A message of this kind.
pub fn message(u: &mut Unstructured<'_>, of: &MessageDescriptor, depth: usize) -> Result<DynamicMessage> {
    let mut message = DynamicMessage::new(of.clone());
    for field in of.fields() {
        if !u.ratio(2, 3)? {
            continue;
        }
        if let Some(value) = value(u, &field, depth)? {
            message.set_field(&field, value);
        }
    }
    Ok(message)
}

fn value(u: &mut Unstructured<'_>, field: &FieldDescriptor, depth: usize) -> Result<Option<Value>> {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else {
            return Ok(None);
        };
        let value = one(u, &entry.map_entry_value_field(), depth)?;
        let key = MapKey::String(text(u)?);
        let keyed_by_text = entry.map_entry_key_field().kind() == Kind::String;
        return Ok(value.filter(|_| keyed_by_text).map(|value| Value::Map([(key, value)].into())));
    }
    if !field.is_list() {
        return one(u, field, depth);
    }
    let length = if u.ratio(1, 8)? {
        *u.choose(&LENGTHS)?
    } else {
        u.int_in_range(0..=3)?
    };
    let mut items = Vec::new();
    for _ in 0..length.min(3) {
        items.extend(one(u, field, depth)?);
    }
    // Long lists repeat themselves; those of messages are not very long.
    if let Some(last) = items.last().cloned() {
        let most = if last.as_message().is_some() { 1001 } else { length };
        items.resize(length.min(most).max(items.len()), last);
    }
    Ok(Some(Value::List(items)))
}

fn one(u: &mut Unstructured<'_>, field: &FieldDescriptor, depth: usize) -> Result<Option<Value>> {
    Ok(Some(match field.kind() {
        Kind::Double => Value::F64(float(u)?),
        Kind::Float => Value::F32(float(u)? as f32),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(whole(u)? as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(whole(u)?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(whole(u)? as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(whole(u)? as u64),
        Kind::Bool => Value::Bool(u.arbitrary()?),
        Kind::String => Value::String(text(u)?),
        Kind::Bytes => Value::Bytes(u.arbitrary::<Vec<u8>>()?.into()),
        Kind::Enum(_) => Value::EnumNumber(if u.ratio(1, 4)? {
            whole(u)? as i32
        } else {
            u.int_in_range(0..=20)?
        }),
        Kind::Message(_) if depth == DEPTH => return Ok(None),
        Kind::Message(of) => Value::Message(message(u, &of, depth + 1)?),
    }))
}

fn whole(u: &mut Unstructured<'_>) -> Result<i64> {
    let edges = [
        0,
        1,
        -1,
        7,
        100,
        1000,
        1001,
        10_001,
        604_800,
        999_999_999,
        1_000_000_000,
        1_790_000_000,
        253_402_300_799,
        -62_135_596_801,
        i64::from(i32::MAX) + 1,
        i64::MAX,
        i64::MIN,
    ];
    if u.ratio(3, 4)? {
        Ok(*u.choose(&edges)?)
    } else {
        u.arbitrary()
    }
}

fn float(u: &mut Unstructured<'_>) -> Result<f64> {
    let edges = [
        0.0,
        -0.0,
        45.5,
        90.0,
        -90.0,
        90.000_000_1,
        180.0,
        -180.0,
        180.000_001,
        359.999_999,
        360.0,
        20_100_000.0,
        5e-324,
        1e300,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    if u.ratio(3, 4)? {
        Ok(*u.choose(&edges)?)
    } else {
        u.arbitrary()
    }
}

fn text(u: &mut Unstructured<'_>) -> Result<String> {
    Ok(match u.int_in_range(0..=3)? {
        0 => String::new(),
        1 => (*u.choose(&TEXTS)?).to_owned(),
        2 => u.choose(&["a", "ñ", "-", "\u{1f600}"])?.repeat(*u.choose(&LENGTHS)?),
        _ => u.arbitrary()?,
    })
}
