//! One row for each audited call: if its handler wrote none, before the answer leaves; of a refusal, soon after.

use std::net::IpAddr;

use http::{Request, Response};
use tonic::{Status, body::Body};
use tonic_types::StatusExt as _;

use super::{door, name::Name};
use crate::{
    app::App,
    audit::{Actor, Known, Trail},
    descriptor::Rule,
    error::{Error, Result, reason_name},
    identity::{Credential, SignedIn},
    pb::ErrorReason,
};

/// The trail of a call.
pub fn trail(app: &App, name: &Name, rule: &Rule, request: &Request<Body>, address: Option<IpAddr>) -> Trail {
    if !rule.audited || !app.settings.audited {
        return Trail::default();
    }
    Trail::of(Known {
        method: name.method().trim_start_matches('/').to_owned(),
        permission: rule.permission.clone(),
        door: door::of(request),
        address,
        request_id: name.request_id(),
    })
}

/// Who calls, as it is written down.
pub fn actor(signed_in: &SignedIn) -> Actor {
    let user = signed_in.caller.user;
    match signed_in.credential {
        Credential::Session { .. } => Actor::User(user),
        Credential::ApiToken { id, .. } => Actor::ApiToken { token: id, user },
    }
}

/// Writes what is still to be written of a call, and gives its answer; none leaves without a row.
pub async fn close(app: &App, trail: &Trail, answer: Result<Response<Body>>) -> Result<Response<Body>> {
    let reason = match &answer {
        Ok(response) => refusal(response),
        Err(error) => Some(error.reason().to_owned()),
    };
    match reason {
        None if trail.is_open() => write(app, trail).await?,
        None => {}
        Some(reason) => {
            // Who calls too often does so thousands of times, and nobody looked at what was asked for.
            let counted = reason == reason_name(ErrorReason::RateLimited);
            match trail.entry(app.clock.now(), &reason) {
                Some(entry) if counted => app.audit.count(entry),
                Some(entry) => app.audit.refuse(entry),
                None => {}
            }
        }
    }
    answer
}

async fn write(app: &App, trail: &Trail) -> Result<()> {
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(None).await?;
    app.audit.commit(tx, trail, app.clock.now()).await
}

/// The reason of a refusal; none for an answer.
fn refusal(response: &Response<Body>) -> Option<String> {
    let status = Status::from_header_map(response.headers())?;
    if status.code() == tonic::Code::Ok {
        return None;
    }
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    Some(reason.unwrap_or_else(|| Error::Internal(String::new()).reason().to_owned()))
}
