//! What happened at geofences.

use std::sync::LazyLock;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{
    Query, Tx,
    conditions::seen,
    decode::{Column, Place},
};
use crate::{
    domain::{
        AgentId, GeofenceId, UserId, ZoneId,
        access::Sight,
        geofence::{Event, Kind},
    },
    error::Result,
};

/// Adds events, and numbers them.
pub async fn add(tx: &Tx<'_>, events: &mut [Event]) -> Result<()> {
    for event in events {
        let row = tx
            .one(
                "insert into geofence_events (geofence_id, agent_id, kind, fix_time, location, create_time)
                 values ($1, $2, $3, $4, $5, $6) returning id",
                &[
                    &event.geofence.0,
                    &event.agent.0,
                    &(event.kind as i16),
                    &event.fix_time,
                    &Place(event.location),
                    &event.time,
                ],
            )
            .await?;
        event.id = row.read("id")?;
    }
    Ok(())
}

/// Which events a list holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Of this fence; none: of all.
    pub geofence: Option<GeofenceId>,
    /// Of this agent; none: of all.
    pub agent: Option<AgentId>,
    /// Only what somebody sees; none: all.
    pub sight: Option<Sight>,
}

const COLUMNS: &str =
    "e.id, e.geofence_id, g.display_name, g.zone_id, e.agent_id, a.user_id, e.kind, e.fix_time, e.location, e.create_time
     from geofence_events e join geofences g on g.id = e.geofence_id join agents a on a.id = e.agent_id";

static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} where e.id = $1 and a.delete_time is null"));

/// An event by number. Of an agent that was deleted nothing is told.
pub async fn get(on: &impl Query, id: i64) -> Result<Option<Event>> {
    on.row(&GET, &[&id]).await?.as_ref().map(decode).transpose()
}

static FIND: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} where e.id = any($1) and a.delete_time is null"));

/// Events by number, as `get`.
pub async fn find(on: &impl Query, ids: &[i64]) -> Result<Vec<Event>> {
    on.rows(&FIND, &[&ids]).await?.iter().map(decode).collect()
}

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {COLUMNS}
         where e.id < $1 and ($2::bigint is null or e.geofence_id = $2) and ($3::bigint is null or e.agent_id = $3)
           and a.delete_time is null and ($4::bigint is null or a.user_id = $4 or g.zone_id = any($5))
         order by e.id desc limit $6"
    )
});

/// Up to `limit` events with numbers below `before`, the latest first. Of agents that were deleted nothing is told.
pub async fn page(on: &impl Query, filter: &Filter, before: i64, limit: i64) -> Result<Vec<Event>> {
    let Filter { geofence, agent, sight } = filter;
    let (user, zones) = seen(sight.as_ref());
    let rows = on
        .rows(
            &PAGE,
            &[
                &before,
                &geofence.map(|geofence| geofence.0),
                &agent.map(|agent| agent.0),
                &user,
                &zones,
                &limit,
            ],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// Forgets what was noticed before then.
pub async fn forget(on: &impl Query, before: Timestamp) -> Result<u64> {
    on.run("delete from geofence_events where create_time < $1", &[&before]).await
}

fn decode(row: &Row) -> Result<Event> {
    Ok(Event {
        id: row.read("id")?,
        geofence: GeofenceId(row.read("geofence_id")?),
        display_name: row.read("display_name")?,
        zone: row.read::<Option<i64>>("zone_id")?.map(ZoneId),
        agent: AgentId(row.read("agent_id")?),
        user: UserId(row.read("user_id")?),
        kind: row.read_enum("kind", Kind::of)?,
        fix_time: row.read("fix_time")?,
        location: row.read::<Place>("location")?.0,
        time: row.read("create_time")?,
    })
}
