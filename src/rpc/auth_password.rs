//! AuthService: passwords, and how they are set.

use jiff::Timestamp;
use tonic::Response;

use super::{
    Call,
    auth_session::{access_token, oldest_token},
    letter::{self, Addressee},
    proof::{self, Looked, Proof, Settled},
};
use crate::{
    app::App,
    audit::Actor,
    domain::{
        UserId, email,
        mail::Purpose,
        password::{self, Weakness},
        session::End,
        user::User,
    },
    error::{Error, Result},
    identity::secret_hash,
    pb,
    store::{self, Tx, mail::Returned},
};

/// Whether a text may be the password of somebody with these addresses and names.
pub fn check(field: &str, new: &str, personal: &[&str]) -> Result<()> {
    password::check(new, personal).map_err(|weakness| {
        let (es, en) = match weakness {
            Weakness::Short => ("es demasiado corta", "is too short"),
            Weakness::Long => ("es demasiado larga", "is too long"),
            Weakness::Control => ("tiene caracteres que no se admiten", "has characters that are not allowed"),
            Weakness::Personal => (
                "no puede ser su propio nombre o correo",
                "must not be your own name or address",
            ),
            Weakness::Common => ("es de las más comunes; elija otra", "is one of the commonest; choose another"),
        };
        Error::invalid(field, es, en)
    })
}

/// Changes the caller's password.
pub async fn change(app: &App, call: &Call, request: pb::ChangePasswordRequest) -> Result<Response<pb::AccessToken>> {
    let pb::ChangePasswordRequest {
        current_password,
        new_password,
    } = request;
    let (user, session) = (call.caller()?.user, call.session()?);
    call.trail.resource("user", user.0);
    call.trail.subject(user);
    let (user, hash) = {
        let conn = app.database.lease().await?;
        let user = store::user::get(&*conn, user).await?.ok_or(Error::SignedOut)?;
        let hash = store::credentials::password_hash(&*conn, user.id).await?;
        (user, hash)
    };
    check("new_password", &new_password, &user.personal())?;
    let looked = Looked::at(app, current_password, hash).await?;
    let new_hash = app.passwords.hash(new_password).await?;
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let Settled::Proven(user) = proof::settle(app, &tx, user.id, &Proof::Password(&looked), now).await? else {
        tx.commit().await?;
        return Err(Error::WrongProof);
    };
    set(app, &tx, &user, &new_hash, now).await?;
    if !store::session::prove(&tx, user.id, session, now).await? {
        return Err(Error::SignedOut);
    }
    let since = oldest_token(app, now);
    store::session::end_others(&tx, user.id, Some(session), End::PasswordChanged, since, now).await?;
    app.audit.commit(tx, &call.trail, now).await?;
    app.tokens.revocations.read(&*conn).await?;
    let user = User {
        password_expired: false,
        ..*user
    };
    access_token(app, &user, (session, now), now).map(Response::new)
}

/// Sets a password: links to set one end, and the person is told.
pub async fn set(app: &App, tx: &Tx<'_>, user: &User, hash: &str, now: Timestamp) -> Result<()> {
    store::credentials::set_password(tx, user.id, hash, now).await?;
    store::mail::end_tokens(tx, user.id, now).await?;
    letter::send(app, tx, user, Purpose::PasswordChanged, now).await
}

/// Mails a link to set the password anew.
pub async fn request_reset(
    app: &App,
    call: &Call,
    request: pb::RequestPasswordResetRequest,
) -> Result<Response<pb::RequestPasswordResetResponse>> {
    let pb::RequestPasswordResetRequest { email } = request;
    send_link(app, call, &email, Purpose::Reset, |_| true).await?;
    Ok(Response::new(pb::RequestPasswordResetResponse {}))
}

/// Mails a link to whoever has an address, if they may have one; costs the same work if nobody does.
pub async fn send_link(app: &App, call: &Call, address: &str, purpose: Purpose, may: impl Fn(&User) -> bool) -> Result<()> {
    let now = app.clock.now();
    let email = email::email(address).unwrap_or_default();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let found = store::user::by_login(&tx, &email).await?;
    let user = found.map(|(user, _)| user);
    proof::tried(app, call, &email, user.as_ref().map_or(UserId(0), |user| user.id));
    let user = user.filter(|user| user.may_sign_in() && !user.service && may(user));
    let to = user.as_ref().map_or(Addressee::STRANGER, Addressee::of);
    letter::send_link(app, &tx, to, purpose, now).await?;
    app.audit.commit(tx, &call.trail, now).await
}

/// Sets the password of whoever got a link.
pub async fn reset(app: &App, call: &Call, request: pb::ResetPasswordRequest) -> Result<Response<pb::ResetPasswordResponse>> {
    let pb::ResetPasswordRequest { token, new_password } = request;
    let link = Link {
        token: &token,
        purpose: Purpose::Reset,
        field: "new_password",
    };
    set_by_link(app, call, &link, new_password).await?;
    Ok(Response::new(pb::ResetPasswordResponse {}))
}

/// Sets the first password of whoever was invited.
pub async fn accept_invitation(
    app: &App,
    call: &Call,
    request: pb::AcceptInvitationRequest,
) -> Result<Response<pb::AcceptInvitationResponse>> {
    let pb::AcceptInvitationRequest { token, password } = request;
    let link = Link {
        token: &token,
        purpose: Purpose::Invitation,
        field: "password",
    };
    set_by_link(app, call, &link, password).await?;
    Ok(Response::new(pb::AcceptInvitationResponse {}))
}

/// A link that came back with a password.
struct Link<'a> {
    token: &'a str,
    purpose: Purpose,
    /// Name of the password's field.
    field: &'a str,
}

async fn set_by_link(app: &App, call: &Call, link: &Link<'_>, password: String) -> Result<()> {
    let hash = secret_hash(link.token);
    {
        let conn = app.database.lease().await?;
        let returned = store::mail::peek_token(&*conn, &hash, link.purpose, app.clock.now()).await?;
        let user = owner(&*conn, returned).await?;
        check(link.field, &password, &user.personal())?;
    }
    // Hashing takes a while: no transaction waits for it.
    let new_hash = app.passwords.hash(password).await?;
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let returned = store::mail::use_token(&tx, &hash, link.purpose, now).await?;
    let user = owner(&tx, returned).await?;
    call.trail.actor(Actor::User(user.id));
    call.trail.resource("user", user.id.0);
    call.trail.subject(user.id);
    set(app, &tx, &user, &new_hash, now).await?;
    store::credentials::verify_email(&tx, user.id, now).await?;
    store::credentials::withdraw_tokens(&tx, user.id, now).await?;
    let since = oldest_token(app, now);
    store::session::end_others(&tx, user.id, None, End::PasswordChanged, since, now).await?;
    app.audit.commit(tx, &call.trail, now).await?;
    app.tokens.revocations.read(&*conn).await
}

/// Who a mailed token that came back belongs to: somebody who still has the address that it was mailed to.
pub async fn owner(on: &impl store::Query, returned: Option<Returned>) -> Result<User> {
    let returned = returned.ok_or(Error::MailedToken)?;
    let user = store::user::get(on, returned.user).await?.filter(User::may_sign_in);
    user.filter(|user| user.email == returned.email).ok_or(Error::MailedToken)
}
