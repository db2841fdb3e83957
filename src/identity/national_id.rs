//! National ids at rest: sealed with a data key that can be replaced, and found by a keyed hash.

use std::collections::{HashMap, hash_map::Entry};

use aws_lc_rs::hmac;
use jiff::Timestamp;

use super::Seal;
use crate::{
    domain::{UserId, national_id::NationalId},
    error::{Error, Result},
    store::{
        self, Database, Query, Tx,
        data_key::{Purpose, SealedId, StoredDataKey},
    },
};

/// What data keys are sealed for.
const PURPOSE: &str = "data keys";
/// Ids that are sealed anew in one transaction.
const BATCH: i64 = 200;

/// Seals an id of a user with the newest key, and makes its blind index. The first key is made here.
pub async fn close(tx: &Tx<'_>, seal: &Seal, user: UserId, id: &NationalId, now: Timestamp) -> Result<(SealedId, Vec<u8>)> {
    make_first(tx, seal, now).await?;
    store::data_key::lock_shared(tx).await?;
    let key = newest(tx, seal, Purpose::Values).await?;
    let index = newest(tx, seal, Purpose::Index).await?;
    Ok((key.close(user, id.as_str().as_bytes())?, index.hash(id)))
}

/// Opens the id of a user.
pub async fn open(on: &impl Query, seal: &Seal, id: &SealedId) -> Result<String> {
    let plain = key_of(on, seal, id.key).await?.open_id(id)?;
    String::from_utf8(plain).map_err(Error::internal)
}

/// The id of a user, if it is known.
pub async fn of(on: &impl Query, seal: &Seal, user: UserId) -> Result<Option<String>> {
    match store::data_key::national_id(on, user).await? {
        Some(id) => open(on, seal, &id).await.map(Some),
        None => Ok(None),
    }
}

/// The ids that are known of these users, by the users' numbers.
pub async fn of_many(on: &impl Query, seal: &Seal, users: &[i64]) -> Result<HashMap<i64, String>> {
    let sealed = store::data_key::national_ids(on, users).await?;
    let mut keys: HashMap<i32, DataKey> = HashMap::new();
    let mut known = HashMap::new();
    for id in sealed {
        let key = match keys.entry(id.key) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(key_of(on, seal, id.key).await?),
        };
        known.insert(id.user.0, String::from_utf8(key.open_id(&id)?).map_err(Error::internal)?);
    }
    Ok(known)
}

async fn key_of(on: &impl Query, seal: &Seal, number: i32) -> Result<DataKey> {
    let stored = store::data_key::get(on, number).await?;
    DataKey::open(
        seal,
        stored.ok_or_else(|| Error::internal("the key of a national id is gone"))?,
    )
}

/// The user with this id.
pub async fn find(on: &impl Query, seal: &Seal, id: &NationalId) -> Result<Option<UserId>> {
    let keys = store::data_key::list(on, Purpose::Index).await?;
    let Some(key) = keys.into_iter().next() else {
        return Ok(None);
    };
    store::data_key::find_user(on, &DataKey::open(seal, key)?.hash(id)).await
}

/// Seals all ids with a new key, a batch at a time, while others go on; then the older keys are forgotten. Says how many ids
/// were sealed anew.
pub async fn rotate(database: &Database, seal: &Seal, now: Timestamp) -> Result<u64> {
    let mut conn = database.lease().await?;
    let tx = conn.begin(None).await?;
    store::data_key::lock(&tx).await?;
    let key = make(&tx, seal, Purpose::Values, now).await?;
    tx.commit().await?;
    let mut renewed = 0;
    loop {
        let tx = conn.begin(None).await?;
        let ids = store::data_key::older(&tx, key.number, BATCH).await?;
        for id in &ids {
            let plain = open(&tx, seal, id).await?;
            store::data_key::reseal_id(&tx, &key.close(id.user, plain.as_bytes())?).await?;
            renewed += 1;
        }
        tx.commit().await?;
        if ids.is_empty() {
            // Who took the older key as the newest has finished now, and nobody begins.
            let tx = conn.begin(None).await?;
            store::data_key::lock(&tx).await?;
            if !store::data_key::any_older(&tx, key.number).await? {
                store::data_key::retire_before(&tx, key.number, now).await?;
                tx.commit().await?;
                return Ok(renewed);
            }
        }
    }
}

/// Seals the keys themselves under the present secret key; says how many were under the former one.
pub async fn reseal(tx: &Tx<'_>, seal: &Seal) -> Result<usize> {
    store::data_key::lock(tx).await?;
    let mut renewed = 0;
    for purpose in [Purpose::Values, Purpose::Index] {
        for key in store::data_key::list(tx, purpose).await? {
            if let Some(sealed) = seal.renew(PURPOSE, &key.number.to_string(), &key.sealed)? {
                store::data_key::reseal(tx, key.number, &sealed).await?;
                renewed += 1;
            }
        }
    }
    Ok(renewed)
}

async fn make_first(tx: &Tx<'_>, seal: &Seal, now: Timestamp) -> Result<()> {
    for purpose in [Purpose::Values, Purpose::Index] {
        if store::data_key::list(tx, purpose).await?.is_empty() {
            store::data_key::lock(tx).await?;
            if store::data_key::list(tx, purpose).await?.is_empty() {
                make(tx, seal, purpose, now).await?;
            }
        }
    }
    Ok(())
}

async fn make(tx: &Tx<'_>, seal: &Seal, purpose: Purpose, now: Timestamp) -> Result<DataKey> {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(Error::internal)?;
    let number = store::data_key::next_number(tx).await?;
    let stored = StoredDataKey {
        number,
        sealed: seal.close(PURPOSE, &number.to_string(), &key)?,
    };
    store::data_key::insert(tx, purpose, &stored, now).await?;
    Ok(DataKey { number, key })
}

async fn newest(on: &impl Query, seal: &Seal, purpose: Purpose) -> Result<DataKey> {
    let keys = store::data_key::list(on, purpose).await?;
    let key = keys.into_iter().next().ok_or_else(|| Error::internal("no data key"))?;
    DataKey::open(seal, key)
}

struct DataKey {
    number: i32,
    key: [u8; 32],
}

impl DataKey {
    fn open(seal: &Seal, stored: StoredDataKey) -> Result<Self> {
        let StoredDataKey { number, sealed } = stored;
        let plain = seal.open(PURPOSE, &number.to_string(), &sealed)?;
        let key = plain
            .try_into()
            .map_err(|_| Error::internal("a data key of a wrong length"))?;
        Ok(Self { number, key })
    }

    fn close(&self, user: UserId, plain: &[u8]) -> Result<SealedId> {
        Ok(SealedId {
            user,
            key: self.number,
            sealed: super::seal::close_with(&self.key, &name(user), plain)?,
        })
    }

    fn open_id(&self, id: &SealedId) -> Result<Vec<u8>> {
        super::seal::open_with(&self.key, &name(id.user), &id.sealed)?
            .ok_or_else(|| Error::internal("a national id does not open with its key"))
    }

    fn hash(&self, id: &NationalId) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        hmac::sign(&key, id.as_str().as_bytes()).as_ref().to_vec()
    }
}

/// What an id is sealed with, so that it opens for no other user.
fn name(user: UserId) -> String {
    format!("national id of user {}", user.0)
}
