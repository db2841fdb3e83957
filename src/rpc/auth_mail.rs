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

/// VerifyEmail.
pub async fn verify(app: &App, call: &Call, request: pb::VerifyEmailRequest) -> Result<Response<pb::VerifyEmailResponse>> {
    prove(app, call, &request.token).await?;
    Ok(Response::new(pb::VerifyEmailResponse {}))
}

/// Proves an address; false if it was proved before.
pub async fn prove(app: &App, call: &Call, token: &str) -> Result<bool> {
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let returned = store::mail::use_token(&tx, &secret_hash(token), Purpose::Verification, now).await?;
    let user = owner(&tx, returned).await?;
    call.trail.actor(Actor::User(user.id));
    call.trail.resource("user", user.id.0);
    call.trail.subject(user.id);
    let anew = user.email_verified.is_none();
    if anew {
        store::credentials::verify_email(&tx, user.id, now).await?;
        letter::send(app, &tx, &user, Purpose::Welcome, now).await?;
    }
    app.audit.commit(tx, &call.trail, now).await?;
    Ok(anew)
}

/// Whether a token that was used up proved an address that still is its owner's.
pub async fn has_proved(app: &App, token: &str) -> Result<bool> {
    let conn = app.database.lease().await?;
    let used = store::mail::used_token(&*conn, &secret_hash(token), Purpose::Verification).await?;
    match owner(&*conn, used).await {
        Ok(user) => Ok(user.email_verified.is_some()),
        Err(Error::MailedToken) => Ok(false),
        Err(error) => Err(error),
    }
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
    enter(app, call, &draft).await.map(Response::new)
}

/// Adds whoever registers, and sends the link that proves the address.
async fn enter(app: &App, call: &Call, draft: &Draft<'_>) -> Result<pb::User> {
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let id = store::user::insert(&tx, draft).await?;
    let user = store::user::get(&tx, id).await?;
    let user = user.ok_or_else(|| Error::internal("a user that was just made is not there"))?;
    letter::send_link(app, &tx, Addressee::of(&user), Purpose::Verification, draft.now).await?;
    let answer = wire::user(&user);
    call.trail.resource("user", user.id.0);
    call.trail.subject(user.id);
    call.trail.after(&answer);
    app.audit.commit(tx, &call.trail, draft.now).await?;
    Ok(answer)
}

fn invalid(field: &str) -> Error {
    Error::invalid(field, "no es válido", "is not valid")
}
