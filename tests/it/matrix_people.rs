//! Rows of the matrix about people, tokens, permissions and zones.

use gad::config::DEMO_PASSWORD;
use serde_json::{Value, json};

use crate::{
    matrix::Row,
    matrix_rows::{NOTHING, good, row},
    stage::Who::{Administrator, Agent, Supervisor},
};

/// All of them.
pub fn rows() -> Vec<Row> {
    [reading(), writing(), authority(), api_tokens(), zones()].concat()
}

/// A field in a mask, as proto3 JSON has it.
fn path(field: &str) -> String {
    let mut words = field.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |path, word| path + &word[..1].to_uppercase() + &word[1..])
}

fn reading() -> Vec<Row> {
    let filter = json!({
        "levels": ["USER_LEVEL_AGENT", "USER_LEVEL_SUPERVISOR"],
        "active": true,
        "verified": true,
        "locked": false,
        "service": false,
        "text": "pená ROS",
    });
    vec![
        good("GetUser", Supervisor, json!({ "id": "$user" })),
        row("GetUser", "USER_NOT_FOUND", Agent, json!({ "id": "$user" })),
        row("GetUser", "INVALID_FIELD", Agent, json!({ "id": 0 })),
        good("BatchGetUsers", Supervisor, json!({ "ids": ["$user", "$my_user", NOTHING] })),
        row("BatchGetUsers", "INVALID_FIELD", Supervisor, json!({})),
        good(
            "ListUsers",
            Administrator,
            json!({ "page_size": 2, "filter": filter, "order_by": "create_time desc" }),
        ),
        row(
            "ListUsers",
            "INVALID_PAGE_TOKEN",
            Supervisor,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListUsers", "FORBIDDEN", Supervisor, json!({ "filter": { "locked": true } })),
        row("ListUsers", "INVALID_FIELD", Supervisor, json!({ "filter": { "text": "?" } })),
        good("GetUserByTelegramId", Supervisor, json!({ "telegram_id": "$telegram" })),
        row(
            "GetUserByTelegramId",
            "USER_NOT_FOUND",
            Supervisor,
            json!({ "telegram_id": NOTHING }),
        ),
        row("GetUserByTelegramId", "INVALID_FIELD", Supervisor, json!({})),
        good(
            "ListUserSessions",
            Administrator,
            json!({ "user_id": "$user", "ended_shown": true }),
        ),
        row(
            "ListUserSessions",
            "USER_NOT_FOUND",
            Administrator,
            json!({ "user_id": NOTHING }),
        ),
        row(
            "ListUserSessions",
            "INVALID_PAGE_TOKEN",
            Administrator,
            json!({ "user_id": "$user", "page_token": "nonsense" }),
        ),
        row("ListUserSessions", "INVALID_FIELD", Administrator, json!({ "user_id": 0 })),
        good("ListPermissions", Agent, json!({})),
        good("GetMyPermissions", Supervisor, json!({})),
    ]
}

fn writing() -> Vec<Row> {
    let user = json!({
        "email": "$email",
        "given_name": "Rosa",
        "family_name": "Peña",
        "phone": "+57 300 555 0101",
        "level": "USER_LEVEL_SUPERVISOR",
        "zone_ids": ["$zone"],
    });
    let with = |field: &str, value: Value| {
        let mut user = user.clone();
        user[field] = value;
        json!({ "user": user, "password": DEMO_PASSWORD })
    };
    let change = |id: Value, field: &str, value: Value| json!({ "user": { "id": id, field: value }, "update_mask": path(field) });
    let own = |field: &str, value: Value| json!({ "user": { field: value }, "update_mask": path(field) });
    vec![
        good("CreateUser", Administrator, json!({ "user": user })),
        row(
            "CreateUser",
            "EMAIL_TAKEN",
            Administrator,
            with("email", json!("Admin@gad.example")),
        ),
        row(
            "CreateUser",
            "IDENTITY_TAKEN",
            Administrator,
            with("telegram_id", json!("$telegram")),
        ),
        row(
            "CreateUser",
            "ZONE_NOT_FOUND",
            Administrator,
            with("zone_ids", json!([NOTHING])),
        ),
        row(
            "CreateUser",
            "INVALID_FIELD",
            Administrator,
            with("email", json!("no es un correo")),
        ),
        good(
            "UpdateUser",
            Administrator,
            change(json!("$user"), "display_name", json!("Rosa Peña Díaz")),
        ),
        row(
            "UpdateUser",
            "USER_NOT_FOUND",
            Administrator,
            change(json!("$deleted_user"), "phone", json!("1")),
        ),
        row(
            "UpdateUser",
            "EMAIL_TAKEN",
            Administrator,
            change(json!("$user"), "email", json!("admin@gad.example")),
        ),
        row(
            "UpdateUser",
            "IDENTITY_TAKEN",
            Administrator,
            change(json!("$user"), "telegram_id", json!("$telegram")),
        ),
        row(
            "UpdateUser",
            "INVALID_FIELD",
            Administrator,
            change(json!("$user"), "level", json!("USER_LEVEL_SUPERVISOR")),
        ),
        good("UpdateMe", Supervisor, own("phone", json!("+57 300 555 0102"))),
        row("UpdateMe", "IDENTITY_TAKEN", Supervisor, own("username", json!("$username"))),
        row(
            "UpdateMe",
            "INVALID_FIELD",
            Supervisor,
            own("email", json!("otro@gad.example")),
        ),
    ]
}

/// A step: from where it is good, and how it is refused.
fn step(rpc: &'static str, from: &str) -> Vec<Row> {
    vec![
        good(rpc, Administrator, json!({ "id": from, "reason": "así fue" })),
        row(
            rpc,
            "USER_NOT_FOUND",
            Administrator,
            json!({ "id": NOTHING, "reason": "así fue" }),
        ),
        row(
            rpc,
            "INVALID_FIELD",
            Administrator,
            json!({ "id": from, "reason": "x".repeat(501) }),
        ),
    ]
}

fn authority() -> Vec<Row> {
    let password = |id: Value, password: &str| json!({ "id": id, "password": password });
    let level = |id: Value, zone: Value| json!({ "id": id, "level": "USER_LEVEL_SUPERVISOR", "zone_ids": [zone] });
    let mut rows = [
        step("InviteUser", "$invited"),
        step("ActivateUser", "$inactive"),
        step("DeactivateUser", "$user"),
        step("LockUser", "$user"),
        step("UnlockUser", "$locked"),
        step("ExpirePassword", "$user"),
        step("DeleteUser", "$user"),
        step("UndeleteUser", "$deleted_user"),
        step("RevokeUserSessions", "$user"),
    ]
    .concat();
    rows.extend(["DeactivateUser", "LockUser", "DeleteUser"].map(|rpc| {
        let request = json!({ "id": "$only_administrator", "reason": "así fue" });
        row(rpc, "LAST_ADMINISTRATOR", Administrator, request)
    }));
    rows.extend([
        row("DeleteUser", "STILL_IN_USE", Administrator, json!({ "id": "$delegate" })),
        row("InviteUser", "ILLEGAL_STEP", Administrator, json!({ "id": "$user" })),
        row("UndeleteUser", "ILLEGAL_STEP", Administrator, json!({ "id": "$user" })),
        good(
            "SetUserPassword",
            Administrator,
            password(json!("$user"), "tres tristes tigres"),
        ),
        row(
            "SetUserPassword",
            "USER_NOT_FOUND",
            Administrator,
            password(json!(NOTHING), "tres tristes tigres"),
        ),
        row(
            "SetUserPassword",
            "INVALID_FIELD",
            Administrator,
            password(json!("$user"), "12345678"),
        ),
        good("SetUserLevel", Administrator, level(json!("$user"), json!("$zone"))),
        row(
            "SetUserLevel",
            "USER_NOT_FOUND",
            Administrator,
            level(json!(NOTHING), json!("$zone")),
        ),
        row(
            "SetUserLevel",
            "ZONE_NOT_FOUND",
            Administrator,
            level(json!("$user"), json!(NOTHING)),
        ),
        row(
            "SetUserLevel",
            "LAST_ADMINISTRATOR",
            Administrator,
            json!({ "id": "$only_administrator", "level": "USER_LEVEL_AGENT" }),
        ),
        row(
            "SetUserLevel",
            "INVALID_FIELD",
            Administrator,
            json!({ "id": "$user", "level": "USER_LEVEL_AGENT", "zone_ids": ["$zone"] }),
        ),
    ]);
    rows
}

fn api_tokens() -> Vec<Row> {
    let token = json!({ "display_name": "Guion de turnos", "scopes": ["task.read", "agent.read"], "expire_time": "2126-01-01T00:00:00Z" });
    let of = |user: Value| {
        let mut token = token.clone();
        token["user_id"] = user;
        json!({ "api_token": token })
    };
    vec![
        good("CreateApiToken", Agent, json!({ "api_token": token })),
        row("CreateApiToken", "USER_NOT_FOUND", Administrator, of(json!(NOTHING))),
        row("CreateApiToken", "FORBIDDEN", Agent, of(json!("$user"))),
        row(
            "CreateApiToken",
            "INVALID_FIELD",
            Agent,
            json!({ "api_token": { "display_name": "Más", "scopes": ["self.update"] } }),
        ),
        good("GetApiToken", Agent, json!({ "id": "$api_token" })),
        row(
            "GetApiToken",
            "API_TOKEN_NOT_FOUND",
            Supervisor,
            json!({ "id": "$api_token" }),
        ),
        row("GetApiToken", "INVALID_FIELD", Agent, json!({ "id": 0 })),
        good("ListApiTokens", Agent, json!({ "page_size": 3, "ended_shown": true })),
        row("ListApiTokens", "FORBIDDEN", Supervisor, json!({ "user_id": "$my_user" })),
        row(
            "ListApiTokens",
            "INVALID_PAGE_TOKEN",
            Agent,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListApiTokens", "INVALID_FIELD", Agent, json!({ "page_size": -1 })),
        good("RevokeApiToken", Agent, json!({ "id": "$api_token" })),
        row("RevokeApiToken", "API_TOKEN_NOT_FOUND", Agent, json!({ "id": NOTHING })),
        row(
            "RevokeApiToken",
            "INVALID_FIELD",
            Agent,
            json!({ "id": "$api_token", "reason": "\u{1}" }),
        ),
    ]
}

fn zones() -> Vec<Row> {
    let ring = |side: f64| {
        let point = |latitude: f64, longitude: f64| json!({ "latitude": latitude, "longitude": longitude });
        json!([
            point(-3.0, -60.0),
            point(-3.0, -60.0 + side),
            point(-3.0 + side, -60.0),
            point(-3.0, -60.0)
        ])
    };
    let new =
        |code: &str, boundary: Value| json!({ "zone": { "code": code, "display_name": "Nueva zona", "boundary": boundary } });
    let change = |id: Value, field: &str, value: Value| json!({ "zone": { "id": id, field: value }, "update_mask": path(field) });
    vec![
        good("ListZones", Agent, json!({})),
        good("GetZone", Agent, json!({ "id": "$zone" })),
        row("GetZone", "ZONE_NOT_FOUND", Agent, json!({ "id": NOTHING })),
        row("GetZone", "INVALID_FIELD", Agent, json!({ "id": 0 })),
        good("CreateZone", Administrator, new("$code", ring(0.5))),
        row("CreateZone", "CODE_TAKEN", Administrator, new("Z-NE", ring(0.5))),
        row("CreateZone", "INVALID_FIELD", Administrator, new("$code", ring(0.0))),
        good("UpdateZone", Administrator, change(json!("$zone"), "boundary", ring(0.25))),
        row(
            "UpdateZone",
            "ZONE_NOT_FOUND",
            Administrator,
            change(json!(NOTHING), "display_name", json!("Otra")),
        ),
        row(
            "UpdateZone",
            "CODE_TAKEN",
            Administrator,
            change(json!("$zone"), "code", json!("Z-NE")),
        ),
        row(
            "UpdateZone",
            "INVALID_FIELD",
            Administrator,
            change(json!("$zone"), "id", json!(1)),
        ),
        good("DeleteZone", Administrator, json!({ "id": "$zone" })),
        row("DeleteZone", "ZONE_NOT_FOUND", Administrator, json!({ "id": NOTHING })),
        row("DeleteZone", "STILL_IN_USE", Administrator, json!({ "id": "$limiting_zone" })),
        row("DeleteZone", "INVALID_FIELD", Administrator, json!({ "id": -1 })),
    ]
}
