//! Why a subscription is over, and what an upstream watch's end means for those who hear it.

use std::borrow::Cow;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::pb::{End, EndReason};

/// Why a subscription is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Short name, such as `SHUTDOWN`.
    pub reason: Cow<'static, str>,
    /// gRPC status code.
    pub code: Code,
    /// In words.
    pub message: Cow<'static, str>,
}

impl Ended {
    const fn because(reason: &'static str, code: Code, message: &'static str) -> Self {
        Self {
            reason: Cow::Borrowed(reason),
            code,
            message: Cow::Borrowed(message),
        }
    }

    /// The bridge is going down.
    pub const SHUTDOWN: Self = Self::because("SHUTDOWN", Code::Unavailable, "the bridge is going down; resume at once");
    /// The client did not keep up.
    pub const SLOW_CONSUMER: Self = Self::because(
        "SLOW_CONSUMER",
        Code::ResourceExhausted,
        "you did not keep up; resume from the cursor",
    );
    /// The token ended or was revoked.
    pub const AUTH_REVOKED: Self = Self::because(
        "AUTH_REVOKED",
        Code::Unauthenticated,
        "the token ended; sign in, then resume from the cursor",
    );
    /// The client asked for it.
    pub const UNSUBSCRIBED: Self = Self::because("UNSUBSCRIBED", Code::Ok, "as you wished");
    /// A snapshot cannot be gone on with.
    pub const SNAPSHOT_CUT: Self = Self::because("INTERNAL", Code::Unavailable, "the snapshot was cut short; ask for it again");

    /// The connection is closed for a fault of the client.
    pub const fn closed(why: &'static str) -> Self {
        Self::because("CLOSED", Code::Cancelled, why)
    }

    /// Whether asking for the same again would get the same answer.
    pub fn is_final(&self) -> bool {
        is_final(self.code)
    }
}

/// What to do after an upstream watch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Open it again from where it was, at once.
    Again,
    /// Open it again after a while.
    Later,
    /// Open it again with another token: this one is refused.
    OtherToken,
    /// Tell those who hear it that it is over.
    Over(Ended),
}

impl Next {
    /// After an `end` message.
    pub fn after_end(end: &End) -> Self {
        let code = Code::from(end.code);
        match end.reason() {
            EndReason::Shutdown => Self::Again,
            EndReason::AuthRevoked => Self::OtherToken,
            EndReason::CursorExpired => Self::Over(Ended {
                reason: "CURSOR_EXPIRED".into(),
                code: Code::OutOfRange,
                message: end.message.clone().into(),
            }),
            EndReason::SlowConsumer | EndReason::Deadline => Self::Later,
            EndReason::Internal | EndReason::Unspecified if is_final(code) => Self::Over(Ended {
                reason: short(end.reason()).into(),
                code,
                message: end.message.clone().into(),
            }),
            EndReason::Internal | EndReason::Unspecified => Self::Later,
        }
    }

    /// After a status.
    pub fn after_status(status: &Status) -> Self {
        match status.code() {
            Code::Unauthenticated => Self::OtherToken,
            code if is_final(code) => {
                let reason = status.get_details_error_info().map(|info| info.reason);
                Self::Over(Ended {
                    reason: reason
                        .filter(|reason| !reason.is_empty())
                        .map_or("REFUSED".into(), Cow::Owned),
                    code,
                    message: status.message().to_owned().into(),
                })
            }
            _ => Self::Later,
        }
    }
}

/// Whether asking again would get the same answer.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument | Code::OutOfRange | Code::PermissionDenied | Code::NotFound | Code::FailedPrecondition
    )
}

fn short(reason: EndReason) -> &'static str {
    reason.as_str_name().trim_start_matches("END_REASON_")
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn end(reason: EndReason, code: Code) -> Next {
        Next::after_end(&End {
            code: code.into(),
            reason: reason.into(),
            message: String::new(),
        })
    }

    #[test]
    fn a_server_that_goes_down_is_left_at_once() {
        assert_eq!(end(EndReason::Shutdown, Code::Unavailable), Next::Again);
        assert_eq!(Next::after_status(&Status::unavailable("")), Next::Later);
        assert_eq!(end(EndReason::SlowConsumer, Code::ResourceExhausted), Next::Later);
        assert_eq!(end(EndReason::Internal, Code::Internal), Next::Later);
        assert_eq!(end(EndReason::Unspecified, Code::Ok), Next::Later);
    }

    #[test]
    fn a_refused_token_is_not_tried_again() {
        assert_eq!(end(EndReason::AuthRevoked, Code::Unauthenticated), Next::OtherToken);
        assert_eq!(Next::after_status(&Status::unauthenticated("")), Next::OtherToken);
    }

    #[test]
    fn an_expired_cursor_ends_it_for_all() {
        let told = |next| match next {
            Next::Over(ended) => ended.is_final() && ended.reason == "CURSOR_EXPIRED",
            _ => false,
        };
        assert!(told(end(EndReason::CursorExpired, Code::OutOfRange)));
        let mut details = ErrorDetails::new();
        details.set_error_info("CURSOR_EXPIRED", "gad", []);
        assert!(told(Next::after_status(&Status::with_error_details(
            Code::OutOfRange,
            "",
            details
        ))));
    }
}
