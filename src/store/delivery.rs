//! Messages on their way, and which channels are let alone.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Query, Tx, decode::Column, notification::Told};
use crate::{
    domain::{
        AgentId, EmergencyId, TaskId, UserId,
        notification::{Channel, Delivery, State, Target, Thing},
    },
    error::{Error, Result},
};

/// A message to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Draft {
    /// Outside name.
    pub uid: Uuid,
    /// By which way.
    pub channel: Channel,
    /// To whom.
    pub target: Target,
    /// The rule that asks for it.
    pub rule: i64,
}

/// Queues messages about one thing that happened; none that is queued already.
pub async fn queue(tx: &Tx<'_>, drafts: &[Draft], told: &Told, expires: Timestamp, now: Timestamp) -> Result<()> {
    if drafts.is_empty() {
        return Ok(());
    }
    let Told {
        epoch,
        position,
        event,
        time,
        actor,
        thing,
    } = told;
    let uids: Vec<Uuid> = drafts.iter().map(|draft| draft.uid).collect();
    let channels: Vec<i16> = drafts.iter().map(|draft| draft.channel as i16).collect();
    let users: Vec<Option<i64>> = drafts.iter().map(|draft| numbers(draft.target).0).collect();
    let webhooks: Vec<Option<i64>> = drafts.iter().map(|draft| numbers(draft.target).1).collect();
    let rules: Vec<i64> = drafts.iter().map(|draft| draft.rule).collect();
    tx.run(
        "insert into deliveries (uid, channel, user_id, webhook_id, rule_id, event_type, event_time, actor_user_id, task_id, agent_id,
                                 emergency_id, geofence_event_id, epoch, xid, seq, next_time, expire_time, create_time)
         select d.uid, d.channel, d.user_id, d.webhook_id, d.rule_id, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $16
         from unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[])
              d (uid, channel, user_id, webhook_id, rule_id)
         on conflict do nothing",
        &[
            &uids,
            &channels,
            &users,
            &webhooks,
            &rules,
            &i16::try_from(*event).map_err(Error::internal)?,
            time,
            &actor.map(|actor| actor.0),
            &thing.task().map(|task| task.0),
            &thing.agent().map(|agent| agent.0),
            &thing.emergency().map(|emergency| emergency.0),
            &thing.crossing(),
            epoch,
            &position.xid,
            &position.seq,
            &now,
            &expires,
        ],
    )
    .await?;
    Ok(())
}

fn numbers(target: Target) -> (Option<i64>, Option<i64>) {
    match target {
        Target::User(user) => (Some(user.0), None),
        Target::Webhook(webhook) => (None, Some(webhook)),
    }
}

const COLUMNS: &str = "d.id, d.uid, d.channel, d.user_id, d.webhook_id, d.rule_id, d.event_type, d.event_time, d.actor_user_id, d.task_id, \
    d.agent_id, d.emergency_id, d.geofence_event_id, d.message_id, d.state, d.attempts, d.next_time, d.expire_time, d.failure, d.http_status, d.create_time, d.end_time";

static TAKE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "with recursive targets as (
             (select coalesce(webhook_id, 0) as target from deliveries where state = 1 and channel = $1
              order by coalesce(webhook_id, 0) limit 1)
             union all
             select (select coalesce(d.webhook_id, 0) from deliveries d
                     where d.state = 1 and d.channel = $1 and coalesce(d.webhook_id, 0) > t.target
                     order by coalesce(d.webhook_id, 0) limit 1)
             from targets t where t.target is not null
         ), due as (
             select d.id
             from targets t
             left join circuits c on c.channel = $1 and c.target = t.target
             left join webhooks w on w.id = t.target
             cross join lateral (
                 select x.id from deliveries x
                 where x.state = 1 and x.channel = $1 and coalesce(x.webhook_id, 0) = t.target and x.next_time <= $2
                 order by x.next_time limit case when c.failures >= $6 then 1 else $5::bigint end
                 for update skip locked) d
             where t.target is not null and t.target <> all($4) and coalesce(c.resume_time <= $2, true)
               and coalesce(not w.disabled, true)
             limit $7
         )
         update deliveries d set attempts = d.attempts + 1, next_time = $3 from due where d.id = due.id returning {COLUMNS}"
    )
});

/// What is taken at a time.
#[derive(Debug, Clone, Copy)]
pub struct Taking<'a> {
    /// By which way.
    pub channel: Channel,
    /// Webhooks that are left out; 0 of other channels.
    pub busy: &'a [i64],
    /// Messages to one webhook, or of another channel, at most.
    pub each: i64,
    /// Failures in a row after which one is tried alone.
    pub failures: u32,
    /// Messages at most.
    pub limit: i64,
    /// For how long they are taken.
    pub lease: SignedDuration,
    /// When.
    pub now: Timestamp,
}

/// Takes messages whose turn it is, of channels and webhooks that are not let alone. They come again after the lease, unless they
/// were ended or put off by then.
pub async fn take(on: &impl Query, taking: &Taking<'_>) -> Result<Vec<Delivery>> {
    let Taking {
        channel,
        busy,
        each,
        failures,
        limit,
        lease,
        now,
    } = *taking;
    let failures = i32::try_from(failures).map_err(Error::internal)?;
    let rows = on
        .rows(
            &TAKE,
            &[&(channel as i16), &now, &(now + lease), &busy, &each, &failures, &limit],
        )
        .await?;
    rows.iter().map(decode).collect()
}

/// How a try ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// What became of the message; [`State::Waiting`]: it is tried again at `next`.
    pub state: State,
    /// When it is tried again.
    pub next: Option<Timestamp>,
    /// Why it failed.
    pub failure: &'a str,
    /// What was answered.
    pub http_status: Option<u16>,
    /// When.
    pub now: Timestamp,
}

/// Writes down how a try ended, unless the message was taken again meanwhile.
pub async fn end(on: &impl Query, delivery: &Delivery, ended: &Ended<'_>) -> Result<()> {
    let Ended {
        state,
        next,
        failure,
        http_status,
        now,
    } = ended;
    let over = (*state != State::Waiting).then_some(*now);
    on.run(
        "update deliveries set state = $3, next_time = $4, failure = $5, http_status = $6, end_time = $7
         where id = $1 and attempts = $2 and state = 1",
        &[
            &delivery.id,
            &i32::try_from(delivery.attempts).map_err(Error::internal)?,
            &(*state as i16),
            next,
            failure,
            &http_status.map_or(0, i32::from),
            &over,
        ],
    )
    .await
    .map(drop)
}

/// One more failure in a row; says how many there are.
pub async fn failed(on: &impl Query, channel: Channel, target: i64) -> Result<u32> {
    let row = on
        .one(
            "insert into circuits as c (channel, target, failures) values ($1, $2, 1)
             on conflict (channel, target) do update set failures = c.failures + 1 returning failures",
            &[&(channel as i16), &target],
        )
        .await?;
    u32::try_from(row.read::<i32>("failures")?).map_err(Error::internal)
}

/// Lets a channel or webhook alone until then.
pub async fn let_alone(on: &impl Query, channel: Channel, target: i64, until: Timestamp) -> Result<()> {
    on.run(
        "update circuits set resume_time = $3 where channel = $1 and target = $2",
        &[&(channel as i16), &target, &until],
    )
    .await
    .map(drop)
}

/// A channel or webhook works again.
pub async fn works(on: &impl Query, channel: Channel, target: i64) -> Result<()> {
    on.run(
        "delete from circuits where channel = $1 and target = $2",
        &[&(channel as i16), &target],
    )
    .await
    .map(drop)
}

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {COLUMNS} from deliveries d
         where d.id < $1 and ($2::integer = 0 or d.state = $2) and ($3::integer = 0 or d.channel = $3)
           and ($4::bigint = 0 or d.webhook_id = $4)
         order by d.id desc limit $5"
    )
});

/// Messages before number `before`, the latest first; of this state, channel and webhook, where they are not 0.
pub async fn page(on: &impl Query, before: i64, state: i32, channel: i32, webhook: i64, limit: i64) -> Result<Vec<Delivery>> {
    let rows = on.rows(&PAGE, &[&before, &state, &channel, &webhook, &limit]).await?;
    rows.iter().map(decode).collect()
}

static LOCKED: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from deliveries d where d.id = $1 for update"));

/// A message, which nobody else changes before this transaction ends.
pub async fn locked(tx: &Tx<'_>, id: i64) -> Result<Option<Delivery>> {
    tx.row(&LOCKED, &[&id]).await?.as_ref().map(decode).transpose()
}

static AGAIN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "update deliveries d set state = 1, attempts = 0, next_time = $2, expire_time = $3, end_time = null
         where d.id = $1 returning {COLUMNS}"
    )
});

/// Makes a message that is over wait again.
pub async fn again(tx: &Tx<'_>, id: i64, expires: Timestamp, now: Timestamp) -> Result<Delivery> {
    decode(&tx.one(&AGAIN, &[&id, &now, &expires]).await?)
}

/// Messages of a channel that wait, and that were given up.
pub async fn count(on: &impl Query, channel: Channel) -> Result<(i64, i64)> {
    let row = on
        .one(
            "select count(*) filter (where state = 1) as waiting, count(*) filter (where state = 3) as dead
             from deliveries where state in (1, 3) and channel = $1",
            &[&(channel as i16)],
        )
        .await?;
    Ok((row.read("waiting")?, row.read("dead")?))
}

/// Gives up messages whose time is over and that nobody tries just now.
pub async fn expire(on: &impl Query, now: Timestamp) -> Result<u64> {
    on.run(
        "update deliveries set state = 3, next_time = null, end_time = $1,
                failure = case when failure = '' then 'its time is over' else failure end
         where state = 1 and expire_time <= $1 and next_time <= $1",
        &[&now],
    )
    .await
}

/// Forgets up to `limit` messages that were sent or withheld before one time, or given up before another; says how many.
pub async fn forget(on: &impl Query, over: Timestamp, dead: Timestamp, limit: i64) -> Result<u64> {
    on.run(
        "delete from deliveries where id = any(array(
             select id from deliveries where state <> 1 and end_time < $1 and (state <> 3 or end_time < $2) limit $3))",
        &[&over, &dead, &limit],
    )
    .await
}

fn decode(row: &Row) -> Result<Delivery> {
    let user = row.read::<Option<i64>>("user_id")?;
    let webhook = row.read::<Option<i64>>("webhook_id")?;
    let target = match (user, webhook) {
        (Some(user), _) => Target::User(UserId(user)),
        (None, Some(webhook)) => Target::Webhook(webhook),
        (None, None) => return Err(Error::internal("a message to nobody")),
    };
    let status: i32 = row.read("http_status")?;
    Ok(Delivery {
        id: row.read("id")?,
        uid: row.read("uid")?,
        channel: row.read_enum("channel", Channel::of)?,
        target,
        rule: row.read("rule_id")?,
        event: row.read::<i16>("event_type")?.into(),
        time: row.read("event_time")?,
        actor: row.read::<Option<i64>>("actor_user_id")?.map(UserId),
        thing: Thing::of(
            row.read::<Option<i64>>("task_id")?.map(TaskId),
            row.read::<Option<i64>>("agent_id")?.map(AgentId),
            row.read::<Option<i64>>("emergency_id")?.map(EmergencyId),
            row.read("geofence_event_id")?,
        ),
        message: row.read("message_id")?,
        state: row.read_enum("state", State::of)?,
        attempts: u32::try_from(row.read::<i32>("attempts")?).map_err(Error::internal)?,
        next: row.read("next_time")?,
        expires: row.read("expire_time")?,
        failure: row.read("failure")?,
        http_status: u16::try_from(status).ok().filter(|status| *status > 0),
        created: row.read("create_time")?,
        ended: row.read("end_time")?,
    })
}
