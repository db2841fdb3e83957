//! Tasks from files.

use gad::pb::{self, ImportFormat, ImportedRowStatus as RowStatus, google::api::HttpBody};
use tonic::{Code, Status};

use crate::{
    edge::Edge,
    world::{Person, World},
};

fn piece(data: impl Into<Vec<u8>>) -> Option<HttpBody> {
    Some(HttpBody {
        content_type: "text/csv".to_owned(),
        data: data.into(),
        extensions: Vec::new(),
    })
}

async fn import(person: &Person, requests: Vec<pb::ImportTasksRequest>) -> Result<pb::ImportTasksResponse, Status> {
    let answer = person.bulk().import_tasks(tokio_stream::iter(requests)).await?;
    Ok(answer.into_inner())
}

fn request(text: &str) -> pb::ImportTasksRequest {
    pb::ImportTasksRequest {
        file: piece(text),
        ..Default::default()
    }
}

fn statuses(answer: &pb::ImportTasksResponse) -> Vec<RowStatus> {
    answer.rows.iter().map(pb::ImportedRow::status).collect()
}

async fn count(world: &World) -> i64 {
    let row = world.database().await.query_one("select count(*) from tasks", &[]).await;
    row.unwrap().get(0)
}

/// Two good rows, one without a kind, one off the globe, one whose delegate nobody is, one that ends before it begins.
const MIXED: &str = "codigo,titulo,tipo,latitud,longitud,responsable,inicio_planificado,fin_planificado
I-1,Ronda,PATROL,4.65,-74.07,,2031-05-01T08:00:00-05:00,
I-2,Sin tipo,,,,,,
I-3,Lejos,PATROL,95,-74.07,,,
I-4,De nadie,PATROL,,,999999,,
I-5,Al revés,PATROL,,,,2031-05-01T08:00:00Z,2031-05-01T07:00:00Z
I-6,'=Otra,TASK_KIND_PATROL,,,,,
I-7,,PATROL,,,,,
I-8,Tarde,PATROL,,,,mañana,
";

#[tokio::test]
async fn each_row_is_judged_by_itself_and_says_its_field() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let answer = import(&person, vec![request(MIXED)]).await.unwrap();
    let told: Vec<(i32, RowStatus, String)> = answer
        .rows
        .iter()
        .map(|row| {
            (
                row.row,
                row.status(),
                row.refusal.clone().map(|refusal| refusal.field).unwrap_or_default(),
            )
        })
        .collect();
    let refused = |row, field: &str| (row, RowStatus::Refused, field.to_owned());
    assert_eq!(
        told,
        [
            (1, RowStatus::Created, String::new()),
            refused(2, "kind"),
            refused(3, "location.latitude"),
            refused(4, ""),
            refused(5, "planned_end_time"),
            (6, RowStatus::Created, String::new()),
            refused(7, "title"),
            refused(8, "planned_start_time"),
        ]
    );
    assert_eq!(
        answer.rows[3].refusal.as_ref().unwrap().reason(),
        pb::ErrorReason::UserNotFound
    );
    assert_eq!((answer.created_count, answer.refused_count, answer.applied), (2, 6, true));
    let first = pb::GetTaskRequest {
        id: answer.rows[0].task_id,
    };
    let first = person.tasks().get_task(first).await.unwrap().into_inner();
    assert_eq!((first.code.as_str(), first.title.as_str()), ("I-1", "Ronda"));
    assert_eq!(first.planned_start_time.unwrap().seconds, 1_935_406_800);
    assert!(first.zone_id.is_some(), "it has its place");
    let other = pb::GetTaskRequest {
        id: answer.rows[5].task_id,
    };
    assert_eq!(person.tasks().get_task(other).await.unwrap().into_inner().title, "=Otra");
    assert_eq!(count(&world).await, 2);
}

#[tokio::test]
async fn all_or_nothing_creates_nothing_if_a_row_is_refused() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let whole = |text| pb::ImportTasksRequest {
        all_or_nothing: true,
        ..request(text)
    };
    let answer = import(&person, vec![whole(MIXED)]).await.unwrap();
    assert_eq!((answer.created_count, answer.applied), (0, false));
    assert_eq!(statuses(&answer)[0], RowStatus::Undone);
    assert_eq!(count(&world).await, 0);
    let answer = import(&person, vec![whole("title,kind\nUna,PATROL\nOtra,TRAINING\n")])
        .await
        .unwrap();
    assert_eq!((answer.created_count, answer.applied), (2, true));
    assert_eq!(count(&world).await, 2);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let mut dry = request(MIXED);
    dry.validate_only = true;
    let tried = import(&person, vec![dry]).await.unwrap();
    assert_eq!((count(&world).await, tried.applied), (0, false));
    assert!(tried.rows.iter().all(|row| row.task_id == 0));
    let meant = import(&person, vec![request(MIXED)]).await.unwrap();
    assert_eq!(statuses(&tried), statuses(&meant));
    let audited = world.database().await;
    let sql = "select count(*) from audit where method = 'gad.v1.BulkService/ImportTasks' and outcome = 'OK'";
    assert_eq!(audited.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 2);
}

#[tokio::test]
async fn a_file_that_is_sent_again_creates_nothing_again() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let text = "code,title,kind\nA-1,Una,PATROL\nA-2,Otra,PATROL\nA-1,Otra vez,PATROL\n";
    let first = import(&person, vec![request(text)]).await.unwrap();
    assert_eq!(
        statuses(&first),
        [RowStatus::Created, RowStatus::Created, RowStatus::Existing]
    );
    let again = import(&person, vec![request(text)]).await.unwrap();
    assert_eq!(statuses(&again), [RowStatus::Existing; 3]);
    // What has no code is known by the request's name.
    let mut named = request("title,kind\nSin código,PATROL\n");
    named.request_id = "una-vez".to_owned();
    let first = import(&person, vec![named.clone()]).await.unwrap();
    assert_eq!(import(&person, vec![named.clone()]).await.unwrap(), first);
    assert_eq!(count(&world).await, 3);
    named.all_or_nothing = true;
    assert_eq!(import(&person, vec![named]).await.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn what_was_exported_can_be_imported() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let text = "title,kind,latitude,longitude,description\n\"Ronda, \"\"norte\"\"\",PATROL,4.65,-74.07,\"'+uno\nñ\"\n";
    import(&person, vec![request(text)]).await.unwrap();
    for format in [pb::ExportFormat::Csv, pb::ExportFormat::Jsonl] {
        let wanted = pb::ExportTasksRequest {
            format: format as i32,
            ..Default::default()
        };
        let mut pieces = person.bulk().export_tasks(wanted).await.unwrap().into_inner();
        let mut requests = Vec::new();
        while let Some(piece) = pieces.message().await.unwrap() {
            requests.push(pb::ImportTasksRequest {
                file: Some(piece),
                ..Default::default()
            });
        }
        let answer = import(&person, requests.clone()).await.unwrap();
        assert_eq!(statuses(&answer), [RowStatus::Existing], "{format:?}");
        // In a city that does not have it, it comes to be as it was.
        let other = World::start().await;
        let there = other.supervisor().await;
        let answer = import(&there, requests).await.unwrap();
        assert_eq!(statuses(&answer), [RowStatus::Created], "{format:?} {answer:?}");
        let get = pb::GetTaskRequest {
            id: answer.rows[0].task_id,
        };
        let task = there.tasks().get_task(get).await.unwrap().into_inner();
        assert_eq!(
            (task.title.as_str(), task.description.as_str()),
            ("Ronda, \"norte\"", "+uno\nñ")
        );
        assert_eq!(task.location.unwrap().latitude, 4.65);
    }
}

#[tokio::test]
async fn files_that_are_too_long_or_no_files_are_refused_whole() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let long = pb::ImportTasksRequest {
        format: ImportFormat::Csv as i32,
        file: piece(vec![b'x'; 3 * 1024 * 1024]),
        ..Default::default()
    };
    let rows = "title,kind\n".to_owned() + &"Una,PATROL\n".repeat(5001);
    let unknown = pb::ImportTasksRequest {
        file: Some(HttpBody {
            content_type: "image/png".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    for wrong in [vec![long; 4], vec![request(&rows)], vec![unknown], vec![], vec![request("")]] {
        let error = import(&person, wrong).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error:?}");
    }
    assert_eq!(count(&world).await, 0);
    let agent = world.agent().await;
    let error = import(&agent, vec![request("title,kind\nUna,PATROL\n")]).await.unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_file_is_imported_over_rest_too() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let person = world.supervisor().await;
    let post = async |query: &str| {
        let request = reqwest::Client::new()
            .post(edge.url(&format!("/v1/tasks:import{query}")))
            .bearer_auth(&person.token)
            .header("content-type", "text/csv; charset=utf-8")
            .body("titulo,tipo\nUna,PATROL\nOtra,NADA\n");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json::<serde_json::Value>().await.unwrap()
    };
    let tried = post("?validate_only=true").await;
    assert_eq!((&tried["created_count"], &tried["applied"]), (&1.into(), &false.into()));
    assert_eq!(count(&world).await, 0);
    let meant = post("?request_id=por-rest").await;
    assert_eq!((&meant["created_count"], &meant["applied"]), (&1.into(), &true.into()));
    assert_eq!(meant["rows"][1]["refusal"]["field"], "kind");
    assert_eq!(post("?request_id=por-rest").await, meant);
    assert_eq!(count(&world).await, 1);
}

#[tokio::test]
async fn a_long_file_is_imported_in_pieces_each_of_them_once() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let rows: String = (0..250).map(|row| format!("L-{},Ronda,PATROL\n", row % 240)).collect();
    let mut named = request(&("code,title,kind\n".to_owned() + &rows));
    named.request_id = "larga".to_owned();
    let mut dry = named.clone();
    dry.validate_only = true;
    let tried = import(&person, vec![dry]).await.unwrap();
    assert_eq!((tried.created_count, tried.existing_count, tried.applied), (240, 10, false));
    let first = import(&person, vec![named.clone()]).await.unwrap();
    assert_eq!((first.created_count, first.existing_count, first.refused_count), (240, 10, 0));
    assert_eq!(
        first.rows.iter().map(|row| row.row).collect::<Vec<_>>(),
        (1..=250).collect::<Vec<_>>()
    );
    assert_eq!(import(&person, vec![named.clone()]).await.unwrap(), first);
    assert_eq!(count(&world).await, 240);
    // What was broken off after its first pieces goes on there.
    let database = world.database().await;
    database
        .batch_execute(
            "delete from replays where request_id = 'larga/3';
             delete from task_history where task_id in (select id from tasks where code in ('L-238', 'L-239'));
             delete from tasks where code in ('L-238', 'L-239')",
        )
        .await
        .unwrap();
    let again = import(&person, vec![named]).await.unwrap();
    assert_eq!((again.created_count, count(&world).await), (202, 240));
    assert_eq!(again.rows[..200], first.rows[..200]);
    let many = pb::ImportTasksRequest {
        all_or_nothing: true,
        ..request(&("title,kind\n".to_owned() + &"Ronda,PATROL\n".repeat(501)))
    };
    assert_eq!(import(&person, vec![many]).await.unwrap_err().code(), Code::InvalidArgument);
}
