//! Frames that WebSocket clients of the bridge send.

use std::sync::LazyLock;

use gad::{
    pb::WatchRequest,
    ws_bridge::{
        frame::{self, ClientFrame, Start, Wish},
        item::{Item, Kind, quoted},
        json::Json,
    },
};
use prost::Message as _;
use prost_protovalidate::Validate as _;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::Value;

pub(super) static JSON: LazyLock<Json> = LazyLock::new(|| Json::load().expect("the descriptors are whole"));

/// A frame.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match ClientFrame::parse(text, &JSON) {
        Ok(ClientFrame::Subscribe { id, wish }) => {
            assert!(id.chars().count() <= 64);
            named(&id);
            wished(&wish);
        }
        Ok(ClientFrame::Unsubscribe { id }) => assert!(id.chars().count() <= 64),
        Ok(ClientFrame::Ping { data }) => {
            let told = told(&frame::pong(&data));
            assert_eq!((&told["type"], &told["data"]), (&Value::from("pong"), &data));
        }
        Ok(ClientFrame::Auth { token }) => assert!(token.len() <= text.len()),
        Err(problem) => {
            let said = frame::error(&problem);
            let told = told(&said);
            assert_eq!(
                (&told["type"], told["reason"].as_str()),
                (&Value::from("error"), Some(problem.reason))
            );
            assert!(
                said.as_str().len() <= 6 * text.len() + 1024,
                "an error longer than what it is about"
            );
        }
    }
}

fn told(frame: &str) -> Value {
    serde_json::from_str(frame).unwrap_or_else(|cause| panic!("{cause}: {frame}"))
}

/// Whatever a subscription is called, its frames are JSON and its messages say so.
fn named(id: &str) {
    let item = Item::new(Kind::Event, "c1", "{}");
    let told = told(&item.frame(&quoted(id)));
    assert_eq!((told["id"].as_str(), told["cursor"].as_str()), (Some(id), Some("c1")));
    assert_eq!(
        serde_json::from_str::<Value>(&frame::subscribed(id)).expect("JSON")["id"],
        *id
    );
}

/// What is asked for upstream keeps the rules, and means the same when it is said again.
pub(super) fn wished(wish: &Wish) {
    let (cursor, include_snapshot) = match &wish.start {
        Start::Now => (String::new(), false),
        Start::Snapshot => (String::new(), true),
        Start::Cursor(cursor) => (cursor.to_string(), false),
    };
    let request = WatchRequest {
        filter: Some(wish.filter.clone()),
        cursor: cursor.clone(),
        include_snapshot,
    };
    request.validate().expect("the bridge asks for nothing that breaks a rule");
    let of = super::request::message("gad.v1.WatchFilter");
    let dynamic = DynamicMessage::decode(of, wish.filter.encode_to_vec().as_slice()).expect("a message");
    let written = dynamic.serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new());
    let again = JSON.filter(written.expect("it can be printed")).expect("it was good before");
    assert_eq!(again, wish.filter);
    let checkpoint = Item::checkpoint(&cursor);
    assert_eq!(
        told(&checkpoint.frame(&quoted("x")))["cursor"].as_str().unwrap_or_default(),
        cursor
    );
    one_message(&checkpoint);
}

/// On an event stream an item is one message: its end is the only empty line.
fn one_message(item: &Item) {
    let text = String::from_utf8(item.sse().to_vec()).expect("text");
    let body = text.strip_suffix("\n\n").expect("it ends");
    assert!(!body.contains("\n\n") && !body.contains('\r'), "{text:?}");
    assert!(
        body.lines()
            .all(|line| ["id: ", "event: ", "data: "].iter().any(|field| line.starts_with(field)))
    );
}
