//! UserService: whether a user may sign in, and the end of it.

use jiff::Timestamp;
use tonic::Response;

use super::{
    Call, auth_password,
    auth_session::oldest_token,
    change::{Change, keyed, tried},
    user::{giver, heed, living, lock_agent},
    wire,
};
use crate::{
    app::App,
    domain::{
        UserId,
        access::Level,
        agent::Duty,
        fact::FactKind,
        session::End,
        user::{Lock, User},
    },
    error::{Error, Missing, Result},
    pb, store,
};

/// What becomes of the user's sessions and agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consequence {
    /// Nothing.
    None,
    /// The sessions end.
    SignedOut(End),
    /// The sessions end, and the agent goes off duty.
    Closed,
}

/// ActivateUser.
pub async fn activate(app: &App, call: &Call, request: pb::UserStepRequest) -> Result<Response<pb::User>> {
    let step = |user: &mut User| user.active = true;
    change(app, call, "ActivateUser", request, Consequence::None, step).await
}

/// DeactivateUser.
pub async fn deactivate(app: &App, call: &Call, request: pb::UserStepRequest) -> Result<Response<pb::User>> {
    let step = |user: &mut User| user.active = false;
    change(app, call, "DeactivateUser", request, Consequence::Closed, step).await
}

/// LockUser.
pub async fn lock(app: &App, call: &Call, request: pb::LockUserRequest) -> Result<Response<pb::User>> {
    let pb::LockUserRequest {
        id,
        reason,
        etag,
        request_id,
        validate_only,
    } = request;
    let now = app.clock.now();
    let lock = Lock {
        since: now,
        reason: reason.clone(),
    };
    let request = pb::UserStepRequest {
        id,
        reason,
        etag,
        request_id,
        validate_only,
    };
    let step = |user: &mut User| user.locked = Some(lock);
    change(app, call, "LockUser", request, Consequence::Closed, step).await
}

/// UnlockUser.
pub async fn unlock(app: &App, call: &Call, request: pb::UserStepRequest) -> Result<Response<pb::User>> {
    let step = |user: &mut User| (user.locked, user.locked_until) = (None, None);
    change(app, call, "UnlockUser", request, Consequence::None, step).await
}

/// ExpirePassword.
pub async fn expire_password(app: &App, call: &Call, request: pb::UserStepRequest) -> Result<Response<pb::User>> {
    let step = |user: &mut User| user.password_expired = true;
    let end = Consequence::SignedOut(End::RevokedByAdministrator);
    change(app, call, "ExpirePassword", request, end, step).await
}

/// RevokeUserSessions.
pub async fn revoke_sessions(app: &App, call: &Call, request: pb::UserStepRequest) -> Result<Response<pb::User>> {
    let end = Consequence::SignedOut(End::RevokedByAdministrator);
    change(app, call, "RevokeUserSessions", request, end, |_| ()).await
}

/// A step concerning a user who is not deleted. One that changes nothing is no change.
async fn change(
    app: &App,
    call: &Call,
    method: &'static str,
    request: pb::UserStepRequest,
    consequence: Consequence,
    step: impl FnOnce(&mut User),
) -> Result<Response<pb::User>> {
    let id = UserId(request.id);
    let mut conn = app.database.lease().await?;
    let asked = tried(method, &request.request_id, request.validate_only);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::user::lock(change.tx(), &[change.caller.user, id]).await?;
    lock_agent(&change, id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    giver(&change).await?;
    change.trail.reason(&request.reason);
    let mut user = living(&change, id, &request.etag).await?;
    step(&mut user);
    let saved = store::user::save(change.tx(), &user, change.now).await?;
    match consequence {
        Consequence::None => {}
        Consequence::SignedOut(end) => end_sessions(&change, id, end).await?,
        Consequence::Closed => {
            end_sessions(&change, id, End::UserClosed).await?;
            go_off_duty(&mut change, &saved).await?;
        }
    }
    let answer = change.commit(wire::user(&saved)).await?;
    heed(app, &conn).await;
    Ok(answer)
}

/// SetUserPassword.
pub async fn set_password(app: &App, call: &Call, request: pb::SetUserPasswordRequest) -> Result<Response<pb::User>> {
    let (caller, id) = (call.caller()?, UserId(request.id));
    let own = id == caller.user;
    if !own && caller.level < Level::Administrator {
        return Err(Error::Forbidden);
    }
    check_password(app, id, &request.password).await?;
    // Hashing takes a while: no transaction waits for it.
    let hash = app.passwords.hash(request.password.clone()).await?;
    let hashed = pb::SetUserPasswordRequest {
        password: keyed(app, &request.password),
        ..request.clone()
    };
    let mut conn = app.database.lease().await?;
    let asked = tried("SetUserPassword", &request.request_id, request.validate_only);
    let change = Change::begin(app, call, &mut conn, asked, &hashed).await?;
    store::user::lock(change.tx(), &[change.caller.user, id]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    giver(&change).await?;
    change.trail.reason(&request.reason);
    let user = living(&change, id, &request.etag).await?;
    auth_password::set(app, change.tx(), &user, &hash, change.now).await?;
    if own {
        let (kept, since) = (Some(call.session()?), oldest_token(app, change.now));
        store::session::end_others(change.tx(), id, kept, End::PasswordChanged, since, change.now).await?;
    } else {
        end_sessions(&change, id, End::PasswordChanged).await?;
    }
    let saved = store::user::get(change.tx(), id)
        .await?
        .ok_or(Error::NotFound(Missing::User))?;
    let answer = change.commit(wire::user(&saved)).await?;
    heed(app, &conn).await;
    Ok(answer)
}

/// Whether a text may be the password of this user.
async fn check_password(app: &App, id: UserId, password: &str) -> Result<()> {
    let conn = app.database.lease().await?;
    let user = store::user::get(&*conn, id).await?.filter(|user| !user.is_gone());
    let user = user.ok_or(Error::NotFound(Missing::User))?;
    if user.service {
        return Err(Error::invalid("password", "no es para servicios", "is not for services"));
    }
    auth_password::check("password", password, &user.personal())
}

async fn end_sessions(change: &Change<'_>, id: UserId, end: End) -> Result<()> {
    // No access token of a session is left to be named: those of the user all end.
    store::session::end_others(change.tx(), id, None, end, Timestamp::MAX, change.now).await?;
    store::credentials::withdraw_tokens(change.tx(), id, change.now).await
}

/// Nobody is sent who cannot sign in.
async fn go_off_duty(change: &mut Change<'_>, user: &User) -> Result<()> {
    for mut agent in store::agent::find(change.tx(), user.agent.as_slice()).await? {
        if agent.duty != Duty::OffDuty {
            agent.set_duty(Duty::OffDuty, change.now);
            let agent = store::agent::save(change.tx(), &agent, change.now).await?;
            change.agent_fact(FactKind::AgentAvailabilityChanged, agent);
        }
    }
    Ok(())
}

/// DeleteUser.
pub async fn delete(app: &App, call: &Call, request: pb::DeleteUserRequest) -> Result<Response<pb::User>> {
    let id = UserId(request.id);
    let mut conn = app.database.lease().await?;
    let asked = tried("DeleteUser", &request.request_id, request.validate_only);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::user::lock(change.tx(), &[change.caller.user, id]).await?;
    let agent = lock_agent(&change, id).await?;
    // No move of a deleted agent comes after its deletion in the feed.
    store::position::lock(change.tx(), agent).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    giver(&change).await?;
    let mut user = living(&change, id, &request.etag).await?;
    let count = store::user::open_tasks(change.tx(), id).await?;
    if count > 0 {
        return Err(Error::StillInUse { count });
    }
    for mut agent in store::agent::find(change.tx(), agent.as_slice()).await? {
        agent.deleted = Some(change.now);
        let agent = store::agent::save(change.tx(), &agent, change.now).await?;
        change.agent_fact(FactKind::AgentDeleted, agent);
    }
    user.deleted = Some(change.now);
    store::mail::end_tokens(change.tx(), id, change.now).await?;
    store::api_token::end_all(change.tx(), id, change.now).await?;
    let saved = store::user::save(change.tx(), &user, change.now).await?;
    end_sessions(&change, id, End::UserClosed).await?;
    let answer = change.commit(wire::user(&saved)).await?;
    heed(app, &conn).await;
    Ok(answer)
}

/// UndeleteUser.
pub async fn undelete(app: &App, call: &Call, request: pb::UserStepRequest) -> Result<Response<pb::User>> {
    let id = UserId(request.id);
    let mut conn = app.database.lease().await?;
    let asked = tried("UndeleteUser", &request.request_id, request.validate_only);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::user::lock(change.tx(), &[change.caller.user, id]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    giver(&change).await?;
    change.trail.reason(&request.reason);
    let mut user = change.user(id, &request.etag).await?;
    if user.erased.is_some() {
        return Err(Error::NotFound(Missing::User));
    }
    if user.deleted.take().is_none() {
        return Err(Error::NotDeleted);
    }
    let saved = store::user::save(change.tx(), &user, change.now).await?;
    change.commit(wire::user(&saved)).await
}
