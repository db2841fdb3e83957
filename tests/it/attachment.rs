//! Files of tasks, and what proves that the work was done.

use std::{path::Path, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use gad::{
    clock::Clock,
    config::ServeSettings,
    pb::{self, AttachmentKind, EventType, TaskAction, TaskKind, google::api::HttpBody},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use jiff::{SignedDuration, Timestamp};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::{
    edge::Edge,
    live::{Watcher, task_of},
    world::{Person, World, draft, reason, until},
};

/// A file that begins like a PNG, of so many bytes.
pub fn png(length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    let more = (bytes.len()..length).map(|at| u8::try_from(at * 31 % 251).unwrap());
    bytes.extend(more.collect::<Vec<_>>());
    bytes
}

/// The first message of an upload, with all of a file in it.
pub fn piece(task_id: i64, bytes: &[u8]) -> pb::UploadAttachmentRequest {
    pb::UploadAttachmentRequest {
        task_id,
        kind: AttachmentKind::Photo as i32,
        file_name: "puerta.png".to_owned(),
        file: Some(body(bytes)),
        ..Default::default()
    }
}

/// A piece of a file.
pub fn body(bytes: &[u8]) -> HttpBody {
    HttpBody {
        content_type: "text/html".to_owned(),
        data: bytes.to_vec(),
        extensions: Vec::new(),
    }
}

/// Uploads in pieces of this many bytes.
async fn upload(
    person: &Person,
    head: pb::UploadAttachmentRequest,
    bytes: &[u8],
    size: usize,
) -> Result<Response<pb::Attachment>, Status> {
    let mut pieces = vec![pb::UploadAttachmentRequest { file: None, ..head }];
    pieces.extend(bytes.chunks(size).map(|chunk| pb::UploadAttachmentRequest {
        file: Some(body(chunk)),
        ..Default::default()
    }));
    person.attachments().upload_attachment(tokio_stream::iter(pieces)).await
}

async fn add(person: &Person, task_id: i64, kind: AttachmentKind) -> pb::Attachment {
    let head = pb::UploadAttachmentRequest {
        kind: kind as i32,
        ..piece(task_id, &[])
    };
    upload(person, head, &png(500), 100).await.unwrap().into_inner()
}

async fn download(person: &Person, id: i64) -> Result<Vec<u8>, Status> {
    let mut stream = person
        .attachments()
        .download_attachment(pb::GetAttachmentRequest { id })
        .await?
        .into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.message().await? {
        assert_eq!(piece.content_type, "image/png");
        bytes.extend(piece.data);
    }
    Ok(bytes)
}

async fn list(person: &Person, task_id: i64) -> Vec<pb::Attachment> {
    let request = pb::ListAttachmentsRequest {
        task_id,
        ..Default::default()
    };
    let answer = person.attachments().list_attachments(request).await.unwrap();
    answer.into_inner().attachments
}

async fn delete(person: &Person, id: i64) -> Result<Response<pb::Attachment>, Status> {
    let request = pb::DeleteAttachmentRequest {
        id,
        ..Default::default()
    };
    person.attachments().delete_attachment(request).await
}

/// Files below a folder.
pub fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |path: &Path| if path.is_dir() { files(path) } else { 1 };
    entries.map(|entry| count(&entry.unwrap().path())).sum()
}

/// How many files there are, or are to be.
pub async fn blobs(world: &World) -> i64 {
    let database = world.database().await;
    database.query_one("select count(*) from blobs", &[]).await.unwrap().get(0)
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

#[tokio::test]
async fn a_file_that_came_in_pieces_is_the_same_when_it_goes() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let task = agent.task("Revisar la puerta").await;
    let mut watcher = Watcher::live_to_types(&supervisor, &[EventType::TaskAttachmentsChanged]).await;
    let bytes = png(200_001);
    let head = pb::UploadAttachmentRequest {
        note: "La puerta norte".to_owned(),
        ..piece(task.id, &[])
    };
    let added = upload(&agent, head, &bytes, 7_000).await.unwrap().into_inner();
    assert_eq!(
        (added.task_id, added.user_id, added.size_bytes, added.content_type.as_str()),
        (task.id, agent.id, 200_001, "image/png")
    );
    assert_eq!(
        (added.sha256.as_str(), added.note.as_str()),
        (sha256(&bytes).as_str(), "La puerta norte")
    );
    assert_eq!(download(&supervisor, added.id).await.unwrap(), bytes);
    assert_eq!(list(&agent, task.id).await, std::slice::from_ref(&added));

    let event = watcher.event().await;
    assert_eq!(event.r#type(), EventType::TaskAttachmentsChanged);
    assert_eq!((task_of(&event).id, task_of(&event).revision), (task.id, task.revision));
    let request = pb::ListTaskHistoryRequest {
        task_id: task.id,
        ..Default::default()
    };
    let history = agent.tasks().list_task_history(request).await.unwrap().into_inner().entries;
    let last = history.last().unwrap();
    assert_eq!(
        (last.action(), last.user_id, last.reason.as_str()),
        (TaskAction::Attach, agent.id, "puerta.png")
    );
}

#[tokio::test]
async fn a_file_larger_than_a_request_goes_in_and_out_through_the_edge() {
    let world = World::with(|settings| settings.files.max_file_size = 20 * 1024 * 1024).await;
    let agent = world.agent().await;
    let task = agent.task("Grabar la plaza").await;
    let edge = Edge::before(&[world.replica.address]).await;
    let bytes = png(12 * 1024 * 1024 + 5);
    let http = reqwest::Client::new();
    let path = format!(
        "/v1/tasks/{}/attachments?kind=ATTACHMENT_KIND_PHOTO&file_name=se%C3%B1al.png&request_id=once",
        task.id
    );
    let send = || {
        http.post(edge.url(&path))
            .bearer_auth(&agent.token)
            .header("content-type", "image/png")
            .body(bytes.clone())
    };
    let answer = send().send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let added: Value = answer.json().await.unwrap();
    assert_eq!(
        (&added["sha256"], &added["file_name"]),
        (&sha256(&bytes).into(), &"señal.png".into())
    );
    // Again: the same attachment, and nothing kept twice.
    let again: Value = send().send().await.unwrap().json().await.unwrap();
    assert_eq!(again, added);
    until("the second file is gone", async || blobs(&world).await == 1).await;

    let url = edge.url(&format!("/v1/attachments/{}:download", added["id"].as_str().unwrap()));
    let answer = http.get(&url).bearer_auth(&agent.token).send().await.unwrap();
    let headers = answer.headers().clone();
    assert_eq!(
        (answer.status().as_u16(), &headers["content-type"]),
        (200, &"image/png".parse().unwrap())
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(
        headers["content-disposition"],
        "attachment; filename=\"se_al.png\"; filename*=UTF-8''se%C3%B1al.png"
    );
    assert!(headers["repr-digest"].to_str().unwrap().starts_with("sha-256=:"));
    assert!(answer.bytes().await.unwrap() == bytes);
    let stranger = http.get(&url).send().await.unwrap();
    assert_eq!(stranger.status(), 401);

    let large = http
        .post(edge.url(&format!("/v1/tasks/{}/attachments", task.id)))
        .bearer_auth(&agent.token)
        .body(png(21 * 1024 * 1024));
    let refused = large.send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("FILE_TOO_LARGE"));
    let html = http
        .post(edge.url(&format!("/v1/tasks/{}/attachments", task.id)))
        .bearer_auth(&agent.token)
        .header("content-type", "image/png")
        .body("<html><script>alert(1)</script></html>");
    let refused = html.send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("FILE_TYPE"));
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind() {
    let world = World::start().await;
    let agent = world.agent().await;
    let task = agent.task("Revisar la puerta").await.id;
    let head = |kind: AttachmentKind| pb::UploadAttachmentRequest {
        kind: kind as i32,
        ..piece(task, &[])
    };
    let pdf = b"%PDF-1.7\n".repeat(40);
    for (kind, bytes, expected) in [
        (AttachmentKind::Photo, png(300 * 1024), "FILE_TOO_LARGE"),
        (AttachmentKind::File, b"<svg onload=alert(1)></svg>".to_vec(), "FILE_TYPE"),
        (AttachmentKind::File, b"MZ\x90\0".repeat(30), "FILE_TYPE"),
        (AttachmentKind::File, Vec::new(), "FILE_TYPE"),
        (AttachmentKind::Signature, pdf.clone(), "FILE_TYPE"),
    ] {
        let refused = upload(&agent, head(kind), &bytes, 50_000).await.unwrap_err();
        assert_eq!((reason(&refused).as_str(), refused.code()), (expected, Code::InvalidArgument));
    }
    assert!(list(&agent, task).await.is_empty());
    until("files that were refused are gone", async || blobs(&world).await == 0).await;
    assert_eq!(files(&world.settings.files.files_dir), 0);
    let added = upload(&agent, head(AttachmentKind::File), &pdf, 50_000).await.unwrap();
    assert_eq!(added.into_inner().content_type, "application/pdf");
}

#[tokio::test]
async fn who_does_not_see_the_task_reads_nothing_of_it() {
    let world = World::start().await;
    let (agent, other) = (world.agent().await, world.other_agent().await);
    let task = agent.task("Revisar la puerta").await.id;
    let added = add(&agent, task, AttachmentKind::Photo).await;
    let refused = download(&other, added.id).await.unwrap_err();
    assert_eq!(reason(&refused), "ATTACHMENT_NOT_FOUND");
    let absent = download(&other, 999_999).await.unwrap_err();
    assert_eq!((absent.code(), absent.message()), (refused.code(), refused.message()));
    let refused = upload(&other, piece(task, &[]), &png(100), 100).await.unwrap_err();
    assert_eq!(reason(&refused), "TASK_NOT_FOUND");
    assert_eq!(reason(&delete(&other, added.id).await.unwrap_err()), "ATTACHMENT_NOT_FOUND");
}

#[tokio::test]
async fn files_of_what_was_deleted_and_of_what_was_given_up_are_swept() {
    let world = World::start().await;
    let (administrator, agent) = (world.administrator().await, world.agent().await);
    let task = agent.task("Revisar la puerta").await.id;
    let [kept, deleted] = [0, 1].map(|_| add(&agent, task, AttachmentKind::Photo));
    let (kept, deleted) = (kept.await, deleted.await);
    delete(&agent, deleted.id).await.unwrap();
    until("the deleted one's file is gone", async || blobs(&world).await == 1).await;
    assert_eq!(files(&world.settings.files.files_dir), 1);

    // Somebody goes away in the midst of it, and the server that took it dies.
    let database = world.database().await;
    let uid = uuid::Uuid::now_v7();
    let sql = "insert into blobs (uid, create_time, due_time) values ($1, now(), now() + interval '1 day')";
    database.execute(sql, &[&uid]).await.unwrap();
    let name = uid.simple().to_string();
    let folder = world.settings.files.files_dir.join(&name[30..]);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name + ".part"), "half").unwrap();
    let tomorrow = Clock::of(|| Timestamp::now() + SignedDuration::from_hours(25));
    let later = world.another_replica_at(tomorrow).await;
    until("what was given up is gone", async || blobs(&world).await == 1).await;
    assert_eq!(files(&world.settings.files.files_dir), 1);
    later.stop().await;
    assert_eq!(download(&agent, kept.id).await.unwrap(), png(500));

    // A task that is forgotten takes its files with it.
    database.execute("delete from task_history", &[]).await.unwrap();
    database.execute("delete from tasks where id = $1", &[&task]).await.unwrap();
    until("nothing is left", async || blobs(&world).await == 0).await;
    assert_eq!(files(&world.settings.files.files_dir), 0);
    assert_eq!(
        reason(&download(&administrator, kept.id).await.unwrap_err()),
        "ATTACHMENT_NOT_FOUND"
    );
}

#[tokio::test]
async fn a_task_is_finished_with_the_proof_that_its_kind_takes_and_keeps_it() {
    let world = World::start().await;
    let (administrator, supervisor, agent) = (world.administrator().await, world.supervisor().await, world.agent().await);
    let policy = pb::ProofPolicy {
        kind: TaskKind::Inspection as i32,
        photo_count: 2,
        signature_count: 1,
        whole_checklist: true,
        ..Default::default()
    };
    let request = pb::UpdateProofPolicyRequest {
        policy: Some(policy),
        ..Default::default()
    };
    administrator.attachments().update_proof_policy(request).await.unwrap();
    let mut inspection = draft("Inspeccionar el puente");
    inspection.kind = TaskKind::Inspection as i32;
    let request = pb::CreateTaskRequest {
        task: Some(inspection),
        ..Default::default()
    };
    let task = supervisor.tasks().create_task(request).await.unwrap().into_inner().id;
    let request = pb::AssignTaskRequest {
        id: task,
        agent_id: agent.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().assign_task(request).await.unwrap();
    let request = pb::CreateChecklistItemRequest {
        task_id: task,
        title: "Mirar los pilares".to_owned(),
        ..Default::default()
    };
    let item = supervisor
        .checklists()
        .create_checklist_item(request)
        .await
        .unwrap()
        .into_inner();
    let step = || pb::TaskStepRequest {
        id: task,
        ..Default::default()
    };
    agent.tasks().start_task(step()).await.unwrap();
    let photo = add(&agent, task, AttachmentKind::Photo).await;
    let lacks = |refused: &Status| {
        assert_eq!(
            (reason(refused).as_str(), refused.code()),
            ("PROOF_REQUIRED", Code::FailedPrecondition)
        );
        let violations = refused.get_error_details().precondition_failure().unwrap().violations.clone();
        let each = violations
            .into_iter()
            .map(|violation| (violation.r#type, violation.description));
        each.collect::<Vec<_>>()
    };
    let refused = agent.tasks().finish_task(step()).await.unwrap_err();
    let missing = |names: &[&str]| {
        names
            .iter()
            .map(|name| ((*name).to_owned(), "1".to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(lacks(&refused), missing(&["PHOTO", "SIGNATURE", "CHECKLIST"]));
    add(&agent, task, AttachmentKind::Photo).await;
    add(&agent, task, AttachmentKind::Signature).await;
    let refused = agent.tasks().finish_task(step()).await.unwrap_err();
    assert_eq!(lacks(&refused), missing(&["CHECKLIST"]));
    let tick = pb::UpdateChecklistItemRequest {
        id: item.id,
        done: Some(true),
        ..Default::default()
    };
    agent.checklists().update_checklist_item(tick).await.unwrap();
    agent.tasks().finish_task(step()).await.unwrap();
    // What proves it stays, but for administrators.
    for person in [&agent, &supervisor] {
        assert_eq!(delete(person, photo.id).await.unwrap_err().code(), Code::PermissionDenied);
    }
    delete(&administrator, photo.id).await.unwrap();
}

/// A store that speaks S3, checks signatures, and knows one key.
struct Store {
    folder: TempDir,
    address: std::net::SocketAddr,
}

impl Store {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("gad")).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single("key", "the secret of the store"));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let server = Arc::new(auto::Builder::new(TokioExecutor::new()));
            while let Ok((socket, _)) = listener.accept().await {
                let (server, service) = (Arc::clone(&server), service.clone());
                tokio::spawn(async move {
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { folder, address }
    }

    fn settings(&self, settings: &mut ServeSettings, secret: &str) {
        settings.files.max_file_size = 20 * 1024 * 1024;
        settings.files.s3_bucket = Some("gad".to_owned());
        settings.files.s3_endpoint = format!("http://{}", self.address);
        settings.files.s3_access_key_id = "key".to_owned();
        settings.files.s3_secret_access_key = Some(secret.into());
    }

    fn objects(&self) -> usize {
        files(&self.folder.path().join("gad"))
    }
}

#[tokio::test]
async fn files_can_be_in_a_bucket() {
    let store = Store::start().await;
    let world = World::with(|settings| store.settings(settings, "the secret of the store")).await;
    let agent = world.agent().await;
    let task = agent.task("Revisar la puerta").await.id;
    // One part, and several.
    for length in [1000, 8 * 1024 * 1024, 18 * 1024 * 1024 + 1] {
        let bytes = png(length);
        let added = upload(&agent, piece(task, &[]), &bytes, 1_000_000)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(added.size_bytes, i64::try_from(length).unwrap());
        assert_eq!(store.objects(), 1);
        assert!(download(&agent, added.id).await.unwrap() == bytes);
        delete(&agent, added.id).await.unwrap();
        until("the object is gone", async || store.objects() == 0).await;
    }
    let refused = upload(&agent, piece(task, &[]), &png(21 * 1024 * 1024), 1_000_000).await;
    assert_eq!(reason(&refused.unwrap_err()), "FILE_TOO_LARGE");
    assert_eq!(store.objects(), 0);
    assert_eq!(files(&world.settings.files.files_dir), 0);
}

#[tokio::test]
async fn a_store_that_takes_nothing_from_us_is_a_dependency_that_is_down() {
    let store = Store::start().await;
    let world = World::with(|settings| store.settings(settings, "another secret")).await;
    let agent = world.agent().await;
    let task = agent.task("Revisar la puerta").await.id;
    let refused = upload(&agent, piece(task, &[]), &png(1000), 1000).await.unwrap_err();
    assert_eq!(reason(&refused), "DEPENDENCY_DOWN");
    assert!(list(&agent, task).await.is_empty());
}
