//! Keys that sign access tokens.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Query, Tx, decode::Column};
use crate::error::Result;

/// A signing key as stored: the private half is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Name.
    pub kid: String,
    /// Sealed private half.
    pub sealed: Vec<u8>,
    /// Public half.
    pub public: Vec<u8>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on nothing it signed is believed; none: it signs, or may.
    pub retires: Option<Timestamp>,
}

/// Keys that verify at `now`, newest first.
pub async fn list(on: &impl Query, now: Timestamp) -> Result<Vec<StoredKey>> {
    let rows = on
        .rows(
            "select kid, sealed, public, create_time, retire_time from signing_keys
         where retire_time is null or retire_time > $1 order by create_time desc, kid",
            &[&now],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// All keys, retired ones too, newest first.
pub async fn all(on: &impl Query) -> Result<Vec<StoredKey>> {
    let rows = on
        .rows(
            "select kid, sealed, public, create_time, retire_time from signing_keys order by create_time desc, kid",
            &[],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// Waits until nobody else makes or seals a key.
pub async fn lock(tx: &Tx<'_>) -> Result<()> {
    tx.run_sql("select pg_advisory_xact_lock(hashtextextended('signing_keys', 0))", &[])
        .await
}

/// Adds a key.
pub async fn insert(tx: &Tx<'_>, key: &StoredKey) -> Result<()> {
    let StoredKey {
        kid,
        sealed,
        public,
        created,
        retires,
    } = key;
    tx.run(
        "insert into signing_keys (kid, sealed, public, create_time, retire_time) values ($1, $2, $3, $4, $5)",
        &[kid, sealed, public, created, retires],
    )
    .await?;
    Ok(())
}

/// Lets all keys but one retire at a time, unless they retire sooner.
pub async fn retire_others(tx: &Tx<'_>, kid: &str, at: Timestamp) -> Result<u64> {
    tx.run(
        "update signing_keys set retire_time = $2 where kid <> $1 and (retire_time is null or retire_time > $2)",
        &[&kid, &at],
    )
    .await
}

/// Replaces what a key is sealed in.
pub async fn reseal(tx: &Tx<'_>, kid: &str, sealed: &[u8]) -> Result<()> {
    tx.run("update signing_keys set sealed = $2 where kid = $1", &[&kid, &sealed])
        .await
        .map(drop)
}

/// Forgets keys that retired before then.
pub async fn tidy(on: &impl Query, before: Timestamp) -> Result<()> {
    on.run("delete from signing_keys where retire_time < $1", &[&before])
        .await
        .map(drop)
}

fn decode(row: &Row) -> Result<StoredKey> {
    Ok(StoredKey {
        kid: row.read("kid")?,
        sealed: row.read("sealed")?,
        public: row.read("public")?,
        created: row.read("create_time")?,
        retires: row.read("retire_time")?,
    })
}
