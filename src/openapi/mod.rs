//! OpenAPI 3.1 of the canonical REST, from the descriptors; and a page that shows it.

mod older;
mod operation;
mod rules;
mod schema;

pub use older::document as older_document;

use axum::{
    Router,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Redirect},
    routing::{MethodRouter, get},
};
use prost_reflect::{DescriptorPool, ServiceDescriptor};
use serde_json::{Map, Value, json};

use crate::descriptor;

const ABOUT: &str = "\
REST over the same services that speak gRPC and gRPC-web on this address.

Numbers of 64 bits are strings in answers; requests may send either. Fields that were not set are left out if they \
are optional or messages, and are empty, zero or false otherwise. Errors are a `google.rpc.Status`; the reason is in \
its `google.rpc.ErrorInfo`. Send `accept-language: en` for messages in English.";

/// Where the older products' clients find the description of their paths.
pub const OLDER: &str = "/api/v1/openapi.json";

/// `/openapi.json` and `/docs`, and the older products' `/api/v1/openapi.json`.
pub fn routes() -> Router {
    Router::new()
        .route("/openapi.json", file("application/json", document()))
        .route(OLDER, file("application/json", older::document()))
        .route("/docs", file("text/html; charset=utf-8", include_str!("page/index.html")))
        .route("/docs/", get(async || Redirect::permanent("/docs")))
        .route("/redoc", get(async || Redirect::temporary("/docs")))
        .route(
            "/docs/page.js",
            file("text/javascript; charset=utf-8", include_str!("page/page.js")),
        )
        .route(
            "/docs/page.css",
            file("text/css; charset=utf-8", include_str!("page/page.css")),
        )
}

fn file(kind: &'static str, text: impl Into<bytes::Bytes>) -> MethodRouter {
    let text = text.into();
    get(async move || ([(CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response())
}

/// The document, the same each time.
pub fn document() -> String {
    let pool = descriptor::pool();
    let mut schemas = schema::Schemas::default();
    let mut paths: Map<String, Value> = Map::new();
    let mut tags = Vec::new();
    for service in services(&pool, |name| !descriptor::is_legacy(name)) {
        let text = descriptor::comment(&service.parent_file(), service.path());
        tags.push(json!({ "name": service.name(), "description": text }));
        for method in service.methods() {
            let Some(rule) = descriptor::rule(&pool, &method) else {
                continue;
            };
            for route in descriptor::routes(&pool, &method) {
                let operation = operation::of(&pool, &method, &route, &rule, &mut schemas);
                let path = paths.entry(operation.path).or_insert_with(|| json!({}));
                path[operation.verb] = operation.value;
            }
        }
    }
    let mut components = components();
    components["schemas"] = schemas.into_value();
    components["schemas"]["Status"] = status();
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": "GAD", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT, "license": { "name": "MIT", "identifier": "MIT" } },
        "servers": [{ "url": "/" }],
        "security": [{ "bearerAuth": [] }],
        "tags": tags,
        "paths": paths,
        "components": components,
    });
    format!("{document:#}\n")
}

fn services(pool: &DescriptorPool, wanted: impl Fn(&str) -> bool) -> Vec<ServiceDescriptor> {
    let names = descriptor::services(pool).into_iter();
    let names: Vec<String> = names.filter(|name| wanted(name)).collect();
    names.iter().filter_map(|name| pool.get_service_by_name(name)).collect()
}

/// What operations share.
fn components() -> Value {
    let refusal = |text: &str, reasons: &[&str]| {
        json!({
            "description": text,
            "x-gad-reasons": reasons,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Status" } } },
        })
    };
    let mut too_many = refusal("Too many calls; `retry-after` says when to come back.", &["RATE_LIMITED"]);
    too_many["headers"] = json!({ "retry-after": { "schema": { "type": "integer" }, "description": "Seconds to wait." } });
    json!({
        "securitySchemes": {
            "bearerAuth": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "The access token that `POST /v1/auth:login` gives.",
            },
        },
        "headers": {
            "IdempotentReplayed": {
                "description": "`true` if this is the answer that the same request id got before.",
                "schema": { "type": "string", "enum": ["true"] },
            },
        },
        "responses": {
            "TooMany": too_many,
            "Internal": refusal("Our fault; the cause is in the server's log under `x-request-id`.", &["INTERNAL"]),
            "Unavailable": refusal("The server is full, or the database does not answer; try again.", &["OVERLOADED", "DEPENDENCY_DOWN"]),
            "Deadline": refusal("The deadline passed.", &["DEADLINE"]),
        },
    })
}

/// `google.rpc.Status`, as Envoy writes it.
fn status() -> Value {
    json!({
        "type": "object",
        "description": "An error: `google.rpc.Status`.",
        "required": ["code", "message"],
        "properties": {
            "code": { "type": "integer", "format": "int32", "description": "gRPC status code." },
            "message": { "type": "string", "description": "For developers, in English." },
            "details": {
                "type": "array",
                "description": "`google.rpc.ErrorInfo` with the reason, `LocalizedMessage` for people, `BadRequest` with the fields that are wrong, `RetryInfo` where waiting helps.",
                "items": {
                    "type": "object",
                    "required": ["@type"],
                    "properties": {
                        "@type": { "type": "string", "examples": ["type.googleapis.com/google.rpc.ErrorInfo"] },
                        "reason": { "type": "string", "examples": ["TASK_NOT_FOUND"] },
                        "domain": { "type": "string", "const": "gad" },
                        "locale": { "type": "string" },
                        "message": { "type": "string" },
                        "retry_delay": { "type": "string" },
                        "field_violations": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {
                                    "field": { "type": "string", "examples": ["task.title"] },
                                    "description": { "type": "string" },
                                },
                            },
                        },
                    },
                },
            },
        },
    })
}
