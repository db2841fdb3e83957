//! `/api/v1/users` of GRUPO_GAD and of the inventory.

use gad::{config::DEMO_PASSWORD, domain::mail::Purpose, pb};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    legacy::{Door, PRIVILEGES, Row, Told, Who, With, detail, gad_invalid, invalid, play},
    newcomer::{Hands, Newcomer},
    world::{World, reason},
};

const USERS: &str = "/api/v1/users";
const ONE: &str = "/api/v1/users/{last}";
const NOBODY: &str = "/api/v1/users/999999";
const BY_TELEGRAM: &str = "/api/v1/users/by-telegram/5000000001";
const MISSING: &str = "The user with this id does not exist in the system";
const IDENTITY_TAKEN: &str = "A user with this dni or telegram_id already exists in the system.";
const ADDRESS_TAKEN: &str = "The user with this username already exists in the system.";

/// A user of GRUPO_GAD.
fn ana() -> Value {
    json!({
        "email": "Ana.Paz@gad.example",
        "password": "una clave larga",
        "nombre": "Ana",
        "apellido": "Paz",
        "dni": "30111222",
        "telefono": "+54 11 5555",
        "telegram_id": 5_000_000_001_i64,
        "nivel": 2,
        "verificado": true,
    })
}

/// How it is printed.
fn ana_told() -> Value {
    json!({
        "id": "$",
        "uuid": "$",
        "email": "ana.paz@gad.example",
        "nombre": "Ana",
        "apellido": "Paz",
        "dni": "30111222",
        "telefono": "+54 11 5555",
        "telegram_id": 5_000_000_001_i64,
        "nivel": 2,
        "verificado": true,
        "username": null,
        "full_name": "Ana Paz",
        "is_active": true,
        "created_at": "$",
        "updated_at": "$",
    })
}

/// A user of the inventory.
fn bob() -> Value {
    json!({ "username": "Bob7", "email": "bob@gad.example", "full_name": "Bob Sosa", "password": "una clave larga" })
}

/// How it is printed.
fn bob_told() -> Value {
    let changes = [
        ("email", json!("bob@gad.example")),
        ("nombre", json!("Bob Sosa")),
        ("apellido", json!("")),
        ("dni", Value::Null),
        ("telefono", Value::Null),
        ("telegram_id", Value::Null),
        ("nivel", json!(1)),
        ("username", json!("bob7")),
        ("full_name", json!("Bob Sosa")),
    ];
    with(ana_told(), &changes)
}

fn with(mut whole: Value, changes: &[(&str, Value)]) -> Value {
    for (key, value) in changes {
        whole[*key] = value.clone();
    }
    whole
}

/// With both keys that say whether somebody may sign in.
fn stopped(told: Value) -> Value {
    with(told, &[("verificado", json!(false)), ("is_active", json!(false))])
}

/// Every path and its refusals.
pub fn rows() -> Vec<Row> {
    [lists(), readings(), makings(), changes(), endings()].concat()
}

/// What Envoy says of a parameter that is none.
fn unreadable() -> Value {
    json!({ "detail": "Validation Error", "errors": [{ "type": "parsing", "loc": ["request"], "msg": "$" }] })
}

fn lists() -> Vec<Row> {
    let list = |reason, path| Row::get("UserService.ListUsers", reason, path).of(Who::Administrator);
    let search = |reason, path| Row::get("UserService.SearchUsers", reason, path).of(Who::Administrator);
    vec![
        list("", USERS).gives(200, json!(["$", "$", "$", "$", "$"])),
        list("", "/api/v1/users/?skip=4&limit=9")
            .of(Who::Supervisor)
            .gives(200, json!(["$"])),
        list("", "/api/v1/users/?active_only=true&skip=1&limit=2")
            .gives(200, json!({ "items": ["$", "$"], "total": 5, "skip": 1, "limit": 2 })),
        list("SIGNED_OUT", USERS)
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
        list("SIGNED_OUT", USERS)
            .of(Who::Forger)
            .gives(403, detail("Could not validate credentials")),
        list("FORBIDDEN", USERS).of(Who::Agent).gives(400, detail(PRIVILEGES)),
        list("INVALID_FIELD", "/api/v1/users/?limit=-1").gives(422, gad_invalid(json!(["query", "limit"]), "value_error")),
        list("INVALID_FIELD", "/api/v1/users/?active_only=true&limit=0")
            .gives(422, invalid(json!(["query", "limit"]), "value_error")),
        list("INVALID_FIELD", "/api/v1/users/?limit=many").gives(422, unreadable()),
        search("", "/api/v1/users/search?q=agente2").gives(200, json!(["$"])),
        search("", "/api/v1/users/search?q=nobody").gives(200, json!([])),
        search("SIGNED_OUT", "/api/v1/users/search?q=agente")
            .of(Who::Forger)
            .gives(401, detail("Token inválido")),
        search("FORBIDDEN", "/api/v1/users/search?q=agente")
            .of(Who::Agent)
            .gives(403, detail("No tienes permisos para realizar esta acción")),
        search("INVALID_FIELD", "/api/v1/users/search?q=a").gives(422, invalid(json!(["query", "q"]), "value_error")),
    ]
}

fn readings() -> Vec<Row> {
    let me = |reason| Row::get("UserService.GetCurrentUser", reason, "/api/v1/users/me");
    let one = |reason, path| Row::get("UserService.GetUser", reason, path).of(Who::Administrator);
    let telegram = |reason, path| Row::get("UserService.GetUserByTelegram", reason, path).of(Who::Administrator);
    let agent = [
        ("email", json!("agente@gad.example")),
        ("nombre", json!("$")),
        ("apellido", json!("$")),
        ("dni", Value::Null),
        ("telefono", Value::Null),
        ("telegram_id", Value::Null),
        ("nivel", json!(1)),
        ("full_name", json!("$")),
    ];
    vec![
        me("").of(Who::Agent).gives(200, with(ana_told(), &agent)),
        me("SIGNED_OUT")
            .gives(401, detail("Not authenticated"))
            .and(&[("www-authenticate", "Bearer")]),
        one("", "/api/v1/users/{agent}")
            .of(Who::Agent)
            .gives(200, with(ana_told(), &agent)),
        one("SIGNED_OUT", "/api/v1/users/1")
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
        one("USER_NOT_FOUND", NOBODY).gives(404, detail(MISSING)),
        one("USER_NOT_FOUND", "/api/v1/users/{administrator}")
            .of(Who::Agent)
            .gives(404, detail(MISSING)),
        one("INVALID_FIELD", "/api/v1/users/-1").gives(422, gad_invalid(json!(["path", "id"]), "value_error")),
        one("INVALID_FIELD", "/api/v1/users/x").gives(422, unreadable()),
        telegram("USER_NOT_FOUND", BY_TELEGRAM).gives(404, detail(MISSING)),
        Row::get("UserService.CreateUser", "", USERS)
            .of(Who::Administrator)
            .json(ana())
            .gives(200, ana_told()),
        telegram("", BY_TELEGRAM).gives(200, ana_told()),
        telegram("SIGNED_OUT", BY_TELEGRAM)
            .of(Who::Nobody)
            .gives(401, detail("Not authenticated")),
        telegram("FORBIDDEN", BY_TELEGRAM)
            .of(Who::Agent)
            .gives(400, detail(PRIVILEGES)),
        telegram("INVALID_FIELD", "/api/v1/users/by-telegram/-5")
            .gives(422, gad_invalid(json!(["path", "telegram_id"]), "value_error")),
    ]
}

fn makings() -> Vec<Row> {
    let create = |reason| Row::get("UserService.CreateUser", reason, USERS).of(Who::Administrator);
    let else_than_ana = |key: &str, value: Value| with(ana(), &[("email", json!("else@gad.example")), (key, value)]);
    vec![
        create("EMAIL_TAKEN").json(ana()).gives(400, detail(ADDRESS_TAKEN)),
        create("IDENTITY_TAKEN")
            .json(else_than_ana("nombre", json!("Eva")))
            .gives(409, detail(IDENTITY_TAKEN)),
        // The same number, however it is typed.
        create("IDENTITY_TAKEN")
            .json(with(
                else_than_ana("dni", json!("30.111.222")),
                &[("telegram_id", Value::Null)],
            ))
            .gives(409, detail(IDENTITY_TAKEN)),
        create("INVALID_FIELD")
            .json(else_than_ana("dni", json!("12")))
            .gives(422, gad_invalid(json!(["body", "dni"]), "value_error")),
        create("SIGNED_OUT")
            .of(Who::Nobody)
            .json(ana())
            .gives(401, detail("Not authenticated")),
        create("FORBIDDEN").of(Who::Agent).json(ana()).gives(400, detail(PRIVILEGES)),
        create("FORBIDDEN")
            .of(Who::Supervisor)
            .json(json!({}))
            .gives(400, detail(PRIVILEGES)),
        create("INVALID_FIELD")
            .json(else_than_ana("nivel", json!(4)))
            .gives(422, gad_invalid(json!(["body", "nivel"]), "value_error")),
        create("INVALID_FIELD")
            .json(else_than_ana("email", json!("no address")))
            .gives(422, gad_invalid(json!(["body", "email"]), "value_error")),
        create("INVALID_FIELD")
            .json(else_than_ana("password", json!("short")))
            .gives(422, gad_invalid(json!(["body", "password"]), "value_error")),
        create("").json(bob()).gives(201, bob_told()),
        create("EMAIL_TAKEN")
            .json(with(bob(), &[("username", json!("bob8"))]))
            .gives(400, detail("El email ya está registrado")),
        create("IDENTITY_TAKEN")
            .json(with(bob(), &[("email", json!("bob8@gad.example"))]))
            .gives(400, detail("El nombre de usuario ya está registrado")),
        create("INVALID_FIELD")
            .json(with(bob(), &[("username", json!("b b"))]))
            .gives(422, invalid(json!(["body", "username"]), "value_error")),
    ]
}

fn changes() -> Vec<Row> {
    let update = |reason, path| {
        Row::get("UserService.UpdateUser", reason, path)
            .by(Method::PUT)
            .of(Who::Administrator)
    };
    let read = |path| Row::get("UserService.GetUser", "", path).of(Who::Administrator);
    let renamed = with(ana_told(), &[("nombre", json!("Anita"))]);
    vec![
        read(BY_TELEGRAM).gives(200, ana_told()),
        update("", ONE)
            .json(json!({ "nombre": "Anita", "nivel": 3, "verificado": false }))
            .gives(200, stopped(with(renamed.clone(), &[("nivel", json!(3))]))),
        update("", ONE)
            .json(json!({ "is_active": true, "full_name": "Ana Paz" }))
            .gives(200, with(renamed.clone(), &[("nivel", json!(3))])),
        update("", ONE).json(json!({ "nivel": 2 })).gives(200, renamed.clone()),
        update("", ONE).json(json!({})).gives(200, renamed.clone()),
        // Nothing of it happens, the name neither.
        update("EMAIL_TAKEN", ONE)
            .json(json!({ "nombre": "Nunca", "email": "bob@gad.example", "nivel": 1 }))
            .gives(400, detail(ADDRESS_TAKEN)),
        read(ONE).gives(200, renamed),
        update("IDENTITY_TAKEN", ONE)
            .json(json!({ "username": "bob7" }))
            .gives(400, detail("El nombre de usuario ya está registrado")),
        update("IDENTITY_TAKEN", "/api/v1/users/{agent}")
            .json(json!({ "telegram_id": 5_000_000_001_i64 }))
            .gives(409, detail(IDENTITY_TAKEN)),
        update("IDENTITY_TAKEN", "/api/v1/users/{agent}")
            .of(Who::Agent)
            .json(json!({ "dni": "30 111 222" }))
            .gives(409, detail(IDENTITY_TAKEN)),
        update("EMAIL_TAKEN", ONE)
            .json(json!({ "full_name": "Nunca", "email": "bob@gad.example" }))
            .gives(400, detail("El email ya está registrado")),
        update("USER_NOT_FOUND", NOBODY)
            .json(json!({ "full_name": "Nadie" }))
            .gives(404, detail("Usuario no encontrado")),
        update("LAST_ADMINISTRATOR", "/api/v1/users/{administrator}")
            .json(json!({ "is_active": false }))
            .gives(400, json!({ "detail": "$" })),
        update("INVALID_FIELD", ONE)
            .json(json!({ "full_name": "A" }))
            .gives(422, invalid(json!(["body", "full_name"]), "value_error")),
        update("INVALID_FIELD", ONE)
            .json(json!({ "password": "short" }))
            .gives(422, gad_invalid(json!(["body", "password"]), "value_error")),
        update("INVALID_FIELD", ONE)
            .json(json!({ "dni": "sin cifras" }))
            .gives(422, gad_invalid(json!(["body", "dni"]), "value_error")),
        update("FORBIDDEN", ONE)
            .of(Who::Agent)
            .json(json!({ "password": "una clave larga" }))
            .gives(400, detail(PRIVILEGES)),
        update("INVALID_FIELD", ONE)
            .json(json!({ "nivel": "x" }))
            .gives(422, gad_invalid(json!(["body", "nivel"]), "int_parsing")),
        update("USER_NOT_FOUND", NOBODY)
            .json(json!({ "nombre": "Nadie" }))
            .gives(404, detail(MISSING)),
        update("SIGNED_OUT", ONE)
            .of(Who::Nobody)
            .json(json!({}))
            .gives(401, detail("Not authenticated")),
        update("FORBIDDEN", ONE)
            .of(Who::Agent)
            .json(json!({ "nombre": "Otro" }))
            .gives(400, detail(PRIVILEGES)),
        update("FORBIDDEN", ONE)
            .of(Who::Agent)
            .json(json!({ "full_name": "Otro" }))
            .gives(403, detail("No tienes permisos para modificar este usuario")),
        update("FORBIDDEN", "/api/v1/users/{agent}")
            .of(Who::Agent)
            .json(json!({ "nivel": 3 }))
            .gives(400, detail(PRIVILEGES)),
        update("FORBIDDEN", "/api/v1/users/{agent}")
            .of(Who::Agent)
            .json(json!({ "email": "x@gad.example" }))
            .gives(400, detail(PRIVILEGES)),
        update("FORBIDDEN", "/api/v1/users/{administrator}")
            .json(json!({ "nivel": 1 }))
            .gives(400, detail(PRIVILEGES)),
        update("LAST_ADMINISTRATOR", "/api/v1/users/{administrator}")
            .json(json!({ "verificado": false }))
            .gives(409, json!({ "detail": "$" })),
        update("", "/api/v1/users/{agent}")
            .of(Who::Agent)
            .json(json!({ "telefono": "123" }))
            .gives(200, json!("$")),
    ]
}

fn endings() -> Vec<Row> {
    let delete = |reason, path| {
        Row::get("UserService.DeleteUser", reason, path)
            .by(Method::DELETE)
            .of(Who::Administrator)
    };
    let read = |path| Row::get("UserService.GetUser", "", path).of(Who::Administrator);
    let renamed = with(ana_told(), &[("nombre", json!("Anita"))]);
    vec![
        read(BY_TELEGRAM).gives(200, renamed.clone()),
        delete("", ONE).gives(200, json!({ "message": "Usuario desactivado exitosamente" })),
        read(ONE).gives(200, stopped(renamed)),
        delete("USER_NOT_FOUND", NOBODY).gives(404, detail("Usuario no encontrado")),
        delete("LAST_ADMINISTRATOR", "/api/v1/users/{administrator}").gives(400, json!({ "detail": "$" })),
        delete("SIGNED_OUT", ONE).of(Who::Forger).gives(401, detail("Token inválido")),
        delete("FORBIDDEN", ONE)
            .of(Who::Agent)
            .gives(403, detail("No tienes permisos para realizar esta acción")),
        delete("INVALID_FIELD", "/api/v1/users/-1").gives(422, invalid(json!(["path", "id"]), "value_error")),
    ]
}

#[tokio::test]
async fn every_path_answers_as_its_clients_know_it() {
    play(rows()).await;
}

#[tokio::test]
async fn everything_missing_of_a_new_user_is_named_at_once() {
    let door = Door::open().await;
    let token = door.world.administrator().await.token;
    let user = json!({ "nivel": "x", "email": "a@b.example" });
    let told = door.post(USERS, Some(&token), user).await.json();
    let errors = told["errors"].as_array().unwrap().iter();
    let mut named: Vec<&str> = errors.map(|error| error["loc"][1].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, ["apellido", "dni", "nivel", "nombre", "password"]);
    door.close().await;
}

#[tokio::test]
async fn what_is_said_back_of_a_body_has_no_password() {
    let door = Door::open().await;
    let token = door.world.administrator().await.token;
    let user = with(ana(), &[("nivel", json!("x")), ("password", json!({ "secreta": 1 }))]);
    let told = door.post(USERS, Some(&token), user).await;
    assert_eq!(told.status, 422);
    assert!(!told.text.contains("secreta"), "{told:?}");
    door.close().await;
}

#[tokio::test]
async fn a_new_user_signs_in_by_address_or_name_and_one_who_was_stopped_does_not() {
    let door = Door::open().await;
    let administrator = door.world.administrator().await.token;
    let user = with(ana(), &[("nivel", json!(1))]);
    let made = door.post(USERS, Some(&administrator), user).await.json();
    let form = [("username", "ana.paz@gad.example"), ("password", "una clave larga")];
    let login = door.form("/api/v1/auth/login", &form).await.json();
    let token = login["access_token"].as_str().unwrap();
    assert_eq!(door.get("/api/v1/users/me", Some(token)).await.json(), made);
    let own = format!("{USERS}/{}", made["id"]);
    assert_eq!(door.get(&own, Some(token)).await.json(), made);

    let named = door.post(USERS, Some(&administrator), bob()).await;
    assert_eq!(named.status, 201, "{named:?}");
    let form_of_bob = [("username", "BOB7"), ("password", "una clave larga")];
    assert_eq!(door.form("/api/v1/auth/login", &form_of_bob).await.status, 200);

    let stop = With {
        token: Some(&administrator),
        json: Some(json!({ "verificado": false })),
        ..With::default()
    };
    assert_eq!(door.send(Method::PUT, &own, stop).await.status, 200);
    let told = door.get("/api/v1/users/me", Some(token)).await;
    told.is(403, &detail("Could not validate credentials"));
    let told = door.form("/api/v1/auth/login", &form).await;
    told.is(400, &detail("Inactive user"));
    door.close().await;
}

#[tokio::test]
async fn lists_are_newest_first_and_pages_fit_together() {
    let door = Door::open().await;
    let token = door.world.administrator().await.token;
    for number in 0..4 {
        let changes = [
            ("email", json!(format!("u{number}@gad.example"))),
            ("dni", json!(format!("4000000{number}"))),
            ("telegram_id", json!(7_000_000 + number)),
        ];
        let told = door.post(USERS, Some(&token), with(ana(), &changes)).await;
        assert_eq!(told.status, 200, "{told:?}");
    }
    let list = async |query: &str| door.get(&format!("{USERS}/{query}"), Some(&token)).await.json();
    let all = list("").await;
    let all = all.as_array().unwrap();
    let newest: Vec<&str> = all[..4].iter().map(|user| user["email"].as_str().unwrap()).collect();
    assert_eq!(
        newest,
        ["u3@gad.example", "u2@gad.example", "u1@gad.example", "u0@gad.example"]
    );
    assert_eq!(all.len(), 9);
    assert_eq!(list("?skip=2&limit=3").await, json!(all[2..5]));
    assert_eq!(list("?skip=9").await, json!([]));
    let page = list("?skip=2&limit=3&active_only=false").await;
    assert_eq!(page, json!({ "items": all[2..5], "total": 9, "skip": 2, "limit": 3 }));
    door.close().await;
}

/// PUT of somebody.
async fn put(door: &Door, id: &Value, token: &str, json: Value) -> Told {
    let with = With {
        token: Some(token),
        json: Some(json),
        ..With::default()
    };
    door.send(Method::PUT, &format!("{USERS}/{id}"), with).await
}

#[tokio::test]
async fn a_national_id_is_kept_sealed_and_told_to_its_person_and_to_administrators() {
    let door = Door::open().await;
    let (administrator, supervisor) = (door.world.administrator().await, door.world.supervisor().await);
    let made = door
        .post(USERS, Some(&administrator.token), with(ana(), &[("nivel", json!(1))]))
        .await
        .json();
    let row = door
        .world
        .database()
        .await
        .query_one(
            "select national_id_sealed is not null and national_id_index is not null, u::text from users u where email = $1",
            &[&"ana.paz@gad.example"],
        )
        .await
        .unwrap();
    assert!(row.get::<_, bool>(0));
    assert!(!row.get::<_, String>(1).contains("30111222"), "it stands there as it is");
    let form = [("username", "ana.paz@gad.example"), ("password", "una clave larga")];
    let token = door.form("/api/v1/auth/login", &form).await.json()["access_token"].clone();
    let token = token.as_str().unwrap();
    let read = async |token: &str, path: &str| door.get(path, Some(token)).await.json();
    let own = format!("{USERS}/{}", made["id"]);
    assert_eq!(read(token, "/api/v1/users/me").await["dni"], "30111222");
    assert_eq!(read(&administrator.token, &own).await["dni"], "30111222");
    assert_eq!(read(&administrator.token, BY_TELEGRAM).await["dni"], "30111222");
    let listed = read(&administrator.token, &format!("{USERS}?limit=1")).await;
    assert_eq!(listed[0]["dni"], "30111222");
    assert_eq!(
        read(&administrator.token, "/api/v1/users/search?q=paz").await[0]["dni"],
        "30111222"
    );
    for path in [own.as_str(), BY_TELEGRAM] {
        let told = read(&supervisor.token, path).await;
        assert_eq!((&told["id"], &told["dni"]), (&made["id"], &Value::Null));
    }
    // Scopes limit: a token that reads users does not read their numbers.
    for (scopes, dni) in [
        (vec!["user.read"], Value::Null),
        (vec!["user.read", "privacy.national_id"], json!("30111222")),
    ] {
        let request = pb::CreateApiTokenRequest {
            api_token: Some(pb::ApiToken {
                display_name: "Guion".to_owned(),
                scopes: scopes.into_iter().map(str::to_owned).collect(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let made = administrator
            .api_tokens()
            .create_api_token(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(read(&made.token, &own).await["dni"], dni);
    }
    // One's own can be changed, and that of others by administrators; whoever may not, changes nothing.
    assert_eq!(
        put(&door, &made["id"], token, json!({ "dni": "31.000.001" })).await.json()["dni"],
        "31000001"
    );
    let told = put(
        &door,
        &made["id"],
        &administrator.token,
        json!({ "dni": "31000002", "nombre": "Anita" }),
    )
    .await;
    assert_eq!(
        (&told.json()["dni"], &told.json()["nombre"]),
        (&json!("31000002"), &json!("Anita"))
    );
    let agent = door.world.agent().await;
    assert_eq!(
        put(&door, &made["id"], &agent.token, json!({ "dni": "31000003" }))
            .await
            .status,
        400
    );
    // Of several changes none happens if one cannot.
    let taken = json!({ "dni": "31000002", "telefono": "999" });
    put(&door, &json!(agent.id), &agent.token, taken)
        .await
        .is(409, &detail(IDENTITY_TAKEN));
    let told = read(&agent.token, "/api/v1/users/me").await;
    assert_eq!((&told["dni"], &told["telefono"]), (&Value::Null, &Value::Null));
    assert_eq!(read(token, "/api/v1/users/me").await["dni"], "31000002");
    door.close().await;
}

#[tokio::test]
async fn another_password_ends_sessions_and_tells_its_person() {
    let door = Door::open().await;
    let administrator = door.world.administrator().await;
    let rosa = Newcomer::to(&door.world, "rosa").await;
    let (one, other) = (rosa.sign_in().await, rosa.sign_in().await);
    let me = async |token: &str| door.get("/api/v1/users/me", Some(token)).await.status.as_u16();
    // One's own: the session that calls goes on, all others end.
    let told = put(
        &door,
        &json!(rosa.id),
        &one.token,
        json!({ "password": "tres tristes tigres" }),
    )
    .await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!((me(&one.token).await, me(&other.token).await), (200, 403));
    assert_eq!(reason(&rosa.login(DEMO_PASSWORD, "").await.unwrap_err()), "WRONG_CREDENTIALS");
    rosa.login("tres tristes tigres", "").await.unwrap();
    // An administrator's: all of them end.
    let version = rosa.column("token_version").await;
    let told = put(
        &door,
        &json!(rosa.id),
        &administrator.token,
        json!({ "password": "cuatro caballos", "telefono": "1" }),
    )
    .await;
    assert_eq!(
        (told.status.as_u16(), &told.json()["telefono"]),
        (200, &json!("1")),
        "{told:?}"
    );
    assert_eq!(me(&one.token).await, 403);
    assert_ne!(rosa.column("token_version").await, version);
    rosa.login("cuatro caballos", "").await.unwrap();
    let told: Vec<Purpose> = rosa.mails().await.into_iter().map(|(purpose, _)| purpose).collect();
    assert_eq!(told, [Purpose::PasswordChanged; 2]);
    // A weak one changes nothing, nor does it change with others.
    let weak = json!({ "password": "rosa@gad.example", "telefono": "2" });
    let told = put(&door, &json!(rosa.id), &administrator.token, weak).await;
    assert_eq!(
        (told.status.as_u16(), &told.json()["errors"][0]["loc"]),
        (422, &json!(["body", "password"]))
    );
    assert_eq!(rosa.column("phone").await.as_deref(), Some("1"));
    rosa.login("cuatro caballos", "").await.unwrap();
    // Whom the panel knows by number only gets a password here.
    let caro = json!({ "telegram_id": 6_000_000_009_i64, "nombre": "Caro Vera" });
    let caro = door.post("/api/v1/usuarios", Some(&administrator.token), caro).await.json();
    let changes = json!({ "email": "caro@gad.example", "password": "cinco conejos" });
    let told = put(&door, &caro["id"], &administrator.token, changes).await;
    assert_eq!(told.status, 200, "{told:?}");
    let form = [("username", "caro@gad.example"), ("password", "cinco conejos")];
    assert_eq!(door.form("/api/v1/auth/login", &form).await.status, 200);
    let row = door
        .world
        .database()
        .await
        .query_one(
            "select count(*) from audit where detail::text like any(array['%caballos%', '%conejos%', '%tigres%'])",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 0, "a password was written down");
    door.close().await;
}

#[tokio::test]
async fn a_password_is_set_only_by_who_signed_in_lately() {
    let hands = Hands::now();
    let door = Door::before(World::with_clock(hands.clock(), |_| {}).await).await;
    let rosa = Newcomer::to(&door.world, "rosa").await;
    let person = rosa.sign_in().await;
    hands.pass(SignedDuration::from_mins(16));
    let told = put(
        &door,
        &json!(rosa.id),
        &person.token,
        json!({ "password": "tres tristes tigres" }),
    )
    .await;
    told.is(403, &detail("Could not validate credentials"));
    let told = put(&door, &json!(rosa.id), &person.token, json!({ "telefono": "1" })).await;
    assert_eq!(told.status, 200, "{told:?}");
    rosa.login(DEMO_PASSWORD, "").await.unwrap();
    door.close().await;
}
