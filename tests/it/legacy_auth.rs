//! `/api/v1/auth` of the older products.

use gad::config::DEMO_PASSWORD;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    legacy::{Door, Row, Told, Who, With, detail, gad_invalid, invalid, play},
    newcomer::{Hands, Newcomer, code},
    smtp::{Manners, Smtp},
    world::{World, reason},
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
            .form(&[("username", "nobody"), ("password", "")])
            .gives(422, invalid(json!(["body", "password"]), "value_error")),
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
        Row::get("AuthService.ListCountries", "", "/api/v1/countries").gives(200, json!("$")),
    ]
}

fn endings() -> Vec<Row> {
    let logout = |reason| Row::get("AuthService.Logout", reason, "/api/v1/auth/logout").by(Method::POST);
    let change = |reason| Row::get("AuthService.ChangePassword", reason, "/api/v1/auth/change-password");
    let passwords = json!({ "current_password": "wrong", "new_password": "tres tristes tigres" });
    vec![
        logout("").gives(200, json!({ "status": "logged_out" })),
        logout("").of(Who::Forger).gives(200, json!({ "status": "logged_out" })),
        logout("SIGNED_OUT")
            .json(json!({ "refresh_token": "none of ours" }))
            .gives(401, detail("Not authenticated")),
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
        verify("INVALID_FIELD", "/api/v1/auth/verify-email").gives(422, invalid(json!(["query", "token"]), "missing")),
    ]
}

/// What no row gives: by which of the answers in the proto, and the test that does.
pub const ELSEWHERE: &[(&str, usize, &str, &str)] = &[
    ("AuthService.Login", 0, "SECOND_FACTOR_REQUIRED", FACTOR),
    ("AuthService.Login", 1, "SECOND_FACTOR_REQUIRED", FACTOR),
    ("AuthService.Login", 2, "SECOND_FACTOR_REQUIRED", FACTOR),
    ("AuthService.Login", 0, "ACCOUNT_INACTIVE", INACTIVE),
    ("AuthService.Login", 1, "ACCOUNT_INACTIVE", INACTIVE),
    ("AuthService.Login", 2, "ACCOUNT_INACTIVE", INACTIVE),
    ("AuthService.Login", 1, "EMAIL_NOT_VERIFIED", INACTIVE),
    (
        "AuthService.Logout",
        1,
        "CSRF",
        "legacy_auth::a_cookie_logs_out_as_the_older_pages_do_it_and_no_other_site_can",
    ),
    ("AuthService.ResetPassword", 0, "", MAILED),
    ("AuthService.VerifyEmail", 0, "", MAILED),
    (
        "AuthService.RefreshToken",
        0,
        "",
        "legacy_auth::refresh_tokens_are_exchanged_once",
    ),
    (
        "AuthService.Logout",
        0,
        "",
        "legacy_auth::logging_out_ends_the_session_and_takes_the_cookies_away",
    ),
    (
        "AuthService.ChangePassword",
        0,
        "",
        "legacy_auth::a_changed_password_is_the_one_that_counts",
    ),
];
const FACTOR: &str = "legacy_auth::a_second_factor_is_asked_for_in_every_form_and_its_code_will_do";
const INACTIVE: &str = "legacy_auth::whoever_may_not_sign_in_is_told_so_if_the_password_is_right";
const MAILED: &str = "legacy_auth::what_is_mailed_proves_an_address_and_sets_a_password";

#[tokio::test]
async fn every_path_answers_as_its_clients_know_it() {
    play(rows()).await;
}

#[tokio::test]
async fn the_form_may_come_in_parts() {
    let door = Door::open().await;
    let part = |name: &str, value: &str| format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let body = part("username", "admin@gad.example") + &part("password", DEMO_PASSWORD) + "--X--\r\n";
    let with = With {
        raw: Some(("multipart/form-data; boundary=X", body.into_bytes())),
        ..With::default()
    };
    let told = door.send(Method::POST, "/api/v1/auth/login", with).await;
    assert_eq!((told.status.as_u16(), &told.json()["token_type"]), (200, &json!("bearer")));
    door.close().await;
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
async fn logging_out_ends_the_session_and_takes_the_cookies_away() {
    let door = Door::open().await;
    let session = session_of(&door, "agente@gad.example", DEMO_PASSWORD).await;
    let token = session["access_token"].as_str().unwrap();
    let told = door.post(LOGOUT, Some(token), json!({})).await;
    told.is(200, &json!({ "status": "logged_out" }));
    let taken = cookies(&told);
    assert_eq!(taken.len(), 2, "{told:?}");
    assert!(taken[0].starts_with("access_token=; HttpOnly; Max-Age=0;"), "{taken:?}");
    assert!(taken[1].starts_with("csrf_token=; Max-Age=0;"), "{taken:?}");
    door.get("/api/v1/auth/me", Some(token))
        .await
        .is(401, &detail("Token inválido"));
    let body = json!({ "refresh_token": session["refresh_token"] });
    door.post(REFRESH, None, body).await.is(401, &detail("Invalid refresh token"));

    let session = session_of(&door, "agente@gad.example", DEMO_PASSWORD).await;
    let token = session["access_token"].as_str().unwrap();
    let body = json!({ "refresh_token": session["refresh_token"] });
    let told = door.post(LOGOUT, Some(token), body.clone()).await;
    told.is(200, &json!({ "message": "Successfully logged out" }));
    door.post(REFRESH, None, body.clone())
        .await
        .is(401, &detail("Invalid refresh token"));
    // There is nothing left to end.
    door.post(LOGOUT, None, body).await.is(401, &detail("Not authenticated"));
    door.close().await;
}

#[tokio::test]
async fn who_has_no_good_access_token_any_more_logs_out_by_the_refresh_token() {
    let door = Door::open().await;
    for token in [None, Some("expired")] {
        let session = session_of(&door, "agente@gad.example", DEMO_PASSWORD).await;
        let next = door
            .post(REFRESH, None, json!({ "refresh_token": session["refresh_token"] }))
            .await
            .json();
        let body = json!({ "refresh_token": next["refresh_token"] });
        let told = door.post(LOGOUT, token, body.clone()).await;
        told.is(200, &json!({ "message": "Successfully logged out" }));
        door.post(REFRESH, None, body.clone())
            .await
            .is(401, &detail("Invalid refresh token"));
        let access = next["access_token"].as_str();
        door.get("/api/v1/auth/me", access).await.is(401, &detail("Token inválido"));
        assert_eq!(door.post(LOGOUT, token, body).await.status, 401);
    }
    door.close().await;
}

/// The `set-cookie` lines of an answer.
fn cookies(told: &Told) -> Vec<String> {
    let lines = told.headers.get_all("set-cookie").iter();
    lines.map(|line| line.to_str().unwrap().to_owned()).collect()
}

/// Signs in by the form; the access token, and both cookies as they come back.
async fn cookies_of(door: &Door) -> (String, String) {
    let told = door
        .form(LOGIN, &[("username", "agente@gad.example"), ("password", DEMO_PASSWORD)])
        .await;
    let given = cookies(&told);
    let pairs: Vec<&str> = given.iter().map(|line| line.split(';').next().unwrap()).collect();
    (told.json()["access_token"].as_str().unwrap().to_owned(), pairs.join("; "))
}

#[tokio::test]
async fn a_cookie_logs_out_as_the_older_pages_do_it_and_no_other_site_can() {
    let door = Door::open().await;
    let logout = async |headers: &[(&str, &str)]| {
        let with = With {
            headers,
            ..With::default()
        };
        door.send(Method::POST, LOGOUT, with).await
    };
    let alive = async |token: &str| door.get("/api/v1/auth/me", Some(token)).await.status == 200;
    for own in [
        &[][..],
        &[("sec-fetch-site", "same-origin"), ("origin", "https://gad.example")],
    ] {
        let (token, jar) = cookies_of(&door).await;
        let told = logout(&[&[("cookie", jar.as_str())], own].concat()).await;
        told.is(200, &json!({ "status": "logged_out" }));
        assert_eq!(cookies(&told).iter().filter(|line| line.contains("Max-Age=0")).count(), 2);
        assert!(!alive(&token).await, "{own:?}");
    }
    let (token, jar) = cookies_of(&door).await;
    for foreign in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let told = logout(&[("cookie", &jar), foreign]).await;
        assert_eq!((told.status.as_u16(), cookies(&told)), (403, Vec::new()), "{told:?}");
        assert!(alive(&token).await, "{foreign:?}");
    }
    // A page of ours on another site shows the CSRF token.
    let csrf = jar.split("csrf_token=").nth(1).unwrap().to_owned();
    let told = logout(&[("cookie", &jar), ("origin", "https://panel.example"), ("x-csrf-token", &csrf)]).await;
    told.is(200, &json!({ "status": "logged_out" }));
    assert!(!alive(&token).await);
    let row = door
        .world
        .database()
        .await
        .query_one(
            "select count(*) from audit where method = 'gad.legacy.v1.AuthService/Logout' and outcome = 'OK' and user_id is not null",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 3, "who logged out is written down");
    door.close().await;
}

/// The three ways to sign in: RecWay's, the inventory's, GRUPO_GAD's.
async fn ways(door: &Door, person: &Newcomer, password: &str, code: &str) -> [Told; 3] {
    let mut json = json!({ "email": person.email, "password": password });
    let mut by_name = vec![("username", person.username.as_str()), ("password", password)];
    let mut by_address = vec![("username", person.email.as_str()), ("password", password)];
    if !code.is_empty() {
        json["code"] = json!(code);
        by_name.push(("code", code));
        by_address.push(("code", code));
    }
    [
        door.post(LOGIN, None, json).await,
        door.form(LOGIN, &by_name).await,
        door.form(LOGIN, &by_address).await,
    ]
}

fn statuses(told: &[Told; 3]) -> [u16; 3] {
    told.each_ref().map(|told| told.status.as_u16())
}

#[tokio::test]
async fn a_second_factor_is_asked_for_in_every_form_and_its_code_will_do() {
    let hands = Hands::now();
    let door = Door::before(World::with_clock(hands.clock(), |_| {}).await).await;
    let rosa = Newcomer::to(&door.world, "rosa").await;
    let (app, recovery) = rosa.enrol(&rosa.sign_in().await, hands.get()).await;
    for told in ways(&door, &rosa, DEMO_PASSWORD, "").await {
        told.is(401, &detail("Second factor required: repeat with `code`"));
    }
    let wrong = ways(&door, &rosa, DEMO_PASSWORD, "000000").await;
    assert_eq!(wrong[0].json(), detail("Invalid email or password"));
    assert_eq!(wrong[1].json(), detail("Credenciales incorrectas"));
    assert_eq!(wrong[2].json(), detail("Incorrect email or password"));
    // A code is good once: each form gets its own.
    for way in 0..3 {
        let form = [
            ("username", [&rosa.username, &rosa.email][way % 2].as_str()),
            ("password", DEMO_PASSWORD),
        ];
        for code in [code(&app, hands.get() + SignedDuration::from_secs(30)), recovery[way].clone()] {
            hands.pass(SignedDuration::from_secs(30));
            let told = match way {
                2 => {
                    let json = json!({ "email": rosa.email, "password": DEMO_PASSWORD, "code": code });
                    door.post(LOGIN, None, json).await
                }
                _ => door.form(LOGIN, &[&form[..], &[("code", code.as_str())]].concat()).await,
            };
            assert_eq!(told.status, 200, "{way}: {told:?}");
            assert_eq!(statuses(&ways(&door, &rosa, DEMO_PASSWORD, &code).await), [401; 3]);
        }
    }
    door.close().await;
}

#[tokio::test]
async fn whoever_may_not_sign_in_is_told_so_if_the_password_is_right() {
    let hands = Hands::now();
    let door = Door::before(World::with_clock(hands.clock(), |_| {}).await).await;
    let refusals = async |name: &str, columns: &str, password: &str| {
        let person = Newcomer::to(&door.world, name).await;
        person.set(columns).await;
        ways(&door, &person, password, "")
            .await
            .map(|told| (told.status.as_u16(), told.json()["detail"].as_str().unwrap().to_owned()))
    };
    let said = |statuses: [u16; 3], texts: [&str; 3]| [0, 1, 2].map(|way| (statuses[way], texts[way].to_owned()));
    let inactive = said(
        [403, 401, 400],
        ["User account is inactive", "Usuario inactivo", "Inactive user"],
    );
    let unknown = said(
        [401; 3],
        [
            "Invalid email or password",
            "Credenciales incorrectas",
            "Incorrect email or password",
        ],
    );
    let unproved = "Email not verified. Please check your email for the verification link.";
    let unproved = said([403, 401, 400], [unproved, "Usuario inactivo", "Inactive user"]);
    let gone = "delete_time = '2026-02-01Z'";
    for (name, columns) in [("ana", "active = false"), ("eva", gone)] {
        assert_eq!(refusals(name, columns, DEMO_PASSWORD).await, inactive, "{name}");
    }
    let must_prove = "must_verify_email = true, email_verify_time = null";
    assert_eq!(refusals("ivo", must_prove, DEMO_PASSWORD).await, unproved);
    // To who does not have the password, they are like everybody and nobody.
    for (name, columns) in [
        ("ada", "active = false"),
        ("ema", gone),
        ("iris", must_prove),
        ("olga", "phone = ''"),
    ] {
        assert_eq!(refusals(name, columns, "not the password").await, unknown, "{name}");
    }
    // Whom an administrator locked out learns nothing either.
    let locked = "lock_time = '2026-02-01Z', lock_reason = 'x'";
    assert_eq!(refusals("uma", locked, DEMO_PASSWORD).await, unknown);

    // Passwords of closed accounts are guessed no better than others: five wrong ones, and the right one is as wrong as they.
    let zoe = Newcomer::to(&door.world, "zoe").await;
    zoe.set("active = false").await;
    for _ in 0..2 {
        ways(&door, &zoe, "not the password", "").await;
    }
    assert_eq!(statuses(&ways(&door, &zoe, DEMO_PASSWORD, "").await), [401; 3]);
    assert!(
        zoe.mails().await.is_empty(),
        "who may not sign in is not told that they cannot"
    );
    hands.pass(SignedDuration::from_mins(31));
    assert_eq!(statuses(&ways(&door, &zoe, DEMO_PASSWORD, "").await), [403, 401, 400]);
    // The canonical door says the same of all of them.
    let refused = zoe.login(DEMO_PASSWORD, "").await.unwrap_err();
    assert_eq!(reason(&refused), "WRONG_CREDENTIALS");
    door.close().await;
}

#[tokio::test]
async fn what_is_mailed_proves_an_address_and_sets_a_password() {
    let smtp = Smtp::start(Manners::default()).await;
    let address = smtp.address;
    let world = World::with(|settings| {
        settings.account.mail.smtp_host = Some(address.ip().to_string());
        settings.account.mail.smtp_port = address.port();
    })
    .await;
    let door = Door::before(world).await;
    let told = door.post("/api/v1/auth/register", None, ivo()).await;
    assert_eq!(told.status, 201, "{told:?}");
    let proof = smtp.link("ivo@gad.example", "/verify-email").await;
    let verify = format!("/api/v1/auth/verify-email?token={proof}");
    let credentials = json!({ "email": "ivo@gad.example", "password": "otra clave larga" });
    assert_eq!(door.post(LOGIN, None, credentials.clone()).await.status, 403);
    let verified = json!({ "message": "Email verified successfully" });
    door.get(&verify, None).await.is(200, &verified);
    let session = door.post(LOGIN, None, credentials.clone()).await;
    assert_eq!(session.json()["user"]["is_email_verified"], true, "{session:?}");
    // Who follows the link again is not frightened.
    let already = json!({ "message": "Email already verified" });
    door.get(&verify, None).await.is(200, &already);

    let asked = json!({ "email": "Ivo@gad.example" });
    let told = door.post("/api/v1/auth/request-password-reset", None, asked.clone()).await;
    assert_eq!(told.status, 200, "{told:?}");
    let secret = smtp.link("ivo@gad.example", "/reset-password").await;
    let reset = json!({ "token": secret, "new_password": "tres tristes tigres" });
    let told = door.post("/api/v1/auth/reset-password", None, reset.clone()).await;
    told.is(200, &json!({ "message": "Password has been reset successfully" }));
    door.post("/api/v1/auth/reset-password", None, reset)
        .await
        .is(400, &detail("Invalid or expired reset token"));
    // The token of one is not the token of the other.
    door.get(&format!("/api/v1/auth/verify-email?token={secret}"), None)
        .await
        .is(400, &detail("Invalid or expired verification token"));
    let token = session.json()["access_token"].as_str().unwrap().to_owned();
    door.get("/api/v1/auth/me", Some(&token))
        .await
        .is(401, &detail("Token inválido"));
    assert_eq!(door.post(LOGIN, None, credentials).await.status, 401);
    session_of(&door, "ivo@gad.example", "tres tristes tigres").await;
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
