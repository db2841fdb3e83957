//! Sessions and their refresh tokens.

use std::net::IpAddr;

use jiff::Timestamp;
use uuid::Uuid;

use tokio_postgres::Row;

use super::{Query, Tx, decode::Column};
use crate::{domain::UserId, error::Result};

/// Why a session ended. Numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The person signed out.
    SignedOut = 1,
    /// The person ended it from another session.
    Revoked = 2,
    /// An administrator ended it.
    RevokedByAdministrator = 3,
    /// A refresh token came a second time.
    RefreshReused = 4,
    /// The password changed.
    PasswordChanged = 5,
    /// The user may not sign in any more.
    UserClosed = 6,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// When it began.
    pub created: Timestamp,
    /// When the person last proved to be there.
    pub proved: Timestamp,
    /// When it was used last.
    pub used: Timestamp,
    /// When it ends unless it is used.
    pub expires: Timestamp,
    /// When it was ended, and why: a number of [`End`].
    pub ended: Option<(Timestamp, i16)>,
    /// What the device says of itself.
    pub user_agent: String,
    /// Where it was begun.
    pub address: Option<IpAddr>,
}

/// A new session.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Its name.
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// SHA-256 of its first refresh token.
    pub refresh_hash: &'a [u8],
    /// When it ends unless it is used.
    pub expires: Timestamp,
    /// What the device says of itself.
    pub user_agent: &'a str,
    /// Where it is.
    pub address: Option<IpAddr>,
    /// When.
    pub now: Timestamp,
}

/// Adds a session with its first refresh token.
pub async fn insert(tx: &Tx<'_>, draft: &Draft<'_>) -> Result<()> {
    let Draft {
        id,
        user,
        refresh_hash,
        expires,
        user_agent,
        address,
        now,
    } = draft;
    tx.run(
        "insert into sessions (id, user_id, create_time, auth_time, last_use_time, expire_time, user_agent, address)
         values ($1, $2, $3, $3, $3, $4, $5, $6)",
        &[id, &user.0, now, expires, user_agent, address],
    )
    .await?;
    add_refresh(tx, *id, refresh_hash, *now).await
}

/// Adds a fresh refresh token.
pub async fn add_refresh(tx: &Tx<'_>, session: Uuid, hash: &[u8], now: Timestamp) -> Result<()> {
    tx.run(
        "insert into refresh_tokens (hash, session_id, create_time) values ($1, $2, $3)",
        &[&hash, &session, &now],
    )
    .await?;
    Ok(())
}

/// Up to `limit` sessions of a user begun before a place (time, name), newest first; unless told, only those that live at `now`.
pub async fn list(
    on: &impl Query,
    user: UserId,
    ended_shown: bool,
    before: Option<(Timestamp, Uuid)>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Session>> {
    let (time, id) = before.unwrap_or((Timestamp::MAX, Uuid::max()));
    let before = before.is_some();
    let rows = on
        .rows(
            "select id, user_id, create_time, auth_time, last_use_time, expire_time, end_time, end_reason, user_agent, address
             from sessions
             where user_id = $1 and ($2 or (end_time is null and expire_time > $3))
               and (not $4 or (create_time, id) < ($5, $6))
             order by create_time desc, id desc limit $7",
            &[&user.0, &ended_shown, &now, &before, &time, &id, &limit],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// Ends all sessions of a user that live.
pub async fn end_all(tx: &Tx<'_>, user: UserId, reason: End, now: Timestamp) -> Result<u64> {
    tx.run(
        "update sessions set end_time = $2, end_reason = $3 where user_id = $1 and end_time is null",
        &[&user.0, &now, &(reason as i16)],
    )
    .await
}

fn decode(row: &Row) -> Result<Session> {
    let ended: Option<Timestamp> = row.read("end_time")?;
    let reason: Option<i16> = row.read("end_reason")?;
    Ok(Session {
        id: row.read("id")?,
        user: UserId(row.read("user_id")?),
        created: row.read("create_time")?,
        proved: row.read("auth_time")?,
        used: row.read("last_use_time")?,
        expires: row.read("expire_time")?,
        ended: ended.zip(reason),
        user_agent: row.read("user_agent")?,
        address: row.read("address")?,
    })
}
