//! Bodies, paths and queries of the older products' REST: forms and JSON, as login bodies are.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::LazyLock,
    task::{Context, Poll},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::FutureExt as _;
use gad::{
    clock::Clock,
    descriptor,
    error::Error,
    layer::legacy::{PrintLayer, ReadLayer, declared},
    pb::{REQUESTS, google::api::HttpBody},
};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use jiff::Timestamp;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value as Field};
use serde_json::Value;
use tonic::{Status, body::Body};
use tower::{Layer as _, Service};

static METHODS: LazyLock<declared::Methods> = LazyLock::new(|| declared::methods(&descriptor::pool()));
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut names: Vec<String> = METHODS.keys().cloned().collect();
    names.sort();
    names
});

/// One line each: gRPC path of the method, path and query as they were sent, `content-type`; then the body.
pub fn run(data: &[u8]) {
    let (method, rest) = super::line(data);
    let (path, rest) = super::line(rest);
    let (kind, body) = super::line(rest);
    let name = super::pick(&NAMES, method, |name| name);
    let Some(request) = request(name, path, kind, body) else {
        return;
    };
    let reading = ReadLayer {
        methods: METHODS.clone(),
        longest: 1 << 20,
    };
    let printing = PrintLayer {
        methods: METHODS.clone(),
        clock: Clock::of(|| Timestamp::UNIX_EPOCH),
    };
    let mut service = printing.layer(reading.layer(Handler));
    let Ok(response) = service.call(request).now_or_never().expect("nothing to wait for");
    let status = response.status();
    let answer = whole(response.into_body());
    if METHODS[name].streams {
        return;
    }
    assert!(!status.is_server_error(), "{status}: {}", String::from_utf8_lossy(&answer));
    let most = 8 * data.len() + 16 * 1024;
    assert!(answer.len() <= most, "an answer of {} bytes", answer.len());
    if !answer.is_empty() {
        serde_json::from_slice::<Value>(&answer).expect("an answer is JSON");
    }
    discreet(body, &answer);
}

/// What Envoy makes of a request.
fn request(name: &str, path: &[u8], kind: &[u8], body: &[u8]) -> Option<Request<Body>> {
    let method = &METHODS[name];
    let mut message = DynamicMessage::new(method.input.clone());
    if let Some(field) = &method.body {
        let raw = HttpBody {
            content_type: String::from_utf8_lossy(kind).into_owned(),
            data: body.to_vec(),
            extensions: Vec::new(),
        };
        let mut held = DynamicMessage::new(field.kind().as_message()?.clone());
        held.transcode_from(&raw).ok()?;
        message.set_field(field, Field::Message(held));
    }
    let request = Request::post(name).header("x-envoy-original-path", path);
    let message = framed(&message.encode_to_vec());
    request.body(Body::new(Full::new(message))).ok()
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("small"));
    frame.put_slice(message);
    frame.freeze()
}

fn whole(body: Body) -> Bytes {
    let body = body.collect().now_or_never().expect("it is all there");
    body.expect("nothing breaks").to_bytes()
}

/// A password is not said back, not even to who sent it.
fn discreet(body: &[u8], answer: &[u8]) {
    let said = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let Some(password) = said["password"].as_str().filter(|password| password.len() >= 12) else {
        return;
    };
    let only_there = String::from_utf8_lossy(body).matches(password).count() == 1;
    let answer = String::from_utf8_lossy(answer);
    assert!(!only_there || !answer.contains(password), "the password is in {answer}");
}

/// Stands for all handlers: reads the request as the codec does, and answers with nothing in it.
#[derive(Clone)]
struct Handler;

impl Service<Request<Body>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (head, body) = request.into_parts();
        let body = whole(body);
        let input = METHODS[head.uri.path()].input.full_name();
        let known = REQUESTS.iter().find(|(name, _)| *name == input);
        let (_, reread) = known.expect("every request is there");
        let message = body.get(5..).ok_or_else(|| Error::unreadable("no frame"));
        ready(Ok(match message.and_then(reread) {
            Ok(_) => Response::new(Body::new(Full::new(framed(&[])))),
            Err(error) => Status::from(error).into_http(),
        }))
    }
}
