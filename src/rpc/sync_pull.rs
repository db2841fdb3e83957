//! SyncService: what a phone does not know yet, page by page, by the feed and the rights of Watch.

use tonic::Response;

use super::{
    Call,
    ear::Ear,
    event::{Cursor, read, write},
    wire,
};
use crate::{
    app::App,
    domain::{
        emergency::Stage,
        interest::{Interest, Noun, Wanted},
    },
    error::{Error, Result},
    pb::{self, snapshot_row::Resource},
    store::{
        self, Tx,
        outbox::{Feed, Visibility},
    },
};

/// Rows or events of a page that names no size.
const PAGE: i64 = 500;
/// Facts that are read at a time.
const BATCH: i64 = 500;
/// Facts that are looked through for one page.
const LOOK: usize = 10_000;
/// Facts after which everything is told anew rather than all of them.
const BEHIND: i64 = 50_000;
/// First byte of a cursor into a snapshot.
const FORM: u8 = 2;

/// Where a phone's copy ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It has none.
    Nowhere,
    /// It has all up to here.
    Feed(Cursor),
    /// It has rows up to one of a kind, and then goes on in the feed.
    Within {
        /// Where the feed was when it began.
        from: Cursor,
        /// Which kind of rows is told.
        kind: RowKind,
        /// The last one told.
        after: i64,
    },
}

/// Kinds of rows, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Open tasks.
    Task = 0,
    /// Agents.
    Agent = 1,
    /// Open emergencies, the latest first.
    Emergency = 2,
}

impl RowKind {
    fn next(self) -> Option<Self> {
        match self {
            Self::Task => Some(Self::Agent),
            Self::Agent => Some(Self::Emergency),
            Self::Emergency => None,
        }
    }

    fn of(number: i64) -> Option<Self> {
        [Self::Task, Self::Agent, Self::Emergency]
            .into_iter()
            .find(|kind| *kind as i64 == number)
    }

    /// Before the first one.
    fn start(self) -> i64 {
        match self {
            Self::Task | Self::Agent => 0,
            Self::Emergency => i64::MAX,
        }
    }
}

impl Place {
    /// The place that a text names.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::Nowhere);
        }
        let Some([epoch, xid, seq, kind, after]) = read(FORM, text) else {
            return Cursor::parse(text).map(Self::Feed);
        };
        let position = store::outbox::Position { xid, seq };
        Ok(Self::Within {
            from: Cursor { epoch, position },
            kind: RowKind::of(kind).ok_or(Error::Cursor)?,
            after,
        })
    }

    /// Its text.
    fn text(self) -> String {
        match self {
            Self::Nowhere => String::new(),
            Self::Feed(cursor) => cursor.text(),
            Self::Within { from, kind, after } => {
                let Cursor { epoch, position } = from;
                write(FORM, [epoch, position.xid, position.seq, kind as i64, after])
            }
        }
    }
}

/// Pull.
pub async fn pull(app: &App, call: &Call, request: pb::PullRequest) -> Result<Response<pb::PullResponse>> {
    let place = Place::parse(&request.cursor)?;
    Ok(Response::new(page(app, call, place, request.page_size).await?))
}

/// A page of what came after a place.
pub async fn page(app: &App, call: &Call, place: Place, page_size: i32) -> Result<pb::PullResponse> {
    let caller = call.caller()?;
    let interest = Interest {
        lens: app.precision.shared_lens(&caller),
        caller,
        wanted: Wanted {
            nouns: vec![Noun::Task, Noun::Agent, Noun::Emergency],
            ..Wanted::default()
        },
    };
    let ear = Ear {
        app,
        interest: &interest,
    };
    let limit = if page_size == 0 { PAGE } else { i64::from(page_size) };
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    tx.freeze().await?;
    let feed = store::outbox::feed(&tx).await?;
    match place {
        Place::Feed(cursor) if cursor.is_within(&feed) && !store::outbox::is_far_behind(&tx, cursor.position, BEHIND).await? => {
            events(&tx, &ear, cursor, limit).await
        }
        Place::Within { from, kind, after } if from.is_within(&feed) => rows(&tx, &ear, from, (kind, after), limit).await,
        _ => anew(&tx, &ear, &feed, limit).await,
    }
}

/// What happened since.
async fn events(tx: &Tx<'_>, ear: &Ear<'_>, since: Cursor, limit: i64) -> Result<pb::PullResponse> {
    let limit = usize::try_from(limit).unwrap_or_default();
    let mut at = since;
    let (mut events, mut looked, mut more) = (Vec::new(), 0, true);
    while more && events.len() < limit && looked < LOOK {
        let entries = store::outbox::read(tx, at.position, None, BATCH).await?;
        more = !entries.is_empty();
        for entry in entries {
            if events.len() == limit {
                break;
            }
            looked += 1;
            at.position = entry.position;
            events.extend(ear.event(&entry.fact));
        }
    }
    Ok(pb::PullResponse {
        events,
        next_cursor: at.text(),
        has_more: more,
        ..Default::default()
    })
}

/// All rows, from the first. What changes while they are told is told after them, and the greater revision counts.
async fn anew(tx: &Tx<'_>, ear: &Ear<'_>, feed: &Feed, limit: i64) -> Result<pb::PullResponse> {
    let from = Cursor {
        epoch: feed.epoch,
        position: Visibility::of(tx).await?.settled(),
    };
    let first = (RowKind::Task, RowKind::Task.start());
    let told = rows(tx, ear, from, first, limit).await?;
    Ok(pb::PullResponse { reset: true, ..told })
}

/// Rows after one of a kind.
async fn rows(tx: &Tx<'_>, ear: &Ear<'_>, from: Cursor, first: (RowKind, i64), limit: i64) -> Result<pb::PullResponse> {
    let wanted = usize::try_from(limit).unwrap_or_default();
    let mut rows = Vec::new();
    let mut place = Some(first);
    while let Some((kind, after)) = place
        && rows.len() < wanted
    {
        let (last, found) = some(tx, ear, kind, after, limit - i64::try_from(rows.len()).unwrap_or_default()).await?;
        rows.extend(found);
        place = match last {
            Some(last) => Some((kind, last)),
            None => kind.next().map(|next| (next, next.start())),
        };
    }
    let next = match place {
        Some((kind, after)) => Place::Within { from, kind, after },
        None => Place::Feed(from),
    };
    let rows = rows.into_iter().map(|resource| pb::SnapshotRow {
        resource: Some(resource),
    });
    Ok(pb::PullResponse {
        rows: rows.collect(),
        next_cursor: next.text(),
        // Even after the last row there may be what happened since they were begun.
        has_more: true,
        ..Default::default()
    })
}

/// Some rows of a kind, and the number of the last one that was looked at; none: there are no more.
async fn some(tx: &Tx<'_>, ear: &Ear<'_>, kind: RowKind, after: i64, limit: i64) -> Result<(Option<i64>, Vec<Resource>)> {
    let Ear { app, interest } = ear;
    let sight = interest.caller.sight();
    let sight = sight.as_ref();
    Ok(match kind {
        RowKind::Task => {
            let tasks = store::task::open_after(tx, after, sight, limit).await?;
            let told = tasks.iter().filter(|task| interest.has_task(task));
            let told = told.map(|task| Resource::Task(wire::task(task, &interest.caller, app.clock.now())));
            (tasks.last().map(|task| task.id.0), told.collect())
        }
        RowKind::Agent => {
            let agents = store::agent::after(tx, after, sight, limit).await?;
            let told = agents.iter().filter(|agent| interest.has_agent(agent));
            let told = told.map(|agent| Resource::Agent(wire::agent(agent, ear.lens())));
            (agents.last().map(|agent| agent.id.0), told.collect())
        }
        RowKind::Emergency => {
            let called = Stage::calling(interest.caller.level);
            let emergencies = store::emergency::page(tx, after, true, sight, called, limit).await?;
            let told = emergencies.iter().filter(|emergency| interest.has_emergency(emergency));
            let told = told.map(|emergency| Resource::Emergency(wire::emergency(emergency)));
            (emergencies.last().map(|emergency| emergency.id.0), told.collect())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::Position;

    #[test]
    fn a_place_survives_its_text_and_nothing_else_does() {
        let from = Cursor {
            epoch: 3,
            position: Position { xid: 7, seq: i64::MAX },
        };
        let within = Place::Within {
            from,
            kind: RowKind::Emergency,
            after: i64::MAX,
        };
        for place in [Place::Nowhere, Place::Feed(from), within] {
            assert_eq!(Place::parse(&place.text()).expect("own"), place);
        }
        for wrong in ["x".to_owned(), within.text()[1..].to_owned(), write(FORM, [3, 7, 1, 9, 0])] {
            assert!(Place::parse(&wrong).is_err());
        }
    }
}
