//! What people say of tasks.

use gad::pb::{self, CommentKind, EventType, TaskAction};
use tonic::Code;

use crate::{
    live::{Watcher, task_of},
    privacy::{export, records},
    world::{Person, World, reason},
};

async fn say(person: &Person, task_id: i64, text: &str) -> pb::Comment {
    let request = pb::CreateCommentRequest {
        task_id,
        text: text.to_owned(),
        ..Default::default()
    };
    person.comments().create_comment(request).await.unwrap().into_inner()
}

fn page(task_id: i64, token: &str) -> pb::ListCommentsRequest {
    pb::ListCommentsRequest {
        task_id,
        page_size: 2,
        page_token: token.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn comments_are_said_changed_taken_back_and_told_to_who_sees_the_task() {
    let world = World::start().await;
    let (supervisor, agent, other) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    let task = agent.task("Revisar la puerta").await;
    let mut watcher = Watcher::live(&supervisor).await;
    let mut stranger = Watcher::live(&other).await;
    let first = say(&agent, task.id, "Está abierta").await;
    let update = |etag: &str| pb::UpdateCommentRequest {
        id: first.id,
        text: "Estaba abierta".to_owned(),
        etag: etag.to_owned(),
        ..Default::default()
    };
    let refused = supervisor.comments().update_comment(update("")).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let updated = agent
        .comments()
        .update_comment(update(&first.etag))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (updated.text.as_str(), updated.create_time),
        ("Estaba abierta", first.create_time)
    );
    let refused = agent.comments().update_comment(update(&first.etag)).await.unwrap_err();
    assert_eq!(reason(&refused), "STALE_ETAG");
    let gone = pb::DeleteCommentRequest {
        id: first.id,
        ..Default::default()
    };
    let refused = other.comments().delete_comment(gone.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "COMMENT_NOT_FOUND");
    agent.comments().delete_comment(gone).await.unwrap();
    for _ in 0..3 {
        let event = watcher.event().await;
        assert_eq!((event.r#type(), event.actor_user_id), (EventType::TaskCommented, agent.id));
        assert_eq!((task_of(&event).id, task_of(&event).revision), (task.id, task.revision));
    }
    // The stranger hears of its own task first.
    let own = other.task("Otra cosa").await;
    assert_eq!(task_of(&stranger.event().await).id, own.id);
    let request = pb::ListTaskHistoryRequest {
        task_id: task.id,
        ..Default::default()
    };
    let history = agent.tasks().list_task_history(request).await.unwrap().into_inner().entries;
    let said: Vec<TaskAction> = history.iter().skip(1).map(pb::TaskHistoryEntry::action).collect();
    assert_eq!(said, [TaskAction::Comment; 3]);
}

#[tokio::test]
async fn pages_of_comments_are_whole_while_others_speak() {
    let world = World::start().await;
    let agent = world.agent().await;
    let task = agent.task("Revisar la puerta").await.id;
    let mut said = Vec::new();
    for text in ["uno", "dos", "tres", "cuatro"] {
        said.push(say(&agent, task, text).await);
    }
    let first = agent.comments().list_comments(page(task, "")).await.unwrap().into_inner();
    assert_eq!(first.comments, said[..2]);
    let late = say(&agent, task, "cinco").await;
    let second = agent
        .comments()
        .list_comments(page(task, &first.next_page_token))
        .await
        .unwrap();
    let second = second.into_inner();
    assert_eq!(second.comments, said[2..]);
    let third = agent
        .comments()
        .list_comments(page(task, &second.next_page_token))
        .await
        .unwrap();
    let third = third.into_inner();
    assert_eq!((third.comments, third.next_page_token.as_str()), (vec![late], ""));
    let notes = pb::ListCommentsRequest {
        kind: CommentKind::Note as i32,
        page_token: first.next_page_token,
        ..page(task, "")
    };
    let refused = agent.comments().list_comments(notes).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_PAGE_TOKEN");
}

#[tokio::test]
async fn words_and_files_of_a_person_are_told_to_them_and_go_with_them() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let rosa = world.newcomer("rosalba@gad.example", pb::UserLevel::Agent, &[]).await;
    let task = rosa.task("Revisar la puerta").await.id;
    say(&rosa, task, "Mi palabra secreta").await;
    let others = say(&supervisor, task, "Lo vio rosalba@gad.example ayer").await;
    let pieces = tokio_stream::iter([crate::attachment::piece(task, &crate::attachment::png(300))]);
    rosa.attachments().upload_attachment(pieces).await.unwrap();
    let item = pb::CreateChecklistItemRequest {
        task_id: task,
        title: "Avisar a rosalba@gad.example".to_owned(),
        ..Default::default()
    };
    supervisor.checklists().create_checklist_item(item).await.unwrap();
    let told = export(
        &rosa,
        pb::ExportPersonalDataRequest {
            user_id: rosa.id,
            ..Default::default()
        },
    )
    .await;
    assert_eq!(records(&told, "comments")[0]["text"], "Mi palabra secreta");
    assert_eq!(records(&told, "attachments")[0]["file_name"], "puerta.png");

    let cancel = pb::TaskStepRequest {
        id: task,
        reason: "ya".to_owned(),
        ..Default::default()
    };
    supervisor.tasks().cancel_task(cancel).await.unwrap();
    let erase = pb::ErasePersonRequest {
        user_id: rosa.id,
        reason: "lo pidió por escrito".to_owned(),
        ..Default::default()
    };
    administrator.privacy().erase_person(erase).await.unwrap();
    let request = pb::ListCommentsRequest {
        task_id: task,
        ..Default::default()
    };
    let left = supervisor
        .comments()
        .list_comments(request)
        .await
        .unwrap()
        .into_inner()
        .comments;
    let name = format!("USUARIO_ELIMINADO_{}", rosa.id);
    assert_eq!((left[0].text.as_str(), left[0].user_id), ("", rosa.id));
    assert_eq!(
        (left[1].id, left[1].text.as_str()),
        (others.id, format!("Lo vio {name} ayer").as_str())
    );
    let request = pb::ListChecklistItemsRequest { task_id: task };
    let items = supervisor
        .checklists()
        .list_checklist_items(request)
        .await
        .unwrap()
        .into_inner()
        .items;
    assert_eq!(items[0].title, format!("Avisar a {name}"));
    let database = world.database().await;
    crate::world::until("the file is gone", async || {
        let left: i64 = database.query_one("select count(*) from blobs", &[]).await.unwrap().get(0);
        left == 0
    })
    .await;
    // Nor does the audit tell it any more.
    let sql = "select count(*) from audit where detail::text ~ 'palabra secreta|rosalba' or reason ~ 'rosalba'";
    let told: i64 = database.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(told, 0);
}
