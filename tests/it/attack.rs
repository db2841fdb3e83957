//! What strangers try at the front door: pages of others, names that look alike, words that only we may say.

use gad::{
    config::{DEMO_PASSWORD, DEMO_SECRET},
    identity::{Seal, cookie},
    pb,
};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    edge::Edge,
    newcomer::{Newcomer, login},
    world::{Person, World, fields, reason},
};

/// Somebody who signed in by the form of the older products: their browser has two cookies.
struct Browser {
    http: reqwest::Client,
    access: String,
    csrf: String,
}

impl Browser {
    async fn at(edge: &Edge, email: &str) -> Self {
        let http = reqwest::Client::new();
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("username", email)
            .append_pair("password", DEMO_PASSWORD)
            .finish();
        let request = http.post(edge.url("/api/v1/auth/login")).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let cookies: Vec<&str> = answer
            .headers()
            .get_all("set-cookie")
            .iter()
            .map(|line| line.to_str().unwrap())
            .collect();
        let value = |name: &str| {
            let mut named = cookies
                .iter()
                .filter_map(|line| line.split(';').next()?.strip_prefix(name)?.strip_prefix('='));
            named.next().expect("the cookie").to_owned()
        };
        Self {
            access: value("access_token"),
            csrf: value("csrf_token"),
            http,
        }
    }

    /// A request as a browser sends it: with all cookies, whoever wrote the page.
    fn request(&self, verb: Method, url: String) -> RequestBuilder {
        let cookies = format!("theme=dark; access_token={}; csrf_token={}", self.access, self.csrf);
        self.http.request(verb, url).header("cookie", cookies)
    }
}

#[tokio::test]
async fn whoever_comes_by_cookie_writes_only_from_a_page_of_ours() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let browser = Browser::at(&edge, "supervisor@gad.example").await;
    let other = Browser::at(&edge, "agente@gad.example").await;
    let task = json!({ "title": "Patrullar", "kind": "TASK_KIND_PATROL" });
    let create = || browser.request(Method::POST, edge.url("/v1/tasks")).json(&task);
    let sealed_otherwise = cookie::csrf_token(&Seal::new("another secret".into()), &browser.access);
    assert_eq!(
        browser.csrf,
        cookie::csrf_token(&Seal::new(DEMO_SECRET.into()), &browser.access)
    );
    for wrong in [
        None,
        Some(""),
        Some("0"),
        Some(&*other.csrf),
        Some(&*browser.access),
        Some(&*sealed_otherwise),
        Some(&*browser.csrf.to_uppercase()),
        Some(&browser.csrf[1..]),
    ] {
        let request = create();
        let request = match wrong {
            Some(text) => request.header("x-csrf-token", text),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{wrong:?}");
        let said: Value = answer.json().await.unwrap();
        assert!(said["details"].to_string().contains("CSRF"), "{said}");
    }
    let good = create().header("x-csrf-token", &browser.csrf).send().await.unwrap();
    assert_eq!(good.status(), StatusCode::OK);
    // To read is harmless: pages of others do not see the answer.
    for path in ["/v1/auth/me", "/v1/tasks", "/api/v1/auth/me"] {
        let answer = browser.request(Method::GET, edge.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    // Neither other doors nor other verbs get around it, and who shows a token means that one.
    for (verb, path) in [
        (Method::PUT, "/api/v1/users/1"),
        (Method::DELETE, "/api/v1/users/1"),
        (Method::POST, "/v1/auth:logout"),
        (Method::DELETE, "/v1/tasks/1"),
        (Method::POST, "/api/v1/auth/change-password"),
    ] {
        let body = json!({ "current_password": "a", "new_password": "tres tristes tigres" });
        let answer = browser
            .request(verb.clone(), edge.url(path))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{verb} {path}");
    }
    let request = create().header("x-csrf-token", &browser.csrf).bearer_auth("junk");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    for method in ["TaskService/CreateTask", "AgentService/StreamPositions"] {
        let request = browser.request(Method::POST, edge.url(&format!("/gad.v1.{method}")));
        let request = request
            .header("content-type", "application/grpc-web+proto")
            .header("x-grpc-web", "1");
        let answer = request.body(&b"\0\0\0\0\0"[..]).send().await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "7", "{method}");
    }
}

#[tokio::test]
async fn a_page_of_others_sends_neither_by_form_nor_by_a_simple_request() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let browser = Browser::at(&edge, "supervisor@gad.example").await;
    // What a browser sends without asking first: so these must do nothing.
    for content in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let request = browser
            .request(Method::POST, edge.url("/v1/tasks"))
            .header("origin", "https://evil.test");
        let request = request.header("content-type", content);
        let body = json!({ "title": "Robar", "kind": "TASK_KIND_PATROL" }).to_string();
        let answer = request.body(body).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{content}: {}", answer.status());
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
    }
    let all = browser.request(Method::GET, edge.url("/v1/tasks")).send().await.unwrap();
    assert_eq!(all.json::<Value>().await.unwrap()["tasks"], json!([]));
}

#[tokio::test]
async fn addresses_that_look_alike_are_one_account_or_none() {
    let world = World::start().await;
    let server = world.replica.channel();
    let ana = Newcomer::to(&world, "ana.paz").await;
    for same in [
        "ANA.PAZ@GAD.EXAMPLE",
        "ａｎａ.ｐａｚ@gad.example",
        "ana.paz＠gad.example",
        "ana.paz@gad．example",
        "ana.paz@gad。example",
        "ᴬna.paz@gad.example",
    ] {
        let answer = login(&server, same, DEMO_PASSWORD, "").await.unwrap();
        assert_eq!(answer.user.unwrap().id, ana.id, "{same}");
    }
    let invisible = [
        "\u{200b}",
        "\u{200d}",
        "\u{2060}",
        "\u{feff}",
        "\u{ad}",
        "\u{202e}",
        "\u{301}",
        "\u{e0041}",
    ];
    let mut alike: Vec<String> = invisible
        .iter()
        .map(|letter| format!("ana{letter}.paz@gad.example"))
        .collect();
    alike.extend(
        [
            "\u{430}na.paz@gad.example",
            "ana.p\u{251}z@gad.example",
            "ana\u{2024}\u{2024}paz@gad.example",
        ]
        .map(str::to_owned),
    );
    alike.extend(
        [
            "ana.paz@gad.example ",
            " ana.paz@gad.example",
            "ana.paz@gad.example\0",
            "ana.paz\0@gad.example",
        ]
        .map(str::to_owned),
    );
    alike.push("ana.paz@g\u{430}d.example".to_owned());
    let users = world.administrator().await.users();
    for name in &alike {
        let refused = login(&server, name, DEMO_PASSWORD, "").await.unwrap_err();
        assert!(
            ["WRONG_CREDENTIALS", "INVALID_FIELD"].contains(&reason(&refused).as_str()),
            "{name:?}"
        );
        // Nor does anybody get an account that looks like Ana's; a domain in other letters is visibly another.
        let user = pb::User {
            email: name.clone(),
            display_name: "Ana".to_owned(),
            level: pb::UserLevel::Agent as i32,
            ..Default::default()
        };
        let request = pb::CreateUserRequest {
            user: Some(user),
            ..Default::default()
        };
        match users.clone().create_user(request).await {
            Ok(made) => assert!(made.into_inner().email.contains("@xn--"), "{name:?}"),
            Err(refused) => assert!(
                fields(&refused) == ["user.email"] || refused.code() == Code::AlreadyExists,
                "{name:?}: {refused:?}"
            ),
        }
    }
    // A letter and its accent are one letter, written in two ways or in one.
    let there = pb::User {
        email: "ana@bogota\u{301}.example".to_owned(),
        display_name: "Ana".to_owned(),
        level: pb::UserLevel::Agent as i32,
        ..Default::default()
    };
    let create = async |email: &str| {
        let user = pb::User {
            email: email.to_owned(),
            ..there.clone()
        };
        let request = pb::CreateUserRequest {
            user: Some(user),
            ..Default::default()
        };
        users.clone().create_user(request).await
    };
    create("ana@bogota\u{301}.example").await.unwrap();
    for same in [
        "ana@bogot\u{e1}.example",
        "ANA@BOGOT\u{c1}.EXAMPLE",
        "ana@xn--bogot-1qa.example",
    ] {
        assert_eq!(create(same).await.unwrap_err().code(), Code::AlreadyExists, "{same}");
    }
}

#[tokio::test]
async fn passwords_of_one_letter_and_of_a_thousand_do_what_they_should() {
    let world = World::start().await;
    let server = world.replica.channel();
    let ana = Newcomer::to(&world, "ana").await;
    let change = async |current: &str, new: &str| {
        let request = pb::ChangePasswordRequest {
            current_password: current.to_owned(),
            new_password: new.to_owned(),
        };
        let tokens = ana.login(current, "").await.unwrap();
        let person = Person::of(&tokens, server.clone());
        person.auth().change_password(request).await.map(|_| ())
    };
    let longest: String = "ñandú tigre 虎 ".chars().cycle().take(1000).collect();
    for bad in ["", "x", "1234567", &format!("{longest}x"), "password", "con \0 nada"] {
        let refused = change(DEMO_PASSWORD, bad).await.unwrap_err();
        assert_eq!(
            (refused.code(), fields(&refused)),
            (Code::InvalidArgument, vec!["new_password".to_owned()]),
            "{bad:?}"
        );
    }
    change(DEMO_PASSWORD, &longest).await.unwrap();
    let shorter: String = longest.chars().take(999).collect();
    // All of it counts, not what an older hash looked at.
    for wrong in ["x", &shorter, &longest.chars().take(72).collect::<String>(), DEMO_PASSWORD] {
        let refused = login(&server, &ana.email, wrong, "").await.unwrap_err();
        assert_eq!(reason(&refused), "WRONG_CREDENTIALS");
    }
    login(&server, &ana.email, &longest, "").await.unwrap();
    let refused = login(&server, &ana.email, &format!("{longest}x"), "").await.unwrap_err();
    assert!(
        ["INVALID_FIELD", "WRONG_CREDENTIALS"].contains(&reason(&refused).as_str()),
        "{refused:?}"
    );
}

/// What somebody may say of themselves, and nobody believes.
const FORGED: [(&str, &str); 18] = [
    ("x-forwarded-for", "203.0.113.9, 127.0.0.1"),
    ("x-forwarded-host", "evil.test"),
    ("x-forwarded-proto", "https"),
    ("x-real-ip", "203.0.113.9"),
    ("true-client-ip", "203.0.113.9"),
    ("cf-connecting-ip", "203.0.113.9"),
    ("forwarded", "for=203.0.113.9"),
    ("x-envoy-external-address", "203.0.113.9"),
    ("x-envoy-original-path", "/api/v1/users"),
    ("x-envoy-original-method", "GET"),
    ("x-original-url", "/gad.v1.EdgeService/AdmitHandshake"),
    ("x-rewrite-url", "/gad.v1.EdgeService/AdmitHandshake"),
    ("x-http-method-override", "DELETE"),
    ("x-user-id", "1"),
    ("x-gad-user", "1"),
    ("x-gad-level", "3"),
    ("x-gad-door", "bot"),
    ("x-envoy-internal", "true"),
];

#[tokio::test]
async fn nobody_is_who_or_where_their_headers_say() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let (agent, http) = (world.agent().await, reqwest::Client::new());
    let forge = |request: RequestBuilder| {
        FORGED
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value))
    };
    let nobody = forge(http.get(edge.url("/v1/auth/me"))).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    let me = forge(http.get(edge.url("/v1/auth/me")).bearer_auth(&agent.token))
        .send()
        .await
        .unwrap();
    assert!(me.headers().contains_key("x-process-time"));
    assert_eq!(me.json::<Value>().await.unwrap()["id"], agent.id.to_string());
    let users = forge(http.post(edge.url("/v1/users")).bearer_auth(&agent.token)).json(&json!({}));
    assert_eq!(users.send().await.unwrap().status(), StatusCode::FORBIDDEN);

    // What is written down of a sign-in: from here, by REST, whatever the headers say.
    let login = json!({ "email": "agente@gad.example", "password": DEMO_PASSWORD });
    let answer = forge(http.post(edge.url("/v1/auth:login")))
        .json(&login)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let session: Value = answer.json().await.unwrap();
    let database = world.database().await;
    let row = database
        .query_one(
            "select host(s.address), s.id::text from sessions s where s.user_id = $1 order by create_time desc limit 1",
            &[&agent.id],
        )
        .await
        .unwrap();
    assert_eq!(
        (row.get::<_, &str>(0), row.get::<_, &str>(1)),
        ("127.0.0.1", session["session_id"].as_str().unwrap())
    );
    let row = database
        .query_one(
            "select host(address), door, user_id from audit where method = 'gad.v1.AuthService/Login' order by time desc limit 1",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "127.0.0.1");
    assert_eq!(row.get::<_, i16>(1), pb::AuditDoor::Rest as i16);
    assert_eq!(row.get::<_, i64>(2), agent.id);
}

#[tokio::test]
async fn nul_is_refused_wherever_text_goes_on_every_door() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let (administrator, http) = (world.administrator().await, reqwest::Client::new());
    let text = "a\0b";
    let before: i64 = world
        .database()
        .await
        .query_one("select count(*) from users", &[])
        .await
        .unwrap()
        .get(0);
    for (path, body) in [
        ("/v1/auth:login", json!({ "email": text, "password": text })),
        (
            "/v1/auth:login",
            json!({ "email": "admin@gad.example", "password": "x", "code": text }),
        ),
        ("/v1/auth:refresh", json!({ "refresh_token": text })),
        (
            "/v1/auth:resetPassword",
            json!({ "token": text, "new_password": "tres tristes tigres" }),
        ),
        (
            "/v1/users",
            json!({ "email": "nul@gad.example", "display_name": text, "level": "USER_LEVEL_AGENT" }),
        ),
        (
            "/v1/users",
            json!({ "email": "nul@gad.example", "display_name": "n", "username": text, "level": 1 }),
        ),
        (
            "/v1/users?request_id=a%00b",
            json!({ "email": "nul@gad.example", "display_name": "n", "level": 1 }),
        ),
        ("/v1/apiTokens", json!({ "display_name": text, "scopes": ["task.read"] })),
        ("/v1/apiTokens", json!({ "display_name": "n", "scopes": [text] })),
        ("/v1/zones", json!({ "code": text, "name": text })),
        ("/api/v1/auth/login", json!({ "email": text, "password": text })),
        ("/api/v1/auth/refresh-token", json!({ "refresh_token": text })),
        (
            "/api/v1/auth/register",
            json!({ "email": "nul@gad.example", "password": "tres tristes tigres", "full_name": text }),
        ),
        (
            "/api/v1/users",
            json!({ "email": "nul@gad.example", "password": "tres tristes tigres", "nombre": text }),
        ),
    ] {
        let request = http.post(edge.url(path)).bearer_auth(&administrator.token).json(&body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_client_error(), "{path} {body}: {}", answer.status());
    }
    for path in [
        "/v1/users?filter.text=%00",
        "/v1/users:byTelegramId?telegram_id=%00",
        "/v1/audit?filter.method=%00",
        "/api/v1/users/search?q=%00",
        "/v1/tasks/%00",
        "/%00",
        "/api/v1/users/%00",
    ] {
        let answer = http
            .get(edge.url(path))
            .bearer_auth(&administrator.token)
            .send()
            .await
            .unwrap();
        assert!(!answer.status().is_server_error(), "{path}: {}", answer.status());
    }
    let after: i64 = world
        .database()
        .await
        .query_one("select count(*) from users", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(before, after);
}
