//! The live feed through the front door.

use std::{collections::VecDeque, time::Duration};

use gad::pb::{self, EndReason, EventType, Noun, TaskState, watch_response::Item};
use tonic::{Code, Request, Streaming, transport::Endpoint};

use crate::world::{PATIENCE, Person, World, draft, reason};

/// A watch under way.
pub struct Watcher {
    stream: Streaming<pb::WatchResponse>,
    /// Cursor of the last message.
    pub cursor: String,
    seen: VecDeque<pb::WatchResponse>,
}

impl Watcher {
    /// Begins to watch.
    pub async fn start(person: &Person, request: pb::WatchRequest) -> Self {
        let stream = person.events().watch(request).await.unwrap().into_inner();
        Self {
            stream,
            cursor: String::new(),
            seen: VecDeque::new(),
        }
    }

    /// Begins to watch from now on, and waits until it does.
    pub async fn live(person: &Person) -> Self {
        Self::live_to(person, pb::WatchRequest::default()).await
    }

    /// The same, to what the request asks for.
    pub async fn live_to(person: &Person, request: pb::WatchRequest) -> Self {
        let mut watcher = Self::start(person, request).await;
        // "Now" is where the replica has read to: what happened just before may still be on its way.
        loop {
            match watcher.next().await {
                Item::Checkpoint(_) => return watcher,
                Item::Event(_) => {}
                other => panic!("a checkpoint was expected: {other:?}"),
            }
        }
    }

    /// The same, to events of these types.
    pub async fn live_to_types(person: &Person, types: &[EventType]) -> Self {
        let filter = pb::WatchFilter {
            types: types.iter().map(|kind| *kind as i32).collect(),
            ..Default::default()
        };
        let request = pb::WatchRequest {
            filter: Some(filter),
            ..Default::default()
        };
        Self::live_to(person, request).await
    }

    /// The next message.
    pub async fn next(&mut self) -> Item {
        let message = match self.seen.pop_front() {
            Some(message) => message,
            None => {
                let next = tokio::time::timeout(PATIENCE, self.stream.message()).await;
                next.expect("a message in time").unwrap().expect("the stream goes on")
            }
        };
        self.cursor = message.cursor;
        message.item.unwrap()
    }

    /// The next event.
    pub async fn event(&mut self) -> pb::Event {
        loop {
            match self.next().await {
                Item::Event(event) => return event,
                Item::Checkpoint(_) => {}
                other => panic!("an event was expected: {other:?}"),
            }
        }
    }

    /// The end.
    pub async fn end(&mut self) -> pb::End {
        loop {
            if let Item::End(end) = self.next().await {
                return end;
            }
        }
    }
}

/// The task that an event is about.
pub fn task_of(event: &pb::Event) -> &pb::Task {
    match event.resource.as_ref().unwrap() {
        pb::event::Resource::Task(task) => task,
        other => panic!("a task was expected: {other:?}"),
    }
}

fn only(noun: Noun) -> Option<pb::WatchFilter> {
    Some(pb::WatchFilter {
        nouns: vec![noun as i32],
        ..Default::default()
    })
}

#[tokio::test]
async fn a_watcher_hears_of_a_task_as_soon_as_it_is_committed() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let mut watcher = Watcher::live(&supervisor).await;
    let task = supervisor.task("Patrullar el parque").await;
    let event = watcher.event().await;
    assert_eq!(event.r#type(), EventType::TaskCreated);
    assert_eq!(event.actor_user_id, supervisor.id);
    assert_eq!(task_of(&event), &task);
}

#[tokio::test]
async fn a_place_in_an_event_is_the_place_of_the_task_to_the_last_bit() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let mut watcher = Watcher::live(&supervisor).await;
    for step in 0..100 {
        let mut task = draft("Patrullar");
        let location = task.location.insert(pb::LatLng::default());
        location.latitude = 4.65 - f64::from(step) / 7.0;
        location.longitude = -74.07 - 0.08 - f64::from(step) / 11.0;
        let request = pb::CreateTaskRequest {
            task: Some(task),
            ..Default::default()
        };
        let task = supervisor.tasks().create_task(request).await.unwrap().into_inner();
        assert_eq!(task_of(&watcher.event().await).location, task.location);
    }
}

#[tokio::test]
async fn a_snapshot_and_what_follows_make_the_whole() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let before = supervisor.task("Antes").await;
    let request = pb::WatchRequest {
        include_snapshot: true,
        filter: only(Noun::Task),
        ..Default::default()
    };
    let mut watcher = Watcher::start(&supervisor, request).await;
    let Item::SnapshotRow(row) = watcher.next().await else {
        panic!("a row was expected")
    };
    assert_eq!(row.resource, Some(pb::snapshot_row::Resource::Task(before)));
    assert_eq!(watcher.cursor, "", "nobody may resume in the midst of a snapshot");
    assert_eq!(watcher.next().await, Item::SnapshotEnd(pb::SnapshotEnd { row_count: 1 }));
    let after = supervisor.task("Después").await;
    assert_eq!(task_of(&watcher.event().await), &after);
}

#[tokio::test]
async fn a_cursor_resumes_on_another_replica_without_loss_or_repeat() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let other = world.another_replica().await;
    let elsewhere = supervisor.over(other.channel());
    let mut watcher = Watcher::live(&supervisor).await;
    let first = supervisor.task("Uno").await;
    assert_eq!(task_of(&watcher.event().await), &first);
    let cursor = watcher.cursor.clone();
    drop(watcher);
    let second = elsewhere.task("Dos").await;
    let third = supervisor.task("Tres").await;
    let mut watcher = Watcher::start(
        &elsewhere,
        pb::WatchRequest {
            cursor,
            ..Default::default()
        },
    )
    .await;
    assert_eq!(task_of(&watcher.event().await).id, second.id);
    assert_eq!(task_of(&watcher.event().await).id, third.id);
    other.stop().await;
}

#[tokio::test]
async fn the_feed_goes_on_without_redis() {
    let world = World::with(|settings| settings.redis.redis_url = None).await;
    let supervisor = world.supervisor().await;
    let other = world.another_replica().await;
    let mut watcher = Watcher::live(&supervisor.over(other.channel())).await;
    let task = supervisor.task("Sin Redis").await;
    assert_eq!(task_of(&watcher.event().await), &task);
    other.stop().await;
}

#[tokio::test]
async fn an_agent_hears_of_its_own_tasks_only_and_learns_when_one_is_taken_away() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let agent_id = agent.agent_id.unwrap();
    let request = pb::WatchRequest {
        filter: only(Noun::Task),
        ..Default::default()
    };
    let mut watcher = Watcher::start(&agent, request).await;
    assert!(matches!(watcher.next().await, Item::Checkpoint(_)));
    let secret = supervisor.task("De otros").await;
    let own = supervisor.task("Para el agente").await;
    let assign = pb::AssignTaskRequest {
        id: own.id,
        agent_id,
        ..Default::default()
    };
    supervisor.tasks().assign_task(assign).await.unwrap();
    let event = watcher.event().await;
    assert_eq!((event.r#type(), task_of(&event).id), (EventType::TaskAssigned, own.id));
    let unassign = pb::UnassignTaskRequest {
        id: own.id,
        agent_id,
        ..Default::default()
    };
    supervisor.tasks().unassign_task(unassign).await.unwrap();
    let event = watcher.event().await;
    assert_eq!(event.r#type(), EventType::TaskHidden);
    assert_eq!(
        event.resource,
        Some(pb::event::Resource::Hidden(pb::Hidden {
            task_id: own.id,
            agent_id: 0
        }))
    );
    let refused = agent
        .tasks()
        .get_task(pb::GetTaskRequest { id: secret.id })
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "TASK_NOT_FOUND");
}

#[tokio::test]
async fn a_filter_hears_what_it_names_and_nothing_else() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let far = pb::Box {
        south: 10.0,
        west: -75.0,
        north: 11.0,
        east: -74.0,
    };
    let filter = pb::WatchFilter {
        r#box: Some(far),
        ..Default::default()
    };
    let mut watcher = Watcher::start(
        &supervisor,
        pb::WatchRequest {
            filter: Some(filter),
            ..Default::default()
        },
    )
    .await;
    assert!(matches!(watcher.next().await, Item::Checkpoint(_)));
    supervisor.task("En la ciudad").await;
    let place = pb::LatLng {
        latitude: 10.5,
        longitude: -74.5,
    };
    let task = pb::Task {
        location: Some(place),
        ..draft("En la costa")
    };
    let request = pb::CreateTaskRequest {
        task: Some(task),
        ..Default::default()
    };
    let there = supervisor.tasks().create_task(request).await.unwrap().into_inner();
    assert_eq!(task_of(&watcher.event().await).id, there.id);
    // It leaves the rectangle: the watcher must hear of that too.
    let away = pb::Task {
        id: there.id,
        location: Some(pb::LatLng {
            latitude: 4.6,
            longitude: -74.0,
        }),
        ..Default::default()
    };
    supervisor
        .tasks()
        .update_task(pb::UpdateTaskRequest {
            task: Some(away),
            ..Default::default()
        })
        .await
        .unwrap();
    assert_eq!(task_of(&watcher.event().await).revision, 2);
}

#[tokio::test]
async fn cursors_that_are_none_and_cursors_of_another_feed_are_refused() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    for forged in ["x", "AQAAAA", "%%%"] {
        let request = pb::WatchRequest {
            cursor: forged.to_owned(),
            ..Default::default()
        };
        let refused = supervisor.events().watch(request).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::InvalidArgument, "INVALID_CURSOR")
        );
    }
    let mut watcher = Watcher::live(&supervisor).await;
    let cursor = watcher.cursor.clone();
    supervisor.task("Algo").await;
    watcher.event().await;
    let database = world.database().await;
    database
        .batch_execute("update feed set floor_xid = 9000000000, floor_seq = 0")
        .await
        .unwrap();
    let request = pb::WatchRequest {
        cursor,
        ..Default::default()
    };
    let refused = supervisor.events().watch(request).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::OutOfRange, "CURSOR_EXPIRED")
    );
}

#[tokio::test]
async fn a_server_that_goes_down_hands_its_watchers_a_cursor() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let other = world.another_replica().await;
    let mut watcher = Watcher::live(&supervisor.over(other.channel())).await;
    let task = supervisor.task("Antes del fin").await;
    assert_eq!(task_of(&watcher.event().await), &task);
    other.begin_stop();
    let end = watcher.end().await;
    assert_eq!((end.reason(), end.code), (EndReason::Shutdown, Code::Unavailable as i32));
    let missed = supervisor.task("Después del fin").await;
    let request = pb::WatchRequest {
        cursor: watcher.cursor.clone(),
        ..Default::default()
    };
    let mut resumed = Watcher::start(&supervisor, request).await;
    assert_eq!(task_of(&resumed.event().await), &missed);
    other.stop().await;
}

#[tokio::test]
async fn a_deadline_ends_a_watch_with_a_cursor_and_not_with_an_error() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let mut request = Request::new(pb::WatchRequest::default());
    // Longer than the client waits for itself: the server must be the one who ends it.
    request.metadata_mut().insert("grpc-timeout", "300m".parse().unwrap());
    let stream = supervisor.events().watch(request).await.unwrap().into_inner();
    let mut watcher = Watcher {
        stream,
        cursor: String::new(),
        seen: VecDeque::new(),
    };
    assert_eq!(watcher.end().await.reason(), EndReason::Deadline);
    assert_ne!(watcher.cursor, "");
}

#[tokio::test]
async fn a_watcher_who_does_not_keep_up_is_told_where_to_go_on_and_loses_nothing() {
    let world = World::with(|settings| settings.watch_queue = 4).await;
    let supervisor = world.supervisor().await;
    // A connection of its own, with small windows: unread messages fill them.
    let narrow = Endpoint::from_shared(format!("http://{}", world.replica.address)).unwrap();
    let narrow = narrow
        .initial_stream_window_size(65_535)
        .initial_connection_window_size(65_535);
    let mut watcher = Watcher::live(&supervisor.over(narrow.connect_lazy())).await;
    let long = "x".repeat(9_000);
    for number in 0..200 {
        let task = pb::Task {
            description: long.clone(),
            ..draft(&format!("Tarea {number}"))
        };
        let request = pb::CreateTaskRequest {
            task: Some(task),
            ..Default::default()
        };
        supervisor.tasks().create_task(request).await.unwrap();
    }
    let mut heard = Vec::new();
    let end = loop {
        match watcher.next().await {
            Item::Event(event) => heard.push(task_of(&event).title.clone()),
            Item::End(end) => break end,
            _ => assert!(heard.len() < 200, "the watcher was never told that it is slow"),
        }
    };
    assert_eq!(end.reason(), EndReason::SlowConsumer);
    let request = pb::WatchRequest {
        cursor: watcher.cursor.clone(),
        ..Default::default()
    };
    let mut resumed = Watcher::start(&supervisor, request).await;
    while heard.len() < 200 {
        match resumed.next().await {
            Item::Event(event) => heard.push(task_of(&event).title.clone()),
            Item::End(_) => {
                let request = pb::WatchRequest {
                    cursor: resumed.cursor.clone(),
                    ..Default::default()
                };
                resumed = Watcher::start(&supervisor, request).await;
            }
            _ => {}
        }
    }
    let wanted: Vec<String> = (0..200).map(|number| format!("Tarea {number}")).collect();
    assert_eq!(heard, wanted);
}

#[tokio::test]
async fn an_idle_watcher_gets_checkpoints_that_move_on() {
    let world = World::with(|settings| settings.checkpoint_seconds = 0.05).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let mut watcher = Watcher::live(&agent).await;
    let first = watcher.cursor.clone();
    supervisor.task("Que el agente no ve").await;
    let moved = async {
        while watcher.cursor == first {
            assert!(matches!(watcher.next().await, Item::Checkpoint(_)));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), moved)
        .await
        .expect("the cursor moves on");
}

#[tokio::test]
async fn events_of_one_task_come_in_the_order_of_its_revisions_whoever_writes() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let task = supervisor.task("De todos").await;
    let mut watcher = Watcher::live(&supervisor).await;
    let writers = (0..8).map(|writer| {
        let supervisor = supervisor.clone();
        tokio::spawn(async move {
            for number in 0..10 {
                let change = pb::Task {
                    id: task.id,
                    title: format!("{writer}-{number}"),
                    ..Default::default()
                };
                let request = pb::UpdateTaskRequest {
                    task: Some(change),
                    ..Default::default()
                };
                supervisor.tasks().update_task(request).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let mut event = watcher.event().await;
    if event.r#type() == EventType::TaskCreated {
        // "Now" is where the replica has read to: the creation may still be on its way.
        event = watcher.event().await;
    }
    for revision in 2..=81 {
        if revision > 2 {
            event = watcher.event().await;
        }
        assert_eq!(task_of(&event).revision, revision);
        assert_eq!(task_of(&event).state(), TaskState::Scheduled);
    }
}
