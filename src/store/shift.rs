//! Shifts: when agents were on duty, so that a fix that comes late is taken only if it was made in one.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{AgentId, agent::Fix},
    error::Result,
};

/// Writes down the shift that an agent is about to end, if it is in one.
pub async fn end(tx: &Tx<'_>, agent: AgentId, now: Timestamp) -> Result<()> {
    tx.run(
        "insert into shifts (agent_id, start_time, end_time) select id, duty_time, $2 from agents
         where id = $1 and duty <> 3 and duty_time < $2 on conflict do nothing",
        &[&agent.0, &now],
    )
    .await?;
    Ok(())
}

/// Those of the fixes that were made in a shift that is over.
pub async fn within(on: &impl Query, fixes: impl Iterator<Item = &Fix>) -> Result<BTreeSet<(AgentId, Timestamp)>> {
    let (agents, times): (Vec<i64>, Vec<Timestamp>) = fixes.map(|fix| (fix.agent.0, fix.time)).unzip();
    if agents.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = on
        .rows(
            "select k.agent_id, k.fix_time from unnest($1::bigint[], $2::timestamptz[]) k (agent_id, fix_time)
             where exists (select from shifts s
                           where s.agent_id = k.agent_id and s.start_time <= k.fix_time and s.end_time > k.fix_time)",
            &[&agents, &times],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((AgentId(row.read("agent_id")?), row.read("fix_time")?)))
        .collect()
}

/// Since when an agent is off duty; none: it is on duty.
pub async fn off_since(on: &impl Query, agent: AgentId) -> Result<Option<Timestamp>> {
    let row = on
        .row("select duty_time from agents where id = $1 and duty = 3", &[&agent.0])
        .await?;
    row.map(|row| row.read("duty_time")).transpose()
}
