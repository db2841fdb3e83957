//! Tasks, who is on them, and their history.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    Query, Tx,
    decode::{Column, Place, milliseconds},
};
use crate::{
    domain::{
        AgentId, Revision, TaskId, UserId, ZoneId,
        access::Sight,
        task::{Action, Assignment, Kind, Plan, Priority, Progress, State, Task},
    },
    error::{Error, Result},
};

/// Columns of a task and who is on it, for a table or alias `t`.
pub const COLUMNS: &str = "t.id, t.uid, t.code, t.title, t.description, t.kind, t.priority, t.state, \
    t.planned_start_time, t.planned_end_time, t.actual_start_time, t.actual_end_time, t.pause_start_time, t.paused_ms, \
    t.location, t.location_description, t.zone_id, t.delegate_user_id, t.creator_user_id, t.reopened_from, \
    t.create_time, t.update_time, t.delete_time, t.revision, \
    array(select s.agent_id from assignments s where s.task_id = t.id order by s.agent_id) as agent_ids, \
    array(select a.user_id from assignments s join agents a on a.id = s.agent_id where s.task_id = t.id order by s.agent_id) as agent_user_ids";

static FIND: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from tasks t where t.id = any($1)"));

/// Class of the advisory locks that order changes of one task.
pub(super) const LOCK_CLASS: i32 = 1;

/// What [`lock`] asks.
pub(super) const LOCK: &str = "select pg_advisory_xact_lock_shared(5, 0), pg_advisory_xact_lock($1, hashint8($2))";

/// Waits until no other transaction changes this task. Comes before everything else in a transaction:
/// it takes no transaction number, so numbers follow the order of the changes (see `outbox`). No zone changes either.
pub async fn lock(tx: &Tx<'_>, id: TaskId) -> Result<()> {
    tx.run_sql(LOCK, &[&LOCK_CLASS, &id.0]).await
}

/// Locks a task as [`lock`] does, unless another transaction changes it now; says whether.
pub async fn try_lock(tx: &Tx<'_>, id: TaskId) -> Result<bool> {
    tx.run_sql("select pg_advisory_xact_lock_shared(5, 0)", &[]).await?;
    tx.one(
        "select pg_try_advisory_xact_lock($1, hashint8($2)) as locked",
        &[&LOCK_CLASS, &id.0],
    )
    .await?
    .read("locked")
}

/// Tasks by number, deleted ones too; those that are not there are left out.
pub async fn find(on: &impl Query, ids: &[TaskId]) -> Result<Vec<Task>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    on.rows(&FIND, &[&ids]).await?.iter().map(decode).collect()
}

/// By one number, which needs no new plan each time as an array does.
pub(super) static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from tasks t where t.id = $1"));

/// A task by number, deleted or not.
pub async fn get(on: &impl Query, id: TaskId) -> Result<Option<Task>> {
    on.row(&GET, &[&id.0]).await?.as_ref().map(decode).transpose()
}

static OPEN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {COLUMNS} from tasks t where t.state <= 3 and t.delete_time is null and t.id > $1
           and ($2::bigint is null or t.creator_user_id = $2 or t.delegate_user_id = $2 or t.zone_id = any($4)
                or exists (select from assignments s join agents a on a.id = s.agent_id where s.task_id = t.id and a.user_id = $2))
         order by t.id limit $3"
    )
});

/// Open tasks by number, after number `after`; only those that somebody sees, if told.
pub async fn open_after(on: &impl Query, after: i64, sight: Option<&Sight>, limit: i64) -> Result<Vec<Task>> {
    let (user, zones) = super::conditions::seen(sight);
    on.rows(&OPEN, &[&after, &user, &limit, &zones])
        .await?
        .iter()
        .map(decode)
        .collect()
}

static BY_CODE: LazyLock<String> =
    LazyLock::new(|| format!("select {COLUMNS} from tasks t where t.code = any($1) and t.delete_time is null order by t.code"));

/// A task that was not deleted by its code, as it is written or in capitals.
pub async fn by_code(on: &impl Query, code: &str) -> Result<Option<Task>> {
    let codes = [code.to_ascii_uppercase(), code.to_owned()];
    on.rows(&BY_CODE, &[&codes.as_slice()]).await?.first().map(decode).transpose()
}

/// Whether a task has this code, deleted or not.
pub async fn has_code(on: &impl Query, code: &str) -> Result<bool> {
    on.one("select exists (select from tasks where code = $1) as taken", &[&code])
        .await?
        .read("taken")
}

/// A new task.
#[derive(Debug)]
pub struct Draft {
    /// Outside name.
    pub uid: Uuid,
    /// What people set; an empty code makes one from the number.
    pub plan: Plan,
    /// Who creates it.
    pub creator: UserId,
    /// The task it carries on.
    pub reopened_from: Option<TaskId>,
    /// When.
    pub now: Timestamp,
}

/// Adds a scheduled task.
pub async fn insert(tx: &Tx<'_>, draft: &Draft) -> Result<Task> {
    let Draft {
        uid,
        plan,
        creator,
        reopened_from,
        now,
    } = draft;
    let row = tx
        .one(
            "with n as (select nextval(pg_get_serial_sequence('tasks', 'id')) as id),
                  c as (select n.id, coalesce(nullif($2, ''), 'T-' || n.id) as code from n)
             insert into tasks (id, uid, code, title, description, kind, priority, state, planned_start_time, planned_end_time,
                                location, location_description, delegate_user_id, creator_user_id, reopened_from,
                                create_time, update_time)
             select c.id, $1::uuid,
                    case when $2 = '' and exists (select from tasks x where x.code = c.code)
                         then c.code || '-' || left(md5($1::uuid::text), 6) else c.code end,
                    $3, $4, $5, $6, 1, $7, $8, $9, $10, $11, $12, $13, $14, $14
             from c returning id",
            &[
                uid,
                &plan.code,
                &plan.title,
                &plan.description,
                &(plan.kind as i16),
                &(plan.priority as i16),
                &plan.planned_start,
                &plan.planned_end,
                &plan.location.map(Place),
                &plan.location_description,
                &plan.delegate.0,
                &creator.0,
                &reopened_from.map(|id| id.0),
                now,
            ],
        )
        .await?;
    let id = TaskId(row.read("id")?);
    get(tx, id).await?.ok_or_else(|| Error::internal("a new task is gone"))
}

/// Writes plan, progress and deletion of a task as its next version, and reads it back.
pub async fn save(tx: &Tx<'_>, task: &Task, now: Timestamp) -> Result<Task> {
    let Task {
        id,
        plan,
        progress,
        deleted,
        ..
    } = task;
    let changed = tx
        .run(
            "update tasks set code = $2, title = $3, description = $4, kind = $5, priority = $6, planned_start_time = $7,
                    planned_end_time = $8, location = $9, location_description = $10, delegate_user_id = $11,
                    state = $12, actual_start_time = $13, actual_end_time = $14, pause_start_time = $15, paused_ms = $16,
                    delete_time = $17, update_time = $18, revision = revision + 1
             where id = $1",
            &[
                &id.0,
                &plan.code,
                &plan.title,
                &plan.description,
                &(plan.kind as i16),
                &(plan.priority as i16),
                &plan.planned_start,
                &plan.planned_end,
                &plan.location.map(Place),
                &plan.location_description,
                &plan.delegate.0,
                &(progress.state() as i16),
                &progress.started(),
                &progress.ended(),
                &progress.pause_started(),
                &milliseconds(progress.paused()),
                deleted,
                &now,
            ],
        )
        .await?;
    if changed != 1 {
        return Err(Error::internal("a locked task is gone"));
    }
    get(tx, *id).await?.ok_or_else(|| Error::internal("a locked task is gone"))
}

/// Puts an agent on a task. `occupying`: the agent is at work on it, or claimed for it, from now on.
pub async fn assign(tx: &Tx<'_>, task: TaskId, agent: AgentId, exclusive: bool, occupying: bool, now: Timestamp) -> Result<()> {
    tx.run(
        "insert into assignments (task_id, agent_id, exclusive, occupying, create_time) values ($1, $2, $3, $4, $5)",
        &[&task.0, &agent.0, &exclusive, &occupying, &now],
    )
    .await?;
    Ok(())
}

/// Takes an agent off a task; false if it was not on it.
pub async fn unassign(tx: &Tx<'_>, task: TaskId, agent: AgentId) -> Result<bool> {
    let gone = tx
        .run(
            "delete from assignments where task_id = $1 and agent_id = $2",
            &[&task.0, &agent.0],
        )
        .await?;
    Ok(gone == 1)
}

/// Makes the agents of a task occupied or free, as its state has it; exclusive claims last while it is open.
pub async fn occupy(tx: &Tx<'_>, task: &Task) -> Result<()> {
    let open = task.deleted.is_none() && task.state().is_open();
    let working = open && task.state().occupies();
    tx.run(
        "update assignments set occupying = ($2 or (exclusive and $3))
         where task_id = $1 and occupying <> ($2 or (exclusive and $3))",
        &[&task.id.0, &working, &open],
    )
    .await?;
    Ok(())
}

/// A step that a task took.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Number; 0 before it is stored.
    pub id: i64,
    /// The step; none for the creation.
    pub action: Option<Action>,
    /// State before; none for the creation.
    pub from: Option<State>,
    /// State after.
    pub to: State,
    /// Who did it; none: the system.
    pub user: Option<UserId>,
    /// The agent concerned.
    pub agent: Option<AgentId>,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
}

/// Adds a step to a task's history.
pub async fn add_step(tx: &Tx<'_>, task: TaskId, step: &Step) -> Result<()> {
    let Step {
        id: _,
        action,
        from,
        to,
        user,
        agent,
        reason,
        time,
    } = step;
    tx.run(
        "insert into task_history (task_id, action, from_state, to_state, user_id, agent_id, reason, create_time)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            &task.0,
            &action.map_or(0, |action| action as i16),
            &from.map_or(0, |state| state as i16),
            &(*to as i16),
            &user.map(|user| user.0),
            &agent.map(|agent| agent.0),
            reason,
            time,
        ],
    )
    .await?;
    Ok(())
}

/// Keeps with the last step of a task when it happened by the clock of who took it; none: nothing is kept.
pub async fn report_time(tx: &Tx<'_>, task: TaskId, reported: Option<Timestamp>) -> Result<()> {
    if reported.is_some() {
        tx.run(
            "update task_history set reported_time = $2 where id = (select max(id) from task_history where task_id = $1)",
            &[&task.0, &reported],
        )
        .await?;
    }
    Ok(())
}

/// Steps of a task after step number `after`, oldest first, and when they happened by the clock of who took them offline.
pub async fn history(on: &impl Query, task: TaskId, after: i64, limit: i64) -> Result<Vec<(Step, Option<Timestamp>)>> {
    let rows = on
        .rows(
            "select id, action, from_state, to_state, user_id, agent_id, reason, create_time, reported_time
             from task_history where task_id = $1 and id > $2 order by id limit $3",
            &[&task.0, &after, &limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let step = Step {
                id: row.read("id")?,
                action: Action::of(row.read::<i16>("action")?.into()),
                from: State::of(row.read::<i16>("from_state")?.into()),
                to: row.read_enum("to_state", State::of)?,
                user: row.read::<Option<i64>>("user_id")?.map(UserId),
                agent: row.read::<Option<i64>>("agent_id")?.map(AgentId),
                reason: row.read("reason")?,
                time: row.read("create_time")?,
            };
            Ok((step, row.read("reported_time")?))
        })
        .collect()
}

/// A task from a row with [`COLUMNS`].
pub fn decode(row: &Row) -> Result<Task> {
    let agents: Vec<i64> = row.read("agent_ids")?;
    let users: Vec<i64> = row.read("agent_user_ids")?;
    Ok(Task {
        id: TaskId(row.read("id")?),
        uid: row.read("uid")?,
        plan: Plan {
            code: row.read("code")?,
            title: row.read("title")?,
            description: row.read("description")?,
            kind: row.read_enum("kind", Kind::of)?,
            priority: row.read_enum("priority", Priority::of)?,
            planned_start: row.read("planned_start_time")?,
            planned_end: row.read("planned_end_time")?,
            location: row.read::<Option<Place>>("location")?.map(|place| place.0),
            location_description: row.read("location_description")?,
            delegate: UserId(row.read("delegate_user_id")?),
        },
        progress: decode_progress(row)?,
        creator: UserId(row.read("creator_user_id")?),
        zone: row.read::<Option<i64>>("zone_id")?.map(ZoneId),
        assignments: agents
            .into_iter()
            .zip(users)
            .map(|(agent, user)| Assignment {
                agent: AgentId(agent),
                user: UserId(user),
            })
            .collect(),
        reopened_from: row.read::<Option<i64>>("reopened_from")?.map(TaskId),
        created: row.read("create_time")?,
        updated: row.read("update_time")?,
        deleted: row.read("delete_time")?,
        revision: Revision(row.read("revision")?),
    })
}

fn decode_progress(row: &Row) -> Result<Progress> {
    let started: Option<Timestamp> = row.read("actual_start_time")?;
    let ended: Option<Timestamp> = row.read("actual_end_time")?;
    let since: Option<Timestamp> = row.read("pause_start_time")?;
    let paused = SignedDuration::from_millis(row.read("paused_ms")?);
    let state = row.read_enum("state", State::of)?;
    Ok(match (state, started, ended, since) {
        (State::Scheduled, None, None, None) => Progress::Scheduled,
        (State::InProgress, Some(started), None, None) => Progress::InProgress { started, paused },
        (State::Paused, Some(started), None, Some(since)) => Progress::Paused { started, since, paused },
        (State::Finished, Some(started), Some(ended), None) => Progress::Finished { started, ended, paused },
        (State::Cancelled, started, Some(ended), None) => Progress::Cancelled { started, ended, paused },
        _ => return Err(Error::internal("a task's times do not fit its state")),
    })
}
