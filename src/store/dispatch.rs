//! Dispatch: policies, and what a dispatch asks and writes, in few trips.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

use super::{
    Query, Tx, agent,
    database::Params,
    decode::Column,
    task::{self, Step},
};
use crate::{
    domain::{
        AgentId, Revision, TaskId,
        agent::Agent,
        dispatch::Policy,
        task::{Kind, Task},
    },
    error::{Error, Result},
};

const COLUMNS: &str = "kind, radius_meters, fix_age_seconds, agent_count, exclusive, units, specialties, ranks, strict, \
    mismatch_meters, task_meters, rest_seconds, update_time, revision";

static ALL: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from dispatch_policies order by kind"));

/// All policies, by kind.
pub async fn policies(on: &impl Query) -> Result<Vec<Policy>> {
    on.rows(&ALL, &[]).await?.iter().map(decode).collect()
}

static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from dispatch_policies where kind = $1"));

/// The policy of a kind of task.
pub async fn policy(on: &impl Query, kind: Kind) -> Result<Policy> {
    decode(&on.one(&GET, &[&(kind as i16)]).await?)
}

static OF_TASK: LazyLock<String> =
    LazyLock::new(|| format!("select {COLUMNS} from dispatch_policies where kind = (select kind from tasks where id = $1)"));

/// Locks a task as [`task::lock`] does; gives it as it is then, deleted or not, and the policy of its kind.
pub async fn hold(tx: &Tx<'_>, id: TaskId) -> Result<Option<(Task, Policy)>> {
    let answers = tx
        .batch(&[
            (task::LOCK, &[&task::LOCK_CLASS, &id.0]),
            (&task::GET, &[&id.0]),
            (&OF_TASK, &[&id.0]),
        ])
        .await?;
    let [_, task, policy] = answers.as_slice() else {
        return Err(Error::internal("three statements were asked"));
    };
    match (task.first(), policy.first()) {
        (Some(task), Some(policy)) => Ok(Some((task::decode(task)?, decode(policy)?))),
        _ => Ok(None),
    }
}

/// Puts agents on a task, all locked, as its next version; gives it and them as they are then. `occupying`: they are at work
/// on it, or claimed for it, from now on. `step` is what their history says of each.
pub async fn send(
    tx: &Tx<'_>,
    task: TaskId,
    crew: &[AgentId],
    (exclusive, occupying): (bool, bool),
    step: &Step,
) -> Result<(Task, Vec<Agent>)> {
    let agents: Vec<i64> = crew.iter().map(|agent| agent.0).collect();
    let Step {
        id: _,
        action,
        from,
        to,
        user,
        agent: _,
        reason,
        time,
    } = step;
    let (action, from, to) = (
        action.map_or(0, |action| action as i16),
        from.map_or(0, |state| state as i16),
        *to as i16,
    );
    let user = user.map(|user| user.0);
    // As in `agent::find`: one by its number is planned once.
    let known: (&'static str, Params<'_>) = match agents.as_slice() {
        [agent] => (&agent::GET, &[agent]),
        _ => (&agent::FIND, &[&agents]),
    };
    let answers = tx
        .batch(&[
            (
                "insert into assignments (task_id, agent_id, exclusive, occupying, create_time)
                 select $1, agent, $3, $4, $5 from unnest($2::bigint[]) agent",
                &[&task.0, &agents, &exclusive, &occupying, time],
            ),
            (
                "insert into task_history (task_id, action, from_state, to_state, user_id, agent_id, reason, create_time)
                 select $1, $2, $3, $4, $5, agent, $7, $8 from unnest($6::bigint[]) agent",
                &[&task.0, &action, &from, &to, &user, &agents, reason, time],
            ),
            (
                "update tasks set update_time = $2, revision = revision + 1 where id = $1",
                &[&task.0, time],
            ),
            (&task::GET, &[&task.0]),
            (agent::TOUCH, &[&agents, &occupying, time]),
            known,
        ])
        .await?;
    let [_, _, _, task, _, agents] = answers.as_slice() else {
        return Err(Error::internal("six statements were asked"));
    };
    let task = task.first().ok_or_else(|| Error::internal("a locked task is gone"))?;
    Ok((task::decode(task)?, agents.iter().map(agent::decode).collect::<Result<_>>()?))
}

static LOCKED: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from dispatch_policies where kind = $1 for update"));

/// The policy of a kind of task, which nobody else changes before this transaction ends.
pub async fn locked(tx: &Tx<'_>, kind: Kind) -> Result<Policy> {
    decode(&tx.one(&LOCKED, &[&(kind as i16)]).await?)
}

static SAVE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "update dispatch_policies
         set radius_meters = $2, fix_age_seconds = $3, agent_count = $4, exclusive = $5, units = $6, specialties = $7,
             ranks = $8, strict = $9, mismatch_meters = $10, task_meters = $11, rest_seconds = $12, update_time = $13,
             revision = revision + 1
         where kind = $1 returning {COLUMNS}"
    )
});

/// Writes a policy as its next version, and reads it back.
pub async fn save(tx: &Tx<'_>, policy: &Policy, now: Timestamp) -> Result<Policy> {
    let Policy {
        kind,
        radius_meters,
        max_fix_age,
        agent_count,
        exclusive,
        units,
        specialties,
        ranks,
        strict,
        mismatch_meters,
        task_meters,
        min_rest,
        updated: _,
        revision: _,
    } = policy;
    let row = tx
        .one(
            &SAVE,
            &[
                &(*kind as i16),
                &radius_meters.unwrap_or_default(),
                &max_fix_age.as_secs(),
                &i32::try_from(*agent_count).map_err(Error::internal)?,
                exclusive,
                units,
                specialties,
                ranks,
                strict,
                mismatch_meters,
                task_meters,
                &min_rest.as_secs(),
                &now,
            ],
        )
        .await?;
    decode(&row)
}

fn decode(row: &Row) -> Result<Policy> {
    let radius: f64 = row.read("radius_meters")?;
    Ok(Policy {
        kind: row.read_enum("kind", Kind::of)?,
        radius_meters: (radius > 0.0).then_some(radius),
        max_fix_age: SignedDuration::from_secs(row.read("fix_age_seconds")?),
        agent_count: usize::try_from(row.read::<i32>("agent_count")?).map_err(Error::internal)?,
        exclusive: row.read("exclusive")?,
        units: row.read("units")?,
        specialties: row.read("specialties")?,
        ranks: row.read("ranks")?,
        strict: row.read("strict")?,
        mismatch_meters: row.read("mismatch_meters")?,
        task_meters: row.read("task_meters")?,
        min_rest: SignedDuration::from_secs(row.read("rest_seconds")?),
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}
