//! The one error type, and how it becomes a gRPC status.

mod causes;
mod table;

use std::{fmt::Display, time::Duration};

use tonic::{Code, Status, metadata::MetadataValue};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt};

use crate::{
    domain::{
        attachment::Lack,
        task::{Action, State},
    },
    pb::ErrorReason,
};

pub use crate::language::{LANGUAGE, Language};

/// Result of everything that may be refused.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Domain of all our reasons in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "gad";

/// Problems that a refusal names at most.
const PROBLEMS: usize = 16;
/// Longest text of a problem, in characters.
const TEXT: usize = 120;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field, as in the proto.
    pub field: String,
    /// What is wrong, in Spanish.
    pub es: String,
    /// What is wrong, in English.
    pub en: String,
}

impl Problem {
    /// What is wrong, in the language of the call.
    pub fn text(&self) -> &str {
        match Language::current() {
            Language::Es => &self.es,
            Language::En => &self.en,
        }
    }
}

/// A thing that was asked for and is not there, or not for this caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A task.
    Task,
    /// An agent.
    Agent,
    /// A user.
    User,
    /// A zone.
    Zone,
    /// A consent's text.
    ConsentText,
    /// An API token.
    ApiToken,
    /// A session.
    Session,
    /// An emergency.
    Emergency,
    /// A geofence.
    Geofence,
    /// A comment.
    Comment,
    /// An attachment.
    Attachment,
    /// An item of a checklist.
    ChecklistItem,
    /// That a task waits for another.
    Dependency,
    /// A template of tasks.
    Template,
    /// An answer that is kept for a while.
    CachedAnswer,
    /// A notification rule.
    NotificationRule,
    /// A webhook.
    Webhook,
    /// A message.
    Delivery,
}

/// Everything a call can be refused for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields of the request are wrong.
    #[error("invalid: {0:?}")]
    Invalid(Vec<Problem>),
    /// The page token is of another query, or no page token.
    #[error("invalid page token")]
    PageToken,
    /// The cursor is no cursor.
    #[error("invalid cursor")]
    Cursor,
    /// The feed no longer reaches back to the cursor.
    #[error("cursor expired")]
    CursorExpired,
    /// No valid token.
    #[error("signed out")]
    SignedOut,
    /// E-mail and password do not fit.
    #[error("wrong credentials")]
    WrongCredentials,
    /// The password is right, and a code is asked for beside it.
    #[error("second factor required")]
    SecondFactorRequired,
    /// The password must be changed first.
    #[error("password expired")]
    PasswordExpired,
    /// The e-mail must be proved first.
    #[error("e-mail not verified")]
    EmailNotVerified,
    /// The password is right, and the account was deactivated or deleted.
    #[error("account inactive")]
    AccountInactive,
    /// The refresh token is of no session that goes on.
    #[error("session ended")]
    SessionEnded,
    /// The password or code of somebody signed in does not fit.
    #[error("wrong proof")]
    WrongProof,
    /// The mailed token is not good any more, or never was.
    #[error("mailed token invalid")]
    MailedToken,
    /// Nobody may register.
    #[error("registration closed")]
    RegistrationClosed,
    /// The second factor is on already, or it is not.
    #[error("second factor is not in that state")]
    SecondFactorState,
    /// The caller may not do this.
    #[error("forbidden")]
    Forbidden,
    /// The API token was not made for this.
    #[error("scope too narrow")]
    ScopeTooNarrow,
    /// The person must prove again to be there.
    #[error("step up required")]
    StepUpRequired,
    /// Not there, or not for this caller.
    #[error("{0:?} not found")]
    NotFound(Missing),
    /// The state machine has no such step.
    #[error("{action:?} is no step from {state:?}")]
    IllegalStep {
        /// What was tried.
        action: Action,
        /// State it was tried from.
        state: State,
    },
    /// The task is not in progress.
    #[error("not running")]
    NotRunning,
    /// The message waits, or was sent.
    #[error("the message is not over")]
    DeliveryNotOver,
    /// The deletion to be taken back never was.
    #[error("not deleted")]
    NotDeleted,
    /// The user has a password, or may not have one.
    #[error("not invited")]
    NotInvited,
    /// The task has no place.
    #[error("task nowhere")]
    TaskNowhere,
    /// Nobody can be sent.
    #[error("no agent available")]
    NoAgentAvailable,
    /// The file is longer than files may be.
    #[error("file too large")]
    FileTooLarge,
    /// By its bytes the file is of no kind that is taken, or not of the kind that was asked for.
    #[error("file type")]
    FileType,
    /// Something that finishing takes is not there.
    #[error("proof required: {0:?}")]
    ProofRequired(Vec<Lack>),
    /// The task has as many of these as a task may have.
    #[error("task full")]
    TaskFull,
    /// The other task waits for this one.
    #[error("dependency cycle")]
    DependencyCycle,
    /// A task that this one waits for is not finished.
    #[error("dependency unfinished")]
    DependencyUnfinished,
    /// The agent is at work elsewhere.
    #[error("agent busy")]
    AgentBusy,
    /// The agent cannot be sent.
    #[error("agent off duty")]
    AgentOffDuty,
    /// The agent is not on the task.
    #[error("not assigned")]
    NotAssigned,
    /// The agent is on the task already.
    #[error("already assigned")]
    AlreadyAssigned,
    /// Another row has the code.
    #[error("code taken")]
    CodeTaken,
    /// Another user has the e-mail.
    #[error("e-mail taken")]
    EmailTaken,
    /// Another user has the username, the Telegram number or the national id.
    #[error("identity taken")]
    IdentityTaken,
    /// The token came in a cookie, and its CSRF token did not.
    #[error("no CSRF token")]
    Csrf,
    /// The user has an agent already.
    #[error("user taken")]
    UserTaken,
    /// The agent or the user has open tasks, or somebody's authority ends at the zone.
    #[error("still in use by {count}")]
    StillInUse {
        /// How many.
        count: usize,
    },
    /// No administrator who can sign in would remain.
    #[error("last administrator")]
    LastAdministrator,
    /// The request id was used for another request.
    #[error("request id reused")]
    RequestIdReused,
    /// The etag is not the present one.
    #[error("stale etag")]
    Stale,
    /// Too many calls.
    #[error("rate limited")]
    RateLimited {
        /// When to come back.
        retry_after: Duration,
    },
    /// The server is full.
    #[error("overloaded")]
    Overloaded,
    /// A part the server needs does not answer.
    #[error("dependency down: {0}")]
    Down(String),
    /// The deadline passed.
    #[error("deadline exceeded")]
    Deadline,
    /// No such RPC.
    #[error("unknown method")]
    UnknownMethod,
    /// Our fault.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// A field that must be filled in is not.
    pub fn required(field: &str) -> Self {
        Self::invalid(field, "falta", "is required")
    }

    /// A mask names a field that cannot be changed.
    pub fn fixed(path: &str) -> Self {
        Self::invalid(
            "update_mask",
            &format!("no se puede cambiar «{path}»"),
            &format!("cannot change `{path}`"),
        )
    }

    /// One field is wrong.
    pub fn invalid(field: &str, es: &str, en: &str) -> Self {
        Self::Invalid(vec![Problem {
            field: field.to_owned(),
            es: es.to_owned(),
            en: en.to_owned(),
        }])
    }

    /// A cause that no caller can mend; goes to the log only.
    pub fn internal(cause: impl Display) -> Self {
        Self::Internal(cause.to_string())
    }

    /// What came is no such message.
    pub fn unreadable(cause: impl Display) -> Self {
        Self::invalid(
            "",
            &format!("el mensaje no se puede leer: {cause}"),
            &format!("the message cannot be read: {cause}"),
        )
    }

    /// The reason as clients read it.
    pub fn reason(&self) -> &'static str {
        reason_name(self.row().1)
    }

    /// The reason as a part of an answer has it.
    pub fn number(&self) -> ErrorReason {
        self.row().1
    }

    /// What people read, in the language of the call.
    pub fn text(&self) -> String {
        let (_, _, es, en) = self.row();
        let mut text = match Language::current() {
            Language::Es => es,
            Language::En => en,
        }
        .to_owned();
        if let Self::StillInUse { count } = self {
            text.push_str(&format!(" ({count})"));
        }
        text
    }

    /// Whether it refuses what was asked for; anything else says nothing about that.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.code(),
            Code::InvalidArgument
                | Code::NotFound
                | Code::PermissionDenied
                | Code::FailedPrecondition
                | Code::AlreadyExists
                | Code::Aborted
        )
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.row().0
    }

    /// How long to wait before another try, where waiting helps.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::Overloaded => Some(Duration::from_secs(1)),
            Self::Down(_) => Some(Duration::from_secs(2)),
            _ => None,
        }
    }

    /// The message in English with the particulars that are safe to tell.
    fn message(&self) -> String {
        let (_, _, _, en) = self.row();
        match self {
            Self::Invalid(problems) => match problems.first() {
                Some(first) if !first.field.is_empty() => format!("{}: {}", cut(&first.field), cut(&first.en)),
                Some(first) => cut(&first.en).to_owned(),
                None => en.to_owned(),
            },
            Self::IllegalStep { action, state } => format!("{en} ({action:?} from {state:?})"),
            Self::StillInUse { count } => format!("{en} ({count})"),
            Self::ProofRequired(lacks) => format!("{en} ({})", listed(lacks)),
            _ => en.to_owned(),
        }
    }
}

/// What is missing, and how much of it.
fn listed(lacks: &[Lack]) -> String {
    let each = lacks.iter().map(|lack| format!("{}: {}", lack.name(), lack.count()));
    each.collect::<Vec<_>>().join(", ")
}

/// The beginning of a text that may hold what a caller wrote: an answer's headers have little room.
fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(TEXT).map_or(text.len(), |(end, _)| end);
    &text[..end]
}

/// A reason without the enum's prefix.
pub fn reason_name(reason: ErrorReason) -> &'static str {
    reason.as_str_name().trim_start_matches("ERROR_REASON_")
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        if let Error::Internal(cause) | Error::Down(cause) = &error {
            tracing::error!(%cause, "call failed");
        }
        let language = Language::current();
        let mut details = ErrorDetails::new();
        details
            .set_error_info(error.reason(), DOMAIN, [])
            .set_localized_message(language.tag(), error.text());
        if let Error::ProofRequired(lacks) = &error {
            let violation = |lack: &Lack| PreconditionViolation::new(lack.name(), "task", lack.count().to_string());
            details.set_precondition_failure(lacks.iter().map(violation).collect::<Vec<_>>());
        }
        if let Some(wait) = error.retry_after() {
            details.set_retry_info(Some(wait));
        }
        if let Error::Invalid(problems) = &error {
            details.set_bad_request(
                problems
                    .iter()
                    .take(PROBLEMS)
                    .map(|problem| FieldViolation::new(cut(&problem.field), cut(problem.text())))
                    .collect::<Vec<_>>(),
            );
        }
        let mut status = Status::with_error_details(error.code(), error.message(), details);
        if let Some(wait) = error.retry_after() {
            // What REST callers and proxies know; whole seconds, never early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            status.metadata_mut().insert("retry-after", MetadataValue::from(seconds));
        }
        status
    }
}
