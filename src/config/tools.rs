//! Settings of what is run now and then.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};

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

/// `gad admin`.
#[derive(Debug, Clone, Args)]
pub struct AdminSettings {
    /// What to do.
    #[command(subcommand)]
    pub action: AdminAction,
}

/// What `gad admin` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum AdminAction {
    /// Make an administrator; the password is written to standard output, and must be changed at the first sign-in.
    Create(AdminDraft),
}

/// A new administrator.
#[derive(Debug, Clone, Args)]
pub struct AdminDraft {
    /// E-mail address.
    #[arg(long)]
    pub email: String,
    /// Name as shown to others.
    #[arg(long, default_value = "Administrador")]
    pub display_name: String,
    /// Database.
    #[command(flatten)]
    pub database: DatabaseSettings,
}

/// `gad keys`.
#[derive(Debug, Clone, Args)]
pub struct KeysSettings {
    /// What to do.
    #[command(subcommand)]
    pub action: KeysAction,
}

/// What `gad keys` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum KeysAction {
    /// Show the keys that sign access tokens.
    List(DatabaseSettings),
    /// Make another key: it signs within seconds; the others verify until their last token has ended.
    Rotate(RotateSettings),
    /// Seal anew what is sealed under SECRET_KEY_PREVIOUS.
    Reseal(SealSettings),
    /// Seal national ids anew with another data key, while servers go on; then forget the older data keys.
    RotateData(SealSettings),
}

/// `gad keys rotate`.
#[derive(Debug, Clone, Args)]
pub struct RotateSettings {
    /// Withdraw the other keys at once, because somebody else has them: everybody must refresh or sign in.
    #[arg(long)]
    pub withdraw: bool,
    /// Minutes until an access token ends: as `gad serve` has it.
    #[arg(long, env = "ACCESS_TOKEN_EXPIRE_MINUTES", default_value_t = 30)]
    pub access_token_expire_minutes: u32,
    /// Secrets and database.
    #[command(flatten)]
    pub sealed: SealSettings,
}

/// Where sealed things are, and what they are sealed with.
#[derive(Debug, Clone, Args)]
pub struct SealSettings {
    /// Secret that seals what the database keeps sealed.
    #[arg(
        long,
        env = "SECRET_KEY",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub secret_key: SecretString,
    /// The secret key before this one.
    #[arg(long, env = "SECRET_KEY_PREVIOUS", hide_env_values = true)]
    pub secret_key_previous: Option<SecretString>,
    /// Database.
    #[command(flatten)]
    pub database: DatabaseSettings,
}

impl SealSettings {
    /// Reasons why nothing can be done with these settings.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.database.problems();
        if self.secret_key.expose_secret().is_empty() {
            problems.push("SECRET_KEY is not set".to_owned());
        }
        problems
    }
}

impl KeysSettings {
    /// Reasons why nothing can be done with these settings.
    pub fn problems(&self) -> Vec<String> {
        match &self.action {
            KeysAction::List(database) => database.problems(),
            KeysAction::Rotate(settings) => settings.sealed.problems(),
            KeysAction::Reseal(settings) | KeysAction::RotateData(settings) => settings.problems(),
        }
    }
}

/// What `gad audit` can do.
#[derive(Debug, Clone, Subcommand)]
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
    /// Secrets and database.
    #[command(flatten)]
    pub sealed: SealSettings,
}
