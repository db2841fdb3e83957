//! Dispatch policies.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{Revision, dispatch::Policy, task::Kind},
    error::{Error, Result},
};

const COLUMNS: &str = "kind, radius_meters, fix_age_seconds, agent_count, exclusive, units, specialties, ranks, strict, \
    mismatch_meters, task_meters, rest_seconds, update_time, revision";

static ALL: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from dispatch_policies order by kind"));

/// All policies, by kind.
pub async fn policies(on: &impl Query) -> Result<Vec<Policy>> {
    on.rows(&ALL, &[]).await?.iter().map(decode).collect()
}

static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from dispatch_policies where kind = $1"));

/// The policy of a kind of task.
pub async fn policy(on: &impl Query, kind: Kind) -> Result<Policy> {
    decode(&on.one(&GET, &[&(kind as i16)]).await?)
}

static LOCKED: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from dispatch_policies where kind = $1 for update"));

/// The policy of a kind of task, which nobody else changes before this transaction ends.
pub async fn locked(tx: &Tx<'_>, kind: Kind) -> Result<Policy> {
    decode(&tx.one(&LOCKED, &[&(kind as i16)]).await?)
}

static SAVE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "update dispatch_policies
         set radius_meters = $2, fix_age_seconds = $3, agent_count = $4, exclusive = $5, units = $6, specialties = $7,
             ranks = $8, strict = $9, mismatch_meters = $10, task_meters = $11, rest_seconds = $12, update_time = $13,
             revision = revision + 1
         where kind = $1 returning {COLUMNS}"
    )
});

/// Writes a policy as its next version, and reads it back.
pub async fn save(tx: &Tx<'_>, policy: &Policy, now: Timestamp) -> Result<Policy> {
    let Policy {
        kind,
        radius_meters,
        max_fix_age,
        agent_count,
        exclusive,
        units,
        specialties,
        ranks,
        strict,
        mismatch_meters,
        task_meters,
        min_rest,
        updated: _,
        revision: _,
    } = policy;
    let row = tx
        .one(
            &SAVE,
            &[
                &(*kind as i16),
                &radius_meters.unwrap_or_default(),
                &max_fix_age.as_secs(),
                &i32::try_from(*agent_count).map_err(Error::internal)?,
                exclusive,
                units,
                specialties,
                ranks,
                strict,
                mismatch_meters,
                task_meters,
                &min_rest.as_secs(),
                &now,
            ],
        )
        .await?;
    decode(&row)
}

fn decode(row: &Row) -> Result<Policy> {
    let radius: f64 = row.read("radius_meters")?;
    Ok(Policy {
        kind: row.read_enum("kind", Kind::of)?,
        radius_meters: (radius > 0.0).then_some(radius),
        max_fix_age: SignedDuration::from_secs(row.read("fix_age_seconds")?),
        agent_count: usize::try_from(row.read::<i32>("agent_count")?).map_err(Error::internal)?,
        exclusive: row.read("exclusive")?,
        units: row.read("units")?,
        specialties: row.read("specialties")?,
        ranks: row.read("ranks")?,
        strict: row.read("strict")?,
        mismatch_meters: row.read("mismatch_meters")?,
        task_meters: row.read("task_meters")?,
        min_rest: SignedDuration::from_secs(row.read("rest_seconds")?),
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}
