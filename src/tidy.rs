//! Forgets what nobody asks for any more: sessions and mailed secrets that ended a month ago. Any replica does it.

use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::{
    app::Clock,
    error::Result,
    store::{self, Database},
};

/// Time between two rounds.
const PAUSE: Duration = Duration::from_secs(3600);
/// How long what has ended is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Tidies every hour until stopped.
pub async fn run(database: &Database, clock: &Clock, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(cause) = tidy(database, clock).await {
            tracing::warn!(%cause, "what has ended cannot be forgotten now");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// One round.
pub async fn tidy(database: &Database, clock: &Clock) -> Result<()> {
    let now = clock.now();
    let conn = database.lease().await?;
    store::session::tidy(&*conn, now - KEPT).await?;
    store::mail::tidy(&*conn, now - KEPT, now).await?;
    store::key::tidy(&*conn, now - KEPT).await
}
