//! Rows as a file: JSON Lines, comma-separated values, or a workbook.

use std::{
    fs,
    io::{Seek as _, Write as _},
};

use prost::{Message, Name};
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use rust_xlsxwriter::{Workbook, Worksheet, XlsxError};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    descriptor,
    error::{Error, Language, Result},
    pb::ExportFormat,
};

/// Rows of a sheet, below its header: Excel takes 1,048,576 in all.
const SHEET: u32 = 1_000_000;
/// Batches that wait for a workbook.
const WAITING: usize = 2;
/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A value in a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// None.
    Empty,
    /// Words.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number.
    Real(f64),
    /// Yes or no.
    Flag(bool),
}

/// A column of a table of these things.
pub struct Column<T: 'static> {
    /// Its name in Spanish.
    pub es: &'static str,
    /// Its name in English.
    pub en: &'static str,
    /// Its value.
    pub cell: fn(&T) -> Cell,
}

/// Form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON Lines.
    Jsonl,
    /// Comma-separated values.
    Csv,
    /// A workbook.
    Xlsx,
}

impl Form {
    /// The form of a wire format.
    pub fn of(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Unspecified | ExportFormat::Jsonl => Self::Jsonl,
            ExportFormat::Csv => Self::Csv,
            ExportFormat::Xlsx => Self::Xlsx,
        }
    }

    /// As HTTP names it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// End of a file's name.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}

/// A file that is being written.
pub enum Sheet<T: 'static> {
    /// JSON Lines of messages of this type.
    Lines(MessageDescriptor),
    /// Comma-separated values with these columns, and the language of their header.
    Values(&'static [Column<T>], Language),
    /// A workbook.
    Book(&'static [Column<T>], Book),
}

impl<T: Message + Name> Sheet<T> {
    /// A file of this form; `title` names the sheet of a workbook.
    pub fn new(form: Form, columns: &'static [Column<T>], title: &'static str, language: Language) -> Result<Self> {
        Ok(match form {
            Form::Jsonl => {
                let kind = descriptor::pool().get_message_by_name(&T::full_name());
                Self::Lines(kind.ok_or_else(|| Error::internal("a row is no message of ours"))?)
            }
            Form::Csv => Self::Values(columns, language),
            Form::Xlsx => Self::Book(columns, Book::begin(title, names(columns, language))),
        })
    }

    /// What comes before all rows.
    pub fn head(&self) -> Result<Vec<u8>> {
        match self {
            Self::Lines(_) | Self::Book(..) => Ok(Vec::new()),
            Self::Values(columns, language) => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                writer.write_record(names(columns, *language)).map_err(Error::internal)?;
                writer.into_inner().map_err(Error::internal)
            }
        }
    }

    /// What is to be sent of these rows now.
    pub async fn add(&self, rows: Vec<T>) -> Result<Vec<u8>> {
        match self {
            Self::Lines(kind) => lines(kind, &rows),
            Self::Values(columns, _) => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                for row in &rows {
                    let cells = columns.iter().map(|column| plain((column.cell)(row)));
                    writer.write_record(cells).map_err(Error::internal)?;
                }
                writer.into_inner().map_err(Error::internal)
            }
            Self::Book(columns, book) => {
                let cells = |row: &T| columns.iter().map(|column| (column.cell)(row)).collect();
                book.add(rows.iter().map(cells).collect()).await?;
                Ok(Vec::new())
            }
        }
    }

    /// What comes after all rows; none: everything was sent.
    pub async fn end(self) -> Result<Option<fs::File>> {
        match self {
            Self::Lines(_) | Self::Values(..) => Ok(None),
            Self::Book(_, book) => book.end().await.map(Some),
        }
    }
}

fn names<T>(columns: &[Column<T>], language: Language) -> Vec<&'static str> {
    let name = |column: &Column<T>| match language {
        Language::Es => column.es,
        Language::En => column.en,
    };
    columns.iter().map(name).collect()
}

fn lines<T: Message>(kind: &MessageDescriptor, rows: &[T]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut lines, &json(kind, row)?).map_err(Error::internal)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// A message as JSON with the proto's names, empty fields too.
pub fn json(kind: &MessageDescriptor, message: &impl Message) -> Result<serde_json::Value> {
    let bytes = message.encode_to_vec();
    let message = DynamicMessage::decode(kind.clone(), bytes.as_slice()).map_err(Error::internal)?;
    let form = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &form)
        .map_err(Error::internal)
}

/// A value as text that no spreadsheet takes for a formula.
fn plain(cell: Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => guarded(text),
        Cell::Whole(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Flag(yes) => yes.to_string(),
    }
}

/// Text that no spreadsheet takes for a formula.
pub fn guarded(text: String) -> String {
    if text.starts_with(FORMULA) { format!("'{text}") } else { text }
}

/// The text that [`guarded`] was given, as far as that can be told.
pub fn unguarded(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULA) => rest,
        _ => text,
    }
}

/// A workbook that a thread of its own writes: row by row to a temporary file, as much as there may be.
pub struct Book {
    batches: mpsc::Sender<Vec<Vec<Cell>>>,
    written: JoinHandle<Result<fs::File>>,
}

impl Book {
    fn begin(title: &'static str, names: Vec<&'static str>) -> Self {
        let (batches, receiver) = mpsc::channel(WAITING);
        let written = tokio::task::spawn_blocking(move || write_book(title, &names, receiver));
        Self { batches, written }
    }

    async fn add(&self, rows: Vec<Vec<Cell>>) -> Result<()> {
        let gone = |_| Error::internal("a workbook cannot be written");
        self.batches.send(rows).await.map_err(gone)
    }

    async fn end(self) -> Result<fs::File> {
        drop(self.batches);
        self.written.await.map_err(Error::internal)?
    }
}

fn write_book(title: &str, names: &[&str], mut batches: mpsc::Receiver<Vec<Vec<Cell>>>) -> Result<fs::File> {
    let mut book = Workbook::new();
    let (mut sheets, mut row) = (1, 1);
    let mut sheet = begin_sheet(&mut book, title, names, sheets).map_err(Error::internal)?;
    while let Some(rows) = batches.blocking_recv() {
        for cells in rows {
            if row > SHEET {
                (sheets, row) = (sheets + 1, 1);
                sheet = begin_sheet(&mut book, title, names, sheets).map_err(Error::internal)?;
            }
            write_row(sheet, row, cells).map_err(Error::internal)?;
            row += 1;
        }
    }
    let mut file = tempfile::tempfile().map_err(Error::internal)?;
    book.save_to_writer(&mut file).map_err(Error::internal)?;
    file.flush().map_err(Error::internal)?;
    file.rewind().map_err(Error::internal)?;
    Ok(file)
}

fn begin_sheet<'a>(book: &'a mut Workbook, title: &str, names: &[&str], number: u32) -> Result<&'a mut Worksheet, XlsxError> {
    let sheet = book.add_worksheet_with_constant_memory()?;
    sheet.set_name(if number == 1 {
        title.to_owned()
    } else {
        format!("{title} {number}")
    })?;
    for (column, name) in (0..).zip(names) {
        sheet.write_string(0, column, *name)?;
    }
    Ok(sheet)
}

/// Text is never written as a formula, whatever it begins with.
fn write_row(sheet: &mut Worksheet, row: u32, cells: Vec<Cell>) -> Result<(), XlsxError> {
    for (column, cell) in (0..).zip(cells) {
        match cell {
            Cell::Empty => continue,
            Cell::Text(text) => sheet.write_string(row, column, text)?,
            // A spreadsheet's numbers are floats: what they cannot hold is text.
            Cell::Whole(number) => match i32::try_from(number) {
                Ok(number) => sheet.write_number(row, column, number)?,
                Err(_) => sheet.write_string(row, column, number.to_string())?,
            },
            Cell::Real(number) => sheet.write_number(row, column, number)?,
            Cell::Flag(yes) => sheet.write_boolean(row, column, yes)?,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let text = |text: &str| Cell::Text(text.to_owned());
        for (cell, told) in [
            (text("=1+1"), "'=1+1"),
            (text("@SUM(A1)"), "'@SUM(A1)"),
            (text("+1"), "'+1"),
            (text("-2"), "'-2"),
            (text("\t=1"), "'\t=1"),
            (text("a=1"), "a=1"),
            (Cell::Whole(-3), "-3"),
            (Cell::Real(-74.07), "-74.07"),
            (Cell::Empty, ""),
        ] {
            assert_eq!(plain(cell), told);
        }
    }

    proptest! {
        #[test]
        fn what_was_guarded_comes_back(text in "[-=+@'a ]{0,4}") {
            prop_assume!(!text.starts_with('\'') || !text[1..].starts_with(FORMULA));
            let guarded = guarded(text.clone());
            prop_assert!(!guarded.starts_with(FORMULA));
            prop_assert_eq!(unguarded(&guarded), text);
        }
    }
}
