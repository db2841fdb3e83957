//! Forgets what was kept for as long as its policy says: a batch at a time, on any one replica.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::erase;
use crate::{
    app::App,
    domain::{
        UserId,
        audit::{Entry, FORGETTING},
        retention::{Kind, Policy},
    },
    error::{Error, Result},
    store::{self, Conn},
};

/// Time between two rounds.
const PAUSE: Duration = Duration::from_secs(60);
/// Rows of one transaction.
const BATCH: i64 = 1000;
/// Users of one round: each is a transaction of its own, and a long one.
const USERS: i64 = 20;
/// How long a signing key that verifies nothing any more is kept, for who looks at old tokens.
const KEYS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Forgets every minute until stopped.
pub async fn run(app: &App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(cause) = round(app).await {
            tracing::warn!(%cause, "what is over cannot be forgotten now");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn round(app: &App) -> Result<()> {
    let now = app.clock.now();
    {
        let conn = app.database.lease().await?;
        store::mail::give_up_late(&*conn, now).await?;
        store::key::tidy(&*conn, now - KEYS_KEPT).await?;
    }
    for policy in policies(app).await? {
        let gone = forget(app, &policy, app.uid(now), now).await?;
        if gone > 0 {
            tracing::info!(kind = ?policy.kind, gone, "forgotten");
            metrics::counter!("retention_forgotten_total", "kind" => format!("{:?}", policy.kind))
                .increment(u64::try_from(gone).unwrap_or_default());
        }
    }
    Ok(())
}

/// The policies, in the order in which things are forgotten.
pub async fn policies(app: &App) -> Result<Vec<Policy>> {
    let conn = app.database.lease().await?;
    store::retention::policies(&*conn).await
}

/// How much of a kind is over.
pub async fn count(app: &App, policy: &Policy, now: Timestamp) -> Result<i64> {
    let conn = app.database.lease().await?;
    store::retention::count(&*conn, policy.kind, policy.before(now)).await
}

/// Forgets all that is over of a kind; says how much it was. The rows of the audit that tell of it have this request id.
pub async fn forget(app: &App, policy: &Policy, request_id: Uuid, now: Timestamp) -> Result<i64> {
    let before = policy.before(now);
    let mut conn = app.database.lease().await?;
    match policy.kind {
        Kind::DeletedUsers => return erase_users(app, &mut conn, before, request_id, now).await,
        Kind::Audit => return app.audit.retire(&mut conn, before, request_id, now).await,
        _ => {}
    }
    let mut all = 0;
    loop {
        let tx = conn.begin(None).await?;
        store::retention::lock(&tx).await?;
        let gone = store::retention::forget(&tx, policy.kind, before, BATCH).await?;
        if gone > 0 {
            let resource = format!("retentionPolicy/{:?}", policy.kind);
            let detail = serde_json::json!({ "count": gone, "before_time": before.to_string() }).to_string();
            let entry = Entry::by_system(FORGETTING, resource, detail, request_id, now);
            app.audit.commit_all(tx, vec![entry], now).await?;
        }
        all += gone;
        if gone < BATCH {
            return Ok(all);
        }
    }
}

/// Erases users who were deleted long ago. Who still has open tasks is left for another time.
async fn erase_users(app: &App, conn: &mut Conn, before: Timestamp, request_id: Uuid, now: Timestamp) -> Result<i64> {
    let (mut all, mut last) = (0, UserId(0));
    loop {
        let due = store::retention::users_due(&*conn, before, last, USERS).await?;
        let Some(next) = due.last() else { break };
        last = *next;
        for user in due {
            match erase_user(app, conn, user, request_id, now).await {
                Ok(()) => all += 1,
                Err(Error::StillInUse { count }) => {
                    tracing::warn!(user = user.0, open_tasks = count, "a deleted user cannot be erased yet");
                }
                Err(error) => return Err(error),
            }
        }
    }
    if all > 0 {
        app.wake.ring();
    }
    Ok(all)
}

async fn erase_user(app: &App, conn: &mut Conn, id: UserId, request_id: Uuid, now: Timestamp) -> Result<()> {
    let tx = conn.begin(None).await?;
    store::user::lock(&tx, &[id]).await?;
    let Some(user) = store::user::get(&tx, id).await? else {
        return Ok(());
    };
    let ready = erase::prepare(&tx, &app.seal, &user).await?;
    let erased = erase::erase(&tx, ready, None, now).await?;
    let mut seat = app.audit.seat(&tx, now).await?;
    let entries = app.audit.forget(&tx, &seat, &erased.forgotten, request_id, now).await?;
    app.audit.append(&tx, &mut seat, entries, &erased.facts).await?;
    tx.commit().await?;
    seat.settle().map(drop)
}
