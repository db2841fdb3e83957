//! ZoneService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, tried},
    wire, zone_mask as mask,
};
use crate::{
    app::App,
    domain::{
        AgentId, TaskId, ZoneId,
        fact::{Before, FactKind},
        zone::Zone,
    },
    error::{Error, Missing, Result},
    pb::{self, zone_service_server::ZoneService},
    store::{self, zone::Moved},
};

/// Tasks or agents that are read at a time to tell of them.
const BATCH: usize = 500;

/// The service.
#[derive(Debug, Clone)]
pub struct Zones(pub Arc<App>);

#[tonic::async_trait]
impl ZoneService for Zones {
    async fn list_zones(&self, _request: Request<pb::ListZonesRequest>) -> Result<Response<pb::ListZonesResponse>, Status> {
        Ok(list(&self.0).await?)
    }

    async fn get_zone(&self, request: Request<pb::GetZoneRequest>) -> Result<Response<pb::Zone>, Status> {
        Ok(get(&self.0, request.into_inner()).await?)
    }

    async fn create_zone(&self, request: Request<pb::CreateZoneRequest>) -> Result<Response<pb::Zone>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn update_zone(&self, request: Request<pb::UpdateZoneRequest>) -> Result<Response<pb::Zone>, Status> {
        Ok(update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn delete_zone(&self, request: Request<pb::DeleteZoneRequest>) -> Result<Response<pb::Zone>, Status> {
        Ok(delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// ListZones.
pub async fn list(app: &App) -> Result<Response<pb::ListZonesResponse>> {
    let conn = app.database.lease().await?;
    let zones = store::zone::list(&*conn).await?.iter().map(wire::zone).collect();
    Ok(Response::new(pb::ListZonesResponse { zones }))
}

/// GetZone.
pub async fn get(app: &App, request: pb::GetZoneRequest) -> Result<Response<pb::Zone>> {
    let conn = app.database.lease().await?;
    let zone = store::zone::get(&*conn, ZoneId(request.id)).await?;
    let zone = zone.ok_or(Error::NotFound(Missing::Zone))?;
    Ok(Response::new(wire::zone(&zone)))
}

/// CreateZone.
pub async fn create(app: &App, call: &Call, request: pb::CreateZoneRequest) -> Result<Response<pb::Zone>> {
    let wire = request.zone.clone().unwrap_or_default();
    let (code, name) = (mask::code(&wire)?, mask::display_name(&wire)?);
    let boundary = mask::boundary(&wire)?;
    let mut conn = app.database.lease().await?;
    let asked = tried("CreateZone", &request.request_id, request.validate_only);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::zone::lock(change.tx()).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let zone = store::zone::insert(change.tx(), code, name, &boundary, change.now).await?;
    change.trail.resource("zone", zone.id.0);
    resettle(&mut change, zone.id, false).await?;
    let mut answer = wire::zone(&zone);
    if request.validate_only {
        answer.id = 0;
    }
    change.commit(answer).await
}

/// UpdateZone.
pub async fn update(app: &App, call: &Call, request: pb::UpdateZoneRequest) -> Result<Response<pb::Zone>> {
    let wire = request.zone.clone().unwrap_or_default();
    if wire.id == 0 {
        return Err(Error::required("zone.id"));
    }
    let etag = wire::seen_etag(&request.etag, &wire.etag);
    let mut conn = app.database.lease().await?;
    let asked = tried("UpdateZone", &request.request_id, request.validate_only);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::zone::lock(change.tx()).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let before = present(&change, ZoneId(wire.id), &etag).await?;
    let mut zone = before.clone();
    mask::apply(&mut zone, &wire, request.update_mask.as_ref())?;
    let saved = store::zone::save(change.tx(), &zone, change.now).await?;
    if saved.boundary != before.boundary {
        resettle(&mut change, saved.id, false).await?;
        store::geofence::rearm(change.tx(), saved.id).await?;
    }
    change.commit(wire::zone(&saved)).await
}

/// DeleteZone.
pub async fn delete(app: &App, call: &Call, request: pb::DeleteZoneRequest) -> Result<Response<pb::Zone>> {
    let mut conn = app.database.lease().await?;
    let asked = tried("DeleteZone", &request.request_id, request.validate_only);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::zone::lock(change.tx()).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let zone = present(&change, ZoneId(request.id), &request.etag).await?;
    let count = store::zone::limited(change.tx(), zone.id).await? + store::geofence::count(change.tx(), zone.id).await?;
    if count > 0 {
        return Err(Error::StillInUse { count });
    }
    resettle(&mut change, zone.id, true).await?;
    store::zone::delete(change.tx(), zone.id).await?;
    change.trail.gone();
    change.commit(wire::zone(&zone)).await
}

/// The zone as it is now, and its etag is the one the caller saw (or none is given).
async fn present(change: &Change<'_>, id: ZoneId, etag: &str) -> Result<Zone> {
    change.trail.resource("zone", id.0);
    let zone = store::zone::get(change.tx(), id).await?;
    let zone = zone.ok_or(Error::NotFound(Missing::Zone))?;
    change.trail.before(&wire::zone(&zone));
    wire::check_etag(etag, zone.revision)?;
    Ok(zone)
}

/// Puts tasks and agents into the zones that hold them now, and tells of those that moved.
async fn resettle(change: &mut Change<'_>, zone: ZoneId, goes: bool) -> Result<()> {
    let tasks = store::zone::resettle_tasks(change.tx(), zone, goes, change.now).await?;
    for moved in tasks.chunks(BATCH) {
        tell_of_tasks(change, moved).await?;
    }
    let agents = store::zone::resettle_agents(change.tx(), zone, goes).await?;
    for moved in agents.chunks(BATCH) {
        tell_of_agents(change, moved).await?;
    }
    Ok(())
}

async fn tell_of_tasks(change: &mut Change<'_>, moved: &[Moved<TaskId>]) -> Result<()> {
    let ids: Vec<TaskId> = moved.iter().map(|moved| moved.id).collect();
    let mut tasks = store::task::find(change.tx(), &ids).await?;
    tasks.sort_by_key(|task| task.id);
    for (task, moved) in tasks.iter().zip(moved) {
        let before = Before {
            zone: moved.before,
            ..Before::of(task)
        };
        change.task_fact(FactKind::TaskUpdated, task, before);
    }
    change.pour().await
}

async fn tell_of_agents(change: &mut Change<'_>, moved: &[Moved<AgentId>]) -> Result<()> {
    let ids: Vec<AgentId> = moved.iter().map(|moved| moved.id).collect();
    let mut reporters = store::position::hold(change.tx(), &ids, None).await?;
    for moved in moved {
        // A deleted agent is nobody's to hear of.
        let reporter = reporters.remove(&moved.id);
        if let Some((reporter, fix)) = reporter.and_then(|reporter| Some((reporter.clone(), reporter.fix?))) {
            change.move_fact(fix, reporter, moved.before);
        }
    }
    change.pour().await
}
