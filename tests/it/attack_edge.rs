//! Attacks on the public door itself: what it says to everybody, whom it listens to, and for how long.

use std::time::Duration;

use gad::config::UpstreamTls;
use reqwest::{
    Certificate, Method, StatusCode, Version,
    header::{HeaderMap, HeaderValue},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};
use tonic::transport::{Certificate as Root, ClientTlsConfig, Endpoint, Identity};

use crate::{
    bridge_clients::{Running, Socket},
    certificates::{Authority, text},
    children::{Mortal, free_address},
    edge::Edge,
    raw::{self, Said},
    world::{PATIENCE, Person, Replica, World, until},
};

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
        assert!((400..500).contains(&first), "{attack:?}: {said:?}");
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

/// Sends the beginning of a request, then a byte now and then; how long it was listened to, and what was said in the end.
async fn drip(edge: &Edge, beginning: &str, pause: Duration) -> (Duration, Said) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(beginning.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let dripping = tokio::spawn(async move {
        while writing.write_all(b"a").await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    });
    let mut all = Vec::new();
    let read = timeout(PATIENCE, reading.read_to_end(&mut all)).await;
    dripping.abort();
    assert!(read.is_ok(), "it was listened to for longer than {PATIENCE:?}");
    (begun.elapsed(), Said(String::from_utf8_lossy(&all).into_owned()))
}

#[tokio::test]
async fn who_never_ends_their_headers_is_let_go_and_others_are_served_meanwhile() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let slow = (0..50).map(|_| drip(&edge, "GET / HTTP/1.1\r\nhost: a\r\nx: ", Duration::from_millis(500)));
    let slow = futures::future::join_all(slow);
    let others = async {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            let answer = reqwest::get(edge.url("/.well-known/jwks.json")).await.unwrap();
            assert_eq!(answer.status(), 200);
        }
    };
    let (slow, ()) = tokio::join!(slow, others);
    for (patience, said) in slow {
        assert!(patience >= Duration::from_secs(9), "{patience:?}");
        assert!(said.status() == 408 || said.0.is_empty(), "{said:?}");
    }
}

#[tokio::test]
async fn the_server_itself_lets_go_who_says_nothing_and_whom_it_has_no_room_for() {
    let world = World::with(|settings| settings.max_connections = 3).await;
    let supervisor = world.supervisor().await;
    let mut silent = TcpStream::connect(world.replica.address).await.unwrap();
    let _second = TcpStream::connect(world.replica.address).await.unwrap();
    // The people's own connection was the first.
    let mut beyond = TcpStream::connect(world.replica.address).await.unwrap();
    let closed = raw::heard(&mut beyond, PATIENCE).await;
    assert_eq!(closed.0, "");
    supervisor.task("Patrullar").await;
    let begun = Instant::now();
    let mut byte = [0];
    let end = timeout(PATIENCE, silent.read(&mut byte)).await.expect("it is let go");
    assert!(matches!(end, Ok(0) | Err(_)) && begun.elapsed() < Duration::from_secs(20));
    until("there is room again", async || {
        let mut stream = TcpStream::connect(world.replica.address).await.unwrap();
        stream
            .write_all(b"GET /config.json HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        raw::heard(&mut stream, Duration::from_secs(2)).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn the_public_door_speaks_tls_and_sends_everybody_there() {
    let world = World::start().await;
    let authority = Authority::new();
    let certificate = authority.certify(&["gad.example.org", "127.0.0.1"]);
    let (public, redirect) = (free_address(), free_address());
    let (public_text, redirect_text) = (public.to_string(), redirect.to_string());
    let arguments = [
        "--public-listen",
        &public_text,
        "--public-tls-cert",
        text(&certificate.certificate),
        "--public-tls-key",
        text(&certificate.key),
        "--redirect-listen",
        &redirect_text,
    ];
    let edge = Edge::with(&[world.replica.address], &[], &arguments).await;
    let client = || {
        let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([root])
    };
    let http = client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = http
        .get(format!("https://{public}/.well-known/jwks.json"))
        .send()
        .await
        .unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(
        answer.headers()["strict-transport-security"],
        "max-age=31536000; includeSubDomains"
    );
    let answer = http.get(format!("https://{public}/v1/nothing")).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.headers().contains_key("strict-transport-security"));
    assert!(
        http.get(format!("http://{public}/")).send().await.is_err(),
        "nothing is said in the clear"
    );

    let answer = http
        .post(format!("http://{redirect}/v1/tasks?page_size=3"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 308);
    let leads_to = format!("https://{public}/v1/tasks?page_size=3");
    assert_eq!(answer.headers()["location"], leads_to.as_str());
    assert!(!answer.headers().contains_key("strict-transport-security"));
    // gRPC as well.
    let tls = ClientTlsConfig::new()
        .ca_certificate(Root::from_pem(authority.pem()))
        .domain_name("gad.example.org");
    let channel = Endpoint::from_shared(format!("https://{public}"))
        .unwrap()
        .tls_config(tls)
        .unwrap();
    let supervisor = world.supervisor().await.over(channel.connect_lazy());
    supervisor.task("Patrullar").await;
    drop(edge);
}

#[tokio::test]
async fn behind_a_proxy_with_tls_whoever_came_by_http_is_sent_to_https() {
    let world = World::with(|settings| settings.rate_limit_logins = 2).await;
    // In this test, this machine is the proxy in front.
    let arguments = ["--force-https", "true", "--trusted-proxy-hosts", "127.0.0.0/8"];
    let edge = Edge::with(&[world.replica.address], &[], &arguments).await;
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let get = |scheme: &'static str| {
        let request = http.get(edge.url("/.well-known/jwks.json"));
        request
            .header("x-forwarded-proto", scheme)
            .header("host", "gad.example.org")
            .send()
    };
    let answer = get("http").await.unwrap();
    assert_eq!(answer.status(), 301);
    assert_eq!(answer.headers()["location"], "https://gad.example.org/.well-known/jwks.json");
    let answer = get("https").await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("strict-transport-security"));
    // The proxy's word on who called counts, and nobody's before it; what only Envoys may say does not.
    let login = async |forwarded: &'static str| {
        let request = http.post(edge.url("/v1/auth:login")).header("x-forwarded-proto", "https");
        let request = request
            .header("x-forwarded-for", forwarded)
            .header("x-envoy-original-path", "/api/x");
        let login = json!({ "email": "supervisor@gad.example", "password": "no" });
        let answer = request.json(&login).send().await.unwrap();
        let status = answer.status().as_u16();
        assert!(
            answer.json::<Value>().await.unwrap()["code"].is_number(),
            "in the words of canonical REST"
        );
        status
    };
    assert_eq!(login("203.0.113.1").await, 401);
    assert_eq!(login("198.51.100.1, 203.0.113.1").await, 401);
    assert_eq!(login("198.51.100.2, 203.0.113.1").await, 429);
    assert_eq!(login("203.0.113.2").await, 401);
}

#[tokio::test]
async fn inside_parts_prove_who_they_are_by_certificate() {
    let world = World::start().await;
    let (supervisor, authority, stranger) = (world.supervisor().await, Authority::new(), Authority::new());
    let (server, own) = (authority.certify(&["gad"]), authority.certify(&["bridge"]));
    let mut settings = world.settings.clone();
    settings.tls_cert = Some(server.certificate.clone());
    settings.tls_key = Some(server.key.clone());
    settings.tls_client_ca = Some(authority.file());
    let replica = Replica::start(settings, gad::app::Clock::system()).await;

    let tls = UpstreamTls {
        upstream_ca: Some(authority.file()),
        upstream_name: "gad".to_owned(),
        upstream_cert: Some(own.certificate.clone()),
        upstream_key: Some(own.key.clone()),
    };
    let address = replica.address;
    let bridge = Running::with(&[&replica], |settings| {
        settings.upstream_url = format!("https://{address}");
        settings.upstream_tls = tls;
    })
    .await;
    bridge.socket(&supervisor).await.live().await;
    let arguments = [
        "--upstream-ca",
        text(&authority.file()).to_owned().leak(),
        "--upstream-cert",
        text(&own.certificate),
        "--upstream-key",
        text(&own.key),
    ];
    let edge = Edge::with(&[address], &[bridge.address], &arguments).await;
    let answer = reqwest::Client::new()
        .get(edge.url("/v1/auth/me"))
        .bearer_auth(&supervisor.token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let bearer = format!("Bearer {}", supervisor.token);
    assert!(Socket::open(edge.address, &[("authorization", &bearer)]).await.is_ok());

    // Whoever has no certificate, or that of another authority, is not heard; nor is whoever speaks in the clear.
    let read = |path: &std::path::Path| std::fs::read(path).unwrap();
    let trusting = || {
        ClientTlsConfig::new()
            .ca_certificate(Root::from_pem(authority.pem()))
            .domain_name("gad")
    };
    let theirs = stranger.certify(&["bridge"]);
    let theirs = Identity::from_pem(read(&theirs.certificate), read(&theirs.key));
    let ours = Identity::from_pem(read(&own.certificate), read(&own.key));
    let me = async |person: Person| person.auth().get_me(gad::pb::GetMeRequest {}).await;
    for (tls, heard) in [
        (trusting().identity(ours), true),
        (trusting().identity(theirs), false),
        (trusting(), false),
    ] {
        let channel = Endpoint::from_shared(format!("https://{address}"))
            .unwrap()
            .tls_config(tls)
            .unwrap();
        assert_eq!(me(supervisor.over(channel.connect_lazy())).await.is_ok(), heard);
    }
    assert!(me(supervisor.over(replica.channel())).await.is_err());
}

#[tokio::test]
async fn redis_is_spoken_to_by_tls_and_only_with_a_certificate_that_is_trusted() {
    let authority = Authority::new();
    let certificate = authority.certify(&["localhost"]);
    let folder = tempfile::tempdir().unwrap();
    let redis = Mortal::redis_with_tls(folder.path(), &certificate, &authority.file());
    redis.ready().await;
    let url = format!("rediss://localhost:{}/", redis.address.port());
    let world = World::with(|settings| {
        settings.redis.redis_url = Some(url.into());
        settings.redis.redis_tls_ca = Some(authority.file());
        settings.rate_limit_logins = 50;
    })
    .await;
    // Strangers are counted in Redis, or not let in at all.
    world.supervisor().await;
    let mut settings = world.settings.clone();
    settings.redis.redis_tls_ca = None;
    let distrustful = Replica::start(settings, gad::app::Clock::system()).await;
    let login = gad::pb::LoginRequest {
        email: "supervisor@gad.example".to_owned(),
        password: "no".to_owned(),
        ..Default::default()
    };
    let mut client = gad::pb::auth_service_client::AuthServiceClient::new(distrustful.channel());
    let refused = client.login(login).await.unwrap_err();
    assert_eq!(crate::world::reason(&refused), "DEPENDENCY_DOWN");
}
