//! The query and `Last-Event-ID` that clients of `/events` send.

use axum::http::{HeaderMap, HeaderValue};
use gad::ws_bridge::{frame::Start, query};

/// First line: the header, if there is something in it. Second: the query.
pub fn run(data: &[u8]) {
    let (last, rest) = super::line(data);
    let (query, _) = super::line(rest);
    let Ok(query) = std::str::from_utf8(query) else {
        return;
    };
    let mut headers = HeaderMap::new();
    if let Ok(last) = HeaderValue::from_bytes(last) {
        headers.insert("last-event-id", last);
    }
    same_as_the_library(query);
    let Ok((wish, token)) = query::read(query, &headers, &super::bridge_frame::JSON) else {
        return;
    };
    super::bridge_frame::wished(&wish);
    assert!(token.is_none_or(|token| token.len() <= query.len()));
    let last = headers.get("last-event-id").and_then(|last| last.to_str().ok());
    if let Some(last) = last.filter(|last| !last.is_empty()) {
        assert_eq!(
            wish.start,
            Start::Cursor(last.into()),
            "whoever comes back goes on where they were"
        );
    }
}

/// What is well-formed means what it means to everybody.
fn same_as_the_library(query: &str) {
    let Ok(parameters) = query::parameters(query) else {
        return;
    };
    let others: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(parameters, others);
}
