//! One call through each of the three doors: native gRPC, gRPC-web, REST.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Buf as _, BufMut as _};
use futures::StreamExt as _;
use gad::{
    descriptor::{self, Access},
    pb::Service,
};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions};
use reqwest::{RequestBuilder, Url, header::HeaderMap};
use serde_json::{Map, Value, json};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

use crate::{
    edge::Edge,
    world::{PATIENCE, Replica},
};

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// gRPC over HTTP/2, to the server itself.
    Grpc,
    /// gRPC-web over HTTP/1.1, through Envoy.
    GrpcWeb,
    /// REST over HTTP/1.1, transcoded by Envoy.
    Rest,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Grpc, Self::GrpcWeb, Self::Rest];
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The message as proto3 JSON with the proto's names (a stream: the list of its first ones), or a `google.rpc.Status`.
    pub outcome: Result<Value, Value>,
    /// Whether the answer was kept from an earlier call.
    pub replayed: bool,
    /// HTTP status of REST.
    pub http: Option<u16>,
    /// Headers and trailers of a refusal, but for those that differ from call to call.
    pub headers: BTreeMap<String, String>,
}

/// Headers that tell of the call, the time or the load, and not of what was asked for.
const OF_THE_CALL: [&str; 6] = [
    "date",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-envoy-upstream-service-time",
    "x-process-time",
    "x-request-id",
];

/// Headers and trailers as texts.
pub fn told(headers: &HeaderMap) -> BTreeMap<String, String> {
    let told = headers.iter().filter(|(name, _)| !OF_THE_CALL.contains(&name.as_str()));
    told.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

impl Answer {
    /// Reason of a refusal; empty for an answer.
    pub fn reason(&self) -> &str {
        let details = self.outcome.as_ref().err().and_then(|status| status["details"].as_array());
        let mut reasons = details.into_iter().flatten().filter_map(|detail| detail["reason"].as_str());
        reasons.next().unwrap_or_default()
    }
}

/// A server seen through one door.
pub struct Doorway {
    door: Door,
    server: Channel,
    edge: Option<Edge>,
    http: reqwest::Client,
    pool: DescriptorPool,
}

impl Doorway {
    /// Opens a door to a server; must not run in a spawned task (see [`Edge`]).
    pub async fn open(door: Door, replica: &Replica) -> Self {
        let edge = match door {
            Door::Grpc => None,
            Door::GrpcWeb | Door::Rest => Some(Edge::before(&[replica.address]).await),
        };
        Self {
            door,
            server: replica.channel(),
            edge,
            http: reqwest::Client::new(),
            pool: descriptor::pool(),
        }
    }

    /// Calls a method. Of a stream, reads until the message that holds one of these fields.
    pub async fn call(&self, method: &MethodDescriptor, request: &Value, token: Option<&str>, until: &[&str]) -> Answer {
        // gRPC-web has no client streams, and REST no route for them: they take gRPC, through Envoy if there is one.
        let door = if method.is_client_streaming() || self.is_inside(method) {
            Door::Grpc
        } else {
            self.door
        };
        let call = async {
            match door {
                Door::Grpc => self.grpc(method, request, token, until).await,
                Door::GrpcWeb => self.grpc_web(method, request, token, until).await,
                Door::Rest => self.rest(method, request, token, until).await,
            }
        };
        let answer = tokio::time::timeout(PATIENCE, call).await;
        answer.unwrap_or_else(|_| panic!("{:?} {}: no answer", self.door, method.name()))
    }

    fn is_inside(&self, method: &MethodDescriptor) -> bool {
        let rule = descriptor::rule(&self.pool, method);
        rule.is_some_and(|rule| rule.access == Access::Service(Service::Bridge))
    }

    fn url(&self, path: &str) -> Url {
        let edge = self.edge.as_ref().expect("an edge before the door");
        edge.url(path).parse().unwrap()
    }

    async fn grpc(&self, method: &MethodDescriptor, request: &Value, token: Option<&str>, until: &[&str]) -> Answer {
        // What is for parts of the installation only is behind the edge.
        let edge = self.edge.as_ref().filter(|_| !self.is_inside(method));
        let through = edge.map_or_else(|| self.server.clone(), Edge::channel);
        let mut client = Grpc::new(through);
        client.ready().await.unwrap();
        let path = descriptor::path(method).parse().unwrap();
        let messages: Vec<Vec<u8>> = match request {
            Value::Array(many) => many.iter().map(|one| encoded(&method.input(), one)).collect(),
            one => vec![encoded(&method.input(), one)],
        };
        let mut sent = Request::new(tokio_stream::iter(messages));
        if let Some(token) = token {
            let bearer = format!("Bearer {token}").parse().unwrap();
            sent.metadata_mut().insert("authorization", bearer);
        }
        let response = match client.streaming(sent, path, Raw).await {
            Ok(response) => response,
            Err(status) => return self.refused(&status),
        };
        let replayed = response.metadata().contains_key("idempotent-replayed");
        let mut stream = response.into_inner();
        let mut messages = Vec::new();
        while !is_whole(&messages, until) {
            match stream.message().await {
                Ok(Some(bytes)) => messages.push(decoded(&method.output(), &bytes)),
                Ok(None) => break,
                Err(status) => return self.refused(&status),
            }
        }
        answered(method, messages, replayed, None)
    }

    async fn grpc_web(&self, method: &MethodDescriptor, request: &Value, token: Option<&str>, until: &[&str]) -> Answer {
        let message = encoded(&method.input(), request);
        let mut body = vec![0];
        body.put_u32(u32::try_from(message.len()).unwrap());
        body.extend(message);
        let sent = self
            .http
            .post(self.url(&descriptor::path(method)))
            .header("content-type", "application/grpc-web+proto")
            .header("x-grpc-web", "1")
            .body(body);
        let response = signed(sent, token).send().await.unwrap();
        let headers = response.headers().clone();
        assert_eq!(response.status(), 200);
        assert_eq!(headers["content-type"], "application/grpc-web+proto");
        let replayed = headers.contains_key("idempotent-replayed");
        let mut frames = Frames::of(response);
        let mut messages = Vec::new();
        let mut told_before = told(&headers);
        let mut trailers = headers;
        while !is_whole(&messages, until) {
            match frames.next().await {
                Some((0, bytes)) => messages.push(decoded(&method.output(), &bytes)),
                Some((0x80, bytes)) => trailers = trailer_frame(&bytes),
                Some((flags, _)) => panic!("a frame of kind {flags}"),
                None => break,
            }
        }
        match trailers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes())) {
            None | Some(Code::Ok) => answered(method, messages, replayed, None),
            Some(_) => {
                told_before.extend(told(&trailers));
                Answer {
                    headers: told_before,
                    ..self.refused(&Status::from_header_map(&trailers).unwrap())
                }
            }
        }
    }

    async fn rest(&self, method: &MethodDescriptor, request: &Value, token: Option<&str>, until: &[&str]) -> Answer {
        let response = signed(self.rest_request(method, request), token).send().await.unwrap();
        let http = response.status().as_u16();
        let headers = response.headers();
        let file = http == 200 && is_file(method);
        let kind = headers["content-type"].to_str().unwrap().to_owned();
        assert!(file || kind == "application/json", "{http}: {kind}");
        assert!(!headers.contains_key("grpc-status"), "gRPC shines through");
        let replayed = headers.contains_key("idempotent-replayed");
        if http != 200 {
            let headers = told(headers);
            let status: Value = response.json().await.unwrap();
            return Answer {
                headers,
                ..answer(Err(canonical(&self.status_type(), &status)), replayed, Some(http))
            };
        }
        if file {
            let text = response.bytes().await.unwrap();
            return answer(Ok(contents(&kind, &text)), replayed, Some(http));
        }
        let mut stream = response.bytes_stream();
        let (mut text, mut messages) = (Vec::new(), Vec::new());
        while !is_whole(&messages, until) {
            let Some(chunk) = stream.next().await else { break };
            text.extend(chunk.unwrap());
            messages = elements(&text, method.is_server_streaming());
        }
        let messages = messages.iter().map(|message| canonical(&method.output(), message)).collect();
        answered(method, messages, replayed, Some(http))
    }

    /// The request as the method's route wants it: in path, body and query.
    pub fn rest_request(&self, method: &MethodDescriptor, request: &Value) -> RequestBuilder {
        let route = descriptor::routes(&self.pool, method).into_iter().next().expect("a route");
        let mut rest = request.clone();
        let mut path = String::new();
        let mut template = route.path.as_str();
        while let Some((before, after)) = template.split_once('{') {
            let (field, after) = after.split_once('}').unwrap();
            path += before;
            path += &taken(&mut rest, field);
            template = after;
        }
        let mut url = self.url(&(path + template));
        let body = match route.body.as_str() {
            "" => None,
            "*" => Some(std::mem::replace(&mut rest, json!({}))),
            field => Some(rest.as_object_mut().unwrap().remove(field).unwrap_or(json!({}))),
        };
        let mut pairs = Vec::new();
        flatten("", &rest, &mut pairs);
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        let sent = self.http.request(route.verb.parse().unwrap(), url);
        match body {
            Some(body) => sent.json(&body),
            None => sent,
        }
    }

    fn status_type(&self) -> MessageDescriptor {
        self.pool.get_message_by_name("google.rpc.Status").unwrap()
    }

    fn refused(&self, status: &Status) -> Answer {
        assert!(!status.details().is_empty(), "a refusal without details: {status:?}");
        let mut headers = told(&status.metadata().clone().into_headers());
        headers.insert("grpc-message".to_owned(), status.message().to_owned());
        Answer {
            headers,
            ..answer(Err(decoded(&self.status_type(), status.details())), false, None)
        }
    }
}

fn answered(method: &MethodDescriptor, mut messages: Vec<Value>, replayed: bool, http: Option<u16>) -> Answer {
    let outcome = if is_file(method) {
        let pieces = messages
            .iter()
            .map(|message| STANDARD.decode(message["data"].as_str().unwrap_or_default()).unwrap());
        let kind = messages.first().and_then(|message| message["content_type"].as_str());
        contents(kind.unwrap_or_default(), &pieces.collect::<Vec<_>>().concat())
    } else if method.is_server_streaming() {
        json!(messages)
    } else {
        assert_eq!(messages.len(), 1, "one answer");
        messages.remove(0)
    };
    answer(Ok(outcome), replayed, http)
}

/// Whether a method answers with a file instead of messages.
fn is_file(method: &MethodDescriptor) -> bool {
    method.output().full_name() == "google.api.HttpBody"
}

/// What is in a file of this content type.
fn contents(kind: &str, bytes: &[u8]) -> Value {
    if kind.contains("json") {
        lines(bytes)
    } else {
        json!({ "content_type": kind, "data": STANDARD.encode(bytes) })
    }
}

/// A file of JSON, or of JSON Lines.
fn lines(text: &[u8]) -> Value {
    if let Ok(document) = serde_json::from_slice(text) {
        return document;
    }
    let lines = std::str::from_utf8(text).unwrap().lines();
    lines.map(|line| serde_json::from_str::<Value>(line).unwrap()).collect()
}

fn answer(outcome: Result<Value, Value>, replayed: bool, http: Option<u16>) -> Answer {
    Answer {
        outcome,
        replayed,
        http,
        headers: BTreeMap::new(),
    }
}

/// Whether the last message is the one that was waited for.
fn is_whole(messages: &[Value], until: &[&str]) -> bool {
    messages
        .last()
        .is_some_and(|message| until.iter().any(|field| !message[*field].is_null()))
}

fn signed(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    }
}

/// Proto3 JSON to bytes.
fn encoded(kind: &MessageDescriptor, value: &Value) -> Vec<u8> {
    let message = DynamicMessage::deserialize(kind.clone(), value);
    message.unwrap_or_else(|wrong| panic!("{value}: {wrong}")).encode_to_vec()
}

/// Bytes to proto3 JSON with the proto's names, and what is not set left out.
fn decoded(kind: &MessageDescriptor, bytes: &[u8]) -> Value {
    let message = DynamicMessage::decode(kind.clone(), bytes).unwrap();
    let form = SerializeOptions::new().use_proto_field_name(true);
    message.serialize_with_options(serde_json::value::Serializer, &form).unwrap()
}

/// JSON in the one form that [`decoded`] gives; fails for what the message does not have.
fn canonical(kind: &MessageDescriptor, value: &Value) -> Value {
    decoded(kind, &encoded(kind, value))
}

/// Takes a field out of a request, as text.
fn taken(request: &mut Value, path: &str) -> String {
    let fields = request.as_object_mut().unwrap();
    match path.split_once('.') {
        Some((first, rest)) => taken(&mut fields[first], rest),
        None => text(&fields.remove(path).unwrap_or(json!(0))),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The leaves of a request as query parameters.
fn flatten(prefix: &str, value: &Value, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let name = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}.{name}")
            };
            flatten(&name, value, pairs);
        }),
        Value::Array(items) => items.iter().for_each(|item| flatten(prefix, item, pairs)),
        leaf => pairs.push((prefix.to_owned(), text(leaf))),
    }
}

/// The whole values in a text that may not have ended: of one value, or of an array that grows.
fn elements(text: &[u8], array: bool) -> Vec<Value> {
    if !array {
        return serde_json::from_slice(text).into_iter().collect();
    }
    let mut found = Vec::new();
    let mut rest = text.trim_ascii_start();
    while let Some(after) = rest.strip_prefix(b"[").or_else(|| rest.strip_prefix(b",")) {
        let mut values = serde_json::Deserializer::from_slice(after).into_iter::<Map<String, Value>>();
        let Some(Ok(value)) = values.next() else { break };
        found.push(Value::Object(value));
        rest = after[values.byte_offset()..].trim_ascii_start();
    }
    found
}

/// Frames of a gRPC-web answer.
struct Frames {
    stream: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    seen: Vec<u8>,
}

impl Frames {
    fn of(response: reqwest::Response) -> Self {
        Self {
            stream: response.bytes_stream().boxed(),
            seen: Vec::new(),
        }
    }

    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(head) = self.seen.first_chunk::<5>() {
                let length = (&head[1..]).get_u32() as usize;
                if self.seen.len() >= 5 + length {
                    let frame = self.seen[5..5 + length].to_vec();
                    let kind = self.seen[0];
                    self.seen.drain(..5 + length);
                    return Some((kind, frame));
                }
            }
            self.seen.extend(self.stream.next().await?.unwrap());
        }
    }
}

/// The trailers in the last frame of a gRPC-web answer.
fn trailer_frame(bytes: &[u8]) -> HeaderMap {
    let text = std::str::from_utf8(bytes).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(name, value)| (name.trim().parse().unwrap(), value.trim().parse().unwrap()))
        .collect::<Vec<(reqwest::header::HeaderName, reqwest::header::HeaderValue)>>()
        .into_iter()
        .collect()
}

/// Messages as they are on the wire.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}
