//! Attachments of tasks, the files that they are, and what finishing takes.

use std::sync::LazyLock;

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{
        Revision, TaskId, UserId,
        attachment::{Attachment, Kind, Proof, ProofPolicy},
        task,
    },
    error::{Error, Result},
};

const COLUMNS: &str = "id, uid, task_id, user_id, kind, file_name, content_type, size_bytes, sha256, note, create_time";

static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from attachments where id = $1"));

/// An attachment by number.
pub async fn get(on: &impl Query, id: i64) -> Result<Option<Attachment>> {
    on.row(&GET, &[&id]).await?.as_ref().map(decode).transpose()
}

static PAGE: LazyLock<String> =
    LazyLock::new(|| format!("select {COLUMNS} from attachments where task_id = $1 and id > $2 order by id limit $3"));

/// Attachments of a task after number `after`, the oldest first.
pub async fn page(on: &impl Query, task: TaskId, after: i64, limit: i64) -> Result<Vec<Attachment>> {
    on.rows(&PAGE, &[&task.0, &after, &limit]).await?.iter().map(decode).collect()
}

/// How many attachments a task has.
pub async fn count(on: &impl Query, task: TaskId) -> Result<i64> {
    on.one("select count(*) as n from attachments where task_id = $1", &[&task.0])
        .await?
        .read("n")
}

/// Says that a file will be in the store of files, and when it may go unless something has it by then.
pub async fn reserve(on: &impl Query, uid: Uuid, now: Timestamp, due: Timestamp) -> Result<()> {
    on.run(
        "insert into blobs (uid, create_time, due_time) values ($1, $2, $3)",
        &[&uid, &now, &due],
    )
    .await
    .map(drop)
}

/// Says that nothing will have a file that was reserved: it may go at once.
pub async fn release(on: &impl Query, uid: Uuid) -> Result<()> {
    on.run(
        "update blobs set due_time = '-infinity' where uid = $1 and due_time is not null",
        &[&uid],
    )
    .await
    .map(drop)
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "insert into attachments (uid, task_id, user_id, kind, file_name, content_type, size_bytes, sha256, note, create_time)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning {COLUMNS}"
    )
});

/// Adds an attachment whose file was reserved and is there. Its number is not looked at.
pub async fn insert(tx: &Tx<'_>, attachment: &Attachment) -> Result<Attachment> {
    let Attachment {
        id: _,
        uid,
        task,
        user,
        kind,
        file_name,
        content_type,
        size,
        sha256,
        note,
        created,
    } = attachment;
    let kept = tx
        .run(
            "update blobs set due_time = null where uid = $1 and due_time is not null",
            &[uid],
        )
        .await?;
    if kept != 1 {
        return Err(Error::internal("a file was swept before it was attached"));
    }
    let row = tx
        .one(
            &INSERT,
            &[
                uid,
                &task.0,
                &user.0,
                &(*kind as i16),
                file_name,
                content_type,
                size,
                sha256,
                note,
                created,
            ],
        )
        .await?;
    decode(&row)
}

/// Deletes an attachment; its file may go from then on.
pub async fn delete(tx: &Tx<'_>, id: i64) -> Result<()> {
    tx.run("delete from attachments where id = $1", &[&id]).await.map(drop)
}

/// Whether a file may go.
pub async fn is_due(on: &impl Query, now: Timestamp) -> Result<bool> {
    on.one("select exists (select from blobs where due_time <= $1) as due", &[&now])
        .await?
        .read("due")
}

/// A file that may go and that nobody else looks at, locked.
pub async fn due(tx: &Tx<'_>, now: Timestamp) -> Result<Option<Uuid>> {
    let row = tx
        .row(
            "select uid from blobs where due_time <= $1 order by due_time limit 1 for update skip locked",
            &[&now],
        )
        .await?;
    row.map(|row| row.read("uid")).transpose()
}

/// Looks at a file that may go not before then.
pub async fn postpone(tx: &Tx<'_>, uid: Uuid, due: Timestamp) -> Result<()> {
    tx.run("update blobs set due_time = $2 where uid = $1", &[&uid, &due])
        .await
        .map(drop)
}

/// Forgets a file that is gone.
pub async fn forget(tx: &Tx<'_>, uid: Uuid) -> Result<()> {
    tx.run("delete from blobs where uid = $1", &[&uid]).await.map(drop)
}

/// How much a task has of what finishing it may take.
pub async fn proof(on: &impl Query, task: TaskId) -> Result<Proof> {
    let row = on
        .one(
            "select count(*) filter (where kind = 2) as photos, count(*) filter (where kind = 3) as signatures,
                    (select count(*) from checklist_items i where i.task_id = $1 and i.done_time is null) as open_items
             from attachments where task_id = $1",
            &[&task.0],
        )
        .await?;
    Ok(Proof {
        photos: row.read("photos")?,
        signatures: row.read("signatures")?,
        open_items: row.read("open_items")?,
    })
}

const POLICY: &str = "kind, photo_count, signature_count, whole_checklist, update_time, revision";

static POLICIES: LazyLock<String> = LazyLock::new(|| format!("select {POLICY} from proof_policies order by kind"));

/// All policies, by kind.
pub async fn policies(on: &impl Query) -> Result<Vec<ProofPolicy>> {
    on.rows(&POLICIES, &[]).await?.iter().map(decode_policy).collect()
}

static GET_POLICY: LazyLock<String> = LazyLock::new(|| format!("select {POLICY} from proof_policies where kind = $1"));

/// The policy of a kind of task.
pub async fn policy(on: &impl Query, kind: task::Kind) -> Result<ProofPolicy> {
    decode_policy(&on.one(&GET_POLICY, &[&(kind as i16)]).await?)
}

static LOCK_POLICY: LazyLock<String> =
    LazyLock::new(|| format!("select {POLICY} from proof_policies where kind = $1 for update"));

/// The policy of a kind of task, which nobody else changes before this transaction ends.
pub async fn locked_policy(tx: &Tx<'_>, kind: task::Kind) -> Result<ProofPolicy> {
    decode_policy(&tx.one(&LOCK_POLICY, &[&(kind as i16)]).await?)
}

static SAVE_POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "update proof_policies set photo_count = $2, signature_count = $3, whole_checklist = $4, update_time = $5,
                revision = revision + 1
         where kind = $1 returning {POLICY}"
    )
});

/// Writes a policy as its next version, and reads it back.
pub async fn save_policy(tx: &Tx<'_>, policy: &ProofPolicy, now: Timestamp) -> Result<ProofPolicy> {
    let ProofPolicy {
        kind,
        photos,
        signatures,
        whole_checklist,
        updated: _,
        revision: _,
    } = policy;
    let row = tx
        .one(&SAVE_POLICY, &[&(*kind as i16), photos, signatures, whole_checklist, &now])
        .await?;
    decode_policy(&row)
}

fn decode(row: &Row) -> Result<Attachment> {
    Ok(Attachment {
        id: row.read("id")?,
        uid: row.read("uid")?,
        task: TaskId(row.read("task_id")?),
        user: UserId(row.read("user_id")?),
        kind: row.read_enum("kind", Kind::of)?,
        file_name: row.read("file_name")?,
        content_type: row.read("content_type")?,
        size: row.read("size_bytes")?,
        sha256: row.read("sha256")?,
        note: row.read("note")?,
        created: row.read("create_time")?,
    })
}

fn decode_policy(row: &Row) -> Result<ProofPolicy> {
    Ok(ProofPolicy {
        kind: row.read_enum("kind", task::Kind::of)?,
        photos: row.read("photo_count")?,
        signatures: row.read("signature_count")?,
        whole_checklist: row.read("whole_checklist")?,
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}
