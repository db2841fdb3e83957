//! What the parts below say, as our own errors.

use std::fmt::{self, Display};

use prost_protovalidate::ValidationError;

use super::{Error, Missing, Problem};

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
            (_, Some("tasks_code_key" | "agents_code_key" | "zones_code_key")) => Self::CodeTaken,
            (_, Some("users_last_administrator")) => Self::LastAdministrator,
            (_, Some("zones_boundary_valid")) => Self::invalid("zone.boundary", "se cruza a sí mismo", "crosses itself"),
            (_, Some("users_email_key")) => Self::EmailTaken,
            (_, Some("users_username_key" | "users_telegram_key" | "users_national_id_key")) => Self::IdentityTaken,
            (_, Some("agents_one_per_user")) => Self::UserTaken,
            (_, Some("assignments_one_exclusive_claim")) => Self::AgentBusy,
            (_, Some("task_dependencies_other")) => Self::DependencyCycle,
            (_, Some("assignments_pkey")) => Self::AlreadyAssigned,
            (_, Some("tasks_delegate_fkey" | "tasks_creator_fkey" | "agents_user_fkey" | "api_tokens_user_fkey")) => {
                Self::NotFound(Missing::User)
            }
            (_, Some("user_zones_zone_fkey")) => Self::NotFound(Missing::Zone),
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
