//! Watch cursors, and the places that Redis and the outbox know.

use gad::{rpc::event::Cursor, store::outbox::Position};

/// First line: what a client sends as a cursor. Second: the id of an entry. Then numbers: a cursor, and how to alter it.
pub fn run(data: &[u8]) {
    let (sent, rest) = super::line(data);
    let (id, rest) = super::line(rest);
    let sent = String::from_utf8_lossy(sent);
    match Cursor::parse(&sent) {
        Ok(cursor) => assert_eq!(cursor.text(), sent),
        Err(error) => {
            assert_eq!(error.reason(), "INVALID_CURSOR");
            super::refusal(error);
        }
    }
    if let Some(position) = Position::parse(&String::from_utf8_lossy(id)) {
        let (xid, seq) = (position.xid, position.seq);
        assert!(xid >= 0, "{xid}-{seq}: no transaction has a number below zero");
        assert_eq!(Position::parse(&position.to_string()), Some(position));
    }

    let mut bytes = rest.iter().copied();
    let mut number = || i64::from_be_bytes(std::array::from_fn(|_| bytes.next().unwrap_or_default()));
    let cursor = Cursor {
        epoch: number(),
        position: Position {
            xid: number(),
            seq: number(),
        },
    };
    let text = cursor.text();
    assert!(text.len() <= 200, "what we give we take");
    assert_eq!(Cursor::parse(&text).expect("our own"), cursor);
    let mut altered = text.clone().into_bytes();
    for pair in rest.get(24..).unwrap_or_default().chunks_exact(2) {
        let at = usize::from(pair[0]) % altered.len();
        altered[at] = pair[1];
    }
    let altered = String::from_utf8_lossy(&altered);
    if altered != text {
        assert!(Cursor::parse(&altered).is_err(), "altered, and taken: {altered}");
    }
}
