//! AuditService: the audit as a file, page by page, so that no file is too long.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, TryStreamExt as _, stream};
use prost_reflect::MessageDescriptor;
use tokio::time::Instant;
use tonic::{Response, Status, metadata::MetadataValue};

use super::{
    Call,
    audit::{entry, filter},
    sheet::{guarded, json},
};
use crate::{
    app::App,
    descriptor,
    domain::audit::Row,
    error::{Error, Result},
    identity::SignedIn,
    pb::{self, AuditFormat, google::api::HttpBody},
    store::{
        self,
        audit_list::{Filter, Key},
    },
};

/// Rows in a piece.
const PAGE: i64 = 500;

/// Pieces of a file.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<HttpBody, Status>> + Send>>;

/// An export under way.
struct Export {
    app: Arc<App>,
    filter: Filter,
    form: Form,
    /// The last row that was sent.
    after: Option<Key>,
    begun: bool,
    over: bool,
    deadline: Option<Instant>,
    signed_in: SignedIn,
}

/// ExportAuditEntries.
pub fn export(app: &Arc<App>, call: &Call, request: pb::ExportAuditEntriesRequest) -> Result<Response<Pieces>> {
    let signed_in = call.signed_in()?.clone();
    call.trail.request(&request);
    let now = app.clock.now();
    let format = request.format();
    let mut filter = filter(request.filter.unwrap_or_default())?;
    // What is written while it is read is not part of it, or it would never end.
    filter.until = Some(filter.until.map_or(now, |until| until.min(now)));
    let export = Export {
        app: Arc::clone(app),
        filter,
        form: Form::of(format)?,
        after: None,
        begun: false,
        over: false,
        deadline: call.deadline,
        signed_in,
    };
    let file = export.form.file();
    let pieces = stream::try_unfold(export, Export::next).map_err(Status::from);
    let mut response: Response<Pieces> = Response::new(Box::pin(pieces));
    let name = MetadataValue::try_from(format!("attachment; filename=\"{file}\"")).map_err(Error::internal)?;
    response.metadata_mut().insert("content-disposition", name);
    Ok(response)
}

impl Export {
    async fn next(mut self) -> Result<Option<(HttpBody, Self)>> {
        if self.over {
            return Ok(None);
        }
        self.check().await?;
        let rows = {
            let conn = self.app.database.lease().await?;
            store::audit_list::page(&*conn, &self.filter, false, self.after, PAGE).await?
        };
        self.over = rows.len() < usize::try_from(PAGE).unwrap_or_default();
        self.after = rows.last().map(store::audit_list::key).or(self.after);
        let piece = HttpBody {
            content_type: self.form.content_type().to_owned(),
            data: self.form.write(&rows, !self.begun)?,
            extensions: Vec::new(),
        };
        self.begun = true;
        Ok(Some((piece, self)))
    }

    /// A file goes no further than the deadline, the caller's token, and the server. What is not whole ends in an error.
    async fn check(&self) -> Result<()> {
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(Error::Deadline);
        }
        let over = self.signed_in.until <= self.app.clock.now();
        let revocations = &self.app.tokens.revocations;
        if over || !revocations.believes(&self.signed_in, &self.app.database).await? {
            return Err(Error::SignedOut);
        }
        if self.app.closing.is_cancelled() {
            return Err(Error::Down("the server is going down".to_owned()));
        }
        Ok(())
    }
}

/// Form of a file.
enum Form {
    Jsonl(MessageDescriptor),
    Csv(MessageDescriptor),
}

impl Form {
    fn of(format: AuditFormat) -> Result<Self> {
        let kind = descriptor::pool().get_message_by_name("gad.v1.AuditEntry");
        let kind = kind.ok_or_else(|| Error::internal("AuditEntry is no message"))?;
        Ok(match format {
            AuditFormat::Unspecified | AuditFormat::Jsonl => Self::Jsonl(kind),
            AuditFormat::Csv => Self::Csv(kind),
        })
    }

    fn file(&self) -> &'static str {
        match self {
            Self::Jsonl(_) => "audit.jsonl",
            Self::Csv(_) => "audit.csv",
        }
    }

    fn content_type(&self) -> &'static str {
        match self {
            Self::Jsonl(_) => "application/x-ndjson",
            Self::Csv(_) => "text/csv; charset=utf-8",
        }
    }

    fn write(&self, rows: &[Row], first: bool) -> Result<Vec<u8>> {
        match self {
            Self::Jsonl(kind) => {
                let mut lines = Vec::new();
                for row in rows {
                    serde_json::to_writer(&mut lines, &json(kind, &entry(row))?).map_err(Error::internal)?;
                    lines.push(b'\n');
                }
                Ok(lines)
            }
            Self::Csv(kind) => csv_lines(kind, rows, first),
        }
    }
}

fn csv_lines(kind: &MessageDescriptor, rows: &[Row], first: bool) -> Result<Vec<u8>> {
    let mut names: Vec<_> = kind.fields().collect();
    names.sort_by_key(prost_reflect::FieldDescriptor::number);
    let mut writer = csv::Writer::from_writer(Vec::new());
    if first {
        writer
            .write_record(names.iter().map(prost_reflect::FieldDescriptor::name))
            .map_err(Error::internal)?;
    }
    for row in rows {
        let value = json(kind, &entry(row))?;
        let cells = names.iter().map(|field| cell(&value[field.name()]));
        writer.write_record(cells).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(Error::internal)
}

/// A value as text that no spreadsheet takes for a formula.
fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => guarded(text.clone()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (value, text) in [
            (json!("=1+1"), "'=1+1"),
            (json!("@SUM(A1)"), "'@SUM(A1)"),
            (json!("+1"), "'+1"),
            (json!("-2"), "'-2"),
            (json!("\t=1"), "'\t=1"),
            (json!("a=1"), "a=1"),
            (json!(-3), "-3"),
            (json!(null), ""),
            (json!([]), "[]"),
        ] {
            assert_eq!(cell(&value), text);
        }
    }
}
