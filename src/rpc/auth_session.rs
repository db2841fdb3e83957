//! AuthService: sessions, from signing in to signing out.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use tonic::Response;
use uuid::Uuid;

use super::{
    Call,
    page::{self, Query},
    proof::{self, Looked, Proof, Settled},
    wire,
};
use crate::{
    app::App,
    audit::Actor,
    domain::{
        UserId, email,
        limit::{Class, Payer},
        session::{End, Exchange, Session},
        user::User,
    },
    error::{Error, Missing, Result},
    identity::{Grant, Seal, Secret, secret_hash, token::SKEW},
    pb,
    store::{self, Tx},
};

/// What refresh tokens are derived for.
const REFRESH: &str = "refresh tokens";
/// Sessions of a page, unless the caller says how many.
const PAGE: i64 = 50;

/// Signs somebody in. Whose account was closed learns no more than a stranger.
pub async fn login(app: &App, call: &Call, request: pb::LoginRequest) -> Result<Response<pb::LoginResponse>> {
    sign_in(app, call, request).await.map_err(|error| match error {
        Error::AccountInactive => Error::WrongCredentials,
        error => error,
    })
}

/// Signs somebody in, or says, to who has the password, that the account was closed.
pub async fn sign_in(app: &App, call: &Call, request: pb::LoginRequest) -> Result<Response<pb::LoginResponse>> {
    let pb::LoginRequest { email, password, code } = request;
    let name = email::login(&email).unwrap_or_default();
    let found = {
        let conn = app.database.lease().await?;
        store::user::by_login(&*conn, &name).await?
    };
    let (user, hash) = found.map_or((UserId(0), None), |(user, hash)| (user.id, hash));
    proof::tried(app, call, &name, user);
    let looked = Looked::at(app, password, hash).await?;
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let refused = match proof::settle(app, &tx, user, &Proof::Both(&looked, &code), now).await? {
        Settled::Proven(user) if user.is_unproved() => Error::EmailNotVerified,
        Settled::Proven(user) => {
            let answer = begin(app, &tx, call, &user, now).await?;
            call.trail.actor(Actor::User(user.id));
            app.audit.commit(tx, &call.trail, now).await?;
            return Ok(Response::new(answer));
        }
        Settled::Failed => Error::WrongCredentials,
        Settled::CodeWanted => Error::SecondFactorRequired,
        Settled::Inactive => Error::AccountInactive,
    };
    tx.commit().await?;
    Err(refused)
}

/// A new session of a user who proved to be there.
pub async fn begin(app: &App, tx: &Tx<'_>, call: &Call, user: &User, now: Timestamp) -> Result<pb::LoginResponse> {
    let (id, refresh) = (app.uid(now), Secret::make()?);
    let expires = now + lifetime(app);
    let draft = store::session::Draft {
        id,
        user: user.id,
        refresh_hash: &refresh.hash,
        expires,
        user_agent: &call.user_agent,
        address: call.address,
        now,
    };
    store::session::insert(tx, &draft).await?;
    store::credentials::signed_in(tx, user.id, now).await?;
    let user = User {
        last_login: Some(now),
        locked_until: None,
        ..user.clone()
    };
    answer(app, &user, (id, now), refresh, expires, now)
}

/// How long a session lasts that is not used.
fn lifetime(app: &App) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(app.settings.refresh_token_expire_days))
}

/// Tokens of a session, by its name and when the person last proved to be there.
fn answer(
    app: &App,
    user: &User,
    session: (Uuid, Timestamp),
    refresh: Secret,
    expires: Timestamp,
    now: Timestamp,
) -> Result<pb::LoginResponse> {
    let pb::AccessToken {
        access_token,
        token_type,
        expire_time,
    } = access_token(app, user, session, now)?;
    Ok(pb::LoginResponse {
        access_token,
        token_type,
        expire_time,
        user: Some(wire::user(user)),
        refresh_token: refresh.text,
        refresh_expire_time: Some(wire::timestamp(expires)),
        session_id: session.0.to_string(),
    })
}

/// A fresh access token of a session. Whoever gives one notes that the session was used: what ends sessions relies on it.
pub fn access_token(app: &App, user: &User, session: (Uuid, Timestamp), now: Timestamp) -> Result<pb::AccessToken> {
    let grant = Grant {
        caller: &user.caller(),
        version: user.token_version,
        session: session.0,
        auth_time: session.1,
        password_expired: user.password_expired,
    };
    let (access_token, until) = app.tokens.sign(&grant, now)?;
    Ok(pb::AccessToken {
        access_token,
        token_type: "Bearer".to_owned(),
        expire_time: Some(wire::timestamp(until)),
    })
}

/// When the oldest access token was given that may still be good at `now`.
pub fn oldest_token(app: &App, now: Timestamp) -> Timestamp {
    now - app.tokens.lifetime() - SKEW
}

/// Exchanges a refresh token.
pub async fn refresh(app: &App, call: &Call, request: pb::RefreshRequest) -> Result<Response<pb::LoginResponse>> {
    let pb::RefreshRequest { refresh_token } = request;
    let (now, hash) = (app.clock.now(), secret_hash(&refresh_token));
    count_refresh(app, call, &hash).await?;
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let found = store::session::refresh(&tx, &hash).await?.ok_or(Error::SessionEnded)?;
    let store::session::Refresh { session, used, fresh } = found;
    call.trail.actor(Actor::User(session.user));
    call.trail.subject(session.user);
    call.trail.resource("session", session.id);
    let user = store::user::get(&tx, session.user).await?.filter(User::may_sign_in);
    let user = user.filter(|_| session.is_open(now)).ok_or(Error::SessionEnded)?;
    let mut nexts = successors(&app.seal, &refresh_token);
    let last = nexts.iter().position(|next| fresh.as_deref() == Some(&*next.hash));
    let next = match Exchange::of(used, last.is_some(), now) {
        Exchange::Fresh => {
            let next = nexts.swap_remove(0);
            store::session::use_refresh(&tx, &hash, now).await?;
            store::session::add_refresh(&tx, session.id, &next.hash, now).await?;
            next
        }
        Exchange::Again => nexts.swap_remove(last.unwrap_or_default()),
        Exchange::Reused => {
            store::session::end(&tx, session.user, session.id, End::RefreshReused, now).await?;
            tx.commit().await?;
            app.tokens.revocations.read(&*conn).await?;
            metrics::counter!("refresh_reused_total").increment(1);
            tracing::warn!(user = session.user.0, session = %session.id, "a refresh token came twice: its session is ended");
            return Err(Error::SessionEnded);
        }
    };
    let expires = now + lifetime(app);
    store::session::touch(&tx, session.id, expires, now).await?;
    app.audit.commit(tx, &call.trail, now).await?;
    let answer = answer(app, &user, (session.id, session.auth_time), next, expires, now)?;
    Ok(Response::new(answer))
}

/// Counts an exchange for whoever's token it is; for its address, if that is nobody's.
async fn count_refresh(app: &App, call: &Call, hash: &[u8]) -> Result<()> {
    let owner = {
        let conn = app.database.lease().await?;
        store::session::owner(&*conn, hash).await?
    };
    match owner.map(Payer::User).or_else(|| call.address.map(Payer::at)) {
        Some(payer) => call.count(&app.limits, Class::Refresh, payer).await,
        None => Ok(()),
    }
}

/// The refresh tokens that this one may have been exchanged for, the one that it is exchanged for now first. They follow
/// from it under the secret key, so that the same exchange gives the same token without keeping it.
fn successors(seal: &Seal, token: &str) -> Vec<Secret> {
    let hashes = seal.hashes(REFRESH, token.as_bytes()).into_iter();
    hashes
        .map(|hash| {
            let text = URL_SAFE_NO_PAD.encode(hash);
            Secret {
                hash: secret_hash(&text),
                text,
            }
        })
        .collect()
}

/// Ends the session that calls.
pub async fn logout(app: &App, call: &Call, request: pb::LogoutRequest) -> Result<Response<pb::LogoutResponse>> {
    let pb::LogoutRequest {} = request;
    end(app, call, call.session()?).await?;
    Ok(Response::new(pb::LogoutResponse {}))
}

/// Ends the session of a refresh token, for who has no access token any more. False if there is no such session, or it has
/// ended.
pub async fn end_by_refresh(app: &App, call: &Call, token: &str) -> Result<bool> {
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let found = store::session::refresh(&tx, &secret_hash(token)).await?;
    let Some(session) = found.map(|found| found.session).filter(|session| session.is_open(now)) else {
        return Ok(false);
    };
    call.trail.actor(Actor::User(session.user));
    call.trail.subject(session.user);
    call.trail.resource("session", session.id);
    store::session::end(&tx, session.user, session.id, End::SignedOut, now).await?;
    app.audit.commit(tx, &call.trail, now).await?;
    app.tokens.revocations.read(&*conn).await?;
    Ok(true)
}

/// Ends a session of the caller.
pub async fn revoke(app: &App, call: &Call, request: pb::RevokeSessionRequest) -> Result<Response<pb::RevokeSessionResponse>> {
    let pb::RevokeSessionRequest { session_id } = request;
    let id = Uuid::try_parse(&session_id).map_err(|_| Error::NotFound(Missing::Session))?;
    end(app, call, id).await?;
    Ok(Response::new(pb::RevokeSessionResponse {}))
}

async fn end(app: &App, call: &Call, id: Uuid) -> Result<()> {
    let (now, user) = (app.clock.now(), call.caller()?.user);
    call.trail.resource("session", id);
    let reason = if call.session()? == id { End::SignedOut } else { End::Revoked };
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    if !store::session::end(&tx, user, id, reason, now).await? {
        return Err(Error::NotFound(Missing::Session));
    }
    call.trail.subject(user);
    app.audit.commit(tx, &call.trail, now).await?;
    app.tokens.revocations.read(&*conn).await
}

/// Ends all sessions of the caller.
pub async fn logout_everywhere(
    app: &App,
    call: &Call,
    request: pb::LogoutEverywhereRequest,
) -> Result<Response<pb::LogoutEverywhereResponse>> {
    let pb::LogoutEverywhereRequest {} = request;
    call.session()?;
    let (now, user) = (app.clock.now(), call.caller()?.user);
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let ended = store::session::end_others(&tx, user, None, End::SignedOut, oldest_token(app, now), now).await?;
    call.trail.resource("user", user.0);
    call.trail.subject(user);
    call.trail.detail("sessions", ended);
    app.audit.commit(tx, &call.trail, now).await?;
    app.tokens.revocations.read(&*conn).await?;
    Ok(Response::new(pb::LogoutEverywhereResponse {
        session_count: i32::try_from(ended).unwrap_or(i32::MAX),
    }))
}

/// Pages through open sessions of the caller.
pub async fn list(app: &App, call: &Call, request: pb::ListSessionsRequest) -> Result<Response<pb::ListSessionsResponse>> {
    let pb::ListSessionsRequest { page_size, page_token } = request;
    let user = call.caller()?.user;
    let query = Query::of("ListSessions", &pb::ListSessionsRequest::default(), user.0);
    let after = query.open(&page_token)?.map(from_place).transpose()?;
    let limit = page::limit(page_size, PAGE);
    let conn = app.database.lease().await?;
    let mut sessions = store::session::list(&*conn, user, after, limit, app.clock.now()).await?;
    let next_page_token = query.cut(&mut sessions, limit, place);
    let current = call.session().ok();
    Ok(Response::new(pb::ListSessionsResponse {
        sessions: sessions.iter().map(|session| wire::session(session, current)).collect(),
        next_page_token,
    }))
}

/// The place of a session in the order of pages.
fn place(session: &Session) -> [i64; 3] {
    let (high, low) = session.id.as_u64_pair();
    [session.created.as_microsecond(), high.cast_signed(), low.cast_signed()]
}

fn from_place([created, high, low]: [i64; 3]) -> Result<(Timestamp, Uuid)> {
    let created = Timestamp::from_microsecond(created).map_err(|_| Error::PageToken)?;
    Ok((created, Uuid::from_u64_pair(high.cast_unsigned(), low.cast_unsigned())))
}

/// Proves again that the caller is there.
pub async fn step_up(app: &App, call: &Call, request: pb::StepUpRequest) -> Result<Response<pb::AccessToken>> {
    let pb::StepUpRequest { password, code } = request;
    let (user, session) = (call.caller()?.user, call.session()?);
    call.trail.resource("session", session);
    call.trail.subject(user);
    let (hash, second) = {
        let conn = app.database.lease().await?;
        let user = store::user::get(&*conn, user).await?.ok_or(Error::SignedOut)?;
        (store::credentials::password_hash(&*conn, user.id).await?, user.second_factor)
    };
    let looked = if second {
        None
    } else {
        Some(Looked::at(app, password, hash).await?)
    };
    let proof = looked.as_ref().map_or(Proof::Code(&code), Proof::Password);
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let Settled::Proven(user) = proof::settle(app, &tx, user, &proof, now).await? else {
        tx.commit().await?;
        return Err(Error::WrongProof);
    };
    if !store::session::prove(&tx, user.id, session, now).await? {
        return Err(Error::SignedOut);
    }
    app.audit.commit(tx, &call.trail, now).await?;
    access_token(app, &user, (session, now), now).map(Response::new)
}
