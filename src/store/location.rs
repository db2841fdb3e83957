//! How exactly places are shown to each level, and who looked where a hidden one is.

use jiff::Timestamp;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{AgentId, UserId, access::Level},
    error::Result,
};

/// How exactly a level sees where others are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precision {
    /// The level.
    pub level: Level,
    /// Width of the cells in metres; 0: exactly.
    pub meters: u32,
    /// When that was said last.
    pub updated: Timestamp,
    /// Who said so; none: it always was so.
    pub updated_by: Option<UserId>,
}

/// How exactly each level sees, lowest first.
pub async fn precisions(on: &impl Query) -> Result<Vec<Precision>> {
    let rows = on
        .rows(
            "select level, meters, update_time, update_user_id from location_precisions order by level",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Precision {
                level: row.read_enum("level", Level::of)?,
                meters: u32::try_from(row.read::<i32>("meters")?).unwrap_or_default(),
                updated: row.read("update_time")?,
                updated_by: row.read::<Option<i64>>("update_user_id")?.map(UserId),
            })
        })
        .collect()
}

/// Says how exactly a level sees from now on.
pub async fn set_precision(tx: &Tx<'_>, precision: &Precision) -> Result<()> {
    let Precision {
        level,
        meters,
        updated,
        updated_by,
    } = precision;
    tx.run(
        "update location_precisions set meters = $2, update_time = $3, update_user_id = $4 where level = $1",
        &[
            &(*level as i16),
            &i32::try_from(*meters).unwrap_or(i32::MAX),
            updated,
            &updated_by.map(|user| user.0),
        ],
    )
    .await?;
    Ok(())
}

/// A look where a hidden place is.
#[derive(Debug)]
pub struct Reveal<'a> {
    /// Whose place.
    pub agent: AgentId,
    /// Who that is.
    pub user: UserId,
    /// Who looked.
    pub by: UserId,
    /// Why, in their words.
    pub reason: &'a str,
    /// Time of the fix that was shown.
    pub fix_time: Option<Timestamp>,
    /// When.
    pub now: Timestamp,
}

/// Writes down who looked.
pub async fn add_reveal(tx: &Tx<'_>, reveal: &Reveal<'_>) -> Result<()> {
    let Reveal {
        agent,
        user,
        by,
        reason,
        fix_time,
        now,
    } = reveal;
    tx.run(
        "insert into location_reveals (agent_id, user_id, by_user_id, reason, fix_time, create_time)
         values ($1, $2, $3, $4, $5, $6)",
        &[&agent.0, &user.0, &by.0, reason, fix_time, now],
    )
    .await?;
    Ok(())
}
