//! EmergencyService.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, asked, keyed},
    page, wire,
};
use crate::{
    app::App,
    domain::{
        EmergencyId, Revision, UserId,
        access::{Caller, Level},
        emergency::{Emergency, Plan, Source, Stage, State},
        geo::Point,
        user::User,
    },
    emergency::{self, Report},
    error::{Error, Missing, Result},
    pb::{self, emergency_service_server::EmergencyService},
    store::{self, emergency::Reporter},
};

/// The service.
#[derive(Debug, Clone)]
pub struct Emergencies(pub Arc<App>);

#[tonic::async_trait]
impl EmergencyService for Emergencies {
    async fn raise_emergency(&self, request: Request<pb::RaiseEmergencyRequest>) -> Result<Response<pb::Emergency>, Status> {
        Ok(raise(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_emergency(&self, request: Request<pb::GetEmergencyRequest>) -> Result<Response<pb::Emergency>, Status> {
        Ok(get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_emergencies(
        &self,
        request: Request<pb::ListEmergenciesRequest>,
    ) -> Result<Response<pb::ListEmergenciesResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn see_emergency(&self, request: Request<pb::EmergencyStepRequest>) -> Result<Response<pb::Emergency>, Status> {
        let call = Call::of(&request)?;
        Ok(answer(&self.0, &call, "SeeEmergency", State::Seen, request.into_inner()).await?)
    }

    async fn acknowledge_emergency(&self, request: Request<pb::EmergencyStepRequest>) -> Result<Response<pb::Emergency>, Status> {
        let call = Call::of(&request)?;
        Ok(answer(
            &self.0,
            &call,
            "AcknowledgeEmergency",
            State::Acknowledged,
            request.into_inner(),
        )
        .await?)
    }

    async fn arrive_at_emergency(&self, request: Request<pb::EmergencyStepRequest>) -> Result<Response<pb::Emergency>, Status> {
        let call = Call::of(&request)?;
        Ok(answer(&self.0, &call, "ArriveAtEmergency", State::OnSite, request.into_inner()).await?)
    }

    async fn get_escalation_plan(
        &self,
        _request: Request<pb::GetEscalationPlanRequest>,
    ) -> Result<Response<pb::EscalationPlan>, Status> {
        Ok(plan(&self.0).await?)
    }

    async fn update_escalation_plan(
        &self,
        request: Request<pb::UpdateEscalationPlanRequest>,
    ) -> Result<Response<pb::EscalationPlan>, Status> {
        Ok(update_plan(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// RaiseEmergency, also for the older products.
pub async fn raise(app: &App, call: &Call, request: pb::RaiseEmergencyRequest) -> Result<Response<pb::Emergency>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("RaiseEmergency", &request.request_id), &request).await?;
    let user = match request.reporter_user_id {
        0 => change.caller.user,
        _ if change.caller.level < Level::Supervisor => return Err(Error::Forbidden),
        other => UserId(other),
    };
    let reporter = Reporter {
        user,
        mark: keyed(app, &request.reporter_mark),
    };
    store::emergency::lock_reporter(change.tx(), &reporter).await?;
    let plan = store::emergency::plan(change.tx()).await?;
    let earlier = store::emergency::reported(change.tx(), &reporter, change.now - plan.repeat).await?;
    if let Some((_, task)) = earlier {
        store::task::lock(change.tx(), task).await?;
    }
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.check_known(user).await?;
    let known = store::user::get(change.tx(), user).await?;
    let known = known
        .filter(|user| user.deleted.is_none() && user.erased.is_none())
        .ok_or(Error::NotFound(Missing::User))?;
    if let Some((id, _)) = earlier {
        let same = store::emergency::get(change.tx(), id).await?.filter(Emergency::is_open);
        if let Some(same) = same {
            return repeat(change, same).await;
        }
    }
    let report = report(&change, &request, (reporter, &known)).await?;
    let (emergency, facts) = emergency::raise(app, change.tx(), report, &plan, change.now).await?;
    change.trail.resource("emergency", emergency.id.0);
    change.trail.subject(user);
    change.trail.anew();
    change.tell(facts);
    change.commit(wire::emergency(&emergency)).await
}

/// A further report of an emergency that its reporter has reported: it is counted.
async fn repeat(mut change: Change<'_>, emergency: Emergency) -> Result<Response<pb::Emergency>> {
    change.trail.resource("emergency", emergency.id.0);
    let actor = Some(change.caller.user);
    let (emergency, told) = emergency::repeat(change.tx(), emergency, actor, change.now).await?;
    change.tell(vec![told]);
    change.commit(wire::emergency(&emergency)).await
}

/// What is reported; without a place, from where the reporter's agent was last.
async fn report(change: &Change<'_>, request: &pb::RaiseEmergencyRequest, (reporter, user): (Reporter, &User)) -> Result<Report> {
    let agent = match user.agent {
        Some(agent) => store::agent::get(change.tx(), agent).await?,
        None => None,
    };
    let place = match place(request)? {
        Some(place) => Some(place),
        None => agent.as_ref().and_then(|agent| agent.fix).map(|fix| fix.location),
    };
    Ok(Report {
        reporter,
        actor: Some(change.caller.user),
        delegate: change.caller.user,
        source: source(request.source, agent.is_some()),
        location: place,
        description: request.description.clone(),
    })
}

/// The place that was reported. Nobody stands in the Gulf of Guinea: (0, 0) is what a phone says that does not know.
fn place(request: &pb::RaiseEmergencyRequest) -> Result<Option<Point>> {
    let zero = pb::LatLng::default();
    let told = request.location.filter(|place| *place != zero);
    told.map(|place| wire::point("location", place)).transpose()
}

fn source(wire: i32, is_agent: bool) -> Source {
    Source::of(wire).unwrap_or(if is_agent { Source::Agent } else { Source::Dashboard })
}

async fn get(app: &App, call: &Call, request: pb::GetEmergencyRequest) -> Result<Response<pb::Emergency>> {
    let caller = call.caller()?;
    let conn = app.database.lease().await?;
    let found = store::emergency::get(&*conn, EmergencyId(request.id)).await?;
    Ok(Response::new(wire::emergency(&visible(found, &caller)?)))
}

fn visible(emergency: Option<Emergency>, caller: &Caller) -> Result<Emergency> {
    emergency
        .filter(|emergency| emergency.is_visible_to(caller))
        .ok_or(Error::NotFound(Missing::Emergency))
}

async fn list(app: &App, call: &Call, request: pb::ListEmergenciesRequest) -> Result<Response<pb::ListEmergenciesResponse>> {
    let caller = call.caller()?;
    let query = page::Query::of("ListEmergencies", &request.open_only, caller.user.0);
    let before = query.open(&request.page_token)?.map_or(i64::MAX, |[id]| id);
    let limit = page::limit(request.page_size, 50);
    let called = Stage::calling(caller.level);
    let conn = app.database.lease().await?;
    let sight = caller.sight();
    let mut rows = store::emergency::page(&*conn, before, request.open_only, sight.as_ref(), called, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |emergency| [emergency.id.0]);
    Ok(Response::new(pb::ListEmergenciesResponse {
        emergencies: rows.iter().map(wire::emergency).collect(),
        next_page_token,
    }))
}

/// SeeEmergency, AcknowledgeEmergency, ArriveAtEmergency.
async fn answer(
    app: &App,
    call: &Call,
    method: &'static str,
    to: State,
    request: pb::EmergencyStepRequest,
) -> Result<Response<pb::Emergency>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked(method, &request.request_id), &request).await?;
    let id = EmergencyId(request.id);
    change.trail.resource("emergency", id.0);
    let task = visible(store::emergency::get(change.tx(), id).await?, &change.caller)?.task;
    store::task::lock(change.tx(), task).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let emergency = visible(store::emergency::get(change.tx(), id).await?, &change.caller)?;
    if !emergency.is_open_to(&change.caller) {
        return Err(Error::Forbidden);
    }
    change.trail.before(&wire::emergency(&emergency));
    let user = change.caller.user;
    let (emergency, facts) = emergency::advance(change.tx(), emergency, to, user, request.note, change.now).await?;
    change.tell(facts);
    change.commit(wire::emergency(&emergency)).await
}

async fn plan(app: &App) -> Result<Response<pb::EscalationPlan>> {
    let conn = app.database.lease().await?;
    Ok(Response::new(wire_plan(&store::emergency::plan(&*conn).await?)))
}

async fn update_plan(app: &App, call: &Call, request: pb::UpdateEscalationPlanRequest) -> Result<Response<pb::EscalationPlan>> {
    let wanted = request.plan.clone().unwrap_or_default();
    let etag = wire::seen_etag(&request.etag, &wanted.etag);
    let plan = read_plan(wanted)?;
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateEscalationPlan", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.trail.resource("escalation_plan", 1);
    let before = store::emergency::locked_plan(change.tx()).await?;
    change.trail.before(&wire_plan(&before));
    wire::check_etag(&etag, before.revision)?;
    let plan = store::emergency::save_plan(change.tx(), &plan, change.now).await?;
    change.commit(wire_plan(&plan)).await
}

fn read_plan(plan: pb::EscalationPlan) -> Result<Plan> {
    let pb::EscalationPlan {
        acknowledge_timeout,
        agent_count,
        supervisor_timeout,
        retry_interval,
        crew_count,
        repeat_window,
        update_time: _,
        etag: _,
    } = plan;
    Ok(Plan {
        acknowledge: wire::seconds("plan.acknowledge_timeout", acknowledge_timeout)?,
        agent_count: u32::try_from(agent_count).map_err(Error::internal)?,
        supervisors: wire::seconds("plan.supervisor_timeout", supervisor_timeout)?,
        retry: wire::seconds("plan.retry_interval", retry_interval)?,
        crew_count: usize::try_from(crew_count).map_err(Error::internal)?,
        repeat: wire::seconds("plan.repeat_window", repeat_window)?,
        updated: Timestamp::UNIX_EPOCH,
        revision: Revision(0),
    })
}

fn wire_plan(plan: &Plan) -> pb::EscalationPlan {
    let Plan {
        acknowledge,
        agent_count,
        supervisors,
        retry,
        crew_count,
        repeat,
        updated,
        revision,
    } = plan;
    let duration = |length: &SignedDuration| Some(wire::duration(*length));
    pb::EscalationPlan {
        acknowledge_timeout: duration(acknowledge),
        agent_count: i32::try_from(*agent_count).unwrap_or(i32::MAX),
        supervisor_timeout: duration(supervisors),
        retry_interval: duration(retry),
        crew_count: i32::try_from(*crew_count).unwrap_or(i32::MAX),
        repeat_window: duration(repeat),
        update_time: Some(wire::timestamp(*updated)),
        etag: wire::etag(*revision),
    }
}
