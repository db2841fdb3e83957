//! The rows of the matrix: one good call of each RPC, and one bad one of each reason that it declares.
//!
//! Rows that follow from the good one (no token, too low a level, an old etag, a used request id) are made by the matrix.

use gad::{rpc::event::Cursor, store::outbox::Position};
use serde_json::{Value, json};

use crate::{
    auth_rows,
    matrix::{Repeated, Row},
    stage::Who::{self, Administrator, Agent, Bridge, Supervisor},
};

/// RPCs open to agents that may still refuse one for what it asks for.
pub const BY_OBJECT: &[&str] = &[
    "CheckIn",
    "UpdateComment",
    "DeleteComment",
    "DeleteAttachment",
    "UpdateChecklistItem",
    "BatchChangeTasks",
    "ExportTasks",
    "ExportAgents",
    "RaiseEmergency",
    "SeeEmergency",
    "AcknowledgeEmergency",
    "ArriveAtEmergency",
    "SetUserPassword",
    "ListTasks",
    "ListAgents",
    "StartTask",
    "PauseTask",
    "ResumeTask",
    "FinishTask",
    "CancelTask",
    "CreateApiToken",
    "ListApiTokens",
];

/// A number that nothing has.
pub const NOTHING: i64 = 999_999;

/// All rows.
pub fn rows() -> Vec<Row> {
    [
        auth_rows::rows(),
        edge(),
        reading(),
        writing(),
        steps(),
        assigning(),
        agents(),
        fixes(),
        events(),
        crate::matrix_people::rows(),
        crate::matrix_privacy::rows(),
        audits(),
        crate::matrix_field::rows(),
        crate::matrix_socket::rows(),
        crate::matrix_bulk::rows(),
        crate::matrix_geo::rows(),
        crate::matrix_details::rows(),
        crate::matrix_notify::rows(),
    ]
    .concat()
}

/// A call and the reason that it is refused for.
pub fn row(rpc: &'static str, reason: &'static str, who: Who, request: Value) -> Row {
    Row {
        rpc,
        reason,
        who,
        request,
        repeated: Repeated::No,
    }
}

/// A call that is answered.
pub fn good(rpc: &'static str, who: Who, request: Value) -> Row {
    row(rpc, "", who, request)
}

fn audits() -> Vec<Row> {
    // Of a time when there was nothing: what was written down since differs from door to door.
    let nothing = json!({ "end_time": "2020-01-01T00:00:00Z", "outcomes": ["OK"], "address": "192.0.2.0/24" });
    let wrong = json!({ "filter": { "method": "no method" } });
    vec![
        good("ListAuditEntries", Administrator, json!({ "filter": nothing })),
        row(
            "ListAuditEntries",
            "INVALID_PAGE_TOKEN",
            Administrator,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListAuditEntries", "INVALID_FIELD", Administrator, wrong.clone()),
        good(
            "ExportAuditEntries",
            Administrator,
            json!({ "filter": nothing, "format": "AUDIT_FORMAT_JSONL" }),
        ),
        row("ExportAuditEntries", "INVALID_FIELD", Administrator, wrong),
    ]
}

fn edge() -> Vec<Row> {
    vec![
        good("AdmitHandshake", Bridge, json!({ "address": "203.0.113.7" })),
        good("WatchRevocations", Bridge, json!({})),
        row("AdmitHandshake", "INVALID_FIELD", Bridge, json!({ "address": "here" })),
    ]
}

fn reading() -> Vec<Row> {
    let page = json!({
        "page_size": 2,
        "order_by": "planned_start_time desc",
        "filter": {
            "states": ["TASK_STATE_SCHEDULED", "TASK_STATE_PAUSED"],
            "kinds": ["TASK_KIND_PATROL"],
            "planned_from_time": "2020-01-01T00:00:00Z",
            "box": { "south": 4, "west": -75, "north": 5.5, "east": -73.5 },
            "text": "parque patrullar",
        },
    });
    vec![
        good("GetTask", Agent, json!({ "id": "$mine" })),
        row("GetTask", "TASK_NOT_FOUND", Agent, json!({ "id": "$task" })),
        row("GetTask", "INVALID_FIELD", Supervisor, json!({ "id": 0 })),
        good("BatchGetTasks", Supervisor, json!({ "ids": ["$paused", "$assigned"] })),
        row(
            "BatchGetTasks",
            "TASK_NOT_FOUND",
            Supervisor,
            json!({ "ids": ["$task", NOTHING] }),
        ),
        row("BatchGetTasks", "INVALID_FIELD", Supervisor, json!({})),
        good("ListTasks", Supervisor, page),
        row(
            "ListTasks",
            "INVALID_PAGE_TOKEN",
            Supervisor,
            json!({ "page_token": "nonsense" }),
        ),
        row(
            "ListTasks",
            "FORBIDDEN",
            Supervisor,
            json!({ "filter": { "deleted_shown": true } }),
        ),
        row("ListTasks", "INVALID_FIELD", Supervisor, json!({ "page_size": -1 })),
        good("GetWorkflow", Agent, json!({})),
        good(
            "ListTaskHistory",
            Supervisor,
            json!({ "task_id": "$finished", "page_size": 2 }),
        ),
        row("ListTaskHistory", "TASK_NOT_FOUND", Agent, json!({ "task_id": "$task" })),
        row(
            "ListTaskHistory",
            "INVALID_PAGE_TOKEN",
            Supervisor,
            json!({ "task_id": "$task", "page_token": "nonsense" }),
        ),
        row(
            "ListTaskHistory",
            "INVALID_FIELD",
            Supervisor,
            json!({ "task_id": "$task", "page_size": 1001 }),
        ),
    ]
}

fn writing() -> Vec<Row> {
    let task = json!({
        "title": "Revisar el semáforo \"norte\"",
        "description": "Primera línea\nsegunda línea",
        "kind": "TASK_KIND_INSPECTION",
        "priority": "TASK_PRIORITY_URGENT",
        "planned_start_time": "2026-03-01T08:00:00.123456Z",
        "planned_end_time": "2026-03-01T12:00:00+02:00",
        "location": { "latitude": 0, "longitude": 0 },
        "location_description": "Cruce",
    });
    let with = |field: &str, value: Value| {
        let mut task = task.clone();
        task[field] = value;
        json!({ "task": task })
    };
    let change = |id: Value, field: &str, value: Value| json!({ "task": { "id": id, field: value }, "update_mask": field });
    vec![
        good("CreateTask", Agent, json!({ "task": task })),
        row("CreateTask", "CODE_TAKEN", Agent, with("code", json!("$taken"))),
        row(
            "CreateTask",
            "USER_NOT_FOUND",
            Agent,
            with("delegate_user_id", json!(NOTHING)),
        ),
        row("CreateTask", "INVALID_FIELD", Agent, with("title", json!("  "))),
        good(
            "UpdateTask",
            Supervisor,
            json!({ "task": { "id": "$task", "title": "Otro título", "priority": "TASK_PRIORITY_LOW" }, "update_mask": "title,priority" }),
        ),
        row(
            "UpdateTask",
            "TASK_NOT_FOUND",
            Supervisor,
            change(json!(NOTHING), "title", json!("Otro")),
        ),
        row(
            "UpdateTask",
            "ILLEGAL_STEP",
            Supervisor,
            change(json!("$finished"), "title", json!("Otro")),
        ),
        row(
            "UpdateTask",
            "CODE_TAKEN",
            Supervisor,
            change(json!("$task"), "code", json!("$taken")),
        ),
        row(
            "UpdateTask",
            "USER_NOT_FOUND",
            Supervisor,
            json!({ "task": { "id": "$task", "delegate_user_id": NOTHING } }),
        ),
        row(
            "UpdateTask",
            "INVALID_FIELD",
            Supervisor,
            change(json!("$task"), "state", json!("TASK_STATE_FINISHED")),
        ),
        good("DeleteTask", Administrator, json!({ "id": "$assigned" })),
        row("DeleteTask", "TASK_NOT_FOUND", Administrator, json!({ "id": "$deleted" })),
        row("DeleteTask", "ILLEGAL_STEP", Administrator, json!({ "id": "$urgent" })),
        row(
            "DeleteTask",
            "INVALID_FIELD",
            Administrator,
            json!({ "id": "$task", "request_id": "no spaces" }),
        ),
        good(
            "UndeleteTask",
            Administrator,
            json!({ "id": "$deleted", "reason": "por error" }),
        ),
        row("UndeleteTask", "TASK_NOT_FOUND", Administrator, json!({ "id": NOTHING })),
        row("UndeleteTask", "ILLEGAL_STEP", Administrator, json!({ "id": "$task" })),
        row(
            "UndeleteTask",
            "INVALID_FIELD",
            Administrator,
            json!({ "id": "$deleted", "reason": "\u{1}" }),
        ),
    ]
}

/// A step: from where it is good, from where it is not, and a task that an agent sees without being on it.
fn step(rpc: &'static str, from: &str, not_from: &str) -> Vec<Row> {
    vec![
        good(rpc, Supervisor, json!({ "id": from, "reason": "así fue" })),
        row(rpc, "TASK_NOT_FOUND", Agent, json!({ "id": from })),
        row(rpc, "ILLEGAL_STEP", Supervisor, json!({ "id": not_from })),
        row(
            rpc,
            "INVALID_FIELD",
            Supervisor,
            json!({ "id": from, "reason": "x".repeat(501) }),
        ),
    ]
}

fn steps() -> Vec<Row> {
    let mut rows = [
        step("StartTask", "$task", "$running"),
        step("PauseTask", "$running", "$task"),
        step("ResumeTask", "$paused", "$running"),
        step("FinishTask", "$paused", "$task"),
        step("CancelTask", "$paused", "$finished"),
    ]
    .concat();
    // Whoever created a task may cancel it, whoever is on it may move it: not the other way round.
    rows.extend(
        ["StartTask", "PauseTask", "ResumeTask", "FinishTask"].map(|rpc| row(rpc, "FORBIDDEN", Agent, json!({ "id": "$own" }))),
    );
    rows.extend([
        row("CancelTask", "FORBIDDEN", Agent, json!({ "id": "$mine" })),
        good("ReopenTask", Supervisor, json!({ "id": "$finished", "reason": "volvió" })),
        row("ReopenTask", "TASK_NOT_FOUND", Supervisor, json!({ "id": NOTHING })),
        row("ReopenTask", "ILLEGAL_STEP", Supervisor, json!({ "id": "$running" })),
        row("ReopenTask", "INVALID_FIELD", Supervisor, json!({ "id": -1 })),
    ]);
    rows
}

fn assigning() -> Vec<Row> {
    let on = |task: Value, agent: Value| json!({ "id": task, "agent_id": agent });
    let alone = |agent: &str| json!({ "id": "$task", "agent_id": agent, "exclusive": true });
    let (task, agent) = (json!("$task"), json!("$agent"));
    vec![
        good("AssignTask", Supervisor, alone("$agent")),
        row("AssignTask", "TASK_NOT_FOUND", Supervisor, on(json!(NOTHING), agent.clone())),
        row("AssignTask", "AGENT_NOT_FOUND", Supervisor, on(task.clone(), json!("$gone"))),
        row("AssignTask", "AGENT_BUSY", Supervisor, alone("$busy")),
        row("AssignTask", "AGENT_OFF_DUTY", Supervisor, alone("$resting")),
        row(
            "AssignTask",
            "ALREADY_ASSIGNED",
            Supervisor,
            on(json!("$assigned"), json!("$its_agent")),
        ),
        row(
            "AssignTask",
            "ILLEGAL_STEP",
            Supervisor,
            on(json!("$finished"), agent.clone()),
        ),
        row("AssignTask", "INVALID_FIELD", Supervisor, on(task.clone(), json!(0))),
        good("UnassignTask", Supervisor, on(json!("$assigned"), json!("$its_agent"))),
        row(
            "UnassignTask",
            "TASK_NOT_FOUND",
            Supervisor,
            on(json!(NOTHING), agent.clone()),
        ),
        row(
            "UnassignTask",
            "NOT_ASSIGNED",
            Supervisor,
            on(json!("$assigned"), agent.clone()),
        ),
        row("UnassignTask", "ILLEGAL_STEP", Supervisor, on(json!("$finished"), agent)),
        row("UnassignTask", "INVALID_FIELD", Supervisor, on(task, json!(-5))),
    ]
}

fn agents() -> Vec<Row> {
    let new = |user: Value, code: &str| json!({ "agent": { "user_id": user, "code": code, "unit": "Norte" } });
    vec![
        good("CreateAgent", Administrator, new(json!("$user"), "$code")),
        row("CreateAgent", "USER_NOT_FOUND", Administrator, new(json!(NOTHING), "$code")),
        row("CreateAgent", "USER_TAKEN", Administrator, new(json!("$my_user"), "$code")),
        row(
            "CreateAgent",
            "CODE_TAKEN",
            Administrator,
            new(json!("$user"), "$taken_call_sign"),
        ),
        row(
            "CreateAgent",
            "INVALID_FIELD",
            Administrator,
            new(json!("$user"), "no spaces"),
        ),
        good("GetAgent", Agent, json!({ "id": "$me" })),
        row("GetAgent", "AGENT_NOT_FOUND", Agent, json!({ "id": "$agent" })),
        row("GetAgent", "INVALID_FIELD", Supervisor, json!({ "id": 0 })),
        good(
            "ListAgents",
            Supervisor,
            json!({ "page_size": 2, "filter": { "availabilities": ["AVAILABILITY_AVAILABLE"], "box": { "south": 4, "west": -75, "north": 5, "east": -73 } } }),
        ),
        row(
            "ListAgents",
            "INVALID_PAGE_TOKEN",
            Supervisor,
            json!({ "page_token": "nonsense" }),
        ),
        row(
            "ListAgents",
            "FORBIDDEN",
            Supervisor,
            json!({ "filter": { "deleted_shown": true } }),
        ),
        row("ListAgents", "INVALID_FIELD", Supervisor, json!({ "page_size": 1001 })),
        good(
            "UpdateAgent",
            Administrator,
            json!({ "agent": { "id": "$agent", "rank": "Sargento" }, "update_mask": "rank" }),
        ),
        row(
            "UpdateAgent",
            "AGENT_NOT_FOUND",
            Administrator,
            json!({ "agent": { "id": NOTHING, "rank": "Sargento" } }),
        ),
        row(
            "UpdateAgent",
            "CODE_TAKEN",
            Administrator,
            json!({ "agent": { "id": "$agent", "code": "$taken_call_sign" } }),
        ),
        row(
            "UpdateAgent",
            "INVALID_FIELD",
            Administrator,
            json!({ "agent": { "id": "$agent", "rank": "r".repeat(101) } }),
        ),
        good("DeleteAgent", Administrator, json!({ "id": "$agent" })),
        row("DeleteAgent", "AGENT_NOT_FOUND", Administrator, json!({ "id": "$gone" })),
        row("DeleteAgent", "STILL_IN_USE", Administrator, json!({ "id": "$serving" })),
        row(
            "DeleteAgent",
            "INVALID_FIELD",
            Administrator,
            json!({ "id": "$agent", "etag": "e".repeat(65) }),
        ),
        good("UndeleteAgent", Administrator, json!({ "id": "$gone" })),
        row("UndeleteAgent", "AGENT_NOT_FOUND", Administrator, json!({ "id": NOTHING })),
        row("UndeleteAgent", "ILLEGAL_STEP", Administrator, json!({ "id": "$agent" })),
        row("UndeleteAgent", "USER_NOT_FOUND", Administrator, json!({ "id": "$orphan" })),
        row("UndeleteAgent", "USER_TAKEN", Administrator, json!({ "id": "$replaced" })),
        row("UndeleteAgent", "INVALID_FIELD", Administrator, json!({ "id": 0 })),
        good(
            "SetAvailability",
            Supervisor,
            json!({ "id": "$agent", "availability": "AVAILABILITY_OFF_DUTY" }),
        ),
        row(
            "SetAvailability",
            "AGENT_NOT_FOUND",
            Agent,
            json!({ "id": "$agent", "availability": "AVAILABILITY_OFF_DUTY" }),
        ),
        row(
            "SetAvailability",
            "INVALID_FIELD",
            Supervisor,
            json!({ "id": "$agent", "availability": "AVAILABILITY_ON_TASK" }),
        ),
    ]
}

fn fixes() -> Vec<Row> {
    let fix = |agent: &str, latitude: f64| json!({ "agent_id": agent, "location": { "latitude": latitude, "longitude": -74.07 }, "fix_time": "$now", "accuracy_meters": 4.5 });
    let nearby = json!({ "location": { "latitude": 4.65, "longitude": -74.07 }, "page_size": 2, "radius_meters": 50000, "max_fix_age": "600.5s" });
    vec![
        // One fix of somebody else is refused by itself.
        good(
            "ReportPositions",
            Agent,
            json!({ "positions": [fix("$me", 4.65), fix("$agent", 4.7)] }),
        ),
        row(
            "ReportPositions",
            "INVALID_FIELD",
            Agent,
            json!({ "positions": [fix("$me", 90.5)] }),
        ),
        good(
            "StreamPositions",
            Supervisor,
            json!([{ "positions": [fix("$agent", 4.65)] }, { "positions": [fix("$agent", 4.65), fix("$me", -90.0)] }]),
        ),
        row(
            "StreamPositions",
            "INVALID_FIELD",
            Supervisor,
            json!([{ "positions": [fix("$agent", 4.65)] }, { "positions": [] }]),
        ),
        good("ListNearby", Supervisor, nearby),
        row("ListNearby", "INVALID_FIELD", Supervisor, json!({ "page_size": 5 })),
        good("GetTrack", Agent, json!({ "agent_id": "$me", "page_size": 10 })),
        row("GetTrack", "AGENT_NOT_FOUND", Agent, json!({ "agent_id": "$agent" })),
        row(
            "GetTrack",
            "INVALID_PAGE_TOKEN",
            Agent,
            json!({ "agent_id": "$me", "page_token": "nonsense" }),
        ),
        row(
            "GetTrack",
            "INVALID_FIELD",
            Agent,
            json!({ "agent_id": "$me", "start_time": "2026-01-02T00:00:00Z", "end_time": "2026-01-01T00:00:00Z" }),
        ),
    ]
}

fn events() -> Vec<Row> {
    let elsewhere = Cursor {
        epoch: 1,
        position: Position { xid: 1, seq: 1 },
    };
    vec![
        good(
            "Watch",
            Supervisor,
            json!({ "include_snapshot": true, "filter": { "nouns": ["NOUN_TASK"], "task_ids": ["$assigned", "$paused"] } }),
        ),
        row("Watch", "INVALID_CURSOR", Supervisor, json!({ "cursor": "nonsense" })),
        row("Watch", "CURSOR_EXPIRED", Supervisor, json!({ "cursor": elsewhere.text() })),
        row(
            "Watch",
            "INVALID_FIELD",
            Supervisor,
            json!({ "filter": { "box": { "south": 5, "west": 0, "north": 4, "east": 1 } } }),
        ),
    ]
}
