//! `make bench`: what the server does in a second, each as a ratio to a limit measured in the same run on the same
//! machine. The numbers of one run do not compare with those of another machine; the ratios nearly do.

#![expect(
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "a bench takes its stores from where it runs, and measures a row from begin to end"
)]

mod audit;
mod city;
mod dispatch;
mod emergency;
mod export;
mod flood;
mod frames;
mod idle;
mod list;
mod live;
mod map;
mod nearest;
mod overload;
mod positions;
mod rest;
mod sizes;
mod socket;
mod table;
mod tools;
mod unary;
mod world;

use std::{
    fs::{self, create_dir_all},
    path::Path,
    time::Instant,
};

use anyhow::{Context as _, Result};

use sizes::Sizes;
use world::{Server, World};

/// Everything that rows are measured with.
struct Bench {
    sizes: Sizes,
    world: World,
    /// A server before few tasks.
    small: Server,
    /// A server before many.
    great: Server,
    small_token: String,
    great_token: String,
}

impl Bench {
    async fn start(sizes: Sizes) -> Result<Self> {
        let world = World::new()?;
        city::build(&world, &sizes).await.context("the city")?;
        let (small, _) = world.serve(city::SMALL).await?;
        let (great, _) = world.serve(city::GREAT).await?;
        Ok(Self {
            small_token: small.token().await?,
            great_token: great.token().await?,
            sizes,
            world,
            small,
            great,
        })
    }
}

/// Says how far it is; the table is for standard output alone.
fn say(begun: Instant, line: &str) {
    eprintln!("{:4.0} s  {line}", begun.elapsed().as_secs_f64());
}

async fn run() -> Result<()> {
    let begun = Instant::now();
    let sizes = Sizes::read();
    say(begun, &format!("making {} tasks and {} agents", sizes.rows, sizes.agents));
    let bench = Bench::start(sizes).await?;
    let mut rows = Vec::new();
    for kind in [
        "unary",
        "rest",
        "list",
        "nearest",
        "map",
        "dispatch",
        "emergency",
        "live",
        "positions",
        "audit",
        "export",
        "overload",
        "idle",
    ] {
        if !bench.sizes.wants(kind) {
            continue;
        }
        say(begun, &format!("measuring: {kind}"));
        let measured = match kind {
            "unary" => unary::measure(&bench).await,
            "rest" => rest::measure(&bench).await,
            "list" => list::measure(&bench).await,
            "nearest" => nearest::measure(&bench).await,
            "map" => map::measure(&bench).await,
            "dispatch" => dispatch::measure(&bench).await,
            "emergency" => emergency::measure(&bench).await,
            "live" => live::measure(&bench).await,
            "positions" => positions::measure(&bench).await,
            "audit" => audit::measure(&bench).await,
            "export" => export::measure(&bench).await,
            "overload" => overload::measure(&bench).await,
            _ => idle::measure(&bench).await,
        };
        rows.extend(measured.with_context(|| format!("measuring: {kind}"))?);
    }
    say(begun, "done");
    println!("\n{}\n", table::text(&rows));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench.json");
    file.parent().map_or(Ok(()), create_dir_all)?;
    let json = table::json(&rows, begun.elapsed().as_secs_f64());
    fs::write(&file, format!("{json:#}\n"))?;
    println!("As JSON: {}", file.display());
    Ok(())
}

fn main() -> Result<()> {
    raise_file_limit();
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    threads.block_on(run())
}

/// Lets this process and its children hold as many sockets as the machine allows.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}
