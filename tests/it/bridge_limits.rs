//! The bridge under clients that are too many, too fast, too slow or too long there.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use gad::{clock::Clock, config::DEMO_ACCOUNTS, pb};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::{
    bridge_clients::{Running, Socket, Wire},
    world::{World, draft},
};

fn end(frame: &Value) -> (&str, &str) {
    assert_eq!(frame["type"], "end", "{frame}");
    (frame["reason"].as_str().unwrap(), frame["cursor"].as_str().unwrap())
}

#[tokio::test]
async fn a_full_bridge_refuses_before_the_handshake() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| settings.max_connections = 2).await;
    let supervisor = world.supervisor().await;
    let first = bridge.socket(&supervisor).await;
    let _second = bridge.stream(&supervisor, "", "").await;
    let by_header = [("authorization", &*format!("Bearer {}", supervisor.token))];
    assert_eq!(
        Socket::open(bridge.address, &by_header).await.err(),
        Some(StatusCode::SERVICE_UNAVAILABLE)
    );
    let answer = bridge.get("/events", Some(&supervisor.token), "").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json::<Value>().await.unwrap()["reason"], "OVERLOADED");
    drop(first);
    bridge.until("the first has left", |stats| stats.websockets == 0).await;
    bridge.socket(&supervisor).await;
}

#[tokio::test]
async fn one_user_cannot_take_all_connections() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| settings.max_connections_per_user = 2).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let _first = bridge.socket(&supervisor).await;
    let _second = bridge.stream(&supervisor, "", "").await;
    let by_header = [("authorization", &*format!("Bearer {}", supervisor.token))];
    let mut third = Socket::open(bridge.address, &by_header).await.unwrap();
    assert_eq!(third.next_or_close().await, Err(4409));
    let answer = bridge.get("/events", Some(&supervisor.token), "").await;
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.json::<Value>().await.unwrap()["reason"], "TOO_MANY_CONNECTIONS");
    bridge.socket(&agent).await;
}

#[tokio::test]
async fn one_user_cannot_take_all_watches() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| settings.max_subscriptions_per_user = 2).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let mut socket = bridge.socket(&supervisor).await;
    socket.live().await;
    let _stream = bridge.stream(&supervisor, "", "").await;
    socket.say(json!({"type": "subscribe", "id": "third"})).await;
    let frame = socket.news().await;
    assert_eq!(
        (&frame["reason"], &frame["id"]),
        (&json!("TOO_MANY_SUBSCRIPTIONS"), &json!("third"))
    );
    assert_eq!(bridge.get("/events", Some(&supervisor.token), "").await.status(), 429);
    socket.say(json!({"type": "unsubscribe"})).await;
    assert_eq!(socket.news().await["reason"], "UNSUBSCRIBED");
    socket.live().await;
    bridge.socket(&agent).await.live().await;
}

#[tokio::test]
async fn a_frame_that_is_too_big_closes_the_socket() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| settings.message_max_size = 1000).await;
    let supervisor = world.supervisor().await;
    let mut socket = bridge.socket(&supervisor).await;
    socket.say(json!({"type": "ping", "data": "x".repeat(900)})).await;
    assert_eq!(socket.next().await["type"], "pong");
    let cursor = socket.live().await;
    socket.say_text(&"x".repeat(1001)).await;
    let (frames, code) = socket.rest().await;
    assert_eq!((frames.len(), code), (1, 1009));
    assert_eq!(end(&frames[0]), ("CLOSED", &*cursor));
    let mut socket = bridge.socket(&supervisor).await;
    socket.say_text(&"x".repeat(5000)).await;
    assert_eq!(socket.next_or_close().await, Err(1009));
}

#[tokio::test]
async fn a_client_that_talks_without_end_is_closed() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let mut socket = bridge.socket(&world.supervisor().await).await;
    for number in 0..100 {
        socket.say(json!({"type": "ping", "data": number})).await;
    }
    let (frames, code) = socket.rest().await;
    let (last, pongs) = frames.split_last().unwrap();
    assert!((40..100).contains(&pongs.len()));
    assert!(pongs.iter().all(|frame| frame["type"] == "pong"));
    assert_eq!((&last["type"], &last["reason"]), (&json!("error"), &json!("RATE_LIMITED")));
    assert_eq!(code, 4429);
}

#[tokio::test]
async fn a_client_that_does_not_answer_is_dropped() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| {
        settings.heartbeat_interval = 0.1;
        settings.connection_timeout = 0.5;
    })
    .await;
    let supervisor = world.supervisor().await;
    let mut lively = bridge.socket(&supervisor).await;
    let silent = bridge.socket(&supervisor).await;
    // Reading answers the pings; so many are sent only long after the silent one is dropped.
    let reading = tokio::spawn(async move {
        lively.live().await;
        while lively.pings < 30 {
            lively.next().await;
        }
    });
    assert_eq!(silent.unanswering().await, 4408);
    reading.await.unwrap();
    let mut stream = bridge.stream(&supervisor, "", "").await;
    assert_eq!(stream.comment().await, ": ping");
}

#[tokio::test]
async fn a_slow_client_is_told_where_it_stopped_and_loses_nothing() {
    let world = World::start().await;
    // However long the tasks take to be made, the client is not taken for gone meanwhile.
    let bridge = Running::with(&[&world.replica], |settings| {
        settings.queue = 4;
        settings.send_timeout = 3600.0;
    })
    .await;
    let supervisor = world.supervisor().await;
    let mut slow = bridge.socket(&supervisor).await;
    slow.live().await;
    let mut steady = bridge.socket(&supervisor).await;
    steady.live().await;
    let mut written = Vec::new();
    let mut task = draft("Grande");
    task.description = "ñ".repeat(10_000);
    for _ in 0..60 {
        let request = pb::CreateTaskRequest {
            task: Some(task.clone()),
            ..Default::default()
        };
        written.push(
            supervisor
                .tasks()
                .create_task(request)
                .await
                .unwrap()
                .into_inner()
                .id
                .to_string(),
        );
        assert_eq!(
            steady.news().await["event"]["task"]["id"],
            **written.last().unwrap(),
            "others are not held up"
        );
    }
    let (mut frames, code) = slow.rest().await;
    let last = frames.pop().unwrap();
    assert_eq!(code, 4429);
    let (reason, cursor) = end(&last);
    assert_eq!(reason, "SLOW_CONSUMER");
    let mut heard: Vec<String> = frames
        .iter()
        .map(|frame| frame["event"]["task"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(heard.len() < written.len());
    let mut again = bridge.socket(&supervisor).await;
    again
        .subscribe(json!({"cursor": cursor, "filter": {"nouns": ["NOUN_TASK"]}}))
        .await;
    while heard.len() < written.len() {
        heard.push(again.news().await["event"]["task"]["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(heard, written);
}

#[tokio::test]
async fn a_snapshot_is_not_hurried_past_a_slow_client() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| {
        settings.queue = 2;
        settings.send_timeout = 3600.0;
    })
    .await;
    let supervisor = world.supervisor().await;
    let mut task = draft("Grande");
    task.description = "ñ".repeat(10_000);
    for _ in 0..60 {
        let request = pb::CreateTaskRequest {
            task: Some(task.clone()),
            ..Default::default()
        };
        supervisor.tasks().create_task(request).await.unwrap();
    }
    let mut slow = bridge.socket(&supervisor).await;
    slow.subscribe(json!({"include_snapshot": true, "filter": {"nouns": ["NOUN_TASK"]}}))
        .await;
    // The first rows fill what the client takes unread; the others wait.
    let mut quick = bridge.socket(&supervisor).await;
    quick.live().await;
    for _ in 0..60 {
        assert_eq!(slow.next().await["type"], "snapshot_row");
    }
    assert_eq!(slow.next().await["snapshot_end"]["row_count"], 60);
}

#[tokio::test]
async fn a_snapshot_that_is_cut_short_is_ended_and_not_patched_up() {
    let world = World::start().await;
    let wire = Wire::to(world.replica.address).await;
    let bridge = Running::with(&[], |settings| {
        settings.upstream_url = format!("http://{}", wire.address);
        settings.queue = 2;
    })
    .await;
    let supervisor = world.supervisor().await;
    let mut task = draft("Grande");
    task.description = "ñ".repeat(10_000);
    for _ in 0..60 {
        let request = pb::CreateTaskRequest {
            task: Some(task.clone()),
            ..Default::default()
        };
        supervisor.tasks().create_task(request).await.unwrap();
    }
    let mut socket = bridge.socket(&supervisor).await;
    let wish = json!({"include_snapshot": true, "filter": {"nouns": ["NOUN_TASK"]}});
    socket.subscribe(wish.clone()).await;
    assert_eq!(socket.next().await["type"], "snapshot_row");
    wire.cut();
    let mut rows = 1;
    let last = loop {
        let frame = socket.next().await;
        if frame["type"] != "snapshot_row" {
            break frame;
        }
        rows += 1;
    };
    assert!(rows < 60);
    assert_eq!(end(&last), ("INTERNAL", ""));
    socket.subscribe(wish).await;
    for _ in 0..60 {
        assert_eq!(socket.next().await["type"], "snapshot_row");
    }
    assert_eq!(socket.next().await["type"], "snapshot_end");
}

#[tokio::test]
async fn who_does_not_say_who_they_are_cannot_fill_the_bridge() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| settings.max_connections = 20).await;
    let mut strangers = Vec::new();
    for _ in 0..10 {
        strangers.push(Socket::open(bridge.address, &[]).await.unwrap());
    }
    assert_eq!(
        Socket::open(bridge.address, &[]).await.err(),
        Some(StatusCode::SERVICE_UNAVAILABLE)
    );
    let supervisor = world.supervisor().await;
    bridge.socket(&supervisor).await;
    let mut known = strangers.pop().unwrap();
    known.say(json!({"type": "auth", "token": supervisor.token})).await;
    assert_eq!(known.next().await["type"], "welcome");
    Socket::open(bridge.address, &[]).await.unwrap();
}

/// A world whose tokens end a few seconds after they were given, seen by the bridge's clock; and that clock's distance.
async fn world_of_short_tokens() -> (World, Arc<AtomicI64>) {
    let behind = Arc::new(AtomicI64::new(30 * 60 - 4));
    let seconds = Arc::clone(&behind);
    let clock = Clock::of(move || Clock::system().now() - SignedDuration::from_secs(seconds.load(Ordering::Relaxed)));
    (World::with_clock(clock, |_| {}).await, behind)
}

#[tokio::test]
async fn when_the_token_ends_so_do_its_connections() {
    let (world, _) = world_of_short_tokens().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    let mut socket = bridge.socket(&supervisor).await;
    socket.live().await;
    let mut stream = bridge.stream(&supervisor, "", "").await;
    let (frames, code) = socket.rest().await;
    assert_eq!(frames.len(), 1);
    let (reason, cursor) = end(&frames[0]);
    assert_eq!(reason, "AUTH_REVOKED");
    assert!(!cursor.is_empty());
    assert_eq!(code, 4401);
    let said = stream.news().await;
    assert_eq!((said.event.as_str(), &said.data["reason"]), ("end", &json!("AUTH_REVOKED")));
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_new_token_keeps_a_connection_open() {
    let (world, behind) = world_of_short_tokens().await;
    let bridge = Running::with(&[&world.replica], |settings| settings.heartbeat_interval = 0.5).await;
    let supervisor = world.supervisor().await;
    let mut socket = bridge.socket(&supervisor).await;
    socket.live().await;
    behind.store(0, Ordering::Relaxed);
    let (agent, fresh) = (world.agent().await, world.sign_in(DEMO_ACCOUNTS[1]).await);
    socket.say(json!({"type": "auth", "token": agent.token})).await;
    assert_eq!(socket.news().await["reason"], "FORBIDDEN");
    socket.say(json!({"type": "auth", "token": fresh.token})).await;
    assert_eq!(socket.news().await["type"], "authenticated");
    // Ten heartbeats are longer than the first token lived.
    let pings = socket.pings;
    while socket.pings < pings + 10 {
        assert_eq!(socket.next().await["type"], "checkpoint");
    }
    let task = fresh.task("Sigue").await;
    assert_eq!(socket.news().await["event"]["task"]["id"], task.id.to_string());
}

#[tokio::test]
async fn who_shares_a_watch_does_not_depend_on_the_other_tokens() {
    let (world, behind) = world_of_short_tokens().await;
    let bridge = Running::start(&world).await;
    let short = world.supervisor().await;
    let mut first = bridge.socket(&short).await;
    first.live().await;
    behind.store(0, Ordering::Relaxed);
    let long = world.sign_in(DEMO_ACCOUNTS[1]).await;
    let mut second = bridge.socket(&long).await;
    second.live().await;
    assert_eq!(bridge.stats().watches_ever, 1);
    let (frames, code) = first.rest().await;
    assert_eq!((end(&frames[0]).0, code), ("AUTH_REVOKED", 4401));
    let task = long.task("Sigue").await;
    assert_eq!(second.news().await["event"]["task"]["id"], task.id.to_string());
}

#[tokio::test]
async fn a_bridge_that_goes_down_hands_out_cursors_that_work_elsewhere() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    let mut socket = bridge.socket(&supervisor).await;
    socket.live().await;
    let one = supervisor.task("Uno").await;
    assert_eq!(socket.news().await["event"]["task"]["id"], one.id.to_string());
    let mut stream = bridge.stream(&supervisor, "filter.nouns=NOUN_TASK", "").await;
    assert_eq!(stream.next().await.unwrap().event, "checkpoint");
    bridge.begin_stop();
    let (frames, code) = socket.rest().await;
    let (reason, cursor) = end(&frames[0]);
    assert_eq!((reason, code), ("SHUTDOWN", 1001));
    let said = stream.news().await;
    assert_eq!(end(&said.data).0, "SHUTDOWN");
    assert_eq!(stream.next().await, None);
    bridge.stop().await;
    let two = supervisor.task("Dos").await;
    let next = Running::start(&world).await;
    let mut socket = next.socket(&supervisor).await;
    socket
        .subscribe(json!({"cursor": cursor, "filter": {"nouns": ["NOUN_TASK"]}}))
        .await;
    assert_eq!(socket.news().await["event"]["task"]["id"], two.id.to_string());
    let mut stream = next.stream(&supervisor, "filter.nouns=NOUN_TASK", end(&said.data).1).await;
    assert_eq!(stream.news().await.data["event"]["task"]["id"], two.id.to_string());
}
