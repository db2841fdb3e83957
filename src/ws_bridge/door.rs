//! What both doors share: who may come in, and what others are told.

use std::sync::Arc;

use axum::{
    Json as JsonBody,
    extract::{State, WebSocketUpgrade},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tonic::Code;

use super::{
    Shared,
    frame::Problem,
    socket::{self, Arrival},
    token::{Credential, Refusal},
};

/// Sub-protocol of our frames.
pub const PROTOCOL: &str = "gad.v1";
/// Before the token among the sub-protocols, for browsers, which cannot set headers.
const BEARER_PROTOCOL: &str = "bearer.";
/// Bytes that a socket reads and writes at a time: what a socket costs.
const BUFFER: usize = 4 * 1024;

/// An HTTP answer to who is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    status: StatusCode,
    code: Code,
    problem: Problem,
    retry_after: Option<&'static str>,
}

impl Refused {
    const fn because(status: StatusCode, code: Code, reason: &'static str, retry_after: Option<&'static str>) -> Self {
        let problem = Problem {
            reason,
            message: String::new(),
            field: None,
            id: None,
        };
        Self {
            status,
            code,
            problem,
            retry_after,
        }
    }

    /// No valid token came.
    pub const SIGNED_OUT: Self = Self::because(StatusCode::UNAUTHORIZED, Code::Unauthenticated, "SIGNED_OUT", None);
    /// The user has too many connections.
    pub const TOO_MANY: Self = Self::because(
        StatusCode::TOO_MANY_REQUESTS,
        Code::ResourceExhausted,
        "TOO_MANY_CONNECTIONS",
        Some("5"),
    );
    /// The bridge is full, or going down.
    pub const OVERLOADED: Self = Self::because(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, "OVERLOADED", Some("2"));
    /// The server cannot be asked for the keys.
    pub const NO_KEYS: Self = Self::because(
        StatusCode::SERVICE_UNAVAILABLE,
        Code::Unavailable,
        "DEPENDENCY_DOWN",
        Some("2"),
    );

    fn message(&self) -> &str {
        match self.problem.reason {
            "SIGNED_OUT" => "Sign in.",
            "TOO_MANY_CONNECTIONS" => "You have too many connections.",
            "OVERLOADED" => "The bridge is full; wait a moment.",
            "DEPENDENCY_DOWN" => "The service is not available; wait a moment.",
            _ => &self.problem.message,
        }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: Code::InvalidArgument,
            problem,
            retry_after: None,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid => Self::SIGNED_OUT,
            Refusal::NoKeys => Self::NO_KEYS,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut body = json!({
            "code": self.code as i32,
            "reason": self.problem.reason,
            "message": self.message(),
        });
        if let Some(field) = &self.problem.field {
            body["field"] = field.as_str().into();
        }
        let mut response = (self.status, JsonBody(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The token of an `authorization` header.
pub fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The token among the sub-protocols, such as `gad.v1, bearer.<token>`.
fn protocol_token(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix(BEARER_PROTOCOL))
        .map(str::to_owned)
}

/// `GET /ws/v1/watch`: the handshake. A bad token in a header is refused here, where programs can read why; one among the
/// sub-protocols by a close code, because that is all that browsers can read.
pub async fn watch(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refused> {
    let entry = shared.enter()?;
    let arrival = match bearer(&headers) {
        Some(token) => {
            let identity = shared.tokens.verify(&token, shared.feeds.clock.now()).await?;
            Arrival::Known(Credential::new(&token, identity))
        }
        None if headers.contains_key(header::AUTHORIZATION) => return Err(Refused::SIGNED_OUT),
        None => match protocol_token(&headers) {
            Some(token) => Arrival::Token(token),
            None => Arrival::Unknown(shared.strangers.enter().ok_or(Refused::OVERLOADED)?),
        },
    };
    // Somewhat more than a frame may have, so that one that is too big can be answered.
    let hard_limit = shared.settings.message_max_size.saturating_mul(4);
    Ok(upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(hard_limit)
        .max_frame_size(hard_limit)
        .on_upgrade(move |ws| socket::serve(shared, ws, arrival, entry)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_is_found_in_the_header_or_among_the_sub_protocols() {
        let mut headers = HeaderMap::new();
        assert_eq!((bearer(&headers), protocol_token(&headers)), (None, None));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("bearer t1"));
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("gad.v1, bearer.t2"));
        assert_eq!(bearer(&headers).as_deref(), Some("t1"));
        assert_eq!(protocol_token(&headers).as_deref(), Some("t2"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic dTpw"));
        assert_eq!(bearer(&headers), None);
    }
}
