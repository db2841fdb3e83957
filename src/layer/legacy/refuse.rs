//! Refusals as JSON, in the words of the product whose path it is.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use prost_reflect::FieldDescriptor;
use serde_json::{Map, Value, json};
use tonic::{Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{Asked, Heard, declared::Answer, dialect, print::key, read::Fault, respond};
use crate::pb::{ErrorReason, legacy::Dialect};

/// Seconds that calls are counted over.
const WINDOW: u32 = 60;

/// The refusal that a status is.
pub fn refuse(asked: &Asked, heard: &Heard, status: &Status, headers: HeaderMap) -> Response<Body> {
    let answer = asked.answer(heard);
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.as_str()).unwrap_or_default();
    let known = ErrorReason::from_str_name(&format!("ERROR_REASON_{reason}")).unwrap_or_default();
    let words = dialect::words(answer.dialect, known, asked.with_token);
    let own = answer.refusals.get(reason);
    let code = own
        .and_then(|own| own.0)
        .or(words.map(|words| words.0))
        .unwrap_or_else(|| dialect::status(answer.dialect, status.code()));
    let text = own.and_then(|own| own.1.as_deref()).map(|text| filled(text, asked, heard));
    let body = match (text, known, answer.dialect) {
        (None, ErrorReason::InvalidField, _) => invalid(answer, asked, heard, &details),
        (None, ErrorReason::RateLimited, Dialect::GrupoGad) => too_many(&details, &headers),
        (Some(text), ..) => json!({ "detail": text }),
        (None, ..) => {
            let localized = details.localized_message().map(|message| message.message.as_str());
            let text = words.map(|words| words.1).or(localized).unwrap_or(status.message());
            json!({ "detail": text })
        }
    };
    let mut response = respond(code, headers, body.to_string());
    if code == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

/// A text with what path and body say in place of `{name}`.
fn filled(text: &str, asked: &Asked, heard: &Heard) -> String {
    let mut filled = text.to_owned();
    for (name, value) in asked.named() {
        filled = filled.replace(&format!("{{{name}}}"), value);
    }
    for (name, value) in &heard.said {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        filled = filled.replace(&format!("{{{name}}}"), &value);
    }
    filled
}

/// What is wrong with the fields.
fn invalid(answer: &Answer, asked: &Asked, heard: &Heard, details: &ErrorDetails) -> Value {
    let mut errors: Vec<Value> = Vec::new();
    let mut add = |error: Value| {
        if !errors.iter().any(|there| there["loc"] == error["loc"]) {
            errors.push(error);
        }
    };
    for fault in &heard.faults {
        add(wrong(fault));
    }
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
    // What is no field stands for the faults.
    let said = |path: &str| heard.faults.is_empty() || !path.is_empty();
    for violation in violations
        .unwrap_or_default()
        .iter()
        .filter(|violation| said(&violation.field))
    {
        add(violated(answer, asked, heard, &violation.field, &violation.description));
    }
    match answer.dialect {
        Dialect::GrupoGad | Dialect::Unspecified => json!({ "detail": "Validation Error", "errors": errors }),
        Dialect::Recway | Dialect::Inventory => json!({ "detail": errors }),
    }
}

fn wrong(fault: &Fault) -> Value {
    let mut place = vec![json!("body")];
    place.extend(fault.place.iter().cloned());
    let secret = place.iter().any(is_secret);
    let mut error = json!({ "type": fault.kind, "loc": place, "msg": fault.text });
    if !secret {
        error["input"] = fault.input.clone();
    }
    error
}

/// A rule that a field breaks; its path is that of the request's message.
fn violated(answer: &Answer, asked: &Asked, heard: &Heard, path: &str, text: &str) -> Value {
    let place = |field: &FieldDescriptor| path.strip_prefix(field.name());
    let Some((into, inside)) = answer.into.as_ref().and_then(|into| Some((into, place(into)?))) else {
        let first = path.split('.').next().unwrap_or_default();
        let named = asked
            .method
            .templates
            .iter()
            .any(|template| template.names().any(|name| name == first));
        let place = if path.is_empty() {
            json!(["body"])
        } else {
            json!([if named { "path" } else { "query" }, path])
        };
        return json!({ "type": "value_error", "loc": place, "msg": text });
    };
    let place = steps(into, inside);
    let input = place
        .iter()
        .try_fold(&Value::from(heard.said.clone()), |at, step| found(at, step))
        .cloned();
    let mut error = match &input {
        None => json!({ "type": "missing", "msg": "Field required" }),
        Some(_) => json!({ "type": "value_error", "msg": text }),
    };
    if !place.iter().any(is_secret) {
        error["input"] = json!(input);
    }
    let mut loc = vec![json!("body")];
    loc.extend(place);
    error["loc"] = Value::Array(loc);
    error
}

fn found<'a>(at: &'a Value, step: &Value) -> Option<&'a Value> {
    match step {
        Value::Number(number) => at.get(usize::try_from(number.as_u64()?).ok()?),
        step => at.get(step.as_str()?),
    }
}

/// Keys and numbers on the way that a field's path names, such as `.items[2].name`.
fn steps(into: &FieldDescriptor, path: &str) -> Vec<Value> {
    let mut at = into.kind().as_message().cloned();
    let mut steps = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (name, number) = part
            .split_once('[')
            .map_or((part, None), |(name, rest)| (name, rest.strip_suffix(']')));
        let field = at.as_ref().and_then(|message| message.get_field_by_name(name));
        steps.push(json!(field.as_ref().map_or(name, key)));
        steps.extend(number.and_then(|number| number.parse::<u64>().ok()).map(Value::from));
        at = field.and_then(|field| field.kind().as_message().cloned());
    }
    steps
}

/// Passwords and tokens are not said back.
fn is_secret(step: &Value) -> bool {
    let name = step.as_str().unwrap_or_default();
    ["password", "token", "secret"].iter().any(|secret| name.contains(secret))
}

/// GRUPO_GAD's own form, with `detail` for those who read only that.
fn too_many(details: &ErrorDetails, headers: &HeaderMap) -> Value {
    let wait = details.retry_info().and_then(|info| info.retry_delay);
    let seconds = wait.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
    let limit = headers.get("x-ratelimit-limit").and_then(|limit| limit.to_str().ok());
    let limit = limit.and_then(|limit| limit.parse::<u64>().ok());
    let mut body = Map::new();
    body.insert("detail".to_owned(), json!("Rate limit exceeded"));
    body.insert("error".to_owned(), json!("rate_limit_exceeded"));
    body.insert(
        "message".to_owned(),
        json!(details.localized_message().map(|message| &message.message)),
    );
    body.insert("retry_after_seconds".to_owned(), json!(seconds));
    body.insert("rate_limit".to_owned(), json!(limit));
    body.insert("window_seconds".to_owned(), json!(WINDOW));
    Value::Object(body)
}
