//! What a phone pushes is judged as by the single RPC: comments and signs of life.

use gad::pb::{self, ErrorReason, MutationStatus, TaskAction};
use jiff::{SignedDuration, Timestamp};

use crate::{
    check_in::{ask, patrol},
    emergency::Hands,
    world::{Person, World, reason, until},
};

fn time(time: Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: time.as_second(),
        nanos: 0,
    })
}

async fn push(person: &Person, mutations: Vec<pb::Mutation>) -> Vec<pb::MutationResult> {
    let request = pb::PushRequest {
        mutations,
        ..Default::default()
    };
    person.sync().push(request).await.unwrap().into_inner().results
}

fn words(name: &str, task_id: i64, text: &str) -> pb::Mutation {
    pb::Mutation {
        request_id: name.to_owned(),
        comment: Some(pb::CreateCommentRequest {
            task_id,
            text: text.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn sign(name: &str, check_in: pb::CheckInRequest) -> pb::Mutation {
    pb::Mutation {
        request_id: name.to_owned(),
        check_in: Some(check_in),
        ..Default::default()
    }
}

/// Why something was refused; empty: it was not.
fn why(result: &pb::MutationResult) -> String {
    let reason = result.refusal.as_ref().map(|refusal| refusal.reason().as_str_name());
    let reason = reason.map(|reason| reason.trim_start_matches("ERROR_REASON_").to_owned());
    reason.unwrap_or_default()
}

async fn said(person: &Person, task_id: i64) -> Vec<String> {
    let request = pb::ListCommentsRequest {
        task_id,
        ..Default::default()
    };
    let comments = person.comments().list_comments(request).await.unwrap().into_inner().comments;
    comments.into_iter().map(|comment| comment.text).collect()
}

#[tokio::test]
async fn words_that_are_pushed_are_judged_as_by_the_single_rpc() {
    let world = World::start().await;
    let (supervisor, agent, other) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    let elsewhere = world.zone("Z-SO").await;
    let zonal = world
        .newcomer("zonal@gad.example", pb::UserLevel::Supervisor, &[elsewhere])
        .await;
    let mut twins = Vec::new();
    for title in ["Sola", "De a dos"] {
        let task = supervisor.task(title).await;
        let request = pb::AssignTaskRequest {
            id: task.id,
            agent_id: agent.agent_id.unwrap(),
            ..Default::default()
        };
        supervisor.tasks().assign_task(request).await.unwrap();
        twins.push(task.id);
    }
    let gone = supervisor.task("Borrada").await.id;
    let request = pb::DeleteTaskRequest {
        id: gone,
        ..Default::default()
    };
    world.administrator().await.tasks().delete_task(request).await.unwrap();
    let (alone, pushed) = (twins[0], twins[1]);
    let long = "x".repeat(4001);
    let late = Timestamp::now() - SignedDuration::from_hours(2);
    let future = Timestamp::now() + SignedDuration::from_hours(2);
    let texts = [
        "Está abierta",
        "",
        "   ",
        "con \u{0} dentro",
        long.as_str(),
        "línea\nlínea",
        "ñandú 🦤",
    ];
    for (who, person) in [&supervisor, &agent, &other, &zonal].into_iter().enumerate() {
        for (at, text) in texts.iter().enumerate() {
            for (when, reported) in [None, time(late), time(future)].into_iter().enumerate() {
                for (twin, twin_pushed) in [(alone, pushed), (gone, gone), (9_999_999, 9_999_999), (0, 0), (-1, -1)] {
                    let request = pb::CreateCommentRequest {
                        task_id: twin,
                        text: (*text).to_owned(),
                        reported_time: reported,
                        ..Default::default()
                    };
                    let single = person.comments().create_comment(request).await;
                    let mutation = pb::Mutation {
                        client_time: reported,
                        ..words(&format!("c-{who}-{at}-{when}-{twin}"), twin_pushed, text)
                    };
                    let result = push(person, vec![mutation]).await.remove(0);
                    let expected = single.as_ref().err().map(reason).unwrap_or_default();
                    assert_eq!(why(&result), expected, "{who} {text:?} {when} {twin}");
                    assert_eq!(result.comment.is_some(), single.is_ok());
                    if let (Ok(single), Some(pushed)) = (single, result.comment) {
                        let single = single.into_inner();
                        assert_eq!(
                            (single.text, single.user_id, single.kind),
                            (pushed.text, pushed.user_id, pushed.kind)
                        );
                    }
                }
            }
        }
    }
    let all = said(&supervisor, pushed).await;
    assert_eq!(all, said(&supervisor, alone).await);
    assert_eq!(all.len(), 2 * 3 * 2, "two people, three texts, two times");
    // The history says when it was said by the telephone's clock.
    let request = pb::ListTaskHistoryRequest {
        task_id: pushed,
        page_size: 200,
        ..Default::default()
    };
    let history = supervisor
        .tasks()
        .list_task_history(request)
        .await
        .unwrap()
        .into_inner()
        .entries;
    let reported = history.iter().filter(|entry| entry.action() == TaskAction::Comment);
    let reported: Vec<Option<i64>> = reported.map(|entry| entry.reported_time.map(|time| time.seconds)).collect();
    let of = |wanted: Option<i64>| reported.iter().filter(|time| **time == wanted).count();
    assert_eq!((of(None), of(Some(late.as_second())), reported.len()), (6, 6, 12));
}

#[tokio::test]
async fn words_are_said_once_however_often_they_are_pushed_and_hinder_nothing() {
    let world = World::start().await;
    let agent = world.agent().await;
    let task = agent.task("Mía").await;
    let mutations = vec![
        words("one", task.id, "Una"),
        words("bad", task.id, ""),
        words("two", task.id, "Dos"),
        pb::Mutation {
            request_id: "place".to_owned(),
            positions: Some(pb::ReportPositionsRequest {
                positions: vec![pb::Position {
                    agent_id: agent.agent_id.unwrap(),
                    location: Some(pb::LatLng {
                        latitude: 91.0,
                        longitude: f64::NAN,
                    }),
                    fix_time: time(Timestamp::now()),
                    ..Default::default()
                }],
            }),
            ..Default::default()
        },
        pb::Mutation {
            request_id: "step".to_owned(),
            task_step: Some(pb::TaskStepMutation {
                id: task.id,
                action: 99,
                ..Default::default()
            }),
            ..Default::default()
        },
        words("one", task.id, "Otra"),
        words("three", task.id, "Tres"),
    ];
    let pushes = (0..4).map(|_| push(&agent, mutations.clone()));
    let answers = futures::future::join_all(pushes).await;
    for answer in &answers {
        let refused: Vec<String> = answer.iter().map(why).collect();
        let bad = "INVALID_FIELD";
        assert_eq!(refused, ["", bad, "", bad, bad, "IDEMPOTENCY_KEY_REUSED", ""]);
        let field = |at: usize| answer[at].refusal.as_ref().unwrap().field.clone();
        assert_eq!((field(1), field(4)), ("text".to_owned(), "action".to_owned()));
    }
    for at in [0, 2, 6] {
        let applied = answers.iter().filter(|answer| answer[at].status() == MutationStatus::Applied);
        assert_eq!(applied.count(), 1);
        let id = |answer: &Vec<pb::MutationResult>| answer[at].comment.as_ref().unwrap().id;
        assert!(answers.iter().all(|answer| id(answer) == id(&answers[0])));
    }
    let mut all = said(&agent, task.id).await;
    all.sort();
    assert_eq!(all, ["Dos", "Tres", "Una"]);
}

#[tokio::test]
async fn signs_of_life_that_are_pushed_are_judged_as_by_the_single_rpc() {
    let world = World::start().await;
    let (supervisor, agent, other) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    ask(&world, true).await;
    let step = |id| pb::TaskStepRequest {
        id,
        ..Default::default()
    };
    // Running, paused, over, deleted, of nobody, none.
    let mut twins = Vec::new();
    for _ in 0..2 {
        let running = patrol(&supervisor, &agent).await.id;
        twins.push(vec![running]);
    }
    for twin in &mut twins {
        let paused = supervisor.task("En pausa").await.id;
        let over = supervisor.task("Terminada").await.id;
        for id in [paused, over] {
            let request = pb::AssignTaskRequest {
                id,
                agent_id: agent.agent_id.unwrap(),
                ..Default::default()
            };
            supervisor.tasks().assign_task(request).await.unwrap();
            supervisor.tasks().start_task(step(id)).await.unwrap();
        }
        supervisor.tasks().pause_task(step(paused)).await.unwrap();
        supervisor.tasks().finish_task(step(over)).await.unwrap();
        let gone = supervisor.task("Borrada").await.id;
        let request = pb::DeleteTaskRequest {
            id: gone,
            ..Default::default()
        };
        world.administrator().await.tasks().delete_task(request).await.unwrap();
        let alone = supervisor.task("De nadie").await.id;
        supervisor.tasks().start_task(step(alone)).await.unwrap();
        twin.extend([paused, over, gone, alone, 9_999_999]);
    }
    let (agent_id, other_id) = (agent.agent_id.unwrap(), other.agent_id.unwrap());
    let mut seen = std::collections::BTreeMap::new();
    for (who, person) in [&supervisor, &agent, &other].into_iter().enumerate() {
        for at in 0..twins[0].len() {
            for for_whom in [0, agent_id, other_id, -1] {
                for words in ["", "Habló por radio"] {
                    let request = |twin: usize| pb::CheckInRequest {
                        task_id: twins[twin][at],
                        agent_id: for_whom,
                        reason: words.to_owned(),
                        ..Default::default()
                    };
                    let single = person.check_ins().check_in(request(0)).await;
                    let name = format!("s-{who}-{at}-{for_whom}-{}", words.len());
                    let result = push(person, vec![sign(&name, request(1))]).await.remove(0);
                    let expected = single.as_ref().err().map(reason).unwrap_or_default();
                    assert_eq!(why(&result), expected, "{who} {at} {for_whom} {words:?}");
                    assert_eq!(result.check_in.is_some(), single.is_ok());
                    let conflict = result.status() == MutationStatus::Conflict;
                    assert_eq!(conflict, expected == "ILLEGAL_STEP", "{result:?}");
                    assert_eq!(conflict, result.task.is_some(), "the server's copy comes with a conflict");
                    *seen.entry(expected).or_insert(0) += 1;
                }
            }
        }
    }
    let kinds: Vec<&str> = seen.keys().map(String::as_str).collect();
    let expected = [
        "",
        "FORBIDDEN",
        "ILLEGAL_STEP",
        "INVALID_FIELD",
        "NOT_ASSIGNED",
        "TASK_NOT_FOUND",
    ];
    assert_eq!(kinds, expected, "every answer was given");
}

async fn state(person: &Person, task_id: i64) -> pb::CheckInState {
    let request = pb::ListCheckInsRequest {
        task_id,
        ..Default::default()
    };
    let mut all = person
        .check_ins()
        .list_check_ins(request)
        .await
        .unwrap()
        .into_inner()
        .check_ins;
    all.remove(0).state()
}

#[tokio::test]
async fn a_sign_of_life_of_this_morning_silences_no_alarm_of_this_evening() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    ask(&world, false).await;
    let task = patrol(&supervisor, &agent).await.id;
    let began = hands.clock().now();
    let at = |seconds: i64| time(began + SignedDuration::from_secs(seconds));
    let mutation = |name: &str, seconds: i64| pb::Mutation {
        client_time: at(seconds),
        ..sign(
            name,
            pb::CheckInRequest {
                task_id: task,
                ..Default::default()
            },
        )
    };
    // In time: the next one is due by when it was given.
    hands.wait(50);
    let result = push(&agent, vec![mutation("timely", 20)]).await.remove(0);
    let told = result.check_in.unwrap();
    assert_eq!((told.check_in_time, told.due_time), (at(20), at(80)));
    // Of before that: it changes nothing.
    let result = push(&agent, vec![mutation("earlier", 10)]).await.remove(0);
    assert_eq!(result.check_in.unwrap().due_time, at(80));
    hands.wait(31);
    until("the warning is given", async || {
        state(&supervisor, task).await == pb::CheckInState::Missed
    })
    .await;
    hands.wait(100);
    let result = push(&agent, vec![mutation("late", 70)]).await.remove(0);
    assert_eq!(result.status(), MutationStatus::Applied);
    let told = result.check_in.unwrap();
    assert_eq!((told.state(), told.check_in_time), (pb::CheckInState::Missed, at(70)));
    // One of now does.
    let result = push(&agent, vec![mutation("now", 181)]).await.remove(0);
    assert_eq!(result.check_in.unwrap().state(), pb::CheckInState::Waiting);
    let again = push(&agent, vec![mutation("now", 181)]).await.remove(0);
    assert_eq!(again.status(), MutationStatus::Replayed);
    let refused = push(&agent, vec![mutation("future", 10_000)]).await.remove(0);
    assert_eq!(refused.refusal.unwrap().reason(), ErrorReason::InvalidField);
}

#[tokio::test]
async fn a_token_that_may_only_take_steps_pushes_nothing_else() {
    let world = World::start().await;
    let agent = world.agent().await;
    let task = agent.task("Mía").await.id;
    let request = pb::CreateApiTokenRequest {
        api_token: Some(pb::ApiToken {
            display_name: "Teléfono".to_owned(),
            scopes: vec!["task.step".to_owned()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let made = agent.api_tokens().create_api_token(request).await.unwrap().into_inner();
    let program = agent.by(&made.token, world.replica.channel());
    let alive = pb::CheckInRequest {
        task_id: task,
        ..Default::default()
    };
    let results = push(&program, vec![words("c", task, "Hola"), sign("s", alive)]).await;
    let refused: Vec<String> = results.iter().map(why).collect();
    assert_eq!(refused, ["SCOPE_TOO_NARROW", "SCOPE_TOO_NARROW"]);
    assert_eq!(said(&agent, task).await, Vec::<String>::new());
}
