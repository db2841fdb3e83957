//! Tracks, replay and distances through the front door.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use gad::{
    clock::Clock,
    pb::{self, Availability, UserLevel},
};
use geographiclib_rs::{Geodesic, InverseGeodesic as _};
use jiff::Timestamp;

use crate::world::{Person, World, draft, fields, reason};

/// What the tests' clock says at first, in seconds since 1970.
const NOW: i64 = 1_900_000_800;

async fn still_world() -> (World, Arc<AtomicI64>) {
    let seconds = Arc::new(AtomicI64::new(NOW));
    let told = Arc::clone(&seconds);
    let clock = Clock::of(move || Timestamp::from_second(told.load(Ordering::SeqCst)).unwrap());
    let world = World::with_clock(clock, |_| {}).await;
    let database = world.database().await;
    database.batch_execute("truncate positions, agent_locations").await.unwrap();
    (world, seconds)
}

fn time(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: NOW + seconds,
        nanos: 0,
    })
}

fn fix(agent_id: i64, seconds: i64, latitude: f64) -> pb::Position {
    pb::Position {
        agent_id,
        location: Some(pb::LatLng {
            latitude,
            longitude: -74.07,
        }),
        fix_time: time(seconds),
        ..Default::default()
    }
}

async fn report(person: &Person, positions: Vec<pb::Position>) {
    for positions in positions.chunks(1000) {
        let request = pb::ReportPositionsRequest {
            positions: positions.to_vec(),
        };
        let answer = person.agents().report_positions(request).await.unwrap().into_inner();
        assert_eq!(answer.refused_count, 0);
    }
}

fn seconds(line: &pb::TrackLine) -> Vec<i64> {
    line.points
        .iter()
        .map(|point| point.fix_time.unwrap().seconds - NOW)
        .collect()
}

#[tokio::test]
async fn a_line_has_few_points_and_breaks_where_there_was_no_fix() {
    let (world, _) = still_world().await;
    let (agent, supervisor) = (world.agent().await, world.supervisor().await);
    let id = agent.agent_id.unwrap();
    // 5,000 fixes a second apart, an hour of nothing, one by itself, an hour of nothing, and 100 more.
    let mut fixes: Vec<i64> = (-20_000..-15_000).collect();
    fixes.push(-11_000);
    fixes.extend(-5_000..-4_900);
    report(&agent, fixes.iter().map(|seconds| fix(id, *seconds, 4.65)).collect()).await;
    let request = pb::GetTrackLineRequest {
        agent_id: id,
        point_count: 200,
        ..Default::default()
    };
    let line = async |request: pb::GetTrackLineRequest| {
        supervisor
            .maps()
            .get_track_line(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let drawn = line(request).await.unwrap();
    let lines: Vec<Vec<i64>> = drawn.lines.iter().map(seconds).collect();
    assert_eq!((drawn.fix_count, drawn.gap.unwrap().seconds, lines.len()), (5_101, 600, 3));
    let ends: Vec<(i64, i64)> = lines.iter().map(|line| (line[0], *line.last().unwrap())).collect();
    assert_eq!(ends, [(-20_000, -15_001), (-11_000, -11_000), (-5_000, -4_901)]);
    let points: Vec<i64> = lines.concat();
    assert!((100..=200).contains(&points.len()) && points.is_sorted(), "{}", points.len());

    // So many breaks that the points would not do: only the longest remain, and the answer says so.
    let every = pb::GetTrackLineRequest {
        point_count: 12,
        gap: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..request
    };
    let few: Vec<pb::Position> = (0..100).map(|n| fix(id, -4_000 + n * 10 + n * n % 7, 4.65)).collect();
    report(&agent, few).await;
    let drawn = line(every).await.unwrap();
    assert!(drawn.lines.len() <= 3 && drawn.gap.unwrap().seconds > 1);
    assert!(drawn.lines.iter().map(|line| line.points.len()).sum::<usize>() <= 12);

    // Few fixes are all there.
    let whole = pb::GetTrackLineRequest {
        start_time: time(-5_000),
        end_time: time(-4_900),
        ..request
    };
    assert_eq!(line(whole).await.unwrap().lines[0].points.len(), 100);
    let empty = pb::GetTrackLineRequest {
        end_time: time(-30_000),
        ..request
    };
    assert_eq!(line(empty).await.unwrap().lines.len(), 0);
    for (start, end, count, field) in [
        (0, -10, 0, "start_time"),
        (-32 * 86_400, 0, 0, "start_time"),
        (-10, 0, 9, "point_count"),
    ] {
        let wrong = pb::GetTrackLineRequest {
            start_time: time(start),
            end_time: time(end),
            point_count: count,
            ..request
        };
        assert_eq!(fields(&line(wrong).await.unwrap_err()), [field]);
    }
}

#[tokio::test]
async fn a_line_tells_no_more_than_the_track() {
    let (world, clock) = still_world().await;
    let (agent, supervisor) = (world.agent().await, world.supervisor().await);
    let id = agent.agent_id.unwrap();
    let zone = world.zone("Z-NE").await;
    let limited = world.newcomer("limitada@gad.example", UserLevel::Supervisor, &[zone]).await;
    let spot = |seconds, latitude, longitude| pb::Position {
        location: Some(pb::LatLng { latitude, longitude }),
        ..fix(id, seconds, 0.0)
    };
    // In another zone at first, then in theirs, and there to the end of the shift.
    report(
        &agent,
        vec![
            spot(-7_200, 4.62, -74.11),
            spot(-3_600, 4.68, -74.03),
            spot(-60, 4.68, -74.03),
        ],
    )
    .await;
    let lines = async |person: &Person| {
        let request = pb::GetTrackLineRequest {
            agent_id: id,
            end_time: time(3_600),
            ..Default::default()
        };
        let answer = person.maps().get_track_line(request).await;
        answer.map(|answer| answer.into_inner().lines.iter().flat_map(seconds).collect::<Vec<_>>())
    };
    assert_eq!(lines(&supervisor).await.unwrap(), [-7_200, -3_600, -60]);
    assert_eq!(lines(&limited).await.unwrap(), [-3_600, -60]);
    assert_eq!(
        reason(&lines(&world.other_agent().await).await.unwrap_err()),
        "AGENT_NOT_FOUND"
    );
    // Off duty: the last quarter of an hour is nobody else's.
    clock.store(NOW + 10, Ordering::SeqCst);
    let off = pb::SetAvailabilityRequest {
        id,
        availability: Availability::OffDuty as i32,
        ..Default::default()
    };
    supervisor.agents().set_availability(off).await.unwrap();
    assert_eq!(lines(&supervisor).await.unwrap(), [-7_200, -3_600]);
    assert_eq!(lines(&agent).await.unwrap(), [-7_200, -3_600, -60]);
    // Who looked is written down.
    let database = world.database().await;
    let sql = "select count(*) from audit where method like '%/GetTrackLine' and outcome = 'OK' and subject_user_id = $1";
    let count: i64 = database.query_one(sql, &[&agent.id]).await.unwrap().get(0);
    assert_eq!(count, 4);
}

#[tokio::test]
async fn a_replay_shows_where_everybody_was_at_a_moment() {
    let (world, clock) = still_world().await;
    let (agent, other, supervisor) = (world.agent().await, world.other_agent().await, world.supervisor().await);
    let (first, second) = (agent.agent_id.unwrap(), other.agent_id.unwrap());
    report(
        &agent,
        vec![fix(first, -1_000, 4.61), fix(first, -500, 4.62), fix(first, -10, 4.63)],
    )
    .await;
    report(&other, vec![fix(second, -2_000, 4.71), fix(second, -400, 4.72)]).await;
    let replay = async |person: &Person, at: i64, age: i64, page: (i32, String)| {
        let request = pb::ReplayRequest {
            time: time(at),
            max_fix_age: Some(prost_types::Duration { seconds: age, nanos: 0 }),
            page_size: page.0,
            page_token: page.1,
        };
        person.maps().replay(request).await.unwrap().into_inner()
    };
    let places = |answer: &pb::ReplayResponse| -> Vec<(i64, f64)> {
        let place = |fix: &pb::Position| (fix.agent_id, fix.location.unwrap().latitude);
        answer.positions.iter().map(place).collect()
    };
    let at = async |at, age| places(&replay(&supervisor, at, age, (0, String::new())).await);
    assert_eq!(at(-450, 900).await, [(first, 4.62)]);
    assert_eq!(at(-450, 3_600).await, [(first, 4.62), (second, 4.71)]);
    assert_eq!(at(-400, 900).await, [(first, 4.62), (second, 4.72)]);
    assert_eq!(at(-3_000, 3_600).await, []);
    let page = replay(&supervisor, -400, 900, (1, String::new())).await;
    assert_eq!(places(&page), [(first, 4.62)]);
    let page = replay(&supervisor, -400, 900, (1, page.next_page_token)).await;
    assert_eq!((places(&page), page.next_page_token.as_str()), (vec![(second, 4.72)], ""));

    // Of who is off duty nobody sees the end of the shift, nor anybody in other zones than theirs.
    clock.store(NOW + 10, Ordering::SeqCst);
    let off = pb::SetAvailabilityRequest {
        id: first,
        availability: Availability::OffDuty as i32,
        ..Default::default()
    };
    supervisor.agents().set_availability(off).await.unwrap();
    assert_eq!(at(0, 3_600).await, [(second, 4.72)]);
    assert_eq!(at(-950, 3_600).await, [(first, 4.61), (second, 4.71)]);
    let limited = world
        .newcomer("limitada@gad.example", UserLevel::Supervisor, &[world.zone("Z-SO").await])
        .await;
    assert_eq!(places(&replay(&limited, -400, 900, (0, String::new())).await), []);
}

#[tokio::test]
async fn distances_are_those_of_the_ellipsoid() {
    let (world, _) = still_world().await;
    let (agent, other, supervisor) = (world.agent().await, world.other_agent().await, world.supervisor().await);
    let ids = [other.agent_id.unwrap(), agent.agent_id.unwrap()];
    report(&agent, vec![fix(ids[1], -90, 4.61)]).await;
    let task = supervisor.task("Patrullar").await;
    let mut nowhere = draft("Redactar");
    nowhere.location = None;
    let nowhere = pb::CreateTaskRequest {
        task: Some(nowhere),
        ..Default::default()
    };
    let nowhere = supervisor.tasks().create_task(nowhere).await.unwrap().into_inner();
    let far = pb::LatLng {
        latitude: -33.45,
        longitude: 179.9,
    };
    let request = pb::DistanceMatrixRequest {
        agent_ids: ids.to_vec(),
        task_ids: vec![nowhere.id, task.id],
        places: vec![far],
    };
    let answer = supervisor.maps().distance_matrix(request.clone()).await.unwrap().into_inner();
    let meters = |row: &pb::DistanceRow| row.distances.iter().map(|distance| distance.meters).collect::<Vec<_>>();
    // Nobody knows where the first is.
    assert_eq!((answer.rows[0].agent_id, meters(&answer.rows[0])), (ids[0], vec![None; 3]));
    assert_eq!(
        (answer.rows[1].agent_id, answer.rows[1].fix_age.unwrap().seconds),
        (ids[1], 90)
    );
    let geodesic = Geodesic::wgs84();
    let exact = |to: pb::LatLng| -> f64 { geodesic.inverse(4.61, -74.07, to.latitude, to.longitude) };
    let told = meters(&answer.rows[1]);
    assert_eq!(told[0], None);
    for (told, to) in [(told[1], task.location.unwrap()), (told[2], far)] {
        assert!((told.unwrap() - exact(to)).abs() < 1e-3);
    }
    let hidden = agent.maps().distance_matrix(request.clone()).await.unwrap_err();
    assert_eq!(reason(&hidden), "AGENT_NOT_FOUND");
    // Oneself one may ask for, but not how far it is to a task of others.
    let own = pb::DistanceMatrixRequest {
        agent_ids: vec![ids[1]],
        ..request
    };
    let hidden = agent.maps().distance_matrix(own).await.unwrap_err();
    assert_eq!(reason(&hidden), "TASK_NOT_FOUND");
}
