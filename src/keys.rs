//! `gad keys`: the keys that sign access tokens, and what is sealed under the secret key.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::{
    audit,
    config::{KeysAction, KeysSettings, SealSettings},
    error::Result,
    identity::{Factor, Seal, national_id, token},
    mail, notify,
    store::{self, Database},
};

/// What was sealed anew, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resealed {
    /// Signing keys.
    pub keys: usize,
    /// Data keys.
    pub data_keys: usize,
    /// Second factors.
    pub factors: u64,
    /// Mails that wait.
    pub mails: u64,
    /// The key of the audit.
    pub audits: usize,
    /// Webhooks.
    pub webhooks: u64,
}

impl fmt::Display for Resealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            keys,
            data_keys,
            factors,
            mails,
            audits,
            webhooks,
        } = self;
        write!(
            f,
            "sealed anew: {keys} signing keys, {data_keys} data keys, {factors} second factors, {mails} mails, \
             {audits} keys of the audit, {webhooks} webhooks; SECRET_KEY_PREVIOUS is not needed any more"
        )
    }
}

/// Does what was asked; answers what to tell.
pub async fn run(settings: &KeysSettings, now: Timestamp) -> Result<String> {
    match &settings.action {
        KeysAction::List(settings) => list(&Database::connect(settings).await?, now).await,
        KeysAction::Rotate(settings) => {
            let lifetime = SignedDuration::from_mins(settings.access_token_expire_minutes.into());
            let (database, seal) = open(&settings.sealed).await?;
            let kid = rotate(&database, &seal, lifetime, settings.withdraw, now).await?;
            Ok(format!("{kid} signs within seconds"))
        }
        KeysAction::Reseal(settings) => {
            let (database, seal) = open(settings).await?;
            reseal(&database, &seal).await.map(|done| done.to_string())
        }
        KeysAction::RotateData(settings) => {
            let (database, seal) = open(settings).await?;
            let renewed = national_id::rotate(&database, &seal, now).await?;
            Ok(format!(
                "{renewed} national ids sealed anew; the older data keys are forgotten"
            ))
        }
    }
}

async fn open(settings: &SealSettings) -> Result<(Database, Seal)> {
    let database = Database::connect(&settings.database).await?;
    let seal = Seal::changing(settings.secret_key.clone(), settings.secret_key_previous.clone());
    Ok((database, seal))
}

async fn list(database: &Database, now: Timestamp) -> Result<String> {
    let keys = store::key::all(&*database.lease().await?).await?;
    let lines = keys.iter().map(|key| {
        let state = match key.retires {
            None => "signs".to_owned(),
            Some(at) if now < at => format!("verifies until {}", at.strftime("%Y-%m-%d %H:%M:%S UTC")),
            Some(at) => format!("retired {}", at.strftime("%Y-%m-%d %H:%M:%S UTC")),
        };
        format!("{}  made {}  {state}", key.kid, key.created.strftime("%Y-%m-%d %H:%M:%S UTC"))
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Makes a new signing key; answers its name.
pub async fn rotate(
    database: &Database,
    seal: &Seal,
    lifetime: SignedDuration,
    withdraw: bool,
    now: Timestamp,
) -> Result<String> {
    let mut conn = database.lease().await?;
    let tx = conn.begin(None).await?;
    let kid = token::rotate(&tx, seal, lifetime, withdraw, now).await?;
    tx.commit().await?;
    Ok(kid)
}

/// Seals anew what is sealed under the former secret key, row by row: nobody waits for it. What changes meanwhile is
/// sealed under the present key by whoever changes it.
pub async fn reseal(database: &Database, seal: &Seal) -> Result<Resealed> {
    let mut done = Resealed::default();
    let mut conn = database.lease().await?;
    let tx = conn.begin(None).await?;
    done.keys = token::reseal(&tx, seal).await?;
    done.data_keys = national_id::reseal(&tx, seal).await?;
    done.audits = audit::key::reseal(&tx, seal).await?;
    tx.commit().await?;
    for (user, sealed) in store::credentials::sealed_seconds(&*conn).await? {
        if let Some(anew) = Factor::reseal(seal, user, &sealed)? {
            done.factors += store::credentials::reseal_second(&*conn, user, &sealed, &anew).await?;
        }
    }
    for (id, user, sealed) in store::mail::all_sealed(&*conn).await? {
        if let Some(anew) = mail::reseal(seal, user, &sealed)? {
            done.mails += store::mail::reseal(&*conn, id, &sealed, &anew).await?;
        }
    }
    done.webhooks = notify::reseal(&*conn, seal).await?;
    Ok(done)
}
