//! Keys under which single values are sealed, themselves sealed; and the values.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Query, Tx, decode::Column};
use crate::{domain::UserId, error::Result};

/// What a data key is for; numbers as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Seals values.
    Values = 1,
    /// Makes the blind index; there is one.
    Index = 2,
}

/// A data key as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDataKey {
    /// Its number; greater ones are newer.
    pub number: i32,
    /// The key, sealed.
    pub sealed: Vec<u8>,
}

/// Keys of a purpose that are in use, newest first.
pub async fn list(on: &impl Query, purpose: Purpose) -> Result<Vec<StoredDataKey>> {
    let rows = on
        .rows(
            "select number, sealed from data_keys where purpose = $1 and retire_time is null order by number desc",
            &[&(purpose as i16)],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// A key by number, if it is in use.
pub async fn get(on: &impl Query, number: i32) -> Result<Option<StoredDataKey>> {
    let row = on
        .row(
            "select number, sealed from data_keys where number = $1 and retire_time is null",
            &[&number],
        )
        .await?;
    row.as_ref().map(decode).transpose()
}

fn decode(row: &Row) -> Result<StoredDataKey> {
    Ok(StoredDataKey {
        number: row.read("number")?,
        sealed: row.read("sealed")?,
    })
}

/// Keeps keys from being made and retired while something is sealed with the newest.
pub async fn lock_shared(tx: &Tx<'_>) -> Result<()> {
    tx.run_sql("select pg_advisory_xact_lock_shared(hashtextextended('data_keys', 0))", &[])
        .await
}

/// Waits until nobody seals, and keeps everybody from it.
pub async fn lock(tx: &Tx<'_>) -> Result<()> {
    tx.run_sql("select pg_advisory_xact_lock(hashtextextended('data_keys', 0))", &[])
        .await
}

/// The number of the next key: what it is sealed for has it in its name.
pub async fn next_number(tx: &Tx<'_>) -> Result<i32> {
    tx.one(
        "select nextval(pg_get_serial_sequence('data_keys', 'number'))::integer as number",
        &[],
    )
    .await?
    .read("number")
}

/// Adds a key.
pub async fn insert(tx: &Tx<'_>, purpose: Purpose, key: &StoredDataKey, now: Timestamp) -> Result<()> {
    tx.run(
        "insert into data_keys (number, purpose, sealed, create_time) overriding system value values ($1, $2, $3, $4)",
        &[&key.number, &(purpose as i16), &key.sealed, &now],
    )
    .await?;
    Ok(())
}

/// Retires the keys of values before this one, and forgets them. Comes when nothing is sealed with them any more.
pub async fn retire_before(tx: &Tx<'_>, number: i32, now: Timestamp) -> Result<u64> {
    tx.run(
        "update data_keys set retire_time = $2, sealed = '' where purpose = 1 and number < $1 and retire_time is null",
        &[&number, &now],
    )
    .await
}

/// Replaces what a key is sealed in.
pub async fn reseal(tx: &Tx<'_>, number: i32, sealed: &[u8]) -> Result<()> {
    tx.run("update data_keys set sealed = $2 where number = $1", &[&number, &sealed])
        .await
        .map(drop)
}

/// A national id as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedId {
    /// Whose.
    pub user: UserId,
    /// Number of the key.
    pub key: i32,
    /// The id, sealed.
    pub sealed: Vec<u8>,
}

/// The national id of a user, if it is known.
pub async fn national_id(on: &impl Query, user: UserId) -> Result<Option<SealedId>> {
    let row = on
        .row(
            "select id, national_id_key, national_id_sealed from users where id = $1 and national_id_sealed is not null",
            &[&user.0],
        )
        .await?;
    row.as_ref().map(decode_id).transpose()
}

/// The national ids that are known of these users.
pub async fn national_ids(on: &impl Query, users: &[i64]) -> Result<Vec<SealedId>> {
    let rows = on
        .rows(
            "select id, national_id_key, national_id_sealed from users where id = any($1) and national_id_sealed is not null",
            &[&users],
        )
        .await?;
    rows.iter().map(decode_id).collect()
}

/// The user with this blind index.
pub async fn find_user(on: &impl Query, index: &[u8]) -> Result<Option<UserId>> {
    let row = on.row("select id from users where national_id_index = $1", &[&index]).await?;
    row.map(|row| Ok(UserId(row.read("id")?))).transpose()
}

/// Keeps a national id of a user with its blind index, or none.
pub async fn set_national_id(tx: &Tx<'_>, user: UserId, id: Option<(&SealedId, &[u8])>, now: Timestamp) -> Result<()> {
    let (sealed, index) = id.unzip();
    tx.run(
        "update users set national_id_key = $2, national_id_sealed = $3, national_id_index = $4, update_time = $5,
                revision = revision + 1
         where id = $1",
        &[
            &user.0,
            &sealed.map(|id| id.key),
            &sealed.map(|id| id.sealed.as_slice()),
            &index,
            &now,
        ],
    )
    .await?;
    Ok(())
}

/// Up to `limit` ids that are sealed with a key before this one, kept from changing until the transaction ends.
pub async fn older(tx: &Tx<'_>, number: i32, limit: i64) -> Result<Vec<SealedId>> {
    let rows = tx
        .rows(
            "select id, national_id_key, national_id_sealed from users where national_id_key < $1
             order by id limit $2 for no key update",
            &[&number, &limit],
        )
        .await?;
    rows.iter().map(decode_id).collect()
}

/// Whether any id is sealed with a key before this one.
pub async fn any_older(on: &impl Query, number: i32) -> Result<bool> {
    on.one(
        "select exists (select from users where national_id_key < $1) as any",
        &[&number],
    )
    .await?
    .read("any")
}

/// Replaces what an id is sealed in.
pub async fn reseal_id(tx: &Tx<'_>, id: &SealedId) -> Result<()> {
    let SealedId { user, key, sealed } = id;
    tx.run(
        "update users set national_id_key = $2, national_id_sealed = $3 where id = $1",
        &[&user.0, key, sealed],
    )
    .await
    .map(drop)
}

fn decode_id(row: &Row) -> Result<SealedId> {
    Ok(SealedId {
        user: UserId(row.read("id")?),
        key: row.read("national_id_key")?,
        sealed: row.read("national_id_sealed")?,
    })
}
