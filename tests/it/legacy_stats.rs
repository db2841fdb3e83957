//! `/api/v1/stats`, `/api/v1/cache` and `/api/v1/admin` of GRUPO_GAD.

use reqwest::Method;
use serde_json::{Value, json};

use crate::legacy::{Door, PRIVILEGES, Row, Who, With, detail, gad_invalid, play};

const OF_AGENT: &str = "/api/v1/stats/user/{agent}";
const FORGET_AGENT: &str = "/api/v1/stats/invalidate/user/{agent}";
const KEY: &str = "/api/v1/cache/invalidate/gad:stats:user:999:days:30";
const PATTERN: &str = "/api/v1/cache/invalidate-pattern/stats:user:*";
const COMMAND: &str = "/api/v1/admin/agent/command";
const SEND: &str = "/api/v1/admin/telegram/send";
const NOT_YOURS: &str = "No tienes permiso para ver estadísticas de otro usuario";

fn told(days: i32) -> Value {
    json!({
        "user_id": 3,
        "period_days": days,
        "total": 0,
        "completadas": 0,
        "en_progreso": 0,
        "programadas": 0,
        "canceladas": 0,
        "pausadas": 0,
        "promedio_duracion_horas": 0.0,
        "productividad_diaria": 0.0,
        "estados": { "COMPLETED": 0, "IN_PROGRESS": 0, "PROGRAMMED": 0, "CANCELLED": 0, "PAUSED": 0 },
        "calculated_at": "$",
        "_cache": { "hit": "$", "source": "$", "key": "*" },
    })
}

/// Every path and its refusals.
pub fn rows() -> Vec<Row> {
    [stats(), cache(), commands(), messages()].concat()
}

fn stats() -> Vec<Row> {
    let stats = |reason, path| Row::get("StatsService.GetUserStats", reason, path).of(Who::Agent);
    let forget = |reason, path| {
        Row::get("StatsService.InvalidateUserStats", reason, path)
            .by(Method::POST)
            .of(Who::Agent)
    };
    vec![
        stats("", OF_AGENT).gives(200, told(30)),
        stats("", "/api/v1/stats/user/{agent}?days=7&use_cache=false")
            .of(Who::Administrator)
            .gives(200, told(7)),
        stats("FORBIDDEN", OF_AGENT).of(Who::Supervisor).gives(403, detail(NOT_YOURS)),
        stats("USER_NOT_FOUND", "/api/v1/stats/user/999999")
            .of(Who::Administrator)
            .gives(404, detail("The user with this id does not exist in the system")),
        stats("INVALID_FIELD", "/api/v1/stats/user/{agent}?days=366")
            .gives(422, gad_invalid(json!(["query", "days"]), "value_error")),
        stats("SIGNED_OUT", OF_AGENT)
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
        forget("", FORGET_AGENT).gives(
            200,
            json!({ "message": "$", "deleted_keys": "$", "pattern": "stats:user:3:*" }),
        ),
        forget("USER_NOT_FOUND", "/api/v1/stats/invalidate/user/999999")
            .of(Who::Administrator)
            .gives(404, detail("The user with this id does not exist in the system")),
        forget("FORBIDDEN", FORGET_AGENT)
            .of(Who::Colleague)
            .gives(403, detail(NOT_YOURS)),
        forget("INVALID_FIELD", "/api/v1/stats/invalidate/user/-1").gives(422, gad_invalid(json!(["path", "id"]), "value_error")),
        forget("SIGNED_OUT", FORGET_AGENT)
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
    ]
}

fn cache() -> Vec<Row> {
    let state = |reason| Row::get("StatsService.GetCacheStats", reason, "/api/v1/cache/stats").of(Who::Administrator);
    let post = |rpc, reason, path| Row::get(rpc, reason, path).by(Method::POST).of(Who::Administrator);
    let key = |reason| post("StatsService.InvalidateCacheKey", reason, KEY);
    let pattern = |reason| post("StatsService.InvalidateCachePattern", reason, PATTERN);
    let clear = |reason| post("StatsService.ClearCache", reason, "/api/v1/cache/clear");
    let long =
        "/api/v1/cache/invalidate-pattern/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    vec![
        state("").gives(
            200,
            json!({
                "connected": "$",
                "keys_count": "$",
                "keyspace_hits": "$",
                "keyspace_misses": "$",
                "hit_rate": "$",
                "evicted_keys": "$",
                "prefix": "$",
            }),
        ),
        state("FORBIDDEN").of(Who::Supervisor).gives(400, detail(PRIVILEGES)),
        state("SIGNED_OUT").of(Who::Nobody).gives(401, detail("Not authenticated")),
        key("NOT_CACHED").gives(404, detail("La clave gad:stats:user:999:days:30 no está en caché")),
        post(
            "StatsService.InvalidateCacheKey",
            "INVALID_FIELD",
            "/api/v1/cache/invalidate/a%0Ab",
        )
        .gives(422, gad_invalid(json!(["path", "key"]), "value_error")),
        key("FORBIDDEN").of(Who::Agent).gives(400, detail(PRIVILEGES)),
        key("SIGNED_OUT").of(Who::Nobody).gives(401, detail("Not authenticated")),
        pattern("").gives(200, json!({ "message": "$", "deleted_count": 0 })),
        post(
            "StatsService.InvalidateCachePattern",
            "INVALID_FIELD",
            "/api/v1/cache/invalidate-pattern/a%0Ab",
        )
        .gives(422, gad_invalid(json!(["path", "pattern"]), "value_error")),
        post(
            "StatsService.InvalidateCachePattern",
            "",
            "/api/v1/cache/invalidate-pattern/stats/user/*",
        )
        .gives(
            200,
            json!({ "message": "0 claves invalidadas con el patrón stats/user/*", "deleted_count": 0 }),
        ),
        post("StatsService.InvalidateCachePattern", "", long).gives(200, json!({ "message": "$", "deleted_count": 0 })),
        pattern("FORBIDDEN").of(Who::Agent).gives(400, detail(PRIVILEGES)),
        pattern("SIGNED_OUT").of(Who::Nobody).gives(401, detail("Not authenticated")),
        clear("").gives(200, json!({ "message": "Caché limpiado exitosamente" })),
        clear("FORBIDDEN").of(Who::Supervisor).gives(400, detail(PRIVILEGES)),
        clear("SIGNED_OUT").of(Who::Nobody).gives(401, detail("Not authenticated")),
        Row::get("StatsService.GetUserStats", "", OF_AGENT)
            .of(Who::Agent)
            .gives(200, told(30)),
        post(
            "StatsService.InvalidateCacheKey",
            "",
            "/api/v1/cache/invalidate/stats:user:{agent}:days:30",
        )
        .gives(200, json!({ "message": "$" })),
    ]
}

fn commands() -> Vec<Row> {
    let run = |reason| Row::get("StatsService.RunCommand", reason, COMMAND).of(Who::Administrator);
    let of = |action: &str| json!({ "action": action, "payload": { "any": [1] } });
    let status = json!({
        "version": "$",
        "database": true,
        "redis": "$",
        "database_connections": "$",
        "watchers": "$",
    });
    let done = |action: &str, result: Value| {
        json!({
            "status": "accepted",
            "message": format!("Administrative command '{action}' has been accepted and logged"),
            "timestamp": "$",
            "result": result,
        })
    };
    vec![
        run("").json(of("SYSTEM_STATUS")).gives(200, done("SYSTEM_STATUS", status)),
        // As the older product's own script calls it.
        run("")
            .json(json!({ "command": "CLEAR_CACHE", "admin_override": true }))
            .gives(200, done("CLEAR_CACHE", Value::Null)),
        run("INVALID_FIELD")
            .json(json!({ "payload": {} }))
            .gives(422, gad_invalid(json!(["body", "action"]), "missing")),
        run("").json(of("CLEAR_CACHE")).gives(200, done("CLEAR_CACHE", Value::Null)),
        run("INVALID_FIELD")
            .json(of("DROP_DATABASE"))
            .gives(422, gad_invalid(json!(["body", "action"]), "value_error")),
        run("FORBIDDEN")
            .of(Who::Supervisor)
            .json(of("SYSTEM_STATUS"))
            .gives(400, detail(PRIVILEGES)),
        run("SIGNED_OUT")
            .of(Who::Nobody)
            .json(of("SYSTEM_STATUS"))
            .gives(401, detail("Not authenticated")),
    ]
}

fn messages() -> Vec<Row> {
    let send = |reason| {
        Row::get("StatsService.SendTelegram", reason, SEND)
            .by(Method::POST)
            .of(Who::Administrator)
    };
    let of = |group: &str| json!({ "group": group, "message": "[TEST] Auditoria cumplimiento OK", "type": "normal" });
    let queued = |group: &str, kind: &str, recipients: i64| {
        json!({
            "status": "queued",
            "message": "Mensaje en cola: todavía no hay un bot de Telegram configurado",
            "group": group,
            "type": kind,
            "recipients": recipients,
            "message_id": "$",
            "timestamp": "$",
        })
    };
    vec![
        send("").json(of("general")).gives(200, queued("general", "normal", 0)),
        send("")
            .json(json!({ "message": "🚔 Reportar\ncada 15 min", "group": null, "extra": 1 }))
            .gives(200, queued("general", "normal", 0)),
        send("INVALID_FIELD")
            .json(of("amigos"))
            .gives(422, gad_invalid(json!(["body", "group"]), "value_error")),
        send("INVALID_FIELD")
            .json(json!({ "group": "general", "type": "normal" }))
            .gives(422, gad_invalid(json!(["body", "message"]), "missing")),
        send("FORBIDDEN")
            .of(Who::Supervisor)
            .json(of("general"))
            .gives(400, detail(PRIVILEGES)),
        send("SIGNED_OUT")
            .of(Who::Nobody)
            .json(of("general"))
            .gives(401, detail("Not authenticated")),
    ]
}

#[tokio::test]
async fn every_path_answers_as_its_clients_know_it() {
    play(rows()).await;
}

#[tokio::test]
async fn numbers_are_kept_until_a_task_changes_or_somebody_asks_anew() {
    let door = Door::open().await;
    let supervisor = door.world.supervisor().await;
    let path = format!("/api/v1/stats/user/{}", supervisor.id);
    let stats = async || door.get(&path, Some(&supervisor.token)).await.json();
    let source = |stats: &Value| stats["_cache"]["source"].as_str().unwrap().to_owned();
    assert_eq!(source(&stats().await), "database");
    let kept = stats().await;
    assert_eq!(source(&kept), "redis");
    let key = kept["_cache"]["key"].as_str().unwrap();
    assert!(key.ends_with(&format!(":stats:user:{}:days:30", supervisor.id)), "{key}");
    let task = json!({
        "codigo": "S-1",
        "titulo": "Ronda",
        "tipo": "patrullaje",
        "inicio_programado": "2030-10-01T10:00:00Z",
        "delegado_usuario_id": supervisor.id,
    });
    let made = door.post("/api/v1/tasks/", Some(&supervisor.token), task).await.json();
    let counted = stats().await;
    assert_eq!((source(&counted), &counted["total"]), ("database".to_owned(), &json!(1)));
    for state in ["en_curso", "finalizada"] {
        let with = With {
            token: Some(&supervisor.token),
            json: Some(json!({ "estado": state })),
            ..With::default()
        };
        door.send(Method::PUT, &format!("/api/v1/tasks/{}", made["id"]), with).await;
    }
    let counted = stats().await;
    assert_eq!(
        (&counted["completadas"], &counted["estados"]["COMPLETED"]),
        (&json!(1), &json!(1))
    );
    assert!((counted["productividad_diaria"].as_f64().unwrap() - 1.0 / 30.0).abs() < 1e-9);
    assert_eq!(source(&stats().await), "redis");
    let anew = door
        .get(&format!("{path}?use_cache=false"), Some(&supervisor.token))
        .await
        .json();
    assert_eq!(source(&anew), "database");
    // What is forgotten is counted again.
    let forget = format!("/api/v1/stats/invalidate/user/{}", supervisor.id);
    let forgotten = door
        .send(
            Method::POST,
            &forget,
            With {
                token: Some(&supervisor.token),
                ..With::default()
            },
        )
        .await
        .json();
    assert_eq!(forgotten["deleted_keys"], 1);
    assert_eq!(source(&stats().await), "database");
    door.close().await;
}

#[tokio::test]
async fn emptying_the_cache_leaves_limits_and_the_feed_alone() {
    let door = Door::open().await;
    let administrator = door.world.administrator().await;
    let settings = &door.world.settings.redis;
    let client = gad::live::connection::client(settings).unwrap().unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let prefix = &settings.redis_prefix;
    let others = [
        format!("{prefix}:limit:write:7"),
        format!("{prefix}:{{feed:1}}:x"),
        format!("{prefix}x:stats:1"),
    ];
    for key in &others {
        let () = redis::cmd("SET").arg(key).arg(1).query_async(&mut redis).await.unwrap();
    }
    let token = Some(administrator.token.as_str());
    door.get(&format!("/api/v1/stats/user/{}", administrator.id), token).await;
    assert_eq!(door.get("/api/v1/cache/stats", token).await.json()["keys_count"], 1);
    for path in [
        "/api/v1/cache/clear".to_owned(),
        "/api/v1/cache/invalidate-pattern/*".to_owned(),
        format!("/api/v1/cache/invalidate/{prefix}:limit:write:7"),
    ] {
        let with = With {
            token,
            ..With::default()
        };
        door.send(Method::POST, &path, with).await;
    }
    assert_eq!(door.get("/api/v1/cache/stats", token).await.json()["keys_count"], 0);
    for key in &others {
        let there: bool = redis::cmd("EXISTS").arg(key).query_async(&mut redis).await.unwrap();
        assert!(there, "{key}");
    }
    door.close().await;
}
