//! Sessions and their refresh tokens.

use std::net::IpAddr;

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{
        UserId,
        session::{End, Session},
    },
    error::{Error, Result},
};

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

/// A refresh token that came back: its session, when it was used up, and the hash of the session's fresh one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// The session.
    pub session: Session,
    /// When the token was used up.
    pub used: Option<Timestamp>,
    /// SHA-256 of the fresh one.
    pub fresh: Option<Vec<u8>>,
}

/// Whose refresh token this is, whatever became of it.
pub async fn owner(on: &impl Query, hash: &[u8]) -> Result<Option<UserId>> {
    let row = on
        .row(
            "select s.user_id from sessions s join refresh_tokens r on r.session_id = s.id where r.hash = $1",
            &[&hash],
        )
        .await?;
    row.map(|row| row.read("user_id").map(UserId)).transpose()
}

/// The refresh token of this hash, whatever became of it. Its session is locked until the transaction ends.
pub async fn refresh(tx: &Tx<'_>, hash: &[u8]) -> Result<Option<Refresh>> {
    // The lock comes first and by itself: what is read with it would be as it was before the wait.
    let locked = tx
        .row(
            "select s.id from sessions s
             where s.id = (select r.session_id from refresh_tokens r where r.hash = $1) for update",
            &[&hash],
        )
        .await?;
    let Some(locked) = locked else { return Ok(None) };
    let id: Uuid = locked.read("id")?;
    let row = tx
        .one(
            "select s.id, s.user_id, s.create_time, s.auth_time, s.last_use_time, s.expire_time, s.end_time, s.end_reason,
                    s.user_agent, s.address, r.use_time, f.hash as fresh
             from refresh_tokens r
             join sessions s on s.id = r.session_id
             left join refresh_tokens f on f.session_id = s.id and f.use_time is null
             where r.hash = $1 and s.id = $2",
            &[&hash, &id],
        )
        .await?;
    Ok(Some(Refresh {
        session: decode(&row)?,
        used: row.read("use_time")?,
        fresh: row.read("fresh")?,
    }))
}

/// Uses a refresh token up.
pub async fn use_refresh(tx: &Tx<'_>, hash: &[u8], now: Timestamp) -> Result<()> {
    tx.run("update refresh_tokens set use_time = $2 where hash = $1", &[&hash, &now])
        .await?;
    Ok(())
}

/// Notes that a session was used: an access token was given, and the session lasts until then.
pub async fn touch(tx: &Tx<'_>, id: Uuid, expires: Timestamp, now: Timestamp) -> Result<()> {
    tx.run(
        "update sessions set last_use_time = $3, expire_time = $2 where id = $1",
        &[&id, &expires, &now],
    )
    .await?;
    Ok(())
}

/// Notes that the person proved to be there. Whether the session still is one of the user's that goes on.
pub async fn prove(tx: &Tx<'_>, user: UserId, id: Uuid, now: Timestamp) -> Result<bool> {
    let proved = tx
        .run(
            "update sessions set auth_time = $3, last_use_time = $3
             where id = $1 and user_id = $2 and end_time is null and expire_time > $3",
            &[&id, &user.0, &now],
        )
        .await?;
    Ok(proved == 1)
}

/// Open sessions of a user, newest first, after the place of one (its beginning and name).
pub async fn list(
    on: &impl Query,
    user: UserId,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<Session>> {
    let (after_time, after_id) = after.unzip();
    let rows = on
        .rows(
            "select s.id, s.user_id, s.create_time, s.auth_time, s.last_use_time, s.expire_time, s.end_time, s.end_reason,
                s.user_agent, s.address
         from sessions s
         where s.user_id = $1 and s.end_time is null and s.expire_time > $2
           and ($3::timestamptz is null or (s.create_time, s.id) < ($3, $4::uuid))
         order by s.create_time desc, s.id desc limit $5",
            &[&user.0, &now, &after_time, &after_id, &limit],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// All sessions of a user, likewise, those that ended too.
pub async fn list_all(on: &impl Query, user: UserId, after: Option<(Timestamp, Uuid)>, limit: i64) -> Result<Vec<Session>> {
    let (after_time, after_id) = after.unzip();
    let rows = on
        .rows(
            "select s.id, s.user_id, s.create_time, s.auth_time, s.last_use_time, s.expire_time, s.end_time, s.end_reason,
                    s.user_agent, s.address
             from sessions s
             where s.user_id = $1 and ($2::timestamptz is null or (s.create_time, s.id) < ($2, $3::uuid))
             order by s.create_time desc, s.id desc limit $4",
            &[&user.0, &after_time, &after_id, &limit],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// Ends a session of a user and its access tokens. False if the user has no such session; one that ended stays as it is.
pub async fn end(tx: &Tx<'_>, user: UserId, id: Uuid, reason: End, now: Timestamp) -> Result<bool> {
    let row = tx
        .row(
            "select s.end_time from sessions s where s.id = $1 and s.user_id = $2 for update",
            &[&id, &user.0],
        )
        .await?;
    let Some(row) = row else { return Ok(false) };
    if row.read::<Option<Timestamp>>("end_time")?.is_none() {
        tx.run(
            "update sessions set end_time = $2, end_reason = $3 where id = $1",
            &[&id, &now, &(reason as i16)],
        )
        .await?;
        super::revocation::add(tx, super::revocation::Revoked::Session(id), now).await?;
    }
    Ok(true)
}

/// Ends all open sessions of a user but one, and their access tokens. `since` is when the oldest token that may still be
/// good was given. Says how many ended.
pub async fn end_others(
    tx: &Tx<'_>,
    user: UserId,
    kept: Option<Uuid>,
    reason: End,
    since: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    let ended = tx
        .one(
            "with ended as (
                 update sessions set end_time = $4, end_reason = $3
                 where user_id = $1 and id is distinct from $2 and end_time is null and expire_time > $4
                 returning id, last_use_time
             ), revoked as (
                 insert into revocations (time, session_id) select $4, id from ended where last_use_time >= $5
             )
             select count(*) as n from ended",
            &[&user.0, &kept, &(reason as i16), &now, &since],
        )
        .await?;
    let ended: i64 = ended.read("n")?;
    Ok(u64::try_from(ended).unwrap_or_default())
}

fn decode(row: &Row) -> Result<Session> {
    let ended: Option<Timestamp> = row.read("end_time")?;
    let reason: Option<i16> = row.read("end_reason")?;
    let ended = match (ended, reason.map(|reason| End::of(reason.into()))) {
        (None, None) => None,
        (Some(time), Some(Some(reason))) => Some((time, reason)),
        _ => return Err(Error::internal("a session that ended half-way")),
    };
    Ok(Session {
        id: row.read("id")?,
        user: UserId(row.read("user_id")?),
        created: row.read("create_time")?,
        auth_time: row.read("auth_time")?,
        last_used: row.read("last_use_time")?,
        expires: row.read("expire_time")?,
        ended,
        user_agent: row.read("user_agent")?,
        address: row.read("address")?,
    })
}
