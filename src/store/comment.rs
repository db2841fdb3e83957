//! Comments on tasks.

use std::sync::LazyLock;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{
        Revision, TaskId, UserId,
        comment::{Comment, Kind},
    },
    error::Result,
};

const COLUMNS: &str = "id, task_id, user_id, kind, text, create_time, update_time, revision";

static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from comments where id = $1"));

/// A comment by number.
pub async fn get(on: &impl Query, id: i64) -> Result<Option<Comment>> {
    on.row(&GET, &[&id]).await?.as_ref().map(decode).transpose()
}

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {COLUMNS} from comments where task_id = $1 and id > $2 and ($3::smallint is null or kind = $3) order by id limit $4"
    )
});

/// Comments on a task after number `after`, the oldest first; only those of a kind, if told.
pub async fn page(on: &impl Query, task: TaskId, after: i64, kind: Option<Kind>, limit: i64) -> Result<Vec<Comment>> {
    let kind = kind.map(|kind| kind as i16);
    let rows = on.rows(&PAGE, &[&task.0, &after, &kind, &limit]).await?;
    rows.iter().map(decode).collect()
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "insert into comments (task_id, user_id, kind, text, create_time, update_time) values ($1, $2, $3, $4, $5, $5)
         returning {COLUMNS}"
    )
});

/// Adds a comment.
pub async fn insert(tx: &Tx<'_>, task: TaskId, user: UserId, kind: Kind, text: &str, now: Timestamp) -> Result<Comment> {
    decode(&tx.one(&INSERT, &[&task.0, &user.0, &(kind as i16), &text, &now]).await?)
}

static SAVE: LazyLock<String> = LazyLock::new(|| {
    format!("update comments set text = $2, update_time = $3, revision = revision + 1 where id = $1 returning {COLUMNS}")
});

/// Writes other words as a comment's next version.
pub async fn save(tx: &Tx<'_>, id: i64, text: &str, now: Timestamp) -> Result<Comment> {
    decode(&tx.one(&SAVE, &[&id, &text, &now]).await?)
}

/// Deletes a comment.
pub async fn delete(tx: &Tx<'_>, id: i64) -> Result<()> {
    tx.run("delete from comments where id = $1", &[&id]).await.map(drop)
}

fn decode(row: &Row) -> Result<Comment> {
    Ok(Comment {
        id: row.read("id")?,
        task: TaskId(row.read("task_id")?),
        user: UserId(row.read("user_id")?),
        kind: row.read_enum("kind", Kind::of)?,
        text: row.read("text")?,
        created: row.read("create_time")?,
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}
