//! A view of the map, and the bare query for the same cells.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use gad::pb;
use prost::Message as _;
use tokio::time::Instant;

use crate::{
    Bench, city,
    flood::{self, Call, Requests},
    table::{Row, number},
};

/// The middle of the city, of two thirds of its width: where it lies is another one each time.
const SIDE: f64 = 0.1;

/// The same cells, without names, rights and the other things of the map: as wide as those of the view.
const BARE: &str = "
    select floor((x + 180) / 360 * 65536) as gx, floor((1 - asinh(tan(radians(y))) / pi()) / 2 * 65536) as gy, count(*), min(id),
           avg(x), avg(y)
    from (select a.id, st_x(l.location::geometry) as x, st_y(l.location::geometry) as y
          from agents a join agent_locations l on l.agent_id = a.id
          where a.delete_time is null and a.duty <> 3
            and st_intersects(l.location::geometry, st_makeenvelope($1, $2, $1::float8 + 0.1, $2::float8 + 0.1, 4326)) offset 0) p
    group by 1, 2";

/// Where the view is: a corner.
fn corner(random: u64) -> (f64, f64) {
    let degrees = |random: u64| (random % 40_000) as f64 / 1e6;
    (-74.14 + degrees(random), 4.58 + degrees(random >> 20))
}

fn requests() -> Requests {
    Arc::new(|random| {
        let (west, south) = corner(random);
        let wide = pb::Box {
            south,
            west,
            north: south + SIDE,
            east: west + SIDE,
        };
        pb::MapViewRequest {
            r#box: Some(wide),
            zoom: Some(14),
            layers: vec![pb::MapLayer::Agents as i32],
            ..Default::default()
        }
        .encode_to_vec()
    })
}

/// What 99 of 100 take at most, in milliseconds.
fn p99(mut micros: Vec<f64>) -> f64 {
    micros.sort_by(f64::total_cmp);
    let at = (micros.len() * 99 / 100).min(micros.len().saturating_sub(1));
    micros.get(at).copied().unwrap_or_default() / 1000.0
}

/// The bare query, one after the other.
async fn bare(bench: &Bench, time: Duration) -> Result<f64> {
    let client = city::connect(&bench.world.database(city::GREAT)).await?;
    let statement = client.prepare(BARE).await?;
    let (begun, mut micros, mut random) = (Instant::now(), Vec::new(), 4711_u64);
    while begun.elapsed() < time {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let (west, south) = corner(random >> 16);
        let started = Instant::now();
        client.query(&statement, &[&west, &south]).await?;
        micros.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(p99(micros))
}

/// The row of the map.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let sizes = &bench.sizes;
    let time = Duration::from_secs(sizes.seconds.into());
    let requests = requests();
    let call = Call {
        address: bench.great.address,
        path: "/gad.v1.GeoService/MapView",
        token: bench.great_token.clone(),
        deadline: None,
    };
    bare(bench, Duration::from_secs(1)).await?;
    flood::closed(&call, 1, Duration::from_secs(1), &requests).await?.all_good()?;
    let (mut ours, mut bares) = (vec![], vec![]);
    for _ in 0..sizes.rounds {
        bares.push(bare(bench, time).await?);
        let run = flood::closed(&call, 1, time, &requests).await?.all_good()?;
        ours.push(p99(run.good.iter().map(|micros| f64::from(*micros)).collect()));
    }
    let work = format!("map view of a city with {} agents, p99", number(sizes.agents.into()));
    Ok(vec![
        Row::new(work, "ms", ours)
            .limit("the bare query for the cells, p99", bares)
            .note("half of the city at a time, clustered at zoom 14"),
    ])
}
