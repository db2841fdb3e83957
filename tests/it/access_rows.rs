//! The requests of the access matrix: those of the good rows of `matrix`, others where a row asks for too much at once, and
//! more where a request can name something of others in another way.

use gad::{config::DEMO_PASSWORD, descriptor};
use prost_reflect::MethodDescriptor;
use serde_json::{Value, json};

use crate::{
    access_older,
    access_stock::kinds,
    matrix_rows::rows,
    stage::{Who, collect},
};

/// A request of an RPC.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The request; `$name` is made by [`crate::access_stock::Stock::fill`].
    pub request: Value,
    /// Where the answer has what was asked for; empty: everywhere.
    pub shows: &'static str,
    /// What it is about, where the RPC does several things.
    pub about: &'static str,
    /// What it names, and no request before it.
    pub slots: Vec<Slot>,
    /// Whether the caller must have a second factor.
    pub guarded: bool,
}

impl Asked {
    /// A request that is about one thing.
    pub fn of(request: Value, shows: &'static str) -> Self {
        Self {
            slots: slots(&request),
            request,
            shows,
            about: "",
            guarded: false,
        }
    }
}

/// What a request names that may be somebody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The name.
    pub name: String,
    /// The field, as the table has it.
    pub field: String,
}

/// All requests of an RPC; none: it was forgotten.
pub fn requests(method: &MethodDescriptor) -> Vec<Asked> {
    if descriptor::is_legacy(method.parent_service().full_name()) {
        return access_older::requests(method);
    }
    let of = |(rpc, shows, request): (&str, &'static str, Value)| (rpc == method.name()).then(|| Asked::of(request, shows));
    let mut all: Vec<Asked> = instead().into_iter().filter_map(of).collect();
    if all.is_empty() {
        let rows = rows();
        let good = rows.iter().find(|row| row.rpc == method.name() && row.reason.is_empty());
        all.extend(good.map(|row| Asked {
            guarded: row.who == Who::Guarded,
            ..Asked::of(row.request.clone(), "")
        }));
    }
    for mut asked in besides().into_iter().filter_map(of) {
        let known = |slot: &Slot| {
            all.iter()
                .any(|other| other.slots.iter().any(|known| known.field == slot.field))
        };
        asked.slots.retain(|slot| !known(slot));
        all.push(asked);
    }
    all
}

fn slots(request: &Value) -> Vec<Slot> {
    let mut names = Vec::new();
    collect(request, &mut names);
    names.retain(|name| !kinds(name).is_empty());
    names.dedup();
    let slot = |name: String| Slot {
        field: field(request, &name).unwrap(),
        name,
    };
    names.into_iter().map(slot).collect()
}

/// The path of the field with this value.
fn field(value: &Value, wanted: &str) -> Option<String> {
    match value {
        Value::String(text) => (text == wanted).then(String::new),
        Value::Array(items) => items.iter().find_map(|item| field(item, wanted)),
        Value::Object(fields) => fields.iter().find_map(|(name, inner)| {
            let rest = field(inner, wanted)?;
            Some(if rest.is_empty() {
                name.clone()
            } else {
                format!("{name}.{rest}")
            })
        }),
        _ => None,
    }
}

type Request = (&'static str, &'static str, Value);

fn fix() -> Value {
    let place = json!({ "latitude": 4.65, "longitude": -74.07 });
    json!({ "agent_id": "$agent", "location": place, "fix_time": "$now", "accuracy_meters": 4.5 })
}

fn task() -> Value {
    let place = json!({ "latitude": 4.65, "longitude": -74.07 });
    json!({ "title": "Patrullar", "kind": "TASK_KIND_PATROL", "location": place })
}

/// Where the good row names too much, or changes what it asks with.
fn instead() -> Vec<Request> {
    let near = json!({ "latitude": 4.65, "longitude": -74.07 });
    let city = json!({ "south": 4, "west": -75, "north": 5, "east": -73 });
    let register =
        json!({ "email": "$email", "username": "$username", "password": "tres tristes tigres", "display_name": "Rosa" });
    vec![
        ("BatchGetTasks", "", json!({ "ids": ["$task"] })),
        ("ListTasks", "/tasks", json!({ "filter": { "text": "$word" } })),
        ("ListAgents", "/agents", json!({ "filter": { "units": ["$unit"] } })),
        ("ReportPositions", "/accepted_count", json!({ "positions": [fix()] })),
        ("StreamPositions", "/accepted_count", json!([{ "positions": [fix()] }])),
        (
            "ListNearby",
            "/agents",
            json!({ "location": near, "radius_meters": 50000, "units": ["$unit"] }),
        ),
        (
            "Watch",
            "/0/snapshot_row",
            json!({ "include_snapshot": true, "filter": { "nouns": ["NOUN_TASK"], "task_ids": ["$task"] } }),
        ),
        (
            "MapView",
            "/agents",
            json!({ "box": city, "layers": ["MAP_LAYER_AGENTS"], "units": ["$unit"] }),
        ),
        ("Dispatch", "", json!({ "task_id": "$assigned" })),
        ("ExportTasks", "/id", json!({ "filter": { "text": "$word" } })),
        ("ExportAgents", "/id", json!({ "filter": { "units": ["$unit"] } })),
        (
            "BatchChangeTasks",
            "/results/0/task",
            json!({ "tasks": [{ "id": "$assigned" }], "action": "TASK_ACTION_START" }),
        ),
        (
            "Push",
            "/results/0/task",
            json!({ "mutations": [{ "request_id": "$code", "task_step": { "id": "$assigned", "action": "TASK_ACTION_START" } }] }),
        ),
        ("RaiseEmergency", "", json!({ "description": "Robo" })),
        ("BatchGetUsers", "/users", json!({ "ids": ["$user"] })),
        ("ListUsers", "/users", json!({ "filter": { "text": "$person" } })),
        ("Login", "", json!({ "email": "$their_email", "password": DEMO_PASSWORD })),
        ("Register", "", register),
        ("ConfirmTotp", "", json!({ "code": "$code_of_app" })),
    ]
}

/// Other ways to name something of others.
fn besides() -> Vec<Request> {
    let mut delegated = task();
    delegated["delegate_user_id"] = json!("$user");
    let token = json!({ "display_name": "Guion", "scopes": ["task.read"], "user_id": "$user" });
    vec![
        ("CreateTask", "", json!({ "task": delegated })),
        ("RaiseEmergency", "", json!({ "reporter_user_id": "$user" })),
        (
            "UpdateTask",
            "",
            json!({ "task": { "id": "$task", "delegate_user_id": "$user" } }),
        ),
        ("ListTasks", "/tasks", json!({ "filter": { "agent_ids": ["$busy"] } })),
        ("UnassignTask", "", json!({ "id": "$task", "agent_id": "$agent" })),
        (
            "Push",
            "/results/0/comment",
            json!({ "mutations": [{ "request_id": "$code", "comment": { "task_id": "$task", "text": "Hola" } }] }),
        ),
        (
            "Watch",
            "/0/snapshot_row",
            json!({ "include_snapshot": true, "filter": { "nouns": ["NOUN_AGENT"], "agent_ids": ["$agent"] } }),
        ),
        ("CreateApiToken", "", json!({ "api_token": token })),
        ("ListApiTokens", "/api_tokens", json!({ "user_id": "$holder" })),
    ]
}
