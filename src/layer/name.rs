//! The name of a call: its request id and trace, in logs and in what is sent back.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use opentelemetry::propagation::Extractor;
use tonic::body::Body;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use uuid::Uuid;

use crate::rpc::change::REPLAYED;

/// Header and trailer with the request id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Trailer with the server's version.
pub const VERSION: HeaderName = HeaderName::from_static("x-gad-version");

/// Most letters of a user agent that are kept.
const USER_AGENT: usize = 300;

/// The name of a call.
#[derive(Debug, Clone)]
pub struct Name {
    method: String,
    request_id: Uuid,
    parent: opentelemetry::Context,
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// What the caller's program says of itself, as far as it can be printed.
pub fn user_agent(headers: &HeaderMap) -> String {
    let said = headers.get(http::header::USER_AGENT).and_then(|said| said.to_str().ok());
    said.unwrap_or_default().chars().take(USER_AGENT).collect()
}

impl Name {
    /// Takes the request id that the edge gave, or makes one.
    pub fn of(request: &Request<Body>) -> Self {
        let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let parent = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&Headers(request.headers())));
        Self {
            method: request.uri().path().to_owned(),
            request_id: given.and_then(|id| Uuid::try_parse(id).ok()).unwrap_or_else(Uuid::new_v4),
            parent,
        }
    }

    /// Path of the method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The request id.
    pub fn request_id(&self) -> Uuid {
        self.request_id
    }

    /// The span that log lines of the call stand in.
    pub fn span(&self) -> Span {
        let span = tracing::info_span!("call", method = %self.method, request_id = %self.request_id);
        // Without a collector there is no layer to take it, and nothing to do.
        let _ = span.set_parent(self.parent.clone());
        span
    }

    /// Puts request id and version on the answer: headers at once, trailers at the end.
    pub fn sign(&self, mut response: Response<Body>) -> Response<Body> {
        let id = HeaderValue::try_from(self.request_id.to_string()).ok();
        let replayed = response.headers().get(REPLAYED).cloned();
        let sign = move |headers: &mut HeaderMap| {
            headers.insert(VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
            if let Some(id) = &id {
                headers.insert(REQUEST_ID, id.clone());
            }
            if let Some(replayed) = &replayed {
                headers.insert(REPLAYED, replayed.clone());
            }
        };
        sign(response.headers_mut());
        let (head, body) = response.into_parts();
        let body = body.map_frame(move |mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                sign(trailers);
            }
            frame
        });
        Response::from_parts(head, Body::new(body))
    }
}
