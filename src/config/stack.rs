//! Settings of whole installations as child processes.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use secrecy::SecretString;

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
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_parser = super::values::database_url)]
    pub database_url: Option<SecretString>,
    /// Redis to use instead of a private one.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<SecretString>,
    /// Folder with PostgreSQL's programs; none: Debian's newest one that has PostGIS.
    #[arg(long, env = "GAD_PG_BIN")]
    pub pg_bin: Option<PathBuf>,
    /// Secret that seals what the database keeps sealed.
    #[arg(long, env = "SECRET_KEY", hide_env_values = true, default_value = super::DEMO_SECRET)]
    pub secret_key: SecretString,
    /// Calls of one caller in a rate class per minute; wide enough to play with.
    #[arg(long, env = "RATE_LIMIT_CALLS", default_value_t = 6000)]
    pub rate_limit_calls: u32,
    /// Calls of one administrator per minute.
    #[arg(long, env = "RATE_LIMIT_ADMIN", default_value_t = 6000)]
    pub rate_limit_admin: u32,
    /// Sign-in attempts per minute of one address.
    #[arg(long, env = "RATE_LIMIT_LOGINS", default_value_t = 100)]
    pub rate_limit_logins: u32,
    /// Registrations per minute of one address.
    #[arg(long, env = "RATE_LIMIT_REGISTRATIONS", default_value_t = 80)]
    pub rate_limit_registrations: u32,
    /// WebSockets and event streams opened per minute by one user.
    #[arg(long, env = "RATE_LIMIT_HANDSHAKES", default_value_t = 200)]
    pub rate_limit_handshakes: u32,
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
