//! What is not believed any more although it was signed.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::UserId,
    error::{Error, Result},
};

/// Something that is not believed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// All access tokens of a session.
    Session(Uuid),
    /// An API token.
    ApiToken(i64),
    /// All tokens of a user below a version.
    User {
        /// The user.
        user: UserId,
        /// Least version that is good.
        version: i32,
    },
}

/// What is not believed any more, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Since when.
    pub time: Timestamp,
    /// What.
    pub revoked: Revoked,
}

/// Revokes in the transaction that has the reason for it. The caller reads [`since`] after the commit.
pub async fn add(tx: &Tx<'_>, revoked: Revoked, now: Timestamp) -> Result<()> {
    let (session, api_token, user, version) = match revoked {
        Revoked::Session(id) => (Some(id), None, None, None),
        Revoked::ApiToken(id) => (None, Some(id), None, None),
        Revoked::User { user, version } => (None, None, Some(user.0), Some(version)),
    };
    tx.run(
        "insert into revocations (time, session_id, api_token_id, user_id, version) values ($1, $2, $3, $4, $5)",
        &[&now, &session, &api_token, &user, &version],
    )
    .await?;
    Ok(())
}

/// Rows of transactions from `floor` on, and the floor for the next time: the oldest transaction that still runs, whose
/// rows cannot be seen yet. Rows beyond it come again, which does no harm.
pub async fn since(on: &impl Query, floor: i64) -> Result<(Vec<Revocation>, i64)> {
    let rows = on
        .rows(
            "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as floor,
                    r.time, r.session_id, r.api_token_id, r.user_id, r.version
             from (select) one left join revocations r on r.xid >= $1",
            &[&floor],
        )
        .await?;
    let next = rows.first().map(|row| row.read("floor")).transpose()?.unwrap_or(floor);
    let revocations = rows.iter().filter_map(|row| decode(row).transpose());
    Ok((revocations.collect::<Result<_>>()?, next))
}

/// The revocation of a row; none of the row that is there when there is none.
fn decode(row: &Row) -> Result<Option<Revocation>> {
    let Some(time) = row.read("time")? else { return Ok(None) };
    let session: Option<Uuid> = row.read("session_id")?;
    let api_token: Option<i64> = row.read("api_token_id")?;
    let user: Option<i64> = row.read("user_id")?;
    let version: Option<i32> = row.read("version")?;
    let revoked = match (session, api_token, user.zip(version)) {
        (Some(id), None, None) => Revoked::Session(id),
        (None, Some(id), None) => Revoked::ApiToken(id),
        (None, None, Some((user, version))) => Revoked::User {
            user: UserId(user),
            version,
        },
        _ => return Err(Error::internal("a revocation of nothing, or of several things")),
    };
    Ok(Some(Revocation { time, revoked }))
}

/// Forgets rows older than `before`.
pub async fn forget(on: &impl Query, before: Timestamp) -> Result<u64> {
    on.run("delete from revocations where time < $1", &[&before]).await
}
