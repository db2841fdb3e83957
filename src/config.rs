//! Every setting of every program: flag, variable, default, one sentence. The page is the help text.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};

/// Secret that demo and tests run with; production refuses it.
pub const DEMO_SECRET: &str = "gad-demo-secret-key-never-for-production";
/// Who can sign in to the demo city: an administrator, a supervisor, a field agent.
pub const DEMO_ACCOUNTS: [&str; 3] = ["admin@gad.example", "supervisor@gad.example", "agente@gad.example"];
/// Password of the demo accounts; production has none of them.
pub const DEMO_PASSWORD: &str = "gad-demo-2026";

/// Operations backend of a municipal or provincial field service.
#[derive(Debug, Parser)]
#[command(name = "gad", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `gad` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve gRPC, gRPC-web and the dashboard's files.
    Serve(Box<ServeSettings>),
    /// Bring the database to this program's version.
    Migrate(DatabaseSettings),
    /// Fill an empty database with the demo city.
    Seed(SeedSettings),
    /// Make one inspection task of each road piece in a file.
    ImportTasks(ImportSettings),
    /// Keep the demo city's agents moving.
    Simulate(SimulateSettings),
    /// Check that database and Redis are set up as the program needs them.
    Doctor(DoctorSettings),
    /// Look after the audit.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Write the protobuf descriptor set, as Envoy wants it.
    Descriptor {
        /// File to write; `-` for standard output.
        path: PathBuf,
    },
    /// Write the OpenAPI 3.1 document of the REST API.
    Openapi {
        /// File to write; `-` for standard output.
        #[arg(default_value = "-")]
        path: PathBuf,
    },
    /// Write Envoy's configuration.
    Envoy(EnvoySettings),
    /// Start the whole stack with private data and demo city, and stop it on Ctrl-C.
    Up(Box<UpSettings>),
    /// Start a private PostgreSQL and Redis, run a command with DATABASE_URL and REDIS_URL set, stop them.
    WithStores(WithStoresSettings),
}

/// What `gad audit` can do.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Name every row that was altered, removed, inserted or reordered; exits with 1 if there is one.
    Verify(AuditVerifySettings),
}

/// `gad audit verify`.
#[derive(Debug, Clone, Args)]
pub struct AuditVerifySettings {
    /// Only this day (UTC), such as 2026-01-31; none: all.
    #[arg(long)]
    pub day: Option<jiff::civil::Date>,
    /// A row that must be there, as a server logged it: `audit anchor`.
    #[arg(long)]
    pub anchor: Option<String>,
    /// Secret of the servers that wrote it.
    #[arg(long, env = "SECRET_KEY", hide_env_values = true, default_value = DEMO_SECRET)]
    pub secret_key: SecretString,
    /// Database.
    #[command(flatten)]
    pub database: DatabaseSettings,
}

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Environment {
    /// A person's machine: demo accounts and documentation pages are there.
    Development,
    /// Automated tests.
    Testing,
    /// A rehearsal of production.
    Staging,
    /// The real thing: no demo accounts, no default secrets, no documentation pages.
    Production,
}

/// Database.
#[derive(Debug, Clone, Args)]
pub struct DatabaseSettings {
    /// PostgreSQL with PostGIS, as a URL or key=value list.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// Most connections that one process holds.
    #[arg(long, env = "DATABASE_POOL_SIZE", default_value_t = 20)]
    pub database_pool_size: u32,
    /// Longest that a statement may run, in milliseconds, where the call's deadline is later.
    #[arg(long, env = "DATABASE_STATEMENT_TIMEOUT_MS", default_value_t = 30_000)]
    pub database_statement_timeout_ms: u64,
}

/// Redis.
#[derive(Debug, Clone, Args)]
pub struct RedisSettings {
    /// Redis, `redis://`, `rediss://` or `redis+unix://`; without it the feed is read from the database.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<SecretString>,
    /// First part of every key, so that several installations can share a Redis.
    #[arg(long, env = "REDIS_PREFIX", default_value = "gad")]
    pub redis_prefix: String,
}

/// Logs and traces.
#[derive(Debug, Clone, Args)]
pub struct TelemetrySettings {
    /// Least severity that is logged: trace, debug, info, warn, error, or a tracing filter.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// Form of the log lines.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// OTLP collector for traces, such as `http://127.0.0.1:4317`; none if empty.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// `gad serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeSettings {
    /// Where the program runs.
    #[arg(long, env = "ENVIRONMENT", value_enum, default_value_t = Environment::Development)]
    pub environment: Environment,
    /// Address of gRPC, gRPC-web and files.
    #[arg(long, env = "GAD_LISTEN", default_value = "127.0.0.1:50051")]
    pub listen: SocketAddr,
    /// Address of /health and /metrics; keep it off the public network.
    #[arg(long, env = "GAD_INTERNAL_LISTEN", default_value = "127.0.0.1:9464")]
    pub internal_listen: SocketAddr,
    /// Secret that seals what the database keeps sealed; at least 32 characters.
    #[arg(long, env = "SECRET_KEY", hide_env_values = true, default_value = DEMO_SECRET)]
    pub secret_key: SecretString,
    /// Minutes until an access token ends.
    #[arg(long, env = "ACCESS_TOKEN_EXPIRE_MINUTES", default_value_t = 30)]
    pub access_token_expire_minutes: u32,
    /// Folder with the built dashboard; none: no dashboard.
    #[arg(long, env = "GAD_WEB_DIR")]
    pub web_dir: Option<PathBuf>,
    /// URL of map tiles for the dashboard, with {z}, {x}, {y}; none: a plain map without outside requests.
    #[arg(long, env = "GAD_TILE_URL")]
    pub tile_url: Option<String>,
    /// Origins that browsers may call from, beside the dashboard's own; comma-separated.
    #[arg(long, env = "CORS_ALLOWED_ORIGINS", value_delimiter = ',')]
    pub cors_allowed_origins: Vec<String>,
    /// Most unary calls at work at a time; more are refused at once with UNAVAILABLE.
    #[arg(long, env = "GAD_MAX_CONCURRENT_CALLS", default_value_t = 512)]
    pub max_concurrent_calls: usize,
    /// Most streams open at a time.
    #[arg(long, env = "GAD_MAX_STREAMS", default_value_t = 2000)]
    pub max_streams: usize,
    /// Calls per minute of one caller in a rate class.
    #[arg(long, env = "RATE_LIMIT_CALLS", default_value_t = 6000)]
    pub rate_limit_calls: u32,
    /// Sign-in attempts per minute of one address.
    #[arg(long, env = "RATE_LIMIT_LOGINS", default_value_t = 100)]
    pub rate_limit_logins: u32,
    /// Deadline of a unary call that names none, in milliseconds.
    #[arg(long, env = "GAD_DEFAULT_DEADLINE_MS", default_value_t = 10_000)]
    pub default_deadline_ms: u64,
    /// Seconds between "not serving" and the first closed connection, so that balancers notice.
    #[arg(long, env = "GAD_LAME_DUCK_SECONDS", default_value_t = 5.0)]
    pub lame_duck_seconds: f64,
    /// Seconds that calls have to end after that, before they are cut.
    #[arg(long, env = "GAD_DRAIN_SECONDS", default_value_t = 20.0)]
    pub drain_seconds: f64,
    /// Hours that the feed can be resumed from.
    #[arg(long, env = "GAD_FEED_RETENTION_HOURS", default_value_t = 72)]
    pub feed_retention_hours: u32,
    /// Days that audit rows are kept; 0: for ever.
    #[arg(long, env = "AUDIT_RETENTION_DAYS", default_value_t = 2190)]
    pub audit_retention_days: u32,
    /// Whether calls are audited: always, but where it is measured what that costs.
    #[arg(skip = true)]
    pub audited: bool,
    /// Events that a watcher may be behind before it is told to resume.
    #[arg(long, env = "GAD_WATCH_QUEUE", default_value_t = 1024)]
    pub watch_queue: usize,
    /// Seconds without an event until a watcher gets a checkpoint.
    #[arg(long, env = "GAD_CHECKPOINT_SECONDS", default_value_t = 15.0)]
    pub checkpoint_seconds: f64,
    /// Database.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Redis.
    #[command(flatten)]
    pub redis: RedisSettings,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

impl ServeSettings {
    /// All reasons why these settings may not start, at once.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let secret = self.secret_key.expose_secret();
        if secret.len() < 32 {
            problems.push("SECRET_KEY must have at least 32 characters".to_owned());
        }
        if self.watch_queue == 0
            || self.max_concurrent_calls == 0
            || self.max_streams == 0
            || self.database.database_pool_size == 0
        {
            problems.push(
                "GAD_WATCH_QUEUE, GAD_MAX_CONCURRENT_CALLS, GAD_MAX_STREAMS and DATABASE_POOL_SIZE must not be 0".to_owned(),
            );
        }
        let seconds = [self.lame_duck_seconds, self.drain_seconds, self.checkpoint_seconds];
        if seconds.iter().any(|seconds| !(0.0..=86_400.0).contains(seconds)) || self.checkpoint_seconds < 0.01 {
            problems.push(
                "GAD_LAME_DUCK_SECONDS, GAD_DRAIN_SECONDS and GAD_CHECKPOINT_SECONDS must be 0 (checkpoints: 0.01) to 86400"
                    .to_owned(),
            );
        }
        if self.environment == Environment::Production {
            if secret == DEMO_SECRET {
                problems.push("SECRET_KEY must be set in production".to_owned());
            }
            if self.cors_allowed_origins.iter().any(|origin| origin == "*") {
                problems.push("CORS_ALLOWED_ORIGINS must not be * in production".to_owned());
            }
        }
        problems
    }

    /// Deadline of a unary call that names none.
    pub fn default_deadline(&self) -> Duration {
        Duration::from_millis(self.default_deadline_ms)
    }
}

/// `gad seed`.
#[derive(Debug, Clone, Args)]
pub struct SeedSettings {
    /// Where the program runs; production refuses demo accounts.
    #[arg(long, env = "ENVIRONMENT", value_enum, default_value_t = Environment::Development)]
    pub environment: Environment,
    /// Tasks to make.
    #[arg(long, default_value_t = 300)]
    pub tasks: u32,
    /// Agents to make.
    #[arg(long, default_value_t = 40)]
    pub agents: u32,
    /// Database.
    #[command(flatten)]
    pub database: DatabaseSettings,
}

/// `gad import-tasks`.
#[derive(Debug, Clone, Args)]
pub struct ImportSettings {
    /// JSON file with road pieces: an array of objects with `nombre`, ends and `geometria`.
    pub file: PathBuf,
    /// E-mail of the user who is creator and delegate of the tasks.
    #[arg(long, default_value = "supervisor@gad.example")]
    pub creator: String,
    /// Database.
    #[command(flatten)]
    pub database: DatabaseSettings,
}

/// `gad simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateSettings {
    /// `gad serve`.
    #[arg(long, env = "GAD_UPSTREAM_URL", default_value = "http://127.0.0.1:50051")]
    pub upstream_url: String,
    /// Seconds between steps.
    #[arg(long, env = "GAD_SIMULATION_SECONDS", default_value_t = 10.0)]
    pub interval_seconds: f64,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

/// `gad doctor`.
#[derive(Debug, Clone, Args)]
pub struct DoctorSettings {
    /// Database.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Redis.
    #[command(flatten)]
    pub redis: RedisSettings,
}

/// `gad envoy`.
#[derive(Debug, Clone, Args)]
pub struct EnvoySettings {
    /// Address that Envoy listens on.
    #[arg(long, env = "GAD_PUBLIC_LISTEN", default_value = "127.0.0.1:8080")]
    pub public_listen: SocketAddr,
    /// Address of Envoy's admin pages; keep it on loopback.
    #[arg(long, env = "GAD_ENVOY_ADMIN", default_value = "127.0.0.1:9901")]
    pub admin: SocketAddr,
    /// Replicas of `gad serve`; comma-separated.
    #[arg(long, env = "GAD_UPSTREAMS", value_delimiter = ',', default_value = "127.0.0.1:50051")]
    pub upstreams: Vec<SocketAddr>,
    /// Bridges; comma-separated.
    #[arg(long, env = "GAD_BRIDGES", value_delimiter = ',', default_value = "127.0.0.1:8090")]
    pub bridges: Vec<SocketAddr>,
    /// Descriptor set that `gad descriptor` wrote.
    #[arg(long, default_value = "gad.bin")]
    pub descriptor: PathBuf,
    /// Access log; `/dev/stdout` for standard output.
    #[arg(long, default_value = "/dev/null")]
    pub access_log: PathBuf,
}

/// `gad up`.
#[derive(Debug, Clone, Args)]
pub struct UpSettings {
    /// Folder of all private data.
    #[arg(long, env = "GAD_HOME", default_value = ".gad")]
    pub home: PathBuf,
    /// Public address.
    #[arg(long, env = "GAD_PUBLIC_LISTEN", default_value = "127.0.0.1:8080")]
    pub public_listen: SocketAddr,
    /// Folder with the built dashboard.
    #[arg(long, env = "GAD_WEB_DIR", default_value = "web/dist")]
    pub web_dir: PathBuf,
    /// Folder with `envoy`, such as a Python environment's `bin`; none: wherever PATH finds it.
    #[arg(long, env = "GAD_TOOLS", default_value = ".venv/bin")]
    pub tools: PathBuf,
    /// PostgreSQL to use instead of a private one.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// Redis to use instead of a private one.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<SecretString>,
    /// Folder with PostgreSQL's programs; none: Debian's newest one that has PostGIS.
    #[arg(long, env = "GAD_PG_BIN")]
    pub pg_bin: Option<PathBuf>,
}

/// `gad with-stores`.
#[derive(Debug, Clone, Args)]
pub struct WithStoresSettings {
    /// Folder of the data; none: a temporary one, removed at the end.
    #[arg(long)]
    pub home: Option<PathBuf>,
    /// Folder with PostgreSQL's programs; none: Debian's newest one that has PostGIS.
    #[arg(long, env = "GAD_PG_BIN")]
    pub pg_bin: Option<PathBuf>,
    /// Write as carefully as in production, for measuring; without it commits are quick and may be lost.
    #[arg(long)]
    pub durable: bool,
    /// Command and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// `ws-bridge`: streams the live feed to WebSocket and SSE clients.
#[derive(Debug, Clone, Parser)]
#[command(name = "ws-bridge", version)]
pub struct BridgeSettings {
    /// Address of WebSocket and SSE.
    #[arg(long, env = "GAD_BRIDGE_LISTEN", default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,
    /// Address of /health and /metrics.
    #[arg(long, env = "GAD_BRIDGE_INTERNAL_LISTEN", default_value = "127.0.0.1:9465")]
    pub internal_listen: SocketAddr,
    /// `gad serve`, or a balancer before its replicas; several are separated by commas.
    #[arg(long, env = "GAD_UPSTREAM_URL", default_value = "http://127.0.0.1:50051")]
    pub upstream_url: String,
    /// Most connections at a time.
    #[arg(long, env = "WS_MAX_CONNECTIONS", default_value_t = 10_000)]
    pub max_connections: usize,
    /// Most connections of one user at a time.
    #[arg(long, env = "WS_MAX_CONNECTIONS_PER_USER", default_value_t = 100)]
    pub max_connections_per_user: usize,
    /// Most subscriptions of one user at a time, on all connections together.
    #[arg(long, env = "WS_MAX_SUBSCRIPTIONS_PER_USER", default_value_t = 200)]
    pub max_subscriptions_per_user: usize,
    /// Greatest frame a client may send, in bytes.
    #[arg(long, env = "WS_MESSAGE_MAX_SIZE", default_value_t = 65_536)]
    pub message_max_size: usize,
    /// Seconds between pings to a client.
    #[arg(long, env = "WS_HEARTBEAT_INTERVAL", default_value_t = 30.0)]
    pub heartbeat_interval: f64,
    /// Seconds without a frame or pong until a client is dropped.
    #[arg(long, env = "WS_CONNECTION_TIMEOUT", default_value_t = 300.0)]
    pub connection_timeout: f64,
    /// Messages that a client may be behind before it is told to resume.
    #[arg(long, env = "WS_QUEUE", default_value_t = 256)]
    pub queue: usize,
    /// Bytes that a client may be behind before it is told to resume.
    #[arg(long, env = "WS_QUEUE_BYTES", default_value_t = 1_048_576)]
    pub queue_bytes: usize,
    /// Seconds that a client may take to accept a message until it is dropped.
    #[arg(long, env = "WS_SEND_TIMEOUT", default_value_t = 10.0)]
    pub send_timeout: f64,
    /// Seconds that clients have to leave after SIGTERM.
    #[arg(long, env = "GAD_DRAIN_SECONDS", default_value_t = 20.0)]
    pub drain_seconds: f64,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}
