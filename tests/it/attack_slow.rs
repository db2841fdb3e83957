//! Who takes their time: let go when it is over, and nobody else waits for them.

use std::{net::SocketAddr, time::Duration};

use gad::clock::Clock;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    edge::Edge,
    raw::{self, Said},
    world::{PATIENCE, Replica, World, until},
};

/// Seconds that the door of these tests waits for headers, and for an answer.
const HASTY: [&str; 4] = ["--header-seconds", "1", "--call-seconds", "1"];
/// Time between two bytes of somebody who is slow.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends the beginning of a request, then a byte now and then until the other side closes; what was said in the end.
async fn drip(address: SocketAddr, beginning: String) -> Said {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(beginning.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let dripping = tokio::spawn(async move {
        while writing.write_all(b"a").await.is_ok() {
            tokio::time::sleep(PAUSE).await;
        }
    });
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    // It ends with a reset where bytes came after the end: what was said before it, was said.
    let read = timeout(PATIENCE, async {
        while let Ok(count @ 1..) = reading.read(&mut part).await {
            all.extend_from_slice(&part[..count]);
        }
    });
    let in_time = read.await.is_ok();
    dripping.abort();
    assert!(in_time, "it was listened to for longer than {PATIENCE:?}");
    Said(String::from_utf8_lossy(&all).into_owned())
}

/// What fifty who are slow were told, and that others were served all the while.
async fn fifty(edge: &Edge, beginning: &str) -> Vec<Said> {
    let slow = (0..50).map(|_| drip(edge.address, beginning.to_owned()));
    let mut slow = std::pin::pin!(futures::future::join_all(slow));
    let (http, mut served) = (reqwest::Client::new(), 0);
    loop {
        tokio::select! {
            said = &mut slow => {
                assert!(served > 0, "nobody was served meanwhile");
                return said;
            }
            answer = http.get(edge.url("/.well-known/jwks.json")).send() => {
                assert_eq!(answer.unwrap().status(), 200);
                served += 1;
            }
        }
    }
}

#[tokio::test]
async fn who_never_ends_their_headers_is_let_go_and_others_are_served_meanwhile() {
    let world = World::start().await;
    let edge = Edge::with(&[world.replica.address], &[], &HASTY).await;
    for beginning in ["G", "GET / HTTP/1.1\r\nhost: a\r\nx: "] {
        for said in fifty(&edge, beginning).await {
            assert!(said.status() == 408 || said.0.is_empty(), "{beginning:?}: {said:?}");
        }
    }
}

#[tokio::test]
async fn who_never_ends_their_body_is_let_go_and_others_are_served_meanwhile() {
    let world = World::start().await;
    let edge = Edge::with(&[world.replica.address], &[], &HASTY).await;
    let token = &world.supervisor().await.token;
    let head = |path: &str, content: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: {content}\r\n")
    };
    for (path, content, grpc) in [
        ("/v1/tasks", "application/json", false),
        ("/v1/auth:login", "application/json", false),
        ("/api/v1/auth/login", "application/json", false),
        ("/gad.v1.TaskService/CreateTask", "application/grpc-web+proto", true),
        ("/gad.v1.TaskService/CreateTask", "application/grpc", true),
    ] {
        let whole = format!("{}content-length: 10000\r\n\r\n{{\"title\": \"", head(path, content));
        for said in fifty(&edge, &whole).await {
            let status = said.status();
            assert!(
                [408, 504].contains(&status) || (grpc && [0, 200].contains(&status)),
                "{path}: {said:?}"
            );
            assert!(said.header("grpc-status") != Some("0"), "{path}: {said:?}");
        }
    }
    let said = world.supervisor().await.task("Patrullar").await;
    assert_eq!(said.title, "Patrullar");
}

#[tokio::test]
async fn behind_the_door_a_message_must_come_before_its_deadline() {
    let world = World::start().await;
    let mut settings = world.settings.clone();
    settings.default_deadline_ms = 300;
    let hasty = Replica::start(settings, Clock::system()).await;
    let token = &world.supervisor().await.token;
    let beginning = format!(
        "POST /gad.v1.TaskService/CreateTask HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
         content-type: application/grpc-web+proto\r\ncontent-length: 10000\r\n\r\n\0\0\0\u{1}\0"
    );
    let said = drip(hasty.address, beginning).await;
    assert_eq!((said.status(), said.header("grpc-status")), (200, Some("4")), "{said:?}");
}

#[tokio::test]
async fn the_server_itself_lets_go_who_says_nothing_and_whom_it_has_no_room_for() {
    let world = World::with(|settings| settings.max_connections = 3).await;
    let supervisor = world.supervisor().await;
    let mut silent = TcpStream::connect(world.replica.address).await.unwrap();
    let _second = TcpStream::connect(world.replica.address).await.unwrap();
    // The people's own connection was the first.
    let mut beyond = TcpStream::connect(world.replica.address).await.unwrap();
    let closed = raw::heard(&mut beyond, PATIENCE).await;
    assert_eq!(closed.0, "");
    supervisor.task("Patrullar").await;
    let mut byte = [0];
    let end = timeout(PATIENCE, silent.read(&mut byte)).await.expect("it is let go");
    assert!(matches!(end, Ok(0) | Err(_)));
    until("there is room again", async || {
        let mut stream = TcpStream::connect(world.replica.address).await.unwrap();
        stream
            .write_all(b"GET /config.json HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        raw::heard(&mut stream, Duration::from_secs(2)).await.status() == 200
    })
    .await;
}
