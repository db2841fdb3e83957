//! The nearest agents: a walk outwards from a place that stops early, or a look at all that could go where the walk
//! would be too long.

use std::sync::LazyLock;

use jiff::Timestamp;
use postgres_types::Type;
use tokio_postgres::Row;

use super::{
    Query,
    conditions::{Conditions, seen},
    decode::{Column, Place},
};
use crate::{
    domain::{
        AgentId,
        access::Sight,
        agent::{Availability, Duty, Obstacle},
        geo::Point,
    },
    error::Result,
};

/// Agents that a walk passes at most, whether they can go or not. Who is off duty is not met at all: where they are is
/// nobody's business.
const REACH: i64 = 2000;

/// Obstacles that an answer names at most.
const OBSTACLES: usize = 100;

/// Obstacles that a walk comes by at most: those beyond the last that is wanted fall away again.
const MET: usize = OBSTACLES + OBSTACLES / 4;

/// Least and greatest ratio of a geodesic on the WGS 84 ellipsoid to the great circle between the same places on the
/// sphere of 6 371 008.8 m that `<->` measures on: radii of curvature, 6 335 439 m (meridian at the equator) and
/// 6 399 594 m (poles), over the sphere's.
const RATIO: (f64, f64) = (0.9944, 1.0045);

/// Who is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// From where.
    pub center: Point,
    /// How many.
    pub count: usize,
    /// Greatest distance in metres.
    pub radius_meters: Option<f64>,
    /// Oldest fix that still counts.
    pub fresh_since: Timestamp,
    /// In any of these; empty: all.
    pub units: Vec<String>,
    /// Trained for any of these; empty: all.
    pub specialties: Vec<String>,
    /// Only those that somebody sees; none: all.
    pub sight: Option<Sight>,
}

impl Wanted {
    /// Whether an agent is not too far away.
    fn reaches(&self, near: &Near) -> bool {
        self.radius_meters.is_none_or(|radius| near.meters <= radius)
    }
}

/// An agent near the place.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// The agent.
    pub id: AgentId,
    /// Call sign.
    pub code: String,
    /// Geodesic distance in metres.
    pub meters: f64,
    /// Time of its latest fix.
    pub fix_time: Timestamp,
    /// What keeps it from going.
    pub obstacle: Option<Obstacle>,
}

/// Who is near.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Neighbors {
    /// Those that can go, nearest first.
    pub able: Vec<Near>,
    /// Nearer ones that cannot, nearest first.
    pub unable: Vec<Near>,
}

/// The nearest agents that can go, and the nearer ones that cannot.
pub async fn find(on: &impl Query, wanted: &Wanted) -> Result<Neighbors> {
    // Some more than wanted: the order of the walk differs a little from that of the geodesics.
    let mut enough = wanted.count + wanted.count / 8 + 2;
    let mut walk = loop {
        let walk = walk(on, wanted, enough).await?;
        if walk.able.len() < enough || walk.is_certain(wanted.count) {
            break walk;
        }
        enough *= 4;
    };
    if walk.able.len() < enough {
        walk.able = nearest(on, wanted, true, wanted.count, wanted.radius_meters).await?;
        walk.is_cut = true;
    }
    let is_cut = walk.is_cut;
    let mut neighbors = walk.neighbors(wanted);
    // Of many obstacles the nearest will do; of few none may be missing.
    if is_cut && neighbors.unable.len() < OBSTACLES {
        let last = neighbors.last(wanted.count);
        let mut unable = nearest(on, wanted, false, OBSTACLES, last.or(wanted.radius_meters)).await?;
        unable.retain(|near| wanted.reaches(near) && last.is_none_or(|last| near.meters < last));
        neighbors.unable = unable;
    }
    Ok(neighbors)
}

impl Neighbors {
    /// Distance of the last that can go, if there are as many as wanted.
    fn last(&self, count: usize) -> Option<f64> {
        self.able.get(count - 1).map(|last| last.meters)
    }
}

/// What a walk came by.
#[derive(Default)]
struct Walk {
    able: Vec<Near>,
    unable: Vec<Near>,
    /// How far it went, in metres on the sphere.
    end: f64,
    /// It did not take all that cannot go up to its end.
    is_cut: bool,
}

impl Walk {
    /// Whether nobody beyond the end of the walk can be nearer than the `count` nearest that it came by.
    fn is_certain(&self, count: usize) -> bool {
        self.able.get(count - 1).is_some_and(|last| last.meters < self.end * RATIO.0)
    }

    fn neighbors(self, wanted: &Wanted) -> Neighbors {
        let Self {
            mut able,
            mut unable,
            end: _,
            is_cut: _,
        } = self;
        able.retain(|near| wanted.reaches(near));
        unable.retain(|near| wanted.reaches(near));
        able.truncate(wanted.count);
        if able.len() == wanted.count
            && let Some(last) = able.last()
        {
            unable.retain(|near| near.meters < last.meters);
        }
        unable.truncate(OBSTACLES);
        Neighbors { able, unable }
    }
}

static WALK: LazyLock<String> = LazyLock::new(|| walk_sql(""));
static WALK_WITHIN: LazyLock<String> = LazyLock::new(|| walk_sql("where st_dwithin(l.location, $1, $9, false)"));

/// The index gives agents in the order of `near.sphere`, and the count of those that can go, a run condition, ends it.
/// Both hold only while nothing between sorts or joins in another order: hence the lateral join with its own offset.
fn walk_sql(filter: &str) -> String {
    format!(
        "select x.agent_id, x.code, x.fix_time, x.duty, x.occupied, x.sphere, st_distance(x.location, $1, true) as meters
         from (select near.agent_id, near.location, near.fix_time, near.sphere, a.code, a.duty, a.occupied, a.able,
                      count(*) filter (where a.able) over before as able_before,
                      count(*) filter (where not a.able) over before as unable_before
               from (select l.agent_id, l.location, l.zone_id, l.fix_time, l.location <-> $1 as sphere
                     from agent_locations l {filter} order by l.location <-> $1 limit {REACH}) near
               cross join lateral
                    (select a.code, a.duty, w.occupied, a.duty = 1 and near.fix_time >= $2 and not w.occupied as able
                     from agents a
                     cross join lateral (select case when a.duty = 1
                                  then exists (select from assignments s where s.agent_id = a.id and s.occupying)
                                  else false end as occupied offset 0) w
                     where a.id = near.agent_id and a.delete_time is null and a.duty <> 3
                       and (cardinality($5::text[]) = 0 or a.unit = any($5))
                       and (cardinality($6::text[]) = 0 or a.specialty = any($6))
                       and ($7::bigint is null or a.user_id = $7 or near.zone_id = any($8)) offset 0) a
               window before as (order by near.sphere rows between unbounded preceding and 1 preceding)) x
         where x.able_before < $3 and (x.able or x.unable_before < $4)"
    )
}

/// Walks outwards until `enough` agents that can go are found.
async fn walk(on: &impl Query, wanted: &Wanted, enough: usize) -> Result<Walk> {
    let Wanted {
        center,
        count: _,
        radius_meters,
        fresh_since,
        units,
        specialties,
        sight,
    } = wanted;
    let (user, zones) = seen(sight.as_ref());
    let (center, enough) = (Place(*center), i64::try_from(enough).unwrap_or(i64::MAX));
    let obstacles = i64::try_from(MET).unwrap_or(i64::MAX);
    let rows = match radius_meters {
        None => {
            let params: super::database::Params<'_> =
                &[&center, fresh_since, &enough, &obstacles, units, specialties, &user, &zones];
            on.rows(&WALK, params).await?
        }
        Some(radius) => {
            let radius = radius / RATIO.0;
            let params: super::database::Params<'_> = &[
                &center,
                fresh_since,
                &enough,
                &obstacles,
                units,
                specialties,
                &user,
                &zones,
                &radius,
            ];
            on.rows(&WALK_WITHIN, params).await?
        }
    };
    let mut walk = Walk::default();
    for row in &rows {
        let near = decode(row, wanted)?;
        walk.end = walk.end.max(row.read("sphere")?);
        match near.obstacle {
            None => walk.able.push(near),
            Some(_) => walk.unable.push(near),
        }
    }
    sort(&mut walk.able);
    sort(&mut walk.unable);
    walk.is_cut = walk.unable.len() == MET;
    Ok(walk)
}

fn sort(nears: &mut [Near]) {
    nears.sort_by(|one, other| one.meters.total_cmp(&other.meters).then(one.id.cmp(&other.id)));
}

/// The nearest agents that can go, or that cannot, without an index on places unless there is a greatest distance.
async fn nearest(on: &impl Query, wanted: &Wanted, able: bool, count: usize, within: Option<f64>) -> Result<Vec<Near>> {
    let Wanted {
        center,
        count: _,
        radius_meters: _,
        fresh_since,
        units,
        specialties,
        sight,
    } = wanted;
    let mut conditions = Conditions::default();
    if let Some(sight) = sight {
        conditions.and_seen_agent(sight);
    }
    if !units.is_empty() {
        conditions.and("a.unit = any($)", units.clone(), Type::TEXT_ARRAY);
    }
    if !specialties.is_empty() {
        conditions.and("a.specialty = any($)", specialties.clone(), Type::TEXT_ARRAY);
    }
    if let Some(meters) = within {
        conditions.and_near("l.location", *center, meters / RATIO.0);
    }
    let work = "exists (select from assignments w where w.agent_id = a.id and w.occupying)";
    let fresh = conditions.param(*fresh_since, Type::TIMESTAMPTZ);
    let can_go = format!("a.duty = {} and l.fix_time >= {fresh} and not {work}", Duty::Available as i16);
    let test = if able { can_go } else { format!("not ({can_go})") };
    let center = conditions.place(*center);
    let count = conditions.param(i64::try_from(count).unwrap_or(i64::MAX), Type::INT8);
    let sql = format!(
        "select a.id as agent_id, a.code, l.fix_time, a.duty, {work} as occupied, st_distance(l.location, {center}, true) as meters
         from agents a join agent_locations l on l.agent_id = a.id
         where a.delete_time is null and a.duty <> 3 and {test}{} order by meters, a.id limit {count}",
        conditions.sql
    );
    let rows = on.typed(&sql, &conditions.params()).await?;
    rows.iter().map(|row| decode(row, wanted)).collect()
}

fn decode(row: &Row, wanted: &Wanted) -> Result<Near> {
    let fix_time: Timestamp = row.read("fix_time")?;
    let availability = Availability::from_duty(row.read_enum("duty", Duty::of)?, row.read("occupied")?);
    Ok(Near {
        id: AgentId(row.read("agent_id")?),
        code: row.read("code")?,
        meters: row.read("meters")?,
        fix_time,
        obstacle: Obstacle::of(availability, fix_time >= wanted.fresh_since),
    })
}
