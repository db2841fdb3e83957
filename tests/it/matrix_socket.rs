//! Rows of the matrix for announcements and check-ins.

use gad::{rpc::event::Cursor, store::outbox::Position};
use serde_json::json;

use crate::{
    matrix::Row,
    matrix_rows::{NOTHING, good, row},
    stage::Who::{Administrator, Agent, Bridge, Supervisor},
};

/// The rows.
pub fn rows() -> Vec<Row> {
    [announcements(), check_ins()].concat()
}

fn announcements() -> Vec<Row> {
    let elsewhere = Cursor {
        epoch: 1,
        position: Position { xid: 1, seq: 1 },
    };
    vec![
        good(
            "CreateAnnouncement",
            Administrator,
            json!({ "title": "Corte de luz", "content": "A las 18", "level": "warning", "topic": "avisos" }),
        ),
        row("CreateAnnouncement", "INVALID_FIELD", Administrator, json!({ "title": "" })),
        good("WatchAnnouncements", Bridge, json!({})),
        row(
            "WatchAnnouncements",
            "INVALID_CURSOR",
            Bridge,
            json!({ "cursor": "nonsense" }),
        ),
        row(
            "WatchAnnouncements",
            "CURSOR_EXPIRED",
            Bridge,
            json!({ "cursor": elsewhere.text() }),
        ),
        row(
            "WatchAnnouncements",
            "INVALID_FIELD",
            Bridge,
            json!({ "cursor": "x".repeat(201) }),
        ),
    ]
}

fn check_ins() -> Vec<Row> {
    let policy = json!({ "kind": "TASK_KIND_TRAINING", "interval": "86400s", "grace": "600s", "sos": true });
    let altered = |field: &str, value: &str| {
        let mut policy = policy.clone();
        policy[field] = json!(value);
        json!({ "policy": policy })
    };
    let watched = |reason: &str| json!({ "task_id": "$watched", "agent_id": "$its_agent", "reason": reason });
    vec![
        good("CheckIn", Supervisor, watched("Habló por radio")),
        row("CheckIn", "INVALID_FIELD", Supervisor, watched("")),
        row(
            "CheckIn",
            "FORBIDDEN",
            Agent,
            json!({ "task_id": "$mine", "agent_id": NOTHING }),
        ),
        row("CheckIn", "TASK_NOT_FOUND", Agent, json!({ "task_id": "$task" })),
        row("CheckIn", "NOT_ASSIGNED", Supervisor, json!({ "task_id": "$running" })),
        row("CheckIn", "ILLEGAL_STEP", Agent, json!({ "task_id": "$mine" })),
        good("ListCheckIns", Agent, json!({ "page_size": 1, "missed_only": true })),
        row(
            "ListCheckIns",
            "INVALID_PAGE_TOKEN",
            Supervisor,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListCheckIns", "INVALID_FIELD", Supervisor, json!({ "page_size": 201 })),
        good("ListCheckInPolicies", Agent, json!({})),
        good("UpdateCheckInPolicy", Administrator, json!({ "policy": policy })),
        row("UpdateCheckInPolicy", "STALE_ETAG", Administrator, altered("etag", "r0")),
        row(
            "UpdateCheckInPolicy",
            "INVALID_FIELD",
            Administrator,
            altered("grace", "0.5s"),
        ),
    ]
}
