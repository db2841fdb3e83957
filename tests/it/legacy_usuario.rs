//! `/api/v1/usuarios` of GRUPO_GAD's dashboard.

use reqwest::Method;
use serde_json::{Value, json};

use crate::legacy::{PRIVILEGES, Row, Who, detail, gad_invalid, play};

const USUARIOS: &str = "/api/v1/usuarios";
const ONE: &str = "/api/v1/usuarios/{last}";
const NOBODY: &str = "/api/v1/usuarios/999999";
const BY_TELEGRAM: &str = "/api/v1/users/by-telegram/6000000001";
const MISSING: &str = "Usuario con id 999999 no encontrado";
const LEVEL: &str = "Nivel debe ser uno de: 1, 2, 3";

fn told(nombre: &str, nivel: &str) -> Value {
    json!({ "id": "$", "telegram_id": 6_000_000_001_i64, "nombre": nombre, "nivel": nivel })
}

/// Every path and its refusals.
pub fn rows() -> Vec<Row> {
    [makings(), readings(), changes(), endings()].concat()
}

fn makings() -> Vec<Row> {
    let create = |reason| Row::get("UsuarioService.CreateUsuario", reason, USUARIOS).of(Who::Administrator);
    let caro = json!({ "telegram_id": 6_000_000_001_i64, "nombre": "Caro Vera" });
    let with = |key: &str, value: Value| {
        let mut user = caro.clone();
        user[key] = value;
        user
    };
    vec![
        create("IDENTITY_TAKEN").json(caro.clone()).gives(201, told("Caro Vera", "1")),
        create("")
            .json(json!({ "telegram_id": "6000000002", "nombre": "Dora", "nivel": "2" }))
            .gives(
                201,
                json!({ "id": "$", "telegram_id": 6_000_000_002_i64, "nombre": "Dora", "nivel": "2" }),
            ),
        create("IDENTITY_TAKEN")
            .json(caro.clone())
            .gives(400, detail("Ya existe usuario con telegram_id 6000000001")),
        create("INVALID_FIELD")
            .json(with("nivel", json!("4")))
            .gives(400, detail(LEVEL)),
        create("INVALID_FIELD")
            .json(with("nombre", json!("")))
            .gives(422, gad_invalid(json!(["body", "nombre"]), "value_error")),
        create("INVALID_FIELD")
            .json(json!({ "nombre": "Sin número" }))
            .gives(422, gad_invalid(json!(["body", "telegram_id"]), "missing")),
        create("SIGNED_OUT")
            .of(Who::Nobody)
            .json(caro.clone())
            .gives(401, detail("Not authenticated")),
        create("FORBIDDEN")
            .of(Who::Supervisor)
            .json(caro)
            .gives(400, detail(PRIVILEGES)),
    ]
}

fn readings() -> Vec<Row> {
    let list = |reason, path| Row::get("UsuarioService.ListUsuarios", reason, path).of(Who::Administrator);
    let one = |reason, path| Row::get("UsuarioService.GetUsuario", reason, path).of(Who::Administrator);
    let oldest = json!([{ "id": 1, "telegram_id": null, "nombre": "Administración", "nivel": "3" }]);
    vec![
        one("", BY_TELEGRAM).gives(200, json!("$")),
        one("", ONE).gives(200, told("Caro Vera", "1")),
        one("USER_NOT_FOUND", NOBODY).gives(404, detail(MISSING)),
        one("SIGNED_OUT", ONE).of(Who::Nobody).gives(401, detail("Not authenticated")),
        one("FORBIDDEN", ONE).of(Who::Supervisor).gives(400, detail(PRIVILEGES)),
        one("INVALID_FIELD", "/api/v1/usuarios/-1").gives(422, gad_invalid(json!(["path", "id"]), "value_error")),
        list("", "/api/v1/usuarios?limit=1&skip=1").gives(200, json!([told("Caro Vera", "1")])),
        list("", "/api/v1/usuarios/?skip=6").gives(200, oldest),
        list("SIGNED_OUT", USUARIOS)
            .of(Who::Forger)
            .gives(403, detail("Could not validate credentials")),
        list("FORBIDDEN", USUARIOS).of(Who::Agent).gives(400, detail(PRIVILEGES)),
        list("INVALID_FIELD", "/api/v1/usuarios?skip=-1").gives(422, gad_invalid(json!(["query", "skip"]), "value_error")),
    ]
}

fn changes() -> Vec<Row> {
    let update = |reason, path| {
        Row::get("UsuarioService.UpdateUsuario", reason, path)
            .by(Method::PUT)
            .of(Who::Administrator)
    };
    vec![
        Row::get("UsuarioService.GetUsuario", "", BY_TELEGRAM)
            .of(Who::Administrator)
            .gives(200, json!("$")),
        update("", ONE)
            .json(json!({ "nombre": "Carolina Vera" }))
            .gives(200, told("Carolina Vera", "1")),
        update("", ONE)
            .json(json!({ "nombre": "Caro", "nivel": "2" }))
            .gives(200, told("Caro", "2")),
        update("", ONE).json(json!({})).gives(200, told("Caro", "2")),
        update("INVALID_FIELD", ONE)
            .json(json!({ "nivel": "jefa" }))
            .gives(400, detail(LEVEL)),
        update("USER_NOT_FOUND", NOBODY)
            .json(json!({ "nombre": "Nadie" }))
            .gives(404, detail(MISSING)),
        update("FORBIDDEN", "/api/v1/usuarios/{administrator}")
            .json(json!({ "nivel": "1" }))
            .gives(400, detail(PRIVILEGES)),
        update("FORBIDDEN", ONE)
            .of(Who::Supervisor)
            .json(json!({ "nivel": "3" }))
            .gives(400, detail(PRIVILEGES)),
        update("SIGNED_OUT", ONE)
            .of(Who::Nobody)
            .json(json!({}))
            .gives(401, detail("Not authenticated")),
    ]
}

fn endings() -> Vec<Row> {
    let delete = |reason, path| {
        Row::get("UsuarioService.DeleteUsuario", reason, path)
            .by(Method::DELETE)
            .of(Who::Administrator)
    };
    vec![
        Row::get("UsuarioService.GetUsuario", "", BY_TELEGRAM)
            .of(Who::Administrator)
            .gives(200, json!("$")),
        delete("FORBIDDEN", ONE).of(Who::Supervisor).gives(400, detail(PRIVILEGES)),
        delete("SIGNED_OUT", ONE)
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
        delete("", ONE).gives(204, Value::Null),
        Row::get("UsuarioService.GetUsuario", "USER_NOT_FOUND", ONE)
            .of(Who::Administrator)
            .gives(404, json!({ "detail": "$" })),
        Row::get("UsuarioService.DeleteUsuario", "", "/v1/tasks")
            .of(Who::Supervisor)
            .json(json!({ "title": "Guardia", "kind": "TASK_KIND_PATROL" }))
            .gives(200, json!("$")),
        delete("STILL_IN_USE", "/api/v1/usuarios/{supervisor}").gives(409, json!({ "detail": "$" })),
        delete("USER_NOT_FOUND", NOBODY).gives(404, detail(MISSING)),
        delete("LAST_ADMINISTRATOR", "/api/v1/usuarios/{administrator}").gives(409, json!({ "detail": "$" })),
        delete("INVALID_FIELD", "/api/v1/usuarios/-1").gives(422, gad_invalid(json!(["path", "id"]), "value_error")),
    ]
}

#[tokio::test]
async fn every_path_answers_as_its_clients_know_it() {
    play(rows()).await;
}
