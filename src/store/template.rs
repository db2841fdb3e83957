//! Templates of tasks, and the occurrences of which tasks were made.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    Query, Tx,
    conditions::seen,
    decode::{Column, Place},
};
use crate::{
    domain::{
        Revision, TaskId, UserId, ZoneId,
        access::Sight,
        recurrence::{Missed, Recurrence},
        task::{Kind, Priority},
        template::{Pattern, Template},
    },
    error::{Error, Result},
};

/// Columns of a template `t`. Zones change: which holds the place is looked up.
const COLUMNS: &str = "t.id, t.uid, t.display_name, t.title, t.description, t.kind, t.priority, t.location, \
    t.location_description, t.delegate_user_id, t.creator_user_id, t.planned_seconds, t.checklist, t.paused, t.rule, \
    t.start_time, t.time_zone, t.lead_seconds, t.missed, t.next_time, t.create_time, t.update_time, t.revision, \
    (select z.id from zones z where st_covers(z.boundary, t.location) order by z.id limit 1) as zone_id";

static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from task_templates t where t.id = $1"));

/// A template by number.
pub async fn get(on: &impl Query, id: i64) -> Result<Option<Template>> {
    on.row(&GET, &[&id]).await?.as_ref().map(decode).transpose()
}

static LOCK: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from task_templates t where t.id = $1 for update"));

/// A template by number, which nobody else changes before this transaction ends.
pub async fn locked(tx: &Tx<'_>, id: i64) -> Result<Option<Template>> {
    tx.row(&LOCK, &[&id]).await?.as_ref().map(decode).transpose()
}

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select * from (select {COLUMNS} from task_templates t where t.id > $1) x
         where $2::bigint is null or x.creator_user_id = $2 or x.zone_id = any($3)
         order by x.id limit $4"
    )
});

/// Templates after number `after`, by number; only those that somebody sees, if told.
pub async fn page(on: &impl Query, after: i64, sight: Option<&Sight>, limit: i64) -> Result<Vec<Template>> {
    let (user, zones) = seen(sight);
    let rows = on.rows(&PAGE, &[&after, &user, &zones, &limit]).await?;
    rows.iter().map(decode).collect()
}

/// A new template.
#[derive(Debug)]
pub struct Draft {
    /// Outside name.
    pub uid: Uuid,
    /// What people set.
    pub pattern: Pattern,
    /// Who makes it.
    pub creator: UserId,
    /// When.
    pub now: Timestamp,
}

/// Adds a template.
pub async fn insert(tx: &Tx<'_>, draft: &Draft) -> Result<Template> {
    let Draft {
        uid,
        pattern,
        creator,
        now,
    } = draft;
    let row = tx
        .one(
            "insert into task_templates (uid, display_name, title, kind, priority, creator_user_id, create_time, update_time)
             values ($1, $2, $3, $4, $5, $6, $7, $7) returning id",
            &[
                uid,
                &pattern.name,
                &pattern.title,
                &(pattern.kind as i16),
                &(pattern.priority as i16),
                &creator.0,
                now,
            ],
        )
        .await?;
    write(tx, row.read("id")?, pattern, *now).await
}

/// Writes what people set of a template as its next version.
pub async fn save(tx: &Tx<'_>, id: i64, pattern: &Pattern, now: Timestamp) -> Result<Template> {
    tx.run("update task_templates set revision = revision + 1 where id = $1", &[&id])
        .await?;
    write(tx, id, pattern, now).await
}

async fn write(tx: &Tx<'_>, id: i64, pattern: &Pattern, now: Timestamp) -> Result<Template> {
    let Pattern {
        name,
        title,
        description,
        kind,
        priority,
        location,
        location_description,
        delegate,
        planned,
        checklist,
        recurrence,
        paused,
    } = pattern;
    let recurrence = recurrence.as_ref();
    tx.run(
        "update task_templates set display_name = $2, title = $3, description = $4, kind = $5, priority = $6, location = $7,
                location_description = $8, delegate_user_id = $9, planned_seconds = $10, checklist = $11, paused = $12,
                rule = $13, start_time = $14, time_zone = $15, lead_seconds = $16, missed = $17, next_time = null,
                due_time = null, update_time = $18
         where id = $1",
        &[
            &id,
            name,
            title,
            description,
            &(*kind as i16),
            &(*priority as i16),
            &location.map(Place),
            location_description,
            &delegate.map(|user| user.0),
            &planned.map(|length| length.as_secs()),
            checklist,
            paused,
            &recurrence.map(Recurrence::rule),
            &recurrence.map(Recurrence::start),
            &recurrence.map(Recurrence::zone),
            &recurrence.map(|recurrence| recurrence.lead.as_secs()),
            &recurrence.map(|recurrence| recurrence.missed as i16),
            &now,
        ],
    )
    .await?;
    get(tx, id).await?.ok_or_else(|| Error::internal("a template is gone"))
}

/// Writes the next occurrence, and when its task is made.
pub async fn expect(tx: &Tx<'_>, template: &Template, next: Option<Timestamp>) -> Result<Template> {
    let due = next.map(|time| template.due(time));
    tx.run(
        "update task_templates set next_time = $2, due_time = $3 where id = $1",
        &[&template.id, &next, &due],
    )
    .await?;
    let found = get(tx, template.id).await?;
    found.ok_or_else(|| Error::internal("a template is gone"))
}

/// Deletes a template, and which tasks were made of it.
pub async fn delete(tx: &Tx<'_>, id: i64) -> Result<()> {
    tx.run("delete from task_templates where id = $1", &[&id]).await.map(drop)
}

static DUE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {COLUMNS} from task_templates t
         where t.id = (select d.id from task_templates d where d.due_time <= $1 and d.id <> all($2)
                       order by d.due_time limit 1 for update skip locked)"
    )
});

/// Whether a task is to be made by now of another template than these.
pub async fn is_due(on: &impl Query, now: Timestamp, but: &[i64]) -> Result<bool> {
    on.one(
        "select exists (select from task_templates d where d.due_time <= $1 and d.id <> all($2)) as due",
        &[&now, &but],
    )
    .await?
    .read("due")
}

/// A template of which a task is to be made by now and that nobody else looks at, locked; none of these.
pub async fn due(tx: &Tx<'_>, now: Timestamp, but: &[i64]) -> Result<Option<Template>> {
    tx.row(&DUE, &[&now, &but]).await?.as_ref().map(decode).transpose()
}

/// Claims an occurrence; false if a task was made of it before.
pub async fn claim(tx: &Tx<'_>, template: i64, occurrence: Timestamp, now: Timestamp) -> Result<bool> {
    let claimed = tx
        .run(
            "insert into template_occurrences (template_id, occurrence_time, create_time) values ($1, $2, $3)
             on conflict on constraint template_occurrences_pkey do nothing",
            &[&template, &occurrence, &now],
        )
        .await?;
    Ok(claimed == 1)
}

/// Says which task was made of an occurrence.
pub async fn made(tx: &Tx<'_>, template: i64, occurrence: Timestamp, task: TaskId) -> Result<()> {
    tx.run(
        "update template_occurrences set task_id = $3 where template_id = $1 and occurrence_time = $2",
        &[&template, &occurrence, &task.0],
    )
    .await
    .map(drop)
}

fn decode(row: &Row) -> Result<Template> {
    let seconds = |column| Ok::<_, Error>(row.read::<Option<i64>>(column)?.map(SignedDuration::from_secs));
    Ok(Template {
        id: row.read("id")?,
        uid: row.read("uid")?,
        pattern: Pattern {
            name: row.read("display_name")?,
            title: row.read("title")?,
            description: row.read("description")?,
            kind: row.read_enum("kind", Kind::of)?,
            priority: row.read_enum("priority", Priority::of)?,
            location: row.read::<Option<Place>>("location")?.map(|place| place.0),
            location_description: row.read("location_description")?,
            delegate: row.read::<Option<i64>>("delegate_user_id")?.map(UserId),
            planned: seconds("planned_seconds")?,
            checklist: row.read("checklist")?,
            recurrence: decode_recurrence(row)?,
            paused: row.read("paused")?,
        },
        creator: UserId(row.read("creator_user_id")?),
        zone: row.read::<Option<i64>>("zone_id")?.map(ZoneId),
        next: row.read("next_time")?,
        created: row.read("create_time")?,
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}

fn decode_recurrence(row: &Row) -> Result<Option<Recurrence>> {
    let Some(rule) = row.read::<Option<String>>("rule")? else {
        return Ok(None);
    };
    let lead = SignedDuration::from_secs(row.read("lead_seconds")?);
    let missed = row.read_enum("missed", Missed::of)?;
    Ok(Some(Recurrence::kept(
        rule,
        row.read("start_time")?,
        row.read("time_zone")?,
        lead,
        missed,
    )))
}
