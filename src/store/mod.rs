//! Postgres: all SQL, one file per aggregate.

pub mod agent;
pub mod agent_list;
pub mod api_token;
pub mod audit;
pub mod audit_erase;
pub mod audit_list;
pub mod conditions;
pub mod consent;
pub mod credentials;
pub mod data_key;
pub mod database;
pub mod decode;
pub mod dispatch;
pub mod emergency;
pub mod erase;
pub mod export;
pub mod key;
pub mod location;
pub mod mail;
pub mod migrate;
pub mod nearby;
pub mod outbox;
pub mod position;
pub mod replay;
pub mod retention;
pub mod revocation;
pub mod session;
pub mod shift;
pub mod task;
pub mod task_list;
pub mod user;
pub mod user_list;
pub mod user_stats;
pub mod zone;

pub use database::{Conn, Database, Query, Tx};
