//! Statistics are what a count of all rows gives, whatever happened to them and whenever one asks.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use futures::future::join_all;
use gad::{
    clock::Clock,
    pb::{self, StatisticsGroup as Group, UserLevel},
};
use jiff::{Timestamp, tz::TimeZone};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::world::{Person, World, draft, reason, until};

/// A clock that stands still until it is told to go on.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn clock(&self) -> Clock {
        let hands = Arc::clone(&self.0);
        Clock::of(move || Timestamp::from_millisecond(hands.load(Ordering::SeqCst)).unwrap())
    }

    fn wait(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

async fn ask(person: &Person, group: Group, filter: pb::StatisticsFilter) -> Vec<pb::StatisticsRow> {
    let mut request = pb::GetStatisticsRequest {
        group_by: group as i32,
        filter: Some(filter),
        page_size: 2,
        ..Default::default()
    };
    let mut rows = Vec::new();
    loop {
        let answer = person
            .statistics()
            .get_statistics(request.clone())
            .await
            .unwrap()
            .into_inner();
        rows.extend(answer.rows);
        if answer.next_page_token.is_empty() {
            return rows;
        }
        request.page_token = answer.next_page_token;
    }
}

/// What the rows say of a task that is there.
struct Seen {
    kind: i64,
    priority: i64,
    zone: i64,
    user: i64,
    agents: Vec<i64>,
    units: Vec<String>,
    state: i16,
    created: Timestamp,
    planned: (Timestamp, Option<Timestamp>),
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    paused: i64,
    assigned: Option<Timestamp>,
    acknowledged: Option<(Timestamp, Timestamp)>,
}

async fn rows(world: &World) -> Vec<Seen> {
    let sql = "select t.kind::bigint, t.priority::bigint, coalesce(t.zone_id, 0), t.delegate_user_id,
                      array(select a.agent_id from assignments a where a.task_id = t.id),
                      array(select g.unit from assignments a join agents g on g.id = a.agent_id where a.task_id = t.id),
                      t.state, t.create_time, t.planned_start_time, t.planned_end_time, t.actual_start_time, t.actual_end_time,
                      t.paused_ms,
                      (select min(h.create_time) from task_history h where h.task_id = t.id and h.action = 7),
                      (select e.create_time from emergencies e where e.task_id = t.id),
                      (select min(s.create_time) from emergencies e join emergency_steps s on s.emergency_id = e.id
                       where e.task_id = t.id and s.kind in (6, 7))
               from tasks t where t.delete_time is null";
    let found = world.database().await.query(sql, &[]).await.unwrap();
    let seen = |row: &tokio_postgres::Row| Seen {
        kind: row.get(0),
        priority: row.get(1),
        zone: row.get(2),
        user: row.get(3),
        agents: row.get(4),
        units: row.get(5),
        state: row.get(6),
        created: row.get(7),
        planned: (row.get(8), row.get(9)),
        started: row.get(10),
        ended: row.get(11),
        paused: row.get(12),
        assigned: row.get(13),
        acknowledged: row.get::<_, Option<Timestamp>>(14).zip(row.get(15)),
    };
    found.iter().map(seen).collect()
}

fn span(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).unwrap().max(0)
}

fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).date().to_string()
}

/// What is counted of one group: states, overdue, late, and lengths of time by name.
#[derive(Debug, Default, PartialEq)]
struct Count {
    states: [i64; 5],
    overdue: i64,
    late: i64,
    lengths: BTreeMap<&'static str, Vec<i64>>,
}

type Key = (i64, String);

/// Counts all rows, by group.
fn recount(seen: &[Seen], group: Group, now: Timestamp) -> BTreeMap<Key, Count> {
    let mut counts: BTreeMap<Key, Count> = BTreeMap::new();
    for task in seen {
        let number = |key: i64| vec![(key, String::new())];
        let keys = |at: Timestamp| match group {
            Group::Unspecified => number(0),
            Group::User => number(task.user),
            Group::Agent => task.agents.iter().map(|agent| (*agent, String::new())).collect(),
            Group::Unit => task.units.iter().map(|unit| (0, unit.clone())).collect(),
            Group::Zone => number(task.zone),
            Group::Kind => number(task.kind),
            Group::Priority => number(task.priority),
            Group::Day => vec![(0, day(at))],
        };
        let mut add = |at: Timestamp, change: &dyn Fn(&mut Count)| {
            for key in keys(at) {
                change(counts.entry(key).or_default());
            }
        };
        add(task.created, &|count| count.states[task.state as usize - 1] += 1);
        if let (1..=3, Some(due)) = (task.state, task.planned.1) {
            // To the minute: what is due within this one is not overdue yet.
            if due.as_second().div_euclid(60) < now.as_second().div_euclid(60) {
                add(due, &|count| count.overdue += 1);
            }
        }
        let mut length = |name, at, length: i64| add(at, &|count| count.lengths.entry(name).or_default().push(length));
        if let Some(assigned) = task.assigned {
            length("assign", assigned, span(task.created, assigned));
        }
        if let Some((reported, acknowledged)) = task.acknowledged {
            length("acknowledge", acknowledged, span(reported, acknowledged));
        }
        if let Some(started) = task.started {
            length("start", started, span(task.created, started));
        }
        if let (4, Some(started), Some(ended)) = (task.state, task.started, task.ended) {
            length("worked", ended, (span(started, ended) - task.paused).max(0));
            length("finish", ended, span(task.created, ended));
            if let Some(due) = task.planned.1 {
                length("planned", ended, span(task.planned.0, due));
                if ended > due {
                    add(ended, &|count| count.late += 1);
                }
            }
        }
    }
    counts
}

/// Whether statistics of lengths of time are those of these lengths.
fn check(told: Option<&pb::DurationStatistics>, lengths: Option<&Vec<i64>>, what: &str) {
    let told = told.unwrap();
    let mut lengths = lengths.cloned().unwrap_or_default();
    lengths.sort_unstable();
    assert_eq!(told.count, lengths.len() as i64, "{what}");
    let ms = |told: &Option<prost_types::Duration>| told.map(|told| told.seconds * 1000 + i64::from(told.nanos) / 1_000_000);
    if lengths.is_empty() {
        return;
    }
    assert_eq!(
        ms(&told.mean),
        Some(lengths.iter().sum::<i64>() / lengths.len() as i64),
        "{what}"
    );
    for (share, read) in [(0.25, told.p25), (0.5, told.p50), (0.75, told.p75)] {
        let rank = (lengths.len() as f64 * share).ceil() as usize;
        let (exact, read) = (lengths[rank - 1], ms(&read).unwrap());
        let bound = exact as f64 * 0.022 + 1.0;
        assert!((read - exact).abs() as f64 <= bound, "{what} {share}: {read}, not {exact}");
    }
}

/// Compares what is told with what is counted, for all groups.
async fn compare(world: &World, person: &Person, now: Timestamp) {
    let seen = rows(world).await;
    for group in [
        Group::Unspecified,
        Group::User,
        Group::Agent,
        Group::Unit,
        Group::Zone,
        Group::Kind,
        Group::Priority,
        Group::Day,
    ] {
        let counted = recount(&seen, group, now);
        let told = ask(person, group, pb::StatisticsFilter::default()).await;
        let keys: Vec<Key> = told.iter().map(|row| (row.key, row.name.clone())).collect();
        let expected: Vec<Key> = counted.keys().cloned().collect();
        assert_eq!(keys, expected, "{group:?}");
        for row in &told {
            let count = &counted[&(row.key, row.name.clone())];
            let what = |name: &str| format!("{group:?} {} {} {name}", row.key, row.name);
            let states = [
                row.scheduled_count,
                row.in_progress_count,
                row.paused_count,
                row.finished_count,
                row.cancelled_count,
            ];
            assert_eq!(states, count.states, "{}", what("states"));
            assert_eq!(
                (row.overdue_count, row.late_count),
                (count.overdue, count.late),
                "{}",
                what("late")
            );
            for (name, told) in [
                ("worked", &row.worked),
                ("planned", &row.planned),
                ("assign", &row.assign),
                ("acknowledge", &row.acknowledge),
                ("start", &row.start),
                ("finish", &row.finish),
            ] {
                check(told.as_ref(), count.lengths.get(name), &what(name));
            }
        }
    }
}

/// Somebody who does this and that to tasks.
struct Worker {
    dice: StdRng,
    administrator: Person,
    agents: Vec<i64>,
    users: Vec<i64>,
    hands: Hands,
    tasks: Vec<i64>,
}

impl Worker {
    fn one(&mut self, of: &[i64]) -> i64 {
        of[self.dice.random_range(0..of.len())]
    }

    fn draft(&mut self) -> pb::Task {
        let now = self.hands.now().as_second();
        let start = now + self.dice.random_range(-50_000..50_000);
        let time = |seconds| prost_types::Timestamp { seconds, nanos: 0 };
        let planned = self.dice.random_bool(0.7);
        let length = self.dice.random_range(60..200_000);
        pb::Task {
            kind: self.dice.random_range(1..=7),
            priority: self.dice.random_range(1..=5),
            delegate_user_id: {
                let users = self.users.clone();
                self.one(&users)
            },
            location: self.dice.random_bool(0.8).then(|| pb::LatLng {
                latitude: self.dice.random_range(4.60..4.70),
                longitude: self.dice.random_range(-74.13..-74.01),
            }),
            planned_start_time: Some(time(start)),
            planned_end_time: planned.then(|| time(start + length)),
            ..draft("Algo")
        }
    }

    /// Does one thing, which may be refused.
    async fn act(&mut self) {
        let hands = self.hands.clone();
        hands.wait(self.dice.random_range(0..5_000_000));
        if self.tasks.is_empty() || self.dice.random_bool(0.25) {
            let request = pb::CreateTaskRequest {
                task: Some(self.draft()),
                ..Default::default()
            };
            let made = self.administrator.tasks().create_task(request).await.unwrap();
            self.tasks.push(made.into_inner().id);
            return;
        }
        let tasks = self.tasks.clone();
        let id = self.one(&tasks);
        let agents = self.agents.clone();
        let agent_id = self.one(&agents);
        let step = pb::TaskStepRequest {
            id,
            ..Default::default()
        };
        let mut door = self.administrator.tasks();
        let refused = match self.dice.random_range(0..12) {
            0 | 1 => door.start_task(step).await.err(),
            2 => door.pause_task(step).await.err(),
            3 => door.resume_task(step).await.err(),
            4 => door.finish_task(step).await.err(),
            5 => door.cancel_task(step).await.err(),
            6 => {
                let request = pb::DeleteTaskRequest {
                    id,
                    ..Default::default()
                };
                door.delete_task(request).await.err()
            }
            7 => door.undelete_task(step).await.err(),
            8 => {
                let request = pb::AssignTaskRequest {
                    id,
                    agent_id,
                    ..Default::default()
                };
                door.assign_task(request).await.err()
            }
            9 => match door.reopen_task(step).await {
                Ok(again) => {
                    self.tasks.push(again.into_inner().id);
                    None
                }
                Err(refused) => Some(refused),
            },
            10 => {
                let request = pb::UnassignTaskRequest {
                    id,
                    agent_id,
                    ..Default::default()
                };
                door.unassign_task(request).await.err()
            }
            _ => {
                let task = pb::Task { id, ..self.draft() };
                let paths = [
                    "kind",
                    "priority",
                    "delegate_user_id",
                    "location",
                    "planned_end_time",
                    "planned_start_time",
                ];
                let request = pb::UpdateTaskRequest {
                    task: Some(task),
                    update_mask: Some(prost_types::FieldMask {
                        paths: paths.map(str::to_owned).to_vec(),
                    }),
                    ..Default::default()
                };
                door.update_task(request).await.err()
            }
        };
        if let Some(refused) = refused {
            assert!(
                !["INTERNAL", "INVALID_FIELD", "DEADLINE"].contains(&reason(&refused).as_str()),
                "{refused:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_equal_a_recount_after_any_history() {
    let hands = Hands(Arc::new(AtomicI64::new(Clock::system().now().as_millisecond())));
    let world = World::with_clock(hands.clock(), |settings| {
        settings.database.database_pool_size = 8;
        // Weeks go by.
        settings.access_token_expire_minutes = 1_000_000;
    })
    .await;
    let administrator = world.administrator().await;
    let mut agents = Vec::new();
    let mut users = vec![administrator.id, world.supervisor().await.id];
    for person in [
        world.agent().await,
        world.other_agent().await,
        world.person("agente2@gad.example").await,
    ] {
        agents.push(person.agent_id.unwrap());
        users.push(person.id);
    }
    let mut workers: Vec<Worker> = (0..4)
        .map(|seed| Worker {
            dice: StdRng::seed_from_u64(seed),
            administrator: administrator.clone(),
            agents: agents.clone(),
            users: users.clone(),
            hands: hands.clone(),
            tasks: Vec::new(),
        })
        .collect();
    for round in 0..4 {
        let work = workers.iter_mut().map(async |worker| {
            for _ in 0..40 {
                worker.act().await;
            }
        });
        join_all(work).await;
        let report = pb::RaiseEmergencyRequest {
            description: format!("Emergencia {round}"),
            location: draft("").location,
            ..Default::default()
        };
        let raised = administrator
            .emergencies()
            .raise_emergency(report)
            .await
            .unwrap()
            .into_inner();
        hands.wait(12_345);
        let answer = pb::EmergencyStepRequest {
            id: raised.id,
            ..Default::default()
        };
        administrator.emergencies().acknowledge_emergency(answer).await.unwrap();
        // Tasks of one belong to all from now on: what they do meets.
        let all: Vec<i64> = workers.iter().flat_map(|worker| worker.tasks.clone()).collect();
        workers.iter_mut().for_each(|worker| worker.tasks.clone_from(&all));
        compare(&world, &administrator, hands.now()).await;
    }
    let database = world.database().await;
    until("everything is added up", async || {
        let left = database
            .query_one("select count(*) from statistic_deltas", &[])
            .await
            .unwrap();
        left.get::<_, i64>(0) == 0
    })
    .await;
    compare(&world, &administrator, hands.now()).await;
    let sums = "select count(*) filter (where n < 0), count(*) filter (where n = 0), count(*) from statistic_sums";
    let row = database.query_one(sums, &[]).await.unwrap();
    assert_eq!(
        (row.get::<_, i64>(0), row.get::<_, i64>(1)),
        (0, 0),
        "no sum is less than nothing, or kept of nothing"
    );
    assert!(row.get::<_, i64>(2) > 100);
}

#[tokio::test]
async fn everybody_counts_what_is_theirs_to_see() {
    let world = World::start().await;
    let (administrator, supervisor, agent) = (world.administrator().await, world.supervisor().await, world.agent().await);
    let elsewhere = world.zone("Z-SO").await;
    let task = supervisor.task("En el centro").await;
    let here = task.zone_id.unwrap();
    assert_ne!(here, elsewhere);
    let zonal = world.newcomer("zonal@gad.example", UserLevel::Supervisor, &[elsewhere]).await;
    let local = world.newcomer("local@gad.example", UserLevel::Supervisor, &[here]).await;
    let delegated = pb::CreateTaskRequest {
        task: Some(pb::Task {
            delegate_user_id: agent.id,
            ..draft("Para la agente")
        }),
        ..Default::default()
    };
    supervisor.tasks().create_task(delegated).await.unwrap();
    let assign = pb::AssignTaskRequest {
        id: task.id,
        agent_id: agent.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().assign_task(assign).await.unwrap();
    let scheduled = async |person: &Person, group: Group| {
        let rows = ask(person, group, pb::StatisticsFilter::default()).await;
        rows.iter().map(|row| row.scheduled_count).sum::<i64>()
    };
    for (person, expected) in [(&administrator, 2), (&supervisor, 2), (&local, 2), (&zonal, 0), (&agent, 1)] {
        assert_eq!(scheduled(person, Group::Unspecified).await, expected, "{}", person.id);
    }
    assert_eq!(scheduled(&agent, Group::Agent).await, 1);
    assert_eq!(scheduled(&world.other_agent().await, Group::Agent).await, 0);
    // Of others nobody learns by naming them.
    let named = pb::StatisticsFilter {
        user_ids: vec![supervisor.id],
        ..Default::default()
    };
    assert_eq!(ask(&agent, Group::User, named).await, []);
    let today = Clock::system().now().as_second();
    let tomorrow = pb::StatisticsFilter {
        start_time: Some(prost_types::Timestamp {
            seconds: today + 2 * 86_400,
            nanos: 0,
        }),
        ..Default::default()
    };
    assert_eq!(ask(&administrator, Group::Kind, tomorrow).await, []);
}
