//! Messages, services and clients generated from `proto/gad`.

// Generated code has the generators' style, not ours.
#![allow(
    missing_docs,
    unused_parens,
    clippy::all,
    clippy::allow_attributes,
    clippy::too_many_lines,
    clippy::unwrap_used
)]

pub use gad::v1::*;

/// Of the older products: `gad.legacy.v1`.
pub mod legacy {
    pub use crate::pb::gad::legacy::v1::*;
}

// Generated code names things by their packages.
mod gad {
    pub mod v1 {
        tonic::include_proto!("gad.v1");
    }
    pub mod legacy {
        pub mod v1 {
            tonic::include_proto!("gad.legacy.v1");
        }
    }
}

/// Raw bodies.
pub mod google {
    /// `google.api.HttpBody`.
    pub mod api {
        tonic::include_proto!("google.api");
    }
}

include!(concat!(env!("OUT_DIR"), "/validate_impl.rs"));
include!(concat!(env!("OUT_DIR"), "/inbound.rs"));
