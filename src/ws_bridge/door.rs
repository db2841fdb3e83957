//! What both doors share: who may come in, and what others are told.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Json as JsonBody,
    extract::{ConnectInfo, State, WebSocketUpgrade},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tonic::{Code, Status};

use super::{
    Shared,
    frame::Problem,
    socket::{self, Arrival},
    token::{Credential, Refusal},
    upstream::{self, Admitted, Limits},
};

/// Sub-protocol of our frames.
pub const PROTOCOL: &str = "gad.v1";
/// Before the token among the sub-protocols, for browsers, which cannot set headers.
const BEARER_PROTOCOL: &str = "bearer.";
/// Bytes that a socket reads and writes at a time: what a socket costs.
pub const BUFFER: usize = 4 * 1024;

/// An HTTP answer to who is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    status: StatusCode,
    code: Code,
    problem: Problem,
    retry_after: Option<u64>,
    limits: Option<Box<Limits>>,
}

impl Refused {
    const fn because(status: StatusCode, code: Code, reason: &'static str, retry_after: Option<u64>) -> Self {
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
            limits: None,
        }
    }

    /// No valid token came.
    pub const SIGNED_OUT: Self = Self::because(StatusCode::UNAUTHORIZED, Code::Unauthenticated, "SIGNED_OUT", None);
    /// The user has too many connections.
    pub const TOO_MANY: Self = Self::because(
        StatusCode::TOO_MANY_REQUESTS,
        Code::ResourceExhausted,
        "TOO_MANY_CONNECTIONS",
        Some(5),
    );
    /// The bridge is full, or going down.
    pub const OVERLOADED: Self = Self::because(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, "OVERLOADED", Some(2));
    /// The server cannot be asked.
    pub const DOWN: Self = Self::because(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, "DEPENDENCY_DOWN", Some(2));

    fn message(&self) -> &str {
        match self.problem.reason {
            "SIGNED_OUT" => "Sign in.",
            "TOO_MANY_CONNECTIONS" => "You have too many connections.",
            "RATE_LIMITED" => "You open too many connections; wait a moment.",
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
            limits: None,
        }
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        if status.code() != Code::ResourceExhausted {
            if status.code() == Code::Unauthenticated {
                tracing::error!("the server does not know this bridge: is GAD_BRIDGE_TOKEN the same there?");
            }
            return Self::DOWN;
        }
        let wait = status
            .metadata()
            .get("retry-after")
            .and_then(|wait| wait.to_str().ok()?.parse().ok());
        Self {
            limits: Some(Box::new(upstream::limits(status.metadata()))),
            ..Self::because(
                StatusCode::TOO_MANY_REQUESTS,
                Code::ResourceExhausted,
                "RATE_LIMITED",
                wait.or(Some(1)),
            )
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
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
        }
        if let Some(limits) = &self.limits {
            tell(limits, headers);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Tells how a client stands with its limit.
pub fn tell(limits: &Limits, headers: &mut HeaderMap) {
    for (name, text) in limits {
        headers.extend(header::HeaderValue::try_from(text).map(|text| (HeaderName::from_static(name), text)));
    }
}

/// The token of the `authorization` header; of two headers none counts.
pub fn bearer(headers: &HeaderMap) -> Option<String> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (shown.next(), shown.next()) else {
        return None;
    };
    let value = value.to_str().ok()?;
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

/// Somebody at the door, with the token that they brought.
#[derive(Debug)]
pub struct Visitor {
    /// Whose token it is; nobody's if there was none, or it does not count.
    pub credential: Option<Credential>,
    /// How they stand with their limit.
    pub limits: Limits,
}

impl Shared {
    /// Looks at a token, and has the server count whoever brought it. Junk is not passed on: it counts for its address.
    pub async fn receive(&self, token: Option<&str>, address: IpAddr) -> Result<Visitor, Refused> {
        let identity = match token {
            Some(token) => match self.tokens.verify(token, self.feeds.clock.now()).await {
                Ok(identity) => Some((token, identity)),
                Err(Refusal::Invalid) => None,
                Err(Refusal::NoKeys) => return Err(Refused::DOWN),
            },
            None => None,
        };
        let good = identity.map(|(token, _)| token);
        let Admitted { user, limits } = self.upstream.admit(good, Some(address)).await?;
        // The server knows what was revoked since it was signed.
        let identity = identity.filter(|(_, identity)| user == Some(identity.user));
        Ok(Visitor {
            credential: identity.map(|(token, identity)| Credential::new(token, identity)),
            limits,
        })
    }
}

/// `GET /ws/v1/watch`: the handshake. A bad token in a header is refused here, where programs can read why; one among the
/// sub-protocols by a close code, because that is all that browsers can read.
pub async fn watch(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refused> {
    let entry = shared.enter()?;
    let address = shared.proxies.caller(peer.ip(), &headers);
    let by_header = headers.contains_key(header::AUTHORIZATION);
    let token = if by_header {
        bearer(&headers)
    } else {
        protocol_token(&headers)
    };
    let Visitor { credential, limits } = shared.receive(token.as_deref(), address).await?;
    let arrival = match credential {
        Some(credential) => Arrival::Known(credential),
        None if by_header => return Err(Refused::SIGNED_OUT),
        None if token.is_some() => Arrival::Nobody,
        None => Arrival::Unknown(shared.strangers.enter().ok_or(Refused::OVERLOADED)?, address),
    };
    // Somewhat more than a frame may have, so that one that is too big can be answered.
    let hard_limit = shared.settings.message_max_size.saturating_mul(4);
    let mut response = upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(hard_limit)
        .max_frame_size(hard_limit)
        .on_upgrade(move |ws| socket::serve(shared, ws, arrival, entry));
    tell(&limits, response.headers_mut());
    Ok(response)
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
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("bearer t1"));
        assert_eq!(bearer(&headers), None);
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic dTpw"));
        assert_eq!(bearer(&headers), None);
    }
}
