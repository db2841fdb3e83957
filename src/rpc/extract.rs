//! BulkService: lists as files, as one snapshot of the database has them, never more than a batch of rows in memory.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use prost::{Message, Name};
use tokio::{
    io::AsyncReadExt as _,
    sync::{mpsc, oneshot},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, metadata::MetadataValue};

use super::{
    Call, agent_read, columns,
    sheet::{Column, Form, Sheet},
    task_read, watch, wire,
};
use crate::{
    app::App,
    domain::{access::Caller, emergency::Stage, lens::Lens},
    error::{Error, LANGUAGE, Language, Result},
    pb::{self, EndReason, google::api::HttpBody},
    store::{self, Tx, task_list::Order},
};

/// Rows read at a time, where the database keeps no place.
const PAGE: i64 = 500;
/// Bytes of a finished file that are sent at a time.
const CHUNK: usize = 64 * 1024;
/// Pieces that wait for a receiver.
const CHANNEL: usize = 2;
/// Longest that a receiver may leave a piece unread: the database ends a transaction that is idle for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pieces of a file.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<HttpBody, Status>> + Send>>;

/// Where the rows of a file come from.
trait Source: Send + 'static {
    /// A row.
    type Row: Message + Name + Send + Sync;
    /// Name of the file and its sheet, in Spanish and English.
    const NAME: (&'static str, &'static str);
    /// Columns of its table.
    const COLUMNS: &'static [Column<Self::Row>];
    /// The next rows; empty: there are no more.
    fn next(&mut self, tx: &Tx<'_>) -> impl Future<Output = Result<Vec<Self::Row>>> + Send;
}

struct Tasks {
    filter: store::task_list::Filter,
    order: Order,
    caller: Caller,
    now: Timestamp,
    rows: Option<store::task_list::Rows>,
}

impl Source for Tasks {
    type Row = pb::Task;
    const NAME: (&'static str, &'static str) = ("tareas", "tasks");
    const COLUMNS: &'static [Column<pb::Task>] = columns::TASKS;

    async fn next(&mut self, tx: &Tx<'_>) -> Result<Vec<pb::Task>> {
        let rows = match &self.rows {
            Some(rows) => rows,
            None => self
                .rows
                .insert(store::task_list::Rows::of(tx, &self.filter, self.order).await?),
        };
        let rows = rows.next(tx).await?;
        Ok(rows.iter().map(|task| wire::task(task, &self.caller, self.now)).collect())
    }
}

struct Agents {
    filter: store::agent_list::Filter,
    lens: Lens,
    after: Option<i64>,
}

impl Source for Agents {
    type Row = pb::Agent;
    const NAME: (&'static str, &'static str) = ("agentes", "agents");
    const COLUMNS: &'static [Column<pb::Agent>] = columns::AGENTS;

    async fn next(&mut self, tx: &Tx<'_>) -> Result<Vec<pb::Agent>> {
        while let Some(after) = self.after {
            let rows = store::agent_list::page(tx, &self.filter, after, PAGE).await?;
            self.after = rows.last().map(|agent| agent.id.0);
            let shown = rows.iter().filter(|agent| self.filter.holds(agent));
            let shown: Vec<pb::Agent> = shown.map(|agent| wire::agent(agent, self.lens)).collect();
            if !shown.is_empty() {
                return Ok(shown);
            }
        }
        Ok(Vec::new())
    }
}

struct Emergencies {
    open_only: bool,
    caller: Caller,
    before: i64,
}

impl Source for Emergencies {
    type Row = pb::Emergency;
    const NAME: (&'static str, &'static str) = ("emergencias", "emergencies");
    const COLUMNS: &'static [Column<pb::Emergency>] = columns::EMERGENCIES;

    async fn next(&mut self, tx: &Tx<'_>) -> Result<Vec<pb::Emergency>> {
        let (sight, called) = (self.caller.sight(), Stage::calling(self.caller.level));
        let rows = store::emergency::page(tx, self.before, self.open_only, sight.as_ref(), called, PAGE).await?;
        self.before = rows.last().map_or(self.before, |emergency| emergency.id.0);
        Ok(rows.iter().map(wire::emergency).collect())
    }
}

/// ExportTasks.
pub async fn tasks(app: &Arc<App>, call: &Call, request: pb::ExportTasksRequest) -> Result<Response<Pieces>> {
    let caller = call.caller()?;
    call.trail.request(&request);
    let form = Form::of(request.format());
    let source = Tasks {
        filter: task_read::filter(request.filter.unwrap_or_default(), &caller)?,
        order: task_read::order(&request.order_by)?,
        caller,
        now: app.clock.now(),
        rows: None,
    };
    export(app, call, source, form).await
}

/// ExportAgents.
pub async fn agents(app: &Arc<App>, call: &Call, request: pb::ExportAgentsRequest) -> Result<Response<Pieces>> {
    let caller = call.caller()?;
    call.trail.request(&request);
    let form = Form::of(request.format());
    let lens = app.precision.lens(&caller);
    let source = Agents {
        filter: agent_read::filter(request.filter.unwrap_or_default(), &caller, lens)?,
        lens,
        after: Some(0),
    };
    export(app, call, source, form).await
}

/// ExportEmergencies.
pub async fn emergencies(app: &Arc<App>, call: &Call, request: pb::ExportEmergenciesRequest) -> Result<Response<Pieces>> {
    call.trail.request(&request);
    let form = Form::of(request.format());
    let source = Emergencies {
        open_only: request.open_only,
        caller: call.caller()?,
        before: i64::MAX,
    };
    export(app, call, source, form).await
}

async fn export<S: Source>(app: &Arc<App>, call: &Call, source: S, form: Form) -> Result<Response<Pieces>> {
    let signed_in = call.signed_in()?.clone();
    let language = Language::current();
    let (es, en) = S::NAME;
    let title = match language {
        Language::Es => es,
        Language::En => en,
    };
    let (sender, receiver) = mpsc::channel(CHANNEL);
    let (frozen, begun) = oneshot::channel();
    let (over, outcome) = oneshot::channel();
    let (app, deadline) = (Arc::clone(app), call.deadline);
    tokio::spawn(async move {
        let file = Sheet::new(form, S::COLUMNS, title, language);
        let written = tokio::select! {
            biased;
            reason = watch::ends(&app, &signed_in, deadline) => Err(ended(reason)),
            written = write(&app, source, file, form, &sender, frozen) => written,
        };
        let _ = over.send(written);
    });
    // What is told is as it was when this returns. If it cannot be begun, the stream says why.
    let _ = begun.await;
    let mut response = Response::new(pieces(receiver, outcome, language));
    let name = format!("attachment; filename=\"{title}.{}\"", form.ending());
    let name = MetadataValue::try_from(name).map_err(Error::internal)?;
    response.metadata_mut().insert("content-disposition", name);
    Ok(response)
}

/// The pieces of a file, and an error at its end unless it is whole: whatever happened, it is told.
pub fn pieces(receiver: mpsc::Receiver<HttpBody>, outcome: oneshot::Receiver<Result<()>>, language: Language) -> Pieces {
    let end = async move {
        let error = match outcome.await {
            Ok(Ok(())) => return None,
            Ok(Err(error)) => error,
            Err(_) => Error::internal("a file was given up"),
        };
        Some(Err(LANGUAGE.sync_scope(language, || Status::from(error))))
    };
    let end = stream::once(end).filter_map(std::future::ready);
    Box::pin(ReceiverStream::new(receiver).map(Ok).chain(end))
}

/// Why a file breaks off.
pub fn ended(reason: EndReason) -> Error {
    match reason {
        EndReason::Deadline => Error::Deadline,
        EndReason::AuthRevoked => Error::SignedOut,
        _ => Error::Down("the server is going down".to_owned()),
    }
}

async fn write<S: Source>(
    app: &App,
    source: S,
    file: Result<Sheet<S::Row>>,
    form: Form,
    sender: &mpsc::Sender<HttpBody>,
    frozen: oneshot::Sender<()>,
) -> Result<()> {
    let file = file?;
    // The first piece says what the file is, though there may be nothing in it.
    send(sender, form.content_type(), file.head()?).await?;
    read(app, source, &file, form, sender, frozen).await?;
    let Some(done) = file.end().await? else { return Ok(()) };
    let mut done = tokio::fs::File::from_std(done);
    loop {
        let mut piece = Vec::with_capacity(CHUNK);
        (&mut done)
            .take(CHUNK as u64)
            .read_to_end(&mut piece)
            .await
            .map_err(Error::internal)?;
        if piece.is_empty() {
            return Ok(());
        }
        send(sender, form.content_type(), piece).await?;
    }
}

/// Adds all rows of one snapshot of the database to a file.
async fn read<S: Source>(
    app: &App,
    mut source: S,
    file: &Sheet<S::Row>,
    form: Form,
    sender: &mpsc::Sender<HttpBody>,
    frozen: oneshot::Sender<()>,
) -> Result<()> {
    // A slow receiver holds a connection: half of them stay for others.
    let _turn = app.snapshots.acquire().await.map_err(Error::internal)?;
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(None).await?;
    tx.freeze().await?;
    let mut frozen = Some(frozen);
    loop {
        let rows = source.next(&tx).await?;
        // The first read has fixed what is told.
        frozen.take().map(|frozen| frozen.send(()));
        if rows.is_empty() {
            return Ok(());
        }
        let piece = file.add(rows).await?;
        if !piece.is_empty() {
            send(sender, form.content_type(), piece).await?;
        }
    }
}

/// Sends a piece to somebody who listens.
pub async fn send(sender: &mpsc::Sender<HttpBody>, content_type: &str, data: Vec<u8>) -> Result<()> {
    let piece = HttpBody {
        content_type: content_type.to_owned(),
        data,
        extensions: Vec::new(),
    };
    match tokio::time::timeout(PATIENCE, sender.send(piece)).await {
        Ok(Ok(())) => Ok(()),
        // Nobody listens any more, or not quickly enough to keep a connection for them.
        Ok(Err(_)) | Err(_) => Err(Error::Overloaded),
    }
}
