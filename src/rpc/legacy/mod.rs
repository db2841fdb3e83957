//! Facades for the clients of the older products: translate, call what `gad.v1` calls, translate back.

pub mod auth;
