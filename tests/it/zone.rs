//! Zones through the front door: their shapes, and what is in them.

use gad::{
    domain::{geo::Point, zone::Boundary},
    pb::{self, EventType, UserLevel},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tonic::{Code, Status};

use crate::{
    live::Watcher,
    world::{Person, World, draft, fields, reason},
};

/// South-west corner of a square that no zone of the city reaches.
const AWAY: (f64, f64) = (1.0, -70.0);

fn point(latitude: f64, longitude: f64) -> pb::LatLng {
    pb::LatLng { latitude, longitude }
}

/// A square from a corner away from the city, with a side in degrees.
fn square((south, west): (f64, f64), side: f64) -> Vec<pb::LatLng> {
    vec![
        point(south, west),
        point(south, west + side),
        point(south + side, west + side),
        point(south + side, west),
        point(south, west),
    ]
}

fn zone(code: &str, boundary: Vec<pb::LatLng>) -> pb::Zone {
    pb::Zone {
        code: code.to_owned(),
        display_name: format!("Zona {code}"),
        boundary,
        ..Default::default()
    }
}

async fn create(person: &Person, zone: pb::Zone) -> Result<pb::Zone, Status> {
    let request = pb::CreateZoneRequest {
        zone: Some(zone),
        ..Default::default()
    };
    let answer = person.zones().create_zone(request).await;
    answer.map(tonic::Response::into_inner)
}

async fn reshape(person: &Person, id: i64, boundary: Vec<pb::LatLng>) -> Result<pb::Zone, Status> {
    let request = pb::UpdateZoneRequest {
        zone: Some(pb::Zone {
            id,
            boundary,
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = person.zones().update_zone(request).await;
    answer.map(tonic::Response::into_inner)
}

async fn delete(person: &Person, id: i64) -> Result<pb::Zone, Status> {
    let request = pb::DeleteZoneRequest {
        id,
        ..Default::default()
    };
    let answer = person.zones().delete_zone(request).await;
    answer.map(tonic::Response::into_inner)
}

/// A task at a place.
async fn task_at(person: &Person, latitude: f64, longitude: f64) -> pb::Task {
    let mut task = draft("En su zona");
    task.location = Some(point(latitude, longitude));
    let request = pb::CreateTaskRequest {
        task: Some(task),
        ..Default::default()
    };
    person.tasks().create_task(request).await.unwrap().into_inner()
}

async fn zone_of(person: &Person, task: i64) -> Option<i64> {
    let answer = person.tasks().get_task(pb::GetTaskRequest { id: task }).await;
    answer.unwrap().into_inner().zone_id
}

#[tokio::test]
async fn a_zone_is_made_changed_and_removed() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let made = create(&administrator, zone("Z-1", square(AWAY, 0.5))).await.unwrap();
    let get = async || {
        let answer = administrator.zones().get_zone(pb::GetZoneRequest { id: made.id }).await;
        answer.map(tonic::Response::into_inner)
    };
    assert_eq!(get().await.unwrap(), made);
    let only = pb::UpdateZoneRequest {
        zone: Some(pb::Zone {
            id: made.id,
            display_name: "Otra".to_owned(),
            etag: made.etag.clone(),
            ..Default::default()
        }),
        validate_only: true,
        ..Default::default()
    };
    let would = administrator.zones().update_zone(only.clone()).await.unwrap().into_inner();
    assert_eq!((would.display_name.as_str(), would.boundary), ("Otra", made.boundary.clone()));
    assert_eq!(get().await.unwrap(), made);
    let change = pb::UpdateZoneRequest {
        validate_only: false,
        ..only
    };
    let changed = administrator.zones().update_zone(change.clone()).await.unwrap().into_inner();
    assert_eq!(
        administrator.zones().update_zone(change).await.unwrap_err().code(),
        Code::Aborted
    );
    assert_eq!(delete(&administrator, made.id).await.unwrap(), changed);
    assert_eq!(reason(&get().await.unwrap_err()), "ZONE_NOT_FOUND");
    assert_eq!(reason(&delete(&administrator, made.id).await.unwrap_err()), "ZONE_NOT_FOUND");
}

#[tokio::test]
async fn a_boundary_that_is_none_is_refused() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let (south, west) = AWAY;
    let open = square(AWAY, 0.5)[..4].to_vec();
    let tangled = vec![
        point(south, west),
        point(south + 1.0, west + 1.0),
        point(south, west + 1.0),
        point(south + 1.0, west),
        point(south, west),
    ];
    let across = vec![point(0.0, 179.5), point(0.0, -179.5), point(1.0, -179.5), point(0.0, 179.5)];
    let many = (0..1001).map(|_| point(south, west)).collect();
    for (boundary, field) in [
        (vec![], "zone.boundary"),
        (open, "zone.boundary"),
        (tangled, "zone.boundary"),
        (across, "zone.boundary"),
        (square(AWAY, 10.5), "zone.boundary"),
        (many, "zone.boundary"),
        (vec![point(90.5, west); 5], "zone.boundary[0].latitude"),
    ] {
        let refused = create(&administrator, zone("Z-1", boundary.clone())).await.unwrap_err();
        assert_eq!(fields(&refused)[0], field, "{} points", boundary.len());
    }
    assert_eq!(
        fields(&create(&administrator, zone("", square(AWAY, 1.0))).await.unwrap_err()),
        ["zone.code"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_is_what_the_database_calls_a_simple_ring() {
    let world = World::start().await;
    let database = world.database().await;
    let corner = (0_i32..6, 0_i32..6).prop_map(|(north, east)| (f64::from(north), f64::from(east)));
    let rings = prop::collection::vec(corner, 3..8);
    let mut runner = TestRunner::new(Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    });
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        runner.run(&rings, |mut corners| {
            corners.push(corners[0]);
            let text: Vec<String> = corners.iter().map(|(lat, lng)| format!("{lng} {lat}")).collect();
            let sql = format!(
                "select st_isvalid(p) and st_issimple(st_exteriorring(p)) and st_area(p) > 0
                        and st_npoints(p) = st_npoints(st_removerepeatedpoints(p))
                 from (select st_geomfromtext('POLYGON(({}))') as p) g",
                text.join(",")
            );
            let wanted = match handle.block_on(database.query_one(&sql, &[])) {
                Ok(row) => row.get::<_, bool>(0),
                Err(_) => false,
            };
            let ring = corners.iter().map(|(lat, lng)| Point::new(*lat, *lng).unwrap()).collect();
            prop_assert_eq!(Boundary::new(ring).is_ok(), wanted, "{:?}", corners);
            Ok(())
        })
    })
    .unwrap();
}

#[tokio::test]
async fn tasks_and_agents_are_in_the_zone_that_holds_them_from_the_moment_it_does() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let (south, west) = AWAY;
    let (low, high) = (
        task_at(&supervisor, south + 0.1, west + 0.1).await,
        task_at(&supervisor, south + 0.9, west + 0.9).await,
    );
    let agent = world.agent().await;
    let sql = "update agent_locations set location = st_makepoint($2, $3)::geography, zone_id = null where agent_id = $1";
    let place = (&agent.agent_id.unwrap(), &(west + 0.2), &(south + 0.2));
    world
        .database()
        .await
        .execute(sql, &[place.0, place.1, place.2])
        .await
        .unwrap();
    let agents_zone = async || -> Option<i64> {
        let sql = "select zone_id from agent_locations where agent_id = $1";
        world
            .database()
            .await
            .query_one(sql, &[&agent.agent_id.unwrap()])
            .await
            .unwrap()
            .get(0)
    };
    assert_eq!((low.zone_id, high.zone_id), (None, None));
    let first = create(&administrator, zone("Z-1", square(AWAY, 0.5))).await.unwrap().id;
    assert_eq!(zone_of(&supervisor, low.id).await, Some(first));
    assert_eq!(zone_of(&supervisor, high.id).await, None);
    assert_eq!(agents_zone().await, Some(first));
    // Where two hold a place, the one with the lower number does.
    let second = create(&administrator, zone("Z-2", square(AWAY, 1.0))).await.unwrap().id;
    assert_eq!(zone_of(&supervisor, low.id).await, Some(first));
    assert_eq!(zone_of(&supervisor, high.id).await, Some(second));
    reshape(&administrator, first, square((south + 0.8, west + 0.8), 0.2))
        .await
        .unwrap();
    assert_eq!(zone_of(&supervisor, low.id).await, Some(second));
    assert_eq!(zone_of(&supervisor, high.id).await, Some(first));
    assert_eq!(agents_zone().await, Some(second));
    let before = supervisor
        .tasks()
        .get_task(pb::GetTaskRequest { id: high.id })
        .await
        .unwrap()
        .into_inner();
    delete(&administrator, first).await.unwrap();
    let after = supervisor
        .tasks()
        .get_task(pb::GetTaskRequest { id: high.id })
        .await
        .unwrap()
        .into_inner();
    assert_eq!((after.zone_id, after.revision), (Some(second), before.revision + 1));
    delete(&administrator, second).await.unwrap();
    assert_eq!((zone_of(&supervisor, low.id).await, agents_zone().await), (None, None));
}

#[tokio::test]
async fn watchers_of_a_zone_hear_what_comes_into_it_and_what_leaves() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let (south, west) = AWAY;
    let task = task_at(&supervisor, south + 0.1, west + 0.1).await;
    let closed = task_at(&supervisor, south + 0.1, west + 0.1).await;
    let cancel = pb::TaskStepRequest {
        id: closed.id,
        ..Default::default()
    };
    supervisor.tasks().cancel_task(cancel).await.unwrap();
    let zone = create(&administrator, zone("Z-1", square((south + 0.5, west + 0.5), 0.5)))
        .await
        .unwrap()
        .id;
    let filter = pb::WatchFilter {
        zone_ids: vec![zone],
        ..Default::default()
    };
    let request = pb::WatchRequest {
        filter: Some(filter),
        include_snapshot: true,
        ..Default::default()
    };
    let mut watcher = Watcher::start(&supervisor, request).await;
    assert!(matches!(watcher.next().await, pb::watch_response::Item::SnapshotEnd(_)));
    for (corner, holds) in [(AWAY, true), ((south + 0.5, west + 0.5), false)] {
        reshape(&administrator, zone, square(corner, 0.4)).await.unwrap();
        let event = watcher.event().await;
        let Some(pb::event::Resource::Task(seen)) = &event.resource else {
            panic!("a task was expected: {event:?}")
        };
        let what = (event.r#type(), seen.id, seen.zone_id, event.actor_user_id);
        assert_eq!(
            what,
            (EventType::TaskUpdated, task.id, holds.then_some(zone), administrator.id)
        );
    }
}

#[tokio::test]
async fn a_zone_that_somebodys_authority_ends_at_stays() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    for round in 0..6 {
        let zone = create(&administrator, zone(&format!("Z-{round}"), square(AWAY, 0.5)))
            .await
            .unwrap()
            .id;
        let person = pb::CreateUserRequest {
            user: Some(pb::User {
                email: format!("limitada{round}@gad.example"),
                display_name: "Limitada".to_owned(),
                level: UserLevel::Supervisor as i32,
                ..Default::default()
            }),
            ..Default::default()
        };
        let person = administrator.users().create_user(person).await.unwrap().into_inner();
        let limit = pb::SetUserLevelRequest {
            id: person.id,
            level: UserLevel::Supervisor as i32,
            zone_ids: vec![zone],
            ..Default::default()
        };
        // At the same moment: whoever is first wins, and no authority loses its end.
        let mut users = administrator.users();
        let (gone, limited) = tokio::join!(delete(&administrator, zone), users.set_user_level(limit));
        assert_ne!(gone.is_ok(), limited.is_ok(), "{gone:?} {limited:?}");
        match (gone, limited) {
            (Err(refused), _) => assert_eq!(reason(&refused), "STILL_IN_USE"),
            (_, Err(refused)) => assert_eq!(reason(&refused), "ZONE_NOT_FOUND"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_slips_between_zones_that_change_while_it_comes() {
    let world = World::start().await;
    let (administrator, supervisor, agent) = (world.administrator().await, world.supervisor().await, world.agent().await);
    let (south, west) = AWAY;
    let zone = create(&administrator, zone("Z-1", square(AWAY, 0.5))).await.unwrap().id;
    let corners = [AWAY, (south + 0.5, west + 0.5)];
    let flips = async {
        for round in 0..12 {
            reshape(&administrator, zone, square(corners[round % 2], 0.5)).await.unwrap();
        }
    };
    let tasks = async {
        for number in 0..40 {
            let (lat, lng) = corners[number % 2];
            let task = task_at(&supervisor, lat + 0.25, lng + 0.25).await;
            let (lat, lng) = corners[(number + 1) % 2];
            let moved = pb::UpdateTaskRequest {
                task: Some(pb::Task {
                    id: task.id,
                    location: Some(point(lat + 0.25, lng + 0.25)),
                    ..Default::default()
                }),
                ..Default::default()
            };
            supervisor.tasks().update_task(moved).await.unwrap();
        }
    };
    let fixes = async {
        for number in 0..40 {
            let (lat, lng) = corners[number % 2];
            let now = gad::clock::Clock::system().now();
            let fix = pb::Position {
                agent_id: agent.agent_id.unwrap(),
                location: Some(point(lat + 0.2, lng + 0.2)),
                fix_time: Some(prost_types::Timestamp {
                    seconds: now.as_second(),
                    nanos: now.subsec_nanosecond(),
                }),
                ..Default::default()
            };
            let request = pb::ReportPositionsRequest { positions: vec![fix] };
            agent.agents().report_positions(request).await.unwrap();
        }
    };
    tokio::join!(flips, tasks, fixes);
    let wrong = "with places as (select location, zone_id from tasks union all select location, zone_id from agent_locations)
                 select count(*) from places p where p.zone_id is distinct from
                     (select z.id from zones z where st_covers(z.boundary, p.location) order by z.id limit 1)";
    let wrong: i64 = world.database().await.query_one(wrong, &[]).await.unwrap().get(0);
    assert_eq!(wrong, 0);
}
