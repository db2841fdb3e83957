//! The frames of `/ws/v1/watch`: what clients say and what they are told.

use axum::extract::ws::Utf8Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{ended::Ended, item::quoted, json::Json};
use crate::pb::WatchFilter;

pub use super::feed::Start;

/// Longest name of a subscription.
const NAME_LIMIT: usize = 64;
/// Longest cursor.
const CURSOR_LIMIT: usize = 200;

/// What is wrong with a frame or a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Short name of what is wrong.
    pub reason: &'static str,
    /// The same in words.
    pub message: String,
    /// Field it is about.
    pub field: Option<String>,
    /// Subscription it is about.
    pub id: Option<String>,
}

impl Problem {
    /// A field is wrong.
    pub fn invalid(field: &str, message: String) -> Self {
        Self {
            reason: "INVALID_FIELD",
            message,
            field: Some(field.to_owned()),
            id: None,
        }
    }

    /// Anything else is wrong.
    pub fn of(reason: &'static str, message: &str) -> Self {
        Self {
            reason,
            message: message.to_owned(),
            field: None,
            id: None,
        }
    }

    /// With the subscription it is about.
    pub fn about(self, id: &str) -> Self {
        Self {
            id: Some(id.to_owned()),
            ..self
        }
    }
}

/// What a client wants to hear, and from where.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Which events.
    pub filter: WatchFilter,
    /// From where.
    pub start: Start,
}

impl Wish {
    /// From a filter, a cursor and whether to begin with a snapshot.
    pub fn new(filter: WatchFilter, cursor: &str, snapshot: bool) -> Result<Self, Problem> {
        if cursor.len() > CURSOR_LIMIT {
            return Err(Problem::invalid(
                "cursor",
                format!("is longer than {CURSOR_LIMIT} characters"),
            ));
        }
        let start = match (cursor, snapshot) {
            ("", false) => Start::Now,
            ("", true) => Start::Snapshot,
            (cursor, false) => Start::Cursor(cursor.into()),
            (_, true) => {
                return Err(Problem::invalid(
                    "include_snapshot",
                    "does not go together with cursor".to_owned(),
                ));
            }
        };
        Ok(Self { filter, start })
    }
}

/// What a client says.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientFrame {
    /// Here is my token.
    Auth {
        /// The token.
        token: String,
    },
    /// Tell me of this.
    Subscribe {
        /// The client's name for the subscription.
        id: String,
        /// What.
        wish: Box<Wish>,
    },
    /// No more of this.
    Unsubscribe {
        /// The client's name for the subscription.
        id: String,
    },
    /// Are you there?
    Ping {
        /// To be sent back.
        data: Value,
    },
}

/// The fields of a frame; what is left at the end is unknown.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::invalid(name, "must be a string".to_owned())),
        }
    }

    fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Problem::invalid(name, "must be true or false".to_owned())),
        }
    }

    /// A name that may be left out: then it is empty.
    fn id(&mut self) -> Result<String, Problem> {
        let id = self.text("id")?.unwrap_or_default();
        if id.chars().count() > NAME_LIMIT {
            return Err(Problem::invalid("id", format!("is longer than {NAME_LIMIT} characters")));
        }
        Ok(id)
    }

    fn nothing_else(self) -> Result<(), Problem> {
        match self.0.keys().next() {
            Some(name) => Err(Problem::invalid(name, "is not a known field".to_owned())),
            None => Ok(()),
        }
    }
}

impl ClientFrame {
    /// Reads a frame.
    pub fn parse(text: &str, json: &Json) -> Result<Self, Problem> {
        let malformed = |message: &str| Problem::of("MALFORMED_FRAME", message);
        let value: Value = serde_json::from_str(text).map_err(|cause| malformed(&format!("not JSON: {cause}")))?;
        let Value::Object(fields) = value else {
            return Err(malformed("not a JSON object"));
        };
        let mut fields = Fields(fields);
        let named = fields.text("type")?.ok_or_else(|| malformed("no type"))?;
        let frame = match named.as_str() {
            "auth" => Self::Auth {
                token: fields
                    .text("token")?
                    .ok_or_else(|| Problem::invalid("token", "is missing".to_owned()))?,
            },
            "subscribe" => return Self::subscribe(fields, json),
            "unsubscribe" => Self::Unsubscribe { id: fields.id()? },
            "ping" => Self::Ping {
                data: fields.0.remove("data").unwrap_or_default(),
            },
            _ => {
                return Err(Problem::of(
                    "UNKNOWN_TYPE",
                    "type must be auth, subscribe, unsubscribe or ping",
                ));
            }
        };
        fields.nothing_else()?;
        Ok(frame)
    }

    fn subscribe(mut fields: Fields, json: &Json) -> Result<Self, Problem> {
        let id = fields.id()?;
        let wish = Self::wish(fields, json).map_err(|problem| problem.about(&id))?;
        Ok(Self::Subscribe {
            id,
            wish: Box::new(wish),
        })
    }

    fn wish(mut fields: Fields, json: &Json) -> Result<Wish, Problem> {
        let cursor = fields.text("cursor")?.unwrap_or_default();
        let snapshot = fields.flag("include_snapshot")?;
        let filter = match fields.0.remove("filter") {
            None | Some(Value::Null) => WatchFilter::default(),
            Some(written) => json.filter(written)?,
        };
        fields.nothing_else()?;
        Wish::new(filter, &cursor, snapshot)
    }
}

/// What a client is told first of its connection.
#[derive(Debug, Clone)]
pub struct Welcome {
    /// Names the connection in the log.
    pub connection_id: String,
    /// Who the client is.
    pub user_id: i64,
    /// When the token ends.
    pub expire_time: Timestamp,
    /// Seconds between pings.
    pub heartbeat_seconds: f64,
    /// Seconds without a frame or pong until the connection is closed.
    pub timeout_seconds: f64,
    /// Subscriptions that a connection may have.
    pub subscription_limit: usize,
    /// Bytes that a frame may have.
    pub frame_limit_bytes: usize,
}

impl Welcome {
    /// As a frame.
    pub fn frame(&self) -> Utf8Bytes {
        let Self {
            connection_id,
            user_id,
            expire_time,
            heartbeat_seconds,
            timeout_seconds,
            subscription_limit,
            frame_limit_bytes,
        } = self;
        let [heartbeat_seconds, timeout_seconds] = [heartbeat_seconds, timeout_seconds].map(f64::to_string);
        frame(
            "welcome",
            &[
                ("connection_id", &quoted(connection_id)),
                ("user_id", &quoted(&user_id.to_string())),
                ("expire_time", &quoted(&expire_time.to_string())),
                ("heartbeat_seconds", &heartbeat_seconds),
                ("timeout_seconds", &timeout_seconds),
                ("subscription_limit", &subscription_limit.to_string()),
                ("frame_limit_bytes", &frame_limit_bytes.to_string()),
            ],
        )
    }
}

/// The connection lives on with a new token.
pub fn authenticated(expire_time: Timestamp) -> Utf8Bytes {
    frame("authenticated", &[("expire_time", &quoted(&expire_time.to_string()))])
}

/// The subscription is there; what it hears follows.
pub fn subscribed(id: &str) -> Utf8Bytes {
    frame("subscribed", &[("id", &quoted(id))])
}

/// The answer to a ping.
pub fn pong(data: &Value) -> Utf8Bytes {
    frame("pong", &[("data", &data.to_string())])
}

/// The last frame of a subscription.
pub fn end(id: &str, cursor: &str, ended: &Ended) -> Utf8Bytes {
    let Ended { reason, code, message } = ended;
    frame(
        "end",
        &[
            ("id", &quoted(id)),
            ("cursor", &quoted(cursor)),
            ("reason", &quoted(reason)),
            ("code", &(*code as i32).to_string()),
            ("message", &quoted(message)),
        ],
    )
}

/// A frame was refused.
pub fn error(problem: &Problem) -> Utf8Bytes {
    let Problem {
        reason,
        message,
        field,
        id,
    } = problem;
    let mut fields = vec![("reason", quoted(reason)), ("message", quoted(message))];
    fields.extend(field.as_deref().map(|field| ("field", quoted(field))));
    fields.extend(id.as_deref().map(|id| ("id", quoted(id))));
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    frame("error", &fields)
}

/// A frame with its type first, for those who read it with their eyes. Values are JSON.
fn frame(kind: &str, fields: &[(&str, &str)]) -> Utf8Bytes {
    let mut text = format!(r#"{{"type":"{kind}""#);
    for (name, value) in fields {
        text.push_str(&format!(r#","{name}":{value}"#));
    }
    text.push('}');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::Noun;

    fn parse(text: &str) -> Result<ClientFrame, Problem> {
        ClientFrame::parse(text, &Json::load().expect("the descriptors are whole"))
    }

    #[test]
    fn a_subscription_is_read() {
        let frame = parse(r#"{"type":"subscribe","id":"map","filter":{"nouns":["NOUN_TASK"]},"cursor":"c1"}"#);
        let filter = WatchFilter {
            nouns: vec![Noun::Task.into()],
            ..WatchFilter::default()
        };
        let wish = Box::new(Wish {
            filter,
            start: Start::Cursor("c1".into()),
        });
        assert_eq!(
            frame,
            Ok(ClientFrame::Subscribe {
                id: "map".to_owned(),
                wish
            })
        );
        let bare = Box::new(Wish {
            filter: WatchFilter::default(),
            start: Start::Now,
        });
        let frame = parse(r#"{"type":"subscribe","filter":null}"#);
        assert_eq!(
            frame,
            Ok(ClientFrame::Subscribe {
                id: String::new(),
                wish: bare
            })
        );
    }

    #[test]
    fn what_is_wrong_with_a_frame_is_said() {
        let long = format!(r#"{{"type":"subscribe","id":"{}"}}"#, "x".repeat(65));
        let deep = "[".repeat(10_000);
        for (text, reason, field) in [
            ("", "MALFORMED_FRAME", None),
            ("[]", "MALFORMED_FRAME", None),
            ("null", "MALFORMED_FRAME", None),
            (deep.as_str(), "MALFORMED_FRAME", None),
            ("{}", "MALFORMED_FRAME", None),
            (r#"{"type":1}"#, "INVALID_FIELD", Some("type")),
            (r#"{"type":"shout"}"#, "UNKNOWN_TYPE", None),
            (r#"{"type":"auth"}"#, "INVALID_FIELD", Some("token")),
            (r#"{"type":"ping","date":1}"#, "INVALID_FIELD", Some("date")),
            (r#"{"type":"subscribe","id":5}"#, "INVALID_FIELD", Some("id")),
            (long.as_str(), "INVALID_FIELD", Some("id")),
            (r#"{"type":"subscribe","curser":"c"}"#, "INVALID_FIELD", Some("curser")),
            (r#"{"type":"subscribe","filter":[]}"#, "INVALID_FIELD", Some("filter")),
            (
                r#"{"type":"subscribe","cursor":"c","include_snapshot":true}"#,
                "INVALID_FIELD",
                Some("include_snapshot"),
            ),
        ] {
            let problem = parse(text).expect_err(text);
            assert_eq!((problem.reason, problem.field.as_deref()), (reason, field), "{text}");
        }
    }

    #[test]
    fn a_problem_of_a_subscription_names_it() {
        let problem = parse(r#"{"type":"subscribe","id":"map","filter":{"agent_ids":[0]}}"#).expect_err("0 is no id");
        let told: Value = serde_json::from_str(&error(&problem)).expect("JSON");
        assert_eq!(told["id"], "map");
        assert_eq!(told["field"], "filter.agent_ids[0]");
    }
}
