//! Drops the rows of days that were kept long enough, each with a row that tells of it.

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::Audit;
use crate::{
    domain::audit::{Entry, RETENTION, day},
    error::{Error, Result},
    store::{self, Conn},
};

impl Audit {
    /// Drops the rows of all days before that of `before`; says how many days. Whoever reads them at the moment keeps them
    /// until another time. The rows that tell of it have this request id.
    pub async fn retire(&self, conn: &mut Conn, before: Timestamp, request_id: Uuid, now: Timestamp) -> Result<i64> {
        let mut dropped = 0;
        for day in store::audit::kept_before(&*conn, day(before)).await? {
            match self.drop_rows(conn, day, request_id, now).await {
                Ok(mine) => dropped += i64::from(mine),
                Err(Error::Deadline) => {
                    tracing::warn!(%day, "audit rows are dropped later: somebody reads them");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(dropped)
    }

    /// Whether it dropped the rows of a day, and nobody else did.
    async fn drop_rows(&self, conn: &mut Conn, day: Date, request_id: Uuid, now: Timestamp) -> Result<bool> {
        let tx = conn.begin(None).await?;
        let known = store::audit::hold(&tx, day).await?;
        if known.is_none_or(|known| known.dropped_by.is_some()) {
            return Ok(false);
        }
        let detail = serde_json::json!({ "ends": self.ends(&tx, day).await? }).to_string();
        let entry = Entry::by_system(RETENTION, format!("day/{day}"), detail, request_id, now);
        let mut seat = self.seat(&tx, now).await?;
        store::audit::drop_rows(&tx, day, seat.next()?).await?;
        self.append(&tx, &mut seat, vec![entry], &[]).await?;
        tx.commit().await?;
        seat.settle()?;
        tracing::info!(%day, "audit rows dropped");
        Ok(true)
    }
}
