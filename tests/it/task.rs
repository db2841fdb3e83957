//! Tasks through the front door.

use std::collections::HashSet;

use gad::pb::{self, TaskAction, TaskPriority, TaskState};
use tonic::Code;

use crate::world::{Person, World, draft, fields, reason};

fn step(id: i64) -> pb::TaskStepRequest {
    pb::TaskStepRequest {
        id,
        ..Default::default()
    }
}

async fn create(person: &Person, task: pb::Task) -> pb::Task {
    let request = pb::CreateTaskRequest {
        task: Some(task),
        ..Default::default()
    };
    person.tasks().create_task(request).await.unwrap().into_inner()
}

async fn assign(person: &Person, id: i64, agent_id: i64, exclusive: bool) -> Result<pb::Task, tonic::Status> {
    let request = pb::AssignTaskRequest {
        id,
        agent_id,
        exclusive,
        ..Default::default()
    };
    person.tasks().assign_task(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_task_goes_from_scheduled_to_finished_and_its_history_tells() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let task = supervisor.task("Patrullar el parque").await;
    assert_eq!(task.state(), TaskState::Scheduled);
    assert_eq!(task.code, format!("T-{}", task.id));
    let task = supervisor.tasks().start_task(step(task.id)).await.unwrap().into_inner();
    assert_eq!(task.state(), TaskState::InProgress);
    supervisor.tasks().pause_task(step(task.id)).await.unwrap();
    supervisor.tasks().resume_task(step(task.id)).await.unwrap();
    let task = supervisor.tasks().finish_task(step(task.id)).await.unwrap().into_inner();
    assert_eq!(task.state(), TaskState::Finished);
    assert!(task.worked_duration.is_some());
    let refused = supervisor.tasks().start_task(step(task.id)).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "ILLEGAL_STEP")
    );
    let request = pb::ListTaskHistoryRequest {
        task_id: task.id,
        ..Default::default()
    };
    let history = supervisor
        .tasks()
        .list_task_history(request)
        .await
        .unwrap()
        .into_inner()
        .entries;
    let steps: Vec<_> = history
        .iter()
        .map(|entry| (entry.action(), entry.from(), entry.to()))
        .collect();
    let (scheduled, working, paused) = (TaskState::Scheduled, TaskState::InProgress, TaskState::Paused);
    assert_eq!(
        steps,
        [
            (TaskAction::Unspecified, TaskState::Unspecified, scheduled),
            (TaskAction::Start, scheduled, working),
            (TaskAction::Pause, working, paused),
            (TaskAction::Resume, paused, working),
            (TaskAction::Finish, working, TaskState::Finished),
        ]
    );
}

#[tokio::test]
async fn a_task_without_title_or_kind_or_with_an_end_before_its_start_is_refused() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let cases = [
        (draft(""), "task.title"),
        (draft("a\u{7}b"), "task.title"),
        (draft(&"x".repeat(201)), "task.title"),
        (
            pb::Task {
                kind: 0,
                ..draft("Algo")
            },
            "task.kind",
        ),
        (
            pb::Task {
                kind: 99,
                ..draft("Algo")
            },
            "task.kind",
        ),
        (
            pb::Task {
                planned_start_time: at(100),
                planned_end_time: at(100),
                ..draft("Algo")
            },
            "task.planned_end_time",
        ),
        (
            pb::Task {
                planned_start_time: at(i64::MAX),
                ..draft("Algo")
            },
            "task.planned_start_time",
        ),
        (
            pb::Task {
                location: Some(pb::LatLng {
                    latitude: f64::NAN,
                    longitude: 0.0,
                }),
                ..draft("Algo")
            },
            "task.location.latitude",
        ),
        (
            pb::Task {
                location: Some(pb::LatLng {
                    latitude: 0.0,
                    longitude: 181.0,
                }),
                ..draft("Algo")
            },
            "task.location.longitude",
        ),
    ];
    for (task, field) in cases {
        let request = pb::CreateTaskRequest {
            task: Some(task),
            ..Default::default()
        };
        let refused = supervisor.tasks().create_task(request).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_FIELD", "{field}");
        assert!(
            fields(&refused).iter().any(|named| named == field),
            "{field}: {:?}",
            fields(&refused)
        );
    }
    let null_island = pb::Task {
        location: Some(pb::LatLng {
            latitude: 0.0,
            longitude: 0.0,
        }),
        ..draft("Isla")
    };
    let task = create(&supervisor, null_island).await;
    assert_eq!(
        task.location,
        Some(pb::LatLng {
            latitude: 0.0,
            longitude: 0.0
        })
    );
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer_and_another_one_under_its_name_is_refused() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let request = pb::CreateTaskRequest {
        task: Some(draft("Una vez")),
        request_id: "r-1".to_owned(),
        ..Default::default()
    };
    let first = supervisor.tasks().create_task(request.clone()).await.unwrap();
    assert!(first.metadata().get("idempotent-replayed").is_none());
    let again = supervisor.tasks().create_task(request.clone()).await.unwrap();
    assert_eq!(again.metadata().get("idempotent-replayed").unwrap(), "true");
    assert_eq!(first.into_inner(), again.into_inner());
    let other = pb::CreateTaskRequest {
        task: Some(draft("Otra")),
        ..request
    };
    let refused = supervisor.tasks().create_task(other).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
    );
    let list = supervisor
        .tasks()
        .list_tasks(pb::ListTasksRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(list.tasks.len(), 1);
}

#[tokio::test]
async fn ten_calls_at_once_with_one_request_id_make_one_task() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let calls = (0..10).map(|_| {
        let supervisor = supervisor.clone();
        tokio::spawn(async move {
            let request_id = "double-click".to_owned();
            let request = pb::CreateTaskRequest {
                task: Some(draft("Una")),
                request_id,
                ..Default::default()
            };
            supervisor.tasks().create_task(request).await.unwrap().into_inner().id
        })
    });
    let mut ids = HashSet::new();
    for call in calls.collect::<Vec<_>>() {
        ids.insert(call.await.unwrap());
    }
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn checking_only_writes_nothing() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let request = pb::CreateTaskRequest {
        task: Some(draft("Prueba")),
        validate_only: true,
        ..Default::default()
    };
    assert_eq!(supervisor.tasks().create_task(request).await.unwrap().into_inner().id, 0);
    let rows = world
        .database()
        .await
        .query_one("select count(*) from tasks", &[])
        .await
        .unwrap();
    assert_eq!(rows.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_stale_etag_is_refused_and_the_present_one_is_not() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let task = supervisor.task("Con etiqueta").await;
    let change = |etag: &str| pb::UpdateTaskRequest {
        task: Some(pb::Task {
            id: task.id,
            title: "Cambiada".to_owned(),
            ..Default::default()
        }),
        etag: etag.to_owned(),
        ..Default::default()
    };
    let refused = supervisor.tasks().update_task(change("r7")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Aborted, "STALE_ETAG"));
    let changed = supervisor.tasks().update_task(change(&task.etag)).await.unwrap().into_inner();
    assert_eq!((changed.title.as_str(), changed.revision), ("Cambiada", 2));
    assert_eq!(changed.kind, task.kind, "what was not named stays");
}

#[tokio::test]
async fn a_mask_clears_what_it_names_and_refuses_what_nobody_may_set() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let task = supervisor.task("Con lugar").await;
    let masked = |path: &str| pb::UpdateTaskRequest {
        task: Some(pb::Task {
            id: task.id,
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec![path.to_owned()],
        }),
        ..Default::default()
    };
    let cleared = supervisor.tasks().update_task(masked("location")).await.unwrap().into_inner();
    assert_eq!(cleared.location, None);
    for path in ["state", "id", "no_such_field"] {
        let refused = supervisor.tasks().update_task(masked(path)).await.unwrap_err();
        assert_eq!(fields(&refused), ["update_mask"], "{path}");
    }
    let refused = supervisor.tasks().update_task(masked("title")).await.unwrap_err();
    assert_eq!(fields(&refused), ["task.title"]);
}

#[tokio::test]
async fn a_claimed_agent_is_free_again_when_the_task_ends() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let agent_id = agent.agent_id.unwrap();
    let (first, second) = (supervisor.task("Primera").await, supervisor.task("Segunda").await);
    assign(&supervisor, first.id, agent_id, true).await.unwrap();
    let refused = assign(&supervisor, second.id, agent_id, true).await.unwrap_err();
    assert_eq!(reason(&refused), "AGENT_BUSY");
    let refused = assign(&supervisor, first.id, agent_id, false).await.unwrap_err();
    assert_eq!(reason(&refused), "ALREADY_ASSIGNED");
    supervisor.tasks().cancel_task(step(first.id)).await.unwrap();
    let task = assign(&supervisor, second.id, agent_id, true).await.unwrap();
    assert_eq!(task.agent_ids, [agent_id]);
}

#[tokio::test]
async fn of_many_who_claim_one_agent_at_once_one_gets_it() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let agent_id = agent.agent_id.unwrap();
    let mut claims = Vec::new();
    for number in 0..10 {
        let task = supervisor.task(&format!("Tarea {number}")).await;
        let supervisor = supervisor.clone();
        claims.push(tokio::spawn(
            async move { assign(&supervisor, task.id, agent_id, true).await },
        ));
    }
    let mut won = 0;
    for claim in claims {
        match claim.await.unwrap() {
            Ok(_) => won += 1,
            Err(refused) => assert_eq!(reason(&refused), "AGENT_BUSY"),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn an_agent_steps_its_own_task_and_sees_no_other() {
    let world = World::start().await;
    let (supervisor, agent, other) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    let task = supervisor.task("Del agente").await;
    let refused = agent.tasks().start_task(step(task.id)).await.unwrap_err();
    assert_eq!(reason(&refused), "TASK_NOT_FOUND");
    assign(&supervisor, task.id, agent.agent_id.unwrap(), false).await.unwrap();
    let seen = agent
        .tasks()
        .get_task(pb::GetTaskRequest { id: task.id })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(seen.allowed_actions, [TaskAction::Start as i32]);
    agent.tasks().start_task(step(task.id)).await.unwrap();
    let refused = agent.tasks().cancel_task(step(task.id)).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::PermissionDenied, "FORBIDDEN")
    );
    let refused = other.tasks().get_task(pb::GetTaskRequest { id: task.id }).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let list = other
        .tasks()
        .list_tasks(pb::ListTasksRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(list.tasks.is_empty());
    let list = agent
        .tasks()
        .list_tasks(pb::ListTasksRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(list.tasks.len(), 1);
}

#[tokio::test]
async fn a_deleted_task_leaves_the_lists_and_comes_back_with_its_history() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let task = supervisor.task("Efímera").await;
    let request = pb::DeleteTaskRequest {
        id: task.id,
        ..Default::default()
    };
    let refused = supervisor.tasks().delete_task(request.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "FORBIDDEN");
    administrator.tasks().delete_task(request).await.unwrap();
    let refused = supervisor
        .tasks()
        .get_task(pb::GetTaskRequest { id: task.id })
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "TASK_NOT_FOUND");
    let refused = supervisor.tasks().start_task(step(task.id)).await.unwrap_err();
    assert_eq!(reason(&refused), "TASK_NOT_FOUND");
    let back = administrator.tasks().undelete_task(step(task.id)).await.unwrap().into_inner();
    assert_eq!(back.delete_time, None);
    let refused = administrator.tasks().undelete_task(step(task.id)).await.unwrap_err();
    assert_eq!(reason(&refused), "ILLEGAL_STEP");
}

#[tokio::test]
async fn a_finished_task_is_carried_on_by_a_new_one() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let task = supervisor.task("Hueco en la vía").await;
    let refused = supervisor.tasks().reopen_task(step(task.id)).await.unwrap_err();
    assert_eq!(reason(&refused), "ILLEGAL_STEP");
    supervisor.tasks().cancel_task(step(task.id)).await.unwrap();
    let next = supervisor.tasks().reopen_task(step(task.id)).await.unwrap().into_inner();
    assert_eq!(
        (next.reopened_from_task_id, next.state()),
        (Some(task.id), TaskState::Scheduled)
    );
    assert_ne!(next.code, task.code);
}

/// More rows than fit in what is read at once, on a connection that has not met a place before.
#[tokio::test]
async fn a_great_list_may_be_the_first_thing_that_a_server_is_asked_for() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let tasks = "insert into tasks (uid, code, title, kind, priority, state, planned_start_time, location, delegate_user_id,
                                    creator_user_id, create_time, update_time, words)
                 select gen_random_uuid(), 'L-' || n, repeat('muy largo ', 20), 1, 1, 1, now(), 'SRID=4326;POINT(-74.07 4.65)',
                        $1::bigint, $1::bigint, now(), now(), ''
                 from generate_series(1, 1000) n";
    world.database().await.execute(tasks, &[&supervisor.id]).await.unwrap();
    let request = pb::ListTasksRequest {
        page_size: 1000,
        ..Default::default()
    };
    let page = supervisor.tasks().list_tasks(request).await.unwrap().into_inner();
    assert_eq!(page.tasks.len(), 1000);
}

#[tokio::test]
async fn lists_filter_by_state_words_and_place() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let bridge = create(&supervisor, draft("Revisión del Puente Peatonal")).await;
    let park = create(
        &supervisor,
        pb::Task {
            priority: TaskPriority::Critical as i32,
            ..draft("Parque central")
        },
    )
    .await;
    supervisor.tasks().start_task(step(park.id)).await.unwrap();
    let list = async |filter: pb::TaskFilter| {
        let request = pb::ListTasksRequest {
            filter: Some(filter),
            ..Default::default()
        };
        let tasks = supervisor.tasks().list_tasks(request).await.unwrap().into_inner().tasks;
        tasks.iter().map(|task| task.id).collect::<Vec<_>>()
    };
    let text = |text: &str| pb::TaskFilter {
        text: text.to_owned(),
        ..Default::default()
    };
    assert_eq!(list(text("revision PEAT")).await, [bridge.id]);
    assert_eq!(list(text(&format!("T-{}", park.id))).await, [park.id]);
    assert!(list(text("puente central")).await.is_empty());
    let working = pb::TaskFilter {
        states: vec![TaskState::InProgress as i32],
        ..Default::default()
    };
    assert_eq!(list(working).await, [park.id]);
    let critical = pb::TaskFilter {
        priorities: vec![TaskPriority::Critical as i32],
        ..Default::default()
    };
    assert_eq!(list(critical).await, [park.id]);
    let here = pb::Box {
        south: 4.6,
        west: -74.1,
        north: 4.7,
        east: -74.0,
    };
    assert_eq!(
        list(pb::TaskFilter {
            r#box: Some(here),
            ..Default::default()
        })
        .await,
        [park.id, bridge.id]
    );
    let across = pb::Box {
        south: 4.6,
        west: 170.0,
        north: 4.7,
        east: -170.0,
    };
    assert!(
        list(pb::TaskFilter {
            r#box: Some(across),
            ..Default::default()
        })
        .await
        .is_empty()
    );
    let upside_down = pb::TaskFilter {
        r#box: Some(pb::Box {
            south: 5.0,
            west: 0.0,
            north: 4.0,
            east: 1.0,
        }),
        ..Default::default()
    };
    let request = pb::ListTasksRequest {
        filter: Some(upside_down),
        ..Default::default()
    };
    assert_eq!(
        fields(&supervisor.tasks().list_tasks(request).await.unwrap_err()),
        ["filter.box"]
    );
}

#[tokio::test]
async fn paging_under_inserts_neither_loses_nor_repeats() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let mut wanted = HashSet::new();
    for number in 0..25 {
        wanted.insert(supervisor.task(&format!("Tarea {number}")).await.id);
    }
    for order_by in [
        "",
        "create_time",
        "priority",
        "priority desc",
        "planned_start_time desc",
        "update_time",
    ] {
        let mut seen = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListTasksRequest {
                page_size: 4,
                page_token,
                order_by: order_by.to_owned(),
                ..Default::default()
            };
            let page = supervisor.tasks().list_tasks(request).await.unwrap().into_inner();
            seen.extend(page.tasks.iter().map(|task| task.id).filter(|id| wanted.contains(id)));
            supervisor.task("Entremedias").await;
            page_token = page.next_page_token;
            if page_token.is_empty() || seen.len() > 25 {
                break;
            }
        }
        assert_eq!(seen.len(), 25, "{order_by}");
        assert_eq!(seen.into_iter().collect::<HashSet<_>>(), wanted, "{order_by}");
    }
    let request = pb::ListTasksRequest {
        page_token: "AAAA".to_owned(),
        ..Default::default()
    };
    let refused = supervisor.tasks().list_tasks(request).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_PAGE_TOKEN");
}

#[tokio::test]
async fn a_batch_comes_in_the_order_asked_for_and_fails_whole() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let (one, two) = (supervisor.task("Uno").await, supervisor.task("Dos").await);
    let ask = |ids: &[i64]| pb::BatchGetTasksRequest { ids: ids.to_vec() };
    let got = supervisor
        .tasks()
        .batch_get_tasks(ask(&[two.id, one.id]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(got.tasks, [two, one.clone()]);
    let refused = supervisor.tasks().batch_get_tasks(ask(&[one.id, 999_999])).await.unwrap_err();
    assert_eq!(reason(&refused), "TASK_NOT_FOUND");
    assert_eq!(
        supervisor.tasks().batch_get_tasks(ask(&[])).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_small_calls_at_a_time_on_one_connection_are_all_answered() {
    let world = World::with(|settings| settings.max_concurrent_calls = 2000).await;
    let supervisor = world.supervisor().await;
    let task = supervisor.task("Patrullar").await.id;
    let calls = (0..1000).map(async |_| supervisor.tasks().get_task(pb::GetTaskRequest { id: task }).await);
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap().into_inner().id, task);
    }
}
