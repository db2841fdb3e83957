//! What became of a user's tasks, counted, and kept for a while.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Call;
use crate::{
    app::App,
    domain::{UserId, access::Level},
    error::{Error, Missing, Result},
    store::{self, Query, user_stats::Counts},
};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(300);
/// When tasks were last changed by who tells it here.
const CHANGED: &str = "stats:changed";

/// Numbers, and when they were counted.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Stats {
    /// The numbers.
    pub counts: Counts,
    /// When.
    pub counted: Timestamp,
}

/// Keys of a user's numbers.
pub fn pattern(user: UserId) -> String {
    format!("stats:user:{}:*", user.0)
}

/// Key of a user's numbers of so many days.
pub fn key(user: UserId, days: i32) -> String {
    format!("stats:user:{}:days:{days}", user.0)
}

/// Refuses numbers of others to who is no administrator.
fn permit(call: &Call, user: UserId) -> Result<()> {
    let caller = call.caller()?;
    if caller.user == user || caller.level >= Level::Administrator {
        Ok(())
    } else {
        Err(Error::Forbidden)
    }
}

/// The numbers of a user's tasks of the last days, and whether they were kept.
pub async fn get(app: &App, call: &Call, user: UserId, days: i32, kept: bool) -> Result<(Stats, bool)> {
    permit(call, user)?;
    let key = key(user, days);
    if kept && let Some(stats) = kept_stats(app, &key).await {
        return Ok((stats, true));
    }
    let now = app.clock.now();
    let since = now - SignedDuration::from_hours(24 * i64::from(days));
    let conn = app.database.lease().await?;
    there(&*conn, user).await?;
    let counts = store::user_stats::count(&*conn, user, Some(since)).await?;
    drop(conn);
    let stats = Stats { counts, counted: now };
    let bytes = serde_json::to_vec(&stats).map_err(Error::internal)?;
    app.cache.put(&key, &bytes, KEPT).await;
    Ok((stats, false))
}

/// Forgets what is kept of a user's numbers; says how many answers.
pub async fn forget(app: &App, call: &Call, user: UserId) -> Result<u64> {
    permit(call, user)?;
    there(&*app.database.lease().await?, user).await?;
    app.cache.forget_like(&pattern(user)).await
}

/// Refuses a user who is not there.
async fn there(on: &impl Query, user: UserId) -> Result<()> {
    let user = store::user::get(on, user).await?;
    if user.is_none_or(|user| user.is_gone()) {
        return Err(Error::NotFound(Missing::User));
    }
    Ok(())
}

/// What is kept, unless tasks were changed since.
async fn kept_stats(app: &App, key: &str) -> Option<Stats> {
    let stats: Stats = serde_json::from_slice(&app.cache.get(key).await?).ok()?;
    let changed: Option<Timestamp> = match app.cache.get(CHANGED).await {
        Some(bytes) => Some(serde_json::from_slice(&bytes).ok()?),
        None => None,
    };
    changed.is_none_or(|changed| changed < stats.counted).then_some(stats)
}

/// Tells that tasks were changed: what was counted before is not believed any more.
pub async fn note_change(app: &App) {
    if let Ok(now) = serde_json::to_vec(&app.clock.now()) {
        app.cache.put(CHANGED, &now, KEPT).await;
    }
}
