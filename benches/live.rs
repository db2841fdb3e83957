//! From a commit to a thousand WebSockets, each of which hears everything.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, stream};
use gad::pb::{self, task_service_client::TaskServiceClient};
use tokio::time::{sleep, sleep_until, timeout};
use tonic::{Request, metadata::MetadataValue};

use crate::{
    Bench, city,
    socket::Socket,
    table::{Row, Target, quantile},
};

/// Begins the titles of the tasks that are changed; the event's number follows.
const MARK: &[u8] = b"bench event ";
/// Digits of the number.
const DIGITS: usize = 7;
/// How long the last events may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// When each event was asked for, and when the answer said that it was committed: microseconds from the start.
struct Times {
    start: Instant,
    asked: Vec<AtomicU64>,
    committed: Vec<AtomicU64>,
}

impl Times {
    fn new(count: usize) -> Arc<Self> {
        let zeros = || (0..count).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self {
            start: Instant::now(),
            asked: zeros(),
            committed: zeros(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// What a socket heard.
#[derive(Default)]
struct Heard {
    /// Milliseconds from the call to the frame.
    delays: Vec<f64>,
    /// Of the events in their order.
    order: DefaultHasher,
}

/// Hears so many events, or as many as come.
async fn listen(mut socket: Socket, times: Arc<Times>) -> (Socket, Heard) {
    let mut heard = Heard::default();
    let all = times.asked.len();
    while heard.delays.len() < all {
        let Ok(Ok(frame)) = timeout(PATIENCE, socket.hear()).await else {
            break;
        };
        let Some(event) = mark(frame) else { continue };
        let asked = times.asked.get(event).map_or(0, |asked| asked.load(Ordering::Relaxed));
        heard.delays.push((times.now() - asked) as f64 / 1000.0);
        event.hash(&mut heard.order);
    }
    (socket, heard)
}

/// The number of an event.
fn mark(frame: &[u8]) -> Option<usize> {
    let at = frame.windows(MARK.len()).position(|part| part == MARK)? + MARK.len();
    std::str::from_utf8(frame.get(at..at + DIGITS)?).ok()?.parse().ok()
}

/// Changes tasks at a steady rate, each by a call of its own.
async fn change(bench: &Bench, times: &Arc<Times>) -> Result<()> {
    let client = TaskServiceClient::new(bench.small.channel().await?);
    let open = city::connect(&bench.world.database(city::SMALL)).await?;
    let open = open
        .query("select id from tasks where state = 1 order by id desc limit 200", &[])
        .await?;
    let token: MetadataValue<_> = format!("Bearer {}", bench.small_token).parse()?;
    let begun = tokio::time::Instant::now();
    let mut calls = Vec::new();
    for event in 0..times.asked.len() {
        sleep_until(begun + Duration::from_secs(1) * u32::try_from(event)? / bench.sizes.events).await;
        let (mut client, times, token) = (client.clone(), Arc::clone(times), token.clone());
        let task = pb::Task {
            id: open.get(event % open.len().max(1)).context("no task is open")?.get(0),
            title: format!("{}{event:0DIGITS$}", String::from_utf8_lossy(MARK)),
            ..Default::default()
        };
        calls.push(tokio::spawn(async move {
            let mut request = Request::new(pb::UpdateTaskRequest {
                task: Some(task),
                update_mask: Some(prost_types::FieldMask {
                    paths: vec!["title".to_owned()],
                }),
                ..Default::default()
            });
            request.metadata_mut().insert("authorization", token);
            times.asked[event].store(times.now(), Ordering::Relaxed);
            client.update_task(request).await?;
            times.committed[event].store(times.now(), Ordering::Relaxed);
            Ok::<_, tonic::Status>(())
        }));
    }
    for call in calls {
        call.await?.context("a task could not be changed")?;
    }
    Ok(())
}

/// Sends so many events to all sockets; what each heard.
async fn round(bench: &Bench, sockets: Vec<Socket>, events: usize) -> Result<(Vec<Socket>, Vec<Heard>, Arc<Times>)> {
    let times = Times::new(events);
    let listeners: Vec<_> = sockets
        .into_iter()
        .map(|socket| tokio::spawn(listen(socket, Arc::clone(&times))))
        .collect();
    change(bench, &times).await?;
    let (mut sockets, mut heard) = (Vec::new(), Vec::new());
    for listener in listeners {
        let (socket, news) = listener.await?;
        sockets.push(socket);
        heard.push(news);
    }
    Ok((sockets, heard, times))
}

/// Rows of the live feed.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let sizes = &bench.sizes;
    let bridge = bench.world.bridge(&bench.small).await?;
    let first = Socket::open(bridge.address, &bench.small_token).await?;
    sleep(Duration::from_millis(500)).await;
    let empty = bridge.memory()?;
    let opened = stream::iter(0..sizes.sockets).map(|_| Socket::open(bridge.address, &bench.small_token));
    let opened: Vec<Result<Socket>> = opened.buffer_unordered(50).collect().await;
    let sockets: Vec<Socket> = opened.into_iter().collect::<Result<_>>()?;
    drop(first);
    sleep(Duration::from_secs(1)).await;
    let idle = (bridge.memory()? - empty) / sizes.sockets as f64 / 1000.0;
    let (sockets, ..) = round(bench, sockets, sizes.events as usize).await?;
    let events = (sizes.events * sizes.live_seconds) as usize;
    let before = (bridge.processor_seconds(), bench.small.processor_seconds(), Instant::now());
    let (sockets, heard, times) = round(bench, sockets, events).await?;
    let spent = before.2.elapsed().as_secs_f64();
    let shares = [
        bridge.processor_seconds() - before.0,
        bench.small.processor_seconds() - before.1,
    ];
    let shares = shares.map(|share| share * 100.0 / spent);
    let busy = (bridge.memory()? - empty) / sizes.sockets as f64 / 1000.0;
    let heard_in_all: usize = heard.iter().map(|heard| heard.delays.len()).sum();
    let first = heard.first().map(|heard| heard.order.finish());
    let other = heard.iter().filter(|heard| Some(heard.order.finish()) != first).count();
    let lost = events * sizes.sockets - heard_in_all + other;
    let delays: Vec<f64> = heard.into_iter().flat_map(|heard| heard.delays).collect();
    drop(sockets);
    let commits = times.asked.iter().zip(&times.committed);
    let commits: Vec<f64> = commits
        .map(|(asked, committed)| (committed.load(Ordering::Relaxed) - asked.load(Ordering::Relaxed)) as f64 / 1000.0)
        .collect();
    let note = format!(
        "from the call that commits to the frame at the socket: p50 {:.1} ms, greatest {:.0} ms; the call itself p50 {:.1} ms; \
         {} frames; the bridge takes {:.0} % of a processor, gad serve {:.0} %",
        quantile(&delays, 0.5),
        quantile(&delays, 1.0),
        quantile(&commits, 0.5),
        crate::table::number(delays.len() as f64),
        shares[0],
        shares[1]
    );
    let work = format!("commit → {} WebSockets at {} events/s, p99", sizes.sockets, sizes.events);
    Ok(vec![
        Row::new(work, "ms", vec![quantile(&delays, 0.99)])
            .limit("budget", vec![100.0])
            .target(Target::AtMost(1.0))
            .note(note),
        Row::new(
            "the same: lost, or not in the order of the others",
            "frames",
            vec![lost as f64],
        )
        .target(Target::AtMost(0.0)),
        Row::new("bridge: memory per WebSocket", "kB", vec![idle.max(busy)])
            .limit("budget", vec![30.0])
            .target(Target::AtMost(1.0))
            .note(format!("{idle:.1} kB when idle, {busy:.1} kB after the events")),
    ])
}
