//! Checklists of tasks.

use gad::pb::{self, EventType};
use tonic::{Code, Response, Status};

use crate::{
    live::{Watcher, task_of},
    world::{Person, World},
};

async fn update(person: &Person, request: pb::UpdateChecklistItemRequest) -> Result<Response<pb::ChecklistItem>, Status> {
    person.checklists().update_checklist_item(request).await
}

#[tokio::test]
async fn who_is_on_a_task_ticks_off_what_who_directs_it_wrote() {
    let world = World::start().await;
    let (supervisor, agent, other) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    let task = supervisor.task("Revisar la puerta").await.id;
    let request = pb::AssignTaskRequest {
        id: task,
        agent_id: agent.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().assign_task(request).await.unwrap();
    let mut items = Vec::new();
    for title in ["Abrir", "Mirar", "Cerrar"] {
        let request = pb::CreateChecklistItemRequest {
            task_id: task,
            title: title.to_owned(),
            ..Default::default()
        };
        items.push(
            supervisor
                .checklists()
                .create_checklist_item(request)
                .await
                .unwrap()
                .into_inner(),
        );
    }
    let tick = |done| pb::UpdateChecklistItemRequest {
        id: items[1].id,
        done: Some(done),
        ..Default::default()
    };
    assert_eq!(update(&other, tick(true)).await.unwrap_err().code(), Code::NotFound);
    let mut watcher = Watcher::live(&supervisor).await;
    let done = update(&agent, tick(true)).await.unwrap().into_inner();
    assert_eq!((done.done, done.done_user_id), (true, agent.id));
    let event = watcher.event().await;
    assert_eq!((event.r#type(), task_of(&event).id), (EventType::TaskChecklistChanged, task));
    // It stays who did it.
    let again = update(&supervisor, tick(true)).await.unwrap().into_inner();
    assert_eq!((again.done_user_id, again.done_time), (agent.id, done.done_time));
    let back = update(&agent, tick(false)).await.unwrap().into_inner();
    assert_eq!((back.done, back.done_user_id, back.done_time), (false, 0, None));
    let rewrite = pb::UpdateChecklistItemRequest {
        id: items[1].id,
        title: Some("Mirar bien".to_owned()),
        ..Default::default()
    };
    assert_eq!(
        update(&agent, rewrite.clone()).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    update(&supervisor, rewrite).await.unwrap();
    let gone = pb::DeleteChecklistItemRequest {
        id: items[0].id,
        ..Default::default()
    };
    supervisor.checklists().delete_checklist_item(gone).await.unwrap();
    let request = pb::ListChecklistItemsRequest { task_id: task };
    let left = agent
        .checklists()
        .list_checklist_items(request)
        .await
        .unwrap()
        .into_inner()
        .items;
    let titles: Vec<&str> = left.iter().map(|item| item.title.as_str()).collect();
    assert_eq!(titles, ["Mirar bien", "Cerrar"]);
}
