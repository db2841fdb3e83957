//! Users.

use std::{collections::HashMap, sync::LazyLock};

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{
        AgentId, Revision, UserId, ZoneId,
        access::Level,
        user::{Authority, Lock, Name, User},
    },
    error::{Error, Result},
};

/// Columns of a user `u`, for [`decode`].
pub const COLUMNS: &str = "u.id, u.uid, u.email, u.username, u.display_name, u.given_name, u.family_name, u.phone, u.telegram_id,
    u.language, u.country_code, u.level, u.service, u.active, u.lock_time, u.lock_reason, u.email_verify_time, u.must_verify_email, u.password_expired, u.lock_end_time,
    u.totp_confirm_time is not null as second_factor, u.last_login_time, u.token_version, u.create_time, u.update_time,
    u.delete_time, u.erase_time, u.revision,
    array(select z.zone_id from user_zones z where z.user_id = u.id order by z.zone_id) as zones,
    (select a.id from agents a where a.user_id = u.id and a.delete_time is null) as agent_id";

static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from users u where u.id = $1"));

/// The user with this number, whatever became of it.
pub async fn get(on: &impl Query, id: UserId) -> Result<Option<User>> {
    on.row(&GET, &[&id.0]).await?.as_ref().map(decode).transpose()
}

/// Class of the advisory locks that order changes of one user.
const LOCK_CLASS: i32 = 4;

/// Waits until no other transaction changes these users. Before all other locks.
pub async fn lock(tx: &Tx<'_>, ids: &[UserId]) -> Result<()> {
    let mut ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        tx.run_sql("select pg_advisory_xact_lock($1, hashint8($2))", &[&LOCK_CLASS, &id])
            .await?;
    }
    Ok(())
}

static BY_TELEGRAM: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from users u where u.telegram_id = $1"));

/// The user with this number at Telegram, whatever became of it.
pub async fn by_telegram_id(on: &impl Query, telegram_id: i64) -> Result<Option<User>> {
    on.row(&BY_TELEGRAM, &[&telegram_id]).await?.as_ref().map(decode).transpose()
}

/// Outside names of users, by number.
pub async fn uids(on: &impl Query, ids: &[i64]) -> Result<HashMap<i64, Uuid>> {
    let rows = on.rows("select id, uid from users where id = any($1)", &[&ids]).await?;
    rows.iter().map(|row| Ok((row.read("id")?, row.read("uid")?))).collect()
}

/// The agent of the user with this outside name; none if either is not there.
pub async fn agent_of(on: &impl Query, uid: Uuid) -> Result<Option<AgentId>> {
    let row = on
        .row(
            "select a.id from agents a join users u on u.id = a.user_id
             where u.uid = $1 and a.delete_time is null and u.delete_time is null",
            &[&uid],
        )
        .await?;
    row.map(|row| Ok(AgentId(row.read("id")?))).transpose()
}

static BY_LOGIN: LazyLock<String> =
    LazyLock::new(|| format!("select {COLUMNS}, u.password_hash from users u where u.email = $1 or u.username = $1"));

/// The user with this e-mail or username, in lower case, and the hash of the password if there is one.
pub async fn by_login(on: &impl Query, login: &str) -> Result<Option<(User, Option<String>)>> {
    let row = on.row(&BY_LOGIN, &[&login]).await?;
    row.map(|row| Ok((decode(&row)?, row.read("password_hash")?))).transpose()
}

/// Whether anybody is there.
pub async fn any(on: &impl Query) -> Result<bool> {
    on.one("select exists (select from users) as any", &[]).await?.read("any")
}

/// E-mails of the first few users whose address ends so.
pub async fn emails_ending(on: &impl Query, ending: &str) -> Result<Vec<String>> {
    let rows = on
        .rows(
            "select u.email from users u where right(u.email, length($1)) = $1 order by u.id limit 5",
            &[&ending],
        )
        .await?;
    rows.iter().map(|row| row.read("email")).collect()
}

/// Waits until nobody else makes the first users.
pub async fn lock_first(tx: &Tx<'_>) -> Result<()> {
    tx.run_sql("select pg_advisory_xact_lock(hashtextextended('gad-seed', 0))", &[])
        .await
}

/// A new user.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Outside name.
    pub uid: Uuid,
    /// E-mail, lower case.
    pub email: &'a str,
    /// Name to sign in with, lower case.
    pub username: Option<&'a str>,
    /// Names.
    pub name: &'a Name,
    /// Telephone number; empty: none.
    pub phone: &'a str,
    /// Number at Telegram.
    pub telegram_id: Option<i64>,
    /// Language of mail, `es` or `en`.
    pub language: &'a str,
    /// Country, ISO 3166-1, if the person said it.
    pub country: Option<&'a str>,
    /// Argon2id hash in PHC form; none: cannot sign in before a password was set.
    pub password_hash: Option<&'a str>,
    /// When the e-mail was proved.
    pub email_verified: Option<Timestamp>,
    /// Whether the e-mail must be proved before the first sign-in.
    pub must_verify_email: bool,
    /// The password must be changed before anything else.
    pub password_expired: bool,
    /// Level of authority, and the zones it ends at.
    pub authority: &'a Authority,
    /// Not a person.
    pub service: bool,
    /// When.
    pub now: Timestamp,
}

/// Adds a user.
pub async fn insert(tx: &Tx<'_>, draft: &Draft<'_>) -> Result<UserId> {
    let Draft {
        uid,
        email,
        username,
        name: Name { display, given, family },
        phone,
        telegram_id,
        language,
        country,
        password_hash,
        email_verified,
        must_verify_email,
        password_expired,
        authority,
        service,
        now,
    } = draft;
    let row = tx
        .one(
            "insert into users (uid, email, username, display_name, given_name, family_name, phone, telegram_id, language,
                                password_hash, email_verify_time, level, create_time, update_time, country_code,
                                must_verify_email, password_expired, service)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16, $17) returning id",
            &[
                uid,
                email,
                username,
                display,
                given,
                family,
                phone,
                telegram_id,
                language,
                password_hash,
                email_verified,
                &(authority.level() as i16),
                now,
                country,
                must_verify_email,
                password_expired,
                service,
            ],
        )
        .await?;
    let id = UserId(row.read("id")?);
    set_zones(tx, id, authority.zones()).await?;
    Ok(id)
}

async fn set_zones(tx: &Tx<'_>, id: UserId, zones: &[ZoneId]) -> Result<()> {
    let zones: Vec<i64> = zones.iter().map(|zone| zone.0).collect();
    tx.run(
        "delete from user_zones where user_id = $1 and zone_id <> all($2)",
        &[&id.0, &zones],
    )
    .await?;
    tx.run(
        "insert into user_zones (user_id, zone_id) select $1, z from unnest($2::bigint[]) z on conflict do nothing",
        &[&id.0, &zones],
    )
    .await?;
    Ok(())
}

/// Writes what people set of a user as its next version, and reads it back.
pub async fn save(tx: &Tx<'_>, user: &User, now: Timestamp) -> Result<User> {
    let User {
        id,
        email,
        username,
        name: Name { display, given, family },
        phone,
        telegram_id,
        language,
        country,
        active,
        locked,
        email_verified,
        password_expired,
        locked_until,
        deleted,
        ..
    } = user;
    let (lock_time, lock_reason) = match locked {
        Some(Lock { since, reason }) => (Some(*since), reason.as_str()),
        None => (None, ""),
    };
    let changed = tx
        .run(
            "update users set email = $2, username = $3, display_name = $4, given_name = $5, family_name = $6, phone = $7,
                    telegram_id = $8, language = $9, active = $10, lock_time = $11, lock_reason = $12, email_verify_time = $13,
                    password_expired = $14, lock_end_time = $15::timestamptz, delete_time = $16, update_time = $17,
                    country_code = $18,
                    failed_logins = case when $15::timestamptz is null and lock_end_time is not null then 0 else failed_logins end,
                    revision = revision + 1
             where id = $1",
            &[
                &id.0,
                email,
                username,
                display,
                given,
                family,
                phone,
                telegram_id,
                language,
                active,
                &lock_time,
                &lock_reason,
                email_verified,
                password_expired,
                locked_until,
                deleted,
                &now,
                country,
            ],
        )
        .await?;
    if changed != 1 {
        return Err(Error::internal("a locked user is gone"));
    }
    get(tx, *id).await?.ok_or_else(|| Error::internal("a locked user is gone"))
}

/// Writes how much authority a user has as its next version, and reads it back.
pub async fn save_authority(tx: &Tx<'_>, id: UserId, authority: &Authority, now: Timestamp) -> Result<User> {
    tx.run(
        "update users set level = $2, update_time = $3, revision = revision + 1 where id = $1",
        &[&id.0, &(authority.level() as i16), &now],
    )
    .await?;
    set_zones(tx, id, authority.zones()).await?;
    get(tx, id).await?.ok_or_else(|| Error::internal("a locked user is gone"))
}

/// How many open tasks wait for the user: delegated to it, or with its agent on them. Nothing new is delegated to it until
/// the transaction ends.
pub async fn open_tasks(tx: &Tx<'_>, id: UserId) -> Result<usize> {
    tx.run_sql("select from users where id = $1 for no key update", &[&id.0])
        .await?;
    let row = tx
        .one(
            "select count(*) as n from tasks t
             where t.state <= 3 and t.delete_time is null
               and (t.delegate_user_id = $1
                    or t.id in (select s.task_id from agents a join assignments s on s.agent_id = a.id where a.user_id = $1))",
            &[&id.0],
        )
        .await?;
    let count: i64 = row.read("n")?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// A user from a row with [`COLUMNS`].
pub fn decode(row: &Row) -> Result<User> {
    Ok(User {
        id: UserId(row.read("id")?),
        uid: row.read("uid")?,
        email: row.read("email")?,
        username: row.read("username")?,
        name: Name {
            display: row.read("display_name")?,
            given: row.read("given_name")?,
            family: row.read("family_name")?,
        },
        phone: row.read("phone")?,
        telegram_id: row.read("telegram_id")?,
        language: row.read("language")?,
        country: row.read("country_code")?,
        level: row.read_enum("level", Level::of)?,
        zones: row.read::<Vec<i64>>("zones")?.into_iter().map(ZoneId).collect(),
        agent: row.read::<Option<i64>>("agent_id")?.map(AgentId),
        service: row.read("service")?,
        active: row.read("active")?,
        locked: decode_lock(row)?,
        email_verified: row.read("email_verify_time")?,
        must_verify_email: row.read("must_verify_email")?,
        password_expired: row.read("password_expired")?,
        locked_until: row.read("lock_end_time")?,
        second_factor: row.read("second_factor")?,
        last_login: row.read("last_login_time")?,
        token_version: row.read("token_version")?,
        created: row.read("create_time")?,
        updated: row.read("update_time")?,
        deleted: row.read("delete_time")?,
        erased: row.read("erase_time")?,
        revision: Revision(row.read("revision")?),
    })
}

fn decode_lock(row: &Row) -> Result<Option<Lock>> {
    let since: Option<Timestamp> = row.read("lock_time")?;
    since
        .map(|since| {
            Ok(Lock {
                since,
                reason: row.read("lock_reason")?,
            })
        })
        .transpose()
}

/// An administrator who is there, the oldest.
pub async fn first_administrator(on: &impl Query) -> Result<Option<UserId>> {
    let row = on
        .row(
            "select id from users where level = 3 and active and delete_time is null and erase_time is null order by id limit 1",
            &[],
        )
        .await?;
    row.map(|row| Ok(UserId(row.read("id")?))).transpose()
}
