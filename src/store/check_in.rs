//! Check-ins and their policies. Rows begin and end with the tasks', by a trigger.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

use super::{Query, Tx, conditions::seen, decode::Column};
use crate::{
    domain::{
        AgentId, EmergencyId, Revision, TaskId, UserId, ZoneId,
        access::Sight,
        check_in::{CheckIn, Policy, State},
        plan::{Kind, Priority},
    },
    error::{Error, Result},
};

const COLUMNS: &str = "c.id, c.task_id, c.agent_id, a.user_id, c.state, c.due_time, c.check_time, c.emergency_id, c.create_time, \
    c.update_time, c.revision, t.zone_id, t.kind, t.priority, array[t.creator_user_id, t.delegate_user_id] \
    || array(select m.user_id from assignments s join agents m on m.id = s.agent_id where s.task_id = t.id order by s.agent_id) as audience \
    from check_ins c join tasks t on t.id = c.task_id join agents a on a.id = c.agent_id";

static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} where c.task_id = $1 and c.agent_id = $2"));

/// The check-in of an agent on a task.
pub async fn get(on: &impl Query, task: TaskId, agent: AgentId) -> Result<Option<CheckIn>> {
    on.row(&GET, &[&task.0, &agent.0]).await?.as_ref().map(decode).transpose()
}

/// Whose time is over.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// The task.
    pub task: TaskId,
    /// The agent.
    pub agent: AgentId,
    /// The agent's user.
    pub user: UserId,
}

/// Whose time is over, the earliest first.
pub async fn due(on: &impl Query, now: Timestamp, limit: i64) -> Result<Vec<Due>> {
    let rows = on
        .rows(
            "select c.task_id, c.agent_id, a.user_id from check_ins c join agents a on a.id = c.agent_id
             where c.due_time <= $1 order by c.due_time limit $2",
            &[&now, &limit],
        )
        .await?;
    let due = |row: &Row| {
        Ok(Due {
            task: TaskId(row.read("task_id")?),
            agent: AgentId(row.read("agent_id")?),
            user: UserId(row.read("user_id")?),
        })
    };
    rows.iter().map(due).collect()
}

/// The check-in of an agent on a running task, which begins now if it has not yet.
pub async fn begun(tx: &Tx<'_>, task: TaskId, agent: AgentId, now: Timestamp) -> Result<CheckIn> {
    tx.run(
        "insert into check_ins (task_id, agent_id, create_time, update_time) values ($1, $2, $3, $3)
         on conflict on constraint check_ins_task_agent_key do nothing",
        &[&task.0, &agent.0, &now],
    )
    .await?;
    let begun = get(tx, task, agent).await?;
    begun.ok_or_else(|| Error::internal("a check-in is gone"))
}

/// Writes how a check-in stands as its next version, and reads it back.
pub async fn save(tx: &Tx<'_>, check_in: &CheckIn, now: Timestamp) -> Result<CheckIn> {
    let CheckIn {
        id,
        task,
        agent,
        state,
        due,
        last,
        emergency,
        ..
    } = check_in;
    tx.run(
        "update check_ins set state = $2, due_time = $3, check_time = $4, emergency_id = $5, update_time = $6,
                revision = revision + 1
         where id = $1",
        &[id, &(*state as i16), due, last, &emergency.map(|emergency| emergency.0), &now],
    )
    .await?;
    let saved = get(tx, *task, *agent).await?;
    saved.ok_or_else(|| Error::internal("a check-in is gone"))
}

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {COLUMNS}
         where c.id < $1 and ($2::bigint = 0 or c.task_id = $2) and (c.state > 1 or not $3)
           and ($4::bigint is null or t.creator_user_id = $4 or t.delegate_user_id = $4 or t.zone_id = any($5)
                or exists (select from assignments s join agents m on m.id = s.agent_id where s.task_id = t.id and m.user_id = $4))
         order by c.id desc limit $6"
    )
});

/// Check-ins before number `before`, the latest first: of one task if told, missed ones if told, those that somebody sees
/// if told.
pub async fn page(
    on: &impl Query,
    before: i64,
    task: TaskId,
    missed: bool,
    sight: Option<&Sight>,
    limit: i64,
) -> Result<Vec<CheckIn>> {
    let (user, zones) = seen(sight);
    let rows = on.rows(&PAGE, &[&before, &task.0, &missed, &user, &zones, &limit]).await?;
    rows.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<CheckIn> {
    Ok(CheckIn {
        id: row.read("id")?,
        task: TaskId(row.read("task_id")?),
        agent: AgentId(row.read("agent_id")?),
        user: UserId(row.read("user_id")?),
        state: row.read_enum("state", State::of)?,
        due: row.read("due_time")?,
        last: row.read("check_time")?,
        emergency: row.read::<Option<i64>>("emergency_id")?.map(EmergencyId),
        zone: row.read::<Option<i64>>("zone_id")?.map(ZoneId),
        audience: row.read::<Vec<i64>>("audience")?.into_iter().map(UserId).collect(),
        class: Some((row.read_enum("kind", Kind::of)?, row.read_enum("priority", Priority::of)?)),
        created: row.read("create_time")?,
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}

const POLICY: &str = "kind, interval_seconds, grace_seconds, sos, update_time, revision";

static POLICIES: LazyLock<String> = LazyLock::new(|| format!("select {POLICY} from check_in_policies order by kind"));

/// All policies, by kind.
pub async fn policies(on: &impl Query) -> Result<Vec<Policy>> {
    on.rows(&POLICIES, &[]).await?.iter().map(decode_policy).collect()
}

static GET_POLICY: LazyLock<String> = LazyLock::new(|| format!("select {POLICY} from check_in_policies where kind = $1"));

/// The policy of a kind of task.
pub async fn policy(on: &impl Query, kind: Kind) -> Result<Policy> {
    decode_policy(&on.one(&GET_POLICY, &[&(kind as i16)]).await?)
}

static LOCK_POLICY: LazyLock<String> =
    LazyLock::new(|| format!("select {POLICY} from check_in_policies where kind = $1 for update"));

/// The policy of a kind of task, which nobody else changes before this transaction ends.
pub async fn locked(tx: &Tx<'_>, kind: Kind) -> Result<Policy> {
    decode_policy(&tx.one(&LOCK_POLICY, &[&(kind as i16)]).await?)
}

static SAVE_POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "update check_in_policies
         set interval_seconds = $2, grace_seconds = $3, sos = $4, update_time = $5, revision = revision + 1
         where kind = $1 returning {POLICY}"
    )
});

/// Writes a policy as its next version, and reads it back.
pub async fn save_policy(tx: &Tx<'_>, policy: &Policy, now: Timestamp) -> Result<Policy> {
    let Policy {
        kind,
        interval,
        grace,
        sos,
        updated: _,
        revision: _,
    } = policy;
    let seconds = |length: &SignedDuration| i32::try_from(length.as_secs()).map_err(Error::internal);
    let row = tx
        .one(
            &SAVE_POLICY,
            &[&(*kind as i16), &seconds(interval)?, &seconds(grace)?, sos, &now],
        )
        .await?;
    decode_policy(&row)
}

fn decode_policy(row: &Row) -> Result<Policy> {
    let seconds = |column| Ok::<_, Error>(SignedDuration::from_secs(row.read::<i32>(column)?.into()));
    Ok(Policy {
        kind: row.read_enum("kind", Kind::of)?,
        interval: seconds("interval_seconds")?,
        grace: seconds("grace_seconds")?,
        sos: row.read("sos")?,
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}
