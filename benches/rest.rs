//! A task over REST through Envoy, and the same bytes from a program that does nothing, through the same Envoy.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::{
    Bench,
    flood::{self, Call},
    table::{Row, Target, median},
    unary,
    world::{Server, free_address},
};

/// Connections that are kept.
const CONNECTIONS: usize = 64;

/// An Envoy that passes everything on; `@…@` are addresses.
const PLAIN: &str = r#"
admin: { address: { socket_address: { address: 127.0.0.1, port_value: @admin@ } } }
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: @door@ } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: plain
          route_config: { virtual_hosts: [ { name: all, domains: ["*"], routes: [ { match: { prefix: / }, route: { cluster: still } } ] } ] }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: still
    type: STATIC
    circuit_breakers: { thresholds: [ { max_connections: 1024, max_pending_requests: 2000, max_requests: 12000 } ] }
    load_assignment: { cluster_name: still, endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: @still@ } } } } ] } ] }
"#;

/// Envoy as it stands before the server, and its door for everything.
async fn front(bench: &Bench) -> Result<Server> {
    let (door, admin) = (free_address()?, free_address()?);
    let descriptor = bench.world.folder().join("gad.bin");
    let descriptor = descriptor.to_str().context("a plain path")?;
    bench.world.gad(&["descriptor", descriptor], "").await?;
    let (server, public, pages) = (bench.great.address.to_string(), door.to_string(), admin.to_string());
    let arguments = ["envoy", "--upstreams", &server, "--public-listen", &public, "--admin", &pages];
    let yaml = bench
        .world
        .gad(&[&arguments[..], &["--descriptor", descriptor]].concat(), "")
        .await?;
    bench.world.envoy("envoy", &yaml, door, admin).await
}

/// Envoy before a program that answers every request with these bytes.
async fn still(bench: &Bench, body: &[u8]) -> Result<Server> {
    let (door, admin) = (free_address()?, free_address()?);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let yaml = PLAIN
        .replace("@admin@", &admin.port().to_string())
        .replace("@door@", &door.port().to_string())
        .replace("@still@", &listener.local_addr()?.port().to_string());
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer: Arc<[u8]> = [head.as_bytes(), body].concat().into();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_all(stream, Arc::clone(&answer)));
        }
    });
    bench.world.envoy("envoy-plain", yaml.as_bytes(), door, admin).await
}

/// Answers whatever is asked without a body.
async fn answer_all(mut stream: TcpStream, answer: Arc<[u8]>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut asked = Vec::new();
    while stream.read_buf(&mut asked).await? > 0 {
        while let Some(end) = find(&asked, b"\r\n\r\n") {
            asked.drain(..end);
            stream.write_all(&answer).await?;
        }
    }
    Ok(())
}

/// Where the first of these ends.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let at = bytes.windows(wanted.len()).position(|part| part == wanted)?;
    Some(at + wanted.len())
}

/// Asks for a path and reads the answer's body.
async fn get(stream: &mut TcpStream, request: &[u8], bytes: &mut Vec<u8>) -> Result<std::ops::Range<usize>> {
    stream.write_all(request).await?;
    bytes.clear();
    let head = loop {
        ensure!(stream.read_buf(bytes).await? > 0, "the connection was closed");
        if let Some(end) = find(bytes, b"\r\n\r\n") {
            break end;
        }
    };
    let text = std::str::from_utf8(&bytes[..head])?;
    ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let end = head + length.context("no content-length")?.parse::<usize>()?;
    while bytes.len() < end {
        ensure!(stream.read_buf(bytes).await? > 0, "the connection was closed");
    }
    Ok(head..end)
}

fn request(door: SocketAddr, token: &str, id: u64) -> Vec<u8> {
    format!("GET /v1/tasks/{id} HTTP/1.1\r\nhost: {door}\r\nauthorization: Bearer {token}\r\naccept: application/json\r\n\r\n")
        .into()
}

/// Answers per second of a door, over connections that are kept.
async fn flood(door: SocketAddr, token: &str, rows: u32, time: Duration) -> Result<f64> {
    let end = Instant::now() + time;
    let mut tasks = Vec::new();
    for number in 0..CONNECTIONS as u64 {
        let token = token.to_owned();
        tasks.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(door).await?;
            stream.set_nodelay(true)?;
            let (mut bytes, mut count) = (Vec::with_capacity(16 * 1024), 0_u64);
            while Instant::now() < end {
                let id = 1 + (number * 7919 + count * 104_729) % u64::from(rows);
                get(&mut stream, &request(door, &token, id), &mut bytes).await?;
                count += 1;
            }
            Ok::<_, anyhow::Error>(count)
        }));
    }
    let mut sum = 0;
    for task in tasks {
        sum += task.await??;
    }
    Ok(sum as f64 / time.as_secs_f64())
}

/// Rows of REST.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (sizes, token) = (&bench.sizes, &bench.great_token);
    let time = Duration::from_secs(sizes.seconds.into());
    let front = front(bench).await?;
    let mut bytes = Vec::new();
    let mut stream = TcpStream::connect(front.address).await?;
    let body = get(&mut stream, &request(front.address, token, 1), &mut bytes).await?;
    let still = still(bench, &bytes[body]).await?;
    let through = Call {
        address: front.address,
        ..unary::call(bench)
    };
    let requests = unary::requests(sizes.rows);
    flood(front.address, token, sizes.rows, Duration::from_secs(1)).await?;
    flood(still.address, token, sizes.rows, Duration::from_secs(1)).await?;
    let (mut ours, mut plain, mut grpc, mut costs) = (vec![], vec![], vec![], vec![]);
    for _ in 0..sizes.rounds {
        plain.push(flood(still.address, token, sizes.rows, time).await?);
        let before = (front.processor_seconds(), bench.great.processor_seconds());
        let run = flood(front.address, token, sizes.rows, time).await?;
        let micros = 1e6 / (run * time.as_secs_f64());
        costs.push((front.processor_seconds() - before.0) * micros);
        costs.push((bench.great.processor_seconds() - before.1) * micros);
        ours.push(run);
        grpc.push(
            flood::closed(&through, CONNECTIONS, time, &requests)
                .await?
                .all_good()?
                .per_second(),
        );
    }
    let (envoy, server): (Vec<_>, Vec<_>) = costs.chunks(2).map(|cost| (cost[0], cost[1])).unzip();
    let note = format!(
        "Envoy takes {:.0} µs of processor a call, gad serve {:.0} µs; the limit has neither a server nor a database behind it",
        median(&envoy),
        median(&server)
    );
    let work = format!("REST read by id through Envoy, {CONNECTIONS} connections");
    Ok(vec![
        Row::new(work, "calls/s", ours.clone())
            .limit("Envoy, same bytes, plain HTTP", plain)
            .target(Target::AtLeast(0.75))
            .note(note),
        Row::new("the same, against gRPC through Envoy", "calls/s", ours)
            .limit("gRPC through Envoy", grpc)
            .target(Target::None),
    ])
}
