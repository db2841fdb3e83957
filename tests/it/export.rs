//! Lists as files.

use std::io::{Cursor, Read as _};

use futures::StreamExt as _;
use gad::pb::{self, ExportFormat, UserLevel};
use serde_json::Value;
use tonic::{Code, Request};

use crate::{
    edge::Edge,
    world::{Person, World, draft, until},
};

/// Makes many tasks by the database, with this much to say.
async fn stock(world: &World, count: i32, letters: i32) {
    let supervisor = world.supervisor().await;
    let sql = "insert into tasks (uid, code, title, description, kind, priority, state, planned_start_time, location,
                                  delegate_user_id, creator_user_id, create_time, update_time)
               select gen_random_uuid(), 'M-' || n, 'Ronda ' || n, repeat('x', $2), 1 + n % 7, 1 + n % 5, 1,
                      now() + n * interval '1 minute', st_makepoint(-74.11 + (n % 80) * 0.001, 4.62 + (n % 60) * 0.001),
                      $3, $3, now() - n % 97 * interval '1 hour', now()
               from generate_series(1, $1) n";
    world
        .database()
        .await
        .execute(sql, &[&count, &letters, &supervisor.id])
        .await
        .unwrap();
}

/// The whole file that a stream is.
async fn file(person: &Person, request: impl tonic::IntoRequest<pb::ExportTasksRequest>) -> Vec<u8> {
    let mut pieces = person.bulk().export_tasks(request).await.unwrap().into_inner();
    let mut file = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        file.extend(piece.data);
    }
    file
}

async fn whole_list(person: &Person, filter: pb::TaskFilter, order_by: &str) -> Vec<pb::Task> {
    let mut request = pb::ListTasksRequest {
        page_size: 1000,
        filter: Some(filter),
        order_by: order_by.to_owned(),
        ..Default::default()
    };
    let mut tasks = Vec::new();
    loop {
        let page = person.tasks().list_tasks(request.clone()).await.unwrap().into_inner();
        tasks.extend(page.tasks);
        if page.next_page_token.is_empty() {
            return tasks;
        }
        request.page_token = page.next_page_token;
    }
}

fn wanted(format: ExportFormat, filter: pb::TaskFilter, order_by: &str) -> pb::ExportTasksRequest {
    pb::ExportTasksRequest {
        format: format as i32,
        filter: Some(filter),
        order_by: order_by.to_owned(),
    }
}

fn ids_of_lines(file: &[u8]) -> Vec<(i64, i64)> {
    let lines = std::str::from_utf8(file).unwrap().lines();
    let values = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    values
        .map(|value| (value["id"].as_i64().unwrap(), value["revision"].as_i64().unwrap()))
        .collect()
}

fn ids_of_values(file: &[u8]) -> Vec<(i64, i64)> {
    let mut reader = csv::Reader::from_reader(file);
    let names = reader.headers().unwrap().clone();
    let at = |name: &str| names.iter().position(|known| known == name).unwrap();
    let (id, revision) = (at("id"), at("version"));
    let number = |text: &str| text.parse().unwrap();
    let records = reader.records().map(Result::unwrap);
    records
        .map(|record| (number(&record[id]), number(&record[revision])))
        .collect()
}

/// A part of a workbook.
fn part(file: &[u8], name: &str) -> String {
    let mut book = zip::ZipArchive::new(Cursor::new(file)).unwrap();
    let mut text = String::new();
    book.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn ids_of_book(file: &[u8]) -> Vec<i64> {
    let sheet = part(file, "xl/worksheets/sheet1.xml");
    let first = regex::Regex::new(r#"<c r="A(\d+)"><v>(\d+)</v>"#).unwrap();
    first.captures_iter(&sheet).map(|cell| cell[2].parse().unwrap()).collect()
}

#[tokio::test]
async fn an_export_is_the_list_with_the_same_filter_order_and_caller_in_every_form() {
    let world = World::start().await;
    stock(&world, 1300, 20).await;
    let limited = world
        .newcomer("zonal@gad.example", UserLevel::Supervisor, &[world.zone("Z-NE").await])
        .await;
    let agent = world.agent().await;
    agent.task("De la agente").await;
    let high = pb::TaskFilter {
        priorities: vec![pb::TaskPriority::High as i32, pb::TaskPriority::Low as i32],
        ..Default::default()
    };
    let worded = pb::TaskFilter {
        text: "ronda 12".to_owned(),
        ..Default::default()
    };
    for person in [world.supervisor().await, limited, agent] {
        for (filter, order) in [
            (pb::TaskFilter::default(), ""),
            (high.clone(), "priority"),
            (worded.clone(), "planned_start_time desc"),
        ] {
            let list = whole_list(&person, filter.clone(), order).await;
            let expected: Vec<(i64, i64)> = list.iter().map(|task| (task.id, task.revision)).collect();
            let lines = file(&person, wanted(ExportFormat::Jsonl, filter.clone(), order)).await;
            assert_eq!(ids_of_lines(&lines), expected);
            let values = file(&person, wanted(ExportFormat::Csv, filter.clone(), order)).await;
            assert_eq!(ids_of_values(&values), expected);
            let book = file(&person, wanted(ExportFormat::Xlsx, filter, order)).await;
            assert_eq!(ids_of_book(&book), list.iter().map(|task| task.id).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn lines_of_an_export_say_what_the_list_says() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let task = person.task("Ronda de la Peña").await;
    let file = file(&person, wanted(ExportFormat::Jsonl, pb::TaskFilter::default(), "")).await;
    let line: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(line["title"], "Ronda de la Peña");
    assert_eq!(line["code"], task.code);
    assert_eq!(line["state"], "TASK_STATE_SCHEDULED");
    assert_eq!(line["etag"], task.etag);
    assert_eq!(line["allowed_actions"].as_array().unwrap().len(), task.allowed_actions.len());
}

#[tokio::test]
async fn no_exported_text_is_a_formula_and_headers_speak_the_callers_language() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let title = "=HYPERLINK(\"http://evil\",\"ñ\")";
    person.task(title).await;
    let spanish = file(&person, wanted(ExportFormat::Csv, pb::TaskFilter::default(), "")).await;
    let mut english = Request::new(wanted(ExportFormat::Csv, pb::TaskFilter::default(), ""));
    english.metadata_mut().insert("accept-language", "en-GB".parse().unwrap());
    let english = file(&person, english).await;
    for (file, name, start) in [
        (&spanish, "titulo", "inicio_planificado"),
        (&english, "title", "planned_start_time"),
    ] {
        let mut reader = csv::Reader::from_reader(file.as_slice());
        let names = reader.headers().unwrap().clone();
        let at = |name: &str| names.iter().position(|known| known == name).unwrap();
        let record = reader.records().next().unwrap().unwrap();
        assert_eq!(record[at(name)], format!("'{title}"));
        assert!(record[at(start)].ends_with('Z'), "{}", &record[at(start)]);
    }
    let book = file(&person, wanted(ExportFormat::Xlsx, pb::TaskFilter::default(), "")).await;
    let sheet = part(&book, "xl/worksheets/sheet1.xml");
    assert!(!sheet.contains("<f>"), "a formula: {sheet}");
    assert!(sheet.contains("=HYPERLINK"), "its text: {sheet}");
}

#[tokio::test]
async fn an_export_is_of_one_moment_though_everything_changes_while_it_is_read() {
    let world = World::start().await;
    stock(&world, 3000, 2000).await;
    let person = world.supervisor().await;
    let before = whole_list(&person, pb::TaskFilter::default(), "").await;
    let request = wanted(ExportFormat::Jsonl, pb::TaskFilter::default(), "");
    let mut pieces = person.bulk().export_tasks(request).await.unwrap().into_inner();
    let mut read = pieces.message().await.unwrap().unwrap().data;
    person.task("Nueva").await;
    let database = world.database().await;
    database
        .batch_execute(
            "update tasks set title = 'Otra', revision = revision + 1 where id % 2 = 0;
             update tasks set delete_time = now() where id % 3 = 0",
        )
        .await
        .unwrap();
    while let Some(piece) = pieces.message().await.unwrap() {
        read.extend(piece.data);
    }
    let expected: Vec<(i64, i64)> = before.iter().map(|task| (task.id, task.revision)).collect();
    assert_eq!(ids_of_lines(&read), expected);
}

/// Ends the connection by which a list is being read.
async fn cut(world: &World) {
    let database = world.database().await;
    until("an export is cut", async || {
        let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid() and state = 'idle in transaction'
                     and query like 'select t.id, t.uid, t.code%'";
        database.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0
    })
    .await;
}

#[tokio::test]
async fn an_export_that_breaks_off_ends_in_an_error() {
    let world = World::start().await;
    stock(&world, 20_000, 4000).await;
    let person = world.supervisor().await;
    for format in [ExportFormat::Jsonl, ExportFormat::Csv] {
        let request = wanted(format, pb::TaskFilter::default(), "");
        let mut pieces = person.bulk().export_tasks(request).await.unwrap().into_inner();
        pieces.message().await.unwrap().unwrap();
        cut(&world).await;
        let error = loop {
            match pieces.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it looks whole"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error.code(), Code::Unavailable | Code::Internal), "{error:?}");
    }
}

#[tokio::test]
async fn an_export_over_rest_that_breaks_off_does_not_look_whole() {
    let world = World::start().await;
    stock(&world, 20_000, 4000).await;
    let edge = Edge::before(&[world.replica.address]).await;
    let person = world.supervisor().await;
    let get = async || {
        let url = edge.url("/v1/tasks:export?format=EXPORT_FORMAT_CSV&order_by=priority");
        reqwest::Client::new()
            .get(url)
            .bearer_auth(&person.token)
            .send()
            .await
            .unwrap()
    };
    let answer = get().await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"tareas.csv\"");
    let mut pieces = answer.bytes_stream();
    pieces.next().await.unwrap().unwrap();
    cut(&world).await;
    let broken = loop {
        match pieces.next().await {
            Some(Ok(_)) => {}
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(broken, "it looks whole");
    // And one that does not break off is whole.
    let file = get().await.bytes().await.unwrap();
    assert_eq!(ids_of_values(&file).len(), 20_000);
}

#[tokio::test]
async fn who_exported_what_is_in_the_audit() {
    let world = World::start().await;
    let person = world.agent().await;
    let filter = pb::TaskFilter {
        text: "parque".to_owned(),
        ..Default::default()
    };
    file(&person, wanted(ExportFormat::Csv, filter, "")).await;
    let row = world
        .database()
        .await
        .query_one(
            "select user_id, detail::text from audit where method = 'gad.v1.BulkService/ExportTasks' and outcome = 'OK'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, Option<i64>>(0), Some(person.id));
    assert!(row.get::<_, String>(1).contains("parque"));
}

#[tokio::test]
async fn agents_and_emergencies_are_exported_as_they_are_listed() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let raised = pb::RaiseEmergencyRequest {
        location: draft("").location,
        description: "+Robo".to_owned(),
        ..Default::default()
    };
    let raised = world
        .agent()
        .await
        .emergencies()
        .raise_emergency(raised)
        .await
        .unwrap()
        .into_inner();
    let request = pb::ExportAgentsRequest {
        format: ExportFormat::Csv as i32,
        ..Default::default()
    };
    let mut pieces = person.bulk().export_agents(request).await.unwrap().into_inner();
    let mut agents = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        agents.extend(piece.data);
    }
    let list = pb::ListAgentsRequest {
        page_size: 1000,
        ..Default::default()
    };
    let list = person.agents().list_agents(list).await.unwrap().into_inner().agents;
    let told: Vec<i64> = ids_of_values(&agents).into_iter().map(|(id, _)| id).collect();
    assert_eq!(told, list.iter().map(|agent| agent.id).collect::<Vec<_>>());
    let request = pb::ExportEmergenciesRequest {
        format: ExportFormat::Csv as i32,
        open_only: true,
    };
    let mut pieces = person.bulk().export_emergencies(request).await.unwrap().into_inner();
    let mut emergencies = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        emergencies.extend(piece.data);
    }
    assert_eq!(ids_of_values(&emergencies)[0].0, raised.id);
    assert!(String::from_utf8(emergencies).unwrap().contains("'+Robo"));
}

#[tokio::test]
async fn a_form_that_is_none_is_refused() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let person = world.supervisor().await;
    let request = pb::ExportEmergenciesRequest {
        format: 77,
        open_only: true,
    };
    let status = person.bulk().export_emergencies(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let url = edge.url("/v1/emergencies:export?format=EXPORT_FORMAT_PDF");
    let answer = reqwest::Client::new()
        .get(url)
        .bearer_auth(&person.token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
}
