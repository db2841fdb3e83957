//! One action on many tasks.

use std::collections::BTreeSet;

use gad::pb::{self, BatchChangeStatus as Changed, TaskAction as Action, TaskPriority, TaskState};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::world::{Person, World};

fn chosen(ids: &[i64]) -> Vec<pb::ChosenTask> {
    let chosen = |id: &i64| pb::ChosenTask {
        id: *id,
        ..Default::default()
    };
    ids.iter().map(chosen).collect()
}

fn request(ids: &[i64], action: Action) -> pb::BatchChangeTasksRequest {
    pb::BatchChangeTasksRequest {
        tasks: chosen(ids),
        action: action as i32,
        ..Default::default()
    }
}

async fn change(person: &Person, request: pb::BatchChangeTasksRequest) -> Result<pb::BatchChangeTasksResponse, Status> {
    Ok(person.bulk().batch_change_tasks(request).await?.into_inner())
}

fn statuses(answer: &pb::BatchChangeTasksResponse) -> Vec<Changed> {
    answer.results.iter().map(pb::BatchChangeResult::status).collect()
}

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().unwrap().reason.clone()
}

async fn step(person: &Person, id: i64, action: Action) -> Result<pb::Task, Status> {
    let request = pb::TaskStepRequest {
        id,
        ..Default::default()
    };
    let mut tasks = person.tasks();
    let answer = match action {
        Action::Start => tasks.start_task(request).await,
        Action::Pause => tasks.pause_task(request).await,
        Action::Resume => tasks.resume_task(request).await,
        Action::Finish => tasks.finish_task(request).await,
        Action::Cancel => tasks.cancel_task(request).await,
        Action::Undelete => tasks.undelete_task(request).await,
        other => panic!("{other:?} is no step"),
    };
    Ok(answer?.into_inner())
}

async fn state(person: &Person, id: i64) -> TaskState {
    let task = person.tasks().get_task(pb::GetTaskRequest { id }).await.unwrap();
    task.into_inner().state()
}

/// The single RPC of an action.
async fn single(person: &Person, id: i64, action: Action, agent_id: i64) -> Result<pb::Task, Status> {
    let mut tasks = person.tasks();
    let answer = match action {
        Action::Assign => {
            tasks
                .assign_task(pb::AssignTaskRequest {
                    id,
                    agent_id,
                    ..Default::default()
                })
                .await
        }
        Action::Unassign => {
            tasks
                .unassign_task(pb::UnassignTaskRequest {
                    id,
                    agent_id,
                    ..Default::default()
                })
                .await
        }
        Action::Delete => {
            tasks
                .delete_task(pb::DeleteTaskRequest {
                    id,
                    ..Default::default()
                })
                .await
        }
        Action::Update => {
            let task = pb::Task {
                id,
                priority: TaskPriority::High as i32,
                ..Default::default()
            };
            tasks
                .update_task(pb::UpdateTaskRequest {
                    task: Some(task),
                    ..Default::default()
                })
                .await
        }
        other => return step(person, id, other).await,
    };
    Ok(answer?.into_inner())
}

/// A task that took these steps, with the demo's agent on it or not.
async fn task_in(world: &World, steps: &[Action], manned: bool) -> i64 {
    let supervisor = world.supervisor().await;
    let id = supervisor.task("Ronda").await.id;
    if manned {
        let agent = world.agent().await.agent_id.unwrap();
        single(&supervisor, id, Action::Assign, agent).await.unwrap();
    }
    for action in steps {
        single(&world.administrator().await, id, *action, 0).await.unwrap();
    }
    id
}

const HISTORIES: [&[Action]; 6] = [
    &[],
    &[Action::Start],
    &[Action::Start, Action::Pause],
    &[Action::Start, Action::Finish],
    &[Action::Cancel],
    &[Action::Delete],
];

const ACTIONS: [Action; 10] = [
    Action::Start,
    Action::Pause,
    Action::Resume,
    Action::Finish,
    Action::Cancel,
    Action::Assign,
    Action::Unassign,
    Action::Update,
    Action::Delete,
    Action::Undelete,
];

#[tokio::test]
async fn each_task_of_a_bulk_action_is_judged_as_by_the_single_rpc() {
    let world = World::start().await;
    let people = [world.agent().await, world.supervisor().await, world.administrator().await];
    let agent = world.other_agent().await.agent_id.unwrap();
    for action in ACTIONS {
        let judged = people.iter().map(|person| is_judged_alike(&world, person, action, agent));
        futures::future::join_all(judged).await;
    }
}

/// Whether twins fare alike: one by the single RPC, one by the bulk action, which takes all histories at once.
async fn is_judged_alike(world: &World, person: &Person, action: Action, agent: i64) {
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for (at, steps) in HISTORIES.iter().enumerate() {
        let manned = at % 2 == 1;
        alone.push(task_in(world, steps, manned).await);
        together.push(task_in(world, steps, manned).await);
    }
    let shape = |task: pb::Task| (task.state, task.agent_ids, task.priority, task.revision);
    let mut expected = Vec::new();
    for id in &alone {
        expected.push(single(person, *id, action, agent).await.map(shape));
    }
    let wanted = pb::BatchChangeTasksRequest {
        agent_id: agent,
        task: Some(pb::Task {
            priority: TaskPriority::High as i32,
            ..Default::default()
        }),
        ..request(&together, action)
    };
    let answer = match change(person, wanted).await {
        Ok(answer) => answer,
        Err(status) => {
            // Whoever may not do it at all is refused as a whole.
            let refusals: BTreeSet<String> = expected.iter().map(|answer| reason(answer.as_ref().unwrap_err())).collect();
            assert_eq!(reason(&status), "FORBIDDEN");
            assert!(refusals.contains("FORBIDDEN"), "{action:?}");
            return;
        }
    };
    for ((single, result), steps) in expected.into_iter().zip(answer.results).zip(HISTORIES) {
        match single {
            Ok(single) => assert_eq!(result.task.map(shape), Some(single), "{} {action:?} {steps:?}", person.id),
            Err(status) => {
                let refusal = result.refusal.unwrap_or_else(|| panic!("{action:?} {steps:?}: {status:?}"));
                let name = refusal.reason().as_str_name();
                assert_eq!(name, format!("ERROR_REASON_{}", reason(&status)), "{action:?} {steps:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_and_what_is_done_is_told_and_audited() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let ids = [
        person.task("Una").await.id,
        person.task("Otra").await.id,
        person.task("Más").await.id,
    ];
    step(&person, ids[1], Action::Cancel).await.unwrap();
    let wanted = pb::BatchChangeTasksRequest {
        tasks: vec![
            pb::ChosenTask {
                id: ids[0],
                etag: String::new(),
            },
            pb::ChosenTask {
                id: ids[1],
                etag: String::new(),
            },
            pb::ChosenTask {
                id: ids[2],
                etag: "r77".to_owned(),
            },
            pb::ChosenTask {
                id: 999_999,
                etag: String::new(),
            },
        ],
        reason: "Turno".to_owned(),
        ..request(&[], Action::Start)
    };
    let answer = change(&person, wanted).await.unwrap();
    assert_eq!(
        statuses(&answer),
        [Changed::Changed, Changed::Refused, Changed::Refused, Changed::Refused]
    );
    let reasons: Vec<pb::ErrorReason> = answer
        .results
        .iter()
        .flat_map(|result| &result.refusal)
        .map(pb::Refusal::reason)
        .collect();
    use pb::ErrorReason::{IllegalStep, StaleEtag, TaskNotFound};
    assert_eq!(reasons, [IllegalStep, StaleEtag, TaskNotFound]);
    assert_eq!((answer.changed_count, answer.refused_count, answer.applied), (1, 3, true));
    let database = world.database().await;
    let numbers = async |sql: &str| -> Vec<i64> {
        let rows = database.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    // One fact and one row of the audit, those of the one that was done; refusals follow.
    let facts =
        "select (fact->'subject'->'Task'->>'id')::bigint from outbox where fact->>'kind' = 'TaskStateChanged' order by xid, seq";
    assert_eq!(numbers(facts).await, [ids[1], ids[0]]);
    let audited = "select split_part(resource, '/', 2)::bigint from audit
                   where method = 'gad.v1.BulkService/BatchChangeTasks' and outcome = 'OK'";
    assert_eq!(numbers(audited).await, [ids[0]]);
    crate::world::until("the refusals are audited", async || {
        let refused = "select count(*) from audit where method = 'gad.v1.BulkService/BatchChangeTasks' and outcome <> 'OK'";
        numbers(refused).await == [3]
    })
    .await;
    let histories = "select task_id from task_history where reason = 'Turno'";
    assert_eq!(numbers(histories).await, [ids[0]]);
}

#[tokio::test]
async fn all_or_nothing_changes_nothing_if_one_refuses() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let ids = [person.task("Una").await.id, person.task("Otra").await.id];
    step(&person, ids[1], Action::Cancel).await.unwrap();
    let whole = pb::BatchChangeTasksRequest {
        all_or_nothing: true,
        request_id: "todas".to_owned(),
        ..request(&ids, Action::Start)
    };
    let answer = change(&person, whole.clone()).await.unwrap();
    assert_eq!(statuses(&answer), [Changed::Undone, Changed::Refused]);
    assert_eq!((answer.changed_count, answer.applied), (0, false));
    assert_eq!(state(&person, ids[0]).await, TaskState::Scheduled);
    let answer = change(&person, request(&ids[..1], Action::Start)).await.unwrap();
    assert!(answer.applied);
    assert_eq!(state(&person, ids[0]).await, TaskState::InProgress);
}

#[tokio::test]
async fn a_repeated_bulk_action_happens_once() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let ids = [person.task("Una").await.id, person.task("Otra").await.id];
    let once = pb::BatchChangeTasksRequest {
        request_id: "una-vez".to_owned(),
        ..request(&ids, Action::Start)
    };
    let calls = (0..8).map(|_| change(&person, once.clone()));
    let answers: Vec<_> = futures::future::join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(
        answers
            .iter()
            .all(|answer| *answer == answers[0] && answer.changed_count == 2),
        "{answers:?}"
    );
    let other = pb::BatchChangeTasksRequest {
        action: Action::Cancel as i32,
        ..once
    };
    assert_eq!(reason(&change(&person, other).await.unwrap_err()), "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_a_priority_is_set_for_many() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let ids = [person.task("Una").await.id, person.task("Otra").await.id];
    let urgent = pb::BatchChangeTasksRequest {
        task: Some(pb::Task {
            priority: TaskPriority::Urgent as i32,
            ..Default::default()
        }),
        ..request(&ids, Action::Update)
    };
    let dry = pb::BatchChangeTasksRequest {
        validate_only: true,
        ..urgent.clone()
    };
    let tried = change(&person, dry).await.unwrap();
    assert_eq!((tried.changed_count, tried.applied), (2, false));
    let priority = async |id| {
        let task = person.tasks().get_task(pb::GetTaskRequest { id }).await.unwrap().into_inner();
        (task.priority(), task.title)
    };
    assert_eq!(priority(ids[0]).await, (TaskPriority::Medium, "Una".to_owned()));
    assert_eq!(change(&person, urgent).await.unwrap().changed_count, 2);
    assert_eq!(priority(ids[0]).await, (TaskPriority::Urgent, "Una".to_owned()));
    assert_eq!(priority(ids[1]).await, (TaskPriority::Urgent, "Otra".to_owned()));
}

#[tokio::test]
async fn bulk_actions_in_opposite_orders_do_not_wait_for_each_other_for_ever() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let agent = world.agent().await.agent_id.unwrap();
    let mut ids = Vec::new();
    for _ in 0..12 {
        let id = person.task("Ronda").await.id;
        single(&person, id, Action::Assign, agent).await.unwrap();
        ids.push(id);
    }
    let backwards: Vec<i64> = ids.iter().rev().copied().collect();
    let calls = (0..6).map(|turn| {
        let order = if turn % 2 == 0 { &ids } else { &backwards };
        change(&person, request(order, if turn < 3 { Action::Start } else { Action::Pause }))
    });
    for answer in futures::future::join_all(calls).await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn bulk_actions_have_bounds() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let many: Vec<i64> = (1..=201).collect();
    for wrong in [
        request(&many, Action::Start),
        request(&[], Action::Start),
        request(&[1, 1], Action::Start),
        request(&[1], Action::Assign),
        request(&[1], Action::Update),
        request(&[1], Action::Reopen),
    ] {
        let status = change(&person, wrong).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    }
}
