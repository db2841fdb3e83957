//! Checklists of tasks.

use std::sync::LazyLock;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{
        Revision, TaskId, UserId,
        checklist::{ITEMS, Item},
    },
    error::Result,
};

const COLUMNS: &str = "id, task_id, title, done_time, done_user_id, create_time, revision";

static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from checklist_items where id = $1"));

/// An item by number.
pub async fn get(on: &impl Query, id: i64) -> Result<Option<Item>> {
    on.row(&GET, &[&id]).await?.as_ref().map(decode).transpose()
}

static OF_TASK: LazyLock<String> =
    LazyLock::new(|| format!("select {COLUMNS} from checklist_items where task_id = $1 order by id limit $2"));

/// The checklist of a task.
pub async fn of_task(on: &impl Query, task: TaskId) -> Result<Vec<Item>> {
    on.rows(&OF_TASK, &[&task.0, &ITEMS]).await?.iter().map(decode).collect()
}

/// How many items the checklist of a task has.
pub async fn count(on: &impl Query, task: TaskId) -> Result<i64> {
    on.one("select count(*) as n from checklist_items where task_id = $1", &[&task.0])
        .await?
        .read("n")
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "insert into checklist_items (task_id, title, create_time)
         select $1, l.title, $3 from unnest($2::text[]) with ordinality l (title, place) order by l.place
         returning {COLUMNS}"
    )
});

/// Adds items at the end, in this order.
pub async fn insert(tx: &Tx<'_>, task: TaskId, titles: &[String], now: Timestamp) -> Result<Vec<Item>> {
    if titles.is_empty() {
        return Ok(Vec::new());
    }
    tx.rows(&INSERT, &[&task.0, &titles, &now])
        .await?
        .iter()
        .map(decode)
        .collect()
}

static SAVE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "update checklist_items set title = $2, done_time = $3, done_user_id = $4, revision = revision + 1
         where id = $1 returning {COLUMNS}"
    )
});

/// Writes an item as its next version.
pub async fn save(tx: &Tx<'_>, item: &Item) -> Result<Item> {
    let (time, user) = item.done.unzip();
    let user = user.map(|user| user.0);
    decode(&tx.one(&SAVE, &[&item.id, &item.title, &time, &user]).await?)
}

/// Deletes an item.
pub async fn delete(tx: &Tx<'_>, id: i64) -> Result<()> {
    tx.run("delete from checklist_items where id = $1", &[&id]).await.map(drop)
}

fn decode(row: &Row) -> Result<Item> {
    let user = row.read::<Option<i64>>("done_user_id")?.map(UserId);
    let time: Option<Timestamp> = row.read("done_time")?;
    Ok(Item {
        id: row.read("id")?,
        task: TaskId(row.read("task_id")?),
        title: row.read("title")?,
        done: time.zip(user),
        created: row.read("create_time")?,
        revision: Revision(row.read("revision")?),
    })
}
