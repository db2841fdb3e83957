//! The ways out: Telegram's Bot API, mail, and webhooks.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Url};
use rustls::RootCertStore;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::{
    config::NotifySettings,
    domain::{mail::Letter, notification::Channel},
    error::{Error, Result},
    mail::Courier,
    outbound::{Answer, Outbound, Policy, Refusal},
};

/// Longest that anybody outside may take.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer of Telegram that is read, in bytes.
const LONGEST: usize = 16 * 1024;
/// Longest wait that Telegram may ask for.
const LONGEST_WAIT: i64 = 3600;

/// What is sent.
pub enum Message {
    /// By Telegram.
    Telegram {
        /// Number of the person.
        chat: i64,
        /// What it says.
        text: String,
    },
    /// By mail.
    Email(Letter),
    /// To a webhook.
    Webhook {
        /// Where it is.
        url: String,
        /// What calls are signed with, the newest first.
        secrets: Vec<SecretString>,
        /// What happened.
        event: &'static str,
        /// What is said of it.
        body: Vec<u8>,
    },
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Taken(Option<u16>),
    /// It was not.
    Failed {
        /// Why, in words that name nobody.
        text: String,
        /// HTTP status of the answer.
        status: Option<u16>,
        /// It will never be taken.
        forever: bool,
        /// It is the channel or webhook that fails, whatever is sent.
        broken: bool,
        /// Not again before so long.
        wait: Option<SignedDuration>,
    },
}

impl Outcome {
    fn broken(text: String, status: Option<u16>) -> Self {
        Self::Failed {
            text,
            status,
            forever: false,
            broken: true,
            wait: None,
        }
    }

    /// Of a call that was not made or not answered.
    fn refused(refusal: &Refusal) -> Self {
        let forever = matches!(refusal, Refusal::Url(_) | Refusal::Address);
        Self::Failed {
            text: refusal.to_string(),
            status: None,
            forever,
            broken: !forever,
            wait: None,
        }
    }
}

/// The bot.
struct Telegram {
    outbound: Outbound,
    /// With the token in it.
    url: SecretString,
}

/// The ways out.
pub struct Channels {
    telegram: Option<Telegram>,
    courier: Arc<Courier>,
    webhooks: Outbound,
}

/// How webhooks are called.
pub fn webhooks(settings: &NotifySettings) -> Result<Outbound> {
    let policy = Policy {
        plain: settings.webhook_http,
        ports: settings.webhook_ports.clone(),
        inside: settings.webhook_networks.clone(),
        patience: PATIENCE,
        longest: LONGEST,
        redirects: 0,
    };
    Outbound::new(policy, RootCertStore::empty()).map_err(Error::internal)
}

fn telegram(settings: &NotifySettings) -> Result<Option<Telegram>> {
    let Some(token) = settings.bot_token() else { return Ok(None) };
    let base = settings.telegram_api_url.trim_end_matches('/');
    let url = Url::parse(base).map_err(Error::internal)?;
    // The address is the operator's own choice: it may be anywhere, but nowhere else.
    let policy = Policy {
        plain: url.scheme() == "http",
        ports: url.port_or_known_default().into_iter().collect(),
        inside: vec![
            ipnet::IpNet::V4(ipnet::Ipv4Net::default()),
            ipnet::IpNet::V6(ipnet::Ipv6Net::default()),
        ],
        patience: PATIENCE,
        longest: LONGEST,
        redirects: 0,
    };
    Ok(Some(Telegram {
        outbound: Outbound::new(policy, RootCertStore::empty()).map_err(Error::internal)?,
        url: format!("{base}/bot{token}/sendMessage").into(),
    }))
}

impl Channels {
    /// With these settings.
    pub fn new(settings: &NotifySettings, courier: Arc<Courier>, webhooks: Outbound) -> Result<Self> {
        Ok(Self {
            telegram: telegram(settings)?,
            courier,
            webhooks,
        })
    }

    /// Whether there is such a way.
    pub fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Bell | Channel::Webhook => true,
            Channel::Telegram => self.telegram.is_some(),
            Channel::Email => self.courier.goes(),
        }
    }

    /// Sends a message with this outside name.
    pub async fn send(&self, uid: Uuid, message: Message, now: Timestamp) -> Outcome {
        match message {
            Message::Telegram { chat, text } => match &self.telegram {
                Some(telegram) => telegram.send(chat, &text).await,
                None => Outcome::broken("there is no bot".to_owned(), None),
            },
            Message::Email(letter) => match self.courier.bring(letter, &uid.to_string()).await {
                Ok(()) => Outcome::Taken(None),
                Err(failure) => Outcome::Failed {
                    text: failure.text,
                    status: None,
                    forever: failure.refused,
                    broken: !failure.answered,
                    wait: None,
                },
            },
            Message::Webhook {
                url,
                secrets,
                event,
                body,
            } => self.call(uid, &url, &secrets, event, body, now).await,
        }
    }

    async fn call(&self, uid: Uuid, url: &str, secrets: &[SecretString], event: &str, body: Vec<u8>, now: Timestamp) -> Outcome {
        let signature = signature(secrets, &body, now);
        let told = self.webhooks.tell(Method::POST, url, |request| {
            request
                .header("content-type", "application/json")
                .header("gad-delivery", uid.to_string())
                .header("gad-event", event)
                .header("gad-signature", signature)
                .body(body)
        });
        match told.await {
            Ok(status) if status.is_success() => Outcome::Taken(Some(status.as_u16())),
            Ok(status) => Outcome::Failed {
                text: format!("the answer was {}", status.as_u16()),
                status: Some(status.as_u16()),
                forever: status.as_u16() == 410,
                broken: true,
                wait: None,
            },
            Err(refusal) => Outcome::refused(&refusal),
        }
    }
}

/// `t=…,v1=…`, one `v1` for each secret.
fn signature(secrets: &[SecretString], body: &[u8], now: Timestamp) -> String {
    let seconds = now.as_second();
    let mut said = format!("{seconds}.").into_bytes();
    said.extend_from_slice(body);
    let mut signature = format!("t={seconds}");
    for secret in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        signature += ",v1=";
        signature += &hex::encode(hmac::sign(&key, &said));
    }
    signature
}

impl Telegram {
    async fn send(&self, chat: i64, text: &str) -> Outcome {
        let body = serde_json::json!({ "chat_id": chat, "text": text, "link_preview_options": { "is_disabled": true } });
        let call = self.outbound.call(Method::POST, self.url.expose_secret(), |request| {
            request.header("content-type", "application/json").body(body.to_string())
        });
        match call.await {
            Ok(answer) if answer.status.is_success() => Outcome::Taken(Some(answer.status.as_u16())),
            Ok(answer) => refused(&answer),
            Err(refusal) => Outcome::refused(&refusal),
        }
    }
}

/// What Telegram's refusals mean: 400 and 403 are of this person (no such chat, the bot was blocked), the others of the bot.
fn refused(answer: &Answer) -> Outcome {
    let status = answer.status.as_u16();
    let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let wait = said["parameters"]["retry_after"].as_i64();
    let person = matches!(status, 400 | 403);
    Outcome::Failed {
        text: format!("Telegram said {status}"),
        status: Some(status),
        forever: person,
        broken: !person,
        wait: wait.map(|seconds| SignedDuration::from_secs(seconds.clamp(0, LONGEST_WAIT))),
    }
}
