//! The nearest agents that can go, and the bare query for them.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use gad::pb;
use prost::Message as _;

use crate::{
    Bench, city,
    flood::{self, Call, Requests},
    table::{Row, Target, median, number},
    tools::pgbench,
};

/// Agents wanted.
const WANTED: i32 = 10;

/// So many that are on duty, with a fresh fix and without work; nothing about those who cannot go.
pub fn bare(count: u32) -> String {
    format!(
        "\\set x random(0, 140000)
\\set y random(0, 140000)
select near.agent_id, near.meters from (
    select l.agent_id, l.fix_time, l.location <-> st_setsrid(st_makepoint(-74.14 + :x / 1e6, 4.58 + :y / 1e6), 4326)::geography as meters
    from agent_locations l
    order by l.location <-> st_setsrid(st_makepoint(-74.14 + :x / 1e6, 4.58 + :y / 1e6), 4326)::geography limit 2000) near
cross join lateral (select a.id from agents a where a.id = near.agent_id and a.duty = 1 and a.delete_time is null
    and near.fix_time >= now() - interval '24 hours'
    and not exists (select from assignments s where s.agent_id = a.id and s.occupying) offset 0) a
limit {count};
"
    )
}

fn requests() -> Requests {
    Arc::new(|random| {
        let degrees = |random: u64| (random % 140_000) as f64 / 1e6;
        let location = pb::LatLng {
            latitude: 4.58 + degrees(random),
            longitude: -74.14 + degrees(random >> 20),
        };
        let day = prost_types::Duration {
            seconds: 86_400,
            nanos: 0,
        };
        pb::ListNearbyRequest {
            location: Some(location),
            page_size: WANTED,
            max_fix_age: Some(day),
            ..Default::default()
        }
        .encode_to_vec()
    })
}

/// The row of the nearest agents.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (sizes, database) = (&bench.sizes, bench.world.database(city::GREAT));
    let time = Duration::from_secs(sizes.seconds.into());
    let requests = requests();
    let query = bare(WANTED.unsigned_abs());
    let call = Call {
        address: bench.great.address,
        path: "/gad.v1.AgentService/ListNearby",
        token: bench.great_token.clone(),
        deadline: None,
    };
    let mut rows = Vec::new();
    for callers in [1, 8] {
        let bare = async |seconds| {
            let run = pgbench(&database, bench.world.folder(), &query, callers, seconds).await;
            run.map(|run| run.milliseconds)
        };
        bare(1).await?;
        flood::closed(&call, callers, Duration::from_secs(1), &requests)
            .await?
            .all_good()?;
        let (mut ours, mut bares) = (vec![], vec![]);
        for _ in 0..sizes.rounds {
            bares.push(bare(sizes.seconds).await?);
            let run = flood::closed(&call, callers, time, &requests).await?.all_good()?;
            let micros: f64 = run.good.iter().map(|micros| f64::from(*micros)).sum();
            ours.push(micros / run.good.len() as f64 / 1000.0);
        }
        let work = format!(
            "nearest {WANTED} available of {} agents, {callers} caller{}",
            number(sizes.agents.into()),
            if callers == 1 { "" } else { "s" }
        );
        let note = format!(
            "mean latencies; {:.2} ms more than the bare query",
            median(&ours) - median(&bares)
        );
        rows.push(
            Row::new(work, "ms", ours)
                .limit("the bare KNN query in pgbench", bares)
                .target(Target::AtMost(1.5))
                .note(note),
        );
    }
    Ok(rows)
}
