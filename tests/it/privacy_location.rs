//! Where people are: known on duty only, shown as exactly as it must be, and hidden places only behind glass.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use gad::{
    clock::Clock,
    pb::{self, Availability, ConsentEffect, ConsentPurpose, FixRefusal, watch_response::Item},
};
use jiff::Timestamp;
use tonic::Code;

use crate::{
    live::Watcher,
    world::{Person, Replica, World, fields, reason, until},
};

/// What the tests' clock says at first.
const NOW: i64 = 1_900_000_800;

/// A clock that stands still until a test moves it.
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn clock(&self) -> Clock {
        let told = Arc::clone(&self.0);
        Clock::of(move || Timestamp::from_second(told.load(Ordering::SeqCst)).unwrap())
    }

    fn at(&self, seconds: i64) {
        self.0.store(NOW + seconds, Ordering::SeqCst);
    }
}

async fn still_world() -> (World, Hands) {
    let hands = Hands(Arc::new(AtomicI64::new(NOW)));
    (World::with_clock(hands.clock(), |_| {}).await, hands)
}

fn fix(agent_id: i64, seconds: i64, latitude: f64) -> pb::Position {
    pb::Position {
        agent_id,
        location: Some(pb::LatLng {
            latitude,
            longitude: -74.071_234,
        }),
        fix_time: Some(prost_types::Timestamp {
            seconds: NOW + seconds,
            nanos: 0,
        }),
        accuracy_meters: Some(4.0),
        speed_meters_per_second: Some(1.5),
        heading_degrees: None,
        source: pb::PositionSource::Gps as i32,
    }
}

async fn report(person: &Person, positions: Vec<pb::Position>) -> Vec<Option<FixRefusal>> {
    let count = positions.len();
    let request = pb::ReportPositionsRequest { positions };
    let answer = person.agents().report_positions(request).await.unwrap().into_inner();
    let mut outcomes = vec![None; count];
    for refused in &answer.refused {
        outcomes[usize::try_from(refused.index).unwrap()] = Some(refused.reason());
    }
    outcomes
}

async fn be(person: &Person, id: i64, availability: Availability) {
    let request = pb::SetAvailabilityRequest {
        id,
        availability: availability as i32,
        ..Default::default()
    };
    person.agents().set_availability(request).await.unwrap();
}

async fn get(person: &Person, id: i64) -> pb::Agent {
    let answer = person.agents().get_agent(pb::GetAgentRequest { id }).await;
    answer.unwrap().into_inner()
}

async fn place(person: &Person, id: i64) -> Option<f64> {
    get(person, id)
        .await
        .position
        .map(|position| position.location.unwrap().latitude)
}

async fn track(person: &Person, agent_id: i64) -> Vec<f64> {
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let request = pb::GetTrackRequest {
        agent_id,
        start_time: time(NOW - 3600),
        end_time: time(NOW + 86_400),
        ..Default::default()
    };
    let answer = person.agents().get_track(request).await.unwrap().into_inner();
    let places = answer.positions.iter().map(|position| position.location.unwrap().latitude);
    places.collect()
}

/// Agents that a list by rectangle holds.
async fn within(person: &Person, (south, north): (f64, f64)) -> Vec<i64> {
    let filter = pb::AgentFilter {
        r#box: Some(pb::Box {
            south,
            west: -75.0,
            north,
            east: -73.0,
        }),
        ..Default::default()
    };
    let request = pb::ListAgentsRequest {
        filter: Some(filter),
        ..Default::default()
    };
    let answer = person.agents().list_agents(request).await.unwrap().into_inner();
    answer.agents.iter().map(|agent| agent.id).collect()
}

/// Agents of a snapshot and where they are.
async fn snapshot(person: &Person) -> Vec<(i64, Option<f64>)> {
    let request = pb::WatchRequest {
        include_snapshot: true,
        ..Default::default()
    };
    let mut watcher = Watcher::start(person, request).await;
    let mut seen = Vec::new();
    loop {
        match watcher.next().await {
            Item::SnapshotRow(row) => {
                if let Some(pb::snapshot_row::Resource::Agent(agent)) = row.resource {
                    let at = agent.position.map(|position| position.location.unwrap().latitude);
                    seen.push((agent.id, at));
                }
            }
            Item::SnapshotEnd(_) => return seen,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_fix_made_off_duty_is_refused_and_stored_nowhere() {
    let (world, hands) = still_world().await;
    let agent = world.agent().await;
    let id = agent.agent_id.unwrap();
    hands.at(100);
    be(&agent, id, Availability::OffDuty).await;
    hands.at(200);
    let batch = vec![
        fix(id, 50, 4.61),
        fix(id, 99, 4.62),
        fix(id, 100, 4.987_654),
        fix(id, 150, 4.987_655),
    ];
    let off = Some(FixRefusal::OffDuty);
    // Late, but made on duty: taken.
    assert_eq!(report(&agent, batch).await, [None, None, off, off]);
    be(&agent, id, Availability::Unavailable).await;
    // Between two shifts nobody was on duty, by whoever it is reported.
    let batch = vec![
        fix(id, 60, 4.63),
        fix(id, 199, 4.987_656),
        fix(id, 200, 4.64),
        fix(id, 201, 4.65),
    ];
    assert_eq!(report(&world.supervisor().await, batch).await, [None, off, None, None]);
    // From on duty to on duty is no end of a shift.
    hands.at(210);
    be(&agent, id, Availability::Available).await;
    assert_eq!(
        report(&agent, vec![fix(id, 205, 4.66), fix(id, 210, 4.67)]).await,
        [None, None]
    );

    let database = world.database().await;
    for sql in [
        "select count(*) from positions where st_y(location::geometry) > 4.98",
        "select count(*) from agent_locations where st_y(location::geometry) > 4.98",
        "select count(*) from outbox where fact::text like '%4.9876%'",
    ] {
        assert_eq!(database.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0, "{sql}");
    }
    let shifts = database
        .query_one("select count(*) from shifts where agent_id = $1", &[&id])
        .await
        .unwrap();
    assert_eq!(shifts.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_new_agent_is_off_duty_until_it_says_otherwise() {
    let (world, hands) = still_world().await;
    let administrator = world.administrator().await;
    let request = pb::CreateAgentRequest {
        agent: Some(pb::Agent {
            user_id: administrator.id,
            code: "JEFE".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let id = administrator.agents().create_agent(request).await.unwrap().into_inner().id;
    hands.at(10);
    let off = Some(FixRefusal::OffDuty);
    let early = vec![fix(id, -100, 4.6), fix(id, 5, 4.6)];
    assert_eq!(report(&administrator, early.clone()).await, [off, off]);
    be(&administrator, id, Availability::Available).await;
    assert_eq!(report(&administrator, early).await, [off, off]);
    assert_eq!(report(&administrator, vec![fix(id, 10, 4.6)]).await, [None]);
}

#[tokio::test]
async fn where_somebody_off_duty_is_only_they_see() {
    let (world, hands) = still_world().await;
    let (agent, supervisor, administrator) = (world.agent().await, world.supervisor().await, world.administrator().await);
    let id = agent.agent_id.unwrap();
    // Away from all others.
    report(&agent, vec![fix(id, -2000, 4.90), fix(id, -600, 4.91), fix(id, 0, 4.92)]).await;
    let around = (4.915, 4.925);
    assert_eq!(place(&supervisor, id).await, Some(4.92));
    assert_eq!(within(&supervisor, around).await, [id]);
    hands.at(60);
    be(&agent, id, Availability::OffDuty).await;
    for other in [&supervisor, &administrator] {
        assert_eq!(place(other, id).await, None);
        assert_eq!(within(other, around).await, Vec::<i64>::new());
        let of_agent: Vec<_> = snapshot(other).await.into_iter().filter(|(of, _)| *of == id).collect();
        assert_eq!(of_agent, [(id, None)]);
        // The last quarter of an hour of the shift is withheld.
        assert_eq!(track(other, id).await, [4.90]);
        let list = pb::ListAgentsRequest {
            page_size: 1000,
            ..Default::default()
        };
        let list = other.agents().list_agents(list).await.unwrap().into_inner().agents;
        let listed = list.iter().find(|agent| agent.id == id).unwrap();
        assert_eq!(listed.position, None);
        let near = pb::ListNearbyRequest {
            location: fix(id, 0, 4.92).location,
            max_fix_age: Some(prost_types::Duration {
                seconds: 86_400,
                nanos: 0,
            }),
            ..Default::default()
        };
        let near = other.agents().list_nearby(near).await.unwrap().into_inner();
        assert!(near.agents.iter().all(|near| near.agent.as_ref().unwrap().id != id));
        assert!(near.skipped.iter().all(|skipped| skipped.agent_id != id));
        // Nor does a change of the agent tell.
        assert_eq!(get(other, id).await.availability(), Availability::OffDuty);
    }
    assert_eq!(place(&agent, id).await, Some(4.92));
    assert_eq!(within(&agent, around).await, [id]);
    assert_eq!(track(&agent, id).await, [4.90, 4.91, 4.92]);
    assert_eq!(snapshot(&agent).await, [(id, Some(4.92))]);
    let update = pb::UpdateAgentRequest {
        agent: Some(pb::Agent {
            id,
            rank: "Cabo".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let updated = administrator.agents().update_agent(update).await.unwrap().into_inner();
    assert_eq!((updated.rank.as_str(), updated.position), ("Cabo", None));
    be(&agent, id, Availability::Available).await;
    assert_eq!(place(&supervisor, id).await, Some(4.92));
}

/// Watches, and knows what was before; the moves of before may still come.
async fn watching(person: &Person, filter: Option<pb::WatchFilter>) -> Watcher {
    let request = pb::WatchRequest {
        filter,
        ..Default::default()
    };
    let mut watcher = Watcher::start(person, request).await;
    while !matches!(watcher.next().await, Item::Checkpoint(_)) {}
    watcher
}

/// The next event that is no move: those of before may still come.
async fn next_of_agents(watcher: &mut Watcher) -> pb::Event {
    loop {
        let event = watcher.event().await;
        if event.r#type() != pb::EventType::AgentMoved {
            return event;
        }
    }
}

fn agent_of(event: &pb::Event) -> &pb::Agent {
    match event.resource.as_ref().unwrap() {
        pb::event::Resource::Agent(agent) => agent,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_watch_tells_that_somebody_went_off_duty_and_not_where() {
    let (world, hands) = still_world().await;
    let (agent, supervisor) = (world.agent().await, world.supervisor().await);
    let id = agent.agent_id.unwrap();
    report(&agent, vec![fix(id, 0, 4.90)]).await;
    let mut everything = watching(&supervisor, None).await;
    let filter = pb::WatchFilter {
        r#box: Some(pb::Box {
            south: 4.85,
            west: -75.0,
            north: 4.95,
            east: -73.0,
        }),
        ..Default::default()
    };
    let mut rectangle = watching(&supervisor, Some(filter)).await;
    let mut own = watching(&agent, None).await;
    hands.at(60);
    be(&agent, id, Availability::OffDuty).await;
    for (watcher, shown) in [(&mut everything, None), (&mut rectangle, None), (&mut own, Some(4.90))] {
        let event = next_of_agents(watcher).await;
        let told = agent_of(&event);
        assert_eq!((event.r#type(), told.id), (pb::EventType::AgentAvailabilityChanged, id));
        assert_eq!(told.position.map(|position| position.location.unwrap().latitude), shown);
    }
    // A late fix is the agent's own business; a change of the agent is told, but not to who watches the place.
    report(&agent, vec![fix(id, 30, 4.91)]).await;
    let update = pb::UpdateAgentRequest {
        agent: Some(pb::Agent {
            id,
            rank: "Cabo".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    world.administrator().await.agents().update_agent(update).await.unwrap();
    assert_eq!(own.event().await.r#type(), pb::EventType::AgentMoved);
    let event = everything.event().await;
    assert_eq!(
        (event.r#type(), agent_of(&event).position),
        (pb::EventType::AgentUpdated, None)
    );
    hands.at(120);
    be(&agent, id, Availability::Available).await;
    report(&agent, vec![fix(id, 120, 4.92)]).await;
    assert_eq!(everything.event().await.r#type(), pb::EventType::AgentAvailabilityChanged);
    assert_eq!(rectangle.event().await.r#type(), pb::EventType::AgentAvailabilityChanged);
    for watcher in [&mut everything, &mut rectangle] {
        let event = watcher.event().await;
        assert_eq!(event.r#type(), pb::EventType::AgentMoved, "of {event:?}");
    }
}

#[tokio::test]
async fn a_feed_that_supervisors_share_has_nobodys_own_place_in_it() {
    let (world, hands) = still_world().await;
    let (supervisor, administrator) = (world.supervisor().await, world.administrator().await);
    let request = pb::CreateAgentRequest {
        agent: Some(pb::Agent {
            user_id: supervisor.id,
            code: "SUP".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let id = administrator.agents().create_agent(request).await.unwrap().into_inner().id;
    be(&supervisor, id, Availability::Available).await;
    report(&supervisor, vec![fix(id, 0, 4.90)]).await;
    hands.at(60);
    be(&supervisor, id, Availability::OffDuty).await;
    assert_eq!(place(&supervisor, id).await, Some(4.90));
    let of_own: Vec<_> = snapshot(&supervisor).await.into_iter().filter(|(of, _)| *of == id).collect();
    assert_eq!(of_own, [(id, None)]);
}

pub async fn set_precision(person: &Person, level: pb::UserLevel, meters: i32) {
    let request = pb::UpdateLocationPrecisionRequest {
        level: level as i32,
        meters,
        ..Default::default()
    };
    let answer = person
        .privacy()
        .update_location_precision(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (answer.level, answer.meters, answer.update_user_id),
        (level as i32, meters, Some(person.id))
    );
}

#[tokio::test]
async fn places_are_as_exact_as_the_level_may_see_them() {
    let (world, hands) = still_world().await;
    let (agent, supervisor, administrator) = (world.agent().await, world.supervisor().await, world.administrator().await);
    let other = Replica::start(world.settings.clone(), hands.clock()).await;
    let id = agent.agent_id.unwrap();
    let exact = fix(id, 0, 4.911_111);
    report(&agent, vec![exact]).await;
    set_precision(&administrator, pb::UserLevel::Supervisor, 1000).await;
    let blurred = get(&supervisor, id).await.position.unwrap();
    assert_ne!(blurred.location, exact.location);
    let off = (blurred.location.unwrap().latitude - 4.911_111).abs();
    assert!(off < 0.005, "half a cell: {off}");
    assert_eq!(
        (blurred.accuracy_meters, blurred.speed_meters_per_second),
        (Some(1000.0), None)
    );
    let seen = blurred.location.unwrap().latitude;
    // The same wherever it leaves.
    let mut watcher = watching(&supervisor, None).await;
    report(&agent, vec![fix(id, 1, 4.911_112)]).await;
    let moved = loop {
        let event = watcher.event().await;
        let Some(pb::event::Resource::Position(moved)) = event.resource else {
            panic!("{event:?}");
        };
        if moved.fix_time.unwrap().seconds == NOW + 1 {
            break moved;
        }
    };
    assert_eq!(moved.location.unwrap().latitude, seen);
    assert_eq!(track(&supervisor, id).await, [seen, seen]);
    let shown: Vec<_> = snapshot(&supervisor).await.into_iter().filter(|(of, _)| *of == id).collect();
    assert_eq!(shown, [(id, Some(seen))]);
    let near = pb::ListNearbyRequest {
        location: exact.location,
        max_fix_age: Some(prost_types::Duration {
            seconds: 86_400,
            nanos: 0,
        }),
        radius_meters: 5_000.0,
        ..Default::default()
    };
    let near = supervisor.agents().list_nearby(near).await.unwrap().into_inner();
    assert_eq!(near.agents[0].distance_meters, 0.0);
    assert_eq!(
        near.agents[0]
            .agent
            .as_ref()
            .unwrap()
            .position
            .unwrap()
            .location
            .unwrap()
            .latitude,
        seen
    );
    // A rectangle finds the middle of the cell, not the place.
    assert_eq!(within(&supervisor, (4.911_1, 4.911_2)).await, Vec::<i64>::new());
    assert_eq!(within(&supervisor, (seen - 1e-6, seen + 1e-6)).await, [id]);
    for unlimited in [&administrator, &agent] {
        assert_eq!(place(unlimited, id).await, Some(4.911_112));
        assert_eq!(within(unlimited, (4.911_1, 4.911_2)).await, [id]);
    }
    // Another replica follows.
    let elsewhere = supervisor.over(other.channel());
    until("the other replica follows", async || {
        place(&elsewhere, id).await == Some(seen)
    })
    .await;
    set_precision(&administrator, pb::UserLevel::Supervisor, 0).await;
    assert_eq!(place(&supervisor, id).await, Some(4.911_112));
    other.stop().await;
}

#[tokio::test]
async fn behind_glass_the_place_is_exact_and_the_person_reads_who_looked() {
    let (world, hands) = still_world().await;
    let (agent, supervisor, administrator) = (world.agent().await, world.supervisor().await, world.administrator().await);
    let id = agent.agent_id.unwrap();
    report(&agent, vec![fix(id, 0, 4.911_111)]).await;
    set_precision(&administrator, pb::UserLevel::Supervisor, 1000).await;
    hands.at(60);
    be(&agent, id, Availability::OffDuty).await;
    let ask = |reason: &str| pb::RevealLocationRequest {
        agent_id: id,
        reason: reason.to_owned(),
    };
    for empty in ["", "     "] {
        let refused = supervisor.privacy().reveal_location(ask(empty)).await.unwrap_err();
        assert_eq!(fields(&refused), ["reason"]);
    }
    let refused = agent.privacy().reveal_location(ask("quiero saber")).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let shown = supervisor.privacy().reveal_location(ask("no volvió a casa")).await;
    let position = shown.unwrap().into_inner().position.unwrap();
    assert_eq!(
        (position.location.unwrap().latitude, position.accuracy_meters),
        (4.911_111, Some(4.0))
    );
    let told = crate::privacy::export(&agent, pb::ExportPersonalDataRequest::default()).await;
    let reveals = crate::privacy::records(&told, "location_reveals");
    assert_eq!(reveals.len(), 1);
    assert_eq!(
        (&reveals[0]["reason"], &reveals[0]["by_user_id"]),
        (&"no volvió a casa".into(), &supervisor.id.into())
    );
    // Whoever proved too long ago to be there, proves it again.
    hands.at(16 * 60);
    let refused = supervisor
        .privacy()
        .reveal_location(ask("no volvió a casa"))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "STEP_UP_REQUIRED");
}

#[tokio::test]
async fn who_withdraws_the_consent_is_not_located_any_more() {
    let (world, hands) = still_world().await;
    let (agent, supervisor) = (world.agent().await, world.supervisor().await);
    let id = agent.agent_id.unwrap();
    report(&agent, vec![fix(id, 0, 4.90)]).await;
    let mut watcher = watching(&supervisor, None).await;
    hands.at(10);
    let request = pb::WithdrawConsentRequest {
        purpose: ConsentPurpose::Location as i32,
        request_id: String::new(),
    };
    let answer = agent.privacy().withdraw_consent(request).await.unwrap().into_inner();
    let effects: Vec<_> = answer.effects().collect();
    let expected = [
        ConsentEffect::PositionsRefused,
        ConsentEffect::LastPlaceRemoved,
        ConsentEffect::HistoryKept,
    ];
    assert_eq!(effects, expected);
    assert!(
        answer.message.starts_with("Desde ahora no se aceptan ubicaciones"),
        "{}",
        answer.message
    );
    let event = next_of_agents(&mut watcher).await;
    assert_eq!(
        (event.r#type(), agent_of(&event).position),
        (pb::EventType::AgentUpdated, None)
    );
    assert_eq!(place(&supervisor, id).await, None);
    assert_eq!(place(&agent, id).await, None);
    assert_eq!(track(&agent, id).await, [4.90]);
    let refused = Some(FixRefusal::ConsentWithdrawn);
    assert_eq!(
        report(&agent, vec![fix(id, 5, 4.91), fix(id, 10, 4.92)]).await,
        [refused, refused]
    );
    let grant = pb::GrantConsentRequest {
        purpose: ConsentPurpose::Location as i32,
        version: 1,
        language: "es".to_owned(),
        ..Default::default()
    };
    agent.privacy().grant_consent(grant).await.unwrap();
    // What was known before is neither doubled nor made the latest by what comes late.
    assert_eq!(report(&agent, vec![fix(id, -5, 4.89)]).await, [None]);
    assert_eq!(place(&supervisor, id).await, None);
    assert_eq!(report(&agent, vec![fix(id, 0, 4.90)]).await, [None]);
    assert_eq!(track(&agent, id).await, [4.89, 4.90]);
    assert_eq!(report(&agent, vec![fix(id, 10, 4.92)]).await, [None]);
    assert_eq!(place(&supervisor, id).await, Some(4.92));
}
