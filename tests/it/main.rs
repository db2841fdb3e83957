//! The one integration crate: through the wire, against real PostgreSQL, Redis, Envoy and Chromium.
//!
//! Started by `make test`, which provides the stores (`gad with-stores`).

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "tests stop at once when what they stand on is not there, take it from where they run, and tell a story to its end"
)]

mod access;
mod access_cast;
mod access_existence;
mod access_older;
mod access_rows;
mod access_stock;
mod agent;
mod api_token;
mod attachment;
mod attack;
mod attack_edge;
mod attack_flood;
mod attack_size;
mod attack_slow;
mod attack_tls;
mod attack_tokens;
mod audit;
mod audit_calls;
mod auth;
mod auth_rows;
mod bad_input;
mod bridge;
mod bridge_clients;
mod bridge_limits;
mod certificates;
mod chaos;
mod check_in;
mod bulk;
mod checklist;
mod children;
mod city;
mod comment;
mod contract;
mod cycle;
mod dashboard;
mod dashboard_pages;
mod dependency;
mod dispatch;
mod emergency;
mod export;
mod documentation;
mod doors;
mod edge;
mod envoy;
mod fuzz;
mod import;
mod geofence;
mod hooks;
mod keys;
mod layers;
mod legacy;
mod legacy_auth;
mod legacy_contract;
mod legacy_geo;
mod legacy_health;
mod legacy_privacy;
mod legacy_socket;
mod legacy_stats;
mod legacy_task;
mod legacy_telegram;
mod legacy_user;
mod legacy_usuario;
mod limit;
mod limit_payers;
mod live;
mod mail;
mod map;
mod map_track;
mod matrix;
mod matrix_bulk;
mod matrix_details;
mod matrix_field;
mod matrix_geo;
mod matrix_notify;
mod matrix_people;
mod matrix_privacy;
mod matrix_rows;
mod matrix_socket;
mod nearby;
mod newcomer;
mod notification;
mod outbound;
mod position;
mod privacy;
mod privacy_location;
mod privacy_records;
mod raw;
mod revocation;
mod rolling;
mod session;
mod settings;
mod sight;
mod smtp;
mod stack;
mod stage;
mod statistics;
mod sync;
mod tap;
mod task;
mod template;
mod totp;
mod user;
mod world;
mod zone;
