//! ApiTokenService.

use std::sync::Arc;

use jiff::Timestamp;
use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, tried},
    page,
    user::{giver, heed},
    wire,
};
use crate::{
    app::App,
    descriptor::PERMISSIONS,
    domain::{
        UserId,
        access::{Caller, Level},
        user::User,
    },
    error::{Error, Missing, Result},
    identity::ApiTokenText,
    pb::{self, api_token_service_server::ApiTokenService},
    store::{
        self, Query,
        api_token::{ApiToken, Draft},
        revocation::Revoked,
    },
};

/// The service.
#[derive(Debug, Clone)]
pub struct ApiTokens(pub Arc<App>);

#[tonic::async_trait]
impl ApiTokenService for ApiTokens {
    async fn create_api_token(
        &self,
        request: Request<pb::CreateApiTokenRequest>,
    ) -> Result<Response<pb::CreateApiTokenResponse>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_api_token(&self, request: Request<pb::GetApiTokenRequest>) -> Result<Response<pb::ApiToken>, Status> {
        Ok(get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_api_tokens(
        &self,
        request: Request<pb::ListApiTokensRequest>,
    ) -> Result<Response<pb::ListApiTokensResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn revoke_api_token(&self, request: Request<pb::RevokeApiTokenRequest>) -> Result<Response<pb::ApiToken>, Status> {
        Ok(revoke(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// CreateApiToken.
pub async fn create(app: &App, call: &Call, request: pb::CreateApiTokenRequest) -> Result<Response<pb::CreateApiTokenResponse>> {
    let wire = request.api_token.clone().unwrap_or_default();
    let display_name = wire.display_name.trim();
    if display_name.is_empty() {
        return Err(Error::required("api_token.display_name"));
    }
    let mut conn = app.database.lease().await?;
    let asked = tried("CreateApiToken", &request.request_id, request.validate_only);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?.sealed();
    let owner = whose(&change.caller, wire.user_id)?;
    store::user::lock(change.tx(), &[change.caller.user, owner]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let owner = owner_of(&change, owner).await?;
    check_scopes(&wire.scopes, owner.level)?;
    let text = ApiTokenText::make()?;
    let draft = Draft {
        user: owner.id,
        display_name,
        prefix: &text.prefix,
        hash: &text.hash,
        scopes: &wire.scopes,
        expires: wire.expire_time.map(|time| future(time, change.now)).transpose()?,
        now: change.now,
    };
    let mut made = answer(store::api_token::insert(change.tx(), &draft).await?);
    change.trail.resource("api_token", made.id);
    change.trail.subject(owner.id);
    change.trail.anew();
    let mut token = text.text;
    if request.validate_only {
        (made.id, made.prefix, token) = (0, String::new(), String::new());
    }
    change
        .commit(pb::CreateApiTokenResponse {
            api_token: Some(made),
            token,
        })
        .await
}

/// The user whose token it is to be: the caller, or for an administrator a service. A token of another person would put their
/// name under what they did not do.
async fn owner_of(change: &Change<'_>, owner: UserId) -> Result<User> {
    let caller = giver(change).await?;
    if caller.id == owner {
        return Ok(caller);
    }
    let owner = change.user(owner, "").await?;
    if !owner.may_sign_in() {
        return Err(Error::NotFound(Missing::User));
    }
    if !owner.service || owner.level > caller.level {
        return Err(Error::Forbidden);
    }
    Ok(owner)
}

/// Scopes are permissions that a token can carry and that the level of its user reaches.
fn check_scopes(scopes: &[String], level: Level) -> Result<()> {
    if scopes.is_empty() {
        return Err(Error::required("api_token.scopes"));
    }
    for (at, scope) in scopes.iter().enumerate() {
        let field = format!("api_token.scopes[{at}]");
        let known = PERMISSIONS.iter().find(|permission| permission.name == *scope);
        match known.filter(|permission| permission.is_scope()) {
            None => return Err(Error::invalid(&field, "no es un alcance", "is no scope")),
            Some(permission) if permission.level() > level => {
                return Err(Error::invalid(
                    &field,
                    "está por encima del nivel del usuario",
                    "is beyond the level of the user",
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn future(wire: prost_types::Timestamp, now: Timestamp) -> Result<Timestamp> {
    let time = wire::time("api_token.expire_time", wire)?;
    if time <= now {
        return Err(Error::invalid("api_token.expire_time", "ya pasó", "is past"));
    }
    Ok(time)
}

/// GetApiToken.
pub async fn get(app: &App, call: &Call, request: pb::GetApiTokenRequest) -> Result<Response<pb::ApiToken>> {
    let conn = app.database.lease().await?;
    let token = visible(&*conn, request.id, &call.caller()?).await?;
    Ok(Response::new(answer(token)))
}

/// ListApiTokens.
pub async fn list(app: &App, call: &Call, request: pb::ListApiTokensRequest) -> Result<Response<pb::ListApiTokensResponse>> {
    let caller = call.caller()?;
    let pb::ListApiTokensRequest {
        page_size,
        page_token,
        user_id,
        ended_shown,
    } = request;
    let bound = pb::ListApiTokensRequest {
        page_size: 0,
        page_token: String::new(),
        user_id,
        ended_shown,
    };
    let query = page::Query::of("ListApiTokens", &bound, caller.user.0);
    let before = query.open(&page_token)?.map_or(i64::MAX, |[id]| id);
    let user = whose(&caller, user_id)?;
    let limit = page::limit(page_size, 50);
    let conn = app.database.lease().await?;
    let mut rows = store::api_token::list(&*conn, user, ended_shown, before, app.clock.now(), limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |token| [token.id]);
    Ok(Response::new(pb::ListApiTokensResponse {
        api_tokens: rows.into_iter().map(answer).collect(),
        next_page_token,
    }))
}

/// RevokeApiToken.
pub async fn revoke(app: &App, call: &Call, request: pb::RevokeApiTokenRequest) -> Result<Response<pb::ApiToken>> {
    let mut conn = app.database.lease().await?;
    let asked = tried("RevokeApiToken", &request.request_id, false);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.trail.resource("api_token", request.id);
    let token = visible(change.tx(), request.id, &change.caller).await?;
    change.trail.subject(token.user);
    change.trail.before(&answer(token.clone()));
    let ended = store::api_token::end(change.tx(), token.id, change.now).await?;
    store::revocation::add(change.tx(), Revoked::ApiToken(token.id), change.now).await?;
    let answer = change.commit(answer(ended)).await?;
    heed(app, &conn).await;
    Ok(answer)
}

/// Whose tokens are meant: the caller's own, or for administrators those of others.
fn whose(caller: &Caller, user_id: i64) -> Result<UserId> {
    match UserId(user_id) {
        UserId(0) => Ok(caller.user),
        user if user == caller.user || caller.level >= Level::Administrator => Ok(user),
        _ => Err(Error::Forbidden),
    }
}

/// The token, if it is there for this caller.
async fn visible(on: &impl Query, id: i64, caller: &Caller) -> Result<ApiToken> {
    let token = store::api_token::get(on, id).await?;
    token
        .filter(|token| token.user == caller.user || caller.level >= Level::Administrator)
        .ok_or(Error::NotFound(Missing::ApiToken))
}

fn answer(token: ApiToken) -> pb::ApiToken {
    let ApiToken {
        id,
        user,
        display_name,
        prefix,
        scopes,
        created,
        expires,
        used,
        ended,
    } = token;
    pb::ApiToken {
        id,
        user_id: user.0,
        display_name,
        prefix,
        scopes,
        create_time: Some(wire::timestamp(created)),
        expire_time: expires.map(wire::timestamp),
        last_use_time: used.map(wire::timestamp),
        end_time: ended.map(wire::timestamp),
    }
}
