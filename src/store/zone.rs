//! Zones, and which of them holds each task and each agent.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{
    Query, Tx,
    decode::{Column, Ring},
};
use crate::{
    domain::{
        AgentId, Revision, TaskId, ZoneId,
        zone::{Boundary, Zone},
    },
    error::{Error, Result},
};

/// Waits until nobody changes tasks, agents, their positions or zones, and keeps them from it: their locks hold this one
/// with others ([`super::task::lock`]). Before everything else.
pub async fn lock(tx: &Tx<'_>) -> Result<()> {
    tx.run_sql("select pg_advisory_xact_lock(5, 0)", &[]).await
}

/// All zones by code.
pub async fn list(on: &impl Query) -> Result<Vec<Zone>> {
    let rows = on
        .rows(
            "select id, code, display_name, boundary, create_time, update_time, revision from zones order by code",
            &[],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// A zone by number.
pub async fn get(on: &impl Query, id: ZoneId) -> Result<Option<Zone>> {
    let row = on
        .row(
            "select id, code, display_name, boundary, create_time, update_time, revision from zones where id = $1",
            &[&id.0],
        )
        .await?;
    row.as_ref().map(decode).transpose()
}

/// Adds a zone.
pub async fn insert(tx: &Tx<'_>, code: &str, display_name: &str, boundary: &Boundary, now: Timestamp) -> Result<Zone> {
    let row = tx
        .one(
            "insert into zones (code, display_name, boundary, create_time, update_time) values ($1, $2, $3, $4, $4)
             returning id, code, display_name, boundary, create_time, update_time, revision",
            &[&code, &display_name, &Ring(boundary.points().to_vec()), &now],
        )
        .await?;
    decode(&row)
}

/// Writes what people set of a zone as its next version, and reads it back.
pub async fn save(tx: &Tx<'_>, zone: &Zone, now: Timestamp) -> Result<Zone> {
    let Zone {
        id,
        code,
        display_name,
        boundary,
        created: _,
        updated: _,
        revision: _,
    } = zone;
    let row = tx
        .row(
            "update zones set code = $2, display_name = $3, boundary = $4, update_time = $5, revision = revision + 1
             where id = $1 returning id, code, display_name, boundary, create_time, update_time, revision",
            &[&id.0, code, display_name, &Ring(boundary.points().to_vec()), &now],
        )
        .await?;
    decode(&row.ok_or_else(|| Error::internal("a locked zone is gone"))?)
}

/// How many people's authority ends at a zone; nobody's comes to until the transaction ends.
pub async fn limited(tx: &Tx<'_>, id: ZoneId) -> Result<usize> {
    tx.run_sql("select from zones where id = $1 for update", &[&id.0]).await?;
    let row = tx
        .one("select count(*) as n from user_zones where zone_id = $1", &[&id.0])
        .await?;
    let count: i64 = row.read("n")?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Removes a zone that holds nothing any more.
pub async fn delete(tx: &Tx<'_>, id: ZoneId) -> Result<()> {
    tx.run("delete from zones where id = $1", &[&id.0]).await?;
    Ok(())
}

/// Something that is in another zone than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved<Id> {
    /// What.
    pub id: Id,
    /// Zone it was in.
    pub before: Option<ZoneId>,
}

/// Puts tasks into the zones that hold them, where a zone is not what it was, or goes. Gives the open ones that are in another
/// zone now, by number.
pub async fn resettle_tasks(tx: &Tx<'_>, changed: ZoneId, goes: bool, now: Timestamp) -> Result<Vec<Moved<TaskId>>> {
    let rows = tx
        .rows(
            // Edges are shortest ways on the earth, which bulge towards the poles: so the box is that of many points.
            "with area as (select st_expand(st_envelope(st_segmentize(boundary, 20000)::geometry), 0.001) as box
                           from zones where id = $1 and not $2),
                  placed as (select t.id, t.zone_id as before,
                                    (select z.id from zones z where st_covers(z.boundary, t.location) and not ($2 and z.id = $1)
                                     order by z.id limit 1) as after
                             from tasks t where t.zone_id = $1 or t.location::geometry && (select box from area)),
                  moved as (update tasks t set zone_id = p.after, update_time = $3, revision = t.revision + 1
                            from placed p where p.id = t.id and p.after is distinct from p.before
                            returning t.id, p.before, t.state <= 3 and t.delete_time is null as open)
             select id, before from moved where open order by id",
            &[&changed.0, &goes, &now],
        )
        .await?;
    rows.iter().map(|row| moved(row, TaskId)).collect()
}

/// Puts agents into the zones that hold them, likewise. Gives those that are in another zone now, by number.
pub async fn resettle_agents(tx: &Tx<'_>, changed: ZoneId, goes: bool) -> Result<Vec<Moved<AgentId>>> {
    let rows = tx
        .rows(
            "with placed as (select l.agent_id, l.zone_id as before,
                                    (select z.id from zones z where st_covers(z.boundary, l.location) and not ($2 and z.id = $1)
                                     order by z.id limit 1) as after
                             from agent_locations l
                             where l.zone_id = $1 or l.location && (select boundary from zones where id = $1 and not $2)),
                  moved as (update agent_locations l set zone_id = p.after
                            from placed p where p.agent_id = l.agent_id and p.after is distinct from p.before
                            returning l.agent_id as id, p.before)
             select id, before from moved order by id",
            &[&changed.0, &goes],
        )
        .await?;
    rows.iter().map(|row| moved(row, AgentId)).collect()
}

fn moved<Id>(row: &Row, id: impl Fn(i64) -> Id) -> Result<Moved<Id>> {
    Ok(Moved {
        id: id(row.read("id")?),
        before: row.read::<Option<i64>>("before")?.map(ZoneId),
    })
}

fn decode(row: &Row) -> Result<Zone> {
    Ok(Zone {
        id: ZoneId(row.read("id")?),
        code: row.read("code")?,
        display_name: row.read("display_name")?,
        boundary: Boundary::stored(row.read::<Ring>("boundary")?.0),
        created: row.read("create_time")?,
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}
