//! Files that nothing has any more go: uploads that were given up, and those of attachments that were deleted.

use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::{app::App, error::Result, store};

/// Time between looks at what may go.
const LOOK: Duration = Duration::from_secs(2);
/// Wait before another try.
const LATER: SignedDuration = SignedDuration::from_mins(1);
/// Longest that one file may keep a transaction.
const PATIENCE: Duration = Duration::from_secs(120);

/// Looks again and again what may go, until stopped. Replicas do not wait for each other: each takes what no other has.
pub async fn run(app: &App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        while !stop.is_cancelled() {
            match sweep(app).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(cause) => {
                    tracing::warn!(%cause, "a file could not be removed");
                    break;
                }
            }
        }
    }
}

/// Removes one file that may go; whether there was one. The row goes after the file, so that none is forgotten.
async fn sweep(app: &App) -> Result<bool> {
    let mut conn = app.database.lease().await?;
    // A transaction is begun only if there is something to do in it.
    if !store::attachment::is_due(&*conn, app.clock.now()).await? {
        return Ok(false);
    }
    let tx = conn.begin(Some(PATIENCE)).await?;
    let Some(uid) = store::attachment::due(&tx, app.clock.now()).await? else {
        return Ok(false);
    };
    if let Err(cause) = app.blobs.remove(uid).await {
        // One that cannot be removed must not keep the others.
        store::attachment::postpone(&tx, uid, app.clock.now() + LATER).await?;
        tx.commit().await?;
        return Err(cause);
    }
    store::attachment::forget(&tx, uid).await?;
    tx.commit().await?;
    Ok(true)
}
