//! `/api/privacy` of GRUPO_GAD: the caller's own data.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::checked;
use crate::{
    app::App,
    error::{Error, Result},
    pb::{
        self as canonical,
        legacy::{self as pb, privacy_service_server::PrivacyService},
    },
    rpc::{Call, consent, export, privacy, retention},
};

/// Decisions that are told at most.
const DECISIONS: i32 = 1000;
/// Seconds of a day.
const DAY: f64 = 86_400.0;
/// Language of the older products' people.
const LANGUAGE: &str = "es";

/// The service.
#[derive(Debug, Clone)]
pub struct Privacy(pub Arc<App>);

#[tonic::async_trait]
impl PrivacyService for Privacy {
    type ExportDataStream = export::Export;

    async fn export_data(&self, request: Request<pb::ExportDataRequest>) -> Result<Response<export::Export>, Status> {
        let own = canonical::ExportPersonalDataRequest::default();
        Ok(export::export(&self.0, &Call::of(&request)?, own, export::Form::Document).await?)
    }

    async fn delete_data(&self, request: Request<pb::DeleteDataRequest>) -> Result<Response<pb::DeleteDataResponse>, Status> {
        Ok(delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_consent(&self, request: Request<pb::GetConsentRequest>) -> Result<Response<pb::ConsentReport>, Status> {
        Ok(report(&self.0, &Call::of(&request)?).await?)
    }

    async fn decide_consent(&self, request: Request<pb::DecideConsentRequest>) -> Result<Response<pb::ConsentDecided>, Status> {
        Ok(decide(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn withdraw_consent(
        &self,
        request: Request<pb::WithdrawConsentRequest>,
    ) -> Result<Response<pb::ConsentDecided>, Status> {
        let call = Call::of(&request)?;
        let pb::WithdrawConsentRequest { purpose } = request.into_inner();
        Ok(withdraw(&self.0, &call, &purpose).await?)
    }

    async fn list_retention(
        &self,
        _request: Request<pb::ListRetentionRequest>,
    ) -> Result<Response<pb::ListRetentionResponse>, Status> {
        let policies = retention::list(&self.0).await?.into_inner().policies;
        Ok(Response::new(pb::ListRetentionResponse {
            policies: policies.into_iter().map(policy).collect(),
        }))
    }
}

/// A word of ours as the older products write it: `CONSENT_PURPOSE_LOCATION` is `location`.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}

fn purpose_word(purpose: canonical::ConsentPurpose) -> String {
    word(purpose.as_str_name(), "CONSENT_PURPOSE_")
}

/// The purpose of a word; its rule has made it one.
fn purpose_of(word: &str) -> i32 {
    let name = format!("CONSENT_PURPOSE_{}", word.to_ascii_uppercase());
    canonical::ConsentPurpose::from_str_name(&name).unwrap_or_default() as i32
}

async fn delete(app: &App, call: &Call, request: pb::DeleteDataRequest) -> Result<Response<pb::DeleteDataResponse>> {
    let pb::DeleteDataRequest { body: _, erasure } = request;
    let pb::Erasure { reason } = erasure.unwrap_or_default();
    let request = canonical::ErasePersonRequest {
        reason: reason.unwrap_or_default(),
        ..canonical::ErasePersonRequest::default()
    };
    let canonical::ErasePersonResponse {
        user_id,
        display_name,
        erase_time,
        cleared: _,
    } = privacy::erase(app, call, checked(request)?).await?.into_inner();
    Ok(Response::new(pb::DeleteDataResponse {
        status: "deleted".to_owned(),
        user_id,
        nombre: display_name,
        deleted_at: erase_time,
    }))
}

async fn report(app: &App, call: &Call) -> Result<Response<pb::ConsentReport>> {
    let texts = canonical::ListConsentTextsRequest {
        language: LANGUAGE.to_owned(),
        all_shown: false,
    };
    let texts = consent::texts(app, texts).await?.into_inner().texts;
    let consents = consent::mine(app, call).await?.into_inner().consents;
    let past = canonical::ListConsentsRequest {
        page_size: DECISIONS,
        ..canonical::ListConsentsRequest::default()
    };
    let past = consent::list(app, call, past).await?.into_inner().decisions;
    Ok(Response::new(pb::ConsentReport {
        user_id: call.caller()?.user.0,
        consents: consents.into_iter().map(|consent| state(consent, &texts)).collect(),
        history: past.into_iter().map(event).collect(),
    }))
}

/// How a purpose stands, in the older words.
fn status(consent: &canonical::Consent) -> String {
    word(consent.standing().as_str_name(), "CONSENT_STANDING_")
}

fn state(consent: canonical::Consent, texts: &[canonical::ConsentText]) -> pb::ConsentState {
    let text = texts.iter().find(|text| text.purpose == consent.purpose);
    let decided = consent.decide_time.is_some();
    pb::ConsentState {
        purpose: purpose_word(consent.purpose()),
        status: status(&consent),
        granted: consent.standing() == canonical::ConsentStanding::Granted,
        version: decided.then_some(consent.version),
        current_version: consent.current_version,
        decided_at: consent.decide_time,
        title: text.map(|text| text.title.clone()).unwrap_or_default(),
        text: text.map(|text| text.body.clone()).unwrap_or_default(),
    }
}

fn event(decision: canonical::ConsentDecision) -> pb::ConsentEvent {
    let text = decision.text.unwrap_or_default();
    pb::ConsentEvent {
        id: decision.id,
        purpose: purpose_word(text.purpose()),
        version: text.version,
        granted: decision.granted,
        decided_at: decision.create_time,
        address: Some(decision.address).filter(|address| !address.is_empty()),
        text_hash: text.hash,
    }
}

fn decided(consent: canonical::Consent, message: Option<String>) -> pb::ConsentDecided {
    pb::ConsentDecided {
        purpose: purpose_word(consent.purpose()),
        status: status(&consent),
        granted: consent.standing() == canonical::ConsentStanding::Granted,
        version: consent.version,
        decided_at: consent.decide_time,
        message,
    }
}

async fn decide(app: &App, call: &Call, request: pb::DecideConsentRequest) -> Result<Response<pb::ConsentDecided>> {
    let pb::DecideConsentRequest { body: _, decision } = request;
    let pb::Decision {
        purpose,
        granted,
        version,
        language,
    } = decision.unwrap_or_default();
    if granted != Some(true) {
        return withdraw(app, call, &purpose).await;
    }
    let request = canonical::GrantConsentRequest {
        purpose: purpose_of(&purpose),
        version: version.ok_or_else(|| Error::required("version"))?,
        language: language.unwrap_or_else(|| LANGUAGE.to_owned()),
        request_id: String::new(),
    };
    let consent = consent::grant(app, call, checked(request)?).await?;
    Ok(consent.map(|consent| decided(consent, None)))
}

async fn withdraw(app: &App, call: &Call, purpose: &str) -> Result<Response<pb::ConsentDecided>> {
    let request = canonical::WithdrawConsentRequest {
        purpose: purpose_of(purpose),
        request_id: String::new(),
    };
    let canonical::WithdrawConsentResponse {
        consent,
        effects: _,
        message,
    } = consent::withdraw(app, call, checked(request)?).await?.into_inner();
    Ok(Response::new(decided(consent.unwrap_or_default(), Some(message))))
}

fn policy(policy: canonical::RetentionPolicy) -> pb::RetentionRule {
    let keep = policy.keep.unwrap_or_default();
    pb::RetentionRule {
        kind: word(policy.kind().as_str_name(), "RETENTION_KIND_"),
        // Seconds of a century are few enough for a double.
        days: std::time::Duration::try_from(keep).unwrap_or_default().as_secs_f64() / DAY,
        updated_at: policy.update_time,
    }
}
