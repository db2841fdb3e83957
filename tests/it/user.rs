//! Users through the front door.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use gad::{
    config::DEMO_PASSWORD,
    pb::{self, Availability, EndReason, EventType, SessionEnd, UserLevel},
};
use prost::Message as _;
use tonic::{Code, Status};

use crate::{
    live::Watcher,
    newcomer::Newcomer,
    world::{Person, World, fields, reason, until},
};

fn named(email: &str, display_name: &str) -> pb::User {
    pb::User {
        email: email.to_owned(),
        display_name: display_name.to_owned(),
        ..Default::default()
    }
}

async fn create(person: &Person, user: pb::User, password: &str) -> Result<pb::User, Status> {
    let request = pb::CreateUserRequest {
        user: Some(user),
        password: password.to_owned(),
        ..Default::default()
    };
    let answer = person.users().create_user(request).await;
    answer.map(tonic::Response::into_inner)
}

async fn get(person: &Person, id: i64) -> Result<pb::User, Status> {
    let answer = person.users().get_user(pb::GetUserRequest { id }).await;
    answer.map(tonic::Response::into_inner)
}

async fn set_level(person: &Person, id: i64, level: UserLevel, zone_ids: &[i64]) -> Result<pb::User, Status> {
    let request = pb::SetUserLevelRequest {
        id,
        level: level as i32,
        zone_ids: zone_ids.to_vec(),
        ..Default::default()
    };
    let answer = person.users().set_user_level(request).await;
    answer.map(tonic::Response::into_inner)
}

fn step(id: i64) -> pb::UserStepRequest {
    pb::UserStepRequest {
        id,
        ..Default::default()
    }
}

async fn delete(person: &Person, id: i64) -> Result<pb::User, Status> {
    let request = pb::DeleteUserRequest {
        id,
        ..Default::default()
    };
    let answer = person.users().delete_user(request).await;
    answer.map(tonic::Response::into_inner)
}

async fn deactivate(person: &Person, id: i64) -> Result<pb::User, Status> {
    let answer = person.users().deactivate_user(step(id)).await;
    answer.map(tonic::Response::into_inner)
}

/// Signs in anew, with a refresh token.
async fn login(world: &World, email: &str) -> Result<pb::LoginResponse, Status> {
    let request = pb::LoginRequest {
        email: email.to_owned(),
        password: DEMO_PASSWORD.to_owned(),
        ..Default::default()
    };
    let mut client = pb::auth_service_client::AuthServiceClient::new(world.replica.channel());
    client.login(request).await.map(tonic::Response::into_inner)
}

async fn refresh(world: &World, token: &str) -> Result<pb::LoginResponse, Status> {
    let request = pb::RefreshRequest {
        refresh_token: token.to_owned(),
    };
    let mut client = pb::auth_service_client::AuthServiceClient::new(world.replica.channel());
    client.refresh(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_user_with_a_password_signs_in_and_one_without_is_invited_by_mail() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(|settings| settings.account.mail.mail_dir = Some(folder.path().to_owned())).await;
    let administrator = world.administrator().await;
    let rosa = create(&administrator, named("Rosa@GAD.example", "Rosa Peña"), DEMO_PASSWORD)
        .await
        .unwrap();
    assert_eq!((rosa.email.as_str(), rosa.level()), ("rosa@gad.example", UserLevel::Agent));
    assert!(rosa.active && rosa.email_verify_time.is_none());
    assert_eq!(login(&world, "rosa@gad.example").await.unwrap().user.unwrap().id, rosa.id);

    let iris = create(&administrator, named("iris@gad.example", "Iris"), "").await.unwrap();
    let mut token = None;
    until("the invitation is there", async || {
        fs_texts(folder.path()).iter().any(|text| text.contains("iris@gad.example"))
    })
    .await;
    for text in fs_texts(folder.path())
        .iter()
        .filter(|text| text.contains("iris@gad.example"))
    {
        let text = text.replace("=\r\n", "").replace("=3D", "=");
        let (_, rest) = text.split_once("/accept-invitation?token=").expect("a link");
        token = Some(rest.chars().take_while(|letter| !letter.is_whitespace()).collect::<String>());
    }
    let request = pb::AcceptInvitationRequest {
        token: token.unwrap(),
        password: DEMO_PASSWORD.to_owned(),
    };
    administrator.auth().accept_invitation(request).await.unwrap();
    assert_eq!(login(&world, "iris@gad.example").await.unwrap().user.unwrap().id, iris.id);
    let refused = administrator.users().invite_user(step(iris.id)).await.unwrap_err();
    assert_eq!(reason(&refused), "ILLEGAL_STEP");
}

fn fs_texts(folder: &std::path::Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn what_is_wrong_with_a_new_user_is_named() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let zone = world.zone("Z-NE").await;
    let good = || named("nadia@gad.example", "Nadia Soto");
    let of_level = |level: UserLevel, zone_ids: &[i64]| pb::User {
        level: level as i32,
        zone_ids: zone_ids.to_vec(),
        ..good()
    };
    let service = pb::User { service: true, ..good() };
    for (user, password, field) in [
        (named("", "Nadia"), DEMO_PASSWORD, "user.email"),
        (named("nadia", "Nadia"), DEMO_PASSWORD, "user.email"),
        (named("nаdia@gad.example", "Nadia"), DEMO_PASSWORD, "user.email"),
        (named("nadia@gad.example", "  "), DEMO_PASSWORD, "user.display_name"),
        (good(), "corta", "password"),
        (good(), "nadia soto", "password"),
        (service, DEMO_PASSWORD, "password"),
        (of_level(UserLevel::Agent, &[zone]), DEMO_PASSWORD, "zone_ids"),
        (of_level(UserLevel::Administrator, &[zone]), DEMO_PASSWORD, "zone_ids"),
    ] {
        let refused = create(&administrator, user.clone(), password).await.unwrap_err();
        assert_eq!(fields(&refused), [field], "{user:?} {password}");
    }
    for (user, why) in [
        // The same address in the letters of another keyboard.
        (named("ＡＤＭＩＮ@gad.example", "Otra"), "EMAIL_TAKEN"),
        (of_level(UserLevel::Supervisor, &[zone, 999_999]), "ZONE_NOT_FOUND"),
    ] {
        let refused = create(&administrator, user, DEMO_PASSWORD).await.unwrap_err();
        assert_eq!(reason(&refused), why);
    }
    // Nothing of it is there: not even what would have come before the refusal.
    let mut only = pb::CreateUserRequest {
        user: Some(good()),
        password: DEMO_PASSWORD.to_owned(),
        validate_only: true,
        ..Default::default()
    };
    let would = administrator.users().create_user(only.clone()).await.unwrap().into_inner();
    assert_eq!((would.id, would.display_name.as_str()), (0, "Nadia Soto"));
    only.validate_only = false;
    administrator.users().create_user(only).await.unwrap();
}

/// All users of a list, page by page.
async fn listed(person: &Person, request: pb::ListUsersRequest) -> Vec<pb::User> {
    let mut request = request;
    let mut all = Vec::new();
    loop {
        let page = person.users().list_users(request.clone()).await.unwrap().into_inner();
        assert!(page.users.len() <= usize::try_from(request.page_size).unwrap());
        all.extend(page.users);
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn pages_make_the_list_in_every_order() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let database = world.database().await;
    database
        .batch_execute(
            "insert into users (uid, email, password_hash, display_name, level, create_time, update_time, last_login_time)
             select gen_random_uuid(), 'n' || n || '@gad.example', 'none', (array['Ána', 'ana', 'Zoe', 'óscar', 'Oscar'])[1 + n % 5], 1,
                    now() - (n / 3) * interval '1 hour', now(), case when n % 4 > 0 then now() - (n % 3) * interval '1 day' end
             from generate_series(1, 40) n",
        )
        .await
        .unwrap();
    for order in ["display_name", "create_time", "last_login_time"] {
        let sql = format!(
            "select id from users u order by {}, id",
            match order {
                "display_name" => "fold(u.display_name) collate \"C\"",
                "create_time" => "u.create_time",
                _ => "coalesce(u.last_login_time, '-infinity')",
            }
        );
        let mut wanted: Vec<i64> = database
            .query(&sql, &[])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        for (page_size, direction) in [(7, ""), (7, " desc"), (1000, "")] {
            if direction == " desc" {
                wanted.reverse();
            }
            let request = pb::ListUsersRequest {
                page_size,
                order_by: format!("{order}{direction}"),
                ..Default::default()
            };
            let got: Vec<i64> = listed(&administrator, request).await.iter().map(|user| user.id).collect();
            assert_eq!(got, wanted, "{order}{direction} by {page_size}");
            if direction == " desc" {
                wanted.reverse();
            }
        }
    }
}

#[tokio::test]
async fn a_search_knows_no_accents_and_finds_addresses_for_administrators_only() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let mut user = named("buzon77@gad.example", "Íñigo Montoya");
    user.given_name = "Íñigo José".to_owned();
    let id = create(&administrator, user, "").await.unwrap().id;
    let find = async |person: &Person, text: &str| {
        let filter = pb::UserFilter {
            text: text.to_owned(),
            ..Default::default()
        };
        let request = pb::ListUsersRequest {
            page_size: 10,
            filter: Some(filter),
            ..Default::default()
        };
        listed(person, request).await.iter().any(|user| user.id == id)
    };
    for text in ["inigo", "ÍÑIGO monto", "jose mon", "Montoya, Íñigo"] {
        assert!(find(&administrator, text).await && find(&supervisor, text).await, "{text}");
    }
    assert!(!find(&administrator, "inigo perez").await);
    assert!(find(&administrator, "buzon77").await);
    assert!(!find(&supervisor, "buzon77").await);
}

#[tokio::test]
async fn filters_hold_who_they_name() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let zone = world.zone("Z-NE").await;
    let limited = pb::User {
        level: UserLevel::Supervisor as i32,
        zone_ids: vec![zone],
        ..named("limitada@gad.example", "Limitada")
    };
    let limited = create(&administrator, limited, "").await.unwrap().id;
    let service = pb::User {
        service: true,
        ..named("bot@gad.example", "Bot")
    };
    let service = create(&administrator, service, "").await.unwrap().id;
    let locked = create(&administrator, named("fuera@gad.example", "Fuera"), "")
        .await
        .unwrap()
        .id;
    let lock = pb::LockUserRequest {
        id: locked,
        reason: "extravió el teléfono".to_owned(),
        ..Default::default()
    };
    administrator.users().lock_user(lock).await.unwrap();
    let gone = create(&administrator, named("ida@gad.example", "Ida"), "").await.unwrap().id;
    delete(&administrator, gone).await.unwrap();
    let sleeping = create(&administrator, named("quieta@gad.example", "Quieta"), "")
        .await
        .unwrap()
        .id;
    deactivate(&administrator, sleeping).await.unwrap();
    let new: BTreeSet<i64> = [limited, service, locked, gone, sleeping].into();
    let holds = async |filter: pb::UserFilter| -> BTreeSet<i64> {
        let request = pb::ListUsersRequest {
            page_size: 100,
            filter: Some(filter),
            ..Default::default()
        };
        let all = listed(&administrator, request).await;
        all.iter().map(|user| user.id).filter(|id| new.contains(id)).collect()
    };
    let filter = pb::UserFilter::default;
    let all = [limited, service, locked, sleeping].into();
    assert_eq!(holds(filter()).await, all);
    let levels = vec![UserLevel::Supervisor as i32];
    assert_eq!(holds(pb::UserFilter { levels, ..filter() }).await, [limited].into());
    let zone_ids = vec![zone];
    assert_eq!(holds(pb::UserFilter { zone_ids, ..filter() }).await, [limited].into());
    let some = Some;
    assert_eq!(
        holds(pb::UserFilter {
            active: some(false),
            ..filter()
        })
        .await,
        [sleeping].into()
    );
    assert_eq!(
        holds(pb::UserFilter {
            locked: some(true),
            ..filter()
        })
        .await,
        [locked].into()
    );
    assert_eq!(
        holds(pb::UserFilter {
            service: some(true),
            ..filter()
        })
        .await,
        [service].into()
    );
    assert_eq!(
        holds(pb::UserFilter {
            verified: some(false),
            ..filter()
        })
        .await,
        all
    );
    let deleted_shown = true;
    assert_eq!(
        holds(pb::UserFilter {
            deleted_shown,
            ..filter()
        })
        .await,
        new
    );
}

#[tokio::test]
async fn everybody_sees_as_much_of_a_user_as_they_need() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let (agent, other) = (world.agent().await, world.other_agent().await);
    let change = pb::UpdateUserRequest {
        user: Some(pb::User {
            id: agent.id,
            phone: "+57 300 555 0101".to_owned(),
            telegram_id: Some(77),
            ..Default::default()
        }),
        ..Default::default()
    };
    let whole = administrator.users().update_user(change).await.unwrap().into_inner();
    assert_eq!(get(&administrator, agent.id).await.unwrap(), whole);
    assert_eq!(get(&agent, agent.id).await.unwrap(), whole);
    let dispatch = get(&supervisor, agent.id).await.unwrap();
    assert_eq!(
        (dispatch.phone.as_str(), dispatch.agent_id),
        ("+57 300 555 0101", agent.agent_id)
    );
    let hidden = (dispatch.email.as_str(), dispatch.telegram_id, dispatch.last_login_time);
    assert_eq!(hidden, ("", None, None));
    let by_telegram = pb::GetUserByTelegramIdRequest { telegram_id: 77 };
    let found = supervisor.users().get_user_by_telegram_id(by_telegram).await.unwrap();
    assert_eq!(found.into_inner(), dispatch);

    // Two field agents who share no task do not know of each other.
    let cards = async |person: &Person| -> Vec<i64> {
        let ids = vec![agent.id, other.id, supervisor.id, administrator.id, 999_999];
        let request = pb::BatchGetUsersRequest { ids };
        let answer = person.users().batch_get_users(request).await.unwrap().into_inner();
        answer.users.iter().map(|card| card.id).collect()
    };
    assert_eq!(reason(&get(&other, agent.id).await.unwrap_err()), "USER_NOT_FOUND");
    assert_eq!(cards(&other).await, [other.id]);
    let task = supervisor.task("De los dos").await;
    for id in [agent.agent_id, other.agent_id] {
        let request = pb::AssignTaskRequest {
            id: task.id,
            agent_id: id.unwrap(),
            ..Default::default()
        };
        supervisor.tasks().assign_task(request).await.unwrap();
    }
    let card = get(&other, agent.id).await.unwrap();
    assert_eq!(
        (card.display_name.as_str(), card.phone.as_str()),
        (whole.display_name.as_str(), "")
    );
    let mut met = vec![supervisor.id, agent.id, other.id];
    met.sort_unstable();
    assert_eq!(cards(&other).await, met);
    let mut all = [&met[..], &[administrator.id]].concat();
    all.sort_unstable();
    assert_eq!(cards(&supervisor).await, all);
}

#[tokio::test]
async fn own_fields_are_changed_by_oneself_and_levels_are_not() {
    let world = World::start().await;
    let (administrator, agent) = (world.administrator().await, world.agent().await);
    let mut watcher = Watcher::live(&world.supervisor().await).await;
    let own = |user: pb::User| pb::UpdateMeRequest {
        user: Some(user),
        ..Default::default()
    };
    let mut change = own(pb::User {
        display_name: "Ana R.".to_owned(),
        username: Some("Ana.Rojas".to_owned()),
        ..Default::default()
    });
    change.request_id = "una-vez".to_owned();
    let changed = agent.users().update_me(change.clone()).await.unwrap().into_inner();
    assert_eq!((changed.display_name.as_str(), changed.username()), ("Ana R.", "ana.rojas"));
    // The agent carries the name: whoever watches hears of it.
    let event = watcher.event().await;
    let Some(pb::event::Resource::Agent(seen)) = &event.resource else {
        panic!("an agent was expected: {event:?}")
    };
    assert_eq!(
        (event.r#type(), seen.display_name.as_str()),
        (EventType::AgentUpdated, "Ana R.")
    );
    let again = agent.users().update_me(change).await.unwrap();
    assert!(again.metadata().contains_key("idempotent-replayed"));
    assert_eq!(again.into_inner(), changed);
    assert_eq!(login(&world, "ANA.rojas").await.unwrap().user.unwrap().id, agent.id);
    for path in ["email", "level", "telegram_id", "zone_ids", "active", "service"] {
        let mut sly = own(pb::User::default());
        sly.update_mask = Some(prost_types::FieldMask {
            paths: vec![path.to_owned()],
        });
        let refused = agent.users().update_me(sly).await.unwrap_err();
        assert_eq!(fields(&refused), ["update_mask"], "{path}");
    }
    let mut stale = own(pb::User::default());
    stale.etag = "r1".to_owned();
    assert_eq!(agent.users().update_me(stale).await.unwrap_err().code(), Code::Aborted);
    for level in [UserLevel::Agent, UserLevel::Supervisor, UserLevel::Administrator] {
        let refused = set_level(&administrator, administrator.id, level, &[]).await.unwrap_err();
        assert_eq!(reason(&refused), "FORBIDDEN");
        let refused = set_level(&world.supervisor().await, agent.id, level, &[]).await.unwrap_err();
        assert_eq!(reason(&refused), "FORBIDDEN");
    }
}

#[tokio::test]
async fn a_new_address_is_unproved_and_ends_what_was_mailed_to_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(|settings| settings.account.mail.mail_dir = Some(folder.path().to_owned())).await;
    let (administrator, agent) = (world.administrator().await, world.agent().await);
    let change = pb::UpdateUserRequest {
        user: Some(pb::User {
            id: agent.id,
            email: "Nueva@gad.example".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let changed = administrator.users().update_user(change).await.unwrap().into_inner();
    assert_eq!(
        (changed.email.as_str(), changed.email_verify_time),
        ("nueva@gad.example", None)
    );
    until("the link is mailed", async || {
        let texts = fs_texts(folder.path());
        texts
            .iter()
            .any(|text| text.contains("nueva@gad.example") && text.contains("verify-email"))
    })
    .await;
}

#[tokio::test]
async fn a_change_of_authority_ends_old_tokens_and_watches_on_every_replica() {
    let world = World::start().await;
    let other = world.another_replica().await;
    let administrator = world.administrator().await;
    let zone = world.zone("Z-NE").await;
    let person = world.newcomer("vega@gad.example", UserLevel::Supervisor, &[]).await;
    let signed_in = login(&world, "vega@gad.example").await.unwrap();
    let there = person.over(other.channel());
    let mut watcher = Watcher::live(&there).await;
    let changed = set_level(&administrator, person.id, UserLevel::Supervisor, &[zone])
        .await
        .unwrap();
    assert_eq!(changed.zone_ids, [zone]);
    // Here at once, elsewhere soon.
    let refused = person.auth().get_me(pb::GetMeRequest {}).await.unwrap_err();
    assert_eq!(reason(&refused), "SIGNED_OUT");
    until("the token is refused there", async || {
        let refused = there.auth().get_me(pb::GetMeRequest {}).await;
        refused.is_err_and(|status| reason(&status) == "SIGNED_OUT")
    })
    .await;
    assert_eq!(watcher.end().await.reason(), EndReason::AuthRevoked);
    // The session goes on, with what it may do now.
    let fresh = refresh(&world, &signed_in.refresh_token).await.unwrap();
    let fresh = person.by(&fresh.access_token, world.replica.channel());
    let mine = fresh.permissions().get_my_permissions(pb::GetMyPermissionsRequest {}).await;
    assert_eq!(mine.unwrap().into_inner().zone_ids, [zone]);
    let refused = set_level(&administrator, person.id, UserLevel::Supervisor, &[999_999])
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "ZONE_NOT_FOUND");
    fresh.auth().get_me(pb::GetMeRequest {}).await.unwrap();
    other.stop().await;
}

#[tokio::test]
async fn whoever_is_closed_is_out_at_once_and_comes_back_when_opened() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let email = "agente@gad.example";
    let agent = world.agent().await;
    let lock = pb::LockUserRequest {
        id: agent.id,
        reason: "extravió el teléfono".to_owned(),
        ..Default::default()
    };
    for locks in [true, false] {
        let available = pb::SetAvailabilityRequest {
            id: agent.agent_id.unwrap(),
            availability: Availability::Available as i32,
            ..Default::default()
        };
        supervisor.agents().set_availability(available).await.unwrap();
        let before = login(&world, email).await.unwrap();
        let person = agent.by(&before.access_token, world.replica.channel());
        let closed = if locks {
            administrator.users().lock_user(lock.clone()).await.unwrap().into_inner()
        } else {
            deactivate(&administrator, agent.id).await.unwrap()
        };
        assert_eq!((closed.lock_reason.is_empty(), closed.active), (!locks, locks));
        let refused = person.auth().get_me(pb::GetMeRequest {}).await.unwrap_err();
        assert_eq!(reason(&refused), "SIGNED_OUT");
        let refused = refresh(&world, &before.refresh_token).await.unwrap_err();
        assert_eq!(reason(&refused), "SESSION_ENDED");
        assert_eq!(reason(&login(&world, email).await.unwrap_err()), "WRONG_CREDENTIALS");
        let request = pb::GetAgentRequest {
            id: agent.agent_id.unwrap(),
        };
        let off = supervisor.agents().get_agent(request).await.unwrap().into_inner();
        assert_eq!(off.availability(), Availability::OffDuty);
        // Nothing is delegated to somebody who cannot do it.
        if !locks {
            let mut task = crate::world::draft("Para quien no está");
            task.delegate_user_id = agent.id;
            let request = pb::CreateTaskRequest {
                task: Some(task),
                ..Default::default()
            };
            let refused = supervisor.tasks().create_task(request).await.unwrap_err();
            assert_eq!(reason(&refused), "USER_NOT_FOUND");
        }
        let opened = if locks {
            administrator.users().unlock_user(step(agent.id)).await.unwrap()
        } else {
            administrator.users().activate_user(step(agent.id)).await.unwrap()
        };
        assert!(opened.into_inner().lock_time.is_none());
        login(&world, email).await.unwrap();
    }
}

#[tokio::test]
async fn failed_attempts_are_forgiven_by_an_administrator() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let email = "agente1@gad.example";
    for _ in 0..5 {
        let request = pb::LoginRequest {
            email: email.to_owned(),
            password: "no es esta".to_owned(),
            ..Default::default()
        };
        administrator.auth().login(request).await.unwrap_err();
    }
    assert_eq!(reason(&login(&world, email).await.unwrap_err()), "WRONG_CREDENTIALS");
    let filter = pb::UserFilter {
        locked: Some(true),
        ..Default::default()
    };
    let request = pb::ListUsersRequest {
        page_size: 10,
        filter: Some(filter),
        ..Default::default()
    };
    let locked = listed(&administrator, request).await;
    assert_eq!(locked.iter().map(|user| user.email.as_str()).collect::<Vec<_>>(), [email]);
    administrator.users().unlock_user(step(locked[0].id)).await.unwrap();
    login(&world, email).await.unwrap();
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_administrators() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let agent = world.agent().await;
    for _ in 0..2 {
        login(&world, "agente@gad.example").await.unwrap();
    }
    let list = async |ended_shown: bool| {
        let mut request = pb::ListUserSessionsRequest {
            user_id: agent.id,
            page_size: 2,
            ended_shown,
            ..Default::default()
        };
        let mut all = Vec::new();
        loop {
            let page = administrator
                .users()
                .list_user_sessions(request.clone())
                .await
                .unwrap()
                .into_inner();
            all.extend(page.sessions);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    };
    let open = list(false).await;
    assert_eq!(open.len(), 3);
    assert!(
        open.windows(2)
            .all(|pair| pair[0].create_time.unwrap().seconds >= pair[1].create_time.unwrap().seconds)
    );
    assert!(open.iter().all(|session| session.user_id == agent.id && !session.current));
    administrator.users().revoke_user_sessions(step(agent.id)).await.unwrap();
    assert_eq!(list(false).await, []);
    let ended = list(true).await;
    assert_eq!(ended.len(), 3);
    for session in ended {
        assert_eq!(session.end_reason(), SessionEnd::RevokedByAdministrator);
    }
    let refused = agent.auth().get_me(pb::GetMeRequest {}).await.unwrap_err();
    assert_eq!(reason(&refused), "SIGNED_OUT");
}

#[tokio::test]
async fn an_expired_password_lets_nobody_further_than_to_change_it() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let agent = world.agent().await;
    let changed = administrator.users().expire_password(step(agent.id)).await.unwrap();
    assert!(changed.into_inner().password_expired);
    let again = login(&world, "agente@gad.example").await.unwrap();
    let person = agent.by(&again.access_token, world.replica.channel());
    let refused = person.tasks().list_tasks(pb::ListTasksRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), "PASSWORD_EXPIRED");
}

#[tokio::test]
async fn one_administrator_remains_whatever_happens_at_once() {
    let world = World::start().await;
    let other = world.another_replica().await;
    let first = world.administrator().await;
    for refused in [
        deactivate(&first, first.id).await,
        delete(&first, first.id).await,
        first
            .users()
            .lock_user(pb::LockUserRequest {
                id: first.id,
                reason: "x".to_owned(),
                ..Default::default()
            })
            .await
            .map(tonic::Response::into_inner),
    ] {
        assert_eq!(reason(&refused.unwrap_err()), "LAST_ADMINISTRATOR");
    }
    let (mut here, mut there) = (first, world.newcomer("otra@gad.example", UserLevel::Administrator, &[]).await);
    for round in 0..6 {
        let elsewhere = there.over(other.channel());
        let (one, two) = match round % 3 {
            0 => tokio::join!(
                set_level(&here, there.id, UserLevel::Agent, &[]),
                set_level(&elsewhere, here.id, UserLevel::Supervisor, &[])
            ),
            1 => tokio::join!(deactivate(&here, there.id), deactivate(&elsewhere, here.id)),
            // Each gives up by itself: nobody else is at fault.
            _ => tokio::join!(deactivate(&here, here.id), deactivate(&elsewhere, there.id)),
        };
        assert_ne!(one.is_ok(), two.is_ok(), "round {round}: {one:?} {two:?}");
        let remained = if round % 3 == 2 { two.is_ok() } else { one.is_ok() };
        let (stays, fell) = if remained { (here, there) } else { (there, here) };
        // Back to two of them.
        let stays = stays.over(world.replica.channel());
        if round % 3 == 0 {
            set_level(&stays, fell.id, UserLevel::Administrator, &[]).await.unwrap();
        } else {
            stays.users().activate_user(step(fell.id)).await.unwrap();
        }
        let email = get(&stays, fell.id).await.unwrap().email;
        (here, there) = (stays, world.sign_in(&email).await);
    }
    other.stop().await;
}

#[tokio::test]
async fn whoever_has_work_is_not_deleted() {
    let world = World::start().await;
    let (administrator, supervisor, agent) = (world.administrator().await, world.supervisor().await, world.agent().await);
    let task = supervisor.task("Trabajo").await;
    let assign = pb::AssignTaskRequest {
        id: task.id,
        agent_id: agent.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().assign_task(assign).await.unwrap();
    // The supervisor answers for the task, the agent is on it.
    for id in [supervisor.id, agent.id] {
        assert_eq!(reason(&delete(&administrator, id).await.unwrap_err()), "STILL_IN_USE");
    }
    let cancel = pb::TaskStepRequest {
        id: task.id,
        ..Default::default()
    };
    supervisor.tasks().cancel_task(cancel.clone()).await.unwrap();
    let mut watcher = Watcher::live(&supervisor).await;
    let deleted = delete(&administrator, agent.id).await.unwrap();
    assert!(deleted.delete_time.is_some() && deleted.agent_id.is_none());
    while watcher.event().await.r#type() != EventType::AgentDeleted {}
    assert_eq!(
        reason(&agent.auth().get_me(pb::GetMeRequest {}).await.unwrap_err()),
        "SIGNED_OUT"
    );
    assert_eq!(reason(&delete(&administrator, agent.id).await.unwrap_err()), "USER_NOT_FOUND");
    assert_eq!(reason(&get(&supervisor, agent.id).await.unwrap_err()), "USER_NOT_FOUND");
    get(&administrator, agent.id).await.unwrap();
    let undelete = pb::UndeleteAgentRequest {
        id: agent.agent_id.unwrap(),
        ..Default::default()
    };
    let refused = administrator.agents().undelete_agent(undelete.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "USER_NOT_FOUND");
    administrator.users().undelete_user(step(agent.id)).await.unwrap();
    administrator.agents().undelete_agent(undelete).await.unwrap();
    login(&world, "agente@gad.example").await.unwrap();
    // Whoever carries on the work of somebody who is gone answers for it.
    let heir = world.newcomer("heredera@gad.example", UserLevel::Supervisor, &[]).await;
    delete(&administrator, supervisor.id).await.unwrap();
    let reopened = heir.tasks().reopen_task(cancel).await.unwrap().into_inner();
    assert_eq!(reopened.delegate_user_id, heir.id);
}

#[tokio::test]
async fn nothing_is_delegated_to_somebody_who_is_deleted_at_that_moment() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    for round in 0..12 {
        let email = format!("fugaz{round}@gad.example");
        let id = create(&administrator, named(&email, "Fugaz"), "").await.unwrap().id;
        let mut task = crate::world::draft("Para quien se va");
        task.delegate_user_id = id;
        let request = pb::CreateTaskRequest {
            task: Some(task),
            ..Default::default()
        };
        let mut tasks = supervisor.tasks();
        let (deleted, created) = tokio::join!(delete(&administrator, id), tasks.create_task(request));
        assert_ne!(deleted.is_ok(), created.is_ok(), "{deleted:?} {created:?}");
        match (deleted, created) {
            (Err(refused), _) => assert_eq!(reason(&refused), "STILL_IN_USE"),
            (_, Err(refused)) => assert_eq!(reason(&refused), "USER_NOT_FOUND"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_agent_is_not_made_of_somebody_who_is_deleted_at_that_moment() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    for round in 0..8 {
        let email = format!("breve{round}@gad.example");
        let id = create(&administrator, named(&email, "Breve"), "").await.unwrap().id;
        let request = pb::CreateAgentRequest {
            agent: Some(pb::Agent {
                user_id: id,
                code: format!("B-{round}"),
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut agents = administrator.agents();
        let (deleted, _) = tokio::join!(delete(&administrator, id), agents.create_agent(request));
        deleted.unwrap();
        let living = "select count(*) from agents where user_id = $1 and delete_time is null";
        let living: i64 = world.database().await.query_one(living, &[&id]).await.unwrap().get(0);
        assert_eq!(living, 0);
    }
}

#[tokio::test]
async fn permissions_are_those_of_the_rules() {
    let world = World::start().await;
    let people = [world.agent().await, world.supervisor().await, world.administrator().await];
    let answer = people[0].permissions().list_permissions(pb::ListPermissionsRequest {}).await;
    let permissions = answer.unwrap().into_inner().permissions;
    let rules = gad::descriptor::rules(&gad::descriptor::pool());
    let guarded = rules.values().filter(|rule| !rule.permission.is_empty()).count();
    let methods = permissions.iter().flat_map(|permission| &permission.methods);
    assert_eq!(methods.clone().count(), guarded, "every guarded RPC is under one permission");
    for permission in &permissions {
        let least = permission.methods.iter().map(|method| method.level).min();
        assert_eq!(Some(permission.level), least, "{}", permission.name);
        let own = permission.name.starts_with("self.");
        let carried = !own && permission.methods.iter().any(|method| !method.step_up);
        assert_eq!(permission.scope, carried, "{}", permission.name);
    }
    for (person, level) in people.iter().zip(1..) {
        let mine = person.permissions().get_my_permissions(pb::GetMyPermissionsRequest {}).await;
        let mine = mine.unwrap().into_inner();
        let open = methods.clone().filter(|method| method.level <= level);
        let open: BTreeSet<&str> = open.map(|method| method.name.as_str()).collect();
        assert_eq!(mine.methods.iter().map(String::as_str).collect::<BTreeSet<_>>(), open);
        assert_eq!((mine.user_id, mine.level, mine.api_token_id), (person.id, level, 0));
    }
}

#[tokio::test]
async fn what_is_kept_for_repeats_does_not_give_secrets_away() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let created = |national_id: &str| pb::CreateUserRequest {
        user: Some(named("rosa@gad.example", "Rosa Peña")),
        password: "tres tristes tigres".to_owned(),
        national_id: national_id.to_owned(),
        request_id: "made-once".to_owned(),
        ..Default::default()
    };
    let request = created("31.222.333");
    let user = administrator.users().create_user(request.clone()).await.unwrap().into_inner();
    let again = administrator.users().create_user(request.clone()).await.unwrap();
    assert!(again.metadata().contains_key("idempotent-replayed"));
    let password = pb::SetUserPasswordRequest {
        id: user.id,
        password: "cuatro caballos".to_owned(),
        request_id: "set-once".to_owned(),
        ..Default::default()
    };
    administrator.users().set_user_password(password.clone()).await.unwrap();
    let rows = world
        .database()
        .await
        .query("select request_hash from replays", &[])
        .await
        .unwrap();
    let kept: BTreeSet<Vec<u8>> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(kept.len(), 2);
    for plain in [request.encode_to_vec(), password.encode_to_vec()] {
        assert!(
            !kept.contains(digest(&SHA256, &plain).as_ref()),
            "whoever reads the hash can guess the secret"
        );
    }
    // Another secret is another request still.
    for other in [
        created("31.222.334"),
        pb::CreateUserRequest {
            password: "otra clave larga".to_owned(),
            ..request
        },
    ] {
        let refused = administrator.users().create_user(other).await.unwrap_err();
        assert_eq!(reason(&refused), "IDEMPOTENCY_KEY_REUSED");
    }
    let asked = pb::GetNationalIdRequest { user_id: user.id };
    let known = administrator.privacy().get_national_id(asked).await.unwrap().into_inner();
    assert_eq!(known.national_id, "31222333");
}

#[tokio::test]
async fn only_trying_to_set_a_password_or_a_national_id_sets_none() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let person = rosa.sign_in().await;
    let password = pb::SetUserPasswordRequest {
        id: rosa.id,
        password: "cuatro caballos".to_owned(),
        validate_only: true,
        ..Default::default()
    };
    administrator.users().set_user_password(password).await.unwrap();
    let id = pb::SetNationalIdRequest {
        national_id: "31222333".to_owned(),
        validate_only: true,
        ..Default::default()
    };
    assert!(person.privacy().set_national_id(id).await.unwrap().into_inner().known);
    let known = person
        .privacy()
        .get_national_id(pb::GetNationalIdRequest { user_id: 0 })
        .await;
    assert_eq!(known.unwrap().into_inner().national_id, "");
    rosa.tokens().await;
    assert!(rosa.mails().await.is_empty());
}
