//! Rows of the matrix for much at once: exports, imports, bulk actions; and for phones that were offline.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    matrix::Row,
    matrix_rows::{good, row},
    stage::Who::{Agent, Newcomer, Supervisor},
};

/// The rows.
pub fn rows() -> Vec<Row> {
    [exporting(), importing(), changing(), syncing()].concat()
}

fn exporting() -> Vec<Row> {
    vec![
        good("ExportTasks", Supervisor, json!({ "filter": { "agent_ids": ["$serving"] } })),
        row(
            "ExportTasks",
            "FORBIDDEN",
            Supervisor,
            json!({ "filter": { "deleted_shown": true } }),
        ),
        row("ExportTasks", "INVALID_FIELD", Supervisor, json!({ "order_by": "title" })),
        good("ExportAgents", Supervisor, json!({})),
        row(
            "ExportAgents",
            "FORBIDDEN",
            Supervisor,
            json!({ "filter": { "deleted_shown": true } }),
        ),
        row(
            "ExportAgents",
            "INVALID_FIELD",
            Supervisor,
            json!({ "filter": { "units": [""] } }),
        ),
        // Of nobody's: an empty file.
        good("ExportEmergencies", Newcomer, json!({ "open_only": true })),
    ]
}

fn importing() -> Vec<Row> {
    let file = |text: &str| json!({ "content_type": "text/csv", "data": STANDARD.encode(text) });
    vec![
        good(
            "ImportTasks",
            Supervisor,
            json!({ "file": file("titulo,tipo\nPatrullar,PATROL\n") }),
        ),
        row(
            "ImportTasks",
            "INVALID_FIELD",
            Supervisor,
            json!({ "file": file("color\nrojo\n") }),
        ),
    ]
}

fn changing() -> Vec<Row> {
    let change = |action: &str| json!({ "tasks": [{ "id": "$mine" }], "action": action, "agent_id": "$agent" });
    vec![
        good("BatchChangeTasks", Agent, change("TASK_ACTION_START")),
        row("BatchChangeTasks", "FORBIDDEN", Agent, change("TASK_ACTION_ASSIGN")),
        row("BatchChangeTasks", "INVALID_FIELD", Supervisor, change("TASK_ACTION_REOPEN")),
    ]
}

fn syncing() -> Vec<Row> {
    let push = |cursor: &str, request_id: &str| {
        let step = json!({ "id": "$mine", "action": "TASK_ACTION_START" });
        json!({ "mutations": [{ "request_id": request_id, "task_step": step }], "pull": !cursor.is_empty(), "cursor": cursor })
    };
    vec![
        good("Push", Agent, push("", "$code")),
        row("Push", "INVALID_CURSOR", Agent, push("nonsense", "$code")),
        row("Push", "INVALID_FIELD", Agent, push("", "")),
        good("Pull", Newcomer, json!({})),
        row("Pull", "INVALID_CURSOR", Agent, json!({ "cursor": "nonsense" })),
        row("Pull", "INVALID_FIELD", Agent, json!({ "page_size": 1001 })),
    ]
}
