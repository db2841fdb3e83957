//! Who is sent where, through the front door.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use gad::pb::{self, SkipReason, TaskKind};
use tonic::Code;

use crate::world::{Person, World, draft, reason};

/// Agents on duty with fresh fixes, the first a hundred metres north of the tasks' place and each next one a hundred more;
/// all others go home.
async fn crew(world: &World, count: i32) -> Vec<i64> {
    let database = world.database().await;
    database
        .execute("update agents set duty = 3, duty_time = now()", &[])
        .await
        .unwrap();
    let sql = "
        with u as (insert into users (uid, email, password_hash, display_name, level, create_time, update_time)
                   select gen_random_uuid(), 'crew' || i || '@gad.example', 'x', 'Crew ' || i, 1, now(), now()
                   from generate_series(1, $1) i returning id, email),
             n as (select id, substr(split_part(email, '@', 1), 5)::int as i from u),
             a as (insert into agents (uid, user_id, code, rank, unit, specialty, duty, duty_time, availability_time, create_time, update_time)
                   select gen_random_uuid(), id, 'CREW-' || i, 'Agente', 'U' || i % 3, 'S' || i % 2, 1,
                          now() - interval '2 hours', now() - interval '1 hour', now(), now()
                   from n order by i returning id, code),
             l as (insert into agent_locations (agent_id, location, fix_time, source, receive_time)
                   select id, st_project(st_makepoint(-74.07, 4.65)::geography, 100 * substr(code, 6)::float8, 0), now(), 1, now()
                   from a)
        select id from a order by id";
    let rows = database.query(sql, &[&count]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn to(task_id: i64) -> pb::DispatchRequest {
    pb::DispatchRequest {
        task_id,
        ..Default::default()
    }
}

async fn send(person: &Person, request: pb::DispatchRequest) -> Result<pb::DispatchResponse, tonic::Status> {
    Ok(person.dispatch().dispatch(request).await?.into_inner())
}

async fn recommend(person: &Person, task_id: i64) -> pb::RecommendResponse {
    let request = pb::RecommendRequest { task_id, page_size: 0 };
    person.dispatch().recommend(request).await.unwrap().into_inner()
}

fn ids(candidates: &[pb::Candidate]) -> Vec<i64> {
    candidates
        .iter()
        .map(|candidate| candidate.agent.as_ref().unwrap().id)
        .collect()
}

fn skipped(agents: &[pb::SkippedAgent]) -> BTreeMap<i64, SkipReason> {
    agents.iter().map(|agent| (agent.agent_id, agent.reason())).collect()
}

/// Replaces the policy for patrols.
async fn policy(world: &World, change: impl FnOnce(&mut pb::DispatchPolicy)) -> pb::DispatchPolicy {
    let mut administrator = world.administrator().await.dispatch();
    let policies = administrator
        .list_dispatch_policies(pb::ListDispatchPoliciesRequest {})
        .await
        .unwrap()
        .into_inner()
        .policies;
    let mut policy = policies.into_iter().find(|policy| policy.kind() == TaskKind::Patrol).unwrap();
    change(&mut policy);
    let request = pb::UpdateDispatchPolicyRequest {
        policy: Some(policy),
        ..Default::default()
    };
    administrator.update_dispatch_policy(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_nearest_is_sent_and_the_answer_says_why() {
    let world = World::start().await;
    let agents = crew(&world, 4).await;
    let supervisor = world.supervisor().await;
    let (task, other) = (supervisor.task("Una").await, supervisor.task("Otra").await);
    let answer = send(&supervisor, to(task.id)).await.unwrap();
    assert_eq!(ids(&answer.sent), agents[..1]);
    assert_eq!((answer.missing_count, answer.skipped.len()), (0, 0));
    let sent = &answer.sent[0];
    assert_eq!((sent.distance_meters.round(), sent.cost_meters.round()), (100.0, 100.0));
    assert!(sent.unit_fits && sent.specialty_fits && sent.rank_fits);
    assert!((3600..3700).contains(&sent.rest.unwrap().seconds), "{:?}", sent.rest);
    assert_eq!(answer.task.as_ref().unwrap().agent_ids, agents[..1]);

    // Claimed, though the task has not begun: the next goes to the next one, and says who was passed over.
    let next = send(&supervisor, to(other.id)).await.unwrap();
    assert_eq!(ids(&next.sent), agents[1..2]);
    assert_eq!(skipped(&next.skipped), BTreeMap::from([(agents[0], SkipReason::Busy)]));

    let history = pb::ListTaskHistoryRequest {
        task_id: task.id,
        ..Default::default()
    };
    let history = supervisor
        .tasks()
        .list_task_history(history)
        .await
        .unwrap()
        .into_inner()
        .entries;
    let last = history.last().unwrap();
    assert_eq!((last.agent_id, last.user_id), (Some(agents[0]), supervisor.id));
}

#[tokio::test]
async fn a_task_that_has_enough_gets_no_more() {
    let world = World::start().await;
    let agents = crew(&world, 4).await;
    let supervisor = world.supervisor().await;
    let task = supervisor.task("Una").await.id;
    let twice = join_all((0..2).map(|_| send(&supervisor, to(task)))).await;
    let sent: usize = twice.iter().map(|answer| answer.as_ref().unwrap().sent.len()).sum();
    assert_eq!(sent, 1, "two clicks send one agent");
    let three = pb::DispatchRequest {
        agent_count: 3,
        request_id: "three".to_owned(),
        ..to(task)
    };
    let answer = send(&supervisor, three.clone()).await.unwrap();
    assert_eq!(ids(&answer.sent), agents[1..3]);
    assert_eq!(send(&supervisor, three).await.unwrap(), answer);
    let many = pb::DispatchRequest {
        agent_count: 50,
        ..to(task)
    };
    let answer = send(&supervisor, many.clone()).await.unwrap();
    assert_eq!((ids(&answer.sent), answer.missing_count), (vec![agents[3]], 46));
    let nobody = send(&supervisor, many).await.unwrap_err();
    assert_eq!(
        (nobody.code(), reason(&nobody).as_str()),
        (Code::FailedPrecondition, "NO_AGENT_AVAILABLE")
    );
}

#[tokio::test]
async fn a_recommendation_explains_everyone_whom_it_skips() {
    let world = World::start().await;
    let agents = crew(&world, 7).await;
    let supervisor = world.supervisor().await;
    policy(&world, |policy| {
        policy.units = vec!["U1".to_owned(), "U2".to_owned()];
        policy.strict = true;
        policy.radius_meters = 650.0;
        policy.min_rest = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    })
    .await;
    let task = supervisor.task("Una").await.id;
    let database = world.database().await;
    for (agent, sql) in [
        (agents[0], "update agents set duty = 4 where id = $1"),
        (
            agents[1],
            "update agent_locations set fix_time = now() - interval '16 min' where agent_id = $1",
        ),
        (agents[3], "update agents set availability_time = now() where id = $1"),
    ] {
        database.execute(sql, &[&agent]).await.unwrap();
    }
    let answer = recommend(&supervisor, task).await;
    assert_eq!(ids(&answer.candidates), [agents[4]]);
    let expected = [
        (agents[0], SkipReason::Unavailable),
        (agents[1], SkipReason::Stale),
        (agents[2], SkipReason::Mismatch),
        (agents[3], SkipReason::Resting),
        (agents[5], SkipReason::Mismatch),
        (agents[6], SkipReason::TooFar),
    ];
    assert_eq!(skipped(&answer.skipped), BTreeMap::from(expected));
    let near_first = |one: &pb::SkippedAgent, other: &pb::SkippedAgent| one.distance_meters <= other.distance_meters;
    assert!(answer.skipped.is_sorted_by(near_first));
    assert_eq!(answer.policy.unwrap().radius_meters, 650.0);
    // What is recommended is what is sent.
    assert_eq!(ids(&send(&supervisor, to(task)).await.unwrap().sent), [agents[4]]);
    let after = recommend(&supervisor, task).await;
    assert_eq!(skipped(&after.skipped)[&agents[4]], SkipReason::Busy);
}

#[tokio::test]
async fn who_fits_and_has_less_to_do_goes_before_who_is_nearer() {
    let world = World::start().await;
    let agents = crew(&world, 4).await;
    let supervisor = world.supervisor().await;
    policy(&world, |policy| {
        policy.specialties = vec!["S0".to_owned()];
        policy.mismatch_meters = 150.0;
        policy.task_meters = 500.0;
        policy.exclusive = false;
    })
    .await;
    let (task, other) = (supervisor.task("Una").await.id, supervisor.task("Otra").await.id);
    // 100 + 150, 200, 300 + 150, 400.
    assert_eq!(
        ids(&recommend(&supervisor, task).await.candidates),
        [1, 0, 3, 2].map(|n: usize| agents[n])
    );
    let assign = pb::AssignTaskRequest {
        id: other,
        agent_id: agents[1],
        ..Default::default()
    };
    supervisor.tasks().assign_task(assign).await.unwrap();
    let answer = recommend(&supervisor, task).await;
    assert_eq!(ids(&answer.candidates), [0, 3, 2, 1].map(|n: usize| agents[n]));
    let last = &answer.candidates[3];
    assert_eq!(
        (last.open_task_count, last.cost_meters.round(), last.specialty_fits),
        (1, 700.0, true)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_dispatches_at_a_time_never_share_an_agent() {
    let world = World::start().await;
    let agents = crew(&world, 50).await;
    let other = world.another_replica().await;
    let supervisor = world.supervisor().await;
    let doors = [supervisor.clone(), supervisor.over(other.channel())];
    let tasks = join_all((0..200).map(async |number| supervisor.task(&format!("Tarea {number}")).await.id)).await;
    let answers = join_all(tasks.iter().enumerate().map(|(n, task)| send(&doors[n % 2], to(*task)))).await;

    let mut sent = BTreeMap::new();
    for (task, answer) in tasks.iter().zip(&answers) {
        match answer {
            Ok(answer) => {
                let [agent] = ids(&answer.sent)[..] else {
                    panic!("{answer:?}")
                };
                assert_eq!(sent.insert(agent, *task), None, "{agent} was sent twice");
            }
            Err(refused) => assert_eq!(reason(refused), "NO_AGENT_AVAILABLE", "{refused}"),
        }
    }
    assert_eq!(
        sent.keys().copied().collect::<BTreeSet<_>>(),
        agents.iter().copied().collect()
    );
    let database = world.database().await;
    let sql = "select agent_id, task_id from assignments where task_id = any($1) and occupying and exclusive";
    let rows = database.query(sql, &[&tasks]).await.unwrap();
    let stored: BTreeMap<i64, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(stored, sent);
    let sql = "select count(*) from tasks where id = any($1) and state = 1 and delete_time is null";
    assert_eq!(database.query_one(sql, &[&tasks]).await.unwrap().get::<_, i64>(0), 200);
    other.stop().await;
}

#[tokio::test]
async fn a_supervisor_of_a_zone_sends_whom_they_see() {
    let world = World::start().await;
    let agents = crew(&world, 2).await;
    let zone = world.zone("Z-SO").await;
    let limited = world
        .newcomer("limitada@gad.example", pb::UserLevel::Supervisor, &[zone])
        .await;
    let database = world.database().await;
    let sql = "update agent_locations set zone_id = case when agent_id = $2 then $1::bigint end where agent_id = any($3)";
    database.execute(sql, &[&zone, &agents[1], &agents]).await.unwrap();
    let mut task = draft("Propia");
    let sql = "select st_y(p), st_x(p) from (select st_pointonsurface(boundary::geometry) p from zones where id = $1) x";
    let place = database.query_one(sql, &[&zone]).await.unwrap();
    task.location = Some(pb::LatLng {
        latitude: place.get(0),
        longitude: place.get(1),
    });
    let request = pb::CreateTaskRequest {
        task: Some(task),
        ..Default::default()
    };
    let task = limited.tasks().create_task(request).await.unwrap().into_inner();
    assert_eq!(ids(&recommend(&limited, task.id).await.candidates), [agents[1]]);
    let both = pb::DispatchRequest {
        agent_count: 2,
        ..to(task.id)
    };
    let answer = send(&limited, both).await.unwrap();
    assert_eq!((ids(&answer.sent), answer.missing_count), (vec![agents[1]], 1));
    let elsewhere = world.supervisor().await.task("Ajena").await.id;
    let refused = send(&limited, to(elsewhere)).await.unwrap_err();
    assert_eq!(reason(&refused), "TASK_NOT_FOUND");
}

#[tokio::test]
async fn a_policy_is_replaced_only_as_it_was_seen() {
    let world = World::start().await;
    let first = policy(&world, |policy| policy.agent_count = 2).await;
    let second = policy(&world, |policy| policy.agent_count = 3).await;
    assert_eq!((first.agent_count, second.agent_count), (2, 3));
    let stale = pb::UpdateDispatchPolicyRequest {
        policy: Some(first),
        ..Default::default()
    };
    let refused = world
        .administrator()
        .await
        .dispatch()
        .update_dispatch_policy(stale)
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "STALE_ETAG");
}
