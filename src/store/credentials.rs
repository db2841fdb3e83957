//! What people prove themselves by: passwords, second factors, recovery codes; and how often they failed.

use jiff::Timestamp;

use super::{
    Query, Tx,
    decode::Column,
    revocation::{self, Revoked},
};
use crate::{
    domain::{UserId, session::Attempts},
    error::Result,
};

/// What somebody proves to be there by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Hash of the password; none: none was set.
    pub password_hash: Option<String>,
    /// Failed attempts.
    pub attempts: Attempts,
    /// The second factor.
    pub second: Option<Second>,
}

/// A second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Second {
    /// Its secret, sealed.
    pub sealed: Vec<u8>,
    /// Whether it counts: a code of it was seen.
    pub confirmed: bool,
    /// Last time step whose code was used.
    pub step: i64,
}

/// The credentials of a user, for this transaction alone until it ends.
pub async fn lock(tx: &Tx<'_>, user: UserId) -> Result<Option<Credentials>> {
    let row = tx
        .row(
            "select u.password_hash, u.failed_logins, u.lock_end_time, u.totp_sealed,
                    u.totp_confirm_time is not null as confirmed, u.totp_step
             from users u where u.id = $1 for no key update",
            &[&user.0],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let sealed: Option<Vec<u8>> = row.read("totp_sealed")?;
    let (confirmed, step) = (row.read("confirmed")?, row.read("totp_step")?);
    Ok(Some(Credentials {
        password_hash: row.read("password_hash")?,
        attempts: Attempts {
            failed: row.read("failed_logins")?,
            locked_until: row.read("lock_end_time")?,
        },
        second: sealed.map(|sealed| Second { sealed, confirmed, step }),
    }))
}

/// The hash of a user's password; none if none was set.
pub async fn password_hash(on: &impl Query, user: UserId) -> Result<Option<String>> {
    let row = on
        .row("select u.password_hash from users u where u.id = $1", &[&user.0])
        .await?;
    row.map_or(Ok(None), |row| row.read("password_hash"))
}

/// Keeps how often somebody failed.
pub async fn save_attempts(tx: &Tx<'_>, user: UserId, attempts: Attempts) -> Result<()> {
    tx.run(
        "update users set failed_logins = $2, lock_end_time = $3 where id = $1",
        &[&user.0, &attempts.failed, &attempts.locked_until],
    )
    .await
    .map(drop)
}

/// Replaces the hash of a password that stays the same.
pub async fn renew_hash(tx: &Tx<'_>, user: UserId, hash: &str) -> Result<()> {
    tx.run("update users set password_hash = $2 where id = $1", &[&user.0, &hash])
        .await
        .map(drop)
}

/// Sets a password. It is not expired, and failed attempts are forgotten.
pub async fn set_password(tx: &Tx<'_>, user: UserId, hash: &str, now: Timestamp) -> Result<()> {
    tx.run(
        "update users set password_hash = $2, password_change_time = $3, password_expired = false, failed_logins = 0,
                lock_end_time = null, update_time = $3, revision = revision + 1
         where id = $1",
        &[&user.0, &hash, &now],
    )
    .await
    .map(drop)
}

/// Notes that somebody proved their address.
pub async fn verify_email(tx: &Tx<'_>, user: UserId, now: Timestamp) -> Result<()> {
    tx.run(
        "update users set email_verify_time = $2, update_time = $2, revision = revision + 1
         where id = $1 and email_verify_time is null",
        &[&user.0, &now],
    )
    .await
    .map(drop)
}

/// Notes that somebody signed in.
pub async fn signed_in(tx: &Tx<'_>, user: UserId, now: Timestamp) -> Result<()> {
    tx.run("update users set last_login_time = $2 where id = $1", &[&user.0, &now])
        .await
        .map(drop)
}

/// Ends all access tokens of a user that were made before.
pub async fn withdraw_tokens(tx: &Tx<'_>, user: UserId, now: Timestamp) -> Result<()> {
    let row = tx
        .one(
            "update users set token_version = token_version + 1 where id = $1 returning token_version",
            &[&user.0],
        )
        .await?;
    let version = row.read("token_version")?;
    revocation::add(tx, Revoked::User { user, version }, now).await
}

/// Keeps the secret of a second factor that does not count yet.
pub async fn enrol(tx: &Tx<'_>, user: UserId, sealed: &[u8]) -> Result<()> {
    tx.run(
        "update users set totp_sealed = $2, totp_confirm_time = null, totp_step = 0 where id = $1",
        &[&user.0, &sealed],
    )
    .await
    .map(drop)
}

/// From now on the second factor counts.
pub async fn confirm(tx: &Tx<'_>, user: UserId, step: i64, now: Timestamp) -> Result<()> {
    tx.run(
        "update users set totp_confirm_time = $2, totp_step = $3, update_time = $2, revision = revision + 1 where id = $1",
        &[&user.0, &now, &step],
    )
    .await
    .map(drop)
}

/// Uses up the codes of a time step and of those before.
pub async fn use_step(tx: &Tx<'_>, user: UserId, step: i64) -> Result<()> {
    tx.run("update users set totp_step = $2 where id = $1", &[&user.0, &step])
        .await
        .map(drop)
}

/// Forgets the second factor and its recovery codes.
pub async fn forget_second(tx: &Tx<'_>, user: UserId, now: Timestamp) -> Result<()> {
    tx.run(
        "update users set totp_sealed = null, totp_confirm_time = null, totp_step = 0, update_time = $2, revision = revision + 1
         where id = $1",
        &[&user.0, &now],
    )
    .await?;
    tx.run("delete from recovery_codes where user_id = $1", &[&user.0])
        .await
        .map(drop)
}

/// Replaces a user's recovery codes.
pub async fn set_recovery_codes(tx: &Tx<'_>, user: UserId, hashes: &[Vec<u8>]) -> Result<()> {
    tx.run("delete from recovery_codes where user_id = $1", &[&user.0]).await?;
    tx.run(
        "insert into recovery_codes (user_id, hash) select $1, hash from unnest($2::bytea[]) hash",
        &[&user.0, &hashes],
    )
    .await
    .map(drop)
}

/// Uses a recovery code up; false if there is none, or it was used.
pub async fn use_recovery_code(tx: &Tx<'_>, user: UserId, hash: &[u8], now: Timestamp) -> Result<bool> {
    let used = tx
        .run(
            "update recovery_codes set use_time = $3 where user_id = $1 and hash = $2 and use_time is null",
            &[&user.0, &hash, &now],
        )
        .await?;
    Ok(used == 1)
}

/// Secrets of all second factors, sealed.
pub async fn sealed_seconds(on: &impl Query) -> Result<Vec<(UserId, Vec<u8>)>> {
    let rows = on
        .rows(
            "select id, totp_sealed from users where totp_sealed is not null order by id",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((UserId(row.read("id")?), row.read("totp_sealed")?)))
        .collect()
}

/// Replaces what the secret of a second factor is sealed in, unless it changed meanwhile. Says how many.
pub async fn reseal_second(on: &impl Query, user: UserId, former: &[u8], sealed: &[u8]) -> Result<u64> {
    on.run(
        "update users set totp_sealed = $3 where id = $1 and totp_sealed = $2",
        &[&user.0, &former, &sealed],
    )
    .await
}
