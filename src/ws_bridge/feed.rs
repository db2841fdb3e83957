//! One upstream watch and those who hear it: its latest messages, and each member's place among them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::{
    ended::Ended,
    item::{Item, Kind},
    ring::{Found, Limits, Ring},
    token::Credential,
};
use crate::pb::WatchFilter;

/// Wait between two looks whether slow members made room.
const LOOK: Duration = Duration::from_millis(5);
/// Time over which patience with slow members is counted.
const PATIENCE_WINDOW: Duration = Duration::from_secs(10);
/// Patience in a window where many hear what happens now.
const PATIENCE_LIVE: Duration = Duration::from_millis(250);
/// Patience in a window where several catch up together.
const PATIENCE_BEHIND: Duration = Duration::from_secs(2);

/// What a feed keeps, and how soon it may be left.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// What its ring keeps.
    pub ring: Limits,
    /// Time after a snapshot in which its watch leaves out facts that the snapshot has already, although they come later
    /// in the feed: as long as transactions that ran while it was taken can last. The main feed would not leave them out.
    pub settling: Duration,
}

/// Where a watch begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With what happens from now on.
    Now,
    /// After this cursor.
    Cursor(Arc<str>),
    /// With all rows there are.
    Snapshot,
}

/// How far a feed is.
#[derive(Debug, Clone)]
enum Phase {
    /// It has not yet been where the server is.
    Opening,
    /// It has, and knows where to go on.
    Live,
    /// It is over.
    Over(Ended),
}

#[derive(Debug)]
struct Member {
    /// Number of the message to read next; none: from where the feed is once it is live.
    next: Option<u64>,
    waker: Option<Waker>,
    credential: Arc<Credential>,
    /// It has heard how much is open, where that is told.
    counted: bool,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    phase: Phase,
    members: HashMap<u64, Member>,
    /// Number of the next member.
    number: u64,
    /// No member's place is before this, save for those overtaken already.
    floor: u64,
    /// Whether this is the feed that its key's members end up at.
    main: bool,
    /// Rows of a snapshot were sent, and its end was not.
    in_snapshot: bool,
    /// From when on what it says is what any other watch would say; none: not yet known.
    plain_from: Option<Instant>,
    /// How much is open, as it was told last. The server says it when a watch begins; here many begin on one watch.
    counts: Option<Arc<Item>>,
    /// When patience was last renewed, and how much of it is used up.
    patience: (Instant, Duration),
}

/// What a member reads.
#[derive(Debug)]
pub enum Read {
    /// A message.
    Item(Arc<Item>),
    /// The member was too slow.
    Overtaken,
    /// The feed is over, or the member's token is.
    Over(Ended),
}

/// One upstream watch and those who hear it.
#[derive(Debug)]
pub struct Feed {
    /// Which events.
    pub filter: WatchFilter,
    /// Where it began.
    pub start: Start,
    terms: Terms,
    state: Mutex<State>,
    /// Rings when the last member left.
    vacated: Notify,
}

impl Feed {
    /// A feed without members.
    pub fn new(filter: WatchFilter, start: Start, terms: Terms, main: bool) -> Self {
        let now = Instant::now();
        let (base, plain_from) = match &start {
            Start::Cursor(cursor) => (Some(Arc::clone(cursor)), Some(now)),
            Start::Now => (None, Some(now)),
            Start::Snapshot => (None, None),
        };
        Self {
            filter,
            start,
            terms,
            state: Mutex::new(State {
                ring: Ring::new(base, terms.ring),
                phase: Phase::Opening,
                members: HashMap::new(),
                number: 0,
                floor: 0,
                main,
                in_snapshot: false,
                plain_from,
                counts: None,
                patience: (now, Duration::ZERO),
            }),
            vacated: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a member who reads from the message with this number on, or from where the feed is once it is live.
    pub fn join(&self, next: Option<u64>, credential: &Arc<Credential>) -> u64 {
        let mut state = self.state();
        let number = state.number;
        state.number += 1;
        if let Some(next) = next {
            state.floor = state.floor.min(next);
        }
        let credential = Arc::clone(credential);
        state.members.insert(
            number,
            Member {
                next,
                waker: None,
                credential,
                counted: false,
            },
        );
        number
    }

    /// Adds a member who has heard all up to this cursor, if that place is still known.
    pub fn join_after(&self, cursor: &str, credential: &Arc<Credential>) -> Option<u64> {
        let next = self.state().ring.after(cursor)?;
        Some(self.join(Some(next), credential))
    }

    /// Takes a member out.
    pub fn leave(&self, member: u64) {
        let mut state = self.state();
        state.members.remove(&member);
        if state.members.is_empty() {
            self.vacated.notify_one();
        }
    }

    /// What a member reads next.
    pub fn poll_read(&self, number: u64, context: &mut Context<'_>) -> Poll<Read> {
        let mut state = self.state();
        let State {
            ring,
            phase,
            members,
            counts,
            ..
        } = &mut *state;
        let Some(member) = members.get_mut(&number) else {
            return Poll::Ready(Read::Overtaken);
        };
        if member.credential.is_revoked() {
            return Poll::Ready(Read::Over(Ended::AUTH_REVOKED));
        }
        let found = match (member.next, &*phase, ring.latest()) {
            (Some(next), _, _) => ring.get(next),
            (None, Phase::Live, Some(cursor)) => {
                member.next = Some(ring.end());
                return Poll::Ready(Read::Item(Arc::new(Item::checkpoint(cursor))));
            }
            (None, _, _) => Found::Nothing,
        };
        match (found, phase) {
            (Found::Item(item), _) => {
                member.next = member.next.map(|next| next + 1);
                member.counted |= item.counts().is_some();
                Poll::Ready(Read::Item(item))
            }
            (Found::Overtaken, _) => Poll::Ready(Read::Overtaken),
            (Found::Nothing, Phase::Over(ended)) => Poll::Ready(Read::Over(ended.clone())),
            (Found::Nothing, Phase::Opening | Phase::Live) => {
                if let (false, Some(_), Some(counts), Some(cursor)) = (member.counted, member.next, counts, ring.latest()) {
                    member.counted = true;
                    return Poll::Ready(Read::Item(Arc::new(counts.at(cursor))));
                }
                member.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Adds a message. Waits a while for members who would miss it, and as long as it takes for one who catches up alone.
    pub async fn publish(&self, item: Item) {
        let item = Arc::new(item);
        while !self.offer(&item) {
            sleep(LOOK).await;
        }
    }

    /// Adds a message if nobody would miss one, or if it is their own fault. Whether it was added.
    pub fn offer(&self, item: &Arc<Item>) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        if !state.has_room(item, now) {
            return false;
        }
        match item.kind() {
            Kind::SnapshotRow => state.in_snapshot = true,
            Kind::SnapshotEnd => {
                state.in_snapshot = false;
                state.plain_from = Some(now + self.terms.settling);
            }
            Kind::Checkpoint => state.phase = Phase::Live,
            Kind::Event if self.start == Start::Now => state.phase = Phase::Live,
            Kind::Event => {}
        }
        if item.counts().is_some() {
            state.counts = Some(Arc::clone(item));
        }
        state.ring.push(Arc::clone(item), now);
        if state.ring.is_stale(now) {
            state.raise_floor();
            let floor = state.floor;
            state.ring.trim(floor, now);
        }
        state.wake();
        true
    }

    /// Where to go on from: a cursor, or none for now. An error if there is no such place.
    pub fn resume(&self) -> Result<Option<Arc<str>>, Ended> {
        let state = self.state();
        match (&self.start, state.in_snapshot, state.ring.latest()) {
            (_, true, _) => Err(Ended::SNAPSHOT_CUT),
            (_, false, cursor) => Ok(cursor.cloned()),
        }
    }

    /// The token that lives longest, and whose it is.
    pub fn token(&self, now: Timestamp) -> Option<Arc<str>> {
        let state = self.state();
        let usable = state.members.values().filter_map(|member| member.credential.usable(now));
        usable.max_by_key(|(_, until)| *until).map(|(token, _)| token)
    }

    /// Notes that the server refused a token: it is over for those who live by it.
    pub fn refuse(&self, token: &str) {
        let mut state = self.state();
        for member in state.members.values_mut() {
            if member.credential.revoke(token)
                && let Some(waker) = member.waker.take()
            {
                waker.wake();
            }
        }
    }

    /// Ends it for all members, once they have read what there is.
    pub fn end(&self, ended: Ended) {
        let mut state = self.state();
        state.phase = Phase::Over(ended);
        state.wake();
    }

    /// Whether it is somewhere else that members end up, and what they hear here is what they would hear there.
    pub fn may_be_left(&self) -> bool {
        let state = self.state();
        !state.main && state.plain_from.is_some_and(|from| from <= Instant::now())
    }

    /// Whether members of the same key end up here.
    pub fn is_main(&self) -> bool {
        self.state().main
    }

    /// Makes it the one where members of the same key end up.
    pub fn promote(&self) {
        self.state().main = true;
    }

    /// Whether nobody hears it.
    pub fn is_empty(&self) -> bool {
        self.state().members.is_empty()
    }

    /// Returns when nobody has heard it for some time.
    pub async fn deserted(&self, linger: Duration) {
        loop {
            if self.is_empty() {
                if self.is_main() {
                    sleep(linger).await;
                }
                if self.is_empty() {
                    return;
                }
            }
            self.vacated.notified().await;
        }
    }
}

impl State {
    fn wake(&mut self) {
        for member in self.members.values_mut() {
            if let Some(waker) = member.waker.take() {
                waker.wake();
            }
        }
    }

    /// Looks where the slowest member is.
    fn raise_floor(&mut self) {
        let first = self.ring.first();
        let places = self.members.values().filter_map(|member| member.next);
        self.floor = places.filter(|next| *next >= first).min().unwrap_or(self.ring.end());
    }

    /// Whether a message may be added now.
    fn has_room(&mut self, item: &Item, now: Instant) -> bool {
        if self.ring.fits(item, self.floor) {
            return true;
        }
        self.raise_floor();
        if self.ring.fits(item, self.floor) {
            return true;
        }
        if !self.main && self.members.len() == 1 {
            return false;
        }
        let most = if self.main { PATIENCE_LIVE } else { PATIENCE_BEHIND };
        let (since, used) = &mut self.patience;
        if now.duration_since(*since) > PATIENCE_WINDOW {
            (*since, *used) = (now, Duration::ZERO);
        }
        *used += LOOK;
        *used > most
    }
}

#[cfg(test)]
mod tests {
    use super::{super::token::Identity, *};

    /// A feed whose ring is full, and as many members who read nothing.
    fn full(main: bool, members: usize) -> Feed {
        let ring = Limits {
            items: 2,
            bytes: 10_000,
            age: Duration::from_secs(30),
        };
        let terms = Terms {
            ring,
            settling: Duration::ZERO,
        };
        let feed = Feed::new(WatchFilter::default(), Start::Cursor("c0".into()), terms, main);
        let identity = Identity {
            user: 7,
            level: 2,
            limited: false,
            session: uuid::Uuid::nil(),
            version: 1,
            until: Timestamp::MAX,
        };
        let credential = Arc::new(Credential::new("token", identity));
        for _ in 0..members {
            feed.join(Some(0), &credential);
        }
        assert_eq!(tries(&feed), Some(0));
        assert_eq!(tries(&feed), Some(0));
        feed
    }

    /// How often a message is refused before it is taken; none: for as long as anybody would wait.
    fn tries(feed: &Feed) -> Option<u32> {
        let event = Arc::new(Item::new(Kind::Event, "c", "{}"));
        (0..10_000).find(|_| feed.offer(&event))
    }

    fn looks(patience: Duration) -> u32 {
        u32::try_from(patience.as_millis() / LOOK.as_millis()).expect("few")
    }

    #[test]
    fn who_catches_up_alone_is_waited_for() {
        assert_eq!(tries(&full(false, 1)), None);
    }

    #[test]
    fn who_holds_up_others_is_waited_for_once_and_not_long() {
        for (main, members, patience) in [
            (false, 2, PATIENCE_BEHIND),
            (true, 2, PATIENCE_LIVE),
            (true, 1, PATIENCE_LIVE),
        ] {
            let feed = full(main, members);
            assert_eq!(tries(&feed), Some(looks(patience)));
            let credential = Arc::clone(&feed.state().members[&0].credential);
            let first = feed.state().ring.first();
            feed.join(Some(first), &credential);
            assert_eq!(tries(&feed), Some(0), "patience is used up for now");
        }
    }

    #[test]
    fn nobody_is_waited_for_where_nobody_is() {
        assert_eq!(tries(&full(true, 0)), Some(0));
    }
}
