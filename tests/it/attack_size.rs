//! Too much of anything: refused by its size before it costs memory, and the others go on.

use std::process::{Command, Stdio};

use bytes::Bytes;
use gad::pb;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::{Code, Status, body::Body, transport::Channel};
use tower::{Service as _, ServiceExt as _};

use crate::{
    bridge_clients::Running,
    edge::Edge,
    raw,
    world::{PATIENCE, Person, World, channel, reason, until},
};

/// Kilobytes of memory that a process had at most until now.
fn peak(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Few bytes that are many when they are unpacked.
fn bomb() -> Vec<u8> {
    let output = Command::new("sh")
        .args(["-c", "head -c 400000000 /dev/zero | gzip -1"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success() && output.stdout.len() < 4_000_000);
    output.stdout
}

/// A message as it stands in a gRPC body, said to be packed or not.
fn frame(packed: bool, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[u8::from(packed)], &length[..], message].concat()
}

/// Sends bytes as a gRPC call by HTTP/2, and hears the status.
async fn call(mut channel: Channel, token: &str, encoding: Option<&str>, body: Vec<u8>) -> Status {
    let mut request = Request::post("http://gad/gad.v1.TaskService/CreateTask")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {token}"));
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let request = request
        .body(Body::new(Full::new(Bytes::from(body)).map_err(|never| match never {})))
        .unwrap();
    let answer = channel.ready().await.unwrap().call(request).await.unwrap();
    let (head, body) = answer.into_parts();
    if let Some(status) = Status::from_header_map(&head.headers) {
        return status;
    }
    let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or_default();
    Status::from_header_map(&trailers).expect("a status")
}

#[tokio::test]
async fn bombs_are_refused_before_they_are_unpacked() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await;
    let (http, bomb) = (reqwest::Client::new(), bomb());
    // What there is to be had at first is had: from here on, only the bombs cost.
    supervisor.task("Patrullar").await;
    supervisor.over(edge.channel()).task("Patrullar").await;
    let (own, envoy) = (peak("self"), peak(&edge.process_id().to_string()));
    for door in [world.replica.channel(), edge.channel()] {
        for (encoding, packed) in [
            (Some("gzip"), true),
            (Some("deflate"), true),
            (Some("zstd"), true),
            (None, true),
            (Some("gzip"), false),
        ] {
            let refused = call(door.clone(), &supervisor.token, encoding, frame(packed, &bomb)).await;
            let expected = [Code::Unimplemented, Code::InvalidArgument];
            assert!(expected.contains(&refused.code()), "{encoding:?} {packed}: {refused:?}");
        }
    }
    for path in [
        "/v1/tasks",
        "/v1/auth:login",
        "/api/v1/auth/login",
        "/api/v1/users",
        "/gad.v1.TaskService/CreateTask",
    ] {
        for encoding in ["gzip", "gzip, gzip", "x-gzip", "deflate", "br"] {
            let request = http.post(edge.url(path)).bearer_auth(&supervisor.token);
            let request = request
                .header("content-type", "application/json")
                .header("content-encoding", encoding);
            let answer = request.body(bomb.clone()).send().await.unwrap();
            assert!(answer.status().is_client_error(), "{path} {encoding}: {}", answer.status());
        }
    }
    let bound = 150_000;
    assert!(peak("self") - own < bound, "{} kB", peak("self") - own);
    let grown = peak(&edge.process_id().to_string()) - envoy;
    assert!(grown < bound, "{grown} kB");
    supervisor.over(edge.channel()).task("Patrullar").await;
}

#[tokio::test]
async fn a_message_longer_than_its_limit_is_refused_by_its_first_bytes() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await;
    for door in [world.replica.channel(), edge.channel()] {
        // It says that it has four gigabytes, and ten megabytes and a byte; neither has to come.
        for length in [u32::MAX, 10 * 1024 * 1024 + 1] {
            let body = [&[0][..], &length.to_be_bytes(), b"\x0a"].concat();
            let refused = call(door.clone(), &supervisor.token, None, body).await;
            assert_eq!(
                (refused.code(), reason(&refused).as_str()),
                (Code::InvalidArgument, "INVALID_FIELD"),
                "{length}"
            );
        }
    }
    // Also if nobody says before how long it will be.
    let whole = json!({ "title": "t", "kind": "TASK_KIND_PATROL", "description": "d".repeat(11 * 1024 * 1024) }).to_string();
    for path in ["/v1/tasks", "/api/v1/auth/login"] {
        let parts: Vec<_> = whole
            .as_bytes()
            .chunks(64 * 1024)
            .map(|part| Ok::<_, std::io::Error>(part.to_vec()))
            .collect();
        let request = reqwest::Client::new().post(edge.url(path)).bearer_auth(&supervisor.token);
        let request = request.header("content-type", "application/json");
        let answer = request
            .body(reqwest::Body::wrap_stream(futures::stream::iter(parts)))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
}

#[tokio::test]
async fn headers_that_are_too_many_or_too_long_are_refused_and_the_next_call_is_not() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await;
    let many: String = (0..101).map(|number| format!("a{number}: b\r\n")).collect();
    for (headers, statuses) in [
        (many, [431, 400]),
        (format!("a: {}\r\n", "b".repeat(40_000)), [431, 431]),
        (format!("{}: b\r\n", "a".repeat(40_000)), [431, 431]),
        (format!("cookie: {}\r\n", "a=b; ".repeat(8_000)), [431, 431]),
    ] {
        let said = raw::send(
            edge.address,
            format!("GET /v1/tasks HTTP/1.1\r\nhost: a\r\n{headers}\r\n").as_bytes(),
        )
        .await;
        assert!(statuses.contains(&said.status()), "{said:?}");
        assert_eq!(said.answers(), 1, "{said:?}");
    }
    let said = raw::send(
        edge.address,
        format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(40_000)).as_bytes(),
    )
    .await;
    assert!([414, 431].contains(&said.status()), "{said:?}");
    for door in [world.replica.channel(), edge.channel()] {
        let mut request = tonic::Request::new(pb::GetMeRequest {});
        request.metadata_mut().insert("x-long", "b".repeat(40_000).parse().unwrap());
        supervisor.over(door.clone()).auth().get_me(request).await.unwrap_err();
        supervisor.over(door).auth().get_me(pb::GetMeRequest {}).await.unwrap();
    }
}

#[tokio::test]
async fn a_frame_longer_than_frames_are_ends_its_connection_and_no_other() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await;
    for address in [world.replica.address, edge.address] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let settings = b"\0\0\0\x04\0\0\0\0\0";
        let long = b"\xff\xff\xff\0\0\0\0\0\x01";
        stream
            .write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], long].concat())
            .await
            .unwrap();
        // Until the other side closes: it must not wait for sixteen megabytes.
        let mut heard = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
        assert!(read.is_ok(), "{address}: the connection stays open");
        let goaway = heard
            .windows(6)
            .any(|frame| frame[3..] == [7, 0, 0] || frame[..4] == [0, 0, 8, 7]);
        assert!(goaway, "{address}: {heard:?}");
        supervisor
            .over(channel(address))
            .auth()
            .get_me(pb::GetMeRequest {})
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn what_is_nested_a_hundred_thousand_times_is_refused_on_every_door() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let edge = Edge::start(&[world.replica.address], &[bridge.address]).await;
    let supervisor = world.supervisor().await;
    let http = reqwest::Client::new();
    let nested = |open: &str, close: &str| open.repeat(100_000) + "1" + &close.repeat(100_000);
    let deep = [
        nested("[", "]"),
        nested("{\"a\":", "}"),
        nested("[{\"title\":", "}]"),
        format!("{{\"email\":{}}}", nested("[", "]")),
    ];
    for body in &deep {
        for path in [
            "/v1/tasks",
            "/v1/auth:login",
            "/api/v1/auth/login",
            "/api/v1/users",
            "/api/v1/auth/request-password-reset",
        ] {
            let request = http.post(edge.url(path)).bearer_auth(&supervisor.token);
            let answer = request
                .header("content-type", "application/json")
                .body(body.clone())
                .send()
                .await
                .unwrap();
            assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        }
    }
    let mut socket = bridge.socket(&supervisor).await;
    // As much as a frame may have.
    let depth = 60_000;
    socket.say_text(&("[".repeat(depth / 2) + &"]".repeat(depth / 2))).await;
    assert_eq!(socket.news().await["type"], "error");
    socket.live().await;
    assert_eq!(
        http.get(edge.url("/v1/tasks"))
            .bearer_auth(&supervisor.token)
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::OK
    );
}

/// Opens a watch; why not, if it may not be.
async fn watch(person: Person) -> Result<tonic::Streaming<pb::WatchResponse>, Status> {
    let watching = person.events().watch(pb::WatchRequest::default()).await;
    watching.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_streams_as_many_as_there_are_seats_are_served_and_calls_go_on() {
    const SEATS: usize = 300;
    let world = World::with(|settings| settings.max_streams = SEATS).await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await;
    // Five connections at each door.
    let doors: Vec<Channel> = (0..10)
        .map(|number| {
            channel(if number % 2 == 0 {
                edge.address
            } else {
                world.replica.address
            })
        })
        .collect();
    let watches = (0..10_000).map(|number| watch(supervisor.over(doors[number % doors.len()].clone())));
    let opened = futures::future::join_all(watches);
    let calls = async {
        for _ in 0..20 {
            supervisor
                .over(edge.channel())
                .auth()
                .get_me(pb::GetMeRequest {})
                .await
                .unwrap();
            supervisor
                .over(world.replica.channel())
                .auth()
                .get_me(pb::GetMeRequest {})
                .await
                .unwrap();
        }
    };
    let (opened, ()) = timeout(PATIENCE * 4, async { tokio::join!(opened, calls) })
        .await
        .expect("all are answered");
    let (served, refused): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
    for refused in &refused {
        let refused = refused.as_ref().err().unwrap();
        assert_eq!(
            (refused.code(), reason(refused).as_str()),
            (Code::Unavailable, "OVERLOADED"),
            "{refused:?}"
        );
    }
    assert_eq!((served.len(), refused.len()), (SEATS, 10_000 - SEATS));
    supervisor.task("Patrullar").await;
    drop(served);
    until("there are seats again", async || watch(supervisor.clone()).await.is_ok()).await;
}
