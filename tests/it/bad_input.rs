//! What strangers may send to the public door, and what comes of it.

use gad::pb;
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use tonic_types::StatusExt as _;

use crate::{
    edge::Edge,
    world::{Person, World, draft, reason},
};

/// A world behind Envoy, spoken to in REST.
struct Rest {
    world: World,
    edge: Edge,
    http: reqwest::Client,
    supervisor: Person,
}

/// Status, headers and body of an answer.
struct Said {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Said {
    fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// Reason of a refusal.
    fn reason(&self) -> String {
        let status = self.json();
        let details = status["details"].as_array().unwrap().iter();
        let mut reasons = details.filter_map(|detail| detail["reason"].as_str());
        reasons.next().unwrap_or_default().to_owned()
    }

    /// Fields that a refusal names.
    fn fields(&self) -> Vec<String> {
        let status = self.json();
        let details = status["details"].as_array().unwrap().iter();
        let violations = details.filter_map(|detail| detail["field_violations"].as_array()).flatten();
        violations
            .map(|violation| violation["field"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Fails unless it is a refusal of the edge or the server in the one form that there is.
    #[track_caller]
    fn refused(&self, status: u16, code: i64) {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        let said = self.json();
        assert_eq!(said["code"], code, "{said}");
        assert!(!said["message"].as_str().unwrap().is_empty(), "{said}");
        assert!(said["details"].is_array(), "{said}");
    }
}

impl Rest {
    async fn start() -> Self {
        Self::over(World::start().await).await
    }

    async fn over(world: World) -> Self {
        Self {
            edge: Edge::before(&[world.replica.address]).await,
            http: reqwest::Client::new(),
            supervisor: world.supervisor().await,
            world,
        }
    }

    async fn send(&self, verb: Method, path: &str, body: impl Into<reqwest::Body>) -> Said {
        self.send_as(&self.supervisor.token, verb, path, body).await
    }

    async fn send_as(&self, token: &str, verb: Method, path: &str, body: impl Into<reqwest::Body>) -> Said {
        let request = self.http.request(verb, self.edge.url(path)).body(body);
        let request = request.header("content-type", "application/json");
        let answer = request.bearer_auth(token).send().await.unwrap();
        Said {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            bytes: answer.bytes().await.unwrap().to_vec(),
        }
    }

    async fn get(&self, path: &str) -> Said {
        self.send(Method::GET, path, "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Said {
        self.send(Method::POST, path, body.to_string()).await
    }
}

#[tokio::test]
async fn what_the_edge_cannot_read_is_a_bad_request_in_the_usual_form() {
    let rest = Rest::start().await;
    for query in [
        "nothing=1",
        "filter.nothing=1",
        "page_size=many",
        "page_size=",
        "page_size=99999999999",
        "filter.states=NO_SUCH_STATE",
        "filter.planned_from_time=yesterday",
        "filter.planned_from_time=2026-01-01T00:00:00",
        "filter.agent_ids=one",
        "filter.deleted_shown=perhaps",
    ] {
        let said = rest.get(&format!("/v1/tasks?{query}")).await;
        assert_eq!(said.status, 400, "{query}");
        said.refused(400, 3);
    }
    for body in [
        "",
        "{",
        "[]",
        "nothing",
        "{\"title\": 7}",
        "{\"title\": {}}",
        "{\"title\": \"a\", \"title\": \"b\" \"c\"}",
        "{\"kind\": \"TASK_KIND_NONSENSE\"}",
        "{\"location\": {\"latitude\": \"north\"}}",
        "{\"planned_start_time\": \"yesterday\"}",
        "{\"planned_start_time\": 7}",
        "{\"agent_ids\": [\"one\"]}",
    ] {
        let said = rest.send(Method::POST, "/v1/tasks", body).await;
        assert_eq!(said.status, 400, "{body}");
        said.refused(400, 3);
    }
    let said = rest
        .send(Method::POST, "/v1/tasks", b"{\"title\": \"\xff\xfe\"}".to_vec())
        .await;
    said.refused(400, 3);
    rest.get("/v1/tasks/one").await.refused(400, 3);
    rest.get("/v1/tasks/99999999999999999999").await.refused(400, 3);
}

#[tokio::test]
async fn paths_and_methods_that_there_are_not_are_not_found() {
    let rest = Rest::start().await;
    for (verb, path) in [
        (Method::PUT, "/v1/tasks"),
        (Method::DELETE, "/v1/tasks"),
        (Method::POST, "/v1/tasks/1"),
        (Method::GET, "/v1/tasks/1:start"),
        (Method::POST, "/v1/tasks/1:explode"),
        (Method::GET, "/v1/nothing"),
        (Method::GET, "/v1/"),
        (Method::GET, "/.well-known/openid-configuration"),
    ] {
        let said = rest.send(verb.clone(), path, "").await;
        assert_eq!(said.status, 404, "{verb} {path}");
        said.refused(404, 5);
    }
    // gRPC's own paths are for gRPC.
    let said = rest.post("/gad.v1.TaskService/GetTask", &json!({ "id": 1 })).await;
    assert_eq!(said.status, 404);
}

#[tokio::test]
async fn an_unknown_json_field_is_ignored_and_words_of_enums_may_be_lower_case() {
    let rest = Rest::start().await;
    let body = json!({ "title": "Patrullar", "kind": "task_kind_patrol", "colour": "red", "location": { "altitude": 5, "latitude": 1, "longitude": 2 } });
    let said = rest.post("/v1/tasks", &body).await;
    assert_eq!(said.status, 200);
    assert_eq!(said.json()["kind"], "TASK_KIND_PATROL");
    let said = rest.get("/v1/tasks?filter.kinds=task_kind_patrol").await;
    assert_eq!(said.json()["tasks"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_its_size() {
    let rest = Rest::start().await;
    let body = |bytes: usize| json!({ "title": "t", "kind": "TASK_KIND_PATROL", "description": "d".repeat(bytes) });
    for megabytes in [11, 20] {
        let said = rest.post("/v1/tasks", &body(megabytes * 1024 * 1024)).await;
        said.refused(413, 8);
    }
    let said = rest.post("/v1/tasks", &body(3 * 1024 * 1024)).await;
    said.refused(400, 3);
    assert_eq!(said.fields(), ["task.description"]);
    let said = rest.post("/v1/tasks", &body(10_000)).await;
    assert_eq!(said.status, 200);
    // Natively, too, and with a reason.
    let huge = pb::CreateTaskRequest {
        task: Some(pb::Task {
            description: "d".repeat(5 * 1024 * 1024),
            ..draft("t")
        }),
        ..Default::default()
    };
    let refused = rest.supervisor.tasks().create_task(huge).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (tonic::Code::InvalidArgument, "INVALID_FIELD")
    );
}

#[tokio::test]
async fn a_hundred_thousand_brackets_do_not_harm_the_edge() {
    let rest = Rest::start().await;
    for bracket in ["[", "{\"a\":", "{\"location\":"] {
        let said = rest.send(Method::POST, "/v1/tasks", bracket.repeat(100_000)).await;
        said.refused(400, 3);
    }
    assert_eq!(rest.get("/v1/tasks").await.status, 200);
}

#[tokio::test]
async fn numbers_that_are_none_are_refused_and_zero_is_a_place() {
    let rest = Rest::start().await;
    let at = |latitude: Value, longitude: Value| json!({ "title": "t", "kind": "TASK_KIND_PATROL", "location": { "latitude": latitude, "longitude": longitude } });
    for (latitude, longitude, field) in [
        (json!("NaN"), json!(0), "task.location.latitude"),
        (json!("Infinity"), json!(0), "task.location.latitude"),
        (json!(0), json!("-Infinity"), "task.location.longitude"),
        (json!(90.000001), json!(0), "task.location.latitude"),
        (json!(0), json!(-181), "task.location.longitude"),
    ] {
        let said = rest.post("/v1/tasks", &at(latitude, longitude)).await;
        said.refused(400, 3);
        assert_eq!(
            (said.reason(), said.fields()),
            ("INVALID_FIELD".to_owned(), vec![field.to_owned()])
        );
    }
    let said = rest.post("/v1/tasks", &at(json!(0), json!(0))).await;
    assert_eq!(said.status, 200);
    assert_eq!(said.json()["location"], json!({ "latitude": 0, "longitude": 0 }));
    let said = rest.get("/v1/agents:nearby?location.latitude=0&location.longitude=0").await;
    assert_eq!(said.status, 200);
    let said = rest.get("/v1/agents:nearby?location.latitude=nan&location.longitude=0").await;
    assert_eq!(said.status, 400);
    let said = rest.get("/v1/agents:nearby").await;
    assert_eq!(said.fields(), ["location"]);
}

#[tokio::test]
async fn control_characters_are_refused_wherever_text_goes() {
    let rest = Rest::start().await;
    for (field, text) in [
        ("title", "a\u{0}b"),
        ("title", "a\nb"),
        ("description", "a\u{0}b"),
        ("description", "a\u{1b}[2Jb"),
        ("location_description", "a\u{7f}b"),
        ("code", "a b"),
    ] {
        let mut body = json!({ "title": "t", "kind": "TASK_KIND_PATROL" });
        body[field] = json!(text);
        let said = rest.post("/v1/tasks", &body).await;
        said.refused(400, 3);
        assert_eq!(said.fields(), [format!("task.{field}")], "{text:?}");
    }
    for path in [
        "/v1/tasks?filter.text=a%00b",
        "/v1/tasks?page_token=%00",
        "/v1/agents?filter.units=a%00b",
        "/v1/agents?page_token=%00",
        "/v1/agents:nearby?location.latitude=0&location.longitude=0&units=%00",
        "/v1/agents:nearby?location.latitude=0&location.longitude=0&specialties=%00",
        "/v1/events:watch?cursor=%00",
    ] {
        let said = rest.get(path).await;
        assert_eq!(said.status, 400, "{path}");
        said.refused(400, 3);
    }
    let login = json!({ "email": "a\u{0}@gad.example", "password": "\u{0}" });
    assert_eq!(rest.post("/v1/auth:login", &login).await.status, 400);
    let login = json!({ "email": "supervisor@gad.example", "password": "\u{0}" });
    assert_eq!(rest.post("/v1/auth:login", &login).await.reason(), "WRONG_CREDENTIALS");
}

#[tokio::test]
async fn the_ends_of_time_and_of_numbers_are_not_our_fault() {
    let rest = Rest::start().await;
    let (first, last) = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z");
    let most = i64::MAX;
    for time in [first, last] {
        for path in [
            format!("/v1/tasks?filter.planned_from_time={time}"),
            format!("/v1/tasks?filter.planned_until_time={time}"),
            format!("/v1/agents/1/track?start_time={time}"),
            format!("/v1/agents/1/track?end_time={time}"),
        ] {
            let said = rest.get(&path).await;
            assert!(said.status < 500, "{path}: {}", said.status);
        }
        let body = json!({ "title": "t", "kind": "TASK_KIND_PATROL", "planned_start_time": time });
        let said = rest.post("/v1/tasks", &body).await;
        assert!(said.status < 500, "{time}: {}", said.status);
        let fix = json!({ "agent_id": 1, "location": { "latitude": 0, "longitude": 0 }, "fix_time": time });
        let said = rest.post("/v1/positions:report", &json!({ "positions": [fix] })).await;
        assert!(
            said.status == 400 || said.json()["refused_count"] == 1,
            "{time}: {}",
            said.status
        );
    }
    for path in [
        format!("/v1/tasks/{most}"),
        format!("/v1/tasks:batchGet?ids={most}"),
        format!("/v1/tasks/{most}/history"),
        format!("/v1/agents/{most}"),
        format!("/v1/agents/{most}/track"),
        format!("/v1/tasks?filter.agent_ids={most}&filter.zone_ids={most}"),
        "/v1/agents:nearby?location.latitude=90&location.longitude=180&radius_meters=20100000&max_fix_age=604800s".to_owned(),
        "/v1/agents:nearby?location.latitude=-90&location.longitude=-180&radius_meters=4.9e-324".to_owned(),
    ] {
        let said = rest.get(&path).await;
        assert!(said.status < 500, "{path}: {}", String::from_utf8_lossy(&said.bytes));
    }
}

#[tokio::test]
async fn tokens_of_any_length_and_shape_are_answered_in_the_usual_form() {
    let rest = Rest::start().await;
    let get = async |token: &str| rest.send_as(token, Method::GET, "/v1/tasks", "").await;
    for token in [
        "",
        "x",
        "a.b.c",
        &"t".repeat(8 * 1024),
        &format!("{}x", rest.supervisor.token),
        &rest.supervisor.token[1..],
        &format!("eyJhbGciOiJub25lIn0.{}.", rest.supervisor.token.split('.').nth(1).unwrap()),
    ] {
        let said = get(token).await;
        said.refused(401, 16);
        assert_eq!(said.reason(), "SIGNED_OUT");
    }
    get(&"t".repeat(40 * 1024)).await.refused(431, 8);
    assert_eq!(get(&rest.supervisor.token).await.status, 200);
}

#[tokio::test]
async fn a_number_in_path_and_body_must_not_disagree() {
    let rest = Rest::start().await;
    let (one, two) = (rest.supervisor.task("Uno").await, rest.supervisor.task("Dos").await);
    let said = rest
        .post(&format!("/v1/tasks/{}:start", one.id), &json!({ "id": two.id }))
        .await;
    said.refused(400, 3);
    let body = json!({ "id": two.id, "title": "Otro" }).to_string();
    let said = rest.send(Method::PATCH, &format!("/v1/tasks/{}", one.id), body).await;
    said.refused(400, 3);
    let tasks = rest
        .get(&format!("/v1/tasks:batchGet?ids={}&ids={}", one.id, two.id))
        .await
        .json();
    let tasks = tasks["tasks"].as_array().unwrap();
    assert!(
        tasks
            .iter()
            .all(|task| task["revision"] == "1" && task["state"] == "TASK_STATE_SCHEDULED")
    );
}

#[tokio::test]
async fn whoever_asks_for_two_numbers_at_once_sees_no_more_than_they_may() {
    let rest = Rest::start().await;
    let agent = rest.world.agent().await;
    let (own, other) = (agent.task("Propia").await, rest.supervisor.task("Ajena").await);
    let path = format!("/v1/tasks/{}?id={}", own.id, other.id);
    let said = rest.send_as(&agent.token, Method::GET, &path, "").await;
    // Envoy lets the query win over the path: so the server decides by the message, never by the path.
    said.refused(404, 5);
    assert_eq!(said.reason(), "TASK_NOT_FOUND");
}

#[tokio::test]
async fn a_stale_etag_is_a_conflict() {
    let rest = Rest::start().await;
    let task = rest.supervisor.task("Patrullar").await;
    let path = format!("/v1/tasks/{}:start", task.id);
    let said = rest.post(&path, &json!({ "etag": "r0" })).await;
    said.refused(409, 10);
    assert_eq!(said.reason(), "STALE_ETAG");
    let said = rest.post(&path, &json!({ "etag": task.etag })).await;
    assert_eq!(said.status, 200);
    let said = rest
        .send(Method::DELETE, &format!("/v1/tasks/{}?etag={}", task.id, task.etag), "")
        .await;
    assert_eq!(said.status, 403, "a supervisor deletes nothing");
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_bytes_and_another_with_its_id_is_a_conflict() {
    let rest = Rest::start().await;
    let body = json!({ "title": "Una vez", "kind": "TASK_KIND_PATROL" });
    let path = "/v1/tasks?request_id=once";
    let first = rest.post(path, &body).await;
    assert_eq!(
        (first.status, first.headers.contains_key("idempotent-replayed")),
        (200, false)
    );
    let again = rest.post(path, &body).await;
    assert_eq!((again.status, &again.bytes), (200, &first.bytes));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let said = rest
        .post(path, &json!({ "title": "Otra cosa", "kind": "TASK_KIND_PATROL" }))
        .await;
    said.refused(409, 6);
    assert_eq!(said.reason(), "IDEMPOTENCY_KEY_REUSED");
    let all = rest.get("/v1/tasks").await.json();
    assert_eq!(all["tasks"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn too_many_calls_are_told_when_to_come_back() {
    let world = World::with(|settings| settings.rate_limit_logins = 3).await;
    let rest = Rest::over(world).await;
    let login = json!({ "email": "supervisor@gad.example", "password": "no" });
    // The supervisor signed in past the edge, from the same address.
    for _ in 0..2 {
        assert_eq!(rest.post("/v1/auth:login", &login).await.status, 401);
    }
    let said = rest.post("/v1/auth:login", &login).await;
    said.refused(429, 8);
    assert_eq!(said.reason(), "RATE_LIMITED");
    let wait: u64 = said.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[tokio::test]
async fn bytes_that_are_no_message_are_a_bad_request() {
    let rest = Rest::start().await;
    let url = rest.edge.url("/gad.v1.TaskService/GetTask");
    // A field of kind 7, in a frame of one byte; a frame that ends early; no frame at all.
    for body in [
        &b"\x00\x00\x00\x00\x01\x0f"[..],
        b"\x00\x00\x00\x00\x09\x08",
        b"",
        b"\x07\x00\x00\x00\x00",
    ] {
        let request = rest.http.post(&url).body(body.to_vec());
        let request = request
            .header("content-type", "application/grpc-web+proto")
            .header("x-grpc-web", "1");
        let answer = request.bearer_auth(&rest.supervisor.token).send().await.unwrap();
        let headers = answer.headers().clone();
        let status = tonic::Status::from_header_map(&headers).unwrap_or_else(|| panic!("{body:?}: {headers:?}"));
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (tonic::Code::InvalidArgument, "INVALID_FIELD"),
            "{body:?}"
        );
    }
}

#[tokio::test]
async fn a_million_faults_are_refused_in_few_words() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let zeros = pb::BatchGetTasksRequest { ids: vec![0; 1_000_000] };
    let refused = supervisor.tasks().batch_get_tasks(zeros).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (tonic::Code::InvalidArgument, "INVALID_FIELD")
    );
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "ids");
    assert!((2..=16).contains(&violations.len()), "{}", violations.len());

    let task = supervisor.task("Patrullar").await;
    let change = pb::UpdateTaskRequest {
        task: Some(task),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["x".repeat(1_000_000)],
        }),
        ..Default::default()
    };
    let refused = supervisor.tasks().update_task(change).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_FIELD");
    assert!(refused.message().len() < 1000, "{}", refused.message().len());
}
