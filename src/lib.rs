//! GAD: operations backend of a municipal or provincial field service.
//!
//! Modules in reading order; data flows proto → layer → rpc → domain → store → relay → Redis → watch.

pub mod clock;
pub mod config;
pub mod pb;
pub mod codec;
pub mod descriptor;
pub mod address;
pub mod language;
pub mod error;
pub mod outbound;
pub mod telemetry;
pub mod domain;
pub mod store;
pub mod live;
pub mod identity;
pub mod privacy;
pub mod audit;
pub mod dispatch;
pub mod emergency;
pub mod check_in;
pub mod geofence;
pub mod blob;
pub mod recurring;
pub mod mail;
pub mod notify;
pub mod statistics;
pub mod admin;
pub mod app;
pub mod rpc;
pub mod layer;
pub mod health;
pub mod openapi;
pub mod files;
pub mod listener;
pub mod serve;
pub mod seed;
pub mod keys;
pub mod import;
pub mod simulate;
pub mod doctor;
pub mod ws_bridge;
pub mod stack;
