//! Emergencies: from the report to the end, whoever answers or not.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use futures::future::join_all;
use gad::{
    clock::Clock,
    pb::{
        self, EmergencyOutcome, EmergencyState, EmergencyStepKind as Kind, EscalationStage, EventType, TaskKind, TaskPriority,
        TaskState, event, watch_response::Item,
    },
};
use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use secrecy::ExposeSecret as _;

use crate::{
    children::Mortal,
    live::Watcher,
    world::{Person, Replica, World, channel, connect, reason, until},
};

const PLACE: pb::LatLng = pb::LatLng {
    latitude: 4.65,
    longitude: -74.07,
};

fn help() -> pb::RaiseEmergencyRequest {
    pb::RaiseEmergencyRequest {
        location: Some(PLACE),
        description: "Persona herida\nEn la esquina".to_owned(),
        ..Default::default()
    }
}

async fn raise(person: &Person, request: pb::RaiseEmergencyRequest) -> pb::Emergency {
    person.emergencies().raise_emergency(request).await.unwrap().into_inner()
}

async fn get(person: &Person, id: i64) -> pb::Emergency {
    let request = pb::GetEmergencyRequest { id };
    person.emergencies().get_emergency(request).await.unwrap().into_inner()
}

fn step(id: i64) -> pb::EmergencyStepRequest {
    pb::EmergencyStepRequest {
        id,
        ..Default::default()
    }
}

fn kinds(emergency: &pb::Emergency) -> Vec<Kind> {
    emergency.steps.iter().map(pb::EmergencyStep::kind).collect()
}

/// A clock that stands still until it is told to go on.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(Clock::system().now().as_second())))
    }

    fn clock(&self) -> Clock {
        let hands = Arc::clone(&self.0);
        Clock::of(move || Timestamp::from_second(hands.load(Ordering::SeqCst)).unwrap())
    }

    fn wait(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// Everybody but these agents goes home; these are on duty, at the place, a hundred metres apart, with fixes of now.
pub async fn only(world: &World, agents: &[&Person]) {
    let database = world.database().await;
    database.execute("update agents set duty = 3", &[]).await.unwrap();
    for (number, agent) in agents.iter().enumerate() {
        let id = agent.agent_id.unwrap();
        database
            .execute("update agents set duty = 1 where id = $1", &[&id])
            .await
            .unwrap();
        let sql = "update agent_locations set fix_time = now() + interval '1 hour',
                          location = st_project(st_makepoint(-74.07, 4.65)::geography, $2, 0) where agent_id = $1";
        database.execute(sql, &[&id, &(100.0 * (number as f64 + 1.0))]).await.unwrap();
    }
}

#[tokio::test]
async fn an_emergency_is_a_task_with_somebody_on_the_way() {
    let world = World::start().await;
    let (agent, reporter, supervisor) = (world.agent().await, world.other_agent().await, world.supervisor().await);
    only(&world, &[&agent]).await;
    let raised = raise(&reporter, help()).await;
    assert_eq!(raised.agent_ids, [agent.agent_id.unwrap()]);
    assert_eq!(
        (raised.state(), raised.stage()),
        (EmergencyState::Received, EscalationStage::Agents)
    );
    assert_eq!(kinds(&raised), [Kind::Received, Kind::Sent]);
    assert_eq!(raised.source(), pb::EmergencySource::Agent);
    let task = supervisor
        .tasks()
        .get_task(pb::GetTaskRequest { id: raised.task_id })
        .await
        .unwrap()
        .into_inner();
    assert_eq!((task.kind(), task.priority()), (TaskKind::Emergency, TaskPriority::Critical));
    assert_eq!(
        (task.title.as_str(), task.creator_user_id),
        ("Emergencia: Persona herida", reporter.id)
    );

    // Whoever reported it sees every step and takes none.
    let refused = reporter
        .emergencies()
        .acknowledge_emergency(step(raised.id))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "FORBIDDEN");
    agent.emergencies().see_emergency(step(raised.id)).await.unwrap();
    let acknowledged = agent
        .emergencies()
        .acknowledge_emergency(step(raised.id))
        .await
        .unwrap()
        .into_inner();
    assert!(acknowledged.escalation_time.is_none(), "nobody else is called");
    agent.emergencies().arrive_at_emergency(step(raised.id)).await.unwrap();
    for action in ["start", "finish"] {
        let request = pb::TaskStepRequest {
            id: raised.task_id,
            ..Default::default()
        };
        match action {
            "start" => agent.tasks().start_task(request).await.unwrap(),
            _ => agent.tasks().finish_task(request).await.unwrap(),
        };
    }
    let over = get(&reporter, raised.id).await;
    assert_eq!(
        (over.state(), over.outcome()),
        (EmergencyState::Closed, EmergencyOutcome::Resolved)
    );
    assert_eq!(
        kinds(&over),
        [
            Kind::Received,
            Kind::Sent,
            Kind::Seen,
            Kind::Acknowledged,
            Kind::OnSite,
            Kind::Closed
        ]
    );
    let people: Vec<i64> = over.steps.iter().map(|step| step.user_id).collect();
    assert_eq!(people, [reporter.id, 0, agent.id, agent.id, agent.id, agent.id]);
}

#[tokio::test]
async fn nobody_learns_of_an_emergency_that_is_not_theirs() {
    let world = World::start().await;
    let (agent, reporter) = (world.agent().await, world.other_agent().await);
    only(&world, &[&agent]).await;
    let raised = raise(&reporter, help()).await;
    let stranger = world.person("agente2@gad.example").await;
    for id in [raised.id, 999_999] {
        let refused = stranger
            .emergencies()
            .get_emergency(pb::GetEmergencyRequest { id })
            .await
            .unwrap_err();
        assert_eq!(reason(&refused), "EMERGENCY_NOT_FOUND");
        let refused = stranger.emergencies().acknowledge_emergency(step(id)).await.unwrap_err();
        assert_eq!(reason(&refused), "EMERGENCY_NOT_FOUND");
    }
    let list = async |person: &Person| {
        let request = pb::ListEmergenciesRequest::default();
        let answer = person.emergencies().list_emergencies(request).await.unwrap().into_inner();
        answer.emergencies.iter().map(|emergency| emergency.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&stranger).await, [0; 0]);
    for person in [&agent, &reporter, &world.supervisor().await] {
        assert_eq!(list(person).await, [raised.id]);
    }
    let for_another = pb::RaiseEmergencyRequest {
        reporter_user_id: reporter.id,
        ..help()
    };
    let refused = stranger.emergencies().raise_emergency(for_another).await.unwrap_err();
    assert_eq!(reason(&refused), "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nervous_finger_raises_one_emergency_and_two_people_two() {
    let world = World::start().await;
    let (agent, one, two) = (
        world.agent().await,
        world.other_agent().await,
        world.person("agente2@gad.example").await,
    );
    only(&world, &[&agent]).await;
    let other = world.another_replica().await;
    let doors = [one.clone(), one.over(other.channel())];
    let raised = join_all((0..100).map(|n| raise(&doors[n % 2], help()))).await;
    let first = raised[0].id;
    assert!(raised.iter().all(|emergency| emergency.id == first));
    assert_eq!(get(&one, first).await.repeat_count, 99);
    let second = raise(&two, help()).await;
    assert_ne!(second.id, first);
    assert_eq!(second.agent_ids, [0; 0], "the only agent is on its way to the first");
    assert_eq!(
        (second.stage(), kinds(&second)[1]),
        (EscalationStage::Supervisors, Kind::Unassigned)
    );
    let database = world.database().await;
    let count = database
        .query_one("select count(*) from tasks where kind = 8 and state = 1", &[])
        .await
        .unwrap();
    assert_eq!(count.get::<_, i64>(0), 2);
    other.stop().await;
}

#[tokio::test]
async fn who_does_not_know_where_they_are_is_looked_for_where_they_were() {
    let world = World::start().await;
    let (agent, reporter, supervisor) = (world.agent().await, world.other_agent().await, world.supervisor().await);
    only(&world, &[&agent, &reporter]).await;
    let nowhere = pb::RaiseEmergencyRequest {
        location: Some(pb::LatLng::default()),
        ..help()
    };
    let raised = raise(&reporter, nowhere.clone()).await;
    let place = raised.location.unwrap();
    assert!((place.latitude - 4.6518).abs() < 0.0005, "{place:?}");
    // A supervisor has no fix: the emergency stands all the same, and supervisors are called at once.
    let raised = raise(&supervisor, nowhere).await;
    assert!(raised.location.is_none() && raised.agent_ids.is_empty());
    assert_eq!(raised.stage(), EscalationStage::Supervisors);
    let off_the_globe = pb::RaiseEmergencyRequest {
        location: Some(pb::LatLng {
            latitude: -74.07,
            longitude: 204.65,
        }),
        ..help()
    };
    let refused = agent.emergencies().raise_emergency(off_the_globe).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_FIELD");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_and_more_people_are_called_until_somebody_answers() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (first, second, reporter) = (
        world.agent().await,
        world.other_agent().await,
        world.person("agente2@gad.example").await,
    );
    only(&world, &[&first, &second]).await;
    let stranger = world.newcomer("vecina@gad.example", pb::UserLevel::Agent, &[]).await;
    let id = raise(&reporter, help()).await.id;
    assert_eq!(get(&reporter, id).await.agent_ids, [first.agent_id.unwrap()]);
    let stage = async |expected: EscalationStage, agents: usize| {
        until("more people are called", async || {
            let now = get(&reporter, id).await;
            now.stage() == expected && now.agent_ids.len() == agents
        })
        .await;
    };
    hands.wait(30);
    stage(EscalationStage::Agents, 2).await;
    hands.wait(30);
    stage(EscalationStage::Supervisors, 2).await;
    let unseen = stranger
        .emergencies()
        .get_emergency(pb::GetEmergencyRequest { id })
        .await
        .unwrap_err();
    assert_eq!(reason(&unseen), "EMERGENCY_NOT_FOUND");
    hands.wait(60);
    stage(EscalationStage::Everybody, 2).await;
    assert_eq!(get(&stranger, id).await.state(), EmergencyState::Received);
    let answered = second
        .emergencies()
        .acknowledge_emergency(step(id))
        .await
        .unwrap()
        .into_inner();
    let expected = [
        Kind::Received,
        Kind::Sent,
        Kind::Sent,
        Kind::Escalated,
        Kind::Escalated,
        Kind::Acknowledged,
    ];
    assert_eq!(kinds(&answered), expected);
    hands.wait(300);
    // A sign that the runner has looked: another emergency goes on, this one does not.
    let other = raise(&stranger, help()).await.id;
    hands.wait(300);
    until("the other is called for", async || {
        get(&stranger, other).await.stage() == EscalationStage::Everybody
    })
    .await;
    assert_eq!(kinds(&get(&reporter, id).await), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_goes_on_where_another_server_left_it() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (agent, reporter) = (world.agent().await, world.other_agent().await);
    only(&world, &[]).await;
    let id = raise(&reporter, help()).await.id;
    let World { settings, replica, .. } = world;
    replica.stop().await;
    hands.wait(120);
    // Whoever comes back on duty meanwhile is sent by the server that starts next, at once.
    let replica = Replica::start(settings.clone(), hands.clock()).await;
    let reporter = reporter.over(replica.channel());
    until("everybody is called", async || {
        get(&reporter, id).await.stage() == EscalationStage::Everybody
    })
    .await;
    let database = connect(settings.database.database_url.expose_secret()).await;
    let sql = "update agents set duty = 1 where id = $1";
    database.execute(sql, &[&agent.agent_id.unwrap()]).await.unwrap();
    let sql = "update agent_locations set fix_time = now() + interval '1 hour' where agent_id = $1";
    database.execute(sql, &[&agent.agent_id.unwrap()]).await.unwrap();
    hands.wait(15);
    until("somebody is sent", async || {
        get(&reporter, id).await.agent_ids == [agent.agent_id.unwrap()]
    })
    .await;
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_leaves_nothing_or_an_emergency_that_goes_on() {
    const ROUNDS: usize = 8;
    let world = World::start().await;
    let (agent, reporter) = (world.agent().await, world.other_agent().await);
    only(&world, &[&agent]).await;
    let second = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let plan = pb::EscalationPlan {
        acknowledge_timeout: second,
        agent_count: 1,
        supervisor_timeout: second,
        retry_interval: second,
        crew_count: 1,
        repeat_window: None,
        ..Default::default()
    };
    let request = pb::UpdateEscalationPlanRequest {
        plan: Some(plan),
        ..Default::default()
    };
    world
        .administrator()
        .await
        .emergencies()
        .update_escalation_plan(request)
        .await
        .unwrap();
    let World { settings, replica, .. } = world;
    replica.stop().await;
    let server = Mortal::serve(&settings);
    let (mut dice, mut raised) = (StdRng::seed_from_u64(7), Vec::new());
    for round in 0..ROUNDS {
        server.ready().await;
        let person = reporter.over(channel(server.address));
        let request = pb::RaiseEmergencyRequest {
            request_id: format!("round-{round}"),
            ..help()
        };
        // Wherever it is by then.
        let end = std::time::Duration::from_micros(dice.random_range(0..60_000));
        let calling = person.clone();
        let asked = request.clone();
        let call = tokio::spawn(async move { calling.emergencies().raise_emergency(asked).await.map(drop) });
        tokio::time::sleep(end).await;
        server.kill();
        let _ = call.await.unwrap();
        server.revive();
        server.ready().await;
        raised.push(raise(&reporter.over(channel(server.address)), request).await.id);
    }
    raised.sort_unstable();
    raised.dedup();
    assert_eq!(raised.len(), ROUNDS);
    let database = connect(settings.database.database_url.expose_secret()).await;
    let whole = "select count(*) filter (where e.id is not null and exists (select from task_history h where h.task_id = t.id)
                                           and exists (select from emergency_steps s where s.emergency_id = e.id and s.kind = 1)),
                        count(*), (select count(*) from emergencies)
                 from tasks t left join emergencies e on e.task_id = t.id where t.kind = 8";
    let row = database.query_one(whole, &[]).await.unwrap();
    let counts: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
    assert_eq!(counts, [i64::try_from(ROUNDS).unwrap(); 3]);
    until("everybody is called for each", async || {
        let row = database
            .query_one("select count(*) from emergencies where stage = 3", &[])
            .await;
        row.unwrap().get::<_, i64>(0) == counts[0]
    })
    .await;
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_taken_off_is_replaced_although_it_was_acknowledged() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (first, second, reporter) = (
        world.agent().await,
        world.other_agent().await,
        world.person("agente2@gad.example").await,
    );
    only(&world, &[&first, &second]).await;
    let raised = raise(&reporter, help()).await;
    first.emergencies().acknowledge_emergency(step(raised.id)).await.unwrap();
    let database = world.database().await;
    database
        .execute("update agents set duty = 4 where id = $1", &[&first.agent_id.unwrap()])
        .await
        .unwrap();
    let request = pb::UnassignTaskRequest {
        id: raised.task_id,
        agent_id: first.agent_id.unwrap(),
        ..Default::default()
    };
    world.supervisor().await.tasks().unassign_task(request).await.unwrap();
    until("the next one is sent", async || {
        get(&reporter, raised.id).await.agent_ids == [second.agent_id.unwrap()]
    })
    .await;
    assert_eq!(get(&reporter, raised.id).await.state(), EmergencyState::Acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_put_on_an_acknowledged_one_by_hand_is_enough() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (first, second, reporter) = (
        world.agent().await,
        world.other_agent().await,
        world.person("agente2@gad.example").await,
    );
    let supervisor = world.supervisor().await;
    only(&world, &[]).await;
    let raised = raise(&reporter, help()).await;
    supervisor.emergencies().acknowledge_emergency(step(raised.id)).await.unwrap();
    let assign = pb::AssignTaskRequest {
        id: raised.task_id,
        agent_id: first.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().assign_task(assign).await.unwrap();
    only(&world, &[&first, &second]).await;
    hands.wait(60);
    until("nobody is looked for any more", async || {
        get(&reporter, raised.id).await.escalation_time.is_none()
    })
    .await;
    assert_eq!(get(&reporter, raised.id).await.agent_ids, [first.agent_id.unwrap()]);
}

#[tokio::test]
async fn whoever_reported_it_may_take_it_back_and_the_agent_is_free() {
    let world = World::start().await;
    let (agent, reporter) = (world.agent().await, world.other_agent().await);
    only(&world, &[&agent]).await;
    let raised = raise(&reporter, help()).await;
    let request = pb::TaskStepRequest {
        id: raised.task_id,
        reason: "Me equivoqué".to_owned(),
        ..Default::default()
    };
    let task = reporter.tasks().cancel_task(request).await.unwrap().into_inner();
    assert_eq!(task.state(), TaskState::Cancelled);
    let over = get(&reporter, raised.id).await;
    assert_eq!(
        (over.outcome(), over.steps.last().unwrap().note.as_str()),
        (EmergencyOutcome::Withdrawn, "Me equivoqué")
    );
    // The next one is another emergency, and the agent can be sent to it.
    let next = raise(&reporter, help()).await;
    assert_eq!((next.id == raised.id, next.agent_ids), (false, raised.agent_ids));
}

#[tokio::test]
async fn the_task_of_an_emergency_that_goes_on_is_not_deleted() {
    let world = World::start().await;
    let (administrator, agent, reporter) = (world.administrator().await, world.agent().await, world.other_agent().await);
    only(&world, &[&agent]).await;
    let raised = raise(&reporter, help()).await;
    let delete = pb::DeleteTaskRequest {
        id: raised.task_id,
        ..Default::default()
    };
    let refused = administrator.tasks().delete_task(delete.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "ILLEGAL_STEP");
    assert_eq!(get(&reporter, raised.id).await, raised);
    let cancel = pb::TaskStepRequest {
        id: raised.task_id,
        reason: "Broma".to_owned(),
        ..Default::default()
    };
    administrator.tasks().cancel_task(cancel).await.unwrap();
    administrator.tasks().delete_task(delete).await.unwrap();
    let over = get(&reporter, raised.id).await;
    assert_eq!(
        (over.state(), over.outcome()),
        (EmergencyState::Closed, EmergencyOutcome::FalseAlarm)
    );
}

#[tokio::test]
async fn every_screen_that_may_hears_of_it() {
    let world = World::start().await;
    let (agent, reporter, supervisor) = (world.agent().await, world.other_agent().await, world.supervisor().await);
    only(&world, &[&agent]).await;
    let filter = pb::WatchFilter {
        nouns: vec![pb::Noun::Emergency as i32],
        ..Default::default()
    };
    let request = pb::WatchRequest {
        filter: Some(filter),
        ..Default::default()
    };
    let stranger = world.person("agente2@gad.example").await;
    let mut watchers = Vec::new();
    for person in [&supervisor, &agent, &reporter, &stranger] {
        watchers.push(Watcher::live_to(person, request.clone()).await);
    }
    let raised = raise(&reporter, help()).await;
    agent.emergencies().acknowledge_emergency(step(raised.id)).await.unwrap();
    for watcher in &mut watchers[..3] {
        for expected in [EventType::EmergencyRaised, EventType::EmergencyChanged] {
            let event = watcher.event().await;
            let Some(event::Resource::Emergency(emergency)) = &event.resource else {
                panic!("{event:?}");
            };
            assert_eq!((event.r#type(), emergency.id), (expected, raised.id));
        }
    }
    // What a stranger hears first is of their own emergency.
    let own = raise(&stranger, help()).await;
    let event = watchers[3].event().await;
    assert!(
        matches!(&event.resource, Some(event::Resource::Emergency(heard)) if heard.id == own.id),
        "{event:?}"
    );
    // A screen that comes later has both in its snapshot.
    let later = pb::WatchRequest {
        include_snapshot: true,
        ..request
    };
    let mut watcher = Watcher::start(&supervisor, later).await;
    let mut rows = Vec::new();
    while let Item::SnapshotRow(row) = watcher.next().await {
        rows.push(row);
    }
    assert_eq!(rows.len(), 2, "{rows:?}");
}
