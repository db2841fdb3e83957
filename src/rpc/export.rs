//! PrivacyService: all that is kept of a person, as JSON Lines or as one document.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tonic::{Response, metadata::MetadataValue};

use super::{
    Call, extract,
    privacy::{check_reason, whom_noted},
    watch,
};
use crate::{
    app::App,
    domain::{
        UserId,
        data_map::{self, Table, Told},
    },
    error::{Error, Language, Missing, Result},
    identity::national_id,
    pb::{self, google::api::HttpBody},
    store::{self, Tx},
};

/// Name of the form.
const SCHEMA: &str = "gad.export.v1";
/// Bytes that are sent at a time, nearly.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait for a receiver.
const CHANNEL: usize = 2;

/// How an export is written. The same is said either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON Lines.
    Lines,
    /// One JSON object: the first line, with all rows as its `records`, and their number as `record_count`, in the end.
    Document,
}

impl Form {
    fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Document => "application/json",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Lines => "jsonl",
            Self::Document => "json",
        }
    }
}

/// A stream of chunks.
pub type Export = extract::Pieces;

/// ExportPersonalData.
pub async fn export(app: &Arc<App>, call: &Call, request: pb::ExportPersonalDataRequest, form: Form) -> Result<Response<Export>> {
    let signed_in = call.signed_in()?.clone();
    let user = whom_noted(call, &signed_in.caller, request.user_id)?;
    call.trail.reason(&request.reason);
    check_reason(&signed_in.caller, user, &request.reason)?;
    {
        let conn = app.database.lease().await?;
        store::user::get(&*conn, user).await?.ok_or(Error::NotFound(Missing::User))?;
    }
    let (sender, receiver) = mpsc::channel(CHANNEL);
    let (frozen, begun) = oneshot::channel();
    let (over, outcome) = oneshot::channel();
    let (app, deadline) = (Arc::clone(app), call.deadline);
    tokio::spawn(async move {
        let written = tokio::select! {
            biased;
            reason = watch::ends(&app, &signed_in, deadline) => Err(extract::ended(reason)),
            written = write(&app, user, form, &sender, frozen) => written,
        };
        let _ = over.send(written);
    });
    // What is told is as it was before the call, whose own row of the audit comes when this returns. If it cannot be
    // begun, the stream says why.
    let _ = begun.await;
    let mut response = Response::new(extract::pieces(receiver, outcome, Language::current()));
    let name = format!("attachment; filename=\"gad-{}.{}\"", user.0, form.ending());
    let name = MetadataValue::try_from(name).map_err(Error::internal)?;
    response.metadata_mut().insert("content-disposition", name);
    Ok(response)
}

/// Writes everything, as one snapshot of the database has it.
async fn write(app: &App, user: UserId, form: Form, sender: &mpsc::Sender<HttpBody>, frozen: oneshot::Sender<()>) -> Result<()> {
    // A slow receiver holds a connection: half of them stay for others.
    let _turn = app.snapshots.acquire().await.map_err(Error::internal)?;
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(None).await?;
    tx.freeze().await?;
    store::export::tell_in_utc(&tx).await?;
    let _ = frozen.send(());
    let mut lines = Lines {
        sender,
        form,
        text: String::new(),
        rows: 0,
    };
    lines.head(&head(user, app.clock.now()));
    for table in data_map::tables() {
        let Some(rows) = store::export::Rows::of(&tx, table, user).await? else {
            continue;
        };
        loop {
            let batch = rows.next().await?;
            if batch.is_empty() {
                break;
            }
            for record in batch {
                let record = opened(app, &tx, table, user, record).await?;
                lines.record(table.name, &record).await?;
            }
        }
    }
    lines.end();
    lines.flush().await
}

/// The first line: whose data these are, and what the columns mean.
fn head(user: UserId, now: jiff::Timestamp) -> String {
    let tables = data_map::tables().filter(|table| !table.whose.is_empty()).map(|table| {
        let columns = table.personal.iter().map(|personal| {
            let (name, left) = match personal.told {
                Told::AsIs | Told::AsPlace => (personal.column, None),
                Told::Opened(name) => (name, None),
                Told::Left(why) => (personal.column, Some(why)),
            };
            json!({ "name": name, "kind": format!("{:?}", personal.kind).to_lowercase(), "left_out": left })
        });
        let schema = format!("{SCHEMA}/{}", table.name);
        json!({ "schema": schema, "purpose": table.purpose, "columns": columns.collect::<Vec<_>>() })
    });
    let head = json!({
        "schema": SCHEMA,
        "user_id": user.0,
        "create_time": now.to_string(),
        "tables": tables.collect::<Vec<_>>(),
    });
    head.to_string()
}

/// The record with what the database has sealed.
async fn opened(app: &App, tx: &Tx<'_>, table: &Table, user: UserId, record: String) -> Result<String> {
    let sealed = table.personal.iter().find_map(|personal| match personal.told {
        Told::Opened(name) => Some(name),
        Told::AsIs | Told::AsPlace | Told::Left(_) => None,
    });
    let Some(name) = sealed else { return Ok(record) };
    let mut value: Value = serde_json::from_str(&record).map_err(Error::internal)?;
    value[name] = json!(national_id::of(tx, &app.seal, user).await?);
    Ok(value.to_string())
}

/// Lines on their way to the receiver.
struct Lines<'a> {
    sender: &'a mpsc::Sender<HttpBody>,
    form: Form,
    text: String,
    rows: u64,
}

impl Lines<'_> {
    fn head(&mut self, head: &str) {
        match self.form {
            Form::Lines => self.add(head),
            Form::Document => self.add(&format!("{},\"records\":[", head.strip_suffix('}').unwrap_or(head))),
        }
    }

    async fn record(&mut self, table: &str, record: &str) -> Result<()> {
        let comma = if self.form == Form::Document && self.rows > 0 {
            ","
        } else {
            ""
        };
        self.rows += 1;
        self.add(&format!("{comma}{{\"schema\":\"{SCHEMA}/{table}\",\"record\":{record}}}"));
        if self.text.len() >= CHUNK {
            self.flush().await?;
        }
        Ok(())
    }

    fn end(&mut self) {
        let rows = self.rows;
        match self.form {
            Form::Lines => self.add(&json!({ "schema": format!("{SCHEMA}/end"), "record_count": rows }).to_string()),
            Form::Document => self.add(&format!("],\"record_count\":{rows}}}")),
        }
    }

    fn add(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    async fn flush(&mut self) -> Result<()> {
        let text = std::mem::take(&mut self.text).into_bytes();
        extract::send(self.sender, self.form.content_type(), text).await
    }
}
