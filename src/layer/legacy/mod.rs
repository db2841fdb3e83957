//! REST as the clients of the older products know it, for RPCs of `gad.legacy.v1` that Envoy transcoded.
//!
//! Envoy finds the RPC and fills path and query parameters. Before the handler, [`ReadLayer`] reads the raw body into the
//! request; after everything else, [`PrintLayer`] prints the answer or the refusal. How, is declared by the RPC
//! (`gad.legacy.v1.answer`). Envoy passes on what is not gRPC as it is. Other calls pass through both untouched.

pub mod declared;
mod dialect;
mod frame;
mod print;
mod read;
mod refuse;
mod unknown;

pub use refuse::said;
pub use unknown::Unknown;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::{BoxFuture, Either};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use jiff::Timestamp;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value as Field};
use serde_json::{Map, Value};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use self::declared::{Answer, Method, Methods};
use crate::{
    clock::Clock,
    error::{Error, Result},
    pb::{
        REQUESTS,
        google::api::HttpBody,
        legacy::{Dialect, Form},
    },
};

/// Seconds that calls are counted over.
const WINDOW: u32 = 60;
/// Path as the caller sent it; Envoy sets it on what it transcoded, and on nothing else.
const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");
/// The method that a transcoded request calls, if it is one of the older products'.
fn method_of(methods: &Methods, request: &Request<Body>) -> Option<Arc<Method>> {
    request.headers().get(ORIGINAL_PATH)?;
    methods.get(request.uri().path()).cloned()
}

/// What is known of a call before it is made.
struct Asked {
    method: Arc<Method>,
    path: String,
    query: String,
    with_token: bool,
}

/// What the body said.
#[derive(Debug, Clone, Default)]
struct Heard {
    /// Place of the answer it is for.
    answer: Option<usize>,
    said: Map<String, Value>,
    faults: Vec<read::Fault>,
}

impl Asked {
    fn of(method: Arc<Method>, headers: &HeaderMap) -> Self {
        let original = headers
            .get(ORIGINAL_PATH)
            .and_then(|path| path.to_str().ok())
            .unwrap_or_default();
        let (path, query) = original.split_once('?').unwrap_or((original, ""));
        let cookies = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|cookie| cookie.to_str().ok());
        let mut cookies = cookies.flat_map(|cookie| cookie.split(';'));
        Self {
            path: path.to_owned(),
            query: query.to_owned(),
            with_token: headers.get(header::AUTHORIZATION).is_some_and(is_bearer)
                || cookies.any(|cookie| cookie.trim_start().starts_with("access_token=")),
            method,
        }
    }

    fn answer(&self, heard: &Heard) -> &Answer {
        let place = heard.answer.unwrap_or_else(|| self.method.choose(None, &self.query));
        &self.method.answers[place]
    }

    /// What the path says under its names.
    fn named(&self) -> Vec<(&str, &str)> {
        let mut templates = self.method.templates.iter();
        templates.find_map(|template| template.fit(&self.path)).unwrap_or_default()
    }
}

/// Whether a header is of the kind that the older products took for a token; another is none.
fn is_bearer(header: &HeaderValue) -> bool {
    let scheme = header.to_str().ok().and_then(|header| header.split_whitespace().next());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
}

/// A JSON answer; an empty one has no content.
fn respond(status: StatusCode, mut headers: HeaderMap, body: impl Into<Bytes>) -> Response<Body> {
    for name in [
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
        "grpc-encoding",
        "content-length",
    ] {
        headers.remove(name);
    }
    let body = body.into();
    if body.is_empty() {
        headers.remove(header::CONTENT_TYPE);
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let mut response = Response::new(Body::new(Full::new(body)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Prints answers and refusals; stands outside of everything that may refuse.
#[derive(Debug, Clone)]
pub struct PrintLayer {
    /// What is declared of the older products' RPCs.
    pub methods: Methods,
    /// Time.
    pub clock: Clock,
}

impl<S> Layer<S> for PrintLayer {
    type Service = Print<S>;

    fn layer(&self, inner: S) -> Print<S> {
        Print {
            inner,
            layer: self.clone(),
        }
    }
}

/// Prints answers and refusals.
#[derive(Debug, Clone)]
pub struct Print<S> {
    inner: S,
    layer: PrintLayer,
}

impl<S> Service<Request<Body>> for Print<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, std::result::Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(method) = method_of(&self.layer.methods, &request) else {
            return Either::Left(self.inner.call(request));
        };
        let asked = Asked::of(method, request.headers());
        let clock = self.layer.clock.clone();
        let answering = self.inner.call(request);
        Either::Right(Box::pin(async move {
            let response = answering.await?;
            Ok(print(&asked, response, clock.now()).await)
        }))
    }
}

async fn print(asked: &Asked, mut response: Response<Body>, now: Timestamp) -> Response<Body> {
    let heard = response.extensions_mut().remove::<Heard>().unwrap_or_default();
    let dialect = asked.answer(&heard).dialect;
    let mut printed = printed(asked, &heard, response, now).await;
    if dialect == Dialect::GrupoGad {
        mark(&mut printed);
    }
    printed
}

/// What GRUPO_GAD's clients find beside every answer.
fn mark(response: &mut Response<Body>) {
    let refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert("x-government-service", HeaderValue::from_static("GRUPO_GAD"));
    headers.insert("x-xss-protection", HeaderValue::from_static("1; mode=block"));
    if headers.contains_key("x-ratelimit-limit") {
        headers.insert("x-ratelimit-window", HeaderValue::from(WINDOW));
    }
    if refused {
        headers.insert(
            "x-ratelimit-policy",
            HeaderValue::from_static("government_citizen_protection"),
        );
    }
}

async fn printed(asked: &Asked, heard: &Heard, response: Response<Body>, now: Timestamp) -> Response<Body> {
    if let Some(status) = Status::from_header_map(response.headers()) {
        return refuse::refuse(asked, heard, &status, response.into_parts().0.headers, now);
    }
    if asked.method.streams {
        return response;
    }
    let (head, body) = response.into_parts();
    match answer(asked, heard, &head.headers, body).await {
        Ok(response) => response,
        Err(status) => refuse::refuse(asked, heard, &status, head.headers, now),
    }
}

/// The answer in a unary response.
async fn answer(asked: &Asked, heard: &Heard, headers: &HeaderMap, body: Body) -> Result<Response<Body>, Status> {
    let body = body.collect().await?;
    let refused = body.trailers().and_then(Status::from_header_map);
    if let Some(status) = refused.filter(|status| status.code() != tonic::Code::Ok) {
        return Err(status);
    }
    let answer = asked.answer(heard);
    let broken = || Error::internal("an answer is no gRPC message");
    let message = frame::open(&body.to_bytes()).ok_or_else(broken)?;
    if asked.method.output.full_name() == "google.api.HttpBody" {
        let raw = HttpBody::decode(message).map_err(Error::internal)?;
        let kind = HeaderValue::try_from(raw.content_type).map_err(Error::internal)?;
        let mut response = respond(answer.status, headers.clone(), raw.data);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        return Ok(response);
    }
    let message = DynamicMessage::decode(asked.method.output.clone(), message).map_err(Error::internal)?;
    let printed = match &answer.only {
        _ if answer.status == StatusCode::NO_CONTENT => Ok(Vec::new()),
        Some(field) => serde_json::to_vec(&print::Field(&message, field)),
        None => serde_json::to_vec(&print::Message(&message)),
    };
    Ok(respond(answer.status, headers.clone(), printed.map_err(Error::internal)?))
}

/// Reads bodies into requests; stands between those who may refuse a caller and the handlers.
#[derive(Debug, Clone)]
pub struct ReadLayer {
    /// What is declared of the older products' RPCs.
    pub methods: Methods,
    /// Longest request that is read, in bytes.
    pub longest: usize,
}

impl<S> Layer<S> for ReadLayer {
    type Service = Read<S>;

    fn layer(&self, inner: S) -> Read<S> {
        Read {
            inner,
            methods: Arc::clone(&self.methods),
            longest: self.longest,
        }
    }
}

/// Reads bodies into requests.
#[derive(Debug, Clone)]
pub struct Read<S> {
    inner: S,
    methods: Methods,
    longest: usize,
}

impl<S> Service<Request<Body>> for Read<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, std::result::Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = method_of(&self.methods, &request).filter(|method| method.body.is_some() && !method.streams);
        let Some(method) = method else {
            return Either::Left(self.inner.call(request));
        };
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let longest = self.longest;
        Either::Right(Box::pin(async move {
            let mut heard = Heard::default();
            let mut response = match read(method, request, longest, &mut heard).await {
                Ok(request) => inner.call(request).await?,
                Err(error) => Status::from(error).into_http(),
            };
            response.extensions_mut().insert(heard);
            Ok(response)
        }))
    }
}

/// The request with its raw body read into the field that it is for.
async fn read(method: Arc<Method>, request: Request<Body>, longest: usize, heard: &mut Heard) -> Result<Request<Body>> {
    let (mut head, body) = request.into_parts();
    let asked = Asked::of(Arc::clone(&method), &head.headers);
    let whole = Limited::new(body, longest + frame::HEAD)
        .collect()
        .await
        .map_err(Error::unreadable)?;
    let unreadable = || Error::unreadable("no whole gRPC message");
    let message = frame::open(&whole.to_bytes()).ok_or_else(unreadable)?;
    let mut message = DynamicMessage::decode(method.input.clone(), message).map_err(Error::unreadable)?;
    let raw = match &method.body {
        Some(field) => message
            .get_field(field)
            .as_message()
            .map(DynamicMessage::transcode_to::<HttpBody>),
        None => None,
    };
    let raw = raw.transpose().map_err(Error::unreadable)?.unwrap_or_default();
    let (form, said) = match read::parse(&raw.content_type, raw.data.into()).await {
        Ok(read) => read,
        Err(fault) => {
            heard.answer = Some(method.choose(Some((Form::Json, &Map::new())), &asked.query));
            heard.faults.push(fault);
            return Err(Error::unreadable("the body is no object"));
        }
    };
    let place = method.choose(Some((form, &said)), &asked.query);
    heard.answer = Some(place);
    for field in method
        .body
        .iter()
        .chain(method.answers.iter().filter_map(|answer| answer.into.as_ref()))
    {
        message.clear_field(field);
    }
    if let Some(into) = &method.answers[place].into
        && let Some(descriptor) = into.kind().as_message()
    {
        let read = read::message(descriptor, &said, &[], &mut heard.faults);
        message.set_field(into, Field::Message(read));
    }
    heard.said = said;
    let message = message.encode_to_vec();
    if !heard.faults.is_empty() {
        // What its rules say against the rest is told with it.
        let check = REQUESTS.iter().find(|(name, _)| *name == method.input.full_name());
        check.map(|(_, reread)| reread(&message)).transpose()?;
        return Err(Error::unreadable("some fields have other types"));
    }
    head.headers.remove(header::CONTENT_LENGTH);
    let frame = frame::close(&message).ok_or_else(unreadable)?;
    Ok(Request::from_parts(head, Body::new(Full::new(frame))))
}
