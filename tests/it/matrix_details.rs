//! Rows of the matrix for what tasks have beside themselves: comments, attachments, checklists, dependencies; and templates.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    attachment::png,
    matrix::Row,
    matrix_rows::{NOTHING, good, row},
    stage::Who::{Administrator, Agent, Newcomer, Supervisor},
};

/// The rows.
pub fn rows() -> Vec<Row> {
    [comments(), attachments(), proof(), checklists(), dependencies(), templates()].concat()
}

fn comments() -> Vec<Row> {
    let said = |text: &str| json!({ "task_id": "$mine", "kind": "COMMENT_KIND_NOTE", "text": text });
    let mut rows = vec![
        good("ListComments", Agent, json!({ "task_id": "$mine", "page_size": 1 })),
        row("ListComments", "TASK_NOT_FOUND", Newcomer, json!({ "task_id": "$mine" })),
        row(
            "ListComments",
            "INVALID_PAGE_TOKEN",
            Agent,
            json!({ "task_id": "$mine", "page_token": "nonsense" }),
        ),
        row(
            "ListComments",
            "INVALID_FIELD",
            Agent,
            json!({ "task_id": "$mine", "page_size": 201 }),
        ),
        good("CreateComment", Agent, said("La puerta estaba abierta.\nSe cerró.")),
        row(
            "CreateComment",
            "TASK_NOT_FOUND",
            Agent,
            json!({ "task_id": NOTHING, "text": "Nada" }),
        ),
        row("CreateComment", "INVALID_FIELD", Agent, said(" \n ")),
        good("UpdateComment", Supervisor, json!({ "id": "$comment", "text": "Casi todo" })),
        row(
            "UpdateComment",
            "INVALID_FIELD",
            Supervisor,
            json!({ "id": "$comment", "text": "" }),
        ),
        good("DeleteComment", Supervisor, json!({ "id": "$comment" })),
        row("DeleteComment", "INVALID_FIELD", Supervisor, json!({ "id": 0 })),
    ];
    for rpc in ["UpdateComment", "DeleteComment"] {
        let of = |id: Value| match rpc {
            "UpdateComment" => json!({ "id": id, "text": "Otra cosa" }),
            _ => json!({ "id": id }),
        };
        rows.extend([
            row(rpc, "COMMENT_NOT_FOUND", Newcomer, of(json!("$comment"))),
            row(rpc, "FORBIDDEN", Agent, of(json!("$comment"))),
        ]);
    }
    rows
}

/// A file as one message.
fn file(task: Value, bytes: &[u8]) -> Value {
    let file = json!({ "content_type": "image/jpeg", "data": STANDARD.encode(bytes) });
    json!({ "task_id": task, "kind": "ATTACHMENT_KIND_PHOTO", "file_name": "puerta.png", "file": file })
}

fn attachments() -> Vec<Row> {
    vec![
        good("UploadAttachment", Agent, file(json!("$mine"), &png(2000))),
        row("UploadAttachment", "TASK_NOT_FOUND", Agent, file(json!(NOTHING), &png(200))),
        row(
            "UploadAttachment",
            "FILE_TOO_LARGE",
            Agent,
            file(json!("$mine"), &png(300 * 1024)),
        ),
        row("UploadAttachment", "FILE_TYPE", Agent, file(json!("$mine"), b"<script>")),
        row("UploadAttachment", "TASK_FULL", Supervisor, file(json!("$full"), &png(200))),
        row("UploadAttachment", "INVALID_FIELD", Agent, file(json!(0), &png(200))),
        good("ListAttachments", Agent, json!({ "task_id": "$mine" })),
        row("ListAttachments", "TASK_NOT_FOUND", Newcomer, json!({ "task_id": "$mine" })),
        row(
            "ListAttachments",
            "INVALID_PAGE_TOKEN",
            Agent,
            json!({ "task_id": "$mine", "page_token": "nonsense" }),
        ),
        row("ListAttachments", "INVALID_FIELD", Agent, json!({ "task_id": 0 })),
        good("GetAttachment", Agent, json!({ "id": "$attachment" })),
        row(
            "GetAttachment",
            "ATTACHMENT_NOT_FOUND",
            Newcomer,
            json!({ "id": "$attachment" }),
        ),
        row("GetAttachment", "INVALID_FIELD", Agent, json!({ "id": 0 })),
        good("DownloadAttachment", Agent, json!({ "id": "$attachment" })),
        row(
            "DownloadAttachment",
            "ATTACHMENT_NOT_FOUND",
            Newcomer,
            json!({ "id": "$attachment" }),
        ),
        row("DownloadAttachment", "INVALID_FIELD", Agent, json!({ "id": 0 })),
        good("DeleteAttachment", Supervisor, json!({ "id": "$attachment" })),
        row(
            "DeleteAttachment",
            "ATTACHMENT_NOT_FOUND",
            Newcomer,
            json!({ "id": "$attachment" }),
        ),
        row("DeleteAttachment", "FORBIDDEN", Agent, json!({ "id": "$attachment" })),
        row("DeleteAttachment", "INVALID_FIELD", Agent, json!({ "id": -1 })),
    ]
}

fn proof() -> Vec<Row> {
    let policy = |more: &str, value: Value| {
        let mut policy = json!({ "kind": "TASK_KIND_ADMINISTRATIVE", "photo_count": 2, "whole_checklist": true });
        policy[more] = value;
        json!({ "policy": policy })
    };
    vec![
        good("ListProofPolicies", Agent, json!({})),
        good("UpdateProofPolicy", Administrator, policy("signature_count", json!(1))),
        row("UpdateProofPolicy", "STALE_ETAG", Administrator, policy("etag", json!("r0"))),
        row(
            "UpdateProofPolicy",
            "INVALID_FIELD",
            Administrator,
            policy("photo_count", json!(21)),
        ),
        row("FinishTask", "PROOF_REQUIRED", Supervisor, json!({ "id": "$unproven" })),
        row("StartTask", "DEPENDENCY_UNFINISHED", Supervisor, json!({ "id": "$waiting" })),
    ]
}

fn checklists() -> Vec<Row> {
    let item = |task: Value, title: &str| json!({ "task_id": task, "title": title });
    let mut rows = vec![
        good("ListChecklistItems", Agent, json!({ "task_id": "$mine" })),
        row(
            "ListChecklistItems",
            "TASK_NOT_FOUND",
            Newcomer,
            json!({ "task_id": "$mine" }),
        ),
        row("ListChecklistItems", "INVALID_FIELD", Agent, json!({ "task_id": 0 })),
        good("CreateChecklistItem", Supervisor, item(json!("$mine"), "Revisar la puerta")),
        row(
            "CreateChecklistItem",
            "TASK_NOT_FOUND",
            Supervisor,
            item(json!(NOTHING), "Nada"),
        ),
        row(
            "CreateChecklistItem",
            "ILLEGAL_STEP",
            Supervisor,
            item(json!("$finished"), "Tarde"),
        ),
        row(
            "CreateChecklistItem",
            "TASK_FULL",
            Supervisor,
            item(json!("$full"), "Una más"),
        ),
        row("CreateChecklistItem", "INVALID_FIELD", Supervisor, item(json!("$mine"), "  ")),
        good("UpdateChecklistItem", Agent, json!({ "id": "$item", "done": true })),
        row(
            "UpdateChecklistItem",
            "FORBIDDEN",
            Agent,
            json!({ "id": "$item", "title": "Otra cosa" }),
        ),
        row(
            "UpdateChecklistItem",
            "INVALID_FIELD",
            Agent,
            json!({ "id": 0, "done": true }),
        ),
        good("DeleteChecklistItem", Supervisor, json!({ "id": "$item" })),
        row("DeleteChecklistItem", "INVALID_FIELD", Supervisor, json!({ "id": 0 })),
    ];
    for rpc in ["UpdateChecklistItem", "DeleteChecklistItem"] {
        rows.extend([
            row(rpc, "CHECKLIST_ITEM_NOT_FOUND", Supervisor, json!({ "id": NOTHING })),
            row(rpc, "ILLEGAL_STEP", Supervisor, json!({ "id": "$closed_item" })),
        ]);
    }
    rows
}

fn dependencies() -> Vec<Row> {
    let on = |task: Value, other: Value| json!({ "task_id": task, "depends_on_task_id": other });
    let mut rows = vec![
        good("ListDependencies", Supervisor, json!({ "task_id": "$waiting" })),
        row(
            "ListDependencies",
            "TASK_NOT_FOUND",
            Newcomer,
            json!({ "task_id": "$waiting" }),
        ),
        row("ListDependencies", "INVALID_FIELD", Supervisor, json!({ "task_id": 0 })),
        good("AddDependency", Supervisor, on(json!("$task"), json!("$blocker"))),
        row(
            "AddDependency",
            "DEPENDENCY_CYCLE",
            Supervisor,
            on(json!("$task"), json!("$task")),
        ),
        row(
            "AddDependency",
            "TASK_FULL",
            Supervisor,
            on(json!("$full"), json!("$blocker")),
        ),
        good("RemoveDependency", Supervisor, on(json!("$waiting"), json!("$its_blocker"))),
        row(
            "RemoveDependency",
            "DEPENDENCY_NOT_FOUND",
            Supervisor,
            on(json!("$task"), json!("$blocker")),
        ),
    ];
    for rpc in ["AddDependency", "RemoveDependency"] {
        rows.extend([
            row(rpc, "TASK_NOT_FOUND", Supervisor, on(json!(NOTHING), json!("$blocker"))),
            row(rpc, "ILLEGAL_STEP", Supervisor, on(json!("$finished"), json!("$blocker"))),
            row(rpc, "INVALID_FIELD", Supervisor, on(json!("$task"), json!(-1))),
        ]);
    }
    rows
}

fn templates() -> Vec<Row> {
    let recurrence = |rule: &str| json!({ "rule": rule, "start_time": "2030-01-01T13:00:00Z", "time_zone": "America/Bogota" });
    let template = |id: Value, rule: &str| {
        json!({ "id": id, "display_name": "Ronda", "title": "Ronda de la noche", "kind": "TASK_KIND_PATROL",
                "checklist": ["Revisar la puerta"], "planned_duration": "3600s", "recurrence": recurrence(rule) })
    };
    let of = |id: Value, rule: &str| json!({ "template": template(id, rule) });
    let delegated = |id: Value| {
        let mut request = of(id, "FREQ=DAILY");
        request["template"]["delegate_user_id"] = json!(NOTHING);
        request
    };
    let mut rows = vec![
        good("CreateTemplate", Supervisor, of(json!(0), "FREQ=WEEKLY;BYDAY=MO,TH")),
        row("CreateTemplate", "USER_NOT_FOUND", Supervisor, delegated(json!(0))),
        row("CreateTemplate", "INVALID_FIELD", Supervisor, of(json!(0), "FREQ=MINUTELY")),
        good("GetTemplate", Supervisor, json!({ "id": "$template" })),
        row("GetTemplate", "INVALID_FIELD", Supervisor, json!({ "id": 0 })),
        good("ListTemplates", Supervisor, json!({ "page_size": 1 })),
        row(
            "ListTemplates",
            "INVALID_PAGE_TOKEN",
            Supervisor,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListTemplates", "INVALID_FIELD", Supervisor, json!({ "page_size": 201 })),
        good("UpdateTemplate", Supervisor, of(json!("$template"), "FREQ=DAILY")),
        row(
            "UpdateTemplate",
            "TEMPLATE_NOT_FOUND",
            Supervisor,
            of(json!(NOTHING), "FREQ=DAILY"),
        ),
        row("UpdateTemplate", "USER_NOT_FOUND", Supervisor, delegated(json!("$template"))),
        row(
            "UpdateTemplate",
            "INVALID_FIELD",
            Supervisor,
            of(json!("$template"), "NONSENSE"),
        ),
        good("DeleteTemplate", Supervisor, json!({ "id": "$template" })),
        row("DeleteTemplate", "INVALID_FIELD", Supervisor, json!({ "id": 0 })),
        good("InstantiateTemplate", Supervisor, json!({ "id": "$template" })),
        row("InstantiateTemplate", "INVALID_FIELD", Supervisor, json!({ "id": 0 })),
        good(
            "PreviewRecurrence",
            Supervisor,
            json!({ "recurrence": recurrence("FREQ=DAILY;COUNT=3"), "count": 5 }),
        ),
        row(
            "PreviewRecurrence",
            "INVALID_FIELD",
            Supervisor,
            json!({ "recurrence": recurrence("NONSENSE") }),
        ),
    ];
    for rpc in ["GetTemplate", "DeleteTemplate", "InstantiateTemplate"] {
        rows.push(row(rpc, "TEMPLATE_NOT_FOUND", Supervisor, json!({ "id": NOTHING })));
    }
    rows
}
