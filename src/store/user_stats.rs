//! What became of somebody's tasks, counted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Query, decode::Column};
use crate::{domain::UserId, error::Result};

/// Somebody's own tasks: created by them, overseen by them, or with their agent on it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub total: i64,
    /// Not begun.
    pub scheduled: i64,
    /// Under way.
    pub in_progress: i64,
    /// Interrupted.
    pub paused: i64,
    /// Done.
    pub finished: i64,
    /// Given up.
    pub cancelled: i64,
    /// Hours of work on a finished one, without pauses; 0 if there is none.
    pub mean_hours: f64,
}

/// Counts somebody's tasks that were not deleted; of all times, or created since then.
pub async fn count(on: &impl Query, user: UserId, since: Option<Timestamp>) -> Result<Counts> {
    let row = on
        .one(
            "select count(*) as total,
                    count(*) filter (where t.state = 1) as scheduled, count(*) filter (where t.state = 2) as in_progress,
                    count(*) filter (where t.state = 3) as paused, count(*) filter (where t.state = 4) as finished,
                    count(*) filter (where t.state = 5) as cancelled,
                    coalesce(avg(greatest(extract(epoch from t.actual_end_time - t.actual_start_time) - t.paused_ms / 1000.0, 0))
                                 filter (where t.state = 4), 0)::float8 / 3600 as mean_hours
             from tasks t
             where t.delete_time is null and ($2::timestamptz is null or t.create_time >= $2)
               and t.id in (select c.id from tasks c where c.creator_user_id = $1 union all
                            select d.id from tasks d where d.delegate_user_id = $1 union all
                            select s.task_id from assignments s join agents a on a.id = s.agent_id where a.user_id = $1)",
            &[&user.0, &since],
        )
        .await?;
    Ok(Counts {
        total: row.read("total")?,
        scheduled: row.read("scheduled")?,
        in_progress: row.read("in_progress")?,
        paused: row.read("paused")?,
        finished: row.read("finished")?,
        cancelled: row.read("cancelled")?,
        mean_hours: row.read("mean_hours")?,
    })
}
