//! proto3-JSON of what the feed says and of what clients ask for.

use prost_protovalidate::Validate as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, Kind as FieldKind, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value};

use super::{
    frame::Problem,
    item::{Item, Kind},
};
use crate::{
    descriptor,
    pb::{WatchFilter, WatchRequest, WatchResponse, watch_response},
};

/// Deepest that a parameter's name goes.
const DEPTH: usize = 8;

/// Prints and reads the messages of the feed.
#[derive(Debug, Clone)]
pub struct Json {
    event: MessageDescriptor,
    snapshot_row: MessageDescriptor,
    snapshot_end: MessageDescriptor,
    filter: MessageDescriptor,
}

impl Json {
    /// From the embedded descriptors.
    pub fn load() -> anyhow::Result<Self> {
        let pool = descriptor::pool();
        let find = |name: &str| {
            pool.get_message_by_name(name)
                .ok_or_else(|| anyhow::anyhow!("{name} is not in the descriptor set"))
        };
        Ok(Self {
            event: find("gad.v1.Event")?,
            snapshot_row: find("gad.v1.SnapshotRow")?,
            snapshot_end: find("gad.v1.SnapshotEnd")?,
            filter: find("gad.v1.WatchFilter")?,
        })
    }

    /// A message of the feed; none for its end. One of a kind that only newer servers know moves the cursor on.
    pub fn item(&self, response: &WatchResponse) -> anyhow::Result<Option<Item>> {
        use watch_response::Item as Said;
        let WatchResponse { cursor, item } = response;
        let (kind, payload) = match item {
            Some(Said::Event(event)) => return Ok(Some(Item::event(cursor, &print(&self.event, event)?, event))),
            Some(Said::SnapshotRow(row)) => (Kind::SnapshotRow, print(&self.snapshot_row, row)?),
            Some(Said::SnapshotEnd(end)) => (Kind::SnapshotEnd, print(&self.snapshot_end, end)?),
            Some(Said::Checkpoint(_)) | None => (Kind::Checkpoint, "{}".to_owned()),
            Some(Said::End(_)) => return Ok(None),
        };
        Ok(Some(Item::new(kind, cursor, &payload)))
    }

    /// A filter as a client wrote it.
    pub fn filter(&self, written: Value) -> Result<WatchFilter, Problem> {
        let invalid = |field: &str, message: String| Problem::invalid(field, message);
        if !written.is_object() {
            return Err(invalid("filter", "must be an object".to_owned()));
        }
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        let read = DynamicMessage::deserialize_with_options(self.filter.clone(), written, &options)
            .map_err(|cause| invalid("filter", cause.to_string()))?;
        let filter: WatchFilter = read.transcode_to().map_err(|cause| invalid("filter", cause.to_string()))?;
        let request = WatchRequest {
            filter: Some(filter),
            cursor: String::new(),
            include_snapshot: false,
        };
        if let Err(error) = request.validate() {
            let first = error.violations().first();
            let field = first.map_or_else(|| "filter".to_owned(), |violation| violation.field_path());
            let message = first.map_or_else(String::new, |violation| violation.message().to_owned());
            return Err(invalid(&field, message));
        }
        Ok(canonical(request.filter.unwrap_or_default()))
    }

    /// Puts a parameter such as `filter.agent_ids=5` into a filter as [`Self::filter`] reads it.
    /// `name` is without the `filter.`
    pub fn put(&self, written: &mut Map<String, Value>, name: &str, text: &str) -> Result<(), Problem> {
        let unknown = || Problem::invalid(&format!("filter.{name}"), "is not a known parameter".to_owned());
        let steps: Vec<&str> = name.split('.').collect();
        let (last, above) = steps.split_last().filter(|_| steps.len() <= DEPTH).ok_or_else(unknown)?;
        let find = |message: &MessageDescriptor, step: &str| {
            message
                .get_field_by_name(step)
                .or_else(|| message.get_field_by_json_name(step))
        };
        let mut at = written;
        let mut message = self.filter.clone();
        for step in above {
            let field = find(&message, step).filter(|field| !field.is_list()).ok_or_else(unknown)?;
            message = field.kind().as_message().cloned().ok_or_else(unknown)?;
            at = at
                .entry(field.name())
                .or_insert_with(|| Value::Object(Map::new()))
                .as_object_mut()
                .ok_or_else(unknown)?;
        }
        let field = find(&message, last).ok_or_else(unknown)?;
        let value = match field.kind() {
            FieldKind::Message(_) => return Err(unknown()),
            FieldKind::Bool => Value::Bool(text.parse().map_err(|_| unknown())?),
            _ => Value::String(text.to_owned()),
        };
        if !field.is_list() {
            if at.insert(field.name().to_owned(), value).is_some() {
                let field = format!("filter.{name}");
                return Err(Problem::invalid(&field, "is given twice".to_owned()));
            }
            return Ok(());
        }
        let list = at.entry(field.name()).or_insert_with(|| Value::Array(Vec::new()));
        list.as_array_mut().ok_or_else(unknown)?.push(value);
        Ok(())
    }
}

/// The same filter for all who mean the same: lists sorted, nothing twice.
fn canonical(filter: WatchFilter) -> WatchFilter {
    let WatchFilter {
        mut nouns,
        mut types,
        mut task_ids,
        mut agent_ids,
        mut zone_ids,
        r#box,
    } = filter;
    for list in [&mut nouns, &mut types] {
        list.sort_unstable();
        list.dedup();
    }
    for list in [&mut task_ids, &mut agent_ids, &mut zone_ids] {
        list.sort_unstable();
        list.dedup();
    }
    WatchFilter {
        nouns,
        types,
        task_ids,
        agent_ids,
        zone_ids,
        r#box,
    }
}

/// As the REST API prints: names as in the proto, 64-bit numbers as strings, fields at their default too.
fn print(of: &MessageDescriptor, message: &impl prost::Message) -> anyhow::Result<String> {
    let dynamic = DynamicMessage::decode(of.clone(), message.encode_to_vec().as_slice())?;
    let mut printer = serde_json::Serializer::new(Vec::with_capacity(512));
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    dynamic.serialize_with_options(&mut printer, &options)?;
    Ok(String::from_utf8(printer.into_inner())?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pb::{Event, EventType, Hidden, Noun, event};

    fn loaded() -> Json {
        Json::load().expect("the descriptors are whole")
    }

    #[test]
    fn an_event_is_printed_as_the_rest_api_prints_it() {
        let response = WatchResponse {
            cursor: "c1".to_owned(),
            item: Some(watch_response::Item::Event(Event {
                r#type: EventType::TaskHidden.into(),
                event_time: Some(prost_types::Timestamp {
                    seconds: 1_700_000_000,
                    nanos: 0,
                }),
                actor_user_id: 0,
                resource: Some(event::Resource::Hidden(Hidden {
                    task_id: 9_007_199_254_740_993,
                    agent_id: 0,
                })),
            })),
        };
        let item = loaded().item(&response).expect("it prints").expect("it is no end");
        let frame: Value = serde_json::from_str(&item.frame(r#""""#)).expect("JSON");
        let expected = json!({
            "type": "event", "id": "", "cursor": "c1",
            "event": {
                "type": "EVENT_TYPE_TASK_HIDDEN",
                "event_time": "2023-11-14T22:13:20Z",
                "actor_user_id": "0",
                "hidden": {"task_id": "9007199254740993", "agent_id": "0"},
            },
        });
        assert_eq!(frame, expected);
    }

    #[test]
    fn a_filter_is_read_with_either_spelling_and_made_canonical() {
        let json = loaded();
        let written = json!({"nouns": ["NOUN_TASK"], "agentIds": ["7", 5, "7"], "zone_ids": [], "box": {"south": -1.5}});
        let filter = json.filter(written).expect("it is good");
        assert_eq!(filter.nouns, [i32::from(Noun::Task)]);
        assert_eq!(filter.agent_ids, [5, 7]);
        assert_eq!(filter.r#box.map(|b| b.south), Some(-1.5));
    }

    #[test]
    fn a_wrong_filter_is_refused_with_the_field() {
        let json = loaded();
        let refused = |written: Value| json.filter(written).expect_err("it is wrong");
        assert_eq!(refused(json!([])).field.as_deref(), Some("filter"));
        assert!(refused(json!({"colour": 1})).message.contains("colour"));
        assert_eq!(
            refused(json!({"agent_ids": [5, -1]})).field.as_deref(),
            Some("filter.agent_ids[1]")
        );
        assert_eq!(refused(json!({"nouns": [0]})).field.as_deref(), Some("filter.nouns[0]"));
        assert!(refused(json!({"box": {"north": "NaN"}})).field.is_some());
    }

    #[test]
    fn parameters_make_a_filter() {
        let json = loaded();
        let mut written = Map::new();
        for (name, text) in [
            ("nouns", "NOUN_TASK"),
            ("agent_ids", "5"),
            ("agentIds", "6"),
            ("box.north", "-12.5"),
            ("box.south", "-13"),
        ] {
            json.put(&mut written, name, text).expect("it is known");
        }
        let filter = json.filter(Value::Object(written)).expect("it is good");
        assert_eq!(filter.agent_ids, [5, 6]);
        assert_eq!(filter.r#box.map(|b| (b.south, b.north)), Some((-13.0, -12.5)));
        let mut written = Map::new();
        for name in ["colour", "box", "box.colour", "nouns.x", "box.north.x", "", "."] {
            assert!(json.put(&mut written, name, "1").is_err(), "{name}");
        }
        json.put(&mut written, "box.north", "1").expect("once is good");
        assert!(json.put(&mut written, "box.north", "2").is_err());
    }
}
