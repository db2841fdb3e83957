//! A server that nobody calls: what it holds, and how soon it is ready.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::{
    Bench, city,
    table::{Row, Target},
};

/// Starts that are timed.
const STARTS: usize = 5;

/// Rows of an idle server.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (mut memory, mut start) = (vec![], vec![]);
    for _ in 0..STARTS {
        let (server, took) = bench.world.serve(city::SMALL).await?;
        start.push(took.as_secs_f64() * 1000.0);
        sleep(Duration::from_secs(1)).await;
        memory.push(server.memory()? / 1e6);
        server.end().await;
    }
    let after = format!(
        "the server that the other rows loaded holds {:.0} MB",
        bench.great.memory()? / 1e6
    );
    Ok(vec![
        Row::new("gad serve, idle: memory", "MB", memory)
            .limit("budget", vec![60.0])
            .target(Target::AtMost(1.0))
            .note(after),
        Row::new("gad serve: start to ready", "ms", start)
            .limit("budget", vec![1000.0])
            .target(Target::AtMost(1.0)),
    ])
}
