//! How much is measured, and how long.

use clap::Parser;

/// `make bench`: how fast it is, as ratios to limits measured in the same run.
#[derive(Debug, Clone, Parser)]
#[command(name = "speed")]
pub struct Sizes {
    /// Tasks in the great database.
    #[arg(long, env = "BENCH_ROWS", default_value_t = 1_000_000)]
    pub rows: u32,
    /// Tasks in the small database.
    #[arg(long, env = "BENCH_SMALL_ROWS", default_value_t = 10_000)]
    pub small_rows: u32,
    /// Agents with a place.
    #[arg(long, env = "BENCH_AGENTS", default_value_t = 100_000)]
    pub agents: u32,
    /// Callers at a time.
    #[arg(long, env = "BENCH_CALLERS", default_value_t = 64)]
    pub callers: usize,
    /// WebSockets.
    #[arg(long, env = "BENCH_SOCKETS", default_value_t = 1000)]
    pub sockets: usize,
    /// Events per second that every WebSocket hears.
    #[arg(long, env = "BENCH_EVENTS", default_value_t = 200)]
    pub events: u32,
    /// Seconds of events.
    #[arg(long, env = "BENCH_LIVE_SECONDS", default_value_t = 10)]
    pub live_seconds: u32,
    /// Batches of 500 fixes in a run.
    #[arg(long, env = "BENCH_BATCHES", default_value_t = 150)]
    pub batches: u32,
    /// Runs of each side of a ratio.
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 3)]
    pub rounds: usize,
    /// Seconds of a run.
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 3)]
    pub seconds: u32,
    /// Only rows of these kinds: unary, rest, list, nearest, map, dispatch, emergency, live, positions, audit, export, overload, idle.
    #[arg(long, env = "BENCH_ONLY", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Little of everything: shows that the bench works, not how fast the server is.
    #[arg(long)]
    pub quick: bool,
    /// What `cargo bench` says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Sizes {
    /// From the command line and the environment.
    pub fn read() -> Self {
        let sizes = Self::parse();
        if !sizes.quick {
            return sizes;
        }
        Self {
            rows: 30_000,
            small_rows: 5_000,
            agents: 3_000,
            sockets: 50,
            live_seconds: 2,
            batches: 10,
            rounds: 1,
            seconds: 1,
            ..sizes
        }
    }

    /// Whether rows of this kind are wanted.
    pub fn wants(&self, kind: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == kind)
    }
}
