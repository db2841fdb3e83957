//! Agents through the front door.

use gad::pb::{self, Availability, EventType, watch_response::Item};
use tonic::Code;

use crate::position::next_event;
use crate::world::{Person, World, fields, reason};

fn named(code: &str, user_id: i64) -> pb::CreateAgentRequest {
    pb::CreateAgentRequest {
        agent: Some(pb::Agent {
            code: code.to_owned(),
            user_id,
            unit: "Norte".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

async fn get(person: &Person, id: i64) -> Result<pb::Agent, tonic::Status> {
    let answer = person.agents().get_agent(pb::GetAgentRequest { id }).await;
    answer.map(tonic::Response::into_inner)
}

async fn set_availability(person: &Person, id: i64, availability: Availability) -> Result<pb::Agent, tonic::Status> {
    let request = pb::SetAvailabilityRequest {
        id,
        availability: availability as i32,
        ..Default::default()
    };
    let answer = person.agents().set_availability(request).await;
    answer.map(tonic::Response::into_inner)
}

async fn delete(person: &Person, id: i64) -> Result<pb::Agent, tonic::Status> {
    let request = pb::DeleteAgentRequest {
        id,
        ..Default::default()
    };
    let answer = person.agents().delete_agent(request).await;
    answer.map(tonic::Response::into_inner)
}

async fn undelete(person: &Person, id: i64) -> Result<pb::Agent, tonic::Status> {
    let request = pb::UndeleteAgentRequest {
        id,
        ..Default::default()
    };
    let answer = person.agents().undelete_agent(request).await;
    answer.map(tonic::Response::into_inner)
}

async fn assign(person: &Person, id: i64, agent_id: i64) -> pb::Task {
    let request = pb::AssignTaskRequest {
        id,
        agent_id,
        ..Default::default()
    };
    person.tasks().assign_task(request).await.unwrap().into_inner()
}

fn step(id: i64) -> pb::TaskStepRequest {
    pb::TaskStepRequest {
        id,
        ..Default::default()
    }
}

async fn list(person: &Person, filter: pb::AgentFilter) -> Vec<i64> {
    let request = pb::ListAgentsRequest {
        filter: Some(filter),
        ..Default::default()
    };
    let answer = person.agents().list_agents(request).await.unwrap().into_inner();
    answer.agents.iter().map(|agent| agent.id).collect()
}

#[tokio::test]
async fn a_user_becomes_an_agent_once() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let mut agents = administrator.agents();
    let agent = agents.create_agent(named("N-1", supervisor.id)).await.unwrap().into_inner();
    assert_eq!(
        (agent.code.as_str(), agent.unit.as_str(), agent.user_id),
        ("N-1", "Norte", supervisor.id)
    );
    assert_eq!(agent.availability(), Availability::OffDuty);
    assert_eq!(agent.display_name, "Sala de control");
    assert_eq!(get(&supervisor, agent.id).await.unwrap(), agent);

    let again = agents.create_agent(named("N-2", supervisor.id)).await.unwrap_err();
    assert_eq!((again.code(), reason(&again).as_str()), (Code::AlreadyExists, "USER_TAKEN"));
    let taken = agents.create_agent(named("N-1", administrator.id)).await.unwrap_err();
    assert_eq!((taken.code(), reason(&taken).as_str()), (Code::AlreadyExists, "CODE_TAKEN"));
    let nobody = agents.create_agent(named("N-3", 1_000_000)).await.unwrap_err();
    assert_eq!(reason(&nobody), "USER_NOT_FOUND");
    let unnamed = agents.create_agent(named("", administrator.id)).await.unwrap_err();
    assert_eq!(fields(&unnamed), ["agent.code"]);
    let faceless = agents.create_agent(named("N-4", 0)).await.unwrap_err();
    assert_eq!(fields(&faceless), ["agent.user_id"]);
}

#[tokio::test]
async fn a_user_who_left_cannot_become_an_agent() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let supervisor = world.supervisor().await;
    let database = world.database().await;
    database
        .execute("update users set active = false where id = $1", &[&supervisor.id])
        .await
        .unwrap();
    let refused = administrator
        .agents()
        .create_agent(named("N-1", supervisor.id))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "USER_NOT_FOUND");
}

#[tokio::test]
async fn supervisors_neither_create_nor_delete_agents() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let agent = world.agent().await.agent_id.unwrap();
    let refused = supervisor
        .agents()
        .create_agent(named("N-1", supervisor.id))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "FORBIDDEN");
    assert_eq!(reason(&delete(&supervisor, agent).await.unwrap_err()), "FORBIDDEN");
}

#[tokio::test]
async fn the_same_request_twice_makes_one_agent() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let request = pb::CreateAgentRequest {
        request_id: "once".to_owned(),
        ..named("N-1", supervisor.id)
    };
    let first = administrator.agents().create_agent(request.clone()).await.unwrap();
    let second = administrator.agents().create_agent(request.clone()).await.unwrap();
    assert!(first.metadata().get("idempotent-replayed").is_none());
    assert!(second.metadata().get("idempotent-replayed").is_some());
    assert_eq!(first.into_inner(), second.into_inner());
    let other = pb::CreateAgentRequest {
        request_id: "once".to_owned(),
        ..named("N-2", supervisor.id)
    };
    let refused = administrator.agents().create_agent(other).await.unwrap_err();
    assert_eq!(reason(&refused), "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_level_1_caller_sees_only_its_own_agent() {
    let world = World::start().await;
    let (mine, theirs) = (world.agent().await, world.other_agent().await);
    let (own, other) = (mine.agent_id.unwrap(), theirs.agent_id.unwrap());
    assert_eq!(get(&mine, own).await.unwrap().id, own);
    assert_eq!(list(&mine, pb::AgentFilter::default()).await, [own]);
    set_availability(&mine, own, Availability::Unavailable).await.unwrap();

    let refused = [
        get(&mine, other).await.unwrap_err(),
        set_availability(&mine, other, Availability::OffDuty).await.unwrap_err(),
        mine.agents()
            .get_track(pb::GetTrackRequest {
                agent_id: other,
                ..Default::default()
            })
            .await
            .unwrap_err(),
    ];
    for refused in refused {
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::NotFound, "AGENT_NOT_FOUND")
        );
    }
    assert_eq!(get(&theirs, other).await.unwrap().availability(), Availability::Available);
}

#[tokio::test]
async fn an_update_changes_what_its_mask_names() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let id = world.agent().await.agent_id.unwrap();
    let before = get(&administrator, id).await.unwrap();
    let update = |paths: &[&str], etag: &str| pb::UpdateAgentRequest {
        agent: Some(pb::Agent {
            id,
            code: "X-9".to_owned(),
            unit: "Sur".to_owned(),
            ..Default::default()
        }),
        update_mask: (!paths.is_empty()).then(|| prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
        etag: etag.to_owned(),
        ..Default::default()
    };
    let mut agents = administrator.agents();

    // Named and empty: emptied. Not named: left alone.
    let agent = agents
        .update_agent(update(&["unit", "rank"], &before.etag))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (agent.unit.as_str(), agent.rank.as_str(), &agent.code, &agent.specialty),
        ("Sur", "", &before.code, &before.specialty)
    );
    assert_eq!(agent.revision, before.revision + 1);
    // Without a mask: what is filled in.
    let agent = agents.update_agent(update(&[], "")).await.unwrap().into_inner();
    assert_eq!((agent.code.as_str(), &agent.specialty), ("X-9", &before.specialty));

    let stale = agents.update_agent(update(&["unit"], &before.etag)).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "STALE_ETAG"));
    for path in ["user_id", "availability", "nonsense"] {
        let refused = agents.update_agent(update(&[path], "")).await.unwrap_err();
        assert_eq!(
            (refused.code(), fields(&refused)),
            (Code::InvalidArgument, vec!["update_mask".to_owned()])
        );
    }
    let mut taken = update(&["code"], "");
    taken.agent.as_mut().unwrap().code = "AG-002".to_owned();
    assert_eq!(reason(&agents.update_agent(taken).await.unwrap_err()), "CODE_TAKEN");
    assert_eq!(get(&administrator, id).await.unwrap(), agent);
}

#[tokio::test]
async fn deleting_an_agent_on_an_open_task_is_refused() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let id = world.agent().await.agent_id.unwrap();
    let task = administrator.task("Patrullar").await;
    assign(&administrator, task.id, id).await;
    let refused = delete(&administrator, id).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "STILL_IN_USE")
    );
    assert_eq!(get(&administrator, id).await.unwrap().task_ids, [task.id]);

    administrator.tasks().cancel_task(step(task.id)).await.unwrap();
    let gone = delete(&administrator, id).await.unwrap();
    assert!(gone.delete_time.is_some());
}

#[tokio::test]
async fn an_agent_is_never_both_deleted_and_on_an_open_task() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let id = world.agent().await.agent_id.unwrap();
    for round in 0..10 {
        let task = administrator.task(&format!("Ronda {round}")).await;
        let request = pb::AssignTaskRequest {
            id: task.id,
            agent_id: id,
            ..Default::default()
        };
        let mut tasks = administrator.tasks();
        let (assigned, deleted) = tokio::join!(tasks.assign_task(request), delete(&administrator, id));
        assert!(assigned.is_ok() != deleted.is_ok(), "{assigned:?} {deleted:?}");
        match deleted {
            Ok(_) => drop(undelete(&administrator, id).await.unwrap()),
            Err(refused) => {
                assert_eq!(reason(&refused), "STILL_IN_USE");
                administrator.tasks().cancel_task(step(task.id)).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_deleted_agent_is_there_for_administrators_only() {
    let world = World::start().await;
    let (administrator, supervisor, agent) = (world.administrator().await, world.supervisor().await, world.agent().await);
    let id = agent.agent_id.unwrap();
    let deleted = delete(&administrator, id).await.unwrap();
    assert_eq!(get(&administrator, id).await.unwrap(), deleted);
    for person in [&supervisor, &agent] {
        assert_eq!(reason(&get(person, id).await.unwrap_err()), "AGENT_NOT_FOUND");
        assert!(!list(person, pb::AgentFilter::default()).await.contains(&id));
    }
    let shown = pb::AgentFilter {
        deleted_shown: true,
        ..Default::default()
    };
    assert!(list(&administrator, shown.clone()).await.contains(&id));
    let request = pb::ListAgentsRequest {
        filter: Some(shown),
        ..Default::default()
    };
    let refused = supervisor.agents().list_agents(request).await.unwrap_err();
    assert_eq!(reason(&refused), "FORBIDDEN");
    assert_eq!(reason(&delete(&administrator, id).await.unwrap_err()), "AGENT_NOT_FOUND");
    assert_eq!(
        reason(&set_availability(&administrator, id, Availability::OffDuty).await.unwrap_err()),
        "AGENT_NOT_FOUND"
    );

    let back = undelete(&administrator, id).await.unwrap();
    assert_eq!((back.delete_time, back.revision), (None, deleted.revision + 1));
    assert_eq!(get(&supervisor, id).await.unwrap(), back);
    assert_eq!(reason(&undelete(&administrator, id).await.unwrap_err()), "ILLEGAL_STEP");
}

#[tokio::test]
async fn an_agent_cannot_come_back_to_a_user_who_has_another() {
    let world = World::start().await;
    let (administrator, agent) = (world.administrator().await, world.agent().await);
    let id = agent.agent_id.unwrap();
    delete(&administrator, id).await.unwrap();
    let second = administrator
        .agents()
        .create_agent(named("N-1", agent.id))
        .await
        .unwrap()
        .into_inner();
    let refused = undelete(&administrator, id).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::AlreadyExists, "USER_TAKEN")
    );
    delete(&administrator, second.id).await.unwrap();
    undelete(&administrator, id).await.unwrap();
}

#[tokio::test]
async fn an_available_agent_at_work_shows_as_on_task() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let id = agent.agent_id.unwrap();
    let task = supervisor.task("Patrullar").await;
    assign(&supervisor, task.id, id).await;
    supervisor.tasks().start_task(step(task.id)).await.unwrap();
    assert_eq!(get(&agent, id).await.unwrap().availability(), Availability::OnTask);
    let off = set_availability(&agent, id, Availability::OffDuty).await.unwrap();
    assert_eq!(off.availability(), Availability::OffDuty);
    let on = set_availability(&agent, id, Availability::Available).await.unwrap();
    assert_eq!((on.availability(), on.revision), (Availability::OnTask, off.revision + 1));
    // Said once more, it changes nothing.
    assert_eq!(set_availability(&agent, id, Availability::Available).await.unwrap(), on);

    let stale = pb::SetAvailabilityRequest {
        id,
        availability: Availability::OffDuty as i32,
        etag: off.etag,
        ..Default::default()
    };
    assert_eq!(
        reason(&agent.agents().set_availability(stale).await.unwrap_err()),
        "STALE_ETAG"
    );
    let refused = set_availability(&agent, id, Availability::OnTask).await.unwrap_err();
    assert_eq!(fields(&refused), ["availability"]);
    supervisor.tasks().finish_task(step(task.id)).await.unwrap();
    assert_eq!(get(&agent, id).await.unwrap().availability(), Availability::Available);
}

#[tokio::test]
async fn the_availability_time_is_when_the_availability_last_changed() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let id = agent.agent_id.unwrap();
    let since = async || get(&agent, id).await.unwrap().availability_time;
    let first = since().await;
    let task = supervisor.task("Patrullar").await;
    assign(&supervisor, task.id, id).await;
    // On a task that has not begun, the agent still is free.
    assert_eq!(get(&agent, id).await.unwrap().availability(), Availability::Available);
    assert_eq!(since().await, first);
    supervisor.tasks().start_task(step(task.id)).await.unwrap();
    let started = since().await;
    assert_ne!(started, first);
    supervisor.tasks().pause_task(step(task.id)).await.unwrap();
    assert_eq!(since().await, started);
    set_availability(&agent, id, Availability::OffDuty).await.unwrap();
    let off = since().await;
    assert_ne!(off, started);
    supervisor.tasks().finish_task(step(task.id)).await.unwrap();
    assert_eq!(since().await, off);
}

/// Agents `B-1` to `B-<count>` in 5 units at whole degrees of latitude and longitude, off duty.
async fn crowd(world: &World, count: i64) {
    let sql = "
        with u as (insert into users (uid, email, password_hash, display_name, level, create_time, update_time)
                   select gen_random_uuid(), 'b' || i || '@gad.example', 'x', 'B ' || i, 1, now(), now() from generate_series(1, $1::bigint) i
                   returning id),
             a as (insert into agents (uid, user_id, code, unit, duty, availability_time, create_time, update_time)
                   select gen_random_uuid(), id, 'B-' || row_number() over (order by id), 'U' || id % 5, 3, now(), now(), now()
                   from u returning id)
        insert into agent_locations (agent_id, location, fix_time, source, receive_time)
        select id, st_makepoint(id % 360 - 179.5, id % 180 - 89.5)::geography, now(), 1, now() from a";
    world.database().await.execute(sql, &[&count]).await.unwrap();
}

#[tokio::test]
async fn agents_page_without_loss() {
    let world = World::start().await;
    crowd(&world, 20).await;
    let supervisor = world.supervisor().await;
    let all = list(&supervisor, pb::AgentFilter::default()).await;
    assert_eq!(all.len(), 23);
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListAgentsRequest {
            page_size: 7,
            page_token,
            filter: None,
        };
        let page = supervisor.agents().list_agents(request).await.unwrap().into_inner();
        assert!(page.agents.len() <= 7);
        seen.extend(page.agents.iter().map(|agent| agent.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let other = pb::ListAgentsRequest {
            page_size: 7,
            page_token: page_token.clone(),
            filter: Some(pb::AgentFilter {
                units: vec!["U1".to_owned()],
                ..Default::default()
            }),
        };
        let refused = supervisor.agents().list_agents(other).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_PAGE_TOKEN");
    }
    assert_eq!(seen, all);
    assert!(all.is_sorted());
}

#[tokio::test]
async fn a_list_holds_what_its_filter_says() {
    let world = World::start().await;
    crowd(&world, 200).await;
    let supervisor = world.supervisor().await;
    let database = world.database().await;
    let half = "update agents set duty = 1 where code like 'B-%' and id % 2 = 0";
    database.execute(half, &[]).await.unwrap();
    let truth = async |sql: &str| -> Vec<i64> {
        let sql =
            format!("select a.id from agents a join agent_locations l on l.agent_id = a.id where {sql} order by 1 limit 50");
        let rows = database.query(&sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let units = pb::AgentFilter {
        units: vec!["U1".to_owned(), "U3".to_owned()],
        ..Default::default()
    };
    assert_eq!(list(&supervisor, units).await, truth("unit in ('U1', 'U3')").await);
    let within = |south, west, north, east| pb::AgentFilter {
        r#box: Some(pb::Box {
            south,
            west,
            north,
            east,
        }),
        ..Default::default()
    };
    for (filter, sql) in [
        (
            within(-20.5, -60.5, 30.5, 20.5),
            "st_y(location::geometry) between -20.5 and 30.5 and st_x(location::geometry) between -60.5 and 20.5",
        ),
        (
            within(-89.0, -179.0, 89.0, 179.0),
            "abs(st_y(location::geometry)) <= 89 and abs(st_x(location::geometry)) <= 179",
        ),
        (within(-90.0, 170.0, 90.0, -170.0), "abs(st_x(location::geometry)) >= 170"),
        (
            within(60.0, -40.0, 90.0, 0.0),
            "st_y(location::geometry) >= 60 and st_x(location::geometry) between -40 and 0",
        ),
    ] {
        // Where somebody is who is off duty, no rectangle tells.
        let expected = truth(&format!("duty <> 3 and {sql}")).await;
        assert!(!expected.is_empty(), "{sql}");
        assert_eq!(list(&supervisor, filter).await, expected, "{sql}");
    }

    let (free, busy) = (
        world.agent().await.agent_id.unwrap(),
        world.other_agent().await.agent_id.unwrap(),
    );
    let task = supervisor.task("Patrullar").await;
    assign(&supervisor, task.id, busy).await;
    supervisor.tasks().start_task(step(task.id)).await.unwrap();
    let available = |availabilities: &[Availability]| pb::AgentFilter {
        availabilities: availabilities.iter().map(|availability| *availability as i32).collect(),
        ..Default::default()
    };
    assert_eq!(list(&supervisor, available(&[Availability::OnTask])).await, [busy]);
    let free_ones = list(&supervisor, available(&[Availability::Available])).await;
    assert!(free_ones.contains(&free) && !free_ones.contains(&busy));
    assert_eq!(
        list(&supervisor, available(&[Availability::OffDuty])).await,
        truth("duty = 3").await
    );
}

#[tokio::test]
async fn every_change_of_an_agent_is_told_in_order() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let request = pb::WatchRequest {
        filter: Some(pb::WatchFilter {
            nouns: vec![pb::Noun::Agent as i32],
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut feed = supervisor.events().watch(request).await.unwrap().into_inner();
    assert!(matches!(
        feed.message().await.unwrap().unwrap().item,
        Some(Item::Checkpoint(_))
    ));

    let created = administrator
        .agents()
        .create_agent(named("N-1", supervisor.id))
        .await
        .unwrap()
        .into_inner();
    let id = created.id;
    let update = pb::UpdateAgentRequest {
        agent: Some(pb::Agent {
            id,
            rank: "Sargento".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let updated = administrator.agents().update_agent(update).await.unwrap().into_inner();
    let available = set_availability(&administrator, id, Availability::Available).await.unwrap();
    let deleted = delete(&administrator, id).await.unwrap();
    let undeleted = undelete(&administrator, id).await.unwrap();

    let expected = [
        (EventType::AgentCreated, created),
        (EventType::AgentUpdated, updated),
        (EventType::AgentAvailabilityChanged, available),
        (EventType::AgentDeleted, deleted),
        (EventType::AgentUndeleted, undeleted),
    ];
    for (kind, agent) in expected {
        let event = next_event(&mut feed).await;
        assert_eq!((event.r#type(), event.actor_user_id), (kind, administrator.id));
        assert_eq!(event.resource, Some(pb::event::Resource::Agent(agent)));
    }
}
