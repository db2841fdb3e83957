//! Mail: that it goes out, once, whatever the server does; and that what it gives people works once.

use std::{collections::BTreeSet, fs, net::SocketAddr, sync::Arc};

use gad::{
    app::App,
    config::{DEMO_PASSWORD, ServeSettings, SmtpTls},
    domain::{UserId, mail::Purpose},
    pb::{self, auth_service_client::AuthServiceClient},
    rpc::letter,
    store,
};
use jiff::SignedDuration;
use tonic::transport::Channel;

use crate::{
    newcomer::{Hands, Newcomer, refusal, refused},
    smtp::{Manners, Smtp, read_mail},
    world::{Person, World, reason, until},
};

const NEW: &str = "tres tristes tigres";

fn anybody(world: &World) -> AuthServiceClient<Channel> {
    AuthServiceClient::new(world.replica.channel())
}

async fn ask_reset(world: &World, email: &str) -> pb::RequestPasswordResetResponse {
    let request = pb::RequestPasswordResetRequest { email: email.to_owned() };
    anybody(world).request_password_reset(request).await.unwrap().into_inner()
}

async fn ask_verification(world: &World, email: &str) -> pb::RequestEmailVerificationResponse {
    let request = pb::RequestEmailVerificationRequest { email: email.to_owned() };
    anybody(world).request_email_verification(request).await.unwrap().into_inner()
}

/// Sets a password by link; the reason of a refusal, empty if there was none.
async fn reset(world: &World, token: &str, new_password: &str) -> String {
    let request = pb::ResetPasswordRequest {
        token: token.to_owned(),
        new_password: new_password.to_owned(),
    };
    match anybody(world).reset_password(request).await {
        Ok(_) => String::new(),
        Err(status) => reason(&status),
    }
}

fn by(address: SocketAddr) -> impl FnOnce(&mut ServeSettings) {
    move |settings| {
        settings.account.mail.smtp_host = Some(address.ip().to_string());
        settings.account.mail.smtp_port = address.port();
    }
}

#[tokio::test]
async fn a_mail_goes_out_by_smtp_in_its_readers_language_and_is_forgotten() {
    let smtp = Smtp::start(Manners::default()).await;
    let address = smtp.address;
    let world = World::with(|settings| {
        by(address)(settings);
        settings.account.mail.smtp_username = Some("gad".to_owned());
        settings.account.mail.smtp_password = Some("s3cret".into());
        settings.account.project_name = "Municipio".to_owned();
        settings.account.frontend_url = "https://gad.example/".to_owned();
    })
    .await;
    let rosa = Newcomer::to(&world, "rosa").await;
    ask_reset(&world, "ROSA@gad.example").await;
    until("the mail is there", async || !smtp.mails().is_empty()).await;
    let mail = smtp.mails().remove(0);
    assert_eq!(mail.signed_in, Some(("gad".to_owned(), "s3cret".to_owned())));
    assert_eq!(mail.to, "rosa@gad.example");
    assert!(mail.head.contains("From: GAD <gad@gad.example>") && mail.head.contains("Message-ID: <"));
    // "Restablecimiento de contraseña - Municipio", as headers have it.
    assert!(mail.head.contains("Subject: Restablecimiento de =?utf-8?b?"), "{}", mail.head);
    assert!(mail.text.starts_with("Hola, Rosa Peña:"), "{}", mail.text);
    let (_, link) = mail.text.split_once("https://gad.example/reset-password?token=").unwrap();
    let token = link.split_whitespace().next().unwrap();
    let left = async || rosa.mails().await.len();
    until("it is forgotten", async || left().await == 0).await;
    assert_eq!(reset(&world, token, NEW).await, "");

    rosa.set("language = 'en'").await;
    ask_reset(&world, "rosa@gad.example").await;
    let english = || {
        smtp.mails()
            .into_iter()
            .find(|mail| mail.text.starts_with("Hello, Rosa Peña:"))
    };
    until("the next one is English", async || english().is_some()).await;
    let english = english().unwrap();
    assert!(
        english.head.contains("Subject: Password reset - Municipio"),
        "{}",
        english.head
    );
}

#[tokio::test]
async fn an_smtp_server_that_says_nothing_holds_up_nobody() {
    let smtp = Smtp::start(Manners {
        silent: true,
        ..Default::default()
    })
    .await;
    let world = World::with(by(smtp.address)).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    ask_reset(&world, "rosa@gad.example").await;
    until("somebody speaks to the server", async || smtp.callers() > 0).await;
    // The mail is stuck; calls are not, nor are those that queue more.
    for _ in 0..3 {
        ask_reset(&world, "rosa@gad.example").await;
    }
    rosa.tokens().await;
    assert!(smtp.mails().is_empty());
}

#[tokio::test]
async fn a_mail_that_fails_is_tried_again_later_and_given_up_when_it_is_not_worth_it() {
    let hands = Hands::now();
    let manners = Manners::default();
    let smtp = Smtp::start(manners.clone()).await;
    let world = World::with_clock(hands.clock(), by(smtp.address)).await;
    Newcomer::to(&world, "rosa").await;
    let database = world.database().await;
    let row = async || {
        let sql = "select attempts, failure, fail_time is not null as dead, octet_length(sealed) as length from mails";
        database.query_opt(sql, &[]).await.unwrap()
    };
    manners.refusals.lock().unwrap().extend(["451 later", "550 rosa is not here"]);
    ask_reset(&world, "rosa@gad.example").await;
    for (attempts, wait) in [(1, 15), (2, 30)] {
        until("it was tried and put off", async || {
            row()
                .await
                .is_some_and(|row| row.get::<_, i32>(0) == attempts && !row.get::<_, String>(1).is_empty())
        })
        .await;
        // What servers say may name people: only the number is kept.
        let said: String = row().await.unwrap().get(1);
        assert!(said.starts_with("the server said ") && !said.contains("rosa"), "{said}");
        database.execute("update mails set failure = ''", &[]).await.unwrap();
        assert!(smtp.mails().is_empty());
        hands.pass(SignedDuration::from_secs(wait));
    }
    until("the third try gets through", async || smtp.mails().len() == 1).await;
    until("and it is forgotten", async || row().await.is_none()).await;

    manners.refusals.lock().unwrap().extend(vec!["550 no"; 100]);
    ask_reset(&world, "rosa@gad.example").await;
    until("it was tried", async || {
        row().await.is_some_and(|row| row.get::<_, i32>(0) == 1)
    })
    .await;
    until("it is given up, and nothing is left of what it said", async || {
        hands.pass(SignedDuration::from_mins(10));
        row()
            .await
            .is_some_and(|row| row.get::<_, bool>(2) && row.get::<_, i32>(3) == 0)
    })
    .await;
    assert_eq!(smtp.mails().len(), 1);
}

#[tokio::test]
async fn mail_waits_for_a_server_that_is_not_there_yet() {
    let hands = Hands::now();
    let address = Smtp::start(Manners::default()).await.address;
    let world = World::with_clock(hands.clock(), by(address)).await;
    Newcomer::to(&world, "rosa").await;
    ask_reset(&world, "rosa@gad.example").await;
    let database = world.database().await;
    let failed = async || {
        let row = database.query_one("select failure <> '' from mails", &[]).await.unwrap();
        row.get::<_, bool>(0)
    };
    until("it was tried in vain", failed).await;
    let smtp = Smtp::at(address, Manners::default()).await;
    hands.pass(SignedDuration::from_secs(15));
    until("it comes", async || smtp.mails().len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_replicas_one_sends_each_mail() {
    let smtp = Smtp::start(Manners::default()).await;
    let world = World::with(by(smtp.address)).await;
    let others = [world.another_replica().await, world.another_replica().await];
    for number in 0..30 {
        Newcomer::to(&world, &format!("rosa{number}")).await;
        ask_reset(&world, &format!("rosa{number}@gad.example")).await;
    }
    let database = world.database().await;
    let left = async || {
        database
            .query_one("select count(*) from mails", &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
    };
    until("all are sent", async || left().await == 0).await;
    let to: BTreeSet<String> = smtp.mails().into_iter().map(|mail| mail.to).collect();
    assert_eq!((smtp.mails().len(), to.len()), (30, 30));
    for other in others {
        other.stop().await;
    }
}

#[tokio::test]
async fn nothing_is_said_in_the_clear_to_a_server_that_should_speak_tls() {
    let smtp = Smtp::start(Manners::default()).await;
    let address = smtp.address;
    let world = World::with(|settings| {
        by(address)(settings);
        settings.account.mail.smtp_use_tls = SmtpTls::Starttls;
        settings.account.mail.smtp_username = Some("gad".to_owned());
        settings.account.mail.smtp_password = Some("s3cret".into());
    })
    .await;
    Newcomer::to(&world, "rosa").await;
    ask_reset(&world, "rosa@gad.example").await;
    let database = world.database().await;
    let failed = async || {
        let row = database.query_one("select failure <> '' from mails", &[]).await.unwrap();
        row.get::<_, bool>(0)
    };
    until("it was tried in vain", failed).await;
    assert!(smtp.callers() > 0 && smtp.mails().is_empty());
}

#[tokio::test]
async fn without_a_server_mail_goes_to_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("mail");
    let world = World::with(|settings| settings.account.mail.mail_dir = Some(place.clone())).await;
    Newcomer::to(&world, "rosa").await;
    ask_reset(&world, "rosa@gad.example").await;
    let files = || {
        fs::read_dir(&place)
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect::<Vec<_>>()
    };
    until("a file is there", async || {
        files().iter().any(|file| file.extension().is_some_and(|end| end == "eml"))
    })
    .await;
    let source = fs::read_to_string(&files()[0]).unwrap();
    let mail = read_mail(None, "", &source);
    assert!(mail.head.contains("To: rosa@gad.example"), "{}", mail.head);
    assert!(mail.text.contains("https://gad.example/reset-password?token="));
}

#[tokio::test]
async fn a_link_sets_a_password_once_and_ends_all_sessions() {
    let world = World::start().await;
    let other = world.another_replica().await;
    let rosa = Newcomer::to(&world, "rosa").await;
    rosa.set("email_verify_time = null, failed_logins = 3, lock_end_time = now() + interval '20 minutes'")
        .await;
    rosa.login(DEMO_PASSWORD, "").await.expect_err("it is locked");
    rosa.set("lock_end_time = null").await;
    let me = rosa.sign_in().await;
    let there = me.over(other.channel());
    assert_eq!(refusal(&there).await, "");
    rosa.set("lock_end_time = now() + interval '20 minutes'").await;
    ask_reset(&world, "rosa@gad.example").await;
    let link = rosa.link(Purpose::Reset).await;
    assert_eq!(reset(&world, &link, "12345678").await, "INVALID_FIELD");
    assert_eq!(
        reset(&world, &link, NEW).await,
        "",
        "a password that is none does not use the link up"
    );
    assert_eq!(reset(&world, &link, NEW).await, "MAILED_TOKEN_INVALID");
    assert_eq!(refusal(&me).await, "SIGNED_OUT");
    refused(&there).await;
    let user = rosa.login(NEW, "").await.unwrap().user.unwrap();
    assert!(user.email_verify_time.is_some(), "who got the link has the address");
    assert_eq!(user.lock_end_time, None);
    let told: Vec<Purpose> = rosa.mails().await.into_iter().map(|mail| mail.0).collect();
    assert_eq!(told, [Purpose::Reset, Purpose::PasswordChanged]);
    other.stop().await;
}

#[tokio::test]
async fn a_link_ends_with_its_hour_with_the_next_one_and_with_the_address() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let ask = async || {
        ask_reset(&world, "rosa@gad.example").await;
        rosa.link(Purpose::Reset).await
    };
    let (first, second) = (ask().await, ask().await);
    assert_eq!(rosa.mails().await.len(), 1, "a mail whose link is void is not sent");
    assert_eq!(reset(&world, &first, NEW).await, "MAILED_TOKEN_INVALID");
    hands.pass(SignedDuration::from_mins(60));
    assert_eq!(reset(&world, &second, NEW).await, "MAILED_TOKEN_INVALID");
    let third = ask().await;
    rosa.set("email = 'rosa2@gad.example'").await;
    assert_eq!(reset(&world, &third, NEW).await, "MAILED_TOKEN_INVALID");
    rosa.set("email = 'rosa@gad.example', active = false").await;
    assert_eq!(reset(&world, &third, NEW).await, "MAILED_TOKEN_INVALID");
    rosa.set("active = true").await;
    let verify = pb::VerifyEmailRequest { token: third.clone() };
    let wrong = anybody(&world).verify_email(verify).await.unwrap_err();
    assert_eq!(
        reason(&wrong),
        "MAILED_TOKEN_INVALID",
        "a link is good for what it was sent for"
    );
    let ahead = SignedDuration::from_mins(60) - SignedDuration::from_secs(1);
    hands.pass(ahead);
    assert_eq!(reset(&world, &third, NEW).await, "");
}

#[tokio::test]
async fn who_asks_for_mail_hears_the_same_whoever_has_the_address_and_floods_nobody() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let closed = Newcomer::to(&world, "closed").await;
    closed.set("active = false").await;
    for email in [
        "rosa@gad.example",
        "closed@gad.example",
        "nobody@gad.example",
        "no-address",
        "\u{440}osa@gad.example",
    ] {
        assert_eq!(ask_reset(&world, email).await, pb::RequestPasswordResetResponse {});
        assert_eq!(ask_verification(&world, email).await, pb::RequestEmailVerificationResponse {});
    }
    let purposes = async |of: &Newcomer| -> Vec<Purpose> { of.mails().await.into_iter().map(|mail| mail.0).collect() };
    assert_eq!(purposes(&rosa).await, [Purpose::Reset], "a proved address needs no proof");
    assert_eq!(purposes(&closed).await, []);
    for _ in 0..10 {
        ask_reset(&world, "rosa@gad.example").await;
    }
    let made = async || {
        let sql = "select count(*) from mailed_tokens";
        world.database().await.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    assert_eq!(made().await, 5);
    assert_eq!(
        reset(&world, &rosa.link(Purpose::Reset).await, NEW).await,
        "",
        "the last one that was sent works"
    );
    hands.pass(SignedDuration::from_mins(61));
    ask_reset(&world, "rosa@gad.example").await;
    assert_eq!(made().await, 6);
}

#[tokio::test]
async fn whoever_is_invited_sets_the_first_password() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    rosa.set("password_hash = null, email_verify_time = null").await;
    let (app, _) = App::start(world.settings.clone(), hands.clock()).await.unwrap();
    let invite = async || {
        let app: &Arc<App> = &app;
        let mut conn = app.database.lease().await.unwrap();
        let user = store::user::get(&*conn, UserId(rosa.id)).await.unwrap().unwrap();
        let tx = conn.begin(None).await.unwrap();
        letter::invite(app, &tx, &user, hands.get()).await.unwrap();
        tx.commit().await.unwrap();
        rosa.link(Purpose::Invitation).await
    };
    let accept = async |token: &str| {
        let request = pb::AcceptInvitationRequest {
            token: token.to_owned(),
            password: NEW.to_owned(),
        };
        let answer = anybody(&world).accept_invitation(request).await;
        answer.map_or_else(|status| reason(&status), |_| String::new())
    };
    let late = invite().await;
    hands.pass(SignedDuration::from_hours(7 * 24));
    assert_eq!(accept(&late).await, "MAILED_TOKEN_INVALID");
    let (void, good) = (invite().await, invite().await);
    assert_eq!(accept(&void).await, "MAILED_TOKEN_INVALID");
    hands.pass(SignedDuration::from_hours(7 * 24 - 1));
    assert_eq!(accept(&good).await, "");
    assert_eq!(accept(&good).await, "MAILED_TOKEN_INVALID");
    let tokens = rosa.login(NEW, "").await.unwrap();
    assert!(tokens.user.as_ref().unwrap().email_verify_time.is_some());
    assert_eq!(refusal(&Person::of(&tokens, world.replica.channel())).await, "");
}

#[tokio::test]
async fn an_invitation_ends_when_a_password_is_set_another_way() {
    let world = World::start().await;
    let rosa = Newcomer::to(&world, "rosa").await;
    rosa.set("password_hash = null").await;
    let (app, _) = App::start(world.settings.clone(), gad::clock::Clock::system()).await.unwrap();
    let mut conn = app.database.lease().await.unwrap();
    let user = store::user::get(&*conn, UserId(rosa.id)).await.unwrap().unwrap();
    let tx = conn.begin(None).await.unwrap();
    letter::invite(&app, &tx, &user, app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let invitation = rosa.link(Purpose::Invitation).await;
    ask_reset(&world, "rosa@gad.example").await;
    assert_eq!(reset(&world, &rosa.link(Purpose::Reset).await, NEW).await, "");
    let request = pb::AcceptInvitationRequest {
        token: invitation,
        password: "otra contraseña larga".to_owned(),
    };
    let refused = anybody(&world).accept_invitation(request).await.unwrap_err();
    assert_eq!(reason(&refused), "MAILED_TOKEN_INVALID");
}
