//! How exactly each level sees where others are, as the database says it; known without asking.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    domain::{
        access::{Caller, Level},
        lens::Lens,
    },
    error::Result,
    store::{self, Database},
};

/// Time between looks.
const LOOK: Duration = Duration::from_secs(1);

/// How exactly each level sees.
#[derive(Debug, Clone)]
pub struct Precision(Arc<[AtomicU32; 3]>);

impl Precision {
    /// As it is now.
    pub async fn load(database: &Database) -> Result<Self> {
        let precision = Self(Arc::default());
        precision.read(database).await?;
        Ok(precision)
    }

    async fn read(&self, database: &Database) -> Result<()> {
        let conn = database.lease().await?;
        for precision in store::location::precisions(&*conn).await? {
            self.set(precision.level, precision.meters);
        }
        Ok(())
    }

    /// From now on a level sees cells of this many metres.
    pub fn set(&self, level: Level, meters: u32) {
        self.of(level).store(meters, Ordering::Relaxed);
    }

    fn of(&self, level: Level) -> &AtomicU32 {
        match level {
            Level::Agent => &self.0[0],
            Level::Supervisor => &self.0[1],
            Level::Administrator => &self.0[2],
        }
    }

    /// How a caller sees where others are.
    pub fn lens(&self, caller: &Caller) -> Lens {
        Lens::of(caller, self.of(caller.level).load(Ordering::Relaxed))
    }

    /// The same for a feed, which others of the level may share.
    pub fn shared_lens(&self, caller: &Caller) -> Lens {
        Lens::shared(caller, self.of(caller.level).load(Ordering::Relaxed))
    }

    /// Looks again and again, until stopped: another replica may have been told.
    pub async fn run(self, database: Database, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Err(cause) = self.read(&database).await {
                tracing::debug!(%cause, "the precision of places cannot be read");
            }
        }
    }
}
