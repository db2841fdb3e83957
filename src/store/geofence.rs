//! Geofences, and where agents are to them.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

use super::{Query, Tx, conditions::seen, decode::Column, decode::Place as Spot};
use crate::{
    domain::{
        AgentId, GeofenceId, Revision, ZoneId,
        access::Sight,
        agent::Fix,
        crossing::{Coming, Contrary, Place, SURE, doubt},
        geofence::{Geofence, Plan, Rule},
    },
    error::{Error, Result},
};

/// Widest margin that a fence may have, in metres.
const WIDEST: f64 = 1000.0;

const COLUMNS: &str = "g.id, g.zone_id, g.display_name, g.on_enter, g.on_exit, g.dwell_seconds, g.everybody, g.units, \
    g.margin_meters, g.max_accuracy_meters, g.confirmation_count, g.create_time, g.update_time, g.revision, \
    array(select x.agent_id from geofence_agents x where x.geofence_id = g.id order by x.agent_id) as agent_ids";

static GET: LazyLock<String> =
    LazyLock::new(|| format!("select {COLUMNS} from geofences g where g.id = $1 and g.delete_time is null"));

/// A fence by number, unless it was taken away.
pub async fn get(on: &impl Query, id: GeofenceId) -> Result<Option<Geofence>> {
    on.row(&GET, &[&id.0]).await?.as_ref().map(decode).transpose()
}

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {COLUMNS} from geofences g
         where g.delete_time is null and g.id > $1 and ($2::bigint is null or g.zone_id = any($3)) order by g.id limit $4"
    )
});

/// Fences after number `after`; only those in somebody's zones, if told.
pub async fn page(on: &impl Query, after: i64, sight: Option<&Sight>, limit: i64) -> Result<Vec<Geofence>> {
    let (user, zones) = seen(sight);
    on.rows(&PAGE, &[&after, &user, &zones, &limit])
        .await?
        .iter()
        .map(decode)
        .collect()
}

/// How many fences there are around a zone.
pub async fn count(on: &impl Query, zone: ZoneId) -> Result<usize> {
    let sql = "select count(*) as n from geofences where zone_id = $1 and delete_time is null";
    let count: i64 = on.one(sql, &[&zone.0]).await?.read("n")?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Adds a fence. Where agents are to it, it does not know.
pub async fn insert(tx: &Tx<'_>, plan: &Plan, now: Timestamp) -> Result<Geofence> {
    let sql = "insert into geofences (zone_id, display_name, on_enter, on_exit, dwell_seconds, everybody, units, margin_meters,
                                      max_accuracy_meters, confirmation_count, create_time, update_time)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) returning id";
    let row = write(tx, sql, plan, now, None).await?;
    let id = GeofenceId(row.ok_or_else(|| Error::internal("a new geofence is gone"))?.read("id")?);
    name(tx, id, &plan.agents).await?;
    begin(tx, plan.zone, Some(id)).await?;
    whole(tx, id).await
}

/// Writes what people set of a fence as its next version, and reads it back. It begins anew.
pub async fn save(tx: &Tx<'_>, fence: &Geofence, now: Timestamp) -> Result<Geofence> {
    let sql = "update geofences
               set zone_id = $1, display_name = $2, on_enter = $3, on_exit = $4, dwell_seconds = $5, everybody = $6, units = $7,
                   margin_meters = $8, max_accuracy_meters = $9, confirmation_count = $10, update_time = $11,
                   revision = revision + 1
               where id = $12 returning id";
    write(tx, sql, &fence.plan, now, Some(fence.id)).await?;
    tx.run("delete from geofence_agents where geofence_id = $1", &[&fence.id.0])
        .await?;
    name(tx, fence.id, &fence.plan.agents).await?;
    tx.run("delete from geofence_places where geofence_id = $1", &[&fence.id.0])
        .await?;
    begin(tx, fence.plan.zone, Some(fence.id)).await?;
    whole(tx, fence.id).await
}

async fn write(tx: &Tx<'_>, sql: &'static str, plan: &Plan, now: Timestamp, id: Option<GeofenceId>) -> Result<Option<Row>> {
    let Plan {
        display_name,
        zone,
        everybody,
        agents: _,
        units,
        rule,
    } = plan;
    let Rule {
        enter,
        exit,
        dwell,
        margin_meters,
        max_accuracy_meters,
        confirmations,
    } = rule;
    let dwell = dwell.map(|dwell| dwell.as_secs());
    let confirmations = i16::try_from(*confirmations).map_err(Error::internal)?;
    let id = id.map(|id| id.0);
    let mut params: Vec<&(dyn postgres_types::ToSql + Sync)> = vec![
        &zone.0,
        display_name,
        enter,
        exit,
        &dwell,
        everybody,
        units,
        margin_meters,
        max_accuracy_meters,
        &confirmations,
        &now,
    ];
    if let Some(id) = &id {
        params.push(id);
    }
    tx.row(sql, &params).await
}

async fn name(tx: &Tx<'_>, id: GeofenceId, agents: &[AgentId]) -> Result<()> {
    let agents: Vec<i64> = agents.iter().map(|agent| agent.0).collect();
    tx.run(
        "insert into geofence_agents (geofence_id, agent_id) select $1, agent_id from unnest($2::bigint[]) agent_id",
        &[&id.0, &agents],
    )
    .await?;
    Ok(())
}

async fn whole(on: &impl Query, id: GeofenceId) -> Result<Geofence> {
    get(on, id).await?.ok_or_else(|| Error::internal("a locked geofence is gone"))
}

/// Takes a fence away; what happened at it stays.
pub async fn delete(tx: &Tx<'_>, id: GeofenceId, now: Timestamp) -> Result<()> {
    tx.run(
        "update geofences set delete_time = $2, update_time = $2, revision = revision + 1 where id = $1",
        &[&id.0, &now],
    )
    .await?;
    for sql in [
        "delete from geofence_places where geofence_id = $1",
        "delete from geofence_agents where geofence_id = $1",
    ] {
        tx.run(sql, &[&id.0]).await?;
    }
    Ok(())
}

/// Lets the fences around a zone begin anew: it has another shape.
pub async fn rearm(tx: &Tx<'_>, zone: ZoneId) -> Result<()> {
    tx.run(
        "delete from geofence_places where geofence_id in (select id from geofences where zone_id = $1)",
        &[&zone.0],
    )
    .await?;
    begin(tx, zone, None).await
}

/// Of whoever may be in a zone, its fences do not know where they are; only one of them, if told. The zones are locked, so that
/// no fix comes in between.
async fn begin(tx: &Tx<'_>, zone: ZoneId, only: Option<GeofenceId>) -> Result<()> {
    tx.run(
        "insert into geofence_places (geofence_id, agent_id, side, contrary, dwelt)
         select g.id, a.id, 0, 0, false
         from (select l.agent_id from zones z join agent_locations l on st_dwithin(z.boundary, l.location, $2::float8, false)
               where z.id = $1
               union select l.agent_id from zones z join agent_locations l on st_dwithin(z.boundary, l.location, $3::float8 * l.accuracy, false)
                     where z.id = $1 and l.accuracy * $3::float8 > $2::float8) near
         join agents a on a.id = near.agent_id
         join geofences g on g.zone_id = $1 and g.delete_time is null and ($4::bigint is null or g.id = $4)
         where g.everybody or a.unit = any(g.units)
            or exists (select from geofence_agents x where x.geofence_id = g.id and x.agent_id = a.id)
         on conflict do nothing",
        &[&zone.0, &WIDEST, &SURE, &only.map(|only| only.0)],
    )
    .await?;
    Ok(())
}

/// An agent is of another unit: fences that look at units begin anew with it. Its share of positions is locked.
pub async fn reassign(tx: &Tx<'_>, agent: AgentId) -> Result<()> {
    tx.run(
        "delete from geofence_places p using geofences g
         where p.agent_id = $1 and g.id = p.geofence_id and cardinality(g.units) > 0
           and not exists (select from geofence_agents x where x.geofence_id = g.id and x.agent_id = $1)",
        &[&agent.0],
    )
    .await?;
    tx.run(
        "insert into geofence_places (geofence_id, agent_id, side, contrary, dwelt)
         select g.id, a.id, 0, 0, false from geofences g join agents a on a.id = $1
         where g.delete_time is null and a.unit = any(g.units) on conflict do nothing",
        &[&agent.0],
    )
    .await?;
    Ok(())
}

/// Whether there is any fence.
pub async fn any(on: &impl Query) -> Result<bool> {
    on.one(
        "select exists (select from geofences where delete_time is null) as there",
        &[],
    )
    .await?
    .read("there")
}

/// A fence that may have something to say about an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Watching {
    /// The fence.
    pub id: GeofenceId,
    /// Its name.
    pub display_name: String,
    /// Its zone.
    pub zone: ZoneId,
    /// When it tells what.
    pub rule: Rule,
    /// Where the agent was to it; none: nothing was kept of that.
    pub place: Option<Place>,
}

/// A fix as a fence sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Index of the fix.
    pub fix: usize,
    /// The fence.
    pub fence: GeofenceId,
    /// Whether it lies in the zone.
    pub inside: bool,
    /// How far from its edge.
    pub edge_meters: f64,
}

/// Fences by agent, and how they see fixes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    /// Fences that look at an agent and are near one of its fixes, or have kept something of it.
    pub watching: BTreeMap<(AgentId, GeofenceId), Watching>,
    /// All fixes of an agent as each of them sees them, by fix.
    pub seen: Vec<Seen>,
}

/// How fences see fixes.
pub async fn view(on: &impl Query, fixes: &[Fix]) -> Result<View> {
    let agents: Vec<i64> = fixes.iter().map(|fix| fix.agent.0).collect();
    let places: Vec<Spot> = fixes.iter().map(|fix| Spot(fix.location)).collect();
    let reaches: Vec<f64> = fixes.iter().map(|fix| WIDEST.max(doubt(fix.accuracy_meters))).collect();
    let rows = on
        .rows(
            "with f as materialized (select f.*, a.unit from unnest($1::bigint[], $2::geography[], $3::double precision[])
                                     with ordinality f (agent_id, location, reach, place) join agents a on a.id = f.agent_id),
                  near as (select f.agent_id, g.id from f
                           join zones z on st_dwithin(z.boundary, f.location, f.reach, false)
                           join geofences g on g.zone_id = z.id and g.delete_time is null
                           where g.everybody or f.unit = any(g.units)
                              or exists (select from geofence_agents x where x.geofence_id = g.id and x.agent_id = f.agent_id)
                           union select p.agent_id, p.geofence_id from geofence_places p where p.agent_id = any($1))
             select f.place, n.agent_id, g.id, g.zone_id, g.display_name, g.on_enter, g.on_exit, g.dwell_seconds, g.margin_meters,
                    g.max_accuracy_meters, g.confirmation_count, st_covers(z.boundary, f.location) as inside,
                    st_distance(st_exteriorring(z.boundary::geometry)::geography, f.location, false) as edge,
                    p.side, p.contrary, p.turn_time, p.since_time, p.dwelt, p.reach_meters, p.deeper
             from near n join f on f.agent_id = n.agent_id
             join geofences g on g.id = n.id join zones z on z.id = g.zone_id
             left join geofence_places p on p.agent_id = n.agent_id and p.geofence_id = n.id
             order by f.place, g.id",
            &[&agents, &places, &reaches],
        )
        .await?;
    let mut view = View::default();
    for row in &rows {
        let (agent, fence) = (AgentId(row.read("agent_id")?), GeofenceId(row.read("id")?));
        let place: i64 = row.read("place")?;
        view.seen.push(Seen {
            fix: usize::try_from(place - 1).map_err(Error::internal)?,
            fence,
            inside: row.read("inside")?,
            edge_meters: row.read("edge")?,
        });
        if let std::collections::btree_map::Entry::Vacant(first) = view.watching.entry((agent, fence)) {
            first.insert(decode_watching(row, fence)?);
        }
    }
    Ok(view)
}

fn decode_watching(row: &Row, id: GeofenceId) -> Result<Watching> {
    Ok(Watching {
        id,
        display_name: row.read("display_name")?,
        zone: ZoneId(row.read("zone_id")?),
        rule: decode_rule(row)?,
        place: decode_place(row)?,
    })
}

fn decode_place(row: &Row) -> Result<Option<Place>> {
    let Some(side) = row.read::<Option<i16>>("side")? else {
        return Ok(None);
    };
    let contrary = Contrary {
        count: u16::try_from(row.read::<i16>("contrary")?).map_err(Error::internal)?,
        since: row.read("turn_time")?,
    };
    let coming = match row.read::<Option<f64>>("reach_meters")? {
        Some(reach_meters) => Some(Coming {
            reach_meters,
            count: u16::try_from(row.read::<i16>("deeper")?).map_err(Error::internal)?,
        }),
        None => None,
    };
    Ok(Some(match side {
        0 => Place::Unknown(coming),
        1 => Place::Outside(contrary),
        _ => Place::Inside {
            since: row.read("since_time")?,
            dwelt: row.read("dwelt")?,
            contrary,
            coming,
        },
    }))
}

/// Keeps where agents are to fences, and when it is told of them that they stay.
pub async fn settle(tx: &Tx<'_>, places: &BTreeMap<(AgentId, GeofenceId), (Place, Option<Timestamp>)>) -> Result<()> {
    for ((agent, fence), (place, due)) in places {
        let (side, contrary, since, dwelt, coming) = match *place {
            Place::Outside(contrary) if contrary == Contrary::default() => {
                let sql = "delete from geofence_places where agent_id = $1 and geofence_id = $2";
                tx.run(sql, &[&agent.0, &fence.0]).await?;
                continue;
            }
            Place::Unknown(coming) => (0_i16, Contrary::default(), None, false, coming),
            Place::Outside(contrary) => (1, contrary, None, false, None),
            Place::Inside {
                since,
                dwelt,
                contrary,
                coming,
            } => (2, contrary, Some(since), dwelt, coming),
        };
        let deeper = i16::try_from(coming.map_or(0, |coming| coming.count)).map_err(Error::internal)?;
        let reach = coming.map(|coming| coming.reach_meters);
        let count = i16::try_from(contrary.count).map_err(Error::internal)?;
        tx.run(
            "insert into geofence_places (geofence_id, agent_id, side, contrary, turn_time, since_time, dwelt, due_time, reach_meters,
                                          deeper)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             on conflict (agent_id, geofence_id) do update
             set side = excluded.side, contrary = excluded.contrary, turn_time = excluded.turn_time,
                 since_time = excluded.since_time, dwelt = excluded.dwelt, due_time = excluded.due_time,
                 reach_meters = excluded.reach_meters, deeper = excluded.deeper",
            &[
                &fence.0,
                &agent.0,
                &side,
                &count,
                &contrary.since,
                &since,
                &dwelt,
                due,
                &reach,
                &deeper,
            ],
        )
        .await?;
    }
    Ok(())
}

fn decode(row: &Row) -> Result<Geofence> {
    Ok(Geofence {
        id: GeofenceId(row.read("id")?),
        plan: Plan {
            display_name: row.read("display_name")?,
            zone: ZoneId(row.read("zone_id")?),
            everybody: row.read("everybody")?,
            agents: row.read::<Vec<i64>>("agent_ids")?.into_iter().map(AgentId).collect(),
            units: row.read("units")?,
            rule: decode_rule(row)?,
        },
        created: row.read("create_time")?,
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}

fn decode_rule(row: &Row) -> Result<Rule> {
    Ok(Rule {
        enter: row.read("on_enter")?,
        exit: row.read("on_exit")?,
        dwell: row.read::<Option<i64>>("dwell_seconds")?.map(SignedDuration::from_secs),
        margin_meters: row.read("margin_meters")?,
        max_accuracy_meters: row.read("max_accuracy_meters")?,
        confirmations: u16::try_from(row.read::<i16>("confirmation_count")?).map_err(Error::internal)?,
    })
}
