//! Settings of the ways by which people and programs are told what happened.

use clap::{ArgAction, Args, builder::BoolishValueParser};
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};

use super::values::{networks, ports};

/// Notifications.
#[derive(Debug, Clone, Args)]
pub struct NotifySettings {
    /// Token of the bot that messages of Telegram come from; none: nobody is told by Telegram.
    #[arg(long, env = "TELEGRAM_BOT_TOKEN", hide_env_values = true)]
    pub telegram_bot_token: Option<SecretString>,
    /// Where the Bot API of Telegram is.
    #[arg(long, env = "TELEGRAM_API_URL", default_value = "https://api.telegram.org")]
    pub telegram_api_url: String,
    /// Networks of your own that webhooks may be in, beside public addresses; a JSON list or comma-separated.
    #[arg(long, env = "GAD_WEBHOOK_NETWORKS", value_parser = networks, default_value = "")]
    pub webhook_networks: std::vec::Vec<IpNet>,
    /// Ports that webhooks may have; a JSON list or comma-separated.
    #[arg(long, env = "GAD_WEBHOOK_PORTS", value_parser = ports, default_value = "443")]
    pub webhook_ports: std::vec::Vec<u16>,
    /// Whether webhooks may be called by http, in the clear.
    #[arg(long, env = "GAD_WEBHOOK_HTTP", default_value_t = false, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub webhook_http: bool,
}

impl NotifySettings {
    /// Reasons why these settings may not start.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let secure = ["http://", "https://"]
            .iter()
            .any(|scheme| self.telegram_api_url.starts_with(scheme));
        if !secure {
            problems.push("TELEGRAM_API_URL must begin with http:// or https://".to_owned());
        }
        if self.bot_token().is_some_and(|token| !token.bytes().all(is_of_a_token)) {
            problems.push("TELEGRAM_BOT_TOKEN has letters that no token has".to_owned());
        }
        problems
    }

    /// Token of the bot; none: there is no bot.
    pub fn bot_token(&self) -> Option<&str> {
        let token = self.telegram_bot_token.as_ref().map(SecretString::expose_secret);
        token.filter(|token| !token.is_empty())
    }
}

fn is_of_a_token(letter: u8) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, b':' | b'_' | b'-')
}
