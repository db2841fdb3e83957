//! The map through the front door.

use std::collections::BTreeMap;

use gad::{
    domain::geo::Point,
    pb::{self, Availability, MapLayer, TaskState, UserLevel},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use prost::Message;
use reqwest::StatusCode;

use crate::{
    edge::Edge,
    nearby::crowd,
    privacy_location::set_precision,
    world::{Person, World, draft, fields, reason},
};

fn square(south: f64, west: f64, north: f64, east: f64) -> pb::Box {
    pb::Box {
        south,
        west,
        north,
        east,
    }
}

/// The city and all around it.
fn city() -> pb::Box {
    square(4.0, -75.0, 5.5, -73.0)
}

fn request(r#box: pb::Box, layers: &[MapLayer]) -> pb::MapViewRequest {
    pb::MapViewRequest {
        r#box: Some(r#box),
        layers: layers.iter().map(|layer| *layer as i32).collect(),
        ..Default::default()
    }
}

async fn view(person: &Person, request: pb::MapViewRequest) -> pb::MapViewResponse {
    person.maps().map_view(request).await.unwrap().into_inner()
}

fn agents(answer: &pb::MapViewResponse) -> Vec<i64> {
    answer.agents.iter().map(|agent| agent.agent_id).collect()
}

fn place(agent: &pb::MapAgent) -> pb::LatLng {
    agent.position.unwrap().location.unwrap()
}

fn holds(wide: pb::Box, place: pb::LatLng) -> bool {
    let across = if wide.west <= wide.east {
        (wide.west..=wide.east).contains(&place.longitude)
    } else {
        place.longitude >= wide.west || place.longitude <= wide.east
    };
    across && (wide.south..=wide.north).contains(&place.latitude)
}

/// Rectangles of all sizes, over the date line and at the poles too.
fn boxes() -> impl Strategy<Value = pb::Box> {
    let side = |least: f64, most: f64| (least..most, least..most).prop_filter("not empty", |(one, other)| one != other);
    prop_oneof![
        (side(4.6, 4.7), side(-74.1, -74.0)),
        (side(-90.0, 90.0), side(-180.0, 180.0)),
        (side(-1.0, 1.0), side(170.0, 190.0)),
        (side(80.0, 90.0), side(-180.0, 180.0)),
    ]
    .prop_map(|(latitudes, longitudes)| {
        let around = |longitude: f64| if longitude > 180.0 { longitude - 360.0 } else { longitude };
        let (west, east) = (longitudes.0.min(longitudes.1), longitudes.0.max(longitudes.1));
        square(
            latitudes.0.min(latitudes.1),
            around(west),
            latitudes.0.max(latitudes.1),
            around(east),
        )
    })
}

#[test]
fn clusters_and_what_stands_alone_are_all_there_is() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, supervisor, there) = runtime.block_on(async {
        let world = World::start().await;
        let database = world.database().await;
        crowd(&database, 3000, 0.5).await;
        let sql = "select a.id, st_y(l.location::geometry), st_x(l.location::geometry) from agents a
                   join agent_locations l on l.agent_id = a.id where a.delete_time is null and a.duty <> 3";
        let rows = database.query(sql, &[]).await.unwrap();
        let place = |row: &tokio_postgres::Row| pb::LatLng {
            latitude: row.get(1),
            longitude: row.get(2),
        };
        let there: BTreeMap<i64, pb::LatLng> = rows.iter().map(|row| (row.get(0), place(row))).collect();
        let supervisor = world.supervisor().await;
        (world, supervisor, there)
    });
    let mut runner = TestRunner::new(Config {
        cases: 80,
        failure_persistence: None,
        ..Config::default()
    });
    let zooms = prop_oneof![Just(None), (0..=22).prop_map(Some)];
    let outcome = runner.run(&(boxes(), zooms), |(wide, zoom)| {
        let asked = pb::MapViewRequest {
            zoom,
            ..request(wide, &[MapLayer::Agents])
        };
        let answer = runtime.block_on(view(&supervisor, asked));
        let inside: Vec<i64> = there
            .iter()
            .filter(|(_, place)| holds(wide, **place))
            .map(|(id, _)| *id)
            .collect();
        let together: i32 = answer.clusters.iter().map(|cluster| cluster.count).sum();
        prop_assert_eq!(answer.agents.len() + usize::try_from(together).unwrap(), inside.len());
        prop_assert!(answer.agents.len() + answer.clusters.len() <= 34 * 34);
        prop_assert!(agents(&answer).iter().all(|id| inside.contains(id)));
        for cluster in &answer.clusters {
            let edges = cluster.r#box.unwrap();
            prop_assert!(cluster.count >= 2 && edges.east - edges.west <= answer.cell_degrees * 1.000_001);
            // A cluster holds no fewer than it says.
            let held = there.values().filter(|place| holds(edges, **place)).count();
            prop_assert!(held >= usize::try_from(cluster.count).unwrap());
        }
        Ok(())
    });
    drop(world);
    outcome.unwrap();
}

#[tokio::test]
async fn everybody_sees_their_own_and_nobody_who_is_off_duty() {
    let world = World::start().await;
    let (supervisor, agent, other) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    let (mine, theirs) = (agent.agent_id.unwrap(), other.agent_id.unwrap());
    let database = world.database().await;
    let spots = [("Z-NE", "st_makepoint(-74.03, 4.68)"), ("Z-SO", "st_makepoint(-74.11, 4.62)")];
    for (id, (code, point)) in [mine, theirs].into_iter().zip(spots) {
        let zone = world.zone(code).await;
        let sql = format!("update agent_locations set location = {point}, zone_id = $2 where agent_id = $1");
        database.execute(&sql, &[&id, &zone]).await.unwrap();
    }
    let layers = [MapLayer::Agents];
    let seen = async |person: &Person| {
        let mut ids = agents(&view(person, request(city(), &layers)).await);
        ids.retain(|id| [mine, theirs].contains(id));
        ids
    };
    let limited = world
        .newcomer("limitada@gad.example", UserLevel::Supervisor, &[world.zone("Z-NE").await])
        .await;
    assert_eq!(seen(&supervisor).await, [mine, theirs]);
    assert_eq!(seen(&limited).await, [mine]);
    assert_eq!(seen(&agent).await, [mine]);
    let off = pb::SetAvailabilityRequest {
        id: mine,
        availability: Availability::OffDuty as i32,
        ..Default::default()
    };
    supervisor.agents().set_availability(off).await.unwrap();
    assert_eq!(seen(&supervisor).await, [theirs]);
    assert_eq!(seen(&limited).await, Vec::<i64>::new());
    assert_eq!(seen(&agent).await, [mine]);
    let free = pb::MapViewRequest {
        availabilities: vec![Availability::OnTask as i32],
        ..request(city(), &layers)
    };
    assert_eq!(agents(&view(&supervisor, free).await), Vec::<i64>::new());
}

#[tokio::test]
async fn a_place_is_as_exact_on_the_map_as_elsewhere() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let id = agent.agent_id.unwrap();
    let database = world.database().await;
    let sql = "update agent_locations set location = st_makepoint(-74.123456, 4.912345) where agent_id = $1";
    database.execute(sql, &[&id]).await.unwrap();
    set_precision(&world.administrator().await, UserLevel::Supervisor, 2000).await;
    let on_map = async |person: &Person, wide: pb::Box| {
        let answer = view(person, request(wide, &[MapLayer::Agents])).await;
        answer.agents.iter().find(|agent| agent.agent_id == id).map(place)
    };
    let elsewhere = supervisor
        .agents()
        .get_agent(pb::GetAgentRequest { id })
        .await
        .unwrap()
        .into_inner();
    let shown = elsewhere.position.unwrap().location.unwrap();
    let exact = pb::LatLng {
        latitude: 4.912_345,
        longitude: -74.123_456,
    };
    assert_ne!(shown, exact);
    assert_eq!(on_map(&supervisor, city()).await, Some(shown));
    assert_eq!(on_map(&agent, city()).await, Some(exact));
    // A rectangle finds whom it shows, and tells nothing more of where they really are.
    let around = |place: pb::LatLng| {
        square(
            place.latitude - 1e-6,
            place.longitude - 1e-6,
            place.latitude + 1e-6,
            place.longitude + 1e-6,
        )
    };
    assert_eq!(on_map(&supervisor, around(shown)).await, Some(shown));
    assert_eq!(on_map(&supervisor, around(exact)).await, None);
}

#[test]
fn the_database_blurs_places_as_the_server_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, database) = runtime.block_on(async {
        let world = World::start().await;
        let database = world.database().await;
        (world, database)
    });
    let mut runner = TestRunner::new(Config {
        cases: 500,
        failure_persistence: None,
        ..Config::default()
    });
    let latitude = prop_oneof![-90.0..=90.0, Just(90.0), Just(-90.0), 4.0..5.0];
    let longitude = prop_oneof![-180.0..=180.0, Just(180.0), -75.0..-74.0];
    let outcome = runner.run(&(latitude, longitude, 0_u32..100_000), |(latitude, longitude, meters)| {
        let expected = Point::new(latitude, longitude).unwrap().blurred(meters);
        let sql = "select st_y(p), st_x(p) from blurred(st_setsrid(st_makepoint($1, $2), 4326), $3) p";
        let row = runtime
            .block_on(database.query_one(sql, &[&longitude, &latitude, &f64::from(meters)]))
            .unwrap();
        let (north, east): (f64, f64) = (row.get(0), row.get(1));
        prop_assert!((north - expected.latitude()).abs() < 1e-9 && (east - expected.longitude()).abs() < 1e-9);
        Ok(())
    });
    drop(world);
    outcome.unwrap();
}

#[tokio::test]
async fn rectangles_that_are_none_are_refused_and_circles_are_round() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let refused = async |request: pb::MapViewRequest| {
        let status = supervisor.maps().map_view(request).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_FIELD");
        fields(&status).join(" ")
    };
    assert_eq!(refused(request(square(5.0, -75.0, 4.0, -73.0), &[])).await, "box");
    assert_eq!(refused(request(square(4.0, -75.0, 4.0, -73.0), &[])).await, "box");
    assert_eq!(refused(request(square(4.0, -75.0, 5.0, -75.0), &[])).await, "box");
    assert_eq!(refused(request(square(-91.0, -75.0, 5.0, -74.0), &[])).await, "box.south");
    assert_eq!(refused(request(square(4.0, f64::NAN, 5.0, -74.0), &[])).await, "box.west");
    let center = draft("").location;
    let circle = |radius_meters| pb::MapViewRequest {
        center,
        radius_meters,
        ..Default::default()
    };
    assert_eq!(refused(circle(0.0)).await, "radius_meters");
    let both = pb::MapViewRequest {
        r#box: Some(city()),
        ..circle(10.0)
    };
    assert!(supervisor.maps().map_view(both).await.is_err());
    assert!(supervisor.maps().map_view(pb::MapViewRequest::default()).await.is_err());
    let radius_of_a_box = pb::MapViewRequest {
        radius_meters: 5.0,
        ..request(city(), &[])
    };
    assert_eq!(refused(radius_of_a_box).await, "radius_meters");

    let database = world.database().await;
    let ids = [world.agent().await, world.other_agent().await].map(|person| person.agent_id.unwrap());
    for (id, meters) in ids.iter().zip([240.0_f64, 260.0]) {
        let sql = "update agent_locations set location = st_project(st_makepoint(-74.07, 4.65)::geography, $2, 0.8) where agent_id = $1";
        database.execute(sql, &[id, &meters]).await.unwrap();
    }
    let answer = view(&supervisor, circle(250.0)).await;
    let found: Vec<i64> = agents(&answer).into_iter().filter(|id| ids.contains(id)).collect();
    assert_eq!(found, [ids[0]]);
}

#[tokio::test]
async fn tasks_emergencies_and_zones_are_on_the_map() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let task = supervisor.task("Patrullar").await;
    let raise = pb::RaiseEmergencyRequest {
        location: Some(pb::LatLng {
            latitude: 4.70,
            longitude: -74.05,
        }),
        ..Default::default()
    };
    let emergency = agent.emergencies().raise_emergency(raise.clone()).await.unwrap().into_inner();
    let all = view(&supervisor, request(city(), &[])).await;
    let tasks: Vec<i64> = all.tasks.iter().map(|task| task.task_id).collect();
    assert_eq!(tasks, [task.id, emergency.task_id]);
    assert_eq!((all.emergencies.len(), all.emergencies[0].location), (1, raise.location));
    assert_eq!((all.zone_count, all.zones.len()), (4, 4));
    assert!(all.zones.iter().all(|zone| zone.boundary.len() >= 4));
    // Others see neither the task nor the emergency; whoever reported it sees it.
    let other = world.other_agent().await;
    let theirs = view(&other, request(city(), &[])).await;
    let sent = emergency.agent_ids.contains(&other.agent_id.unwrap());
    assert_eq!(
        (theirs.tasks.len(), theirs.emergencies.len()),
        (usize::from(sent), usize::from(sent))
    );
    assert_eq!(view(&agent, request(city(), &[])).await.emergencies.len(), 1);

    let step = pb::TaskStepRequest {
        id: task.id,
        ..Default::default()
    };
    supervisor.tasks().cancel_task(step).await.unwrap();
    let open = view(&supervisor, request(city(), &[MapLayer::Tasks])).await;
    assert_eq!(open.tasks.len(), 1);
    let cancelled = pb::MapViewRequest {
        task_states: vec![TaskState::Cancelled as i32],
        ..request(city(), &[MapLayer::Tasks])
    };
    assert_eq!(view(&supervisor, cancelled).await.tasks[0].task_id, task.id);

    let heat = pb::HeatmapRequest {
        r#box: Some(city()),
        ..Default::default()
    };
    let warm = supervisor.maps().heatmap(heat.clone()).await.unwrap().into_inner();
    assert_eq!((warm.task_count, warm.cells.len()), (2, 2));
    for cell in &warm.cells {
        let held = [task.location, raise.location].into_iter().flatten();
        assert_eq!(held.filter(|place| holds(cell.r#box.unwrap(), *place)).count(), 1);
    }
    let long_ago = pb::HeatmapRequest {
        end_time: Some(prost_types::Timestamp { seconds: 0, nanos: 0 }),
        ..heat
    };
    assert_eq!(supervisor.maps().heatmap(long_ago).await.unwrap().into_inner().task_count, 0);
}

/// As much of a vector tile as the tests look at.
#[derive(Clone, PartialEq, Message)]
struct Mvt {
    #[prost(message, repeated, tag = "3")]
    layers: Vec<MvtLayer>,
}

#[derive(Clone, PartialEq, Message)]
struct MvtLayer {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    features: Vec<MvtFeature>,
    #[prost(string, repeated, tag = "3")]
    keys: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    values: Vec<MvtValue>,
}

#[derive(Clone, PartialEq, Message)]
struct MvtFeature {
    #[prost(uint64, optional, tag = "1")]
    id: Option<u64>,
    #[prost(uint32, repeated, tag = "2")]
    tags: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct MvtValue {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(int64, optional, tag = "4")]
    int: Option<i64>,
    #[prost(uint64, optional, tag = "5")]
    uint: Option<u64>,
    #[prost(sint64, optional, tag = "6")]
    sint: Option<i64>,
}

impl MvtLayer {
    /// A number of a feature by its name.
    fn number(&self, feature: &MvtFeature, key: &str) -> Option<i64> {
        let pair = feature.tags.chunks(2).find(|pair| self.keys[pair[0] as usize] == key)?;
        let value = &self.values[pair[1] as usize];
        value.int.or(value.sint).or(value.uint.map(u64::cast_signed))
    }
}

#[tokio::test]
async fn tiles_come_through_the_public_door_with_what_one_may_see() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    supervisor.task("Patrullar").await;
    let database = world.database().await;
    crowd(&database, 500, 0.1).await;
    let http = reqwest::Client::new();
    let get = async |person: &Person, path: &str| {
        let asked = http.get(edge.url(path)).bearer_auth(&person.token).send().await.unwrap();
        let headers = asked.headers().clone();
        (asked.status(), headers, asked.bytes().await.unwrap())
    };
    let (status, headers, body) = get(&supervisor, "/v1/tiles/0/0/0.mvt").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "application/vnd.mapbox-vector-tile");
    assert!(headers["cache-control"].to_str().unwrap().contains("private"));
    let tile = Mvt::decode(body).unwrap();
    let names: Vec<&str> = tile.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["zones", "agents", "tasks"]);
    let counted = |tile: &Mvt, name: &str| {
        let layer = tile.layers.iter().find(|layer| layer.name == name);
        let count = |layer: &MvtLayer| {
            layer
                .features
                .iter()
                .filter_map(|one| layer.number(one, "count"))
                .sum::<i64>()
        };
        layer.map_or(0, count)
    };
    let sql = "select count(*) from agents a join agent_locations l on l.agent_id = a.id
               where a.delete_time is null and a.duty <> 3 and abs(st_y(l.location::geometry)) <= 85.0511";
    let there: i64 = database.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(counted(&tile, "agents"), there);
    assert_eq!(counted(&tile, "tasks"), 1);
    assert!(tile.layers[1].features.len() <= 33 * 33);

    // An agent sees itself, and no task of others.
    let (_, _, body) = get(&agent, "/v1/tiles/0/0/0.mvt").await;
    let own = Mvt::decode(body).unwrap();
    assert_eq!((counted(&own, "agents"), counted(&own, "tasks")), (1, 0));
    let layer = own.layers.iter().find(|layer| layer.name == "agents").unwrap();
    assert_eq!(layer.features[0].id, agent.agent_id.map(i64::cast_unsigned));
    // Nothing is there, and that is a tile too; the suffix may be left out.
    let (status, _, body) = get(&supervisor, "/v1/tiles/22/0/4194303").await;
    assert_eq!((status, body.len()), (StatusCode::OK, 0));
    for path in [
        "/v1/tiles/1/2/0.mvt",
        "/v1/tiles/1/0/2.mvt",
        "/v1/tiles/23/0/0.mvt",
        "/v1/tiles/1/0/0.png",
        "/v1/tiles/1/-1/0.mvt",
        "/v1/tiles/1/0/1e3.mvt",
    ] {
        assert_eq!(get(&supervisor, path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
    let nobody = http.get(edge.url("/v1/tiles/0/0/0.mvt")).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
}
