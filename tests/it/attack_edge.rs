//! Attacks on the public door itself: what it says to everybody, whom it listens to, and where a request ends.

use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};

use crate::{edge::Edge, raw, world::World};

/// What every answer carries.
const CAREFUL: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    (
        "permissions-policy",
        "camera=(), geolocation=(self), microphone=(), payment=(), usb=()",
    ),
];

#[track_caller]
fn is_careful(headers: &HeaderMap, what: &str) {
    for (name, value) in CAREFUL {
        assert_eq!(
            headers.get(name).map(HeaderValue::as_bytes),
            Some(value.as_bytes()),
            "{what}: {name}"
        );
    }
    let policy = headers.get("content-security-policy").expect("a policy").to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
    assert_eq!(headers.get("server").map(HeaderValue::as_bytes), Some(&b"gad"[..]), "{what}");
    assert!(
        !headers.contains_key("strict-transport-security"),
        "{what}: there is no https here"
    );
}

#[tokio::test]
async fn every_answer_is_careful_also_refusals_and_what_the_door_says_itself() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await;
    let http = reqwest::Client::new();
    let long = "a".repeat(11 * 1024 * 1024);
    for (what, status, request) in [
        (
            "an answer",
            200,
            http.get(edge.url("/v1/tasks")).bearer_auth(&supervisor.token),
        ),
        ("signed out", 401, http.get(edge.url("/v1/tasks"))),
        ("no route", 404, http.get(edge.url("/v1/nothing"))),
        ("no file", 404, http.get(edge.url("/nothing"))),
        ("an older path", 404, http.get(edge.url("/api/v1/nothing"))),
        ("settings", 200, http.get(edge.url("/config.json"))),
        ("the feed", 503, http.get(edge.url("/events"))),
        ("only inside", 404, http.post(edge.url("/gad.v1.EdgeService/AdmitHandshake"))),
        ("too long", 413, http.post(edge.url("/v1/tasks")).body(long)),
        ("an underscore", 400, http.get(edge.url("/v1/tasks")).header("a_b", "c")),
        (
            "a preflight",
            200,
            http.request(Method::OPTIONS, edge.url("/v1/tasks"))
                .header("origin", "https://x.test"),
        ),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{what}");
        is_careful(answer.headers(), what);
    }
    for (what, status, request) in [
        (
            "too many headers",
            431,
            format!("GET / HTTP/1.1\r\nhost: a\r\na: {}\r\n\r\n", "b".repeat(70_000)),
        ),
        ("no host", 400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        ("no HTTP", 400, "NONSENSE\r\n\r\n".to_owned()),
    ] {
        let said = raw::send(edge.address, request.as_bytes()).await;
        assert_eq!(said.status(), status, "{what}: {said:?}");
        // Of what is no HTTP, the door knows nothing that could be protected.
        if what == "too many headers" {
            assert_eq!(said.header("x-content-type-options"), Some("nosniff"), "{said:?}");
        }
    }
}

#[tokio::test]
async fn rest_is_told_how_long_it_took() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await;
    let http = reqwest::Client::new();
    for path in ["/v1/tasks", "/v1/tasks/999999", "/api/v1/auth/me"] {
        let answer = http.get(edge.url(path)).bearer_auth(&supervisor.token).send().await.unwrap();
        let seconds: f64 = answer.headers()["x-process-time"].to_str().unwrap().parse().unwrap();
        assert!((0.0..30.0).contains(&seconds) && seconds > 0.0, "{path}: {seconds}");
    }
    let answer = supervisor.auth().get_me(gad::pb::GetMeRequest {}).await.unwrap();
    assert!(!answer.metadata().contains_key("x-process-time"));
}

#[tokio::test]
async fn long_answers_are_pressed_as_the_caller_likes_and_short_ones_are_not() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await;
    for number in 0..20 {
        supervisor.task(&format!("Patrullar la calle {number}")).await;
    }
    let http = reqwest::Client::new();
    for encoding in ["gzip", "br", "zstd"] {
        let get = |path: &str| {
            http.get(edge.url(path))
                .header("accept-encoding", encoding)
                .bearer_auth(&supervisor.token)
        };
        let long = get("/v1/tasks").send().await.unwrap();
        assert_eq!(long.headers()["content-encoding"], encoding);
        assert!(long.bytes().await.unwrap().len() < 5000);
        let short = get("/v1/auth/me").send().await.unwrap();
        assert!(!short.headers().contains_key("content-encoding"));
    }
}

#[tokio::test]
async fn only_our_own_names_are_answered() {
    let world = World::start().await;
    let arguments = ["--allowed-hosts", "gad.example.org,*.city.example"];
    let edge = Edge::with(&[world.replica.address], &[], &arguments).await;
    let http = reqwest::Client::new();
    let jwks = edge.url("/.well-known/jwks.json");
    for (host, status) in [
        ("gad.example.org", 200),
        ("gad.example.org:8443", 200),
        ("norte.city.example", 200),
        ("gad.example.org.evil.test", 400),
        ("city.example", 400),
        ("evil.test", 400),
        ("127.0.0.1", 400),
    ] {
        let answer = http.get(&jwks).header("host", host).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{host}");
        is_careful(answer.headers(), host);
    }
}

#[tokio::test]
async fn pages_of_others_may_not_call_unless_they_are_on_the_list() {
    let world = World::with(|settings| {
        settings.cors_allowed_origins = vec!["https://app.example.org".to_owned()];
        settings.cors_allow_credentials = true;
    })
    .await;
    let edge = Edge::before(&[world.replica.address]).await;
    let http = reqwest::Client::new();
    let preflight = async |origin: &'static str, path: &str| {
        let request = http.request(Method::OPTIONS, edge.url(path)).header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        let request = request.header("access-control-request-headers", "authorization,x-csrf-token");
        request.send().await.unwrap().headers().clone()
    };
    for path in ["/v1/tasks", "/api/v1/auth/login", "/gad.v1.TaskService/CreateTask"] {
        let headers = preflight("https://app.example.org", path).await;
        assert_eq!(headers["access-control-allow-origin"], "https://app.example.org", "{path}");
        assert_eq!(headers["access-control-allow-credentials"], "true", "{path}");
        let allowed = headers["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.contains("x-csrf-token"), "{allowed}");
        for origin in [
            "https://evil.test",
            "https://app.example.org.evil.test",
            "http://app.example.org",
            "null",
        ] {
            let headers = preflight(origin, path).await;
            assert!(!headers.contains_key("access-control-allow-origin"), "{origin} {path}");
        }
    }
}

#[tokio::test]
async fn two_servers_never_disagree_where_a_request_ends() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let smuggled = "GET /v1/smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let head = "POST /v1/auth:login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let attacks = [
        format!("{head}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\n{{}}\r\n\r\n{smuggled}"),
        format!("{head}content-length: 2, 3\r\n\r\n{{}}{smuggled}"),
        format!("{head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}transfer-encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head} transfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}content-length: +2\r\n\r\n{{}}{smuggled}"),
        format!("{head}content-length: 2\r\n\r\n{{}}\0{smuggled}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n2;a=\"\r\n{{}}\r\n0\r\n\r\n\r\n\0{smuggled}"),
    ];
    for attack in attacks {
        let said = raw::send(edge.address, attack.as_bytes()).await;
        let first = said.status();
        assert!((400..=501).contains(&first), "{attack:?}: {said:?}");
        assert!(!said.0.contains("404"), "the second request was heard: {attack:?}: {said:?}");
    }
    // Lines in header values do not become headers.
    for forged in [
        "a: b\nx-envoy-original-path: /v1/x\r\n",
        "a: b\rc: d\r\n",
        "a: \0\r\n",
        "a\0: b\r\n",
        "x-gad-a : b\r\n",
    ] {
        let said = raw::send(
            edge.address,
            format!("GET /v1/tasks HTTP/1.1\r\nhost: a\r\n{forged}\r\n").as_bytes(),
        )
        .await;
        assert!([400, 401].contains(&said.status()), "{forged:?}: {said:?}");
        assert_eq!(said.answers(), 1, "{said:?}");
    }
    let answer = reqwest::get(edge.url("/.well-known/jwks.json")).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn nobody_calls_what_the_door_leaves_out_by_other_spellings() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    for path in [
        "/gad.v1.EdgeService/AdmitHandshake",
        "//gad.v1.EdgeService/AdmitHandshake",
        "/v1/../gad.v1.EdgeService/AdmitHandshake",
        "/gad.v1.TaskService/../gad.v1.EdgeService/AdmitHandshake",
        "/./gad.v1.EdgeService/AdmitHandshake",
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n\
             authorization: Bearer {}\r\ncontent-length: 5\r\nconnection: close\r\n\r\n\0\0\0\0\0",
            gad::config::DEMO_BRIDGE_TOKEN
        );
        let said = raw::send(edge.address, request.as_bytes()).await;
        assert!(
            said.header("grpc-status") == Some("12") || said.status() >= 300,
            "{path}: {said:?}"
        );
        assert!(said.header("grpc-status") != Some("0"), "{path}: {said:?}");
    }
}
