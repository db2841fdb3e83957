//! Against whom calls count: people who are behind one address, programs that are one person's, and what browsers may read of it.

use gad::{
    clock::Clock,
    pb::{self, auth_service_client::AuthServiceClient},
};
use reqwest::header::HeaderMap;
use serde_json::json;
use tonic::{Code, Response, Status, transport::Channel};

use crate::{
    bridge_clients::Running,
    children::Mortal,
    edge::Edge,
    newcomer::Newcomer,
    raw,
    world::{Person, Replica, World, reason},
};

/// How many calls are left, and of how many.
fn left(headers: &HeaderMap) -> (u64, u64) {
    let number = |name: &str| headers[name].to_str().unwrap().parse().unwrap();
    (number("ratelimit-remaining"), number("ratelimit-limit"))
}

fn left_by<T>(answer: &Response<T>) -> (u64, u64) {
    left(&answer.metadata().clone().into_headers())
}

async fn refresh(server: &Channel, token: &str) -> Result<Response<pb::LoginResponse>, Status> {
    let request = pb::RefreshRequest {
        refresh_token: token.to_owned(),
    };
    AuthServiceClient::new(server.clone()).refresh(request).await
}

#[tokio::test]
async fn an_office_behind_one_address_stays_signed_in() {
    let world = World::with(|settings| settings.rate_limit_refreshes = 3).await;
    let mut people = Vec::new();
    for name in ["ana", "berta", "carla", "dora", "eva"] {
        people.push(Newcomer::to(&world, name).await.tokens().await.refresh_token);
    }
    // Here, one attempt to sign in is all that an address has.
    let mut settings = world.settings.clone();
    settings.rate_limit_logins = 1;
    let replica = Replica::start(settings, Clock::system()).await;
    let server = replica.channel();
    for round in 0..2 {
        for token in &mut people {
            let answer = refresh(&server, token).await.unwrap();
            assert_eq!(left_by(&answer), (2 - round, 3));
            *token = answer.into_inner().refresh_token;
        }
    }
    // Each has as many as that, by whichever door, and no more.
    let edge = Edge::before(&[replica.address]).await;
    let http = reqwest::Client::new();
    let older = http
        .post(edge.url("/api/v1/auth/refresh-token"))
        .json(&json!({ "refresh_token": people[0] }));
    let older = older.send().await.unwrap();
    assert_eq!((older.status().as_u16(), left(older.headers())), (200, (0, 3)));
    let told: serde_json::Value = older.json().await.unwrap();
    let next = told["refresh_token"].as_str().unwrap();
    let refused = refresh(&server, next).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::ResourceExhausted, "RATE_LIMITED")
    );
    let headers = refused.metadata().clone().into_headers();
    assert_eq!(left(&headers), (0, 3));
    assert!(headers.contains_key("retry-after"));
    for path in ["/api/v1/auth/refresh-token", "/v1/auth:refresh"] {
        let refused = http
            .post(edge.url(path))
            .json(&json!({ "refresh_token": next }))
            .send()
            .await
            .unwrap();
        assert_eq!((refused.status().as_u16(), left(refused.headers())), (429, (0, 3)), "{path}");
        assert!(refused.headers().contains_key("retry-after"), "{path}");
    }
    refresh(&server, &people[1]).await.unwrap();

    // What is nobody's counts for its address, and nobody else pays for it.
    for expected in ["SESSION_ENDED", "SESSION_ENDED", "SESSION_ENDED", "RATE_LIMITED"] {
        assert_eq!(reason(&refresh(&server, "junk").await.unwrap_err()), expected);
    }
    refresh(&server, &people[2]).await.unwrap();
    replica.stop().await;
}

#[tokio::test]
async fn without_redis_people_stay_signed_in_and_are_still_counted() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Mortal::redis(folder.path());
    redis.ready().await;
    let url = format!("redis://{}/", redis.address);
    let world = World::with(|settings| {
        settings.redis.redis_url = Some(url.into());
        settings.rate_limit_refreshes = 2;
    })
    .await;
    let server = world.replica.channel();
    let mut token = Newcomer::to(&world, "ana").await.tokens().await.refresh_token;
    redis.kill();
    for _ in 0..2 {
        token = refresh(&server, &token).await.unwrap().into_inner().refresh_token;
    }
    assert_eq!(reason(&refresh(&server, &token).await.unwrap_err()), "RATE_LIMITED");
}

async fn program(world: &World, person: &Person) -> Person {
    let token = pb::ApiToken {
        display_name: "Guion de turnos".to_owned(),
        scopes: vec!["task.read".to_owned()],
        ..Default::default()
    };
    let request = pb::CreateApiTokenRequest {
        api_token: Some(token),
        ..Default::default()
    };
    let made = person.api_tokens().create_api_token(request).await.unwrap().into_inner();
    person.by(&made.token, world.replica.channel())
}

#[tokio::test]
async fn each_api_token_pays_for_itself() {
    let world = World::with(|settings| settings.rate_limit_calls = 3).await;
    let supervisor = world.supervisor().await;
    let (one, other) = (program(&world, &supervisor).await, program(&world, &supervisor).await);
    let list = async |person: &Person| person.tasks().list_tasks(pb::ListTasksRequest::default()).await;
    for remaining in [2, 1, 0] {
        assert_eq!(left_by(&list(&one).await.unwrap()), (remaining, 3));
    }
    let refused = list(&one).await.unwrap_err();
    assert_eq!(reason(&refused), "RATE_LIMITED");
    assert_eq!(left(&refused.metadata().clone().into_headers()), (0, 3));
    assert_eq!(left_by(&list(&other).await.unwrap()), (2, 3));
    assert_eq!(left_by(&list(&supervisor).await.unwrap()), (2, 3));
}

#[tokio::test]
async fn browsers_of_other_pages_may_read_how_they_stand() {
    let world = World::with(|settings| settings.cors_allowed_origins = vec!["https://app.example.org".to_owned()]).await;
    let edge = Edge::before(&[world.replica.address]).await;
    let (supervisor, http) = (world.supervisor().await, reqwest::Client::new());
    for path in ["/v1/auth/me", "/api/v1/auth/me"] {
        let request = http.get(edge.url(path)).bearer_auth(&supervisor.token);
        let answer = request.header("origin", "https://app.example.org").send().await.unwrap();
        let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap().to_owned();
        let exposed: Vec<&str> = exposed.split(',').map(str::trim).collect();
        for name in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"] {
            assert!(exposed.contains(&name), "{path}: {name}");
        }
        assert!(answer.headers().contains_key("ratelimit-limit"), "{path}");
    }
}

#[tokio::test]
async fn a_handshake_tells_how_one_stands() {
    let world = World::with(|settings| settings.rate_limit_handshakes = 2).await;
    let bridge = Running::start(&world).await;
    let edge = Edge::start(&[world.replica.address], &[bridge.address]).await;
    let supervisor = world.supervisor().await;
    let request = format!(
        "GET /ws/v1/watch HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nauthorization: Bearer {}\r\n\r\n",
        supervisor.token
    );
    let mut standings = Vec::new();
    for address in [bridge.address, edge.address, bridge.address] {
        let said = raw::send(address, request.as_bytes()).await;
        let number = |name: &str| said.header(name).and_then(|text| text.parse::<u64>().ok());
        assert_eq!(number("ratelimit-limit"), Some(2), "{said:?}");
        assert!(number("ratelimit-reset").is_some(), "{said:?}");
        assert_eq!(said.status() == 429, number("retry-after").is_some(), "{said:?}");
        standings.push((said.status(), number("ratelimit-remaining")));
    }
    assert_eq!(standings, [(101, Some(1)), (101, Some(0)), (429, Some(0))]);
}
