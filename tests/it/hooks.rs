//! An HTTP server that records what it got: it plays webhooks and Telegram.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::world::until;

/// A call as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Path.
    pub path: String,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: String,
}

impl Heard {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What is answered to calls of a path, before all are taken; none: nothing, for ever.
type Answers = BTreeMap<String, VecDeque<Option<Response<String>>>>;

#[derive(Default)]
struct Inside {
    heard: Vec<Heard>,
    answers: Answers,
    silent: Vec<String>,
}

/// A running server.
pub struct Hooks {
    /// Where it listens.
    pub address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
    running: JoinHandle<()>,
}

impl Hooks {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let inside: Arc<Mutex<Inside>> = Arc::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inside));
        Self {
            address: listener.local_addr().unwrap(),
            inside,
            running: tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }),
        }
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next call of a path is answered so.
    pub fn answers(&self, path: &str, status: u16, headers: &[(&str, &str)], body: &str) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let answer = Some(response.body(body.to_owned()).unwrap());
        let mut inside = self.inside.lock().unwrap();
        inside.answers.entry(path.to_owned()).or_default().push_back(answer);
    }

    /// From now on calls of a path are heard and not answered, or answered again.
    pub fn silent(&self, path: &str, silent: bool) {
        let mut inside = self.inside.lock().unwrap();
        inside.silent.retain(|other| other != path);
        if silent {
            inside.silent.push(path.to_owned());
        }
    }

    /// What came to a path so far.
    pub fn heard(&self, path: &str) -> Vec<Heard> {
        let inside = self.inside.lock().unwrap();
        inside.heard.iter().filter(|heard| heard.path == path).cloned().collect()
    }

    /// Waits until so many calls came to a path.
    pub async fn calls(&self, path: &str, count: usize) -> Vec<Heard> {
        until(&format!("{count} calls of {path}"), async || self.heard(path).len() >= count).await;
        self.heard(path)
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn answer(State(inside): State<Arc<Mutex<Inside>>>, request: Request) -> Response<String> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path().to_owned();
    let headers = parts.headers.iter();
    let heard = Heard {
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: String::from_utf8(body.to_vec()).unwrap(),
        path: path.clone(),
    };
    let (silent, next) = {
        let mut inside = inside.lock().unwrap();
        inside.heard.push(heard);
        let next = inside.answers.get_mut(&path).and_then(VecDeque::pop_front).flatten();
        (inside.silent.contains(&path), next)
    };
    if silent {
        std::future::pending::<()>().await;
    }
    next.unwrap_or_else(|| Response::new("{\"ok\":true}".to_owned()))
}
