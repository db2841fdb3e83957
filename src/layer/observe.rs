//! Counts and times calls under the names of `grpc-prometheus`, and logs each once, at its end.

use std::{
    array,
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Instant,
};

use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use metrics::{Counter, Histogram};
use tonic::{Code, body::Body};

use super::name::Name;

/// What is counted of all methods.
#[derive(Debug, Clone)]
pub struct Calls {
    known: Arc<HashMap<String, Arc<Counted>>>,
    /// Methods that are none of ours have no names of their own: callers must not be able to invent metrics.
    unknown: Arc<Counted>,
}

impl Calls {
    /// Of the methods with these paths, such as `/gad.v1.TaskService/GetTask`.
    pub fn of<'a>(paths: impl Iterator<Item = &'a String>) -> Self {
        Self {
            known: Arc::new(paths.map(|path| (path.clone(), Arc::new(Counted::of(path)))).collect()),
            unknown: Arc::new(Counted::of("/unknown/unknown")),
        }
    }

    /// A call is refused at once: counted, but not logged.
    pub fn refuse(&self, name: &Name, response: Response<Body>) -> Response<Body> {
        let counted = self.counted(name);
        counted.started().increment(1);
        counted
            .handled(code(response.headers()).unwrap_or(Code::Unknown))
            .increment(1);
        response
    }

    fn counted(&self, name: &Name) -> &Arc<Counted> {
        self.known.get(name.method()).unwrap_or(&self.unknown)
    }

    /// A call begins.
    pub fn begin(&self, name: &Name) -> Started {
        let counted = Arc::clone(self.counted(name));
        counted.started().increment(1);
        Started {
            at: Instant::now(),
            counted,
            code: None,
        }
    }
}

/// What is counted of a method. To find a metric by its labels costs more than to count, so each is kept once found.
struct Counted {
    service: String,
    method: String,
    started: OnceLock<Counter>,
    seconds: OnceLock<Histogram>,
    handled: [OnceLock<Counter>; 17],
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.method)
    }
}

impl Counted {
    fn of(path: &str) -> Self {
        let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
        Self {
            service: service.to_owned(),
            method: method.to_owned(),
            started: OnceLock::new(),
            seconds: OnceLock::new(),
            handled: array::from_fn(|_| OnceLock::new()),
        }
    }

    fn started(&self) -> &Counter {
        self.started.get_or_init(|| {
            let (service, method) = (self.service.clone(), self.method.clone());
            metrics::counter!("grpc_server_started_total", "grpc_service" => service, "grpc_method" => method)
        })
    }

    fn seconds(&self) -> &Histogram {
        self.seconds.get_or_init(|| {
            let (service, method) = (self.service.clone(), self.method.clone());
            metrics::histogram!("grpc_server_handling_seconds", "grpc_service" => service, "grpc_method" => method)
        })
    }

    fn handled(&self, code: Code) -> &Counter {
        self.handled[code as usize].get_or_init(|| {
            let (service, method, code) = (self.service.clone(), self.method.clone(), format!("{code:?}"));
            metrics::counter!("grpc_server_handled_total", "grpc_service" => service, "grpc_method" => method, "grpc_code" => code)
        })
    }
}

/// A call that began.
pub struct Started {
    at: Instant,
    counted: Arc<Counted>,
    code: Option<Code>,
}

impl Started {
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
        self.counted.seconds().record(seconds);
        self.counted.handled(code).increment(1);
        tracing::info!(code = ?code, ms = seconds * 1000.0, "call ended");
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()))
}
