//! Rows of the matrix for field work: dispatch and emergencies.

use serde_json::json;

use crate::{
    matrix::Row,
    matrix_rows::{NOTHING, good, row},
    stage::Who::{Administrator, Agent, Newcomer, Supervisor},
};

/// The rows.
pub fn rows() -> Vec<Row> {
    [dispatching(), emergencies()].concat()
}

fn dispatching() -> Vec<Row> {
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
        good("Dispatch", Supervisor, json!({ "task_id": "$reachable", "reason": "Cerca" })),
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

fn emergencies() -> Vec<Row> {
    let place = json!({ "latitude": 4.65, "longitude": -74.07 });
    let by = |reporter: serde_json::Value| json!({ "location": place, "reporter_user_id": reporter });
    let plan = json!({
        "acknowledge_timeout": "40s", "agent_count": 3, "supervisor_timeout": "90s", "retry_interval": "20s", "crew_count": 4,
        "repeat_window": "600s",
    });
    let altered = |field: &str, value: &str| {
        let mut plan = plan.clone();
        plan[field] = json!(value);
        json!({ "plan": plan })
    };
    let mut rows = vec![
        good(
            "RaiseEmergency",
            Agent,
            json!({ "location": place, "description": "Robo en curso", "source": "EMERGENCY_SOURCE_PROGRAM" }),
        ),
        row("RaiseEmergency", "USER_NOT_FOUND", Supervisor, by(json!(NOTHING))),
        row("RaiseEmergency", "FORBIDDEN", Agent, by(json!("$user"))),
        row(
            "RaiseEmergency",
            "INVALID_FIELD",
            Agent,
            json!({ "location": { "latitude": -74.07, "longitude": 204.65 } }),
        ),
        good("GetEmergency", Agent, json!({ "id": "$my_emergency" })),
        row("GetEmergency", "EMERGENCY_NOT_FOUND", Newcomer, json!({ "id": "$emergency" })),
        row("GetEmergency", "INVALID_FIELD", Agent, json!({ "id": 0 })),
        good("ListEmergencies", Supervisor, json!({ "page_size": 1, "open_only": true })),
        row(
            "ListEmergencies",
            "INVALID_PAGE_TOKEN",
            Supervisor,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListEmergencies", "INVALID_FIELD", Supervisor, json!({ "page_size": 201 })),
        good("GetEscalationPlan", Supervisor, json!({})),
        good("UpdateEscalationPlan", Administrator, json!({ "plan": plan })),
        row("UpdateEscalationPlan", "STALE_ETAG", Administrator, altered("etag", "r0")),
        row(
            "UpdateEscalationPlan",
            "INVALID_FIELD",
            Administrator,
            altered("retry_interval", "0.5s"),
        ),
    ];
    for rpc in ["SeeEmergency", "AcknowledgeEmergency", "ArriveAtEmergency"] {
        rows.extend([
            good(rpc, Supervisor, json!({ "id": "$emergency", "note": "Voy" })),
            row(rpc, "EMERGENCY_NOT_FOUND", Supervisor, json!({ "id": NOTHING })),
            row(rpc, "FORBIDDEN", Agent, json!({ "id": "$my_emergency" })),
            row(rpc, "INVALID_FIELD", Supervisor, json!({ "id": -1 })),
        ]);
    }
    rows
}
