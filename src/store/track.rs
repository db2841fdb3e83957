//! Tracks as they are drawn, and where everybody was at a moment.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Query, agent::decode_fix, conditions::seen, decode::Column};
use crate::{
    domain::{AgentId, UserId, ZoneId, access::Sight, agent::Fix},
    error::{Error, Result},
};

/// Of whose track what is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The agent.
    pub agent: AgentId,
    /// From then on.
    pub from: Timestamp,
    /// Before then.
    pub until: Timestamp,
    /// Only what lies in these zones; none: all.
    pub zones: Option<Vec<ZoneId>>,
    /// Points at most.
    pub points: i64,
    /// Seconds without a fix that break a line.
    pub gap_seconds: f64,
}

/// Lines of a track.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lines {
    /// Oldest first.
    pub lines: Vec<Vec<Fix>>,
    /// Fixes that they stand for.
    pub fixes: i64,
    /// Seconds without a fix that broke a line.
    pub gap_seconds: f64,
}

/// A track in lines. Each has its first and its last fix; a quarter of the points may be ends of lines, which is what makes
/// breaks that are too many longer; the others are spread evenly.
pub async fn lines(on: &impl Query, wanted: &Wanted) -> Result<Lines> {
    let Wanted {
        agent,
        from,
        until,
        zones,
        points,
        gap_seconds,
    } = wanted;
    let zones: Option<Vec<i64>> = zones.as_ref().map(|zones| zones.iter().map(|zone| zone.0).collect());
    let rows = on
        .rows(
            "with fixes as materialized (
                 select p.*, extract(epoch from p.fix_time - lag(p.fix_time) over w)::float8 as wait, row_number() over w as number,
                        count(*) over () as total
                 from positions p
                 where agent_id = $1 and fix_time >= $2 and fix_time < $3
                   and ($4::bigint[] is null or (select z.id from zones z where st_covers(z.boundary, p.location)
                                                 order by z.id limit 1) = any($4))
                 window w as (order by fix_time)),
             broken as (select greatest($6::float8, coalesce((select wait from fixes where wait > $6::float8
                                                              order by wait desc offset $5::bigint / 4 - 1 limit 1), 0)) as gap),
             marked as (select f.*, b.gap, coalesce(f.wait > b.gap, true) as first,
                               coalesce(lead(f.wait) over (order by f.number) > b.gap, true) as last
                        from fixes f, broken b)
             select agent_id, fix_time, location, accuracy, speed, heading, source, gap, first, total from marked
             where first or last or number % greatest(ceil(total / ($5::bigint / 2.0))::bigint, 1) = 0
             order by number",
            &[&agent.0, from, until, &zones, points, gap_seconds],
        )
        .await?;
    let mut all = Lines {
        gap_seconds: *gap_seconds,
        ..Lines::default()
    };
    for row in &rows {
        all.fixes = row.read("total")?;
        all.gap_seconds = row.read("gap")?;
        if row.read("first")? || all.lines.is_empty() {
            all.lines.push(Vec::new());
        }
        let fix = fix(row)?;
        if let Some(line) = all.lines.last_mut() {
            line.push(fix);
        }
    }
    Ok(all)
}

fn fix(row: &Row) -> Result<Fix> {
    let agent = AgentId(row.read("agent_id")?);
    decode_fix(row, agent)?.ok_or_else(|| Error::internal("a fix without a place"))
}

/// When everybody is looked for, and by whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Then, or before.
    pub time: Timestamp,
    /// Oldest fix that counts.
    pub since: Timestamp,
    /// Who looks.
    pub viewer: UserId,
    /// What they see; none: all.
    pub sight: Option<Sight>,
    /// Deleted agents too.
    pub deleted_shown: bool,
    /// Seconds at the end of a shift that others do not see of who is off duty.
    pub withheld_seconds: f64,
}

/// Where agents after number `after` were, each with its user. Of those that somebody sees now, what lay in the zones they see;
/// their own always.
pub async fn replay(on: &impl Query, moment: &Moment, after: i64, limit: i64) -> Result<Vec<(UserId, Fix)>> {
    let Moment {
        time,
        since,
        viewer,
        sight,
        deleted_shown,
        withheld_seconds,
    } = moment;
    let (user, zones) = seen(sight.as_ref());
    let rows = on
        .rows(
            "select a.user_id, p.agent_id, p.fix_time, p.location, p.accuracy, p.speed, p.heading, p.source
             from agents a
             cross join lateral (select p.agent_id, p.fix_time, p.location, p.accuracy, p.speed, p.heading, p.source from positions p
                                 where p.agent_id = a.id and p.fix_time <= $1 and p.fix_time >= $2
                                 order by p.fix_time desc limit 1) p
             where a.id > $3 and (a.delete_time is null or $4)
               and (a.user_id = $5
                    or ((a.duty <> 3 or p.fix_time < a.duty_time - make_interval(secs => $6::float8))
                        and ($7::bigint is null
                             or (exists (select from agent_locations l where l.agent_id = a.id and l.zone_id = any($8))
                                 and (select z.id from zones z where st_covers(z.boundary, p.location)
                                      order by z.id limit 1) = any($8)))))
             order by a.id limit $9",
            &[time, since, &after, deleted_shown, &viewer.0, withheld_seconds, &user, &zones, &limit],
        )
        .await?;
    rows.iter().map(|row| Ok((UserId(row.read("user_id")?), fix(row)?))).collect()
}
