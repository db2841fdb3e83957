//! Users.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{
        AgentId, UserId,
        access::{Level, User},
    },
    error::Result,
};

/// A user and the hash of the password.
#[derive(Debug)]
pub struct Credentials {
    /// The user.
    pub user: User,
    /// Argon2id hash in PHC form.
    pub password_hash: String,
}

/// The active user with this e-mail, which must be lower case.
pub async fn by_email(on: &impl Query, email: &str) -> Result<Option<Credentials>> {
    let row = on
        .row(
            "select u.id, u.uid, u.email, u.display_name, u.level, u.password_hash,
                    (select a.id from agents a where a.user_id = u.id and a.delete_time is null) as agent_id
             from users u where u.email = $1 and u.active",
            &[&email],
        )
        .await?;
    row.map(|row| {
        Ok(Credentials {
            user: decode(&row)?,
            password_hash: row.read("password_hash")?,
        })
    })
    .transpose()
}

/// The active user with this number.
pub async fn get(on: &impl Query, id: UserId) -> Result<Option<User>> {
    let row = on
        .row(
            "select u.id, u.uid, u.email, u.display_name, u.level,
                    (select a.id from agents a where a.user_id = u.id and a.delete_time is null) as agent_id
             from users u where u.id = $1 and u.active",
            &[&id.0],
        )
        .await?;
    row.as_ref().map(decode).transpose()
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
    /// Argon2id hash in PHC form.
    pub password_hash: &'a str,
    /// Name as shown.
    pub display_name: &'a str,
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
        password_hash,
        display_name,
        level,
        now,
    } = draft;
    let row = tx
        .one(
            "insert into users (uid, email, password_hash, display_name, level, create_time)
             values ($1, $2, $3, $4, $5, $6) returning id",
            &[uid, email, password_hash, display_name, &(*level as i16), now],
        )
        .await?;
    Ok(UserId(row.read("id")?))
}

fn decode(row: &Row) -> Result<User> {
    Ok(User {
        id: UserId(row.read("id")?),
        uid: row.read("uid")?,
        email: row.read("email")?,
        display_name: row.read("display_name")?,
        level: row.read_enum("level", Level::of)?,
        agent: row.read::<Option<i64>>("agent_id")?.map(AgentId),
    })
}
