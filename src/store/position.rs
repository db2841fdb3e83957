//! Fixes: all of them in daily partitions, and of each agent the latest.
//!
//! Whoever adds fixes holds the lock of their agents. So what was read under it stays true until the commit: the
//! history can be written by COPY, which knows no conflicts, and the feed gets an agent's moves in their order.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::LazyLock,
};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::Offset};
use postgres_types::{Kind, Type};
use tokio_postgres::{Row, binary_copy::BinaryCopyInWriter};

use super::{
    Query, Tx,
    agent::decode_fix,
    decode::{Column, Place},
};
use crate::{
    domain::{
        AgentId, TaskId, UserId, ZoneId,
        access::Sight,
        agent::{Duty, Fix, Service},
    },
    error::{Error, Result},
};

/// Class of the advisory locks that order the fixes of agents.
const LOCK_CLASS: i32 = 3;

/// Locks that agents share: so many that batches of different agents seldom meet, and few enough that Postgres can hold
/// all of them at once; no two hold the same.
const LOCKS: i64 = 1024;

/// Days ahead that have their partition ready.
const DAYS_AHEAD: i64 = 2;

/// What [`lock`] asks.
const LOCK: &str = "select pg_advisory_xact_lock_shared(5, 0), pg_advisory_xact_lock($1, share) from unnest($2::int[]) share";

/// Waits until no other transaction adds fixes of these agents, or changes zones. After `agent::lock`, before everything else.
pub async fn lock(tx: &Tx<'_>, agents: impl IntoIterator<Item = AgentId>) -> Result<()> {
    tx.run_sql(LOCK, &[&LOCK_CLASS, &shares(agents)]).await
}

/// The locks of these agents, ascending.
fn shares(agents: impl IntoIterator<Item = AgentId>) -> Vec<i32> {
    let shares: BTreeSet<i32> = agents
        .into_iter()
        .filter_map(|agent| i32::try_from(agent.0 % LOCKS).ok())
        .collect();
    shares.into_iter().collect()
}

/// Locks as `lock` does for one agent, unless that would mean waiting; says whether it did.
pub async fn try_lock(tx: &Tx<'_>, agent: AgentId) -> Result<bool> {
    let share = i32::try_from(agent.0 % LOCKS).map_err(Error::internal)?;
    tx.one(
        "select pg_try_advisory_xact_lock_shared(5, 0) and pg_try_advisory_xact_lock($1, $2) as locked",
        &[&LOCK_CLASS, &share],
    )
    .await?
    .read("locked")
}

/// An agent that fixes may be of.
#[derive(Debug, Clone, PartialEq)]
pub struct Reporter {
    /// The user it is.
    pub user: UserId,
    /// Open tasks it is on, ascending.
    pub tasks: Vec<TaskId>,
    /// Its latest fix.
    pub fix: Option<Fix>,
    /// Zone that holds it.
    pub zone: Option<ZoneId>,
    /// Since when it is on duty, or off it.
    pub service: Service,
    /// The person does not agree that their place is known.
    pub refuses: bool,
}

/// For many agents at once two queries are several times quicker than an array of tasks in each row.
const LOCATED: &str = "
    select a.id, a.user_id, a.duty, a.duty_time, l.location, l.zone_id, l.fix_time, l.accuracy, l.speed, l.heading, l.source,
           exists (select from consents c
                   where c.user_id = a.user_id and c.purpose = 2 and not c.replaced and not c.granted) as refuses
    from agents a left join agent_locations l on l.agent_id = a.id
    where a.id = any($1) and a.delete_time is null
      and ($2::bigint is null or a.user_id = $2 or l.zone_id = any($3))";

const WORK: &str = "
    select s.agent_id, s.task_id from assignments s join tasks t on t.id = s.task_id
    where s.agent_id = any($1) and t.state <= 3 and t.delete_time is null order by s.task_id";

/// Locks agents as [`lock`] does; gives those of them that are not deleted as they are then; only those that somebody
/// sees, if told.
pub async fn hold(tx: &Tx<'_>, agents: &[AgentId], sight: Option<&Sight>) -> Result<BTreeMap<AgentId, Reporter>> {
    let (numbers, shares) = (
        agents.iter().map(|agent| agent.0).collect::<Vec<_>>(),
        shares(agents.iter().copied()),
    );
    let (user, zones) = super::conditions::seen(sight);
    let answers = tx
        .batch(&[
            (LOCK, &[&LOCK_CLASS, &shares]),
            (LOCATED, &[&numbers, &user, &zones]),
            (WORK, &[&numbers]),
        ])
        .await?;
    let [_, located, work] = answers.as_slice() else {
        return Err(Error::internal("three statements were asked"));
    };
    let mut reporters = BTreeMap::new();
    for row in located {
        let id = AgentId(row.read("id")?);
        let reporter = Reporter {
            user: UserId(row.read("user_id")?),
            tasks: Vec::new(),
            fix: decode_fix(row, id)?,
            zone: row.read::<Option<i64>>("zone_id")?.map(ZoneId),
            service: Service {
                duty: row.read_enum("duty", Duty::of)?,
                since: row.read("duty_time")?,
            },
            refuses: row.read("refuses")?,
        };
        reporters.insert(id, reporter);
    }
    for row in work {
        if let Some(reporter) = reporters.get_mut(&AgentId(row.read("agent_id")?)) {
            reporter.tasks.push(TaskId(row.read("task_id")?));
        }
    }
    Ok(reporters)
}

/// Fixes of the history with the agent and time of one of these.
pub async fn namesakes(on: &impl Query, fixes: impl Iterator<Item = &Fix>) -> Result<Vec<Fix>> {
    let (agents, times): (Vec<i64>, Vec<Timestamp>) = fixes.map(|fix| (fix.agent.0, fix.time)).unzip();
    if agents.is_empty() {
        return Ok(Vec::new());
    }
    // The limit keeps the planner from joining whole partitions, of whose size it may know nothing yet.
    let rows = on
        .rows(
            "select p.agent_id, p.fix_time, p.location, p.accuracy, p.speed, p.heading, p.source
             from unnest($1::bigint[], $2::timestamptz[]) k (agent_id, fix_time)
             cross join lateral (select p.agent_id, p.fix_time, p.location, p.accuracy, p.speed, p.heading, p.source
                                 from positions p where p.agent_id = k.agent_id and p.fix_time = k.fix_time limit 1) p",
            &[&agents, &times],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// Agents of whom the history has a later fix than this one.
pub async fn overtaken(on: &impl Query, fixes: impl Iterator<Item = &Fix>) -> Result<BTreeSet<AgentId>> {
    let (agents, times): (Vec<i64>, Vec<Timestamp>) = fixes.map(|fix| (fix.agent.0, fix.time)).unzip();
    if agents.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = on
        .rows(
            "select k.agent_id from unnest($1::bigint[], $2::timestamptz[]) k (agent_id, fix_time)
             cross join lateral (select from positions p where p.agent_id = k.agent_id and p.fix_time > k.fix_time limit 1) p",
            &[&agents, &times],
        )
        .await?;
    rows.iter().map(|row| Ok(AgentId(row.read("agent_id")?))).collect()
}

static COLUMNS: LazyLock<[Type; 8]> = LazyLock::new(|| {
    // COPY sends no type numbers, so that of `geography`, which every database numbers anew, is not needed.
    let geography = Type::new("geography".to_owned(), 0, Kind::Simple, "public".to_owned());
    let real = || Type::FLOAT4;
    [
        Type::INT8,
        Type::TIMESTAMPTZ,
        geography,
        real(),
        real(),
        real(),
        Type::INT2,
        Type::TIMESTAMPTZ,
    ]
});

/// Adds fixes to the history, which must not have any with the same agent and time. The days need their partitions.
pub async fn add(tx: &Tx<'_>, fixes: &[Fix], now: Timestamp) -> Result<()> {
    if fixes.is_empty() {
        return Ok(());
    }
    let copy = tx
        .prepare(
            "copy positions (agent_id, fix_time, location, accuracy, speed, heading, source, receive_time)
             from stdin with (format binary)",
        )
        .await?;
    let added = tx
        .guard(async {
            let mut rows = pin!(BinaryCopyInWriter::new(tx.raw().copy_in(&copy).await?, &*COLUMNS));
            for fix in fixes {
                let Fix {
                    agent,
                    location,
                    time,
                    accuracy_meters,
                    speed_meters_per_second,
                    heading_degrees,
                    source,
                } = fix;
                rows.as_mut()
                    .write(&[
                        &agent.0,
                        time,
                        &Place(*location),
                        accuracy_meters,
                        speed_meters_per_second,
                        heading_degrees,
                        &(*source as i16),
                        &now,
                    ])
                    .await?;
            }
            rows.finish().await
        })
        .await;
    tx.checked(added).map(drop)
}

/// Puts fixes in the place of those with the same agent and time.
pub async fn replace(tx: &Tx<'_>, fixes: &[Fix], now: Timestamp) -> Result<()> {
    for fix in fixes {
        let Fix {
            agent,
            location,
            time,
            accuracy_meters,
            speed_meters_per_second,
            heading_degrees,
            source,
        } = fix;
        tx.run(
            "update positions set location = $3, accuracy = $4, speed = $5, heading = $6, source = $7, receive_time = $8
             where agent_id = $1 and fix_time = $2",
            &[
                &agent.0,
                time,
                &Place(*location),
                accuracy_meters,
                speed_meters_per_second,
                heading_degrees,
                &(*source as i16),
                &now,
            ],
        )
        .await?;
    }
    Ok(())
}

/// Makes fixes the latest of their agents, at most one of each; gives the zone that holds each agent now.
pub async fn settle(tx: &Tx<'_>, fixes: &[&Fix], now: Timestamp) -> Result<BTreeMap<AgentId, Option<ZoneId>>> {
    if fixes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let agents: Vec<i64> = fixes.iter().map(|fix| fix.agent.0).collect();
    let places: Vec<Place> = fixes.iter().map(|fix| Place(fix.location)).collect();
    let times: Vec<Timestamp> = fixes.iter().map(|fix| fix.time).collect();
    let accuracies: Vec<Option<f32>> = fixes.iter().map(|fix| fix.accuracy_meters).collect();
    let speeds: Vec<Option<f32>> = fixes.iter().map(|fix| fix.speed_meters_per_second).collect();
    let headings: Vec<Option<f32>> = fixes.iter().map(|fix| fix.heading_degrees).collect();
    let sources: Vec<i16> = fixes.iter().map(|fix| fix.source as i16).collect();
    let rows = tx
        .rows(
            "insert into agent_locations
                    (agent_id, location, zone_id, fix_time, accuracy, speed, heading, source, receive_time)
             select n.agent_id, n.location,
                    (select z.id from zones z where st_covers(z.boundary, n.location) order by z.id limit 1),
                    n.fix_time, n.accuracy, n.speed, n.heading, n.source, $8
             from unnest($1::bigint[], $2::geography[], $3::timestamptz[], $4::real[], $5::real[], $6::real[],
                         $7::smallint[]) n (agent_id, location, fix_time, accuracy, speed, heading, source)
             on conflict (agent_id) do update
             set location = excluded.location, zone_id = excluded.zone_id, fix_time = excluded.fix_time,
                 accuracy = excluded.accuracy, speed = excluded.speed, heading = excluded.heading,
                 source = excluded.source, receive_time = excluded.receive_time
             returning agent_id, zone_id",
            &[&agents, &places, &times, &accuracies, &speeds, &headings, &sources, &now],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok((
                AgentId(row.read("agent_id")?),
                row.read::<Option<i64>>("zone_id")?.map(ZoneId),
            ))
        })
        .collect()
}

/// Up to `limit` fixes of an agent from `from` on and before `until`, oldest first; only those in these zones, if told.
pub async fn track(
    on: &impl Query,
    agent: AgentId,
    (from, until): (Timestamp, Timestamp),
    zones: Option<&[ZoneId]>,
    limit: i64,
) -> Result<Vec<Fix>> {
    let zones: Option<Vec<i64>> = zones.map(|zones| zones.iter().map(|zone| zone.0).collect());
    let rows = on
        .rows(
            "select agent_id, fix_time, location, accuracy, speed, heading, source from positions p
             where agent_id = $1 and fix_time >= $2 and fix_time < $3
               and ($4::bigint[] is null or (select z.id from zones z where st_covers(z.boundary, p.location)
                                             order by z.id limit 1) = any($4))
             order by fix_time limit $5",
            &[&agent.0, &from, &until, &zones, &limit],
        )
        .await?;
    rows.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<Fix> {
    let agent = AgentId(row.read("agent_id")?);
    decode_fix(row, agent)?.ok_or_else(|| Error::internal("a fix without a place"))
}

/// The day that a fix of this time is kept with.
fn day(time: Timestamp) -> Date {
    Offset::UTC.to_datetime(time).date()
}

/// Makes the partitions of fixes, where they are not there yet.
pub async fn ensure(tx: &Tx<'_>, fixes: &[Fix]) -> Result<()> {
    let days: BTreeSet<Date> = fixes.iter().map(|fix| day(fix.time)).collect();
    if days.is_empty() {
        return Ok(());
    }
    let days: Vec<Date> = days.into_iter().collect();
    tx.run_sql("select ensure_position_partition(day) from unnest($1::date[]) day", &[&days])
        .await
}

/// Makes the partitions of today and the next days, where they are not there yet.
pub async fn ensure_ahead(on: &impl Query, now: Timestamp) -> Result<()> {
    let days: Vec<Date> = (0..=DAYS_AHEAD)
        .map(|ahead| day(now + SignedDuration::from_hours(24 * ahead)))
        .collect();
    on.rows("select ensure_position_partition(day) from unnest($1::date[]) day", &[&days])
        .await
        .map(drop)
}

/// Drops the partitions that hold nothing but fixes of before; says how many.
pub async fn drop_before(on: &impl Query, before: Timestamp) -> Result<i64> {
    on.one("select drop_position_partitions($1) as gone", &[&day(before)])
        .await?
        .read("gone")
}

/// How many partitions [`drop_before`] would drop.
pub async fn count_before(on: &impl Query, before: Timestamp) -> Result<i64> {
    on.one(
        "select count(*) as n from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'positions'::regclass and c.relname < 'positions_' || to_char($1::date, 'YYYYMMDD')",
        &[&day(before)],
    )
    .await?
    .read("n")
}

/// Forgets where an agent was last, also to geofences.
pub async fn forget_latest(tx: &Tx<'_>, agent: AgentId) -> Result<u64> {
    tx.run("delete from geofence_places where agent_id = $1", &[&agent.0]).await?;
    tx.run("delete from agent_locations where agent_id = $1", &[&agent.0]).await
}
