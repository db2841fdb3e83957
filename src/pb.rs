//! Messages, services and clients generated from `proto/gad/v1`.

// Generated code has the generators' style, not ours.
#![allow(
    missing_docs,
    unused_parens,
    clippy::all,
    clippy::allow_attributes,
    clippy::too_many_lines,
    clippy::unwrap_used
)]

tonic::include_proto!("gad.v1");

// The validation names messages by their package.
mod gad {
    pub use crate::pb as v1;
}

include!(concat!(env!("OUT_DIR"), "/validate_impl.rs"));
include!(concat!(env!("OUT_DIR"), "/inbound.rs"));
