//! Statistics in the background: what changed is added to the sums, and how much is open is told to whoever watches it.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    domain::statistics::Board,
    error::Result,
    store::{self, Conn},
};

/// Time between two looks: the counts are told at most that often.
const LOOK: Duration = Duration::from_secs(1);
/// Changes that are added up in one transaction.
const BATCH: i64 = 5000;
/// Longest that one transaction may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much is open, as this replica knows it: counted once for all its watchers, and only while there are any.
#[derive(Debug)]
pub struct Boards(watch::Sender<Board>);

impl Default for Boards {
    fn default() -> Self {
        Self(watch::Sender::new(Board::default()))
    }
}

impl Boards {
    /// The counts as they are now, and as they become.
    pub async fn watch(&self, app: &App) -> Result<watch::Receiver<Board>> {
        let board = self.0.subscribe();
        // The first who watches does not wait for the next look.
        self.look(app).await?;
        Ok(board)
    }

    async fn look(&self, app: &App) -> Result<()> {
        let conn = app.database.lease().await?;
        let now = store::statistics::open(&*conn, app.clock.now()).await?;
        self.0.send_if_modified(|known| {
            let other = *known != now;
            if other {
                *known = now;
            }
            other
        });
        Ok(())
    }
}

/// Adds up and tells until stopped.
pub async fn run(app: &App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if app.boards.0.receiver_count() > 0
            && let Err(cause) = app.boards.look(app).await
        {
            tracing::warn!(%cause, "how much is open cannot be counted now");
        }
        if let Err(cause) = fold(app).await {
            tracing::warn!(%cause, "statistics cannot be added up now");
        }
    }
}

async fn fold(app: &App) -> Result<()> {
    let mut conn = app.database.lease().await?;
    while store::statistics::behind(&*conn).await? && fold_some(&mut conn).await? > 0 {}
    Ok(())
}

async fn fold_some(conn: &mut Conn) -> Result<u64> {
    let tx = conn.begin(Some(PATIENCE)).await?;
    let folded = store::statistics::fold(&tx, BATCH).await?;
    tx.commit().await?;
    Ok(folded)
}
