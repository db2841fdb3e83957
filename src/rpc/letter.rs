//! Mail to people: written and queued in the transaction of what it tells of, sent by whichever replica comes first.

use jiff::{SignedDuration, Timestamp};

use crate::{
    app::App,
    domain::{UserId, mail::Purpose, user::User},
    error::{Error, Result},
    identity::Secret,
    mail::{
        self,
        words::{self, Recipient},
    },
    store::{
        self, Tx,
        mail::{Draft, TokenDraft},
    },
};

/// How long a mail is tried.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// Links of one purpose that a user is sent in [`LINK_PERIOD`].
const LINKS: i64 = 5;
/// See [`LINKS`].
const LINK_PERIOD: SignedDuration = SignedDuration::from_hours(1);

/// Somebody who gets mail. A stranger, who gets none, costs the same work.
#[derive(Debug, Clone, Copy)]
pub struct Addressee<'a> {
    user: UserId,
    recipient: Recipient<'a>,
}

impl<'a> Addressee<'a> {
    /// A user.
    pub fn of(user: &'a User) -> Self {
        Self {
            user: user.id,
            recipient: Recipient {
                email: &user.email,
                name: &user.name.display,
                language: &user.language,
            },
        }
    }

    /// Nobody.
    pub const STRANGER: Self = Self {
        user: UserId(0),
        recipient: Recipient {
            email: "",
            name: "",
            language: "es",
        },
    };
}

/// Invites a new user to set the first password. An earlier invitation is void from now on.
pub async fn invite(app: &App, tx: &Tx<'_>, user: &User, now: Timestamp) -> Result<()> {
    send_link(app, tx, Addressee::of(user), Purpose::Invitation, now).await
}

/// Queues a mail with a fresh link; earlier links of the purpose are void. Who gets many of them gets no more for a while.
pub async fn send_link(app: &App, tx: &Tx<'_>, to: Addressee<'_>, purpose: Purpose, now: Timestamp) -> Result<()> {
    let lifetime = purpose.lifetime().ok_or_else(|| Error::internal("a mail without a link"))?;
    if store::mail::tokens_since(tx, to.user, purpose, now - LINK_PERIOD).await? >= LINKS {
        return Ok(());
    }
    let secret = Secret::make()?;
    let token = TokenDraft {
        hash: &secret.hash,
        user: to.user,
        purpose,
        email: to.recipient.email,
        expires: now + lifetime,
        now,
    };
    store::mail::add_token(tx, &token).await?;
    let link = format!("{}?token={}", page(app, purpose), secret.text);
    queue(app, tx, to, purpose, &link, now).await
}

/// Queues a mail without a secret.
pub async fn send(app: &App, tx: &Tx<'_>, user: &User, purpose: Purpose, now: Timestamp) -> Result<()> {
    queue(app, tx, Addressee::of(user), purpose, &page(app, purpose), now).await
}

/// The dashboard's page that a mail leads to.
fn page(app: &App, purpose: Purpose) -> String {
    let path = match purpose {
        Purpose::Invitation => "/accept-invitation",
        Purpose::Verification => "/verify-email",
        Purpose::Reset => "/reset-password",
        Purpose::Welcome | Purpose::Locked | Purpose::PasswordChanged | Purpose::SecondFactorOff => "/",
    };
    format!("{}{path}", app.settings.account.frontend_url.trim_end_matches('/'))
}

async fn queue(app: &App, tx: &Tx<'_>, to: Addressee<'_>, purpose: Purpose, link: &str, now: Timestamp) -> Result<()> {
    let letter = words::write(purpose, &app.settings.account.project_name, &to.recipient, link);
    let draft = Draft {
        user: to.user,
        purpose,
        sealed: &mail::close(&app.seal, to.user, &letter)?,
        expires: now + purpose.lifetime().unwrap_or(PATIENCE).min(PATIENCE),
        now,
    };
    store::mail::queue(tx, &draft).await
}
