//! PrivacyService: who may ask for whom, and erasing. The rest is in `export`, `consent`, `retention`, `location` and
//! `national_id`.

use std::{sync::Arc, time::Duration};

use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Asked, Change, asked},
    consent, export, location, national_id, retention,
    user::heed,
    wire,
};
use crate::{
    app::App,
    domain::{
        UserId,
        access::{Caller, Level},
        erasure::pseudonym,
    },
    error::{Error, Missing, Result},
    pb::{self, privacy_service_server::PrivacyService},
    privacy::erase as erasing,
    store::{self, erase::Cleared},
};

/// Longest that an erasure waits for the copies of the feed.
const PATIENCE: Duration = Duration::from_secs(3);

/// The service.
#[derive(Debug, Clone)]
pub struct Privacy(pub Arc<App>);

#[tonic::async_trait]
impl PrivacyService for Privacy {
    type ExportPersonalDataStream = export::Export;

    async fn export_personal_data(
        &self,
        request: Request<pb::ExportPersonalDataRequest>,
    ) -> Result<Response<export::Export>, Status> {
        let call = Call::of(&request)?;
        Ok(export::export(&self.0, &call, request.into_inner(), export::Form::Lines).await?)
    }

    async fn erase_person(&self, request: Request<pb::ErasePersonRequest>) -> Result<Response<pb::ErasePersonResponse>, Status> {
        Ok(erase(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_consent_texts(
        &self,
        request: Request<pb::ListConsentTextsRequest>,
    ) -> Result<Response<pb::ListConsentTextsResponse>, Status> {
        Ok(consent::texts(&self.0, request.into_inner()).await?)
    }

    async fn publish_consent_text(
        &self,
        request: Request<pb::PublishConsentTextRequest>,
    ) -> Result<Response<pb::PublishConsentTextResponse>, Status> {
        Ok(consent::publish(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_my_consents(&self, request: Request<pb::GetMyConsentsRequest>) -> Result<Response<pb::MyConsents>, Status> {
        Ok(consent::mine(&self.0, &Call::of(&request)?).await?)
    }

    async fn grant_consent(&self, request: Request<pb::GrantConsentRequest>) -> Result<Response<pb::Consent>, Status> {
        Ok(consent::grant(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn withdraw_consent(
        &self,
        request: Request<pb::WithdrawConsentRequest>,
    ) -> Result<Response<pb::WithdrawConsentResponse>, Status> {
        Ok(consent::withdraw(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_consents(
        &self,
        request: Request<pb::ListConsentsRequest>,
    ) -> Result<Response<pb::ListConsentsResponse>, Status> {
        Ok(consent::list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_retention_policies(
        &self,
        _request: Request<pb::ListRetentionPoliciesRequest>,
    ) -> Result<Response<pb::ListRetentionPoliciesResponse>, Status> {
        Ok(retention::list(&self.0).await?)
    }

    async fn update_retention_policy(
        &self,
        request: Request<pb::UpdateRetentionPolicyRequest>,
    ) -> Result<Response<pb::RetentionPolicy>, Status> {
        Ok(retention::update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn run_retention(
        &self,
        request: Request<pb::RunRetentionRequest>,
    ) -> Result<Response<pb::RunRetentionResponse>, Status> {
        Ok(retention::run(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_location_precisions(
        &self,
        _request: Request<pb::ListLocationPrecisionsRequest>,
    ) -> Result<Response<pb::ListLocationPrecisionsResponse>, Status> {
        Ok(location::list(&self.0).await?)
    }

    async fn update_location_precision(
        &self,
        request: Request<pb::UpdateLocationPrecisionRequest>,
    ) -> Result<Response<pb::LocationPrecision>, Status> {
        Ok(location::update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn reveal_location(
        &self,
        request: Request<pb::RevealLocationRequest>,
    ) -> Result<Response<pb::RevealLocationResponse>, Status> {
        Ok(location::reveal(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn set_national_id(
        &self,
        request: Request<pb::SetNationalIdRequest>,
    ) -> Result<Response<pb::SetNationalIdResponse>, Status> {
        Ok(national_id::set(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_national_id(&self, request: Request<pb::GetNationalIdRequest>) -> Result<Response<pb::NationalId>, Status> {
        Ok(national_id::get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn find_user_by_national_id(
        &self,
        request: Request<pb::FindUserByNationalIdRequest>,
    ) -> Result<Response<pb::User>, Status> {
        Ok(national_id::find(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// A change that an RPC asks for.
/// The user that a caller may ask for: 0 is oneself, and others are there for administrators.
pub fn whom(caller: &Caller, user_id: i64) -> Result<UserId> {
    if user_id == 0 || user_id == caller.user.0 {
        return Ok(caller.user);
    }
    if caller.level < Level::Administrator {
        return Err(Error::NotFound(Missing::User));
    }
    Ok(UserId(user_id))
}

/// The same, noted on the trail: it is done to that user.
pub fn whom_noted(call: &Call, caller: &Caller, user_id: i64) -> Result<UserId> {
    let asked = if user_id == 0 { caller.user } else { UserId(user_id) };
    call.trail.resource("user", asked.0);
    call.trail.subject(asked);
    whom(caller, user_id)
}

/// Whoever asks for others must say why.
pub fn check_reason(caller: &Caller, user: UserId, reason: &str) -> Result<()> {
    if user != caller.user && reason.trim().is_empty() {
        return Err(Error::invalid("reason", "falta", "is required for others than oneself"));
    }
    Ok(())
}

/// ErasePerson.
pub async fn erase(app: &App, call: &Call, request: pb::ErasePersonRequest) -> Result<Response<pb::ErasePersonResponse>> {
    let asked = Asked {
        validate_only: request.validate_only,
        ..asked("ErasePerson", &request.request_id)
    };
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    let id = whom_noted(call, &change.caller, request.user_id)?;
    check_reason(&change.caller, id, &request.reason)?;
    store::user::lock(change.tx(), &[change.caller.user, id]).await?;
    let user = store::user::get(change.tx(), id).await?;
    let user = user.ok_or(Error::NotFound(Missing::User))?;
    let ready = erasing::prepare(change.tx(), &app.seal, &user).await?;
    change.trail.reason(&ready.unnamed(change.tx(), &request.reason).await?);
    if id == change.caller.user {
        change.trail.nowhere();
    }
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let mut answer = pb::ErasePersonResponse {
        user_id: id.0,
        display_name: pseudonym(id),
        erase_time: Some(wire::timestamp(user.erased.unwrap_or(change.now))),
        cleared: Vec::new(),
    };
    if user.erased.is_some() {
        return change.commit(answer).await;
    }
    let erased = erasing::erase(change.tx(), ready, Some(change.caller.user), change.now).await?;
    answer.cleared = erased
        .cleared
        .iter()
        .filter(|cleared| cleared.rows > 0)
        .map(cleared)
        .collect();
    change.tell(erased.facts);
    change.forget(erased.forgotten);
    let answer = change.commit(answer).await?;
    if request.validate_only {
        return Ok(answer);
    }
    heed(app, &conn).await;
    drop(conn);
    if !app.hub.forgets(erased.erasures, PATIENCE).await {
        tracing::warn!("copies of the feed are forgotten later: the relay or Redis is away");
    }
    Ok(answer)
}

fn cleared(cleared: &Cleared) -> pb::ClearedRows {
    let Cleared { table, rows, deleted } = *cleared;
    pb::ClearedRows {
        table: table.to_owned(),
        row_count: rows,
        deleted,
    }
}
