//! Users.

use std::sync::LazyLock;

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{
        AgentId, Revision, UserId, ZoneId,
        access::Level,
        user::{Name, User},
    },
    error::Result,
};

/// Columns of a user `u`, for [`decode`].
pub const COLUMNS: &str = "u.id, u.uid, u.email, u.username, u.display_name, u.given_name, u.family_name, u.phone, u.telegram_id,
    u.language, u.level, u.active, u.email_verify_time, u.password_expired, u.lock_end_time,
    u.totp_confirm_time is not null as second_factor, u.last_login_time, u.token_version, u.create_time, u.update_time,
    u.delete_time, u.erase_time, u.revision,
    array(select z.zone_id from user_zones z where z.user_id = u.id order by z.zone_id) as zones,
    (select a.id from agents a where a.user_id = u.id and a.delete_time is null) as agent_id";

static GET: LazyLock<String> = LazyLock::new(|| format!("select {COLUMNS} from users u where u.id = $1"));

/// The user with this number, whatever became of it.
pub async fn get(on: &impl Query, id: UserId) -> Result<Option<User>> {
    on.row(&GET, &[&id.0]).await?.as_ref().map(decode).transpose()
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
    /// Argon2id hash in PHC form; none: cannot sign in before a password was set.
    pub password_hash: Option<&'a str>,
    /// When the e-mail was proved.
    pub email_verified: Option<Timestamp>,
    /// Level of authority.
    pub level: Level,
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
        password_hash,
        email_verified,
        level,
        now,
    } = draft;
    let row = tx
        .one(
            "insert into users (uid, email, username, display_name, given_name, family_name, phone, telegram_id, language,
                                password_hash, email_verify_time, level, create_time, update_time)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13) returning id",
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
                &(*level as i16),
                now,
            ],
        )
        .await?;
    Ok(UserId(row.read("id")?))
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
        level: row.read_enum("level", Level::of)?,
        zones: row.read::<Vec<i64>>("zones")?.into_iter().map(ZoneId).collect(),
        agent: row.read::<Option<i64>>("agent_id")?.map(AgentId),
        active: row.read("active")?,
        email_verified: row.read("email_verify_time")?,
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
