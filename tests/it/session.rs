//! Sessions: how they go on, and how they end, on every door.

use std::time::Duration;

use gad::{config::DEMO_PASSWORD, pb};
use jiff::SignedDuration;
use serde_json::Value;

use crate::{
    bridge_clients::Running,
    children::Mortal,
    doors::{Door, Doorway},
    live::Watcher,
    newcomer::{Hands, Newcomer, refresh, refusal, refused},
    world::{Person, Replica, World, reason, until},
};

const NEW: &str = "tres tristes tigres";

async fn revoke(person: &Person, session_id: &str) -> Result<(), tonic::Status> {
    let request = pb::RevokeSessionRequest {
        session_id: session_id.to_owned(),
    };
    person.auth().revoke_session(request).await.map(drop)
}

async fn sessions(person: &Person) -> Vec<pb::Session> {
    let request = pb::ListSessionsRequest::default();
    person.auth().list_sessions(request).await.unwrap().into_inner().sessions
}

#[tokio::test]
async fn a_refresh_token_gives_the_next_one_and_a_second_use_ends_the_session_everywhere() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let other = Replica::start(world.settings.clone(), hands.clock()).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let (server, elsewhere) = (world.replica.channel(), rosa.sign_in().await);
    let first = rosa.tokens().await;
    hands.pass(SignedDuration::from_mins(20));
    let second = refresh(&server, &first.refresh_token).await.unwrap();
    assert_eq!(second.session_id, first.session_id);
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_ne!(second.access_token, first.access_token);
    let mut third = refresh(&server, &second.refresh_token).await.unwrap();
    let (here, there) = (Person::of(&third, server.clone()), Person::of(&third, other.channel()));
    assert_eq!((refusal(&here).await, refusal(&there).await), (String::new(), String::new()));
    // A thief comes with what was used up, within the time in which an answer may be asked for again.
    let theft = refresh(&server, &first.refresh_token).await.unwrap_err();
    assert_eq!(reason(&theft), "SESSION_ENDED");
    assert_eq!(refusal(&here).await, "SIGNED_OUT", "at once on the replica that saw it");
    refused(&there).await;
    let fresh = std::mem::take(&mut third.refresh_token);
    assert_eq!(reason(&refresh(&server, &fresh).await.unwrap_err()), "SESSION_ENDED");
    let row = world.database().await;
    let end: i16 = row
        .query_one(
            "select end_reason from sessions where id = $1::text::uuid",
            &[&first.session_id],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(end, pb::SessionEnd::RefreshReused as i16);
    assert_eq!(refusal(&elsewhere).await, "", "other sessions go on");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_exchange_may_be_asked_for_again_for_some_seconds() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let server = world.replica.channel();
    let first = rosa.tokens().await;
    // Two tabs at a time, and one whose answer was lost.
    let tabs = (0..8).map(|_| refresh(&server, &first.refresh_token));
    let answers: Vec<pb::LoginResponse> = futures::future::try_join_all(tabs).await.unwrap();
    let second = &answers[0].refresh_token;
    assert!(answers.iter().all(|answer| answer.refresh_token == *second));
    hands.pass(SignedDuration::from_secs(9));
    assert_eq!(refresh(&server, &first.refresh_token).await.unwrap().refresh_token, *second);
    // Somebody used what it was exchanged for: it was not lost.
    refresh(&server, second).await.unwrap();
    assert_eq!(
        reason(&refresh(&server, &first.refresh_token).await.unwrap_err()),
        "SESSION_ENDED"
    );

    let first = rosa.tokens().await;
    refresh(&server, &first.refresh_token).await.unwrap();
    hands.pass(SignedDuration::from_secs(10));
    assert_eq!(
        reason(&refresh(&server, &first.refresh_token).await.unwrap_err()),
        "SESSION_ENDED"
    );
}

#[tokio::test]
async fn a_session_that_is_not_used_ends_by_itself_and_one_that_is_does_not() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let server = world.replica.channel();
    let (used, unused) = (rosa.tokens().await, rosa.tokens().await);
    hands.pass(SignedDuration::from_hours(6 * 24));
    let used = refresh(&server, &used.refresh_token).await.unwrap();
    hands.pass(SignedDuration::from_hours(24));
    assert_eq!(
        reason(&refresh(&server, &unused.refresh_token).await.unwrap_err()),
        "SESSION_ENDED"
    );
    let used = refresh(&server, &used.refresh_token).await.unwrap();
    let me = Person::of(&used, server.clone());
    assert_eq!(sessions(&me).await.len(), 1);
    rosa.set("active = false").await;
    let refused = refresh(&server, &used.refresh_token).await.unwrap_err();
    assert_eq!(reason(&refused), "SESSION_ENDED", "nobody comes back who may not sign in");
}

#[tokio::test]
async fn a_refresh_takes_authority_as_it_is_now() {
    let world = World::start().await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let first = rosa.tokens().await;
    rosa.set("level = 2").await;
    let second = refresh(&world.replica.channel(), &first.refresh_token).await.unwrap();
    let (before, after) = (
        Person::of(&first, world.replica.channel()),
        Person::of(&second, world.replica.channel()),
    );
    let delete = || pb::UpdateTaskRequest::default();
    assert_eq!(reason(&before.tasks().update_task(delete()).await.unwrap_err()), "FORBIDDEN");
    assert_eq!(
        reason(&after.tasks().update_task(delete()).await.unwrap_err()),
        "INVALID_FIELD"
    );
}

#[tokio::test]
async fn people_see_their_sessions_and_end_them_one_by_one_or_all() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (rosa, luis) = (Newcomer::to(&world, "rosa").await, Newcomer::to(&world, "luis").await);
    let server = world.replica.channel();
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(rosa.tokens().await);
        hands.pass(SignedDuration::from_secs(60));
    }
    let (me, other) = (Person::of(&all[4], server.clone()), luis.sign_in().await);
    let listed = sessions(&me).await;
    let newest: Vec<&str> = all.iter().rev().map(|tokens| tokens.session_id.as_str()).collect();
    assert_eq!(listed.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), newest);
    assert_eq!(listed.iter().filter(|session| session.current).count(), 1);
    assert!(listed[0].current && listed[0].user_agent.starts_with("tonic/"));
    assert_eq!((listed[0].address.as_str(), listed[0].user_id), ("127.0.0.1", rosa.id));

    let mut paged = Vec::new();
    let mut request = pb::ListSessionsRequest {
        page_size: 2,
        ..Default::default()
    };
    loop {
        let page = me.auth().list_sessions(request.clone()).await.unwrap().into_inner();
        assert!(page.sessions.len() <= 2);
        paged.extend(page.sessions);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(paged, listed);

    assert_eq!(
        reason(&revoke(&other, &all[0].session_id).await.unwrap_err()),
        "SESSION_NOT_FOUND"
    );
    assert_eq!(refusal(&Person::of(&all[0], server.clone())).await, "");
    revoke(&me, &all[0].session_id).await.unwrap();
    assert_eq!(refusal(&Person::of(&all[0], server.clone())).await, "SIGNED_OUT");
    assert_eq!(
        reason(&refresh(&server, &all[0].refresh_token).await.unwrap_err()),
        "SESSION_ENDED"
    );
    revoke(&me, &all[0].session_id).await.expect("what has ended stays so");
    assert_eq!(sessions(&me).await.len(), 4);

    me.auth().logout(pb::LogoutRequest {}).await.unwrap();
    assert_eq!(refusal(&me).await, "SIGNED_OUT");
    let me = Person::of(&all[3], server.clone());
    let ended = me.auth().logout_everywhere(pb::LogoutEverywhereRequest {}).await.unwrap();
    assert_eq!(ended.into_inner().session_count, 3);
    for tokens in &all {
        assert_eq!(refusal(&Person::of(tokens, server.clone())).await, "SIGNED_OUT");
    }
    assert_eq!(refusal(&other).await, "");
    let again = rosa.sign_in().await;
    assert_eq!(refusal(&again).await, "", "and one may come back");
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions() {
    let world = World::start().await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let server = world.replica.channel();
    let (mine, other) = (rosa.tokens().await, rosa.tokens().await);
    let me = Person::of(&mine, server.clone());
    let change = |current: &str| pb::ChangePasswordRequest {
        current_password: current.to_owned(),
        new_password: NEW.to_owned(),
    };
    let refused = me.auth().change_password(change("wrong")).await.unwrap_err();
    assert_eq!(reason(&refused), "WRONG_PROOF");
    let fresh = me.auth().change_password(change(DEMO_PASSWORD)).await.unwrap().into_inner();
    assert_eq!(refusal(&Person::of(&other, server.clone())).await, "SIGNED_OUT");
    assert_eq!(
        reason(&refresh(&server, &other.refresh_token).await.unwrap_err()),
        "SESSION_ENDED"
    );
    for token in [&mine.access_token, &fresh.access_token] {
        assert_eq!(refusal(&me.with(token, server.clone())).await, "");
    }
    refresh(&server, &mine.refresh_token).await.unwrap();
    rosa.login(DEMO_PASSWORD, "").await.expect_err("the old password is gone");
    rosa.login(NEW, "").await.unwrap();
}

#[tokio::test]
async fn guessing_the_password_from_a_stolen_session_locks_the_account_too() {
    let world = World::start().await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let me = rosa.sign_in().await;
    for attempt in 0..4 {
        let password = "wrong".to_owned();
        let refused = if attempt % 2 == 0 {
            let request = pb::StepUpRequest {
                password,
                code: String::new(),
            };
            me.auth().step_up(request).await.unwrap_err()
        } else {
            let request = pb::ChangePasswordRequest {
                current_password: password,
                new_password: NEW.to_owned(),
            };
            me.auth().change_password(request).await.unwrap_err()
        };
        assert_eq!(reason(&refused), "WRONG_PROOF");
    }
    rosa.login("wrong", "").await.unwrap_err();
    let right = pb::StepUpRequest {
        password: DEMO_PASSWORD.to_owned(),
        code: String::new(),
    };
    assert_eq!(reason(&me.auth().step_up(right).await.unwrap_err()), "WRONG_PROOF");
    assert!(rosa.column("lock_end_time").await.is_some());
}

#[tokio::test]
async fn dangerous_calls_ask_for_a_proof_that_is_not_old() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let (server, tokens) = (world.replica.channel(), rosa.tokens().await);
    hands.pass(SignedDuration::from_secs(15 * 60 + 1));
    // Refreshing proves nothing.
    let tokens = refresh(&server, &tokens.refresh_token).await.unwrap();
    let me = Person::of(&tokens, server.clone());
    let refused = me.auth().enrol_totp(pb::EnrolTotpRequest {}).await.unwrap_err();
    assert_eq!(reason(&refused), "STEP_UP_REQUIRED");
    let proof = pb::StepUpRequest {
        password: DEMO_PASSWORD.to_owned(),
        code: String::new(),
    };
    let fresh = me.auth().step_up(proof).await.unwrap().into_inner();
    let fresh = me.with(&fresh.access_token, server.clone());
    fresh.auth().enrol_totp(pb::EnrolTotpRequest {}).await.unwrap();
    // The proof is the session's: the next refresh has it too.
    let next = refresh(&server, &tokens.refresh_token).await.unwrap();
    Person::of(&next, server)
        .auth()
        .enrol_totp(pb::EnrolTotpRequest {})
        .await
        .unwrap();
    assert_eq!(sessions(&me).await.len(), 1);
}

/// A call over REST with a token: its HTTP status.
async fn rest(edge: &crate::edge::Edge, token: &str) -> u16 {
    let request = reqwest::Client::new().get(edge.url("/v1/auth/me")).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signed_out_is_refused_on_every_door_of_every_replica_also_without_redis() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Mortal::redis(folder.path());
    redis.ready().await;
    let url = format!("redis://{}", redis.address);
    let world = World::with(|settings| settings.redis.redis_url = Some(url.into())).await;
    let other = world.another_replica().await;
    let edge = crate::edge::Edge::before(&[other.address]).await;
    let web = Doorway::open(Door::GrpcWeb, &other).await;
    let bridge = Running::with(&[&other], |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    // Supervisors share what the bridge hears: a socket must not live on by the token of another.
    rosa.set("level = 2").await;
    let me = rosa.sign_in().await;
    let steady = rosa.sign_in().await;
    let there = me.over(other.channel());
    let mut watcher = Watcher::live(&there).await;
    let mut socket = bridge.socket(&me).await;
    socket.live().await;
    let mut steady_socket = bridge.socket(&steady).await;
    steady_socket.live().await;
    let mut stream = bridge.stream(&me, "", "").await;
    stream.next().await.unwrap();
    let pool = gad::descriptor::pool();
    let service = pool.get_service_by_name("gad.v1.AuthService").unwrap();
    let get_me = service.methods().find(|method| method.name() == "GetMe").unwrap();
    let by_web = async || web.call(&get_me, &serde_json::json!({}), Some(&me.token), &[]).await;
    assert_eq!((rest(&edge, &me.token).await, by_web().await.reason()), (200, ""));

    redis.kill();
    me.auth().logout(pb::LogoutRequest {}).await.unwrap();
    assert_eq!(refusal(&me).await, "SIGNED_OUT", "here at once");
    let began = tokio::time::Instant::now();
    assert_eq!(watcher.end().await.reason(), pb::EndReason::AuthRevoked);
    let (frames, code) = socket.rest().await;
    assert_eq!(code, 4401);
    assert_eq!(frames.last().unwrap()["reason"], Value::from("AUTH_REVOKED"));
    loop {
        let said = stream.next().await.expect("an end before the end");
        if said.event == "end" {
            assert_eq!(said.data["reason"], "AUTH_REVOKED");
            break;
        }
    }
    refused(&there).await;
    until("REST refuses", async || rest(&edge, &me.token).await == 401).await;
    until("gRPC-web refuses", async || by_web().await.reason() == "SIGNED_OUT").await;
    // A bound for a machine that is busy; usually it is a fifth of a second.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let header = format!("Bearer {}", me.token);
    let again = crate::bridge_clients::Socket::open(bridge.address, &[("authorization", &header)]).await;
    // Without Redis nobody counts who comes in, so nobody does.
    assert!(again.is_err_and(|status| [401, 503].contains(&status.as_u16())));
    steady.task("La otra sesión sigue").await;
    assert_eq!(steady_socket.news().await["type"], "event");
    bridge.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn what_ended_a_month_ago_is_forgotten_and_nothing_else() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let old = rosa.tokens().await;
    refresh(&world.replica.channel(), &old.refresh_token).await.unwrap();
    hands.pass(SignedDuration::from_hours(31 * 24));
    let recent = rosa.tokens().await;
    hands.pass(SignedDuration::from_hours(10 * 24));
    // A server that starts begins with forgetting.
    let replica = Replica::start(world.settings.clone(), hands.clock()).await;
    let database = world.database().await;
    until("what ended is forgotten, and nothing else", async || {
        let sql = "select id::text from sessions where user_id = $1";
        let rows = database.query(sql, &[&rosa.id]).await.unwrap();
        let left: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(left.contains(&recent.session_id));
        left.len() == 1
    })
    .await;
    replica.stop().await;
    let keys: i64 = world
        .database()
        .await
        .query_one("select count(*) from signing_keys", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(keys, 1);
}
