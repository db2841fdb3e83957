//! Statistics: sums by day, what is still to be added to them, and what is read of both.
//!
//! Triggers append what a change changes (V15), so that no writer waits for another's; one replica at a time adds it up. A reader
//! takes sums and what is not added yet in one statement, so it is as exact before as after.

use jiff::{SignedDuration, Timestamp, civil::Date};
use postgres_types::Type;
use tokio_postgres::Row;

use super::{Query, Tx, conditions::Conditions, decode::Column};
use crate::{
    domain::statistics::{Board, Filter, Group, Measure, Open, Spread},
    error::Result,
};

/// Adds up to `limit` changes to the sums, unless another replica does just now; says how many.
pub async fn fold(tx: &Tx<'_>, limit: i64) -> Result<u64> {
    let row = tx
        .one(
            "select pg_try_advisory_xact_lock(hashtextextended('gad-statistics', 0)) as locked",
            &[],
        )
        .await?;
    if !row.read::<bool>("locked")? {
        return Ok(0);
    }
    let row = tx
        .one(
            "with gone as (
                 delete from statistic_deltas where id = any(array(select id from statistic_deltas order by id limit $1))
                 returning subject, measure, day, kind, priority, zone_id, owner_id, bucket, n, ms
             ), added as (
                 insert into statistic_sums as s (subject, measure, day, kind, priority, zone_id, owner_id, bucket, n, ms)
                 select subject, measure, day, kind, priority, zone_id, owner_id, bucket, sum(n), sum(ms) from gone
                 group by 1, 2, 3, 4, 5, 6, 7, 8
                 on conflict on constraint statistic_sums_pkey do update set n = s.n + excluded.n, ms = s.ms + excluded.ms
             )
             select count(*) as n from gone",
            &[&limit],
        )
        .await?;
    let folded: i64 = row.read("n")?;
    if folded > 0 {
        tx.run("delete from statistic_sums where n = 0 and ms = 0", &[]).await?;
    }
    Ok(u64::try_from(folded).unwrap_or_default())
}

/// Whether anything is still to be added up.
pub async fn behind(on: &impl Query) -> Result<bool> {
    on.one("select exists (select from statistic_deltas) as behind", &[])
        .await?
        .read("behind")
}

/// How much is open, by zone.
pub async fn open(on: &impl Query, now: Timestamp) -> Result<Board> {
    let rows = on
        .rows(
            "select x.zone_id,
                    coalesce(sum(x.n) filter (where x.measure = 1 and x.bucket = 1), 0)::bigint as scheduled,
                    coalesce(sum(x.n) filter (where x.measure = 1 and x.bucket = 2), 0)::bigint as in_progress,
                    coalesce(sum(x.n) filter (where x.measure = 1 and x.bucket = 3), 0)::bigint as paused,
                    coalesce(sum(x.n) filter (where x.measure = 2 and (x.day, x.bucket) < ($1::date, $2::smallint)), 0)::bigint as overdue,
                    coalesce(sum(x.n) filter (where x.measure = 1 and x.kind = 8), 0)::bigint as emergencies,
                    coalesce(sum(x.n) filter (where x.measure = 1 and x.priority >= 4), 0)::bigint as urgent
             from (select zone_id, measure, day, kind, priority, bucket, n from statistic_sums
                   where subject = 1 and (measure = 1 and bucket <= 3 or measure = 2)
                   union all
                   select zone_id, measure, day, kind, priority, bucket, n from statistic_deltas
                   where subject = 1 and (measure = 1 and bucket <= 3 or measure = 2)) x
             group by x.zone_id order by x.zone_id",
            &[&today(now), &minute(now)],
        )
        .await?;
    let open = |row: &Row| {
        Ok((
            row.read("zone_id")?,
            Open {
                states: [row.read("scheduled")?, row.read("in_progress")?, row.read("paused")?],
                overdue: row.read("overdue")?,
                emergencies: row.read("emergencies")?,
                urgent: row.read("urgent")?,
            },
        ))
    };
    Ok(Board(rows.iter().map(open).collect::<Result<Vec<_>>>()?.into()))
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn minute(now: Timestamp) -> i16 {
    let seconds = now.as_second().rem_euclid(SignedDuration::from_hours(24).as_secs());
    i16::try_from(seconds / 60).unwrap_or_default()
}

/// One measure of one group; of [`Measure::State`] one for each state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number of the group.
    pub key: i64,
    /// Its name, where it has one.
    pub name: String,
    /// What is measured.
    pub measure: Measure,
    /// The state, of [`Measure::State`]; else 0.
    pub state: i16,
    /// What came of it.
    pub spread: Spread,
}

/// Number and name of a row's group.
fn columns(group: Group) -> (&'static str, &'static str) {
    match group {
        Group::All => ("0::bigint", "''"),
        Group::User | Group::Agent => ("s.owner_id", "''"),
        Group::Unit => ("0::bigint", "a.unit collate \"C\""),
        Group::Zone => ("s.zone_id", "''"),
        Group::Kind => ("s.kind::bigint", "''"),
        Group::Priority => ("s.priority::bigint", "''"),
        Group::Day => ("(s.day - date '1970-01-01')::bigint", "to_char(s.day, 'YYYY-MM-DD')"),
    }
}

/// Lines of up to `limit` groups after the group `after`, by group. Of open tasks that should end only those count that should have by
/// now, and the period is nothing to them; by day they stand at the day at which they should have ended.
pub async fn lines(
    on: &impl Query,
    group: Group,
    filter: &Filter,
    after: Option<i64>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Line>> {
    let mut conditions = Conditions::default();
    narrow(&mut conditions, group, filter);
    let (key, name) = columns(group);
    let join = match filter.is_about_agents(group) {
        true => "join agents a on a.id = s.owner_id",
        false => "",
    };
    let (today, minute) = (today(now), minute(now));
    let (day, bucket) = (conditions.param(today, Type::DATE), conditions.param(minute, Type::INT2));
    let (after, limit) = (conditions.param(after, Type::INT8), conditions.param(limit, Type::INT8));
    let sql = format!(
        "with s as (
             select subject, measure, day, kind, priority, zone_id, owner_id, bucket, n, ms from statistic_sums
             union all
             select subject, measure, day, kind, priority, zone_id, owner_id, bucket, n, ms from statistic_deltas
         ), x as (
             select {key} as key, {name} as name, s.measure,
                    case when s.measure = 2 then 0::smallint else s.bucket end as bucket, sum(s.n)::bigint as n, sum(s.ms)::bigint as ms
             from s {join}
             where (s.measure <> 2 or (s.day, s.bucket) < ({day}, {bucket})) {conditions}
             group by 1, 2, 3, 4 having sum(s.n) <> 0
         ), g as (
             select distinct key, name from x where {after}::bigint is null or key > {after} order by key, name limit {limit}
         ), c as (
             select x.key, x.name, x.measure, x.bucket, x.n, x.ms,
                    sum(x.n) over (partition by x.key, x.name, x.measure order by x.bucket) as upto,
                    sum(x.n) over (partition by x.key, x.name, x.measure) as total
             from x join g on g.key = x.key and g.name = x.name
         )
         select c.key, c.name, c.measure, case when c.measure = 1 then c.bucket else 0::smallint end as state,
                sum(c.n)::bigint as n, sum(c.ms)::bigint as ms,
                coalesce(min(c.bucket) filter (where c.upto >= ceil(c.total * 0.25)), 0)::integer as p25,
                coalesce(min(c.bucket) filter (where c.upto >= ceil(c.total * 0.5)), 0)::integer as p50,
                coalesce(min(c.bucket) filter (where c.upto >= ceil(c.total * 0.75)), 0)::integer as p75
         from c group by 1, 2, 3, 4 order by 1, 2, 3, 4",
        conditions = conditions.sql,
    );
    let rows = on.typed(&sql, &conditions.params()).await?;
    rows.iter().map(decode).collect()
}

/// Adds which rows count.
fn narrow(conditions: &mut Conditions, group: Group, filter: &Filter) {
    let Filter {
        since,
        until,
        users,
        agents,
        units,
        zones,
        kinds,
        priorities,
        sight,
    } = filter;
    let subject = if filter.is_about_agents(group) { 2_i16 } else { 1 };
    conditions.and("s.subject = $", subject, Type::INT2);
    if let Some(since) = since {
        conditions.and("(s.measure = 2 or s.day >= $)", *since, Type::DATE);
    }
    if let Some(until) = until {
        conditions.and("(s.measure = 2 or s.day < $)", *until, Type::DATE);
    }
    for (column, numbers) in [("s.owner_id", users), ("s.owner_id", agents), ("s.zone_id", zones)] {
        if !numbers.is_empty() {
            conditions.and(&format!("{column} = any($)"), numbers.clone(), Type::INT8_ARRAY);
        }
    }
    if !units.is_empty() {
        conditions.and("a.unit = any($)", units.clone(), Type::TEXT_ARRAY);
    }
    conditions.and_any("s.kind", kinds, |kind| kind as i16);
    conditions.and_any("s.priority", priorities, |priority| priority as i16);
    if let Some(sight) = sight {
        let (user, seen) = super::conditions::seen(Some(sight));
        let (user, seen) = (conditions.param(user, Type::INT8), conditions.param(seen, Type::INT8_ARRAY));
        let owner = if subject == 1 { "s.owner_id" } else { "a.user_id" };
        conditions
            .sql
            .push_str(&format!(" and ({owner} = {user} or s.zone_id = any({seen}))"));
    }
}

fn decode(row: &Row) -> Result<Line> {
    Ok(Line {
        key: row.read("key")?,
        name: row.read("name")?,
        measure: row.read_enum("measure", Measure::of)?,
        state: row.read("state")?,
        spread: Spread {
            count: row.read("n")?,
            total: row.read("ms")?,
            classes: [row.read("p25")?, row.read("p50")?, row.read("p75")?],
        },
    })
}
