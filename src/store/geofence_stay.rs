//! Agents who are inside a geofence, and when that is to be told as a stay.

use jiff::Timestamp;

use super::{Query, Tx, agent::decode_fix, decode::Column};
use crate::{
    domain::{AgentId, GeofenceId, UserId, ZoneId, agent::Fix, crossing::SURE},
    error::Result,
};

/// Who has been where for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The fence.
    pub fence: GeofenceId,
    /// The agent.
    pub agent: AgentId,
}

/// Whose time is over, the earliest first.
pub async fn due(on: &impl Query, now: Timestamp, limit: i64) -> Result<Vec<Due>> {
    let rows = on
        .rows(
            "select geofence_id, agent_id from geofence_places where due_time <= $1 order by due_time limit $2",
            &[&now, &limit],
        )
        .await?;
    let due = |row: &tokio_postgres::Row| {
        Ok(Due {
            fence: GeofenceId(row.read("geofence_id")?),
            agent: AgentId(row.read("agent_id")?),
        })
    };
    rows.iter().map(due).collect()
}

/// An agent in a fence.
#[derive(Debug, Clone, PartialEq)]
pub struct Stay {
    /// Name of the fence.
    pub display_name: String,
    /// Its zone.
    pub zone: ZoneId,
    /// The agent's user.
    pub user: UserId,
    /// When it has been there for long.
    pub due: Option<Timestamp>,
    /// Its latest fix, if it is of the present shift.
    pub fix: Option<Fix>,
    /// That fix lies in the zone, or as near to it as it may be off.
    pub near: bool,
}

/// How it stands with an agent and a fence; none: it is not inside, or one of them is gone. Its share of positions is locked.
pub async fn get(tx: &Tx<'_>, due: Due) -> Result<Option<Stay>> {
    let Due { fence, agent } = due;
    let row = tx
        .row(
            "select g.display_name, g.zone_id, a.user_id, p.due_time, l.location, l.fix_time, l.accuracy, l.speed, l.heading, l.source,
                    coalesce(st_dwithin(z.boundary, l.location, greatest(g.margin_meters, $3::float8 * coalesce(l.accuracy, 0)), false),
                             false) as near
             from geofence_places p
             join geofences g on g.id = p.geofence_id and g.delete_time is null
             join zones z on z.id = g.zone_id
             join agents a on a.id = p.agent_id and a.delete_time is null
             left join agent_locations l on l.agent_id = a.id and l.fix_time >= a.duty_time and a.duty <> 3
             where p.geofence_id = $1 and p.agent_id = $2",
            &[&fence.0, &agent.0, &SURE],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Stay {
        display_name: row.read("display_name")?,
        zone: ZoneId(row.read("zone_id")?),
        user: UserId(row.read("user_id")?),
        due: row.read("due_time")?,
        fix: decode_fix(&row, agent)?,
        near: row.read("near")?,
    }))
}

/// Nothing more is due of it; it was told, or the next fix says it.
pub async fn end(tx: &Tx<'_>, due: Due, told: bool) -> Result<()> {
    tx.run(
        "update geofence_places set due_time = null, dwelt = dwelt or $3 where geofence_id = $1 and agent_id = $2",
        &[&due.fence.0, &due.agent.0, &told],
    )
    .await?;
    Ok(())
}
