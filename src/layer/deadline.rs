//! Deadlines: taken from `grpc-timeout`, kept to the end, answered as DEADLINE_EXCEEDED.

use std::{future::Future, time::Duration};

use http::HeaderMap;
use tokio::time::Instant;

use crate::{
    config::ServeSettings,
    descriptor::Rule,
    error::{Error, Result},
};

/// When the call must be answered. A unary call without `grpc-timeout` has the default one; a stream has none.
pub fn of(headers: &HeaderMap, rule: &Rule, settings: &ServeSettings) -> Result<Option<Instant>> {
    let asked = headers.get("grpc-timeout").map(|header| {
        let text = header.to_str().unwrap_or_default();
        parse(text).ok_or_else(|| Error::invalid("grpc-timeout", "no es una duración válida", "is not a valid timeout"))
    });
    let left = match asked {
        Some(asked) => Some(asked?),
        None if rule.streaming => None,
        None => Some(settings.default_deadline()),
    };
    Ok(left.and_then(|left| Instant::now().checked_add(left)))
}

/// At most eight digits and a unit, as the gRPC protocol has it.
pub fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// What comes of it before the deadline.
pub async fn within<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Result<T> {
    match deadline {
        Some(at) => tokio::time::timeout_at(at, work).await.map_err(|_| Error::Deadline),
        None => Ok(work.await),
    }
}

/// The same; but a stream ends itself at its deadline, with a last message that says where to go on.
pub async fn within_unless_streaming<T>(rule: &Rule, deadline: Option<Instant>, work: impl Future<Output = T>) -> Result<T> {
    within(deadline.filter(|_| !rule.streaming), work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_up_to_eight_digits_and_a_unit() {
        assert_eq!(parse("1S"), Some(Duration::from_secs(1)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for wrong in ["", "S", "1", "1x", "-1S", "123456789S", "1.5S", "１S"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
