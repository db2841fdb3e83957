//! Every setting of every program: flag, variable, default, one sentence. The page is the help text.

mod account;
mod bridge;
mod envoy;
mod files;
pub mod reading;
pub mod secret;
mod serve;
mod stack;
mod stores;
mod tools;
mod values;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub use self::{
    account::{AccountSettings, MailSettings, Post, SmtpTls},
    bridge::BridgeSettings,
    envoy::EnvoySettings,
    files::FileSettings,
    reading::Settings,
    serve::ServeSettings,
    stack::{UpSettings, WithStoresSettings},
    stores::{DatabaseSettings, LogFormat, RedisSettings, TelemetrySettings, UpstreamTls},
    tools::{
        AdminAction, AdminDraft, AdminSettings, AuditCommand, AuditVerifySettings, DoctorSettings, ImportSettings, KeysAction,
        KeysSettings, RotateSettings, SealSettings, SeedSettings, SimulateSettings,
    },
};

/// Secret that demo and tests run with; production refuses it.
pub const DEMO_SECRET: &str = "gad-demo-secret-key-never-for-production";
/// Token of the bridge in demo and tests; production refuses it.
pub const DEMO_BRIDGE_TOKEN: &str = "gad-demo-bridge-token";
/// Token of the Telegram bot in demo and tests; production refuses it.
pub const DEMO_BOT_TOKEN: &str = "gad-demo-bot-token";
/// Who can sign in to the demo city: an administrator, a supervisor, a field agent.
pub const DEMO_ACCOUNTS: [&str; 3] = ["admin@gad.example", "supervisor@gad.example", "agente@gad.example"];
/// What all addresses of the demo city end with.
pub const DEMO_DOMAIN: &str = "@gad.example";
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
    /// Administrators.
    Admin(AdminSettings),
    /// Keys that sign access tokens, and the secret key.
    Keys(Box<KeysSettings>),
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
    Envoy(Box<EnvoySettings>),
    /// Start the whole stack with private data and demo city, and stop it on Ctrl-C.
    Up(Box<UpSettings>),
    /// Start a private PostgreSQL and Redis, run a command with DATABASE_URL and REDIS_URL set, stop them.
    WithStores(WithStoresSettings),
}

impl Settings for Cli {
    fn problems(&self) -> Vec<String> {
        match &self.command {
            Command::Serve(settings) => settings.problems(),
            Command::Migrate(settings) => settings.problems(),
            Command::Seed(settings) => settings.database.problems(),
            Command::ImportTasks(settings) => settings.database.problems(),
            Command::Doctor(settings) => settings.database.problems(),
            Command::Audit(AuditCommand::Verify(settings)) => settings.sealed.problems(),
            Command::Admin(settings) => {
                let AdminAction::Create(draft) = &settings.action;
                draft.database.problems()
            }
            Command::Keys(settings) => settings.problems(),
            Command::Envoy(settings) => settings.problems(),
            Command::Simulate(_)
            | Command::Descriptor { .. }
            | Command::Openapi { .. }
            | Command::Up(_)
            | Command::WithStores(_) => Vec::new(),
        }
    }
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

impl Environment {
    /// Its word, as ENVIRONMENT has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Testing => "testing",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}
