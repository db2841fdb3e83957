//! Mail that waits to be sent, and the secrets that were mailed.

use jiff::{SignedDuration, Timestamp};

use tokio_postgres::Row;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{UserId, mail::Purpose},
    error::Result,
};

/// A mail to be sent.
#[derive(Debug)]
pub struct Draft<'a> {
    /// To whom.
    pub user: UserId,
    /// What for.
    pub purpose: Purpose,
    /// What it says, sealed.
    pub sealed: &'a [u8],
    /// When it is not worth sending any more.
    pub expires: Timestamp,
    /// When.
    pub now: Timestamp,
}

/// Queues a mail; none to a user that there is not.
pub async fn queue(tx: &Tx<'_>, draft: &Draft<'_>) -> Result<()> {
    let Draft {
        user,
        purpose,
        sealed,
        expires,
        now,
    } = draft;
    tx.run(
        "insert into mails (user_id, purpose, sealed, create_time, next_time, expire_time)
         select u.id, $2, $3, $4, $4, $5 from users u where u.id = $1",
        &[&user.0, &(*purpose as i16), sealed, now, expires],
    )
    .await?;
    Ok(())
}

/// A secret to be mailed.
#[derive(Debug)]
pub struct TokenDraft<'a> {
    /// SHA-256 of it.
    pub hash: &'a [u8],
    /// To whom.
    pub user: UserId,
    /// What for.
    pub purpose: Purpose,
    /// The address it proves.
    pub email: &'a str,
    /// When it ends.
    pub expires: Timestamp,
    /// When.
    pub now: Timestamp,
}

/// Adds a secret; none for a user that there is not. Older ones of the user and purpose end, and their mails are not sent.
pub async fn add_token(tx: &Tx<'_>, draft: &TokenDraft<'_>) -> Result<()> {
    let TokenDraft {
        hash,
        user,
        purpose,
        email,
        expires,
        now,
    } = draft;
    let purpose = *purpose as i16;
    tx.run(
        "update mailed_tokens set expire_time = $3
         where user_id = $1 and purpose = $2 and use_time is null and expire_time > $3",
        &[&user.0, &purpose, now],
    )
    .await?;
    tx.run("delete from mails where user_id = $1 and purpose = $2", &[&user.0, &purpose])
        .await?;
    tx.run(
        "insert into mailed_tokens (hash, user_id, purpose, email, create_time, expire_time)
         select $1, u.id, $3, $4, $5, $6 from users u where u.id = $2",
        &[hash, &user.0, &purpose, email, now, expires],
    )
    .await?;
    Ok(())
}

/// How many secrets were made for a user and purpose since then.
pub async fn tokens_since(on: &impl Query, user: UserId, purpose: Purpose, since: Timestamp) -> Result<i64> {
    let row = on
        .one(
            "select count(*) as n from mailed_tokens where user_id = $1 and purpose = $2 and create_time > $3",
            &[&user.0, &(purpose as i16), &since],
        )
        .await?;
    row.read("n")
}

/// A secret that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// Who got it.
    pub user: UserId,
    /// The address it was sent to.
    pub email: String,
}

/// Who got a secret, if it is good for this purpose now; it stays so.
pub async fn peek_token(on: &impl Query, hash: &[u8], purpose: Purpose, now: Timestamp) -> Result<Option<Returned>> {
    let row = on
        .row(
            "select user_id, email from mailed_tokens
             where hash = $1 and purpose = $2 and use_time is null and expire_time > $3",
            &[&hash, &(purpose as i16), &now],
        )
        .await?;
    row.as_ref().map(returned).transpose()
}

/// Uses a secret up, if it is good for this purpose now.
pub async fn use_token(tx: &Tx<'_>, hash: &[u8], purpose: Purpose, now: Timestamp) -> Result<Option<Returned>> {
    let row = tx
        .row(
            "update mailed_tokens set use_time = $3
         where hash = $1 and purpose = $2 and use_time is null and expire_time > $3
         returning user_id, email",
            &[&hash, &(purpose as i16), &now],
        )
        .await?;
    row.as_ref().map(returned).transpose()
}

/// A secret that was used up for this purpose.
pub async fn used_token(on: &impl Query, hash: &[u8], purpose: Purpose) -> Result<Option<Returned>> {
    let row = on
        .row(
            "select user_id, email from mailed_tokens where hash = $1 and purpose = $2 and use_time is not null",
            &[&hash, &(purpose as i16)],
        )
        .await?;
    row.as_ref().map(returned).transpose()
}

fn returned(row: &Row) -> Result<Returned> {
    Ok(Returned {
        user: UserId(row.read("user_id")?),
        email: row.read("email")?,
    })
}

/// Ends the secrets of a user that set a password: there is a new one.
pub async fn end_tokens(tx: &Tx<'_>, user: UserId, now: Timestamp) -> Result<()> {
    let purposes = [Purpose::Invitation, Purpose::Reset].map(|purpose| purpose as i16);
    tx.run(
        "update mailed_tokens set expire_time = $3
         where user_id = $1 and purpose = any($2) and use_time is null and expire_time > $3",
        &[&user.0, &purposes.as_slice(), &now],
    )
    .await
    .map(drop)
}

/// A mail whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Number.
    pub id: i64,
    /// To whom.
    pub user: UserId,
    /// What for.
    pub purpose: Purpose,
    /// What it says, sealed.
    pub sealed: Vec<u8>,
    /// Tries so far, this one included.
    pub attempts: i32,
    /// When it is not worth sending any more.
    pub expires: Timestamp,
}

/// Takes up to `limit` mails whose turn it is. They come again after `lease`, unless they were sent or put off by then.
pub async fn take(on: &impl Query, limit: i64, lease: SignedDuration, now: Timestamp) -> Result<Vec<Due>> {
    let rows = on
        .rows(
            "update mails m set attempts = m.attempts + 1, next_time = $2
         from (select id from mails where fail_time is null and next_time <= $1
               order by next_time, id limit $3 for update skip locked) due
         where m.id = due.id
         returning m.id, m.user_id, m.purpose, m.sealed, m.attempts, m.expire_time",
            &[&now, &(now + lease), &limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Due {
                id: row.read("id")?,
                user: UserId(row.read("user_id")?),
                purpose: row.read_enum("purpose", Purpose::of)?,
                sealed: row.read("sealed")?,
                attempts: row.read("attempts")?,
                expires: row.read("expire_time")?,
            })
        })
        .collect()
}

/// Forgets a mail that was sent.
pub async fn sent(on: &impl Query, id: i64) -> Result<()> {
    on.run("delete from mails where id = $1", &[&id]).await.map(drop)
}

/// Puts a mail off after a failure.
pub async fn put_off(on: &impl Query, id: i64, failure: &str, next: Timestamp) -> Result<()> {
    on.run(
        "update mails set failure = $2, next_time = $3 where id = $1",
        &[&id, &failure, &next],
    )
    .await
    .map(drop)
}

/// Gives a mail up, and forgets what it said.
pub async fn give_up(on: &impl Query, id: i64, failure: &str, now: Timestamp) -> Result<()> {
    on.run(
        "update mails set failure = $2, fail_time = $3, sealed = '' where id = $1",
        &[&id, &failure, &now],
    )
    .await
    .map(drop)
}

/// All mails whose words are kept: number, to whom, and what they say, sealed.
pub async fn all_sealed(on: &impl Query) -> Result<Vec<(i64, UserId, Vec<u8>)>> {
    let rows = on
        .rows("select id, user_id, sealed from mails where sealed <> '' order by id", &[])
        .await?;
    let mails = rows
        .iter()
        .map(|row| Ok((row.read("id")?, UserId(row.read("user_id")?), row.read("sealed")?)));
    mails.collect()
}

/// Replaces what a mail is sealed in, unless it was sent meanwhile. Says how many.
pub async fn reseal(on: &impl Query, id: i64, former: &[u8], sealed: &[u8]) -> Result<u64> {
    on.run(
        "update mails set sealed = $3 where id = $1 and sealed = $2",
        &[&id, &former, &sealed],
    )
    .await
}

/// Mails that wait, and mails that were given up.
pub async fn count(on: &impl Query) -> Result<(i64, i64)> {
    let row = on.one(
        "select count(*) filter (where fail_time is null) as waiting, count(*) filter (where fail_time is not null) as dead from mails",
        &[],
    ).await?;
    Ok((row.read("waiting")?, row.read("dead")?))
}

/// Gives up what is not worth sending any more.
pub async fn give_up_late(on: &impl Query, now: Timestamp) -> Result<()> {
    on.run(
        "update mails set fail_time = $1, sealed = '' where fail_time is null and expire_time <= $1 and next_time <= $1",
        &[&now],
    )
    .await
    .map(drop)
}
