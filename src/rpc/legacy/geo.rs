//! `/api/v1/geo` of GRUPO_GAD.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{checked, in_keys, words};
use crate::{
    app::App,
    domain::geo::Point,
    error::{Error, Missing, Result},
    pb::{
        self as canonical, Availability, FixRefusal, PositionSource, TaskState,
        legacy::{self as pb, geo_service_server::GeoService},
    },
    rpc::{Call, agent_read, position, task_read, wire},
    store,
};

/// How far around if nobody says how far, in metres.
const RADIUS: i32 = 10_000;
/// Agents and tasks that are shown at most, of each.
const SHOWN: usize = 1000;
/// Pages that are looked through at most.
const PAGES: usize = 10;
/// Metres of a degree of latitude, at least.
const DEGREE: f64 = 110_000.0;
/// Keys of GRUPO_GAD that are not those of `gad.v1`.
const KEYS: [(&str, &str); 2] = [("latitude", "lat"), ("longitude", "lng")];

/// The service.
#[derive(Debug, Clone)]
pub struct Geo(pub Arc<App>);

#[tonic::async_trait]
impl GeoService for Geo {
    async fn get_map(&self, request: Request<pb::GetMapRequest>) -> Result<Response<pb::MapView>, Status> {
        Ok(map(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn set_location(&self, request: Request<pb::SetLocationRequest>) -> Result<Response<pb::LocationSet>, Status> {
        let set = locate(&self.0, &Call::of(&request)?, request.into_inner()).await;
        Ok(set.map_err(|error| in_keys(error, &KEYS))?)
    }
}

/// A circle on the globe.
#[derive(Debug, Clone, Copy)]
struct Circle {
    center: Point,
    meters: f64,
}

impl Circle {
    /// A rectangle around it.
    fn bounds(self) -> canonical::Box {
        let Self { center, meters } = self;
        let high = meters / DEGREE;
        let (south, north) = ((center.latitude() - high).max(-90.0), (center.latitude() + high).min(90.0));
        let narrowest = south.abs().max(north.abs()).to_radians().cos();
        let wide = if narrowest > 0.0 { high / narrowest } else { 180.0 };
        let around = |longitude: f64| (longitude + 540.0).rem_euclid(360.0) - 180.0;
        let (west, east) = if wide < 180.0 {
            (around(center.longitude() - wide), around(center.longitude() + wide))
        } else {
            (-180.0, 180.0)
        };
        canonical::Box {
            south,
            west,
            north,
            east,
        }
    }

    /// How far a place is from the middle, in metres; none if it lies outside.
    fn holds(self, place: &canonical::LatLng) -> Option<f64> {
        let place = Point::new(place.latitude, place.longitude).ok()?;
        let meters = place.haversine_meters(self.center);
        (meters <= self.meters).then_some(meters)
    }
}

fn whole(meters: f64) -> i64 {
    meters.round() as i64
}

async fn map(app: &App, call: &Call, request: pb::GetMapRequest) -> Result<Response<pb::MapView>> {
    let pb::GetMapRequest {
        center_lat,
        center_lng,
        radius_m,
    } = request;
    let place = canonical::LatLng {
        latitude: center_lat.unwrap_or_default(),
        longitude: center_lng.unwrap_or_default(),
    };
    let circle = Circle {
        center: wire::point("center", place)?,
        meters: f64::from(radius_m.unwrap_or(RADIUS)),
    };
    let tareas = tasks(app, call, circle).await?;
    let usuarios = agents(app, call, circle).await?;
    Ok(Response::new(pb::MapView { usuarios, tareas }))
}

async fn tasks(app: &App, call: &Call, circle: Circle) -> Result<Vec<pb::MapTarea>> {
    let filter = canonical::TaskFilter {
        states: [TaskState::Scheduled, TaskState::InProgress, TaskState::Paused]
            .map(|state| state as i32)
            .to_vec(),
        r#box: Some(circle.bounds()),
        ..canonical::TaskFilter::default()
    };
    let (mut shown, mut page_token) = (Vec::new(), String::new());
    for _ in 0..PAGES {
        let request = canonical::ListTasksRequest {
            page_size: i32::try_from(SHOWN).unwrap_or_default(),
            page_token,
            filter: Some(filter.clone()),
            order_by: String::new(),
        };
        let page = task_read::list(app, call, request).await?.into_inner();
        shown.extend(page.tasks.into_iter().filter_map(|task| {
            let place = task.location?;
            let distance = circle.holds(&place)?;
            Some(pb::MapTarea {
                lat: place.latitude,
                lng: place.longitude,
                entity_id: task.uid,
                distance_m: whole(distance),
                priority: words::priority_on_map(task.priority),
            })
        }));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    shown.sort_by_key(|task| task.distance_m);
    shown.truncate(SHOWN);
    Ok(shown)
}

async fn agents(app: &App, call: &Call, circle: Circle) -> Result<Vec<pb::MapUsuario>> {
    let filter = canonical::AgentFilter {
        r#box: Some(circle.bounds()),
        ..canonical::AgentFilter::default()
    };
    let (mut shown, mut page_token) = (Vec::new(), String::new());
    for _ in 0..PAGES {
        let request = canonical::ListAgentsRequest {
            page_size: i32::try_from(SHOWN).unwrap_or_default(),
            page_token,
            filter: Some(filter.clone()),
        };
        let page = agent_read::list(app, call, request).await?.into_inner();
        shown.extend(page.agents.into_iter().filter_map(|agent| {
            let place = agent.position.as_ref()?.location?;
            Some((circle.holds(&place)?, place, agent))
        }));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    shown.sort_by(|one, other| one.0.total_cmp(&other.0));
    shown.truncate(SHOWN);
    let users: Vec<i64> = shown.iter().map(|(_, _, agent)| agent.user_id).collect();
    let conn = app.database.lease().await?;
    let uids = store::user::uids(&*conn, &users).await?;
    let shown = shown.into_iter().filter_map(|(distance, place, agent)| {
        let estado = estado(agent.availability());
        Some(pb::MapUsuario {
            lat: place.latitude,
            lng: place.longitude,
            entity_id: uids.get(&agent.user_id)?.to_string(),
            distance_m: whole(distance),
            nombre: agent.display_name,
            estado: estado.to_owned(),
            rango: agent.rank,
            unidad: agent.unit,
            ultima_actualizacion: agent.position.and_then(|position| position.fix_time),
        })
    });
    Ok(shown.collect())
}

fn estado(availability: Availability) -> &'static str {
    match availability {
        Availability::Available => "disponible",
        Availability::OnTask => "en_tarea",
        Availability::OffDuty => "fuera_servicio",
        Availability::Unavailable | Availability::Unspecified => "no_disponible",
    }
}

async fn locate(app: &App, call: &Call, request: pb::SetLocationRequest) -> Result<Response<pb::LocationSet>> {
    let pb::SetLocationRequest { uuid, body: _, place } = request;
    let pb::PlaceOfUsuario { lat, lng, source } = place.unwrap_or_default();
    let uid = Uuid::parse_str(&uuid).map_err(Error::unreadable)?;
    let agent = {
        let conn = app.database.lease().await?;
        store::user::agent_of(&*conn, uid).await?
    };
    let agent = agent.ok_or(Error::NotFound(Missing::User))?;
    let (lat, lng, source) = (
        lat.unwrap_or_default(),
        lng.unwrap_or_default(),
        source.unwrap_or("MANUAL".to_owned()),
    );
    let now = wire::timestamp(app.clock.now());
    let position = canonical::Position {
        agent_id: agent.0,
        location: Some(canonical::LatLng {
            latitude: lat,
            longitude: lng,
        }),
        fix_time: Some(now),
        source: known_by(&source) as i32,
        ..canonical::Position::default()
    };
    let request = canonical::ReportPositionsRequest {
        positions: vec![position],
    };
    let taken = position::report(app, call, checked(request)?).await?.into_inner();
    match taken.refused.first().map(canonical::RefusedFix::reason) {
        None => {}
        Some(FixRefusal::AgentNotFound) => return Err(Error::NotFound(Missing::User)),
        Some(FixRefusal::OffDuty) => return Err(Error::AgentOffDuty),
        // The person does not agree that their place is known.
        Some(_) => return Err(Error::Forbidden),
    }
    Ok(Response::new(pb::LocationSet {
        status: "ok".to_owned(),
        entity_id: uid.to_string(),
        lat,
        lng,
        source,
        updated_at: Some(now),
    }))
}

fn known_by(source: &str) -> PositionSource {
    match source {
        "GPS" => PositionSource::Gps,
        "NETWORK" => PositionSource::Network,
        _ => PositionSource::Manual,
    }
}
