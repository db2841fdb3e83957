//! Bodies, JSON or forms, as messages; and what is wrong with them, all of it at once, as the older products said it.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value as Field};
use serde_json::{Map, Value};

use crate::{
    descriptor::{bare_list, key},
    pb::legacy::Form,
};

/// Faults that are told of: a list of a million wrong items is refused in few words.
const FAULTS: usize = 32;

/// Words for true and false.
const YES: [&str; 6] = ["true", "1", "t", "yes", "y", "on"];
const NO: [&str; 6] = ["false", "0", "f", "no", "n", "off"];
/// A time in numbers above this is in milliseconds.
const SECONDS: f64 = 2e10;

/// Something in a body that cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Short name of what is wrong.
    pub kind: &'static str,
    /// Where, from the body down: keys and numbers of items.
    pub place: Vec<Value>,
    /// What is wrong.
    pub text: &'static str,
    /// What stands there.
    pub input: Value,
}

/// What a body says. A form may come in parts: its clients wrote it so or so.
pub async fn parse(content_type: &str, body: Bytes) -> Result<(Form, Map<String, Value>), Fault> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let pairs = form_urlencoded::parse(&body);
        let said = pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())));
        return Ok((Form::Urlencoded, said.collect()));
    }
    if kind.eq_ignore_ascii_case("multipart/form-data") {
        let said = parts(content_type, body).await.map_err(|_| Fault {
            kind: "multipart_invalid",
            place: Vec::new(),
            text: "There was an error parsing the body",
            input: Value::Null,
        })?;
        return Ok((Form::Urlencoded, said));
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok((Form::Json, Map::new()));
    }
    let fault = |kind, text| Fault {
        kind,
        place: Vec::new(),
        text,
        input: Value::Null,
    };
    match serde_json::from_slice(&body) {
        Ok(Value::Object(said)) => Ok((Form::Json, said)),
        Ok(_) => Err(fault("model_attributes_type", "Input should be a valid dictionary or object")),
        Err(_) => Err(fault("json_invalid", "JSON decode error")),
    }
}

async fn parts(content_type: &str, body: Bytes) -> Result<Map<String, Value>, multer::Error> {
    let boundary = multer::parse_boundary(content_type)?;
    let whole = futures::stream::once(async { Ok::<_, multer::Error>(body) });
    let mut parts = multer::Multipart::new(whole, boundary);
    let mut said = Map::new();
    while let Some(part) = parts.next_field().await? {
        let name = part.name().unwrap_or_default().to_owned();
        said.insert(name, part.text().await?.into());
    }
    Ok(said)
}

/// The message that was said. What it does not know is ignored, null is not sent.
pub fn message(
    descriptor: &MessageDescriptor,
    said: &Map<String, Value>,
    place: &[Value],
    faults: &mut Vec<Fault>,
) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let Some(value) = said.get(key(&field)).filter(|value| !value.is_null()) else {
            continue;
        };
        let place = [place, &[key(&field).into()]].concat();
        if let Some(value) = self::field(&field, value, &place, faults) {
            message.set_field(&field, value);
        }
    }
    message
}

fn field(field: &FieldDescriptor, said: &Value, place: &[Value], faults: &mut Vec<Fault>) -> Option<Field> {
    if !field.is_list() {
        return one(&field.kind(), said, place, faults);
    }
    let Value::Array(items) = said else {
        tell(faults, ("list_type", "Input should be a valid list"), place, said);
        return None;
    };
    let items = items.iter().enumerate().filter_map(|(at, item)| {
        let place = [place, &[at.into()]].concat();
        one(&field.kind(), item, &place, faults)
    });
    Some(Field::List(items.collect()))
}

fn one(kind: &Kind, said: &Value, place: &[Value], faults: &mut Vec<Fault>) -> Option<Field> {
    if let (Kind::Message(descriptor), Value::Object(inside)) = (kind, said)
        && descriptor.package_name() != "google.protobuf"
    {
        return Some(Field::Message(message(descriptor, inside, place, faults)));
    }
    if let (Kind::Message(descriptor), Value::Array(_)) = (kind, said)
        && let Some(list) = bare_list(descriptor)
    {
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field(&list, field(&list, said, place, faults)?);
        return Some(Field::Message(message));
    }
    match plain(kind, said) {
        Ok(value) => Some(value),
        Err(wrong) => {
            tell(faults, wrong, place, said);
            None
        }
    }
}

fn tell(faults: &mut Vec<Fault>, (kind, text): (&'static str, &'static str), place: &[Value], said: &Value) {
    if faults.len() < FAULTS {
        faults.push(Fault {
            kind,
            place: place.to_vec(),
            text,
            input: said.clone(),
        });
    }
}

/// A value that has no places inside.
fn plain(kind: &Kind, said: &Value) -> Result<Field, (&'static str, &'static str)> {
    let whole = ("int_parsing", "Input should be a valid integer");
    let narrow = |number: Option<i64>| number.ok_or(whole);
    match kind {
        Kind::String => {
            let text = said.as_str().ok_or(("string_type", "Input should be a valid string"))?;
            Ok(Field::String(text.to_owned()))
        }
        Kind::Bool => truth(said)
            .map(Field::Bool)
            .ok_or(("bool_parsing", "Input should be a valid boolean")),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            let number = narrow(integer(said))?;
            i32::try_from(number).map(Field::I32).map_err(|_| whole)
        }
        Kind::Uint32 | Kind::Fixed32 => {
            let number = narrow(integer(said))?;
            u32::try_from(number).map(Field::U32).map_err(|_| whole)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Ok(Field::I64(narrow(integer(said))?)),
        Kind::Uint64 | Kind::Fixed64 => {
            let number = narrow(integer(said))?;
            u64::try_from(number).map(Field::U64).map_err(|_| whole)
        }
        Kind::Double => number(said)
            .map(Field::F64)
            .ok_or(("float_parsing", "Input should be a valid number")),
        Kind::Enum(words) => {
            let word = said.as_str().and_then(|word| words.get_value_by_name(word));
            let word = word.ok_or(("enum", "Input should be one of the known words"))?;
            Ok(Field::EnumNumber(word.number()))
        }
        Kind::Message(descriptor) if descriptor.full_name() == "google.protobuf.Timestamp" => {
            let time = time(descriptor, said).ok_or(("datetime_parsing", "Input should be a valid datetime"))?;
            Ok(Field::Message(time))
        }
        Kind::Message(descriptor) => DynamicMessage::deserialize(descriptor.clone(), said)
            .map(Field::Message)
            .map_err(|_| ("dict_type", "Input should be a valid dictionary")),
        Kind::Float | Kind::Bytes => Err(("unknown", "Input cannot be read")),
    }
}

/// Forms have no numbers: a text that is one will do.
fn integer(said: &Value) -> Option<i64> {
    match said {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        _ => None,
    }
}

/// A number without a fraction, which is a whole one however it is written.
fn whole(number: f64) -> Option<i64> {
    // Up to here each whole number is told from the next.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn number(said: &Value) -> Option<f64> {
    let number: Option<f64> = match said {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

fn truth(said: &Value) -> Option<bool> {
    match said {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => {
            let said = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
            match (said(&YES), said(&NO)) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            }
        }
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(true),
            Some(0) => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A time with a zone; without one it is UTC. Or seconds or milliseconds since 1970.
fn time(descriptor: &MessageDescriptor, said: &Value) -> Option<DynamicMessage> {
    let time = match written(said) {
        Some(time) => time,
        None => since_1970(number(said)?)?,
    };
    let wire = prost_types::Timestamp {
        seconds: time.as_second(),
        nanos: time.subsec_nanosecond(),
    };
    let mut message = DynamicMessage::new(descriptor.clone());
    message.transcode_from(&wire).ok()?;
    Some(message)
}

fn written(said: &Value) -> Option<jiff::Timestamp> {
    let text = said.as_str()?;
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time);
    }
    let time = text.parse::<jiff::civil::DateTime>().ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

fn since_1970(number: f64) -> Option<jiff::Timestamp> {
    let seconds = if number.abs() > SECONDS { number / 1000.0 } else { number };
    jiff::Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use serde_json::json;

    use super::*;
    use crate::descriptor;

    fn read(name: &str, said: &Value) -> (DynamicMessage, Vec<Fault>) {
        let descriptor = descriptor::pool().get_message_by_name(name).unwrap();
        let mut faults = Vec::new();
        let message = message(&descriptor, said.as_object().unwrap(), &[], &mut faults);
        (message, faults)
    }

    #[test]
    fn a_message_is_read_and_the_rest_ignored() {
        let said = json!({"email": "ana@gad.example", "password": "x", "remember_me": "true", "more": 1});
        let (message, faults) = read("gad.legacy.v1.LoginJson", &said);
        assert_eq!(faults, []);
        let login: crate::pb::legacy::LoginJson = message.transcode_to().unwrap();
        assert_eq!((login.email.as_str(), login.remember_me), ("ana@gad.example", Some(true)));
    }

    #[test]
    fn everything_wrong_is_told_with_its_place() {
        let said = json!({
            "title": 1,
            "priority": "no such word",
            "location": {"latitude": "x"},
            "planned_start_time": "yesterday",
            "id": 1.5,
        });
        let (_, faults) = read("gad.v1.Task", &said);
        let told: Vec<(String, &str)> = faults
            .iter()
            .map(|fault| (json!(fault.place).to_string(), fault.kind))
            .collect();
        for expected in [
            (r#"["title"]"#, "string_type"),
            (r#"["priority"]"#, "enum"),
            (r#"["location","latitude"]"#, "float_parsing"),
            (r#"["planned_start_time"]"#, "datetime_parsing"),
            (r#"["id"]"#, "int_parsing"),
        ] {
            assert!(told.contains(&(expected.0.to_owned(), expected.1)), "{expected:?}: {told:?}");
        }
        assert_eq!(told.len(), 5);
    }

    #[test]
    fn of_a_million_faults_the_first_are_told() {
        let (_, faults) = read("gad.v1.Task", &json!({ "agent_ids": vec!["x"; 1_000_000] }));
        assert_eq!(faults.len(), FAULTS);
        assert_eq!(json!(faults[31].place), json!(["agent_ids", 31]));
    }

    #[test]
    fn a_time_without_a_zone_is_utc() {
        for text in ["2026-03-01T10:00:00", "2026-03-01T10:00:00Z", "2026-03-01T07:00:00-03:00"] {
            let (message, faults) = read("gad.v1.Task", &json!({ "planned_start_time": text }));
            assert_eq!(faults, []);
            let task: crate::pb::Task = message.transcode_to().unwrap();
            assert_eq!(task.planned_start_time.unwrap().seconds, 1_772_359_200, "{text}");
        }
    }

    #[test]
    fn a_time_may_be_a_number() {
        for said in [
            json!(1_772_359_200),
            json!(1_772_359_200_000_i64),
            json!("1772359200"),
            json!(1_772_359_200.0),
        ] {
            let (message, faults) = read("gad.v1.Task", &json!({ "planned_start_time": said }));
            assert_eq!(faults, []);
            let task: crate::pb::Task = message.transcode_to().unwrap();
            assert_eq!(task.planned_start_time.unwrap().seconds, 1_772_359_200, "{said}");
        }
        for said in [json!(1e300), json!(true), json!("1e999"), json!([1])] {
            let (_, faults) = read("gad.v1.Task", &json!({ "planned_start_time": said }));
            assert_eq!(faults[0].kind, "datetime_parsing", "{said}");
        }
    }

    #[test]
    fn numbers_and_truths_are_taken_as_they_were_taken() {
        for (said, expected) in [
            (json!("7"), Some(7)),
            (json!(7.0), Some(7)),
            (json!(7.5), None),
            (json!(1e300), None),
        ] {
            assert_eq!(integer(&said), expected, "{said}");
        }
        for (said, expected) in [
            (json!(1), Some(true)),
            (json!("Off"), Some(false)),
            (json!("YES"), Some(true)),
            (json!(2), None),
            (json!("quizás"), None),
        ] {
            assert_eq!(truth(&said), expected, "{said}");
        }
    }

    fn parse(kind: &str, body: &[u8]) -> Result<(Form, Map<String, Value>), Fault> {
        let body = Bytes::copy_from_slice(body);
        super::parse(kind, body).now_or_never().unwrap()
    }

    #[test]
    fn a_form_may_come_in_parts() {
        let kind = "multipart/form-data; boundary=X";
        let body = "--X\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\na@b\r\n--X\r\n\
                    Content-Disposition: form-data; name=\"password\"\r\n\r\nc d\r\n--X--\r\n";
        let (form, said) = parse(kind, body.as_bytes()).unwrap();
        assert_eq!(
            (form, Value::from(said)),
            (Form::Urlencoded, json!({"username": "a@b", "password": "c d"}))
        );
        for (kind, body) in [(kind, "--X\r\nContent"), (kind, ""), ("multipart/form-data", "--X--")] {
            assert_eq!(
                parse(kind, body.as_bytes()).unwrap_err().kind,
                "multipart_invalid",
                "{kind} {body}"
            );
        }
    }

    #[test]
    fn a_body_is_a_form_or_an_object() {
        let form = parse(
            "application/x-www-form-urlencoded; charset=utf-8",
            b"username=a%40b&password=c+d",
        )
        .unwrap();
        assert_eq!(form.0, Form::Urlencoded);
        assert_eq!(Value::from(form.1), json!({"username": "a@b", "password": "c d"}));
        assert_eq!(parse("application/json", b"").unwrap(), (Form::Json, Map::new()));
        assert_eq!(parse("application/json", b"{").unwrap_err().kind, "json_invalid");
        assert_eq!(parse("application/json", b"[1]").unwrap_err().kind, "model_attributes_type");
        let deep = "[".repeat(100_000);
        assert_eq!(parse("application/json", deep.as_bytes()).unwrap_err().kind, "json_invalid");
    }
}
