//! GeofenceService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, asked},
    geofence_mask as mask, page, wire,
};
use crate::{
    app::App,
    domain::{
        AgentId, GeofenceId,
        access::Caller,
        geofence::{Event, Geofence, Kind, Plan},
        lens::Lens,
    },
    error::{Error, Missing, Result},
    pb::{self, geofence_service_server::GeofenceService},
    store::{self, geofence_event::Filter},
};

/// The service.
#[derive(Debug, Clone)]
pub struct Geofences(pub Arc<App>);

#[tonic::async_trait]
impl GeofenceService for Geofences {
    async fn create_geofence(&self, request: Request<pb::CreateGeofenceRequest>) -> Result<Response<pb::Geofence>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_geofence(&self, request: Request<pb::GetGeofenceRequest>) -> Result<Response<pb::Geofence>, Status> {
        Ok(get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_geofences(
        &self,
        request: Request<pb::ListGeofencesRequest>,
    ) -> Result<Response<pb::ListGeofencesResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn update_geofence(&self, request: Request<pb::UpdateGeofenceRequest>) -> Result<Response<pb::Geofence>, Status> {
        Ok(update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn delete_geofence(&self, request: Request<pb::DeleteGeofenceRequest>) -> Result<Response<pb::Geofence>, Status> {
        Ok(delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_geofence_events(
        &self,
        request: Request<pb::ListGeofenceEventsRequest>,
    ) -> Result<Response<pb::ListGeofenceEventsResponse>, Status> {
        Ok(events(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn create(app: &App, call: &Call, request: pb::CreateGeofenceRequest) -> Result<Response<pb::Geofence>> {
    let plan = mask::plan(&request.geofence.clone().unwrap_or_default())?;
    let mut conn = app.database.lease().await?;
    let asked = asked("CreateGeofence", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    // No fix comes in while fences change: each sees them as they are before or after.
    store::zone::lock(change.tx()).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    check(&change, &plan).await?;
    let fence = store::geofence::insert(change.tx(), &plan, change.now).await?;
    change.trail.resource("geofence", fence.id.0);
    change.commit(wire_fence(&fence)).await
}

async fn get(app: &App, call: &Call, request: pb::GetGeofenceRequest) -> Result<Response<pb::Geofence>> {
    let caller = call.caller()?;
    let conn = app.database.lease().await?;
    let found = store::geofence::get(&*conn, GeofenceId(request.id)).await?;
    Ok(Response::new(wire_fence(&visible(found, &caller)?)))
}

/// The fence, if it is there for this caller.
fn visible(fence: Option<Geofence>, caller: &Caller) -> Result<Geofence> {
    fence
        .filter(|fence| caller.sees_zone(Some(fence.plan.zone)))
        .ok_or(Error::NotFound(Missing::Geofence))
}

async fn list(app: &App, call: &Call, request: pb::ListGeofencesRequest) -> Result<Response<pb::ListGeofencesResponse>> {
    let caller = call.caller()?;
    let query = page::Query::of("ListGeofences", &(), caller.user.0);
    let after = query.open(&request.page_token)?.map_or(0, |[id]| id);
    let limit = page::limit(request.page_size, 50);
    let conn = app.database.lease().await?;
    let mut rows = store::geofence::page(&*conn, after, caller.sight().as_ref(), limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |fence| [fence.id.0]);
    Ok(Response::new(pb::ListGeofencesResponse {
        geofences: rows.iter().map(wire_fence).collect(),
        next_page_token,
    }))
}

async fn update(app: &App, call: &Call, request: pb::UpdateGeofenceRequest) -> Result<Response<pb::Geofence>> {
    let wire = request.geofence.clone().unwrap_or_default();
    if wire.id == 0 {
        return Err(Error::required("geofence.id"));
    }
    let etag = wire::seen_etag(&request.etag, &wire.etag);
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateGeofence", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::zone::lock(change.tx()).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let mut fence = present(&change, GeofenceId(wire.id), &etag).await?;
    fence.plan = mask::apply(fence.plan, &wire, request.update_mask.as_ref())?;
    check(&change, &fence.plan).await?;
    let fence = store::geofence::save(change.tx(), &fence, change.now).await?;
    change.commit(wire_fence(&fence)).await
}

async fn delete(app: &App, call: &Call, request: pb::DeleteGeofenceRequest) -> Result<Response<pb::Geofence>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("DeleteGeofence", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::zone::lock(change.tx()).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let fence = present(&change, GeofenceId(request.id), &request.etag).await?;
    store::geofence::delete(change.tx(), fence.id, change.now).await?;
    change.trail.gone();
    change.commit(wire_fence(&fence)).await
}

/// The fence as it is now, and its etag is the one the caller saw (or none is given).
async fn present(change: &Change<'_>, id: GeofenceId, etag: &str) -> Result<Geofence> {
    change.trail.resource("geofence", id.0);
    let fence = visible(store::geofence::get(change.tx(), id).await?, &change.caller)?;
    change.trail.before(&wire_fence(&fence));
    wire::check_etag(etag, fence.revision)?;
    Ok(fence)
}

/// Whether zone and agents are there for the caller.
async fn check(change: &Change<'_>, plan: &Plan) -> Result<()> {
    let zone = store::zone::get(change.tx(), plan.zone).await?;
    if zone.is_none_or(|zone| !change.caller.sees_zone(Some(zone.id))) {
        return Err(Error::NotFound(Missing::Zone));
    }
    let found = store::agent::find(change.tx(), &plan.agents).await?;
    let there = |id: &AgentId| {
        found
            .iter()
            .any(|agent| agent.id == *id && agent.deleted.is_none() && agent.is_visible_to(&change.caller))
    };
    if plan.agents.iter().all(there) {
        Ok(())
    } else {
        Err(Error::NotFound(Missing::Agent))
    }
}

async fn events(
    app: &App,
    call: &Call,
    request: pb::ListGeofenceEventsRequest,
) -> Result<Response<pb::ListGeofenceEventsResponse>> {
    let caller = call.caller()?;
    let pb::ListGeofenceEventsRequest {
        page_size,
        page_token,
        geofence_id,
        agent_id,
    } = request;
    let bound = pb::ListGeofenceEventsRequest {
        page_size: 0,
        page_token: String::new(),
        geofence_id,
        agent_id,
    };
    let query = page::Query::of("ListGeofenceEvents", &bound, caller.user.0);
    let before = query.open(&page_token)?.map_or(i64::MAX, |[id]| id);
    let limit = page::limit(page_size, 50);
    let filter = Filter {
        geofence: (geofence_id != 0).then_some(GeofenceId(geofence_id)),
        agent: (agent_id != 0).then_some(AgentId(agent_id)),
        sight: caller.sight(),
    };
    let lens = app.precision.lens(&caller);
    let conn = app.database.lease().await?;
    let mut rows = store::geofence_event::page(&*conn, &filter, before, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |event| [event.id]);
    Ok(Response::new(pb::ListGeofenceEventsResponse {
        events: rows.iter().map(|event| wire_event(event, lens)).collect(),
        next_page_token,
    }))
}

/// A fence on the wire.
fn wire_fence(fence: &Geofence) -> pb::Geofence {
    let Geofence {
        id,
        plan:
            Plan {
                display_name,
                zone,
                everybody,
                agents,
                units,
                rule,
            },
        created,
        updated,
        revision,
    } = fence;
    let crossings = [(rule.enter, Kind::Entered), (rule.exit, Kind::Left)];
    let crossings = crossings.into_iter().filter(|(told, _)| *told);
    pb::Geofence {
        id: id.0,
        display_name: display_name.clone(),
        zone_id: zone.0,
        crossings: crossings.map(|(_, kind)| kind as i32).collect(),
        dwell_time: rule.dwell.map(wire::duration),
        agent_ids: agents.iter().map(|agent| agent.0).collect(),
        units: units.clone(),
        everybody: *everybody,
        margin_meters: Some(rule.margin_meters),
        max_accuracy_meters: Some(rule.max_accuracy_meters),
        confirmation_count: Some(i32::from(rule.confirmations)),
        create_time: Some(wire::timestamp(*created)),
        update_time: Some(wire::timestamp(*updated)),
        etag: wire::etag(*revision),
    }
}

/// What happened at a fence, and where as somebody sees it.
pub fn wire_event(event: &Event, lens: Lens) -> pb::GeofenceEvent {
    let Event {
        id,
        geofence,
        display_name,
        zone,
        agent,
        user,
        kind,
        fix_time,
        location,
        time,
    } = event;
    pb::GeofenceEvent {
        id: *id,
        geofence_id: geofence.0,
        geofence_display_name: display_name.clone(),
        zone_id: zone.map(|zone| zone.0),
        agent_id: agent.0,
        kind: *kind as i32,
        fix_time: Some(wire::timestamp(*fix_time)),
        location: Some(wire::lat_lng(lens.place(*location, *user))),
        create_time: Some(wire::timestamp(*time)),
    }
}
