//! `/api/v1/tasks` of GRUPO_GAD.

use std::collections::BTreeSet;

use futures::future::join_all;
use gad::pb::{self, EventType, TaskKind, TaskState};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    emergency::only,
    legacy::{Door, PRIVILEGES, Row, Told, Who, With, detail, gad_invalid, play},
    live::{Watcher, task_of},
    world::draft,
};

const TASKS: &str = "/api/v1/tasks/";
const ONE: &str = "/api/v1/tasks/{last}";
const NOTHING: &str = "/api/v1/tasks/999999";
const EMERGENCY: &str = "/api/v1/tasks/emergency";
const MISSING: &str = "The task with this id does not exist in the system";
const NOBODY_COMES: &str = "No efectivos with location data available";

/// Where what no row gives is tested.
pub const ELSEWHERE: &[(&str, usize, &str, &str)] = &[
    ("TaskService.RaiseEmergency", 0, "", RAISING),
    ("TaskService.DeleteTask", 0, "ILLEGAL_STEP", RAISING),
    ("TaskService.UpdateTask", 0, "PROOF_REQUIRED", PROVING),
    ("TaskService.UpdateTask", 0, "DEPENDENCY_UNFINISHED", WAITING),
];
const PROVING: &str = "legacy_doors::no_older_door_finishes_a_task_that_lacks_proof";
const WAITING: &str = "legacy_doors::no_older_door_begins_a_task_that_waits_for_another";
const RAISING: &str = "legacy_task::an_emergency_is_a_task_with_the_nearest_on_it";

/// Numbers of the template's people: the supervisor's user, the agents of `agente@` and of its colleague.
const SUPERVISOR: i64 = 2;
const AGENTS: [i64; 2] = [1, 2];

fn patrol(code: &str) -> Value {
    json!({
        "codigo": code,
        "titulo": "Patrulla en el parque",
        "tipo": "patrullaje",
        "inicio_programado": "2030-10-01T10:00:00Z",
        "fin_programado": "2030-10-01T07:00:00-05:00",
        "delegado_usuario_id": SUPERVISOR,
        "creado_por_usuario_id": 1,
        "prioridad": 4,
    })
}

/// Without one of its keys.
fn without(key: &str) -> Value {
    let mut task = patrol("P-0");
    task.as_object_mut().unwrap().remove(key);
    task
}

fn with(mut whole: Value, changes: &[(&str, Value)]) -> Value {
    for (key, value) in changes {
        whole[*key] = value.clone();
    }
    whole
}

fn told(code: &str, changes: &[(&str, Value)]) -> Value {
    let task = json!({
        "id": "$",
        "uuid": "$",
        "codigo": code,
        "titulo": "Patrulla en el parque",
        "estado": "programada",
        "tipo": "patrullaje",
        "prioridad": 4,
        "delegado_usuario_id": SUPERVISOR,
        "creado_por_usuario_id": SUPERVISOR,
        "inicio_programado": "2030-10-01T10:00:00Z",
        "descripcion": null,
        "fin_programado": "2030-10-01T12:00:00Z",
    });
    with(task, changes)
}

/// Every path and its refusals.
pub fn rows() -> Vec<Row> {
    [
        makings(),
        readings(),
        changes(),
        crews(),
        steps(),
        stories(),
        endings(),
        emergencies(),
    ]
    .concat()
}

fn create(reason: &'static str) -> Row {
    Row::get("TaskService.CreateTask", reason, TASKS).of(Who::Supervisor)
}

fn makings() -> Vec<Row> {
    let wrong = |key: &'static str, value: Value| create("INVALID_FIELD").json(with(patrol("P-0"), &[(key, value)]));
    let lacking = |key: &str| create("INVALID_FIELD").json(without(key));
    let at = |key: &str, kind| gad_invalid(json!(["body", key]), kind);
    let with_crew = with(patrol("P-3"), &[("efectivos_asignados", json!(AGENTS))]);
    vec![
        create("").json(patrol("P-1")).gives(200, told("P-1", &[])),
        create("")
            .of(Who::Agent)
            .json(with(
                patrol("P-2"),
                &[
                    ("tipo", json!("OPERATIVO")),
                    ("prioridad", Value::Null),
                    ("delegado_usuario_id", json!(3)),
                ],
            ))
            .gives(
                200,
                told(
                    "P-2",
                    &[
                        ("tipo", json!("intervencion")),
                        ("prioridad", json!(2)),
                        ("delegado_usuario_id", json!(3)),
                        ("creado_por_usuario_id", json!(3)),
                    ],
                ),
            ),
        create("").json(with_crew.clone()).gives(200, told("P-3", &[])),
        create("FORBIDDEN")
            .of(Who::Agent)
            .json(with_crew)
            .gives(400, detail(PRIVILEGES)),
        create("CODE_TAKEN")
            .json(patrol("P-1"))
            .gives(409, detail("A task with codigo P-1 already exists in the system")),
        create("USER_NOT_FOUND")
            .json(with(patrol("P-4"), &[("delegado_usuario_id", json!(999_999))]))
            .gives(404, detail("The user with this id does not exist in the system")),
        create("AGENT_NOT_FOUND")
            .json(with(patrol("P-4"), &[("efectivos_asignados", json!([1, 999_999]))]))
            .gives(404, detail("An efectivo of efectivos_asignados does not exist in the system")),
        lacking("titulo").gives(422, at("titulo", "missing")),
        wrong("codigo", json!("x".repeat(51))).gives(422, at("codigo", "value_error")),
        wrong("titulo", json!("x".repeat(201))).gives(422, at("titulo", "value_error")),
        wrong("tipo", json!("paseo")).gives(422, at("tipo", "value_error")),
        wrong("prioridad", json!(6)).gives(422, at("prioridad", "value_error")),
        wrong("inicio_programado", json!("mañana")).gives(422, at("inicio_programado", "datetime_parsing")),
        lacking("inicio_programado").gives(422, at("inicio_programado", "missing")),
        wrong("fin_programado", json!("2030-10-01T10:00:00Z")).gives(422, at("fin_programado", "value_error")),
        lacking("delegado_usuario_id").gives(422, at("delegado_usuario_id", "missing")),
        wrong("efectivos_asignados", json!(7)).gives(422, at("efectivos_asignados", "list_type")),
        create("SIGNED_OUT")
            .of(Who::Nobody)
            .json(patrol("P-5"))
            .gives(401, detail("Not authenticated")),
    ]
}

fn readings() -> Vec<Row> {
    let list = |reason, path| Row::get("TaskService.ListTasks", reason, path).of(Who::Supervisor);
    let one = |reason, path| Row::get("TaskService.GetTask", reason, path).of(Who::Supervisor);
    vec![
        list("", TASKS).gives(200, json!([told("P-3", &[]), "$", told("P-1", &[])])),
        list("", "/api/v1/tasks?skip=2&limit=1000").gives(200, json!([told("P-1", &[])])),
        list("", "/api/v1/tasks/?skip=1&limit=1").gives(200, json!(["$"])),
        list("", TASKS).of(Who::Agent).gives(200, json!([told("P-3", &[]), "$"])),
        list("", TASKS).of(Who::Colleague).gives(200, json!([told("P-3", &[])])),
        list("SIGNED_OUT", TASKS)
            .of(Who::Forger)
            .gives(403, detail("Could not validate credentials")),
        list("INVALID_FIELD", "/api/v1/tasks/?limit=-1").gives(422, gad_invalid(json!(["query", "limit"]), "value_error")),
        list("INVALID_FIELD", "/api/v1/tasks/?limit=1001").gives(422, gad_invalid(json!(["query", "limit"]), "value_error")),
        list("INVALID_FIELD", "/api/v1/tasks/?skip=-1").gives(422, gad_invalid(json!(["query", "skip"]), "value_error")),
        create("").json(patrol("P-6")).gives(200, told("P-6", &[])),
        one("", ONE).gives(200, told("P-6", &[])),
        one("TASK_NOT_FOUND", ONE).of(Who::Agent).gives(404, detail(MISSING)),
        one("TASK_NOT_FOUND", NOTHING).gives(404, detail(MISSING)),
        one("SIGNED_OUT", ONE).of(Who::Nobody).gives(401, detail("Not authenticated")),
        one("INVALID_FIELD", "/api/v1/tasks/-1").gives(422, gad_invalid(json!(["path", "id"]), "value_error")),
    ]
}

fn update(reason: &'static str, path: &'static str) -> Row {
    Row::get("TaskService.UpdateTask", reason, path)
        .by(Method::PUT)
        .of(Who::Supervisor)
}

fn changes() -> Vec<Row> {
    let changed = [
        ("titulo", json!("Ronda")),
        ("descripcion", json!("Con linternas")),
        ("tipo", json!("vigilancia")),
        ("prioridad", json!(5)),
        ("delegado_usuario_id", json!(1)),
        ("inicio_programado", json!("2030-10-01T11:00:00Z")),
    ];
    let mut said = json!({ "codigo": "P-7", "id": 5, "creado_por_usuario_id": 1 });
    changed.iter().for_each(|(key, value)| said[*key] = value.clone());
    let after = told("P-7", &changed);
    vec![
        update("", ONE).json(said).gives(200, after.clone()),
        update("", ONE).json(json!({})).gives(200, after.clone()),
        update("CODE_TAKEN", ONE)
            .json(json!({ "codigo": "P-1", "titulo": "Nada de esto" }))
            .gives(409, detail("A task with codigo P-1 already exists in the system")),
        update("USER_NOT_FOUND", ONE)
            .json(json!({ "delegado_usuario_id": 999_999 }))
            .gives(404, detail("The user with this id does not exist in the system")),
        update("INVALID_FIELD", ONE)
            .json(json!({ "fin_programado": "2030-10-01T11:00:00Z" }))
            .gives(422, gad_invalid(json!(["body", "fin_programado"]), "value_error")),
        update("INVALID_FIELD", ONE)
            .json(json!({ "estado": "terminada", "prioridad": 0 }))
            .gives(
                422,
                json!({ "detail": "Validation Error", "errors": [
                    { "type": "value_error", "loc": ["body", "estado"], "msg": "$", "input": "terminada" },
                    { "type": "value_error", "loc": ["body", "prioridad"], "msg": "$", "input": 0 },
                ] }),
            ),
        update("INVALID_FIELD", ONE)
            .json(json!({ "efectivos_asignados": [1, 0] }))
            .gives(422, gad_invalid(json!(["body", "efectivos_asignados", 1]), "value_error")),
        update("TASK_NOT_FOUND", NOTHING)
            .json(json!({ "titulo": "Ronda" }))
            .gives(404, detail(MISSING)),
        update("TASK_NOT_FOUND", ONE)
            .of(Who::Agent)
            .json(json!({ "titulo": "Ronda" }))
            .gives(404, detail(MISSING)),
        update("SIGNED_OUT", ONE)
            .of(Who::Nobody)
            .json(json!({}))
            .gives(401, detail("Not authenticated")),
        Row::get("TaskService.GetTask", "", ONE).of(Who::Supervisor).gives(200, after),
    ]
}

fn crews() -> Vec<Row> {
    let crew = |agents: Value| json!({ "efectivos_asignados": agents });
    let after = || told("P-8", &[]);
    let read = |who| Row::get("TaskService.GetTask", "", ONE).of(who);
    let hidden = || Row::get("TaskService.GetTask", "TASK_NOT_FOUND", ONE).of(Who::Colleague);
    vec![
        create("").json(patrol("P-8")).gives(200, after()),
        update("", ONE).json(crew(json!(AGENTS))).gives(200, after()),
        read(Who::Colleague).gives(200, after()),
        update("", ONE).json(crew(json!([AGENTS[0]]))).gives(200, after()),
        hidden().gives(404, detail(MISSING)),
        read(Who::Agent).gives(200, after()),
        update("FORBIDDEN", ONE)
            .of(Who::Agent)
            .json(crew(json!([])))
            .gives(400, detail(PRIVILEGES)),
        // All of it or nothing: neither the title nor the crew is what it was to be.
        update("AGENT_NOT_FOUND", ONE)
            .json(json!({ "titulo": "Otra", "efectivos_asignados": [AGENTS[1], 999_999] }))
            .gives(404, detail("An efectivo of efectivos_asignados does not exist in the system")),
        read(Who::Agent).gives(200, after()),
        update("", ONE).json(crew(json!([]))).gives(200, after()),
        Row::get("TaskService.GetTask", "TASK_NOT_FOUND", ONE)
            .of(Who::Agent)
            .gives(404, detail(MISSING)),
    ]
}

fn steps() -> Vec<Row> {
    let to = |state: &str| {
        update("", ONE)
            .json(json!({ "estado": state }))
            .gives(200, told("P-9", &[("estado", json!(state))]))
    };
    let not_to = |state: &str| {
        update("ILLEGAL_STEP", ONE)
            .json(json!({ "estado": state }))
            .gives(409, json!({ "detail": "$" }))
    };
    let agents = with(patrol("P-9"), &[("efectivos_asignados", json!([AGENTS[0]]))]);
    vec![
        create("").json(agents).gives(200, told("P-9", &[])),
        not_to("pausada"),
        not_to("finalizada"),
        to("programada"),
        update("FORBIDDEN", ONE)
            .of(Who::Agent)
            .json(json!({ "estado": "en_curso", "titulo": "Otra" }))
            .gives(400, detail(PRIVILEGES)),
        // Who sends all of it back, and has changed the state only, has changed the state only.
        update("", ONE)
            .of(Who::Agent)
            .json(with(patrol("P-9"), &[("estado", json!("en_curso"))]))
            .gives(200, told("P-9", &[("estado", json!("en_curso"))])),
        to("pausada").of(Who::Agent),
        to("en_curso").of(Who::Agent),
        not_to("programada"),
        update("FORBIDDEN", ONE)
            .of(Who::Agent)
            .json(json!({ "estado": "cancelada" }))
            .gives(400, detail(PRIVILEGES)),
        to("pausada"),
        to("finalizada").of(Who::Agent),
        to("finalizada"),
        not_to("en_curso"),
        not_to("cancelada"),
        update("ILLEGAL_STEP", ONE)
            .json(json!({ "titulo": "Tarde" }))
            .gives(409, json!({ "detail": "$" })),
        // What is so already is no change, though the task has ended.
        update("", ONE)
            .json(with(patrol("P-9"), &[("estado", json!("finalizada"))]))
            .gives(200, told("P-9", &[("estado", json!("finalizada"))])),
    ]
}

fn stories() -> Vec<Row> {
    let history = |reason, path| Row::get("TaskService.GetTaskHistory", reason, path).of(Who::Supervisor);
    let status = |reason, path| Row::get("TaskService.GetTaskStatus", reason, path).of(Who::Supervisor);
    let change = |from: &str, to: &str, who: i64| json!({ "estado_anterior": from, "estado_nuevo": to, "usuario_id": who, "motivo": null, "created_at": "$" });
    let (of_task, of_status) = ("/api/v1/tasks/{last}/history", "/api/v1/tasks/{last}/status");
    vec![
        history("", of_task).gives(
            200,
            json!([
                change("programada", "en_curso", 3),
                change("en_curso", "pausada", 3),
                change("pausada", "en_curso", 3),
                change("en_curso", "pausada", SUPERVISOR),
                change("pausada", "finalizada", 3),
            ]),
        ),
        history("TASK_NOT_FOUND", of_task)
            .of(Who::Colleague)
            .gives(404, detail(MISSING)),
        history("TASK_NOT_FOUND", "/api/v1/tasks/999999/history").gives(404, detail(MISSING)),
        history("SIGNED_OUT", of_task)
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
        history("INVALID_FIELD", "/api/v1/tasks/-1/history").gives(422, gad_invalid(json!(["path", "id"]), "value_error")),
        status("", of_status).gives(
            200,
            json!({
                "estado": "finalizada",
                "inicio_real": "$",
                "fin_real": "$",
                "pausado_en": null,
                "tiempo_pausado": "$",
                "duracion_real_horas": "$",
            }),
        ),
        status("TASK_NOT_FOUND", "/api/v1/tasks/999999/status").gives(404, detail(MISSING)),
        status("SIGNED_OUT", of_status)
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
        status("INVALID_FIELD", "/api/v1/tasks/-1/status").gives(422, gad_invalid(json!(["path", "id"]), "value_error")),
        create("").json(patrol("P-10")).gives(200, told("P-10", &[])),
        history("", of_task).gives(200, json!([])),
        status("", of_status).gives(
            200,
            json!({
                "estado": "programada",
                "inicio_real": null,
                "fin_real": null,
                "pausado_en": null,
                "tiempo_pausado": 0.0,
                "duracion_real_horas": null,
            }),
        ),
    ]
}

fn endings() -> Vec<Row> {
    let delete = |reason, path| {
        Row::get("TaskService.DeleteTask", reason, path)
            .by(Method::DELETE)
            .of(Who::Administrator)
    };
    vec![
        delete("FORBIDDEN", ONE).of(Who::Supervisor).gives(400, detail(PRIVILEGES)),
        delete("SIGNED_OUT", ONE)
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
        delete("", ONE).gives(200, told("P-10", &[])),
        delete("TASK_NOT_FOUND", ONE).gives(404, detail(MISSING)),
        delete("TASK_NOT_FOUND", NOTHING).gives(404, detail(MISSING)),
        delete("INVALID_FIELD", "/api/v1/tasks/-1").gives(422, gad_invalid(json!(["path", "id"]), "value_error")),
        Row::get("TaskService.GetTask", "TASK_NOT_FOUND", ONE)
            .of(Who::Administrator)
            .gives(404, detail(MISSING)),
        update("TASK_NOT_FOUND", ONE)
            .of(Who::Administrator)
            .json(json!({ "titulo": "Nada" }))
            .gives(404, detail(MISSING)),
    ]
}

fn emergencies() -> Vec<Row> {
    let raise = |reason| Row::get("TaskService.RaiseEmergency", reason, EMERGENCY).of(Who::Supervisor);
    let report = |lat: f64, lng: f64| json!({ "telegram_id": 0, "lat": lat, "lng": lng });
    vec![
        // Nobody knows where that is.
        raise("NO_AGENT_AVAILABLE")
            .json(report(0.0, 0.0))
            .gives(404, detail(NOBODY_COMES)),
        raise("INVALID_FIELD")
            .json(report(91.0, 0.0))
            .gives(422, gad_invalid(json!(["body", "lat"]), "value_error")),
        raise("INVALID_FIELD")
            .json(report(0.0, 180.5))
            .gives(422, gad_invalid(json!(["body", "lng"]), "value_error")),
        raise("INVALID_FIELD")
            .json(json!({ "telegram_id": 0, "lat": 4.65 }))
            .gives(422, gad_invalid(json!(["body", "lng"]), "missing")),
        raise("SIGNED_OUT")
            .of(Who::Nobody)
            .json(report(4.65, -74.07))
            .gives(401, detail("Not authenticated")),
    ]
}

#[tokio::test]
async fn every_path_answers_as_its_clients_know_it() {
    play(rows()).await;
}

async fn put(door: &Door, path: &str, token: &str, json: Value) -> Told {
    let with = With {
        token: Some(token),
        json: Some(json),
        ..With::default()
    };
    door.send(Method::PUT, path, with).await
}

#[tokio::test]
async fn both_doors_open_to_the_same_tasks_and_watchers_hear_of_both() {
    let door = Door::open().await;
    let supervisor = door.world.supervisor().await;
    let filter = pb::WatchFilter {
        nouns: vec![pb::Noun::Task as i32],
        ..Default::default()
    };
    let request = pb::WatchRequest {
        filter: Some(filter),
        ..Default::default()
    };
    let mut watcher = Watcher::live_to(&supervisor, request).await;
    let made = door.post(TASKS, Some(&supervisor.token), patrol("P-1")).await.json();
    let id = made["id"].as_i64().unwrap();
    let heard = watcher.event().await;
    assert_eq!((heard.r#type(), task_of(&heard).id), (EventType::TaskCreated, id));
    let there = supervisor
        .tasks()
        .get_task(pb::GetTaskRequest { id })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (there.code.as_str(), there.kind(), there.creator_user_id, there.uid.as_str()),
        ("P-1", TaskKind::Patrol, supervisor.id, made["uuid"].as_str().unwrap())
    );
    let step = pb::TaskStepRequest {
        id,
        reason: "Llegó la patrulla".to_owned(),
        ..Default::default()
    };
    supervisor.tasks().start_task(step).await.unwrap();
    assert_eq!(task_of(&watcher.event().await).state(), TaskState::InProgress);
    let path = format!("/api/v1/tasks/{id}");
    assert_eq!(door.get(&path, Some(&supervisor.token)).await.json()["estado"], "en_curso");
    let history = door.get(&format!("{path}/history"), Some(&supervisor.token)).await.json();
    assert_eq!(history[0]["motivo"], "Llegó la patrulla");
    // One PUT that does several things tells of each, in its order.
    let change = json!({ "titulo": "Ronda", "efectivos_asignados": [AGENTS[0]], "estado": "pausada" });
    assert_eq!(put(&door, &path, &supervisor.token, change).await.status, 200);
    for expected in [EventType::TaskUpdated, EventType::TaskAssigned, EventType::TaskStateChanged] {
        let heard = watcher.event().await;
        assert_eq!((heard.r#type(), task_of(&heard).id), (expected, id));
    }
    let request = pb::CreateTaskRequest {
        task: Some(draft("Nueva")),
        ..Default::default()
    };
    let new = supervisor.tasks().create_task(request).await.unwrap().into_inner();
    let listed = door.get(TASKS, Some(&supervisor.token)).await.json();
    assert_eq!((listed[0]["id"].as_i64(), listed[1]["id"].as_i64()), (Some(new.id), Some(id)));
    door.close().await;
}

fn report(telegram_id: i64) -> Value {
    json!({ "telegram_id": telegram_id, "lat": 4.65, "lng": -74.07, "descripcion": "Persona herida" })
}

#[tokio::test]
async fn an_emergency_is_a_task_with_the_nearest_on_it() {
    let door = Door::open().await;
    let (agent, colleague) = (door.world.agent().await, door.world.other_agent().await);
    let supervisor = door.world.supervisor().await;
    only(&door.world, &[&agent, &colleague]).await;
    let raised = door.post(EMERGENCY, Some(&supervisor.token), report(0)).await;
    assert_eq!(raised.status, 200, "{raised:?}");
    let answer = raised.json();
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["assigned_efectivo_id", "distance_m", "received_at", "status", "task_id"]
    );
    assert_eq!(
        (&answer["assigned_efectivo_id"], &answer["status"]),
        (&json!(agent.agent_id), &json!("assigned"))
    );
    assert!((answer["distance_m"].as_f64().unwrap() - 100.0).abs() < 1.0, "{answer}");
    let path = format!("/api/v1/tasks/{}", answer["task_id"]);
    let task = door.get(&path, Some(&agent.token)).await.json();
    assert_eq!(
        (&task["tipo"], &task["prioridad"], &task["descripcion"], &task["estado"]),
        (
            &json!("emergencia"),
            &json!(5),
            &json!("Persona herida"),
            &json!("programada")
        )
    );
    // The same finger again is the same emergency; another person's report is another one.
    assert_eq!(door.post(EMERGENCY, Some(&supervisor.token), report(0)).await.json(), answer);
    let others = door.post(EMERGENCY, Some(&supervisor.token), report(777)).await.json();
    assert_ne!(others["task_id"], answer["task_id"]);
    assert_eq!(others["assigned_efectivo_id"], json!(colleague.agent_id));
    assert_eq!(
        door.post(EMERGENCY, Some(&supervisor.token), report(777)).await.json(),
        others
    );
    // Nobody is left: the caller is told, and the emergency stands.
    let told = door.post(EMERGENCY, Some(&supervisor.token), report(778)).await;
    told.is(404, &detail(NOBODY_COMES));
    let request = pb::ListEmergenciesRequest {
        open_only: true,
        ..Default::default()
    };
    let open = supervisor
        .emergencies()
        .list_emergencies(request)
        .await
        .unwrap()
        .into_inner()
        .emergencies;
    let agents: Vec<&[i64]> = open.iter().map(|emergency| emergency.agent_ids.as_slice()).collect();
    assert_eq!(agents.len(), 3);
    assert_eq!(agents[0], &[] as &[i64]);
    let administrator = door.world.administrator().await;
    let with = With {
        token: Some(&administrator.token),
        ..With::default()
    };
    assert_eq!(door.send(Method::DELETE, &path, with).await.status, 409);
    // The end of the first one's task frees its agent.
    put(&door, &path, &agent.token, json!({ "estado": "en_curso" })).await;
    assert_eq!(
        put(&door, &path, &agent.token, json!({ "estado": "finalizada" }))
            .await
            .status,
        200
    );
    let again = door.post(EMERGENCY, Some(&supervisor.token), report(779)).await;
    assert!([200, 404].contains(&again.status.as_u16()), "{again:?}");
    door.close().await;
}

#[tokio::test]
async fn emergencies_of_many_at_once_take_nobody_twice_and_lose_none() {
    let door = Door::open().await;
    let (agent, colleague) = (door.world.agent().await, door.world.other_agent().await);
    let supervisor = door.world.supervisor().await;
    only(&door.world, &[&agent, &colleague]).await;
    let reports = (1..=20).map(|number| door.post(EMERGENCY, Some(&supervisor.token), report(number)));
    let told = join_all(reports).await;
    let sent: Vec<i64> = told
        .iter()
        .filter(|told| told.status == 200)
        .map(|told| told.json()["assigned_efectivo_id"].as_i64().unwrap())
        .collect();
    assert_eq!(
        sent.iter().copied().collect::<BTreeSet<_>>().len(),
        sent.len(),
        "nobody twice: {sent:?}"
    );
    assert_eq!(sent.len(), 2);
    assert!(told.iter().all(|told| [200, 404].contains(&told.status.as_u16())), "{told:?}");
    let rows = door.world.database().await;
    let count: i64 = rows.query_one("select count(*) from emergencies", &[]).await.unwrap().get(0);
    assert_eq!(count, 20);
    door.close().await;
}

#[tokio::test]
async fn who_reports_by_a_users_number_reports_for_that_user() {
    let door = Door::open().await;
    let (agent, supervisor) = (door.world.agent().await, door.world.supervisor().await);
    let rows = door.world.database().await;
    let number = 5_000_000_009_i64;
    rows.execute("update users set telegram_id = $2 where id = $1", &[&agent.id, &number])
        .await
        .unwrap();
    door.post(EMERGENCY, Some(&supervisor.token), report(number)).await;
    let reporter: i64 = rows
        .query_one("select reporter_user_id from emergencies", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(reporter, agent.id);
    // By themselves it is the same emergency.
    door.post(EMERGENCY, Some(&agent.token), report(number)).await;
    door.post(EMERGENCY, Some(&agent.token), report(0)).await;
    let repeats: i32 = rows.query_one("select repeats from emergencies", &[]).await.unwrap().get(0);
    assert_eq!(repeats, 2);
    let marks: i64 = rows
        .query_one("select count(*) from emergencies where reporter_mark <> ''", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(marks, 0);
    door.close().await;
}
