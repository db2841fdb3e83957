//! Settings of `gad serve`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, builder::BoolishValueParser, value_parser};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use super::{
    AccountSettings, DEMO_BOT_TOKEN, DEMO_BRIDGE_TOKEN, DatabaseSettings, Environment, FileSettings, RedisSettings,
    TelemetrySettings,
    secret::weakness,
    values::{list, networks},
};

/// Least characters of a secret.
const SECRET_LENGTH: usize = 32;

/// `gad serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeSettings {
    /// Where the program runs.
    #[arg(long, env = "ENVIRONMENT", value_enum, ignore_case = true, default_value_t = Environment::Development)]
    pub environment: Environment,
    /// Log at least at `debug`; refused in production.
    #[arg(long, env = "DEBUG", default_value_t = false, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub debug: bool,
    /// Address of gRPC, gRPC-web and files.
    #[arg(long, env = "GAD_LISTEN", default_value = "127.0.0.1:50051")]
    pub listen: SocketAddr,
    /// Address of /health and /metrics; keep it off the public network.
    #[arg(long, env = "GAD_INTERNAL_LISTEN", default_value = "127.0.0.1:9464")]
    pub internal_listen: SocketAddr,
    /// Certificate (PEM) of GAD_LISTEN, if Envoy and bridge are to speak TLS with it.
    #[arg(long, env = "GAD_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Key (PEM) of that certificate.
    #[arg(long, env = "GAD_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Certificates (PEM) of the authorities that a caller's own certificate must be from; none: callers need none.
    #[arg(long, env = "GAD_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
    /// Secret that seals what the database keeps sealed, and that CSRF tokens are made with; at least 32 characters.
    #[arg(
        long,
        env = "SECRET_KEY",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub secret_key: SecretString,
    /// The secret key before this one: still opens what it sealed, until `gad keys reseal` has sealed it anew.
    #[arg(long, env = "SECRET_KEY_PREVIOUS", hide_env_values = true)]
    pub secret_key_previous: Option<SecretString>,
    /// Token that bridges show to this server; not set: the demo's, and in production no bridge may come.
    #[arg(long, env = "GAD_BRIDGE_TOKEN", hide_env_values = true)]
    pub bridge_token: Option<SecretString>,
    /// Token that the Telegram bot shows to this server; not set: the demo's, and in production it may not come.
    #[arg(long, env = "TELEGRAM_SERVICE_TOKEN", hide_env_values = true)]
    pub telegram_service_token: Option<SecretString>,
    /// Minutes until an access token ends.
    #[arg(long, env = "ACCESS_TOKEN_EXPIRE_MINUTES", default_value_t = 30)]
    pub access_token_expire_minutes: u32,
    /// Days until a session ends that is not used.
    #[arg(long, env = "REFRESH_TOKEN_EXPIRE_DAYS", default_value_t = 7)]
    pub refresh_token_expire_days: u32,
    /// Minutes that a proof of being there lasts for dangerous calls.
    #[arg(long, env = "GAD_STEP_UP_MINUTES", default_value_t = 15)]
    pub step_up_minutes: u32,
    /// Folder with the built dashboard; none: no dashboard.
    #[arg(long, env = "GAD_WEB_DIR")]
    pub web_dir: Option<PathBuf>,
    /// URL of map tiles for the dashboard, with {z}, {x}, {y}; none: a plain map without outside requests.
    #[arg(long, env = "GAD_TILE_URL")]
    pub tile_url: Option<String>,
    /// Origins that browsers may call from, beside the dashboard's own; a JSON list or comma-separated.
    #[arg(long, env = "CORS_ALLOWED_ORIGINS", value_parser = list, default_value = "")]
    pub cors_allowed_origins: std::vec::Vec<String>,
    /// Let browsers send cookies from those origins.
    #[arg(long, env = "CORS_ALLOW_CREDENTIALS", default_value_t = false, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub cors_allow_credentials: bool,
    /// Give cookies to browsers for https only; browsers take this machine's own address for safe.
    #[arg(long, env = "SECURE_COOKIES", default_value_t = true, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub secure_cookies: bool,
    /// Addresses and networks of proxies whose x-forwarded-for is believed, Envoy's among them; a JSON list or
    /// comma-separated.
    #[arg(long, env = "TRUSTED_PROXY_HOSTS", value_parser = networks, default_value = "127.0.0.0/8,::1")]
    pub trusted_proxy_hosts: std::vec::Vec<IpNet>,
    /// Most connections at a time; more are closed at once.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 12_000, value_parser = value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// Longest request that is read, in bytes.
    #[arg(long, env = "MAX_REQUEST_BODY_SIZE", default_value_t = 10 * 1024 * 1024, value_parser = value_parser!(u32).range(1024..))]
    pub max_request_body_size: u32,
    /// Most unary calls at work at a time; more are refused at once with UNAVAILABLE.
    #[arg(long, env = "GAD_MAX_CONCURRENT_CALLS", default_value_t = 512)]
    pub max_concurrent_calls: usize,
    /// Most streams open at a time.
    #[arg(long, env = "GAD_MAX_STREAMS", default_value_t = 2000)]
    pub max_streams: usize,
    /// Calls of one caller in a rate class (reads, writes, streams) per period.
    #[arg(long, env = "RATE_LIMIT_CALLS", default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    pub rate_limit_calls: u32,
    /// Seconds of the period that calls are counted in.
    #[arg(long, env = "RATE_LIMIT_PERIOD", default_value_t = 60, value_parser = value_parser!(u32).range(1..=86_400))]
    pub rate_limit_period: u32,
    /// Calls of one administrator per minute.
    #[arg(long, env = "RATE_LIMIT_ADMIN", default_value_t = 200, value_parser = value_parser!(u32).range(1..))]
    pub rate_limit_admin: u32,
    /// Sign-in attempts per minute of one address.
    #[arg(long, env = "RATE_LIMIT_LOGINS", default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    pub rate_limit_logins: u32,
    /// Registrations, and mails that strangers have sent, per minute of one address.
    #[arg(long, env = "RATE_LIMIT_REGISTRATIONS", default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    pub rate_limit_registrations: u32,
    /// Refresh tokens of one user exchanged per minute, wherever the user is; and of nobody, of one address.
    #[arg(long, env = "RATE_LIMIT_REFRESHES", default_value_t = 20, value_parser = value_parser!(u32).range(1..))]
    pub rate_limit_refreshes: u32,
    /// Emergencies raised and answered per minute by one user: more than the most nervous finger can.
    #[arg(long, env = "RATE_LIMIT_EMERGENCIES", default_value_t = 600, value_parser = value_parser!(u32).range(60..))]
    pub rate_limit_emergencies: u32,
    /// WebSockets and event streams opened per minute by one user.
    #[arg(long, env = "RATE_LIMIT_HANDSHAKES", default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    pub rate_limit_handshakes: u32,
    /// Exports per minute of one caller.
    #[arg(long, env = "RATE_LIMIT_EXPORTS", default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    pub rate_limit_exports: u32,
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
    /// Whether calls are audited: always, but where it is measured what that costs.
    #[arg(skip = true)]
    pub audited: bool,
    /// Events that a watcher may be behind before it is told to resume.
    #[arg(long, env = "GAD_WATCH_QUEUE", default_value_t = 1024)]
    pub watch_queue: usize,
    /// Seconds without an event until a watcher gets a checkpoint.
    #[arg(long, env = "GAD_CHECKPOINT_SECONDS", default_value_t = 15.0)]
    pub checkpoint_seconds: f64,
    /// Accounts.
    #[command(flatten)]
    pub account: AccountSettings,
    /// Files.
    #[command(flatten)]
    pub files: FileSettings,
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
        let mut problems = self.database.problems();
        problems.extend(self.account.problems());
        problems.extend(self.files.problems());
        let secret = self.secret_key.expose_secret();
        if secret.is_empty() {
            problems.push("SECRET_KEY is not set: make one with `openssl rand -hex 32`".to_owned());
        } else if secret.chars().count() < SECRET_LENGTH {
            problems.push(format!("SECRET_KEY must have at least {SECRET_LENGTH} characters"));
        }
        if self.watch_queue == 0 || self.max_concurrent_calls == 0 || self.max_streams == 0 {
            problems.push("GAD_WATCH_QUEUE, GAD_MAX_CONCURRENT_CALLS and GAD_MAX_STREAMS must not be 0".to_owned());
        }
        let seconds = [self.lame_duck_seconds, self.drain_seconds, self.checkpoint_seconds];
        if seconds.iter().any(|seconds| !(0.0..=86_400.0).contains(seconds)) || self.checkpoint_seconds < 0.01 {
            problems.push(
                "GAD_LAME_DUCK_SECONDS, GAD_DRAIN_SECONDS and GAD_CHECKPOINT_SECONDS must be 0 (checkpoints: 0.01) to 86400"
                    .to_owned(),
            );
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            problems.push("GAD_TLS_CERT and GAD_TLS_KEY go together".to_owned());
        }
        if self.tls_client_ca.is_some() && self.tls_cert.is_none() {
            problems.push("GAD_TLS_CLIENT_CA needs GAD_TLS_CERT and GAD_TLS_KEY".to_owned());
        }
        let anybody = self.cors_allowed_origins.iter().any(|origin| origin == "*");
        if anybody && self.cors_allow_credentials {
            problems.push("CORS_ALLOWED_ORIGINS must not be * with CORS_ALLOW_CREDENTIALS".to_owned());
        }
        if self.environment == Environment::Production {
            problems.extend(self.production_problems(anybody));
        }
        problems
    }

    /// What is fine on a person's machine, and refused in earnest.
    fn production_problems(&self, anybody: bool) -> Vec<String> {
        let mut problems = Vec::new();
        let secrets = [
            ("SECRET_KEY", Some(&self.secret_key)),
            ("GAD_BRIDGE_TOKEN", self.bridge_token.as_ref()),
            ("TELEGRAM_SERVICE_TOKEN", self.telegram_service_token.as_ref()),
        ];
        for (name, secret) in secrets {
            let secret = secret.map(SecretString::expose_secret).unwrap_or_default();
            // A short SECRET_KEY is refused everywhere; services without a token are not let in.
            let known = name == "SECRET_KEY" && secret.chars().count() < SECRET_LENGTH;
            if !known && !secret.is_empty() {
                problems.extend(weakness(secret, SECRET_LENGTH).map(|why| format!("{name} {why}")));
            }
        }
        if self.debug {
            problems.push("DEBUG must be off in production".to_owned());
        }
        if anybody {
            problems.push("CORS_ALLOWED_ORIGINS must not be * in production".to_owned());
        }
        if !self.secure_cookies {
            problems.push("SECURE_COOKIES must be on in production".to_owned());
        }
        problems
    }

    /// Token of the bridges; none: none may come.
    pub fn bridge_token(&self) -> Option<&str> {
        self.service_token(self.bridge_token.as_ref(), DEMO_BRIDGE_TOKEN)
    }

    /// Token of the Telegram bot; none: it may not come.
    pub fn bot_token(&self) -> Option<&str> {
        self.service_token(self.telegram_service_token.as_ref(), DEMO_BOT_TOKEN)
    }

    fn service_token<'a>(&self, set: Option<&'a SecretString>, demo: &'a str) -> Option<&'a str> {
        let demo = (self.environment != Environment::Production).then_some(demo);
        set.map(SecretString::expose_secret).or(demo)
    }

    /// What is logged: everything from `debug` on if DEBUG is on and nothing else was asked for.
    pub fn logs(&self) -> TelemetrySettings {
        let mut logs = self.telemetry.clone();
        if self.debug && logs.log_level == "info" {
            logs.log_level = "debug".to_owned();
        }
        logs
    }

    /// Deadline of a unary call that names none.
    pub fn default_deadline(&self) -> Duration {
        Duration::from_millis(self.default_deadline_ms)
    }
}
