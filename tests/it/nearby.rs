//! Who is near, through the front door.

use std::collections::{BTreeMap, BTreeSet};

use gad::{
    clock::Clock,
    dispatch::Order,
    domain::{TaskId, dispatch, geo::Point},
    pb::{self, Availability, SkipReason},
    store::{self, Database, nearby::Wanted},
};
use geographiclib_rs::{Geodesic, InverseGeodesic as _};
use jiff::SignedDuration;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio_postgres::Client;

use crate::world::{Person, World, database_settings, fields};

const CENTER: pb::LatLng = pb::LatLng {
    latitude: 4.65,
    longitude: -74.07,
};

fn from(location: pb::LatLng) -> pb::ListNearbyRequest {
    pb::ListNearbyRequest {
        location: Some(location),
        ..Default::default()
    }
}

async fn nearby(person: &Person, request: pb::ListNearbyRequest) -> pb::ListNearbyResponse {
    person.agents().list_nearby(request).await.unwrap().into_inner()
}

fn ids(answer: &pb::ListNearbyResponse) -> Vec<i64> {
    answer.agents.iter().map(|near| near.agent.as_ref().unwrap().id).collect()
}

fn skipped(answer: &pb::ListNearbyResponse) -> BTreeMap<i64, SkipReason> {
    answer.skipped.iter().map(|agent| (agent.agent_id, agent.reason())).collect()
}

/// Three agents at 100, 200 and 300 metres north of the centre, free, with fresh fixes.
async fn three(world: &World) -> (Person, [i64; 3]) {
    let supervisor = world.supervisor().await;
    let third = world.person("agente2@gad.example").await;
    let agents = [world.agent().await, world.other_agent().await, third].map(|person| person.agent_id.unwrap());
    let database = world.database().await;
    for (agent, meters) in agents.iter().zip([100.0_f64, 200.0, 300.0]) {
        let sql = "update agent_locations set fix_time = now(),
                          location = st_project(st_makepoint(-74.07, 4.65)::geography, $2, 0) where agent_id = $1";
        database.execute(sql, &[agent, &meters]).await.unwrap();
    }
    (supervisor, agents)
}

#[tokio::test]
async fn the_nearest_come_first_with_their_distance_and_age() {
    let world = World::start().await;
    let (supervisor, agents) = three(&world).await;
    let answer = nearby(&supervisor, from(CENTER)).await;
    assert_eq!(ids(&answer), agents);
    for (near, meters) in answer.agents.iter().zip([100.0, 200.0, 300.0]) {
        assert!((near.distance_meters - meters).abs() < 0.01, "{}", near.distance_meters);
        assert!((0..60).contains(&near.fix_age.unwrap().seconds));
        assert_eq!(near.agent.as_ref().unwrap().availability(), Availability::Available);
    }
    assert!(answer.skipped.is_empty());

    let two = pb::ListNearbyRequest {
        page_size: 2,
        ..from(CENTER)
    };
    assert_eq!(ids(&nearby(&supervisor, two).await), agents[..2]);
    let close = pb::ListNearbyRequest {
        radius_meters: 150.0,
        ..from(CENTER)
    };
    assert_eq!(ids(&nearby(&supervisor, close).await), agents[..1]);
}

#[tokio::test]
async fn a_busy_agent_is_skipped_and_named() {
    let world = World::start().await;
    let (supervisor, [busy, other, _]) = three(&world).await;
    let task = supervisor.task("Patrullar").await;
    let assign = pb::AssignTaskRequest {
        id: task.id,
        agent_id: busy,
        exclusive: true,
        ..Default::default()
    };
    supervisor.tasks().assign_task(assign).await.unwrap();
    let one = pb::ListNearbyRequest {
        page_size: 1,
        ..from(CENTER)
    };
    let answer = nearby(&supervisor, one.clone()).await;
    assert_eq!(ids(&answer), [other]);
    assert_eq!(skipped(&answer), BTreeMap::from([(busy, SkipReason::Busy)]));
    let named = &answer.skipped[0];
    assert_eq!((named.code.as_str(), named.distance_meters.round()), ("AG-001", 100.0));

    // Further than whoever could go, it is nobody's concern.
    let far = pb::ListNearbyRequest {
        location: Some(pb::LatLng {
            latitude: 4.66,
            ..CENTER
        }),
        ..one.clone()
    };
    let answer = nearby(&supervisor, far).await;
    assert!(answer.skipped.is_empty() && answer.agents.len() == 1);

    let step = pb::TaskStepRequest {
        id: task.id,
        ..Default::default()
    };
    supervisor.tasks().cancel_task(step).await.unwrap();
    assert_eq!(ids(&nearby(&supervisor, one).await), [busy]);
}

#[tokio::test]
async fn whoever_cannot_go_is_skipped_with_the_reason() {
    let world = World::start().await;
    let (supervisor, [off, unavailable, stale]) = three(&world).await;
    for (id, availability) in [(off, Availability::OffDuty), (unavailable, Availability::Unavailable)] {
        let request = pb::SetAvailabilityRequest {
            id,
            availability: availability as i32,
            ..Default::default()
        };
        supervisor.agents().set_availability(request).await.unwrap();
    }
    let database = world.database().await;
    let age = async |seconds: f64| {
        let sql = "update agent_locations set fix_time = now() - make_interval(secs => $2) where agent_id = $1";
        database.execute(sql, &[&stale, &seconds]).await.unwrap();
    };
    age(16.0 * 60.0).await;
    let answer = nearby(&supervisor, from(CENTER)).await;
    assert!(answer.agents.is_empty());
    // Where somebody is who is off duty, is nobody's business.
    let expected = [(unavailable, SkipReason::Unavailable), (stale, SkipReason::Stale)];
    assert_eq!(skipped(&answer), BTreeMap::from(expected));
    assert!(
        answer
            .skipped
            .is_sorted_by(|one, other| one.distance_meters <= other.distance_meters)
    );

    let longer = pb::ListNearbyRequest {
        max_fix_age: Some(prost_types::Duration { seconds: 3600, nanos: 0 }),
        ..from(CENTER)
    };
    let answer = nearby(&supervisor, longer.clone()).await;
    assert_eq!((ids(&answer), answer.skipped.len()), (vec![stale], 1));
    assert!(answer.agents[0].fix_age.unwrap().seconds >= 16 * 60);
    age(3601.0).await;
    assert!(nearby(&supervisor, longer).await.agents.is_empty());
}

#[tokio::test]
async fn deleted_agents_and_those_of_other_units_are_not_listed() {
    let world = World::start().await;
    let (supervisor, [deleted, other, chosen]) = three(&world).await;
    let administrator = world.administrator().await;
    let request = pb::DeleteAgentRequest {
        id: deleted,
        ..Default::default()
    };
    administrator.agents().delete_agent(request).await.unwrap();
    let update = pb::UpdateAgentRequest {
        agent: Some(pb::Agent {
            id: chosen,
            unit: "Bomberos".to_owned(),
            specialty: "Rescate".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    administrator.agents().update_agent(update).await.unwrap();
    assert_eq!(ids(&nearby(&supervisor, from(CENTER)).await), [other, chosen]);
    for request in [
        pb::ListNearbyRequest {
            units: vec!["Bomberos".to_owned()],
            ..from(CENTER)
        },
        pb::ListNearbyRequest {
            specialties: vec!["Rescate".to_owned()],
            ..from(CENTER)
        },
    ] {
        let answer = nearby(&supervisor, request).await;
        assert_eq!((ids(&answer), answer.skipped.len()), (vec![chosen], 0));
    }
}

#[tokio::test]
async fn whoever_is_before_a_crowd_is_named_although_the_crowd_is_many() {
    let world = World::start().await;
    let (supervisor, database) = (world.supervisor().await, world.database().await);
    database.execute("delete from agent_locations", &[]).await.unwrap();
    crowd(&database, 2000, 0.25).await;
    // One who cannot go, north of the place and a metre nearer than a crowd east of it. On the sphere, which the walk goes
    // by, the crowd is nearer.
    let sql = "
        with place as (select st_makepoint(-74.10, 4.60)::geography as here, st_makepoint(-74.05, 4.60)::geography as crowd),
             alone as (select st_project(here, st_distance(here, crowd, true) - 1, 0) as location from place),
             moved as (update agent_locations l
                       set location = case when l.agent_id = (select min(id) from agents where duty = 4 and delete_time is null)
                                           then (select location from alone) else (select crowd from place) end)
        select id from agents where duty = 4 and delete_time is null order by id limit 1";
    let alone: i64 = database.query_one(sql, &[]).await.unwrap().get(0);
    let request = pb::ListNearbyRequest {
        page_size: 3,
        ..from(pb::LatLng {
            latitude: 4.60,
            longitude: -74.10,
        })
    };
    let answer = nearby(&supervisor, request).await;
    assert_eq!(
        (answer.agents.len(), skipped(&answer)),
        (3, BTreeMap::from([(alone, SkipReason::Unavailable)]))
    );
}

#[tokio::test]
async fn a_place_must_be_on_the_globe() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    for latitude in [f64::NAN, 90.5, f64::NEG_INFINITY] {
        let request = from(pb::LatLng { latitude, ..CENTER });
        let refused = supervisor.agents().list_nearby(request).await.unwrap_err();
        assert_eq!(fields(&refused), ["location.latitude"]);
    }
    let request = pb::ListNearbyRequest::default();
    let refused = supervisor.agents().list_nearby(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["location"]);
}

/// Crowds in a city, at one very place, on both sides of the date line, at a pole, and all over the globe; most cannot go.
pub async fn crowd(database: &Client, count: i32, seed: f64) {
    database.execute("select setseed($1)", &[&seed]).await.unwrap();
    let sql = "
        with u as (insert into users (uid, email, password_hash, display_name, level, create_time, update_time)
                   select gen_random_uuid(), 'c' || i || '@gad.example', 'x', 'C ' || i, 1, now(), now() from generate_series(1, $1) i
                   returning id),
             a as (insert into agents (uid, user_id, code, unit, specialty, duty, availability_time, create_time, update_time, delete_time)
                   select gen_random_uuid(), id, 'C-' || id, 'U' || id % 4, 'S' || id % 3,
                          (array[1, 3, 3, 3, 4])[1 + floor(random() * 5)::int], now(), now(), now(),
                          case when random() < 0.05 then now() end
                   from u returning id)
        insert into agent_locations (agent_id, location, fix_time, source, receive_time)
        select id, (case id % 5
                    when 0 then st_makepoint(-74.1 + random() * 0.1, 4.6 + random() * 0.1)
                    when 1 then st_makepoint(-74.07, 4.65)
                    when 2 then st_makepoint(case when random() < 0.5 then -180 + random() else 180 - random() end, random())
                    when 3 then st_makepoint(random() * 360 - 180, 89 + random())
                    else st_makepoint(random() * 360 - 180, random() * 180 - 90) end)::geography,
               now() - case when random() < 0.5 then interval '1 min' else interval '1 hour' end, 1, now()
        from a";
    database.execute(sql, &[&count]).await.unwrap();
    let sql = "
        with t as (insert into tasks (uid, code, title, kind, priority, state, planned_start_time, actual_start_time, delegate_user_id,
                                      creator_user_id, create_time, update_time, words)
                   select gen_random_uuid(), 'B', 'B', 1, 1, 2, now(), now(), min(id), min(id), now(), now(), '' from users
                   returning id)
        insert into assignments (task_id, agent_id, exclusive, occupying, create_time)
        select t.id, a.id, false, true, now() from t, agents a where a.id % 7 = 0";
    database.execute(sql, &[]).await.unwrap();
}

/// The answer as a look at every agent on duty gives it: who could go, and all nearer ones that could not, with reason and distance.
///
/// PostGIS rounds distances to 10 nm, and not always to the same side: who is as far away as the last one that can go,
/// may be named or not. Hence the distance of that one too.
async fn brute_force(database: &Client, request: &pb::ListNearbyRequest) -> (Vec<i64>, Vec<(i64, i32, f64)>, f64) {
    let pb::LatLng { latitude, longitude } = request.location.unwrap();
    let sql = "
        select a.id, st_distance(l.location, st_makepoint($1, $2)::geography, true) as meters,
               case when a.duty = 4 then 3
                    when exists (select from assignments s where s.agent_id = a.id and s.occupying) then 1
                    when l.fix_time < now() - interval '15 min' then 4 else 0 end as reason
        from agents a join agent_locations l on l.agent_id = a.id
        where a.delete_time is null and a.duty <> 3 and (cardinality($3::text[]) = 0 or a.unit = any($3))
          and (cardinality($4::text[]) = 0 or a.specialty = any($4))
          and ($5::float8 = 0 or st_distance(l.location, st_makepoint($1, $2)::geography, true) <= $5)
        order by meters, a.id";
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] = [
        &longitude,
        &latitude,
        &request.units,
        &request.specialties,
        &request.radius_meters,
    ];
    let wanted = usize::try_from(request.page_size).unwrap();
    let (mut able, mut unable, mut last) = (Vec::new(), Vec::new(), f64::INFINITY);
    for row in database.query(sql, &params).await.unwrap() {
        let (id, meters, reason): (i64, f64, i32) = (row.get(0), row.get(1), row.get(2));
        if reason == 0 && able.len() < wanted {
            able.push(id);
            if able.len() == wanted {
                last = meters;
            }
        } else if reason != 0 {
            unable.push((id, reason, meters));
        }
    }
    unable.retain(|(_, _, meters)| *meters < last);
    (able, unable, last)
}

fn requests() -> impl Strategy<Value = pb::ListNearbyRequest> {
    let place = prop_oneof![
        (4.6..4.7, -74.1..-74.0),
        Just((4.65, -74.07)),
        (0.0..1.0, prop_oneof![-180.0..-179.0, 179.0..180.0]),
        (89.0..90.0, -180.0..180.0),
        (-90.0..90.0, -180.0..180.0),
    ];
    let radius = prop_oneof![Just(0.0), 10.0..20_000.0, 1e5..1e7];
    let some = |name: &'static str| prop::collection::vec((0..5).prop_map(move |n| format!("{name}{n}")), 0..2);
    (place, 1..=100, radius, some("U"), some("S")).prop_map(
        |((latitude, longitude), page_size, radius_meters, units, specialties)| pb::ListNearbyRequest {
            location: Some(pb::LatLng { latitude, longitude }),
            page_size,
            radius_meters,
            max_fix_age: None,
            units,
            specialties,
        },
    )
}

#[test]
fn nearest_equals_brute_force() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, supervisor, database) = runtime.block_on(async {
        let world = World::start().await;
        let (supervisor, database) = (world.supervisor().await, world.database().await);
        crowd(&database, 5000, 0.25).await;
        (world, supervisor, database)
    });
    let mut runner = TestRunner::new(Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&requests(), |request| {
        let (answer, (able, unable, last)) = runtime.block_on(async {
            let answer = nearby(&supervisor, request.clone()).await;
            (answer, brute_force(&database, &request).await)
        });
        prop_assert_eq!(ids(&answer), able);
        let skipped: Vec<(i64, i32, f64)> = answer
            .skipped
            .iter()
            .map(|agent| (agent.agent_id, agent.reason, agent.distance_meters))
            .collect();
        if unable.len() <= 100 {
            let surely = |list: Vec<(i64, i32, f64)>| -> Vec<(i64, i32, f64)> {
                list.into_iter()
                    .filter(|(_, _, meters)| (meters - last).abs() > 1e-6)
                    .collect()
            };
            prop_assert_eq!(surely(skipped), surely(unable));
        } else {
            // Which of many equally near ones are named is free.
            prop_assert_eq!(skipped.len(), 100);
            prop_assert!(skipped.is_sorted_by(|one, other| one.2 <= other.2));
            for (named, (_, _, meters)) in skipped.iter().zip(&unable) {
                prop_assert!(unable.contains(named) && named.2 <= meters * 1.011);
            }
        }
        Ok(())
    });
    drop(world);
    outcome.unwrap();
}

/// Whether agents are given in the order of their geodesic distances, and are the nearest of all. What differs by less than a
/// micrometre is equally far.
fn is_nearest(given: &[i64], all: &BTreeMap<i64, f64>) -> bool {
    let mut meters: Vec<f64> = all.values().copied().collect();
    meters.sort_by(f64::total_cmp);
    let unlike = given.iter().collect::<BTreeSet<_>>().len() == given.len();
    unlike && given.iter().zip(&meters).all(|(id, meters)| (all[id] - meters).abs() < 1e-6)
}

/// The geodesic is computed by GeographicLib, independently of PostGIS and of the server.
#[test]
fn nearest_is_the_order_of_geodesics_in_ten_thousand_cases() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let world = World::start().await;
        let task = world.supervisor().await.task("Patrullar").await.id;
        let client = world.database().await;
        client.batch_execute("truncate agent_locations").await.unwrap();
        crowd(&client, 100, 0.75).await;
        let free =
            "truncate assignments; update agents set duty = 1, delete_time = null; update agent_locations set fix_time = now()";
        client.batch_execute(free).await.unwrap();
        let database = Database::connect(&database_settings(world.database_url().to_owned(), 2))
            .await
            .unwrap();
        let conn = database.lease().await.unwrap();
        let mut task = store::task::get(&*conn, TaskId(task)).await.unwrap().unwrap();
        let policy = dispatch::Policy {
            radius_meters: None,
            max_fix_age: SignedDuration::from_hours(24),
            ..store::dispatch::policy(&*conn, task.plan.kind).await.unwrap()
        };
        let geodesic = Geodesic::wgs84();
        let mut random = StdRng::seed_from_u64(4711);
        let now = Clock::system().now();
        let mut cases = 0;
        for _ in 0..100 {
            let (spread, middle) = (10_f64.powf(random.random_range(-3.0..2.0)), anywhere(&mut random, 1.0));
            let places = scatter(&client, &mut random, middle, spread).await;
            for _ in 0..100 {
                let center = near(&mut random, middle, spread);
                let meters = |place: &Point| -> f64 {
                    geodesic.inverse(center.latitude(), center.longitude(), place.latitude(), place.longitude())
                };
                let all: BTreeMap<i64, f64> = places.iter().map(|(id, place)| (*id, meters(place))).collect();
                let wanted = Wanted {
                    center,
                    count: random.random_range(1..=20),
                    radius_meters: None,
                    fresh_since: now - SignedDuration::from_hours(24),
                    units: Vec::new(),
                    specialties: Vec::new(),
                    sight: None,
                };
                let found = store::nearby::find(&*conn, &wanted).await.unwrap().able;
                let ids: Vec<i64> = found.iter().map(|near| near.id.0).collect();
                assert!(ids.len() == wanted.count && is_nearest(&ids, &all), "{wanted:?}: {ids:?}");
                if cases % 20 == 0 {
                    task.plan.location = Some(center);
                    let order = Order {
                        task: &task,
                        policy: &policy,
                        count: 10,
                        sight: None,
                        now,
                    };
                    let ranking = gad::dispatch::ranking(&*conn, &order).await.unwrap();
                    let ids: Vec<i64> = ranking.candidates.iter().map(|one| one.agent.id.0).collect();
                    assert!(ids.len() >= 50 && is_nearest(&ids, &all), "{center:?}: {ids:?}");
                }
                cases += 1;
            }
        }
        assert_eq!(cases, 10_000);
        world.replica.stop().await;
    });
}

/// A place on the globe, as likely as its part of it is large; `share` of the way from the equator to the poles at most.
fn anywhere(random: &mut StdRng, share: f64) -> Point {
    let latitude = random.random_range(-share..=share).asin().to_degrees();
    Point::new(latitude, random.random_range(-180.0..=180.0)).unwrap()
}

/// A place not further than so many degrees from another, over poles and the date line too.
fn near(random: &mut StdRng, middle: Point, spread: f64) -> Point {
    let north: f64 = middle.latitude() + random.random_range(-spread..=spread);
    let east = middle.longitude() + random.random_range(-spread..=spread);
    let (north, east) = match north {
        beyond if beyond > 90.0 => (180.0 - beyond, east + 180.0),
        beyond if beyond < -90.0 => (-180.0 - beyond, east + 180.0),
        north => (north, east),
    };
    Point::new(north, (east + 180.0).rem_euclid(360.0) - 180.0).unwrap()
}

/// Puts everybody somewhere around a place.
async fn scatter(client: &Client, random: &mut StdRng, middle: Point, spread: f64) -> BTreeMap<i64, Point> {
    let rows = client.query("select agent_id from agent_locations", &[]).await.unwrap();
    let places: BTreeMap<i64, Point> = rows.iter().map(|row| (row.get(0), near(random, middle, spread))).collect();
    let ids: Vec<i64> = places.keys().copied().collect();
    let (north, east): (Vec<f64>, Vec<f64>) = places.values().map(|place| (place.latitude(), place.longitude())).unzip();
    let sql = "update agent_locations l set location = st_makepoint(n.x, n.y)
               from unnest($1::bigint[], $2::float8[], $3::float8[]) n (id, y, x) where l.agent_id = n.id";
    client.execute(sql, &[&ids, &north, &east]).await.unwrap();
    places
}
