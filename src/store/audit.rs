//! The audit: rows in daily partitions, chained within segments, and where each segment ends.

use std::net::IpAddr;

use jiff::{Timestamp, civil::Date};
use postgres_types::{Json, ToSql};
use tokio_postgres::Row as Record;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{
        UserId,
        audit::{Actor, Day, Door, Entry, Erased, Head, Personal, Place, Row},
        fact::Fact,
    },
    error::{Error, Result},
};

/// Columns of a row.
pub const COLUMNS: &str = "day, segment, number, time, actor, user_id, api_token_id, subject_user_id, door, method, permission, \
    resource, outcome, request_id, idempotency_id, detail::text as detail, reason, address, salt, personal_hash, hash, \
    erase_day, erase_segment, erase_number, erase_hash";

/// The end of a segment, which nobody else moves until the end of the transaction; none if there is no such segment.
pub async fn end(tx: &Tx<'_>, day: Date, segment: i32) -> Result<Option<Head>> {
    let row = tx
        .row(
            "select segment, number, hash from audit_heads where day = $1 and segment = $2 for update",
            &[&day, &segment],
        )
        .await?;
    row.map(|row| head(&row, day)).transpose()
}

pub(super) fn head(row: &Record, day: Date) -> Result<Head> {
    Ok(Head {
        place: Place {
            day,
            segment: row.read("segment")?,
            number: row.read("number")?,
        },
        hash: row.read("hash")?,
    })
}

/// Adds rows to a segment and moves its end from `number` to `end`, and adds facts to the outbox; an error if the
/// segment does not end at `number`. One statement for the last row and all else: statements cost more than rows.
pub async fn append(tx: &Tx<'_>, rows: &[Row], number: i64, end: &Head, guard: &[u8], facts: &[Fact]) -> Result<()> {
    let Some((last, others)) = rows.split_last() else {
        return Err(Error::internal("no rows for the audit"));
    };
    let others = futures::future::try_join_all(others.iter().map(|row| insert(tx, row)));
    tokio::try_join!(others, insert_last(tx, last, number, end, guard, facts))?;
    Ok(())
}

async fn insert(tx: &Tx<'_>, row: &Row) -> Result<()> {
    let values = Values::of(row);
    tx.run(
        "insert into audit (day, segment, number, time, actor, user_id, api_token_id, subject_user_id, door, method, permission,
                            resource, outcome, request_id, idempotency_id, detail, reason, address, salt, personal_hash, hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16::text::json, $17, $18, $19, $20, $21)",
        &values.params(),
    )
    .await?;
    Ok(())
}

async fn insert_last(tx: &Tx<'_>, row: &Row, number: i64, end: &Head, guard: &[u8], facts: &[Fact]) -> Result<()> {
    let values = Values::of(row);
    let times: Vec<Timestamp> = facts.iter().map(|fact| fact.time).collect();
    let users: Vec<Option<i64>> = facts.iter().map(|fact| fact.subject.user().map(|user| user.0)).collect();
    let facts: Vec<Json<&Fact>> = facts.iter().map(Json).collect();
    let mut params = values.params().to_vec();
    let more: [&(dyn ToSql + Sync); 6] = [&number, &end.hash, &guard, &times, &users, &facts];
    params.extend(more);
    let added = tx
        .run(
            "with moved as (update audit_heads set number = $3, hash = $23, head_hash = $24
                            where day = $1 and segment = $2 and number = $22 returning day),
                  told as (insert into outbox (event_time, user_id, fact)
                           select n.event_time, n.user_id, n.fact from unnest($25::timestamptz[], $26::bigint[], $27::jsonb[])
                           with ordinality n (event_time, user_id, fact, place) order by n.place)
             insert into audit (day, segment, number, time, actor, user_id, api_token_id, subject_user_id, door, method, permission,
                                resource, outcome, request_id, idempotency_id, detail, reason, address, salt, personal_hash, hash)
             select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16::text::json, $17, $18, $19, $20, $21
             from moved",
            &params,
        )
        .await?;
    (added == 1)
        .then_some(())
        .ok_or_else(|| Error::internal("a segment of the audit does not end where it did"))
}

/// What a row is in columns, where it is not so already.
struct Values<'a> {
    row: &'a Row,
    actor: i16,
    user: Option<i64>,
    token: Option<i64>,
    subject: Option<i64>,
    door: i16,
    detail: Option<&'a str>,
    reason: Option<&'a str>,
    address: Option<IpAddr>,
}

impl<'a> Values<'a> {
    fn of(row: &'a Row) -> Self {
        let entry = &row.entry;
        let personal = entry.personal.as_ref();
        Self {
            row,
            actor: entry.actor.kind(),
            user: entry.actor.user().map(|user| user.0),
            token: entry.actor.token(),
            subject: entry.subject.map(|user| user.0),
            door: entry.door as i16,
            detail: personal.map(|personal| personal.detail.as_str()),
            reason: personal.map(|personal| personal.reason.as_str()),
            address: personal.and_then(|personal| personal.address),
        }
    }

    fn params(&self) -> [&(dyn ToSql + Sync); 21] {
        let Row { place, entry, .. } = self.row;
        [
            &place.day,
            &place.segment,
            &place.number,
            &entry.time,
            &self.actor,
            &self.user,
            &self.token,
            &self.subject,
            &self.door,
            &entry.method,
            &entry.permission,
            &entry.resource,
            &entry.outcome,
            &entry.request_id,
            &entry.idempotency_id,
            &self.detail,
            &self.reason,
            &self.address,
            &self.row.salt,
            &self.row.personal_hash,
            &self.row.hash,
        ]
    }
}

/// A row from a record with [`COLUMNS`].
pub fn decode(record: &Record) -> Result<Row> {
    let wrong = |what: &str| Error::internal(format!("an audit row has an impossible {what}"));
    let actor = Actor::of(record.read("actor")?, record.read("user_id")?, record.read("api_token_id")?);
    let salt: Option<Vec<u8>> = record.read("salt")?;
    let address: Option<IpAddr> = record.read("address")?;
    let personal = match (record.read("detail")?, record.read("reason")?, &salt) {
        (Some(detail), Some(reason), Some(_)) => Some(Personal { detail, reason, address }),
        (None, None, None) if address.is_none() => None,
        _ => return Err(wrong("half of what may tell of a person")),
    };
    let erased = match (
        record.read("erase_day")?,
        record.read("erase_segment")?,
        record.read("erase_number")?,
        record.read("erase_hash")?,
    ) {
        (Some(day), Some(segment), Some(number), Some(proof)) => Some(Erased {
            by: Place { day, segment, number },
            proof,
        }),
        (None, None, None, None) => None,
        _ => return Err(wrong("half of an erasure")),
    };
    Ok(Row {
        place: place(record)?,
        entry: Entry {
            time: record.read("time")?,
            actor: actor.ok_or_else(|| wrong("actor"))?,
            door: record.read_enum("door", Door::of)?,
            method: record.read("method")?,
            permission: record.read("permission")?,
            resource: record.read("resource")?,
            subject: record.read::<Option<i64>>("subject_user_id")?.map(UserId),
            outcome: record.read("outcome")?,
            request_id: record.read("request_id")?,
            idempotency_id: record.read("idempotency_id")?,
            personal,
        },
        salt,
        personal_hash: record.read("personal_hash")?,
        hash: record.read("hash")?,
        erased,
    })
}

fn place(record: &Record) -> Result<Place> {
    Ok(Place {
        day: record.read("day")?,
        segment: record.read("segment")?,
        number: record.read("number")?,
    })
}

/// What is kept of a day beside its rows.
#[derive(Debug, Clone)]
pub struct Known {
    /// The day.
    pub day: Day,
    /// The hash that guards it.
    pub guard: Vec<u8>,
    /// When its ends were last told in a row.
    pub anchored: Timestamp,
    /// The row of the retention that dropped its rows.
    pub dropped_by: Option<Place>,
}

/// A day, if it was opened.
pub async fn day(on: &impl Query, day: Date) -> Result<Option<Known>> {
    let row = on
        .row(
            "select day, previous_day, segments, hash, anchor_time, drop_day, drop_segment, drop_number
             from audit_days where day = $1",
            &[&day],
        )
        .await?;
    row.as_ref().map(known).transpose()
}

/// The same, and nobody else adds segments to it until the end of the transaction.
pub async fn hold(tx: &Tx<'_>, day: Date) -> Result<Option<Known>> {
    let row = tx
        .row(
            "select day, previous_day, segments, hash, anchor_time, drop_day, drop_segment, drop_number
             from audit_days where day = $1 for no key update",
            &[&day],
        )
        .await?;
    row.as_ref().map(known).transpose()
}

/// All days, the earliest first.
pub async fn days(on: &impl Query) -> Result<Vec<Known>> {
    let rows = on
        .rows(
            "select day, previous_day, segments, hash, anchor_time, drop_day, drop_segment, drop_number
             from audit_days order by day",
            &[],
        )
        .await?;
    rows.iter().map(known).collect()
}

/// Days that have a place for rows, the earliest first.
pub async fn partitions(on: &impl Query) -> Result<Vec<Date>> {
    let rows = on
        .rows(
            "select to_date(substr(c.relname, 7), 'YYYYMMDD') as day from pg_inherits i join pg_class c on c.oid = i.inhrelid
             where i.inhparent = 'audit'::regclass order by 1",
            &[],
        )
        .await?;
    rows.iter().map(|row| row.read("day")).collect()
}

fn known(row: &Record) -> Result<Known> {
    let dropped_by = match (row.read("drop_day")?, row.read("drop_segment")?, row.read("drop_number")?) {
        (Some(day), Some(segment), Some(number)) => Some(Place { day, segment, number }),
        _ => None,
    };
    Ok(Known {
        day: Day {
            day: row.read("day")?,
            previous: row.read("previous_day")?,
            segments: row.read("segments")?,
        },
        guard: row.read("hash")?,
        anchored: row.read("anchor_time")?,
        dropped_by,
    })
}

/// The key of the chain, sealed.
pub async fn key(on: &impl Query) -> Result<Option<Vec<u8>>> {
    let row = on.row("select sealed from audit_keys", &[]).await?;
    row.map(|row| row.read("sealed")).transpose()
}

/// Adds the key of the chain, sealed.
pub async fn add_key(tx: &Tx<'_>, sealed: &[u8], now: Timestamp) -> Result<()> {
    tx.run(
        "insert into audit_keys (sealed, create_time) values ($1, $2)",
        &[&sealed, &now],
    )
    .await?;
    Ok(())
}

/// Puts the key of the chain in its place, sealed anew.
pub async fn set_key(tx: &Tx<'_>, sealed: &[u8]) -> Result<()> {
    tx.run("update audit_keys set sealed = $1", &[&sealed]).await?;
    Ok(())
}

/// Waits until nobody else opens a day.
pub async fn lock(tx: &Tx<'_>) -> Result<()> {
    tx.run_sql("select pg_advisory_xact_lock(hashtextextended('gad-audit', 0))", &[])
        .await
}

/// Whether this transaction is the one that may tell the ends now.
pub async fn try_lock(tx: &Tx<'_>) -> Result<bool> {
    tx.one(
        "select pg_try_advisory_xact_lock(hashtextextended('gad-anchor', 0)) as mine",
        &[],
    )
    .await?
    .read("mine")
}

/// The last day before this one that was opened.
pub async fn day_before(on: &impl Query, day: Date) -> Result<Option<Date>> {
    on.one("select max(day) as day from audit_days where day < $1", &[&day])
        .await?
        .read("day")
}

/// Makes room for the rows of a day, and says that there are no segments yet.
pub async fn open(tx: &Tx<'_>, day: &Day, guard: &[u8], now: Timestamp) -> Result<()> {
    tx.run_sql("select ensure_audit_partition($1)", &[&day.day]).await?;
    tx.run(
        "insert into audit_days (day, previous_day, segments, hash, anchor_time) values ($1, $2, $3, $4, $5)",
        &[&day.day, &day.previous, &day.segments, &guard, &now],
    )
    .await?;
    Ok(())
}

/// Says how many segments a day has from now on.
pub async fn widen(tx: &Tx<'_>, day: &Day, guard: &[u8]) -> Result<()> {
    tx.run(
        "update audit_days set segments = $2, hash = $3 where day = $1",
        &[&day.day, &day.segments, &guard],
    )
    .await?;
    Ok(())
}

/// Adds an empty segment.
pub async fn add_head(tx: &Tx<'_>, head: &Head, guard: &[u8]) -> Result<()> {
    let Head { place, hash } = head;
    tx.run(
        "insert into audit_heads (day, segment, number, hash, head_hash) values ($1, $2, $3, $4, $5)",
        &[&place.day, &place.segment, &place.number, hash, &guard],
    )
    .await?;
    Ok(())
}

/// The ends of all segments of a day with the hashes that guard them, by segment.
pub async fn heads(on: &impl Query, day: Date) -> Result<Vec<(Head, Vec<u8>)>> {
    let rows = on
        .rows(
            "select segment, number, hash, head_hash from audit_heads where day = $1 order by segment",
            &[&day],
        )
        .await?;
    rows.iter().map(|row| Ok((head(row, day)?, row.read("head_hash")?))).collect()
}

/// Says when the ends of a day were told.
pub async fn anchored(tx: &Tx<'_>, day: Date, now: Timestamp) -> Result<()> {
    tx.run("update audit_days set anchor_time = $2 where day = $1", &[&day, &now])
        .await?;
    Ok(())
}

/// Drops the rows of a day; `by` is the row that tells of it. Days and ends stay.
pub async fn drop_rows(tx: &Tx<'_>, day: Date, by: Place) -> Result<()> {
    // Whoever still reads it must not make all who write wait; another time will do.
    tx.run_sql("select set_config('lock_timeout', '200ms', true)", &[]).await?;
    tx.run_sql("select drop_audit_partition($1)", &[&day]).await?;
    tx.run(
        "update audit_days set drop_day = $2, drop_segment = $3, drop_number = $4 where day = $1",
        &[&day, &by.day, &by.segment, &by.number],
    )
    .await?;
    Ok(())
}

/// Makes rows findable of days before this one that are not yet.
pub async fn index_before(tx: &Tx<'_>, day: Date) -> Result<()> {
    tx.run_sql(
        "select index_audit_partition(day) from audit_days where day < $1 and not indexed and drop_day is null",
        &[&day],
    )
    .await?;
    tx.run("update audit_days set indexed = true where day < $1 and not indexed", &[&day])
        .await?;
    Ok(())
}

/// How many days before that of a time still have their rows.
pub async fn count_before(on: &impl Query, before: Timestamp) -> Result<i64> {
    let days = kept_before(on, crate::domain::audit::day(before)).await?;
    Ok(i64::try_from(days.len()).unwrap_or(i64::MAX))
}

/// Days before this one whose rows are still there, the earliest first.
pub async fn kept_before(on: &impl Query, day: Date) -> Result<Vec<Date>> {
    let rows = on
        .rows(
            "select day from audit_days where day < $1 and drop_day is null order by day",
            &[&day],
        )
        .await?;
    rows.iter().map(|row| row.read("day")).collect()
}

/// A row as it is found, whatever is wrong with it.
#[derive(Debug)]
pub struct Found {
    /// Where it is.
    pub place: Place,
    /// Its hash as stored.
    pub hash: Vec<u8>,
    /// What it says, if that is possible at all.
    pub row: Option<Row>,
}

fn found(record: &Record) -> Result<Found> {
    let whole: bool = record.read("whole")?;
    Ok(Found {
        place: place(record)?,
        hash: record.read("hash")?,
        row: decode(record).ok().filter(|_| whole),
    })
}

/// Rows of a day after a segment and number, up to `limit`, in the order of the chain.
pub async fn after(on: &impl Query, day: Date, segment: i32, number: i64, limit: i64) -> Result<Vec<Found>> {
    let rows = on
        .rows(
            "select day, segment, number, time, actor, user_id, api_token_id, subject_user_id, door, method, permission, resource,
                    outcome, request_id, idempotency_id, detail::text as detail, reason, address, salt, personal_hash, hash,
                    erase_day, erase_segment, erase_number, erase_hash,
                    address is null or masklen(address) = case family(address) when 4 then 32 else 128 end as whole
             from audit where day = $1 and (segment, number) > ($2, $3) order by segment, number limit $4",
            &[&day, &segment, &number, &limit],
        )
        .await?;
    rows.iter().map(found).collect()
}

/// Hashes of these rows of a day, as far as they are there.
pub async fn hashes(on: &impl Query, day: Date, ends: &[(i32, i64)]) -> Result<Vec<Head>> {
    let (segments, numbers): (Vec<i32>, Vec<i64>) = ends.iter().copied().unzip();
    let rows = on
        .rows(
            "select a.segment, a.number, a.hash from audit a join unnest($2::int[], $3::bigint[]) e (segment, number)
               on a.segment = e.segment and a.number = e.number
             where a.day = $1 order by a.segment",
            &[&day, &segments, &numbers],
        )
        .await?;
    rows.iter().map(|row| head(row, day)).collect()
}
