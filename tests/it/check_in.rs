//! Check-ins: signs of life of agents at work, and what happens without them.

use gad::pb::{self, CheckInState, EventType, TaskKind, event::Resource};
use tokio::sync::Barrier;

use crate::{
    emergency::{Hands, only},
    live::Watcher,
    world::{Person, World, reason, until},
};

/// A policy for patrols: signs of life every minute, and half a minute more.
pub async fn ask(world: &World, sos: bool) {
    let policy = pb::CheckInPolicy {
        kind: TaskKind::Patrol.into(),
        interval: Some(seconds(60)),
        grace: Some(seconds(30)),
        sos,
        ..Default::default()
    };
    let request = pb::UpdateCheckInPolicyRequest {
        policy: Some(policy),
        ..Default::default()
    };
    let administrator = world.administrator().await;
    administrator.check_ins().update_check_in_policy(request).await.unwrap();
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

/// A patrol that an agent is at.
pub async fn patrol(supervisor: &Person, agent: &Person) -> pb::Task {
    let task = supervisor.task("Ronda nocturna").await;
    let request = pb::AssignTaskRequest {
        id: task.id,
        agent_id: agent.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().assign_task(request).await.unwrap();
    agent.tasks().start_task(step(task.id)).await.unwrap().into_inner()
}

fn step(id: i64) -> pb::TaskStepRequest {
    pb::TaskStepRequest {
        id,
        ..Default::default()
    }
}

fn sign(task: &pb::Task) -> pb::CheckInRequest {
    pb::CheckInRequest {
        task_id: task.id,
        ..Default::default()
    }
}

/// The check-ins of a task.
async fn of(person: &Person, task: &pb::Task) -> Vec<pb::CheckIn> {
    let request = pb::ListCheckInsRequest {
        task_id: task.id,
        ..Default::default()
    };
    person
        .check_ins()
        .list_check_ins(request)
        .await
        .unwrap()
        .into_inner()
        .check_ins
}

async fn state(person: &Person, task: &pb::Task) -> Option<CheckInState> {
    of(person, task).await.first().map(pb::CheckIn::state)
}

async fn emergencies(person: &Person) -> Vec<pb::Emergency> {
    let request = pb::ListEmergenciesRequest::default();
    let answer = person.emergencies().list_emergencies(request).await;
    answer.unwrap().into_inner().emergencies
}

#[tokio::test]
async fn who_is_not_heard_of_is_warned_about_and_then_an_emergency() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (supervisor, agent, helper) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    only(&world, &[&agent, &helper]).await;
    ask(&world, true).await;
    let filter = pb::WatchFilter {
        nouns: vec![pb::Noun::CheckIn.into()],
        ..Default::default()
    };
    let request = pb::WatchRequest {
        filter: Some(filter),
        ..Default::default()
    };
    let mut watcher = Watcher::live_to(&supervisor, request).await;
    let task = patrol(&supervisor, &agent).await;
    let begun = of(&agent, &task).await.remove(0);
    assert_eq!(
        (begun.state(), begun.agent_id),
        (CheckInState::Waiting, agent.agent_id.unwrap())
    );
    hands.wait(50);
    let heard = agent.check_ins().check_in(sign(&task)).await.unwrap().into_inner();
    let left = heard.due_time.unwrap().seconds - heard.check_in_time.unwrap().seconds;
    assert_eq!((heard.state(), left), (CheckInState::Waiting, 60));
    hands.wait(61);
    until("the warning is given", async || {
        state(&supervisor, &task).await == Some(CheckInState::Missed)
    })
    .await;
    assert_eq!(emergencies(&supervisor).await, []);
    hands.wait(31);
    until("the alarm is raised", async || {
        state(&supervisor, &task).await == Some(CheckInState::Raised)
    })
    .await;
    let raised = emergencies(&supervisor).await;
    assert_eq!(raised.len(), 1);
    assert_eq!(of(&agent, &task).await[0].emergency_id, Some(raised[0].id));
    assert_eq!(raised[0].reporter_user_id, Some(agent.id));
    assert_eq!(raised[0].agent_ids, [helper.agent_id.unwrap()], "somebody else goes there");
    let fix = agent
        .agents()
        .get_agent(pb::GetAgentRequest {
            id: agent.agent_id.unwrap(),
        })
        .await;
    let fix = fix.unwrap().into_inner().position.unwrap().location;
    assert_eq!(raised[0].location, fix, "where the agent was last");
    for expected in [EventType::CheckInMade, EventType::CheckInMissed, EventType::CheckInRaised] {
        let event = watcher.event().await;
        assert_eq!(event.r#type(), expected);
        assert!(matches!(event.resource, Some(Resource::CheckIn(told)) if told.task_id == task.id));
    }
    let again = agent.check_ins().check_in(sign(&task)).await.unwrap().into_inner();
    assert_eq!(
        (again.state(), again.emergency_id),
        (CheckInState::Waiting, Some(raised[0].id))
    );
}

#[tokio::test]
async fn four_replicas_raise_one_emergency() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    ask(&world, true).await;
    let task = patrol(&supervisor, &agent).await;
    let mut more = Vec::new();
    for _ in 0..3 {
        more.push(world.another_replica_at(hands.clock()).await);
    }
    hands.wait(61);
    until("the warning is given", async || {
        state(&supervisor, &task).await == Some(CheckInState::Missed)
    })
    .await;
    hands.wait(31);
    until("the alarm is raised", async || {
        state(&supervisor, &task).await == Some(CheckInState::Raised)
    })
    .await;
    let told =
        "select fact->>'kind', count(*) from outbox where fact->>'kind' like 'CheckIn%' or fact->>'kind' = 'EmergencyRaised'
                group by 1 order by 1";
    let rows = world.database().await.query(told, &[]).await.unwrap();
    let told: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let once = ["CheckInMissed", "CheckInRaised", "EmergencyRaised"].map(|kind| (kind.to_owned(), 1));
    assert_eq!(told, once);
    assert_eq!(emergencies(&supervisor).await.len(), 1);
}

#[tokio::test]
async fn what_was_due_while_no_server_ran_is_told_afterwards() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    ask(&world, true).await;
    let task = patrol(&supervisor, &agent).await;
    let World { settings, replica, .. } = world;
    replica.stop().await;
    hands.wait(120);
    let replica = crate::world::Replica::start(settings, hands.clock()).await;
    let supervisor = supervisor.over(replica.channel());
    until("the warning is given", async || {
        state(&supervisor, &task).await == Some(CheckInState::Missed)
    })
    .await;
    replica.stop().await;
}

#[tokio::test]
async fn a_warning_may_be_all() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    ask(&world, false).await;
    let task = patrol(&supervisor, &agent).await;
    hands.wait(61);
    until("the warning is given", async || {
        state(&supervisor, &task).await == Some(CheckInState::Missed)
    })
    .await;
    assert_eq!(of(&supervisor, &task).await[0].due_time, None, "nothing more is due");
}

#[tokio::test]
async fn a_timer_lasts_as_long_as_somebody_is_at_work() {
    let world = World::start().await;
    let (supervisor, agent, other) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    ask(&world, true).await;
    let task = patrol(&supervisor, &agent).await;
    assert_eq!(of(&supervisor, &task).await.len(), 1);
    agent.tasks().pause_task(step(task.id)).await.unwrap();
    assert_eq!(of(&supervisor, &task).await, []);
    let refused = agent.check_ins().check_in(sign(&task)).await.unwrap_err();
    assert_eq!(reason(&refused), "ILLEGAL_STEP");
    agent.tasks().resume_task(step(task.id)).await.unwrap();
    let joins = pb::AssignTaskRequest {
        id: task.id,
        agent_id: other.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().assign_task(joins).await.unwrap();
    let both = of(&supervisor, &task).await;
    assert_eq!(both.len(), 2);
    assert!(both.iter().all(|one| one.due_time.is_some()));
    let leaves = pb::UnassignTaskRequest {
        id: task.id,
        agent_id: other.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().unassign_task(leaves).await.unwrap();
    assert_eq!(of(&supervisor, &task).await.len(), 1);
    agent.tasks().finish_task(step(task.id)).await.unwrap();
    assert_eq!(of(&supervisor, &task).await, []);
}

#[tokio::test]
async fn a_supervisor_says_why_and_nobody_else_speaks_for_an_agent() {
    let world = World::start().await;
    let (supervisor, agent, other) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    ask(&world, true).await;
    let task = patrol(&supervisor, &agent).await;
    let for_agent = |reason: &str| pb::CheckInRequest {
        agent_id: agent.agent_id.unwrap(),
        reason: reason.to_owned(),
        ..sign(&task)
    };
    let refused = supervisor.check_ins().check_in(for_agent(" ")).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_FIELD");
    let refused = other.check_ins().check_in(for_agent("Lo vi")).await.unwrap_err();
    assert_eq!(reason(&refused), "TASK_NOT_FOUND");
    let refused = supervisor.check_ins().check_in(sign(&task)).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ASSIGNED");
    let heard = supervisor.check_ins().check_in(for_agent("Habló por radio")).await.unwrap();
    assert!(heard.into_inner().check_in_time.is_some());
    let row = world.database().await;
    let said = "select reason from audit where method = 'gad.v1.CheckInService/CheckIn' and outcome = 'OK'";
    let rows = row.query(said, &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, String>(0), "Habló por radio");
    assert_eq!(of(&other, &task).await, [], "who does not see the task does not see it");
}

#[tokio::test]
async fn who_called_for_help_already_is_not_called_for_again() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    ask(&world, true).await;
    let task = patrol(&supervisor, &agent).await;
    hands.wait(61);
    until("the warning is given", async || {
        state(&supervisor, &task).await == Some(CheckInState::Missed)
    })
    .await;
    let own = agent
        .emergencies()
        .raise_emergency(pb::RaiseEmergencyRequest::default())
        .await;
    let own = own.unwrap().into_inner();
    hands.wait(31);
    until("the alarm is given", async || {
        state(&supervisor, &task).await == Some(CheckInState::Raised)
    })
    .await;
    assert_eq!(of(&supervisor, &task).await[0].emergency_id, Some(own.id));
    let all = emergencies(&supervisor).await;
    assert_eq!((all.len(), all[0].repeat_count), (1, 1));
}

#[tokio::test]
async fn finishing_and_the_alarm_at_the_same_moment_leave_no_timer() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    ask(&world, true).await;
    for _ in 0..5 {
        let task = patrol(&supervisor, &agent).await;
        let together = Barrier::new(2);
        tokio::join!(
            async {
                together.wait().await;
                hands.wait(61);
            },
            async {
                together.wait().await;
                agent.tasks().finish_task(step(task.id)).await.unwrap();
            }
        );
        assert_eq!(of(&supervisor, &task).await, []);
    }
}

#[tokio::test]
async fn a_client_of_the_older_product_is_warned() {
    let hands = Hands::new();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let bridge = crate::bridge_clients::Running::start(&world).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    ask(&world, true).await;
    let mut client = crate::legacy_socket::Client::welcomed(bridge.address, &supervisor.token).await;
    let task = patrol(&supervisor, &agent).await;
    hands.wait(61);
    loop {
        let envelope = client.news().await;
        if envelope["event_type"] == "warning" {
            assert_eq!(envelope["data"]["task_id"], task.id);
            return;
        }
    }
}
