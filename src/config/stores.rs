//! The database, Redis, logs, and the way to `gad serve`: what several programs share.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum, builder::BoolishValueParser};
use secrecy::{ExposeSecret, SecretString};

use super::values;

/// Database.
#[derive(Debug, Clone, Args)]
pub struct DatabaseSettings {
    /// PostgreSQL with PostGIS, as a URL or key=value list; else DB_URL; else it is made of POSTGRES_SERVER (or
    /// POSTGRES_HOST), POSTGRES_PORT, POSTGRES_DB, POSTGRES_USER and POSTGRES_PASSWORD.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "", hide_default_value = true, value_parser = values::database_url)]
    pub database_url: SecretString,
    /// Most connections that one process holds.
    #[arg(long, env = "DATABASE_POOL_SIZE", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_pool_size: u32,
    /// Longest that a statement may run, in milliseconds, where the call's deadline is later.
    #[arg(long, env = "DATABASE_STATEMENT_TIMEOUT_MS", default_value_t = 30_000)]
    pub database_statement_timeout_ms: u64,
    /// Certificates (PEM) of the authorities that the database's certificate may be from; none: the public ones.
    #[arg(long, env = "DATABASE_TLS_CA")]
    pub database_tls_ca: Option<PathBuf>,
    /// Speak to a database on another machine without TLS if the URL does not ask for it.
    #[arg(long, env = "DATABASE_ALLOW_PLAINTEXT", default_value_t = false, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub database_allow_plaintext: bool,
}

impl DatabaseSettings {
    /// All reasons why these settings are not enough.
    pub fn problems(&self) -> Vec<String> {
        let missing = self.database_url.expose_secret().is_empty();
        let problem = "DATABASE_URL is not set, nor are POSTGRES_SERVER, POSTGRES_DB, POSTGRES_USER and POSTGRES_PASSWORD";
        missing.then(|| problem.to_owned()).into_iter().collect()
    }
}

/// Redis.
#[derive(Debug, Clone, Args)]
pub struct RedisSettings {
    /// Redis, `redis://`, `rediss://` or `redis+unix://`; else it is made of REDIS_HOST, REDIS_PORT, REDIS_PASSWORD and
    /// REDIS_DB. Without it the feed is read from the database, and rate limits are counted by each process alone.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<SecretString>,
    /// First part of every key, so that several installations can share a Redis.
    #[arg(long, env = "REDIS_PREFIX", default_value = "gad")]
    pub redis_prefix: String,
    /// Certificates (PEM) of the authorities that the certificate of a `rediss://` may be from; none: the public ones.
    #[arg(long, env = "REDIS_TLS_CA")]
    pub redis_tls_ca: Option<PathBuf>,
    /// Speak to a Redis on another machine without TLS, also in production.
    #[arg(long, env = "REDIS_ALLOW_PLAINTEXT", default_value_t = false, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub redis_allow_plaintext: bool,
}

/// Logs and traces.
#[derive(Debug, Clone, Args)]
pub struct TelemetrySettings {
    /// Least severity that is logged: trace, debug, info, warn, error, or a tracing filter.
    #[arg(long, env = "LOG_LEVEL", default_value = "info", value_parser = values::log_level)]
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

/// TLS on the way to `gad serve`, for what calls it.
#[derive(Debug, Clone, Default, Args)]
pub struct UpstreamTls {
    /// Certificates (PEM) of the authorities that the certificate of `gad serve` must be from; none: it is spoken to without TLS.
    #[arg(long, env = "GAD_UPSTREAM_CA")]
    pub upstream_ca: Option<PathBuf>,
    /// Name in the certificate of `gad serve`.
    #[arg(long, env = "GAD_UPSTREAM_NAME", default_value = "gad")]
    pub upstream_name: String,
    /// Own certificate (PEM), where `gad serve` asks for one.
    #[arg(long, env = "GAD_UPSTREAM_CERT")]
    pub upstream_cert: Option<PathBuf>,
    /// Key (PEM) of the own certificate.
    #[arg(long, env = "GAD_UPSTREAM_KEY")]
    pub upstream_key: Option<PathBuf>,
}

impl UpstreamTls {
    /// All reasons why these settings do not go together.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.upstream_cert.is_some() != self.upstream_key.is_some() {
            problems.push("GAD_UPSTREAM_CERT and GAD_UPSTREAM_KEY go together".to_owned());
        }
        if self.upstream_cert.is_some() && self.upstream_ca.is_none() {
            problems.push("GAD_UPSTREAM_CERT needs GAD_UPSTREAM_CA".to_owned());
        }
        problems
    }
}
