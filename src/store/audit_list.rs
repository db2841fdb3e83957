//! Pages of the audit by keyset, and what is asked of them.

use jiff::{Timestamp, civil::Date};
use postgres_types::Type;
use uuid::Uuid;

use super::{
    Query,
    audit::{COLUMNS, decode},
    conditions::Conditions,
    decode::Column,
};
use crate::{
    domain::{
        UserId,
        audit::{Door, Row, day},
    },
    error::Result,
};

/// Which rows a list holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Made at this time or later.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub until: Option<Timestamp>,
    /// Made by any of these; empty: all.
    pub users: Vec<i64>,
    /// About this user.
    pub subject: Option<UserId>,
    /// Of this method, or of those that begin with it.
    pub method: Option<Method>,
    /// Done to this; empty: all.
    pub resource: String,
    /// Any of these; empty: all.
    pub outcomes: Vec<String>,
    /// From this address or network, as PostgreSQL reads it; empty: all.
    pub address: String,
    /// Of this call.
    pub request_id: Option<Uuid>,
    /// By any of these; empty: all.
    pub doors: Vec<Door>,
}

/// Which methods.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// This one.
    Is(String),
    /// Those that begin so.
    Begins(String),
}

/// Place of a row in a list: time, segment, number.
pub type Key = (Timestamp, i32, i64);

/// The key of a row.
pub fn key(row: &Row) -> Key {
    (row.entry.time, row.place.segment, row.place.number)
}

/// Up to `limit` rows after a key; newest first, or oldest first. Goes from day to day, as far as it must.
pub async fn page(on: &impl Query, filter: &Filter, newest_first: bool, after: Option<Key>, limit: i64) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for day in days(on, filter, newest_first, after).await? {
        let left = limit - i64::try_from(rows.len()).unwrap_or(limit);
        if left <= 0 {
            break;
        }
        rows.extend(of_day(on, day, filter, newest_first, after, left).await?);
    }
    Ok(rows)
}

/// Days whose rows there are and may be asked for, in the order of the list.
async fn days(on: &impl Query, filter: &Filter, newest_first: bool, after: Option<Key>) -> Result<Vec<Date>> {
    let reached = after.map(|(time, _, _)| day(time));
    let (first, last) = (filter.from.map(day), filter.until.map(day));
    let (first, last) = if newest_first {
        (first, [reached, last].into_iter().flatten().min())
    } else {
        ([reached, first].into_iter().flatten().max(), last)
    };
    let rows = on
        .rows(
            "select day from audit_days where drop_day is null and ($1::date is null or day >= $1) and ($2::date is null or day <= $2)
             order by day",
            &[&first, &last],
        )
        .await?;
    let mut days = rows.iter().map(|row| row.read("day")).collect::<Result<Vec<_>>>()?;
    if newest_first {
        days.reverse();
    }
    Ok(days)
}

async fn of_day(
    on: &impl Query,
    day: Date,
    filter: &Filter,
    newest_first: bool,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<Row>> {
    let mut all = conditions(filter);
    all.and("day = $", day, Type::DATE);
    let (direction, beyond) = if newest_first { ("desc", "<") } else { ("asc", ">") };
    if let Some((time, segment, number)) = after {
        let time = all.param(time, Type::TIMESTAMPTZ);
        let segment = all.param(segment, Type::INT4);
        let number = all.param(number, Type::INT8);
        all.sql.push_str(&format!(
            " and (time, segment, number) {beyond} ({time}, {segment}, {number})"
        ));
    }
    let limit = all.param(limit, Type::INT8);
    let sql = format!(
        "select {COLUMNS} from audit where true{} order by time {direction}, segment {direction}, number {direction} limit {limit}",
        all.sql
    );
    on.typed(&sql, &all.params()).await?.iter().map(decode).collect()
}

fn conditions(filter: &Filter) -> Conditions {
    let Filter {
        from,
        until,
        users,
        subject,
        method,
        resource,
        outcomes,
        address,
        request_id,
        doors,
    } = filter;
    let mut all = Conditions::default();
    if let Some(from) = *from {
        all.and("time >= $", from, Type::TIMESTAMPTZ);
    }
    if let Some(until) = *until {
        all.and("time < $", until, Type::TIMESTAMPTZ);
    }
    if !users.is_empty() {
        all.and("user_id = any($)", users.clone(), Type::INT8_ARRAY);
    }
    if let Some(subject) = subject {
        all.and("subject_user_id = $", subject.0, Type::INT8);
    }
    match method {
        Some(Method::Is(name)) => all.and("method = $", name.clone(), Type::TEXT),
        Some(Method::Begins(start)) => all.and("starts_with(method, $)", start.clone(), Type::TEXT),
        None => {}
    }
    if !resource.is_empty() {
        all.and("resource = $", resource.clone(), Type::TEXT);
    }
    if !outcomes.is_empty() {
        all.and("outcome = any($)", outcomes.clone(), Type::TEXT_ARRAY);
    }
    if !address.is_empty() {
        all.and("address <<= $::text::inet", address.clone(), Type::TEXT);
    }
    if let Some(id) = *request_id {
        all.and("request_id = $", id, Type::UUID);
    }
    all.and_any("door", doors, |door| door as i16);
    all
}
