//! Answers to mutations that carried a request id, kept in the transaction of the mutation.

use jiff::Timestamp;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::UserId,
    error::{Error, Result},
};

/// A request that wants to happen once.
#[derive(Debug)]
pub struct Ticket<'a> {
    /// Who asks.
    pub user: UserId,
    /// The caller's name for the request.
    pub request_id: &'a str,
    /// RPC.
    pub method: &'a str,
    /// SHA-256 of the request.
    pub hash: &'a [u8],
}

/// Claims the request id, or gives the answer that the same request got before.
/// Waits for the same request under way elsewhere.
pub async fn claim(tx: &Tx<'_>, ticket: &Ticket<'_>, now: Timestamp) -> Result<Option<Vec<u8>>> {
    let Ticket {
        user,
        request_id,
        method,
        hash,
    } = ticket;
    let claimed = tx
        .run(
            "insert into replays (user_id, request_id, method, request_hash, response, create_time)
             values ($1, $2, $3, $4, '', $5) on conflict do nothing",
            &[&user.0, request_id, method, hash, &now],
        )
        .await?;
    if claimed == 1 {
        return Ok(None);
    }
    let row = tx
        .one(
            "select method, request_hash, response from replays where user_id = $1 and request_id = $2",
            &[&user.0, request_id],
        )
        .await?;
    if row.read::<&str>("method")? != *method || row.read::<&[u8]>("request_hash")? != *hash {
        return Err(Error::RequestIdReused);
    }
    Ok(Some(row.read("response")?))
}

/// Keeps the answer to a claimed request.
pub async fn keep(tx: &Tx<'_>, ticket: &Ticket<'_>, response: &[u8]) -> Result<()> {
    tx.run(
        "update replays set response = $3 where user_id = $1 and request_id = $2",
        &[&ticket.user.0, &ticket.request_id, &response],
    )
    .await?;
    Ok(())
}
