//! Notifications: rules, how far the feed was looked at, whom rules mean, and the bell.

use std::sync::LazyLock;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{
    Query, Tx,
    decode::Column,
    outbox::{Feed, Position},
    user,
};
use crate::{
    domain::{
        AgentId, EmergencyId, Revision, TaskId, UserId,
        access::Level,
        notification::{Channel, Notification, Reader, Rule, Thing},
        plan::{Kind, Priority},
        user::User,
    },
    error::{Error, Result},
};

const RULE: &str = "id, display_name, disabled, event_types, kinds, min_priority, audience_told, user_ids, levels, units, channels, \
    webhook_ids, update_time, revision";

static RULES: LazyLock<String> =
    LazyLock::new(|| format!("select {RULE} from notification_rules where id > $1 order by id limit $2"));

/// Rules after number `after`, the oldest first.
pub async fn rules(on: &impl Query, after: i64, limit: i64) -> Result<Vec<Rule>> {
    on.rows(&RULES, &[&after, &limit]).await?.iter().map(decode_rule).collect()
}

static LOCKED: LazyLock<String> = LazyLock::new(|| format!("select {RULE} from notification_rules where id = $1 for update"));

/// A rule, which nobody else changes before this transaction ends.
pub async fn locked_rule(tx: &Tx<'_>, id: i64) -> Result<Option<Rule>> {
    tx.row(&LOCKED, &[&id]).await?.as_ref().map(decode_rule).transpose()
}

static SAVE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "insert into notification_rules as r (id, display_name, disabled, event_types, kinds, min_priority, audience_told, user_ids,
                                              levels, units, channels, webhook_ids, update_time)
         overriding system value
         values (case when $1::bigint = 0 then nextval(pg_get_serial_sequence('notification_rules', 'id')) else $1 end,
                 $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         on conflict (id) do update
         set display_name = excluded.display_name, disabled = excluded.disabled, event_types = excluded.event_types,
             kinds = excluded.kinds, min_priority = excluded.min_priority, audience_told = excluded.audience_told,
             user_ids = excluded.user_ids, levels = excluded.levels, units = excluded.units, channels = excluded.channels,
             webhook_ids = excluded.webhook_ids, update_time = excluded.update_time, revision = r.revision + 1
         returning {RULE}"
    )
});

/// Adds a rule, or writes it as its next version, and reads it back.
pub async fn save_rule(tx: &Tx<'_>, rule: &Rule, now: Timestamp) -> Result<Rule> {
    let Rule {
        id,
        name,
        disabled,
        events,
        kinds,
        least,
        audience,
        users,
        levels,
        units,
        channels,
        webhooks,
        updated: _,
        revision: _,
    } = rule;
    let events: Vec<i16> = events.iter().map(|event| i16::try_from(*event).unwrap_or_default()).collect();
    let kinds: Vec<i16> = kinds.iter().map(|kind| *kind as i16).collect();
    let users: Vec<i64> = users.iter().map(|user| user.0).collect();
    let levels: Vec<i16> = levels.iter().map(|level| *level as i16).collect();
    let channels: Vec<i16> = channels.iter().map(|channel| *channel as i16).collect();
    let row = tx
        .one(
            &SAVE,
            &[
                id,
                name,
                disabled,
                &events,
                &kinds,
                &least.map_or(0, |least| least as i16),
                audience,
                &users,
                &levels,
                units,
                &channels,
                webhooks,
                &now,
            ],
        )
        .await?;
    decode_rule(&row)
}

/// Deletes a rule.
pub async fn delete_rule(tx: &Tx<'_>, id: i64) -> Result<()> {
    tx.run("delete from notification_rules where id = $1", &[&id]).await.map(drop)
}

fn decode_rule(row: &Row) -> Result<Rule> {
    let least: i16 = row.read("min_priority")?;
    Ok(Rule {
        id: row.read("id")?,
        name: row.read("display_name")?,
        disabled: row.read("disabled")?,
        events: row.read::<Vec<i16>>("event_types")?.into_iter().map(i32::from).collect(),
        kinds: numbers(row, "kinds", Kind::of)?,
        least: Priority::of(least.into()),
        audience: row.read("audience_told")?,
        users: row.read::<Vec<i64>>("user_ids")?.into_iter().map(UserId).collect(),
        levels: numbers(row, "levels", Level::of)?,
        units: row.read("units")?,
        channels: numbers(row, "channels", Channel::of)?,
        webhooks: row.read("webhook_ids")?,
        updated: row.read("update_time")?,
        revision: Revision(row.read("revision")?),
    })
}

fn numbers<T>(row: &Row, column: &str, of: impl Fn(i32) -> Option<T>) -> Result<Vec<T>> {
    let numbers: Vec<i16> = row.read(column)?;
    let known = |number: i16| of(number.into()).ok_or_else(|| Error::internal(format!("column {column} holds {number}")));
    numbers.into_iter().map(known).collect()
}

/// Says where the feed is looked at from if that was never said: from here on.
pub async fn begin(on: &impl Query, epoch: i64, head: Position) -> Result<()> {
    on.run(
        "insert into notification_reader (epoch, xid, seq) values ($1, $2, $3) on conflict do nothing",
        &[&epoch, &head.xid, &head.seq],
    )
    .await
    .map(drop)
}

/// Whether there are settled facts that were not looked at.
pub async fn behind(on: &impl Query) -> Result<bool> {
    on.one(
        "select exists (select from notification_reader r cross join feed f
                        where exists (select from outbox o
                                      where (o.xid, o.seq) > (case when r.epoch = f.epoch then r.xid else 0 end,
                                                              case when r.epoch = f.epoch then r.seq else 0 end)
                                        and o.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint)) as behind",
        &[],
    )
    .await?
    .read("behind")
}

/// How far the feed was looked at, locked; none if another replica looks just now. In a feed that began anew: its beginning.
pub async fn lock_place(tx: &Tx<'_>, feed: &Feed) -> Result<Option<Position>> {
    let row = tx
        .row("select epoch, xid, seq from notification_reader for update skip locked", &[])
        .await?;
    let Some(row) = row else { return Ok(None) };
    if row.read::<i64>("epoch")? != feed.epoch {
        return Ok(Some(feed.floor));
    }
    Ok(Some(Position {
        xid: row.read("xid")?,
        seq: row.read("seq")?,
    }))
}

/// Moves that place.
pub async fn move_place(tx: &Tx<'_>, epoch: i64, to: Position) -> Result<()> {
    tx.run(
        "update notification_reader set epoch = $1, xid = $2, seq = $3",
        &[&epoch, &to.xid, &to.seq],
    )
    .await
    .map(drop)
}

/// Whether user `x` is a person who may sign in.
const CAN_READ: &str = "not x.service and x.active and x.delete_time is null and x.erase_time is null";

const OFF_DUTY: &str =
    "exists (select from agents a where a.user_id = u.id and a.delete_time is null and a.duty = 3) as off_duty";

/// Each way to be meant has its index, and gives no more than a page needs; those of the page are looked up one by one. Asked
/// for one level or unit by `=`, the planner would walk all people in the order of their numbers instead.
static MEANT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "with meant as (
             select x.id from users x where x.id = any($2) and x.id > $1 and {CAN_READ}
             union
             select m.id from unnest($3::smallint[]) l (level)
             cross join lateral (select x.id from users x where x.level between l.level and l.level and x.id > $1 and {CAN_READ}
                                 order by x.level, x.id limit $5) m
             union
             select m.id from unnest($4::text[]) n (unit)
             cross join lateral (select x.id from agents a join users x on x.id = a.user_id
                                 where a.unit between n.unit and n.unit and a.delete_time is null and a.user_id > $1 and {CAN_READ}
                                 order by a.unit, a.user_id limit $5) m)
         select u.* from (select id from meant order by id limit $5) m
         cross join lateral (select {}, {OFF_DUTY} from users u where u.id = m.id offset 0) u
         order by u.id",
        user::COLUMNS
    )
});

/// People with numbers above `after` whom a rule means, and those whom the thing concerns if it means them.
pub async fn meant(on: &impl Query, rule: &Rule, audience: &[UserId], after: UserId, limit: i64) -> Result<Vec<Reader>> {
    let audience = if rule.audience { audience } else { &[] };
    let users: Vec<i64> = rule.users.iter().chain(audience).map(|user| user.0).collect();
    let levels: Vec<i16> = rule.levels.iter().map(|level| *level as i16).collect();
    let rows = on.rows(&MEANT, &[&after.0, &users, &levels, &rule.units, &limit]).await?;
    rows.iter().map(|row| Ok(decode_reader(row)?.1)).collect()
}

static READER: LazyLock<String> = LazyLock::new(|| format!("select {}, {OFF_DUTY} from users u where u.id = $1", user::COLUMNS));

/// Somebody as a reader, if they may sign in.
pub async fn reader(on: &impl Query, user: UserId) -> Result<Option<(User, Reader)>> {
    let found = on.row(&READER, &[&user.0]).await?.as_ref().map(decode_reader).transpose()?;
    Ok(found.filter(|(user, _)| user.may_sign_in()))
}

fn decode_reader(row: &Row) -> Result<(User, Reader)> {
    let user = user::decode(row)?;
    let reader = Reader {
        caller: user.caller(),
        telegram: user.telegram_id,
        off_duty: row.read("off_duty")?,
    };
    Ok((user, reader))
}

/// Something that happened, as it is told.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Feed.
    pub epoch: i64,
    /// Place in it.
    pub position: Position,
    /// What happened.
    pub event: i32,
    /// When.
    pub time: Timestamp,
    /// Who did it.
    pub actor: Option<UserId>,
    /// What it is about.
    pub thing: Thing,
}

const NOTIFICATION: &str = "n.id, n.user_id, n.event_type, n.event_time, n.actor_user_id, n.task_id, n.agent_id, n.emergency_id, \
    n.geofence_event_id, n.read_time";

static RING: LazyLock<String> = LazyLock::new(|| {
    format!(
        "insert into notifications as n (user_id, event_type, event_time, actor_user_id, task_id, agent_id, emergency_id,
                                         geofence_event_id, epoch, xid, seq, create_time)
         select u, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 from unnest($1::bigint[]) u
         on conflict do nothing returning {NOTIFICATION}"
    )
});

/// Puts something into the bells of these users, unless it is there already; gives what is new.
pub async fn ring(tx: &Tx<'_>, users: &[UserId], told: &Told, now: Timestamp) -> Result<Vec<Notification>> {
    let Told {
        epoch,
        position,
        event,
        time,
        actor,
        thing,
    } = told;
    let users: Vec<i64> = users.iter().map(|user| user.0).collect();
    let rows = tx
        .rows(
            &RING,
            &[
                &users,
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
            ],
        )
        .await?;
    rows.iter().map(decode).collect()
}

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {NOTIFICATION} from notifications n
         where n.user_id = $1 and n.id < $2 and (n.read_time is null or not $3) order by n.id desc limit $4"
    )
});

/// Notifications of somebody before number `before`, the latest first.
pub async fn page(on: &impl Query, user: UserId, before: i64, unread: bool, limit: i64) -> Result<Vec<Notification>> {
    let rows = on.rows(&PAGE, &[&user.0, &before, &unread, &limit]).await?;
    rows.iter().map(decode).collect()
}

/// How many somebody has not read, up to `most`.
pub async fn unread(on: &impl Query, user: UserId, most: i64) -> Result<i64> {
    on.one(
        "select count(*) as n from (select from notifications where user_id = $1 and read_time is null limit $2) u",
        &[&user.0, &most],
    )
    .await?
    .read("n")
}

static MARK: LazyLock<String> = LazyLock::new(|| {
    format!(
        "update notifications n set read_time = $4
         where n.user_id = $1 and n.read_time is null and (n.id = any($2) or n.id <= $3)
         returning {NOTIFICATION}"
    )
});

/// Somebody has read these, and all up to a number; gives those that were not read before.
pub async fn mark(tx: &Tx<'_>, user: UserId, ids: &[i64], up_to: i64, now: Timestamp) -> Result<Vec<Notification>> {
    let rows = tx.rows(&MARK, &[&user.0, &ids, &up_to, &now]).await?;
    let mut marked = rows.iter().map(decode).collect::<Result<Vec<_>>>()?;
    marked.sort_by_key(|notification| notification.id);
    Ok(marked)
}

/// Forgets up to `limit` notifications from before then; says how many.
pub async fn forget(on: &impl Query, before: Timestamp, limit: i64) -> Result<u64> {
    on.run(
        "delete from notifications where id = any(array(select id from notifications where create_time < $1 limit $2))",
        &[&before, &limit],
    )
    .await
}

fn decode(row: &Row) -> Result<Notification> {
    Ok(Notification {
        id: row.read("id")?,
        user: UserId(row.read("user_id")?),
        event: row.read::<i16>("event_type")?.into(),
        time: row.read("event_time")?,
        actor: row.read::<Option<i64>>("actor_user_id")?.map(UserId),
        task: row.read::<Option<i64>>("task_id")?.map(TaskId),
        agent: row.read::<Option<i64>>("agent_id")?.map(AgentId),
        emergency: row.read::<Option<i64>>("emergency_id")?.map(EmergencyId),
        crossing: row.read("geofence_event_id")?,
        read: row.read("read_time")?,
    })
}
