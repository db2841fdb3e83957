//! AuthService: people who register, and addresses that are proved.

use tonic::Response;

use super::{
    Call,
    auth_password::{check, owner, send_link},
    letter::{self, Addressee},
    wire,
};
use crate::{
    app::App,
    audit::Actor,
    domain::{
        email,
        mail::Purpose,
        user::{Authority, Name, User},
    },
    error::{Error, Result},
    identity::secret_hash,
    pb,
    store::{self, user::Draft},
};

/// Mails a link that proves an address.
pub async fn request_verification(
    app: &App,
    call: &Call,
    request: pb::RequestEmailVerificationRequest,
) -> Result<Response<pb::RequestEmailVerificationResponse>> {
    let pb::RequestEmailVerificationRequest { email } = request;
    let unproved = |user: &User| user.email_verified.is_none();
    send_link(app, call, &email, Purpose::Verification, unproved).await?;
    Ok(Response::new(pb::RequestEmailVerificationResponse {}))
}

/// Proves an address.
pub async fn verify(app: &App, call: &Call, request: pb::VerifyEmailRequest) -> Result<Response<pb::VerifyEmailResponse>> {
    let pb::VerifyEmailRequest { token } = request;
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let returned = store::mail::use_token(&tx, &secret_hash(&token), Purpose::Verification, now).await?;
    let user = owner(&tx, returned).await?;
    call.trail.actor(Actor::User(user.id));
    call.trail.resource("user", user.id.0);
    call.trail.subject(user.id);
    if user.email_verified.is_none() {
        store::credentials::verify_email(&tx, user.id, now).await?;
        letter::send(app, &tx, &user, Purpose::Welcome, now).await?;
    }
    app.audit.commit(tx, &call.trail, now).await?;
    Ok(Response::new(pb::VerifyEmailResponse {}))
}

/// Makes a user of whoever asks.
pub async fn register(app: &App, call: &Call, request: pb::RegisterRequest) -> Result<Response<pb::User>> {
    if !app.settings.account.open_registration {
        return Err(Error::RegistrationClosed);
    }
    let pb::RegisterRequest {
        email,
        password,
        display_name,
        username,
        given_name,
        family_name,
        phone,
        country_code,
        language,
    } = request;
    let email = email::email(&email).ok_or_else(|| invalid("email"))?;
    let username = Some(username).filter(|name| !name.is_empty());
    let username = username.map(|name| email::username(&name).ok_or_else(|| invalid("username")));
    let username = username.transpose()?;
    let local = email.split('@').next().unwrap_or_default();
    let fallback = username.as_deref().unwrap_or(local);
    let name = Name {
        display: Some(display_name.trim())
            .filter(|name| !name.is_empty())
            .unwrap_or(fallback)
            .to_owned(),
        given: given_name,
        family: family_name,
    };
    let Name { display, given, family } = &name;
    check("password", &password, &[&email, fallback, display, given, family])?;
    let hash = app.passwords.hash(password).await?;
    let now = app.clock.now();
    let draft = Draft {
        uid: app.uid(now),
        email: &email,
        username: username.as_deref(),
        name: &name,
        phone: &phone,
        telegram_id: None,
        language: if language.is_empty() { "es" } else { &language },
        country: Some(country_code.as_str()).filter(|code| !code.is_empty()),
        password_hash: Some(&hash),
        email_verified: None,
        must_verify_email: username.is_none(),
        password_expired: false,
        authority: &Authority::AGENT,
        service: false,
        now,
    };
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let id = store::user::insert(&tx, &draft).await?;
    let user = store::user::get(&tx, id).await?;
    let user = user.ok_or_else(|| Error::internal("a user that was just made is not there"))?;
    letter::send_link(app, &tx, Addressee::of(&user), Purpose::Verification, now).await?;
    let answer = wire::user(&user);
    call.trail.resource("user", user.id.0);
    call.trail.subject(user.id);
    call.trail.after(&answer);
    app.audit.commit(tx, &call.trail, now).await?;
    Ok(Response::new(answer))
}

fn invalid(field: &str) -> Error {
    Error::invalid(field, "no es válido", "is not valid")
}
