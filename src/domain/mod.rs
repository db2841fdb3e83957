//! Pure rules per noun: no I/O, no async, no wire types, no clock.

pub mod access;
pub mod action;
pub mod agent;
pub mod announcement;
pub mod attachment;
pub mod audit;
pub mod check_in;
pub mod checklist;
pub mod comment;
pub mod consent;
pub mod country;
pub mod crossing;
pub mod data_map;
pub mod dependency;
pub mod dispatch;
pub mod email;
pub mod emergency;
pub mod erasure;
pub mod fact;
pub mod geo;
pub mod geofence;
pub mod interest;
pub mod lens;
pub mod limit;
pub mod mail;
pub mod map;
pub mod message;
pub mod national_id;
pub mod notification;
pub mod password;
pub mod plan;
pub mod recurrence;
pub mod retention;
pub mod session;
pub mod statistics;
pub mod sync;
pub mod task;
pub mod template;
pub mod user;
pub mod workflow;
pub mod zone;

use serde::{Deserialize, Serialize};

/// Number of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId(pub i64);

/// Number of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AgentId(pub i64);

/// Number of an emergency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EmergencyId(pub i64);

/// Number of a geofence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GeofenceId(pub i64);

/// Number of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserId(pub i64);

/// Number of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ZoneId(pub i64);

/// Version of a row: grows by one with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(pub i64);
