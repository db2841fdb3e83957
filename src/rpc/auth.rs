//! AuthService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{Call, wire};
use crate::{
    app::App,
    audit::Actor,
    domain::access::Caller,
    error::{Error, Result},
    pb::{self, auth_service_server::AuthService},
    store,
};

/// The service.
#[derive(Debug, Clone)]
pub struct Auth(pub Arc<App>);

#[tonic::async_trait]
impl AuthService for Auth {
    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        Ok(login(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_me(&self, request: Request<pb::GetMeRequest>) -> Result<Response<pb::User>, Status> {
        Ok(get_me(&self.0, &Call::of(&request)?).await?)
    }

    async fn get_jwks(&self, _request: Request<pb::GetJwksRequest>) -> Result<Response<pb::Jwks>, Status> {
        Ok(Response::new(get_jwks(&self.0)))
    }
}

async fn login(app: &App, call: &Call, request: pb::LoginRequest) -> Result<Response<pb::LoginResponse>> {
    let pb::LoginRequest { email, password } = request;
    let found = {
        let conn = app.database.lease().await?;
        store::user::by_email(&*conn, &email.to_lowercase()).await?
    };
    call.trail.detail("email", app.audit.chain.pseudonym(&email.to_lowercase()));
    if let Some(known) = &found {
        call.trail.subject(known.user.id);
    }
    let (user, hash) = found.map(|known| (known.user, known.password_hash)).unzip();
    let fits = app.passwords.verify(password, hash).await?;
    let user = user.filter(|_| fits).ok_or(Error::WrongCredentials)?;
    let caller = Caller {
        user: user.id,
        level: user.level,
    };
    call.trail.actor(Actor::User(user.id));
    call.trail.resource("user", user.id.0);
    let (access_token, until) = app.tokens.sign(caller, app.clock.now())?;
    Ok(Response::new(pb::LoginResponse {
        access_token,
        token_type: "Bearer".to_owned(),
        expire_time: Some(wire::timestamp(until)),
        user: Some(wire::user(&user)),
    }))
}

async fn get_me(app: &App, call: &Call) -> Result<Response<pb::User>> {
    let caller = call.caller()?;
    let conn = app.database.lease().await?;
    let user = store::user::get(&*conn, caller.user).await?.ok_or(Error::SignedOut)?;
    Ok(Response::new(wire::user(&user)))
}

fn get_jwks(app: &App) -> pb::Jwks {
    let keys = app.tokens.public_keys().into_iter().map(|key| pb::Jwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        x: key.x,
        kid: key.kid,
        alg: "EdDSA".to_owned(),
        r#use: "sig".to_owned(),
    });
    pb::Jwks { keys: keys.collect() }
}
