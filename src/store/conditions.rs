//! Conditions of a statement that is made for one call, with their parameters.

use postgres_types::{ToSql, Type};

use crate::domain::{
    access::Sight,
    geo::{Bounds, Point},
};

/// Whose things, and those in which zones, somebody sees; no user: everything.
pub fn seen(sight: Option<&Sight>) -> (Option<i64>, Vec<i64>) {
    let zones = sight.iter().flat_map(|sight| &sight.zones).map(|zone| zone.0);
    (sight.map(|sight| sight.user.0), zones.collect())
}

/// Conditions of a statement, and parameters of them and of the rest of it.
#[derive(Default)]
pub struct Conditions {
    /// Each with ` and ` before it.
    pub sql: String,
    params: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Conditions {
    /// Adds a parameter, and gives what stands for it.
    pub fn param(&mut self, value: impl ToSql + Sync + Send + 'static, ty: Type) -> String {
        self.params.push((Box::new(value), ty));
        format!("${}", self.params.len())
    }

    /// Adds `and <sql>`, with `$` standing for the parameter.
    pub fn and(&mut self, sql: &str, value: impl ToSql + Sync + Send + 'static, ty: Type) {
        let param = self.param(value, ty);
        self.sql.push_str(" and ");
        self.sql.push_str(&sql.replace('$', &param));
    }

    /// Adds that a column with an enum's number is any of these, unless there are none.
    pub fn and_any<T: Copy>(&mut self, column: &str, values: &[T], number: impl Fn(T) -> i16) {
        if !values.is_empty() {
            let numbers: Vec<i16> = values.iter().map(|value| number(*value)).collect();
            self.and(&format!("{column} = any($)"), numbers, Type::INT2_ARRAY);
        }
    }

    /// Adds that a column of words has all words that begin like these, whatever their case and accents.
    pub fn and_words(&mut self, column: &str, words: &[String]) {
        self.and(
            &format!(
                "{column} @@ to_tsquery('simple', (select string_agg(replace(trim(fold(w)), ' ', ' & ') || ':*', ' & ')
                                                   from unnest($::text[]) w where trim(fold(w)) <> ''))"
            ),
            words.to_vec(),
            Type::TEXT_ARRAY,
        );
    }

    /// Adds that a place lies in a rectangle of parallels and meridians; `geometry` compares degrees, as such a
    /// rectangle means.
    pub fn and_within(&mut self, column: &str, bounds: Bounds) {
        let (southwest, northeast) = bounds.corners();
        let (west, east) = (southwest.longitude(), northeast.longitude());
        let edges = if west <= east {
            vec![(west, east)]
        } else {
            vec![(west, 180.0), (-180.0, east)]
        };
        let mut boxes = Vec::new();
        for (west, east) in edges {
            let corners = [west, southwest.latitude(), east, northeast.latitude()];
            let corners = corners.map(|degrees| self.param(degrees, Type::FLOAT8)).join(", ");
            boxes.push(format!("st_intersects({column}::geometry, st_makeenvelope({corners}, 4326))"));
        }
        self.sql.push_str(&format!(" and ({})", boxes.join(" or ")));
    }

    /// Adds that a place is at most this many metres from another on the sphere; an index on the column serves it.
    pub fn and_near(&mut self, column: &str, center: Point, meters: f64) {
        let center = self.place(center);
        let meters = self.param(meters, Type::FLOAT8);
        self.sql
            .push_str(&format!(" and st_dwithin({column}, {center}, {meters}, false)"));
    }

    /// Adds that somebody sees the task `t`.
    pub fn and_seen_task(&mut self, sight: &Sight) {
        let (user, zones) = self.sight(sight);
        self.sql.push_str(&format!(
            " and t.id in (select c.id from tasks c where c.creator_user_id = {user} union all
                           select d.id from tasks d where d.delegate_user_id = {user} union all
                           select z.id from tasks z where z.zone_id = any({zones}) union all
                           select s.task_id from assignments s join agents a on a.id = s.agent_id where a.user_id = {user})"
        ));
    }

    /// Adds that somebody sees the agent `a` with the latest fix `l`.
    pub fn and_seen_agent(&mut self, sight: &Sight) {
        let (user, zones) = self.sight(sight);
        self.sql
            .push_str(&format!(" and (a.user_id = {user} or l.zone_id = any({zones}))"));
    }

    /// Adds that somebody meets the user `u`: oneself, the people of one's own tasks, and for a supervisor whose authority ends
    /// at zones the people of these zones and everybody with authority.
    pub fn and_met_user(&mut self, sight: &Sight) {
        let near = if sight.zones.is_empty() {
            String::new()
        } else {
            let zones = sight.zones.iter().map(|zone| zone.0).collect::<Vec<_>>();
            let zones = self.param(zones, Type::INT8_ARRAY);
            format!(
                " or u.level >= 2
                  or exists (select from agents a join agent_locations l on l.agent_id = a.id
                             where a.user_id = u.id and a.delete_time is null and l.zone_id = any({zones}))
                  or exists (select from tasks t where t.creator_user_id = u.id and t.zone_id = any({zones}))
                  or exists (select from tasks t where t.delegate_user_id = u.id and t.zone_id = any({zones}))
                  or exists (select from agents a join assignments s on s.agent_id = a.id join tasks t on t.id = s.task_id
                             where a.user_id = u.id and t.zone_id = any({zones}))"
            )
        };
        let user = self.param(sight.user.0, Type::INT8);
        self.sql.push_str(&format!(
            " and (u.id = {user}{near} or u.id in (
                 with own as (select c.id from tasks c where c.creator_user_id = {user} union
                              select d.id from tasks d where d.delegate_user_id = {user} union
                              select s.task_id from assignments s join agents a on a.id = s.agent_id where a.user_id = {user})
                 select t.creator_user_id from own o join tasks t on t.id = o.id union
                 select t.delegate_user_id from own o join tasks t on t.id = o.id union
                 select a.user_id from own o join assignments s on s.task_id = o.id join agents a on a.id = s.agent_id union
                 select h.user_id from own o join task_history h on h.task_id = o.id))"
        ));
    }

    fn sight(&mut self, sight: &Sight) -> (String, String) {
        let (user, zones) = seen(Some(sight));
        (self.param(user, Type::INT8), self.param(zones, Type::INT8_ARRAY))
    }

    /// Adds a place as a parameter, and gives what stands for it.
    pub fn place(&mut self, place: Point) -> String {
        let longitude = self.param(place.longitude(), Type::FLOAT8);
        let latitude = self.param(place.latitude(), Type::FLOAT8);
        format!("st_setsrid(st_makepoint({longitude}, {latitude}), 4326)::geography")
    }

    /// The parameters.
    pub fn params(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.params
            .iter()
            .map(|(value, ty)| (value.as_ref() as &(dyn ToSql + Sync), ty.clone()))
            .collect()
    }
}
