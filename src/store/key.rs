//! Keys that sign access tokens.

use jiff::Timestamp;

use super::{Query, Tx, decode::Column};
use crate::error::Result;

/// A key as stored.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// Name of the key.
    pub kid: String,
    /// Private half, sealed.
    pub sealed: Vec<u8>,
    /// Public half, 32 bytes.
    pub public: Vec<u8>,
}

/// Keys in use, newest first.
pub async fn list(on: &impl Query) -> Result<Vec<StoredKey>> {
    let rows = on
        .rows(
            "select kid, sealed, public from signing_keys where retire_time is null order by create_time desc, kid",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredKey {
                kid: row.read("kid")?,
                sealed: row.read("sealed")?,
                public: row.read("public")?,
            })
        })
        .collect()
}

/// Waits until no other replica makes a key.
pub async fn lock(tx: &Tx<'_>) -> Result<()> {
    tx.run_sql("select pg_advisory_xact_lock(hashtextextended('signing_keys', 0))", &[])
        .await
}

/// Adds a key.
pub async fn insert(tx: &Tx<'_>, key: &StoredKey, now: Timestamp) -> Result<()> {
    let StoredKey { kid, sealed, public } = key;
    tx.run(
        "insert into signing_keys (kid, sealed, public, create_time) values ($1, $2, $3, $4)",
        &[kid, sealed, public, &now],
    )
    .await?;
    Ok(())
}
