//! The relay: copies settled facts from the outbox to the Redis Stream. One at a time; any replica takes over.

use std::time::Duration;

use jiff::SignedDuration;
use redis::aio::ConnectionManager;
use tokio_util::sync::CancellationToken;

use super::{
    Wake,
    stream::{Cleared, FeedStream},
};
use crate::{
    clock::Clock,
    error::Result,
    store::{self, Database, outbox::Position},
};

/// Facts copied at a time.
const BATCH: i64 = 200;
/// Longest wait for a bell that may have been lost.
const LOOK: Duration = Duration::from_millis(250);
/// Wait before another try.
const RETRY: Duration = Duration::from_millis(500);
/// Time between clean-ups.
const TIDY: Duration = Duration::from_secs(60);

/// A relay that may run on any replica.
#[derive(Debug, Clone)]
pub struct Relay {
    /// Where the facts are.
    pub database: Database,
    /// Where they go.
    pub stream: Option<FeedStream>,
    /// Rings when there are more.
    pub wake: Wake,
    /// Time.
    pub clock: Clock,
    /// How long facts are kept.
    pub retention: SignedDuration,
}

impl Relay {
    /// Waits to be the only one, relays, and starts over when anything breaks, until stopped.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                ended = self.lead() => {
                    if let Err(cause) = ended {
                        tracing::warn!(%cause, "relay interrupted");
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Relays for as long as this replica holds the lock.
    async fn lead(&self) -> Result<()> {
        let (client, connection) = self.database.connector().connect().await?;
        let held = async {
            client
                .batch_execute("select pg_advisory_lock(hashtextextended('gad-relay', 0))")
                .await?;
            self.adopt().await?;
            metrics::gauge!("relay_leading").set(1.0);
            tracing::info!("relay leads");
            let tidy = async {
                loop {
                    self.tidy().await?;
                    tokio::time::sleep(TIDY).await;
                }
            };
            tokio::select! {
                ended = self.copy_all() => ended,
                ended = tidy => ended,
            }
        };
        // The lock lives as long as the connection: whichever ends first ends the lead.
        let ended = tokio::select! {
            ended = held => ended,
            ended = connection => ended.map_err(Into::into),
        };
        metrics::gauge!("relay_leading").set(0.0);
        ended
    }

    /// After a failover or restore this is another feed: hubs and watchers learn it by its epoch.
    async fn adopt(&self) -> Result<()> {
        let mut conn = self.database.lease().await?;
        let tx = conn.begin(None).await?;
        if store::outbox::adopt(&tx, self.clock.now().as_microsecond()).await? {
            tracing::warn!("the feed starts anew: this is another database cluster or timeline");
        }
        tx.commit().await
    }

    async fn copy_all(&self) -> Result<()> {
        let Some(stream) = &self.stream else {
            return std::future::pending().await;
        };
        let epoch = {
            let conn = self.database.lease().await?;
            store::outbox::feed(&*conn).await?.epoch
        };
        let mut redis = stream.connect().await?;
        let mut at = match stream.head(&mut redis, epoch).await? {
            Some(head) => head,
            None => {
                let conn = self.database.lease().await?;
                store::outbox::head(&*conn).await?
            }
        };
        let mut cleared = stream.cleared(&mut redis, epoch).await?;
        let mut bell = self.wake.listen();
        loop {
            let before = at;
            at = self.copy(stream, &mut redis, epoch, at, &mut cleared).await?;
            if at == before {
                let _ = tokio::time::timeout(LOOK, bell.changed()).await;
            }
        }
    }

    /// Copies a batch, if there is one; answers how far the stream is. What the feed has lost is dropped from the stream: it is
    /// looked at before the batch is read, so that nothing is added after that.
    async fn copy(
        &self,
        stream: &FeedStream,
        redis: &mut ConnectionManager,
        epoch: i64,
        at: Position,
        cleared: &mut Option<Cleared>,
    ) -> Result<Position> {
        let (feed, entries) = {
            let conn = self.database.lease().await?;
            let feed = store::outbox::feed(&*conn);
            tokio::try_join!(feed, store::outbox::read(&*conn, at, None, BATCH))?
        };
        let lost = Cleared {
            erasures: feed.erasures,
            floor: feed.floor,
        };
        if *cleared != Some(lost) {
            let all = cleared.is_none_or(|cleared| cleared.erasures != lost.erasures);
            stream.clear(redis, epoch, lost, all).await?;
            *cleared = Some(lost);
        }
        let Some(last) = entries.last() else {
            return Ok(at);
        };
        let to = last.position;
        if let Some(elsewhere) = stream.append(redis, epoch, at, &entries).await? {
            tracing::warn!(%at, %elsewhere, "the stream ends elsewhere");
            return Ok(elsewhere);
        }
        metrics::counter!("relay_facts_total").increment(entries.len() as u64);
        let age = self.clock.now().duration_since(entries[0].fact.time);
        metrics::gauge!("relay_lag_seconds").set(age.as_secs_f64());
        Ok(to)
    }

    /// Drops facts that are too old, and makes room for the fixes of the next days.
    async fn tidy(&self) -> Result<()> {
        let now = self.clock.now();
        loop {
            let mut conn = self.database.lease().await?;
            let tx = conn.begin(None).await?;
            let gone = store::outbox::trim(&tx, now - self.retention, 5000).await?;
            tx.commit().await?;
            if gone < 5000 {
                break;
            }
        }
        let conn = self.database.lease().await?;
        store::position::ensure_ahead(&*conn, now).await
    }
}
