//! Tasks that wait for others.

use futures::future::join_all;
use gad::pb::{self, EventType};
use tonic::{Code, Response, Status};

use crate::{
    live::{Watcher, task_of},
    world::{Person, World, reason},
};

async fn depend(person: &Person, task_id: i64, depends_on_task_id: i64) -> Result<Response<pb::Dependency>, Status> {
    let request = pb::AddDependencyRequest {
        task_id,
        depends_on_task_id,
        ..Default::default()
    };
    person.dependencies().add_dependency(request).await
}

async fn list(person: &Person, task_id: i64) -> pb::ListDependenciesResponse {
    let request = pb::ListDependenciesRequest { task_id };
    person.dependencies().list_dependencies(request).await.unwrap().into_inner()
}

fn step(id: i64) -> pb::TaskStepRequest {
    pb::TaskStepRequest {
        id,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_task_starts_when_all_that_it_waits_for_is_finished() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let mut tasks = Vec::new();
    for title in ["Cerrar la vía", "Traer la máquina", "Bachear"] {
        tasks.push(supervisor.task(title).await.id);
    }
    let (last, first) = (tasks[2], &tasks[..2]);
    let mut watcher = Watcher::live(&supervisor).await;
    for before in first {
        depend(&supervisor, last, *before).await.unwrap();
        let event = watcher.event().await;
        assert_eq!(
            (event.r#type(), task_of(&event).id),
            (EventType::TaskDependenciesChanged, last)
        );
    }
    // Once more: it is there.
    depend(&supervisor, last, tasks[0]).await.unwrap();
    assert_eq!(list(&supervisor, last).await.depends_on.len(), 2);
    assert_eq!(list(&supervisor, tasks[0]).await.needed_by.len(), 1);
    let refused = supervisor.tasks().start_task(step(last)).await.unwrap_err();
    assert_eq!(
        (reason(&refused).as_str(), refused.code()),
        ("DEPENDENCY_UNFINISHED", Code::FailedPrecondition)
    );
    supervisor.tasks().start_task(step(tasks[0])).await.unwrap();
    supervisor.tasks().finish_task(step(tasks[0])).await.unwrap();
    // What was cancelled is waited for: somebody must say that it is not needed.
    let cancel = pb::TaskStepRequest {
        reason: "no hay máquina".to_owned(),
        ..step(tasks[1])
    };
    supervisor.tasks().cancel_task(cancel).await.unwrap();
    let refused = supervisor.tasks().start_task(step(last)).await.unwrap_err();
    assert_eq!(reason(&refused), "DEPENDENCY_UNFINISHED");
    let remove = pb::RemoveDependencyRequest {
        task_id: last,
        depends_on_task_id: tasks[1],
        ..Default::default()
    };
    supervisor.dependencies().remove_dependency(remove).await.unwrap();
    // What was deleted is not.
    let deleted = supervisor.task("Nada").await.id;
    depend(&supervisor, last, deleted).await.unwrap();
    let delete = pb::DeleteTaskRequest {
        id: deleted,
        ..Default::default()
    };
    administrator.tasks().delete_task(delete).await.unwrap();
    supervisor.tasks().start_task(step(last)).await.unwrap();
}

#[tokio::test]
async fn no_two_calls_close_a_circle_together() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let other = world.another_replica().await;
    let elsewhere = supervisor.over(other.channel());
    for round in 0..10 {
        let mut tasks = Vec::new();
        for place in 0..6 {
            tasks.push(supervisor.task(&format!("Ronda {round} {place}")).await.id);
        }
        // Each waits for the next, all at once, on two servers: one of them must be refused.
        let calls = (0..6).map(|at| {
            let person = if at % 2 == 0 { &supervisor } else { &elsewhere };
            depend(person, tasks[at], tasks[(at + 1) % 6])
        });
        let answers = join_all(calls).await;
        let refused: Vec<String> = answers
            .into_iter()
            .filter_map(|answer| answer.err().as_ref().map(reason))
            .collect();
        assert_eq!(refused, ["DEPENDENCY_CYCLE"]);
    }
    let task = supervisor.task("Sola").await.id;
    assert_eq!(
        reason(&depend(&supervisor, task, task).await.unwrap_err()),
        "DEPENDENCY_CYCLE"
    );
    other.stop().await;
}

#[tokio::test]
async fn of_tasks_that_somebody_does_not_see_only_their_number_is_told() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let (own, hidden) = (agent.task("De la agente").await.id, supervisor.task("De otros").await.id);
    depend(&supervisor, own, hidden).await.unwrap();
    let told = list(&agent, own).await;
    assert_eq!((told.depends_on, told.hidden_count), (Vec::new(), 1));
    let refused = supervisor.tasks().start_task(step(own)).await.unwrap_err();
    assert_eq!(reason(&refused), "DEPENDENCY_UNFINISHED");
}
