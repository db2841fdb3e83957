//! Signing in: who may, who may not, and what failed attempts lead to.

use gad::{config::DEMO_PASSWORD, domain::mail::Purpose, pb};
use jiff::SignedDuration;
use prost::Message as _;
use tonic::{Code, Status};

use crate::{
    newcomer::{Hands, Newcomer, login, refusal, waiting},
    world::{Person, World, fields, reason},
};

const NEW: &str = "tres tristes tigres";

/// What a refusal is to whoever is refused: all of it.
fn seen(status: &Status) -> (Code, String, Vec<u8>) {
    (status.code(), status.message().to_owned(), status.details().to_vec())
}

#[tokio::test]
async fn somebody_signs_in_by_address_or_username_however_they_are_written() {
    let world = World::start().await;
    let rosa = Newcomer::to(&world, "rosa.pena").await;
    for name in [
        "rosa.pena@gad.example",
        "ROSA.PENA@GAD.example",
        "ｒｏｓａ.pena＠gad.example",
        "rosa.pena",
        "Rosa.Pena",
    ] {
        let answer = login(&world.replica.channel(), name, DEMO_PASSWORD, "").await.unwrap();
        assert_eq!(answer.user.unwrap().id, rosa.id, "{name}");
    }
}

#[tokio::test]
async fn whoever_cannot_come_in_hears_the_same_whatever_the_reason() {
    let world = World::start().await;
    let server = world.replica.channel();
    let wrong = seen(&login(&server, "supervisor@gad.example", "wrong", "").await.unwrap_err());
    assert_eq!(wrong.0, Code::Unauthenticated);
    let mut refusals = vec![
        login(&server, "nobody@gad.example", DEMO_PASSWORD, "").await,
        login(&server, "nobody", DEMO_PASSWORD, "").await,
        // No address and no username: such a one cannot be anybody's.
        login(&server, "@@@", DEMO_PASSWORD, "").await,
        login(&server, "\u{430}dmin@gad.example", DEMO_PASSWORD, "").await,
        login(&server, "supervisor@gad.example", "wrong", "123456").await,
    ];
    for (name, row) in [
        ("inactive", "active = false"),
        ("deleted", "delete_time = now()"),
        ("invited", "password_hash = null"),
        ("locked", "lock_end_time = now() + interval '1 minute'"),
    ] {
        let newcomer = Newcomer::to(&world, name).await;
        newcomer.set(row).await;
        refusals.push(newcomer.login(DEMO_PASSWORD, "").await);
    }
    for refused in refusals {
        assert_eq!(seen(&refused.unwrap_err()), wrong);
    }
}

#[tokio::test]
async fn five_failures_lock_an_account_for_half_an_hour_and_its_owner_is_told_once() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    for _ in 0..4 {
        rosa.login("wrong", "").await.unwrap_err();
    }
    rosa.login(DEMO_PASSWORD, "").await.expect("four failures do not lock");
    for _ in 0..5 {
        rosa.login("wrong", "").await.unwrap_err();
    }
    for _ in 0..7 {
        let refused = rosa.login(DEMO_PASSWORD, "").await.unwrap_err();
        assert_eq!(reason(&refused), "WRONG_CREDENTIALS");
        rosa.login("wrong", "").await.unwrap_err();
    }
    hands.pass(SignedDuration::from_secs(30 * 60 - 1));
    rosa.login(DEMO_PASSWORD, "").await.expect_err("it is not over yet");
    hands.pass(SignedDuration::from_secs(1));
    rosa.login("wrong", "").await.unwrap_err();
    rosa.login(DEMO_PASSWORD, "").await.expect("it is over, and counts anew");
    let mails: Vec<Purpose> = rosa.mails().await.into_iter().map(|(purpose, _)| purpose).collect();
    assert_eq!(mails, [Purpose::Locked]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_attempts_at_a_time_on_two_replicas_five_count() {
    let world = World::start().await;
    let other = world.another_replica().await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let servers = [world.replica.channel(), other.channel()];
    let attempts = (0..50).map(|number| {
        let (server, email) = (servers[number % 2].clone(), rosa.email.clone());
        async move { login(&server, &email, "wrong", "").await }
    });
    for attempt in futures::future::join_all(attempts).await {
        assert_eq!(reason(&attempt.unwrap_err()), "WRONG_CREDENTIALS");
    }
    // Had more counted, or fewer, or two of them as one: there would be more mails, none, or a count that is left.
    assert_eq!(rosa.mails().await.len(), 1);
    assert_eq!(rosa.column("failed_logins").await.as_deref(), Some("0"));
    assert!(rosa.column("lock_end_time").await.is_some());
    rosa.login(DEMO_PASSWORD, "").await.expect_err("it is locked");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_rightly_many_times_at_once_always_comes_in() {
    let world = World::start().await;
    let rosa = Newcomer::to(&world, "rosa").await;
    rosa.set("failed_logins = 4").await;
    let attempts = (0..20).map(|_| rosa.login(DEMO_PASSWORD, ""));
    for attempt in futures::future::join_all(attempts).await {
        attempt.unwrap();
    }
    assert_eq!(rosa.column("failed_logins").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_hash_of_an_older_product_fits_once_and_is_replaced() {
    let world = World::start().await;
    let rosa = Newcomer::to(&world, "rosa").await;
    // Made by the older product's library: "contraseña-vieja", cost 4.
    let old = bcrypt_hash("contraseña-vieja");
    rosa.set(&format!("password_hash = '{old}'")).await;
    rosa.login("contraseña", "").await.unwrap_err();
    assert_eq!(rosa.column("password_hash").await.as_deref(), Some(old.as_str()));
    rosa.login("contraseña-vieja", "").await.unwrap();
    let hash = rosa.column("password_hash").await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    rosa.login("contraseña-vieja", "").await.unwrap();
    // Written with a combining tilde, as some keyboards do: the new hash is of the one form.
    rosa.login("contrasen\u{303}a-vieja", "").await.unwrap();
}

fn bcrypt_hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

#[tokio::test]
async fn an_expired_password_opens_nothing_but_the_way_to_change_it() {
    let world = World::start().await;
    let rosa = Newcomer::to(&world, "rosa").await;
    rosa.set("password_expired = true").await;
    let tokens = rosa.tokens().await;
    assert!(tokens.user.as_ref().unwrap().password_expired);
    let limited = Person::of(&tokens, world.replica.channel());
    let refusals = [
        limited.zones().list_zones(pb::ListZonesRequest {}).await.err(),
        limited.tasks().list_tasks(pb::ListTasksRequest::default()).await.err(),
        limited.events().watch(pb::WatchRequest::default()).await.err(),
        limited.auth().enrol_totp(pb::EnrolTotpRequest {}).await.err(),
        limited.auth().logout_everywhere(pb::LogoutEverywhereRequest {}).await.err(),
    ];
    for refused in refusals {
        let refused = refused.expect("a refusal");
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::PermissionDenied, "PASSWORD_EXPIRED")
        );
    }
    assert_eq!(refusal(&limited).await, "");
    let again = crate::newcomer::refresh(&world.replica.channel(), &tokens.refresh_token)
        .await
        .unwrap();
    let again = Person::of(&again, world.replica.channel());
    again
        .zones()
        .list_zones(pb::ListZonesRequest {})
        .await
        .expect_err("refreshing does not help");
    let change = pb::ChangePasswordRequest {
        current_password: DEMO_PASSWORD.to_owned(),
        new_password: NEW.to_owned(),
    };
    let fresh = limited.auth().change_password(change).await.unwrap().into_inner();
    let free = limited.with(&fresh.access_token, world.replica.channel());
    free.zones().list_zones(pb::ListZonesRequest {}).await.unwrap();
    assert!(!rosa.login(NEW, "").await.unwrap().user.unwrap().password_expired);
}

fn registration(email: &str, username: &str, password: &str) -> pb::RegisterRequest {
    pb::RegisterRequest {
        email: email.to_owned(),
        username: username.to_owned(),
        password: password.to_owned(),
        display_name: " Rosa Peña ".to_owned(),
        country_code: "EC".to_owned(),
        ..Default::default()
    }
}

async fn register(world: &World, request: pb::RegisterRequest) -> Result<pb::User, Status> {
    let answer = pb::auth_service_client::AuthServiceClient::new(world.replica.channel())
        .register(request)
        .await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn who_registers_with_a_username_may_sign_in_at_once_and_others_prove_their_address_first() {
    let world = World::start().await;
    let server = world.replica.channel();
    let user = register(&world, registration("Rosa@GAD.example", "Rosa", NEW)).await.unwrap();
    assert_eq!(
        (user.email.as_str(), user.username.as_deref()),
        ("rosa@gad.example", Some("rosa"))
    );
    assert_eq!(
        (user.display_name.as_str(), user.country_code.as_deref()),
        ("Rosa Peña", Some("EC"))
    );
    assert_eq!((user.level(), user.active), (pb::UserLevel::Agent, true));
    let me = login(&server, "rosa", NEW, "").await.unwrap().user.unwrap();
    assert_eq!(me.email_verify_time, None);

    let user = register(&world, registration("luis@gad.example", "", NEW)).await.unwrap();
    let refused = login(&server, "luis@gad.example", NEW, "").await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::PermissionDenied, "EMAIL_NOT_VERIFIED")
    );
    let wrong = login(&server, "luis@gad.example", "wrong", "").await.unwrap_err();
    assert_eq!(reason(&wrong), "WRONG_CREDENTIALS");
    let mails = waiting(world.database_url(), user.id).await;
    assert_eq!(mails.len(), 1);
    let verify = pb::VerifyEmailRequest {
        token: crate::newcomer::token(&mails[0].1),
    };
    let mut anybody = pb::auth_service_client::AuthServiceClient::new(server.clone());
    anybody.verify_email(verify.clone()).await.unwrap();
    assert_eq!(
        reason(&anybody.verify_email(verify).await.unwrap_err()),
        "MAILED_TOKEN_INVALID"
    );
    let me = login(&server, "luis@gad.example", NEW, "").await.unwrap().user.unwrap();
    assert!(me.email_verify_time.is_some());
    let purposes: Vec<Purpose> = waiting(world.database_url(), user.id)
        .await
        .into_iter()
        .map(|mail| mail.0)
        .collect();
    assert_eq!(purposes, [Purpose::Verification, Purpose::Welcome]);
}

#[tokio::test]
async fn who_registers_where_nobody_may_is_refused() {
    let world = World::with(|settings| settings.account.open_registration = false).await;
    let refused = register(&world, registration("rosa@gad.example", "rosa", NEW))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::PermissionDenied, "REGISTRATION_CLOSED")
    );
}

#[tokio::test]
async fn one_address_and_one_username_make_one_account() {
    let world = World::start().await;
    register(&world, registration("rosa@gad.example", "rosa", NEW)).await.unwrap();
    for same in ["ROSA@gad.example", "ｒｏｓａ@gad.example", "rosa@ＧＡＤ.example"] {
        let refused = register(&world, registration(same, "", NEW)).await.unwrap_err();
        assert_eq!(reason(&refused), "EMAIL_TAKEN", "{same}");
    }
    let refused = register(&world, registration("rosa2@gad.example", "ROSA", NEW))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "IDENTITY_TAKEN");
    for alike in [
        "r\u{43e}sa@gad.example",
        "rosa\u{200b}@gad.example",
        "rosa@gad\u{ad}.example\u{0}",
    ] {
        let refused = register(&world, registration(alike, "", NEW)).await.unwrap_err();
        assert_eq!(fields(&refused), ["email"], "{alike:?}");
    }
}

#[tokio::test]
async fn what_is_no_password_is_refused_by_name_wherever_one_is_set() {
    let world = World::start().await;
    let rosa = Newcomer::to(&world, "rosa.pena").await;
    let me = rosa.sign_in().await;
    let long = "añ1-".repeat(250);
    for bad in [
        "a",
        "ñandú-7",
        "12345678",
        "Password1",
        "rosa.pena",
        "Rosa Peña",
        "rosapeña",
        "nul\0nul\0nul",
        &format!("{long}x"),
    ] {
        let change = pb::ChangePasswordRequest {
            current_password: DEMO_PASSWORD.to_owned(),
            new_password: bad.to_owned(),
        };
        let refused = me.auth().change_password(change).await.unwrap_err();
        assert_eq!(fields(&refused), ["new_password"], "{bad:?}");
        let own = registration("rosa.pena2@gad.example", "rosa.pena", bad);
        assert_eq!(fields(&register(&world, own).await.unwrap_err()), ["password"], "{bad:?}");
    }
    rosa.login(DEMO_PASSWORD, "").await.expect("nothing has changed");
    let change = pb::ChangePasswordRequest {
        current_password: DEMO_PASSWORD.to_owned(),
        new_password: long.clone(),
    };
    me.auth().change_password(change).await.unwrap();
    rosa.login(&long, "").await.unwrap();
    // Anything may be tried; what is longer than a password can be is not looked at.
    let refused = rosa.login(&"x".repeat(1001), "").await.unwrap_err();
    assert_eq!(fields(&refused), ["password"]);
    assert_eq!(reason(&rosa.login("\0", "").await.unwrap_err()), "WRONG_CREDENTIALS");
}

#[tokio::test]
async fn nothing_secret_is_kept_in_the_clear() {
    let world = World::start().await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let tokens = rosa.tokens().await;
    let mut anybody = pb::auth_service_client::AuthServiceClient::new(world.replica.channel());
    let ask = pb::RequestPasswordResetRequest {
        email: rosa.email.clone(),
    };
    anybody.request_password_reset(ask).await.unwrap();
    let link = rosa.link(Purpose::Reset).await;
    let me = Person::of(&tokens, world.replica.channel());
    let enrolled = me.auth().enrol_totp(pb::EnrolTotpRequest {}).await.unwrap().into_inner();
    let dump = world
        .database()
        .await
        .query_one(
            "select concat((select string_agg(to_jsonb(u)::text, '') from users u),
                           (select string_agg(to_jsonb(r)::text, '') from refresh_tokens r),
                           (select string_agg(to_jsonb(s)::text, '') from sessions s),
                           (select string_agg(to_jsonb(t)::text, '') from mailed_tokens t),
                           (select string_agg(to_jsonb(m)::text, '') from mails m))",
            &[],
        )
        .await
        .unwrap();
    let dump: String = dump.get(0);
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let bytes = hex::encode(crate::newcomer::app(&enrolled.secret).secret().as_bytes());
    for secret in [
        &tokens.refresh_token,
        &link,
        &enrolled.secret,
        &tokens.access_token,
        &DEMO_PASSWORD.to_owned(),
    ] {
        assert!(!dump.contains(secret.as_str()) && !dump.contains(&hex(secret)));
    }
    assert!(!dump.contains(&bytes));
    assert!(tokens.encode_to_vec().len() < 4096, "tokens fit into a header");
}
