//! The map: what lies in which cell of a grid, tiles, and distances.

use jiff::Timestamp;
use postgres_types::Type;
use tokio_postgres::Row;

use super::{
    Query,
    agent_list::of_availability,
    conditions::Conditions,
    decode::{Column, Place, Ring},
};
use crate::{
    domain::{
        UserId, ZoneId,
        access::Sight,
        agent::Availability,
        emergency::Stage,
        geo::{Bounds, Point},
        lens::Lens,
        map::{Grid, NORTH, Tile},
        task::{Kind, State},
    },
    error::{Error, Result},
};

/// A part of the map, and how it is counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// The rectangle that holds it.
    pub bounds: Bounds,
    /// If it is round, its middle and its radius in metres.
    pub circle: Option<(Point, f64)>,
    /// Cells.
    pub grid: Grid,
}

/// Who looks, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Viewer {
    /// Who.
    pub user: UserId,
    /// What they see; none: all.
    pub sight: Option<Sight>,
    /// How exactly they see where others are.
    pub lens: Lens,
    /// From which stage on all emergencies are theirs to see.
    pub called: Stage,
}

/// Which tasks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tasks {
    /// Any of these; empty: all.
    pub states: Vec<State>,
    /// Any of these; empty: all.
    pub kinds: Vec<Kind>,
    /// Created then or later.
    pub from: Option<Timestamp>,
    /// Created before then.
    pub until: Option<Timestamp>,
}

/// A layer of things with places, and which of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// Agents.
    Agents {
        /// Any of these; empty: all.
        availabilities: Vec<Availability>,
        /// Of any of these; empty: all.
        units: Vec<String>,
    },
    /// Tasks.
    Tasks(Tasks),
    /// Open emergencies.
    Emergencies,
}

/// A cell that is not empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Column from the west and row from the north.
    pub place: (f64, f64),
    /// How many things are in it.
    pub count: i64,
    /// Number of the first.
    pub first: i64,
    /// Mean of their places.
    pub center: Point,
    /// South, west, north and east of them all.
    pub edges: [f64; 4],
}

/// The cells of a part of the map, by column and row.
pub async fn cells(on: &impl Query, area: &Area, viewer: &Viewer, layer: &Layer) -> Result<Vec<Cell>> {
    let (sql, conditions) = statement(area, viewer, layer);
    let sql = format!("{sql} select * from cells order by gx, gy");
    on.typed(&sql, &conditions.params()).await?.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<Cell> {
    Ok(Cell {
        place: (row.read("gx")?, row.read("gy")?),
        count: row.read("count")?,
        first: row.read("first")?,
        center: Point::new(row.read("y")?, row.read("x")?).map_err(Error::internal)?,
        edges: [row.read("south")?, row.read("west")?, row.read("north")?, row.read("east")?],
    })
}

/// The common part of all statements about cells: `with … cells as (…)`. Places are those that the viewer sees; what is in
/// reach of the rectangle is found by index, and then looked at as it is seen.
pub fn statement(area: &Area, viewer: &Viewer, layer: &Layer) -> (String, Conditions) {
    let mut all = Conditions::default();
    let found = match layer {
        Layer::Agents { availabilities, units } => agents(&mut all, area, viewer, availabilities, units),
        Layer::Tasks(tasks) => self::tasks(&mut all, area, viewer, tasks),
        Layer::Emergencies => emergencies(&mut all, area, viewer),
    };
    let (southwest, northeast) = area.bounds.corners();
    let edges = [
        southwest.latitude(),
        southwest.longitude(),
        northeast.latitude(),
        northeast.longitude(),
    ];
    let [south, west, north, east] = edges.map(|degrees| all.param(degrees, Type::FLOAT8));
    let across = if southwest.longitude() <= northeast.longitude() {
        format!("p.x >= {west} and p.x <= {east}")
    } else {
        format!("(p.x >= {west} or p.x <= {east})")
    };
    let around = all.param(area.grid.around(), Type::FLOAT8);
    let round = area.circle.map(|(center, meters)| {
        let (center, meters) = (all.place(center), all.param(meters, Type::FLOAT8));
        format!(" and st_dwithin(st_setsrid(st_makepoint(p.x, p.y), 4326)::geography, {center}, {meters})")
    });
    let round = round.unwrap_or_default();
    // The square map ends before the poles: what is beyond lies in its last row.
    let down = format!("(1 - asinh(tan(radians(least(greatest(p.y, -{NORTH}), {NORTH})))) / pi()) / 2");
    let sql = format!(
        "with cells as (
             select floor((p.x + 180) / 360 * {around}) as gx, floor({down} * {around}) as gy, count(*) as count, min(p.id) as first,
                    avg(p.x) as x, avg(p.y) as y, min(p.y) as south, min(p.x) as west, max(p.y) as north, max(p.x) as east
             from (select s.id, st_x(s.place) as x, st_y(s.place) as y from ({found} offset 0) s) p
             where p.y >= {south} and p.y <= {north} and {across}{round} group by 1, 2)"
    );
    (sql, all)
}

fn agents(all: &mut Conditions, area: &Area, viewer: &Viewer, availabilities: &[Availability], units: &[String]) -> String {
    let own = all.param(viewer.user.0, Type::INT8);
    let reach = viewer.lens.reach();
    let place = if reach > 0.0 {
        let meters = all.param(reach, Type::FLOAT8);
        format!("case when a.user_id = {own} then l.location::geometry else blurred(l.location::geometry, {meters}) end")
    } else {
        "l.location::geometry".to_owned()
    };
    let start = all.sql.len();
    if !availabilities.is_empty() {
        let any: Vec<String> = availabilities.iter().map(|one| of_availability(*one)).collect();
        all.sql.push_str(&format!(" and ({})", any.join(" or ")));
    }
    if !units.is_empty() {
        all.and("a.unit = any($)", units.to_vec(), Type::TEXT_ARRAY);
    }
    let bounds = area.bounds.widened(reach);
    if let Some((center, radius)) = bounds.circle() {
        all.and_near("l.location", center, radius);
    }
    if let Some(sight) = &viewer.sight {
        all.and_seen_agent(sight);
    }
    let conditions = all.sql.split_off(start);
    // Where somebody is who is off duty, is theirs alone to know.
    format!(
        "select a.id, {place} as place from agents a join agent_locations l on l.agent_id = a.id
         where a.delete_time is null and (a.duty <> 3 or a.user_id = {own}){conditions}"
    )
}

fn tasks(all: &mut Conditions, area: &Area, viewer: &Viewer, tasks: &Tasks) -> String {
    let Tasks {
        states,
        kinds,
        from,
        until,
    } = tasks;
    let start = all.sql.len();
    all.and_any("t.state", states, |state| state as i16);
    all.and_any("t.kind", kinds, |kind| kind as i16);
    if let Some(time) = *from {
        all.and("t.create_time >= $", time, Type::TIMESTAMPTZ);
    }
    if let Some(time) = *until {
        all.and("t.create_time < $", time, Type::TIMESTAMPTZ);
    }
    all.and_within("t.location", area.bounds);
    if let Some(sight) = &viewer.sight {
        all.and_seen_task(sight);
    }
    let conditions = all.sql.split_off(start);
    format!("select t.id, t.location::geometry as place from tasks t where t.delete_time is null{conditions}")
}

fn emergencies(all: &mut Conditions, area: &Area, viewer: &Viewer) -> String {
    let start = all.sql.len();
    all.and_within("coalesce(e.location, t.location)", area.bounds);
    if let Some(sight) = &viewer.sight {
        let user = all.param(sight.user.0, Type::INT8);
        let zones: Vec<i64> = sight.zones.iter().map(|zone| zone.0).collect();
        let zones = all.param(zones, Type::INT8_ARRAY);
        let called = all.param(viewer.called as i16, Type::INT2);
        all.sql.push_str(&format!(
            " and (e.stage >= {called} or e.reporter_user_id = {user} or t.zone_id = any({zones})
                   or exists (select from assignments s join agents a on a.id = s.agent_id
                              where s.task_id = t.id and a.user_id = {user}))"
        ));
    }
    let conditions = all.sql.split_off(start);
    format!(
        "select e.id, coalesce(e.location, t.location)::geometry as place from emergencies e join tasks t on t.id = e.task_id
         where e.state < 5{conditions}"
    )
}

/// A zone as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Number.
    pub id: ZoneId,
    /// Code.
    pub code: String,
    /// Name.
    pub display_name: String,
    /// Outer ring, without what is finer than was asked.
    pub ring: Vec<Point>,
}

/// Up to `limit` zones of a part of the map by number, without what is finer than this many degrees; and how many there are.
pub async fn zones(on: &impl Query, area: &Area, fine: f64, limit: i64) -> Result<(Vec<Outline>, i64)> {
    let mut all = Conditions::default();
    all.and_within("z.boundary", area.bounds);
    if let Some((center, meters)) = area.circle {
        all.and_near("z.boundary", center, meters);
    }
    let fine = all.param(fine, Type::FLOAT8);
    let limit = all.param(limit, Type::INT8);
    let sql = format!(
        "select z.id, z.code, z.display_name, st_simplifypreservetopology(z.boundary::geometry, {fine})::geography as boundary,
                count(*) over () as count
         from zones z where true{} order by z.id limit {limit}",
        all.sql
    );
    let rows = on.typed(&sql, &all.params()).await?;
    let count = rows.first().map_or(Ok(0), |row| row.read("count"))?;
    let outline = |row: &Row| {
        Ok(Outline {
            id: ZoneId(row.read("id")?),
            code: row.read("code")?,
            display_name: row.read("display_name")?,
            ring: row.read::<Ring>("boundary")?.0,
        })
    };
    Ok((rows.iter().map(outline).collect::<Result<_>>()?, count))
}

/// Zones of a tile at most.
const TILE_ZONES: i64 = 500;

/// A layer of a vector tile.
pub async fn tile(on: &impl Query, tile: Tile, area: &Area, viewer: &Viewer, layer: &Layer) -> Result<Vec<u8>> {
    let (cells, mut all) = statement(area, viewer, layer);
    let (name, columns, from) = match layer {
        Layer::Agents { .. } => (
            "agents",
            "a.code, case when a.duty <> 1 then a.duty
                          when exists (select from assignments w where w.agent_id = a.id and w.occupying) then 2
                          else 1 end::integer as availability",
            "agents a",
        ),
        Layer::Tasks(_) => (
            "tasks",
            "a.code, a.kind::integer as kind, a.priority::integer as priority, a.state::integer as state",
            "tasks a",
        ),
        Layer::Emergencies => (
            "emergencies",
            "a.task_id::bigint as task_id, a.state::integer as state",
            "emergencies a",
        ),
    };
    let frame = frame(&mut all, tile);
    let sql = format!(
        "{cells} select st_asmvt(f, '{name}', 4096, 'geom', 'id') as layer from (
             select a.id, c.count::integer as count, {columns},
                    st_asmvtgeom(st_transform(st_setsrid(st_makepoint(c.x, least(greatest(c.y, -{NORTH}), {NORTH})), 4326), 3857),
                                 {frame}, 4096, 0, false) as geom
             from cells c left join {from} on a.id = c.first and c.count = 1 order by c.gx, c.gy) f"
    );
    layer_of(&on.typed(&sql, &all.params()).await?)
}

/// The layer of zones of a vector tile.
pub async fn tile_zones(on: &impl Query, tile: Tile, bounds: Bounds) -> Result<Vec<u8>> {
    let mut all = Conditions::default();
    all.and_within("z.boundary", bounds);
    let frame = frame(&mut all, tile);
    let sql = format!(
        "select st_asmvt(f, 'zones', 4096, 'geom', 'id') as layer from (
             select z.id, z.code, z.display_name as name,
                    st_asmvtgeom(st_transform(z.boundary::geometry, 3857), {frame}, 4096, 64, true) as geom
             from zones z where true{} order by z.id limit {TILE_ZONES}) f",
        all.sql
    );
    layer_of(&on.typed(&sql, &all.params()).await?)
}

fn frame(all: &mut Conditions, tile: Tile) -> String {
    let (zoom, column, row) = tile.address();
    let [zoom, column, row] = [zoom, column, row].map(|number| all.param(number.cast_signed(), Type::INT4));
    format!("st_tileenvelope({zoom}, {column}, {row})")
}

fn layer_of(rows: &[Row]) -> Result<Vec<u8>> {
    let layer = rows.first().map(|row| row.read::<Option<Vec<u8>>>("layer")).transpose()?;
    Ok(layer.flatten().unwrap_or_default())
}

/// Geodesic distances in metres from each of the first places to each of the second, row by row.
pub async fn distances(on: &impl Query, from: &[Point], to: &[Point]) -> Result<Vec<f64>> {
    let spots = |points: &[Point]| points.iter().copied().map(Place).collect::<Vec<_>>();
    let rows = on
        .rows(
            "select st_distance(f.place, t.place, true) as meters
             from unnest($1::geography[]) with ordinality f (place, row)
             cross join unnest($2::geography[]) with ordinality t (place, col) order by f.row, t.col",
            &[&spots(from), &spots(to)],
        )
        .await?;
    rows.iter().map(|row| row.read("meters")).collect()
}
