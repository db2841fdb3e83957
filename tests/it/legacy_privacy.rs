//! `/api/privacy` of GRUPO_GAD.

use gad::{config::DEMO_PASSWORD, domain::retention::Kind};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    legacy::{Door, Row, Who, With, detail, gad_invalid, play},
    newcomer::Newcomer,
    world::until,
};

const EXPORT: &str = "/api/privacy/export";
const DELETE: &str = "/api/privacy/delete";
const CONSENT: &str = "/api/privacy/consent";
const RETENTION: &str = "/api/privacy/retention";
const OUT: &str = "Could not validate credentials";

/// Every path and its refusals.
pub fn rows() -> Vec<Row> {
    [readings(), consents(), withdrawals(), endings()].concat()
}

fn readings() -> Vec<Row> {
    let export = |reason, path| Row::get("PrivacyService.ExportData", reason, path);
    let retention = |reason| Row::get("PrivacyService.ListRetention", reason, RETENTION);
    let whole = json!({ "schema": "gad.export.v1", "user_id": "$", "create_time": "$", "tables": "$", "records": "$", "record_count": "$" });
    let policy = json!({ "kind": "$", "days": "$", "updated_at": "*" });
    vec![
        export("", EXPORT)
            .of(Who::Agent)
            .gives(200, whole.clone())
            .and(&[("content-type", "application/json")]),
        export("", "/api/privacy/portability").of(Who::Agent).gives(200, whole),
        export("SIGNED_OUT", EXPORT).gives(401, detail("Not authenticated")),
        export("SIGNED_OUT", EXPORT).of(Who::Forger).gives(403, detail(OUT)),
        retention("")
            .of(Who::Agent)
            .gives(200, Value::Array(vec![policy; Kind::ALL.len()])),
        retention("SIGNED_OUT").gives(401, detail("Not authenticated")),
    ]
}

fn consents() -> Vec<Row> {
    let read = |reason| Row::get("PrivacyService.GetConsent", reason, CONSENT);
    let decide = |reason| Row::get("PrivacyService.DecideConsent", reason, CONSENT).of(Who::Agent);
    let state = |purpose: &str, status: &str, version: Value, decided: Value| {
        json!({
            "purpose": purpose,
            "status": status,
            "granted": status == "granted",
            "version": version,
            "current_version": 1,
            "decided_at": decided,
            "title": "$",
            "text": "$",
        })
    };
    let undecided = |purpose| state(purpose, "undecided", Value::Null, Value::Null);
    let event = json!({
        "id": "$", "purpose": "data_processing", "version": 1, "granted": true, "decided_at": "$", "address": "127.0.0.1", "text_hash": "$",
    });
    let yes = |purpose: &str, version: i64| json!({ "purpose": purpose, "granted": true, "version": version });
    let granted = json!({
        "purpose": "data_processing", "status": "granted", "granted": true, "version": 1, "decided_at": "$", "message": null,
    });
    let withdrawn = json!({
        "purpose": "location", "status": "withdrawn", "granted": false, "version": 1, "decided_at": "$", "message": "$",
    });
    vec![
        read("").of(Who::Agent).gives(
            200,
            json!({ "user_id": "$", "consents": [undecided("data_processing"), undecided("location")], "history": [] }),
        ),
        read("SIGNED_OUT").gives(401, detail("Not authenticated")),
        decide("").json(yes("data_processing", 1)).gives(200, granted),
        read("").of(Who::Agent).gives(
            200,
            json!({
                "user_id": "$",
                "consents": [state("data_processing", "granted", json!(1), json!("$")), undecided("location")],
                "history": [event],
            }),
        ),
        decide("")
            .json(json!({ "purpose": "location", "granted": false }))
            .gives(200, withdrawn),
        decide("CONSENT_TEXT_NOT_FOUND")
            .json(yes("location", 99))
            .gives(404, json!({ "detail": "$" })),
        decide("INVALID_FIELD")
            .json(yes("everything", 1))
            .gives(422, gad_invalid(json!(["body", "purpose"]), "value_error")),
        decide("INVALID_FIELD")
            .json(json!({ "purpose": "location" }))
            .gives(422, gad_invalid(json!(["body", "granted"]), "missing")),
        // To what one did not read one cannot agree.
        decide("INVALID_FIELD")
            .json(json!({ "purpose": "location", "granted": true }))
            .gives(422, gad_invalid(json!(["body", "version"]), "missing")),
        decide("SIGNED_OUT")
            .of(Who::Nobody)
            .json(yes("location", 1))
            .gives(401, detail("Not authenticated")),
        Row::get("PrivacyService.DecideConsent", "", "/v1/consentTexts")
            .of(Who::Administrator)
            .json(json!({
                "purpose": "CONSENT_PURPOSE_LOCATION",
                "texts": [{ "language": "es", "title": "Ubicación", "body": "Otro texto" }],
            }))
            .gives(200, json!("$")),
        decide("STALE_ETAG")
            .json(yes("location", 1))
            .gives(409, json!({ "detail": "$" })),
    ]
}

fn withdrawals() -> Vec<Row> {
    let withdraw = |reason, path| {
        Row::get("PrivacyService.WithdrawConsent", reason, path)
            .by(Method::DELETE)
            .of(Who::Agent)
    };
    let withdrawn = json!({
        "purpose": "data_processing", "status": "withdrawn", "granted": false, "version": 1, "decided_at": "$", "message": "$",
    });
    vec![
        withdraw("", "/api/privacy/consent?purpose=data_processing").gives(200, withdrawn),
        withdraw("INVALID_FIELD", "/api/privacy/consent?purpose=everything")
            .gives(422, gad_invalid(json!(["query", "purpose"]), "value_error")),
        withdraw("INVALID_FIELD", CONSENT).gives(422, gad_invalid(json!(["query", "purpose"]), "missing")),
        withdraw("SIGNED_OUT", "/api/privacy/consent?purpose=location")
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
    ]
}

fn endings() -> Vec<Row> {
    let delete = |reason| Row::get("PrivacyService.DeleteData", reason, DELETE).by(Method::POST);
    let deleted = json!({ "status": "deleted", "user_id": "$", "nombre": "$", "deleted_at": "$" });
    vec![
        delete("SIGNED_OUT").gives(401, detail("Not authenticated")),
        delete("INVALID_FIELD")
            .of(Who::Agent)
            .json(json!({ "reason": "\u{1}" }))
            .gives(422, gad_invalid(json!(["body", "reason"]), "value_error")),
        Row::get("PrivacyService.DeleteData", "", "/v1/tasks")
            .of(Who::Supervisor)
            .json(json!({ "title": "Guardia", "kind": "TASK_KIND_PATROL" }))
            .gives(200, json!("$")),
        delete("STILL_IN_USE")
            .of(Who::Supervisor)
            .gives(409, json!({ "detail": "$" })),
        delete("LAST_ADMINISTRATOR")
            .of(Who::Administrator)
            .gives(409, json!({ "detail": "$" })),
        delete("")
            .of(Who::Agent)
            .json(json!({ "reason": "me voy" }))
            .gives(200, deleted.clone()),
        delete("SIGNED_OUT").of(Who::Agent).gives(403, detail(OUT)),
        delete("").by(Method::DELETE).of(Who::Colleague).gives(200, deleted),
    ]
}

#[tokio::test]
async fn every_path_answers_as_its_clients_know_it() {
    play(rows()).await;
}

/// Whether a text stands anywhere in a value.
fn holds(value: &Value, text: &str) -> bool {
    value.to_string().contains(text)
}

#[tokio::test]
async fn what_is_exported_is_everything_and_what_is_erased_is_gone() {
    let door = Door::open().await;
    let rosa = Newcomer::to(&door.world, "rosa").await;
    let person = rosa.sign_in().await;
    let own = With {
        token: Some(&person.token),
        json: Some(json!({ "dni": "31.222.333", "telefono": "+54 11 4444" })),
        ..With::default()
    };
    assert_eq!(
        door.send(Method::PUT, &format!("/api/v1/users/{}", rosa.id), own)
            .await
            .status,
        200
    );
    let told = door.get(EXPORT, Some(&person.token)).await;
    assert_eq!(
        told.header("content-disposition"),
        format!("attachment; filename=\"gad-{}.json\"", rosa.id)
    );
    let whole = told.json();
    let records = whole["records"].as_array().unwrap();
    assert_eq!(whole["record_count"], records.len());
    let user = records.iter().find(|row| row["schema"] == "gad.export.v1/users").unwrap();
    for known in ["rosa@gad.example", "31222333", "+54 11 4444", "Rosa Peña"] {
        assert!(holds(user, known), "{known}: {user}");
    }
    assert!(records.iter().any(|row| row["schema"] == "gad.export.v1/sessions"));
    // The canonical export says the same.
    let lines = door.get("/v1/users/0:exportData", Some(&person.token)).await.text;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // But for the audit, in which the first export stands by then.
    let kept = |rows: &[Value]| -> Vec<Value> {
        let rows = rows.iter().filter(|row| row["schema"] != "gad.export.v1/audit");
        rows.cloned().collect()
    };
    assert_eq!(kept(&lines[1..lines.len() - 1]), kept(records));

    let erased = door.post(DELETE, Some(&person.token), json!({})).await;
    assert_eq!(
        erased.json()["nombre"],
        format!("USUARIO_ELIMINADO_{}", rosa.id),
        "{erased:?}"
    );
    door.get(EXPORT, Some(&person.token)).await.is(403, &detail(OUT));
    assert!(rosa.login(DEMO_PASSWORD, "").await.is_err());
    let administrator = door.world.administrator().await.token;
    let lines = door
        .get(
            &format!("/v1/users/{}:exportData?reason=prueba", rosa.id),
            Some(&administrator),
        )
        .await;
    for gone in ["rosa@gad.example", "31222333", "4444", "Peña"] {
        assert!(!lines.text.contains(gone), "{gone}: {}", lines.text);
    }
    door.close().await;
}

#[tokio::test]
async fn an_export_of_many_rows_is_one_document_to_its_end() {
    let door = Door::open().await;
    let rosa = Newcomer::to(&door.world, "rosa").await;
    let person = rosa.sign_in().await;
    let sql = "insert into sessions (id, user_id, create_time, auth_time, last_use_time, expire_time, user_agent)
               select gen_random_uuid(), $1, now(), now(), now(), now() + interval '1 day', 'Teléfono \"' || n || '\"'
               from generate_series(1, 2000) n";
    door.world.database().await.execute(sql, &[&rosa.id]).await.unwrap();
    let told = door.get(EXPORT, Some(&person.token)).await;
    assert!(told.text.len() > 256 * 1024, "several pieces");
    let records = told.json()["records"].as_array().unwrap().len();
    assert!(records > 2000 && told.json()["record_count"] == records);
    door.close().await;
}

#[tokio::test]
async fn by_cookie_nobody_is_erased_without_the_csrf_token() {
    let door = Door::open().await;
    let rosa = Newcomer::to(&door.world, "rosa").await;
    let form = [("username", "rosa"), ("password", DEMO_PASSWORD)];
    let told = door.form("/api/v1/auth/login", &form).await;
    let lines = told.headers.get_all("set-cookie").iter();
    let pairs: Vec<&str> = lines.map(|line| line.to_str().unwrap().split(';').next().unwrap()).collect();
    let jar = pairs.join("; ");
    let by_cookie = async |method: Method, path: &str, more: &[(&str, &str)]| {
        let headers = [&[("cookie", jar.as_str())], more].concat();
        let with = With {
            headers: &headers,
            ..With::default()
        };
        door.send(method, path, with).await
    };
    // What only reads is open to the cookie alone.
    assert_eq!(by_cookie(Method::GET, EXPORT, &[]).await.status, 200);
    let told = by_cookie(Method::POST, DELETE, &[]).await;
    assert_eq!(
        (told.status.as_u16(), told.json()["detail"].is_string()),
        (403, true),
        "{told:?}"
    );
    assert_eq!(rosa.column("erase_time").await, None);
    let csrf = pairs[1].strip_prefix("csrf_token=").unwrap();
    let told = by_cookie(Method::DELETE, DELETE, &[("x-csrf-token", csrf)]).await;
    assert_eq!(told.status, 200, "{told:?}");
    until("the person is erased", async || rosa.column("erase_time").await.is_some()).await;
    door.close().await;
}
