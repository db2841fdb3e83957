//! The bridge: WebSocket and SSE.

use gad::pb;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::{
    bridge_clients::{Running, Socket, Wire},
    world::{PATIENCE, Person, World, until},
};

fn task_id(frame: &Value) -> i64 {
    let id = frame["event"]["task"]["id"].as_str();
    id.unwrap_or_else(|| panic!("an event of a task was expected: {frame}"))
        .parse()
        .unwrap()
}

fn cursor(frame: &Value) -> String {
    frame["cursor"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_socket_hears_of_a_task() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    let mut socket = bridge.socket(&supervisor).await;
    socket.live().await;
    let task = supervisor.task("Patrullar el parque").await;
    let frame = socket.news().await;
    assert_eq!((frame["type"].as_str(), frame["id"].as_str()), (Some("event"), Some("")));
    assert_eq!(frame["event"]["type"], "EVENT_TYPE_TASK_CREATED");
    assert_eq!(frame["event"]["actor_user_id"], supervisor.id.to_string());
    assert_eq!(task_id(&frame), task.id);
    assert_eq!(frame["event"]["task"]["title"], "Patrullar el parque");
}

#[tokio::test]
async fn a_stream_hears_of_a_task_and_resumes_by_its_last_id() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    let mut stream = bridge.stream(&supervisor, "filter.nouns=NOUN_TASK", "").await;
    let first = stream.next().await.unwrap();
    assert_eq!((first.event.as_str(), first.id), ("checkpoint", cursor(&first.data)));
    let one = supervisor.task("Uno").await;
    let said = stream.news().await;
    assert_eq!((said.event.as_str(), task_id(&said.data)), ("event", one.id));
    assert_eq!(said.id, cursor(&said.data));
    drop(stream);
    let two = supervisor.task("Dos").await;
    let three = supervisor.task("Tres").await;
    let again = "filter.nouns=NOUN_TASK&include_snapshot=true";
    let mut stream = bridge.stream(&supervisor, again, &said.id).await;
    assert_eq!(task_id(&stream.news().await.data), two.id);
    assert_eq!(task_id(&stream.news().await.data), three.id);
}

#[tokio::test]
async fn how_much_is_open_is_told_at_once_to_each_who_shares_a_watch() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = bridge.stream(&supervisor, "filter.nouns=NOUN_KPI", "").await;
        assert_eq!(stream.next().await.unwrap().event, "checkpoint");
        let told = stream.news().await;
        assert_eq!(told.data["event"]["kpi"]["scheduled_count"], "0", "{told:?}");
        assert_eq!(told.id, cursor(&told.data));
        streams.push((stream, told.id));
    }
    assert_eq!(bridge.stats().watches_ever, 1);
    supervisor.task("Uno").await;
    for (stream, _) in &mut streams {
        let told = stream.news().await;
        assert_eq!(
            told.data["event"]["kpi"]["scheduled_count"], "1",
            "once, and not what was before: {told:?}"
        );
    }
    // Who comes back is told where things stand: they may have changed meanwhile.
    let (stream, last) = streams.pop().unwrap();
    drop(stream);
    let mut stream = bridge.stream(&supervisor, "filter.nouns=NOUN_KPI", &last).await;
    loop {
        let told = stream.news().await;
        if told.data["event"]["kpi"]["scheduled_count"] == "1" {
            break;
        }
    }
}

#[tokio::test]
async fn a_token_may_come_in_a_header_a_sub_protocol_or_the_first_frame() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let token = world.supervisor().await.token;
    let by_header = [("authorization", &*format!("Bearer {token}"))];
    let mut socket = Socket::open(bridge.address, &by_header).await.unwrap();
    assert_eq!(socket.protocol, None);
    assert_eq!(socket.next().await["type"], "welcome");
    let by_protocol = [("sec-websocket-protocol", &*format!("gad.v1, bearer.{token}"))];
    let mut socket = Socket::open(bridge.address, &by_protocol).await.unwrap();
    assert_eq!(socket.protocol.as_deref(), Some("gad.v1"));
    assert_eq!(socket.next().await["type"], "welcome");
    let mut socket = Socket::open(bridge.address, &[]).await.unwrap();
    socket.say(json!({"type": "auth", "token": token})).await;
    assert_eq!(socket.next().await["type"], "welcome");
    let answer = bridge.get(&format!("/events?access_token={token}"), None, "").await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn without_a_good_token_nobody_comes_in() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let good = world.supervisor().await.token;
    let (body, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{body}.{}", "A".repeat(86));
    for token in ["", "junk", &forged] {
        let by_header = [("authorization", &*format!("Bearer {token}"))];
        assert_eq!(
            Socket::open(bridge.address, &by_header).await.err(),
            Some(StatusCode::UNAUTHORIZED)
        );
        let answer = bridge.get("/events", Some(token), "").await;
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.json::<Value>().await.unwrap()["reason"], "SIGNED_OUT");
        let mut socket = Socket::open(bridge.address, &[]).await.unwrap();
        socket.say(json!({"type": "auth", "token": token})).await;
        assert_eq!(socket.next_or_close().await, Err(4401));
    }
    let by_protocol = [("sec-websocket-protocol", &*format!("gad.v1, bearer.{forged}"))];
    let mut socket = Socket::open(bridge.address, &by_protocol).await.unwrap();
    assert_eq!(socket.next_or_close().await, Err(4401));
    let mut socket = Socket::open(bridge.address, &[]).await.unwrap();
    socket.say(json!({"type": "subscribe"})).await;
    assert_eq!(socket.next_or_close().await, Err(4401));
    assert_eq!(bridge.get("/events", None, "").await.status(), 401);
    assert_eq!(bridge.stats().watches_ever, 0, "junk does not reach the server");
}

/// The next event of a watch over gRPC: its cursor and its task's number.
async fn next_event(watch: &mut tonic::Streaming<pb::WatchResponse>) -> (String, i64) {
    use pb::{event::Resource, watch_response::Item};
    loop {
        let next = tokio::time::timeout(PATIENCE, watch.message()).await;
        let response = next.expect("a message in time").unwrap().expect("the watch goes on");
        match response.item.unwrap() {
            Item::Checkpoint(_) => {}
            Item::Event(pb::Event {
                resource: Some(Resource::Task(task)),
                ..
            }) => return (response.cursor, task.id),
            other => panic!("an event of a task was expected: {other:?}"),
        }
    }
}

/// Where a client is, and how it came there.
struct Hopper<'a> {
    bridge: &'a Running,
    person: &'a Person,
    cursor: String,
    heard: Vec<i64>,
}

impl Hopper<'_> {
    async fn by_websocket(&mut self, events: usize) {
        let mut socket = self.bridge.socket(self.person).await;
        socket
            .subscribe(json!({"cursor": self.cursor, "filter": {"nouns": ["NOUN_TASK"]}}))
            .await;
        for _ in 0..events {
            let frame = socket.news().await;
            self.heard.push(task_id(&frame));
            self.cursor = cursor(&frame);
        }
    }

    async fn by_sse(&mut self, events: usize) {
        let mut stream = self.bridge.stream(self.person, "filter.nouns=NOUN_TASK", &self.cursor).await;
        for _ in 0..events {
            let said = stream.news().await;
            self.heard.push(task_id(&said.data));
            self.cursor = said.id;
        }
    }

    async fn by_grpc(&mut self, events: usize) {
        let filter = pb::WatchFilter {
            nouns: vec![pb::Noun::Task as i32],
            ..Default::default()
        };
        let request = pb::WatchRequest {
            filter: Some(filter),
            cursor: self.cursor.clone(),
            include_snapshot: false,
        };
        let mut watch = self.person.events().watch(request).await.unwrap().into_inner();
        for _ in 0..events {
            let (cursor, task) = next_event(&mut watch).await;
            self.heard.push(task);
            self.cursor = cursor;
        }
    }
}

#[tokio::test]
async fn one_cursor_goes_from_door_to_door_without_loss_or_repeat() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    // Somebody keeps the main feed alive, so that hoppers meet it.
    let mut steady = bridge.socket(&supervisor).await;
    let begin = steady.live().await;
    let writer = supervisor.clone();
    let writing = tokio::spawn(async move {
        let mut written = Vec::new();
        for number in 0..60 {
            written.push(writer.task(&format!("Tarea {number}")).await.id);
        }
        written
    });
    let mut hopper = Hopper {
        bridge: &bridge,
        person: &supervisor,
        cursor: begin,
        heard: Vec::new(),
    };
    for hop in 0..18 {
        let events = [3, 1, 5, 2][hop % 4].min(60 - hopper.heard.len());
        match hop % 3 {
            0 => hopper.by_websocket(events).await,
            1 => hopper.by_sse(events).await,
            _ => hopper.by_grpc(events).await,
        }
    }
    let left = 60 - hopper.heard.len();
    hopper.by_websocket(left).await;
    let written = writing.await.unwrap();
    assert_eq!(hopper.heard, written);
    let mut steadily = Vec::new();
    while steadily.len() < written.len() {
        steadily.push(task_id(&steady.news().await));
    }
    assert_eq!(steadily, written);
}

#[tokio::test]
async fn what_is_no_frame_is_answered_and_in_the_end_not_borne() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let mut socket = bridge.socket(&world.supervisor().await).await;
    for (text, reason, field) in [
        ("nonsense", "MALFORMED_FRAME", Value::Null),
        ("[1]", "MALFORMED_FRAME", Value::Null),
        (r#"{"type":"dance"}"#, "UNKNOWN_TYPE", Value::Null),
        (
            r#"{"type":"subscribe","filter":{"colour":1}}"#,
            "INVALID_FIELD",
            json!("filter"),
        ),
        (
            r#"{"type":"subscribe","filter":{"task_ids":[-1]}}"#,
            "INVALID_FIELD",
            json!("filter.task_ids[0]"),
        ),
    ] {
        socket.say_text(text).await;
        let frame = socket.next().await;
        assert_eq!(
            (&frame["type"], &frame["reason"], &frame["field"]),
            (&json!("error"), &json!(reason), &field)
        );
    }
    socket.say(json!({"type": "ping", "data": {"n": [1]}})).await;
    assert_eq!(socket.next().await, json!({"type": "pong", "data": {"n": [1]}}));
    socket.live().await;
    for _ in 0..5 {
        socket.say_bytes(b"bytes").await;
    }
    let (frames, code) = socket.rest().await;
    assert_eq!(frames.len(), 6);
    assert_eq!((&frames[5]["type"], &frames[5]["reason"]), (&json!("end"), &json!("CLOSED")));
    assert!(!cursor(&frames[5]).is_empty());
    assert_eq!(code, 4400);
}

#[tokio::test]
async fn wrong_parameters_of_a_stream_are_named() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let token = world.supervisor().await.token;
    for (query, field) in [
        ("colour=red", "colour"),
        ("filter.agent_ids=0", "filter.agent_ids[0]"),
        ("cursor=a&include_snapshot=true", "include_snapshot"),
    ] {
        let answer = bridge.get(&format!("/events?{query}"), Some(&token), "").await;
        assert_eq!(answer.status(), 400);
        let body: Value = answer.json().await.unwrap();
        assert_eq!((&body["reason"], &body["field"]), (&json!("INVALID_FIELD"), &json!(field)));
    }
}

#[tokio::test]
async fn subscriptions_of_a_socket_have_names() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    let mut socket = bridge.socket(&supervisor).await;
    for id in ["tareas", "agentes"] {
        let noun = if id == "tareas" { "NOUN_TASK" } else { "NOUN_AGENT" };
        socket.subscribe(json!({"id": id, "filter": {"nouns": [noun]}})).await;
        let frame = socket.next().await;
        assert_eq!((&frame["type"], &frame["id"]), (&json!("checkpoint"), &json!(id)));
    }
    socket.say(json!({"type": "subscribe", "id": "tareas"})).await;
    assert_eq!(socket.news().await["reason"], "SUBSCRIPTION_EXISTS");
    let one = supervisor.task("Uno").await;
    let frame = socket.news().await;
    assert_eq!((&frame["id"], task_id(&frame)), (&json!("tareas"), one.id));
    socket.say(json!({"type": "unsubscribe", "id": "tareas"})).await;
    let end = socket.news().await;
    assert_eq!(
        (&end["type"], &end["id"], &end["reason"]),
        (&json!("end"), &json!("tareas"), &json!("UNSUBSCRIBED"))
    );
    let two = supervisor.task("Dos").await;
    socket
        .subscribe(json!({"id": "otra", "cursor": cursor(&end), "filter": {"nouns": ["NOUN_TASK"]}}))
        .await;
    let frame = socket.news().await;
    assert_eq!((&frame["id"], task_id(&frame)), (&json!("otra"), two.id));
    socket.say(json!({"type": "unsubscribe", "id": "tareas"})).await;
    assert_eq!(socket.news().await["reason"], "UNKNOWN_SUBSCRIPTION");
    for more in 0..14 {
        socket.subscribe_quietly(more).await;
    }
    socket.say(json!({"type": "subscribe", "id": "demasiado"})).await;
    assert_eq!(socket.news().await["reason"], "TOO_MANY_SUBSCRIPTIONS");
}

#[tokio::test]
async fn a_snapshot_comes_first_and_cannot_be_resumed_in_its_midst() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    let before = supervisor.task("Antes").await;
    let mut socket = bridge.socket(&supervisor).await;
    socket
        .subscribe(json!({"include_snapshot": true, "filter": {"nouns": ["NOUN_TASK"]}}))
        .await;
    let row = socket.next().await;
    assert_eq!(row["snapshot_row"]["task"]["id"], before.id.to_string());
    assert_eq!(row.get("cursor"), None);
    let end = socket.next().await;
    assert_eq!(end["snapshot_end"]["row_count"], 1);
    assert!(!cursor(&end).is_empty());
    let after = supervisor.task("Después").await;
    assert_eq!(task_id(&socket.news().await), after.id);
    let mut stream = bridge
        .stream(&supervisor, "include_snapshot=true&filter.nouns=NOUN_TASK", "")
        .await;
    for _ in 0..2 {
        let row = stream.next().await.unwrap();
        assert_eq!((row.event.as_str(), row.id.as_str()), ("snapshot_row", ""));
    }
    let end = stream.next().await.unwrap();
    assert_eq!((end.event.as_str(), end.id), ("snapshot_end", cursor(&end.data)));
}

#[tokio::test]
async fn a_field_agent_hears_only_of_its_own_tasks() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let mut socket = bridge.socket(&agent).await;
    socket.live().await;
    let mut all = bridge.socket(&supervisor).await;
    all.live().await;
    let foreign = supervisor.task("De otros").await;
    let own = agent.task("Propia").await;
    let frame = socket.news().await;
    assert_eq!(task_id(&frame), own.id);
    assert_eq!(frame["event"]["task"]["allowed_actions"], json!(["TASK_ACTION_CANCEL"]));
    assert_eq!(task_id(&all.news().await), foreign.id);
    let frame = all.news().await;
    assert_eq!(task_id(&frame), own.id);
    assert!(frame["event"]["task"]["allowed_actions"].as_array().unwrap().len() > 1);
}

#[tokio::test]
async fn many_clients_share_one_watch() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        let mut socket = bridge.socket(&supervisor).await;
        socket.live().await;
        sockets.push(socket);
    }
    let mut stream = bridge.stream(&supervisor, "filter.nouns=NOUN_TASK", "").await;
    assert_eq!(stream.next().await.unwrap().event, "checkpoint");
    assert_eq!(bridge.stats().watches_ever, 1);
    let task = supervisor.task("Para todos").await;
    let mut frames = Vec::new();
    for socket in &mut sockets {
        frames.push(socket.news().await);
    }
    assert_eq!(task_id(&frames[0]), task.id);
    assert!(frames.iter().all(|frame| frame == &frames[0]));
    assert_eq!(task_id(&stream.news().await.data), task.id);
    drop((sockets, stream));
    bridge
        .until("nobody is left, and no watch", |stats| {
            stats.watches + stats.feeds + stats.websockets == 0
        })
        .await;
}

#[tokio::test]
async fn who_comes_back_catches_up_alone_and_then_joins_the_others() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| settings.queue = 2).await;
    let supervisor = world.supervisor().await;
    let mut steady = bridge.socket(&supervisor).await;
    let begin = steady.live().await;
    let mut written = Vec::new();
    for number in 0..6 {
        written.push(supervisor.task(&format!("Tarea {number}")).await.id);
        assert_eq!(task_id(&steady.news().await), written[number]);
    }
    let mut late = bridge.socket(&supervisor).await;
    late.subscribe(json!({"cursor": begin, "filter": {"nouns": ["NOUN_TASK"]}}))
        .await;
    for id in &written {
        assert_eq!(task_id(&late.news().await), *id);
    }
    bridge
        .until("one watch for both", |stats| stats.watches == 1 && stats.watches_ever == 2)
        .await;
    let last = supervisor.task("Para ambos").await;
    assert_eq!(task_id(&late.news().await), last.id);
    assert_eq!(task_id(&steady.news().await), last.id);
}

#[tokio::test]
async fn a_cursor_that_leads_nowhere_ends_the_subscription() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    let mut socket = bridge.socket(&supervisor).await;
    socket.subscribe(json!({"id": "a", "cursor": "nonsense"})).await;
    let end = socket.next().await;
    assert_eq!(
        (&end["type"], &end["id"], &end["reason"], &end["code"]),
        (&json!("end"), &json!("a"), &json!("INVALID_CURSOR"), &json!(3))
    );
    let now = socket.live().await;
    world
        .database()
        .await
        .execute("update feed set floor_xid = floor_xid + 1000000", &[])
        .await
        .unwrap();
    let mut other = bridge.socket(&supervisor).await;
    other
        .subscribe(json!({"id": "b", "cursor": now, "filter": {"nouns": ["NOUN_AGENT"]}}))
        .await;
    let end = other.next().await;
    assert_eq!(
        (&end["type"], &end["reason"], &end["code"]),
        (&json!("end"), &json!("CURSOR_EXPIRED"), &json!(11))
    );
    let mut stream = bridge.stream(&supervisor, "filter.nouns=NOUN_AGENT", &now).await;
    let said = stream.next().await.unwrap();
    assert_eq!((said.event.as_str(), said.id.as_str()), ("end", ""));
    assert_eq!(said.data["reason"], "CURSOR_EXPIRED");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn another_replica_takes_over_unnoticed() {
    let world = World::start().await;
    let other = world.another_replica().await;
    let bridge = Running::with(&[&other], |settings| {
        settings.upstream_url = format!("http://{},http://{}", other.address, world.replica.address);
    })
    .await;
    let supervisor = world.supervisor().await;
    let mut socket = bridge.socket(&supervisor).await;
    socket.live().await;
    let one = supervisor.task("Uno").await;
    assert_eq!(task_id(&socket.news().await), one.id);
    other.stop().await;
    let two = supervisor.task("Dos").await;
    let frame = socket.news().await;
    assert_eq!(task_id(&frame), two.id);
    assert_eq!(bridge.stats().websockets, 1);
}

#[tokio::test]
async fn a_cut_connection_to_the_server_loses_nothing() {
    let world = World::start().await;
    let wire = Wire::to(world.replica.address).await;
    let bridge = Running::with(&[], |settings| settings.upstream_url = format!("http://{}", wire.address)).await;
    let supervisor = world.supervisor().await;
    let mut socket = bridge.socket(&supervisor).await;
    socket.live().await;
    for cut in 1..=3 {
        wire.cut();
        let task = supervisor.task(&format!("Corte {cut}")).await;
        assert_eq!(task_id(&socket.news().await), task.id);
        assert!(bridge.stats().watches_ever > cut);
    }
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told_inside() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let get = async |path: &str| reqwest::get(format!("http://{}{path}", bridge.internal)).await.unwrap();
    until("the bridge is ready", async || get("/ready").await.status() == 200).await;
    assert_eq!(get("/health").await.status(), 200);
    assert_eq!(get("/metrics").await.status(), 200);
    let alone = Running::with(&[], |settings| settings.upstream_url = "http://127.0.0.1:1".to_owned()).await;
    let answer = reqwest::get(format!("http://{}/ready", alone.internal)).await.unwrap();
    assert_eq!(answer.status(), 503);
    let answer = alone.get("/events", Some(&world.supervisor().await.token), "").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "2");
}

#[tokio::test]
async fn a_watch_over_grpc_and_a_socket_say_the_same() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    let mut socket = bridge.socket(&supervisor).await;
    let begin = socket.live().await;
    let request = pb::WatchRequest {
        cursor: begin,
        ..Default::default()
    };
    let mut watch = supervisor.events().watch(request).await.unwrap().into_inner();
    supervisor.task("Igual").await;
    let frame = socket.news().await;
    assert_eq!((cursor(&frame), task_id(&frame)), next_event(&mut watch).await);
}
