//! What every RPC owes its callers, read from the descriptors.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
};

use gad::{
    descriptor::{self, Access},
    error::{Error, Missing},
    openapi,
    pb::{self, RateClass, Service},
};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::Value;
use tonic_types::StatusExt as _;

use crate::envoy::{configure, tool};

/// Every RPC of `gad.v1`.
pub fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    of_services(pool, |name| !descriptor::is_legacy(name))
}

/// Every RPC of ours, those of the older products too.
pub fn all_methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    of_services(pool, |_| true)
}

fn of_services(pool: &DescriptorPool, wanted: impl Fn(&str) -> bool) -> Vec<MethodDescriptor> {
    let services = descriptor::services(pool).into_iter().filter(|name| wanted(name));
    let services = services.filter_map(|name| pool.get_service_by_name(&name));
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// A message and all messages of ours within it.
fn reachable(message: &MessageDescriptor, found: &mut BTreeMap<String, MessageDescriptor>) {
    if found.insert(message.full_name().to_owned(), message.clone()).is_some() {
        return;
    }
    for field in message.fields() {
        if let Kind::Message(inner) = field.kind() {
            reachable(&inner, found);
        }
    }
}

fn all_reachable(messages: impl Iterator<Item = MessageDescriptor>) -> Vec<MessageDescriptor> {
    let mut found = BTreeMap::new();
    messages.for_each(|message| reachable(&message, &mut found));
    found.into_values().collect()
}

/// Fails with all complaints at once.
#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_rpc_has_a_route_a_rule_and_a_comment() {
    let pool = descriptor::pool();
    let mut wrong = Vec::new();
    for method in all_methods(&pool) {
        let name = descriptor::path(&method);
        let Some(rule) = descriptor::rule(&pool, &method) else {
            wrong.push(format!("{name}: no rule, or one that lets nobody in"));
            continue;
        };
        let routed = !descriptor::routes(&pool, &method).is_empty();
        let inside = matches!(rule.access, Access::Service(Service::Bridge));
        if routed == inside && !method.is_client_streaming() {
            wrong.push(format!("{name}: a route is for everybody but the bridge"));
        }
        if matches!(rule.access, Access::Least(_)) == rule.permission.is_empty() {
            wrong.push(format!("{name}: a permission goes with a level"));
        }
        if descriptor::comment(&method.parent_file(), method.path()).is_empty() {
            wrong.push(format!("{name}: no comment"));
        }
    }
    none(wrong);
}

/// Request fields without a rule in the proto, and why that is right. Booleans are always right, and fields
/// marked "Output" are ignored in requests: both need no line here.
const FREE: &[(&str, &str)] = &[
    ("gad.legacy.v1.NewTarea.creado_por_usuario_id", "nobody looks at it"),
    (
        "gad.legacy.v1.NewTarea.fin_programado",
        "any time after the start; the handler compares them",
    ),
    (
        "gad.legacy.v1.TareaChange.efectivos_asignados",
        "absent is no change; its own field has rules",
    ),
    (
        "gad.legacy.v1.TareaChange.fin_programado",
        "any time after the start; the handler compares them",
    ),
    (
        "gad.legacy.v1.TareaChange.inicio_programado",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.ApiToken.expire_time",
        "any time to come; the handler compares it with now",
    ),
    (
        "gad.v1.AuditFilter.end_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.AuditFilter.start_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.ExportAuditEntriesRequest.filter",
        "absent is everything; its own fields have rules",
    ),
    (
        "gad.v1.ListAuditEntriesRequest.filter",
        "absent is everything; its own fields have rules",
    ),
    (
        "gad.v1.GetStatisticsRequest.filter",
        "absent is everything; its own fields have rules",
    ),
    (
        "gad.v1.StatisticsFilter.start_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.StatisticsFilter.end_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.ListUsersRequest.filter",
        "absent is everything; its own fields have rules",
    ),
    (
        "gad.v1.UpdateMeRequest.update_mask",
        "the handler knows which paths can be changed",
    ),
    (
        "gad.v1.UpdateUserRequest.update_mask",
        "the handler knows which paths can be changed",
    ),
    (
        "gad.v1.UpdateZoneRequest.update_mask",
        "the handler knows which paths can be changed",
    ),
    ("gad.v1.AgentFilter.box", "absent is no rectangle; its own fields have rules"),
    (
        "gad.v1.GetTrackRequest.end_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.GetTrackRequest.start_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.ListAgentsRequest.filter",
        "absent is everything; its own fields have rules",
    ),
    (
        "gad.v1.ListTasksRequest.filter",
        "absent is everything; its own fields have rules",
    ),
    (
        "gad.v1.PublishConsentTextRequest.start_time",
        "any time from now on; the handler compares them",
    ),
    ("gad.v1.Task.location", "a task may be nowhere; its own fields have rules"),
    (
        "gad.v1.Task.planned_end_time",
        "any time after the start; the handler compares them",
    ),
    (
        "gad.v1.Task.planned_start_time",
        "any time; what is none is refused when it is read",
    ),
    ("gad.v1.TaskFilter.box", "absent is no rectangle; its own fields have rules"),
    (
        "gad.v1.TaskFilter.planned_from_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.TaskFilter.planned_until_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.UpdateAgentRequest.update_mask",
        "the handler knows which paths can be changed",
    ),
    (
        "gad.v1.UpdateTaskRequest.update_mask",
        "the handler knows which paths can be changed",
    ),
    ("gad.v1.WatchFilter.box", "absent is no rectangle; its own fields have rules"),
    (
        "gad.v1.WatchRequest.filter",
        "absent is everything; its own fields have rules",
    ),
    (
        "gad.v1.ExportTasksRequest.filter",
        "absent is everything; its own fields have rules",
    ),
    (
        "gad.v1.ExportAgentsRequest.filter",
        "absent is everything; its own fields have rules",
    ),
    (
        "gad.v1.BatchChangeTasksRequest.task",
        "only an update needs one; its own fields have rules",
    ),
    (
        "gad.v1.BatchChangeTasksRequest.update_mask",
        "the handler knows which paths can be changed",
    ),
    (
        "gad.v1.TaskStepRequest.reported_time",
        "absent is now; the handler compares it with its clock",
    ),
    (
        "gad.v1.CheckInRequest.reported_time",
        "absent is now; the handler compares it with its clock",
    ),
    (
        "gad.v1.CreateCommentRequest.reported_time",
        "absent is now; the handler compares it with its clock",
    ),
    (
        "gad.v1.Mutation.client_time",
        "absent is now; what is too far away is said in the result",
    ),
    (
        "gad.v1.GetTrackLineRequest.end_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.GetTrackLineRequest.start_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.HeatmapRequest.end_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.HeatmapRequest.start_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.UpdateGeofenceRequest.update_mask",
        "the handler knows which paths can be changed",
    ),
    (
        "gad.v1.InstantiateTemplateRequest.planned_start_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.PreviewRecurrenceRequest.after_time",
        "any time; what is none is refused when it is read",
    ),
    (
        "gad.v1.TaskTemplate.location",
        "tasks may be nowhere; its own fields have rules",
    ),
    (
        "gad.v1.TaskTemplate.recurrence",
        "absent is made by hand only; its own fields have rules",
    ),
    (
        "gad.v1.RaiseEmergencyRequest.location",
        "an emergency that nobody can place is one all the same",
    ),
];

#[test]
fn every_request_field_has_a_rule_or_is_free_by_intention() {
    let pool = descriptor::pool();
    let extension = pool.get_extension_by_name("buf.validate.field").unwrap();
    let inputs = all_reachable(all_methods(&pool).iter().map(MethodDescriptor::input));
    let ours = inputs.iter().filter(|message| message.package_name().starts_with("gad."));
    let unruled: BTreeSet<String> = ours
        .flat_map(|message| message.fields().collect::<Vec<_>>())
        .filter(|field| !field.options().has_extension(&extension))
        .filter(|field| field.kind() != Kind::Bool && !is_output(field) && !is_raw(field) && !is_alternative(field))
        .map(|field| field.full_name().to_owned())
        .collect();
    let free: BTreeSet<String> = FREE.iter().map(|(name, _)| (*name).to_owned()).collect();
    let unexplained: Vec<&String> = unruled.difference(&free).collect();
    let stale: Vec<&String> = free.difference(&unruled).collect();
    assert_eq!(
        (unexplained, stale),
        (vec![], vec![]),
        "fields without a rule; lines of FREE without a field"
    );
}

/// A body that is read into another field, which has rules.
fn is_raw(field: &FieldDescriptor) -> bool {
    field
        .kind()
        .as_message()
        .is_some_and(|kind| kind.full_name() == "google.api.HttpBody")
}

/// One of several, of which the message demands one.
fn is_alternative(field: &FieldDescriptor) -> bool {
    let message = field.parent_message();
    let extension = message.parent_pool().get_extension_by_name("buf.validate.message").unwrap();
    let options = message.options();
    let rules = serde_json::to_value(options.get_extension(&extension).as_message().unwrap()).unwrap();
    let choices = rules["oneof"].as_array().into_iter().flatten();
    choices
        .flat_map(|choice| choice["fields"].as_array().unwrap())
        .any(|name| name == field.name())
}

fn is_output(field: &FieldDescriptor) -> bool {
    let comment = descriptor::comment(&field.parent_message().parent_file(), field.path());
    ["Output.", "Output:", "Output;"].iter().any(|mark| comment.contains(mark))
}

/// Texts that only are compared or decoded, and never come to the database as they are.
const OPAQUE: [&str; 7] = [
    "etag",
    "page_token",
    "cursor",
    "password",
    "current_password",
    "new_password",
    "token",
];

#[test]
fn every_text_of_a_request_is_bound_by_its_letters() {
    // PostgreSQL has no text with a zero in it: what no pattern holds off would come back as our fault.
    let pool = descriptor::pool();
    let extension = pool.get_extension_by_name("buf.validate.field").unwrap();
    let bound = |field: &FieldDescriptor| {
        let options = field.options();
        let rules = options.get_extension(&extension);
        let rules = serde_json::to_value(rules.as_message().unwrap()).unwrap();
        let text = if field.is_list() {
            &rules["repeated"]["items"]["string"]
        } else {
            &rules["string"]
        };
        !text["pattern"].is_null() || !text["in"].is_null()
    };
    let mut wrong = Vec::new();
    for message in all_reachable(all_methods(&pool).iter().map(MethodDescriptor::input)) {
        let texts = message
            .fields()
            .filter(|field| field.kind() == Kind::String && !is_output(field));
        let texts = texts.filter(|field| message.package_name().starts_with("gad.") && !OPAQUE.contains(&field.name()));
        wrong.extend(texts.filter(|field| !bound(field)).map(|field| field.full_name().to_owned()));
    }
    none(wrong);
}

#[test]
fn every_enum_begins_with_unspecified() {
    let pool = descriptor::pool();
    let ours = pool.all_enums().filter(|kind| kind.package_name().starts_with("gad."));
    let wrong = ours.filter(|kind| !kind.get_value(0).is_some_and(|value| value.name().ends_with("_UNSPECIFIED")));
    none(wrong.map(|kind| kind.full_name().to_owned()).collect());
}

#[test]
fn no_answer_holds_what_kills_envoy() {
    let pool = descriptor::pool();
    let mut wrong = Vec::new();
    for message in all_reachable(all_methods(&pool).iter().map(MethodDescriptor::output)) {
        if matches!(
            message.full_name(),
            "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue"
        ) {
            wrong.push(message.full_name().to_owned());
        }
        let maps = message.fields().filter(FieldDescriptor::is_map);
        wrong.extend(maps.map(|field| field.full_name().to_owned()));
    }
    none(wrong);
}

#[test]
fn no_error_detail_holds_an_empty_map_entry() {
    // `ErrorInfo.metadata` is a map: Envoy dies of an entry without key or value, so no error has any.
    for error in errors() {
        let details = tonic::Status::from(error).get_error_details();
        assert!(details.error_info().unwrap().metadata.is_empty());
    }
}

/// A line a route: method, path, body, RPC.
fn routes(pool: &DescriptorPool) -> Vec<String> {
    let mut lines = Vec::new();
    for method in all_methods(pool) {
        for route in descriptor::routes(pool, &method) {
            let body = if route.body.is_empty() { "-" } else { &route.body };
            lines.push(format!("{} {} {body} {}", route.verb, route.path, method.full_name()));
        }
    }
    lines.sort();
    lines
}

#[test]
fn no_two_rpcs_share_a_route() {
    let mut seen = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in routes(&descriptor::pool()) {
        let mut words = line.split(' ');
        let (verb, path) = (words.next().unwrap(), words.next().unwrap());
        // What stands in braces takes any one segment, or all the rest.
        let shape: String = path
            .replace("=**}", "}**")
            .split('{')
            .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest))
            .collect::<Vec<_>>()
            .join("{}");
        if let Some(first) = seen.insert(format!("{verb} {shape}"), line.clone()) {
            wrong.push(format!("{first}\n{line}"));
        }
    }
    none(wrong);
}

#[test]
fn the_rest_routes_are_those_of_the_snapshot() {
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots/routes.txt");
    let now = routes(&descriptor::pool()).join("\n") + "\n";
    if std::env::var_os("GAD_ACCEPT_SNAPSHOTS").is_some() {
        fs::write(&snapshot, &now).unwrap();
    }
    let before = fs::read_to_string(&snapshot).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (before, now) = (lines(&before), lines(&now));
    let mut difference = String::new();
    before
        .difference(&now)
        .for_each(|line| writeln!(difference, "- {line}").unwrap());
    now.difference(&before)
        .for_each(|line| writeln!(difference, "+ {line}").unwrap());
    assert!(
        difference.is_empty(),
        "clients rely on these routes; if the change is meant, run this test with GAD_ACCEPT_SNAPSHOTS=1\n{difference}"
    );
}

#[test]
fn every_service_is_in_the_configuration_of_envoy() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = fs::read_to_string(configure(folder.path(), &[])).unwrap();
    let lines = yaml.lines().filter_map(|line| line.trim().strip_prefix("services: "));
    let configured: BTreeSet<String> = lines
        .flat_map(|line| serde_json::from_str::<Vec<String>>(line).unwrap())
        .collect();
    let pool = descriptor::pool();
    let ours: BTreeSet<String> = pool
        .services()
        .filter(|service| service.package_name().starts_with("gad."))
        .map(|service| service.full_name().to_owned())
        .collect();
    assert_eq!(configured, ours);
}

/// Changes without a request id, and why that is right.
const REPEATABLE: &[(&str, &str)] = &[
    (
        "ReportPositions",
        "a fix is the same fix each time: agent and time are its key",
    ),
    ("Push", "each mutation has a request id of its own"),
    ("Logout", "what has ended stays so"),
    ("RunRetention", "what was forgotten is not forgotten again"),
    (
        "RevealLocation",
        "a second look is written down like the first: an answer with a place in it is not kept",
    ),
    ("LogoutEverywhere", "what has ended stays so"),
    ("RevokeSession", "what has ended stays so"),
    ("RunRetention", "what went does not go again"),
    ("EnrolTotp", "gives another secret: an answer with a secret in it is not kept"),
    ("DisableTotp", "what is off is not switched off again"),
    (
        "RegenerateRecoveryCodes",
        "gives other codes: an answer with a secret in it is not kept",
    ),
];

#[test]
fn every_change_can_be_repeated_without_harm() {
    let pool = descriptor::pool();
    let mut wrong = Vec::new();
    for method in methods(&pool) {
        let Some(rule) = descriptor::rule(&pool, &method) else {
            continue;
        };
        let exempt = REPEATABLE.iter().any(|(name, _)| *name == method.name());
        let has_id = method.input().get_field_by_name("request_id").is_some();
        let reused = rule.reasons.contains(&pb::ErrorReason::IdempotencyKeyReused);
        let name = method.name();
        let changes = matches!(rule.rate, RateClass::Write | RateClass::Admin | RateClass::Emergency);
        match changes {
            true if exempt => {}
            true if !has_id => wrong.push(format!("{name}: no request_id")),
            true if !rule.audited => wrong.push(format!("{name}: not audited")),
            true if !reused => {
                wrong.push(format!("{name}: IDEMPOTENCY_KEY_REUSED is not declared"));
            }
            true => {}
            false if has_id || reused => wrong.push(format!("{name}: a request id, and no change")),
            false => {}
        }
    }
    none(wrong);
}

/// One of each error.
fn errors() -> Vec<Error> {
    use gad::domain::{
        attachment::Lack,
        task::{Action, State},
    };
    vec![
        Error::Invalid(Vec::new()),
        Error::PageToken,
        Error::Cursor,
        Error::CursorExpired,
        Error::SignedOut,
        Error::WrongCredentials,
        Error::SecondFactorRequired,
        Error::PasswordExpired,
        Error::EmailNotVerified,
        Error::AccountInactive,
        Error::SessionEnded,
        Error::WrongProof,
        Error::MailedToken,
        Error::RegistrationClosed,
        Error::SecondFactorState,
        Error::Forbidden,
        Error::ScopeTooNarrow,
        Error::StepUpRequired,
        Error::NotFound(Missing::Task),
        Error::NotFound(Missing::Agent),
        Error::NotFound(Missing::User),
        Error::NotFound(Missing::Zone),
        Error::NotFound(Missing::ConsentText),
        Error::NotFound(Missing::Session),
        Error::NotFound(Missing::ApiToken),
        Error::NotFound(Missing::Emergency),
        Error::NotFound(Missing::CachedAnswer),
        Error::NotFound(Missing::Geofence),
        Error::NotFound(Missing::Comment),
        Error::NotFound(Missing::Attachment),
        Error::NotFound(Missing::ChecklistItem),
        Error::NotFound(Missing::Dependency),
        Error::NotFound(Missing::Template),
        Error::FileTooLarge,
        Error::FileType,
        Error::ProofRequired(vec![Lack::Photos(1)]),
        Error::TaskFull,
        Error::DependencyCycle,
        Error::DependencyUnfinished,
        Error::NotFound(Missing::NotificationRule),
        Error::NotFound(Missing::Webhook),
        Error::NotFound(Missing::Delivery),
        Error::DeliveryNotOver,
        Error::TaskNowhere,
        Error::NoAgentAvailable,
        Error::IllegalStep {
            action: Action::Start,
            state: State::Finished,
        },
        Error::NotRunning,
        Error::NotDeleted,
        Error::NotInvited,
        Error::AgentBusy,
        Error::AgentOffDuty,
        Error::NotAssigned,
        Error::AlreadyAssigned,
        Error::CodeTaken,
        Error::UserTaken,
        Error::EmailTaken,
        Error::IdentityTaken,
        Error::Csrf,
        Error::StillInUse { count: 3 },
        Error::LastAdministrator,
        Error::RequestIdReused,
        Error::Stale,
        Error::RateLimited {
            retry_after: std::time::Duration::from_millis(1),
        },
        Error::Overloaded,
        Error::Down(String::new()),
        Error::Deadline,
        Error::UnknownMethod,
        Error::Internal(String::new()),
    ]
}

/// A reason's comment by its name without the prefix.
fn reasons(pool: &DescriptorPool) -> BTreeMap<String, String> {
    let kind = pool.get_enum_by_name("gad.v1.ErrorReason").unwrap();
    let file = kind.parent_file();
    kind.values()
        .filter(|value| value.number() != 0)
        .map(|value| {
            let name = value.name().trim_start_matches("ERROR_REASON_").to_owned();
            (name, descriptor::comment(&file, value.path()))
        })
        .collect()
}

#[test]
fn the_comment_of_a_reason_ends_with_the_code_it_comes_with() {
    let comments = reasons(&descriptor::pool());
    let mut given = BTreeSet::new();
    for error in errors() {
        let comment = &comments[error.reason()];
        let code = format!("{:?}", error.code());
        let said = comment.trim_end_matches('.').rsplit([' ', '\n']).next().unwrap();
        assert_eq!(said.replace('_', "").to_lowercase(), code.to_lowercase(), "{comment}");
        given.insert(error.reason().to_owned());
    }
    assert_eq!(
        given,
        comments.into_keys().collect(),
        "reasons that no error has, or the other way round"
    );
}

/// Reasons that every RPC may give, by its level, its validation, or the state the server is in.
const OF_ALL: [&str; 13] = [
    "SIGNED_OUT",
    "FORBIDDEN",
    "PASSWORD_EXPIRED",
    "CSRF",
    "SCOPE_TOO_NARROW",
    "STEP_UP_REQUIRED",
    "INVALID_FIELD",
    "RATE_LIMITED",
    "OVERLOADED",
    "DEPENDENCY_DOWN",
    "DEADLINE",
    "INTERNAL",
    "UNKNOWN_METHOD",
];

#[test]
fn every_reason_is_declared_by_an_rpc_or_common_to_all() {
    let pool = descriptor::pool();
    let declared: BTreeSet<String> = all_methods(&pool)
        .iter()
        .filter_map(|method| descriptor::rule(&pool, method))
        .flat_map(|rule| rule.reasons)
        .map(|reason| gad::error::reason_name(reason).to_owned())
        .collect();
    let common: BTreeSet<String> = OF_ALL.map(str::to_owned).into();
    assert_eq!(declared.intersection(&common).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(&declared | &common, reasons(&pool).into_keys().collect());
}

#[test]
fn the_openapi_document_is_valid_and_always_the_same() {
    let document = openapi::document();
    assert_eq!(document, openapi::document());
    validate(&document);
}

#[test]
fn the_older_openapi_document_is_valid_and_has_every_route() {
    let document = openapi::older_document();
    assert_eq!(document, openapi::older_document());
    validate(&document);
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let verbs = item.as_object().unwrap().keys();
        described.extend(verbs.map(|verb| format!("{} {path}", verb.to_uppercase())));
    }
    let pool = descriptor::pool();
    let mut older = all_methods(&pool);
    older.retain(|method| descriptor::is_legacy(method.parent_service().full_name()));
    let routes = older.iter().flat_map(|method| descriptor::routes(&pool, method));
    assert_eq!(
        described,
        routes
            .filter(|route| !route.path.contains("=**"))
            .map(|route| format!("{} {}", route.verb, route.path))
            .collect()
    );
}

fn validate(document: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    fs::write(&file, document).unwrap();
    let output = Command::new(tool("openapi-spec-validator"))
        .arg(&file)
        .output()
        .expect("openapi-spec-validator starts: scripts/install.sh test");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_openapi_document_has_every_route_and_no_loose_end() {
    let document: Value = serde_json::from_str(&openapi::document()).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            described.insert(format!(
                "{} {}",
                verb.to_uppercase(),
                operation["x-gad-rpc"].as_str().unwrap()
            ));
            let named = operation["parameters"].as_array().unwrap().iter();
            let named = named.filter(|parameter| parameter["in"] == "path");
            for parameter in named {
                assert!(
                    path.contains(&format!("{{{}}}", parameter["name"].as_str().unwrap())),
                    "{path}"
                );
                assert_eq!(parameter["required"], true);
            }
        }
    }
    let pool = descriptor::pool();
    let declared = methods(&pool).into_iter().flat_map(|method| {
        let routes = descriptor::routes(&pool, &method);
        routes
            .into_iter()
            .map(move |route| format!("{} {}", route.verb, descriptor::path(&method)))
    });
    assert_eq!(described, declared.collect());
    let mut references = Vec::new();
    collect(&document, &mut references);
    for reference in references {
        let there = document.pointer(reference.trim_start_matches('#'));
        assert!(there.is_some_and(|schema| !schema.is_null()), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect(field, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
