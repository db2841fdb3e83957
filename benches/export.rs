//! A whole list as a file: rows in a second, and the memory that the server takes for it.

use std::time::Instant;

use anyhow::{Result, ensure};
use gad::pb::{self, ExportFormat, bulk_service_client::BulkServiceClient};
use tonic::Request;

use crate::{
    Bench, city,
    table::{Row, Target},
    tools::psql,
};

/// What one export came to.
struct Run {
    rows_per_second: f64,
    megabytes: f64,
}

/// Exports all tasks and looks at the server's memory at every piece.
async fn export(bench: &Bench, format: ExportFormat) -> Result<Run> {
    let mut bulk = BulkServiceClient::new(bench.great.channel().await?);
    let mut request = Request::new(pb::ExportTasksRequest {
        format: format as i32,
        ..Default::default()
    });
    let bearer = format!("Bearer {}", bench.great_token).parse()?;
    request.metadata_mut().insert("authorization", bearer);
    let before = bench.great.memory()?;
    let begun = Instant::now();
    let (mut most, mut lines) = (before, 0);
    let mut pieces = bulk.export_tasks(request).await?.into_inner();
    while let Some(piece) = pieces.message().await? {
        most = most.max(bench.great.memory()?);
        lines += piece.data.iter().filter(|byte| **byte == b'\n').count();
    }
    let rows = bench.sizes.rows as usize;
    ensure!(
        format == ExportFormat::Xlsx || lines >= rows,
        "{lines} lines are not {rows} rows"
    );
    Ok(Run {
        rows_per_second: rows as f64 / begun.elapsed().as_secs_f64(),
        megabytes: (most - before) / 1e6,
    })
}

/// psql's COPY of the same rows in the same order.
async fn copy(bench: &Bench) -> Result<f64> {
    let begun = Instant::now();
    let statement = "\\copy (select t.*, array(select s.agent_id from assignments s where s.task_id = t.id) from tasks t \
                     where t.delete_time is null order by t.create_time desc, t.id desc) to '/dev/null'";
    psql(&bench.world.database(city::GREAT), statement).await?;
    Ok(f64::from(bench.sizes.rows) / begun.elapsed().as_secs_f64())
}

/// The rows of exports.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (format, name) in [
        (ExportFormat::Csv, "CSV"),
        (ExportFormat::Jsonl, "JSON Lines"),
        (ExportFormat::Xlsx, "XLSX"),
    ] {
        let (mut speeds, mut copies, mut memory) = (vec![], vec![], vec![]);
        for _ in 0..bench.sizes.rounds {
            let run = export(bench, format).await?;
            speeds.push(run.rows_per_second);
            memory.push(run.megabytes);
            copies.push(copy(bench).await?);
        }
        rows.push(
            Row::new(format!("export of {} tasks as {name}", bench.sizes.rows), "rows/s", speeds)
                .limit("psql COPY TO of the same rows", copies),
        );
        rows.push(Row::new(format!("memory for it ({name})"), "MB", memory).target(Target::AtMost(64.0)));
    }
    Ok(rows)
}
