//! Everything dies while eight writers write: no watcher loses, repeats or reorders anything.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{SinkExt as _, StreamExt as _};
use gad::pb::{self, event::Resource, watch_response::Item};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};
use tonic::{Code, Status};

use crate::{
    children::Mortal,
    world::{PATIENCE, Person, World, channel, draft},
};

const EVENTS: usize = 10_000;
const WRITERS: usize = 8;

/// What a watcher has seen, and whether it was as it must be.
#[derive(Default)]
struct View {
    cursor: String,
    revisions: HashMap<i64, i64>,
    states: HashMap<i64, i32>,
    count: usize,
}

impl View {
    /// The next event of a task: the revision after the last one, or something was lost, repeated or reordered.
    fn take(&mut self, cursor: String, id: i64, revision: i64, state: i32) {
        let last = self.revisions.insert(id, revision).unwrap_or(0);
        assert_eq!(revision, last + 1, "task {id} after {} events", self.count);
        self.states.insert(id, state);
        self.count += 1;
        self.cursor = cursor;
    }
}

/// A door to watch through.
#[derive(Clone, Copy, Debug)]
enum Door {
    Grpc,
    WebSocket,
    Sse,
}

/// Where everything is.
struct Stage {
    person: Person,
    replicas: [Mortal; 2],
    bridge: Mortal,
    redis: Mortal,
    written: AtomicUsize,
}

impl Stage {
    fn person_at(&self, replica: usize) -> Person {
        self.person.over(channel(self.replicas[replica % 2].address))
    }

    /// Watches through a door until `most` events came, the end, or a failure.
    async fn watch(&self, view: &mut View, door: Door, most: usize, turn: usize) {
        match door {
            Door::Grpc => self.watch_grpc(view, most, turn).await,
            Door::WebSocket => self.watch_websocket(view, most).await,
            Door::Sse => self.watch_sse(view, most).await,
        }
    }

    async fn watch_grpc(&self, view: &mut View, most: usize, turn: usize) {
        let filter = pb::WatchFilter {
            nouns: vec![pb::Noun::Task as i32],
            ..Default::default()
        };
        let request = pb::WatchRequest {
            filter: Some(filter),
            cursor: view.cursor.clone(),
            include_snapshot: false,
        };
        let Ok(stream) = self.person_at(turn).events().watch(request).await else {
            return;
        };
        let mut stream = stream.into_inner();
        let goal = (view.count + most).min(EVENTS);
        while view.count < goal {
            let Ok(Ok(Some(message))) = tokio::time::timeout(PATIENCE, stream.message()).await else {
                return;
            };
            match message.item {
                Some(Item::Event(pb::Event {
                    resource: Some(Resource::Task(task)),
                    ..
                })) => view.take(message.cursor, task.id, task.revision, task.state),
                Some(Item::Checkpoint(_)) => view.cursor = message.cursor,
                Some(Item::End(_)) => {
                    view.cursor = message.cursor;
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn watch_websocket(&self, view: &mut View, most: usize) {
        let mut request = format!("ws://{}/ws/v1/watch", self.bridge.address)
            .into_client_request()
            .unwrap();
        let token = format!("Bearer {}", self.person.token).parse().unwrap();
        request.headers_mut().insert("authorization", token);
        let Ok((mut socket, _)) = tokio_tungstenite::connect_async(request).await else {
            return;
        };
        let subscribe = json!({"type": "subscribe", "cursor": view.cursor, "filter": {"nouns": ["NOUN_TASK"]}});
        if socket.send(Message::text(subscribe.to_string())).await.is_err() {
            return;
        }
        let goal = (view.count + most).min(EVENTS);
        while view.count < goal {
            let Ok(Some(Ok(message))) = tokio::time::timeout(PATIENCE, socket.next()).await else {
                return;
            };
            let Message::Text(text) = message else { continue };
            if !take_json(view, &serde_json::from_str(&text).unwrap()) {
                return;
            }
        }
    }

    async fn watch_sse(&self, view: &mut View, most: usize) {
        let url = format!("http://{}/events?filter.nouns=NOUN_TASK", self.bridge.address);
        let request = reqwest::Client::new()
            .get(url)
            .bearer_auth(&self.person.token)
            .header("last-event-id", &view.cursor);
        let Ok(answer) = request.send().await else { return };
        if !answer.status().is_success() {
            return;
        }
        let mut bytes = answer.bytes_stream();
        let mut text = Vec::new();
        let goal = (view.count + most).min(EVENTS);
        while view.count < goal {
            let Ok(Some(Ok(chunk))) = tokio::time::timeout(PATIENCE, bytes.next()).await else {
                return;
            };
            text.extend_from_slice(&chunk);
            while let Some(at) = text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = text.drain(..at + 2).collect();
                let block = String::from_utf8(block).unwrap();
                let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: ")) else {
                    continue;
                };
                if view.count < goal && !take_json(view, &serde_json::from_str(data).unwrap()) {
                    return;
                }
            }
        }
    }
}

/// Takes a frame; false at the end.
fn take_json(view: &mut View, frame: &Value) -> bool {
    let cursor = || frame["cursor"].as_str().unwrap().to_owned();
    match frame["type"].as_str().unwrap() {
        "event" => {
            let task = &frame["event"]["task"];
            let number = |name: &str| task[name].as_str().unwrap().parse().unwrap();
            let state = pb::TaskState::from_str_name(task["state"].as_str().unwrap()).unwrap();
            view.take(cursor(), number("id"), number("revision"), state as i32);
            true
        }
        "checkpoint" => {
            view.cursor = cursor();
            true
        }
        "end" => {
            view.cursor = cursor();
            false
        }
        "welcome" | "subscribed" => true,
        other => panic!("{other}: {frame}"),
    }
}

/// Calls one replica, then the other, under one request id, until there is an answer.
async fn insist<T>(turn: usize, call: impl AsyncFn(usize) -> Result<T, Status>) -> T {
    for attempt in 0..2_000 {
        match call(turn + attempt).await {
            Ok(answer) => return answer,
            Err(status)
                if matches!(
                    status.code(),
                    Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded
                ) =>
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(status) => panic!("{status}"),
        }
    }
    panic!("no replica answers");
}

/// Creates tasks and walks them through their states; every call makes one event.
async fn write(stage: Arc<Stage>, writer: usize) {
    let people = [stage.person_at(0), stage.person_at(1)];
    let (mut turn, mut made) = (writer, 0);
    while made < EVENTS / WRITERS {
        turn += 1;
        let request_id = format!("w{writer}-{turn}");
        let task = Some(draft(&format!("Escritor {writer}, tarea {turn}")));
        let create = pb::CreateTaskRequest {
            task,
            request_id: request_id.clone(),
            validate_only: false,
        };
        let id = insist(turn, async |at| people[at % 2].tasks().create_task(create.clone()).await)
            .await
            .into_inner()
            .id;
        made += 1;
        stage.written.fetch_add(1, Ordering::Relaxed);
        for step in 0..4 {
            if made == EVENTS / WRITERS {
                break;
            }
            let request = pb::TaskStepRequest {
                id,
                request_id: format!("{request_id}-{step}"),
                ..Default::default()
            };
            insist(turn, async |at| {
                let mut tasks = people[at % 2].tasks();
                match step {
                    0 => tasks.start_task(request.clone()).await,
                    1 => tasks.pause_task(request.clone()).await,
                    2 => tasks.resume_task(request.clone()).await,
                    _ => tasks.finish_task(request.clone()).await,
                }
            })
            .await;
            made += 1;
            stage.written.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Kills one thing after another, each time another share of the events is written.
async fn destroy(stage: Arc<Stage>) {
    let begun = std::time::Instant::now();
    for round in 1..12 {
        crate::world::until("more is written", async || {
            stage.written.load(Ordering::Relaxed) >= round * EVENTS / 12
        })
        .await;
        let victim = match round % 4 {
            0 => &stage.replicas[0],
            1 => &stage.redis,
            2 => &stage.replicas[1],
            _ => &stage.bridge,
        };
        eprintln!(
            "{:?}: round {round}, {} written",
            begun.elapsed(),
            stage.written.load(Ordering::Relaxed)
        );
        victim.kill();
        victim.revive();
        victim.ready().await;
    }
}

/// Watches all events, hopping from door to door, and hangs up every now and then.
async fn follow(stage: Arc<Stage>, doors: &'static [Door], cursor: String, seed: u64, mut over: watch::Receiver<bool>) -> View {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut view = View {
        cursor,
        ..View::default()
    };
    let mut turn = 0;
    let all = async {
        while view.count < EVENTS {
            let most = dice.random_range(50..600);
            let before = view.count;
            stage.watch(&mut view, doors[turn % doors.len()], most, turn).await;
            turn += 1;
            eprintln!("{doors:?}: turn {turn}, {} seen", view.count);
            if view.count == before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let late = async {
        over.wait_for(|over| *over).await.unwrap();
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        () = all => {}
        () = late => {}
    }
    assert_eq!(
        view.count, EVENTS,
        "{doors:?}: events are missing {PATIENCE:?} after the last was written"
    );
    view
}

#[tokio::test]
async fn nothing_is_lost_repeated_or_reordered_while_everything_dies() {
    tokio::task::LocalSet::new().run_until(everything_dies()).await;
}

async fn everything_dies() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Mortal::redis(folder.path());
    redis.ready().await;
    let url = format!("redis://{}", redis.address);
    let world = World::with(|settings| settings.redis.redis_url = Some(url.into())).await;
    let replicas = [Mortal::serve(&world.settings), Mortal::serve(&world.settings)];
    let bridge = Mortal::bridge(&[replicas[0].address, replicas[1].address]);
    for program in [&replicas[0], &replicas[1], &bridge] {
        program.ready().await;
    }
    let person = world.supervisor().await;
    // The world's own server would be one that never dies.
    let start = crate::live::Watcher::live(&person).await.cursor;
    let database = world.database().await;
    world.replica.stop().await;
    let stage = Arc::new(Stage {
        person,
        replicas,
        bridge,
        redis,
        written: AtomicUsize::new(0),
    });

    let (over, is_over) = watch::channel(false);
    let doors: [&'static [Door]; 5] = [
        &[Door::Grpc],
        &[Door::WebSocket],
        &[Door::Sse],
        &[Door::Grpc, Door::WebSocket, Door::Sse],
        &[Door::Sse, Door::Grpc, Door::WebSocket],
    ];
    let followers: Vec<_> = doors
        .into_iter()
        .enumerate()
        .map(|(seed, doors)| {
            tokio::task::spawn_local(follow(Arc::clone(&stage), doors, start.clone(), seed as u64, is_over.clone()))
        })
        .collect();
    let destroyer = tokio::task::spawn_local(destroy(Arc::clone(&stage)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::task::spawn_local(write(Arc::clone(&stage), writer)))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    destroyer.await.unwrap();
    over.send_replace(true);

    let rows = database.query("select id, revision, state from tasks", &[]).await.unwrap();
    let truth: HashMap<i64, (i64, i32)> = rows
        .iter()
        .map(|row| (row.get(0), (row.get(1), i32::from(row.get::<_, i16>(2)))))
        .collect();
    for follower in followers {
        let view = follower.await.unwrap();
        let seen: HashMap<i64, (i64, i32)> = view
            .revisions
            .iter()
            .map(|(id, revision)| (*id, (*revision, view.states[id])))
            .collect();
        assert_eq!(seen, truth);
    }
}
