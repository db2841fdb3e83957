//! Zones.

use super::{
    Query, Tx,
    decode::{Column, Ring},
};
use crate::{
    domain::{ZoneId, geo::Point},
    error::Result,
};

/// A named area.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Number.
    pub id: ZoneId,
    /// Short code.
    pub code: String,
    /// Name.
    pub display_name: String,
    /// Outer ring, closed.
    pub boundary: Vec<Point>,
}

/// All zones by code.
pub async fn list(on: &impl Query) -> Result<Vec<Zone>> {
    let rows = on
        .rows("select id, code, display_name, boundary from zones order by code", &[])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Zone {
                id: ZoneId(row.read("id")?),
                code: row.read("code")?,
                display_name: row.read("display_name")?,
                boundary: row.read::<Ring>("boundary")?.0,
            })
        })
        .collect()
}

/// Adds a zone from a closed ring.
pub async fn insert(tx: &Tx<'_>, code: &str, display_name: &str, boundary: Vec<Point>) -> Result<ZoneId> {
    let row = tx
        .one(
            "insert into zones (code, display_name, boundary) values ($1, $2, $3) returning id",
            &[&code, &display_name, &Ring(boundary)],
        )
        .await?;
    Ok(ZoneId(row.read("id")?))
}
