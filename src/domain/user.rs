//! People who may sign in.

use jiff::Timestamp;
use uuid::Uuid;

use super::{AgentId, Revision, UserId, ZoneId, access::Level};

/// Somebody who may sign in, as stored. The national id is not here: it stays sealed until somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Number.
    pub id: UserId,
    /// Outside name.
    pub uid: Uuid,
    /// E-mail, lower case.
    pub email: String,
    /// Name to sign in with beside the e-mail, lower case.
    pub username: Option<String>,
    /// Names.
    pub name: Name,
    /// Telephone number as typed; empty: none.
    pub phone: String,
    /// Number at Telegram.
    pub telegram_id: Option<i64>,
    /// Language of mail, `es` or `en`.
    pub language: String,
    /// Level of authority.
    pub level: Level,
    /// Zones that a supervisor's authority ends at; empty: it does not end.
    pub zones: Vec<ZoneId>,
    /// The user's agent.
    pub agent: Option<AgentId>,
    /// Whether the user may sign in.
    pub active: bool,
    /// When the e-mail was proved.
    pub email_verified: Option<Timestamp>,
    /// The password must be changed before anything else.
    pub password_expired: bool,
    /// Until when failed attempts keep the user out.
    pub locked_until: Option<Timestamp>,
    /// Whether a second factor is asked for.
    pub second_factor: bool,
    /// Last sign-in.
    pub last_login: Option<Timestamp>,
    /// Least version of access tokens that is good.
    pub token_version: i32,
    /// When it was created.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
    /// When its personal values were replaced.
    pub erased: Option<Timestamp>,
    /// Version.
    pub revision: Revision,
}

/// Names of a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// As shown.
    pub display: String,
    /// Given names.
    pub given: String,
    /// Family names.
    pub family: String,
}

impl User {
    /// Whether the user may have a session.
    pub fn may_sign_in(&self) -> bool {
        self.active && self.deleted.is_none() && self.erased.is_none()
    }

    /// The user as a caller.
    pub fn caller(&self) -> super::access::Caller {
        super::access::Caller {
            user: self.id,
            level: self.level,
            zones: self.zones.iter().copied().collect(),
        }
    }
}
