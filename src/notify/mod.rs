//! Telling people and programs what happened, by rules, without any call waiting for it (ADR 15).
//!
//! `reader` looks at the facts of the feed once for all replicas, and queues what rules ask for. `sender` sends what waits, each
//! channel by itself, on every replica. `channels` knows the ways out, `words` what is said.

mod channels;
mod reader;
mod sender;
mod words;

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

pub use channels::{Channels, webhooks};

use crate::{
    app::App,
    domain::notification::Channel,
    error::Result,
    identity::Seal,
    store::{self, Database, Query},
};

/// What webhooks' secrets are sealed for.
pub const SECRETS: &str = "webhooks";

/// Time between two rounds of forgetting and counting.
const ROUND: Duration = Duration::from_secs(60);
/// How long the bell, messages that are over, and those that were given up are kept.
const KEPT: [SignedDuration; 3] = [days(90), days(7), days(30)];
/// Rows that are forgotten at a time.
const BATCH: i64 = 1000;

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// Says from where on the feed is looked at, if no server did before. Comes before the first call.
pub async fn begin(database: &Database) -> Result<()> {
    let conn = database.lease().await?;
    let feed = store::outbox::feed(&*conn).await?;
    let head = store::outbox::head(&*conn).await?;
    store::notification::begin(&*conn, feed.epoch, head).await
}

/// Looks and sends until stopped.
pub async fn run(app: Arc<App>, channels: Arc<Channels>, stop: CancellationToken) {
    let send = |channel| sender::run(Arc::clone(&app), Arc::clone(&channels), channel, stop.clone());
    let [telegram, email, webhook] = Channel::OUTSIDE.map(send);
    tokio::join!(
        reader::run(&app, &channels, stop.clone()),
        telegram,
        email,
        webhook,
        tidy(&app, stop.clone())
    );
}

/// Forgets what is over, and counts what waits.
async fn tidy(app: &App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(cause) = round(app).await {
            tracing::warn!(%cause, "notifications cannot be tidied now");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

async fn round(app: &App) -> Result<()> {
    let now = app.clock.now();
    let [bell, over, dead] = KEPT.map(|kept| now - kept);
    let conn = app.database.lease().await?;
    store::delivery::expire(&*conn, now).await?;
    while store::notification::forget(&*conn, bell, BATCH).await? > 0 {}
    while store::delivery::forget(&*conn, over, dead, BATCH).await? > 0 {}
    while store::message::forget(&*conn, dead, BATCH).await? > 0 {}
    for channel in Channel::OUTSIDE {
        let (waiting, dead) = store::delivery::count(&*conn, channel).await?;
        let gauge = |state: &'static str, count: i64| {
            metrics::gauge!("deliveries", "channel" => format!("{channel:?}"), "state" => state).set(count as f64);
        };
        gauge("waiting", waiting);
        gauge("dead", dead);
    }
    Ok(())
}

/// Seals secrets of webhooks under the present secret key, where they are not; says of how many webhooks.
pub async fn reseal(on: &impl Query, seal: &Seal) -> Result<u64> {
    let (mut done, mut after) = (0, 0);
    loop {
        let webhooks = store::webhook::page(on, after, BATCH).await?;
        let Some(last) = webhooks.last() else { return Ok(done) };
        after = last.id;
        for webhook in &webhooks {
            let renew = |sealed: &Vec<u8>| seal.renew(SECRETS, &webhook.uid.to_string(), sealed);
            let former = webhook.former.as_ref().map(|(sealed, _)| sealed);
            let anew = (renew(&webhook.sealed)?, former.map(renew).transpose()?.flatten());
            if anew != (None, None) {
                let sealed = anew.0.as_ref().unwrap_or(&webhook.sealed);
                let former = anew.1.as_ref().or(former).map(Vec::as_slice);
                done += store::webhook::reseal(on, webhook, sealed, former).await?;
            }
        }
    }
}
