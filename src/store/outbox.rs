//! The outbox: facts in the order in which they became true.
//!
//! A transaction takes its number at its first write. Writers lock the rows' nouns before that (advisory locks take no
//! number), so for one task or agent the numbers follow the order of the changes. A reader stops at the oldest
//! transaction that still runs; beyond it a smaller number might yet commit.

use std::fmt;

use jiff::Timestamp;
use postgres_types::Json;
use tokio_postgres::Row;

use super::{Query, Tx, decode::Column};
use crate::{domain::fact::Fact, error::Result};

/// A place in the feed: after the fact with this transaction and sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Transaction.
    pub xid: i64,
    /// Order within the transaction.
    pub seq: i64,
}

impl Position {
    /// The place that a text names, as `Display` writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (xid, seq) = text.split_once('-')?;
        Some(Self {
            xid: xid.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.xid, self.seq)
    }
}

/// A fact and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its place.
    pub position: Position,
    /// The fact.
    pub fact: Fact,
}

/// Adds facts in this order.
pub async fn add(tx: &Tx<'_>, facts: &[Fact]) -> Result<()> {
    if facts.is_empty() {
        return Ok(());
    }
    let times: Vec<Timestamp> = facts.iter().map(|fact| fact.time).collect();
    let users: Vec<Option<i64>> = facts.iter().map(|fact| fact.subject.user().map(|user| user.0)).collect();
    let facts: Vec<Json<&Fact>> = facts.iter().map(Json).collect();
    tx.run(
        "insert into outbox (event_time, user_id, fact)
         select n.event_time, n.user_id, n.fact from unnest($1::timestamptz[], $2::bigint[], $3::jsonb[])
         with ordinality n (event_time, user_id, fact, place) order by n.place",
        &[&times, &users, &facts],
    )
    .await?;
    Ok(())
}

/// Settled facts after `after`, up to `until` if given, oldest first, at most `limit`.
pub async fn read(on: &impl Query, after: Position, until: Option<Position>, limit: i64) -> Result<Vec<Entry>> {
    let until = until.unwrap_or(Position {
        xid: i64::MAX,
        seq: i64::MAX,
    });
    let rows = on
        .rows(
            "select xid, seq, fact from outbox
             where (xid, seq) > ($1, $2) and (xid, seq) <= ($3, $4)
               and xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
             order by xid, seq limit $5",
            &[&after.xid, &after.seq, &until.xid, &until.seq, &limit],
        )
        .await?;
    rows.iter().filter_map(|row| decode(row).transpose()).collect()
}

/// Whether more than `count` facts came after `after`.
pub async fn is_far_behind(on: &impl Query, after: Position, count: i64) -> Result<bool> {
    on.one(
        "select exists (select from outbox where (xid, seq) > ($1, $2) order by xid, seq offset $3 limit 1) as far",
        &[&after.xid, &after.seq, &count],
    )
    .await?
    .read("far")
}

/// The entry of a row; none if another version of the program wrote what this one cannot read: one fact must not
/// stop the feed for everybody.
fn decode(row: &Row) -> Result<Option<Entry>> {
    let position = Position {
        xid: row.read("xid")?,
        seq: row.read("seq")?,
    };
    match row.read::<Json<Fact>>("fact") {
        Ok(fact) => Ok(Some(Entry { position, fact: fact.0 })),
        Err(cause) => {
            tracing::error!(%position, %cause, "a fact cannot be read");
            metrics::counter!("outbox_unreadable_total").increment(1);
            Ok(None)
        }
    }
}

/// Place of the last settled fact, or the floor if there is none.
pub async fn head(on: &impl Query) -> Result<Position> {
    let row = on
        .row(
            "select xid, seq from outbox where xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
             order by xid desc, seq desc limit 1",
            &[],
        )
        .await?;
    match row {
        Some(row) => Ok(Position {
            xid: row.read("xid")?,
            seq: row.read("seq")?,
        }),
        None => Ok(feed(on).await?.floor),
    }
}

/// What is known of the feed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// Changes when transaction numbers begin to mean other things.
    pub epoch: i64,
    /// Facts up to here may be gone.
    pub floor: Position,
    /// No transaction has this number yet.
    pub next_xid: i64,
    /// Grows when facts are taken out of its middle: copies of it are to be forgotten.
    pub erasures: i64,
}

/// The feed.
pub async fn feed(on: &impl Query) -> Result<Feed> {
    let row = on
        .one(
            "select epoch, floor_xid, floor_seq, erasures, pg_snapshot_xmax(pg_current_snapshot())::text::bigint as next_xid from feed",
            &[],
        )
        .await?;
    Ok(Feed {
        epoch: row.read("epoch")?,
        floor: Position {
            xid: row.read("floor_xid")?,
            seq: row.read("floor_seq")?,
        },
        next_xid: row.read("next_xid")?,
        erasures: row.read("erasures")?,
    })
}

/// Starts the feed anew if this is another database cluster or timeline than the one that wrote it.
/// `epoch` is the new epoch's number in that case. True if it was started anew.
pub async fn adopt(tx: &Tx<'_>, epoch: i64) -> Result<bool> {
    let row = tx
        .one(
            "select f.cluster, s.system_identifier || '/' || c.timeline_id as here
             from feed f, pg_control_system() s, pg_control_checkpoint() c for update of f",
            &[],
        )
        .await?;
    let here: String = row.read("here")?;
    if row.read::<&str>("cluster")? == here {
        return Ok(false);
    }
    tx.run("delete from outbox", &[]).await?;
    tx.run(
        "update feed set cluster = $1, epoch = $2, floor_xid = pg_current_xact_id()::text::bigint, floor_seq = 0",
        &[&here, &epoch],
    )
    .await?;
    Ok(true)
}

/// Drops facts older than `before`, at most `limit`, and raises the floor with them; says how many.
pub async fn trim(tx: &Tx<'_>, before: Timestamp, limit: i64) -> Result<u64> {
    let row = tx
        .row(
            "with old as (select xid, seq from outbox where event_time < $1
                          and xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint order by xid, seq limit $2)
             select count(*) as n, max(xid) as xid, (array_agg(seq order by xid desc, seq desc))[1] as seq from old",
            &[&before, &limit],
        )
        .await?;
    let Some(row) = row else { return Ok(0) };
    let (Some(xid), Some(seq)) = (row.read::<Option<i64>>("xid")?, row.read::<Option<i64>>("seq")?) else {
        return Ok(0);
    };
    tx.run("update feed set floor_xid = $1, floor_seq = $2", &[&xid, &seq])
        .await?;
    tx.run("delete from outbox where (xid, seq) <= ($1, $2)", &[&xid, &seq]).await
}

/// Which transactions a snapshot sees: told by numbers, so that facts already in it can be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visibility {
    xmin: i64,
    xmax: i64,
    running: Vec<i64>,
}

impl Visibility {
    /// Of the snapshot that this (repeatable read) transaction reads.
    pub async fn of(tx: &Tx<'_>) -> Result<Self> {
        let row = tx
            .one(
                "select pg_snapshot_xmin(s)::text::bigint as xmin, pg_snapshot_xmax(s)::text::bigint as xmax,
                        array(select x::text::bigint from pg_snapshot_xip(s) x) as running
                 from pg_current_snapshot() s",
                &[],
            )
            .await?;
        Ok(Self {
            xmin: row.read("xmin")?,
            xmax: row.read("xmax")?,
            running: row.read("running")?,
        })
    }

    /// Whether the snapshot has what this transaction wrote.
    pub fn sees(&self, xid: i64) -> bool {
        xid < self.xmin || (xid < self.xmax && !self.running.contains(&xid))
    }

    /// Whether no later fact can be in the snapshot.
    pub fn is_past(&self, xid: i64) -> bool {
        xid >= self.xmax
    }

    /// The last place before which the snapshot has everything.
    pub fn settled(&self) -> Position {
        Position {
            xid: self.xmin - 1,
            seq: i64::MAX,
        }
    }
}
