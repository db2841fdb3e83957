//! Settings of what is run now and then.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use secrecy::SecretString;

use super::{DatabaseSettings, Environment, MailSettings, RedisSettings, TelemetrySettings};

/// `gad seed`.
#[derive(Debug, Clone, Args)]
pub struct SeedSettings {
    /// Where the program runs; production refuses demo accounts.
    #[arg(long, env = "ENVIRONMENT", value_enum, ignore_case = true, default_value_t = Environment::Development)]
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
    /// Mail.
    #[command(flatten)]
    pub mail: MailSettings,
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
    /// Secret of the servers.
    #[arg(
        long,
        env = "SECRET_KEY",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub secret_key: SecretString,
    /// The secret key before this one, until `gad keys reseal` was run.
    #[arg(long, env = "SECRET_KEY_PREVIOUS", hide_env_values = true)]
    pub secret_key_previous: Option<SecretString>,
    /// Database.
    #[command(flatten)]
    pub database: DatabaseSettings,
}
