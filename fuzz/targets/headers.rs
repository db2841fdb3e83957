//! Headers that every call may bring.

use std::time::Duration;

use gad::{error::Language, layer::deadline};
use http::HeaderValue;

/// One value per line: `grpc-timeout`, `accept-language`.
pub fn run(data: &[u8]) {
    let (timeout, rest) = super::line(data);
    let (language, _) = super::line(rest);
    if let Some(text) = text(timeout) {
        timeout_of(&text);
    }
    if let Some(text) = text(language) {
        let known = Language::of(&text);
        assert_eq!(Language::of(known.tag()), known);
    }
}

/// The text of a header, as the layers read it.
fn text(bytes: &[u8]) -> Option<String> {
    Some(HeaderValue::from_bytes(bytes).ok()?.to_str().ok()?.to_owned())
}

fn timeout_of(text: &str) {
    let Some(left) = deadline::parse(text) else {
        return;
    };
    assert!(left <= Duration::from_secs(99_999_999 * 3600));
    let (digits, unit) = text.split_at(text.len() - 1);
    let number: u128 = digits.parse().expect("digits");
    let nanos = match unit {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1000,
        "n" => 1,
        _ => panic!("{unit} is no unit"),
    };
    assert_eq!(left.as_nanos(), number * nanos);
}
