//! People who may sign in.

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    AgentId, Revision, UserId, ZoneId,
    access::{Caller, Level},
};

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
    /// Country, ISO 3166-1, where the person said it.
    pub country: Option<String>,
    /// Level of authority.
    pub level: Level,
    /// Zones that a supervisor's authority ends at; empty: it does not end.
    pub zones: Vec<ZoneId>,
    /// The user's agent.
    pub agent: Option<AgentId>,
    /// Not a person: never signs in, acts by API tokens only.
    pub service: bool,
    /// Whether the user may sign in.
    pub active: bool,
    /// Kept out by an administrator.
    pub locked: Option<Lock>,
    /// When the e-mail was proved.
    pub email_verified: Option<Timestamp>,
    /// Whether the e-mail must be proved before the first sign-in.
    pub must_verify_email: bool,
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

/// Why an administrator keeps a user out, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

/// How much of a user somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// What stands on screens: names, level, agent.
    Card,
    /// What it takes to send somebody.
    Dispatch,
    /// Everything.
    Whole,
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

/// Authority that somebody is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    level: Level,
    zones: Vec<ZoneId>,
}

/// Zones for somebody who is no supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZonesOfNoUse;

impl Authority {
    /// That of a field agent.
    pub const AGENT: Self = Self {
        level: Level::Agent,
        zones: Vec::new(),
    };

    /// That of an administrator.
    pub const ADMINISTRATOR: Self = Self {
        level: Level::Administrator,
        zones: Vec::new(),
    };

    /// A level, and the zones that a supervisor's authority ends at.
    pub fn new(level: Level, mut zones: Vec<ZoneId>) -> Result<Self, ZonesOfNoUse> {
        if level != Level::Supervisor && !zones.is_empty() {
            return Err(ZonesOfNoUse);
        }
        zones.sort_unstable();
        zones.dedup();
        Ok(Self { level, zones })
    }

    /// The level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The zones, ascending; none: it reaches everywhere.
    pub fn zones(&self) -> &[ZoneId] {
        &self.zones
    }

    /// Whether a caller has that much, so that it is theirs to give.
    pub fn is_within(&self, caller: &Caller) -> bool {
        let near = !self.zones.is_empty() && self.zones.iter().all(|zone| caller.zones.contains(zone));
        self.level <= caller.level && (caller.sees_all() || self.level == Level::Agent || near)
    }
}

impl User {
    /// Whether the user may have a session, or act by tokens.
    pub fn may_sign_in(&self) -> bool {
        self.active && self.locked.is_none() && !self.is_gone()
    }

    /// Whether the account was closed, by deactivation or deletion: who has the password may know it. Who is kept out by an
    /// administrator may not, and who was erased has none.
    pub fn is_inactive(&self) -> bool {
        (!self.active || self.deleted.is_some()) && self.locked.is_none() && self.erased.is_none()
    }

    /// Whether the user was deleted, or its personal values replaced.
    pub fn is_gone(&self) -> bool {
        self.deleted.is_some() || self.erased.is_some()
    }

    /// Whether the e-mail must be proved first.
    pub fn is_unproved(&self) -> bool {
        self.must_verify_email && self.email_verified.is_none()
    }

    /// Addresses and names of the person, which are no passwords.
    pub fn personal(&self) -> Vec<&str> {
        let Name { display, given, family } = &self.name;
        let username = self.username.as_deref().unwrap_or_default();
        vec![&self.email, username, display, given, family]
    }

    /// The user as a caller.
    pub fn caller(&self) -> Caller {
        Caller {
            user: self.id,
            level: self.level,
            zones: self.zones.iter().copied().collect(),
        }
    }

    /// How much a caller sees of the user who sees it at all.
    pub fn view_for(&self, caller: &Caller) -> View {
        match caller.level {
            _ if caller.user == self.id => View::Whole,
            Level::Administrator => View::Whole,
            Level::Supervisor => View::Dispatch,
            Level::Agent => View::Card,
        }
    }

    /// Whether a caller may change how much authority the user has: nobody their own, nobody that of somebody with more.
    pub fn yields_to(&self, caller: &Caller) -> bool {
        self.id != caller.user && self.level <= caller.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(level: Level, zones: &[i64]) -> Caller {
        Caller {
            user: UserId(1),
            level,
            zones: zones.iter().map(|zone| ZoneId(*zone)).collect(),
        }
    }

    fn authority(level: Level, zones: &[i64]) -> Authority {
        Authority::new(level, zones.iter().map(|zone| ZoneId(*zone)).collect()).expect("zones of a supervisor")
    }

    #[test]
    fn nobody_gives_more_than_they_have() {
        use Level::{Administrator, Agent, Supervisor};
        for (giver, zones, level, given, may) in [
            (Administrator, &[][..], Administrator, &[][..], true),
            (Administrator, &[], Supervisor, &[1, 2], true),
            (Supervisor, &[], Administrator, &[], false),
            (Supervisor, &[], Supervisor, &[], true),
            (Supervisor, &[], Supervisor, &[3], true),
            (Supervisor, &[1, 2], Supervisor, &[], false),
            (Supervisor, &[1, 2], Supervisor, &[2], true),
            (Supervisor, &[1, 2], Supervisor, &[2, 3], false),
            (Supervisor, &[1, 2], Agent, &[], true),
            (Agent, &[], Supervisor, &[], false),
        ] {
            let within = authority(level, given).is_within(&caller(giver, zones));
            assert_eq!(within, may, "{giver:?} {zones:?} gives {level:?} {given:?}");
        }
    }

    #[test]
    fn zones_are_for_supervisors() {
        for level in [Level::Agent, Level::Administrator] {
            assert_eq!(Authority::new(level, vec![ZoneId(1)]), Err(ZonesOfNoUse));
        }
        assert_eq!(authority(Level::Supervisor, &[2, 1, 2]).zones(), [ZoneId(1), ZoneId(2)]);
    }
}
