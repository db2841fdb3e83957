//! `/api/v1/auth` of the older products.

use gad::config::DEMO_PASSWORD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    legacy::{Door, Row, Who, detail, gad_invalid, invalid, play},
    world::World,
};

const LOGIN: &str = "/api/v1/auth/login";

/// Every path and its refusals.
pub fn rows() -> Vec<Row> {
    [logins(), registrations(), readings(), endings(), mails()].concat()
}

const BEARER: &[(&str, &str)] = &[("www-authenticate", "Bearer")];

/// What RecWay's clients read of the administrator.
fn administrator() -> Value {
    json!({ "id": "$", "email": "admin@gad.example", "full_name": "Administración", "company_id": null, "is_email_verified": true })
}

/// What RecWay's clients read of somebody who signed in.
fn session(user: Value) -> Value {
    json!({ "access_token": "$", "token_type": "bearer", "expires_in": 1800, "refresh_token": "$", "user": user })
}

fn logins() -> Vec<Row> {
    let login = |reason| Row::get("AuthService.Login", reason, LOGIN);
    let refresh = |reason| Row::get("AuthService.RefreshToken", reason, "/api/v1/auth/refresh-token");
    let token = json!({ "access_token": "$", "token_type": "bearer", "expires_in": 1800, "refresh_token": "$" });
    vec![
        login("")
            .form(&[("username", "admin@gad.example"), ("password", DEMO_PASSWORD)])
            .gives(200, token),
        login("")
            .json(json!({ "email": "ADMIN@gad.example", "password": DEMO_PASSWORD, "remember_me": true }))
            .gives(200, session(administrator())),
        login("WRONG_CREDENTIALS")
            .form(&[("username", "admin@gad.example"), ("password", "wrong")])
            .gives(401, detail("Incorrect email or password"))
            .and(BEARER),
        login("WRONG_CREDENTIALS")
            .form(&[("username", "nobody"), ("password", "wrong")])
            .gives(401, detail("Credenciales incorrectas"))
            .and(BEARER),
        login("WRONG_CREDENTIALS")
            .json(json!({ "email": "nobody@gad.example", "password": "wrong" }))
            .gives(401, detail("Invalid email or password")),
        login("INVALID_FIELD")
            .form(&[("username", "admin@gad.example")])
            .gives(422, gad_invalid(json!(["body", "password"]), "missing")),
        login("INVALID_FIELD")
            .json(json!({ "email": "admin@gad.example", "password": 7 }))
            .gives(422, invalid(json!(["body", "password"]), "string_type")),
        refresh("SESSION_ENDED")
            .json(json!({ "refresh_token": "none of ours" }))
            .gives(401, detail("Invalid refresh token")),
        refresh("INVALID_FIELD")
            .json(json!({}))
            .gives(422, invalid(json!(["body", "refresh_token"]), "missing")),
    ]
}

/// Somebody of the inventory.
fn luz() -> Value {
    json!({ "username": "Luz99", "email": "luz@gad.example", "password": "Secreta-2026", "full_name": "Luz Mora" })
}

/// Somebody of RecWay.
fn ivo() -> Value {
    json!({ "email": "Ivo@gad.example", "password": "otra clave larga", "full_name": "Ivo Ríos", "phone": "+57 1" })
}

fn account(changes: &[(&str, Value)]) -> Value {
    let mut account = json!({
        "id": "$",
        "email": "luz@gad.example",
        "full_name": "Luz Mora",
        "phone": null,
        "company_id": null,
        "registered_at": "$",
        "last_activity": null,
        "is_active": true,
        "is_email_verified": false,
        "country_code": null,
        "username": "luz99",
        "created_at": "$",
        "updated_at": "$",
    });
    for (key, value) in changes {
        account[*key] = value.clone();
    }
    account
}

fn registrations() -> Vec<Row> {
    let register = |reason| Row::get("AuthService.Register", reason, "/api/v1/auth/register");
    let login = |reason| Row::get("AuthService.Login", reason, LOGIN);
    let with = |mut whole: Value, key: &str, value: Value| {
        whole[key] = value;
        whole
    };
    let user =
        json!({ "id": "$", "email": "ivo@gad.example", "full_name": "Ivo Ríos", "company_id": null, "is_email_verified": false });
    let unproved = json!({ "access_token": null, "token_type": "bearer", "expires_in": 0, "refresh_token": null, "user": user });
    let not_verified = "Email not verified. Please check your email for the verification link.";
    vec![
        register("").json(luz()).gives(201, account(&[])),
        login("")
            .form(&[("username", "LUZ99"), ("password", "Secreta-2026")])
            .gives(200, json!("$")),
        register("").json(ivo()).gives(201, unproved),
        login("EMAIL_NOT_VERIFIED")
            .json(json!({ "email": "ivo@gad.example", "password": "otra clave larga" }))
            .gives(403, detail(not_verified)),
        login("EMAIL_NOT_VERIFIED")
            .form(&[("username", "ivo@gad.example"), ("password", "otra clave larga")])
            .gives(400, detail("Inactive user")),
        register("EMAIL_TAKEN")
            .json(with(luz(), "username", json!("luz98")))
            .gives(400, detail("El email ya está registrado")),
        register("EMAIL_TAKEN")
            .json(ivo())
            .gives(400, detail("User with this email already exists")),
        register("IDENTITY_TAKEN")
            .json(with(luz(), "email", json!("luz98@gad.example")))
            .gives(400, detail("El nombre de usuario ya está registrado")),
        register("INVALID_FIELD")
            .json(with(luz(), "password", json!("sin-mayusculas-1")))
            .gives(422, invalid(json!(["body", "password"]), "value_error")),
        register("INVALID_FIELD")
            .json(with(ivo(), "email", json!("no address")))
            .gives(422, invalid(json!(["body", "email"]), "value_error")),
        register("INVALID_FIELD")
            .json(with(
                with(ivo(), "email", json!("i@gad.example")),
                "password",
                json!("12345678"),
            ))
            .gives(422, invalid(json!(["body", "password"]), "value_error")),
        register("INVALID_FIELD")
            .json(with(ivo(), "company_id", json!(1)))
            .gives(400, detail("Invalid company ID")),
    ]
}

fn readings() -> Vec<Row> {
    let me = |reason| Row::get("AuthService.GetMe", reason, "/api/v1/auth/me");
    let validate = |reason| Row::get("AuthService.ValidateToken", reason, "/api/v1/auth/validate-token");
    let agent = [
        ("email", json!("agente@gad.example")),
        ("full_name", json!("$")),
        ("last_activity", json!("$")),
        ("is_email_verified", json!(true)),
        ("country_code", json!("CO")),
        ("username", Value::Null),
    ];
    let health = json!({
        "status": "healthy",
        "timestamp": "$",
        "service": "GAD",
        "components": {
            "servidor": { "status": "healthy", "online": true },
            "base_de_datos": { "status": "healthy", "online": true },
            "api": { "status": "healthy", "online": true },
        },
        "summary": { "total": 3, "online": 3, "offline": 0 },
    });
    vec![
        me("").of(Who::Agent).gives(200, account(&agent)),
        me("SIGNED_OUT").gives(401, detail("Not authenticated")).and(BEARER),
        me("SIGNED_OUT")
            .of(Who::Forger)
            .gives(401, detail("Token inválido"))
            .and(BEARER),
        validate("")
            .of(Who::Administrator)
            .gives(200, json!({ "valid": true, "user": administrator() })),
        validate("SIGNED_OUT").gives(401, detail("Not authenticated")).and(BEARER),
        validate("SIGNED_OUT")
            .of(Who::Forger)
            .gives(401, detail("Invalid authentication credentials")),
        Row::get("AuthService.GetHealth", "", "/api/v1/auth/health").gives(200, health),
        Row::get("AuthService.ListCountries", "", "/api/v1/auth/countries").gives(200, json!("$")),
    ]
}

fn endings() -> Vec<Row> {
    let logout = |reason| Row::get("AuthService.Logout", reason, "/api/v1/auth/logout").by(Method::POST);
    let change = |reason| Row::get("AuthService.ChangePassword", reason, "/api/v1/auth/change-password");
    let passwords = json!({ "current_password": "wrong", "new_password": "tres tristes tigres" });
    vec![
        logout("").gives(200, json!({ "status": "logged_out" })),
        logout("").of(Who::Forger).gives(200, json!({ "status": "logged_out" })),
        logout("INVALID_FIELD")
            .json(json!({ "refresh_token": 7 }))
            .gives(422, invalid(json!(["body", "refresh_token"]), "string_type")),
        change("WRONG_PROOF")
            .of(Who::Agent)
            .json(passwords.clone())
            .gives(400, detail("Contraseña actual incorrecta")),
        change("INVALID_FIELD")
            .of(Who::Agent)
            .json(json!({ "current_password": "x", "new_password": "short" }))
            .gives(422, invalid(json!(["body", "new_password"]), "value_error")),
        change("SIGNED_OUT").json(passwords).gives(401, detail("Not authenticated")),
    ]
}

fn mails() -> Vec<Row> {
    let ask_reset = |reason| {
        Row::get(
            "AuthService.RequestPasswordReset",
            reason,
            "/api/v1/auth/request-password-reset",
        )
    };
    let reset = |reason| Row::get("AuthService.ResetPassword", reason, "/api/v1/auth/reset-password");
    let ask_verification = |reason| {
        Row::get(
            "AuthService.RequestEmailVerification",
            reason,
            "/api/v1/auth/request-email-verification",
        )
    };
    let verify = |reason, path| Row::get("AuthService.VerifyEmail", reason, path);
    let link = "If an account with this email exists, a password reset link has been sent";
    let proof = "If an account with this email exists, a verification link has been sent";
    let nowhere = json!({ "email": "no address" });
    vec![
        ask_reset("")
            .json(json!({ "email": "nobody@gad.example" }))
            .gives(200, json!({ "message": link })),
        ask_reset("INVALID_FIELD")
            .json(nowhere.clone())
            .gives(422, invalid(json!(["body", "email"]), "value_error")),
        reset("MAILED_TOKEN_INVALID")
            .json(json!({ "token": "!", "new_password": "tres tristes tigres" }))
            .gives(400, detail("Invalid or expired reset token")),
        reset("INVALID_FIELD")
            .json(json!({ "token": "x", "new_password": "short" }))
            .gives(422, invalid(json!(["body", "new_password"]), "value_error")),
        ask_verification("")
            .json(json!({ "email": "nobody@gad.example" }))
            .gives(200, json!({ "message": proof })),
        ask_verification("INVALID_FIELD")
            .json(nowhere)
            .gives(422, invalid(json!(["body", "email"]), "value_error")),
        verify("MAILED_TOKEN_INVALID", "/api/v1/auth/verify-email?token=x")
            .gives(400, detail("Invalid or expired verification token")),
        verify("INVALID_FIELD", "/api/v1/auth/verify-email").gives(422, invalid(json!(["query", "token"]), "value_error")),
    ]
}

/// Reasons that no row gives, and the test that does.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("AuthService.Login", "SECOND_FACTOR_REQUIRED"),
    ("AuthService.ResetPassword", ""),
    ("AuthService.VerifyEmail", ""),
    ("AuthService.RefreshToken", ""),
    ("AuthService.ChangePassword", ""),
];

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

const REFRESH: &str = "/api/v1/auth/refresh-token";
const LOGOUT: &str = "/api/v1/auth/logout";

/// Signs in by JSON; what came of it.
async fn session_of(door: &Door, email: &str, password: &str) -> Value {
    let told = door.post(LOGIN, None, json!({ "email": email, "password": password })).await;
    assert_eq!(told.status, 200, "{told:?}");
    told.json()
}

#[tokio::test]
async fn refresh_tokens_are_exchanged_once() {
    let door = Door::open().await;
    let first = session_of(&door, "agente@gad.example", DEMO_PASSWORD).await;
    let exchange = async |session: &Value| {
        let body = json!({ "refresh_token": session["refresh_token"] });
        door.post(REFRESH, None, body).await
    };
    let second = exchange(&first).await.json();
    assert_eq!(second["user"], first["user"]);
    let third = exchange(&second).await.json();
    let token = third["access_token"].as_str().unwrap();
    assert_eq!(door.get("/api/v1/auth/me", Some(token)).await.status, 200);
    // One that comes again ends the session.
    let again = exchange(&first).await;
    again.is(401, &detail("Invalid refresh token"));
    exchange(&third).await.is(401, &detail("Invalid refresh token"));
    door.close().await;
}

#[tokio::test]
async fn logging_out_ends_the_session_and_takes_the_cookie_away() {
    let door = Door::open().await;
    let session = session_of(&door, "agente@gad.example", DEMO_PASSWORD).await;
    let token = session["access_token"].as_str().unwrap();
    let told = door.post(LOGOUT, Some(token), json!({})).await;
    told.is(200, &json!({ "status": "logged_out" }));
    assert!(
        told.header("set-cookie").starts_with("access_token=; HttpOnly; Max-Age=0;"),
        "{told:?}"
    );
    door.get("/api/v1/auth/me", Some(token))
        .await
        .is(401, &detail("Token inválido"));

    let session = session_of(&door, "agente@gad.example", DEMO_PASSWORD).await;
    let token = session["access_token"].as_str().unwrap();
    let body = json!({ "refresh_token": session["refresh_token"] });
    door.post(LOGOUT, None, body.clone())
        .await
        .is(401, &detail("Not authenticated"));
    let told = door.post(LOGOUT, Some(token), body.clone()).await;
    told.is(200, &json!({ "message": "Successfully logged out" }));
    door.post(REFRESH, None, body).await.is(401, &detail("Invalid refresh token"));
    door.close().await;
}

#[tokio::test]
async fn a_changed_password_is_the_one_that_counts() {
    let door = Door::open().await;
    let session = session_of(&door, "agente@gad.example", DEMO_PASSWORD).await;
    let token = session["access_token"].as_str().unwrap();
    let passwords = json!({ "current_password": DEMO_PASSWORD, "new_password": "tres tristes tigres" });
    let told = door.post("/api/v1/auth/change-password", Some(token), passwords).await;
    told.is(200, &json!({ "message": "Contraseña actualizada exitosamente" }));
    session_of(&door, "agente@gad.example", "tres tristes tigres").await;
    let old = door
        .form(LOGIN, &[("username", "agente@gad.example"), ("password", DEMO_PASSWORD)])
        .await;
    assert_eq!(old.status, 401);
    door.close().await;
}

#[tokio::test]
async fn nobody_registers_where_it_is_closed() {
    let world = World::with(|settings| settings.account.open_registration = false).await;
    let door = Door::before(world).await;
    for body in [luz(), ivo()] {
        let told = door.post("/api/v1/auth/register", None, body).await;
        assert_eq!(
            (told.status.as_u16(), told.json()["detail"].is_string()),
            (403, true),
            "{told:?}"
        );
    }
    door.close().await;
}
