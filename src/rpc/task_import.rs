//! BulkService: tasks from a file.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use prost_reflect::DynamicMessage;
use serde_json::Value;
use tonic::{Response, Status, Streaming, metadata::MetadataValue};

use super::{
    Call,
    change::{Change, REPLAYED, tried},
    columns, extract, refusal,
    sheet::unguarded,
    task, watch,
};
use crate::{
    app::App,
    codec::Inbound as _,
    descriptor,
    error::{Error, Result},
    pb::{self, ImportFormat, ImportedRowStatus, google::api::HttpBody},
    store,
};

/// Most bytes of a file.
const BYTES: usize = 10 * 1024 * 1024;
/// Most rows of a file.
pub const ROWS: usize = 5000;

/// Most rows that are created all or nothing.
const WHOLE: usize = 500;
/// Rows that are created at a time.
const SOME: usize = 100;
/// Most letters of a code.
const CODE: usize = 50;

/// ImportTasks.
pub async fn import(
    app: &App,
    call: &Call,
    requests: Streaming<pb::ImportTasksRequest>,
) -> Result<Response<pb::ImportTasksResponse>, Status> {
    let request = gather(app, call, requests).await?;
    Ok(create(app, call, request).await?)
}

/// The whole file in one message; what comes so slowly that it never ends, ends with the deadline, the token, or the server.
async fn gather(
    app: &App,
    call: &Call,
    mut requests: Streaming<pb::ImportTasksRequest>,
) -> Result<pb::ImportTasksRequest, Status> {
    let mut whole: Option<pb::ImportTasksRequest> = None;
    loop {
        let ends = watch::ends(app, call.signed_in()?, call.deadline);
        let message = tokio::select! {
            biased;
            message = requests.message() => message?,
            reason = ends => return Err(extract::ended(reason).into()),
        };
        let Some(message) = message else { break };
        match &mut whole {
            None => whole = Some(message),
            Some(whole) => {
                let piece = message.file.unwrap_or_default();
                whole.file.get_or_insert_default().data.extend(piece.data);
            }
        }
        let bytes = whole
            .as_ref()
            .and_then(|whole| whole.file.as_ref())
            .map_or(0, |file| file.data.len());
        if bytes > BYTES {
            return Err(wrong("tiene más de 10 MiB", "has more than 10 MiB").into());
        }
    }
    Ok(whole.unwrap_or_default())
}

fn wrong(es: &str, en: &str) -> Error {
    Error::invalid("file", es, en)
}

async fn create(app: &App, call: &Call, request: pb::ImportTasksRequest) -> Result<Response<pb::ImportTasksResponse>> {
    let Some(file) = &request.file else {
        return Err(Error::required("file"));
    };
    let rows = read(format(&request, file)?, &file.data)?;
    if request.all_or_nothing && rows.len() > WHOLE {
        return Err(wrong(
            "tiene más de 500 filas, que es lo más que se crea todo o nada",
            "has more than 500 rows, which is the most that is created all or nothing",
        ));
    }
    let whole = if request.all_or_nothing { WHOLE } else { SOME };
    let mut batch = Batch {
        kind: pb::ImportTasksRequest {
            file: Some(HttpBody {
                data: digest(&SHA256, &file.data).as_ref().to_vec(),
                ..HttpBody::default()
            }),
            ..request.clone()
        },
        number: 0,
        tried: BTreeSet::new(),
    };
    let (mut sum, mut replayed) = (pb::ImportTasksResponse::default(), true);
    let mut rows = (1..).zip(rows).peekable();
    while rows.peek().is_some() {
        let some: Vec<_> = rows.by_ref().take(whole).collect();
        let (told, answer, _) = batch.create(app, call, some).await?.into_parts();
        replayed &= told.contains_key(REPLAYED);
        sum.rows.extend(answer.rows);
        sum.created_count += answer.created_count;
        sum.existing_count += answer.existing_count;
        sum.refused_count += answer.refused_count;
        sum.applied |= answer.applied;
    }
    let mut response = Response::new(sum);
    if replayed {
        response.metadata_mut().insert(REPLAYED, MetadataValue::from_static("true"));
    }
    Ok(response)
}

/// Rows that are created in one transaction: few, since nobody hears of anything that happens until it is over.
struct Batch {
    /// What was asked for, with the hash of the file.
    kind: pb::ImportTasksRequest,
    /// Which of them; each is done once.
    number: usize,
    /// Codes of rows that were only tried.
    tried: BTreeSet<String>,
}

impl Batch {
    async fn create(
        &mut self,
        app: &App,
        call: &Call,
        rows: Vec<(i32, Result<pb::Task>)>,
    ) -> Result<Response<pb::ImportTasksResponse>> {
        self.number += 1;
        let request_id = match self.kind.request_id.as_str() {
            "" => String::new(),
            name => format!("{name}/{}", self.number),
        };
        let validate_only = self.kind.validate_only;
        let mut conn = app.database.lease().await?;
        let asked = tried("ImportTasks", &request_id, validate_only);
        let mut change = Change::begin(app, call, &mut conn, asked, &self.kind).await?;
        if let Some(answer) = change.replay().await? {
            return Ok(answer);
        }
        let mut answer = pb::ImportTasksResponse::default();
        for (number, row) in rows {
            let mut row = one(app, &mut change, number, row, &self.tried).await?;
            match row.status() {
                ImportedRowStatus::Created => answer.created_count += 1,
                ImportedRowStatus::Existing => answer.existing_count += 1,
                _ => answer.refused_count += 1,
            }
            if validate_only {
                row.task_id = 0;
                self.tried.insert(row.code.clone());
            }
            answer.rows.push(row);
        }
        if self.kind.all_or_nothing && answer.refused_count > 0 {
            return Ok(change.forgo(undone(answer)));
        }
        answer.applied = !validate_only && answer.created_count > 0;
        change.commit(answer).await
    }
}

/// What becomes of a row; only what says nothing of it fails the whole.
async fn one(
    app: &App,
    change: &mut Change<'_>,
    number: i32,
    row: Result<pb::Task>,
    tried: &BTreeSet<String>,
) -> Result<pb::ImportedRow> {
    let part = change.begin_part().await?;
    let mut told = pb::ImportedRow {
        row: number,
        code: row.as_ref().map(|task| cut(&task.code)).unwrap_or_default(),
        ..Default::default()
    };
    let made = async {
        let request = pb::CreateTaskRequest {
            task: Some(row?),
            ..Default::default()
        };
        request.check()?;
        let code = &told.code;
        if !code.is_empty() && (tried.contains(code) || store::task::has_code(change.tx(), code).await?) {
            return Err(Error::CodeTaken);
        }
        task::begin(app, change, request.task.unwrap_or_default()).await
    };
    match made.await {
        Ok(task) => {
            let task = super::wire::task(&task, &change.caller, change.now);
            change.keep_part(&task).await?;
            told.status = ImportedRowStatus::Created as i32;
            told.task_id = task.id;
            told.code = task.code;
        }
        Err(error) => {
            let refused = refusal::expect(error)?;
            change.undo_part(part, None).await?;
            told.status = match refused {
                Error::CodeTaken => ImportedRowStatus::Existing as i32,
                _ => ImportedRowStatus::Refused as i32,
            };
            told.refusal = (told.status() == ImportedRowStatus::Refused).then(|| of_row(&refused));
        }
    }
    Ok(told)
}

/// As much of a code as a task's may have.
fn cut(code: &str) -> String {
    code.chars().take(CODE).collect()
}

/// The refusal of a row: its fields are those of the task.
fn of_row(error: &Error) -> pb::Refusal {
    let mut refusal = refusal::of(error);
    if let Some(field) = refusal.field.strip_prefix("task.") {
        refusal.field = field.to_owned();
    }
    refusal
}

fn undone(mut answer: pb::ImportTasksResponse) -> pb::ImportTasksResponse {
    for row in &mut answer.rows {
        if row.status() == ImportedRowStatus::Created {
            row.status = ImportedRowStatus::Undone as i32;
            row.task_id = 0;
        }
    }
    answer.created_count = 0;
    answer
}

fn format(request: &pb::ImportTasksRequest, file: &HttpBody) -> Result<ImportFormat> {
    let told = file.content_type.split(';').next().unwrap_or_default().trim();
    match (request.format(), told) {
        (ImportFormat::Unspecified, "text/csv") => Ok(ImportFormat::Csv),
        (ImportFormat::Unspecified, "application/x-ndjson" | "application/jsonl") => Ok(ImportFormat::Jsonl),
        (ImportFormat::Unspecified, _) => Err(Error::required("format")),
        (format, _) => Ok(format),
    }
}

/// The tasks of a file, row by row; what is wrong with one says nothing of the others.
pub fn read(format: ImportFormat, bytes: &[u8]) -> Result<Vec<Result<pb::Task>>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let rows = match format {
        ImportFormat::Csv => read_values(bytes)?,
        ImportFormat::Jsonl | ImportFormat::Unspecified => read_lines(bytes)?,
    };
    if rows.is_empty() {
        return Err(wrong("no tiene ninguna fila", "has no rows"));
    }
    Ok(rows)
}

fn too_many() -> Error {
    wrong("tiene más de 5000 filas", "has more than 5000 rows")
}

fn read_lines(bytes: &[u8]) -> Result<Vec<Result<pb::Task>>> {
    let kind = descriptor::pool().get_message_by_name("gad.v1.Task");
    let kind = kind.ok_or_else(|| Error::internal("Task is no message"))?;
    let unreadable = |cause: &dyn std::fmt::Display| {
        wrong(
            &format!("la línea no se puede leer: {cause}"),
            &format!("the line cannot be read: {cause}"),
        )
    };
    let mut rows = Vec::new();
    for line in bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
    {
        if rows.len() == ROWS {
            return Err(too_many());
        }
        let task = serde_json::from_slice::<Value>(line)
            .map_err(|cause| unreadable(&cause))
            .and_then(|value| DynamicMessage::deserialize(kind.clone(), value).map_err(|cause| unreadable(&cause)))
            .and_then(|message| message.transcode_to::<pb::Task>().map_err(|cause| unreadable(&cause)));
        rows.push(task);
    }
    Ok(rows)
}

fn read_values(bytes: &[u8]) -> Result<Vec<Result<pb::Task>>> {
    let head = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // What spreadsheets write where the comma is the decimal point.
    let delimiter = if head.contains(&b';') && !head.contains(&b',') {
        b';'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(bytes);
    let unreadable = |cause: csv::Error| {
        wrong(
            &format!("la fila no se puede leer: {cause}"),
            &format!("the row cannot be read: {cause}"),
        )
    };
    let names = reader.headers().map_err(unreadable)?.clone();
    let names = names.iter().map(column).collect::<Result<Vec<_>>>()?;
    let mut rows = Vec::new();
    for record in reader.records() {
        if rows.len() == ROWS {
            return Err(too_many());
        }
        let task = record.map_err(unreadable).and_then(|record| {
            let mut task = pb::Task::default();
            for (name, value) in names.iter().zip(&record) {
                set(&mut task, name, unguarded(value))?;
            }
            Ok(task)
        });
        rows.push(task);
    }
    Ok(rows)
}

/// The English name of a column that a header names in either language.
fn column(name: &str) -> Result<&'static str> {
    let name = unguarded(name.trim()).to_lowercase();
    let known = columns::TASKS.iter().find(|column| column.en == name || column.es == name);
    known.map(|column| column.en).ok_or_else(|| {
        wrong(
            &format!("no hay ninguna columna «{name}»"),
            &format!("there is no column `{name}`"),
        )
    })
}

/// Puts a value of a table into a task; what is output is passed over.
fn set(task: &mut pb::Task, name: &'static str, value: &str) -> Result<()> {
    if value.is_empty() {
        return Ok(());
    }
    match name {
        "code" => value.clone_into(&mut task.code),
        "title" => value.clone_into(&mut task.title),
        "description" => value.clone_into(&mut task.description),
        "location_description" => value.clone_into(&mut task.location_description),
        "kind" => {
            let kind = pb::TaskKind::from_str_name(&named(value, columns::KIND));
            task.kind = kind.ok_or_else(|| unknown(name))? as i32;
        }
        "priority" => {
            let priority = pb::TaskPriority::from_str_name(&named(value, columns::PRIORITY));
            task.priority = priority.ok_or_else(|| unknown(name))? as i32;
        }
        "planned_start_time" => task.planned_start_time = Some(time(name, value)?),
        "planned_end_time" => task.planned_end_time = Some(time(name, value)?),
        "latitude" => task.location.get_or_insert_default().latitude = degrees(name, value)?,
        "longitude" => task.location.get_or_insert_default().longitude = degrees(name, value)?,
        "delegate_user_id" => {
            let wrong = |_| Error::invalid(name, "no es un número", "is not a number");
            task.delegate_user_id = value.parse().map_err(wrong)?;
        }
        _ => {}
    }
    Ok(())
}

/// The name of an enum's value, said whole or without its prefix.
fn named(value: &str, prefix: &str) -> String {
    let value = value.to_uppercase();
    if value.starts_with(prefix) {
        value
    } else {
        format!("{prefix}{value}")
    }
}

fn unknown(name: &str) -> Error {
    Error::invalid(name, "no es uno de los valores admitidos", "is not one of the known values")
}

fn time(name: &str, value: &str) -> Result<prost_types::Timestamp> {
    let wrong = |_| {
        Error::invalid(
            name,
            "no es una fecha RFC 3339 con zona, como 2026-05-01T08:00:00-05:00",
            "is not an RFC 3339 time with its zone, such as 2026-05-01T08:00:00-05:00",
        )
    };
    value.parse().map(super::wire::timestamp).map_err(wrong)
}

fn degrees(name: &str, value: &str) -> Result<f64> {
    let wrong = || {
        Error::invalid(
            name,
            "no es un número con punto decimal",
            "is not a number with a decimal point",
        )
    };
    let degrees: f64 = value.parse().map_err(|_| wrong())?;
    if degrees.is_finite() { Ok(degrees) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Vec<Result<pb::Task>> {
        read(ImportFormat::Csv, text.as_bytes()).expect("a file")
    }

    #[test]
    fn headers_may_be_spanish_or_english_and_separated_either_way() {
        for text in [
            "titulo,tipo,latitud\nRonda,patrol,4.5\n",
            "\u{feff}title;kind;latitude\nRonda;TASK_KIND_PATROL;4.5\n",
            "Title,Kind,latitude,late\r\n\"Ronda\",PATROL,4.5,true\r\n",
        ] {
            let rows = csv(text);
            let task = rows[0].as_ref().expect("a task");
            assert_eq!((task.title.as_str(), task.kind()), ("Ronda", pb::TaskKind::Patrol), "{text}");
            assert!((task.location.expect("a place").latitude - 4.5).abs() < 1e-9);
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_hinders_no_other() {
        let rows = csv("title,kind\na,PATROL\nb\n\"c\nd\",PATROL\ne,NAP\nf,PATROL\n");
        let read: Vec<bool> = rows.iter().map(Result::is_ok).collect();
        assert_eq!(read, [true, false, true, false, true]);
    }

    #[test]
    fn files_that_are_none_are_refused() {
        for wrong in ["", "title,kind\n", "title,colour\na,b\n"] {
            assert!(read(ImportFormat::Csv, wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(read(ImportFormat::Jsonl, b"\n \n").is_err());
    }

    #[test]
    fn more_rows_than_there_may_be_are_refused() {
        let many = "title\n".to_owned() + &"x\n".repeat(ROWS + 1);
        assert!(read(ImportFormat::Csv, many.as_bytes()).is_err());
        let lines = "{}\n".repeat(ROWS + 1);
        assert!(read(ImportFormat::Jsonl, lines.as_bytes()).is_err());
    }
}
