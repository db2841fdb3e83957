//! Sessions and their refresh tokens.

use std::net::IpAddr;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Query, Tx};
use crate::{domain::UserId, error::Result};

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
