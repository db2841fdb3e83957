//! `/api/v1/telegram` of GRUPO_GAD.

use gad::{
    config::DEMO_SECRET,
    domain::UserId,
    identity::{Seal, TelegramClaims},
    pb::{self, TaskState},
};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    legacy::{Door, Row, Who, With, detail, gad_invalid, play},
    newcomer::Hands,
    world::World,
};

const AUTHENTICATE: &str = "/api/v1/telegram/auth/authenticate";
const CREATE: &str = "/api/v1/telegram/tasks/create";
const FINALIZE: &str = "/api/v1/telegram/tasks/finalize";
const BOT: &str = "gad-demo-bot-token";
/// Numbers of a supervisor and of a field agent, whom the rows make first, and one that nobody has.
const ANA: i64 = 5_000_000_001;
const BETO: i64 = 5_000_000_002;
const NOBODY: i64 = 5_000_000_009;
const PATH_OF_ANA: &str = "/api/v1/telegram/auth/5000000001";
const UNKNOWN: &str = "Usuario con telegram_id 5000000009 no encontrado";

/// Where what no row gives is tested.
pub const ELSEWHERE: &[(&str, usize, &str, &str)] = &[
    ("TelegramService.VerifyToken", 0, "", TOKENS),
    ("TelegramService.FinalizeTelegramTask", 0, "PROOF_REQUIRED", PROVING),
    ("TelegramService.FinalizeTelegramTask", 0, "DEPENDENCY_UNFINISHED", WAITING),
];
const PROVING: &str = "legacy_doors::no_older_door_finishes_a_task_that_lacks_proof";
const WAITING: &str = "legacy_doors::no_older_door_begins_a_task_that_waits_for_another";
const TOKENS: &str = "legacy_telegram::a_token_says_who_it_is_for_a_week_and_opens_nothing";

fn person(name: &str, number: i64, level: i32) -> Row {
    let person = json!({
        "email": format!("{name}@gad.example"),
        "password": "una clave larga",
        "nombre": name,
        "apellido": "Paz",
        "dni": format!("3{}", &number.to_string()[3..]),
        "telegram_id": number,
        "nivel": level,
        "verificado": true,
    });
    Row::get("UserService.CreateUser", "", "/api/v1/users/")
        .of(Who::Administrator)
        .json(person)
        .gives(200, json!("$"))
}

/// Every path and its refusals.
pub fn rows() -> Vec<Row> {
    [
        vec![person("ana", ANA, 2), person("beto", BETO, 1)],
        logins(),
        makings(),
        readings(),
        endings(),
    ]
    .concat()
}

fn login(known: bool, number: i64, role: &str) -> Value {
    let told = |value: Value| if known { value } else { Value::Null };
    json!({
        "authenticated": known,
        "user_id": told(json!("$")),
        "telegram_id": number,
        "role": told(json!(role)),
        "token": told(json!("$")),
        "message": if known { "Autenticación exitosa" } else { "Usuario no registrado" },
    })
}

/// The path of a token of ours that has ended.
fn expired() -> &'static str {
    let claims = TelegramClaims {
        telegram_id: ANA,
        user: UserId(1),
        until: Timestamp::UNIX_EPOCH,
    };
    let token = claims.sign(&Seal::new(DEMO_SECRET.into()));
    Box::leak(format!("/api/v1/telegram/auth/verify/{token}").into_boxed_str())
}

fn logins() -> Vec<Row> {
    let post = |reason| Row::get("TelegramService.Authenticate", reason, AUTHENTICATE).of(Who::Bot);
    let get = |reason, path| Row::get("TelegramService.GetAuthentication", reason, path).of(Who::Bot);
    let verify = |reason, path| Row::get("TelegramService.VerifyToken", reason, path).of(Who::Bot);
    let ana = json!({ "telegram_id": ANA, "username": "ana", "first_name": "Ana", "last_name": null });
    let junk = "/api/v1/telegram/auth/verify/junk";
    vec![
        post("").json(ana.clone()).gives(200, login(true, ANA, "UserLevel.LEVEL_2")),
        post("")
            .json(json!({ "telegram_id": NOBODY }))
            .gives(200, login(false, NOBODY, "")),
        post("INVALID_FIELD")
            .json(json!({}))
            .gives(422, gad_invalid(json!(["body", "telegram_id"]), "missing")),
        post("SIGNED_OUT")
            .of(Who::Nobody)
            .json(ana.clone())
            .gives(401, detail("Not authenticated")),
        // Nobody but the bot, whatever their level.
        post("SIGNED_OUT")
            .of(Who::Administrator)
            .json(ana)
            .gives(403, detail("Could not validate credentials")),
        get("", PATH_OF_ANA).gives(200, login(true, ANA, "UserLevel.LEVEL_2")),
        get("", "/api/v1/telegram/auth/5000000002").gives(200, login(true, BETO, "UserLevel.LEVEL_1")),
        get("", "/api/v1/telegram/auth/5000000009").gives(200, login(false, NOBODY, "")),
        get("INVALID_FIELD", "/api/v1/telegram/auth/-1").gives(422, gad_invalid(json!(["path", "telegram_id"]), "value_error")),
        get("SIGNED_OUT", PATH_OF_ANA)
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
        verify("WRONG_PROOF", junk).gives(401, detail("Token inválido")),
        verify("SESSION_ENDED", expired()).gives(401, detail("Token expirado")),
        verify("SIGNED_OUT", junk)
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
        verify("INVALID_FIELD", "/api/v1/telegram/auth/verify/a%24b")
            .gives(422, gad_invalid(json!(["path", "token"]), "value_error")),
    ]
}

fn task(code: &str) -> Value {
    json!({
        "telegram_id": ANA,
        "tipo": "operativa",
        "codigo": code,
        "titulo": "Cortar la calle",
        "descripcion": "Con vallas",
        "prioridad": "urgente",
        "ubicacion": "Puente norte",
    })
}

fn with(mut whole: Value, key: &str, value: Value) -> Value {
    whole[key] = value;
    whole
}

fn made(code: &str) -> Value {
    json!({
        "success": true,
        "message": format!("Tarea {code} creada exitosamente"),
        "task_id": "$",
        "codigo": code,
        "created_at": "$",
    })
}

fn makings() -> Vec<Row> {
    let create = |reason| Row::get("TelegramService.CreateTelegramTask", reason, CREATE).of(Who::Bot);
    let wrong = |key: &str, value: Value| {
        create("INVALID_FIELD")
            .json(with(task("T-8"), key, value))
            .gives(422, gad_invalid(json!(["body", key]), "value_error"))
    };
    let of_beto = |code| with(task(code), "telegram_id", json!(BETO));
    vec![
        create("").json(task("tel-1")).gives(200, made("TEL-1")),
        create("")
            .json(with(of_beto("TEL-2"), "tipo", json!("inspeccion")))
            .gives(200, made("TEL-2")),
        create("")
            .json(with(task("TEL-3"), "asignado_a", json!([1])))
            .gives(200, made("TEL-3")),
        create("FORBIDDEN")
            .json(with(of_beto("TEL-4"), "asignado_a", json!([1])))
            .gives(400, json!({ "detail": "$" })),
        create("CODE_TAKEN")
            .json(task("TEL-1"))
            .gives(400, detail("Ya existe una tarea con el código TEL-1")),
        create("USER_NOT_FOUND")
            .json(with(task("TEL-4"), "telegram_id", json!(NOBODY)))
            .gives(404, detail(UNKNOWN)),
        create("AGENT_NOT_FOUND")
            .json(with(task("TEL-4"), "asignado_a", json!([999_999])))
            .gives(404, detail("Un efectivo de asignado_a no existe")),
        wrong("tipo", json!("paseo")),
        wrong("codigo", json!("T8")),
        wrong("codigo", json!("con espacio")),
        wrong("titulo", json!("Ya")),
        wrong("prioridad", json!("altísima")),
        create("SIGNED_OUT")
            .of(Who::Supervisor)
            .json(task("TEL-5"))
            .gives(403, detail("Could not validate credentials")),
    ]
}

fn line(code: &str, kind: &str) -> Value {
    json!({
        "id": "$",
        "codigo": code,
        "titulo": "Cortar la calle",
        "estado": "programada",
        "tipo": kind,
        "inicio_programado": "$",
    })
}

fn readings() -> Vec<Row> {
    let list = |reason, path| Row::get("TelegramService.ListTelegramTasks", reason, path).of(Who::Bot);
    let one = |reason, path| Row::get("TelegramService.GetTelegramTask", reason, path).of(Who::Bot);
    let of_ana = json!({
        "telegram_id": ANA,
        "total_tasks": 2,
        "active_tasks": 0,
        "pending_tasks": 2,
        "completed_tasks": 0,
        // A supervisor sees all tasks; these are her own.
        "tasks": [line("TEL-3", "intervencion"), line("TEL-1", "intervencion")],
    });
    let first = json!({
        "id": "$",
        "codigo": "TEL-1",
        "titulo": "Cortar la calle",
        "tipo": "intervencion",
        "estado": "programada",
        "inicio_programado": "$",
        "fin_real": null,
    });
    let (ana, nobody) = (
        "/api/v1/telegram/tasks/user/5000000001",
        "/api/v1/telegram/tasks/user/5000000009",
    );
    vec![
        list("", ana).gives(200, of_ana),
        list("USER_NOT_FOUND", nobody).gives(404, detail(UNKNOWN)),
        list("SIGNED_OUT", ana)
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
        list("INVALID_FIELD", "/api/v1/telegram/tasks/user/-1")
            .gives(422, gad_invalid(json!(["path", "telegram_id"]), "value_error")),
        one("", "/api/v1/telegram/tasks/code/tel-1").gives(200, first),
        one("TASK_NOT_FOUND", "/api/v1/telegram/tasks/code/TEL-99").gives(404, detail("Tarea con código TEL-99 no encontrada")),
        one("INVALID_FIELD", "/api/v1/telegram/tasks/code/a%24b")
            .gives(422, gad_invalid(json!(["path", "codigo"]), "value_error")),
        one("SIGNED_OUT", "/api/v1/telegram/tasks/code/TEL-1")
            .of(Who::Forger)
            .gives(403, detail("Could not validate credentials")),
    ]
}

fn endings() -> Vec<Row> {
    let finalize = |reason| Row::get("TelegramService.FinalizeTelegramTask", reason, FINALIZE).of(Who::Bot);
    let of = |code: &str, number: i64| json!({ "codigo": code, "telegram_id": number, "observaciones": "Sin novedad" });
    let ended = |success: bool, message: &str| json!({ "success": success, "message": message, "task_id": "$", "codigo": "TEL-1", "finalized_at": "$" });
    let cancelled = json!({ "codigo": "P-CANCELADA", "titulo": "Nada", "tipo": "patrullaje", "delegado_usuario_id": 2,
                            "inicio_programado": "2030-10-01T10:00:00Z" });
    vec![
        finalize("")
            .json(of("tel-1", ANA))
            .gives(200, ended(true, "Tarea TEL-1 finalizada exitosamente")),
        finalize("")
            .json(of("TEL-1", ANA))
            .gives(200, ended(false, "La tarea TEL-1 ya está finalizada")),
        // Beto's own, on which he is not.
        finalize("FORBIDDEN")
            .json(of("TEL-2", BETO))
            .gives(400, json!({ "detail": "$" })),
        finalize("TASK_NOT_FOUND")
            .json(of("TEL-3", BETO))
            .gives(404, detail("Tarea con código TEL-3 no encontrada")),
        finalize("USER_NOT_FOUND")
            .json(of("TEL-3", NOBODY))
            .gives(404, detail(UNKNOWN)),
        Row::get("TaskService.CreateTask", "", "/api/v1/tasks/")
            .of(Who::Supervisor)
            .json(cancelled)
            .gives(200, json!("$")),
        Row::get("TaskService.UpdateTask", "", "/api/v1/tasks/{last}")
            .by(Method::PUT)
            .of(Who::Supervisor)
            .json(json!({ "estado": "cancelada" }))
            .gives(200, json!("$")),
        finalize("ILLEGAL_STEP")
            .json(of("P-CANCELADA", ANA))
            .gives(409, json!({ "detail": "$" })),
        finalize("INVALID_FIELD")
            .json(with(of("TEL-3", ANA), "observaciones", json!("x".repeat(501))))
            .gives(422, gad_invalid(json!(["body", "observaciones"]), "value_error")),
        finalize("SIGNED_OUT")
            .of(Who::Nobody)
            .json(of("TEL-3", ANA))
            .gives(401, detail("Not authenticated")),
    ]
}

#[tokio::test]
async fn every_path_answers_as_its_clients_know_it() {
    play(rows()).await;
}

#[tokio::test]
async fn a_token_says_who_it_is_for_a_week_and_opens_nothing() {
    let hands = Hands::now();
    let door = Door::before(World::with_clock(hands.clock(), |_| {}).await).await;
    let agent = door.world.agent().await;
    let rows = door.world.database().await;
    rows.execute("update users set telegram_id = $2 where id = $1", &[&agent.id, &ANA])
        .await
        .unwrap();
    let token = door.get(PATH_OF_ANA, Some(BOT)).await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let verify = format!("/api/v1/telegram/auth/verify/{token}");
    let told = door.get(&verify, Some(BOT)).await.json();
    let claims = json!({
        "valid": true,
        "telegram_id": ANA,
        "user_id": agent.id,
        "role": "UserLevel.LEVEL_1",
        "expires": told["expires"],
    });
    assert_eq!(told, claims);
    for other in [&agent.token, BOT] {
        let path = format!("/api/v1/telegram/auth/verify/{other}");
        door.get(&path, Some(BOT)).await.is(401, &detail("Token inválido"));
    }
    door.get("/api/v1/users/me", Some(&token))
        .await
        .is(403, &detail("Could not validate credentials"));
    // Another number, and it says nothing any more.
    rows.execute("update users set telegram_id = $2 where id = $1", &[&agent.id, &BETO])
        .await
        .unwrap();
    door.get(&verify, Some(BOT)).await.is(401, &detail("Token inválido"));
    rows.execute("update users set telegram_id = $2 where id = $1", &[&agent.id, &ANA])
        .await
        .unwrap();
    hands.pass(SignedDuration::from_hours(7 * 24 + 1));
    door.get(&verify, Some(BOT)).await.is(401, &detail("Token expirado"));
    door.close().await;
}

#[tokio::test]
async fn what_the_bot_does_is_done_by_whom_it_speaks_for() {
    let door = Door::open().await;
    let supervisor = door.world.supervisor().await;
    let rows = door.world.database().await;
    rows.execute("update users set telegram_id = $2 where id = $1", &[&supervisor.id, &ANA])
        .await
        .unwrap();
    let made = door.post(CREATE, Some(BOT), task("TEL-1")).await.json();
    let id = made["task_id"].as_i64().unwrap();
    let get = async || {
        let request = pb::GetTaskRequest { id };
        supervisor.tasks().get_task(request).await.unwrap().into_inner()
    };
    let there = get().await;
    assert_eq!(
        (
            there.creator_user_id,
            there.delegate_user_id,
            there.location_description.as_str()
        ),
        (supervisor.id, supervisor.id, "Puente norte")
    );
    let said = json!({ "codigo": "TEL-1", "telegram_id": ANA, "observaciones": "Sin novedad" });
    door.post(FINALIZE, Some(BOT), said).await;
    assert_eq!(get().await.state(), TaskState::Finished);
    let history = door
        .send(
            Method::GET,
            &format!("/api/v1/tasks/{id}/history"),
            With {
                token: Some(&supervisor.token),
                ..With::default()
            },
        )
        .await
        .json();
    let words: Vec<&str> = (0..2).map(|at| history[at]["estado_nuevo"].as_str().unwrap()).collect();
    assert_eq!(words, ["en_curso", "finalizada"]);
    assert_eq!(
        (&history[1]["motivo"], &history[1]["usuario_id"]),
        (&json!("Sin novedad"), &json!(supervisor.id))
    );
    let audited: i64 = rows
        .query_one(
            "select count(*) from audit where method like '%TelegramTask' and user_id = $1",
            &[&supervisor.id],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(audited, 2);
    door.close().await;
}
