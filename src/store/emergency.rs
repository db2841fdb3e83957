//! Emergencies, what happened to them, and the plan of escalation.

use std::{collections::HashMap, sync::LazyLock};

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    Query, Tx,
    conditions::seen,
    decode::{Column, Place},
};
use crate::{
    domain::{
        AgentId, EmergencyId, Revision, TaskId, UserId, ZoneId,
        access::Sight,
        emergency::{Emergency, Outcome, Plan, Source, Stage, State, Step, StepKind},
        geo::Point,
    },
    error::{Error, Result},
};

/// Steps of one emergency that are told; a person's doing adds one, so nobody makes more.
const STEPS: i64 = 500;

const COLUMNS: &str = "e.id, e.uid, e.task_id, e.reporter_user_id, e.source, e.location, e.description, e.state, e.stage, \
    e.called, e.repeats, e.due_time, e.outcome, e.create_time, e.update_time, e.revision, t.zone_id, \
    array(select s.agent_id from assignments s where s.task_id = t.id order by s.agent_id) as agent_ids, \
    array(select a.user_id from assignments s join agents a on a.id = s.agent_id where s.task_id = t.id order by s.agent_id) as agent_user_ids";

static FIND: LazyLock<String> = LazyLock::new(|| {
    format!("select {COLUMNS} from emergencies e join tasks t on t.id = e.task_id where e.id = any($1) order by e.id")
});

/// Emergencies by number, ascending; those that are not there are left out.
pub async fn find(on: &impl Query, ids: &[EmergencyId]) -> Result<Vec<Emergency>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = on.rows(&FIND, &[&ids]).await?;
    with_steps(on, &rows).await
}

/// An emergency by number.
pub async fn get(on: &impl Query, id: EmergencyId) -> Result<Option<Emergency>> {
    Ok(find(on, &[id]).await?.pop())
}

/// The emergency that a task is for.
pub async fn of_task(on: &impl Query, task: TaskId) -> Result<Option<EmergencyId>> {
    let row = on.row("select id from emergencies where task_id = $1", &[&task.0]).await?;
    row.map(|row| Ok(EmergencyId(row.read("id")?))).transpose()
}

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {COLUMNS} from emergencies e join tasks t on t.id = e.task_id
         where e.id < $1 and (e.state < 5 or not $2)
           and ($3::bigint is null or e.stage >= $5 or e.reporter_user_id = $3 or t.zone_id = any($4)
                or exists (select from assignments s join agents a on a.id = s.agent_id where s.task_id = t.id and a.user_id = $3))
         order by e.id desc limit $6"
    )
});

/// Emergencies before number `before`, the latest first; only those that somebody sees, if told, who sees all that are
/// at this stage or further.
pub async fn page(
    on: &impl Query,
    before: i64,
    open: bool,
    sight: Option<&Sight>,
    stage: Stage,
    limit: i64,
) -> Result<Vec<Emergency>> {
    let (user, zones) = seen(sight);
    let rows = on
        .rows(&PAGE, &[&before, &open, &user, &zones, &(stage as i16), &limit])
        .await?;
    with_steps(on, &rows).await
}

/// Whose time is over, the earliest first: the emergency and its task.
pub async fn due(on: &impl Query, now: Timestamp, limit: i64) -> Result<Vec<(EmergencyId, TaskId)>> {
    let rows = on
        .rows(
            "select id, task_id from emergencies where due_time <= $1 order by due_time limit $2",
            &[&now, &limit],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((EmergencyId(row.read("id")?), TaskId(row.read("task_id")?))))
        .collect()
}

/// Class of the advisory locks that order the reports of one person.
const LOCK_CLASS: i32 = 6;

/// Who reports: a user, and for whom, if that is somebody else; the mark is a keyed hash, or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reporter {
    /// The user.
    pub user: UserId,
    /// What tells apart for whom it is.
    pub mark: String,
}

/// Waits until nobody else reports in this person's name. Comes before everything else.
pub async fn lock_reporter(tx: &Tx<'_>, reporter: &Reporter) -> Result<()> {
    tx.run_sql(
        "select pg_advisory_xact_lock($1, hashint8($2) # hashtext($3))",
        &[&LOCK_CLASS, &reporter.user.0, &reporter.mark],
    )
    .await
}

/// The latest open emergency that a person has reported since then.
pub async fn reported(on: &impl Query, reporter: &Reporter, since: Timestamp) -> Result<Option<(EmergencyId, TaskId)>> {
    let row = on
        .row(
            "select id, task_id from emergencies
             where reporter_user_id = $1 and reporter_mark = $3 and create_time >= $2 and state < 5
             order by id desc limit 1",
            &[&reporter.user.0, &since, &reporter.mark],
        )
        .await?;
    row.map(|row| Ok((EmergencyId(row.read("id")?), TaskId(row.read("task_id")?))))
        .transpose()
}

/// Who was sent first of those who are on an emergency, and how far from the place they are, in metres.
pub async fn first_sent(on: &impl Query, id: EmergencyId) -> Result<Option<(AgentId, f64)>> {
    let row = on
        .row(
            "select s.agent_id, coalesce(st_distance(t.location, l.location, true), 0) as meters
             from emergencies e join tasks t on t.id = e.task_id join assignments s on s.task_id = t.id
             left join agent_locations l on l.agent_id = s.agent_id
             where e.id = $1 order by s.create_time, s.agent_id limit 1",
            &[&id.0],
        )
        .await?;
    row.map(|row| Ok((AgentId(row.read("agent_id")?), row.read("meters")?)))
        .transpose()
}

/// A new emergency.
#[derive(Debug)]
pub struct Draft {
    /// Outside name.
    pub uid: Uuid,
    /// The task it is worked on by.
    pub task: TaskId,
    /// Who reports it.
    pub reporter: Reporter,
    /// From where.
    pub source: Source,
    /// The place, if anybody knows it.
    pub location: Option<Point>,
    /// In their words.
    pub description: String,
    /// When.
    pub now: Timestamp,
}

/// Adds an emergency, due at once.
pub async fn insert(tx: &Tx<'_>, draft: &Draft) -> Result<EmergencyId> {
    let Draft {
        uid,
        task,
        reporter,
        source,
        location,
        description,
        now,
    } = draft;
    let row = tx
        .one(
            "insert into emergencies (uid, task_id, reporter_user_id, reporter_mark, source, location, description, state, stage,
                                      due_time, create_time, update_time)
             values ($1, $2, $3, $8, $4, $5, $6, 1, 1, $7, $7, $7) returning id",
            &[
                uid,
                &task.0,
                &reporter.user.0,
                &(*source as i16),
                &location.map(Place),
                description,
                now,
                &reporter.mark,
            ],
        )
        .await?;
    Ok(EmergencyId(row.read("id")?))
}

/// Writes how far an emergency is as its next version, and reads it back.
pub async fn save(tx: &Tx<'_>, emergency: &Emergency, now: Timestamp) -> Result<Emergency> {
    let Emergency {
        id,
        state,
        stage,
        called,
        repeats,
        due,
        outcome,
        ..
    } = emergency;
    let count = |count: u32| i32::try_from(count).map_err(Error::internal);
    tx.run(
        "update emergencies set state = $2, stage = $3, called = $4, repeats = $5, due_time = $6, outcome = $7, update_time = $8,
                revision = revision + 1
         where id = $1",
        &[
            &id.0,
            &(*state as i16),
            &(*stage as i16),
            &count(*called)?,
            &count(*repeats)?,
            due,
            &outcome.map(|outcome| outcome as i16),
            &now,
        ],
    )
    .await?;
    get(tx, *id).await?.ok_or_else(|| Error::internal("an emergency is gone"))
}

/// Adds what happened to an emergency.
pub async fn add_step(tx: &Tx<'_>, id: EmergencyId, step: &Step) -> Result<()> {
    let Step {
        kind,
        user,
        agent,
        stage,
        note,
        time,
    } = step;
    tx.run(
        "insert into emergency_steps (emergency_id, kind, user_id, agent_id, stage, note, create_time)
         values ($1, $2, $3, $4, $5, $6, $7)",
        &[
            &id.0,
            &(*kind as i16),
            &user.map(|user| user.0),
            &agent.map(|agent| agent.0),
            &(*stage as i16),
            note,
            time,
        ],
    )
    .await?;
    Ok(())
}

async fn with_steps(on: &impl Query, rows: &[Row]) -> Result<Vec<Emergency>> {
    let mut found = rows.iter().map(decode).collect::<Result<Vec<_>>>()?;
    let ids: Vec<i64> = found.iter().map(|emergency| emergency.id.0).collect();
    let rows = on
        .rows(
            "select s.emergency_id, s.kind, s.user_id, s.agent_id, s.stage, s.note, s.create_time
             from unnest($1::bigint[]) e (id)
             cross join lateral (select * from emergency_steps x where x.emergency_id = e.id order by x.id limit $2) s
             order by s.id",
            &[&ids, &STEPS],
        )
        .await?;
    let mut steps: HashMap<i64, Vec<Step>> = HashMap::new();
    for row in &rows {
        steps.entry(row.read("emergency_id")?).or_default().push(Step {
            kind: row.read_enum("kind", StepKind::of)?,
            user: row.read::<Option<i64>>("user_id")?.map(UserId),
            agent: row.read::<Option<i64>>("agent_id")?.map(AgentId),
            stage: row.read_enum("stage", Stage::of)?,
            note: row.read("note")?,
            time: row.read("create_time")?,
        });
    }
    for emergency in &mut found {
        emergency.steps = steps.remove(&emergency.id.0).unwrap_or_default();
    }
    Ok(found)
}

fn decode(row: &Row) -> Result<Emergency> {
    let reporter = row.read::<Option<i64>>("reporter_user_id")?.map(UserId);
    let crew: Vec<i64> = row.read("agent_user_ids")?;
    let count = |column| u32::try_from(row.read::<i32>(column)?).map_err(Error::internal);
    let outcome: Option<i16> = row.read("outcome")?;
    Ok(Emergency {
        id: EmergencyId(row.read("id")?),
        uid: row.read("uid")?,
        task: TaskId(row.read("task_id")?),
        reporter,
        source: row.read_enum("source", Source::of)?,
        location: row.read::<Option<Place>>("location")?.map(|place| place.0),
        description: row.read("description")?,
        state: row.read_enum("state", State::of)?,
        stage: row.read_enum("stage", Stage::of)?,
        called: count("called")?,
        repeats: count("repeats")?,
        due: row.read("due_time")?,
        outcome: outcome.and_then(|outcome| Outcome::of(outcome.into())),
        zone: row.read::<Option<i64>>("zone_id")?.map(ZoneId),
        agents: row.read::<Vec<i64>>("agent_ids")?.into_iter().map(AgentId).collect(),
        audience: reporter.into_iter().chain(crew.into_iter().map(UserId)).collect(),
        steps: Vec::new(),
        created: row.read("create_time")?,
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}

const PLAN: &str = "acknowledge_seconds, agent_count, supervisor_seconds, retry_seconds, crew_count, repeat_seconds, \
    update_time, revision";

static GET_PLAN: LazyLock<String> = LazyLock::new(|| format!("select {PLAN} from escalation_plan"));

/// The plan.
pub async fn plan(on: &impl Query) -> Result<Plan> {
    decode_plan(&on.one(&GET_PLAN, &[]).await?)
}

static LOCK_PLAN: LazyLock<String> = LazyLock::new(|| format!("select {PLAN} from escalation_plan for update"));

/// The plan, which nobody else changes before this transaction ends.
pub async fn locked_plan(tx: &Tx<'_>) -> Result<Plan> {
    decode_plan(&tx.one(&LOCK_PLAN, &[]).await?)
}

static SAVE_PLAN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "update escalation_plan
         set acknowledge_seconds = $1, agent_count = $2, supervisor_seconds = $3, retry_seconds = $4, crew_count = $5,
             repeat_seconds = $6, update_time = $7, revision = revision + 1
         returning {PLAN}"
    )
});

/// Writes the plan as its next version, and reads it back.
pub async fn save_plan(tx: &Tx<'_>, plan: &Plan, now: Timestamp) -> Result<Plan> {
    let Plan {
        acknowledge,
        agent_count,
        supervisors,
        retry,
        crew_count,
        repeat,
        updated: _,
        revision: _,
    } = plan;
    let seconds = |length: &SignedDuration| i32::try_from(length.as_secs()).map_err(Error::internal);
    let row = tx
        .one(
            &SAVE_PLAN,
            &[
                &seconds(acknowledge)?,
                &i32::try_from(*agent_count).map_err(Error::internal)?,
                &seconds(supervisors)?,
                &seconds(retry)?,
                &i32::try_from(*crew_count).map_err(Error::internal)?,
                &seconds(repeat)?,
                &now,
            ],
        )
        .await?;
    decode_plan(&row)
}

fn decode_plan(row: &Row) -> Result<Plan> {
    let seconds = |column| Ok::<_, Error>(SignedDuration::from_secs(row.read::<i32>(column)?.into()));
    Ok(Plan {
        acknowledge: seconds("acknowledge_seconds")?,
        agent_count: u32::try_from(row.read::<i32>("agent_count")?).map_err(Error::internal)?,
        supervisors: seconds("supervisor_seconds")?,
        retry: seconds("retry_seconds")?,
        crew_count: usize::try_from(row.read::<i32>("crew_count")?).map_err(Error::internal)?,
        repeat: seconds("repeat_seconds")?,
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}
