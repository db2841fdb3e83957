//! Keys that sign access tokens, the secret key, and the first administrator.

use std::process::{Command, Output};

use gad::{
    clock::Clock,
    config::{DEMO_PASSWORD, DEMO_SECRET, DatabaseSettings},
    domain::mail::Purpose,
    identity::Seal,
    keys::{self, Resealed},
    pb::{self, auth_service_client::AuthServiceClient},
    store::{self, Database},
};
use jiff::SignedDuration;
use tonic::transport::Channel;

use crate::{
    newcomer::{Hands, Newcomer, code, login, refresh, refusal},
    world::{Person, Replica, World, account_settings, connect, database_settings, empty_database, settings, until},
};

const NEW: &str = "tres tristes tigres";

/// Names of the keys that a server publishes, newest first.
async fn published(server: &Channel) -> Vec<String> {
    let answer = AuthServiceClient::new(server.clone()).get_jwks(pb::GetJwksRequest {}).await;
    answer.unwrap().into_inner().keys.into_iter().map(|key| key.kid).collect()
}

/// Name of the key that signed a token.
fn signer(tokens: &pb::LoginResponse) -> String {
    jsonwebtoken::decode_header(&tokens.access_token).unwrap().kid.unwrap()
}

fn gad(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gad"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.output().expect("gad starts")
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_new_key_signs_on_every_replica_within_seconds_and_the_old_one_verifies_to_the_end() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let other = Replica::start(world.settings.clone(), hands.clock()).await;
    let (here, there) = (world.replica.channel(), other.channel());
    let rosa = Newcomer::to(&world, "rosa").await;
    let before = rosa.tokens().await;
    let old = signer(&before);
    let (database, seal) = (
        Database::connect(&world.settings.database).await.unwrap(),
        Seal::new(DEMO_SECRET.into()),
    );
    let lifetime = SignedDuration::from_mins(30);
    // Which key is newer is told by time, and this world's stands still.
    hands.pass(SignedDuration::from_secs(1));
    let new = keys::rotate(&database, &seal, lifetime, false, hands.get()).await.unwrap();
    for server in [&here, &there] {
        until("both keys are published", async || {
            published(server).await == [new.clone(), old.clone()]
        })
        .await;
    }
    // Nobody may see a token of a key that is not everywhere yet.
    assert_eq!(signer(&rosa.tokens().await), old);
    hands.pass(SignedDuration::from_secs(5));
    let after = rosa.tokens().await;
    assert_eq!(signer(&after), new);
    assert_eq!(signer(&login(&there, "rosa", DEMO_PASSWORD, "").await.unwrap()), new);
    for tokens in [&before, &after] {
        for server in [&here, &there] {
            assert_eq!(refusal(&Person::of(tokens, server.clone())).await, "");
        }
    }
    // The old key goes when the last token that it can have signed has ended.
    hands.pass(lifetime + SignedDuration::from_secs(60));
    for server in [&here, &there] {
        assert_eq!(published(server).await, std::slice::from_ref(&new));
        assert_eq!(refusal(&Person::of(&before, server.clone())).await, "SIGNED_OUT");
    }
    let again = refresh(&here, &before.refresh_token)
        .await
        .expect("sessions do not end with keys");
    assert_eq!(signer(&again), new);
    other.stop().await;
}

#[tokio::test]
async fn a_withdrawn_key_is_not_believed_any_more() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let tokens = rosa.tokens().await;
    let me = Person::of(&tokens, world.replica.channel());
    assert_eq!(refusal(&me).await, "");
    let (database, seal) = (
        Database::connect(&world.settings.database).await.unwrap(),
        Seal::new(DEMO_SECRET.into()),
    );
    keys::rotate(&database, &seal, SignedDuration::from_mins(30), true, hands.get())
        .await
        .unwrap();
    until("what it signed is refused", async || refusal(&me).await == "SIGNED_OUT").await;
    let fresh = refresh(&world.replica.channel(), &tokens.refresh_token).await.unwrap();
    assert_eq!(refusal(&Person::of(&fresh, world.replica.channel())).await, "");
}

#[tokio::test]
async fn keys_are_shown_and_rotated_from_the_command_line() {
    let world = World::start().await;
    let old = signer(&Newcomer::to(&world, "rosa").await.tokens().await);
    let variables = [("DATABASE_URL", world.database_url()), ("SECRET_KEY", DEMO_SECRET)];
    let shown = said(gad(&["keys", "list"], &variables));
    assert!(shown.starts_with(&old) && shown.ends_with("signs"), "{shown}");
    let new = said(gad(&["keys", "rotate"], &variables));
    let shown = said(gad(&["keys", "list"], &variables));
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        new.starts_with(lines[0].split(' ').next().unwrap()) && lines[0].ends_with("signs"),
        "{shown}"
    );
    assert!(lines[1].starts_with(&old) && lines[1].contains("verifies until"), "{shown}");
    let refused = gad(&["keys", "rotate"], &variables[..1]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("SECRET_KEY is not set"));
    assert!(!refused.status.success());
}

#[tokio::test]
async fn the_secret_key_can_be_changed() {
    const NEXT: &str = "another-secret-key-of-thirty-two-characters";
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let tokens = rosa.tokens().await;
    let (app, recovery) = rosa.enrol(&Person::of(&tokens, world.replica.channel()), hands.get()).await;
    let first = refresh(&world.replica.channel(), &tokens.refresh_token).await.unwrap();
    let mut anybody = AuthServiceClient::new(world.replica.channel());
    let ask = pb::RequestPasswordResetRequest {
        email: rosa.email.clone(),
    };
    anybody.request_password_reset(ask).await.unwrap();
    let link = rosa.link(Purpose::Reset).await;
    let id = pb::SetNationalIdRequest {
        national_id: "1020304050".to_owned(),
        ..Default::default()
    };
    let me = Person::of(&tokens, world.replica.channel());
    me.privacy().set_national_id(id).await.unwrap();

    let webhook = pb::Webhook {
        display_name: "Sala".to_owned(),
        url: "https://hooks.gad.example/".to_owned(),
        ..Default::default()
    };
    let request = pb::CreateWebhookRequest {
        webhook: Some(webhook),
        ..Default::default()
    };
    world.administrator().await.webhooks().create_webhook(request).await.unwrap();

    let start = async |secret: &str, former: Option<&str>| {
        let mut settings = world.settings.clone();
        settings.secret_key = secret.into();
        settings.secret_key_previous = former.map(Into::into);
        Replica::start(settings, hands.clock()).await
    };
    let both = start(NEXT, Some(DEMO_SECRET)).await;
    let me = Person::of(&tokens, both.channel());
    assert_eq!(refusal(&me).await, "", "what was signed before is believed");
    // An answer that was lost while the key was being changed.
    let again = refresh(&both.channel(), &tokens.refresh_token).await.unwrap();
    assert_eq!(again.refresh_token, first.refresh_token);
    hands.pass(SignedDuration::from_secs(30));
    login(&both.channel(), "rosa", DEMO_PASSWORD, &code(&app, hands.get()))
        .await
        .unwrap();

    let database = Database::connect(&world.settings.database).await.unwrap();
    let seal = Seal::changing(NEXT.into(), Some(DEMO_SECRET.into()));
    let done = keys::reseal(&database, &seal).await.unwrap();
    let expected = Resealed {
        keys: 1,
        data_keys: 2,
        factors: 1,
        mails: 1,
        audits: 1,
        webhooks: 1,
    };
    assert_eq!(done, expected);
    assert_eq!(keys::reseal(&database, &seal).await.unwrap(), Resealed::default());
    both.stop().await;

    let new = start(NEXT, None).await;
    assert_eq!(refusal(&Person::of(&tokens, new.channel())).await, "");
    hands.pass(SignedDuration::from_secs(30));
    login(&new.channel(), "rosa", DEMO_PASSWORD, &code(&app, hands.get()))
        .await
        .unwrap();
    login(&new.channel(), "rosa", DEMO_PASSWORD, &recovery[0])
        .await
        .expect("recovery codes last");
    let me = Person::of(&tokens, new.channel());
    let id = me.privacy().get_national_id(pb::GetNationalIdRequest { user_id: 0 }).await;
    assert_eq!(id.unwrap().into_inner().national_id, "1020304050");
    let reset = pb::ResetPasswordRequest {
        token: link,
        new_password: NEW.to_owned(),
    };
    AuthServiceClient::new(new.channel()).reset_password(reset).await.unwrap();
    new.stop().await;
}

/// An empty database, migrated.
async fn migrated() -> (String, DatabaseSettings) {
    let url = empty_database().await;
    let database = database_settings(url.clone(), 4);
    let connector = store::connector::Connector::new(&database).unwrap();
    store::migrate::run(&connector).await.unwrap();
    (url, database)
}

#[tokio::test]
async fn the_first_start_makes_one_administrator_however_many_replicas_start() {
    let (url, database) = migrated().await;
    let now = Clock::system().now();
    let store = Database::connect(&database).await.unwrap();
    let starts = (0..4).map(|_| gad::admin::first(&store, "Jefa@GAD.example", now));
    let made: Vec<Option<String>> = futures::future::try_join_all(starts).await.unwrap();
    let passwords: Vec<String> = made.into_iter().flatten().collect();
    let [password] = passwords.as_slice() else {
        panic!("{} administrators", passwords.len());
    };
    assert_eq!(gad::admin::first(&store, "otra@gad.example", now).await.unwrap(), None);
    let mut settings = settings(url);
    settings.account = account_settings();
    settings.account.admin_email = Some("otra@gad.example".to_owned());
    let server = Replica::start(settings, Clock::system()).await;
    let tokens = login(&server.channel(), "jefa@gad.example", password, "").await.unwrap();
    let user = tokens.user.as_ref().unwrap();
    assert_eq!((user.level(), user.password_expired), (pb::UserLevel::Administrator, true));
    let limited = Person::of(&tokens, server.channel());
    let refused = limited.zones().list_zones(pb::ListZonesRequest {}).await.unwrap_err();
    assert_eq!(crate::world::reason(&refused), "PASSWORD_EXPIRED");
    let change = pb::ChangePasswordRequest {
        current_password: password.clone(),
        new_password: NEW.to_owned(),
    };
    limited.auth().change_password(change).await.unwrap();
    login(&server.channel(), "otra@gad.example", password, "").await.unwrap_err();
    server.stop().await;
}

#[tokio::test]
async fn an_administrator_is_made_from_the_command_line() {
    let (url, _) = migrated().await;
    let variables = [("DATABASE_URL", url.as_str())];
    let create = ["admin", "create", "--email", "jefa@gad.example", "--display-name", "La jefa"];
    let password = said(gad(&create, &variables));
    assert_eq!(password.len(), 19, "the password and nothing else: {password}");
    let row = connect(&url)
        .await
        .query_one("select level, password_expired, display_name from users", &[])
        .await
        .unwrap();
    assert_eq!(
        (row.get::<_, i16>(0), row.get::<_, bool>(1), row.get::<_, &str>(2)),
        (3, true, "La jefa")
    );
    assert!(!gad(&create, &variables).status.success(), "there is one");
    let junk = gad(&["admin", "create", "--email", "nobody"], &variables);
    assert!(String::from_utf8_lossy(&junk.stderr).contains("nobody is no e-mail address"));
}
