//! Mail on its way out: whichever replica comes first sends what waits, and tries again later what fails.
//!
//! No call waits for an SMTP server: mail is queued in the transaction of what it tells of (`rpc::letter`). A mail is taken
//! for some minutes by moving its next turn, outside of any transaction that stays open while it is sent. A replica that
//! dies in between leaves it to the others; then it may go out twice, which is better than not at all.

pub mod words;

use std::{path::Path, sync::Arc, time::Duration};

use jiff::SignedDuration;
use lettre::{
    AsyncFileTransport, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::authentication::Credentials,
};
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::{MailSettings, Post, SmtpTls},
    domain::{UserId, mail::Letter},
    error::{Error, Result},
    identity::Seal,
    store::{self, Database, mail::Due},
};

/// What mail is sealed for.
const SEALED_FOR: &str = "mail";
/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Looks after which it is counted what waits.
const COUNT: u32 = 15;
/// Mails that are sent at a time.
const BATCH: i64 = 10;
/// Longest that an SMTP server may take for a step.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a replica has to send what it took.
const LEASE: SignedDuration = SignedDuration::from_mins(5);
/// First and longest wait before another try.
const WAITS: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(15), SignedDuration::from_hours(2));

/// Seals a mail, so that links in it cannot be read from the database.
pub fn close(seal: &Seal, to: UserId, letter: &Letter) -> Result<Vec<u8>> {
    let plain = serde_json::to_vec(letter).map_err(Error::internal)?;
    seal.close(SEALED_FOR, &to.0.to_string(), &plain)
}

/// Opens a mail.
pub fn open(seal: &Seal, to: UserId, sealed: &[u8]) -> Result<Letter> {
    let plain = seal.open(SEALED_FOR, &to.0.to_string(), sealed)?;
    serde_json::from_slice(&plain).map_err(Error::internal)
}

/// Seals a mail under the present secret key, if it is not.
pub fn reseal(seal: &Seal, to: UserId, sealed: &[u8]) -> Result<Option<Vec<u8>>> {
    seal.renew(SEALED_FOR, &to.0.to_string(), sealed)
}

/// What mail goes out by.
enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(AsyncFileTransport<Tokio1Executor>),
    Nothing,
}

impl Transport {
    fn of(settings: &MailSettings) -> Result<Self> {
        match settings.post() {
            Post::Smtp(host) => smtp(host, settings).map(Self::Smtp),
            Post::Folder(folder) => self::folder(folder).map(Self::Folder),
            Post::Nothing => Ok(Self::Nothing),
        }
    }

    async fn send(&self, message: Message) -> Result<(), Failure> {
        match self {
            // What a server says may name the person: only the number of it is kept.
            Self::Smtp(smtp) => smtp.send(message).await.map(drop).map_err(|error| Failure {
                refused: error.is_permanent(),
                answered: error.status().is_some(),
                text: match error.status() {
                    Some(code) => format!("the server said {code}"),
                    None => error.to_string(),
                },
            }),
            Self::Folder(folder) => folder.send(message).await.map(drop).map_err(|error| Failure::of(&error)),
            Self::Nothing => Err(Failure::of(&"there is no SMTP server")),
        }
    }
}

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In words that name nobody.
    pub text: String,
    /// The server does not want it, now or ever.
    pub refused: bool,
    /// There is a server that answers.
    pub answered: bool,
}

impl Failure {
    fn of(cause: &impl std::fmt::Display) -> Self {
        Self {
            text: cause.to_string(),
            refused: false,
            answered: false,
        }
    }
}

/// Brings letters to the SMTP server.
pub struct Courier {
    from: Mailbox,
    transport: Transport,
}

impl Courier {
    /// With these settings.
    pub fn new(settings: &MailSettings) -> Result<Self> {
        let from = settings.smtp_from.parse();
        Ok(Self {
            from: from.map_err(|cause| Error::internal(format!("SMTP_FROM: {cause}")))?,
            transport: Transport::of(settings)?,
        })
    }

    /// Whether there is anything that mail goes out by.
    pub fn goes(&self) -> bool {
        !matches!(self.transport, Transport::Nothing)
    }

    /// Brings a letter. Its name is the same at every try, so that a mail program can know it again.
    pub async fn bring(&self, letter: Letter, name: &str) -> Result<(), Failure> {
        let message = self.message(letter, name).map_err(|cause| Failure::of(&cause))?;
        self.transport.send(message).await
    }

    fn message(&self, letter: Letter, name: &str) -> Result<Message> {
        let Letter { to, subject, text } = letter;
        let domain = self.from.email.domain();
        Message::builder()
            .from(self.from.clone())
            .to(to.parse().map_err(|_| Error::internal("an address that is none"))?)
            .subject(subject)
            .message_id(Some(format!("<{name}@{domain}>")))
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(Error::internal)
    }
}

fn smtp(host: &str, settings: &MailSettings) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    let builder = match settings.smtp_use_tls {
        SmtpTls::Starttls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host).map_err(Error::internal)?,
        SmtpTls::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(host).map_err(Error::internal)?,
        SmtpTls::None => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host),
    };
    let builder = builder.port(settings.smtp_port).timeout(Some(PATIENCE));
    Ok(match (&settings.smtp_username, &settings.smtp_password) {
        (Some(name), Some(password)) => builder.credentials(Credentials::new(name.clone(), password.expose_secret().to_owned())),
        _ => builder,
    }
    .build())
}

fn folder(folder: &Path) -> Result<AsyncFileTransport<Tokio1Executor>> {
    std::fs::create_dir_all(folder).map_err(|cause| Error::Down(format!("GAD_MAIL_DIR: {cause}")))?;
    Ok(AsyncFileTransport::new(folder))
}

/// Sends what waits.
pub struct Postman {
    database: Database,
    seal: Seal,
    clock: Clock,
    courier: Arc<Courier>,
}

impl Postman {
    /// By a courier.
    pub fn new(courier: Arc<Courier>, database: Database, seal: Seal, clock: Clock) -> Self {
        Self {
            database,
            seal,
            clock,
            courier,
        }
    }

    /// Sends until stopped.
    pub async fn run(self, stop: CancellationToken) {
        if !self.courier.goes() {
            tracing::warn!("mail waits: neither SMTP_HOST nor GAD_MAIL_DIR is set");
        }
        for look in 0_u32.. {
            if look % COUNT == 0
                && let Err(cause) = self.count().await
            {
                tracing::warn!(%cause, "waiting mail cannot be counted");
            }
            // A mail that is on its way is not dropped half-way: stopping waits for it, within the bounds of the end.
            let more = match self.send_due().await {
                Ok(sent) => sent > 0,
                Err(cause) => {
                    tracing::warn!(%cause, "mail cannot be sent now");
                    false
                }
            };
            let pause = if more { Duration::ZERO } else { PAUSE };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn count(&self) -> Result<()> {
        let (waiting, dead) = store::mail::count(&*self.database.lease().await?).await?;
        metrics::gauge!("mails", "state" => "waiting").set(waiting as f64);
        metrics::gauge!("mails", "state" => "dead").set(dead as f64);
        Ok(())
    }

    /// Sends mails whose turn it is; says how many were looked at.
    async fn send_due(&self) -> Result<usize> {
        if !self.courier.goes() {
            return Ok(0);
        }
        let due = {
            let conn = self.database.lease().await?;
            store::mail::take(&*conn, BATCH, LEASE, self.clock.now()).await?
        };
        let count = due.len();
        for done in futures::future::join_all(due.into_iter().map(|mail| self.deliver(mail))).await {
            done?;
        }
        Ok(count)
    }

    async fn deliver(&self, mail: Due) -> Result<()> {
        let sent = match open(&self.seal, mail.user, &mail.sealed) {
            Ok(letter) => {
                let name = format!("{}.{}", mail.id, mail.expires.as_microsecond());
                self.courier.bring(letter, &name).await.map_err(|failure| failure.text)
            }
            Err(cause) => Err(cause.to_string()),
        };
        let now = self.clock.now();
        let conn = self.database.lease().await?;
        let Due { id, purpose, .. } = mail;
        let outcome = match sent {
            Ok(()) => {
                store::mail::sent(&*conn, id).await?;
                "sent"
            }
            Err(failure) => {
                let next = now + wait(mail.attempts);
                let lost = next >= mail.expires;
                tracing::warn!(
                    mail = id,
                    ?purpose,
                    attempts = mail.attempts,
                    lost,
                    failure,
                    "a mail was not sent"
                );
                if lost {
                    store::mail::give_up(&*conn, id, &failure, now).await?;
                    "lost"
                } else {
                    store::mail::put_off(&*conn, id, &failure, next).await?;
                    "put_off"
                }
            }
        };
        metrics::counter!("mails_total", "outcome" => outcome).increment(1);
        Ok(())
    }
}

/// Wait after so many tries: doubles each time.
fn wait(attempts: i32) -> SignedDuration {
    let (first, longest) = WAITS;
    let doublings = u32::try_from(attempts - 1).unwrap_or_default().min(16);
    (first * (1 << doublings)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        assert_eq!([1, 2, 3].map(wait).map(|wait| wait.as_secs()), [15, 30, 60]);
        assert_eq!(wait(40), WAITS.1);
    }
}
