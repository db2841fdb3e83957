//! PrivacyService: national ids, which are sealed at rest.

use std::collections::HashMap;

use jiff::Timestamp;
use tonic::Response;

use super::{
    Call,
    change::{Asked, Change, asked, keyed},
    privacy::{whom, whom_noted},
    wire,
};
use crate::{
    app::App,
    domain::{UserId, national_id::NationalId},
    error::{Error, Missing, Result},
    identity::national_id,
    pb,
    store::{self, Query, Tx},
};

fn parse(text: &str) -> Result<NationalId> {
    NationalId::of(text).map_err(|_| {
        Error::invalid(
            "national_id",
            "debe tener de 5 a 15 letras y números, y al menos 4 números",
            "must have 5 to 15 letters and digits, at least 4 of them digits",
        )
    })
}

/// The id that a text is; none if it is empty.
pub fn given(text: &str) -> Result<Option<NationalId>> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

/// Keeps an id of a user, sealed; or forgets it.
pub async fn keep(app: &App, tx: &Tx<'_>, user: UserId, id: Option<&NationalId>, now: Timestamp) -> Result<()> {
    match id {
        Some(id) => {
            let (sealed, index) = national_id::close(tx, &app.seal, user, id, now).await?;
            store::data_key::set_national_id(tx, user, Some((&sealed, &index)), now).await
        }
        None => store::data_key::set_national_id(tx, user, None, now).await,
    }
}

/// SetNationalId.
pub async fn set(app: &App, call: &Call, request: pb::SetNationalIdRequest) -> Result<Response<pb::SetNationalIdResponse>> {
    let id = given(&request.national_id)?;
    let hashed = pb::SetNationalIdRequest {
        national_id: keyed(app, &request.national_id),
        ..request.clone()
    };
    let asked = Asked {
        validate_only: request.validate_only,
        ..asked("SetNationalId", &request.request_id)
    };
    let mut conn = app.database.lease().await?;
    let change = Change::begin(app, call, &mut conn, asked, &hashed).await?;
    let user = whom_noted(call, &change.caller, request.user_id)?;
    store::user::lock(change.tx(), &[change.caller.user, user]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    there(change.tx(), user).await?;
    keep(app, change.tx(), user, id.as_ref(), change.now).await?;
    let answer = pb::SetNationalIdResponse {
        user_id: user.0,
        known: id.is_some(),
    };
    change.commit(answer).await
}

/// Whether there is such a user, not erased.
async fn there(on: &impl Query, user: UserId) -> Result<()> {
    let found = store::user::get(on, user).await?;
    found
        .filter(|user| user.erased.is_none())
        .map(drop)
        .ok_or(Error::NotFound(Missing::User))
}

/// GetNationalId.
pub async fn get(app: &App, call: &Call, request: pb::GetNationalIdRequest) -> Result<Response<pb::NationalId>> {
    let user = whom_noted(call, &call.caller()?, request.user_id)?;
    let conn = app.database.lease().await?;
    there(&*conn, user).await?;
    let national_id = national_id::of(&*conn, &app.seal, user).await?;
    Ok(Response::new(pb::NationalId {
        user_id: user.0,
        national_id: national_id.unwrap_or_default(),
    }))
}

/// The ids that are known of those users of whom the caller may ask for one, by number.
pub async fn of_those(app: &App, call: &Call, users: impl Iterator<Item = i64>) -> Result<HashMap<i64, String>> {
    let caller = call.caller()?;
    let users: Vec<i64> = users.filter(|user| whom(&caller, *user).is_ok()).collect();
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let conn = app.database.lease().await?;
    national_id::of_many(&*conn, &app.seal, &users).await
}

/// FindUserByNationalId.
pub async fn find(app: &App, call: &Call, request: pb::FindUserByNationalIdRequest) -> Result<Response<pb::User>> {
    let id = parse(&request.national_id)?;
    let conn = app.database.lease().await?;
    let user = national_id::find(&*conn, &app.seal, &id).await?;
    let user = user.ok_or(Error::NotFound(Missing::User))?;
    call.trail.resource("user", user.0);
    call.trail.subject(user);
    let user = store::user::get(&*conn, user).await?.ok_or(Error::NotFound(Missing::User))?;
    Ok(Response::new(wire::user(&user)))
}
