//! One message of the feed, printed once and shared by all who get it.

use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use prost::Message as _;

use super::older;
use crate::pb::{Event, Kpi, event::Resource};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something happened.
    Event,
    /// A row of the snapshot.
    SnapshotRow,
    /// The snapshot is whole.
    SnapshotEnd,
    /// Nothing happened; the cursor moved on.
    Checkpoint,
}

impl Kind {
    /// Its name in frames and as an SSE event.
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::SnapshotRow => "snapshot_row",
            Self::SnapshotEnd => "snapshot_end",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// A message of the feed. The frame of a subscription without a name is whole; others get their name put in.
#[derive(Debug, Clone)]
pub struct Item {
    kind: Kind,
    cursor: Option<Arc<str>>,
    /// `{"type":"event","id":"","cursor":"…","event":{…}}`
    frame: Utf8Bytes,
    /// What happened.
    event: Option<Box<Event>>,
    /// The same for older clients, once one of them hears it.
    older: OnceLock<Vec<older::Message>>,
}

/// How a frame goes on after its type.
const UNNAMED: &str = r#""id":"","#;

impl Item {
    /// From its parts: what it is, where to go on after it, and what it says as JSON.
    /// The rows of a snapshot carry no cursor: whoever went on from it would miss the rows after it.
    pub fn new(kind: Kind, cursor: &str, payload: &str) -> Self {
        let name = kind.name();
        let cursor: Option<Arc<str>> = (kind != Kind::SnapshotRow && !cursor.is_empty()).then(|| cursor.into());
        let place = place(cursor.as_deref());
        let frame = format!(r#"{{"type":"{name}",{UNNAMED}{place}"{name}":{payload}}}"#);
        Self {
            kind,
            cursor,
            frame: frame.into(),
            event: None,
            older: OnceLock::new(),
        }
    }

    /// Something that happened, as it is and as JSON.
    pub fn event(cursor: &str, payload: &str, event: &Event) -> Self {
        Self {
            event: Some(Box::new(event.clone())),
            ..Self::new(Kind::Event, cursor, payload)
        }
    }

    /// The counts that it tells, if it tells any.
    pub fn counts(&self) -> Option<&Kpi> {
        match self.event.as_deref()?.resource.as_ref()? {
            Resource::Kpi(kpi) => Some(kpi),
            _ => None,
        }
    }

    /// The same at another place of the feed.
    pub fn at(&self, cursor: &str) -> Self {
        let name = self.kind.name();
        let before = self.head() + UNNAMED.len() + place(self.cursor.as_deref()).len() + name.len() + r#""":"#.len();
        let payload = self.frame.get(before..self.frame.len() - 1).unwrap_or_default();
        Self {
            event: self.event.clone(),
            ..Self::new(self.kind, cursor, payload)
        }
    }

    /// What older clients hear of it; `first` is called if nobody asked before.
    pub fn older(&self, first: impl FnOnce()) -> &[older::Message] {
        self.older.get_or_init(|| {
            let (Some(event), Some(cursor)) = (&self.event, &self.cursor) else {
                return Vec::new();
            };
            first();
            older::messages(event, cursor)
        })
    }

    /// A sign of life at this place.
    pub fn checkpoint(cursor: &str) -> Self {
        Self::new(Kind::Checkpoint, cursor, "{}")
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where to go on after it.
    pub fn cursor(&self) -> Option<&Arc<str>> {
        self.cursor.as_ref()
    }

    /// Memory it takes, nearly.
    pub fn size(&self) -> usize {
        let event = self.event.as_deref().map_or(0, Event::encoded_len);
        self.frame.len() + self.cursor.as_deref().map_or(0, str::len) + event
    }

    /// Length of `{"type":"…",`.
    fn head(&self) -> usize {
        r#"{"type":"","#.len() + self.kind.name().len()
    }

    /// Its WebSocket frame for the subscription with this name in JSON quotes.
    pub fn frame(&self, quoted_id: &str) -> Utf8Bytes {
        if quoted_id == r#""""# {
            return self.frame.clone();
        }
        let (head, tail) = self.frame.split_at(self.head());
        let tail = tail.get(UNNAMED.len()..).unwrap_or_default();
        format!(r#"{head}"id":{quoted_id},{tail}"#).into()
    }

    /// Its message on an event stream.
    pub fn sse(&self) -> Bytes {
        let (head, tail) = self.frame.split_at(self.head());
        let tail = tail.get(UNNAMED.len()..).unwrap_or_default();
        let id = match self.cursor.as_deref() {
            Some(cursor) if !cursor.contains(['\n', '\r', '\0']) => format!("id: {cursor}\n"),
            _ => String::new(),
        };
        format!("{id}event: {}\ndata: {head}{tail}\n\n", self.kind.name()).into()
    }
}

/// The cursor as it stands in a frame.
fn place(cursor: Option<&str>) -> String {
    cursor
        .map(|cursor| format!(r#""cursor":{},"#, quoted(cursor)))
        .unwrap_or_default()
}

/// Text as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_names_its_subscription() {
        let item = Item::new(Kind::Event, "c1", r#"{"type":"EVENT_TYPE_TASK_CREATED"}"#);
        assert_eq!(
            item.frame(&quoted("")).as_str(),
            r#"{"type":"event","id":"","cursor":"c1","event":{"type":"EVENT_TYPE_TASK_CREATED"}}"#
        );
        assert_eq!(
            item.frame(&quoted("a\"b")).as_str(),
            r#"{"type":"event","id":"a\"b","cursor":"c1","event":{"type":"EVENT_TYPE_TASK_CREATED"}}"#
        );
    }

    #[test]
    fn a_message_can_be_told_at_another_place() {
        for cursor in ["c1", ""] {
            let item = Item::new(Kind::Event, cursor, r#"{"type":"EVENT_TYPE_KPI_CHANGED"}"#);
            let expected = Item::new(Kind::Event, "c\"2", r#"{"type":"EVENT_TYPE_KPI_CHANGED"}"#);
            assert_eq!(item.at("c\"2").frame(&quoted("")), expected.frame(&quoted("")));
        }
    }

    #[test]
    fn an_event_stream_message_carries_the_cursor_as_its_id() {
        let item = Item::new(Kind::SnapshotEnd, "c1", r#"{"row_count":2}"#);
        let expected = "id: c1\nevent: snapshot_end\ndata: {\"type\":\"snapshot_end\",\"cursor\":\"c1\",\"snapshot_end\":{\"row_count\":2}}\n\n";
        assert_eq!(item.sse(), expected);
    }

    #[test]
    fn a_row_of_a_snapshot_cannot_be_resumed_from() {
        let item = Item::new(Kind::SnapshotRow, "c1", "{}");
        assert_eq!(item.cursor(), None);
        assert_eq!(
            item.frame(&quoted("")).as_str(),
            r#"{"type":"snapshot_row","id":"","snapshot_row":{}}"#
        );
        assert!(!String::from_utf8_lossy(&item.sse()).contains("id:"));
    }
}
