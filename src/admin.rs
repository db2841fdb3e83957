//! `gad admin`, and the first administrator of a new installation.

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    config::{AdminAction, AdminSettings},
    domain::{
        email,
        user::{Authority, Name},
    },
    error::{Error, Result},
    identity::{hash_password, password},
    store::{self, Database, Tx, user::Draft},
};

/// Makes an administrator; answers the one-time password.
pub async fn run(settings: &AdminSettings, now: Timestamp) -> Result<String> {
    let AdminAction::Create(draft) = &settings.action;
    let database = Database::connect(&draft.database).await?;
    let mut conn = database.lease().await?;
    let tx = conn.begin(None).await?;
    let password = create(&tx, &draft.email, &draft.display_name, now).await?;
    tx.commit().await?;
    Ok(password)
}

/// Makes the first administrator if there is no user at all; answers the one-time password.
pub async fn first(database: &Database, address: &str, now: Timestamp) -> Result<Option<String>> {
    let mut conn = database.lease().await?;
    if store::user::any(&*conn).await? {
        return Ok(None);
    }
    let tx = conn.begin(None).await?;
    store::user::lock_first(&tx).await?;
    if store::user::any(&tx).await? {
        return Ok(None);
    }
    let password = create(&tx, address, "Administrador", now).await?;
    tx.commit().await?;
    Ok(Some(password))
}

/// An administrator with a password that must be changed at once.
async fn create(tx: &Tx<'_>, address: &str, display_name: &str, now: Timestamp) -> Result<String> {
    let email = email::email(address).ok_or_else(|| Error::Down(format!("{address} is no e-mail address")))?;
    let password = password::one_time()?;
    let name = Name {
        display: display_name.to_owned(),
        ..Name::default()
    };
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let draft = Draft {
        uid: Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0)),
        email: &email,
        username: None,
        name: &name,
        phone: "",
        telegram_id: None,
        language: "es",
        country: None,
        password_hash: Some(&hash_password(&password)?),
        email_verified: None,
        must_verify_email: false,
        password_expired: true,
        service: false,
        authority: &Authority::ADMINISTRATOR,
        now,
    };
    store::user::insert(tx, &draft).await?;
    Ok(password)
}
