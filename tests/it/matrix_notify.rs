//! Rows of the matrix for notifications, webhooks and statistics.

use serde_json::{Value, json};

use crate::{
    matrix::Row,
    matrix_rows::{NOTHING, good, row},
    stage::Who::{Administrator, Newcomer, Supervisor},
};

/// The rows.
pub fn rows() -> Vec<Row> {
    [bell(), rules(), deliveries(), messages(), webhooks(), statistics()].concat()
}

/// A rule of these webhooks, with a number or none.
fn rule(id: Value, webhooks: Value) -> Value {
    json!({ "rule": {
        "id": id, "display_name": "Urgencias del norte", "event_types": ["EVENT_TYPE_TASK_UNDELETED"],
        "kinds": ["TASK_KIND_TRAINING"], "min_priority": "TASK_PRIORITY_HIGH", "audience_told": true, "user_ids": [3],
        "levels": ["USER_LEVEL_SUPERVISOR"], "units": ["Norte"], "channels": ["NOTIFICATION_CHANNEL_BELL"],
        "webhook_ids": webhooks,
    } })
}

/// A webhook, with a number or none.
fn webhook(id: Value, url: &str) -> Value {
    json!({ "webhook": { "id": id, "display_name": "Sala de crisis", "url": url, "disabled": true } })
}

const URL: &str = "https://hooks.gad.example/gad";

fn bell() -> Vec<Row> {
    vec![
        good("ListNotifications", Newcomer, json!({ "page_size": 5, "unread_only": true })),
        row(
            "ListNotifications",
            "INVALID_PAGE_TOKEN",
            Newcomer,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListNotifications", "INVALID_FIELD", Newcomer, json!({ "page_size": 201 })),
        good("MarkNotificationsRead", Newcomer, json!({ "ids": [1, 2], "up_to_id": 3 })),
        row("MarkNotificationsRead", "INVALID_FIELD", Newcomer, json!({ "ids": [0] })),
    ]
}

fn rules() -> Vec<Row> {
    let by_sight = json!({ "rule": { "display_name": "x", "event_types": ["EVENT_TYPE_TASK_HIDDEN"] } });
    vec![
        good("ListNotificationRules", Administrator, json!({ "page_size": 2 })),
        row(
            "ListNotificationRules",
            "INVALID_PAGE_TOKEN",
            Administrator,
            json!({ "page_token": "nonsense" }),
        ),
        row(
            "ListNotificationRules",
            "INVALID_FIELD",
            Administrator,
            json!({ "page_size": -1 }),
        ),
        good("CreateNotificationRule", Administrator, rule(json!(0), json!(["$webhook"]))),
        row(
            "CreateNotificationRule",
            "WEBHOOK_NOT_FOUND",
            Administrator,
            rule(json!(0), json!([NOTHING])),
        ),
        row("CreateNotificationRule", "INVALID_FIELD", Administrator, by_sight.clone()),
        good(
            "UpdateNotificationRule",
            Administrator,
            rule(json!("$notification_rule"), json!([])),
        ),
        row(
            "UpdateNotificationRule",
            "NOTIFICATION_RULE_NOT_FOUND",
            Administrator,
            rule(json!(NOTHING), json!([])),
        ),
        row(
            "UpdateNotificationRule",
            "WEBHOOK_NOT_FOUND",
            Administrator,
            rule(json!("$notification_rule"), json!([NOTHING])),
        ),
        row("UpdateNotificationRule", "INVALID_FIELD", Administrator, by_sight),
        good("DeleteNotificationRule", Administrator, json!({ "id": "$notification_rule" })),
        row(
            "DeleteNotificationRule",
            "NOTIFICATION_RULE_NOT_FOUND",
            Administrator,
            json!({ "id": NOTHING }),
        ),
        row("DeleteNotificationRule", "INVALID_FIELD", Administrator, json!({ "id": 0 })),
    ]
}

fn deliveries() -> Vec<Row> {
    vec![
        good(
            "ListDeliveries",
            Administrator,
            json!({ "channel": "NOTIFICATION_CHANNEL_TELEGRAM", "state": "DELIVERY_STATE_DEAD", "page_size": 1 }),
        ),
        row(
            "ListDeliveries",
            "INVALID_PAGE_TOKEN",
            Administrator,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListDeliveries", "INVALID_FIELD", Administrator, json!({ "webhook_id": -1 })),
        good(
            "ReplayDelivery",
            Administrator,
            json!({ "id": "$dead", "reason": "Otra vez" }),
        ),
        row(
            "ReplayDelivery",
            "DELIVERY_NOT_FOUND",
            Administrator,
            json!({ "id": NOTHING }),
        ),
        row(
            "ReplayDelivery",
            "DELIVERY_NOT_OVER",
            Administrator,
            json!({ "id": "$undelivered" }),
        ),
        row("ReplayDelivery", "INVALID_FIELD", Administrator, json!({ "id": 0 })),
    ]
}

fn messages() -> Vec<Row> {
    let to =
        |audience: &str| json!({ "audience": audience, "urgency": "MESSAGE_URGENCY_ALERT", "text": "Reunión en 30 minutos" });
    vec![
        good("CreateMessage", Administrator, to("MESSAGE_AUDIENCE_SUPERVISORS")),
        row(
            "CreateMessage",
            "INVALID_FIELD",
            Administrator,
            to("MESSAGE_AUDIENCE_UNSPECIFIED"),
        ),
    ]
}

fn webhooks() -> Vec<Row> {
    vec![
        good("CreateWebhook", Administrator, webhook(json!(0), URL)),
        row(
            "CreateWebhook",
            "INVALID_FIELD",
            Administrator,
            webhook(json!(0), "https://127.0.0.1/"),
        ),
        good("ListWebhooks", Administrator, json!({ "page_size": 1 })),
        row(
            "ListWebhooks",
            "INVALID_PAGE_TOKEN",
            Administrator,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListWebhooks", "INVALID_FIELD", Administrator, json!({ "page_size": 201 })),
        good("UpdateWebhook", Administrator, webhook(json!("$webhook"), URL)),
        row(
            "UpdateWebhook",
            "WEBHOOK_NOT_FOUND",
            Administrator,
            webhook(json!(NOTHING), URL),
        ),
        row(
            "UpdateWebhook",
            "INVALID_FIELD",
            Administrator,
            webhook(json!("$webhook"), "ftp://hooks.gad.example/"),
        ),
        good(
            "RotateWebhookSecret",
            Administrator,
            json!({ "id": "$webhook", "reason": "Cada año" }),
        ),
        row(
            "RotateWebhookSecret",
            "WEBHOOK_NOT_FOUND",
            Administrator,
            json!({ "id": NOTHING }),
        ),
        row("RotateWebhookSecret", "INVALID_FIELD", Administrator, json!({ "id": 0 })),
        good("DeleteWebhook", Administrator, json!({ "id": "$webhook" })),
        row("DeleteWebhook", "WEBHOOK_NOT_FOUND", Administrator, json!({ "id": NOTHING })),
        row("DeleteWebhook", "INVALID_FIELD", Administrator, json!({ "id": 0 })),
    ]
}

fn statistics() -> Vec<Row> {
    let patrols = json!({ "kinds": ["TASK_KIND_PATROL"], "priorities": ["TASK_PRIORITY_MEDIUM"] });
    vec![
        good(
            "GetStatistics",
            Supervisor,
            json!({ "group_by": "STATISTICS_GROUP_KIND", "filter": patrols }),
        ),
        row(
            "GetStatistics",
            "INVALID_PAGE_TOKEN",
            Supervisor,
            json!({ "page_token": "nonsense" }),
        ),
        row(
            "GetStatistics",
            "INVALID_FIELD",
            Supervisor,
            json!({ "group_by": "STATISTICS_GROUP_UNIT", "filter": { "user_ids": [1] } }),
        ),
    ]
}
