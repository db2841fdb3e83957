//! Geofences through the front door.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use gad::{
    clock::Clock,
    config::ServeSettings,
    pb::{self, Availability, EventType, GeofenceEventKind as Kind, UserLevel},
};
use jiff::Timestamp;
use tonic::{Code, Status};

use crate::{
    live::Watcher,
    privacy_location::set_precision,
    world::{Person, World, fields, reason, until},
};

/// What the tests' clock says at first, in seconds since 1970.
const NOW: i64 = 1_900_000_800;

/// South edge of a square zone that no other reaches; a metre northwards is a 110,574th of a degree.
const SOUTH: f64 = 1.0;
const METER: f64 = 1.0 / 110_574.0;

/// A world whose clock stands still until a test moves it, with a zone away from the city.
pub struct Yard {
    /// The world.
    pub world: World,
    seconds: Arc<AtomicI64>,
    /// Who drew the fence.
    pub supervisor: Person,
    /// Who walks.
    pub agent: Person,
    /// The agent's number.
    pub id: i64,
    /// The zone.
    pub zone: i64,
}

impl Yard {
    /// With a zone and nobody in it.
    pub async fn open() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings.
    pub async fn with(change: impl FnOnce(&mut ServeSettings)) -> Self {
        let seconds = Arc::new(AtomicI64::new(NOW));
        let world = World::with_clock(clock(&seconds), |settings| {
            settings.access_token_expire_minutes = 10_000;
            change(settings);
        })
        .await;
        let (supervisor, agent) = (world.supervisor().await, world.agent().await);
        let database = world.database().await;
        database.batch_execute("truncate positions, agent_locations").await.unwrap();
        let zone = zone(&world, "F-1", SOUTH).await;
        Self {
            id: agent.agent_id.unwrap(),
            world,
            seconds,
            supervisor,
            agent,
            zone,
        }
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        clock(&self.seconds)
    }

    /// It is so many seconds later than at first.
    pub fn at(&self, seconds: i64) {
        self.seconds.store(NOW + seconds, Ordering::SeqCst);
    }

    /// A fence around the zone that tells of everything, of stays of ten minutes.
    pub async fn fence(&self) -> pb::Geofence {
        create(&self.supervisor, fence(self.zone)).await.unwrap()
    }

    /// Reports fixes of the agent at these seconds, so many metres inside the zone; each comes at its time.
    pub async fn walk(&self, steps: &[(i64, f64)]) {
        for (seconds, meters) in steps {
            self.at(*seconds);
            self.report(vec![fix(self.id, *seconds, *meters)]).await;
        }
    }

    async fn report(&self, positions: Vec<pb::Position>) -> pb::ReportPositionsResponse {
        let request = pb::ReportPositionsRequest { positions };
        self.agent.agents().report_positions(request).await.unwrap().into_inner()
    }

    /// What happened, oldest first: second and kind.
    pub async fn told(&self) -> Vec<(i64, Kind)> {
        let mut events = events(&self.supervisor, pb::ListGeofenceEventsRequest::default()).await;
        events.reverse();
        let of = |event: &pb::GeofenceEvent| (event.fix_time.unwrap().seconds - NOW, event.kind());
        events.iter().map(of).collect()
    }

    async fn be(&self, availability: Availability) {
        let request = pb::SetAvailabilityRequest {
            id: self.id,
            availability: availability as i32,
            ..Default::default()
        };
        self.supervisor.agents().set_availability(request).await.unwrap();
    }
}

fn clock(seconds: &Arc<AtomicI64>) -> Clock {
    let seconds = Arc::clone(seconds);
    Clock::of(move || Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap())
}

fn square(south: f64) -> Vec<pb::LatLng> {
    let point = |latitude, longitude| pb::LatLng { latitude, longitude };
    vec![
        point(south, -70.0),
        point(south, -69.9),
        point(south + 0.1, -69.9),
        point(south + 0.1, -70.0),
        point(south, -70.0),
    ]
}

async fn zone(world: &World, code: &str, south: f64) -> i64 {
    let zone = pb::Zone {
        code: code.to_owned(),
        display_name: code.to_owned(),
        boundary: square(south),
        ..Default::default()
    };
    let request = pb::CreateZoneRequest {
        zone: Some(zone),
        ..Default::default()
    };
    let made = world.administrator().await.zones().create_zone(request).await;
    made.unwrap().into_inner().id
}

fn fence(zone_id: i64) -> pb::Geofence {
    pb::Geofence {
        display_name: "Mercado".to_owned(),
        zone_id,
        crossings: vec![Kind::Entered as i32, Kind::Left as i32],
        dwell_time: Some(prost_types::Duration { seconds: 600, nanos: 0 }),
        ..Default::default()
    }
}

async fn create(person: &Person, fence: pb::Geofence) -> Result<pb::Geofence, Status> {
    let request = pb::CreateGeofenceRequest {
        geofence: Some(fence),
        ..Default::default()
    };
    let made = person.geofences().create_geofence(request).await;
    made.map(tonic::Response::into_inner)
}

async fn update(person: &Person, fence: pb::Geofence, paths: &[&str]) -> Result<pb::Geofence, Status> {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdateGeofenceRequest {
        geofence: Some(fence),
        update_mask: (!paths.is_empty()).then_some(prost_types::FieldMask { paths }),
        ..Default::default()
    };
    let changed = person.geofences().update_geofence(request).await;
    changed.map(tonic::Response::into_inner)
}

async fn events(person: &Person, request: pb::ListGeofenceEventsRequest) -> Vec<pb::GeofenceEvent> {
    let answer = person.geofences().list_geofence_events(request).await;
    answer.unwrap().into_inner().events
}

/// A fix so many seconds after the beginning, so many metres inside the zone.
pub fn fix(agent_id: i64, seconds: i64, meters: f64) -> pb::Position {
    pb::Position {
        agent_id,
        location: Some(pb::LatLng {
            latitude: SOUTH + meters * METER,
            longitude: -69.95,
        }),
        fix_time: Some(prost_types::Timestamp {
            seconds: NOW + seconds,
            nanos: 0,
        }),
        accuracy_meters: Some(10.0),
        ..Default::default()
    }
}

#[tokio::test]
async fn who_comes_stays_and_goes_is_told_of_once_each() {
    let yard = Yard::open().await;
    let fence = yard.fence().await;
    let mut watcher = Watcher::live(&yard.supervisor).await;
    yard.walk(&[(10, -300.0), (70, -100.0), (130, 100.0), (190, 120.0), (700, 150.0)])
        .await;
    yard.at(730);
    until("the stay is told", async || yard.told().await.len() == 2).await;
    yard.walk(&[
        (800, 150.0),
        (1500, 150.0),
        (1600, -10.0),
        (1660, -100.0),
        (1720, -300.0),
        (1800, -300.0),
    ])
    .await;
    // Inside since the first of the two fixes that said so.
    let expected = [(190, Kind::Entered), (700, Kind::Dwelt), (1720, Kind::Left)];
    assert_eq!(yard.told().await, expected);

    let all = events(&yard.supervisor, pb::ListGeofenceEventsRequest::default()).await;
    let last = all.first().unwrap();
    assert_eq!((last.geofence_id, last.geofence_display_name.as_str()), (fence.id, "Mercado"));
    assert_eq!((last.zone_id, last.agent_id), (Some(yard.zone), yard.id));
    assert_eq!(last.location, fix(yard.id, 0, -300.0).location);
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let event = watcher.event().await;
        if let Some(pb::event::Resource::GeofenceEvent(told)) = event.resource {
            heard.push((event.r#type, told));
        }
    }
    let types = [EventType::GeofenceEntered, EventType::GeofenceDwelt, EventType::GeofenceLeft];
    let expected: Vec<_> = types.map(|kind| kind as i32).into_iter().zip(all.into_iter().rev()).collect();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn a_fence_around_a_still_agent_tells_nothing_and_one_who_stands_at_its_edge_is_told_of_once_at_most() {
    let yard = Yard::open().await;
    yard.walk(&[(0, 300.0), (10, 305.0)]).await;
    yard.fence().await;
    for step in 0..20 {
        yard.walk(&[(20 + step * 60, 300.0 + f64::from(i32::try_from(step % 3).unwrap()))])
            .await;
    }
    assert_eq!(yard.told().await, [], "a fence was drawn around somebody");
    // Goes out, and then stands at the edge while its fixes jump as far as their accuracy lets one expect.
    yard.walk(&[(1300, -100.0), (1400, -100.0)]).await;
    assert_eq!(yard.told().await, [(1400, Kind::Left)]);
    for step in 0..60 {
        let noise = 20.0 * f64::sin(f64::from(i32::try_from(step).unwrap()) * 2.3);
        yard.walk(&[(1500 + step * 5, noise)]).await;
    }
    assert_eq!(yard.told().await.len(), 1);
    // Fixes that nobody can rely on say nothing, wherever they lie.
    for step in 0..5 {
        yard.at(2000 + step * 60);
        let mut vague = fix(yard.id, 2000 + step * 60, 400.0);
        vague.accuracy_meters = Some(150.0);
        yard.report(vec![vague]).await;
    }
    assert_eq!(yard.told().await.len(), 1);
}

#[tokio::test]
async fn late_fixes_leaps_and_clocks_that_run_ahead_make_no_events() {
    let yard = Yard::open().await;
    yard.fence().await;
    yard.walk(&[(0, -300.0), (60, -300.0), (120, -300.0)]).await;
    // Late ones, older than what is known, in any order.
    yard.report(vec![
        fix(yard.id, 90, 300.0),
        fix(yard.id, 70, 300.0),
        fix(yard.id, 80, 300.0),
    ])
    .await;
    assert_eq!(yard.told().await, []);
    // There and back, faster than anybody goes; and one from the future, which is refused.
    yard.walk(&[(121, 9_000.0), (122, -300.0), (123, 9_000.0), (124, -300.0)])
        .await;
    let refused = yard
        .report(vec![fix(yard.id, 1_000, 300.0), fix(yard.id, 1_001, 300.0)])
        .await;
    assert_eq!(refused.refused_count, 2);
    assert_eq!(yard.told().await, []);
    // A telephone that was out of reach tells all at once, in any order: that is in the order of its fixes.
    let mut batch: Vec<_> = (0..40)
        .map(|n| fix(yard.id, 200 + n * 10, -200.0 + f64::from(i32::try_from(n).unwrap()) * 20.0))
        .collect();
    batch.reverse();
    yard.at(1_000);
    yard.report(batch.clone()).await;
    let entered = yard.told().await;
    assert_eq!(entered, [(330, Kind::Entered)]);
    // Again, and nothing is doubled.
    yard.report(batch).await;
    assert_eq!(yard.told().await, entered);
}

#[tokio::test]
async fn a_shift_a_shape_and_a_change_begin_anew_without_an_event() {
    let yard = Yard::open().await;
    let fence = yard.fence().await;
    yard.walk(&[(0, 300.0), (10, 300.0)]).await;
    // Off duty somebody goes home; the next shift begins elsewhere.
    yard.at(20);
    yard.be(Availability::OffDuty).await;
    yard.at(40_000);
    yard.be(Availability::Available).await;
    yard.walk(&[(40_010, -300.0), (40_020, -300.0), (40_030, -300.0)]).await;
    assert_eq!(yard.told().await, []);
    // The zone comes to whoever stands still.
    let moved = pb::UpdateZoneRequest {
        zone: Some(pb::Zone {
            id: yard.zone,
            boundary: square(SOUTH - 0.01),
            ..Default::default()
        }),
        ..Default::default()
    };
    yard.at(40_040);
    yard.world.administrator().await.zones().update_zone(moved).await.unwrap();
    yard.walk(&[(40_050, -300.0), (40_060, -300.0), (40_070, -300.0)]).await;
    assert_eq!(yard.told().await, []);
    // And goes away again.
    let back = zone(&yard.world, "F-2", SOUTH + 0.2).await;
    let elsewhere = pb::Geofence {
        zone_id: back,
        ..fence.clone()
    };
    let changed = update(
        &yard.supervisor,
        pb::Geofence {
            etag: String::new(),
            ..elsewhere
        },
        &["zone_id"],
    )
    .await
    .unwrap();
    assert_eq!((changed.zone_id, changed.everybody), (back, true));
    yard.walk(&[(40_080, -300.0), (40_090, -300.0)]).await;
    assert_eq!(yard.told().await, []);
}

#[tokio::test]
async fn a_fence_looks_at_whom_it_was_told_to() {
    let yard = Yard::open().await;
    let other = yard.world.other_agent().await.agent_id.unwrap();
    let named = pb::Geofence {
        agent_ids: vec![other],
        ..fence(yard.zone)
    };
    let named = create(&yard.supervisor, named).await.unwrap();
    assert!(!named.everybody);
    let of_unit = pb::Geofence {
        units: vec!["Guardia".to_owned()],
        display_name: "De la guardia".to_owned(),
        ..fence(yard.zone)
    };
    create(&yard.supervisor, of_unit).await.unwrap();
    yard.walk(&[(0, -300.0), (60, 300.0), (120, 300.0)]).await;
    assert_eq!(yard.told().await, []);
    // Comes to the unit while it is inside: no event. Goes out: one.
    let update_agent = pb::UpdateAgentRequest {
        agent: Some(pb::Agent {
            id: yard.id,
            unit: "Guardia".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    yard.world
        .administrator()
        .await
        .agents()
        .update_agent(update_agent)
        .await
        .unwrap();
    yard.walk(&[(180, 300.0), (240, 300.0)]).await;
    assert_eq!(yard.told().await, []);
    yard.walk(&[(300, -300.0), (360, -300.0)]).await;
    assert_eq!(yard.told().await, [(360, Kind::Left)]);
    // Of one agent; of one fence.
    let of = |agent_id, geofence_id| pb::ListGeofenceEventsRequest {
        agent_id,
        geofence_id,
        ..Default::default()
    };
    assert_eq!(events(&yard.supervisor, of(yard.id, 0)).await.len(), 1);
    assert_eq!(events(&yard.supervisor, of(other, 0)).await.len(), 0);
    assert_eq!(events(&yard.supervisor, of(0, named.id)).await.len(), 0);
}

#[tokio::test]
async fn fences_are_there_for_supervisors_of_their_zone_and_events_for_oneself_too() {
    let yard = Yard::open().await;
    let own = yard.fence().await;
    let near = yard
        .world
        .newcomer("cerca@gad.example", UserLevel::Supervisor, &[yard.zone])
        .await;
    let city = yard.world.zone("Z-NE").await;
    let far = yard.world.newcomer("lejos@gad.example", UserLevel::Supervisor, &[city]).await;
    yard.walk(&[(0, -300.0), (60, 300.0), (120, 300.0)]).await;
    let all = pb::ListGeofenceEventsRequest::default;
    assert_eq!(events(&near, all()).await.len(), 1);
    assert_eq!(events(&far, all()).await.len(), 0);
    assert_eq!(events(&yard.agent, all()).await.len(), 1);
    assert_eq!(events(&yard.world.other_agent().await, all()).await.len(), 0);

    let list = async |person: &Person| {
        let answer = person.geofences().list_geofences(pb::ListGeofencesRequest::default()).await;
        answer.unwrap().into_inner().geofences
    };
    assert_eq!((list(&near).await, list(&far).await), (vec![own.clone()], vec![]));
    let hidden = far
        .geofences()
        .get_geofence(pb::GetGeofenceRequest { id: own.id })
        .await
        .unwrap_err();
    assert_eq!(reason(&hidden), "GEOFENCE_NOT_FOUND");
    assert_eq!(reason(&create(&far, fence(yard.zone)).await.unwrap_err()), "ZONE_NOT_FOUND");
    assert_eq!(
        reason(
            &update(
                &near,
                pb::Geofence {
                    zone_id: city,
                    ..own.clone()
                },
                &["zone_id"]
            )
            .await
            .unwrap_err()
        ),
        "ZONE_NOT_FOUND"
    );

    // Places of others as exactly as the level sees them, one's own exactly.
    set_precision(&yard.world.administrator().await, UserLevel::Supervisor, 1000).await;
    let exact = fix(yard.id, 0, 300.0).location;
    assert_eq!(events(&yard.agent, all()).await[0].location, exact);
    assert_ne!(events(&near, all()).await[0].location, exact);
}

#[tokio::test]
async fn a_fence_is_changed_and_taken_away_and_its_events_stay() {
    let yard = Yard::open().await;
    let made = yard.fence().await;
    assert_eq!(
        (made.margin_meters, made.max_accuracy_meters, made.confirmation_count),
        (Some(25.0), Some(100.0), Some(2))
    );
    let renamed = pb::Geofence {
        id: made.id,
        display_name: "Plaza".to_owned(),
        ..Default::default()
    };
    let changed = update(&yard.supervisor, renamed, &[]).await.unwrap();
    assert_eq!(
        (changed.display_name.as_str(), changed.crossings.clone()),
        ("Plaza", made.crossings.clone())
    );
    let stale = update(
        &yard.supervisor,
        pb::Geofence {
            id: made.id,
            etag: made.etag.clone(),
            ..Default::default()
        },
        &[],
    )
    .await;
    assert_eq!(stale.unwrap_err().code(), Code::Aborted);
    let nothing = pb::Geofence {
        id: made.id,
        ..Default::default()
    };
    let silent = update(&yard.supervisor, nothing, &["crossings", "dwell_time"])
        .await
        .unwrap_err();
    assert_eq!(fields(&silent), ["geofence.crossings"]);
    let odd = pb::Geofence {
        id: made.id,
        ..Default::default()
    };
    assert_eq!(
        update(&yard.supervisor, odd, &["everybody"]).await.unwrap_err().code(),
        Code::InvalidArgument
    );

    yard.walk(&[(0, -300.0), (60, 300.0), (120, 300.0)]).await;
    // A zone with a fence around it stays.
    let administrator = yard.world.administrator().await;
    let gone = pb::DeleteZoneRequest {
        id: yard.zone,
        ..Default::default()
    };
    let refused = administrator.zones().delete_zone(gone.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "STILL_IN_USE");
    let delete = pb::DeleteGeofenceRequest {
        id: made.id,
        ..Default::default()
    };
    yard.supervisor.geofences().delete_geofence(delete.clone()).await.unwrap();
    let again = yard.supervisor.geofences().delete_geofence(delete).await.unwrap_err();
    assert_eq!(reason(&again), "GEOFENCE_NOT_FOUND");
    yard.walk(&[(180, -300.0), (240, -300.0)]).await;
    assert_eq!(yard.told().await, [(120, Kind::Entered)]);
    administrator.zones().delete_zone(gone).await.unwrap();
    let all = events(&yard.supervisor, pb::ListGeofenceEventsRequest::default()).await;
    assert_eq!((all.len(), all[0].zone_id), (1, None));
}

#[tokio::test]
async fn who_was_first_seen_at_an_edge_and_walks_in_is_told_of_and_who_stands_there_is_not() {
    let yard = Yard::open().await;
    yard.fence().await;
    // Never seen before: stands at the edge, and its fixes jump as far as their accuracy lets one expect.
    for step in 0..60 {
        let noise = 19.0 * f64::sin(f64::from(i32::try_from(step).unwrap()) * 2.3);
        yard.walk(&[(step * 5, 10.0 + noise)]).await;
    }
    assert_eq!(yard.told().await, []);
    yard.walk(&[(310, 40.0), (320, 80.0), (330, 120.0), (340, 160.0), (350, 160.0)])
        .await;
    assert_eq!(yard.told().await, [(320, Kind::Entered)]);
    // A fence that is drawn around somebody at its edge: likewise.
    let edge = 0.1 / METER;
    yard.walk(&[(1_000, edge - 10.0), (1_010, edge - 5.0)]).await;
    let north = pb::Geofence {
        display_name: "Norte".to_owned(),
        crossings: vec![Kind::Entered as i32],
        dwell_time: None,
        ..fence(zone(&yard.world, "F-2", SOUTH + 0.1).await)
    };
    create(&yard.supervisor, north).await.unwrap();
    let north = async || {
        let all = events(&yard.supervisor, pb::ListGeofenceEventsRequest::default()).await;
        all.iter().filter(|event| event.geofence_display_name == "Norte").count()
    };
    for step in 0..20 {
        yard.walk(&[(1_020 + step * 10, edge - f64::from(i32::try_from(step % 4).unwrap()) * 5.0)])
            .await;
    }
    assert_eq!(north().await, 0);
    yard.walk(&[(1_300, edge + 60.0), (1_310, edge + 90.0), (1_320, edge + 90.0)])
        .await;
    assert_eq!(north().await, 1);
}

/// Whether it is still to be told of somebody that they stay.
pub async fn is_due(yard: &Yard) -> bool {
    let sql = "select exists (select from geofence_places where due_time is not null)";
    yard.world.database().await.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_stay_is_told_once_by_many_replicas_and_after_a_restart() {
    let yard = Yard::open().await;
    yard.fence().await;
    yard.walk(&[(0, -300.0), (60, 300.0), (120, 300.0)]).await;
    let mut more = Vec::new();
    for _ in 0..3 {
        more.push(yard.world.another_replica_at(yard.clock()).await);
    }
    yard.at(659);
    assert!(is_due(&yard).await);
    assert_eq!(yard.told().await, [(120, Kind::Entered)]);
    yard.at(660);
    until("the stay is told", async || !is_due(&yard).await).await;
    let expected = [(120, Kind::Entered), (120, Kind::Dwelt)];
    assert_eq!(yard.told().await, expected);
    // By the system; later fixes tell nothing more.
    yard.walk(&[(700, 300.0), (1_400, 300.0)]).await;
    assert_eq!(yard.told().await, expected);
    let database = yard.world.database().await;
    let sql = "select count(*), count(*) filter (where fact->>'actor' is null) from outbox where fact->>'kind' = 'GeofenceDwelt'";
    let row = database.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 1));
    let audited = "select count(*) from audit where method = 'geofence.dwelt'";
    assert_eq!(database.query_one(audited, &[]).await.unwrap().get::<_, i64>(0), 1);
    for replica in more {
        replica.stop().await;
    }

    // Goes out and comes again; then no server runs while the time passes.
    yard.walk(&[(1_500, -300.0), (1_560, -300.0), (1_620, 300.0), (1_680, 300.0)])
        .await;
    let clock = yard.clock();
    let World { settings, replica, .. } = yard.world;
    replica.stop().await;
    yard.seconds.store(NOW + 5_000, Ordering::SeqCst);
    let replica = crate::world::Replica::start(settings, clock).await;
    let supervisor = yard.supervisor.over(replica.channel());
    until("the stay is told", async || {
        let all = events(&supervisor, pb::ListGeofenceEventsRequest::default()).await;
        all.iter().filter(|event| event.kind() == Kind::Dwelt).count() == 2
    })
    .await;
    replica.stop().await;
}

#[tokio::test]
async fn a_stay_is_not_told_of_a_telephone_that_is_silent_for_long_nor_of_who_went_home() {
    let yard = Yard::open().await;
    let patient = pb::Geofence {
        dwell_time: Some(prost_types::Duration { seconds: 3600, nanos: 0 }),
        ..fence(yard.zone)
    };
    create(&yard.supervisor, patient).await.unwrap();
    yard.walk(&[(0, -300.0), (60, 300.0), (120, 300.0)]).await;
    // The last fix is of an hour ago.
    yard.at(3_660);
    until("it was looked at", async || !is_due(&yard).await).await;
    assert_eq!(yard.told().await, [(120, Kind::Entered)]);
    // The next one says it.
    yard.walk(&[(4_000, 300.0)]).await;
    let expected = [(120, Kind::Entered), (4_000, Kind::Dwelt)];
    assert_eq!(yard.told().await, expected);

    // Comes again, and goes home before the time is over.
    yard.walk(&[
        (4_100, -300.0),
        (4_160, -300.0),
        (4_220, 300.0),
        (4_280, 300.0),
        (7_700, 300.0),
    ])
    .await;
    yard.be(Availability::OffDuty).await;
    yard.at(7_820);
    until("it was looked at", async || !is_due(&yard).await).await;
    let told = yard.told().await;
    assert_eq!(told[2..], [(4_160, Kind::Left), (4_280, Kind::Entered)]);
}

#[tokio::test]
async fn who_seems_to_be_gone_is_not_said_to_stay() {
    let yard = Yard::open().await;
    yard.fence().await;
    yard.walk(&[(0, -300.0), (60, 300.0), (120, 300.0), (600, 300.0), (650, -300.0)])
        .await;
    // One fix outside is not enough to say that it went; but nor is it there for sure.
    assert!(!is_due(&yard).await);
    yard.walk(&[(700, -300.0)]).await;
    assert_eq!(yard.told().await, [(120, Kind::Entered), (700, Kind::Left)]);
    // A fix that nobody can have come to counts for nothing; but where somebody is said to be there, is no stay.
    yard.walk(&[(1_000, 300.0), (1_060, 300.0), (1_061, 90_000.0)]).await;
    yard.at(1_600);
    until("it was looked at", async || !is_due(&yard).await).await;
    let told = yard.told().await;
    assert_eq!(told[2..], [(1_060, Kind::Entered)]);
}
