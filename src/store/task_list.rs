//! Pages of tasks by keyset: a page starts after the last row of the page before.

use jiff::Timestamp;
use postgres_types::Type;
use tokio_postgres::Portal;

use super::{
    Query, Tx,
    conditions::Conditions,
    task::{COLUMNS, decode},
};
use crate::{
    domain::{
        access::Sight,
        geo::Bounds,
        task::{Kind, Priority, State, Task},
    },
    error::{Error, Result},
};

/// Rows of a batch.
const BATCH: i32 = 500;

/// Which tasks a list holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Any of these; empty: all.
    pub states: Vec<State>,
    /// Any of these; empty: all.
    pub priorities: Vec<Priority>,
    /// Any of these; empty: all.
    pub kinds: Vec<Kind>,
    /// With any of these agents on it; empty: all.
    pub agents: Vec<i64>,
    /// In any of these zones; empty: all.
    pub zones: Vec<i64>,
    /// Planned to begin at this time or later.
    pub planned_from: Option<Timestamp>,
    /// Planned to begin before this time.
    pub planned_until: Option<Timestamp>,
    /// Located here.
    pub bounds: Option<Bounds>,
    /// With all words that begin like these.
    pub words: Vec<String>,
    /// Deleted tasks too.
    pub deleted_shown: bool,
    /// Only what somebody sees; none: all.
    pub sight: Option<Sight>,
}

/// What a list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Time of creation.
    Create,
    /// Time of the last change.
    Update,
    /// Planned beginning.
    PlannedStart,
    /// Urgency.
    Priority,
}

impl Key {
    fn column(self) -> &'static str {
        match self {
            Self::Create => "t.create_time",
            Self::Update => "t.update_time",
            Self::PlannedStart => "t.planned_start_time",
            Self::Priority => "t.priority",
        }
    }

    /// The value that a task is ordered by: microseconds since 1970, or the priority's number.
    pub fn of(self, task: &Task) -> i64 {
        match self {
            Self::Create => task.created.as_microsecond(),
            Self::Update => task.updated.as_microsecond(),
            Self::PlannedStart => task.plan.planned_start.as_microsecond(),
            Self::Priority => task.plan.priority as i64,
        }
    }
}

/// Order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// What by.
    pub key: Key,
    /// Greatest first.
    pub descending: bool,
}

/// Up to `limit` tasks after `after` (value of the key, number).
pub async fn page(on: &impl Query, filter: &Filter, order: Order, after: Option<(i64, i64)>, limit: i64) -> Result<Vec<Task>> {
    let (sql, conditions) = statement(filter, order, after, limit);
    on.typed(&sql, &conditions.params()).await?.iter().map(decode).collect()
}

/// All tasks of a list, in its order, a batch at a time.
pub struct Rows(Portal);

impl Rows {
    /// Of a transaction that reads one snapshot.
    pub async fn of(tx: &Tx<'_>, filter: &Filter, order: Order) -> Result<Self> {
        let (sql, conditions) = statement(filter, order, None, i64::MAX);
        let (values, types): (Vec<_>, Vec<_>) = conditions.params().into_iter().unzip();
        let portal = tx.guard(async {
            let statement = tx.raw().prepare_typed(&sql, &types).await?;
            tx.raw().bind(&statement, &values).await
        });
        Ok(Self(portal.await.map_err(Error::from)?))
    }

    /// The next ones; empty: there are no more.
    pub async fn next(&self, tx: &Tx<'_>) -> Result<Vec<Task>> {
        let rows = tx.guard(tx.raw().query_portal(&self.0, BATCH)).await?;
        rows.iter().map(decode).collect()
    }
}

/// The statement of a page: what callers wrote stands in its parameters, never in its text.
pub fn statement(filter: &Filter, order: Order, after: Option<(i64, i64)>, limit: i64) -> (String, Conditions) {
    let mut conditions = conditions(filter);
    let column = order.key.column();
    let (direction, beyond) = if order.descending { ("desc", "<") } else { ("asc", ">") };
    if let Some((value, id)) = after {
        let value = match order.key {
            Key::Priority => conditions.param(i16::try_from(value).unwrap_or(i16::MAX), Type::INT2),
            Key::Create | Key::Update | Key::PlannedStart => conditions.param(
                Timestamp::from_microsecond(value).unwrap_or(Timestamp::MAX),
                Type::TIMESTAMPTZ,
            ),
        };
        let id = conditions.param(id, Type::INT8);
        conditions
            .sql
            .push_str(&format!(" and ({column}, t.id) {beyond} ({value}, {id})"));
    }
    let limit = conditions.param(limit, Type::INT8);
    let sql = format!(
        "select {COLUMNS} from tasks t where true{} order by {column} {direction}, t.id {direction} limit {limit}",
        conditions.sql
    );
    (sql, conditions)
}

fn conditions(filter: &Filter) -> Conditions {
    let Filter {
        states,
        priorities,
        kinds,
        agents,
        zones,
        planned_from,
        planned_until,
        bounds,
        words,
        deleted_shown,
        sight,
    } = filter;
    let mut all = Conditions::default();
    if !deleted_shown {
        all.sql.push_str(" and t.delete_time is null");
    }
    all.and_any("t.state", states, |state| state as i16);
    all.and_any("t.priority", priorities, |priority| priority as i16);
    all.and_any("t.kind", kinds, |kind| kind as i16);
    if !agents.is_empty() {
        all.and(
            "t.id in (select s.task_id from assignments s where s.agent_id = any($))",
            agents.clone(),
            Type::INT8_ARRAY,
        );
    }
    if !zones.is_empty() {
        all.and("t.zone_id = any($)", zones.clone(), Type::INT8_ARRAY);
    }
    if let Some(time) = *planned_from {
        all.and("t.planned_start_time >= $", time, Type::TIMESTAMPTZ);
    }
    if let Some(time) = *planned_until {
        all.and("t.planned_start_time < $", time, Type::TIMESTAMPTZ);
    }
    if let Some(bounds) = *bounds {
        all.and_within("t.location", bounds);
    }
    if !words.is_empty() {
        all.and_words("t.words", words);
    }
    if let Some(sight) = sight {
        all.and_seen_task(sight);
    }
    all
}
