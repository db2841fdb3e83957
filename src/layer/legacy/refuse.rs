//! Refusals as JSON, in the words of the product whose path it is.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use prost_reflect::FieldDescriptor;
use serde_json::{Map, Value, json};
use tonic::{Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{
    Asked, Heard, WINDOW,
    declared::{Answer, Refusal},
    dialect,
    read::Fault,
    respond,
};
use crate::{
    descriptor::{bare_list, key},
    pb::{
        ErrorReason,
        legacy::{self as pb, Dialect},
    },
};

/// The refusal that a status is.
pub fn refuse(asked: &Asked, heard: &Heard, status: &Status, headers: HeaderMap, now: Timestamp) -> Response<Body> {
    let answer = asked.answer(heard);
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.as_str()).unwrap_or_default();
    let known = ErrorReason::from_str_name(&format!("ERROR_REASON_{reason}")).unwrap_or_default();
    let faults = if known == ErrorReason::InvalidField {
        faults(answer, asked, heard, &details)
    } else {
        Vec::new()
    };
    let words = dialect::words(answer.dialect, known, asked.with_token);
    let own = answer
        .refusals
        .iter()
        .find(|own| own.reason == reason && is_about(own, &faults));
    let code = own
        .and_then(|own| own.status)
        .or(words.map(|words| words.0))
        .unwrap_or_else(|| dialect::status(answer.dialect, status.code()));
    let text = own
        .and_then(|own| own.detail.as_deref())
        .map(|text| filled(text, asked, heard));
    let body = match (text, known, answer.dialect) {
        (Some(text), ..) => json!({ "detail": text }),
        (None, ErrorReason::InvalidField, Dialect::Recway | Dialect::Inventory) => json!({ "detail": faults }),
        (None, ErrorReason::InvalidField, _) => json!({ "detail": "Validation Error", "errors": faults }),
        (None, ErrorReason::RateLimited, Dialect::GrupoGad) => too_many(&details, &headers, now),
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

/// What an answer says of a reason, and with which status: with its gRPC code as the reason's comment has it. No text: the
/// server's own.
pub fn said(answer: &pb::Answer, reason: ErrorReason, code: &str) -> Vec<(StatusCode, Option<String>)> {
    let dialect = answer.dialect();
    let words = |with_token| dialect::words(dialect, reason, with_token).map(|(status, text)| (status, Some(text.to_owned())));
    let usual = match reason {
        ErrorReason::SignedOut => [words(false), words(true)].into_iter().flatten().collect(),
        _ => vec![words(true).unwrap_or_else(|| (dialect::status(dialect, dialect::code(code)), None))],
    };
    let own = answer.refusals.iter().filter(|own| own.reason() == reason);
    let own: Vec<(&pb::Refusal, (StatusCode, Option<String>))> = own
        .map(|own| {
            let status = u16::try_from(own.status)
                .ok()
                .and_then(|status| StatusCode::from_u16(status).ok());
            let text = Some(own.detail.clone()).filter(|text| !text.is_empty());
            let (usual_status, usual_text) = usual[0].clone();
            (own, (status.unwrap_or(usual_status), text.or(usual_text)))
        })
        .collect();
    // Words about one key leave the usual ones to the others.
    let whole = own.iter().any(|(own, _)| own.key.is_empty());
    let usual = if whole { Vec::new() } else { usual };
    own.into_iter().map(|(_, said)| said).chain(usual).collect()
}

/// Whether own words are about what is wrong: all of it lies at their key, if they have one.
fn is_about(own: &Refusal, faults: &[Value]) -> bool {
    let Some(key) = &own.key else { return true };
    !faults.is_empty() && faults.iter().all(|fault| fault["loc"][1] == key.as_str())
}

/// A text with what path and body say in place of `{name}`.
fn filled(text: &str, asked: &Asked, heard: &Heard) -> String {
    let named = asked.named();
    let said = |name: &str| {
        let in_path = named
            .iter()
            .find(|(there, _)| *there == name)
            .map(|(_, value)| (*value).to_owned());
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        in_path.or_else(|| heard.said.get(name).map(text))
    };
    fill(text, said)
}

/// A text with a value in place of each `{name}`; what is put in is not looked at again.
fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut parts = text.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let put = part.split_once('}').and_then(|(name, rest)| Some(value(name)? + rest));
        match put {
            Some(put) => filled.push_str(&put),
            None => filled.extend(["{", part]),
        }
    }
    filled
}

/// What is wrong with the fields, each place once.
fn faults(answer: &Answer, asked: &Asked, heard: &Heard, details: &ErrorDetails) -> Vec<Value> {
    let mut faults: Vec<Value> = heard.faults.iter().map(wrong).collect();
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
    // What is no field stands for the faults.
    let said = |path: &str| heard.faults.is_empty() || !path.is_empty();
    for violation in violations
        .unwrap_or_default()
        .iter()
        .filter(|violation| said(&violation.field))
    {
        let fault = violated(answer, asked, heard, &violation.field, &violation.description);
        if !faults.iter().any(|there| there["loc"] == fault["loc"]) {
            faults.push(fault);
        }
    }
    faults
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

/// A rule that a field breaks. Its path is that of the request, or of the canonical request behind it, which has another
/// shape: then its last part says which.
fn violated(answer: &Answer, asked: &Asked, heard: &Heard, path: &str, text: &str) -> Value {
    let input = &asked.method.input;
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let place = match &answer.into {
        Some(into) if into.name() == first => steps(into, rest),
        Some(_) if path.is_empty() => Vec::new(),
        Some(into) if input.get_field_by_name(first).is_none() => steps(into, path.rsplit('.').next().unwrap_or(path)),
        _ => return beside(asked, first, path, text),
    };
    let said = Value::from(heard.said.clone());
    let input = place.iter().try_fold(&said, found);
    let mut error = match input {
        None => json!({ "type": "missing", "msg": "Field required" }),
        Some(_) => json!({ "type": "value_error", "msg": text }),
    };
    if !place.iter().any(is_secret) {
        error["input"] = json!(input);
    }
    error["loc"] = [vec![json!("body")], place].concat().into();
    error
}

/// A rule that a part of the path or a parameter breaks.
fn beside(asked: &Asked, first: &str, path: &str, text: &str) -> Value {
    let mut templates = asked.method.templates.iter();
    let in_path = templates.any(|template| template.names().any(|name| name == first));
    let named = asked.named().into_iter().find(|(name, _)| *name == first);
    let mut parameters = form_urlencoded::parse(asked.query.as_bytes());
    let said = match named {
        Some((_, said)) => Some(said.to_owned()),
        None => parameters.find(|(name, _)| name == path).map(|(_, said)| said.into_owned()),
    };
    let mut error = match said {
        None if !in_path => json!({ "type": "missing", "msg": "Field required" }),
        _ => json!({ "type": "value_error", "msg": text }),
    };
    let place = json!([if in_path { "path" } else { "query" }, path]);
    if !is_secret(&place[1]) {
        error["input"] = json!(said);
    }
    error["loc"] = place;
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
        if at.as_ref().and_then(bare_list).is_none() {
            steps.push(json!(field.as_ref().map_or(name, key)));
        }
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
fn too_many(details: &ErrorDetails, headers: &HeaderMap, now: Timestamp) -> Value {
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
    body.insert(
        "details".to_owned(),
        json!("Hay un límite de llamadas para que el servicio alcance a todos."),
    );
    body.insert("government_service".to_owned(), json!("GRUPO_GAD"));
    body.insert("citizen_support".to_owned(), json!("Si necesita ayuda, escriba al soporte."));
    body.insert("timestamp".to_owned(), json!(now.to_string()));
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_a_text_is_not_looked_at_again() {
        let value = |name: &str| match name {
            "a" => Some("{b}{b}".to_owned()),
            "b" => Some("{a}{a}".to_owned()),
            _ => None,
        };
        assert_eq!(fill("{a} of {b}: {c} {", value), "{b}{b} of {a}{a}: {c} {");
    }
}
