//! Four times as many calls as the server can answer: it should go on answering nearly as many as it can.

use std::time::Duration;

use anyhow::Result;
use tonic::Code;

use crate::{
    Bench,
    flood::{self, Call, Outcome},
    table::{Row, Target, median, number},
    unary,
};

/// Time that a caller waits for an answer.
const DEADLINE: Duration = Duration::from_millis(250);
/// Calls offered, as a multiple of those that it can answer.
const OFFERED: f64 = 4.0;

/// The row of overload.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let sizes = &bench.sizes;
    let time = Duration::from_secs(sizes.seconds.into());
    let requests = unary::requests(sizes.rows);
    let unhurried = unary::call(bench);
    let call = Call {
        deadline: Some(DEADLINE),
        ..unhurried.clone()
    };
    flood::closed(&unhurried, sizes.callers, Duration::from_secs(1), &requests)
        .await?
        .all_good()?;
    let (mut ours, mut peaks) = (vec![], vec![]);
    let mut said = String::new();
    for _ in 0..sizes.rounds {
        let peak = flood::closed(&unhurried, sizes.callers, time, &requests)
            .await?
            .all_good()?
            .per_second();
        peaks.push(peak);
        let run = flood::open(&call, peak * OFFERED, time, &requests).await?;
        ours.push(run.per_second());
        said = describe(&run);
    }
    let work = format!("answers in time while {OFFERED} × the peak are offered");
    let note = format!("{said}; peak {} calls/s", number(median(&peaks)));
    Ok(vec![
        Row::new(work, "calls/s", ours)
            .limit("its own peak", peaks)
            .target(Target::AtLeast(0.8))
            .note(note),
    ])
}

/// What became of the calls of a run.
fn describe(run: &Outcome) -> String {
    let share = |count: u64| format!("{:.1} %", count as f64 * 100.0 / run.made as f64);
    let refused = run.refused.iter().map(|(code, count)| {
        let name = match *code {
            u8::MAX => "reset".to_owned(),
            code => format!("{:?}", Code::from(i32::from(code))),
        };
        format!("{} {name}", share(*count))
    });
    let refused: Vec<String> = refused.collect();
    format!(
        "of {} calls/s offered {} were answered within {} ms (p99 {:.0} ms), {} later, {} never; {}",
        number(run.made as f64 / run.seconds),
        share(run.good.len() as u64),
        DEADLINE.as_millis(),
        run.milliseconds(0.99),
        share(run.late),
        share(run.unanswered),
        refused.join(", ")
    )
}
