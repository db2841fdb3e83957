//! EventService.

use std::{pin::Pin, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{
    Call,
    watch::{Start, Watch},
    wire,
};
use crate::{
    app::App,
    domain::{
        AgentId, TaskId, ZoneId,
        interest::{Hearing, Interest, Noun, Wanted},
    },
    error::{Error, Result},
    identity::SignedIn,
    pb::{self, event_service_server::EventService},
    store::{self, outbox::Position},
};

/// Messages that wait for a receiver, beside the hub's queue.
const CHANNEL: usize = 16;

/// The service.
#[derive(Debug, Clone)]
pub struct Events(pub Arc<App>);

#[tonic::async_trait]
impl EventService for Events {
    type WatchStream = Heard;

    async fn watch(&self, request: Request<pb::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(watch(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn watch(app: &Arc<App>, call: &Call, request: pb::WatchRequest) -> Result<Response<Heard>> {
    let signed_in = call.signed_in()?.clone();
    let pb::WatchRequest {
        filter,
        cursor,
        include_snapshot,
    } = request;
    let interest = Interest {
        caller: signed_in.caller.clone(),
        lens: app.precision.shared_lens(&signed_in.caller),
        wanted: wanted(filter.unwrap_or_default())?,
    };
    begin(app, call, interest, Some(signed_in), &cursor, include_snapshot).await
}

/// A stream of what somebody may and wants to hear.
pub type Heard = Pin<Box<dyn Stream<Item = Result<pb::WatchResponse, Status>> + Send>>;

/// Begins to tell.
pub async fn begin(
    app: &Arc<App>,
    call: &Call,
    interest: Interest,
    signed_in: Option<SignedIn>,
    cursor: &str,
    include_snapshot: bool,
) -> Result<Response<Heard>> {
    if include_snapshot && !cursor.is_empty() {
        return Err(Error::invalid(
            "cursor",
            "no va junto con include_snapshot",
            "does not go with include_snapshot",
        ));
    }
    let given = if cursor.is_empty() {
        None
    } else {
        Some(Cursor::parse(cursor)?)
    };
    let heard = interest.clone();
    let wants = Box::new(move |fact: &_| heard.hearing(fact) != Hearing::Nothing);
    let subscription = app.hub.subscribe(app.settings.watch_queue, wants);
    let start = match given {
        Some(cursor) => Start::After(reachable(app, cursor, subscription.epoch).await?),
        None if include_snapshot => Start::Snapshot,
        None => Start::Now,
    };
    let (sender, receiver) = mpsc::channel(CHANNEL);
    let subscription_from = subscription.from;
    let watch = Watch {
        app: Arc::clone(app),
        interest,
        signed_in,
        deadline: call.deadline,
        subscription,
        sender,
        at: start.place(subscription_from),
    };
    tokio::spawn(watch.run(start));
    Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
}

/// The place of a cursor, if the feed still reaches back to it.
async fn reachable(app: &App, cursor: Cursor, epoch: i64) -> Result<Position> {
    if cursor.epoch != epoch {
        return Err(Error::CursorExpired);
    }
    let conn = app.database.lease().await?;
    let feed = store::outbox::feed(&*conn).await?;
    if feed.epoch != epoch || !cursor.is_within(&feed) {
        return Err(Error::CursorExpired);
    }
    Ok(cursor.position)
}

/// Which events a filter names.
pub fn wanted(filter: pb::WatchFilter) -> Result<Wanted> {
    let pb::WatchFilter {
        nouns,
        types,
        task_ids,
        agent_ids,
        zone_ids,
        r#box,
    } = filter;
    Ok(Wanted {
        nouns: wire::enums("filter.nouns", &nouns, Noun::of)?,
        types,
        tasks: task_ids.into_iter().map(TaskId).collect(),
        agents: agent_ids.into_iter().map(AgentId).collect(),
        zones: zone_ids.into_iter().map(ZoneId).collect(),
        bounds: r#box.map(|bounds| wire::bounds("filter.box", bounds)).transpose()?,
    })
}

/// A place in a feed, as clients keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Feed.
    pub epoch: i64,
    /// Place.
    pub position: Position,
}

/// First byte of a cursor: the form of the rest.
const FORM: u8 = 1;

impl Cursor {
    /// The opaque text.
    pub fn text(self) -> String {
        write(FORM, [self.epoch, self.position.xid, self.position.seq])
    }

    /// Reads the opaque text; anything but what [`Cursor::text`] wrote is refused.
    pub fn parse(text: &str) -> Result<Self> {
        let [epoch, xid, seq] = read(FORM, text).ok_or(Error::Cursor)?;
        Ok(Self {
            epoch,
            position: Position { xid, seq },
        })
    }

    /// Whether the feed still reaches back to it. A place that no transaction has reached yet is of a feed that was rolled back.
    pub fn is_within(&self, feed: &store::outbox::Feed) -> bool {
        feed.epoch == self.epoch && self.position >= feed.floor && self.position.xid < feed.next_xid
    }
}

/// Numbers as an opaque text of a form.
pub fn write<const N: usize>(form: u8, numbers: [i64; N]) -> String {
    let mut bytes = vec![form];
    for number in numbers {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(check(&bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The numbers of a text that [`write()`] wrote in this form; none of any other text.
pub fn read<const N: usize>(form: u8, text: &str) -> Option<[i64; N]> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (body, sum) = bytes.split_at_checked(1 + 8 * N)?;
    if body[0] != form || sum != check(body) {
        return None;
    }
    let mut numbers = [0; N];
    for (number, chunk) in numbers.iter_mut().zip(body[1..].chunks_exact(8)) {
        *number = i64::from_be_bytes(chunk.try_into().ok()?);
    }
    Some(numbers)
}

fn check(body: &[u8]) -> [u8; 4] {
    let mut sum = [0; 4];
    sum.copy_from_slice(&aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body).as_ref()[..4]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_nothing_else_does() {
        let cursor = Cursor {
            epoch: -5,
            position: Position { xid: 1 << 40, seq: 7 },
        };
        let text = cursor.text();
        assert_eq!(Cursor::parse(&text).expect("own"), cursor);
        for at in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            assert!(Cursor::parse(&String::from_utf8(altered).expect("ascii")).is_err());
        }
        assert!(Cursor::parse("").is_err());
        assert!(Cursor::parse("AQ").is_err());
    }
}
