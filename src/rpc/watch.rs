//! One watch: what was missed or a snapshot first, then live, then the end with a cursor.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tonic::{Code, Status};

use super::{ear::Ear, event::Cursor, statistics, wire};
use crate::{
    app::App,
    domain::{
        access::{Caller, Sight},
        emergency::Stage,
        interest::{Interest, KPI_CHANGED, Noun},
        statistics::{Board, Open},
    },
    error::{Error, Result},
    identity::SignedIn,
    live::{Subscription, hub::Dismissal},
    pb::{self, EndReason, watch_response::Item},
    store::{
        self,
        outbox::{Entry, Position, Visibility},
    },
};

/// Facts read from the database at a time.
const BATCH: i64 = 500;
/// Longest that a receiver may leave one message unread.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest that the last message waits for room.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Where a watch begins.
#[derive(Debug)]
pub enum Start {
    /// With what comes now.
    Now,
    /// With what came after this place.
    After(Position),
    /// With all rows there are.
    Snapshot,
}

impl Start {
    /// What the watcher has already when its place at the hub is `from`; none before a snapshot.
    pub fn place(&self, from: Position) -> Option<Position> {
        match self {
            Self::Now => Some(from),
            Self::After(place) => Some(*place),
            Self::Snapshot => None,
        }
    }
}

/// A watch.
pub struct Watch {
    /// The server.
    pub app: Arc<App>,
    /// What the watcher wants and may have.
    pub interest: Interest,
    /// By what the watcher is known; none: it is a part of the installation.
    pub signed_in: Option<SignedIn>,
    /// When the call's deadline is.
    pub deadline: Option<Instant>,
    /// Place at the hub.
    pub subscription: Subscription,
    /// Where messages go.
    pub sender: mpsc::Sender<Result<pb::WatchResponse, Status>>,
    /// The watcher has everything up to here; none while a snapshot is not whole.
    pub at: Option<Position>,
}

/// Why a watch is over.
enum Over {
    /// The receiver went away.
    Gone,
    /// For this reason.
    Reason(EndReason),
}

impl Watch {
    /// Sends everything, then the end.
    pub async fn run(mut self, start: Start) {
        metrics::gauge!("watch_streams").increment(1.0);
        let (app, signed_in) = (Arc::clone(&self.app), self.signed_in.clone());
        let deadline = self.deadline;
        let ends = std::pin::pin!(async {
            match &signed_in {
                Some(signed_in) => ends(&app, signed_in, deadline).await,
                None => ends_for_all(&app, deadline).await,
            }
        });
        let over = tokio::select! {
            biased;
            reason = ends => Over::Reason(reason),
            over = self.send_all(start) => over,
        };
        if let Over::Reason(reason) = over {
            let end = pb::WatchResponse {
                cursor: self.cursor(self.at),
                item: Some(Item::End(end(reason))),
            };
            let _ = tokio::time::timeout(LAST_WORD, self.sender.send(Ok(end))).await;
        }
        metrics::gauge!("watch_streams").decrement(1.0);
    }

    fn cursor(&self, position: Option<Position>) -> String {
        let epoch = self.subscription.epoch;
        position.map(|position| Cursor { epoch, position }.text()).unwrap_or_default()
    }

    async fn send_all(&mut self, start: Start) -> Over {
        let recent = std::mem::take(&mut self.subscription.recent);
        let begun = match start {
            Start::Now => Ok(None),
            Start::After(place) => self.send_missed(place, recent).await.map(|()| None),
            Start::Snapshot => self.send_snapshot().await.map(Some),
        };
        let seen = match begun {
            Ok(seen) => seen,
            Err(over) => return over,
        };
        match self.send_live(seen).await {
            Ok(never) => match never {},
            Err(over) => over,
        }
    }

    async fn send(&self, position: Option<Position>, item: Item) -> Result<(), Over> {
        let message = pb::WatchResponse {
            cursor: self.cursor(position),
            item: Some(item),
        };
        match tokio::time::timeout(PATIENCE, self.sender.send(Ok(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Over::Gone),
            Err(_) => Err(Over::Reason(EndReason::SlowConsumer)),
        }
    }

    /// Sends an entry if the watcher may and wants to have it, and remembers its place.
    async fn send_entry(&mut self, entry: &Entry) -> Result<(), Over> {
        let position = Some(entry.position);
        if position <= self.at {
            return Ok(());
        }
        if let Some(event) = self.ear().event(&entry.fact) {
            self.send(position, Item::Event(event)).await?;
        }
        self.at = position;
        Ok(())
    }

    /// Entries after the cursor and up to where the queue begins: from the hub's memory if it reaches, else the database.
    async fn send_missed(&mut self, place: Position, recent: Vec<Arc<Entry>>) -> Result<(), Over> {
        let (from, recent_from) = (self.subscription.from, self.subscription.recent_from);
        let mut after = place;
        while after < recent_from {
            let entries = self.read(after, recent_from).await?;
            let Some(last) = entries.last() else { break };
            after = last.position;
            for entry in &entries {
                self.send_entry(entry).await?;
            }
        }
        for entry in recent {
            self.send_entry(&entry).await?;
        }
        self.at = self.at.max(Some(from));
        Ok(())
    }

    async fn read(&self, after: Position, until: Position) -> Result<Vec<Entry>, Over> {
        let conn = self.app.database.lease().await.map_err(failed)?;
        let entries = store::outbox::read(&*conn, after, Some(until), BATCH).await.map_err(failed)?;
        // Looked at after reading: what was trimmed before is noticed, what is trimmed later was read.
        let feed = store::outbox::feed(&*conn).await.map_err(failed)?;
        if feed.epoch != self.subscription.epoch || feed.floor > after {
            return Err(Over::Reason(EndReason::CursorExpired));
        }
        Ok(entries)
    }

    /// Rows as one snapshot of the database has them. What the queue brings of facts that are in it is left out later.
    async fn send_snapshot(&mut self) -> Result<Visibility, Over> {
        let app = Arc::clone(&self.app);
        // A slow reader holds a connection: half of them stay for others, and none is held for long.
        let _turn = app.snapshots.acquire().await.map_err(Error::internal).map_err(failed)?;
        let (visibility, rows) = tokio::time::timeout(PATIENCE, self.send_rows(&app))
            .await
            .map_err(|_| Over::Reason(EndReason::SlowConsumer))??;
        // All facts up to here are in the snapshot.
        let at = Some(visibility.settled().min(self.subscription.from));
        self.send(at, Item::SnapshotEnd(pb::SnapshotEnd { row_count: rows })).await?;
        self.at = at;
        Ok(visibility)
    }

    async fn send_rows(&self, app: &App) -> Result<(Visibility, i32), Over> {
        let mut conn = app.database.lease().await.map_err(failed)?;
        let tx = conn.begin(None).await.map_err(failed)?;
        tx.freeze().await.map_err(failed)?;
        let visibility = Visibility::of(&tx).await.map_err(failed)?;
        let mut rows = 0;
        if self.interest.is_about(Noun::Task) {
            rows += self.send_tasks(&tx).await?;
        }
        if self.interest.is_about(Noun::Agent) || self.interest.is_about(Noun::Position) {
            rows += self.send_agents(&tx).await?;
        }
        if self.interest.is_about(Noun::Emergency) {
            rows += self.send_emergencies(&tx).await?;
        }
        Ok((visibility, rows))
    }

    /// Which rows a snapshot reads; none: all.
    fn sight(&self) -> Option<Sight> {
        self.interest.caller.sight()
    }

    async fn send_tasks(&self, tx: &store::Tx<'_>) -> Result<i32, Over> {
        let (mut sent, mut after, sight) = (0, 0, self.sight());
        loop {
            let tasks = store::task::open_after(tx, after, sight.as_ref(), BATCH)
                .await
                .map_err(failed)?;
            let Some(last) = tasks.last() else { return Ok(sent) };
            after = last.id.0;
            for task in tasks.iter().filter(|task| self.interest.has_task(task)) {
                let task = wire::task(task, &self.interest.caller, self.app.clock.now());
                self.send_row(pb::snapshot_row::Resource::Task(task)).await?;
                sent += 1;
            }
        }
    }

    async fn send_agents(&self, tx: &store::Tx<'_>) -> Result<i32, Over> {
        let (mut sent, mut after, sight) = (0, 0, self.sight());
        loop {
            let agents = store::agent::after(tx, after, sight.as_ref(), BATCH).await.map_err(failed)?;
            let Some(last) = agents.last() else { return Ok(sent) };
            after = last.id.0;
            for agent in agents.iter().filter(|agent| self.interest.has_agent(agent)) {
                self.send_row(pb::snapshot_row::Resource::Agent(wire::agent(agent, self.ear().lens())))
                    .await?;
                sent += 1;
            }
        }
    }

    async fn send_emergencies(&self, tx: &store::Tx<'_>) -> Result<i32, Over> {
        let (mut sent, mut before, sight) = (0, i64::MAX, self.sight());
        let called = Stage::calling(self.interest.caller.level);
        loop {
            let emergencies = store::emergency::page(tx, before, true, sight.as_ref(), called, BATCH)
                .await
                .map_err(failed)?;
            let Some(last) = emergencies.last() else { return Ok(sent) };
            before = last.id.0;
            for emergency in emergencies.iter().filter(|emergency| self.interest.has_emergency(emergency)) {
                self.send_row(pb::snapshot_row::Resource::Emergency(wire::emergency(emergency)))
                    .await?;
                sent += 1;
            }
        }
    }

    async fn send_row(&self, resource: pb::snapshot_row::Resource) -> Result<(), Over> {
        self.send(
            None,
            Item::SnapshotRow(pb::SnapshotRow {
                resource: Some(resource),
            }),
        )
        .await
    }

    /// What the queue brings, and a sign of life when it brings nothing.
    async fn send_live(&mut self, mut seen: Option<Visibility>) -> Result<std::convert::Infallible, Over> {
        let idle = Duration::from_secs_f64(self.app.settings.checkpoint_seconds);
        let mut wait = Duration::ZERO;
        let mut counts = match self.interest.has_kpi() {
            true => Some(Counts::begin(&self.app).await.map_err(failed)?),
            false => None,
        };
        loop {
            let next = tokio::select! {
                next = tokio::time::timeout(wait, self.subscription.next()) => next,
                () = changed(&mut counts) => {
                    self.send_counts(&mut counts).await?;
                    continue;
                }
            };
            let entry = match next {
                Ok(Ok(entry)) => entry,
                Ok(Err(dismissal)) => return Err(Over::Reason(dismissed(dismissal))),
                Err(_) => match self.subscription.checkpoint() {
                    Ok(position) => {
                        self.at = self.at.max(Some(position));
                        self.send(self.at, Item::Checkpoint(pb::Checkpoint {})).await?;
                        wait = idle;
                        continue;
                    }
                    Err(Some(entry)) => entry,
                    Err(None) => continue,
                },
            };
            wait = idle;
            if seen.as_ref().is_some_and(|seen| seen.is_past(entry.position.xid)) {
                seen = None;
            }
            if seen.as_ref().is_some_and(|seen| seen.sees(entry.position.xid)) {
                self.at = self.at.max(Some(entry.position));
            } else {
                self.send_entry(&entry).await?;
            }
        }
    }

    /// How much is open, if it is not what was told last.
    async fn send_counts(&self, counts: &mut Option<Counts>) -> Result<(), Over> {
        let Some(open) = counts.as_mut().and_then(|counts| counts.news(&self.interest.caller)) else {
            return Ok(());
        };
        let event = pb::Event {
            r#type: KPI_CHANGED,
            event_time: Some(wire::timestamp(self.app.clock.now())),
            actor_user_id: 0,
            resource: Some(pb::event::Resource::Kpi(statistics::kpi(open))),
        };
        self.send(self.at, Item::Event(event)).await
    }

    fn ear(&self) -> Ear<'_> {
        Ear {
            app: &self.app,
            interest: &self.interest,
        }
    }
}

/// The counts of a watch that asked for them.
struct Counts {
    board: tokio::sync::watch::Receiver<Board>,
    told: Option<Open>,
}

impl Counts {
    async fn begin(app: &App) -> Result<Self> {
        let mut board = app.boards.watch(app).await?;
        board.mark_changed();
        Ok(Self { board, told: None })
    }

    /// What the caller sees of them now, unless it was told last.
    fn news(&mut self, caller: &Caller) -> Option<Open> {
        let now = self.board.borrow_and_update().seen_by(caller);
        let news = self.told != Some(now);
        self.told = Some(now);
        news.then_some(now)
    }
}

/// Waits until there are other counts.
async fn changed(counts: &mut Option<Counts>) {
    let still = match counts {
        Some(counts) => counts.board.changed().await.is_ok(),
        None => false,
    };
    if !still {
        std::future::pending::<()>().await;
    }
}

/// Waits for the first reason from outside to end.
pub async fn ends(app: &App, signed_in: &SignedIn, deadline: Option<Instant>) -> EndReason {
    let token = crate::rpc::left(signed_in.until, app.clock.now());
    tokio::select! {
        reason = ends_for_all(app, deadline) => reason,
        () = tokio::time::sleep(token) => EndReason::AuthRevoked,
        () = app.tokens.revocations.end_of(signed_in) => EndReason::AuthRevoked,
    }
}

/// The same for whoever comes without a token that ends.
async fn ends_for_all(app: &App, deadline: Option<Instant>) -> EndReason {
    let deadline = async {
        match deadline {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = app.closing.cancelled() => EndReason::Shutdown,
        () = deadline => EndReason::Deadline,
    }
}

fn dismissed(dismissal: Dismissal) -> EndReason {
    match dismissal {
        Dismissal::Slow => EndReason::SlowConsumer,
        Dismissal::Expired => EndReason::CursorExpired,
    }
}

fn failed(cause: Error) -> Over {
    tracing::error!(%cause, "watch failed");
    Over::Reason(EndReason::Internal)
}

/// The last message of a watch, for a reason.
fn end(reason: EndReason) -> pb::End {
    let (code, message) = match reason {
        EndReason::Unspecified => (Code::Ok, ""),
        EndReason::Shutdown => (Code::Unavailable, "the server is going down; resume from the cursor"),
        EndReason::CursorExpired => (Code::OutOfRange, "the feed was started anew; read a snapshot"),
        EndReason::SlowConsumer => (
            Code::ResourceExhausted,
            "the receiver did not keep up; resume from the cursor",
        ),
        EndReason::AuthRevoked => (Code::Unauthenticated, "the token ended; sign in, then resume from the cursor"),
        EndReason::Deadline => (Code::DeadlineExceeded, "the deadline passed; resume from the cursor"),
        EndReason::Internal => (Code::Internal, "internal error; resume from the cursor"),
    };
    pb::End {
        code: code as i32,
        reason: reason as i32,
        message: message.to_owned(),
    }
}
