//! Rows of the matrix for what sockets hear of beside tasks and agents: announcements.

use gad::{rpc::event::Cursor, store::outbox::Position};
use serde_json::json;

use crate::{
    matrix::Row,
    matrix_rows::{good, row},
    stage::Who::{Administrator, Bridge},
};

/// The rows.
pub fn rows() -> Vec<Row> {
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
