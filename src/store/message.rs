//! Messages to groups.

use jiff::Timestamp;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{
        UserId,
        message::{Audience, Message, Urgency},
        notification::Channel,
    },
    error::Result,
};

/// Adds a message and queues it for each who is meant; gives its number, and how many they are. Its deliveries are of no feed,
/// whose epochs begin with 1, and are told apart by the message.
pub async fn send(tx: &Tx<'_>, message: &Message) -> Result<(i64, u64)> {
    let Message {
        uid,
        sender,
        audience,
        urgency,
        text,
        created,
        expires,
    } = message;
    let row = tx
        .one(
            "insert into messages (uid, user_id, audience, urgency, text, create_time, expire_time)
             values ($1, $2, $3, $4, $5, $6, $7) returning id",
            &[
                uid,
                &sender.0,
                &(*audience as i16),
                &(*urgency as i16),
                text,
                created,
                expires,
            ],
        )
        .await?;
    let id: i64 = row.read("id")?;
    let queued = tx
        .run(
            "insert into deliveries (uid, channel, user_id, event_type, event_time, actor_user_id, message_id, epoch, xid, seq,
                                     next_time, expire_time, create_time)
             select md5($2::uuid::text || u.id)::uuid, $3, u.id, 0, $4, $5, $1, 0, 0, $1, $4, $6, $4
             from users u
             left join agents a on a.user_id = u.id and a.delete_time is null
             where u.telegram_id is not null and not u.service and u.active and u.delete_time is null and u.erase_time is null
               and case $7::smallint when 1 then true
                                     when 2 then u.level >= 2
                                     when 3 then u.level >= 2 or a.id is not null
                                     else a.id is not null end
               and ($8::boolean or a.duty is distinct from 3)",
            &[
                &id,
                uid,
                &(Channel::Telegram as i16),
                created,
                &sender.0,
                expires,
                &(*audience as i16),
                &urgency.disturbs(),
            ],
        )
        .await?;
    Ok((id, queued))
}

/// A message.
pub async fn get(on: &impl Query, id: i64) -> Result<Option<Message>> {
    let sql = "select uid, user_id, audience, urgency, text, create_time, expire_time from messages where id = $1";
    let Some(row) = on.row(sql, &[&id]).await? else {
        return Ok(None);
    };
    Ok(Some(Message {
        uid: row.read("uid")?,
        sender: UserId(row.read("user_id")?),
        audience: row.read_enum("audience", Audience::of)?,
        urgency: row.read_enum("urgency", Urgency::of)?,
        text: row.read("text")?,
        created: row.read("create_time")?,
        expires: row.read("expire_time")?,
    }))
}

/// Forgets up to `limit` messages made before a time of which no delivery is left; says how many.
pub async fn forget(on: &impl Query, before: Timestamp, limit: i64) -> Result<u64> {
    on.run(
        "delete from messages where id = any(array(
             select m.id from messages m
             where m.create_time < $1 and not exists (select from deliveries d where d.message_id = m.id) limit $2))",
        &[&before, &limit],
    )
    .await
}
