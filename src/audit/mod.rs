//! The audit: what is written down of calls, chained so that nothing can be altered or removed unseen.

pub mod chain;
pub mod diff;
pub mod ends;
pub mod flood;
pub mod keeper;
pub mod key;
pub mod retire;
pub mod seat;
pub mod trail;
pub mod verify;
pub mod walk;

use std::sync::Arc;

use jiff::{Timestamp, civil::Date};
use tokio::sync::mpsc;
use uuid::Uuid;

pub use chain::Chain;
pub use keeper::Keeper;
pub use seat::Seat;
pub use trail::{Known, Trail};

pub use crate::domain::audit::Actor;

use flood::Flood;
use seat::Seats;

use crate::{
    clock::Clock,
    domain::{
        audit::{Day, ERASURE, Entry, Erased, Forgotten, Head, OK, Place},
        fact::Fact,
    },
    error::{Error, Result},
    identity::Seal,
    store::{self, Database, Tx},
};

/// Refused attempts that wait to be written at most.
const QUEUE: usize = 4096;
/// Rows that are emptied at a time.
const BATCH: i64 = 2000;

/// Writes the audit of a server.
#[derive(Debug)]
pub struct Audit {
    /// Makes the hashes.
    pub chain: Chain,
    refused: mpsc::Sender<Entry>,
    /// Refusals that are only counted.
    flood: Flood,
    /// Segments that are this server's, and not in use.
    seats: Arc<Seats>,
}

impl Audit {
    /// The audit of a server, and what it needs beside the calls.
    pub async fn start(database: &Database, seal: &Seal, clock: &Clock) -> Result<(Arc<Self>, Keeper)> {
        let (refused, queue) = mpsc::channel(QUEUE);
        let audit = Arc::new(Self {
            chain: key::load(database, seal, clock.now()).await?,
            refused,
            flood: Flood::default(),
            seats: Arc::default(),
        });
        let keeper = Keeper {
            audit: Arc::clone(&audit),
            refused: queue,
            database: database.clone(),
            clock: clock.clone(),
        };
        Ok((audit, keeper))
    }

    /// A segment for the rows of a transaction. Comes after all locks, for it may add a segment to the day.
    pub async fn seat(&self, tx: &Tx<'_>, now: Timestamp) -> Result<Seat> {
        let day = crate::domain::audit::day(now);
        while let Some(seat) = self.seats.take(day) {
            if let Some(seat) = seat.find(tx).await? {
                return Ok(seat);
            }
        }
        self.open(tx, day, now).await?;
        let head = self.add_segment(tx, day).await?;
        Ok(self.seats.add(head))
    }

    /// Adds entries to a segment, and facts to the outbox.
    pub async fn append(&self, tx: &Tx<'_>, seat: &mut Seat, entries: Vec<Entry>, facts: &[Fact]) -> Result<()> {
        let before = seat.end()?.place.number;
        let mut end = seat.end()?.clone();
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            let row = self.chain.link(entry, &end)?;
            end = Head {
                place: row.place,
                hash: row.hash.clone(),
            };
            rows.push(row);
        }
        store::audit::append(tx, &rows, before, &end, &self.chain.of_head(&end), facts).await?;
        seat.go_on(end);
        Ok(())
    }

    /// Empties what tells of a person; gives the entries that say so, which are to be the next of the segment.
    pub async fn forget(
        &self,
        tx: &Tx<'_>,
        seat: &Seat,
        forgotten: &Forgotten,
        request_id: Uuid,
        now: Timestamp,
    ) -> Result<Vec<Entry>> {
        let Forgotten { user, things, pattern } = forgotten;
        let first = seat.next()?;
        loop {
            let rows = store::audit_erase::telling_of(tx, *user, BATCH).await?;
            if rows.is_empty() {
                break;
            }
            self.erase(tx, rows.into_iter().map(|row| (row, first))).await?;
        }
        while let Some(pattern) = pattern {
            let rows = store::audit_erase::naming(tx, things, pattern, BATCH).await?;
            if rows.is_empty() {
                break;
            }
            let after = |more| Place {
                number: first.number + more,
                ..first
            };
            self.erase(tx, rows.into_iter().map(|(row, more)| (row, after(more)))).await?;
        }
        let resources = std::iter::once(format!("user/{}", user.0)).chain(things.iter().cloned());
        let entry = |resource| Entry::by_system(ERASURE, resource, "{}".to_owned(), request_id, now);
        Ok(resources.map(entry).collect())
    }

    /// Empties rows, each with the place of the row that tells of it.
    async fn erase(&self, tx: &Tx<'_>, rows: impl Iterator<Item = (Head, Place)>) -> Result<()> {
        let erased = rows.map(|(row, by)| {
            let proof = self.chain.of_erasure(&row.hash, by);
            (row.place, Erased { by, proof })
        });
        store::audit_erase::forget(tx, &erased.collect::<Vec<_>>()).await
    }

    /// Commits a transaction with the row of the call that is about to be answered.
    pub async fn commit(&self, tx: Tx<'_>, trail: &Trail, now: Timestamp) -> Result<()> {
        let Some(entry) = trail.entry(now, OK) else {
            return tx.commit().await;
        };
        self.commit_all(tx, vec![entry], now).await?;
        trail.settle();
        Ok(())
    }

    /// Commits a transaction with rows of the day of `now`.
    pub async fn commit_all(&self, tx: Tx<'_>, entries: Vec<Entry>, now: Timestamp) -> Result<Head> {
        let mut seat = self.seat(&tx, now).await?;
        self.append(&tx, &mut seat, entries, &[]).await?;
        tx.commit().await?;
        seat.settle()
    }

    /// Writes down, soon, that a call was refused.
    pub fn refuse(&self, entry: Entry) {
        metrics::counter!("audit_refused_total").increment(1);
        if self.refused.try_send(entry).is_err() {
            metrics::counter!("audit_lost_total").increment(1);
            tracing::error!("a refused attempt is not written down: too many wait for it");
        }
    }

    /// Counts a refusal: one row comes for all that are alike.
    pub fn count(&self, entry: Entry) {
        metrics::counter!("audit_refused_total").increment(1);
        self.flood.add(entry);
    }

    /// Opens a day, unless it was opened before.
    async fn open(&self, tx: &Tx<'_>, day: Date, now: Timestamp) -> Result<()> {
        if store::audit::day(tx, day).await?.is_some() {
            return Ok(());
        }
        store::audit::lock(tx).await?;
        if store::audit::day(tx, day).await?.is_some() {
            return Ok(());
        }
        let new = Day {
            day,
            previous: store::audit::day_before(tx, day).await?,
            segments: 0,
        };
        store::audit::open(tx, &new, &self.chain.of_day(&new), now).await
    }

    /// Adds a segment to a day that was opened.
    async fn add_segment(&self, tx: &Tx<'_>, day: Date) -> Result<Head> {
        let known = store::audit::hold(tx, day).await?;
        let known = known.ok_or_else(|| Error::internal("a day of the audit is gone"))?;
        let wider = Day {
            segments: known.day.segments + 1,
            ..known.day
        };
        store::audit::widen(tx, &wider, &self.chain.of_day(&wider)).await?;
        let head = Head {
            place: Place {
                day,
                segment: wider.segments,
                number: 0,
            },
            hash: Vec::new(),
        };
        store::audit::add_head(tx, &head, &self.chain.of_head(&head)).await?;
        Ok(head)
    }
}
