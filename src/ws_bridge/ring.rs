//! The latest messages of a feed. Each reader has a place in it; nobody is copied to.
//!
//! Messages are numbered as they come. What lies before the first one kept is known by its cursor only.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::item::Item;

/// What a ring keeps.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most messages.
    pub items: usize,
    /// Most bytes; one message is kept however great it is.
    pub bytes: usize,
    /// How long a message is kept that everybody has read.
    pub age: Duration,
}

/// The latest messages, oldest first.
#[derive(Debug)]
pub struct Ring {
    entries: VecDeque<Entry>,
    /// Number of the first entry, or of the next one to come.
    first: u64,
    bytes: usize,
    /// Cursor of the place before the first entry, if known.
    base: Option<Arc<str>>,
    /// Cursor of the place after the last entry, if known.
    latest: Option<Arc<str>>,
    limits: Limits,
}

/// A message, when it came, and a hash of its cursor: many look for cursors that are not here.
#[derive(Debug)]
struct Entry {
    item: Arc<Item>,
    at: Instant,
    hash: u64,
}

fn hash(cursor: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    cursor.hash(&mut hasher);
    hasher.finish()
}

/// What a reader finds at its place.
#[derive(Debug)]
pub enum Found {
    /// The message.
    Item(Arc<Item>),
    /// Nothing as yet.
    Nothing,
    /// The message is gone.
    Overtaken,
}

impl Ring {
    /// An empty ring that begins after this cursor, if known.
    pub fn new(base: Option<Arc<str>>, limits: Limits) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            bytes: 0,
            latest: base.clone(),
            base,
            limits,
        }
    }

    /// Number of the next message to come.
    pub fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Number of the first message kept.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Cursor of the place after the last message.
    pub fn latest(&self) -> Option<&Arc<str>> {
        self.latest.as_ref()
    }

    /// The message with this number.
    pub fn get(&self, number: u64) -> Found {
        let Some(index) = number.checked_sub(self.first) else {
            return Found::Overtaken;
        };
        let entry = usize::try_from(index).ok().and_then(|index| self.entries.get(index));
        entry.map_or(Found::Nothing, |entry| Found::Item(Arc::clone(&entry.item)))
    }

    /// Number of the message that follows the place with this cursor, if that place is in the ring.
    pub fn after(&self, cursor: &str) -> Option<u64> {
        let hash = hash(cursor);
        let is_it = |entry: &Entry| entry.hash == hash && entry.item.cursor().is_some_and(|at| **at == *cursor);
        let found = self.entries.iter().rposition(is_it);
        match found {
            Some(index) => Some(self.first + index as u64 + 1),
            None => (self.base.as_deref() == Some(cursor)).then_some(self.first),
        }
    }

    /// Whether a message can be added without overtaking a reader at `floor`.
    pub fn fits(&self, item: &Item, floor: u64) -> bool {
        let mut gone = 0;
        let mut bytes = self.bytes + item.size();
        for old in &self.entries {
            let kept = self.entries.len() - gone;
            if kept < self.limits.items && bytes <= self.limits.bytes {
                break;
            }
            bytes -= old.item.size();
            gone += 1;
        }
        self.first + gone as u64 <= floor
    }

    /// Adds a message; the oldest go to make room.
    pub fn push(&mut self, item: Arc<Item>, now: Instant) {
        self.bytes += item.size();
        if let Some(cursor) = item.cursor() {
            self.latest = Some(Arc::clone(cursor));
        }
        let hash = item.cursor().map_or(0, |cursor| hash(cursor));
        self.entries.push_back(Entry { item, at: now, hash });
        while self.entries.len() > 1 && (self.entries.len() > self.limits.items || self.bytes > self.limits.bytes) {
            self.drop_first();
        }
    }

    /// Whether the oldest message is old enough to go, if everybody has read it.
    pub fn is_stale(&self, now: Instant) -> bool {
        let oldest = self.entries.front().filter(|_| self.entries.len() > 1);
        oldest.is_some_and(|entry| now.duration_since(entry.at) > self.limits.age)
    }

    /// Drops what is old and read by all whose place is at `floor` or after. The last message stays.
    pub fn trim(&mut self, floor: u64, now: Instant) {
        while self.first < floor && self.is_stale(now) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(Entry { item, .. }) = self.entries.pop_front() {
            self.first += 1;
            self.bytes -= item.size();
            if let Some(cursor) = item.cursor() {
                self.base = Some(Arc::clone(cursor));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::item::Kind, *};

    fn limits(items: usize, bytes: usize) -> Limits {
        Limits {
            items,
            bytes,
            age: Duration::from_secs(30),
        }
    }

    fn event(cursor: &str) -> Arc<Item> {
        Arc::new(Item::new(Kind::Event, cursor, "{}"))
    }

    #[test]
    fn the_place_before_the_first_message_is_known() {
        let now = Instant::now();
        let mut ring = Ring::new(Some("c0".into()), limits(2, 10_000));
        assert_eq!(ring.after("c0"), Some(0));
        for cursor in ["c1", "c2", "c3"] {
            ring.push(event(cursor), now);
        }
        assert_eq!(ring.after("c0"), None);
        assert_eq!(ring.after("c1"), Some(1));
        assert_eq!(ring.after("c3"), Some(3));
        assert!(matches!(ring.get(0), Found::Overtaken));
        assert!(matches!(ring.get(1), Found::Item(item) if item.cursor().map(|c| &**c) == Some("c2")));
        assert!(matches!(ring.get(3), Found::Nothing));
    }

    #[test]
    fn bytes_are_bounded_but_one_message_always_fits() {
        let now = Instant::now();
        let mut ring = Ring::new(None, limits(100, 200));
        for _ in 0..10 {
            ring.push(event("c"), now);
        }
        assert!(ring.end() - ring.first() < 10);
        ring.push(
            Arc::new(Item::new(Kind::Event, "great", &format!("\"{}\"", "x".repeat(1000)))),
            now,
        );
        assert_eq!(ring.end() - ring.first(), 1);
    }

    #[test]
    fn room_is_made_only_by_what_everybody_read() {
        let now = Instant::now();
        let mut ring = Ring::new(None, limits(2, 10_000));
        ring.push(event("c1"), now);
        assert!(ring.fits(&event("c2"), 0));
        ring.push(event("c2"), now);
        assert!(!ring.fits(&event("c3"), 0));
        assert!(ring.fits(&event("c3"), 1));
    }

    #[test]
    fn old_messages_go_when_they_are_read() {
        let now = Instant::now();
        let mut ring = Ring::new(None, limits(10, 10_000));
        for cursor in ["c1", "c2", "c3"] {
            ring.push(event(cursor), now);
        }
        let later = now + Duration::from_secs(31);
        ring.trim(1, later);
        assert_eq!(ring.first(), 1);
        ring.trim(3, later);
        assert_eq!(ring.first(), 2, "the last message stays");
        assert_eq!(ring.after("c2"), Some(2));
    }
}
