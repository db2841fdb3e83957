//! API tokens through the front door.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use gad::{
    clock::Clock,
    pb::{self, EndReason, UserLevel},
};
use jiff::Timestamp;
use tonic::Status;

use crate::{
    live::Watcher,
    world::{Person, World, fields, reason, until},
};

fn token(scopes: &[&str]) -> pb::ApiToken {
    pb::ApiToken {
        display_name: "Guion de turnos".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..Default::default()
    }
}

async fn make(person: &Person, token: pb::ApiToken) -> Result<pb::CreateApiTokenResponse, Status> {
    let request = pb::CreateApiTokenRequest {
        api_token: Some(token),
        ..Default::default()
    };
    let answer = person.api_tokens().create_api_token(request).await;
    answer.map(tonic::Response::into_inner)
}

/// A program that acts for a person by a new token.
async fn program(world: &World, person: &Person, scopes: &[&str]) -> (Person, pb::ApiToken) {
    let made = make(person, token(scopes)).await.unwrap();
    (person.by(&made.token, world.replica.channel()), made.api_token.unwrap())
}

async fn get_task(person: &Person, id: i64) -> Result<pb::Task, Status> {
    let answer = person.tasks().get_task(pb::GetTaskRequest { id }).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_token_does_what_its_scopes_and_its_user_may() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let task = supervisor.task("Patrullar").await;
    let made = make(&supervisor, token(&["task.read", "permission.read", "user.read"]))
        .await
        .unwrap();
    let known = made.api_token.clone().unwrap();
    assert!(made.token.starts_with(&known.prefix) && made.token.starts_with("gad_") && made.token.len() == 53);
    let program = supervisor.by(&made.token, world.replica.channel());
    assert_eq!(get_task(&program, task.id).await.unwrap(), task);
    let mine = program.permissions().get_my_permissions(pb::GetMyPermissionsRequest {}).await;
    let mine = mine.unwrap().into_inner();
    assert_eq!((mine.user_id, mine.api_token_id), (supervisor.id, known.id));
    assert_eq!(mine.permissions, ["permission.read", "task.read", "user.read"]);
    for refused in [
        program.tasks().delete_task(pb::DeleteTaskRequest::default()).await.map(drop),
        program.zones().list_zones(pb::ListZonesRequest {}).await.map(drop),
        program.auth().get_me(pb::GetMeRequest {}).await.map(drop),
        program
            .api_tokens()
            .list_api_tokens(pb::ListApiTokensRequest::default())
            .await
            .map(drop),
        make(&program, token(&["task.read"])).await.map(drop),
    ] {
        let refused = reason(&refused.unwrap_err());
        assert!(refused == "SCOPE_TOO_NARROW" || refused == "FORBIDDEN", "{refused}");
    }
    // Nobody who reads the database learns the text, not even from the kept answer.
    let request = pb::CreateApiTokenRequest {
        api_token: Some(token(&["task.read"])),
        request_id: "una-vez".to_owned(),
        ..Default::default()
    };
    let first = supervisor
        .api_tokens()
        .create_api_token(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = supervisor.api_tokens().create_api_token(request).await.unwrap();
    assert!(again.metadata().contains_key("idempotent-replayed"));
    assert_eq!(again.into_inner(), first);
    let database = world.database().await;
    for (table, column) in [("replays", "response"), ("api_tokens", "hash")] {
        let sql = format!("select bool_or(position($1::bytea in {column}) > 0) from {table}");
        let found: bool = database.query_one(&sql, &[&first.token.as_bytes()]).await.unwrap().get(0);
        assert!(!found, "{table}");
    }
}

#[tokio::test]
async fn a_scope_is_a_permission_that_a_token_can_carry_and_its_user_has() {
    let world = World::start().await;
    let (agent, administrator) = (world.agent().await, world.administrator().await);
    for (scopes, field) in [
        (&[][..], "api_token.scopes"),
        (&["task.read", "task.sing"], "api_token.scopes[1]"),
        (&["self.read"], "api_token.scopes[0]"),
        (&["user.promote"], "api_token.scopes[0]"),
        (&["task.assign"], "api_token.scopes[0]"),
    ] {
        let refused = make(&agent, token(scopes)).await.unwrap_err();
        assert_eq!(fields(&refused), [field], "{scopes:?}");
    }
    let mut late = token(&["task.read"]);
    late.expire_time = Some(prost_types::Timestamp {
        seconds: 1_700_000_000,
        nanos: 0,
    });
    assert_eq!(fields(&make(&agent, late).await.unwrap_err()), ["api_token.expire_time"]);
    // What asks for a person no scope opens, though the level would do.
    let (program, _) = program(&world, &administrator, &["user.lock", "user.delete", "user.read"]).await;
    let request = pb::DeleteUserRequest {
        id: agent.id,
        ..Default::default()
    };
    let refused = program.users().delete_user(request).await.unwrap_err();
    assert_eq!(reason(&refused), "SCOPE_TOO_NARROW");
    let request = pb::UserStepRequest {
        id: agent.id,
        ..Default::default()
    };
    program.users().unlock_user(request).await.unwrap();
}

#[tokio::test]
async fn a_revoked_token_is_refused_on_every_replica_and_its_watches_end() {
    let world = World::start().await;
    let other = world.another_replica().await;
    let supervisor = world.supervisor().await;
    let task = supervisor.task("Patrullar").await;
    let (program, known) = program(&world, &supervisor, &["task.read", "event.watch"]).await;
    let there = program.over(other.channel());
    get_task(&program, task.id).await.unwrap();
    get_task(&there, task.id).await.unwrap();
    let mut watcher = Watcher::live(&there).await;
    let request = pb::RevokeApiTokenRequest {
        id: known.id,
        ..Default::default()
    };
    let ended = supervisor
        .api_tokens()
        .revoke_api_token(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(ended.end_time.is_some());
    assert_eq!(reason(&get_task(&program, task.id).await.unwrap_err()), "SIGNED_OUT");
    until("the token is refused there", async || {
        get_task(&there, task.id)
            .await
            .is_err_and(|status| reason(&status) == "SIGNED_OUT")
    })
    .await;
    assert_eq!(watcher.end().await.reason(), EndReason::AuthRevoked);
    let again = supervisor.api_tokens().revoke_api_token(request).await.unwrap().into_inner();
    assert_eq!(again.end_time, ended.end_time);
    other.stop().await;
}

#[tokio::test]
async fn a_token_follows_its_user() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let zone = world.zone("Z-SO").await;
    let person = world.newcomer("vega@gad.example", UserLevel::Supervisor, &[]).await;
    let task = administrator.task("En el centro").await;
    let (program, _) = program(&world, &person, &["task.read", "task.assign", "permission.read"]).await;
    get_task(&program, task.id).await.unwrap();
    let level = |level: UserLevel, zone_ids: &[i64]| pb::SetUserLevelRequest {
        id: person.id,
        level: level as i32,
        zone_ids: zone_ids.to_vec(),
        ..Default::default()
    };
    // The token is not to blame for what changed: it goes on, and reaches as far as its user now does.
    let change = level(UserLevel::Supervisor, &[zone]);
    administrator.users().set_user_level(change).await.unwrap();
    assert_eq!(reason(&get_task(&program, task.id).await.unwrap_err()), "TASK_NOT_FOUND");
    let change = level(UserLevel::Agent, &[]);
    administrator.users().set_user_level(change).await.unwrap();
    let assign = pb::AssignTaskRequest {
        id: task.id,
        agent_id: 1,
        ..Default::default()
    };
    assert_eq!(reason(&program.tasks().assign_task(assign).await.unwrap_err()), "FORBIDDEN");
    let step = pb::UserStepRequest {
        id: person.id,
        ..Default::default()
    };
    let ask = || pb::GetMyPermissionsRequest {};
    administrator.users().deactivate_user(step.clone()).await.unwrap();
    let refused = program.permissions().get_my_permissions(ask()).await.unwrap_err();
    assert_eq!(reason(&refused), "SIGNED_OUT");
    administrator.users().activate_user(step.clone()).await.unwrap();
    program.permissions().get_my_permissions(ask()).await.unwrap();
    let delete = pb::DeleteUserRequest {
        id: person.id,
        ..Default::default()
    };
    administrator.users().delete_user(delete).await.unwrap();
    administrator.users().undelete_user(step).await.unwrap();
    let refused = program.permissions().get_my_permissions(ask()).await.unwrap_err();
    assert_eq!(reason(&refused), "SIGNED_OUT", "a deletion ends tokens for good");
}

#[tokio::test]
async fn tokens_of_services_are_made_by_administrators_and_those_of_people_by_themselves() {
    let world = World::start().await;
    let (administrator, supervisor, agent) = (world.administrator().await, world.supervisor().await, world.agent().await);
    let service = pb::CreateUserRequest {
        user: Some(pb::User {
            email: "bot@gad.example".to_owned(),
            display_name: "Bot de Telegram".to_owned(),
            level: UserLevel::Supervisor as i32,
            service: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    let service = administrator.users().create_user(service).await.unwrap().into_inner();
    let of = |user_id: i64| pb::ApiToken {
        user_id,
        ..token(&["user.read"])
    };
    let made = make(&administrator, of(service.id)).await.unwrap();
    let bot = administrator.by(&made.token, world.replica.channel());
    let found = bot
        .users()
        .get_user(pb::GetUserRequest { id: agent.id })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        found.email, "",
        "the authority is that of the service, not of who made the token"
    );
    assert_eq!(reason(&make(&administrator, of(agent.id)).await.unwrap_err()), "FORBIDDEN");
    assert_eq!(
        reason(&make(&administrator, of(999_999)).await.unwrap_err()),
        "USER_NOT_FOUND"
    );
    for id in [service.id, agent.id, 999_999] {
        assert_eq!(reason(&make(&supervisor, of(id)).await.unwrap_err()), "FORBIDDEN");
    }
    // A service has no other way in.
    let reset = pb::RequestPasswordResetRequest {
        email: service.email.clone(),
    };
    administrator.auth().request_password_reset(reset).await.unwrap();
    let mailed: i64 = world
        .database()
        .await
        .query_one("select count(*) from mails", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(mailed, 0);
    let id = made.api_token.unwrap().id;
    let get = |person: &Person| {
        let person = person.clone();
        async move { person.api_tokens().get_api_token(pb::GetApiTokenRequest { id }).await }
    };
    assert_eq!(reason(&get(&supervisor).await.unwrap_err()), "API_TOKEN_NOT_FOUND");
    assert_eq!(get(&administrator).await.unwrap().into_inner().user_id, service.id);
}

#[tokio::test]
async fn lists_hold_the_callers_own_newest_first() {
    let world = World::start().await;
    let (administrator, agent) = (world.administrator().await, world.agent().await);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(make(&agent, token(&["task.read"])).await.unwrap().api_token.unwrap().id);
    }
    make(&administrator, token(&["task.read"])).await.unwrap();
    let request = pb::RevokeApiTokenRequest {
        id: made[2],
        ..Default::default()
    };
    administrator.api_tokens().revoke_api_token(request).await.unwrap();
    let list = async |person: &Person, user_id: i64, ended_shown: bool| {
        let mut request = pb::ListApiTokensRequest {
            page_size: 2,
            user_id,
            ended_shown,
            ..Default::default()
        };
        let mut ids = Vec::new();
        loop {
            let page = person
                .api_tokens()
                .list_api_tokens(request.clone())
                .await
                .unwrap()
                .into_inner();
            ids.extend(page.api_tokens.iter().map(|token| token.id));
            if page.next_page_token.is_empty() {
                return ids;
            }
            request.page_token = page.next_page_token;
        }
    };
    made.reverse();
    assert_eq!(list(&agent, 0, true).await, made);
    assert_eq!(list(&administrator, agent.id, true).await, made);
    made.remove(2);
    assert_eq!(list(&agent, agent.id, false).await, made);
}

#[tokio::test]
async fn a_token_ends_by_its_time_and_its_use_is_noted_once_a_minute() {
    let start = Clock::system().now().as_second();
    let second = Arc::new(AtomicI64::new(start));
    let told = Arc::clone(&second);
    let clock = Clock::of(move || Timestamp::from_second(told.load(Ordering::SeqCst)).unwrap());
    let world = World::with_clock(clock, |_| {}).await;
    let agent = world.agent().await;
    let until_then = start + 600;
    let made = pb::ApiToken {
        expire_time: Some(prost_types::Timestamp {
            seconds: until_then,
            nanos: 0,
        }),
        ..token(&["zone.read"])
    };
    let made = make(&agent, made).await.unwrap();
    let id = made.api_token.unwrap().id;
    let program = agent.by(&made.token, world.replica.channel());
    let call = async || program.zones().list_zones(pb::ListZonesRequest {}).await.map(drop);
    let database = world.database().await;
    let used = async || {
        let sql = "select last_use_time from api_tokens where id = $1";
        let row = database.query_one(sql, &[&id]).await.unwrap();
        row.get::<_, Option<Timestamp>>(0).map(|time| time.as_second() - start)
    };
    assert_eq!(used().await, None);
    call().await.unwrap();
    until("the use is noted", async || used().await == Some(0)).await;
    second.store(start + 59, Ordering::SeqCst);
    call().await.unwrap();
    second.store(start + 61, Ordering::SeqCst);
    call().await.unwrap();
    until("the use is noted", async || used().await == Some(61)).await;
    second.store(until_then - 1, Ordering::SeqCst);
    call().await.unwrap();
    second.store(until_then, Ordering::SeqCst);
    assert_eq!(reason(&call().await.unwrap_err()), "SIGNED_OUT");
}

#[tokio::test]
async fn what_looks_like_a_token_is_none() {
    let world = World::start().await;
    let agent = world.agent().await;
    let made = make(&agent, token(&["zone.read"])).await.unwrap();
    let mut typo = made.token.clone();
    typo.replace_range(20..21, if &typo[20..21] == "A" { "B" } else { "A" });
    let unknown = gad::identity::ApiTokenText::make().unwrap().text;
    for text in [
        typo,
        unknown,
        made.token[..40].to_owned(),
        "gad_".to_owned(),
        format!("{} ", "gad_".repeat(2000)),
    ] {
        let program = agent.by(text.trim(), world.replica.channel());
        let refused = program.zones().list_zones(pb::ListZonesRequest {}).await.unwrap_err();
        assert_eq!(reason(&refused), "SIGNED_OUT", "{text}");
    }
}
