//! Webhooks.

use std::sync::LazyLock;

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{Revision, UserId},
    error::{Error, Result},
};

/// A webhook as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Number.
    pub id: i64,
    /// Outside name, under which its secrets are sealed.
    pub uid: Uuid,
    /// What it is for.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// It is not called.
    pub disabled: bool,
    /// Who made it.
    pub owner: UserId,
    /// The secret, sealed.
    pub sealed: Vec<u8>,
    /// The secret before, sealed, and until when calls are signed by it too.
    pub former: Option<(Vec<u8>, Timestamp)>,
    /// Failures in a row, and until when it is let alone.
    pub failures: u32,
    /// Until when it is let alone.
    pub resumes: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

const COLUMNS: &str = "w.id, w.uid, w.display_name, w.url, w.disabled, w.owner_user_id, w.sealed, w.former_sealed, w.former_end_time, \
    w.create_time, w.update_time, w.revision, \
    coalesce((select c.failures from circuits c where c.channel = 4 and c.target = w.id), 0) as failures, \
    (select c.resume_time from circuits c where c.channel = 4 and c.target = w.id) as resume_time";

static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from webhooks w where w.id = $1"));

/// A webhook by number.
pub async fn get(on: &impl Query, id: i64) -> Result<Option<Webhook>> {
    on.row(&GET, &[&id]).await?.as_ref().map(decode).transpose()
}

static LOCKED: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from webhooks w where w.id = $1 for update"));

/// A webhook, which nobody else changes before this transaction ends.
pub async fn locked(tx: &Tx<'_>, id: i64) -> Result<Option<Webhook>> {
    tx.row(&LOCKED, &[&id]).await?.as_ref().map(decode).transpose()
}

static PAGE: LazyLock<String> =
    LazyLock::new(|| format!("select {COLUMNS} from webhooks w where w.id > $1 order by w.id limit $2"));

/// Webhooks after number `after`, the oldest first.
pub async fn page(on: &impl Query, after: i64, limit: i64) -> Result<Vec<Webhook>> {
    on.rows(&PAGE, &[&after, &limit]).await?.iter().map(decode).collect()
}

/// Those of these numbers that there are, which stay until the transaction ends.
pub async fn there(tx: &Tx<'_>, ids: &[i64]) -> Result<Vec<i64>> {
    let rows = tx
        .rows(
            "select id from webhooks where id = any($1) order by id for key share",
            &[&ids],
        )
        .await?;
    rows.iter().map(|row| row.read("id")).collect()
}

/// Who made these webhooks, of those that are called.
pub async fn owners(on: &impl Query, ids: &[i64]) -> Result<Vec<(i64, UserId)>> {
    let rows = on
        .rows(
            "select id, owner_user_id from webhooks where id = any($1) and not disabled order by id",
            &[&ids],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.read("id")?, UserId(row.read("owner_user_id")?))))
        .collect()
}

/// A new webhook.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Outside name.
    pub uid: Uuid,
    /// What it is for.
    pub name: &'a str,
    /// Where it is.
    pub url: &'a str,
    /// It is not called.
    pub disabled: bool,
    /// Who makes it.
    pub owner: UserId,
    /// The secret, sealed.
    pub sealed: &'a [u8],
    /// When.
    pub now: Timestamp,
}

/// Adds a webhook.
pub async fn insert(tx: &Tx<'_>, draft: &Draft<'_>) -> Result<Webhook> {
    let Draft {
        uid,
        name,
        url,
        disabled,
        owner,
        sealed,
        now,
    } = draft;
    let row = tx
        .one(
            "insert into webhooks (uid, display_name, url, disabled, owner_user_id, sealed, create_time, update_time)
             values ($1, $2, $3, $4, $5, $6, $7, $7) returning id",
            &[uid, name, url, disabled, &owner.0, sealed, now],
        )
        .await?;
    found(tx, row.read("id")?).await
}

/// Writes a webhook as its next version, and reads it back.
pub async fn save(tx: &Tx<'_>, webhook: &Webhook, now: Timestamp) -> Result<Webhook> {
    let Webhook {
        id,
        name,
        url,
        disabled,
        sealed,
        former,
        ..
    } = webhook;
    let (former_sealed, former_end) = former.clone().unzip();
    tx.run(
        "update webhooks set display_name = $2, url = $3, disabled = $4, sealed = $5, former_sealed = $6, former_end_time = $7,
                update_time = $8, revision = revision + 1
         where id = $1",
        &[id, name, url, disabled, sealed, &former_sealed, &former_end, &now],
    )
    .await?;
    found(tx, *id).await
}

async fn found(tx: &Tx<'_>, id: i64) -> Result<Webhook> {
    get(tx, id).await?.ok_or_else(|| Error::internal("a webhook is gone"))
}

/// Deletes a webhook with its messages; rules do not name it any more.
pub async fn delete(tx: &Tx<'_>, id: i64, now: Timestamp) -> Result<()> {
    tx.run(
        "update notification_rules set webhook_ids = array_remove(webhook_ids, $1), update_time = $2, revision = revision + 1
         where $1 = any(webhook_ids)",
        &[&id, &now],
    )
    .await?;
    tx.run("delete from circuits where channel = 4 and target = $1", &[&id])
        .await?;
    tx.run("delete from webhooks where id = $1", &[&id]).await.map(drop)
}

/// Replaces what secrets are sealed in, unless they changed meanwhile. Says how many webhooks.
pub async fn reseal(on: &impl Query, before: &Webhook, sealed: &[u8], former: Option<&[u8]>) -> Result<u64> {
    on.run(
        "update webhooks set sealed = $3, former_sealed = $4 where id = $1 and revision = $2",
        &[&before.id, &before.revision.0, &sealed, &former],
    )
    .await
}

fn decode(row: &Row) -> Result<Webhook> {
    let former = row.read::<Option<Vec<u8>>>("former_sealed")?;
    Ok(Webhook {
        id: row.read("id")?,
        uid: row.read("uid")?,
        name: row.read("display_name")?,
        url: row.read("url")?,
        disabled: row.read("disabled")?,
        owner: UserId(row.read("owner_user_id")?),
        sealed: row.read("sealed")?,
        former: former.zip(row.read("former_end_time")?),
        failures: u32::try_from(row.read::<i32>("failures")?).map_err(Error::internal)?,
        resumes: row.read("resume_time")?,
        created: row.read("create_time")?,
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}
