//! What the audit needs beside the calls: writes refused attempts down, opens days, tells where segments end.
//! Runs on every replica; what only one of them is to do is decided by a lock.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp, civil::Date};
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Audit, flood::folded};
use crate::{
    clock::Clock,
    domain::audit::{ANCHOR, Entry, day},
    error::Result,
    store::{self, Database},
};

/// Time between looks at what is to be done.
const LOOK: Duration = Duration::from_secs(60);
/// Time between rows that tell where all segments end.
const ANCHORS: SignedDuration = SignedDuration::from_mins(5);
/// How much longer than a day its rows may come.
const GRACE: SignedDuration = SignedDuration::from_hours(1);
/// Refused attempts written in one transaction at most.
const BATCH: usize = 256;
/// Time between rows of refusals that are only counted.
const COUNTS: Duration = Duration::from_secs(2);
/// Wait before refused attempts are written once more.
const RETRY: Duration = Duration::from_millis(500);
/// How often refused attempts are written once more when the server ends.
const LAST_TRIES: u32 = 4;

/// The audit's background.
pub struct Keeper {
    /// The audit.
    pub audit: Arc<Audit>,
    /// Refused attempts.
    pub refused: mpsc::Receiver<Entry>,
    /// Where it is kept.
    pub database: Database,
    /// Time.
    pub clock: Clock,
}

impl Keeper {
    /// Runs until stopped; what was refused before is written down first.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            audit,
            refused,
            database,
            clock,
        } = self;
        let duties = Duties { audit, database, clock };
        tokio::join!(duties.write_down(refused, &stop), duties.keep(&stop));
    }
}

struct Duties {
    audit: Arc<Audit>,
    database: Database,
    clock: Clock,
}

impl Duties {
    /// Writes refused attempts, as many at a time as there are.
    async fn write_down(&self, mut refused: mpsc::Receiver<Entry>, stop: &CancellationToken) {
        let mut batch = Vec::new();
        let mut counted = tokio::time::interval(COUNTS);
        counted.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                count = refused.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return self.persist(&self.audit.flood.take(), stop).await;
                    }
                    let entries = if count == BATCH { folded(&batch) } else { batch.clone() };
                    batch.clear();
                    self.persist(&entries, stop).await;
                }
                _ = counted.tick() => self.persist(&self.audit.flood.take(), stop).await,
                () = stop.cancelled(), if !refused.is_closed() => refused.close(),
            }
        }
    }

    /// Writes entries; tries until it works, or the server ends.
    async fn persist(&self, entries: &[Entry], stop: &CancellationToken) {
        let mut last_tries = 0;
        while let Err(cause) = self.write(entries).await {
            tracing::warn!(%cause, "refused attempts wait to be written down");
            last_tries += u32::from(stop.is_cancelled());
            if last_tries > LAST_TRIES {
                metrics::counter!("audit_lost_total").increment(entries.len() as u64);
                tracing::error!(count = entries.len(), "refused attempts are not written down");
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn write(&self, entries: &[Entry]) -> Result<()> {
        let mut by_day: BTreeMap<Date, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            by_day.entry(entry.day()).or_default().push(entry.clone());
        }
        for entries in by_day.into_values() {
            let mut conn = self.database.lease().await?;
            let tx = conn.begin(None).await?;
            let time = entries[0].time;
            self.audit.commit_all(tx, entries, time).await?;
        }
        Ok(())
    }

    async fn keep(&self, stop: &CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => self.tend().await,
            };
            if let Err(cause) = done {
                tracing::warn!(%cause, "the audit is not tended to");
            }
        }
    }

    async fn tend(&self) -> Result<()> {
        let now = self.clock.now();
        for at in [now, now + SignedDuration::from_hours(24)] {
            let mut conn = self.database.lease().await?;
            let tx = conn.begin(None).await?;
            self.audit.open(&tx, day(at), now).await?;
            tx.commit().await?;
        }
        self.anchor(now).await?;
        self.index(now).await
    }

    /// Makes the rows of days that are over findable; calls that began before midnight may still write for a while.
    async fn index(&self, now: Timestamp) -> Result<()> {
        let mut conn = self.database.lease().await?;
        let tx = conn.begin(None).await?;
        if store::audit::try_lock(&tx).await? {
            store::audit::index_before(&tx, day(now - GRACE)).await?;
        }
        tx.commit().await
    }

    /// Tells where all segments of today and of the day before end, and logs the hash of the row that tells it: whoever
    /// takes the whole audit back to an earlier moment cannot take the log back.
    async fn anchor(&self, now: Timestamp) -> Result<()> {
        let mut conn = self.database.lease().await?;
        let tx = conn.begin(None).await?;
        if !store::audit::try_lock(&tx).await? {
            return Ok(());
        }
        let today = day(now);
        let Some(known) = store::audit::day(&tx, today).await? else {
            return Ok(());
        };
        if now.duration_since(known.anchored).abs() < ANCHORS {
            return Ok(());
        }
        let mut days = Vec::new();
        for day in known.day.previous.into_iter().chain([today]) {
            days.push(self.audit.ends(&tx, day).await?);
        }
        let detail = serde_json::json!({ "days": days }).to_string();
        let entry = Entry::by_system(ANCHOR, format!("day/{today}"), detail, Uuid::new_v4(), now);
        store::audit::anchored(&tx, today, now).await?;
        let end = self.audit.commit_all(tx, vec![entry], now).await?;
        tracing::info!(anchor = %format_args!("{}/{}", end.place, hex::encode(&end.hash)), "audit anchor");
        Ok(())
    }
}
