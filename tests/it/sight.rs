//! Supervisors whose authority ends at zones: they see and direct what is there, over every door and in every list.

use std::collections::BTreeSet;

use gad::pb::{self, Availability, EventType, Noun, UserLevel, watch_response::Item};
use serde_json::json;
use tonic::Status;

use crate::{
    bridge_clients::Running,
    live::Watcher,
    world::{Person, World, draft, reason},
};

/// Places within the four zones of the city, and one beyond.
const PLACES: [(&str, f64, f64); 5] = [
    ("Z-NE", 4.68, -74.03),
    ("Z-NO", 4.68, -74.11),
    ("Z-SE", 4.62, -74.03),
    ("Z-SO", 4.62, -74.11),
    ("", 4.9, -74.03),
];

fn place(code: &str) -> pb::LatLng {
    let (_, latitude, longitude) = PLACES.into_iter().find(|(name, ..)| *name == code).unwrap();
    pb::LatLng { latitude, longitude }
}

async fn limited(world: &World, email: &str, codes: &[&str]) -> Person {
    let mut zones = Vec::new();
    for code in codes {
        zones.push(world.zone(code).await);
    }
    world.newcomer(email, UserLevel::Supervisor, &zones).await
}

/// A task at a place, or at none.
async fn task(person: &Person, location: Option<pb::LatLng>, delegate_user_id: i64) -> pb::Task {
    let mut task = draft("En su zona");
    (task.location, task.delegate_user_id) = (location, delegate_user_id);
    let request = pb::CreateTaskRequest {
        task: Some(task),
        ..Default::default()
    };
    person.tasks().create_task(request).await.unwrap().into_inner()
}

async fn get_task(person: &Person, id: i64) -> Result<pb::Task, Status> {
    let answer = person.tasks().get_task(pb::GetTaskRequest { id }).await;
    answer.map(tonic::Response::into_inner)
}

/// Moves an agent, some seconds from now.
async fn report(person: &Person, agent_id: i64, location: pb::LatLng, later: i64) -> pb::ReportPositionsResponse {
    let now = gad::clock::Clock::system().now();
    let fix = pb::Position {
        agent_id,
        location: Some(location),
        fix_time: Some(prost_types::Timestamp {
            seconds: now.as_second() + later,
            nanos: 0,
        }),
        ..Default::default()
    };
    let request = pb::ReportPositionsRequest { positions: vec![fix] };
    person.agents().report_positions(request).await.unwrap().into_inner()
}

/// Agents at the places, two at each, and one that is nowhere.
async fn agents(world: &World) {
    let sql = "with u as (insert into users (uid, email, password_hash, display_name, level, create_time, update_time)
                          values (gen_random_uuid(), lower($1), 'none', 'Alguien', 1, now(), now()) returning id),
                    a as (insert into agents (uid, user_id, code, duty, availability_time, create_time, update_time)
                          select gen_random_uuid(), u.id, $1, 1, now(), now(), now() from u returning id)
               insert into agent_locations (agent_id, location, zone_id, fix_time, source, receive_time)
               select a.id, p, (select z.id from zones z where st_covers(z.boundary, p) order by z.id limit 1), now(), 1, now()
               from a, (select st_makepoint($3, $2)::geography as p) place where $2 < 90";
    let database = world.database().await;
    for (number, (_, latitude, longitude)) in PLACES.into_iter().chain(PLACES).enumerate() {
        let code = format!("S-{number}");
        database.execute(sql, &[&code, &latitude, &longitude]).await.unwrap();
    }
    database.execute(sql, &[&"S-nowhere", &90.0_f64, &0.0_f64]).await.unwrap();
}

async fn numbers(world: &World, sql: &str, person: &Person, zones: &[i64]) -> BTreeSet<i64> {
    let rows = world.database().await.query(sql, &[&person.id, &zones]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn snapshot(person: &Person) -> (BTreeSet<i64>, BTreeSet<i64>) {
    let request = pb::WatchRequest {
        include_snapshot: true,
        ..Default::default()
    };
    let mut watcher = Watcher::start(person, request).await;
    let (mut tasks, mut agents) = (BTreeSet::new(), BTreeSet::new());
    while let Item::SnapshotRow(row) = watcher.next().await {
        match row.resource.unwrap() {
            pb::snapshot_row::Resource::Task(task) => tasks.insert(task.id),
            pb::snapshot_row::Resource::Agent(agent) => agents.insert(agent.id),
            pb::snapshot_row::Resource::Emergency(emergency) => panic!("{emergency:?}"),
        };
    }
    (tasks, agents)
}

#[tokio::test]
async fn all_doors_into_tasks_and_agents_show_the_same_part() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    agents(&world).await;
    let people = [
        limited(&world, "ne@gad.example", &["Z-NE"]).await,
        limited(&world, "sur@gad.example", &["Z-SE", "Z-SO"]).await,
    ];
    // At each place, and nowhere: somebody else's, their own, and delegated to them; every third is closed.
    let mut count = 0;
    for location in PLACES.map(|(code, ..)| Some(place(code))).into_iter().chain([None]) {
        for person in &people {
            for made in [
                task(&supervisor, location, 0).await,
                task(person, location, 0).await,
                task(&supervisor, location, person.id).await,
            ] {
                count += 1;
                if count % 3 == 0 {
                    let request = pb::TaskStepRequest {
                        id: made.id,
                        ..Default::default()
                    };
                    supervisor.tasks().cancel_task(request).await.unwrap();
                }
            }
        }
    }
    let all_tasks = numbers(
        &world,
        "select id from tasks where $1 > 0::bigint or 0 = any($2::bigint[])",
        &supervisor,
        &[],
    )
    .await;
    for (person, codes) in people.iter().zip([&["Z-NE"][..], &["Z-SE", "Z-SO"]]) {
        let mut zones = Vec::new();
        for code in codes {
            zones.push(world.zone(code).await);
        }
        let mine = "select id from tasks where zone_id = any($2) or creator_user_id = $1 or delegate_user_id = $1";
        let mine = numbers(&world, mine, person, &zones).await;
        assert!(mine.len() > 5 && mine.len() < all_tasks.len());
        let list = pb::ListTasksRequest {
            page_size: 1000,
            ..Default::default()
        };
        let listed = person.tasks().list_tasks(list).await.unwrap().into_inner().tasks;
        assert_eq!(listed.iter().map(|task| task.id).collect::<BTreeSet<_>>(), mine);
        for id in &all_tasks {
            let seen = mine.contains(id);
            assert_eq!(get_task(person, *id).await.is_ok(), seen);
            let batch = pb::BatchGetTasksRequest { ids: vec![*id] };
            assert_eq!(person.tasks().batch_get_tasks(batch).await.is_ok(), seen);
            let history = pb::ListTaskHistoryRequest {
                task_id: *id,
                ..Default::default()
            };
            assert_eq!(person.tasks().list_task_history(history).await.is_ok(), seen);
        }
        let near = "select agent_id from agent_locations where zone_id = any($2) and $1 > 0::bigint";
        let near = numbers(&world, near, person, &zones).await;
        assert!(near.len() >= 2);
        let listed = pb::ListAgentsRequest {
            page_size: 1000,
            ..Default::default()
        };
        let listed = person.agents().list_agents(listed).await.unwrap().into_inner().agents;
        assert_eq!(listed.iter().map(|agent| agent.id).collect::<BTreeSet<_>>(), near);
        let all_agents = "select id from agents where $1 > 0::bigint or 0 = any($2::bigint[])";
        for id in numbers(&world, all_agents, person, &[]).await {
            let seen = near.contains(&id);
            assert_eq!(person.agents().get_agent(pb::GetAgentRequest { id }).await.is_ok(), seen);
            let track = pb::GetTrackRequest {
                agent_id: id,
                ..Default::default()
            };
            assert_eq!(person.agents().get_track(track).await.is_ok(), seen);
        }
        let around = pb::ListNearbyRequest {
            location: Some(place("Z-NO")),
            page_size: 100,
            ..Default::default()
        };
        let around = person.agents().list_nearby(around).await.unwrap().into_inner();
        let able = around.agents.iter().map(|near| near.agent.as_ref().unwrap().id);
        let around: BTreeSet<i64> = able.chain(around.skipped.iter().map(|agent| agent.agent_id)).collect();
        assert_eq!(around, near);
        let open =
            "select id from tasks where state <= 3 and (zone_id = any($2) or creator_user_id = $1 or delegate_user_id = $1)";
        let open = numbers(&world, open, person, &zones).await;
        assert_eq!(snapshot(person).await, (open, near));
    }
}

#[tokio::test]
async fn what_lies_beyond_the_zones_is_not_directed() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    agents(&world).await;
    let person = limited(&world, "ne@gad.example", &["Z-NE"]).await;
    let (ne, so) = (place("Z-NE"), place("Z-SO"));
    let agent_of = async |code: &str| -> i64 {
        let sql = "select id from agents where code = $1";
        world.database().await.query_one(sql, &[&code]).await.unwrap().get(0)
    };
    let (near, far) = (agent_of("S-0").await, agent_of("S-3").await);
    let step = |id: i64| pb::TaskStepRequest {
        id,
        ..Default::default()
    };
    let assign = |id: i64, agent_id: i64| pb::AssignTaskRequest {
        id,
        agent_id,
        ..Default::default()
    };
    let there = task(&supervisor, Some(so), 0).await.id;
    assert_eq!(
        reason(&person.tasks().start_task(step(there)).await.unwrap_err()),
        "TASK_NOT_FOUND"
    );
    assert_eq!(
        reason(&person.tasks().assign_task(assign(there, near)).await.unwrap_err()),
        "TASK_NOT_FOUND"
    );
    // Their own, elsewhere: they see it as any creator does, and direct it no more than an agent would.
    let own = task(&person, Some(so), 0).await;
    assert_eq!(own.allowed_actions, [pb::TaskAction::Cancel as i32]);
    for refused in [
        person.tasks().start_task(step(own.id)).await,
        person.tasks().assign_task(assign(own.id, near)).await,
    ] {
        assert_eq!(reason(&refused.unwrap_err()), "FORBIDDEN");
    }
    let move_here = pb::UpdateTaskRequest {
        task: Some(pb::Task {
            id: own.id,
            location: Some(ne),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(reason(&person.tasks().update_task(move_here).await.unwrap_err()), "FORBIDDEN");
    person.tasks().cancel_task(step(own.id)).await.unwrap();
    // What has no place is directed by whoever it belongs to.
    let desk = task(&person, None, 0).await.id;
    person.tasks().start_task(step(desk)).await.unwrap();
    // Here, with those who are here.
    let here = task(&supervisor, Some(ne), 0).await.id;
    for (agent, refused) in [
        (far, Some("AGENT_NOT_FOUND")),
        (999_999, Some("AGENT_NOT_FOUND")),
        (near, None),
    ] {
        let answer = person.tasks().assign_task(assign(here, agent)).await;
        assert_eq!(answer.err().as_ref().map(reason).as_deref(), refused);
    }
    for (agent, refused) in [(far, Some("AGENT_NOT_FOUND")), (near, None)] {
        let request = pb::SetAvailabilityRequest {
            id: agent,
            availability: Availability::Unavailable as i32,
            ..Default::default()
        };
        let answer = person.agents().set_availability(request).await;
        assert_eq!(answer.err().as_ref().map(reason).as_deref(), refused);
        let kept = report(&person, agent, ne, 1).await.accepted_count;
        assert_eq!(kept, i32::from(refused.is_none()));
    }
}

#[tokio::test]
async fn a_track_is_seen_where_it_lies_within_the_zones() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let person = limited(&world, "ne@gad.example", &["Z-NE"]).await;
    let id = agent.agent_id.unwrap();
    for (code, later) in [("Z-SO", 10), ("Z-NE", 20), ("", 30), ("Z-NE", 40)] {
        assert_eq!(report(&agent, id, place(code), later).await.accepted_count, 1);
    }
    let track = async |person: &Person| -> Vec<pb::LatLng> {
        let mut request = pb::GetTrackRequest {
            agent_id: id,
            page_size: 2,
            end_time: Some(prost_types::Timestamp {
                seconds: gad::clock::Clock::system().now().as_second() + 60,
                nanos: 0,
            }),
            ..Default::default()
        };
        let mut places = Vec::new();
        loop {
            let page = person.agents().get_track(request.clone()).await.unwrap().into_inner();
            places.extend(page.positions.into_iter().filter_map(|fix| fix.location));
            if page.next_page_token.is_empty() {
                return places;
            }
            request.page_token = page.next_page_token;
        }
    };
    let ne = place("Z-NE");
    let within: Vec<pb::LatLng> = track(&person).await;
    assert!(within.ends_with(&[ne, ne]) && within.len() < track(&supervisor).await.len());
    assert!(within.iter().all(|place| place.latitude >= 4.65 && place.longitude >= -74.07));
    assert_eq!(track(&agent).await, track(&supervisor).await);
}

/// Moves a task.
async fn send(person: &Person, id: i64, code: &str) {
    let request = pb::UpdateTaskRequest {
        task: Some(pb::Task {
            id,
            location: Some(place(code)),
            ..Default::default()
        }),
        ..Default::default()
    };
    person.tasks().update_task(request).await.unwrap();
}

#[tokio::test]
async fn tasks_and_agents_come_into_sight_and_go_out_of_it() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let id = agent.agent_id.unwrap();
    report(&agent, id, place("Z-SO"), 1).await;
    let person = limited(&world, "ne@gad.example", &["Z-NE"]).await;
    let only = |noun: Noun| pb::WatchRequest {
        filter: Some(pb::WatchFilter {
            nouns: vec![noun as i32],
            ..Default::default()
        }),
        ..Default::default()
    };
    let (mut all, mut nobody) = (Watcher::live(&person).await, Watcher::live(&world.other_agent().await).await);
    let mut agents = Watcher::start(&person, only(Noun::Agent)).await;
    agents.next().await;
    let unseen = task(&supervisor, Some(place("Z-SO")), 0).await.id;
    let seen = task(&supervisor, Some(place("Z-NE")), 0).await.id;
    send(&supervisor, unseen, "Z-NO").await;
    send(&supervisor, unseen, "Z-NE").await;
    send(&supervisor, seen, "").await;
    report(&agent, id, place("Z-NE"), 2).await;
    report(&agent, id, place("Z-NO"), 3).await;
    report(&agent, id, place("Z-SO"), 4).await;
    // What happens to the agent out of sight is not heard; its return is.
    let off = pb::SetAvailabilityRequest {
        id,
        availability: Availability::OffDuty as i32,
        ..Default::default()
    };
    supervisor.agents().set_availability(off.clone()).await.unwrap();
    let on = pb::SetAvailabilityRequest {
        availability: Availability::Available as i32,
        ..off
    };
    supervisor.agents().set_availability(on).await.unwrap();
    report(&agent, id, place("Z-NE"), 5).await;
    let told = async |watcher: &mut Watcher| {
        let event = watcher.event().await;
        let id = match event.resource.as_ref().unwrap() {
            pb::event::Resource::Task(task) => task.id,
            pb::event::Resource::Agent(agent) => agent.id,
            pb::event::Resource::Position(fix) => fix.agent_id,
            pb::event::Resource::Emergency(emergency) => emergency.id,
            pb::event::Resource::GeofenceEvent(event) => event.id,
            pb::event::Resource::Hidden(hidden) => hidden.task_id.max(hidden.agent_id),
        };
        (event.r#type(), id)
    };
    for wanted in [
        (EventType::TaskCreated, seen),
        (EventType::TaskUpdated, unseen),
        (EventType::TaskHidden, seen),
        (EventType::AgentMoved, id),
        (EventType::AgentHidden, id),
        (EventType::AgentMoved, id),
    ] {
        assert_eq!(told(&mut all).await, wanted);
    }
    assert_eq!(told(&mut agents).await, (EventType::AgentHidden, id));
    // The zones themselves change: the truth does for them what a move does.
    let zone = world.zone("Z-NE").await;
    let zones = supervisor
        .zones()
        .list_zones(pb::ListZonesRequest {})
        .await
        .unwrap()
        .into_inner()
        .zones;
    let south = zones.iter().find(|zone| zone.code == "Z-SE").unwrap();
    let mut moved = south.boundary.clone();
    moved.iter_mut().for_each(|point| point.latitude -= 1.0);
    let request = pb::UpdateZoneRequest {
        zone: Some(pb::Zone {
            id: zone,
            boundary: moved,
            ..Default::default()
        }),
        ..Default::default()
    };
    world.administrator().await.zones().update_zone(request).await.unwrap();
    assert_eq!(told(&mut all).await, (EventType::TaskHidden, unseen));
    assert_eq!(told(&mut all).await, (EventType::AgentHidden, id));
    assert_eq!(told(&mut agents).await, (EventType::AgentHidden, id));
    // A field agent to whom nothing of this belongs heard nothing of it.
    let own = task(&world.other_agent().await, None, 0).await.id;
    assert_eq!(told(&mut nobody).await, (EventType::TaskCreated, own));
}

#[tokio::test]
async fn the_bridge_tells_supervisors_apart_by_their_zones() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let bridge = Running::start(&world).await;
    let people = [
        limited(&world, "ne@gad.example", &["Z-NE"]).await,
        limited(&world, "so@gad.example", &["Z-SO"]).await,
        supervisor.clone(),
    ];
    let mut sockets = Vec::new();
    for person in &people {
        let mut socket = bridge.socket(person).await;
        socket.live().await;
        sockets.push(socket);
    }
    let (ne, so) = (
        task(&supervisor, Some(place("Z-NE")), 0).await.id.to_string(),
        task(&supervisor, Some(place("Z-SO")), 0).await.id.to_string(),
    );
    for (socket, wanted) in sockets.iter_mut().zip([&[&ne][..], &[&so], &[&ne, &so]]) {
        for id in wanted {
            assert_eq!(socket.news().await["event"]["task"]["id"], json!(id));
        }
    }
    // A connection that was opened to see everything does not go on seeing it by a token that may not.
    let step = pb::SetUserLevelRequest {
        id: supervisor.id,
        level: UserLevel::Supervisor as i32,
        zone_ids: vec![world.zone("Z-NE").await],
        ..Default::default()
    };
    world.administrator().await.users().set_user_level(step).await.unwrap();
    let narrowed = world.sign_in("supervisor@gad.example").await;
    sockets[2].say(json!({ "type": "auth", "token": narrowed.token })).await;
    loop {
        let frame = sockets[2].next_or_close().await;
        match frame {
            Ok(frame) if frame["type"] == "error" => break assert_eq!(frame["reason"], "FORBIDDEN"),
            Ok(frame) if frame["type"] == "end" => break assert_eq!(frame["reason"], "AUTH_REVOKED"),
            Ok(frame) => assert_ne!(frame["type"], "authenticated"),
            Err(code) => break assert_eq!(code, 4401),
        }
    }
}
