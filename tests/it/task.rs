//! Tasks through the front door.

use crate::world::{World, draft, fields, reason};
use gad::pb::{self, TaskState};

#[tokio::test]
async fn a_task_goes_from_scheduled_to_finished() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let task = supervisor.task("Patrullar el parque").await;
    assert_eq!(task.state(), TaskState::Scheduled);
    let step = |id| pb::TaskStepRequest {
        id,
        ..Default::default()
    };
    let task = supervisor.tasks().start_task(step(task.id)).await.unwrap().into_inner();
    assert_eq!(task.state(), TaskState::InProgress);
    let task = supervisor.tasks().pause_task(step(task.id)).await.unwrap().into_inner();
    let task = supervisor.tasks().resume_task(step(task.id)).await.unwrap().into_inner();
    let task = supervisor.tasks().finish_task(step(task.id)).await.unwrap().into_inner();
    assert_eq!(task.state(), TaskState::Finished);
    let refused = supervisor.tasks().start_task(step(task.id)).await.unwrap_err();
    assert_eq!(reason(&refused), "ILLEGAL_STEP");
}

#[tokio::test]
async fn a_task_without_a_title_is_refused() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let request = pb::CreateTaskRequest {
        task: Some(draft("")),
        ..Default::default()
    };
    let refused = supervisor.tasks().create_task(request).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_FIELD");
    assert_eq!(fields(&refused), ["task.title"]);
}
