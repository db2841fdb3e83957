//! Page tokens: only what a query made opens it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gad::rpc::page::Query;

/// First line: what a caller sends as a token. Then numbers: a place, where to alter its token, and how.
pub fn run(data: &[u8]) {
    let (sent, rest) = super::line(data);
    let query = Query::of("ListTasks", &"any".to_owned(), 7);
    stranger(&query, &String::from_utf8_lossy(sent));

    let mut bytes = rest.iter().copied();
    let mut number = || i64::from_be_bytes(std::array::from_fn(|_| bytes.next().unwrap_or_default()));
    let place = [number(), number()];
    let token = query.token(place);
    assert!(token.len() <= 1000, "what we give we take");
    assert_eq!(query.open::<2>(&token).expect("our own"), Some(place));
    let other = Query::of("ListTasks", &"other".to_owned(), 7);
    assert!(other.open::<2>(&token).is_err(), "of another query");
    assert!(query.open::<1>(&token).is_err(), "of another size");

    let mut altered = token.clone().into_bytes();
    for (at, byte) in rest
        .iter()
        .skip(16)
        .copied()
        .collect::<Vec<_>>()
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
    {
        let at = usize::from(at) % altered.len();
        altered[at] = byte;
    }
    let altered = String::from_utf8_lossy(&altered);
    if altered != token && !altered.is_empty() {
        assert!(query.open::<2>(&altered).is_err(), "altered, and taken: {altered}");
    }
}

/// What a caller sends is a token only if it is the one we would give.
fn stranger(query: &Query, sent: &str) {
    match query.open::<2>(sent) {
        Ok(None) => assert!(sent.is_empty()),
        Ok(Some(place)) => assert_eq!(query.token(place), sent),
        Err(error) => {
            assert_eq!(error.reason(), "INVALID_PAGE_TOKEN");
            super::refusal(error);
        }
    }
    // The same bytes without the trouble of base64: they are never long enough, or their sum is wrong.
    let encoded = URL_SAFE_NO_PAD.encode(sent);
    if let Ok(Some(place)) = query.open::<1>(&encoded) {
        assert_eq!(query.token(place), encoded);
    }
}
