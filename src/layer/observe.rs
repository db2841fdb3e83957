//! Counts and times calls under the names of `grpc-prometheus`, and logs each once, at its end.

use std::time::Instant;

use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use tonic::{Code, body::Body};

use super::name::Name;

/// A call that began.
pub struct Started {
    at: Instant,
    service: String,
    method: String,
    code: Option<Code>,
}

impl Started {
    /// Begins now. A method that is none of ours has no name of its own: callers must not be able to invent metrics.
    pub fn now(name: &Name, known: bool) -> Self {
        let path = if known { name.method() } else { "/unknown/unknown" };
        let mut parts = path.trim_start_matches('/').splitn(2, '/');
        let service = parts.next().unwrap_or_default().to_owned();
        let method = parts.next().unwrap_or_default().to_owned();
        metrics::counter!("grpc_server_started_total", "grpc_service" => service.clone(), "grpc_method" => method.clone())
            .increment(1);
        Self {
            at: Instant::now(),
            service,
            method,
            code: None,
        }
    }

    /// Follows the answer to its end.
    pub fn follow(mut self, response: Response<Body>) -> Response<Body> {
        self.code = code(response.headers());
        let (head, body) = response.into_parts();
        // Dropped with the body: at its end, or when the caller went away before.
        let mut call = self;
        let body = body.map_frame(move |frame| {
            // The whole call moves in here, not just its code.
            let call = &mut call;
            if let Some(trailers) = frame.trailers_ref() {
                call.code = code(trailers);
            }
            frame
        });
        Response::from_parts(head, Body::new(body))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let code = self.code.unwrap_or(Code::Cancelled);
        let seconds = self.at.elapsed().as_secs_f64();
        let (service, method) = (self.service.clone(), self.method.clone());
        metrics::histogram!("grpc_server_handling_seconds", "grpc_service" => service.clone(), "grpc_method" => method.clone())
            .record(seconds);
        metrics::counter!("grpc_server_handled_total", "grpc_service" => service, "grpc_method" => method, "grpc_code" => format!("{code:?}"))
            .increment(1);
        tracing::info!(code = ?code, ms = seconds * 1000.0, "call ended");
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()))
}
