//! Sending the nearest agent to a task, and what cannot be saved of it: the bare query for the nearest, and one commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use gad::pb;
use prost::Message as _;

use crate::{
    Bench, city,
    flood::{self, Call, Requests},
    nearest,
    table::{Row, Target, median, number},
    tools::pgbench,
};

/// Tasks that wait for somebody, per second of a run.
const TASKS: u32 = 1500;

/// One small row, written for good.
const COMMIT: &str = "insert into bench_commits default values;\n";

/// Tasks of nobody all over the city, their numbers in a random order; and a policy that does not mind the age of fixes.
async fn tasks(bench: &Bench, count: u32) -> Result<Vec<i64>> {
    let admin = city::connect(&bench.world.database(city::GREAT)).await?;
    admin
        .batch_execute(
            "update dispatch_policies set fix_age_seconds = 86400, revision = revision + 1 where kind = 1;
             create table if not exists bench_commits (id bigint generated always as identity primary key)",
        )
        .await?;
    let rows = admin
        .query(
            "insert into tasks (uid, code, title, description, kind, priority, state, planned_start_time, location,
                                location_description, delegate_user_id, creator_user_id, create_time, update_time, words)
             select gen_random_uuid(), 'D-' || gen_random_uuid(), 'Patrullaje', '', 1, 3, 1, now(),
                    st_setsrid(st_makepoint(-74.14 + random() * 0.14, 4.58 + random() * 0.14), 4326)::geography, '',
                    boss.id, boss.id, now(), now(), ''
             from (select min(id) as id from users where level = 2) boss, generate_series(1, $1::int) n
             returning id",
            &[&i32::try_from(count)?],
        )
        .await?;
    admin.batch_execute("vacuum analyze tasks").await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn requests(tasks: Vec<i64>) -> (Requests, Arc<AtomicUsize>) {
    let turn = Arc::new(AtomicUsize::new(0));
    let next = Arc::clone(&turn);
    let requests: Requests = Arc::new(move |_| {
        let task_id = tasks.get(next.fetch_add(1, Ordering::Relaxed)).copied().unwrap_or(i64::MAX);
        pb::DispatchRequest {
            task_id,
            ..Default::default()
        }
        .encode_to_vec()
    });
    (requests, turn)
}

/// The row of dispatches.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (sizes, database) = (&bench.sizes, bench.world.database(city::GREAT));
    let runs = u32::try_from(sizes.rounds)? + 1;
    let (requests, turn) = requests(tasks(bench, TASKS * sizes.seconds * runs).await?);
    let call = Call {
        address: bench.great.address,
        path: "/gad.v1.DispatchService/Dispatch",
        token: bench.great_token.clone(),
        deadline: None,
    };
    let time = Duration::from_secs(sizes.seconds.into());
    let latency = async |script: &str| {
        let run = pgbench(&database, bench.world.folder(), script, 1, sizes.seconds).await;
        run.map(|run| run.milliseconds)
    };
    let query = nearest::bare(1);
    flood::closed(&call, 1, Duration::from_secs(1), &requests).await?.all_good()?;
    let (mut ours, mut queries, mut commits, mut limits) = (vec![], vec![], vec![], vec![]);
    for _ in 0..sizes.rounds {
        queries.push(latency(&query).await?);
        commits.push(latency(COMMIT).await?);
        limits.push(queries.last().unwrap_or(&0.0) + commits.last().unwrap_or(&0.0));
        let run = flood::closed(&call, 1, time, &requests).await?.all_good()?;
        let micros: f64 = run.good.iter().map(|micros| f64::from(*micros)).sum();
        ours.push(micros / run.good.len() as f64 / 1000.0);
    }
    ensure!(
        turn.load(Ordering::Relaxed) < (TASKS * sizes.seconds * runs) as usize,
        "more tasks were dispatched than there are"
    );
    let work = format!("dispatch of the nearest of {} agents, 1 caller", number(sizes.agents.into()));
    let note = format!(
        "mean latencies; of the limit {:.2} ms are the query, {:.2} ms the commit",
        median(&queries),
        median(&commits)
    );
    Ok(vec![
        Row::new(work, "ms", ours)
            .limit("the bare KNN query and one commit in pgbench", limits)
            .target(Target::AtMost(1.5))
            .note(note),
    ])
}
