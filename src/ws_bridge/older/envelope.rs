//! The envelope that every message comes in, with its eleven keys.

use std::{collections::HashSet, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::ws::Utf8Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::{Builder, Uuid};

/// Topic of how much is open.
pub const KPIS: &str = "dashboard:kpis";
/// The type of message that tells it. Who subscribed to that is meant too: the older product's own page subscribes to types.
pub const DASHBOARD: &str = "dashboard_update";

/// A message as it is sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// Only who subscribed to this hears it; none: everybody.
    pub topic: Option<Arc<str>>,
    /// Its frame.
    pub text: Utf8Bytes,
}

impl Message {
    /// Whether it is for who has subscribed to these topics.
    pub fn is_for(&self, topics: &HashSet<String>) -> bool {
        self.topic
            .as_deref()
            .is_none_or(|topic| topics.contains(topic) || topic == KPIS && topics.contains(DASHBOARD))
    }

    /// Of something that happened, at this place of the feed.
    pub fn at(cursor: &str, event_type: &str, data: &Value, time: Timestamp, topic: Option<&str>) -> Self {
        Self {
            topic: topic.map(Arc::from),
            text: envelope(event_type, data, time, id_at(cursor, event_type), topic),
        }
    }
}

/// A message to one connection.
pub fn own(event_type: &str, data: &Value, now: Timestamp) -> Utf8Bytes {
    envelope(event_type, data, now, Uuid::new_v4(), None)
}

fn envelope(event_type: &str, data: &Value, time: Timestamp, id: Uuid, topic: Option<&str>) -> Utf8Bytes {
    let envelope = json!({
        "event_type": event_type,
        "data": data,
        "timestamp": time.to_string(),
        "message_id": id.to_string(),
        "target_user_id": null,
        "target_role": null,
        "topic": topic,
        "channel_name": null,
        "channel_type": null,
        "priority_level": 1,
        "routing_metadata": {},
    });
    envelope.to_string().into()
}

/// The name of a message: the same wherever the feed is read.
fn id_at(cursor: &str, event_type: &str) -> Uuid {
    let hash = digest(&SHA256, format!("{cursor} {event_type}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_has_its_eleven_keys_and_the_same_name_everywhere() {
        let told = || Message::at("c1", "task_created", &json!({"task_id": 7}), Timestamp::UNIX_EPOCH, None);
        let read: Value = serde_json::from_str(&told().text).expect("JSON");
        let mut keys: Vec<&String> = read.as_object().expect("an object").keys().collect();
        keys.sort();
        let mut expected = [
            "event_type",
            "data",
            "timestamp",
            "message_id",
            "target_user_id",
            "target_role",
            "topic",
            "channel_name",
            "channel_type",
            "priority_level",
            "routing_metadata",
        ];
        expected.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!(read["timestamp"], "1970-01-01T00:00:00Z");
        assert_eq!(told().text, told().text);
        let alert = Message::at("c1", "alert", &json!({}), Timestamp::UNIX_EPOCH, None);
        let alert: Value = serde_json::from_str(&alert.text).expect("JSON");
        assert_ne!(read["message_id"], alert["message_id"], "two messages of one fact");
    }
}
