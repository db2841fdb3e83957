//! PrivacyService: how long what is kept.

use jiff::SignedDuration;
use tonic::Response;

use super::{
    Call,
    change::{Change, asked},
    wire,
};
use crate::{
    app::App,
    domain::retention::{Kind, Policy},
    error::{Error, Result},
    pb,
    privacy::retention::{self, policies},
    store,
};

/// ListRetentionPolicies.
pub async fn list(app: &App) -> Result<Response<pb::ListRetentionPoliciesResponse>> {
    let policies = policies(app).await?;
    Ok(Response::new(pb::ListRetentionPoliciesResponse {
        policies: policies.iter().map(wire_policy).collect(),
    }))
}

fn wire_policy(policy: &Policy) -> pb::RetentionPolicy {
    let Policy {
        kind,
        keep,
        updated,
        updated_by,
    } = policy;
    let (least, most) = kind.bounds();
    pb::RetentionPolicy {
        kind: *kind as i32,
        keep: Some(wire::duration(*keep)),
        min_keep: Some(wire::duration(least)),
        max_keep: Some(wire::duration(most)),
        update_time: Some(wire::timestamp(*updated)),
        update_user_id: updated_by.map(|user| user.0),
    }
}

/// UpdateRetentionPolicy.
pub async fn update(app: &App, call: &Call, request: pb::UpdateRetentionPolicyRequest) -> Result<Response<pb::RetentionPolicy>> {
    let keep = request.keep.unwrap_or_default();
    let kind = kind(request.kind)?;
    let (least, most) = kind.bounds();
    let keep = SignedDuration::new(keep.seconds, keep.nanos);
    if keep.subsec_nanos() != 0 || !(least..=most).contains(&keep) {
        return Err(Error::invalid(
            "keep",
            "está fuera de los límites de la política",
            "is outside of the policy's bounds",
        ));
    }
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateRetentionPolicy", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    note(call, kind);
    let policies = store::retention::policies(change.tx()).await?;
    if let Some(before) = policies.iter().find(|policy| policy.kind == kind) {
        change.trail.before(&wire_policy(before));
    }
    let policy = Policy {
        kind,
        keep,
        updated: change.now,
        updated_by: Some(change.caller.user),
    };
    store::retention::set(change.tx(), &policy).await?;
    change.commit(wire_policy(&policy)).await
}

fn note(call: &Call, kind: Kind) {
    call.trail.resource("retentionPolicy", format_args!("{kind:?}"));
}

fn kind(number: i32) -> Result<Kind> {
    Kind::of(number).ok_or_else(|| Error::invalid("kind", "no es uno de los valores admitidos", "is not one of the known values"))
}

/// RunRetention.
pub async fn run(app: &App, call: &Call, request: pb::RunRetentionRequest) -> Result<Response<pb::RunRetentionResponse>> {
    call.trail.request(&request);
    call.trail.resource("retentionPolicy", "all");
    let pb::RunRetentionRequest { kinds, dry_run } = request;
    let now = app.clock.now();
    let wanted = kinds.into_iter().map(kind).collect::<Result<Vec<_>>>()?;
    if let [kind] = wanted[..] {
        note(call, kind);
    }
    let mut policies = policies(app).await?;
    policies.retain(|policy| wanted.is_empty() || wanted.contains(&policy.kind));
    let mut counts = Vec::new();
    for policy in &policies {
        let count = match dry_run {
            true => retention::count(app, policy, now).await?,
            false => retention::forget(app, policy, call.request_id, now).await?,
        };
        counts.push(pb::RetentionCount {
            kind: policy.kind as i32,
            count,
            before_time: Some(wire::timestamp(policy.before(now))),
        });
    }
    let answer = pb::RunRetentionResponse { counts };
    call.trail.after(&answer);
    Ok(Response::new(answer))
}
