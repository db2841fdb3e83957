//! The doors of the older products and the new ones open to the same things: what is changed through one is read through the other,
//! with its history, its row of the audit and its event.

use std::collections::BTreeSet;

use gad::pb::{self, Availability, EventType, TaskState, UserLevel, event::Resource};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    emergency::only,
    legacy::{Door, Told, With, detail},
    live::{Watcher, task_of},
    notification::at_telegram,
    world::Person,
};

const BOT: &str = "gad-demo-bot-token";
const PROOF: &str = "Faltan pruebas del trabajo para finalizar la tarea.";
const WAITS: &str = "Falta finalizar otra tarea de la que esta depende.";

async fn ask(door: &Door, method: Method, path: &str, person: &Person, json: Option<Value>) -> Told {
    let with = With {
        token: Some(&person.token),
        json,
        ..With::default()
    };
    door.send(method, path, with).await
}

async fn put(door: &Door, path: &str, person: &Person, json: Value) -> Told {
    ask(door, Method::PUT, path, person, Some(json)).await
}

fn patrol(code: &str) -> Value {
    json!({
        "codigo": code, "titulo": "Patrulla", "tipo": "patrullaje", "inicio_programado": "2030-10-01T10:00:00Z",
        "delegado_usuario_id": 2, "creado_por_usuario_id": 1,
    })
}

/// A task made through the older door, and its path there.
async fn made(door: &Door, person: &Person, code: &str) -> (i64, String) {
    let told = door.post("/api/v1/tasks/", Some(&person.token), patrol(code)).await;
    let id = told.json()["id"].as_i64().unwrap();
    (id, format!("/api/v1/tasks/{id}"))
}

async fn task(person: &Person, id: i64) -> pb::Task {
    person.tasks().get_task(pb::GetTaskRequest { id }).await.unwrap().into_inner()
}

async fn user(person: &Person, id: i64) -> pb::User {
    person.users().get_user(pb::GetUserRequest { id }).await.unwrap().into_inner()
}

fn step(id: i64) -> pb::TaskStepRequest {
    pb::TaskStepRequest {
        id,
        ..Default::default()
    }
}

/// Methods of the changes that the audit has of a thing, the oldest first.
async fn audited(door: &Door, resource: &str) -> Vec<String> {
    let sql = "select method from audit where resource = $1 and outcome = 'OK' order by time";
    let rows = door.world.database().await.query(sql, &[&resource]).await.unwrap();
    let name = |method: String| method.rsplit('/').next().unwrap().to_owned();
    let methods = rows.iter().map(|row| name(row.get(0)));
    methods.filter(|name| !name.starts_with("Get") && name != "Login").collect()
}

async fn prove(administrator: &Person, photo_count: i32) {
    let policy = pb::ProofPolicy {
        kind: pb::TaskKind::Patrol as i32,
        photo_count,
        ..Default::default()
    };
    let request = pb::UpdateProofPolicyRequest {
        policy: Some(policy),
        ..Default::default()
    };
    administrator.attachments().update_proof_policy(request).await.unwrap();
}

#[tokio::test]
async fn no_older_door_finishes_a_task_that_lacks_proof() {
    let door = Door::open().await;
    let (administrator, supervisor) = (door.world.administrator().await, door.world.supervisor().await);
    let number = at_telegram(&door.world, &supervisor).await;
    prove(&administrator, 1).await;
    let (id, path) = made(&door, &supervisor, "P-1").await;
    assert_eq!(
        put(&door, &path, &supervisor, json!({ "estado": "en_curso" })).await.status,
        200
    );
    put(&door, &path, &supervisor, json!({ "estado": "finalizada" }))
        .await
        .is(409, &detail(PROOF));
    // Nothing of it is done, whatever else the call asks for.
    put(
        &door,
        &path,
        &supervisor,
        json!({ "titulo": "Ronda", "estado": "finalizada" }),
    )
    .await
    .is(409, &detail(PROOF));
    let said = json!({ "codigo": "P-1", "telegram_id": number, "observaciones": "Listo" });
    let finalize = "/api/v1/telegram/tasks/finalize";
    door.post(finalize, Some(BOT), said.clone()).await.is(409, &detail(PROOF));
    let english = With {
        token: Some(&supervisor.token),
        json: Some(json!({ "estado": "finalizada" })),
        headers: &[("accept-language", "en")],
        ..With::default()
    };
    door.send(Method::PUT, &path, english)
        .await
        .is(409, &detail("Proof of the work is missing to finish the task."));
    let there = task(&supervisor, id).await;
    assert_eq!((there.state(), there.title.as_str()), (TaskState::InProgress, "Patrulla"));
    // One that was not begun is not begun by trying.
    let (unbegun, _) = made(&door, &supervisor, "P-2").await;
    let other = json!({ "codigo": "P-2", "telegram_id": number });
    door.post(finalize, Some(BOT), other).await.is(409, &detail(PROOF));
    assert_eq!(task(&supervisor, unbegun).await.state(), TaskState::Scheduled);
    prove(&administrator, 0).await;
    assert_eq!(
        put(&door, &path, &supervisor, json!({ "estado": "finalizada" })).await.status,
        200
    );
    assert_eq!(door.post(finalize, Some(BOT), said).await.json()["success"], json!(false));
    door.close().await;
}

#[tokio::test]
async fn no_older_door_begins_a_task_that_waits_for_another() {
    let door = Door::open().await;
    let supervisor = door.world.supervisor().await;
    let number = at_telegram(&door.world, &supervisor).await;
    let (first, first_path) = made(&door, &supervisor, "P-1").await;
    let (second, path) = made(&door, &supervisor, "P-2").await;
    let request = pb::AddDependencyRequest {
        task_id: second,
        depends_on_task_id: first,
        ..Default::default()
    };
    supervisor.dependencies().add_dependency(request).await.unwrap();
    put(&door, &path, &supervisor, json!({ "estado": "en_curso" }))
        .await
        .is(409, &detail(WAITS));
    let said = json!({ "codigo": "P-2", "telegram_id": number });
    door.post("/api/v1/telegram/tasks/finalize", Some(BOT), said.clone())
        .await
        .is(409, &detail(WAITS));
    assert_eq!(task(&supervisor, second).await.state(), TaskState::Scheduled);
    for state in ["en_curso", "finalizada"] {
        assert_eq!(
            put(&door, &first_path, &supervisor, json!({ "estado": state })).await.status,
            200
        );
    }
    let told = door.post("/api/v1/telegram/tasks/finalize", Some(BOT), said).await;
    assert_eq!((told.status.as_u16(), &told.json()["success"]), (200, &json!(true)));
    assert_eq!(task(&supervisor, second).await.state(), TaskState::Finished);
    door.close().await;
}

#[tokio::test]
async fn a_task_that_one_door_deletes_is_gone_at_the_other_and_comes_back_at_both() {
    let door = Door::open().await;
    let (administrator, supervisor) = (door.world.administrator().await, door.world.supervisor().await);
    let types = [EventType::TaskUpdated, EventType::TaskDeleted, EventType::TaskUndeleted];
    let mut watcher = Watcher::live_to_types(&supervisor, &types).await;
    let mut heard = async |kind: EventType, id: i64| {
        let event = watcher.event().await;
        assert_eq!((event.r#type(), task_of(&event).id), (kind, id));
    };
    let (id, path) = made(&door, &supervisor, "P-1").await;
    assert_eq!(
        put(&door, &path, &supervisor, json!({ "titulo": "Ronda", "prioridad": 4 }))
            .await
            .status,
        200
    );
    heard(EventType::TaskUpdated, id).await;
    let before = task(&supervisor, id).await;
    assert_eq!((before.title.as_str(), before.priority), ("Ronda", 4));
    assert_eq!(ask(&door, Method::DELETE, &path, &administrator, None).await.status, 200);
    heard(EventType::TaskDeleted, id).await;
    let refused = supervisor.tasks().get_task(pb::GetTaskRequest { id }).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    assert!(task(&administrator, id).await.delete_time.is_some());
    administrator.tasks().undelete_task(step(id)).await.unwrap();
    heard(EventType::TaskUndeleted, id).await;
    assert_eq!(door.get(&path, Some(&supervisor.token)).await.json()["titulo"], "Ronda");
    let request = pb::DeleteTaskRequest {
        id,
        ..Default::default()
    };
    administrator.tasks().delete_task(request).await.unwrap();
    heard(EventType::TaskDeleted, id).await;
    assert_eq!(door.get(&path, Some(&supervisor.token)).await.status, 404);
    let listed = door.get("/api/v1/tasks/", Some(&supervisor.token)).await.json();
    assert!(listed.as_array().unwrap().iter().all(|task| task["id"] != id), "{listed}");
    assert_eq!(
        audited(&door, &format!("task/{id}")).await,
        ["CreateTask", "UpdateTask", "DeleteTask", "UndeleteTask", "DeleteTask"]
    );
    let request = pb::ListTaskHistoryRequest {
        task_id: id,
        ..Default::default()
    };
    let history = administrator.tasks().list_task_history(request).await.unwrap().into_inner();
    let told: Vec<&str> = history.entries.iter().map(|entry| entry.action().as_str_name()).collect();
    assert_eq!(
        told,
        [
            "TASK_ACTION_UNSPECIFIED",
            "TASK_ACTION_DELETE",
            "TASK_ACTION_UNDELETE",
            "TASK_ACTION_DELETE"
        ]
    );
    door.close().await;
}

#[tokio::test]
async fn a_user_is_the_same_at_all_doors() {
    let door = Door::open().await;
    let administrator = door.world.administrator().await;
    let token = Some(administrator.token.as_str());
    let new = json!({ "email": "rosa@gad.example", "password": gad::config::DEMO_PASSWORD, "nombre": "Rosa", "apellido": "Paz",
                      "dni": "30111222", "telegram_id": 5_000_001, "nivel": 1, "verificado": true });
    let made = door.post("/api/v1/users/", token, new).await.json();
    let id = made["id"].as_i64().unwrap();
    let there = user(&administrator, id).await;
    assert_eq!(
        (
            there.email.as_str(),
            there.given_name.as_str(),
            there.telegram_id,
            there.level()
        ),
        ("rosa@gad.example", "Rosa", Some(5_000_001), UserLevel::Agent)
    );
    let request = pb::UpdateUserRequest {
        user: Some(pb::User {
            id,
            phone: "+57 300".to_owned(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["phone".to_owned()],
        }),
        ..Default::default()
    };
    administrator.users().update_user(request).await.unwrap();
    let (path, panel) = (format!("/api/v1/users/{id}"), format!("/api/v1/usuarios/{id}"));
    assert_eq!(door.get(&path, token).await.json()["telefono"], "+57 300");
    let request = pb::SetUserLevelRequest {
        id,
        level: UserLevel::Supervisor as i32,
        ..Default::default()
    };
    administrator.users().set_user_level(request).await.unwrap();
    assert_eq!(door.get(&panel, token).await.json()["nivel"], "2");
    // The older doors change it too, and who is signed in feels it at once.
    let rosa = door.world.person("rosa@gad.example").await;
    assert_eq!(put(&door, &panel, &administrator, json!({ "nivel": "1" })).await.status, 200);
    assert_eq!(user(&administrator, id).await.level(), UserLevel::Agent);
    assert_eq!(
        put(&door, &path, &administrator, json!({ "apellido": "Paz Ríos" }))
            .await
            .status,
        200
    );
    assert_eq!(user(&administrator, id).await.family_name, "Paz Ríos");
    assert_eq!(ask(&door, Method::DELETE, &panel, &administrator, None).await.status, 204);
    assert!(user(&administrator, id).await.delete_time.is_some());
    assert_eq!(door.get("/api/v1/users/me", Some(&rosa.token)).await.status, 403);
    assert_eq!(
        audited(&door, &format!("user/{id}")).await,
        [
            "CreateUser",
            "UpdateUser",
            "SetUserLevel",
            "UpdateUsuario",
            "UpdateUser",
            "DeleteUsuario"
        ]
    );
    let request = pb::UserStepRequest {
        id,
        ..Default::default()
    };
    administrator.users().undelete_user(request).await.unwrap();
    assert_eq!(door.get(&path, token).await.json()["apellido"], "Paz Ríos");
    door.close().await;
}

#[tokio::test]
async fn a_session_that_one_door_begins_the_other_knows_and_ends() {
    let door = Door::open().await;
    let supervisor = door.world.supervisor().await;
    let form = [
        ("username", "supervisor@gad.example"),
        ("password", gad::config::DEMO_PASSWORD),
    ];
    let sign_in = async || {
        let told = door.form("/api/v1/auth/login", &form).await.json();
        told["access_token"].as_str().unwrap().to_owned()
    };
    let sessions = async || {
        let request = pb::ListSessionsRequest::default();
        let listed = supervisor.auth().list_sessions(request).await.unwrap().into_inner();
        let open = listed.sessions.into_iter().filter(|session| session.end_time.is_none());
        open.map(|session| session.id).collect::<BTreeSet<_>>()
    };
    let before = sessions().await;
    let token = sign_in().await;
    let with = sessions().await;
    let fresh: Vec<&String> = with.difference(&before).collect();
    assert_eq!(fresh.len(), 1);
    let request = pb::RevokeSessionRequest {
        session_id: fresh[0].clone(),
    };
    supervisor.auth().revoke_session(request).await.unwrap();
    crate::world::until("the older door hears of it", async || {
        door.get("/api/v1/users/me", Some(&token)).await.status == 403
    })
    .await;
    // And the other way round.
    let token = sign_in().await;
    let other = supervisor.by(&token, door.world.replica.channel());
    other.auth().get_me(pb::GetMeRequest::default()).await.unwrap();
    let told = ask(&door, Method::POST, "/api/v1/auth/logout", &other, None).await;
    told.is(200, &json!({ "status": "logged_out" }));
    let refused = other.auth().get_me(pb::GetMeRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    door.close().await;
}

#[tokio::test]
async fn a_place_that_one_door_takes_the_other_shows() {
    let door = Door::open().await;
    let (agent, supervisor) = (door.world.agent().await, door.world.supervisor().await);
    let id = agent.agent_id.unwrap();
    let uid = door.get("/api/v1/users/me", Some(&agent.token)).await.json()["uuid"].clone();
    let mut watcher = Watcher::live_to_types(&supervisor, &[EventType::AgentMoved]).await;
    let path = format!("/api/v1/geo/location/usuario/{}", uid.as_str().unwrap());
    let told = door
        .post(
            &path,
            Some(&agent.token),
            json!({ "lat": 4.7, "lng": -74.1, "source": "MANUAL" }),
        )
        .await;
    assert_eq!(told.status, 200, "{told:?}");
    let Some(Resource::Position(fix)) = watcher.event().await.resource else {
        panic!("a fix")
    };
    assert_eq!((fix.agent_id, fix.location.unwrap().latitude), (id, 4.7));
    let request = pb::GetAgentRequest { id };
    let there = agent.agents().get_agent(request).await.unwrap().into_inner();
    assert_eq!(there.position.unwrap().location.unwrap().longitude, -74.1);
    // A place that comes in through the new door is on the older map.
    let now = door
        .world
        .database()
        .await
        .query_one("select extract(epoch from now())::bigint", &[])
        .await
        .unwrap();
    let fix = pb::Position {
        agent_id: id,
        location: Some(pb::LatLng {
            latitude: 4.71,
            longitude: -74.11,
        }),
        fix_time: Some(prost_types::Timestamp {
            seconds: now.get::<_, i64>(0) + 1,
            nanos: 0,
        }),
        source: pb::PositionSource::Manual as i32,
        ..Default::default()
    };
    let request = pb::ReportPositionsRequest { positions: vec![fix] };
    let taken = agent.agents().report_positions(request).await.unwrap().into_inner();
    assert_eq!(taken.refused, []);
    let map = "/api/v1/geo/map/view?center_lat=4.71&center_lng=-74.11&radius_m=100";
    let map = door.get(map, Some(&agent.token)).await.json();
    let shown = map["usuarios"].as_array().unwrap();
    assert!(shown.iter().any(|one| one["entity_id"] == uid), "{map}");
    door.close().await;
}

#[tokio::test]
async fn an_emergency_that_one_door_raises_the_other_ends_and_its_agent_is_free() {
    let door = Door::open().await;
    let (agent, supervisor) = (door.world.agent().await, door.world.supervisor().await);
    only(&door.world, &[&agent]).await;
    let available = async || {
        let request = pb::GetAgentRequest {
            id: agent.agent_id.unwrap(),
        };
        let agent = supervisor.agents().get_agent(request).await.unwrap().into_inner();
        agent.availability() == Availability::Available
    };
    let mut watcher = Watcher::live_to_types(&supervisor, &[EventType::EmergencyRaised]).await;
    // Raised through the older door, ended through the new one.
    let report = json!({ "telegram_id": 0, "lat": 4.65, "lng": -74.07 });
    let told = door
        .post("/api/v1/tasks/emergency", Some(&supervisor.token), report)
        .await
        .json();
    let Some(Resource::Emergency(raised)) = watcher.event().await.resource else {
        panic!("an emergency")
    };
    assert_eq!(json!(raised.task_id), told["task_id"]);
    assert_eq!(
        audited(&door, &format!("emergency/{}", raised.id))
            .await
            .first()
            .map(String::as_str),
        Some("RaiseEmergency")
    );
    assert!(!available().await);
    agent.tasks().start_task(step(raised.task_id)).await.unwrap();
    agent.tasks().finish_task(step(raised.task_id)).await.unwrap();
    let path = format!("/api/v1/tasks/{}", raised.task_id);
    assert_eq!(door.get(&path, Some(&supervisor.token)).await.json()["estado"], "finalizada");
    assert!(available().await);
    // And the other way round.
    let request = pb::RaiseEmergencyRequest {
        location: Some(pb::LatLng {
            latitude: 4.65,
            longitude: -74.07,
        }),
        ..Default::default()
    };
    let raised = agent.emergencies().raise_emergency(request).await.unwrap().into_inner();
    let path = format!("/api/v1/tasks/{}", raised.task_id);
    let task = door.get(&path, Some(&supervisor.token)).await.json();
    assert_eq!((&task["tipo"], &task["prioridad"]), (&json!("emergencia"), &json!(5)));
    assert_eq!(
        put(&door, &path, &supervisor, json!({ "estado": "cancelada" })).await.status,
        200
    );
    let request = pb::GetEmergencyRequest { id: raised.id };
    let ended = supervisor.emergencies().get_emergency(request).await.unwrap().into_inner();
    assert_eq!(ended.state(), pb::EmergencyState::Closed);
    assert!(available().await);
    door.close().await;
}
