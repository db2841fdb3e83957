//! The whole way of a new person, the same through every door: invited, proved by mail, a second factor, sessions, their own
//! data, and the end.

use gad::{config::DEMO_PASSWORD, descriptor};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    doors::{Answer, Door, Doorway},
    newcomer::{Hands, app, code},
    smtp::{Manners, Smtp},
    world::{World, until},
};

const EMAIL: &str = "ines@gad.example";
const PASSWORD: &str = "tres tristes tigres";

/// Calls through a door.
struct Way(Doorway);

impl Way {
    async fn call(&self, name: &str, token: Option<&str>, request: &Value) -> Answer {
        let (service, method) = name.split_once('.').unwrap();
        let service = descriptor::pool().get_service_by_name(&format!("gad.v1.{service}")).unwrap();
        let method = service.methods().find(|found| found.name() == method).unwrap();
        self.0.call(&method, request, token, &[]).await
    }

    /// The answer to somebody.
    async fn ask(&self, name: &str, token: &str, request: Value) -> Value {
        let token = Some(token).filter(|token| !token.is_empty());
        let answer = self.call(name, token, &request).await;
        answer.outcome.unwrap_or_else(|refusal| panic!("{name}: {refusal}"))
    }

    /// Why somebody is refused.
    async fn refusal(&self, name: &str, token: &str, request: Value) -> String {
        let token = Some(token).filter(|token| !token.is_empty());
        let answer = self.call(name, token, &request).await;
        assert!(answer.outcome.is_err(), "{name}: {answer:?}");
        answer.reason().to_owned()
    }

    /// Signs in; access token and session.
    async fn sign_in(&self, email: &str, password: &str, code: &str) -> (String, String) {
        let request = json!({ "email": email, "password": password, "code": code });
        let tokens = self.ask("AuthService.Login", "", request).await;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        (text("access_token"), text("session_id"))
    }
}

#[tokio::test]
async fn a_new_person_goes_the_whole_way_by_grpc() {
    goes_the_whole_way(Door::Grpc).await;
}

#[tokio::test]
async fn a_new_person_goes_the_whole_way_by_grpc_web() {
    goes_the_whole_way(Door::GrpcWeb).await;
}

#[tokio::test]
async fn a_new_person_goes_the_whole_way_by_rest() {
    goes_the_whole_way(Door::Rest).await;
}

async fn goes_the_whole_way(door: Door) {
    let smtp = Smtp::start(Manners::default()).await;
    let (hands, address) = (Hands::now(), smtp.address);
    let world = World::with_clock(hands.clock(), |settings| {
        settings.account.mail.smtp_host = Some(address.ip().to_string());
        settings.account.mail.smtp_port = address.port();
    })
    .await;
    let way = Way(Doorway::open(door, &world.replica).await);
    let elsewhere = world.another_replica_at(hands.clock()).await;
    let there = Way(Doorway::open(Door::Grpc, &elsewhere).await);

    let (administrator, _) = way.sign_in("admin@gad.example", DEMO_PASSWORD, "").await;
    let id = invite(&way, &administrator).await;
    accept(&way, &smtp).await;
    let secret = enrol(&way, &hands).await;
    let mine = leave_one_session(&way, &there, &hands, &secret).await;
    take_ones_data(&way, &mine, &id).await;
    erase(&way, &there, &mine, &administrator, &id).await;
    elsewhere.stop().await;
    world.replica.stop().await;
}

async fn invite(way: &Way, administrator: &str) -> String {
    let user = json!({ "email": EMAIL, "display_name": "Inés Vega" });
    let made = way
        .ask("UserService.CreateUser", administrator, json!({ "user": user }))
        .await;
    assert_eq!(made["email_verify_time"], Value::Null);
    let guess = json!({ "email": EMAIL, "password": PASSWORD });
    assert_eq!(way.refusal("AuthService.Login", "", guess).await, "WRONG_CREDENTIALS");
    made["id"].as_str().unwrap().to_owned()
}

/// Follows the mailed link: the address is proved, and a password set.
async fn accept(way: &Way, smtp: &Smtp) {
    let token = smtp.link(EMAIL, "/accept-invitation").await;
    let weak = json!({ "token": token, "password": "Inés Vega" });
    assert_eq!(way.refusal("AuthService.AcceptInvitation", "", weak).await, "INVALID_FIELD");
    let request = json!({ "token": token, "password": PASSWORD });
    way.ask("AuthService.AcceptInvitation", "", request.clone()).await;
    let again = way.refusal("AuthService.AcceptInvitation", "", request).await;
    assert_eq!(again, "MAILED_TOKEN_INVALID");
}

/// Switches the second factor on from the first session, which goes on.
async fn enrol(way: &Way, hands: &Hands) -> String {
    let (first, _) = way.sign_in(EMAIL, PASSWORD, "").await;
    let me = way.ask("AuthService.GetMe", &first, json!({})).await;
    assert!(me["email_verify_time"].is_string(), "{me}");
    let secret = way.ask("AuthService.EnrolTotp", &first, json!({})).await["secret"].clone();
    let secret = secret.as_str().unwrap().to_owned();
    let shown = json!({ "code": code(&app(&secret), hands.get()) });
    let codes = way.ask("AuthService.ConfirmTotp", &first, shown).await;
    assert!(codes["codes"].as_array().unwrap().len() >= 8, "{codes}");
    secret
}

/// Signs in with a code from another device, and ends the sessions of the first; the token that is left.
async fn leave_one_session(way: &Way, there: &Way, hands: &Hands, secret: &str) -> String {
    let plain = json!({ "email": EMAIL, "password": PASSWORD });
    assert_eq!(way.refusal("AuthService.Login", "", plain).await, "SECOND_FACTOR_REQUIRED");
    hands.pass(SignedDuration::from_secs(30));
    let (lost, lost_session) = way.sign_in(EMAIL, PASSWORD, &code(&app(secret), hands.get())).await;
    hands.pass(SignedDuration::from_secs(30));
    let (mine, my_session) = way.sign_in(EMAIL, PASSWORD, &code(&app(secret), hands.get())).await;
    let listed = way.ask("AuthService.ListSessions", &mine, json!({})).await;
    let sessions = listed["sessions"].as_array().unwrap();
    let current = |session: &Value| session["current"] == true;
    let mut current: Vec<&Value> = sessions
        .iter()
        .filter(|session| current(session))
        .map(|session| &session["id"])
        .collect();
    assert_eq!((sessions.len(), current.pop()), (3, Some(&json!(my_session))), "{listed}");
    there.ask("AuthService.GetMe", &lost, json!({})).await;
    let request = json!({ "session_id": lost_session });
    way.ask("AuthService.RevokeSession", &mine, request).await;
    assert_eq!(way.refusal("AuthService.GetMe", &lost, json!({})).await, "SIGNED_OUT");
    until("the other replica refuses it too", async || {
        there.call("AuthService.GetMe", Some(&lost), &json!({})).await.reason() == "SIGNED_OUT"
    })
    .await;
    let listed = way.ask("AuthService.ListSessions", &mine, json!({})).await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 2, "{listed}");
    mine
}

async fn take_ones_data(way: &Way, mine: &str, id: &str) {
    let export = way.ask("PrivacyService.ExportPersonalData", mine, json!({})).await;
    let lines = export.as_array().unwrap();
    let end = lines.last().unwrap();
    assert_eq!(
        (&lines[0]["user_id"].to_string(), &end["record_count"]),
        (&id.to_owned(), &json!(lines.len() - 2))
    );
    let of = |table: &str| {
        lines
            .iter()
            .filter(|line| line["schema"] == format!("gad.export.v1/{table}"))
            .count()
    };
    assert_eq!((of("users"), of("sessions")), (1, 3));
    assert!(export.to_string().contains(EMAIL));
}

async fn erase(way: &Way, there: &Way, mine: &str, administrator: &str, id: &str) {
    let erased = way
        .ask("PrivacyService.ErasePerson", mine, json!({ "reason": "me voy" }))
        .await;
    let name = format!("USUARIO_ELIMINADO_{id}");
    assert_eq!(erased["display_name"], name);
    assert_eq!(way.refusal("AuthService.GetMe", mine, json!({})).await, "SIGNED_OUT");
    until("the other replica refuses them too", async || {
        there.call("AuthService.GetMe", Some(mine), &json!({})).await.reason() == "SIGNED_OUT"
    })
    .await;
    let credentials = json!({ "email": EMAIL, "password": PASSWORD });
    assert_eq!(way.refusal("AuthService.Login", "", credentials).await, "WRONG_CREDENTIALS");
    let left = way.ask("UserService.GetUser", administrator, json!({ "id": id })).await;
    assert_eq!(left["display_name"], name);
    assert!(!left.to_string().contains("ines"), "{left}");
}
