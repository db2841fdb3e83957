//! Every RPC through every door: the same answer, the same refusals.
//!
//! Each door has a world of its own, in which the same things happen at the same moment: so the answers must be equal
//! to the last number, but for what is random.

use std::collections::{BTreeMap, BTreeSet};

use gad::{
    descriptor::{self, Access, Rule},
    domain::access::Level,
    error::reason_name,
    pb::ErrorReason,
};
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Value, json};

use crate::{
    contract::methods,
    doors::{Answer, Door},
    matrix_rows::{BY_OBJECT, NOTHING, rows},
    stage::{Moment, Stage, Who},
};

/// A call and what is to come of it.
#[derive(Debug, Clone)]
pub struct Row {
    /// Name of the RPC.
    pub rpc: &'static str,
    /// Reason of the refusal; empty: an answer.
    pub reason: &'static str,
    /// Who calls.
    pub who: Who,
    /// The request; `$name` is made by [`Stage::fill`].
    pub request: Value,
    /// What is done with the request before: sent as it is, with the request id that it will have.
    pub repeated: Repeated,
}

/// How a row uses its request id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// Sent once.
    No,
    /// Sent twice.
    Same,
    /// Sent, then sent with something else in it.
    Altered,
}

/// Reasons that an RPC may give, as its rule and its validation say.
pub fn due(pool: &DescriptorPool, method: &MethodDescriptor) -> BTreeSet<&'static str> {
    let rule = rule(pool, method);
    let mut due: BTreeSet<&str> = rule.reasons.iter().copied().map(reason_name).collect();
    if let Access::Least(level) = rule.access {
        due.insert("SIGNED_OUT");
        if level > Level::Agent || BY_OBJECT.contains(&method.name()) {
            due.insert("FORBIDDEN");
        }
    }
    if let Access::Service(_) = rule.access {
        due.insert("SIGNED_OUT");
    }
    if is_validated(&method.input(), &mut BTreeSet::new()) {
        due.insert("INVALID_FIELD");
    }
    due.retain(|reason| !ELSEWHERE.contains(&(method.name(), *reason)));
    due
}

/// Reasons that take other settings than the worlds of the matrix have, or are not given alike; and where else they are tested.
const ELSEWHERE: [(&str, &str); 2] = [
    // Of an enum that is none the edge speaks in its own words: `export::a_form_that_is_none_is_refused`
    ("ExportEmergencies", "INVALID_FIELD"),
    // `auth::who_registers_where_nobody_may_is_refused`
    ("Register", "REGISTRATION_CLOSED"),
];

fn rule(pool: &DescriptorPool, method: &MethodDescriptor) -> Rule {
    descriptor::rule(pool, method).unwrap_or_else(|| panic!("{} has no rule", method.name()))
}

fn is_validated(message: &MessageDescriptor, seen: &mut BTreeSet<String>) -> bool {
    let extension = message.parent_pool().get_extension_by_name("buf.validate.field").unwrap();
    seen.insert(message.full_name().to_owned())
        && message.fields().any(|field| {
            let inner = match field.kind() {
                Kind::Message(inner) => is_validated(&inner, seen),
                _ => false,
            };
            inner || field.options().has_extension(&extension)
        })
}

/// The rows, and those that follow from an RPC's good one: by its level, its etag, its request id.
fn all_rows(pool: &DescriptorPool) -> Vec<Row> {
    let mut all = rows();
    for method in methods(pool) {
        let Some(good) = all
            .iter()
            .find(|row| row.rpc == method.name() && row.reason.is_empty())
            .cloned()
        else {
            continue;
        };
        let due = due(pool, &method);
        let there: BTreeSet<&str> = all.iter().filter(|row| row.rpc == good.rpc).map(|row| row.reason).collect();
        let missing = |reason| due.contains(reason) && !there.contains(reason);
        let mut more = Vec::new();
        let like = |reason, who, repeated| Row {
            reason,
            who,
            repeated,
            ..good.clone()
        };
        if missing("SIGNED_OUT") {
            more.push(like("SIGNED_OUT", Who::Nobody, Repeated::No));
        }
        if missing("FORBIDDEN") {
            more.push(like("FORBIDDEN", Who::Agent, Repeated::No));
        }
        if missing("STALE_ETAG") {
            let mut stale = like("STALE_ETAG", good.who, Repeated::No);
            stale.request["etag"] = json!("r0");
            more.push(stale);
        }
        if missing("IDEMPOTENCY_KEY_REUSED") {
            more.push(like("IDEMPOTENCY_KEY_REUSED", good.who, Repeated::Altered));
            more.push(like("", good.who, Repeated::Same));
        }
        all.extend(more);
    }
    all
}

#[test]
fn every_rpc_and_every_reason_it_declares_has_a_row() {
    let pool = descriptor::pool();
    let mut due_of: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for method in methods(&pool) {
        let mut due = due(&pool, &method);
        due.insert("");
        due_of.insert(method.name().to_owned(), due);
    }
    let mut rows_of: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for row in all_rows(&pool) {
        rows_of.entry(row.rpc.to_owned()).or_default().insert(row.reason);
    }
    for (rpc, due) in &due_of {
        let there = rows_of.remove(rpc).unwrap_or_default();
        assert_eq!(&there, due, "{rpc}: rows (left), and what it declares (right)");
    }
    assert_eq!(rows_of, BTreeMap::new(), "rows of RPCs that there are not");
}

/// Which test takes which RPCs: none is forgotten, and none takes too long.
fn share(method: &MethodDescriptor) -> &'static str {
    match (method.parent_service().name(), method.input().name()) {
        ("TaskService", "TaskStepRequest") => "steps",
        ("TaskService", _) => "tasks",
        ("AgentService", _) => "agents",
        ("AuthService", _) => "auth",
        ("UserService", _) => "users",
        ("PrivacyService", _) => "privacy",
        ("CommentService" | "AttachmentService" | "ChecklistService" | "DependencyService" | "TemplateService", _) => "details",
        _ => "all else",
    }
}

#[tokio::test]
async fn steps_of_tasks_answer_alike_through_every_door() {
    alike("steps").await;
}

#[tokio::test]
async fn tasks_answer_alike_through_every_door() {
    alike("tasks").await;
}

#[tokio::test]
async fn agents_answer_alike_through_every_door() {
    alike("agents").await;
}

#[tokio::test]
async fn signing_in_answers_alike_through_every_door() {
    alike("auth").await;
}

#[tokio::test]
async fn users_answer_alike_through_every_door() {
    alike("users").await;
}

#[tokio::test]
async fn privacy_answers_alike_through_every_door() {
    alike("privacy").await;
}

#[tokio::test]
async fn details_of_tasks_answer_alike_through_every_door() {
    alike("details").await;
}

#[tokio::test]
async fn all_else_answers_alike_through_every_door() {
    alike("all else").await;
}

/// Runs all rows of a share through all doors, and complains of all that differ.
async fn alike(wanted: &str) {
    let pool = descriptor::pool();
    let mut methods = methods(&pool);
    methods.retain(|method| share(method) == wanted);
    assert!(!methods.is_empty(), "{wanted}");
    let moment = Moment::default();
    let mut stages = Vec::new();
    for door in Door::ALL {
        stages.push(Stage::build(door, &moment).await);
    }
    let mut wrong = Vec::new();
    for row in all_rows(&pool) {
        let Some(method) = methods.iter().find(|method| method.name() == row.rpc) else {
            continue;
        };
        let answers = stages.iter().map(|stage| play(stage, method, &row));
        let answers: Vec<Answer> = futures::future::join_all(answers).await;
        wrong.extend(complaint(&row, &answers));
    }
    for stage in stages {
        stage.end().await;
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

async fn play(stage: &Stage, method: &MethodDescriptor, row: &Row) -> Answer {
    let mut request = stage.fill(&row.request).await;
    if row.repeated != Repeated::No {
        request["request_id"] = json!(format!("once-{}-{}", row.rpc, row.reason));
        let first = stage.call(row.who, method, &request).await;
        assert!(first.outcome.is_ok() && !first.replayed, "{row:?}: {first:?}");
        if row.repeated == Repeated::Altered {
            alter(method, &mut request);
        } else {
            let again = stage.call(row.who, method, &request).await;
            assert_eq!((&again.outcome, again.replayed), (&first.outcome, true), "{row:?}");
            return again;
        }
    }
    stage.call(row.who, method, &request).await
}

/// Makes another request of it.
fn alter(method: &MethodDescriptor, request: &mut Value) {
    match method.name() {
        "CreateTask" => request["task"]["title"] = json!("Otra cosa"),
        "CreateAgent" => request["agent"]["rank"] = json!("Otro rango"),
        "RaiseEmergency" => request["description"] = json!("Otra emergencia"),
        "SeeEmergency" | "AcknowledgeEmergency" | "ArriveAtEmergency" => request["note"] = json!("Otra nota"),
        "BatchChangeTasks" => request["reason"] = json!("Otra razón"),
        "ImportTasks" => request["all_or_nothing"] = json!(true),
        "CreateComment" => request["text"] = json!("Otra cosa"),
        "UploadAttachment" => request["file_name"] = json!("otra.png"),
        "CreateChecklistItem" => request["title"] = json!("Otra cosa"),
        "DeleteAttachment" => request["id"] = json!(NOTHING),
        "AddDependency" | "RemoveDependency" => request["depends_on_task_id"] = json!(NOTHING),
        "CreateTemplate" => request["template"]["title"] = json!("Otra cosa"),
        "InstantiateTemplate" => request["planned_start_time"] = json!("2030-01-01T00:00:00Z"),
        "MarkNotificationsRead" => request["up_to_id"] = json!(1),
        "CreateNotificationRule" => request["rule"]["display_name"] = json!("Otra regla"),
        "CreateWebhook" => request["webhook"]["display_name"] = json!("Otro webhook"),
        "ReplayDelivery" | "RotateWebhookSecret" => request["reason"] = json!("Otra razón"),
        "CreateUser" => request["password_expired"] = json!(true),
        "CreateGeofence" | "UpdateGeofence" => request["geofence"]["display_name"] = json!("Otra cerca"),
        "CreateZone" => request["zone"]["display_name"] = json!("Otra zona"),
        "CreateApiToken" => request["api_token"]["display_name"] = json!("Otro token"),
        "RevokeApiToken" => request["reason"] = json!("Otra razón"),
        "ErasePerson" => request["reason"] = json!("Otra razón"),
        "PublishConsentText" => request["texts"][0]["title"] = json!("Otro título"),
        "GrantConsent" => request["language"] = json!("en"),
        "WithdrawConsent" => request["purpose"] = json!("CONSENT_PURPOSE_LOCATION"),
        "UpdateRetentionPolicy" => request["keep"] = json!("864001s"),
        "UpdateLocationPrecision" => request["meters"] = json!(5),
        "SetNationalId" => request["national_id"] = json!("99999999"),
        "CheckIn" => request["reason"] = json!("Otra razón"),
        "CreateMessage" => request["text"] = json!("Reunión en una hora"),
        "CreateAnnouncement" => request["title"] = json!("Otro título"),
        _ => request["etag"] = json!("r0"),
    }
}

/// What is wrong with the answers of a row, if anything is.
fn complaint(row: &Row, answers: &[Answer]) -> Option<String> {
    let first = &answers[0];
    let said = |answer: &Answer| match &answer.outcome {
        Ok(value) | Err(value) => value.to_string(),
    };
    if first.reason() != row.reason || first.outcome.is_ok() != row.reason.is_empty() {
        return Some(format!("{} {}: {}", row.rpc, row.reason, said(first)));
    }
    for (door, answer) in Door::ALL.iter().zip(answers) {
        if steady(&answer.outcome) != steady(&first.outcome) || answer.replayed != first.replayed {
            return Some(format!(
                "{} {}: {door:?} differs\n  {}\n  {}",
                row.rpc,
                row.reason,
                said(first),
                said(answer)
            ));
        }
        if answer.http.is_some_and(|http| http != expected_http(&answer.outcome)) {
            return Some(format!("{} {}: {door:?} has HTTP {:?}", row.rpc, row.reason, answer.http));
        }
    }
    None
}

/// HTTP status of canonical REST.
fn expected_http(outcome: &Result<Value, Value>) -> u16 {
    let Err(status) = outcome else { return 200 };
    match tonic::Code::from_i32(i32::try_from(status["code"].as_i64().unwrap()).unwrap()) {
        tonic::Code::InvalidArgument | tonic::Code::FailedPrecondition | tonic::Code::OutOfRange => 400,
        tonic::Code::Unauthenticated => 401,
        tonic::Code::PermissionDenied => 403,
        tonic::Code::NotFound => 404,
        tonic::Code::AlreadyExists | tonic::Code::Aborted => 409,
        other => panic!("no row is to give {other:?}"),
    }
}

/// What is random, and so differs between worlds.
const RANDOM: [&str; 14] = [
    "uid",
    "access_token",
    "refresh_token",
    "session_id",
    "cursor",
    "next_cursor",
    "x",
    "kid",
    "secret",
    "uri",
    "codes",
    "token",
    "prefix",
    // How a decision was said: by the very door.
    "door",
];

/// The outcome without what is random.
fn steady(outcome: &Result<Value, Value>) -> Result<Value, Value> {
    outcome.clone().map(|mut value| {
        blank(&mut value);
        value
    })
}

fn hide(name: &str, field: &mut Value) {
    if let Value::Array(items) = field {
        items.iter_mut().for_each(|item| hide(name, item));
    } else {
        assert!(field.as_str().is_some_and(|text| !text.is_empty()), "{name}: {field}");
        *field = json!("random");
    }
}

fn blank(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, field)| {
            let is_uuid = field
                .as_str()
                .is_some_and(|text| text.len() == 36 && text.matches('-').count() == 4);
            if RANDOM.contains(&name.as_str()) || is_uuid {
                hide(name, field);
            } else {
                blank(field);
            }
        }),
        Value::Array(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

#[test]
fn every_reason_of_a_row_is_a_reason() {
    for row in rows() {
        let known = ErrorReason::from_str_name(&format!("ERROR_REASON_{}", row.reason));
        assert!(row.reason.is_empty() || known.is_some(), "{row:?}");
    }
}
