//! GeoService: what is where, and how far it is.

use std::sync::Arc;

use jiff::SignedDuration;
use tonic::{Request, Response, Status};

use super::{Call, tile, track, wire};
use crate::{
    app::App,
    domain::{
        AgentId, EmergencyId, TaskId,
        access::Caller,
        agent::{Agent, Availability},
        emergency::{Emergency, Stage, State as Answered},
        geo::{Bounds, Point},
        map::Grid,
        task::{Kind, State, Task},
    },
    error::{Error, Missing, Result},
    pb::{self, geo_service_server::GeoService, google::api::HttpBody},
    store::{
        self, Query,
        map::{Area, Cell, Layer, Outline, Tasks, Viewer},
    },
};

/// Cells in a row of a view.
const VIEW: u32 = 32;
/// Cells in a row of a heatmap.
const HEAT: u32 = 64;
/// Zones of a view.
const ZONES: i64 = 500;
/// Parts of a cell that are too fine to be drawn.
const FINE: f64 = 32.0;

/// The service.
#[derive(Debug, Clone)]
pub struct Maps(pub Arc<App>);

#[tonic::async_trait]
impl GeoService for Maps {
    async fn map_view(&self, request: Request<pb::MapViewRequest>) -> Result<Response<pb::MapViewResponse>, Status> {
        Ok(view(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_tile(&self, request: Request<pb::GetTileRequest>) -> Result<Response<HttpBody>, Status> {
        Ok(tile::get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn heatmap(&self, request: Request<pb::HeatmapRequest>) -> Result<Response<pb::HeatmapResponse>, Status> {
        Ok(heat(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn distance_matrix(
        &self,
        request: Request<pb::DistanceMatrixRequest>,
    ) -> Result<Response<pb::DistanceMatrixResponse>, Status> {
        Ok(distances(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_track_line(
        &self,
        request: Request<pb::GetTrackLineRequest>,
    ) -> Result<Response<pb::GetTrackLineResponse>, Status> {
        Ok(track::line(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn replay(&self, request: Request<pb::ReplayRequest>) -> Result<Response<pb::ReplayResponse>, Status> {
        Ok(track::replay(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// How a caller sees the map.
pub fn viewer(app: &App, caller: &Caller) -> Viewer {
    Viewer {
        user: caller.user,
        sight: caller.sight(),
        lens: app.precision.lens(caller),
        called: Stage::calling(caller.level),
    }
}

/// States of tasks that are open.
pub fn open() -> Vec<State> {
    State::ALL.into_iter().filter(|state| state.is_open()).collect()
}

/// MapView, also for the older products.
pub async fn view(app: &App, call: &Call, request: pb::MapViewRequest) -> Result<Response<pb::MapViewResponse>> {
    let caller = call.caller()?;
    let viewer = viewer(app, &caller);
    let area = area(&request)?;
    let pb::MapViewRequest {
        r#box: _,
        center: _,
        radius_meters: _,
        zoom: _,
        layers,
        availabilities,
        units,
        task_states,
        task_kinds,
    } = request;
    let wants = |layer: pb::MapLayer| layers.is_empty() || layers.contains(&(layer as i32));
    let mut states = wire::enums("task_states", &task_states, State::of)?;
    if states.is_empty() {
        states = open();
    }
    let tasks = Tasks {
        states,
        kinds: wire::enums("task_kinds", &task_kinds, Kind::of)?,
        ..Tasks::default()
    };
    let agents = Layer::Agents {
        availabilities: wire::enums("availabilities", &availabilities, Availability::of)?,
        units,
    };
    let mut answer = pb::MapViewResponse {
        cell_degrees: area.grid.degrees(),
        ..pb::MapViewResponse::default()
    };
    let conn = app.database.lease().await?;
    if wants(pb::MapLayer::Agents) {
        let singles = cells(&*conn, &area, &viewer, &agents, pb::MapLayer::Agents, &mut answer).await?;
        let ids: Vec<AgentId> = singles.into_iter().map(AgentId).collect();
        let found = store::agent::find(&*conn, &ids).await?;
        answer.agents = found.iter().filter_map(|agent| map_agent(agent, &viewer)).collect();
    }
    if wants(pb::MapLayer::Tasks) {
        let singles = cells(&*conn, &area, &viewer, &Layer::Tasks(tasks), pb::MapLayer::Tasks, &mut answer).await?;
        let ids: Vec<TaskId> = singles.into_iter().map(TaskId).collect();
        let found = store::task::find(&*conn, &ids).await?;
        answer.tasks = found.iter().filter_map(map_task).collect();
    }
    if wants(pb::MapLayer::Emergencies) {
        answer.emergencies = emergencies(&*conn, &area, &viewer, &mut answer.clusters).await?;
    }
    if wants(pb::MapLayer::Zones) {
        let (zones, count) = store::map::zones(&*conn, &area, area.grid.degrees() / FINE, ZONES).await?;
        answer.zones = zones.into_iter().map(map_zone).collect();
        answer.zone_count = i32::try_from(count).unwrap_or(i32::MAX);
    }
    Ok(Response::new(answer))
}

/// The part of the map that a request asks for.
fn area(request: &pb::MapViewRequest) -> Result<Area> {
    let zoom = request.zoom.and_then(|zoom| u32::try_from(zoom).ok());
    let radius = request.radius_meters;
    let (bounds, circle) = match (request.r#box, request.center) {
        (Some(_), _) if radius > 0.0 => {
            return Err(Error::invalid("radius_meters", "va con un centro", "goes with a center"));
        }
        (Some(wire), _) => (rectangle("box", wire)?, None),
        (None, Some(center)) => {
            if radius <= 0.0 {
                return Err(Error::invalid("radius_meters", "falta", "is required"));
            }
            let center = wire::point("center", center)?;
            let bounds = Bounds::new(center, center).ok_or_else(|| Error::internal("a place is no rectangle"))?;
            // The earth is no sphere: a little more, of which nothing remains that is further away.
            (bounds.widened(radius * 1.01 + 1.0), Some((center, radius)))
        }
        (None, None) => return Err(Error::required("box")),
    };
    Ok(Area {
        bounds,
        circle,
        grid: Grid::of(bounds, zoom, VIEW),
    })
}

/// A rectangle with something in it.
pub fn rectangle(field: &str, wire: pb::Box) -> Result<Bounds> {
    let bounds = wire::bounds(field, wire)?;
    if wire.south == wire.north || wire.west == wire.east {
        return Err(Error::invalid(field, "está vacío", "is empty"));
    }
    Ok(bounds)
}

/// Puts what stands together into the answer, and gives the numbers of what stands alone.
async fn cells(
    on: &impl Query,
    area: &Area,
    viewer: &Viewer,
    layer: &Layer,
    wire: pb::MapLayer,
    answer: &mut pb::MapViewResponse,
) -> Result<Vec<i64>> {
    let cells = store::map::cells(on, area, viewer, layer).await?;
    let (alone, together): (Vec<Cell>, Vec<Cell>) = cells.into_iter().partition(|cell| cell.count == 1);
    answer.clusters.extend(together.iter().map(|cell| cluster(cell, wire)));
    Ok(alone.into_iter().map(|cell| cell.first).collect())
}

/// Emergencies that stand alone, each where it was reported or where its task is: that is in its cell.
async fn emergencies(
    on: &impl Query,
    area: &Area,
    viewer: &Viewer,
    clusters: &mut Vec<pb::MapCluster>,
) -> Result<Vec<pb::MapEmergency>> {
    let cells = store::map::cells(on, area, viewer, &Layer::Emergencies).await?;
    let (alone, together): (Vec<Cell>, Vec<Cell>) = cells.into_iter().partition(|cell| cell.count == 1);
    let layer = pb::MapLayer::Emergencies;
    clusters.extend(together.iter().map(|cell| cluster(cell, layer)));
    let ids: Vec<EmergencyId> = alone.iter().map(|cell| EmergencyId(cell.first)).collect();
    let found = store::emergency::find(on, &ids).await?;
    let place = |id: EmergencyId| alone.iter().find(|cell| cell.first == id.0).map(|cell| cell.center);
    let of = |emergency: &Emergency| {
        Some(pb::MapEmergency {
            emergency_id: emergency.id.0,
            task_id: emergency.task.0,
            acknowledged: emergency.state >= Answered::Acknowledged,
            create_time: Some(wire::timestamp(emergency.created)),
            location: Some(wire::lat_lng(place(emergency.id)?)),
        })
    };
    Ok(found.iter().filter_map(of).collect())
}

fn cluster(cell: &Cell, layer: pb::MapLayer) -> pb::MapCluster {
    pb::MapCluster {
        layer: layer as i32,
        count: count(cell),
        center: Some(wire::lat_lng(cell.center)),
        r#box: Some(wire_box(cell.edges)),
    }
}

fn count(cell: &Cell) -> i32 {
    i32::try_from(cell.count).unwrap_or(i32::MAX)
}

fn wire_box([south, west, north, east]: [f64; 4]) -> pb::Box {
    pb::Box {
        south,
        west,
        north,
        east,
    }
}

/// An agent as it is drawn; none if it went off duty meanwhile.
fn map_agent(agent: &Agent, viewer: &Viewer) -> Option<pb::MapAgent> {
    let position = wire::agent(agent, viewer.lens).position?;
    Some(pb::MapAgent {
        agent_id: agent.id.0,
        code: agent.profile.code.clone(),
        display_name: agent.display_name.clone(),
        unit: agent.profile.unit.clone(),
        availability: agent.availability() as i32,
        position: Some(position),
    })
}

fn map_task(task: &Task) -> Option<pb::MapTask> {
    Some(pb::MapTask {
        task_id: task.id.0,
        code: task.plan.code.clone(),
        title: task.plan.title.clone(),
        kind: task.plan.kind as i32,
        priority: task.plan.priority as i32,
        state: task.state() as i32,
        location: Some(wire::lat_lng(task.plan.location?)),
    })
}

fn map_zone(zone: Outline) -> pb::MapZone {
    let Outline {
        id,
        code,
        display_name,
        ring,
    } = zone;
    pb::MapZone {
        zone_id: id.0,
        code,
        display_name,
        boundary: ring.into_iter().map(wire::lat_lng).collect(),
    }
}

/// Heatmap.
async fn heat(app: &App, call: &Call, request: pb::HeatmapRequest) -> Result<Response<pb::HeatmapResponse>> {
    let viewer = viewer(app, &call.caller()?);
    let pb::HeatmapRequest {
        r#box,
        zoom,
        states,
        kinds,
        start_time,
        end_time,
    } = request;
    let bounds = rectangle("box", r#box.unwrap_or_default())?;
    let zoom = zoom.and_then(|zoom| u32::try_from(zoom).ok());
    let area = Area {
        bounds,
        circle: None,
        grid: Grid::of(bounds, zoom, HEAT),
    };
    let tasks = Tasks {
        states: wire::enums("states", &states, State::of)?,
        kinds: wire::enums("kinds", &kinds, Kind::of)?,
        from: start_time.map(|time| wire::time("start_time", time)).transpose()?,
        until: end_time.map(|time| wire::time("end_time", time)).transpose()?,
    };
    if tasks.from.zip(tasks.until).is_some_and(|(from, until)| from > until) {
        return Err(Error::invalid("start_time", "es posterior al final", "is after the end"));
    }
    let conn = app.database.lease().await?;
    let mut cells = store::map::cells(&*conn, &area, &viewer, &Layer::Tasks(tasks)).await?;
    cells.sort_by_key(|cell| std::cmp::Reverse(cell.count));
    let of = |cell: &Cell| pb::HeatmapCell {
        r#box: Some(wire_box(area.grid.cell(cell.place.0, cell.place.1))),
        count: count(cell),
    };
    Ok(Response::new(pb::HeatmapResponse {
        cells: cells.iter().map(of).collect(),
        task_count: cells.iter().map(count).fold(0, i32::saturating_add),
    }))
}

/// DistanceMatrix.
async fn distances(app: &App, call: &Call, request: pb::DistanceMatrixRequest) -> Result<Response<pb::DistanceMatrixResponse>> {
    let (caller, now) = (call.caller()?, app.clock.now());
    let lens = app.precision.lens(&caller);
    let mut places = Vec::new();
    for (at, place) in request.places.iter().enumerate() {
        places.push(Some(wire::point(&format!("places[{at}]"), *place)?));
    }
    let conn = app.database.lease().await?;
    let ids: Vec<AgentId> = request.agent_ids.iter().copied().map(AgentId).collect();
    let found = store::agent::find(&*conn, &ids).await?;
    let mut agents = Vec::new();
    for id in ids {
        let agent = found.iter().find(|agent| agent.id == id && agent.is_visible_to(&caller));
        agents.push(agent.ok_or(Error::NotFound(Missing::Agent))?);
    }
    let ids: Vec<TaskId> = request.task_ids.iter().copied().map(TaskId).collect();
    let found = store::task::find(&*conn, &ids).await?;
    let mut targets = Vec::new();
    for id in ids {
        let task = found.iter().find(|task| task.id == id && task.is_there_for(&caller));
        targets.push(task.ok_or(Error::NotFound(Missing::Task))?.plan.location);
    }
    targets.extend(places);
    let fixes: Vec<_> = agents
        .iter()
        .map(|agent| lens.fix(agent.fix.as_ref()?, agent.user, !agent.duty.is_on()))
        .collect();
    let from: Vec<Point> = fixes.iter().flatten().map(|fix| fix.location).collect();
    let to: Vec<Point> = targets.iter().flatten().copied().collect();
    let mut meters = store::map::distances(&*conn, &from, &to).await?.into_iter();
    let mut rows = Vec::new();
    for (agent, fix) in agents.iter().zip(&fixes) {
        let mut next = |target: &Option<Point>| pb::Distance {
            meters: fix.and(*target).and_then(|_| meters.next()),
        };
        rows.push(pb::DistanceRow {
            agent_id: agent.id.0,
            fix_age: fix.map(|fix| wire::duration(now.duration_since(fix.time).max(SignedDuration::ZERO))),
            distances: targets.iter().map(&mut next).collect(),
        });
    }
    Ok(Response::new(pb::DistanceMatrixResponse { rows }))
}
