//! AgentService: changes of agents. Reading them is in `agent_read` and `nearby`, their fixes in `position`.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use super::{
    Call, agent_mask, agent_read as read,
    change::{Change, asked},
    nearby, position, wire,
};
use crate::{
    app::App,
    domain::{
        AgentId, UserId,
        agent::{Agent, Duty},
        fact::FactKind,
        user::User,
    },
    error::{Error, Missing, Result},
    pb::{self, agent_service_server::AgentService},
    store::{self, agent::Draft},
};

/// The service.
#[derive(Debug, Clone)]
pub struct Agents(pub Arc<App>);

#[tonic::async_trait]
impl AgentService for Agents {
    async fn create_agent(&self, request: Request<pb::CreateAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_agent(&self, request: Request<pb::GetAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        Ok(read::get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_agents(&self, request: Request<pb::ListAgentsRequest>) -> Result<Response<pb::ListAgentsResponse>, Status> {
        Ok(read::list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn update_agent(&self, request: Request<pb::UpdateAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        Ok(update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn delete_agent(&self, request: Request<pb::DeleteAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        Ok(delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn undelete_agent(&self, request: Request<pb::UndeleteAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        Ok(undelete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn set_availability(&self, request: Request<pb::SetAvailabilityRequest>) -> Result<Response<pb::Agent>, Status> {
        Ok(set_availability(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn report_positions(
        &self,
        request: Request<pb::ReportPositionsRequest>,
    ) -> Result<Response<pb::ReportPositionsResponse>, Status> {
        Ok(position::report(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn stream_positions(
        &self,
        request: Request<Streaming<pb::ReportPositionsRequest>>,
    ) -> Result<Response<pb::ReportPositionsResponse>, Status> {
        position::stream(&self.0, &Call::of(&request)?, request.into_inner()).await
    }

    async fn list_nearby(&self, request: Request<pb::ListNearbyRequest>) -> Result<Response<pb::ListNearbyResponse>, Status> {
        Ok(nearby::list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_track(&self, request: Request<pb::GetTrackRequest>) -> Result<Response<pb::GetTrackResponse>, Status> {
        Ok(position::track(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn create(app: &App, call: &Call, request: pb::CreateAgentRequest) -> Result<Response<pb::Agent>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("CreateAgent", &request.request_id), &request).await?;
    let wire = request.agent.clone().unwrap_or_default();
    store::user::lock(change.tx(), &[UserId(wire.user_id)]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    if wire.user_id == 0 {
        return Err(Error::required("agent.user_id"));
    }
    let user = UserId(wire.user_id);
    change.trail.subject(user);
    let profile = agent_mask::profile(wire)?;
    store::user::get(change.tx(), user)
        .await?
        .filter(User::may_sign_in)
        .ok_or(Error::NotFound(Missing::User))?;
    let draft = Draft {
        uid: app.uid(change.now),
        user,
        profile,
        now: change.now,
    };
    let agent = store::agent::insert(change.tx(), &draft).await?;
    change.trail.resource("agent", agent.id.0);
    change.agent_fact(FactKind::AgentCreated, agent.clone());
    done(change, &agent).await
}

async fn update(app: &App, call: &Call, request: pb::UpdateAgentRequest) -> Result<Response<pb::Agent>> {
    let wire = request.agent.clone().unwrap_or_default();
    if wire.id == 0 {
        return Err(Error::required("agent.id"));
    }
    let etag = wire::seen_etag(&request.etag, &wire.etag);
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("UpdateAgent", &request.request_id), &request).await?;
    let id = AgentId(wire.id);
    store::agent::lock(change.tx(), &[id]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let mut agent = live(&change, id, &etag).await?;
    let unit = agent.profile.unit.clone();
    agent_mask::apply(&mut agent.profile, &wire, request.update_mask.as_ref())?;
    let agent = store::agent::save(change.tx(), &agent, change.now).await?;
    if agent.profile.unit != unit {
        store::position::lock(change.tx(), [id]).await?;
        store::geofence::reassign(change.tx(), id).await?;
    }
    change.agent_fact(FactKind::AgentUpdated, agent.clone());
    done(change, &agent).await
}

async fn delete(app: &App, call: &Call, request: pb::DeleteAgentRequest) -> Result<Response<pb::Agent>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("DeleteAgent", &request.request_id), &request).await?;
    let id = AgentId(request.id);
    store::agent::lock(change.tx(), &[id]).await?;
    // No move of a deleted agent comes after its deletion in the feed.
    store::position::lock(change.tx(), [id]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let mut agent = live(&change, id, &request.etag).await?;
    if !agent.tasks.is_empty() {
        return Err(Error::StillInUse {
            count: agent.tasks.len(),
        });
    }
    agent.deleted = Some(change.now);
    let agent = store::agent::save(change.tx(), &agent, change.now).await?;
    change.agent_fact(FactKind::AgentDeleted, agent.clone());
    done(change, &agent).await
}

async fn undelete(app: &App, call: &Call, request: pb::UndeleteAgentRequest) -> Result<Response<pb::Agent>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("UndeleteAgent", &request.request_id), &request).await?;
    let id = AgentId(request.id);
    // Whose it is never changes: so it may be asked before anything is locked.
    let user = store::agent::get(change.tx(), id).await?.map(|agent| agent.user);
    store::user::lock(change.tx(), user.as_slice()).await?;
    store::agent::lock(change.tx(), &[id]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let mut agent = change.agent(id, &request.etag).await?;
    if agent.deleted.take().is_none() {
        return Err(Error::NotDeleted);
    }
    let user = store::user::get(change.tx(), agent.user).await?;
    user.filter(User::may_sign_in).ok_or(Error::NotFound(Missing::User))?;
    let agent = store::agent::save(change.tx(), &agent, change.now).await?;
    change.agent_fact(FactKind::AgentUndeleted, agent.clone());
    done(change, &agent).await
}

async fn set_availability(app: &App, call: &Call, request: pb::SetAvailabilityRequest) -> Result<Response<pb::Agent>> {
    let duty = Duty::of(request.availability).ok_or_else(|| {
        Error::invalid(
            "availability",
            "no es uno de los valores admitidos",
            "is not one of the known values",
        )
    })?;
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("SetAvailability", &request.request_id), &request).await?;
    let id = AgentId(request.id);
    store::agent::lock(change.tx(), &[id]).await?;
    // Fixes under way are taken before the shift ends, or know that it did.
    store::position::lock(change.tx(), [id]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let mut agent = live(&change, id, &request.etag).await?;
    if agent.duty == duty {
        return done(change, &agent).await;
    }
    agent.set_duty(duty, change.now);
    let agent = store::agent::save(change.tx(), &agent, change.now).await?;
    change.agent_fact(FactKind::AgentAvailabilityChanged, agent.clone());
    done(change, &agent).await
}

/// Makes the change last, and shows the agent.
async fn done(change: Change<'_>, agent: &Agent) -> Result<Response<pb::Agent>> {
    let answer = wire::agent(agent, change.lens());
    change.commit(answer).await
}

/// The agent as [`Change::agent`] has it, unless it is deleted.
async fn live(change: &Change<'_>, id: AgentId, etag: &str) -> Result<Agent> {
    let agent = change.agent(id, etag).await?;
    if agent.deleted.is_some() {
        return Err(Error::NotFound(Missing::Agent));
    }
    Ok(agent)
}
