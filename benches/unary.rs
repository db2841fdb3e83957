//! A task by its number, over gRPC, and the same row by pgbench.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use gad::{pb, store::task::COLUMNS};
use prost::Message as _;

use crate::{
    Bench, city,
    flood::{self, Call, Requests},
    table::{Row, Target, median},
    tools::pgbench,
};

/// GetTask on the great database.
pub fn call(bench: &Bench) -> Call {
    Call {
        address: bench.great.address,
        path: "/gad.v1.TaskService/GetTask",
        token: bench.great_token.clone(),
        deadline: None,
    }
}

/// Requests for any task of so many.
pub fn requests(rows: u32) -> Requests {
    Arc::new(move |random| {
        let id = 1 + i64::try_from(random % u64::from(rows)).unwrap_or_default();
        pb::GetTaskRequest { id }.encode_to_vec()
    })
}

/// Rows of unary reads.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (sizes, database) = (&bench.sizes, bench.world.database(city::GREAT));
    let time = Duration::from_secs(sizes.seconds.into());
    let (call, requests) = (call(bench), requests(sizes.rows));
    let own_columns = COLUMNS.split(", array(").next().unwrap_or_default();
    let pick = format!("\\set id random(1, {})\n", sizes.rows);
    let plain = format!("{pick}select {own_columns} from tasks t where t.id = :id;\n");
    let very = format!("{pick}select {COLUMNS} from tasks t where t.id = any(array[:id]::bigint[]);\n");
    let tps = async |script: &str, seconds| {
        let run = pgbench(&database, bench.world.folder(), script, sizes.callers, seconds).await;
        run.map(|run| run.per_second)
    };
    tps(&very, 1).await?;
    flood::closed(&call, sizes.callers, Duration::from_secs(1), &requests)
        .await?
        .all_good()?;
    let (mut ours, mut plains, mut veries, mut p99, mut cost) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..sizes.rounds {
        plains.push(tps(&plain, sizes.seconds).await?);
        let before = bench.great.processor_seconds();
        let run = flood::closed(&call, sizes.callers, time, &requests).await?.all_good()?;
        let spent = bench.great.processor_seconds() - before;
        ours.push(run.per_second());
        p99.push(run.milliseconds(0.99));
        cost.push(spent * 1e6 / run.good.len() as f64);
        veries.push(tps(&very, sizes.seconds).await?);
    }
    let note = format!(
        "p99 {:.1} ms; gad serve takes {:.0} µs of processor a call",
        median(&p99),
        median(&cost)
    );
    let work = format!("unary read by id, gRPC, {} callers", sizes.callers);
    let row = |work: String| Row::new(work, "calls/s", ours.clone()).target(Target::AtLeast(0.5));
    Ok(vec![
        row(work.clone()).limit("pgbench, the row by id", plains).note(note),
        row(format!("{work}, agents too")).limit("pgbench, the very statement", veries),
    ])
}
