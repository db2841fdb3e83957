//! What calls leave in the audit, through the front door.

use std::collections::BTreeSet;

use gad::{
    config::{DEMO_PASSWORD, DEMO_SECRET},
    descriptor,
    pb::{self, task_service_client::TaskServiceClient},
};
use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    audit::{retitle, verify},
    contract::methods,
    doors::Door,
    matrix_rows::rows,
    stage::{Moment, Stage, Who},
    world::{World, draft, reason, until},
};

const UPDATE: &str = "gad.v1.TaskService/UpdateTask";

/// A row as the tests look at it.
#[derive(Debug)]
struct Seen {
    door: i16,
    user: Option<i64>,
    token: Option<i64>,
    resource: String,
    outcome: String,
    request_id: Uuid,
    detail: Value,
    address: Option<String>,
}

async fn seen(database: &tokio_postgres::Client, condition: &str) -> Vec<Seen> {
    let sql = format!(
        "select door, user_id, api_token_id, resource, outcome, request_id, coalesce(detail, 'null')::text as detail,
                host(address) as address
         from audit where {condition} order by time, day, segment, number"
    );
    let rows = database.query(&sql, &[]).await.unwrap();
    let seen = rows.iter().map(|row| Seen {
        door: row.get("door"),
        user: row.get("user_id"),
        token: row.get("api_token_id"),
        resource: row.get("resource"),
        outcome: row.get("outcome"),
        request_id: row.get("request_id"),
        detail: serde_json::from_str(row.get("detail")).unwrap(),
        address: row.get("address"),
    });
    seen.collect()
}

fn change(id: i64, title: &str) -> pb::UpdateTaskRequest {
    pb::UpdateTaskRequest {
        task: Some(pb::Task {
            id,
            title: title.to_owned(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["title".to_owned()],
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn whoever_is_refused_is_written_down() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let task = supervisor.task("Patrullar").await.id;
    let request = pb::CreateApiTokenRequest {
        api_token: Some(pb::ApiToken {
            display_name: "Lector".to_owned(),
            scopes: vec!["task.read".to_owned()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let made = supervisor.api_tokens().create_api_token(request).await.unwrap().into_inner();
    let reader = supervisor.by(&made.token, world.replica.channel());
    let mut nobody = TaskServiceClient::new(world.replica.channel());
    let stale = pb::UpdateTaskRequest {
        etag: "r0".to_owned(),
        ..change(task, "otra")
    };
    let delete = pb::DeleteTaskRequest {
        id: task,
        ..Default::default()
    };
    let forbidden = agent.tasks().delete_task(delete).await.unwrap_err();
    let refused = [
        nobody.update_task(change(task, "nadie")).await.unwrap_err(),
        reader.tasks().update_task(change(task, "programa")).await.unwrap_err(),
        supervisor.tasks().update_task(stale).await.unwrap_err(),
        supervisor.tasks().update_task(change(task + 1000, "nada")).await.unwrap_err(),
    ];
    let database = world.database().await;
    let condition = format!("method = '{UPDATE}' and outcome <> 'OK'");
    until("refusals are written down", async || {
        seen(&database, &condition).await.len() == 4
    })
    .await;
    let rows = seen(&database, &condition).await;
    for (row, status) in rows.iter().zip(&refused) {
        assert_eq!(row.outcome, reason(status));
        let named = status
            .metadata()
            .get("x-request-id")
            .map(|id| id.to_str().unwrap().to_owned());
        assert_eq!(named, Some(row.request_id.to_string()), "{row:?}");
        assert_eq!((row.door, row.address.as_deref()), (1, Some("127.0.0.1")), "{row:?}");
    }
    let who: Vec<(Option<i64>, Option<i64>)> = rows.iter().map(|row| (row.user, row.token)).collect();
    let (me, token) = (Some(supervisor.id), made.api_token.map(|token| token.id));
    assert_eq!(who, [(None, None), (me, token), (me, None), (me, None)]);
    let what: Vec<&str> = rows.iter().map(|row| row.outcome.as_str()).collect();
    assert_eq!(what, ["SIGNED_OUT", "SCOPE_TOO_NARROW", "STALE_ETAG", "TASK_NOT_FOUND"]);
    assert_eq!(rows[2].resource, format!("task/{task}"));
    assert_eq!(rows[3].resource, format!("task/{}", task + 1000));
    let deletions = seen(&database, "method like '%/DeleteTask'").await;
    assert_eq!((deletions.len(), deletions[0].outcome.as_str()), (1, "FORBIDDEN"));
    assert_eq!(
        (reason(&forbidden), deletions[0].user),
        ("FORBIDDEN".to_owned(), Some(agent.id))
    );
    assert_eq!(verify(world.database_url(), DEMO_SECRET, &[]), Vec::<String>::new());
}

#[tokio::test]
async fn a_flood_that_is_held_back_becomes_few_rows_that_count_it() {
    let world = World::with(|settings| settings.rate_limit_calls = 5).await;
    let supervisor = world.supervisor().await;
    let mut held_back = 0;
    for number in 0..60 {
        let answer = supervisor
            .tasks()
            .update_task(change(999_999, &format!("nada {number}")))
            .await;
        held_back += i64::from(reason(&answer.unwrap_err()) == "RATE_LIMITED");
    }
    assert!(held_back > 30, "{held_back}");
    let database = world.database().await;
    let counted = async || {
        let rows = seen(&database, &format!("method = '{UPDATE}' and outcome = 'RATE_LIMITED'")).await;
        let sum: i64 = rows.iter().map(|row| row.detail["repeated"].as_i64().unwrap_or(1)).sum();
        assert!(
            rows.iter()
                .all(|row| row.user == Some(supervisor.id) && row.address.is_some()),
            "{rows:?}"
        );
        (sum, rows.len())
    };
    until("all of the flood is counted", async || counted().await.0 == held_back).await;
    assert!(counted().await.1 < 20, "{} rows", counted().await.1);
    // What waits to be counted is written down when the server ends.
    let more = supervisor.tasks().update_task(change(999_999, "nada más")).await.unwrap_err();
    held_back += i64::from(reason(&more) == "RATE_LIMITED");
    let url = world.database_url().to_owned();
    world.replica.stop().await;
    assert_eq!(counted().await.0, held_back);
    assert_eq!(verify(&url, DEMO_SECRET, &[]), Vec::<String>::new());
}

#[tokio::test]
async fn what_does_not_happen_leaves_no_row_that_says_it_did() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let task = supervisor.task("Patrullar").await.id;
    let database = world.database().await;
    let creations = async || seen(&database, "method like '%/CreateTask' and outcome = 'OK'").await.len();
    let updates = async || seen(&database, &format!("method = '{UPDATE}'")).await;
    assert_eq!(creations().await, 1);

    // Only asked whether it could be done.
    let mut request = pb::CreateTaskRequest {
        task: Some(draft("A prueba")),
        validate_only: true,
        ..Default::default()
    };
    supervisor.tasks().create_task(request.clone()).await.unwrap();
    assert_eq!(creations().await, 1);
    // Once for each request id.
    request.validate_only = false;
    request.request_id = "una-vez".to_owned();
    for _ in 0..3 {
        supervisor.tasks().create_task(request.clone()).await.unwrap();
    }
    assert_eq!(creations().await, 2);

    // The database refuses at the very end, when the row was written in the same transaction.
    database
        .batch_execute(
            "create function no() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
             create constraint trigger no after update on tasks deferrable initially deferred for each row execute function no()",
        )
        .await
        .unwrap();
    let refused = supervisor.tasks().update_task(change(task, "no")).await.unwrap_err();
    assert_eq!(reason(&refused), "INTERNAL");
    database.batch_execute("drop trigger no on tasks").await.unwrap();
    until("the refusal is written down", async || updates().await.len() == 1).await;
    assert_eq!(updates().await[0].outcome, "INTERNAL");
    retitle(&supervisor, task, "sí").await;
    let rows = updates().await;
    assert_eq!((rows.len(), rows[1].outcome.as_str()), (2, "OK"));
    assert_eq!(
        rows[1].detail,
        json!({ "before": { "title": "Patrullar" }, "after": { "title": "sí" } })
    );
    assert_eq!(verify(world.database_url(), DEMO_SECRET, &[]), Vec::<String>::new());
}

#[tokio::test]
async fn a_hundred_who_write_at_once_over_two_replicas_are_all_chained() {
    const WRITERS: usize = 100;
    const CALLS: usize = 4;
    let world = World::start().await;
    let other = world.another_replica().await;
    let supervisor = world.supervisor().await;
    let there = supervisor.over(other.channel());
    let writers = (0..WRITERS).map(|number| {
        let person = if number % 2 == 0 { supervisor.clone() } else { there.clone() };
        async move {
            let task = person.task(&format!("Tarea {number}")).await.id;
            for turn in 1..CALLS {
                retitle(&person, task, &format!("Tarea {number} {turn}")).await;
            }
        }
    });
    futures::future::join_all(writers).await;
    let database = world.database().await;
    let written = seen(&database, "method like 'gad.v1.TaskService/%' and outcome = 'OK'").await;
    assert_eq!(written.len(), WRITERS * CALLS);
    let names: BTreeSet<Uuid> = written.iter().map(|row| row.request_id).collect();
    assert_eq!(names.len(), WRITERS * CALLS);
    let segments: i64 = database
        .query_one(
            "select count(distinct segment) from audit where method like 'gad.v1.TaskService/%'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert!(segments > 2, "they wrote side by side: {segments} segments");
    assert_eq!(verify(world.database_url(), DEMO_SECRET, &[]), Vec::<String>::new());
    other.stop().await;
}

/// RPCs that are done to nothing that has a name.
const OF_NOTHING: &[&str] = &[
    "ExportTasks",
    "ExportAgents",
    "ExportEmergencies",
    "ListUsers",
    "ListAuditEntries",
    "ExportAuditEntries",
    "Replay",
    "Register",
    "RequestPasswordReset",
];

#[tokio::test]
async fn each_audited_call_over_grpc_leaves_one_row_without_secrets() {
    leaves_one_row(Door::Grpc).await;
}

#[tokio::test]
async fn each_audited_call_over_grpc_web_leaves_one_row_without_secrets() {
    leaves_one_row(Door::GrpcWeb).await;
}

#[tokio::test]
async fn each_audited_call_over_rest_leaves_one_row_without_secrets() {
    leaves_one_row(Door::Rest).await;
}

/// What stands for a secret in the matrix where anything is wrong.
const NO_SECRETS: [&str; 2] = ["00000000", "nonsense"];

/// Plays all rows of the matrix, and complains of each good one that does not leave the row that it should.
async fn leaves_one_row(door: Door) {
    let pool = descriptor::pool();
    let stage = Stage::build(door, &Moment::default()).await;
    let database = stage.database();
    let methods = methods(&pool);
    let (mut wrong, mut secrets, mut audited) = (Vec::new(), BTreeSet::from([DEMO_PASSWORD.to_owned()]), 0);
    for row in rows() {
        let method = methods.iter().find(|method| method.name() == row.rpc).unwrap();
        let request = stage.fill(&row.request).await;
        let token = stage.token(row.who).await;
        let full = descriptor::path(method).trim_start_matches('/').to_owned();
        let of_method = format!("outcome = 'OK' and method = '{full}'");
        let known: BTreeSet<Uuid> = seen(database, &of_method).await.iter().map(|row| row.request_id).collect();
        let before: i64 = count(database).await;
        let answer = stage.call(row.who, method, &request).await;
        secrets.extend(token);
        collect(&method.input(), &request, &mut secrets);
        collect(
            &method.output(),
            answer.outcome.as_ref().unwrap_or(&Value::Null),
            &mut secrets,
        );
        let rule = descriptor::rule(&pool, method).unwrap();
        if !row.reason.is_empty() || !rule.audited {
            continue;
        }
        audited += 1;
        let written = seen(database, &of_method).await;
        let after: i64 = count(database).await;
        // Time stands still here, and segments do not come in order.
        let last = written.iter().find(|row| !known.contains(&row.request_id));
        let complaint = match last {
            None => Some("no row".to_owned()),
            Some(_) if after - before != 1 => Some(format!("{} rows", after - before)),
            Some(seen) => complaint(seen, door, method, row.who, &stage).await,
        };
        wrong.extend(complaint.map(|complaint| format!("{}: {complaint}", row.rpc)));
    }
    assert!(audited > 60, "{audited} audited calls");
    let told: Option<String> = database
        .query_one(
            "select string_agg(concat_ws(' ', resource, outcome, method, idempotency_id, detail::text, reason), e'\\n') from audit",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    let told = told.unwrap();
    secrets.retain(|secret| !NO_SECRETS.contains(&secret.as_str()));
    assert!(secrets.len() > 40, "{} secrets", secrets.len());
    wrong.extend(secrets.iter().filter(|secret| told.contains(*secret)).map(|secret| {
        let line = told.lines().find(|line| line.contains(secret)).unwrap();
        format!("the secret {secret} is in: {line}")
    }));
    stage.end().await;
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Rows of calls that were answered.
async fn count(database: &tokio_postgres::Client) -> i64 {
    let sql = "select count(*) from audit where outcome = 'OK' and method like 'gad.%'";
    database.query_one(sql, &[]).await.unwrap().get(0)
}

async fn complaint(seen: &Seen, door: Door, method: &MethodDescriptor, who: Who, stage: &Stage) -> Option<String> {
    let expected = match door {
        // No other door has streams from clients.
        _ if method.is_client_streaming() => 1,
        Door::Grpc => 1,
        Door::GrpcWeb => 2,
        Door::Rest => 3,
    };
    let user = stage.caller(who).await;
    let wrong = [
        (seen.door != expected, "door"),
        (who != Who::Nobody && seen.user != user, "actor"),
        (seen.resource.is_empty() && !OF_NOTHING.contains(&method.name()), "resource"),
        (seen.request_id.is_nil(), "request id"),
        (seen.address.as_deref() != Some("127.0.0.1"), "address"),
    ];
    let names: Vec<&str> = wrong.iter().filter(|(wrong, _)| *wrong).map(|(_, name)| *name).collect();
    (!names.is_empty()).then(|| format!("{} of {seen:?}", names.join(", ")))
}

/// The secrets of a message, by the marks of its fields.
fn collect(kind: &MessageDescriptor, value: &Value, secrets: &mut BTreeSet<String>) {
    if let Value::Array(items) = value {
        return items.iter().for_each(|item| collect(kind, item, secrets));
    }
    for field in kind.fields() {
        let value = &value[field.name()];
        if descriptor::is_secret(&field) {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            let texts = values.iter().filter_map(Value::as_str).filter(|text| text.len() >= 6);
            secrets.extend(texts.map(str::to_owned));
        } else if let Kind::Message(inner) = field.kind()
            && inner.full_name() != kind.full_name()
        {
            collect(&inner, value, secrets);
        }
    }
}

#[test]
fn secrets_are_found_by_their_marks() {
    let kind = descriptor::pool().get_message_by_name("gad.v1.LoginRequest").unwrap();
    let mut secrets = BTreeSet::new();
    collect(&kind, &json!([{ "email": "a@b.c", "password": "secreto" }]), &mut secrets);
    assert_eq!(secrets, BTreeSet::from(["secreto".to_owned()]));
}
