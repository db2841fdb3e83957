//! One RPC as a REST operation.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Value, json};

use super::{rules, schema, schema::Schemas};
use crate::{
    descriptor::{self, Access, Route, Rule},
    domain::access::Level,
    pb::{ErrorReason, RateClass},
};

/// An operation with the path and the method it stands under.
#[derive(Debug)]
pub struct Operation {
    /// Path with the names of its parameters.
    pub path: String,
    /// HTTP method, lower case.
    pub verb: String,
    /// The operation object.
    pub value: Value,
}

/// The operation of an RPC under one of its routes.
pub fn of(pool: &DescriptorPool, method: &MethodDescriptor, route: &Route, rule: &Rule, schemas: &mut Schemas) -> Operation {
    let (path, bound) = names(&route.path);
    let text = descriptor::comment(&method.parent_file(), method.path());
    let service = method.parent_service().name().to_owned();
    let mut value = json!({
        "operationId": format!("{service}_{}", method.name()),
        "tags": [service],
        "summary": summary(&text),
        "description": text,
        "x-gad-level": level(rule),
        "x-gad-rate": rate(rule.rate),
        "x-gad-audited": rule.audited,
        "x-gad-rpc": descriptor::path(method),
        "parameters": parameters(&method.input(), &bound, &route.body, schemas),
        "responses": responses(pool, method, rule, schemas),
    });
    if rule.access == Access::Public {
        value["security"] = json!([]);
    } else {
        value["x-gad-permission"] = json!(rule.permission);
    }
    if method.is_server_streaming() {
        value["x-gad-streaming"] = json!("server");
    }
    if let Some(body) = body(&method.input(), &bound, &route.body, schemas) {
        value["requestBody"] = body;
    }
    Operation {
        path,
        verb: route.verb.to_ascii_lowercase(),
        value,
    }
}

/// First sentence of a comment.
pub fn summary(text: &str) -> String {
    let flat = text.replace('\n', " ");
    let end = flat.find(". ").unwrap_or(flat.len());
    flat[..end].trim_end_matches('.').to_owned()
}

fn level(rule: &Rule) -> &'static str {
    match rule.access {
        Access::Public => "public",
        Access::Service(_) => "service",
        Access::Least(Level::Agent) => "agent",
        Access::Least(Level::Supervisor) => "supervisor",
        Access::Least(Level::Administrator) => "administrator",
    }
}

fn rate(class: RateClass) -> String {
    class.as_str_name().trim_start_matches("RATE_CLASS_").to_ascii_lowercase()
}

/// A path with the last parts of its fields as names, and the fields: `/v1/tasks/{task.id}` binds `task.id` as `id`.
fn names(template: &str) -> (String, Vec<String>) {
    let mut path = String::new();
    let mut fields = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, after) = after.split_once('}').unwrap_or((after, ""));
        let field = inside.split('=').next().unwrap_or(inside);
        path += &format!("{before}{{{}}}", last(field));
        fields.push(field.to_owned());
        rest = after;
    }
    (path + rest, fields)
}

fn last(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field)
}

/// Path parameters, then what neither path nor body fills, as query parameters.
fn parameters(input: &MessageDescriptor, bound: &[String], body: &str, schemas: &mut Schemas) -> Value {
    let mut list: Vec<Value> = bound
        .iter()
        .filter_map(|name| Some(parameter(&find(input, name)?, last(name), "path", true, schemas)))
        .collect();
    if body != "*" {
        for field in input.fields().filter(|field| field.name() != body) {
            query(&field, "", true, bound, schemas, &mut list);
        }
    }
    Value::Array(list)
}

/// The leaves of a field as query parameters; lists of messages have no such form.
fn query(field: &FieldDescriptor, prefix: &str, needed: bool, bound: &[String], schemas: &mut Schemas, list: &mut Vec<Value>) {
    let name = format!("{prefix}{}", field.name());
    if bound.contains(&name) {
        return;
    }
    let needed = needed && rules::is_required(field);
    match field.kind() {
        Kind::Message(message) if schema::known(message.full_name()).is_none() => {
            let deep = prefix.matches('.').count() > 4;
            if field.is_list() || deep {
                return;
            }
            // A place needs both its numbers, though 0 is a number.
            let place = needed && message.fields().all(|field| matches!(field.kind(), Kind::Double));
            for inner in message.fields() {
                if place {
                    list.push(parameter(&inner, &format!("{name}.{}", inner.name()), "query", true, schemas));
                } else {
                    query(&inner, &format!("{name}."), needed, bound, schemas, list);
                }
            }
        }
        _ => list.push(parameter(field, &name, "query", needed, schemas)),
    }
}

/// A field as a parameter.
pub fn parameter(field: &FieldDescriptor, name: &str, place: &str, required: bool, schemas: &mut Schemas) -> Value {
    json!({
        "name": name,
        "in": place,
        "required": required,
        "description": schema::described(field),
        "schema": schemas.field(field),
    })
}

fn find(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    match path.split_once('.') {
        None => message.get_field_by_name(path),
        Some((first, rest)) => find(message.get_field_by_name(first)?.kind().as_message()?, rest),
    }
}

fn body(input: &MessageDescriptor, bound: &[String], body: &str, schemas: &mut Schemas) -> Option<Value> {
    let (schema, required) = match body {
        "" => return None,
        "*" => {
            let bound: Vec<&str> = bound.iter().map(String::as_str).collect();
            let schema = schemas.object(input, &bound);
            let required = !schema["required"].is_null();
            (schema, required)
        }
        name => {
            let field = find(input, name)?;
            // What the path says is not said again.
            let inner = |path: &'_ String| Some(path.strip_prefix(name)?.strip_prefix('.')?.to_owned());
            let said: Vec<String> = bound.iter().filter_map(inner).collect();
            let said: Vec<&str> = said.iter().map(String::as_str).collect();
            let schema = match field.kind() {
                Kind::Message(message) if !said.is_empty() => schemas.object(&message, &said),
                _ => schemas.field(&field),
            };
            (schema, rules::is_required(&field))
        }
    };
    Some(json!({ "required": required, "content": { "application/json": { "schema": schema } } }))
}

fn responses(pool: &DescriptorPool, method: &MethodDescriptor, rule: &Rule, schemas: &mut Schemas) -> Value {
    let mut good = answer(method, schemas);
    if method.input().get_field_by_name("request_id").is_some() {
        good["headers"] = json!({ "idempotent-replayed": { "$ref": "#/components/headers/IdempotentReplayed" } });
    }
    let mut all = BTreeMap::from([("200".to_owned(), good)]);
    for (status, reasons) in refusals(pool, method, rule) {
        let lines = reasons.iter().map(|(reason, comment)| format!("- `{reason}`: {comment}"));
        let names: Vec<&str> = reasons.iter().map(|(reason, _)| reason.as_str()).collect();
        let refusal = json!({
            "description": lines.collect::<Vec<_>>().join("\n"),
            "x-gad-reasons": names,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Status" } } },
        });
        all.insert(status.to_string(), refusal);
    }
    for (status, name) in [(429, "TooMany"), (500, "Internal"), (503, "Unavailable"), (504, "Deadline")] {
        let shared = json!({ "$ref": format!("#/components/responses/{name}") });
        all.insert(status.to_string(), shared);
    }
    Value::Object(all.into_iter().collect())
}

/// What an RPC answers when it does not refuse.
fn answer(method: &MethodDescriptor, schemas: &mut Schemas) -> Value {
    let output = method.output();
    if output.full_name() == "google.api.HttpBody" {
        return json!({
            "description": "A file, sent in pieces as it is read.",
            "content": { "*/*": { "schema": { "type": "string" } } },
        });
    }
    let mut schema = schemas.message(&output);
    let mut text = descriptor::comment(&output.parent_file(), output.path());
    if method.is_server_streaming() {
        schema = json!({ "type": "array", "items": schema });
        text += "\n\nA stream: one array that grows while the connection is open; each element is sent as it happens.";
    }
    json!({ "description": text, "content": { "application/json": { "schema": schema } } })
}

/// What an RPC may refuse for, by HTTP status: reason and comment.
fn refusals(pool: &DescriptorPool, method: &MethodDescriptor, rule: &Rule) -> BTreeMap<u16, Vec<(String, String)>> {
    let mut reasons = rule.reasons.clone();
    if rule.access != Access::Public {
        reasons.extend([ErrorReason::SignedOut, ErrorReason::Forbidden]);
    }
    if method.input().fields().len() > 0 {
        reasons.push(ErrorReason::InvalidField);
    }
    let mut by_status: BTreeMap<u16, Vec<(String, String)>> = BTreeMap::new();
    for reason in reasons {
        let (text, code) = explained(pool, reason);
        let name = crate::error::reason_name(reason).to_owned();
        by_status.entry(http(&code)).or_default().push((name, text));
    }
    by_status
}

/// The comment of a reason, and the gRPC code that it ends with.
pub fn explained(pool: &DescriptorPool, reason: ErrorReason) -> (String, String) {
    let value = pool
        .get_enum_by_name("gad.v1.ErrorReason")
        .and_then(|kind| kind.get_value(reason as i32));
    let comment = value.map_or_else(String::new, |value| {
        descriptor::comment(&value.parent_enum().parent_file(), value.path()).replace('\n', " ")
    });
    let code = comment
        .trim_end_matches('.')
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .to_owned();
    (comment, code)
}

/// HTTP status of a gRPC code, as Envoy's transcoder has it.
fn http(code: &str) -> u16 {
    match code {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "ALREADY_EXISTS" | "ABORTED" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        "UNIMPLEMENTED" => 501,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        _ => 500,
    }
}
