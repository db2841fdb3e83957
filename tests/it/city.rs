//! A whole story: real road pieces become tasks, and every live screen sees each event once, in order.

use std::{collections::HashMap, path::Path, process::Command};

use futures::StreamExt as _;
use gad::pb::{self, event::Resource, watch_response::Item};
use prost::Message as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::{
    bridge_clients::Running,
    edge::Edge,
    world::{PATIENCE, Person, World},
};

/// Pieces in the file.
const PIECES: usize = 128;
/// Tasks that are driven to their end.
const DRIVEN: usize = 10;
/// Events of tasks: all are created; the driven ones are assigned, started and finished.
const EVENTS: usize = PIECES + 3 * DRIVEN;

/// What a screen saw: task and revision, in order.
type Seen = Vec<(i64, i64)>;

fn import(world: &World) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/bogota_roads.json");
    let output = Command::new(env!("CARGO_BIN_EXE_gad"))
        .arg("import-tasks")
        .arg(file)
        .env("DATABASE_URL", world.database_url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn tasks_only() -> Option<pb::WatchFilter> {
    Some(pb::WatchFilter {
        nouns: vec![pb::Noun::Task as i32],
        ..Default::default()
    })
}

/// Takes a message; true once all events were seen.
fn take(seen: &mut Seen, message: pb::WatchResponse) -> bool {
    match message.item.unwrap() {
        Item::Event(pb::Event {
            resource: Some(Resource::Task(task)),
            ..
        }) => seen.push((task.id, task.revision)),
        Item::Checkpoint(_) => {}
        other => panic!("{other:?}"),
    }
    seen.len() == EVENTS
}

fn take_json(seen: &mut Seen, frame: &Value) -> bool {
    match frame["type"].as_str().unwrap() {
        "event" => {
            let task = &frame["event"]["task"];
            let number = |name: &str| task[name].as_str().unwrap().parse().unwrap();
            seen.push((number("id"), number("revision")));
        }
        "checkpoint" | "welcome" | "subscribed" => {}
        other => panic!("{other}: {frame}"),
    }
    seen.len() == EVENTS
}

async fn by_grpc(edge: &Edge, person: &Person, cursor: &str) -> Seen {
    let request = pb::WatchRequest {
        filter: tasks_only(),
        cursor: cursor.to_owned(),
        include_snapshot: false,
    };
    let mut stream = person
        .over(edge.channel())
        .events()
        .watch(request)
        .await
        .unwrap()
        .into_inner();
    let mut seen = Seen::new();
    while !take(&mut seen, stream.message().await.unwrap().unwrap()) {}
    seen
}

/// The gRPC-web protocol as a browser speaks it: frames of a flag, a length and a message.
async fn by_grpc_web(edge: &Edge, person: &Person, cursor: &str) -> Seen {
    let request = pb::WatchRequest {
        filter: tasks_only(),
        cursor: cursor.to_owned(),
        include_snapshot: false,
    };
    let message = request.encode_to_vec();
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    let answer = reqwest::Client::new()
        .post(edge.url("/gad.v1.EventService/Watch"))
        .header("content-type", "application/grpc-web+proto")
        .header("x-grpc-web", "1")
        .bearer_auth(&person.token)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let (mut bytes, mut buffer, mut seen) = (answer.bytes_stream(), Vec::new(), Seen::new());
    loop {
        buffer.extend_from_slice(&bytes.next().await.expect("the stream goes on").unwrap());
        while let Some((head, rest)) = buffer.split_at_checked(5) {
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            assert_eq!(head[0], 0, "a message and no trailers");
            let Some(message) = rest.get(..length) else { break };
            if take(&mut seen, pb::WatchResponse::decode(message).unwrap()) {
                return seen;
            }
            buffer.drain(..5 + length);
        }
    }
}

async fn by_websocket(edge: &Edge, person: &Person, cursor: &str) -> Seen {
    use futures::SinkExt as _;
    use tokio_tungstenite::tungstenite::Message;
    let mut request = format!("ws://{}/ws/v1/watch", edge.address).into_client_request().unwrap();
    let token = format!("Bearer {}", person.token).parse().unwrap();
    request.headers_mut().insert("authorization", token);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let subscribe = json!({"type": "subscribe", "cursor": cursor, "filter": {"nouns": ["NOUN_TASK"]}});
    socket.send(Message::text(subscribe.to_string())).await.unwrap();
    let mut seen = Seen::new();
    loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else {
            continue;
        };
        if take_json(&mut seen, &serde_json::from_str(&text).unwrap()) {
            return seen;
        }
    }
}

async fn by_sse(edge: &Edge, person: &Person, cursor: &str) -> Seen {
    let answer = reqwest::Client::new()
        .get(edge.url("/events?filter.nouns=NOUN_TASK"))
        .bearer_auth(&person.token)
        .header("last-event-id", cursor)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let (mut bytes, mut text, mut seen) = (answer.bytes_stream(), String::new(), Seen::new());
    loop {
        text.push_str(std::str::from_utf8(&bytes.next().await.unwrap().unwrap()).unwrap());
        while let Some((block, rest)) = text.split_once("\n\n") {
            let data = block.lines().find_map(|line| line.strip_prefix("data: "));
            let done = data.is_some_and(|data| take_json(&mut seen, &serde_json::from_str(data).unwrap()));
            text = rest.to_owned();
            if done {
                return seen;
            }
        }
    }
}

/// REST as a person with curl would use it.
struct Rest<'a> {
    edge: &'a Edge,
    token: &'a str,
}

impl Rest<'_> {
    async fn get(&self, path: &str) -> Value {
        let answer = reqwest::Client::new().get(self.edge.url(path)).bearer_auth(self.token);
        self.read(answer).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = reqwest::Client::new().post(self.edge.url(path)).bearer_auth(self.token);
        self.read(answer.body(body.to_string())).await
    }

    async fn read(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        let (status, url) = (answer.status(), answer.url().clone());
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{url}: {status}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Finds the nearest agent for a task and drives the task to its end.
    async fn drive(&self, task: &Value) {
        let id = task["id"].as_str().unwrap();
        let place = &task["location"];
        let near = format!(
            "/v1/agents:nearby?location.latitude={}&location.longitude={}&page_size=1",
            place["latitude"], place["longitude"]
        );
        let near = self.get(&near).await;
        let agent = &near["agents"][0];
        assert!(agent["distance_meters"].as_f64().unwrap() > 0.0);
        let assign = json!({"agent_id": agent["agent"]["id"]});
        self.post(&format!("/v1/tasks/{id}:assign"), assign).await;
        self.post(&format!("/v1/tasks/{id}:start"), json!({})).await;
        let done = self
            .post(&format!("/v1/tasks/{id}:finish"), json!({"reason": "Calzada en buen estado"}))
            .await;
        assert_eq!(done["state"], "TASK_STATE_FINISHED");
    }
}

#[tokio::test]
async fn road_pieces_are_driven_to_their_end_and_every_screen_sees_each_event_once_in_order() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let edge = Edge::start(&[world.replica.address], &[bridge.address]).await;
    let person = world.supervisor().await;
    let cursor = crate::live::Watcher::live(&person).await.cursor;
    let screens = async {
        tokio::join!(
            by_grpc(&edge, &person, &cursor),
            by_grpc_web(&edge, &person, &cursor),
            by_websocket(&edge, &person, &cursor),
            by_sse(&edge, &person, &cursor),
        )
    };
    let story = async {
        assert_eq!(import(&world), format!("{PIECES} tasks created, 0 were there already\n"));
        assert_eq!(import(&world), format!("0 tasks created, {PIECES} were there already\n"));
        let rest = Rest {
            edge: &edge,
            token: &person.token,
        };
        let box_of_the_city = "filter.box.south=4.4&filter.box.west=-74.3&filter.box.north=4.9&filter.box.east=-73.9";
        let list = rest.get(&format!("/v1/tasks?page_size=1000&{box_of_the_city}")).await;
        let tasks = list["tasks"].as_array().unwrap();
        assert_eq!(tasks.len(), PIECES, "every piece is on the map");
        assert!(tasks.iter().all(|task| task["kind"] == "TASK_KIND_INSPECTION"));
        for task in &tasks[..DRIVEN] {
            rest.drive(task).await;
        }
    };
    let (seen, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(screens, story) })
        .await
        .expect("every screen sees everything in time");
    let (grpc, grpc_web, websocket, sse) = seen;
    let mut last = HashMap::new();
    for (task, revision) in &grpc {
        assert_eq!(last.insert(*task, *revision).unwrap_or(0) + 1, *revision, "task {task}");
    }
    assert_eq!(grpc, grpc_web);
    assert_eq!(grpc, websocket);
    assert_eq!(grpc, sse);
}
