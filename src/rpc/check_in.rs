//! CheckInService.

use std::sync::Arc;

use jiff::Timestamp;
use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, asked},
    page, sync, wire,
};
use crate::{
    app::App,
    check_in,
    domain::{
        AgentId, Revision, TaskId,
        access::Caller,
        check_in::{CheckIn, Policy},
        fact::FactKind,
        task::{Action, Kind, State, Task},
    },
    error::{Error, Missing, Result},
    pb::{self, check_in_service_server::CheckInService},
    store,
};

/// The service.
#[derive(Debug, Clone)]
pub struct CheckIns(pub Arc<App>);

#[tonic::async_trait]
impl CheckInService for CheckIns {
    async fn check_in(&self, request: Request<pb::CheckInRequest>) -> Result<Response<pb::CheckIn>, Status> {
        Ok(sign(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_check_ins(
        &self,
        request: Request<pb::ListCheckInsRequest>,
    ) -> Result<Response<pb::ListCheckInsResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_check_in_policies(
        &self,
        _request: Request<pb::ListCheckInPoliciesRequest>,
    ) -> Result<Response<pb::ListCheckInPoliciesResponse>, Status> {
        Ok(policies(&self.0).await?)
    }

    async fn update_check_in_policy(
        &self,
        request: Request<pb::UpdateCheckInPolicyRequest>,
    ) -> Result<Response<pb::CheckInPolicy>, Status> {
        Ok(update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// CheckIn.
pub async fn sign(app: &App, call: &Call, request: pb::CheckInRequest) -> Result<Response<pb::CheckIn>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("CheckIn", &request.request_id), &request).await?;
    let id = TaskId(request.task_id);
    store::task::lock(change.tx(), id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let task = change.task(id, "").await?;
    change.trail.anew();
    let agent = whose(&task, &change.caller, &request)?;
    if task.deleted.is_some() {
        return Err(Error::NotFound(Missing::Task));
    }
    if task.state() != State::InProgress {
        return Err(Error::NotRunning);
    }
    change.trail.reason(&request.reason);
    let policy = store::check_in::policy(change.tx(), task.plan.kind).await?;
    let reported = sync::reported("reported_time", request.reported_time, change.now)?;
    let check_in = store::check_in::begun(change.tx(), id, agent, change.now).await?;
    change.trail.resource("check_in", check_in.id);
    change.trail.subject(check_in.user);
    change.trail.before(&wire_check_in(&check_in));
    let given = reported.map_or(change.now, |reported| reported.min(change.now));
    let heard = check_in.heard(&policy, given, change.now);
    let check_in = store::check_in::save(change.tx(), &heard, change.now).await?;
    let told = check_in::fact(FactKind::CheckInMade, &check_in, Some(change.caller.user), change.now);
    change.tell(vec![told]);
    change.commit(wire_check_in(&check_in)).await
}

/// The agent who is well: the caller's own, or another whom they direct and can say why.
fn whose(task: &Task, caller: &Caller, request: &pb::CheckInRequest) -> Result<AgentId> {
    let mut on_it = task.assignments.iter();
    let found = match AgentId(request.agent_id) {
        AgentId(0) => on_it.find(|on| on.user == caller.user),
        agent => on_it.find(|on| on.agent == agent),
    };
    let own = found.is_some_and(|on| on.user == caller.user) || request.agent_id == 0;
    if !own && !task.is_open_to(caller, Action::Assign) {
        return Err(Error::Forbidden);
    }
    let agent = found.ok_or(Error::NotAssigned)?.agent;
    if !own && request.reason.trim().is_empty() {
        return Err(Error::required("reason"));
    }
    Ok(agent)
}

async fn list(app: &App, call: &Call, request: pb::ListCheckInsRequest) -> Result<Response<pb::ListCheckInsResponse>> {
    let caller = call.caller()?;
    let arguments = pb::ListCheckInsRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    };
    let pb::ListCheckInsRequest {
        page_size,
        page_token,
        task_id,
        missed_only,
    } = request;
    let query = page::Query::of("ListCheckIns", &arguments, caller.user.0);
    let before = query.open(&page_token)?.map_or(i64::MAX, |[id]| id);
    let limit = page::limit(page_size, 50);
    let conn = app.database.lease().await?;
    let sight = caller.sight();
    let mut rows = store::check_in::page(&*conn, before, TaskId(task_id), missed_only, sight.as_ref(), limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |check_in| [check_in.id]);
    Ok(Response::new(pb::ListCheckInsResponse {
        check_ins: rows.iter().map(wire_check_in).collect(),
        next_page_token,
    }))
}

async fn policies(app: &App) -> Result<Response<pb::ListCheckInPoliciesResponse>> {
    let conn = app.database.lease().await?;
    let policies = store::check_in::policies(&*conn).await?;
    Ok(Response::new(pb::ListCheckInPoliciesResponse {
        policies: policies.iter().map(wire_policy).collect(),
    }))
}

async fn update(app: &App, call: &Call, request: pb::UpdateCheckInPolicyRequest) -> Result<Response<pb::CheckInPolicy>> {
    let wanted = request.policy.clone().unwrap_or_default();
    let etag = wire::seen_etag(&request.etag, &wanted.etag);
    let policy = read_policy(wanted)?;
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateCheckInPolicy", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.trail.resource("check_in_policy", policy.kind as i64);
    let before = store::check_in::locked(change.tx(), policy.kind).await?;
    change.trail.before(&wire_policy(&before));
    wire::check_etag(&etag, before.revision)?;
    let policy = store::check_in::save_policy(change.tx(), &policy, change.now).await?;
    change.commit(wire_policy(&policy)).await
}

/// A policy as somebody wants it.
fn read_policy(policy: pb::CheckInPolicy) -> Result<Policy> {
    let pb::CheckInPolicy {
        kind,
        interval,
        grace,
        sos,
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
        interval: wire::seconds("policy.interval", interval)?,
        grace: wire::seconds("policy.grace", grace)?,
        sos,
        updated: Timestamp::UNIX_EPOCH,
        revision: Revision(0),
    })
}

fn wire_policy(policy: &Policy) -> pb::CheckInPolicy {
    let Policy {
        kind,
        interval,
        grace,
        sos,
        updated,
        revision,
    } = policy;
    pb::CheckInPolicy {
        kind: *kind as i32,
        interval: Some(wire::duration(*interval)),
        grace: Some(wire::duration(*grace)),
        sos: *sos,
        update_time: Some(wire::timestamp(*updated)),
        etag: wire::etag(*revision),
    }
}

/// A check-in as whoever sees its task may know of it.
pub fn wire_check_in(check_in: &CheckIn) -> pb::CheckIn {
    let CheckIn {
        id,
        task,
        agent,
        user: _,
        state,
        due,
        last,
        emergency,
        zone: _,
        audience: _,
        created,
        updated,
        revision,
        class: _,
    } = check_in;
    pb::CheckIn {
        id: *id,
        task_id: task.0,
        agent_id: agent.0,
        state: *state as i32,
        due_time: due.map(wire::timestamp),
        check_in_time: last.map(wire::timestamp),
        emergency_id: emergency.map(|emergency| emergency.0),
        create_time: Some(wire::timestamp(*created)),
        update_time: Some(wire::timestamp(*updated)),
        revision: revision.0,
    }
}
