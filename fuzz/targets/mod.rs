//! Fuzz targets: what strangers may send, and what must come of it.
//!
//! Each target is a function of bytes that panics when something is wrong. `fuzz_targets/` hands them to libFuzzer
//! (`make fuzz`); `tests/it/fuzz.rs` includes this module and runs all that is in `corpus/` through them in every test run.

pub mod access_token;
pub mod boundary;
pub mod bridge_frame;
pub mod bridge_query;
pub mod credential;
pub mod cursor;
pub mod fact;
pub mod geography;
pub mod grpc_frame;
pub mod headers;
pub mod import_file;
pub mod json_message;
pub mod legacy_body;
pub mod list_query;
pub mod page_token;
pub mod recurrence;
pub mod request;
pub mod road_pieces;
mod convert;
mod dynamic;
mod rules;

use gad::error::Error;
use jiff::Timestamp;
use tonic::{Code, Status};

/// A target: takes any bytes.
pub type Target = fn(&[u8]);

/// All targets by name, as in `Cargo.toml`, `corpus/` and `dict/`.
pub const ALL: &[(&str, Target)] = &[
    ("access_token", access_token::run),
    ("boundary", boundary::run),
    ("bridge_frame", bridge_frame::run),
    ("bridge_query", bridge_query::run),
    ("credential", credential::run),
    ("cursor", cursor::run),
    ("fact", fact::run),
    ("geography", geography::run),
    ("grpc_frame", grpc_frame::run),
    ("headers", headers::run),
    ("import_file", import_file::run),
    ("json_message", json_message::run),
    ("legacy_body", legacy_body::run),
    ("list_query", list_query::run),
    ("page_token", page_token::run),
    ("recurrence", recurrence::run),
    ("request", request::run),
    ("road_pieces", road_pieces::run),
];

/// The moment at which all targets happen.
fn now() -> Timestamp {
    Timestamp::constant(1_790_000_000, 0)
}

/// The first line, and what follows it.
fn line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// The text of a name; else any of them, so that no input is in vain.
fn pick<'a, T>(all: &'a [T], wanted: &[u8], name: impl Fn(&T) -> &str) -> &'a T {
    let known = all.iter().find(|one| name(one).as_bytes() == wanted);
    known.unwrap_or_else(|| {
        let number = wanted
            .iter()
            .fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        &all[number % all.len()]
    })
}

/// A refusal is the caller's fault, says so in few bytes, and fits into headers.
fn refusal(error: Error) {
    let code = error.code();
    assert!(
        matches!(
            code,
            Code::InvalidArgument | Code::PermissionDenied | Code::Unauthenticated | Code::OutOfRange
        ),
        "a request is refused as if it were our fault: {error:?}"
    );
    let headers = Status::from(error).into_http::<()>().into_parts().0.headers;
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    assert!(size < 8192, "a refusal of {size} bytes");
}
