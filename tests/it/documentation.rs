//! The REST documentation: what it says is so, and a browser can read it.

use std::process::Command;

use gad::{config::Environment, openapi, pb};
use reqwest::{Method, Response, Url};
use serde_json::{Value, json};

use crate::{edge::Edge, world::World};

/// A value that fits a schema.
fn example(document: &Value, schema: &Value) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        return words.last().unwrap().clone();
    }
    if let Some(reference) = schema["$ref"].as_str() {
        return example(document, document.pointer(reference.trim_start_matches('#')).unwrap());
    }
    if let Some(first) = schema["examples"].get(0) {
        return first.clone();
    }
    match (schema["type"].as_str().unwrap(), schema["format"].as_str()) {
        ("object", _) => {
            let fields = schema["properties"].as_object().unwrap().iter();
            fields.map(|(name, field)| (name.clone(), example(document, field))).collect()
        }
        ("array", _) => json!([example(document, &schema["items"])]),
        ("boolean", _) => json!(true),
        ("integer" | "number", _) => json!(1),
        (_, Some("date-time")) => json!("2026-01-31T08:00:00Z"),
        (_, Some("int64")) => json!("999999"),
        _ => json!("text"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// One call for each query parameter and each field of a body that the document speaks of.
fn calls(document: &Value, edge: &Edge) -> Vec<(Method, Url, Option<Value>)> {
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            let verb: Method = verb.to_uppercase().parse().unwrap();
            let parameters = operation["parameters"].as_array().unwrap();
            let mut filled = path.clone();
            for parameter in parameters.iter().filter(|parameter| parameter["in"] == "path") {
                let name = parameter["name"].as_str().unwrap();
                // A number that nothing has, or a word that is known.
                let word = text(&example(document, &parameter["schema"]));
                let value = if word.parse::<i64>().is_ok() { "999998" } else { &word };
                filled = filled.replace(&format!("{{{name}}}"), value);
            }
            let url: Url = edge.url(&filled).parse().unwrap();
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let body = (!schema.is_null()).then(|| json!({}));
            calls.push((verb.clone(), url.clone(), body.clone()));
            for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
                let value = example(document, &parameter["schema"]);
                let value = value.get(0).unwrap_or(&value);
                let mut url = url.clone();
                url.query_pairs_mut()
                    .append_pair(parameter["name"].as_str().unwrap(), &text(value));
                calls.push((verb.clone(), url, body.clone()));
            }
            let whole = body.map(|_| example(document, schema));
            for (name, value) in whole.iter().flat_map(|whole| whole.as_object().unwrap()) {
                calls.push((verb.clone(), url.clone(), Some(json!({ name: value }))));
            }
        }
    }
    calls
}

/// Whether the edge had something to say against it, before the server saw it.
async fn complaint(answer: Response) -> Option<String> {
    if answer.status() == 200 {
        return None;
    }
    let said: Value = answer.json().await.unwrap();
    let by_server = said["details"].as_array().is_some_and(|details| !details.is_empty());
    (!by_server).then(|| said["message"].to_string())
}

#[tokio::test]
async fn whatever_the_document_names_is_known_at_the_edge() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let administrator = world.administrator().await;
    let document: Value = serde_json::from_str(&openapi::document()).unwrap();
    let http = reqwest::Client::new();
    let calls = calls(&document, &edge);
    assert!(calls.len() > 200, "{}", calls.len());
    let mut wrong = Vec::new();
    for (verb, url, body) in calls {
        let mut request = http.request(verb.clone(), url.clone()).bearer_auth(&administrator.token);
        if let Some(body) = &body {
            request = request.json(body);
        }
        if let Some(complaint) = complaint(request.send().await.unwrap()).await {
            wrong.push(format!("{verb} {url} {}: {complaint}", body.unwrap_or_default()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere_and_is_not_there_in_production() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    for (path, kind) in [
        ("/openapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/page.js", "text/javascript; charset=utf-8"),
        ("/docs/page.css", "text/css; charset=utf-8"),
    ] {
        let answer = reqwest::get(edge.url(path)).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
            (200, kind)
        );
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(
            policy.contains("default-src 'self'") && !policy.contains("unsafe"),
            "{policy}"
        );
        let text = answer.text().await.unwrap();
        for elsewhere in ["http://", "https://", "style=", "<style", "<script>"] {
            assert!(!text.contains(elsewhere), "{path}: {elsewhere}");
        }
    }
    let production = World::with(|settings| settings.environment = Environment::Production).await;
    let edge = Edge::before(&[production.replica.address]).await;
    for path in ["/docs", "/docs/page.js", "/openapi.json"] {
        assert_eq!(reqwest::get(edge.url(path)).await.unwrap().status(), 404, "{path}");
    }
    let supervisor = production.supervisor().await;
    let me = supervisor.auth().get_me(pb::GetMeRequest {}).await.unwrap();
    assert_eq!(me.into_inner().id, supervisor.id);
}

fn chromium() -> Command {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    Command::new(
        names
            .into_iter()
            .find(there)
            .expect("Chromium is there: scripts/install.sh test"),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_shows_every_operation_with_a_call_to_copy() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let profile = tempfile::tempdir().unwrap();
    let output = chromium()
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(edge.url("/docs#TaskService_CreateTask"))
        .output()
        .unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    let document: Value = serde_json::from_str(&openapi::document()).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    for operation in items.flat_map(|item| item.as_object().unwrap().values()) {
        let id = operation["operationId"].as_str().unwrap();
        let (_, shown) = page
            .split_once(&format!("id=\"{id}\""))
            .unwrap_or_else(|| panic!("{id} is not shown"));
        let shown = shown.split("</details>").next().unwrap();
        assert!(shown.contains("<pre>curl "), "{id}");
    }
    assert!(
        page.contains("id=\"TaskService_CreateTask\" open"),
        "the one asked for is open"
    );
}
