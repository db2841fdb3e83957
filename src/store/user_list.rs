//! Which users somebody meets, and pages of users.

use jiff::Timestamp;
use postgres_types::Type;

use super::{
    Query,
    conditions::Conditions,
    decode::Column,
    user::{COLUMNS, decode},
};
use crate::{
    domain::{
        AgentId, UserId,
        access::{Level, Sight},
        user::User,
    },
    error::Result,
};

/// Which users a list holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Any of these; empty: all.
    pub levels: Vec<Level>,
    /// May sign in, or may not.
    pub active: Option<bool>,
    /// With an e-mail that was proved, or not.
    pub verified: Option<bool>,
    /// Kept out by an administrator or by failed attempts, or not.
    pub locked: Option<bool>,
    /// Services, or people.
    pub service: Option<bool>,
    /// With authority that ends at any of these; empty: all.
    pub zones: Vec<i64>,
    /// With all words that begin like these in their names.
    pub words: Vec<String>,
    /// The words may be in e-mail and username too.
    pub by_address: bool,
    /// Deleted users too.
    pub deleted_shown: bool,
    /// Only whom somebody meets; none: all.
    pub sight: Option<Sight>,
    /// What time it is for locks that end.
    pub now: Timestamp,
}

/// What a list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Name as shown, without case and accents.
    Name,
    /// Time of creation.
    Create,
    /// Last sign-in; never is before all others.
    LastLogin,
}

impl Key {
    fn column(self) -> &'static str {
        match self {
            Self::Name => "u.folded_name collate \"C\"",
            Self::Create => "u.create_time",
            Self::LastLogin => "coalesce(u.last_login_time, '-infinity')",
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

/// Up to `limit` users after the user `after`: after where it stands now, so that no name goes into a page token.
pub async fn page(on: &impl Query, filter: &Filter, order: Order, after: Option<UserId>, limit: i64) -> Result<Vec<User>> {
    let (sql, conditions) = statement(filter, order, after, limit);
    on.typed(&sql, &conditions.params()).await?.iter().map(decode).collect()
}

/// The statement of a page: what callers wrote stands in its parameters, never in its text.
pub fn statement(filter: &Filter, order: Order, after: Option<UserId>, limit: i64) -> (String, Conditions) {
    let mut conditions = conditions(filter);
    let column = order.key.column();
    let (direction, beyond) = if order.descending { ("desc", "<") } else { ("asc", ">") };
    if let Some(after) = after {
        let after = conditions.param(after.0, Type::INT8);
        conditions.sql.push_str(&format!(
            " and ({column}, u.id) {beyond} (select {column}, u.id from users u where u.id = {after})"
        ));
    }
    let limit = conditions.param(limit, Type::INT8);
    let sql = format!(
        "select {COLUMNS} from users u where true{} order by {column} {direction}, u.id {direction} limit {limit}",
        conditions.sql
    );
    (sql, conditions)
}

fn conditions(filter: &Filter) -> Conditions {
    let Filter {
        levels,
        active,
        verified,
        locked,
        service,
        zones,
        words,
        by_address,
        deleted_shown,
        sight,
        now,
    } = filter;
    let mut all = Conditions::default();
    if !deleted_shown {
        all.sql.push_str(" and u.delete_time is null and u.erase_time is null");
    }
    all.and_any("u.level", levels, |level| level as i16);
    let flags = [
        ("u.active = $", active),
        ("(u.email_verify_time is not null) = $", verified),
        ("u.service = $", service),
    ];
    for (sql, flag) in flags {
        if let Some(flag) = *flag {
            all.and(sql, flag, Type::BOOL);
        }
    }
    if let Some(locked) = *locked {
        let now = all.param(*now, Type::TIMESTAMPTZ);
        let locked = all.param(locked, Type::BOOL);
        all.sql.push_str(&format!(
            " and (u.lock_time is not null or coalesce(u.lock_end_time > {now}, false)) = {locked}"
        ));
    }
    if !zones.is_empty() {
        all.and(
            "exists (select from user_zones z where z.user_id = u.id and z.zone_id = any($))",
            zones.clone(),
            Type::INT8_ARRAY,
        );
    }
    if !words.is_empty() {
        all.and_words(if *by_address { "u.words" } else { "u.name_words" }, words);
    }
    if let Some(sight) = sight {
        all.and_met_user(sight);
    }
    all
}

/// Whether somebody meets a user. It is found out in the same way for one who is not there.
pub async fn meets(on: &impl Query, sight: &Sight, user: UserId) -> Result<bool> {
    let mut conditions = Conditions::default();
    let user = conditions.param(user.0, Type::INT8);
    conditions.and_met_user(sight);
    let sql = format!(
        "select u.id from (select {user} as id, coalesce((select level from users where id = {user}), 0) as level) u where true{}",
        conditions.sql
    );
    Ok(!on.typed(&sql, &conditions.params()).await?.is_empty())
}

/// What screens show of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Number.
    pub id: UserId,
    /// Name as shown.
    pub display_name: String,
    /// Level of authority.
    pub level: Level,
    /// The user's agent.
    pub agent: Option<AgentId>,
}

/// What screens show of those of the users that are there, by number; only whom somebody meets, if told.
pub async fn cards(on: &impl Query, ids: &[i64], sight: Option<&Sight>) -> Result<Vec<Card>> {
    let mut conditions = Conditions::default();
    conditions.and("u.id = any($)", ids.to_vec(), Type::INT8_ARRAY);
    if let Some(sight) = sight {
        conditions.and_met_user(sight);
    }
    let sql = format!(
        "select u.id, u.display_name, u.level,
                (select a.id from agents a where a.user_id = u.id and a.delete_time is null) as agent_id
         from users u where true{} order by u.id",
        conditions.sql
    );
    let rows = on.typed(&sql, &conditions.params()).await?;
    rows.iter()
        .map(|row| {
            Ok(Card {
                id: UserId(row.read("id")?),
                display_name: row.read("display_name")?,
                level: row.read_enum("level", Level::of)?,
                agent: row.read::<Option<i64>>("agent_id")?.map(AgentId),
            })
        })
        .collect()
}
