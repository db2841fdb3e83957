//! Keeps a feed's upstream watch open: on any server, with any member's token, from where it was.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tonic::Streaming;

use super::{
    ended::{Ended, Next},
    feed::{Feed, Start},
    feeds::{Feeds, Key, LINGER},
    item::Kind,
    wait::jitter,
};
use crate::pb::{WatchRequest, WatchResponse, watch_response};

/// First and longest wait before another try.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Longest silence of a server; it says something every few seconds.
const SILENCE: Duration = Duration::from_secs(90);
/// A watch that lasted this long was a good one.
const STEADY: Duration = Duration::from_secs(5);
/// Wait for a member with a good token.
const NO_TOKEN: Duration = Duration::from_millis(500);

/// What one feed's upkeep remembers between watches.
#[derive(Debug, Default)]
struct Upkeep {
    /// Watches in a row that did not last.
    failures: u32,
    /// Server that went away last.
    avoided: Option<usize>,
}

impl Upkeep {
    /// Doubles with every failure; anything between that and nothing, so that feeds do not come back together.
    fn wait(&mut self) -> Duration {
        let (first, longest) = WAITS;
        let most = first.saturating_mul(1 << self.failures.min(10)).min(longest);
        self.failures += 1;
        jitter(most)
    }
}

impl Feeds {
    /// Keeps a feed going until nobody hears it or it is over.
    pub async fn run(self: Arc<Self>, key: Key, feed: Arc<Feed>) {
        let _open = self.meter.feed();
        loop {
            tokio::select! {
                biased;
                () = feed.deserted(LINGER) => {
                    if self.retire(&key, &feed) {
                        return;
                    }
                }
                ended = self.keep(&key, &feed) => {
                    tracing::info!(reason = %ended.reason, code = ?ended.code, "a feed is over");
                    return self.end(&key, &feed, ended);
                }
            }
        }
    }

    /// Opens watch after watch; returns when it is over for all members.
    async fn keep(&self, key: &Key, feed: &Arc<Feed>) -> Ended {
        let mut upkeep = Upkeep::default();
        loop {
            match self.watch_once(key, feed, &mut upkeep).await {
                Ok(Next::Over(ended)) | Err(ended) => return ended,
                Ok(Next::Again) => sleep(jitter(WAITS.0)).await,
                Ok(Next::Later) => sleep(upkeep.wait()).await,
                Ok(Next::OtherToken) => sleep(jitter(NO_TOKEN)).await,
            }
        }
    }

    /// One upstream watch from its opening to its end.
    async fn watch_once(&self, key: &Key, feed: &Arc<Feed>, upkeep: &mut Upkeep) -> Result<Next, Ended> {
        let Some(token) = feed.token(self.clock.now()) else {
            return Ok(Next::OtherToken);
        };
        let cursor = feed.resume()?;
        let request = WatchRequest {
            filter: Some(feed.filter.clone()),
            include_snapshot: cursor.is_none() && feed.start == Start::Snapshot,
            cursor: cursor.as_deref().unwrap_or_default().to_owned(),
        };
        let next = match self.upstream.watch(&token, request, upkeep.avoided).await {
            Ok((stream, lease)) => {
                let _open = self.meter.watch();
                let began = Instant::now();
                let next = self.listen(key, feed, stream).await;
                if began.elapsed() > STEADY {
                    upkeep.failures = 0;
                }
                upkeep.avoided = Some(lease.endpoint());
                next
            }
            Err((status, endpoint)) => {
                tracing::warn!(code = ?status.code(), message = status.message(), "a watch was not opened");
                upkeep.avoided = Some(endpoint);
                Next::after_status(&status)
            }
        };
        if next == Next::OtherToken {
            feed.refuse(&token);
            return Ok(Next::Again);
        }
        Ok(next)
    }

    /// Passes on what a watch says until it ends.
    async fn listen(&self, key: &Key, feed: &Arc<Feed>, mut stream: Streaming<WatchResponse>) -> Next {
        loop {
            let response = match timeout(SILENCE, stream.message()).await {
                Ok(Ok(Some(response))) => response,
                Ok(Ok(None)) => return Next::Later,
                Ok(Err(status)) => {
                    tracing::info!(code = ?status.code(), message = status.message(), "a watch broke");
                    return Next::after_status(&status);
                }
                Err(_) => {
                    tracing::warn!("a watch fell silent");
                    return Next::Later;
                }
            };
            if let Some(watch_response::Item::End(end)) = &response.item {
                return Next::after_end(end);
            }
            self.pass_on(key, feed, &response).await;
        }
    }

    async fn pass_on(&self, key: &Key, feed: &Arc<Feed>, response: &WatchResponse) {
        let item = match self.json.item(response) {
            Ok(Some(item)) => item,
            Ok(None) => return,
            Err(cause) => return tracing::error!(%cause, "a message does not print"),
        };
        let kind = item.kind();
        feed.publish(item).await;
        if kind == Kind::Event {
            self.meter.broadcast();
        }
        if kind == Kind::Checkpoint && feed.may_be_left() {
            self.arrived(key, feed);
        }
    }
}
