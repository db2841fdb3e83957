//! All feeds: one main feed per distinct filter and rights, and feeds for those who still catch up with it.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::Message as _;

use super::{
    ended::Ended,
    feed::{Feed, Start, Terms},
    frame::Wish,
    json::Json,
    meter::Meter,
    token::{Credential, Identity},
    upstream::Upstream,
};
use crate::{
    clock::Clock,
    pb::{Noun, WatchFilter},
};

/// How long a main feed stays when its last member left: long enough for one who reconnects.
pub const LINGER: Duration = Duration::from_secs(5);

/// Whose eyes see: the server shows all supervisors the same, unless zones limit them, and each agent its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Rights {
    /// Level 2 or above, everywhere.
    Level(u8),
    /// Somebody who sees a part.
    User(i64),
}

impl Rights {
    fn of(filter: &WatchFilter, identity: Identity) -> Self {
        // Notifications are each person's own.
        if filter.nouns().any(|noun| noun == Noun::Notification) {
            return Self::User(identity.user);
        }
        match identity.level {
            0 | 1 => Self::User(identity.user),
            2 if identity.limited => Self::User(identity.user),
            level => Self::Level(level),
        }
    }
}

/// What makes two subscriptions hear the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    filter: Vec<u8>,
    rights: Rights,
}

impl Key {
    /// Of a canonical filter and whoever asks.
    pub fn of(filter: &WatchFilter, identity: Identity) -> Self {
        Self {
            filter: filter.encode_to_vec(),
            rights: Rights::of(filter, identity),
        }
    }
}

/// The feeds of a key.
#[derive(Debug, Default)]
struct Slot {
    main: Option<Arc<Feed>>,
    /// Feeds that began after a cursor and are not the main one.
    behind: HashMap<Arc<str>, Arc<Feed>>,
}

/// A member's seat at a feed; given up when dropped.
#[derive(Debug)]
pub struct Seat {
    /// The feed.
    pub feed: Arc<Feed>,
    /// Number of the member.
    pub member: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.feed.leave(self.member);
    }
}

/// All feeds.
#[derive(Debug)]
pub struct Feeds {
    /// The servers.
    pub upstream: Arc<Upstream>,
    /// Printer of messages.
    pub json: Json,
    /// Time.
    pub clock: Clock,
    /// Counters.
    pub meter: Meter,
    terms: Terms,
    slots: Mutex<HashMap<Key, Slot>>,
}

impl Feeds {
    /// None as yet.
    pub fn new(upstream: Arc<Upstream>, json: Json, clock: Clock, meter: Meter, terms: Terms) -> Self {
        Self {
            upstream,
            json,
            clock,
            meter,
            terms,
            slots: Mutex::default(),
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat where the wish is heard from where it says: at the main feed if that is possible.
    pub fn join(self: &Arc<Self>, key: &Key, wish: &Wish, credential: &Arc<Credential>) -> Seat {
        let mut slots = self.slots();
        let slot = slots.entry(key.clone()).or_default();
        let sit = |feed: Arc<Feed>, member| Seat { feed, member };
        match &wish.start {
            Start::Now => match &slot.main {
                Some(main) => sit(Arc::clone(main), main.join(None, credential)),
                None => {
                    let feed = Feed::new(wish.filter.clone(), Start::Now, self.terms, true);
                    let (feed, member) = self.open(key, feed, None, credential);
                    slot.main = Some(Arc::clone(&feed));
                    sit(feed, member)
                }
            },
            Start::Cursor(cursor) => {
                let known = slot.main.iter().chain(slot.behind.get(cursor));
                let found = known
                    .filter_map(|feed| Some((Arc::clone(feed), feed.join_after(cursor, credential)?)))
                    .next();
                if let Some((feed, member)) = found {
                    return sit(feed, member);
                }
                let feed = Feed::new(wish.filter.clone(), wish.start.clone(), self.terms, false);
                let (feed, member) = self.open(key, feed, Some(0), credential);
                slot.behind.insert(Arc::clone(cursor), Arc::clone(&feed));
                sit(feed, member)
            }
            Start::Snapshot => {
                let feed = Feed::new(wish.filter.clone(), Start::Snapshot, self.terms, false);
                let (feed, member) = self.open(key, feed, Some(0), credential);
                sit(feed, member)
            }
        }
    }

    /// Starts a feed with its first member.
    fn open(self: &Arc<Self>, key: &Key, feed: Feed, next: Option<u64>, credential: &Arc<Credential>) -> (Arc<Feed>, u64) {
        let member = feed.join(next, credential);
        let feed = Arc::new(feed);
        tokio::spawn(Arc::clone(self).run(key.clone(), Arc::clone(&feed)));
        (feed, member)
    }

    /// A seat at the main feed for a member of another feed who has heard all up to this cursor, if they meet there.
    pub fn meet(&self, key: &Key, cursor: &str, credential: &Arc<Credential>) -> Option<Seat> {
        let slots = self.slots();
        let main = slots.get(key)?.main.as_ref()?;
        let member = main.join_after(cursor, credential)?;
        Some(Seat {
            feed: Arc::clone(main),
            member,
        })
    }

    /// A feed is where the server is: it becomes the main one if there is none.
    pub fn arrived(&self, key: &Key, feed: &Arc<Feed>) {
        let mut slots = self.slots();
        let slot = slots.entry(key.clone()).or_default();
        if slot.main.is_none() {
            feed.promote();
            slot.main = Some(Arc::clone(feed));
            slot.behind.retain(|_, other| !Arc::ptr_eq(other, feed));
        }
    }

    /// Forgets a feed that nobody hears. Whether nobody does.
    pub fn retire(&self, key: &Key, feed: &Arc<Feed>) -> bool {
        let mut slots = self.slots();
        if !feed.is_empty() {
            return false;
        }
        forget(&mut slots, key, feed);
        true
    }

    /// Forgets a feed that is over, and tells its members.
    pub fn end(&self, key: &Key, feed: &Arc<Feed>, ended: Ended) {
        let mut slots = self.slots();
        forget(&mut slots, key, feed);
        feed.end(ended);
    }
}

fn forget(slots: &mut HashMap<Key, Slot>, key: &Key, feed: &Arc<Feed>) {
    if let Entry::Occupied(mut entry) = slots.entry(key.clone()) {
        let slot = entry.get_mut();
        slot.main.take_if(|main| Arc::ptr_eq(main, feed));
        slot.behind.retain(|_, other| !Arc::ptr_eq(other, feed));
        if slot.main.is_none() && slot.behind.is_empty() {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn who_asks_for_notifications_shares_with_nobody() {
        let identity = |user| Identity {
            user,
            level: 3,
            limited: false,
            session: Uuid::nil(),
            version: 1,
            until: Timestamp::UNIX_EPOCH,
        };
        let named = WatchFilter {
            nouns: vec![Noun::Task.into(), Noun::Notification.into()],
            ..WatchFilter::default()
        };
        let [all, own] = [WatchFilter::default(), named].map(|filter| [1, 2].map(|user| Key::of(&filter, identity(user))));
        assert_eq!(all[0], all[1]);
        assert_ne!(own[0], own[1]);
    }
}
