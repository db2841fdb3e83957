//! AgentService: reading agents.

use tonic::Response;

use super::{Call, page, wire};
use crate::{
    app::App,
    domain::{
        AgentId,
        access::{Caller, Level},
        agent::{Agent, Availability},
        lens::Lens,
    },
    error::{Error, Missing, Result},
    pb,
    store::{self, Query, agent_list::Filter},
};

/// GetAgent.
pub async fn get(app: &App, call: &Call, request: pb::GetAgentRequest) -> Result<Response<pb::Agent>> {
    let caller = call.caller()?;
    let conn = app.database.lease().await?;
    let agent = visible(&*conn, AgentId(request.id), &caller).await?;
    Ok(Response::new(wire::agent(&agent, app.precision.lens(&caller))))
}

/// ListAgents.
pub async fn list(app: &App, call: &Call, request: pb::ListAgentsRequest) -> Result<Response<pb::ListAgentsResponse>> {
    let caller = call.caller()?;
    let pb::ListAgentsRequest {
        page_size,
        page_token,
        filter: wire_filter,
    } = request;
    let bound = pb::ListAgentsRequest {
        page_size: 0,
        page_token: String::new(),
        filter: wire_filter.clone(),
    };
    let query = page::Query::of("ListAgents", &bound, caller.user.0);
    let lens = app.precision.lens(&caller);
    let filter = filter(wire_filter.unwrap_or_default(), &caller, lens)?;
    let after = query.open(&page_token)?.map_or(0, |[id]| id);
    let limit = page::limit(page_size, 50);
    let conn = app.database.lease().await?;
    let mut rows = store::agent_list::page(&*conn, &filter, after, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |agent| [agent.id.0]);
    // Who sees cells gets those whose cell's middle lies in the rectangle: it tells no more than that.
    rows.retain(|agent| filter.holds(agent));
    Ok(Response::new(pb::ListAgentsResponse {
        agents: rows.iter().map(|agent| wire::agent(agent, lens)).collect(),
        next_page_token,
    }))
}

/// The agent, if it is there for this caller; deleted ones are there for administrators.
pub async fn visible(on: &impl Query, id: AgentId, caller: &Caller) -> Result<Agent> {
    let agent = store::agent::get(on, id).await?;
    agent
        .filter(|agent| agent.is_visible_to(caller))
        .ok_or(Error::NotFound(Missing::Agent))
}

/// The filter as a caller may have it.
pub fn filter(wire: pb::AgentFilter, caller: &Caller, lens: Lens) -> Result<Filter> {
    let pb::AgentFilter {
        availabilities,
        units,
        r#box,
        deleted_shown,
    } = wire;
    if deleted_shown && caller.level < Level::Administrator {
        return Err(Error::Forbidden);
    }
    Ok(Filter {
        availabilities: wire::enums("filter.availabilities", &availabilities, Availability::of)?,
        units,
        bounds: r#box.map(|bounds| wire::bounds("filter.box", bounds)).transpose()?,
        deleted_shown,
        sight: caller.sight(),
        viewer: caller.user,
        lens,
    })
}
