//! The key of the chain: made once, kept in the database, sealed with the secret key. So it outlives changes of that one.

use jiff::Timestamp;

use super::Chain;
use crate::{
    error::{Error, Result},
    identity::Seal,
    store::{self, Database, Query, Tx},
};

/// What the key is sealed for.
const PURPOSE: &str = "audit";
/// Name of the key.
const NAME: &str = "chain";
/// Length of the key in bytes: that of what it makes.
const LENGTH: usize = 32;

/// The chain of an installation; the first who asks makes its key.
pub async fn load(database: &Database, seal: &Seal, now: Timestamp) -> Result<Chain> {
    let mut conn = database.lease().await?;
    if let Some(chain) = find(&*conn, seal).await? {
        return Ok(chain);
    }
    let tx = conn.begin(None).await?;
    store::audit::lock(&tx).await?;
    if let Some(chain) = find(&tx, seal).await? {
        return Ok(chain);
    }
    let mut key = [0; LENGTH];
    aws_lc_rs::rand::fill(&mut key).map_err(Error::internal)?;
    store::audit::add_key(&tx, &seal.close(PURPOSE, NAME, &key)?, now).await?;
    tx.commit().await?;
    Ok(Chain::of(&key))
}

/// The chain of an installation, if it has one.
pub async fn find(on: &impl Query, seal: &Seal) -> Result<Option<Chain>> {
    let sealed = store::audit::key(on).await?;
    let key = sealed.map(|sealed| seal.open(PURPOSE, NAME, &sealed)).transpose()?;
    Ok(key.as_deref().map(Chain::of))
}

/// Seals the key under the present secret key, if it is not; says how many were sealed anew.
pub async fn reseal(tx: &Tx<'_>, seal: &Seal) -> Result<usize> {
    let Some(sealed) = store::audit::key(tx).await? else {
        return Ok(0);
    };
    let Some(sealed) = seal.renew(PURPOSE, NAME, &sealed)? else {
        return Ok(0);
    };
    store::audit::set_key(tx, &sealed).await?;
    Ok(1)
}
