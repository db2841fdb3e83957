//! Settings of accounts and of the mail that goes to their owners.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum, builder::BoolishValueParser};
use secrecy::SecretString;

/// Accounts.
#[derive(Debug, Clone, Args)]
pub struct AccountSettings {
    /// Name of this installation, in mail and in authenticator apps.
    #[arg(long, env = "PROJECT_NAME", default_value = "GAD")]
    pub project_name: String,
    /// Where people open the dashboard: links in mail begin with it.
    #[arg(long, env = "FRONTEND_URL", default_value = "http://127.0.0.1:8080")]
    pub frontend_url: String,
    /// Whether anybody may register; new users have level 1.
    #[arg(long, env = "GAD_OPEN_REGISTRATION", default_value_t = false, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub open_registration: bool,
    /// E-mail of the first administrator, made when there is no user at all; the password is written to standard error, once.
    #[arg(long, env = "ADMIN_EMAIL")]
    pub admin_email: Option<String>,
    /// Mail.
    #[command(flatten)]
    pub mail: MailSettings,
}

impl AccountSettings {
    /// Reasons why these settings may not start.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.mail.smtp_from.parse::<lettre::message::Mailbox>().is_err() {
            problems.push("SMTP_FROM must be an address, such as GAD <gad@example.org>".to_owned());
        }
        if !["http://", "https://"]
            .iter()
            .any(|scheme| self.frontend_url.starts_with(scheme))
        {
            problems.push("FRONTEND_URL must begin with http:// or https://".to_owned());
        }
        problems
    }
}

/// Mail.
#[derive(Debug, Clone, Args)]
pub struct MailSettings {
    /// SMTP server that takes our mail; none: it goes to GAD_MAIL_DIR, or waits.
    #[arg(long, env = "SMTP_HOST")]
    pub smtp_host: Option<String>,
    /// Port of the SMTP server.
    #[arg(long, env = "SMTP_PORT", default_value_t = 587)]
    pub smtp_port: u16,
    /// Name to sign in with at the SMTP server; none: without signing in.
    #[arg(long, env = "SMTP_USERNAME")]
    pub smtp_username: Option<String>,
    /// Password at the SMTP server.
    #[arg(long, env = "SMTP_PASSWORD", hide_env_values = true)]
    pub smtp_password: Option<SecretString>,
    /// How the connection to the SMTP server is kept secret; `true` is STARTTLS, `false` not at all.
    #[arg(long, env = "SMTP_USE_TLS", value_enum, default_value_t = SmtpTls::Starttls, ignore_case = true)]
    pub smtp_use_tls: SmtpTls,
    /// Sender of our mail.
    #[arg(long, env = "SMTP_FROM", default_value = "GAD <gad@localhost>")]
    pub smtp_from: String,
    /// Folder that mail is written to where there is no SMTP server.
    #[arg(long, env = "GAD_MAIL_DIR")]
    pub mail_dir: Option<PathBuf>,
}

/// How a connection to an SMTP server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SmtpTls {
    /// It begins in the clear and must become TLS before anything is said.
    #[value(alias = "true", alias = "1")]
    Starttls,
    /// TLS from the first byte, as on port 465.
    Tls,
    /// Not at all: for a server on this machine.
    #[value(alias = "false", alias = "0")]
    None,
}

/// What a mail goes out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Post<'a> {
    /// An SMTP server.
    Smtp(&'a str),
    /// A folder.
    Folder(&'a PathBuf),
    /// Nothing: it waits.
    Nothing,
}

impl MailSettings {
    /// What mail goes out by.
    pub fn post(&self) -> Post<'_> {
        match (&self.smtp_host, &self.mail_dir) {
            (Some(host), _) => Post::Smtp(host),
            (None, Some(folder)) => Post::Folder(folder),
            (None, None) => Post::Nothing,
        }
    }
}
