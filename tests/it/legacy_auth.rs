//! `/api/v1/auth` of the older products.

use serde_json::json;

use crate::legacy::{Door, Row, Who, detail, gad_invalid, invalid, play};

const LOGIN: &str = "/api/v1/auth/login";

/// Every path and its refusals.
pub fn rows() -> Vec<Row> {
    let login = |reason| Row::get("AuthService.Login", reason, LOGIN);
    let me = |reason| Row::get("AuthService.GetMe", reason, "/api/v1/auth/me");
    let validate = |reason| Row::get("AuthService.ValidateToken", reason, "/api/v1/auth/validate-token");
    let bearer: &[_] = &[("www-authenticate", "Bearer")];
    let token = json!({ "access_token": "$", "token_type": "bearer", "expires_in": 1800, "refresh_token": "$" });
    let user = json!({ "id": "$", "email": "admin@gad.example", "full_name": "Administración", "company_id": null, "is_email_verified": true });
    let session = json!({ "access_token": "$", "token_type": "bearer", "expires_in": 1800, "refresh_token": "$", "user": user });
    let account = json!({
        "id": "$",
        "email": "agente@gad.example",
        "full_name": "$",
        "phone": null,
        "company_id": null,
        "registered_at": "$",
        "last_activity": null,
        "is_active": true,
        "is_email_verified": true,
        "country_code": null,
        "username": null,
        "created_at": "$",
        "updated_at": "$",
    });
    vec![
        login("")
            .form(&[("username", "admin@gad.example"), ("password", "gad-demo-2026")])
            .gives(200, token),
        login("")
            .json(json!({ "email": "ADMIN@gad.example", "password": "gad-demo-2026", "remember_me": true }))
            .gives(200, session),
        login("WRONG_CREDENTIALS")
            .form(&[("username", "admin@gad.example"), ("password", "wrong")])
            .gives(401, detail("Incorrect email or password"))
            .and(bearer),
        login("WRONG_CREDENTIALS")
            .form(&[("username", "nobody"), ("password", "wrong")])
            .gives(401, detail("Credenciales incorrectas"))
            .and(bearer),
        login("WRONG_CREDENTIALS")
            .json(json!({ "email": "nobody@gad.example", "password": "wrong" }))
            .gives(401, detail("Invalid email or password")),
        login("INVALID_FIELD")
            .form(&[("username", "admin@gad.example")])
            .gives(422, gad_invalid(json!(["body", "password"]), "missing")),
        login("INVALID_FIELD")
            .json(json!({ "email": "admin@gad.example", "password": 7 }))
            .gives(422, invalid(json!(["body", "password"]), "string_type")),
        me("").of(Who::Agent).gives(200, account),
        me("SIGNED_OUT").gives(401, detail("Not authenticated")).and(bearer),
        me("SIGNED_OUT")
            .of(Who::Forger)
            .gives(401, detail("Token inválido"))
            .and(bearer),
        validate("")
            .of(Who::Administrator)
            .gives(200, json!({ "valid": true, "user": user })),
        validate("SIGNED_OUT").gives(401, detail("Not authenticated")).and(bearer),
        Row::get("AuthService.GetHealth", "", "/api/v1/auth/health").gives(
            200,
            json!({
                "status": "healthy",
                "timestamp": "$",
                "service": "GAD",
                "components": {
                    "servidor": { "status": "healthy", "online": true },
                    "base_de_datos": { "status": "healthy", "online": true },
                    "api": { "status": "healthy", "online": true },
                },
                "summary": { "total": 3, "online": 3, "offline": 0 },
            }),
        ),
        Row::get("AuthService.ListCountries", "", "/api/v1/auth/countries").gives(200, json!("$")),
    ]
}

#[tokio::test]
async fn every_path_answers_as_its_clients_know_it() {
    play(rows()).await;
}

#[tokio::test]
async fn the_form_sets_a_cookie_that_scripts_cannot_read_and_json_does_not() {
    let door = Door::open().await;
    let form = [("username", "agente@gad.example"), ("password", "gad-demo-2026")];
    let told = door.form(LOGIN, &form).await;
    let token = told.json()["access_token"].as_str().unwrap().to_owned();
    let expected = format!("access_token={token}; HttpOnly; Max-Age=1800; Path=/; SameSite=strict; Secure");
    assert_eq!(told.header("set-cookie"), expected);
    assert_eq!(
        door.get("/api/v1/auth/me", Some(&token)).await.json()["email"],
        "agente@gad.example"
    );
    let told = door
        .post(
            LOGIN,
            None,
            json!({ "email": "agente@gad.example", "password": "gad-demo-2026" }),
        )
        .await;
    assert_eq!(told.header("set-cookie"), "");
    door.close().await;
}

#[tokio::test]
async fn countries_come_by_name() {
    let door = Door::open().await;
    let told = door.get("/api/v1/countries", None).await.json();
    let names: Vec<&str> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|country| country["name"].as_str().unwrap())
        .collect();
    assert!(names.is_sorted() && names.len() > 10, "{names:?}");
    let colombia = told.as_array().unwrap().iter().find(|country| country["code"] == "CO");
    assert_eq!(
        colombia,
        Some(&json!({ "code": "CO", "name": "Colombia", "phone_prefix": "+57" }))
    );
    door.close().await;
}
