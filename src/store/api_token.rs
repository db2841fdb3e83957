//! API tokens, by the hash of their text.

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

use super::{
    Query, Tx,
    decode::Column,
    user::{self, COLUMNS},
};
use crate::{
    domain::{UserId, user::User},
    error::{Error, Result},
};

/// How exactly the time of the last use is kept.
pub const USE_PRECISION: SignedDuration = SignedDuration::from_secs(60);

/// A token as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Number.
    pub id: i64,
    /// Whose authority it has.
    pub user: UserId,
    /// What it is for.
    pub display_name: String,
    /// First letters.
    pub prefix: String,
    /// Permissions that it carries.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// When it was used last.
    pub used: Option<Timestamp>,
    /// When it was revoked.
    pub ended: Option<Timestamp>,
}

/// A new token.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Whose authority it has.
    pub user: UserId,
    /// What it is for.
    pub display_name: &'a str,
    /// First letters.
    pub prefix: &'a str,
    /// SHA-256 of its text.
    pub hash: &'a [u8],
    /// Permissions that it carries.
    pub scopes: &'a [String],
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// When.
    pub now: Timestamp,
}

/// Adds a token.
pub async fn insert(tx: &Tx<'_>, draft: &Draft<'_>) -> Result<ApiToken> {
    let Draft {
        user,
        display_name,
        prefix,
        hash,
        scopes,
        expires,
        now,
    } = draft;
    let row = tx
        .one(
            "insert into api_tokens (user_id, display_name, prefix, hash, scopes, create_time, expire_time)
             values ($1, $2, $3, $4, $5, $6, $7)
             returning id, user_id, display_name, prefix, scopes, create_time, expire_time, last_use_time, end_time",
            &[&user.0, display_name, prefix, hash, scopes, now, expires],
        )
        .await?;
    decode(&row)
}

/// A token by number.
pub async fn get(on: &impl Query, id: i64) -> Result<Option<ApiToken>> {
    let row = on
        .row(
            "select id, user_id, display_name, prefix, scopes, create_time, expire_time, last_use_time, end_time
             from api_tokens where id = $1",
            &[&id],
        )
        .await?;
    row.as_ref().map(decode).transpose()
}

/// Up to `limit` tokens of a user with numbers below `before`, newest first; unless told, only those that live at `now`.
pub async fn list(
    on: &impl Query,
    user: UserId,
    ended_shown: bool,
    before: i64,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<ApiToken>> {
    let rows = on
        .rows(
            "select id, user_id, display_name, prefix, scopes, create_time, expire_time, last_use_time, end_time
             from api_tokens
             where user_id = $1 and id < $2 and ($3 or (end_time is null and (expire_time is null or expire_time > $4)))
             order by id desc limit $5",
            &[&user.0, &before, &ended_shown, &now, &limit],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// Ends a token, and gives it as it is then. What ended before stays as it ended.
pub async fn end(tx: &Tx<'_>, id: i64, now: Timestamp) -> Result<ApiToken> {
    tx.run(
        "update api_tokens set end_time = $2 where id = $1 and end_time is null",
        &[&id, &now],
    )
    .await?;
    get(tx, id).await?.ok_or_else(|| Error::internal("an API token is gone"))
}

/// Ends all tokens of a user.
pub async fn end_all(tx: &Tx<'_>, user: UserId, now: Timestamp) -> Result<u64> {
    tx.run(
        "update api_tokens set end_time = $2 where user_id = $1 and end_time is null",
        &[&user.0, &now],
    )
    .await
}

static BY_HASH: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    format!(
        "select t.id as token_id, t.scopes as token_scopes, t.expire_time as token_expire_time, {COLUMNS}
         from api_tokens t join users u on u.id = t.user_id where t.hash = $1 and t.end_time is null"
    )
});

/// What it takes to let a token in.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// Number of the token.
    pub id: i64,
    /// Permissions that it carries.
    pub scopes: Vec<String>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// Whose authority it has.
    pub user: User,
}

/// The token with this hash, unless it was revoked.
pub async fn by_hash(on: &impl Query, hash: &[u8]) -> Result<Option<Bearer>> {
    let row = on.row(&BY_HASH, &[&hash]).await?;
    row.map(|row| {
        Ok(Bearer {
            id: row.read("token_id")?,
            scopes: row.read("token_scopes")?,
            expires: row.read("token_expire_time")?,
            user: user::decode(&row)?,
        })
    })
    .transpose()
}

/// Notes that a token was used, unless it was noted a moment ago.
pub async fn used(on: &impl Query, id: i64, now: Timestamp) -> Result<()> {
    on.run(
        "update api_tokens set last_use_time = $2 where id = $1 and (last_use_time is null or last_use_time <= $3)",
        &[&id, &now, &(now - USE_PRECISION)],
    )
    .await?;
    Ok(())
}

fn decode(row: &Row) -> Result<ApiToken> {
    Ok(ApiToken {
        id: row.read("id")?,
        user: UserId(row.read("user_id")?),
        display_name: row.read("display_name")?,
        prefix: row.read("prefix")?,
        scopes: row.read("scopes")?,
        created: row.read("create_time")?,
        expires: row.read("expire_time")?,
        used: row.read("last_use_time")?,
        ended: row.read("end_time")?,
    })
}
