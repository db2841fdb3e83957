//! What goes wrong in the field: double-clicks, things that vanish in the middle, servers that die, programs that are slow.

use std::collections::BTreeSet;

use futures::future::join_all;
use gad::{
    clock::Clock,
    descriptor,
    error::reason_name,
    pb::{self, DeliveryState, EventType, GeofenceEventKind, UserLevel},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};

use crate::{
    attachment::{blobs, body, files, piece, png},
    children::Mortal,
    contract::methods,
    doors::Door,
    geofence::{Yard, fix, is_due},
    hooks::Hooks,
    matrix_rows::rows,
    notification::{deliveries, rule, told_by, webhook},
    privacy::erase,
    stage::{Moment, Stage},
    world::{Person, Replica, World, channel, reason, until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_clicks_on_any_action_are_one() {
    let pool = descriptor::pool();
    let stage = Stage::build(Door::Grpc, &Moment::default()).await;
    let rows = rows();
    let mut seen = 0;
    for method in methods(&pool) {
        let rule = descriptor::rule(&pool, &method).unwrap();
        let once = rule
            .reasons
            .iter()
            .any(|reason| reason_name(*reason) == "IDEMPOTENCY_KEY_REUSED");
        let good = rows.iter().find(|row| row.rpc == method.name() && row.reason.is_empty());
        let (true, Some(good)) = (once, good) else { continue };
        let mut request = stage.fill(&good.request).await;
        request["request_id"] = json!(format!("clicked-{}", method.name()));
        let clicks = (0..3).map(|_| stage.call(good.who, &method, &request));
        let answers = join_all(clicks).await;
        let name = method.full_name();
        assert!(answers[0].outcome.is_ok(), "{name}: {:?}", answers[0]);
        assert!(
            answers.iter().all(|answer| answer.outcome == answers[0].outcome),
            "{name}: {answers:?}"
        );
        let done = answers.iter().filter(|answer| !answer.replayed).count();
        assert_eq!(done, 1, "{name}: {answers:?}");
        seen += 1;
    }
    assert!(seen > 60, "{seen}");
    stage.end().await;
}

/// A program that takes a call and answers it a byte a second.
async fn slow() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn dribble(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut heard = [0; 4096];
            let _ = stream.read(&mut heard).await;
            for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-padding: padding\r\n\r\n" {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        });
    }
}

#[tokio::test]
async fn a_program_that_answers_a_byte_a_second_is_given_up_and_holds_up_nobody() {
    let hooks = Hooks::start().await;
    let (listener, port) = slow().await;
    let dribbling = tokio::spawn(dribble(listener));
    let world = World::with(|settings| {
        told_by(&hooks, settings);
        settings.notify.webhook_ports.push(port);
    })
    .await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let (slow, _) = webhook(&administrator, &format!("http://127.0.0.1:{port}/")).await;
    let (quick, _) = webhook(&administrator, &hooks.url("/works")).await;
    let named = pb::NotificationRule {
        display_name: "Tareas nuevas".to_owned(),
        event_types: vec![EventType::TaskCreated as i32],
        webhook_ids: vec![slow, quick],
        ..Default::default()
    };
    rule(&administrator, named).await;
    for number in 0..20 {
        supervisor.task(&format!("Tarea {number}")).await;
    }
    // The quick one has heard of all before the slow one has taken anything.
    hooks.calls("/works", 20).await;
    let taken = async || {
        let sent = deliveries(&administrator, DeliveryState::Sent).await;
        sent.iter().filter(|one| one.webhook_id == slow).count()
    };
    assert_eq!(taken().await, 0);
    until("the slow one is given up for now", async || {
        let waiting = deliveries(&administrator, DeliveryState::Waiting).await;
        waiting.iter().any(|one| one.webhook_id == slow && !one.failure.is_empty())
    })
    .await;
    assert_eq!(taken().await, 0);
    dribbling.abort();
}

#[tokio::test]
async fn nobody_is_erased_out_of_an_emergency_and_who_is_erased_raises_none() {
    let world = World::start().await;
    let other = world.another_replica().await;
    let administrator = world.administrator().await;
    let database = world.database().await;
    let (mut raised, mut erased) = (0, 0);
    for round in 0..8 {
        let person = world
            .newcomer(&format!("p{round}@gad.example"), UserLevel::Supervisor, &[])
            .await;
        let help = pb::RaiseEmergencyRequest {
            location: Some(pb::LatLng {
                latitude: 4.65,
                longitude: -74.07,
            }),
            description: "Persona herida".to_owned(),
            ..Default::default()
        };
        let (mut emergencies, mut privacy) = (person.emergencies(), administrator.over(other.channel()).privacy());
        let calls = async {
            // Now one of them is first, now the other.
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            emergencies.raise_emergency(help).await
        };
        let (called, gone) = tokio::join!(calls, privacy.erase_person(erase(person.id, "lo pidió")));
        match (called, gone) {
            (Ok(called), Err(gone)) => {
                assert_eq!(reason(&gone), "STILL_IN_USE");
                let emergency = called.into_inner();
                assert_eq!(emergency.reporter_user_id, Some(person.id));
                raised += 1;
            }
            (Err(called), Ok(_)) => {
                let reasons = ["SIGNED_OUT", "USER_NOT_FOUND", "FORBIDDEN"];
                assert!(reasons.contains(&reason(&called).as_str()), "{called:?}");
                erased += 1;
            }
            (called, gone) => panic!("{called:?} {gone:?}"),
        }
    }
    assert_eq!(raised + erased, 8);
    let open = "select count(*) from emergencies e join tasks t on t.id = e.task_id join users u on u.id = e.reporter_user_id
                where u.erase_time is not null and t.state <= 3 and t.delete_time is null";
    assert_eq!(database.query_one(open, &[]).await.unwrap().get::<_, i64>(0), 0);
    // Each that stands goes on: somebody is to be called, or somebody has answered.
    let lost = "select count(*) from emergencies e join tasks t on t.id = e.task_id where t.state <= 3 and e.due_time is null";
    assert_eq!(database.query_one(lost, &[]).await.unwrap().get::<_, i64>(0), 0);
    other.stop().await;
}

type Uploading = tokio::task::JoinHandle<Result<Response<pb::Attachment>, Status>>;

/// Begins an upload that goes on as long as one sends pieces of it.
async fn begin(person: &Person, task: i64) -> (mpsc::Sender<pb::UploadAttachmentRequest>, Uploading) {
    let (sender, receiver) = mpsc::channel(4);
    let mut attachments = person.attachments();
    let going = tokio::spawn(async move { attachments.upload_attachment(ReceiverStream::new(receiver)).await });
    sender.send(piece(task, &png(20_000))).await.unwrap();
    (sender, going)
}

fn more() -> pb::UploadAttachmentRequest {
    pb::UploadAttachmentRequest {
        file: Some(body(&[7; 5_000])),
        ..Default::default()
    }
}

#[tokio::test]
async fn of_a_task_that_is_deleted_in_the_midst_of_an_upload_nothing_is_kept() {
    let world = World::start().await;
    let agent = world.agent().await;
    let task = agent.task("Revisar la puerta").await.id;
    let (sender, going) = begin(&agent, task).await;
    until("the file is on its way", async || blobs(&world).await == 1).await;
    let request = pb::DeleteTaskRequest {
        id: task,
        ..Default::default()
    };
    world.administrator().await.tasks().delete_task(request).await.unwrap();
    sender.send(more()).await.unwrap();
    drop(sender);
    let refused = going.await.unwrap().unwrap_err();
    assert_eq!(reason(&refused), "TASK_NOT_FOUND");
    until("nothing is left of it", async || blobs(&world).await == 0).await;
    assert_eq!(files(&world.settings.files.files_dir), 0);
    // Words and ticks come too late likewise.
    let request = pb::CreateCommentRequest {
        task_id: task,
        text: "Tarde".to_owned(),
        ..Default::default()
    };
    let refused = agent.comments().create_comment(request).await.unwrap_err();
    assert_eq!(reason(&refused), "TASK_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_server_that_is_killed_in_the_midst_of_an_upload_nothing_is_left_that_is_not_swept() {
    let world = World::start().await;
    let agent = world.agent().await;
    let task = agent.task("Revisar la puerta").await.id;
    let folder = world.settings.files.files_dir.clone();
    let server = Mortal::serve_with(&world.settings, &[("GAD_FILES_DIR", folder.to_str().unwrap())]);
    server.ready().await;
    let there = agent.over(channel(server.address));
    let (sender, going) = begin(&there, task).await;
    until("the file is on its way", async || blobs(&world).await == 1).await;
    sender.send(more()).await.unwrap();
    server.kill();
    assert!(going.await.unwrap().is_err());
    drop(sender);
    let list = pb::ListAttachmentsRequest {
        task_id: task,
        ..Default::default()
    };
    let answer = agent.attachments().list_attachments(list.clone()).await.unwrap();
    assert_eq!(answer.into_inner().attachments, []);
    // It is begun anew, and is whole; what was given up goes in its time.
    let (sender, going) = begin(&agent, task).await;
    sender.send(more()).await.unwrap();
    drop(sender);
    let added = going.await.unwrap().unwrap().into_inner();
    assert_eq!(added.size_bytes, 25_000);
    let tomorrow = Clock::of(|| Timestamp::now() + SignedDuration::from_hours(25));
    let later = world.another_replica_at(tomorrow).await;
    until("what was given up is gone", async || blobs(&world).await == 1).await;
    assert_eq!(files(&folder), 1);
    later.stop().await;
}

#[tokio::test]
async fn of_what_is_gone_no_stay_is_told_and_nothing_is_looked_at_for_ever() {
    let yard = Yard::open().await;
    let fence = yard.fence().await;
    yard.walk(&[(0, -300.0), (60, 300.0), (120, 300.0)]).await;
    assert!(is_due(&yard).await);
    let request = pb::DeleteGeofenceRequest {
        id: fence.id,
        ..Default::default()
    };
    yard.supervisor.geofences().delete_geofence(request).await.unwrap();
    assert!(!is_due(&yard).await, "it goes with the fence");

    yard.fence().await;
    yard.walk(&[(200, -300.0), (260, -300.0), (320, 300.0), (380, 300.0)]).await;
    assert!(is_due(&yard).await);
    let request = pb::DeleteAgentRequest {
        id: yard.id,
        ..Default::default()
    };
    let administrator = yard.world.administrator().await;
    administrator.agents().delete_agent(request).await.unwrap();
    yard.at(1_000);
    until("nothing is due", async || !is_due(&yard).await).await;
    let sql = "select count(*) from geofence_events where kind = 3";
    let told: i64 = yard.world.database().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(told, 0);
}

#[tokio::test]
async fn the_same_fixes_through_two_servers_at_once_are_one_crossing() {
    let yard = Yard::open().await;
    let other = yard.world.another_replica_at(yard.clock()).await;
    yard.fence().await;
    yard.walk(&[(0, -300.0), (10, -300.0)]).await;
    let there = yard.agent.over(other.channel());
    for (round, meters) in [300.0, -300.0, 300.0, -300.0].into_iter().enumerate() {
        let begin = 100 + i64::try_from(round).unwrap() * 1_000;
        yard.at(begin + 200);
        let batch: Vec<pb::Position> = (0..4).map(|step| fix(yard.id, begin + step * 50, meters)).collect();
        let report = async |person: &Person| {
            let request = pb::ReportPositionsRequest {
                positions: batch.clone(),
            };
            person.agents().report_positions(request).await.unwrap().into_inner()
        };
        let answers = tokio::join!(report(&yard.agent), report(&there), report(&yard.agent), report(&there));
        let accepted = [answers.0, answers.1, answers.2, answers.3].map(|answer| answer.accepted_count);
        assert_eq!(accepted.iter().sum::<i32>(), 4, "{accepted:?}");
    }
    let kinds: Vec<GeofenceEventKind> = yard.told().await.into_iter().map(|(_, kind)| kind).collect();
    let (came, went) = (GeofenceEventKind::Entered, GeofenceEventKind::Left);
    let crossings: Vec<GeofenceEventKind> = kinds.into_iter().filter(|kind| [came, went].contains(kind)).collect();
    assert_eq!(crossings, [came, went, came, went]);
    other.stop().await;
}

#[tokio::test]
async fn a_cursor_of_somebody_else_shows_nothing_of_theirs() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let mut theirs = BTreeSet::new();
    for number in 0..10 {
        theirs.insert(supervisor.task(&format!("Ajena {number}")).await.id);
    }
    let mine = agent.task("Mía").await.id;
    let pull = async |person: &Person, cursor: &str| {
        let request = pb::PullRequest {
            cursor: cursor.to_owned(),
            page_size: 3,
        };
        person.sync().pull(request).await.unwrap().into_inner()
    };
    let mut cursors = vec![String::new()];
    loop {
        let page = pull(&supervisor, cursors.last().unwrap()).await;
        cursors.push(page.next_cursor);
        if !page.has_more {
            break;
        }
    }
    let later = supervisor.task("Ajena y posterior").await.id;
    theirs.insert(later);
    assert!(cursors.len() > 4);
    for cursor in &cursors {
        let mut cursor = cursor.clone();
        loop {
            let page = pull(&agent, &cursor).await;
            let rows = page.rows.iter().filter_map(|row| match &row.resource {
                Some(pb::snapshot_row::Resource::Task(task)) => Some(task.id),
                _ => None,
            });
            let events = page.events.iter().filter_map(|event| match &event.resource {
                Some(pb::event::Resource::Task(task)) => Some(task.id),
                Some(pb::event::Resource::Hidden(hidden)) => Some(hidden.task_id),
                _ => None,
            });
            for id in rows.chain(events) {
                assert!(id == mine && !theirs.contains(&id), "{id}");
            }
            cursor = page.next_cursor;
            if !page.has_more {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_check_in_that_two_servers_and_the_end_of_the_task_meet_at_leaves_one_answer() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let other: Replica = world.another_replica().await;
    let there = agent.over(other.channel());
    for round in 0..6 {
        let task = crate::check_in::patrol(&supervisor, &agent).await.id;
        let sign = async |person: &Person| {
            let request = pb::CheckInRequest {
                task_id: task,
                ..Default::default()
            };
            person.check_ins().check_in(request).await
        };
        let finish = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            let request = pb::TaskStepRequest {
                id: task,
                ..Default::default()
            };
            supervisor.tasks().finish_task(request).await
        };
        let (one, two, finished) = tokio::join!(sign(&agent), sign(&there), finish);
        finished.unwrap();
        for answer in [one, two] {
            if let Err(refused) = answer {
                assert_eq!(reason(&refused), "ILLEGAL_STEP");
            }
        }
        let sql = "select count(*) from check_ins where task_id = $1";
        let left: i64 = world.database().await.query_one(sql, &[&task]).await.unwrap().get(0);
        assert_eq!(left, 0, "nothing waits for a task that is over");
    }
    other.stop().await;
}
