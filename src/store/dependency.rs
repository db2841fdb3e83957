//! Which tasks wait for which.

use std::sync::LazyLock;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{TaskId, UserId, dependency::Dependency},
    error::Result,
};

/// Class of the advisory lock that orders all changes of dependencies: a circle may be closed by several at once.
const LOCK_CLASS: i32 = 7;

/// What a dependency is, for `d` and the task `o` that is waited for. State 4 is finished.
const COLUMNS: &str = "d.task_id, d.depends_on_task_id, d.user_id, d.create_time, \
    (o.state = 4 or o.delete_time is not null) as satisfied";

static OF_TASK: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {COLUMNS} from task_dependencies d join tasks o on o.id = d.depends_on_task_id
         where d.task_id = $1 order by d.depends_on_task_id limit $2"
    )
});

/// What a task waits for.
pub async fn of_task(on: &impl Query, task: TaskId, limit: i64) -> Result<Vec<Dependency>> {
    on.rows(&OF_TASK, &[&task.0, &limit]).await?.iter().map(decode).collect()
}

static ON_TASK: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {COLUMNS} from task_dependencies d join tasks o on o.id = d.depends_on_task_id
         where d.depends_on_task_id = $1 order by d.task_id limit $2"
    )
});

/// What waits for a task.
pub async fn on_task(on: &impl Query, task: TaskId, limit: i64) -> Result<Vec<Dependency>> {
    on.rows(&ON_TASK, &[&task.0, &limit]).await?.iter().map(decode).collect()
}

/// Whether a task waits for something that is neither finished nor deleted.
pub async fn waits(on: &impl Query, task: TaskId) -> Result<bool> {
    on.one(
        "select exists (select from task_dependencies d join tasks o on o.id = d.depends_on_task_id
                        where d.task_id = $1 and o.state <> 4 and o.delete_time is null) as waits",
        &[&task.0],
    )
    .await?
    .read("waits")
}

/// Waits until nobody else changes dependencies of any task. Comes after the lock of the task.
pub async fn lock(tx: &Tx<'_>) -> Result<()> {
    tx.run_sql("select pg_advisory_xact_lock($1, 0)", &[&LOCK_CLASS]).await
}

/// Whether a task waits for another, perhaps through others. The dependencies are locked.
pub async fn reaches(tx: &Tx<'_>, from: TaskId, to: TaskId) -> Result<bool> {
    tx.one(
        "with recursive reached (id) as (
             select $1::bigint
             union
             select d.depends_on_task_id from reached r join task_dependencies d on d.task_id = r.id)
         select exists (select from reached where id = $2) as found",
        &[&from.0, &to.0],
    )
    .await?
    .read("found")
}

/// Makes a task wait for another, unless it does.
pub async fn insert(tx: &Tx<'_>, task: TaskId, on: TaskId, user: UserId, now: Timestamp) -> Result<()> {
    tx.run(
        "insert into task_dependencies (task_id, depends_on_task_id, user_id, create_time) values ($1, $2, $3, $4)
         on conflict on constraint task_dependencies_pkey do nothing",
        &[&task.0, &on.0, &user.0, &now],
    )
    .await
    .map(drop)
}

/// Ends that a task waits for another.
pub async fn delete(tx: &Tx<'_>, task: TaskId, on: TaskId) -> Result<()> {
    tx.run(
        "delete from task_dependencies where task_id = $1 and depends_on_task_id = $2",
        &[&task.0, &on.0],
    )
    .await
    .map(drop)
}

fn decode(row: &Row) -> Result<Dependency> {
    Ok(Dependency {
        task: TaskId(row.read("task_id")?),
        on: TaskId(row.read("depends_on_task_id")?),
        user: UserId(row.read("user_id")?),
        created: row.read("create_time")?,
        satisfied: row.read("satisfied")?,
    })
}
