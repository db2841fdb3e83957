//! A hundred who change tasks at the same time, with and without the audit; and what it costs to know who calls.

use std::{hint::black_box, sync::Arc, thread::JoinHandle, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use gad::{
    app::App,
    clock::Clock,
    config::{Cli, Command, DEMO_SECRET, ServeSettings},
    descriptor::{self, Rule},
    layer::access,
    pb,
    rpc::rule,
    serve::Server,
};
use http::{HeaderMap, header::AUTHORIZATION};
use prost::Message as _;
use tokio::{net::TcpStream, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Bench, city,
    flood::{self, Call, Requests},
    sizes::Sizes,
    table::{Row, Target, median},
    unary,
    world::free_address,
};

/// Those who write at the same time.
const WRITERS: usize = 104;
/// Times that a token is looked at in a run.
const LOOKS: u32 = 200_000;

/// A server within this process: none other can go without the audit.
struct Inside {
    call: Call,
    stop: CancellationToken,
    running: JoinHandle<Result<()>>,
}

fn settings(bench: &Bench, audited: bool) -> Result<ServeSettings> {
    let (address, internal) = (free_address()?.to_string(), free_address()?.to_string());
    let arguments = [
        ("--database-url", bench.world.database(city::GREAT)),
        ("--redis-url", bench.world.redis_url.clone()),
        ("--redis-prefix", format!("bench-{}", city::GREAT)),
        ("--listen", address),
        ("--internal-listen", internal),
        ("--secret-key", DEMO_SECRET.to_owned()),
        ("--rate-limit-calls", u32::MAX.to_string()),
        ("--access-token-expire-minutes", "120".to_owned()),
        ("--lame-duck-seconds", "0".to_owned()),
    ];
    let arguments = arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
    let words = ["gad".to_owned(), "serve".to_owned()].into_iter().chain(arguments);
    let Command::Serve(settings) = Cli::try_parse_from(words)?.command else {
        bail!("these are the settings of a server");
    };
    Ok(ServeSettings { audited, ..*settings })
}

impl Inside {
    async fn start(bench: &Bench, audited: bool) -> Result<Self> {
        let settings = settings(bench, audited)?;
        let address = settings.listen;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = std::thread::spawn(move || {
            let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            threads.block_on(async move { Server::bind(settings, Clock::system()).await?.run(stopped).await })
        });
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            anyhow::ensure!(begun.elapsed() < Duration::from_secs(20), "the server does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self {
            call: Call {
                address,
                path: "/gad.v1.TaskService/UpdateTask",
                token: bench.great_token.clone(),
                deadline: None,
            },
            stop,
            running,
        })
    }

    async fn end(self) -> Result<()> {
        self.stop.cancel();
        tokio::task::spawn_blocking(move || self.running.join())
            .await?
            .map_err(|_| anyhow::anyhow!("the server panicked"))?
    }
}

/// New titles for any of the tasks that may be changed.
fn changes(sizes: &Sizes) -> Requests {
    let open = i64::from(city::OPEN.min(sizes.rows / 5));
    let first = i64::from(sizes.rows) - open;
    Arc::new(move |random| {
        let turn = i64::try_from(random % u64::try_from(open / 2).unwrap_or(1)).unwrap_or_default();
        // Of ten tasks the first five are scheduled.
        let id = (first + turn / 5 * 10 + turn % 5) / 10 * 10 + turn % 5;
        let task = pb::Task {
            id: id.max(first + 1),
            title: format!("Patrullaje: parque {}", random % 1000),
            ..Default::default()
        };
        let request = pb::UpdateTaskRequest {
            task: Some(task),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["title".to_owned()],
            }),
            ..Default::default()
        };
        request.encode_to_vec()
    })
}

/// Rows of the audit and of knowing who calls.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    Ok(vec![writers(bench).await?, looks(bench).await?])
}

async fn writers(bench: &Bench) -> Result<Row> {
    let sizes = &bench.sizes;
    let time = Duration::from_secs(sizes.seconds.into());
    let requests = changes(sizes);
    let with = Inside::start(bench, true).await?;
    let without = Inside::start(bench, false).await?;
    let run = async |server: &Inside, time| {
        let run = flood::closed(&server.call, WRITERS, time, &requests).await?.all_good()?;
        anyhow::Ok((run.per_second(), run.milliseconds(0.99)))
    };
    for server in [&with, &without] {
        run(server, Duration::from_secs(2)).await?;
    }
    let (mut ours, mut limits, mut p99) = (vec![], vec![], vec![]);
    for _ in 0..sizes.rounds {
        let (per_second, slow) = run(&with, time).await?;
        ours.push(per_second);
        p99.push(slow);
        limits.push(run(&without, time).await?.0);
    }
    with.end().await?;
    without.end().await?;
    Ok(Row::new("100 writers at a time, UpdateTask", "calls/s", ours)
        .limit("the same without audit", limits)
        .target(Target::AtLeast(0.8))
        .note(format!("p99 {:.1} ms", median(&p99))))
}

/// What it takes to know who calls and whether they may, against all that a read takes.
async fn looks(bench: &Bench) -> Result<Row> {
    let sizes = &bench.sizes;
    let (app, background) = App::start(settings(bench, true)?, Clock::system()).await?;
    let stop = CancellationToken::new();
    let background = tokio::spawn(background.run(stop.clone()));
    let pool = descriptor::pool();
    let method = "/gad.v1.TaskService/GetTask";
    let rule = descriptor::rules(&pool).get(method).context("GetTask has a rule")?.clone();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {}", bench.great_token).parse()?);
    look(&app, &rule, &headers).await?;
    let (call, requests) = (unary::call(bench), unary::requests(sizes.rows));
    let time = Duration::from_secs(sizes.seconds.into());
    let (mut ours, mut limits) = (vec![], vec![]);
    for _ in 0..sizes.rounds {
        ours.push(look(&app, &rule, &headers).await?);
        let before = bench.great.processor_seconds();
        let run = flood::closed(&call, sizes.callers, time, &requests).await?.all_good()?;
        limits.push((bench.great.processor_seconds() - before) * 1e6 / run.good.len() as f64);
    }
    stop.cancel();
    background.await?;
    Ok(Row::new("knowing who calls and whether they may", "µs", ours)
        .limit("all processor time of a unary read in gad serve", limits)
        .target(Target::AtMost(0.1)))
}

/// Microseconds that one look takes.
async fn look(app: &App, rule: &Rule, headers: &HeaderMap) -> Result<f64> {
    let begun = Instant::now();
    for _ in 0..LOOKS {
        let signed_in = access::identify(app, rule, black_box(headers)).await?;
        rule::admit(app, rule, black_box(&signed_in.context("somebody calls")?))?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(LOOKS))
}
