//! Rows of the matrix for field work: dispatch.

use serde_json::json;

use crate::{
    matrix::Row,
    matrix_rows::{NOTHING, good, row},
    stage::Who::{Administrator, Supervisor},
};

/// The rows.
pub fn rows() -> Vec<Row> {
    let policy = json!({
        "kind": "TASK_KIND_TRAINING", "radius_meters": 500, "max_fix_age": "600s", "agent_count": 2, "units": ["Norte"],
        "mismatch_meters": 100, "min_rest": "60s",
    });
    let stale = json!({ "kind": "TASK_KIND_TRAINING", "max_fix_age": "600s", "agent_count": 2, "etag": "r0" });
    let fractional = json!({ "kind": "TASK_KIND_TRAINING", "max_fix_age": "600.5s", "agent_count": 2 });
    vec![
        good("Recommend", Supervisor, json!({ "task_id": "$task", "page_size": 2 })),
        row("Recommend", "TASK_NOT_FOUND", Supervisor, json!({ "task_id": NOTHING })),
        row("Recommend", "TASK_NOWHERE", Supervisor, json!({ "task_id": "$nowhere" })),
        row("Recommend", "INVALID_FIELD", Supervisor, json!({ "task_id": 0 })),
        good("Dispatch", Supervisor, json!({ "task_id": "$task", "reason": "Cerca" })),
        row("Dispatch", "TASK_NOT_FOUND", Supervisor, json!({ "task_id": NOTHING })),
        row("Dispatch", "TASK_NOWHERE", Supervisor, json!({ "task_id": "$nowhere" })),
        row("Dispatch", "ILLEGAL_STEP", Supervisor, json!({ "task_id": "$finished" })),
        row(
            "Dispatch",
            "NO_AGENT_AVAILABLE",
            Supervisor,
            json!({ "task_id": "$task", "radius_meters": 0.001 }),
        ),
        row(
            "Dispatch",
            "INVALID_FIELD",
            Supervisor,
            json!({ "task_id": "$task", "agent_count": 51 }),
        ),
        good("ListDispatchPolicies", Supervisor, json!({})),
        good("UpdateDispatchPolicy", Administrator, json!({ "policy": policy })),
        row(
            "UpdateDispatchPolicy",
            "STALE_ETAG",
            Administrator,
            json!({ "policy": stale }),
        ),
        row(
            "UpdateDispatchPolicy",
            "INVALID_FIELD",
            Administrator,
            json!({ "policy": fractional }),
        ),
    ]
}
