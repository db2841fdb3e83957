//! Tells the relay, wherever it runs, that a transaction with facts was committed.
//!
//! A NOTIFY inside the transaction would make all commits queue behind one lock; so it is sent after the commit, on a
//! connection of its own, and those that come while one is under way share the next. Lost ones do no harm: relay and
//! hubs look by themselves as well.

use std::sync::Arc;

use futures::StreamExt as _;
use tokio::sync::{Notify, watch};
use tokio_postgres::AsyncMessage;
use tokio_util::sync::CancellationToken;

use crate::store::connector::Connector;

/// Channel of the notifications.
const CHANNEL: &str = "gad_outbox";
/// Wait before another try to connect.
const RETRY: std::time::Duration = std::time::Duration::from_millis(500);

/// A bell that any clone can ring and any can hear.
#[derive(Debug, Clone)]
pub struct Wake {
    rung: Arc<Notify>,
    heard: watch::Sender<()>,
}

impl Default for Wake {
    fn default() -> Self {
        Self {
            rung: Arc::default(),
            heard: watch::Sender::new(()),
        }
    }
}

impl Wake {
    /// Rings on all replicas, soon.
    pub fn ring(&self) {
        self.rung.notify_one();
    }

    /// Changes whenever it rings here.
    pub fn listen(&self) -> watch::Receiver<()> {
        self.heard.subscribe()
    }

    /// Carries rings from here to the database and from the database to here, until stopped.
    pub async fn carry(self, connector: Connector, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                ended = self.carry_once(&connector) => {
                    if let Err(cause) = ended {
                        tracing::warn!(%cause, "notifications interrupted");
                    }
                    self.heard.send_replace(());
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn carry_once(&self, connector: &Connector) -> Result<(), tokio_postgres::Error> {
        let (client, mut connection) = connector.connect().await?;
        let mut messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
        let heard = self.heard.clone();
        let receive = async move {
            while let Some(message) = messages.next().await {
                if let AsyncMessage::Notification(_) = message? {
                    heard.send_replace(());
                }
            }
            Ok(())
        };
        let send = async {
            client.batch_execute(&format!("listen {CHANNEL}")).await?;
            loop {
                self.rung.notified().await;
                client.batch_execute(&format!("notify {CHANNEL}")).await?;
            }
        };
        tokio::select! {
            ended = receive => ended,
            ended = send => ended,
        }
    }
}
