//! How long what is kept, and forgetting it: a batch at a time, each in a transaction of its own.

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{
        UserId,
        retention::{Kind, Policy},
    },
    error::Result,
};

/// All policies, in the order in which things are forgotten.
pub async fn policies(on: &impl Query) -> Result<Vec<Policy>> {
    let rows = on
        .rows(
            "select kind, keep_seconds, update_time, update_user_id from retention_policies order by kind",
            &[],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// Says how long a kind of data is kept from now on.
pub async fn set(tx: &Tx<'_>, policy: &Policy) -> Result<()> {
    let Policy {
        kind,
        keep,
        updated,
        updated_by,
    } = policy;
    tx.run(
        "update retention_policies set keep_seconds = $2, update_time = $3, update_user_id = $4 where kind = $1",
        &[&(*kind as i16), &keep.as_secs(), updated, &updated_by.map(|user| user.0)],
    )
    .await?;
    Ok(())
}

fn decode(row: &Row) -> Result<Policy> {
    Ok(Policy {
        kind: row.read_enum("kind", Kind::of)?,
        keep: SignedDuration::from_secs(row.read("keep_seconds")?),
        updated: row.read("update_time")?,
        updated_by: row.read::<Option<i64>>("update_user_id")?.map(UserId),
    })
}

/// Waits until nobody else forgets.
pub async fn lock(tx: &Tx<'_>) -> Result<()> {
    tx.run_sql("select pg_advisory_xact_lock(hashtextextended('gad-retention', 0))", &[])
        .await
}

/// How many rows of a kind are older than that; of positions, how many days.
pub async fn count(on: &impl Query, kind: Kind, before: Timestamp) -> Result<i64> {
    let sql = match kind {
        Kind::Positions => return super::position::count_before(on, before).await,
        Kind::Shifts => "select count(*) as n from shifts where end_time < $1",
        Kind::Replays => "select count(*) as n from replays where create_time < $1",
        Kind::Sessions => {
            "select (select count(*) from sessions where expire_time < $1)
                  + (select count(*) from api_tokens where least(expire_time, end_time) < $1) as n"
        }
        Kind::Mails => "select count(*) as n from mails where fail_time < $1",
        Kind::MailedTokens => "select count(*) as n from mailed_tokens where expire_time < $1",
        Kind::DeletedTasks => "select count(*) as n from tasks where delete_time < $1",
        Kind::DeletedUsers => "select count(*) as n from users where delete_time < $1 and erase_time is null",
        Kind::Reveals => "select count(*) as n from location_reveals where create_time < $1",
        Kind::Audit => return super::audit::count_before(on, before).await,
    };
    on.one(sql, &[&before]).await?.read("n")
}

/// Forgets up to `limit` rows of a kind that are older than that, of positions all such days; says how many. Users are not
/// forgotten here but erased: see [`users_due`]; nor is the audit: see [`super::audit::drop_rows`].
pub async fn forget(tx: &Tx<'_>, kind: Kind, before: Timestamp, limit: i64) -> Result<i64> {
    let sql = match kind {
        Kind::Positions => {
            // What fixes have told at geofences goes with them.
            super::geofence_event::forget(tx, before).await?;
            return super::position::drop_before(tx, before).await;
        }
        Kind::DeletedTasks => return forget_tasks(tx, before, limit).await,
        Kind::DeletedUsers | Kind::Audit => return Ok(0),
        Kind::Shifts => "delete from shifts where ctid = any(array(select ctid from shifts where end_time < $1 limit $2))",
        Kind::Replays => "delete from replays where ctid = any(array(select ctid from replays where create_time < $1 limit $2))",
        Kind::Sessions => return forget_sessions(tx, before, limit).await,
        Kind::Mails => "delete from mails where ctid = any(array(select ctid from mails where fail_time < $1 limit $2))",
        Kind::MailedTokens => {
            "delete from mailed_tokens where ctid = any(array(select ctid from mailed_tokens where expire_time < $1 limit $2))"
        }
        Kind::Reveals => {
            "delete from location_reveals
             where ctid = any(array(select ctid from location_reveals where create_time < $1 limit $2))"
        }
    };
    let gone = tx.run(sql, &[&before, &limit]).await?;
    Ok(i64::try_from(gone).unwrap_or(i64::MAX))
}

/// Sessions that are over with their refresh tokens, API tokens that are over, and refresh tokens of open sessions that were
/// used up long ago: they would tell a thief, but not after so long.
async fn forget_sessions(tx: &Tx<'_>, before: Timestamp, limit: i64) -> Result<i64> {
    let mut gone = 0;
    for sql in [
        "delete from sessions where id = any(array(select id from sessions where expire_time < $1 limit $2))",
        "delete from api_tokens
         where id = any(array(select id from api_tokens where least(expire_time, end_time) < $1 limit $2))",
    ] {
        gone += tx.run(sql, &[&before, &limit]).await?;
    }
    tx.run(
        "delete from refresh_tokens
         where hash = any(array(select hash from refresh_tokens where use_time < $1 limit $2))",
        &[&before, &limit],
    )
    .await?;
    Ok(i64::try_from(gone).unwrap_or(i64::MAX))
}

/// Tasks with their history and who was on them. What was reopened from them stays, and does not say so any more.
async fn forget_tasks(tx: &Tx<'_>, before: Timestamp, limit: i64) -> Result<i64> {
    let rows = tx
        .rows(
            "select id from tasks where delete_time < $1 order by delete_time, id limit $2 for update skip locked",
            &[&before, &limit],
        )
        .await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.read("id")).collect::<Result<_>>()?;
    for sql in [
        "update tasks set reopened_from = null where reopened_from = any($1)",
        "delete from task_history where task_id = any($1)",
        "delete from emergencies where task_id = any($1)",
        "delete from assignments where task_id = any($1)",
        "delete from tasks where id = any($1)",
    ] {
        tx.run(sql, &[&ids]).await?;
    }
    Ok(i64::try_from(ids.len()).unwrap_or(i64::MAX))
}

/// Users after this number who were deleted before then and are still to be erased.
pub async fn users_due(on: &impl Query, before: Timestamp, after: UserId, limit: i64) -> Result<Vec<UserId>> {
    let rows = on
        .rows(
            "select id from users where delete_time < $1 and erase_time is null and id > $2 order by id limit $3",
            &[&before, &after.0, &limit],
        )
        .await?;
    rows.iter().map(|row| Ok(UserId(row.read("id")?))).collect()
}
