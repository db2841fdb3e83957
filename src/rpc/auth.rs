//! AuthService.

use std::sync::Arc;

use jiff::SignedDuration;
use tonic::{Request, Response, Status};

use super::{Call, wire};
use crate::{
    app::App,
    domain::user::User,
    error::{Error, Result},
    identity::{Grant, Secret, Verdict},
    pb::{self, auth_service_server::AuthService},
    store,
};

/// The service.
#[derive(Debug, Clone)]
pub struct Auth(pub Arc<App>);

#[tonic::async_trait]
impl AuthService for Auth {
    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        Ok(login(&self.0, request.into_inner()).await?)
    }

    async fn get_me(&self, request: Request<pb::GetMeRequest>) -> Result<Response<pb::User>, Status> {
        Ok(get_me(&self.0, &Call::of(&request)?).await?)
    }

    async fn get_jwks(&self, _request: Request<pb::GetJwksRequest>) -> Result<Response<pb::Jwks>, Status> {
        Ok(Response::new(get_jwks(&self.0)))
    }
}

pub(super) async fn login(app: &App, request: pb::LoginRequest) -> Result<Response<pb::LoginResponse>> {
    let pb::LoginRequest { email, password } = request;
    let found = {
        let conn = app.database.lease().await?;
        store::user::by_login(&*conn, &email.to_lowercase()).await?
    };
    let (user, hash) = found.unzip();
    let verdict = app.passwords.verify(password, hash.flatten()).await?;
    let user = user.filter(|user| verdict != Verdict::Wrong && user.may_sign_in());
    let user = user.ok_or(Error::WrongCredentials)?;
    let answer = begin_session(app, &user).await?;
    Ok(Response::new(answer))
}

/// A new session of a user who proved to be there.
async fn begin_session(app: &App, user: &User) -> Result<pb::LoginResponse> {
    let now = app.clock.now();
    let (id, refresh) = (app.uid(now), Secret::make()?);
    let expires = now + SignedDuration::from_hours(24 * i64::from(app.settings.refresh_token_expire_days));
    let draft = store::session::Draft {
        id,
        user: user.id,
        refresh_hash: &refresh.hash,
        expires,
        user_agent: "",
        address: None,
        now,
    };
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(None).await?;
    store::session::insert(&tx, &draft).await?;
    tx.commit().await?;
    let grant = Grant {
        caller: &user.caller(),
        version: user.token_version,
        session: id,
        auth_time: now,
        password_expired: user.password_expired,
    };
    let (access_token, until) = app.tokens.sign(&grant, now)?;
    Ok(pb::LoginResponse {
        access_token,
        token_type: "Bearer".to_owned(),
        expire_time: Some(wire::timestamp(until)),
        user: Some(wire::user(user)),
        refresh_token: refresh.text,
        refresh_expire_time: Some(wire::timestamp(expires)),
        session_id: id.to_string(),
    })
}

pub(super) async fn get_me(app: &App, call: &Call) -> Result<Response<pb::User>> {
    let caller = call.caller()?;
    let conn = app.database.lease().await?;
    let user = store::user::get(&*conn, caller.user).await?;
    let user = user.filter(User::may_sign_in).ok_or(Error::SignedOut)?;
    Ok(Response::new(wire::user(&user)))
}

fn get_jwks(app: &App) -> pb::Jwks {
    let keys = app.tokens.public_keys(app.clock.now()).into_iter().map(|key| pb::Jwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        x: key.x,
        kid: key.kid,
        alg: "EdDSA".to_owned(),
        r#use: "sig".to_owned(),
    });
    pb::Jwks { keys: keys.collect() }
}
