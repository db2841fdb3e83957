//! Why one of several things is refused, as a part of an answer.

use crate::{error::Error, pb};

/// Letters of a text that may hold what a caller wrote.
const TEXT: usize = 200;

/// The refusal that an error is; of several wrong fields the first.
pub fn of(error: &Error) -> pb::Refusal {
    let (field, message) = match error {
        Error::Invalid(problems) => match problems.first() {
            Some(problem) => (problem.field.clone(), problem.text().to_owned()),
            None => (String::new(), error.text()),
        },
        other => (String::new(), other.text()),
    };
    pb::Refusal {
        reason: error.number() as i32,
        field,
        message: message.chars().take(TEXT).collect(),
    }
}

/// The refusal, if an error is one; else the error, which says nothing of what was asked for.
pub fn expect(error: Error) -> Result<Error, Error> {
    if error.is_refusal() { Ok(error) } else { Err(error) }
}
