//! PrivacyService: national ids, which are sealed at rest.

use tonic::Response;

use super::{
    Call,
    change::Change,
    privacy::{asked, whom_noted},
    wire,
};
use crate::{
    app::App,
    domain::national_id::NationalId,
    error::{Error, Missing, Result},
    identity::national_id,
    pb,
    store::{self, Query},
};

/// What the hash of a request is keyed for: a number could be guessed from a plain one.
const PURPOSE: &str = "requests with national ids";

fn parse(text: &str) -> Result<NationalId> {
    NationalId::of(text).map_err(|_| {
        Error::invalid(
            "national_id",
            "debe tener de 5 a 15 letras y números, y al menos 4 números",
            "must have 5 to 15 letters and digits, at least 4 of them digits",
        )
    })
}

/// SetNationalId.
pub async fn set(app: &App, call: &Call, request: pb::SetNationalIdRequest) -> Result<Response<pb::SetNationalIdResponse>> {
    let id = match request.national_id.as_str() {
        "" => None,
        text => Some(parse(text)?),
    };
    // Kept for repeats is a hash that only the server can make.
    let hashed = pb::SetNationalIdRequest {
        national_id: hex::encode(app.seal.hash(PURPOSE, request.national_id.as_bytes())),
        ..request.clone()
    };
    let mut conn = app.database.lease().await?;
    let change = Change::begin(app, call, &mut conn, asked("SetNationalId", &request.request_id), &hashed).await?;
    let user = whom_noted(call, &change.caller, request.user_id)?;
    store::user::lock(change.tx(), &[change.caller.user, user]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    there(change.tx(), user).await?;
    match &id {
        Some(id) => {
            let (sealed, index) = national_id::close(change.tx(), &app.seal, user, id, change.now).await?;
            store::data_key::set_national_id(change.tx(), user, Some((&sealed, &index)), change.now).await?;
        }
        None => store::data_key::set_national_id(change.tx(), user, None, change.now).await?,
    }
    let answer = pb::SetNationalIdResponse {
        user_id: user.0,
        known: id.is_some(),
    };
    change.commit(answer).await
}

/// Whether there is such a user, not erased.
async fn there(on: &impl Query, user: crate::domain::UserId) -> Result<()> {
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
