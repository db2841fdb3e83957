//! Tasks that are imported from a file.

use gad::{
    codec::Inbound as _,
    domain::UserId,
    pb,
    rpc::{sheet, task_import, task_mask},
};

/// First line: the form. Then the file.
pub fn run(data: &[u8]) {
    let (form, file) = super::line(data);
    let format = if form == b"csv" {
        pb::ImportFormat::Csv
    } else {
        pb::ImportFormat::Jsonl
    };
    let rows = match task_import::read(format, file) {
        Ok(rows) => rows,
        Err(error) => return super::refusal(error),
    };
    assert!((1..=task_import::ROWS).contains(&rows.len()), "{} rows", rows.len());
    for row in rows {
        let task = match row {
            Ok(task) => task,
            Err(error) => {
                super::refusal(error);
                continue;
            }
        };
        let request = pb::CreateTaskRequest {
            task: Some(task.clone()),
            ..Default::default()
        };
        if request.check().is_err() {
            continue;
        }
        match task_mask::plan(task, UserId(1), super::now()) {
            // What it says comes back from a spreadsheet as it was.
            Ok(plan) => {
                let guarded = sheet::guarded(plan.title.clone());
                assert!(!guarded.starts_with(['=', '+', '-', '@', '\t', '\r']), "{guarded:?}");
            }
            Err(error) => super::refusal(error),
        }
    }
}
