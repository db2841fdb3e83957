//! Announcements: words to everybody who is connected.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How it is shown unless somebody says otherwise.
pub const LEVEL: &str = "info";

/// An announcement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// Outside name.
    pub uid: Uuid,
    /// What it is about.
    pub title: String,
    /// The rest.
    pub content: String,
    /// How it is to be shown.
    pub level: String,
    /// Topic; empty: for everybody.
    pub topic: String,
    /// When it was made.
    pub created: Timestamp,
}
