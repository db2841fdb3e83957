//! How often somebody may call: counted for all doors and all replicas together, whoever says where they come from.

use std::{net::SocketAddr, time::Duration};

use futures::{StreamExt as _, stream};
use gad::{
    config::{DEMO_BOT_TOKEN, DEMO_BRIDGE_TOKEN, DEMO_PASSWORD},
    domain::{
        UserId,
        limit::{Class, Payer},
    },
    live::limits::Limits,
    pb::{self, auth_service_client::AuthServiceClient, edge_service_client::EdgeServiceClient},
};
use reqwest::header::HeaderMap;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tonic::{Code, Request, Status, transport::Channel};

use crate::{
    bridge_clients::{Running, Socket},
    children::Mortal,
    edge::Edge,
    revocation::withdraw_tokens,
    world::{self, Person, World, reason, until},
};

/// What the headers say of a limit: of how many, how many are left, and for how long.
fn standing(headers: &HeaderMap) -> (u64, u64, u64) {
    let number = |name: &str| {
        // Older clients read the same by other names.
        assert_eq!(headers[name], headers[&format!("x-{name}")]);
        headers[name].to_str().unwrap().parse().unwrap()
    };
    (
        number("ratelimit-limit"),
        number("ratelimit-remaining"),
        number("ratelimit-reset"),
    )
}

async fn me(person: &Person) -> Result<tonic::Response<pb::User>, Status> {
    person.auth().get_me(pb::GetMeRequest {}).await
}

/// Tries to sign in with a wrong password, and says where from.
async fn try_password(channel: Channel, from: &str) -> Status {
    let mut request = Request::new(pb::LoginRequest {
        email: "supervisor@gad.example".to_owned(),
        password: "no".to_owned(),
        ..Default::default()
    });
    if !from.is_empty() {
        request.metadata_mut().insert("x-forwarded-for", from.parse().unwrap());
    }
    AuthServiceClient::new(channel).login(request).await.unwrap_err()
}

#[tokio::test]
async fn all_doors_count_together_and_tell_how_one_stands() {
    // A call comes back every 500 seconds: no matter how slow this machine is, none does meanwhile.
    let world = World::with(|settings| {
        settings.rate_limit_calls = 7;
        settings.rate_limit_period = 3500;
    })
    .await;
    let stands = |headers: &HeaderMap, remaining: u64| {
        let (limit, left, reset) = standing(headers);
        assert_eq!((limit, left), (7, remaining));
        let whole = 500 * (7 - remaining);
        assert!((whole - 120..=whole).contains(&reset), "{reset} of {whole}");
    };
    let edge = Edge::before(&[world.replica.address]).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let http = reqwest::Client::new();
    let rest = || http.get(edge.url("/v1/auth/me")).bearer_auth(&supervisor.token).send();
    let web = || {
        let request = http.post(edge.url("/gad.v1.AuthService/GetMe"));
        let request = request
            .header("content-type", "application/grpc-web+proto")
            .header("x-grpc-web", "1");
        request.bearer_auth(&supervisor.token).body(&b"\0\0\0\0\0"[..]).send()
    };

    let answer = me(&supervisor).await.unwrap();
    stands(&answer.metadata().clone().into_headers(), 6);
    let older = http.get(edge.url("/api/v1/auth/me")).bearer_auth(&supervisor.token).send();
    stands(older.await.unwrap().headers(), 5);
    stands(rest().await.unwrap().headers(), 4);
    stands(web().await.unwrap().headers(), 3);
    let through = supervisor.over(edge.channel());
    let answer = me(&through).await.unwrap();
    assert_eq!(standing(&answer.metadata().clone().into_headers()).1, 2);
    // A call that is refused for what it says counts, and says so as well.
    let wrong = supervisor.tasks().get_task(pb::GetTaskRequest { id: -1 }).await.unwrap_err();
    assert_eq!(reason(&wrong), "INVALID_FIELD");
    assert_eq!(standing(&wrong.metadata().clone().into_headers()).1, 1);
    assert_eq!(standing(rest().await.unwrap().headers()).1, 0);

    let refused = me(&supervisor).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::ResourceExhausted, "RATE_LIMITED")
    );
    let headers = refused.metadata().clone().into_headers();
    let wait: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((380..=500).contains(&wait), "{wait}");
    stands(&headers, 0);

    let answer = rest().await.unwrap();
    assert_eq!((answer.status().as_u16(), standing(answer.headers()).1), (429, 0));
    assert!(answer.headers().contains_key("retry-after"));
    let older = http.get(edge.url("/api/v1/auth/me")).bearer_auth(&supervisor.token).send();
    let older = older.await.unwrap();
    assert_eq!((older.status().as_u16(), standing(older.headers()).1), (429, 0));
    assert!(older.headers().contains_key("retry-after"));
    let said: Value = answer.json().await.unwrap();
    let details = said["details"].as_array().unwrap();
    assert!(details.iter().any(|detail| detail["reason"] == "RATE_LIMITED"), "{said}");
    let answer = web().await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "8");
    assert_eq!(standing(answer.headers()).1, 0);
    assert!(answer.headers().contains_key("retry-after"));

    // Others are not concerned, nor are other classes, nor health.
    me(&agent).await.unwrap();
    supervisor.task("Patrullar").await;
    let health = reqwest::get(format!("http://{}/health", world.replica.internal))
        .await
        .unwrap();
    assert!(health.status().is_success() && !health.headers().contains_key("ratelimit-limit"));
}

#[tokio::test]
async fn replicas_count_together_to_the_last_call_and_time_gives_calls_back() {
    let world = World::with(|settings| {
        settings.rate_limit_calls = 10;
        settings.rate_limit_period = 3600;
    })
    .await;
    let other = world.another_replica().await;
    let supervisor = world.supervisor().await;
    let replicas = [supervisor.clone(), supervisor.over(other.channel())];
    let calls = stream::iter(0..40)
        .map(|number| me(&replicas[number % 2]))
        .buffer_unordered(8);
    let good = calls.filter(|answer| std::future::ready(answer.is_ok())).count().await;
    assert_eq!(good, 10);

    let world = World::with(|settings| {
        settings.rate_limit_calls = 2;
        settings.rate_limit_period = 1;
    })
    .await;
    let supervisor = world.supervisor().await;
    until("a caller is refused", async || me(&supervisor).await.is_err()).await;
    until("and may call again", async || me(&supervisor).await.is_ok()).await;
}

#[tokio::test]
async fn a_large_limit_is_counted_in_shares_and_still_holds() {
    // Not through the door: so many calls take longer than the limit needs to come back.
    let settings = world::settings(String::new());
    let settings = gad::config::ServeSettings {
        rate_limit_calls: 4000,
        rate_limit_period: 60,
        ..settings
    };
    let replicas = [Limits::new(&settings).unwrap(), Limits::new(&settings).unwrap()];
    let payer = Payer::User(UserId(7));
    let begun = std::time::Instant::now();
    let calls = stream::iter(0..10_000).map(|number| replicas[number % 2].count(Class::Read, payer));
    let good = calls
        .buffer_unordered(16)
        .filter(|counted| std::future::ready(counted.verdict.is_ok()));
    let good = good.count().await as f64;
    // 67 come back each second; of what each replica took last, up to a share of 40 may be left.
    let most = 4000.0 + 4000.0 / 60.0 * begun.elapsed().as_secs_f64() + 1.0;
    assert!((4000.0 - 2.0 * 40.0..=most).contains(&good), "{good} of {most}");
    let mut commands = redis::Client::open(world::redis_url().expose_secret())
        .unwrap()
        .get_connection()
        .unwrap();
    let key = format!("{}:limit:read:u7", settings.redis.redis_prefix);
    let asked: i64 = redis::cmd("PTTL").arg(&key).query(&mut commands).unwrap();
    assert!(
        (1..=60_001).contains(&asked),
        "it is forgotten when it does not matter any more"
    );
}

#[tokio::test]
async fn whoever_says_that_they_come_from_elsewhere_is_believed_only_if_trusted() {
    let few = |world: &mut gad::config::ServeSettings| world.rate_limit_logins = 2;
    // Peers of these tests are this machine, which is a proxy here.
    let world = World::with(few).await;
    let login = |from: &'static str| try_password(world.replica.channel(), from);
    for from in ["203.0.113.1", "203.0.113.2", "198.51.100.9, 203.0.113.2"] {
        assert_eq!(reason(&login(from).await), "WRONG_CREDENTIALS", "{from}");
    }
    // The second stands last twice: what a caller puts before it counts for nothing.
    assert_eq!(reason(&login("192.0.2.77, 203.0.113.2").await), "RATE_LIMITED");
    assert_eq!(reason(&login("203.0.113.1").await), "WRONG_CREDENTIALS");
    assert_eq!(reason(&login("2001:db8::1").await), "WRONG_CREDENTIALS");
    assert_eq!(reason(&login("2001:db8::2").await), "WRONG_CREDENTIALS");
    assert_eq!(
        reason(&login("2001:db8::3").await),
        "RATE_LIMITED",
        "a network of 64 bits is one"
    );

    // And here it is not.
    let world = World::with(|settings| {
        few(settings);
        settings.trusted_proxy_hosts = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await;
    let login = |from: &'static str| try_password(world.replica.channel(), from);
    for from in ["203.0.113.1", "203.0.113.2"] {
        assert_eq!(reason(&login(from).await), "WRONG_CREDENTIALS");
    }
    assert_eq!(reason(&login("203.0.113.3").await), "RATE_LIMITED");
}

#[tokio::test]
async fn through_the_edge_nobody_can_say_where_they_come_from() {
    let world = World::with(|settings| settings.rate_limit_logins = 3).await;
    let edge = Edge::before(&[world.replica.address]).await;
    let http = reqwest::Client::new();
    let mut statuses = Vec::new();
    for number in 0..6 {
        let login = json!({ "email": "supervisor@gad.example", "password": "no" });
        let request = http
            .post(edge.url("/v1/auth:login"))
            .json(&login)
            .header("x-forwarded-for", format!("203.0.113.{number}, 127.0.0.1"))
            .header("x-real-ip", format!("203.0.113.{number}"))
            .header("x-envoy-external-address", format!("203.0.113.{number}"))
            .header("forwarded", format!("for=203.0.113.{number}"));
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429, 429]);
    let said = try_password(edge.channel(), "203.0.113.99").await;
    assert_eq!(reason(&said), "RATE_LIMITED", "the door does not matter either");
}

/// Asks the server to let somebody in, as the bridge does.
async fn admit(world: &World, shown: &str, token: &str) -> Result<i64, Status> {
    let mut request = Request::new(pb::AdmitHandshakeRequest {
        token: token.to_owned(),
        address: "203.0.113.7".to_owned(),
    });
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {shown}").parse().unwrap());
    let answer = EdgeServiceClient::new(world.replica.channel()).admit_handshake(request).await;
    answer.map(|answer| answer.into_inner().user_id)
}

#[tokio::test]
async fn only_the_bridge_may_ask_what_the_bridge_asks() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    for shown in [
        &administrator.token,
        "",
        "nonsense",
        DEMO_BOT_TOKEN,
        &format!("{DEMO_BRIDGE_TOKEN}x"),
    ] {
        let refused = admit(&world, shown, &administrator.token).await.unwrap_err();
        assert_eq!(reason(&refused), "SIGNED_OUT", "{shown}");
    }
    assert_eq!(
        admit(&world, DEMO_BRIDGE_TOKEN, &administrator.token).await.unwrap(),
        administrator.id
    );
    assert_eq!(admit(&world, DEMO_BRIDGE_TOKEN, "nonsense").await.unwrap(), 0);
    assert_eq!(admit(&world, DEMO_BRIDGE_TOKEN, "").await.unwrap(), 0);
    withdraw_tokens(&world, administrator.id).await;
    until("the token counts no longer", async || {
        admit(&world, DEMO_BRIDGE_TOKEN, &administrator.token).await.unwrap() == 0
    })
    .await;
    // The bridge is nobody's user.
    let mut as_user = administrator.clone();
    as_user.token = DEMO_BRIDGE_TOKEN.to_owned();
    assert_eq!(
        reason(&me(&as_user.over(world.replica.channel())).await.unwrap_err()),
        "SIGNED_OUT"
    );
    let edge = Edge::before(&[world.replica.address]).await;
    let through = EdgeServiceClient::new(edge.channel());
    let mut request = Request::new(pb::AdmitHandshakeRequest::default());
    let bearer = format!("Bearer {DEMO_BRIDGE_TOKEN}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let refused = { through }.admit_handshake(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented, "{refused:?}");
}

#[tokio::test]
async fn openings_at_all_bridges_count_together() {
    let world = World::with(|settings| settings.rate_limit_handshakes = 3).await;
    let (one, two) = (Running::start(&world).await, Running::start(&world).await);
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let _first = one.socket(&supervisor).await;
    let second = two.get("/events", Some(&supervisor.token), "").await;
    assert_eq!((second.status().as_u16(), standing(second.headers()).1), (200, 1));
    let _third = two.socket(&supervisor).await;
    let bearer = format!("Bearer {}", supervisor.token);
    let refused = Socket::open(one.address, &[("authorization", &bearer)]).await;
    assert_eq!(refused.err(), Some(StatusCode::TOO_MANY_REQUESTS));
    let refused = one.get("/events", Some(&supervisor.token), "").await;
    assert_eq!((refused.status().as_u16(), standing(refused.headers()).1), (429, 0));
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(refused.json::<Value>().await.unwrap()["reason"], "RATE_LIMITED");
    one.socket(&agent).await;
}

#[tokio::test]
async fn junk_at_the_bridge_counts_for_its_address_and_not_for_those_who_sign_in() {
    let world = World::with(|settings| settings.rate_limit_handshakes = 3).await;
    let bridge = Running::start(&world).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(bridge.get("/events", Some("nonsense"), "").await.status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    bridge.socket(&world.supervisor().await).await;
}

#[tokio::test]
async fn whose_tokens_were_withdrawn_does_not_get_in_at_the_bridge() {
    let world = World::start().await;
    let bridge = Running::start(&world).await;
    let supervisor = world.supervisor().await;
    bridge.socket(&supervisor).await;
    withdraw_tokens(&world, supervisor.id).await;
    until("the bridge refuses the token", async || {
        bridge.get("/events", Some(&supervisor.token), "").await.status() == 401
    })
    .await;
}

#[tokio::test]
async fn a_bridge_that_the_server_does_not_know_lets_nobody_in() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| settings.bridge_token = "another".into()).await;
    let answer = bridge.get("/events", Some(&world.supervisor().await.token), "").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json::<Value>().await.unwrap()["reason"], "DEPENDENCY_DOWN");
}

#[tokio::test]
async fn without_redis_strangers_wait_and_others_are_counted_by_each_replica() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Mortal::redis(folder.path());
    redis.ready().await;
    let url = format!("redis://{}/", redis.address);
    let world = World::with(|settings| {
        settings.redis.redis_url = Some(url.into());
        settings.rate_limit_calls = 5;
        settings.rate_limit_period = 3600;
        settings.rate_limit_logins = 50;
        settings.rate_limit_handshakes = 50;
    })
    .await;
    let bridge = Running::start(&world).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    me(&supervisor).await.unwrap();
    redis.kill();

    // What is left of the limit is not known any more: each replica begins anew, and keeps to it.
    let mut good = 0;
    for _ in 0..10 {
        good += usize::from(me(&supervisor).await.is_ok());
    }
    assert_eq!(good, 5);
    let refused = me(&supervisor).await.unwrap_err();
    assert_eq!(reason(&refused), "RATE_LIMITED");
    assert_eq!(standing(&refused.metadata().clone().into_headers()).0, 5);
    agent.task("Patrullar").await;
    let refused = try_password(world.replica.channel(), "").await;
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::Unavailable, "DEPENDENCY_DOWN")
    );
    assert!(refused.metadata().contains_key("retry-after"));
    let answer = bridge.get("/events", Some(&agent.token), "").await;
    assert_eq!(answer.status(), 503);

    redis.revive();
    redis.ready().await;
    until("strangers may come again", async || {
        reason(&try_password(world.replica.channel(), "").await) == "WRONG_CREDENTIALS"
    })
    .await;
    world.sign_in("supervisor@gad.example").await;
    bridge.socket(&agent).await;
    until("and all are counted together", async || me(&supervisor).await.is_ok()).await;
}

#[tokio::test]
async fn a_redis_that_hangs_holds_nobody_up_for_long() {
    // It takes connections and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = silent.local_addr().unwrap();
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let mut settings = world.settings.clone();
    settings.redis.redis_url = Some(format!("redis://{address}/").into());
    let server = world::Replica::start(settings, gad::clock::Clock::system()).await;
    let supervisor = supervisor.over(server.channel());
    for _ in 0..20 {
        tokio::time::timeout(Duration::from_secs(2), me(&supervisor))
            .await
            .unwrap()
            .unwrap();
    }
    let login = pb::LoginRequest {
        email: "supervisor@gad.example".to_owned(),
        password: DEMO_PASSWORD.to_owned(),
        ..Default::default()
    };
    let refused = AuthServiceClient::new(server.channel()).login(login).await.unwrap_err();
    assert_eq!(reason(&refused), "DEPENDENCY_DOWN");
    held.abort();
}
