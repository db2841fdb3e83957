//! Texts that people are asked to agree to, and what they decided.

use std::net::IpAddr;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{UserId, audit::Door, consent::Purpose},
    error::Result,
};

/// A text in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// What for.
    pub purpose: Purpose,
    /// Version, from 1.
    pub version: i32,
    /// `es` or `en`.
    pub language: String,
    /// Heading.
    pub title: String,
    /// The text.
    pub body: String,
    /// SHA-256 of heading, a line feed and text.
    pub hash: Vec<u8>,
    /// When it came or comes into force.
    pub start: Timestamp,
}

/// Texts by purpose, newest first; only those in a language, if told.
pub async fn texts(on: &impl Query, language: Option<&str>) -> Result<Vec<Text>> {
    let rows = on
        .rows(
            "select x.purpose, x.version, x.language, x.title, x.body, x.hash, x.start_time from consent_texts x
             where $1::text is null or x.language = $1 order by x.purpose, x.version desc, x.language desc",
            &[&language],
        )
        .await?;
    rows.iter().map(decode_text).collect()
}

fn decode_text(row: &Row) -> Result<Text> {
    Ok(Text {
        purpose: row.read_enum("purpose", Purpose::of)?,
        version: row.read("version")?,
        language: row.read("language")?,
        title: row.read("title")?,
        body: row.read("body")?,
        hash: row.read("hash")?,
        start: row.read("start_time")?,
    })
}

/// The version of a purpose's text that is in force; 0: none.
pub async fn version_in_force(on: &impl Query, purpose: Purpose, now: Timestamp) -> Result<i32> {
    on.one(
        "select coalesce(max(version), 0) as version from consent_texts where purpose = $1 and start_time <= $2",
        &[&(purpose as i16), &now],
    )
    .await?
    .read("version")
}

/// Whether a version is there in a language.
pub async fn has_text(on: &impl Query, purpose: Purpose, version: i32, language: &str) -> Result<bool> {
    on.one(
        "select exists (select from consent_texts where purpose = $1 and version = $2 and language = $3) as there",
        &[&(purpose as i16), &version, &language],
    )
    .await?
    .read("there")
}

/// Waits until nobody else publishes; gives the version that comes next.
pub async fn next_version(tx: &Tx<'_>, purpose: Purpose) -> Result<i32> {
    tx.run_sql("select pg_advisory_xact_lock(hashtextextended('consent_texts', 0))", &[])
        .await?;
    tx.one(
        "select coalesce(max(version), 0) + 1 as version from consent_texts where purpose = $1",
        &[&(purpose as i16)],
    )
    .await?
    .read("version")
}

/// Publishes a text.
pub async fn publish(tx: &Tx<'_>, text: &Text, by: UserId, now: Timestamp) -> Result<()> {
    let Text {
        purpose,
        version,
        language,
        title,
        body,
        hash,
        start,
    } = text;
    tx.run(
        "insert into consent_texts (purpose, version, language, title, body, hash, start_time, create_time, publish_user_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[&(*purpose as i16), version, language, title, body, hash, start, &now, &by.0],
    )
    .await?;
    Ok(())
}

/// What somebody decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What of.
    pub purpose: Purpose,
    /// Version of the text.
    pub version: i32,
    /// Language of the text.
    pub language: String,
    /// Whether it was a yes.
    pub granted: bool,
    /// How it was said.
    pub door: Option<Door>,
    /// From where.
    pub address: Option<IpAddr>,
    /// When.
    pub time: Timestamp,
}

/// Adds what a user decided; it takes the place of what they decided before of the purpose.
pub async fn decide(tx: &Tx<'_>, user: UserId, decision: &Decision) -> Result<()> {
    let Decision {
        purpose,
        version,
        language,
        granted,
        door,
        address,
        time,
    } = decision;
    let purpose = *purpose as i16;
    tx.run(
        "update consents set replaced = true where user_id = $1 and purpose = $2 and not replaced",
        &[&user.0, &purpose],
    )
    .await?;
    tx.run(
        "insert into consents (user_id, purpose, version, language, granted, door, address, create_time)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            &user.0,
            &purpose,
            version,
            language,
            granted,
            &door.map_or(0, |door| door as i16),
            address,
            time,
        ],
    )
    .await?;
    Ok(())
}

/// What a user decided last of each purpose.
pub async fn present(on: &impl Query, user: UserId) -> Result<Vec<Decision>> {
    let rows = on
        .rows(
            "select purpose, version, language, granted, door, address, create_time from consents
             where user_id = $1 and not replaced order by purpose",
            &[&user.0],
        )
        .await?;
    rows.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<Decision> {
    Ok(Decision {
        purpose: row.read_enum("purpose", Purpose::of)?,
        version: row.read("version")?,
        language: row.read("language")?,
        granted: row.read("granted")?,
        door: Door::of(row.read::<i16>("door")?.into()),
        address: row.read("address")?,
        time: row.read("create_time")?,
    })
}

/// Up to `limit` decisions of a user with numbers below `before`, newest first, with the very texts.
pub async fn history(on: &impl Query, user: UserId, before: i64, limit: i64) -> Result<Vec<(i64, Decision, Text)>> {
    let rows = on
        .rows(
            "select c.id, c.purpose, c.version, c.language, c.granted, c.door, c.address, c.create_time,
                    x.title, x.body, x.hash, x.start_time
             from consents c join consent_texts x using (purpose, version, language)
             where c.user_id = $1 and c.id < $2 order by c.id desc limit $3",
            &[&user.0, &before, &limit],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.read("id")?, decode(row)?, decode_text(row)?)))
        .collect()
}
