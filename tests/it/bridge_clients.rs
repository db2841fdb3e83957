//! A bridge in this process, and clients of its two doors.

use std::net::SocketAddr;

use futures::{SinkExt as _, StreamExt as _};
use gad::{
    clock::Clock,
    config::{BridgeSettings, DEMO_BRIDGE_TOKEN, Environment, LogFormat, TelemetrySettings, UpstreamTls},
    ws_bridge::{Bridge, meter::Stats},
};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        client::IntoClientRequest as _,
        handshake::client::Response,
        http::{HeaderValue, StatusCode},
    },
};
use tokio_util::sync::CancellationToken;

use crate::world::{PATIENCE, Person, Replica, World, until};

/// A running bridge.
pub struct Running {
    /// Where its doors are.
    pub address: SocketAddr,
    /// Where its health is.
    pub internal: SocketAddr,
    stats: Box<dyn Fn() -> Stats + Send + Sync>,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

/// Settings of a bridge in a test, before these servers.
pub fn settings(servers: &[SocketAddr]) -> BridgeSettings {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let urls: Vec<String> = servers.iter().map(|server| format!("http://{server}")).collect();
    BridgeSettings {
        environment: Environment::Development,
        listen: any,
        internal_listen: any,
        upstream_url: urls.join(","),
        upstream_tls: UpstreamTls::default(),
        bridge_token: DEMO_BRIDGE_TOKEN.into(),
        trusted_proxy_hosts: vec!["127.0.0.0/8".parse().unwrap()],
        max_connections: 1000,
        max_connections_per_user: 100,
        max_subscriptions_per_user: 200,
        message_max_size: 65_536,
        heartbeat_interval: 5.0,
        connection_timeout: 60.0,
        queue: 256,
        queue_bytes: 1_048_576,
        send_timeout: 10.0,
        drain_seconds: 10.0,
        telemetry: TelemetrySettings {
            log_level: "info".to_owned(),
            log_format: LogFormat::Text,
            otlp_endpoint: None,
        },
    }
}

impl Running {
    /// Starts a bridge before a world's server.
    pub async fn start(world: &World) -> Self {
        Self::with(&[&world.replica], |_| {}).await
    }

    /// Starts a bridge before these servers, with settings of its own.
    pub async fn with(servers: &[&Replica], change: impl FnOnce(&mut BridgeSettings)) -> Self {
        let servers: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
        let mut settings = settings(&servers);
        change(&mut settings);
        let bridge = Bridge::bind(settings, Clock::system()).await.unwrap();
        let stop = CancellationToken::new();
        Self {
            address: bridge.address,
            internal: bridge.internal_address,
            stats: Box::new(bridge.stats()),
            stop: stop.clone(),
            task: tokio::spawn(bridge.serve(stop)),
        }
    }

    /// Its numbers now.
    pub fn stats(&self) -> Stats {
        (self.stats)()
    }

    /// Waits until its numbers are so.
    pub async fn until(&self, what: &str, so: impl Fn(Stats) -> bool) {
        until(what, async || so(self.stats())).await;
    }

    /// Begins its graceful end.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Ends it gracefully.
    pub async fn stop(self) {
        self.stop.cancel();
        let ended = timeout(PATIENCE, self.task).await;
        ended.expect("the bridge ends").unwrap().unwrap();
    }

    /// A socket of a person who is welcomed.
    pub async fn socket(&self, person: &Person) -> Socket {
        let mut socket = Socket::open(self.address, &[("authorization", &format!("Bearer {}", person.token))])
            .await
            .unwrap();
        assert_eq!(socket.next().await["type"], "welcome");
        socket
    }

    /// An event stream of a person.
    pub async fn stream(&self, person: &Person, query: &str, last: &str) -> EventStream {
        let answer = self.get(&format!("/events?{query}"), Some(&person.token), last).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        EventStream {
            answer,
            text: String::new(),
        }
    }

    /// What a `GET` answers.
    pub async fn get(&self, path: &str, token: Option<&str>, last: &str) -> reqwest::Response {
        let mut request = reqwest::Client::new().get(format!("http://{}{path}", self.address));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !last.is_empty() {
            request = request.header("last-event-id", last);
        }
        request.send().await.unwrap()
    }
}

/// A wire between a bridge and a server that can be cut.
pub struct Wire {
    /// The bridge's end.
    pub address: SocketAddr,
    cut: tokio::sync::watch::Sender<()>,
}

impl Wire {
    /// To a server.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = tokio::sync::watch::Sender::new(());
        let cutter = cut.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cut = cutter.subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { address, cut }
    }

    /// Cuts all connections; others can be made.
    pub fn cut(&self) {
        self.cut.send_replace(());
    }
}

/// A WebSocket client.
pub struct Socket {
    ws: WebSocketStream<TcpStream>,
    /// Sub-protocol that the bridge chose.
    pub protocol: Option<String>,
    /// Pings of the bridge so far.
    pub pings: usize,
}

impl Socket {
    /// Opens one with these headers; the status if it is refused. It takes little before it is read from.
    pub async fn open(bridge: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Self, StatusCode> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let stream = socket.connect(bridge).await.unwrap();
        let mut request = format!("ws://{bridge}/ws/v1/watch").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((ws, answer)) => Ok(Self {
                ws,
                protocol: protocol(&answer),
                pings: 0,
            }),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status()),
            Err(cause) => panic!("{cause}"),
        }
    }

    /// Says something.
    pub async fn say(&mut self, frame: Value) {
        self.say_text(&frame.to_string()).await;
    }

    /// Says something that need not be a frame.
    pub async fn say_text(&mut self, text: &str) {
        self.ws.send(Message::text(text)).await.unwrap();
    }

    /// Says something that is not text.
    pub async fn say_bytes(&mut self, bytes: &'static [u8]) {
        self.ws.send(Message::binary(bytes)).await.unwrap();
    }

    /// Subscribes, and waits until it is heard that it did.
    pub async fn subscribe(&mut self, frame: Value) {
        let mut frame = frame;
        frame["type"] = "subscribe".into();
        self.say(frame.clone()).await;
        let answer = self.next().await;
        assert_eq!(answer["type"], "subscribed", "{answer}");
        assert_eq!(answer["id"], frame.get("id").cloned().unwrap_or_else(|| "".into()));
    }

    /// Subscribes to tasks under this number.
    pub async fn subscribe_quietly(&mut self, number: usize) {
        self.say(json!({"type": "subscribe", "id": format!("n{number}"), "filter": {"nouns": ["NOUN_TASK"]}}))
            .await;
        loop {
            let frame = self.news().await;
            if frame["type"] == "subscribed" {
                return;
            }
        }
    }

    /// Subscribes to tasks from now on, and waits until it is live; the cursor.
    pub async fn live(&mut self) -> String {
        self.subscribe(json!({"filter": {"nouns": ["NOUN_TASK"]}})).await;
        let frame = self.next().await;
        assert_eq!(frame["type"], "checkpoint", "{frame}");
        frame["cursor"].as_str().unwrap().to_owned()
    }

    /// The next frame, or the code it is closed with.
    pub async fn next_or_close(&mut self) -> Result<Value, u16> {
        loop {
            let message = timeout(PATIENCE, self.ws.next()).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.unwrap().code.into()),
                Some(Ok(Message::Ping(_))) => self.pings += 1,
                Some(Ok(_)) => {}
                Some(Err(cause)) => panic!("{cause}"),
                None => return Err(1006),
            }
        }
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        self.next_or_close().await.expect("the socket stays open")
    }

    /// The next frame but checkpoints.
    pub async fn news(&mut self) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] != "checkpoint" {
                return frame;
            }
        }
    }

    /// Reads bytes without answering anything until the bridge hangs up; the code of the last frame, a close.
    pub async fn unanswering(self) -> u16 {
        let mut bytes = Vec::new();
        let mut stream = self.ws.into_inner();
        let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
        read.expect("the end in time").unwrap();
        let (mut rest, mut code) = (&*bytes, None);
        while let [head, length, more @ ..] = rest {
            assert!(*length < 126, "short frames only");
            let (payload, after) = more.split_at(usize::from(*length));
            code = (*head == 0x88).then(|| u16::from_be_bytes([payload[0], payload[1]]));
            rest = after;
        }
        code.expect("a close at the end")
    }

    /// All frames but checkpoints until it is closed, and the code.
    pub async fn rest(mut self) -> (Vec<Value>, u16) {
        let mut frames = Vec::new();
        loop {
            match self.next_or_close().await {
                Ok(frame) if frame["type"] == "checkpoint" => {}
                Ok(frame) => frames.push(frame),
                Err(code) => return (frames, code),
            }
        }
    }
}

fn protocol(answer: &Response) -> Option<String> {
    let chosen = answer.headers().get("sec-websocket-protocol")?;
    Some(chosen.to_str().unwrap().to_owned())
}

/// A message of an event stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Its `id:`; empty without.
    pub id: String,
    /// Its `event:`.
    pub event: String,
    /// Its `data:`.
    pub data: Value,
}

/// An event stream client.
pub struct EventStream {
    answer: reqwest::Response,
    text: String,
}

impl EventStream {
    /// The next block of lines; none at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let chunk = timeout(PATIENCE, self.answer.chunk())
                .await
                .expect("bytes in time")
                .unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next message; none at the end.
    pub async fn next(&mut self) -> Option<Said> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let found = block.lines().find_map(|line| line.strip_prefix(name));
                found.unwrap_or_default().to_owned()
            };
            let data = field("data: ");
            if !data.is_empty() {
                return Some(Said {
                    id: field("id: "),
                    event: field("event: "),
                    data: serde_json::from_str(&data).unwrap(),
                });
            }
        }
    }

    /// The next comment.
    pub async fn comment(&mut self) -> String {
        loop {
            let block = self.block().await.expect("the stream goes on");
            if block.starts_with(':') {
                return block;
            }
        }
    }

    /// The next message but checkpoints.
    pub async fn news(&mut self) -> Said {
        loop {
            let said = self.next().await.expect("the stream goes on");
            if said.event != "checkpoint" {
                return said;
            }
        }
    }
}
