//! What is written down of calls that change something or read something sensitive, and how rows hang together.

use std::{fmt, net::IpAddr, str::FromStr};

use jiff::{Timestamp, civil::Date, tz::Offset};
use uuid::Uuid;

use super::UserId;

/// The way a call came in. Numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// gRPC.
    Grpc = 1,
    /// gRPC-web, from a browser.
    GrpcWeb = 2,
    /// Canonical REST, transcoded by the edge.
    Rest = 3,
    /// REST of the older products, transcoded by the edge.
    Legacy = 4,
    /// gRPC by the Telegram bot.
    Bot = 5,
    /// None: the system did it by itself.
    Inside = 6,
}

impl Door {
    /// All doors.
    pub const ALL: [Self; 6] = [Self::Grpc, Self::GrpcWeb, Self::Rest, Self::Legacy, Self::Bot, Self::Inside];

    /// The door of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|door| *door as i32 == number)
    }
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Somebody without a name.
    Nobody,
    /// A user.
    User(UserId),
    /// A service or script, with a token that a user gave it.
    ApiToken {
        /// Number of the token.
        token: i64,
        /// Whose authority it has.
        user: UserId,
    },
    /// The system itself.
    System,
}

impl Actor {
    /// Number of the kind, as on the wire and as stored.
    pub fn kind(self) -> i16 {
        match self {
            Self::Nobody => 1,
            Self::User(_) => 2,
            Self::ApiToken { .. } => 3,
            Self::System => 4,
        }
    }

    /// The actor of a kind with these numbers, if there is such a one.
    pub fn of(kind: i16, user: Option<i64>, token: Option<i64>) -> Option<Self> {
        match (kind, user, token) {
            (1, None, None) => Some(Self::Nobody),
            (2, Some(user), None) => Some(Self::User(UserId(user))),
            (3, Some(user), Some(token)) => Some(Self::ApiToken {
                token,
                user: UserId(user),
            }),
            (4, None, None) => Some(Self::System),
            _ => None,
        }
    }

    /// The user, if there is one.
    pub fn user(self) -> Option<UserId> {
        match self {
            Self::Nobody | Self::System => None,
            Self::User(user) | Self::ApiToken { user, .. } => Some(user),
        }
    }

    /// The API token, if there is one.
    pub fn token(self) -> Option<i64> {
        match self {
            Self::ApiToken { token, .. } => Some(token),
            Self::Nobody | Self::User(_) | Self::System => None,
        }
    }
}

/// Outcome of a call that was answered; every other outcome is the reason of a refusal.
pub const OK: &str = "OK";
/// Method of the rows that tell where all segments of a day end.
pub const ANCHOR: &str = "audit.anchor";
/// Method of the rows that tell that the rows of a day were dropped.
pub const RETENTION: &str = "audit.retention";
/// Method of the rows that tell that what was kept long enough was forgotten, of one kind (`retentionPolicy/Mails`).
pub const FORGETTING: &str = "privacy.retention";
/// Method of the rows that tell that what other rows say of a person was erased: of everything the person did or was
/// subject of (`user/3`), or of what was done to a thing and named the person (`task/12`).
pub const ERASURE: &str = "audit.erasure";

/// What the audit is to forget of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// Who.
    pub user: UserId,
    /// Things that name the person, as the audit names them: `task/12`.
    pub things: Vec<String>,
    /// How the person is named, as a regular expression of PostgreSQL on JSON; none: in no way that tells.
    pub pattern: Option<String>,
}

/// What is written down of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When.
    pub time: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// How the call came in.
    pub door: Door,
    /// The method, such as `gad.v1.TaskService/StartTask`.
    pub method: String,
    /// The permission that it asks for.
    pub permission: String,
    /// What it was done to, such as `task/12`; empty: nothing, or it is not known.
    pub resource: String,
    /// The person whom it is about.
    pub subject: Option<UserId>,
    /// [`OK`], or the reason of the refusal.
    pub outcome: String,
    /// The call's name in logs.
    pub request_id: Uuid,
    /// The caller's name for the request; empty: none.
    pub idempotency_id: String,
    /// What may tell of a person; none: it was erased.
    pub personal: Option<Personal>,
}

impl Entry {
    /// What the system itself does.
    pub fn by_system(method: &str, resource: String, detail: String, request_id: Uuid, time: Timestamp) -> Self {
        Self {
            time,
            actor: Actor::System,
            door: Door::Inside,
            method: method.to_owned(),
            permission: String::new(),
            resource,
            subject: None,
            outcome: OK.to_owned(),
            request_id,
            idempotency_id: String::new(),
            personal: Some(Personal {
                detail,
                reason: String::new(),
                address: None,
            }),
        }
    }

    /// The day (UTC) that it belongs to.
    pub fn day(&self) -> Date {
        day(self.time)
    }

    /// Whether it says that the rows of this day were dropped.
    pub fn drops(&self, day: Date) -> bool {
        self.method == RETENTION && self.actor == Actor::System && self.resource == format!("day/{day}")
    }

    /// What is hashed of a row: its place, the hash of the row before it, and all of the entry but what may tell of a
    /// person, for which its hash stands.
    pub fn bytes(&self, place: Place, previous: &[u8], personal: &[u8]) -> Vec<u8> {
        let Self {
            time,
            actor,
            door,
            method,
            permission,
            resource,
            subject,
            outcome,
            request_id,
            idempotency_id,
            personal: _,
        } = self;
        let mut bytes = Bytes::of("row 1");
        place.write(&mut bytes);
        bytes.add(previous);
        bytes.number(time.as_microsecond());
        bytes.number(actor.kind().into());
        bytes.option(actor.user().map(|user| user.0));
        bytes.option(actor.token());
        bytes.option(subject.map(|user| user.0));
        bytes.number(*door as i64);
        for text in [method, permission, resource, outcome, idempotency_id] {
            bytes.add(text.as_bytes());
        }
        bytes.add(request_id.as_bytes());
        bytes.add(personal);
        bytes.0
    }
}

/// The day (UTC) of a time.
pub fn day(time: Timestamp) -> Date {
    Offset::UTC.to_datetime(time).date()
}

/// What may tell of a person. It can be erased without breaking the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personal {
    /// What changed, and what else there is to say: JSON.
    pub detail: String,
    /// Why, in the caller's words.
    pub reason: String,
    /// Where the call came from.
    pub address: Option<IpAddr>,
}

impl Personal {
    /// What is hashed of it.
    pub fn bytes(&self, salt: &[u8]) -> Vec<u8> {
        let Self { detail, reason, address } = self;
        let mut bytes = Bytes::of("personal 1");
        bytes.add(salt);
        bytes.add(detail.as_bytes());
        bytes.add(reason.as_bytes());
        match address {
            None => bytes.add(b""),
            Some(IpAddr::V4(address)) => bytes.add(&address.octets()),
            Some(IpAddr::V6(address)) => bytes.add(&address.octets()),
        }
        bytes.0
    }
}

/// Place of a row; as text `2026-01-31/3/17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Day (UTC).
    pub day: Date,
    /// Segment of the day, from 1.
    pub segment: i32,
    /// Number within the segment, from 1.
    pub number: i64,
}

impl Place {
    fn write(self, bytes: &mut Bytes) {
        let Self { day, segment, number } = self;
        bytes.add(day.to_string().as_bytes());
        bytes.number(segment.into());
        bytes.number(number);
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.day, self.segment, self.number)
    }
}

/// A text that names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place such as 2026-01-31/3/17")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or(NoPlace);
        let place = Self {
            day: part()?.parse().map_err(|_| NoPlace)?,
            segment: part()?.parse().map_err(|_| NoPlace)?,
            number: part()?.parse().map_err(|_| NoPlace)?,
        };
        parts.next().is_none().then_some(place).ok_or(NoPlace)
    }
}

/// An entry at its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its place.
    pub place: Place,
    /// The entry.
    pub entry: Entry,
    /// What the hash of what may tell of a person is salted with; none: it was erased.
    pub salt: Option<Vec<u8>>,
    /// Keyed hash of what may tell of a person.
    pub personal_hash: Vec<u8>,
    /// Keyed hash of the row and the one before it.
    pub hash: Vec<u8>,
    /// How it lost what told of a person.
    pub erased: Option<Erased>,
}

/// That a row lost what told of a person, as the server did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The row that tells of the erasure.
    pub by: Place,
    /// Keyed hash of the row's hash and of that place.
    pub proof: Vec<u8>,
}

impl Erased {
    /// What is hashed of the erasure of a row with this hash.
    pub fn bytes(hash: &[u8], by: Place) -> Vec<u8> {
        let mut bytes = Bytes::of("erasure 1");
        bytes.add(hash);
        by.write(&mut bytes);
        bytes.0
    }
}

/// The end of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Place of its last row; number 0: it has none yet.
    pub place: Place,
    /// Hash of that row.
    pub hash: Vec<u8>,
}

impl Head {
    /// What is hashed of it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Bytes::of("head 1");
        self.place.write(&mut bytes);
        bytes.add(&self.hash);
        bytes.0
    }
}

/// A day that has rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// The day (UTC).
    pub day: Date,
    /// The day before it that has rows.
    pub previous: Option<Date>,
    /// Number of its segments.
    pub segments: i32,
}

impl Day {
    /// What is hashed of it.
    pub fn bytes(&self) -> Vec<u8> {
        let Self { day, previous, segments } = self;
        let mut bytes = Bytes::of("day 1");
        bytes.add(day.to_string().as_bytes());
        bytes.add(previous.map(|day| day.to_string()).unwrap_or_default().as_bytes());
        bytes.number((*segments).into());
        bytes.0
    }
}

/// Values, each with its length before it, so that no two lists of values have the same bytes.
struct Bytes(Vec<u8>);

impl Bytes {
    fn of(what: &str) -> Self {
        let mut bytes = Self(Vec::with_capacity(512));
        bytes.add(what.as_bytes());
        bytes
    }

    fn add(&mut self, value: &[u8]) {
        self.0.extend((value.len() as u64).to_be_bytes());
        self.0.extend(value);
    }

    fn number(&mut self, value: i64) {
        self.add(&value.to_be_bytes());
    }

    fn option(&mut self, value: Option<i64>) {
        match value {
            Some(value) => self.number(value),
            None => self.add(b""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place: Place = "2026-01-31/3/17".parse().expect("a place");
        assert_eq!(place.to_string(), "2026-01-31/3/17");
        for wrong in [
            "",
            "2026-01-31",
            "2026-01-31/3",
            "2026-13-31/3/17",
            "2026-01-31/3/17/1",
            "x/3/17",
        ] {
            assert_eq!(wrong.parse::<Place>(), Err(NoPlace), "{wrong}");
        }
    }

    #[test]
    fn texts_that_flow_into_each_other_have_other_bytes() {
        let entry = |method: &str, permission: &str| Entry {
            permission: permission.to_owned(),
            ..Entry::by_system(method, String::new(), String::new(), Uuid::nil(), Timestamp::UNIX_EPOCH)
        };
        let place: Place = "1970-01-01/1/1".parse().expect("a place");
        let bytes = |method, permission| entry(method, permission).bytes(place, b"", b"");
        assert_ne!(bytes("ab", "c"), bytes("a", "bc"));
    }
}
