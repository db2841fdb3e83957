//! TLS at the public door, between the parts of the installation, and to Redis: who is believed, and who is not.

use gad::config::UpstreamTls;
use reqwest::{Certificate, StatusCode};
use serde_json::{Value, json};
use tonic::transport::{Certificate as Root, ClientTlsConfig, Endpoint, Identity};

use crate::{
    bridge_clients::{Running, Socket},
    certificates::{Authority, text},
    children::{Mortal, free_address},
    edge::Edge,
    world::{Person, Replica, World},
};

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
    assert_eq!(answer.status(), StatusCode::OK);
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
    assert_eq!(answer.status(), 308);
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
    let replica = Replica::start(settings, gad::clock::Clock::system()).await;

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
    let distrustful = Replica::start(settings, gad::clock::Clock::system()).await;
    let login = gad::pb::LoginRequest {
        email: "supervisor@gad.example".to_owned(),
        password: "no".to_owned(),
        ..Default::default()
    };
    let mut client = gad::pb::auth_service_client::AuthServiceClient::new(distrustful.channel());
    let refused = client.login(login).await.unwrap_err();
    assert_eq!(crate::world::reason(&refused), "DEPENDENCY_DOWN");
}
