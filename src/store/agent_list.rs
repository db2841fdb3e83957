//! Pages of agents by number.

use postgres_types::Type;

use super::{
    Query,
    agent::{COLUMNS, FROM, decode},
    conditions::Conditions,
};
use crate::{
    domain::{
        UserId,
        access::Sight,
        agent::{Agent, Availability, Duty},
        geo::Bounds,
        lens::Lens,
    },
    error::Result,
};

/// Which agents a list holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// Any of these; empty: all.
    pub availabilities: Vec<Availability>,
    /// In any of these; empty: all.
    pub units: Vec<String>,
    /// With the latest fix here.
    pub bounds: Option<Bounds>,
    /// Deleted agents too.
    pub deleted_shown: bool,
    /// Only what somebody sees; none: all.
    pub sight: Option<Sight>,
    /// Who asks.
    pub viewer: UserId,
    /// How exactly they see where others are.
    pub lens: Lens,
}

impl Filter {
    /// Whether an agent is in the rectangle as whoever asks sees it; rows of [`page`] may lie a little beyond it.
    pub fn holds(&self, agent: &Agent) -> bool {
        let Some(bounds) = self.bounds else { return true };
        let shown = agent
            .fix
            .as_ref()
            .and_then(|fix| self.lens.fix(fix, agent.user, !agent.duty.is_on()));
        shown.is_some_and(|fix| bounds.contains(fix.location))
    }
}

/// Up to `limit` agents with numbers after `after`.
pub async fn page(on: &impl Query, filter: &Filter, after: i64, limit: i64) -> Result<Vec<Agent>> {
    let (sql, conditions) = statement(filter, after, limit);
    on.typed(&sql, &conditions.params()).await?.iter().map(decode).collect()
}

/// The statement of a page: what callers wrote stands in its parameters, never in its text.
pub fn statement(filter: &Filter, after: i64, limit: i64) -> (String, Conditions) {
    let mut conditions = conditions(filter);
    conditions.and("a.id > $", after, Type::INT8);
    let limit = conditions.param(limit, Type::INT8);
    let sql = format!(
        "select {COLUMNS} from {FROM} where true{} order by a.id limit {limit}",
        conditions.sql
    );
    (sql, conditions)
}

fn conditions(filter: &Filter) -> Conditions {
    let Filter {
        availabilities,
        units,
        bounds,
        deleted_shown,
        sight,
        viewer,
        lens,
    } = filter;
    let mut all = Conditions::default();
    if !deleted_shown {
        all.sql.push_str(" and a.delete_time is null");
    }
    if !availabilities.is_empty() {
        let any: Vec<String> = availabilities
            .iter()
            .map(|availability| of_availability(*availability))
            .collect();
        all.sql.push_str(&format!(" and ({})", any.join(" or ")));
    }
    if !units.is_empty() {
        all.and("a.unit = any($)", units.clone(), Type::TEXT_ARRAY);
    }
    if let Some(bounds) = bounds.map(|bounds| bounds.widened(lens.reach())) {
        // Where somebody is who is off duty, is theirs alone to know.
        all.and("(a.duty <> 3 or a.user_id = $)", viewer.0, Type::INT8);
        if let Some((center, radius)) = bounds.circle() {
            all.and_near("l.location", center, radius);
        }
        all.and_within("l.location", bounds);
    }
    if let Some(sight) = sight {
        all.and_seen_agent(sight);
    }
    all
}

/// The condition that an agent `a` has an availability. Follows [`Availability::from_duty`].
pub fn of_availability(availability: Availability) -> String {
    let work = "exists (select from assignments w where w.agent_id = a.id and w.occupying)";
    match availability {
        Availability::Available => format!("a.duty = {} and not {work}", Duty::Available as i16),
        Availability::OnTask => format!("a.duty = {} and {work}", Duty::Available as i16),
        Availability::OffDuty => format!("a.duty = {}", Duty::OffDuty as i16),
        Availability::Unavailable => format!("a.duty = {}", Duty::Unavailable as i16),
    }
}
