//! AuthService: the second factor.

use tonic::Response;

use super::{Call, letter};
use crate::{
    app::App,
    domain::{UserId, mail::Purpose, user::User},
    error::{Error, Result},
    identity::{Factor, Fits},
    pb,
    store::{
        self, Tx,
        credentials::{Credentials, Second},
    },
};

/// Makes a secret that does not count yet.
pub async fn enrol(app: &App, call: &Call, request: pb::EnrolTotpRequest) -> Result<Response<pb::EnrolTotpResponse>> {
    let pb::EnrolTotpRequest {} = request;
    call.session()?;
    about_oneself(call)?;
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let (user, second) = locked(&tx, call.caller()?.user).await?;
    if second.is_some_and(|second| second.confirmed) {
        return Err(Error::SecondFactorState);
    }
    let factor = Factor::make()?;
    store::credentials::enrol(&tx, user.id, &factor.close(&app.seal, user.id)?).await?;
    app.audit.commit(tx, &call.trail, now).await?;
    Ok(Response::new(pb::EnrolTotpResponse {
        secret: factor.secret(),
        uri: factor.uri(&app.settings.account.project_name, &user.email)?,
    }))
}

/// What is to be written down is about the caller.
fn about_oneself(call: &Call) -> Result<()> {
    let user = call.caller()?.user;
    call.trail.resource("user", user.0);
    call.trail.subject(user);
    Ok(())
}

/// The caller, and the second factor, for this transaction alone.
async fn locked(tx: &Tx<'_>, user: UserId) -> Result<(User, Option<Second>)> {
    let credentials = store::credentials::lock(tx, user).await?.ok_or(Error::SignedOut)?;
    let user = store::user::get(tx, user).await?.ok_or(Error::SignedOut)?;
    let Credentials { second, .. } = credentials;
    Ok((user, second))
}

/// Switches the second factor on.
pub async fn confirm(app: &App, call: &Call, request: pb::ConfirmTotpRequest) -> Result<Response<pb::RecoveryCodes>> {
    let pb::ConfirmTotpRequest { code } = request;
    call.session()?;
    about_oneself(call)?;
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let (user, second) = locked(&tx, call.caller()?.user).await?;
    let second = second.filter(|second| !second.confirmed).ok_or(Error::SecondFactorState)?;
    let factor = Factor::open(&app.seal, user.id, &second.sealed)?;
    let Some(Fits::Step(step)) = factor.read(&code, now) else {
        return Err(Error::WrongProof);
    };
    store::credentials::confirm(&tx, user.id, step, now).await?;
    let codes = recovery_codes(&tx, user.id, &factor).await?;
    app.audit.commit(tx, &call.trail, now).await?;
    Ok(Response::new(codes))
}

/// New recovery codes in place of the former ones.
async fn recovery_codes(tx: &Tx<'_>, user: UserId, factor: &Factor) -> Result<pb::RecoveryCodes> {
    let (codes, hashes) = factor.recovery_codes()?;
    store::credentials::set_recovery_codes(tx, user, &hashes).await?;
    Ok(pb::RecoveryCodes { codes })
}

/// Switches the second factor off.
pub async fn disable(app: &App, call: &Call, request: pb::DisableTotpRequest) -> Result<Response<pb::DisableTotpResponse>> {
    let pb::DisableTotpRequest {} = request;
    call.session()?;
    about_oneself(call)?;
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let (user, second) = locked(&tx, call.caller()?.user).await?;
    if !second.is_some_and(|second| second.confirmed) {
        return Err(Error::SecondFactorState);
    }
    store::credentials::forget_second(&tx, user.id, now).await?;
    letter::send(app, &tx, &user, Purpose::SecondFactorOff, now).await?;
    app.audit.commit(tx, &call.trail, now).await?;
    Ok(Response::new(pb::DisableTotpResponse {}))
}

/// Gives new recovery codes.
pub async fn regenerate(
    app: &App,
    call: &Call,
    request: pb::RegenerateRecoveryCodesRequest,
) -> Result<Response<pb::RecoveryCodes>> {
    let pb::RegenerateRecoveryCodesRequest {} = request;
    call.session()?;
    about_oneself(call)?;
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let (user, second) = locked(&tx, call.caller()?.user).await?;
    let second = second.filter(|second| second.confirmed).ok_or(Error::SecondFactorState)?;
    let codes = recovery_codes(&tx, user.id, &Factor::open(&app.seal, user.id, &second.sealed)?).await?;
    app.audit.commit(tx, &call.trail, now).await?;
    Ok(Response::new(codes))
}
