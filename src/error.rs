//! The one error type, and the one table that turns it into a gRPC status.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use prost_protovalidate::ValidationError;
use tonic::{Code, Status, metadata::MetadataValue};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::{
    domain::task::{Action, State},
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

/// A thing that was asked for and is not there, or not for this caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A task.
    Task,
    /// An agent.
    Agent,
    /// A user.
    User,
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
    /// The caller may not do this.
    #[error("forbidden")]
    Forbidden,
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
    /// The deletion to be taken back never was.
    #[error("not deleted")]
    NotDeleted,
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
    /// The user has an agent already.
    #[error("user taken")]
    UserTaken,
    /// The agent is on open tasks.
    #[error("still in use")]
    StillInUse,
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

    /// gRPC code, reason, and what people read in Spanish and English. The only such table.
    #[expect(clippy::too_many_lines, reason = "one table, one place")]
    fn row(&self) -> (Code, ErrorReason, &'static str, &'static str) {
        use ErrorReason as R;
        match self {
            Self::Invalid(_) => (
                Code::InvalidArgument,
                R::InvalidField,
                "Hay datos que no son válidos.",
                "Some fields are not valid.",
            ),
            Self::PageToken => (
                Code::InvalidArgument,
                R::InvalidPageToken,
                "La página pedida no corresponde a esta consulta.",
                "The page token does not belong to this query.",
            ),
            Self::Cursor => (
                Code::InvalidArgument,
                R::InvalidCursor,
                "El cursor no es válido.",
                "The cursor is not valid.",
            ),
            Self::CursorExpired => (
                Code::OutOfRange,
                R::CursorExpired,
                "El cursor ya venció; vuelva a leer todo.",
                "The cursor has expired; read a snapshot.",
            ),
            Self::SignedOut => (Code::Unauthenticated, R::SignedOut, "Inicie sesión.", "Sign in."),
            Self::WrongCredentials => (
                Code::Unauthenticated,
                R::WrongCredentials,
                "Correo o contraseña incorrectos.",
                "Wrong e-mail or password.",
            ),
            Self::Forbidden => (
                Code::PermissionDenied,
                R::Forbidden,
                "No tiene permiso para esto.",
                "You may not do this.",
            ),
            Self::NotFound(Missing::Task) => (
                Code::NotFound,
                R::TaskNotFound,
                "No existe esa tarea.",
                "There is no such task.",
            ),
            Self::NotFound(Missing::Agent) => (
                Code::NotFound,
                R::AgentNotFound,
                "No existe ese agente.",
                "There is no such agent.",
            ),
            Self::NotFound(Missing::User) => (
                Code::NotFound,
                R::UserNotFound,
                "No existe ese usuario.",
                "There is no such user.",
            ),
            Self::IllegalStep { .. } => (
                Code::FailedPrecondition,
                R::IllegalStep,
                "La tarea no admite ese paso en su estado actual.",
                "The task cannot take this step from its present state.",
            ),
            Self::NotDeleted => (
                Code::FailedPrecondition,
                R::IllegalStep,
                "No está eliminado.",
                "It is not deleted.",
            ),
            Self::AgentBusy => (
                Code::FailedPrecondition,
                R::AgentBusy,
                "El agente está en otra tarea.",
                "The agent is at work on another task.",
            ),
            Self::AgentOffDuty => (
                Code::FailedPrecondition,
                R::AgentOffDuty,
                "El agente no está en servicio.",
                "The agent is not on duty.",
            ),
            Self::NotAssigned => (
                Code::FailedPrecondition,
                R::NotAssigned,
                "El agente no está en la tarea.",
                "The agent is not on the task.",
            ),
            Self::AlreadyAssigned => (
                Code::AlreadyExists,
                R::AlreadyAssigned,
                "El agente ya está en la tarea.",
                "The agent already is on the task.",
            ),
            Self::CodeTaken => (
                Code::AlreadyExists,
                R::CodeTaken,
                "Ese código ya existe.",
                "This code is taken.",
            ),
            Self::UserTaken => (
                Code::AlreadyExists,
                R::UserTaken,
                "Ese usuario ya es agente.",
                "This user already has an agent.",
            ),
            Self::StillInUse => (
                Code::FailedPrecondition,
                R::StillInUse,
                "El agente tiene tareas abiertas.",
                "The agent is on open tasks.",
            ),
            Self::RequestIdReused => (
                Code::AlreadyExists,
                R::IdempotencyKeyReused,
                "El identificador de la petición ya se usó para otra.",
                "The request id was used for another request.",
            ),
            Self::Stale => (
                Code::Aborted,
                R::StaleEtag,
                "Alguien lo cambió antes; vuelva a leerlo.",
                "Somebody changed it first; read it again.",
            ),
            Self::RateLimited { .. } => (
                Code::ResourceExhausted,
                R::RateLimited,
                "Demasiadas peticiones; espere un momento.",
                "Too many calls; wait a moment.",
            ),
            Self::Overloaded => (
                Code::Unavailable,
                R::Overloaded,
                "El servidor está lleno; espere un momento.",
                "The server is full; wait a moment.",
            ),
            Self::Down(_) => (
                Code::Unavailable,
                R::DependencyDown,
                "El servicio no está disponible; espere un momento.",
                "The service is not available; wait a moment.",
            ),
            Self::Deadline => (
                Code::DeadlineExceeded,
                R::Deadline,
                "Se acabó el tiempo.",
                "The deadline passed.",
            ),
            Self::UnknownMethod => (
                Code::Unimplemented,
                R::UnknownMethod,
                "No existe esa operación.",
                "There is no such method.",
            ),
            Self::Internal(_) => (Code::Internal, R::Internal, "Error interno.", "Internal error."),
        }
    }

    /// The reason as clients read it.
    pub fn reason(&self) -> &'static str {
        reason_name(self.row().1)
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
            _ => en.to_owned(),
        }
    }
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
        let (code, reason, es, en) = error.row();
        let text = match language {
            Language::Es => es,
            Language::En => en,
        };
        let mut details = ErrorDetails::new();
        details
            .set_error_info(reason_name(reason), DOMAIN, [])
            .set_localized_message(language.tag(), text);
        if let Some(wait) = error.retry_after() {
            details.set_retry_info(Some(wait));
        }
        if let Error::Invalid(problems) = &error {
            details.set_bad_request(
                problems
                    .iter()
                    .take(PROBLEMS)
                    .map(|problem| {
                        let text = match language {
                            Language::Es => &problem.es,
                            Language::En => &problem.en,
                        };
                        FieldViolation::new(cut(&problem.field), cut(text))
                    })
                    .collect::<Vec<_>>(),
            );
        }
        let mut status = Status::with_error_details(code, error.message(), details);
        if let Some(wait) = error.retry_after() {
            // What REST callers and proxies know; whole seconds, never early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            status.metadata_mut().insert("retry-after", MetadataValue::from(seconds));
        }
        status
    }
}

impl From<ValidationError> for Error {
    fn from(error: ValidationError) -> Self {
        let problems = error
            .violations()
            .iter()
            .map(|violation| {
                let (es, en) = rule_texts(violation.rule_id(), violation.message());
                Problem {
                    field: violation.field_path(),
                    es,
                    en,
                }
            })
            .collect();
        Self::Invalid(problems)
    }
}

/// What a broken `buf.validate` rule means to a person.
fn rule_texts(rule: &str, message: &str) -> (String, String) {
    let es = match rule.rsplit('.').next().unwrap_or(rule) {
        "required" => "falta",
        "min_len" | "min_items" => "es demasiado corto",
        "max_len" | "max_bytes" | "max_items" => "es demasiado largo",
        "pattern" => "tiene caracteres que no se admiten",
        "in" | "not_in" | "defined_only" => "no es uno de los valores admitidos",
        "finite" => "debe ser un número finito",
        _ => "está fuera de los límites",
    };
    let en = if message.is_empty() { rule } else { message };
    (es.to_owned(), en.to_owned())
}

impl From<bb8::RunError<tokio_postgres::Error>> for Error {
    fn from(error: bb8::RunError<tokio_postgres::Error>) -> Self {
        Self::Down(chain(&error))
    }
}

impl From<redis::RedisError> for Error {
    fn from(error: redis::RedisError) -> Self {
        Self::Down(chain(&error))
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            let text = chain(&error);
            let lost = std::error::Error::source(&error).is_some_and(|cause| cause.is::<std::io::Error>());
            return if lost || error.is_closed() {
                Self::Down(text)
            } else {
                Self::Internal(text)
            };
        };
        match (db.code().code(), db.constraint()) {
            (_, Some("tasks_code_key" | "agents_code_key")) => Self::CodeTaken,
            (_, Some("agents_one_per_user")) => Self::UserTaken,
            (_, Some("assignments_one_exclusive_claim")) => Self::AgentBusy,
            (_, Some("assignments_pkey")) => Self::AlreadyAssigned,
            (_, Some("tasks_delegate_fkey" | "tasks_creator_fkey" | "agents_user_fkey")) => Self::NotFound(Missing::User),
            (_, Some("assignments_agent_fkey")) => Self::NotFound(Missing::Agent),
            ("57014" | "55P03", _) => Self::Deadline,
            ("40001" | "40P01" | "25006" | "25P03" | "53300" | "57P01" | "57P02" | "57P03", _) => Self::Down(chain(&error)),
            (code, _) if code.starts_with("08") => Self::Down(chain(&error)),
            _ => Self::Internal(chain(&error)),
        }
    }
}

/// An error with all its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    struct Chain<'a>(&'a dyn std::error::Error);
    impl Display for Chain<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}", self.0)?;
            let mut cause = self.0.source();
            while let Some(inner) = cause {
                write!(f, ": {inner}")?;
                cause = inner.source();
            }
            Ok(())
        }
    }
    Chain(error).to_string()
}
