//! DispatchService.

use std::sync::Arc;

use jiff::Timestamp;
use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, asked},
    nearby::fix_age,
    task::permit,
    task_read as read, wire,
};
use crate::{
    app::App,
    dispatch::{self, Order, Skipped},
    domain::{
        Revision, TaskId,
        dispatch::{Candidate, Policy},
        lens::Lens,
        task::{Action, Kind},
    },
    error::{Error, Result},
    pb::{self, dispatch_service_server::DispatchService},
    store,
};

/// Candidates wanted, unless the request says how many.
const COUNT: usize = 10;

/// The service.
#[derive(Debug, Clone)]
pub struct Dispatches(pub Arc<App>);

#[tonic::async_trait]
impl DispatchService for Dispatches {
    async fn recommend(&self, request: Request<pb::RecommendRequest>) -> Result<Response<pb::RecommendResponse>, Status> {
        Ok(recommend(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn dispatch(&self, request: Request<pb::DispatchRequest>) -> Result<Response<pb::DispatchResponse>, Status> {
        Ok(send(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_dispatch_policies(
        &self,
        _request: Request<pb::ListDispatchPoliciesRequest>,
    ) -> Result<Response<pb::ListDispatchPoliciesResponse>, Status> {
        Ok(policies(&self.0).await?)
    }

    async fn update_dispatch_policy(
        &self,
        request: Request<pb::UpdateDispatchPolicyRequest>,
    ) -> Result<Response<pb::DispatchPolicy>, Status> {
        Ok(update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn recommend(app: &App, call: &Call, request: pb::RecommendRequest) -> Result<Response<pb::RecommendResponse>> {
    let (now, caller) = (app.clock.now(), call.caller()?);
    let count = usize::try_from(request.page_size)
        .ok()
        .filter(|count| *count > 0)
        .unwrap_or(COUNT);
    let lens = app.precision.lens(&caller);
    let conn = app.database.lease().await?;
    let task = read::visible(store::task::get(&*conn, TaskId(request.task_id)).await?, &caller)?;
    let policy = store::dispatch::policy(&*conn, task.plan.kind).await?;
    let order = Order {
        task: &task,
        policy: &policy,
        count,
        sight: caller.sight(),
        now,
    };
    let mut ranking = dispatch::explained(&*conn, &order).await?;
    ranking.candidates.truncate(count);
    Ok(Response::new(pb::RecommendResponse {
        candidates: ranking.candidates.iter().map(|one| candidate(one, lens)).collect(),
        skipped: ranking.skipped.iter().map(|one| skipped(one, lens, now)).collect(),
        policy: Some(wire_policy(&policy)),
    }))
}

async fn send(app: &App, call: &Call, request: pb::DispatchRequest) -> Result<Response<pb::DispatchResponse>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("Dispatch", &request.request_id), &request).await?;
    let id = TaskId(request.task_id);
    let (task, policy) = store::dispatch::hold(change.tx(), id).await?.unzip();
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let task = change.known_task(id, task, &request.etag)?;
    permit(&task, &change.caller, Action::Assign)?;
    change.trail.reason(&request.reason);
    let mut policy = policy.ok_or_else(|| Error::internal("a task without a policy"))?;
    if let Some(radius) = request.radius_meters {
        policy.radius_meters = (radius > 0.0).then_some(radius);
    }
    let asked = usize::try_from(request.agent_count).ok().filter(|count| *count > 0);
    let order = Order {
        count: asked.unwrap_or(policy.agent_count).saturating_sub(task.assignments.len()),
        task: &task,
        policy: &policy,
        sight: change.caller.sight(),
        now: change.now,
    };
    let lens = change.lens();
    let mut answer = pb::DispatchResponse::default();
    let mut sent = None;
    if order.count > 0 {
        let claimed = dispatch::claim(change.tx(), &order).await?;
        if claimed.candidates.is_empty() {
            return Err(Error::NoAgentAvailable);
        }
        let actor = Some(change.caller.user);
        sent = Some(dispatch::send(change.tx(), &order, &claimed.candidates, actor, &request.reason).await?);
        let missing = order.count - claimed.candidates.len();
        answer.sent = claimed.candidates.iter().map(|one| candidate(one, lens)).collect();
        answer.skipped = claimed.skipped.iter().map(|one| skipped(one, lens, order.now)).collect();
        answer.missing_count = i32::try_from(missing).map_err(Error::internal)?;
    }
    let (task, facts) = sent.unwrap_or_else(|| (task.clone(), Vec::new()));
    change.tell(facts);
    answer.task = Some(wire::task(&task, &change.caller, change.now));
    change.commit(answer).await
}

async fn policies(app: &App) -> Result<Response<pb::ListDispatchPoliciesResponse>> {
    let conn = app.database.lease().await?;
    let policies = store::dispatch::policies(&*conn).await?;
    Ok(Response::new(pb::ListDispatchPoliciesResponse {
        policies: policies.iter().map(wire_policy).collect(),
    }))
}

async fn update(app: &App, call: &Call, request: pb::UpdateDispatchPolicyRequest) -> Result<Response<pb::DispatchPolicy>> {
    let wanted = request.policy.clone().unwrap_or_default();
    let etag = wire::seen_etag(&request.etag, &wanted.etag);
    let policy = read_policy(wanted)?;
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateDispatchPolicy", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.trail.resource("dispatch_policy", policy.kind as i64);
    let before = store::dispatch::locked(change.tx(), policy.kind).await?;
    change.trail.before(&wire_policy(&before));
    wire::check_etag(&etag, before.revision)?;
    let policy = store::dispatch::save(change.tx(), &policy, change.now).await?;
    change.commit(wire_policy(&policy)).await
}

/// A policy as somebody wants it.
fn read_policy(policy: pb::DispatchPolicy) -> Result<Policy> {
    let pb::DispatchPolicy {
        kind,
        radius_meters,
        max_fix_age,
        agent_count,
        exclusive,
        units,
        specialties,
        ranks,
        strict,
        mismatch_meters,
        task_meters,
        min_rest,
        update_time: _,
        etag: _,
    } = policy;
    Ok(Policy {
        kind: Kind::of(kind).ok_or_else(|| {
            Error::invalid(
                "policy.kind",
                "no es uno de los valores admitidos",
                "is not one of the known values",
            )
        })?,
        radius_meters: (radius_meters > 0.0).then_some(radius_meters),
        max_fix_age: wire::seconds("policy.max_fix_age", max_fix_age)?,
        agent_count: usize::try_from(agent_count).map_err(Error::internal)?,
        exclusive,
        units,
        specialties,
        ranks,
        strict,
        mismatch_meters,
        task_meters,
        min_rest: wire::seconds("policy.min_rest", min_rest)?,
        updated: Timestamp::UNIX_EPOCH,
        revision: Revision(0),
    })
}

fn wire_policy(policy: &Policy) -> pb::DispatchPolicy {
    let Policy {
        kind,
        radius_meters,
        max_fix_age,
        agent_count,
        exclusive,
        units,
        specialties,
        ranks,
        strict,
        mismatch_meters,
        task_meters,
        min_rest,
        updated,
        revision,
    } = policy;
    pb::DispatchPolicy {
        kind: *kind as i32,
        radius_meters: radius_meters.unwrap_or_default(),
        max_fix_age: Some(wire::duration(*max_fix_age)),
        agent_count: i32::try_from(*agent_count).unwrap_or(i32::MAX),
        exclusive: *exclusive,
        units: units.clone(),
        specialties: specialties.clone(),
        ranks: ranks.clone(),
        strict: *strict,
        mismatch_meters: *mismatch_meters,
        task_meters: *task_meters,
        min_rest: Some(wire::duration(*min_rest)),
        update_time: Some(wire::timestamp(*updated)),
        etag: wire::etag(*revision),
    }
}

/// A candidate as somebody may know of it.
pub fn candidate(candidate: &Candidate, lens: Lens) -> pb::Candidate {
    let Candidate {
        agent,
        meters,
        fix_age,
        unit_fits,
        specialty_fits,
        rank_fits,
        rest,
        cost_meters,
    } = candidate;
    pb::Candidate {
        agent: Some(wire::agent(agent, lens)),
        distance_meters: lens.distance(*meters),
        fix_age: Some(wire::duration(*fix_age)),
        unit_fits: *unit_fits,
        specialty_fits: *specialty_fits,
        rank_fits: *rank_fits,
        open_task_count: i32::try_from(agent.tasks.len()).unwrap_or(i32::MAX),
        rest: Some(wire::duration(*rest)),
        cost_meters: lens.distance(*cost_meters),
    }
}

fn skipped(skipped: &Skipped, lens: Lens, now: Timestamp) -> pb::SkippedAgent {
    let Skipped { near, reason } = skipped;
    pb::SkippedAgent {
        agent_id: near.id.0,
        code: near.code.clone(),
        distance_meters: lens.distance(near.meters),
        fix_age: Some(fix_age(near, now)),
        reason: *reason as i32,
    }
}
