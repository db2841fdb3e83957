//! The older products' RPCs in the access matrix: their requests, and calling them as their clients do.

use gad::config::DEMO_PASSWORD;
use prost_reflect::MethodDescriptor;
use serde_json::{Value, json};

use crate::{
    access_rows::Asked,
    doors::{Answer, Doorway, told},
};

/// The requests of an RPC; none: it was forgotten. What stands in an object is the body of REST.
pub fn requests(method: &MethodDescriptor) -> Vec<Asked> {
    let (password, new) = (DEMO_PASSWORD, "tres tristes tigres");
    let person = json!({ "email": "$email", "password": new, "full_name": "Rosa Paz" });
    let rows = [
        (
            "AuthService.Login",
            json!({ "json": { "email": "$their_email", "password": password } }),
        ),
        ("AuthService.Register", json!({ "person": person })),
        (
            "AuthService.RefreshToken",
            json!({ "token": { "refresh_token": "$refresh" } }),
        ),
        ("AuthService.Logout", json!({ "nothing": {} })),
        (
            "AuthService.ChangePassword",
            json!({ "passwords": { "current_password": password, "new_password": new } }),
        ),
        (
            "AuthService.RequestPasswordReset",
            json!({ "address": { "email": "$their_email" } }),
        ),
        (
            "AuthService.ResetPassword",
            json!({ "password": { "token": "$reset", "new_password": new } }),
        ),
        (
            "AuthService.RequestEmailVerification",
            json!({ "address": { "email": "$unproved" } }),
        ),
        ("AuthService.VerifyEmail", json!({ "token": "$verification" })),
        ("AuthService.GetMe", json!({})),
        ("AuthService.ValidateToken", json!({})),
        ("AuthService.ListCountries", json!({})),
        ("AuthService.GetHealth", json!({})),
        ("UserService.ListUsers", json!({ "limit": 1 })),
        ("UserService.SearchUsers", json!({ "q": "$person" })),
        ("UserService.GetCurrentUser", json!({})),
        ("UserService.GetUser", json!({ "id": "$user" })),
        ("UserService.GetUserByTelegram", json!({ "telegram_id": "$telegram" })),
        (
            "UserService.CreateUser",
            json!({ "account": { "username": "$username", "email": "$email", "full_name": "Rosa Paz", "password": new } }),
        ),
        (
            "UserService.UpdateUser",
            json!({ "id": "$user", "account": { "phone": "+57 300" } }),
        ),
        (
            "UserService.UpdateUser",
            json!({ "id": "$user", "account": { "email": "$email" } }),
        ),
        ("UserService.UpdateUser", json!({ "id": "$user", "user": { "nivel": 2 } })),
        (
            "UserService.UpdateUser",
            json!({ "id": "$user", "account": { "is_active": false } }),
        ),
        ("UserService.UpdateUser", json!({ "id": "$user", "user": { "dni": "$dni" } })),
        (
            "UserService.UpdateUser",
            json!({ "id": "$user", "user": { "password": new } }),
        ),
        ("UserService.DeleteUser", json!({ "id": "$user" })),
        ("TaskService.ListTasks", json!({ "limit": 1 })),
        ("TaskService.CreateTask", json!({ "tarea": tarea("$user") })),
        (
            "TaskService.CreateTask",
            json!({ "tarea": with_crew(tarea("$user"), "$agent") }),
        ),
        ("TaskService.GetTask", json!({ "id": "$task" })),
        (
            "TaskService.UpdateTask",
            json!({ "id": "$task", "tarea": { "titulo": "Ronda" } }),
        ),
        (
            "TaskService.UpdateTask",
            json!({ "id": "$assigned", "tarea": { "estado": "en_curso" } }),
        ),
        (
            "TaskService.UpdateTask",
            json!({ "id": "$task", "tarea": { "efectivos_asignados": { "ids": [] } } }),
        ),
        ("TaskService.DeleteTask", json!({ "id": "$task" })),
        ("TaskService.GetTaskHistory", json!({ "id": "$task" })),
        ("TaskService.GetTaskStatus", json!({ "id": "$task" })),
        (
            "TaskService.RaiseEmergency",
            json!({ "emergencia": { "telegram_id": 0, "lat": 4.65, "lng": -74.07 } }),
        ),
        ("GeoService.GetMap", json!({ "center_lat": 4.65, "center_lng": -74.07 })),
        (
            "GeoService.SetLocation",
            json!({ "uuid": "00000000-0000-7000-8000-000000000000", "place": { "lat": 4.65, "lng": -74.07 } }),
        ),
        ("StatsService.GetUserStats", json!({ "id": "$user" })),
        ("StatsService.InvalidateUserStats", json!({ "id": "$user" })),
        ("StatsService.GetCacheStats", json!({})),
        ("StatsService.InvalidateCacheKey", json!({ "key": "stats:nothing" })),
        ("StatsService.InvalidateCachePattern", json!({ "pattern": "stats:nothing*" })),
        ("StatsService.ClearCache", json!({})),
        (
            "StatsService.SendTelegram",
            json!({ "mensaje": { "group": "general", "message": "Reportar", "type": "normal" } }),
        ),
        ("StatsService.RunCommand", json!({ "command": { "action": "SYSTEM_STATUS" } })),
        (
            "TelegramService.Authenticate",
            json!({ "persona": { "telegram_id": "$number" } }),
        ),
        ("TelegramService.GetAuthentication", json!({ "telegram_id": "$number" })),
        ("TelegramService.VerifyToken", json!({ "token": "junk" })),
        (
            "TelegramService.CreateTelegramTask",
            json!({ "tarea": { "telegram_id": "$number", "tipo": "operativa", "codigo": "TEL-1", "titulo": "Cortar" } }),
        ),
        (
            "TelegramService.FinalizeTelegramTask",
            json!({ "tarea": { "telegram_id": "$number", "codigo": "TEL-1" } }),
        ),
        ("TelegramService.ListTelegramTasks", json!({ "telegram_id": "$number" })),
        ("TelegramService.GetTelegramTask", json!({ "codigo": "TEL-1" })),
        ("PrivacyService.ExportData", json!({})),
        ("PrivacyService.DeleteData", json!({ "erasure": {} })),
        ("PrivacyService.GetConsent", json!({})),
        (
            "PrivacyService.DecideConsent",
            json!({ "decision": { "purpose": "location", "granted": false } }),
        ),
        ("PrivacyService.WithdrawConsent", json!({ "purpose": "location" })),
        ("PrivacyService.ListRetention", json!({})),
        ("UsuarioService.ListUsuarios", json!({ "limit": 1 })),
        ("UsuarioService.GetUsuario", json!({ "id": "$user" })),
        (
            "UsuarioService.CreateUsuario",
            json!({ "usuario": { "telegram_id": "$number", "nombre": "Rosa", "nivel": "1" } }),
        ),
        (
            "UsuarioService.UpdateUsuario",
            json!({ "id": "$user", "usuario": { "nombre": "Ana" } }),
        ),
        (
            "UsuarioService.UpdateUsuario",
            json!({ "id": "$user", "usuario": { "nivel": "2" } }),
        ),
        ("UsuarioService.DeleteUsuario", json!({ "id": "$user" })),
    ];
    let name = format!("{}.{}", method.parent_service().name(), method.name());
    let of = |(rpc, request): (&str, Value)| {
        let shows = if rpc.ends_with("SearchUsers") { "/users" } else { "" };
        (rpc == name).then(|| Asked {
            about: about(&request),
            ..Asked::of(request, shows)
        })
    };
    rows.into_iter().filter_map(of).collect()
}

/// What a change changes.
fn about(request: &Value) -> &'static str {
    let changes = [
        "phone",
        "email",
        "is_active",
        "nivel",
        "nombre",
        "dni",
        "password",
        "titulo",
        "estado",
        "efectivos_asignados",
    ];
    let bodies = request.as_object().unwrap().values().filter_map(Value::as_object);
    let mut keys = bodies.flat_map(|body| body.keys()).filter(|_| !request["id"].is_null());
    let found = keys.find_map(|key| changes.into_iter().find(|change| change == key));
    found.unwrap_or_default()
}

/// Calls as a client of the older products does. The answer has no reason: they know none.
pub async fn call(doorway: &Doorway, method: &MethodDescriptor, request: &Value, token: Option<&str>) -> Answer {
    let mut request = request.clone();
    let fields = request.as_object_mut().unwrap();
    let name = fields
        .iter()
        .find(|(_, value)| value.is_object())
        .map(|(name, _)| name.clone());
    if let Some(mut body) = name.and_then(|name| fields.remove(&name)) {
        // Their clients write numbers as numbers.
        if let Some(number) = body["telegram_id"].as_str() {
            body["telegram_id"] = json!(number.parse::<i64>().unwrap());
        }
        // What is nothing but a list is written as one.
        if let Some(ids) = body.pointer("/efectivos_asignados/ids").cloned() {
            body["efectivos_asignados"] = ids;
        }
        fields.insert("body".to_owned(), body);
    }
    let mut sent = doorway.rest_request(method, &request);
    if let Some(token) = token {
        sent = sent.header("authorization", format!("Bearer {token}"));
    }
    let response = sent.send().await.unwrap();
    let (status, headers) = (response.status(), told(response.headers()));
    let body = json!(response.text().await.unwrap());
    Answer {
        outcome: if status.is_success() { Ok(body) } else { Err(body) },
        replayed: false,
        http: Some(status.as_u16()),
        headers,
    }
}

fn tarea(delegate: &str) -> Value {
    json!({
        "codigo": "$username",
        "titulo": "Patrullar",
        "tipo": "patrullaje",
        "inicio_programado": "2030-10-01T10:00:00Z",
        "delegado_usuario_id": delegate,
    })
}

fn with_crew(mut tarea: Value, agent: &str) -> Value {
    tarea["efectivos_asignados"] = json!([agent]);
    tarea
}
