//! People whom a test makes for itself: they sign in, are locked out, change their passwords, and harm nobody else by it.

use std::sync::{Arc, Mutex, OnceLock};

use gad::{
    clock::Clock,
    config::{DEMO_PASSWORD, DEMO_SECRET},
    domain::{
        UserId,
        mail::{Letter, Purpose},
    },
    identity::{Seal, hash_password},
    mail,
    pb::{self, auth_service_client::AuthServiceClient},
};
use jiff::{SignedDuration, Timestamp};
use tonic::{Status, transport::Channel};
use totp_rs::Totp;

use crate::world::{Person, World, connect, reason, until};

/// A clock that a test moves on.
#[derive(Clone)]
pub struct Hands(Arc<Mutex<Timestamp>>);

impl Hands {
    /// Stands at the present second.
    pub fn now() -> Self {
        let now = Clock::system().now().round(jiff::Unit::Second).unwrap();
        Self(Arc::new(Mutex::new(now)))
    }

    /// Where it stands.
    pub fn get(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    /// Moves it on.
    pub fn pass(&self, time: SignedDuration) {
        *self.0.lock().unwrap() += time;
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::of(move || hands.get())
    }
}

/// The hash of everybody's first password.
pub fn first_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| hash_password(DEMO_PASSWORD).unwrap())
}

/// Somebody with an account.
pub struct Newcomer {
    /// Number.
    pub id: i64,
    /// Address.
    pub email: String,
    /// Another name to sign in with.
    pub username: String,
    server: Channel,
    database_url: String,
}

impl Newcomer {
    /// Makes a field agent, active and proved.
    pub async fn to(world: &World, name: &str) -> Self {
        let email = format!("{name}@gad.example");
        let database = world.database().await;
        let row = database
            .query_one(
                "insert into users (uid, email, username, password_hash, display_name, level, email_verify_time,
                                    create_time, update_time)
                 values (gen_random_uuid(), $1, $2, $3, 'Rosa Peña', 1, '2026-01-01Z', '2026-01-01Z', '2026-01-01Z') returning id",
                &[&email, &name, &first_hash()],
            )
            .await
            .unwrap();
        Self {
            id: row.get(0),
            email,
            username: name.to_owned(),
            server: world.replica.channel(),
            database_url: world.database_url().to_owned(),
        }
    }

    /// Tries to sign in.
    pub async fn login(&self, password: &str, code: &str) -> Result<pb::LoginResponse, Status> {
        login(&self.server, &self.email, password, code).await
    }

    /// Signs in with the first password.
    pub async fn tokens(&self) -> pb::LoginResponse {
        self.login(DEMO_PASSWORD, "").await.unwrap()
    }

    /// Signs in with the first password.
    pub async fn sign_in(&self) -> Person {
        Person::of(&self.tokens().await, self.server.clone())
    }

    /// Changes the person's row behind everybody's back.
    pub async fn set(&self, columns: &str) {
        let sql = format!("update users set {columns} where id = {}", self.id);
        connect(&self.database_url).await.batch_execute(&sql).await.unwrap();
    }

    /// A column of the person's row, as text.
    pub async fn column(&self, name: &str) -> Option<String> {
        let sql = format!("select {name}::text from users where id = {}", self.id);
        connect(&self.database_url).await.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// Mails that wait for the person, oldest first.
    pub async fn mails(&self) -> Vec<(Purpose, Letter)> {
        waiting(&self.database_url, self.id).await
    }

    /// The secret in the link of the latest mail for a purpose.
    pub async fn link(&self, purpose: Purpose) -> String {
        let mails = self.mails().await;
        let letter = mails.iter().rfind(|(found, _)| *found == purpose);
        token(&letter.expect("a mail for this purpose").1)
    }

    /// Switches the second factor on; answers the app's side of it, and the recovery codes.
    pub async fn enrol(&self, person: &Person, now: Timestamp) -> (Totp, Vec<String>) {
        let enrolled = person.auth().enrol_totp(pb::EnrolTotpRequest {}).await.unwrap().into_inner();
        let app = app(&enrolled.secret);
        let request = pb::ConfirmTotpRequest { code: code(&app, now) };
        let codes = person.auth().confirm_totp(request).await.unwrap().into_inner().codes;
        (app, codes)
    }
}

/// Tries to sign in.
pub async fn login(server: &Channel, email: &str, password: &str, code: &str) -> Result<pb::LoginResponse, Status> {
    let request = pb::LoginRequest {
        email: email.to_owned(),
        password: password.to_owned(),
        code: code.to_owned(),
    };
    let answer = AuthServiceClient::new(server.clone()).login(request).await;
    answer.map(tonic::Response::into_inner)
}

/// Exchanges a refresh token.
pub async fn refresh(server: &Channel, token: &str) -> Result<pb::LoginResponse, Status> {
    let request = pb::RefreshRequest {
        refresh_token: token.to_owned(),
    };
    let answer = AuthServiceClient::new(server.clone()).refresh(request).await;
    answer.map(tonic::Response::into_inner)
}

/// An authenticator app with a secret.
pub fn app(secret: &str) -> Totp {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    totp_rs::Builder::new()
        .with_secret(secret)
        .with_account_name("test")
        .build()
        .unwrap()
}

/// What an app shows at a time.
pub fn code(app: &Totp, at: Timestamp) -> String {
    app.generate(at.as_second().try_into().unwrap()).to_string()
}

/// Mails that wait for a user, oldest first, opened with the secret key that tests run with.
pub async fn waiting(database_url: &str, user: i64) -> Vec<(Purpose, Letter)> {
    let seal = Seal::new(DEMO_SECRET.into());
    let rows = connect(database_url)
        .await
        .query("select purpose, sealed from mails where user_id = $1 order by id", &[&user])
        .await
        .unwrap();
    rows.iter()
        .map(|row| {
            let purpose = Purpose::of(row.get::<_, i16>(0).into()).unwrap();
            (purpose, mail::open(&seal, UserId(user), row.get(1)).unwrap())
        })
        .collect()
}

/// The secret in the link of a mail.
pub fn token(letter: &Letter) -> String {
    let (_, after) = letter.text.split_once("?token=").expect("a link");
    after.split_whitespace().next().unwrap().to_owned()
}

/// Reason why the person's token is refused; empty if it is not.
pub async fn refusal(person: &Person) -> String {
    match person.auth().get_me(pb::GetMeRequest {}).await {
        Ok(_) => String::new(),
        Err(status) => reason(&status),
    }
}

/// Waits until the person's token is refused.
pub async fn refused(person: &Person) {
    until("the token is refused", async || refusal(person).await == "SIGNED_OUT").await;
}
