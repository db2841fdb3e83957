//! OpenAPI of the older products' REST, from the same descriptors.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DescriptorPool, MethodDescriptor};
use serde_json::{Map, Value, json};

use super::{operation, schema::Schemas, services};
use crate::{
    descriptor::{self, Access, Route},
    layer::legacy,
    pb::{
        ErrorReason, RateClass,
        legacy::{Answer, Form},
    },
};

const ABOUT: &str = "\
Paths of the older products, with their keys, codes and words. Unknown query parameters are ignored, a slash at the end \
does not matter. New clients use `/v1`.";

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The document, the same each time.
pub fn document() -> String {
    let pool = descriptor::pool();
    let mut schemas = Schemas::of_older();
    let mut paths: Map<String, Value> = Map::new();
    let mut tags = Vec::new();
    for service in services(&pool, descriptor::is_legacy) {
        let text = descriptor::comment(&service.parent_file(), service.path());
        tags.push(json!({ "name": service.name(), "description": text }));
        for method in service.methods() {
            let routes = descriptor::routes(&pool, &method);
            // The rest of a path is the same parameter as its next part: OpenAPI has no words for slashes in it.
            let named = routes.iter().filter(|route| !route.path.contains("=**"));
            for (number, route) in named.enumerate() {
                let path = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
                path[route.verb.to_ascii_lowercase()] = operation(&pool, &method, route, number, &mut schemas);
            }
        }
    }
    let mut schemas = schemas.into_value();
    schemas["Refusal"] = json!({
        "type": "object",
        "required": ["detail"],
        "properties": {
            "detail": { "description": "A text; or what is wrong with each field, where `errors` does not say it." },
            "errors": { "type": "array", "items": { "type": "object" }, "description": "What is wrong with each field: `type`, `loc`, `msg`." },
        },
    });
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": "GAD: paths of the older products", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT },
        "servers": [{ "url": "/" }],
        "security": [{ "bearerAuth": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "bearerAuth": { "type": "http", "scheme": "bearer" } },
        },
    });
    format!("{document:#}\n")
}

fn operation(pool: &DescriptorPool, method: &MethodDescriptor, route: &Route, number: usize, schemas: &mut Schemas) -> Value {
    let text = descriptor::comment(&method.parent_file(), method.path());
    let service = method.parent_service().name().to_owned();
    let answers = descriptor::answers(pool, method);
    let more = if number == 0 { String::new() } else { format!("_{number}") };
    let mut value = json!({
        "operationId": format!("{service}_{}{more}", method.name()),
        "tags": [service],
        "summary": operation::summary(&text),
        "description": text,
        "x-gad-rpc": descriptor::path(method),
        "parameters": parameters(method, route, &answers, schemas),
        "responses": responses(pool, method, &answers, schemas),
    });
    if descriptor::rule(pool, method).is_some_and(|rule| rule.access == Access::Public) {
        value["security"] = json!([]);
    }
    if !route.body.is_empty() {
        value["requestBody"] = json!({ "content": bodies(method, &answers, schemas) });
    }
    value
}

/// All fields that no body fills.
fn parameters(method: &MethodDescriptor, route: &Route, answers: &[Answer], schemas: &mut Schemas) -> Value {
    let input = method.input();
    let of_body = |name: &str| name == route.body || answers.iter().any(|answer| answer.into == name);
    let fields = input.fields().filter(|field| !of_body(field.name()));
    let list = fields.map(|field| {
        let in_path = route.path.contains(&format!("{{{}}}", field.name()));
        operation::parameter(&field, field.name(), if in_path { "path" } else { "query" }, in_path, schemas)
    });
    Value::Array(list.collect())
}

/// What a body may be, by how it is written.
fn bodies(method: &MethodDescriptor, answers: &[Answer], schemas: &mut Schemas) -> Value {
    let mut kinds: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for answer in answers {
        let written = match answer.when.as_ref().map(|when| when.form()).unwrap_or_default() {
            Form::Json => &[JSON][..],
            Form::Urlencoded => &[FORM],
            Form::Unspecified => &[FORM, JSON],
        };
        for kind in written {
            kinds.entry(kind).or_default().insert(answer.into.clone());
        }
    }
    // A form for all is only where a form is told apart.
    if answers
        .iter()
        .all(|answer| answer.when.as_ref().is_none_or(|when| when.form() == Form::Unspecified))
    {
        kinds.remove(FORM);
    }
    let input = method.input();
    let mut content = Map::new();
    for (kind, fields) in kinds {
        let fields = fields.iter().filter_map(|name| input.get_field_by_name(name));
        let choices = fields.map(|field| schemas.field(&field)).collect();
        content.insert(kind.to_owned(), json!({ "schema": any_of(choices) }));
    }
    Value::Object(content)
}

fn responses(pool: &DescriptorPool, method: &MethodDescriptor, answers: &[Answer], schemas: &mut Schemas) -> Value {
    let output = method.output();
    if output.full_name() == "google.api.HttpBody" {
        let file = json!({
            "description": "A file, sent in pieces as it is read.",
            "content": { JSON: { "schema": { "type": "object" } } },
        });
        return with_refusals(Map::from_iter([("200".to_owned(), file)]), pool, method, answers);
    }
    let mut good: BTreeMap<i32, Vec<Value>> = BTreeMap::new();
    for answer in answers {
        let status = if answer.status == 0 { 200 } else { answer.status };
        let schema = match output.get_field_by_name(&answer.only) {
            Some(field) => schemas.field(&field),
            None => schemas.message(&output),
        };
        let choices = good.entry(status).or_default();
        if !choices.contains(&schema) {
            choices.push(schema);
        }
    }
    let text = descriptor::comment(&output.parent_file(), output.path());
    let mut all: Map<String, Value> = Map::new();
    for (status, choices) in good {
        let mut answer = json!({ "description": text });
        if status != 204 {
            answer["content"] = json!({ JSON: { "schema": any_of(choices) } });
        }
        all.insert(status.to_string(), answer);
    }
    with_refusals(all, pool, method, answers)
}

/// The same, with the refusals by their statuses; `default` is what any path may be refused for by the state that the server
/// is in.
fn with_refusals(mut all: Map<String, Value>, pool: &DescriptorPool, method: &MethodDescriptor, answers: &[Answer]) -> Value {
    let content = json!({ JSON: { "schema": { "$ref": "#/components/schemas/Refusal" } } });
    for (status, texts) in refusals(pool, method, answers) {
        let names: BTreeSet<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
        let lines: Vec<String> = texts.iter().map(|(name, text)| format!("- `{name}`: {text}")).collect();
        let refusal = json!({ "description": lines.join("\n"), "x-gad-reasons": names, "content": content });
        all.insert(status.to_string(), refusal);
    }
    let others = "The server has no room or no time for it, a part of it is away, or it failed.";
    all.insert("default".to_owned(), json!({ "description": others, "content": content }));
    Value::Object(all)
}

/// What is refused, by status: the reason, and what is said.
fn refusals(pool: &DescriptorPool, method: &MethodDescriptor, answers: &[Answer]) -> BTreeMap<u16, BTreeSet<(String, String)>> {
    let Some(rule) = descriptor::rule(pool, method) else {
        return BTreeMap::new();
    };
    let mut reasons = rule.reasons.clone();
    match rule.access {
        Access::Public => {}
        Access::Least(_) => reasons.extend([ErrorReason::SignedOut, ErrorReason::Forbidden]),
        Access::Service(_) => reasons.push(ErrorReason::SignedOut),
    }
    if method.input().fields().len() > 0 {
        reasons.push(ErrorReason::InvalidField);
    }
    if rule.access != Access::Public && rule.rate != RateClass::Read {
        reasons.push(ErrorReason::Csrf);
    }
    let mut by_status: BTreeMap<u16, BTreeSet<(String, String)>> = BTreeMap::new();
    let all = answers.iter().flat_map(|answer| {
        let own = answer.refusals.iter().map(|own| own.reason());
        let all: BTreeSet<ErrorReason> = own.chain(reasons.iter().copied()).collect();
        all.into_iter().map(move |reason| (answer, reason))
    });
    for (answer, reason) in all {
        let (comment, code) = operation::explained(pool, reason);
        for (status, text) in legacy::said(answer, reason, &code) {
            let text = text.unwrap_or_else(|| comment.clone());
            let name = crate::error::reason_name(reason).to_owned();
            by_status.entry(status.as_u16()).or_default().insert((name, text));
        }
    }
    by_status
}

fn any_of(mut choices: Vec<Value>) -> Value {
    if choices.len() == 1 {
        choices.remove(0)
    } else {
        json!({ "anyOf": choices })
    }
}
