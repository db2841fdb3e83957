//! Field agents.

use std::sync::LazyLock;

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    Query, Tx,
    decode::{Column, Place},
};
use crate::{
    domain::{
        AgentId, Revision, TaskId, UserId, ZoneId,
        access::Sight,
        agent::{Agent, Duty, Fix, Profile, Source},
    },
    error::{Error, Result},
};

/// Columns of an agent, its user's name, its work and its latest fix, for [`FROM`].
pub const COLUMNS: &str = "a.id, a.uid, a.user_id, u.display_name, a.code, a.rank, a.unit, a.specialty, a.duty, \
    a.availability_time, a.create_time, a.update_time, a.delete_time, a.revision, \
    exists (select from assignments o where o.agent_id = a.id and o.occupying) as occupied, \
    array(select s.task_id from assignments s join tasks t on t.id = s.task_id \
          where s.agent_id = a.id and t.state <= 3 and t.delete_time is null order by s.task_id) as task_ids, \
    l.location, l.zone_id, l.fix_time, l.accuracy, l.speed, l.heading, l.source";

/// Tables that [`COLUMNS`] come from.
pub const FROM: &str = "agents a join users u on u.id = a.user_id left join agent_locations l on l.agent_id = a.id";

pub(super) static FIND: LazyLock<String> =
    LazyLock::new(|| format!("select {COLUMNS} from {FROM} where a.id = any($1) order by a.id"));

pub(super) static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from {FROM} where a.id = $1"));

/// Class of the advisory locks that order changes of one agent.
const LOCK_CLASS: i32 = 2;

/// Waits until no other transaction changes these agents, or zones. After `task::lock`, before everything else.
pub async fn lock(tx: &Tx<'_>, ids: &[AgentId]) -> Result<()> {
    let mut ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        tx.run_sql(
            "select pg_advisory_xact_lock_shared(5, 0), pg_advisory_xact_lock($1, hashint8($2))",
            &[&LOCK_CLASS, &id],
        )
        .await?;
    }
    Ok(())
}

/// Locks an agent as [`lock`] does, unless another transaction changes it now; says whether, and gives the agent as it is
/// then. The task's lock keeps zones still.
pub async fn try_claim(tx: &Tx<'_>, id: AgentId) -> Result<(bool, Option<Agent>)> {
    let answers = tx
        .batch(&[
            (
                "select pg_try_advisory_xact_lock($1, hashint8($2)) as locked",
                &[&LOCK_CLASS, &id.0],
            ),
            (&GET, &[&id.0]),
        ])
        .await?;
    let [locked, agent] = answers.as_slice() else {
        return Err(Error::internal("two statements were asked"));
    };
    let locked = locked.first().ok_or_else(|| Error::internal("a lock says nothing"))?;
    Ok((locked.read("locked")?, agent.first().map(decode).transpose()?))
}

/// Waits until nobody changes an agent any more. Others wait with this one, not behind it.
pub async fn wait(tx: &Tx<'_>, id: AgentId) -> Result<()> {
    tx.run_sql("select pg_advisory_xact_lock_shared($1, hashint8($2))", &[&LOCK_CLASS, &id.0])
        .await
}

/// Agents by number, ascending, deleted ones too; those that are not there are left out.
pub async fn find(on: &impl Query, ids: &[AgentId]) -> Result<Vec<Agent>> {
    // One by its number is planned once; a list is planned anew each time, which takes longer than to run it.
    if let [id] = ids {
        return Ok(get(on, *id).await?.into_iter().collect());
    }
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    on.rows(&FIND, &[&ids]).await?.iter().map(decode).collect()
}

/// An agent by number, deleted or not.
pub async fn get(on: &impl Query, id: AgentId) -> Result<Option<Agent>> {
    on.row(&GET, &[&id.0]).await?.as_ref().map(decode).transpose()
}

/// A new agent.
#[derive(Debug)]
pub struct Draft {
    /// Outside name.
    pub uid: Uuid,
    /// The user it is.
    pub user: UserId,
    /// What people set.
    pub profile: Profile,
    /// When.
    pub now: Timestamp,
}

/// Adds an agent that is off duty.
pub async fn insert(tx: &Tx<'_>, draft: &Draft) -> Result<Agent> {
    let Draft { uid, user, profile, now } = draft;
    let Profile {
        code,
        rank,
        unit,
        specialty,
    } = profile;
    let row = tx
        .one(
            "insert into agents (uid, user_id, code, rank, unit, specialty, duty, duty_time, availability_time, create_time,
                                 update_time)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8, $8) returning id",
            &[uid, &user.0, code, rank, unit, specialty, &(Duty::OffDuty as i16), now],
        )
        .await?;
    let id = AgentId(row.read("id")?);
    get(tx, id).await?.ok_or_else(|| Error::internal("a new agent is gone"))
}

/// Writes profile, duty and deletion of an agent as its next version, and reads it back. Who ends a shift has it written down.
pub async fn save(tx: &Tx<'_>, agent: &Agent, now: Timestamp) -> Result<Agent> {
    let Agent {
        id,
        profile,
        duty,
        availability_since,
        deleted,
        ..
    } = agent;
    let Profile {
        code,
        rank,
        unit,
        specialty,
    } = profile;
    if !duty.is_on() {
        super::shift::end(tx, *id, now).await?;
    }
    let changed = tx
        .run(
            "update agents set code = $2, rank = $3, unit = $4, specialty = $5, duty = $6, availability_time = $7,
                    duty_time = case when (duty = 3) = ($6::smallint = 3) then duty_time else $9 end,
                    delete_time = $8, update_time = $9, revision = revision + 1
             where id = $1",
            &[
                &id.0,
                code,
                rank,
                unit,
                specialty,
                &(*duty as i16),
                availability_since,
                deleted,
                &now,
            ],
        )
        .await?;
    if changed != 1 {
        return Err(Error::internal("a locked agent is gone"));
    }
    get(tx, *id).await?.ok_or_else(|| Error::internal("a locked agent is gone"))
}

static AFTER: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {COLUMNS} from {FROM} where a.delete_time is null and a.id > $1
           and ($2::bigint is null or a.user_id = $2 or l.zone_id = any($4))
         order by a.id limit $3"
    )
});

/// Agents by number, after number `after`; only those that somebody sees, if told.
pub async fn after(on: &impl Query, after: i64, sight: Option<&Sight>, limit: i64) -> Result<Vec<Agent>> {
    let (user, zones) = super::conditions::seen(sight);
    on.rows(&AFTER, &[&after, &user, &limit, &zones])
        .await?
        .iter()
        .map(decode)
        .collect()
}

/// What [`touch`] asks.
pub(super) const TOUCH: &str = "update agents set availability_time = case when $2 then $3 else availability_time end,
            update_time = $3, revision = revision + 1
     where id = any($1)";

/// Marks agents as changed by their tasks: in what they are on, or in whether they can be sent.
pub async fn touch(tx: &Tx<'_>, ids: &[AgentId], availability: bool, now: Timestamp) -> Result<()> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    tx.run(TOUCH, &[&numbers, &availability, &now]).await?;
    Ok(())
}

/// An agent from a row with [`COLUMNS`].
pub fn decode(row: &Row) -> Result<Agent> {
    let id = AgentId(row.read("id")?);
    Ok(Agent {
        id,
        uid: row.read("uid")?,
        user: UserId(row.read("user_id")?),
        display_name: row.read("display_name")?,
        profile: Profile {
            code: row.read("code")?,
            rank: row.read("rank")?,
            unit: row.read("unit")?,
            specialty: row.read("specialty")?,
        },
        duty: row.read_enum("duty", Duty::of)?,
        occupied: row.read("occupied")?,
        availability_since: row.read("availability_time")?,
        fix: decode_fix(row, id)?,
        zone: row.read::<Option<i64>>("zone_id")?.map(ZoneId),
        tasks: row.read::<Vec<i64>>("task_ids")?.into_iter().map(TaskId).collect(),
        created: row.read("create_time")?,
        updated: row.read("update_time")?,
        deleted: row.read("delete_time")?,
        revision: Revision(row.read("revision")?),
    })
}

/// A fix from a row with its columns; none if there is no place in it.
pub(super) fn decode_fix(row: &Row, agent: AgentId) -> Result<Option<Fix>> {
    let Some(place) = row.read::<Option<Place>>("location")? else {
        return Ok(None);
    };
    Ok(Some(Fix {
        agent,
        location: place.0,
        time: row.read("fix_time")?,
        accuracy_meters: row.read("accuracy")?,
        speed_meters_per_second: row.read("speed")?,
        heading_degrees: row.read("heading")?,
        source: row.read_enum("source", Source::of)?,
    }))
}
