//! The audit: what is written down of calls, chained so that nothing can be altered or removed unseen.

pub mod chain;
pub mod diff;
pub mod keeper;
pub mod trail;
pub mod verify;
pub mod walk;

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::{Timestamp, civil::Date};
use tokio::sync::{Notify, mpsc};

pub use chain::Chain;
pub use keeper::Keeper;
pub use trail::{Known, Trail};

pub use crate::domain::audit::Actor;

use crate::{
    domain::audit::{Day, Entry, Head, OK, Place},
    error::{Error, Result},
    store::{self, Tx},
};

/// Segments that a day begins with, and that are added when all are taken.
const SEGMENTS: i32 = 16;
/// Most segments of a day.
const MOST: i32 = 1024;
/// Refused attempts that wait to be written at most.
const QUEUE: usize = 4096;

/// Writes the audit of a server.
#[derive(Debug)]
pub struct Audit {
    /// Makes the hashes.
    pub chain: Chain,
    refused: mpsc::Sender<Entry>,
    /// Rings when all segments of a day are taken.
    crowded: Notify,
    turn: AtomicU32,
}

impl Audit {
    /// With this chain; refused attempts come out of the other end.
    pub fn new(chain: Chain) -> (Self, mpsc::Receiver<Entry>) {
        let (refused, queue) = mpsc::channel(QUEUE);
        let audit = Self {
            chain,
            refused,
            crowded: Notify::new(),
            turn: AtomicU32::new(0),
        };
        (audit, queue)
    }

    /// Takes the end of a segment for the rest of the transaction. Comes last, lest others wait for long.
    pub async fn take(&self, tx: &Tx<'_>, now: Timestamp) -> Result<Head> {
        let day = crate::domain::audit::day(now);
        if let Some(head) = store::audit::take(tx, day).await? {
            return Ok(head);
        }
        if self.open(tx, day, now).await? {
            let head = store::audit::take(tx, day).await?;
            return head.ok_or_else(|| Error::internal("a new day without segments"));
        }
        // The keeper adds segments; until then this one waits, each time for another.
        self.crowded.notify_one();
        let segments = store::audit::day(tx, day).await?.map_or(0, |known| known.day.segments);
        let turn = i64::from(self.turn.fetch_add(1, Ordering::Relaxed)) % i64::from(segments.max(1));
        let segment = i32::try_from(turn).unwrap_or_default() + 1;
        let head = store::audit::wait(tx, day, segment).await?;
        head.ok_or_else(|| Error::internal("a segment of the audit is gone"))
    }

    /// Adds entries to a taken segment; answers where it ends then.
    pub async fn append(&self, tx: &Tx<'_>, mut end: Head, entries: Vec<Entry>) -> Result<Head> {
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            let row = self.chain.link(entry, &end)?;
            end = Head {
                place: row.place,
                hash: row.hash.clone(),
            };
            rows.push(row);
        }
        store::audit::append(tx, &rows, &end, &self.chain.of_head(&end)).await?;
        Ok(end)
    }

    /// Writes the row of a call that is about to be answered, in the transaction of what it changes. Comes last in it.
    pub async fn record(&self, tx: &Tx<'_>, trail: &Trail, now: Timestamp) -> Result<()> {
        if let Some(entry) = trail.entry(now, OK) {
            let end = self.take(tx, now).await?;
            self.append(tx, end, vec![entry]).await?;
            trail.settle();
        }
        Ok(())
    }

    /// Writes down, soon, that a call was refused.
    pub fn refuse(&self, entry: Entry) {
        metrics::counter!("audit_refused_total").increment(1);
        if self.refused.try_send(entry).is_err() {
            metrics::counter!("audit_lost_total").increment(1);
            tracing::error!("a refused attempt is not written down: too many wait for it");
        }
    }

    /// Opens a day; false if it was opened before.
    async fn open(&self, tx: &Tx<'_>, day: Date, now: Timestamp) -> Result<bool> {
        if store::audit::day(tx, day).await?.is_some() {
            return Ok(false);
        }
        store::audit::lock(tx).await?;
        if store::audit::day(tx, day).await?.is_some() {
            return Ok(true);
        }
        let new = Day {
            day,
            previous: store::audit::day_before(tx, day).await?,
            segments: SEGMENTS,
        };
        store::audit::open(tx, &new, &self.chain.of_day(&new), now).await?;
        self.add_segments(tx, day, 1..=SEGMENTS).await?;
        Ok(true)
    }

    /// Adds segments to a day that was opened.
    async fn widen(&self, tx: &Tx<'_>, day: Date) -> Result<()> {
        store::audit::lock(tx).await?;
        let Some(known) = store::audit::day(tx, day).await? else {
            return Ok(());
        };
        let before = known.day.segments;
        let wider = Day {
            segments: (before + SEGMENTS).min(MOST),
            ..known.day
        };
        store::audit::widen(tx, &wider, &self.chain.of_day(&wider)).await?;
        self.add_segments(tx, day, before + 1..=wider.segments).await
    }

    async fn add_segments(&self, tx: &Tx<'_>, day: Date, segments: std::ops::RangeInclusive<i32>) -> Result<()> {
        for segment in segments {
            let head = Head {
                place: Place { day, segment, number: 0 },
                hash: Vec::new(),
            };
            store::audit::add_head(tx, &head, &self.chain.of_head(&head)).await?;
        }
        Ok(())
    }
}
