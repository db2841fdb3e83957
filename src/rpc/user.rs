//! UserService: users and how much authority they have. Reading them is in `user_read`, whether they may sign in in
//! `user_access`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    Call, auth_password,
    change::{Change, keyed, tried},
    letter::{self, Addressee},
    national_id, user_access as access, user_mask as mask, user_read as read, wire,
};
use crate::{
    app::App,
    domain::{
        AgentId, UserId, ZoneId,
        access::Level,
        fact::FactKind,
        mail::Purpose,
        user::{Authority, User},
    },
    error::{Error, Missing, Result},
    pb::{self, user_service_server::UserService},
    store::{self, Conn, user::Draft},
};

/// The service.
#[derive(Debug, Clone)]
pub struct Users(pub Arc<App>);

#[tonic::async_trait]
impl UserService for Users {
    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Result<Response<pb::User>, Status> {
        Ok(read::get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn batch_get_users(
        &self,
        request: Request<pb::BatchGetUsersRequest>,
    ) -> Result<Response<pb::BatchGetUsersResponse>, Status> {
        Ok(read::batch_get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_users(&self, request: Request<pb::ListUsersRequest>) -> Result<Response<pb::ListUsersResponse>, Status> {
        Ok(read::list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_user_by_telegram_id(
        &self,
        request: Request<pb::GetUserByTelegramIdRequest>,
    ) -> Result<Response<pb::User>, Status> {
        Ok(read::by_telegram_id(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn create_user(&self, request: Request<pb::CreateUserRequest>) -> Result<Response<pb::User>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn invite_user(&self, request: Request<pb::UserStepRequest>) -> Result<Response<pb::User>, Status> {
        Ok(invite(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn update_user(&self, request: Request<pb::UpdateUserRequest>) -> Result<Response<pb::User>, Status> {
        Ok(update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn update_me(&self, request: Request<pb::UpdateMeRequest>) -> Result<Response<pb::User>, Status> {
        Ok(update_me(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn set_user_level(&self, request: Request<pb::SetUserLevelRequest>) -> Result<Response<pb::User>, Status> {
        Ok(set_level(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn activate_user(&self, request: Request<pb::UserStepRequest>) -> Result<Response<pb::User>, Status> {
        Ok(access::activate(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn deactivate_user(&self, request: Request<pb::UserStepRequest>) -> Result<Response<pb::User>, Status> {
        Ok(access::deactivate(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn lock_user(&self, request: Request<pb::LockUserRequest>) -> Result<Response<pb::User>, Status> {
        Ok(access::lock(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn unlock_user(&self, request: Request<pb::UserStepRequest>) -> Result<Response<pb::User>, Status> {
        Ok(access::unlock(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn expire_password(&self, request: Request<pb::UserStepRequest>) -> Result<Response<pb::User>, Status> {
        Ok(access::expire_password(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn set_user_password(&self, request: Request<pb::SetUserPasswordRequest>) -> Result<Response<pb::User>, Status> {
        Ok(access::set_password(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn delete_user(&self, request: Request<pb::DeleteUserRequest>) -> Result<Response<pb::User>, Status> {
        Ok(access::delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn undelete_user(&self, request: Request<pb::UserStepRequest>) -> Result<Response<pb::User>, Status> {
        Ok(access::undelete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_user_sessions(
        &self,
        request: Request<pb::ListUserSessionsRequest>,
    ) -> Result<Response<pb::ListUserSessionsResponse>, Status> {
        Ok(read::sessions(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn revoke_user_sessions(&self, request: Request<pb::UserStepRequest>) -> Result<Response<pb::User>, Status> {
        Ok(access::revoke_sessions(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// CreateUser.
pub async fn create(app: &App, call: &Call, request: pb::CreateUserRequest) -> Result<Response<pb::User>> {
    let wire = request.user.clone().unwrap_or_default();
    let authority = authority("user.level", wire.level.max(Level::Agent as i32), &wire.zone_ids)?;
    let (email, username, name) = (mask::email(&wire)?, mask::username(&wire)?, mask::name(&wire)?);
    let (language, country) = (mask::language(&wire), mask::country(&wire));
    let personal = [
        &email,
        username.as_deref().unwrap_or_default(),
        &name.display,
        &name.given,
        &name.family,
    ];
    let password_hash = first_password(app, &request.password, wire.service, &personal).await?;
    let national_id = national_id::given(&request.national_id)?;
    let mut conn = app.database.lease().await?;
    let asked = tried("CreateUser", &request.request_id, request.validate_only);
    let change = Change::begin(app, call, &mut conn, asked, &unsaid(app, &request)).await?;
    store::user::lock(change.tx(), &[change.caller.user]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    if !authority.is_within(&giver(&change).await?.caller()) {
        return Err(Error::Forbidden);
    }
    let draft = Draft {
        uid: app.uid(change.now),
        email: &email,
        username: username.as_deref(),
        name: &name,
        phone: wire.phone.trim(),
        telegram_id: wire.telegram_id,
        language: &language,
        country: country.as_deref(),
        password_hash: password_hash.as_deref(),
        email_verified: request.email_verified.then_some(change.now),
        must_verify_email: false,
        password_expired: request.password_expired && password_hash.is_some(),
        authority: &authority,
        service: wire.service,
        now: change.now,
    };
    let id = store::user::insert(change.tx(), &draft).await?;
    if national_id.is_some() {
        national_id::keep(app, change.tx(), id, national_id.as_ref(), change.now).await?;
    }
    let user = change.user(id, "").await?;
    change.trail.anew();
    if !user.service {
        greet(app, &change, &user, password_hash.is_some()).await?;
    }
    let mut answer = wire::user(&user);
    if request.validate_only {
        answer.id = 0;
    }
    change.commit(answer).await
}

/// The request without its secrets, for the hash that is kept.
fn unsaid(app: &App, request: &pb::CreateUserRequest) -> pb::CreateUserRequest {
    pb::CreateUserRequest {
        password: keyed(app, &request.password),
        national_id: keyed(app, &request.national_id),
        ..request.clone()
    }
}

/// Mails to a new user what is still to be done.
async fn greet(app: &App, change: &Change<'_>, user: &User, has_password: bool) -> Result<()> {
    match (has_password, user.email_verified) {
        (false, _) => letter::invite(app, change.tx(), user, change.now).await,
        (true, None) => letter::send_link(app, change.tx(), Addressee::of(user), Purpose::Verification, change.now).await,
        (true, Some(_)) => Ok(()),
    }
}

/// InviteUser.
pub async fn invite(app: &App, call: &Call, request: pb::UserStepRequest) -> Result<Response<pb::User>> {
    let id = UserId(request.id);
    let mut conn = app.database.lease().await?;
    let asked = tried("InviteUser", &request.request_id, request.validate_only);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::user::lock(change.tx(), &[change.caller.user, id]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    giver(&change).await?;
    change.trail.reason(&request.reason);
    let user = living(&change, id, &request.etag).await?;
    let invited = !user.service && store::credentials::password_hash(change.tx(), id).await?.is_none();
    if !invited || !user.may_sign_in() {
        return Err(Error::NotInvited);
    }
    letter::invite(app, change.tx(), &user, change.now).await?;
    change.commit(wire::user(&user)).await
}

/// UpdateUser.
pub async fn update(app: &App, call: &Call, request: pb::UpdateUserRequest) -> Result<Response<pb::User>> {
    let wire = request.user.clone().unwrap_or_default();
    if wire.id == 0 {
        return Err(Error::required("user.id"));
    }
    let etag = first_filled(&request.etag, &wire.etag);
    let id = UserId(wire.id);
    let mut conn = app.database.lease().await?;
    let asked = tried("UpdateUser", &request.request_id, request.validate_only);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::user::lock(change.tx(), &[change.caller.user, id]).await?;
    lock_agent(&change, id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    giver(&change).await?;
    let before = living(&change, id, &etag).await?;
    let mut user = before.clone();
    mask::apply(&mut user, &wire, request.update_mask.as_ref(), mask::ALL)?;
    if before.email != user.email {
        prove_email(app, &change, &user).await?;
    }
    save(change, &before, &user).await
}

/// UpdateMe.
pub async fn update_me(app: &App, call: &Call, request: pb::UpdateMeRequest) -> Result<Response<pb::User>> {
    let wire = request.user.clone().unwrap_or_default();
    let etag = first_filled(&request.etag, &wire.etag);
    let mut conn = app.database.lease().await?;
    let asked = tried("UpdateMe", &request.request_id, request.validate_only);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    let id = change.caller.user;
    store::user::lock(change.tx(), &[id]).await?;
    lock_agent(&change, id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let before = change.user(id, &etag).await?;
    if !before.may_sign_in() {
        return Err(Error::SignedOut);
    }
    let mut user = before.clone();
    mask::apply(&mut user, &wire, request.update_mask.as_ref(), mask::OWN)?;
    save(change, &before, &user).await
}

/// Mails to a new address what proves it. What was mailed to the old one proves nothing any more.
async fn prove_email(app: &App, change: &Change<'_>, user: &User) -> Result<()> {
    if user.service {
        return Ok(());
    }
    let password = store::credentials::password_hash(change.tx(), user.id).await?;
    let purpose = password.map_or(Purpose::Invitation, |_| Purpose::Verification);
    letter::send_link(app, change.tx(), Addressee::of(user), purpose, change.now).await
}

/// Writes what people set of a user. Whoever watches the user's agent hears of another name.
async fn save(mut change: Change<'_>, before: &User, user: &User) -> Result<Response<pb::User>> {
    let saved = store::user::save(change.tx(), user, change.now).await?;
    if let Some(agent) = saved.agent.filter(|_| before.name.display != saved.name.display) {
        store::agent::touch(change.tx(), &[agent], false, change.now).await?;
        for agent in store::agent::find(change.tx(), &[agent]).await? {
            change.agent_fact(FactKind::AgentUpdated, agent);
        }
    }
    change.commit(wire::user(&saved)).await
}

/// SetUserLevel.
pub async fn set_level(app: &App, call: &Call, request: pb::SetUserLevelRequest) -> Result<Response<pb::User>> {
    let authority = authority("level", request.level, &request.zone_ids)?;
    let id = UserId(request.id);
    let mut conn = app.database.lease().await?;
    let asked = tried("SetUserLevel", &request.request_id, request.validate_only);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::user::lock(change.tx(), &[change.caller.user, id]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let giver = giver(&change).await?.caller();
    let user = living(&change, id, &request.etag).await?;
    if !user.yields_to(&giver) || !authority.is_within(&giver) {
        return Err(Error::Forbidden);
    }
    let saved = store::user::save_authority(change.tx(), id, &authority, change.now).await?;
    store::credentials::withdraw_tokens(change.tx(), id, change.now).await?;
    let answer = change.commit(wire::user(&saved)).await?;
    heed(app, &conn).await;
    Ok(answer)
}

/// What a mutation asks for.
fn first_filled(one: &str, other: &str) -> String {
    if one.is_empty() { other.to_owned() } else { one.to_owned() }
}

fn authority(field: &str, level: i32, zones: &[i64]) -> Result<Authority> {
    let level = Level::of(level).ok_or_else(|| Error::required(field))?;
    Authority::new(level, zones.iter().copied().map(ZoneId).collect())
        .map_err(|_| Error::invalid("zone_ids", "solo limitan a supervisores", "are for supervisors only"))
}

/// Hash of the password that an administrator gives, if it is one.
async fn first_password(app: &App, password: &str, service: bool, personal: &[&str]) -> Result<Option<String>> {
    if password.is_empty() {
        return Ok(None);
    }
    if service {
        return Err(Error::invalid("password", "no es para servicios", "is not for services"));
    }
    auth_password::check("password", password, personal)?;
    app.passwords.hash(password.to_owned()).await.map(Some)
}

/// The caller as it is now, whatever its token says: under its lock, so that nobody gives what was just taken from them.
pub async fn giver(change: &Change<'_>) -> Result<User> {
    let user = store::user::get(change.tx(), change.caller.user).await?;
    let user = user.filter(User::may_sign_in).ok_or(Error::SignedOut)?;
    if user.level < change.caller.level {
        return Err(Error::SignedOut);
    }
    Ok(user)
}

/// The user, unless it is deleted or erased.
pub async fn living(change: &Change<'_>, id: UserId, etag: &str) -> Result<User> {
    let user = change.user(id, etag).await?;
    if user.is_gone() {
        return Err(Error::NotFound(Missing::User));
    }
    Ok(user)
}

/// Locks the user's agent, and names it; none comes or goes while the user is locked.
pub async fn lock_agent(change: &Change<'_>, id: UserId) -> Result<Option<AgentId>> {
    let agent = store::user::get(change.tx(), id).await?.and_then(|user| user.agent);
    store::agent::lock(change.tx(), agent.as_slice()).await?;
    Ok(agent)
}

/// Heeds at once what was revoked here. Should that fail, it is heeded a moment later, as on the other replicas.
pub async fn heed(app: &App, conn: &Conn) {
    if let Err(cause) = app.tokens.revocations.read(conn).await {
        tracing::warn!(%cause, "revocations were not read at once");
    }
}
