//! How many may come, and how fast they may talk.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Frames per second that a client may send on and on.
const FRAMES_PER_SECOND: f64 = 20.0;
/// Frames that a client may send at once.
const FRAMES_AT_ONCE: f64 = 40.0;

/// Counts connections.
#[derive(Debug)]
pub struct Doors {
    free: Arc<Semaphore>,
    most: usize,
}

/// Counts something by user.
#[derive(Debug)]
pub struct Users {
    most: usize,
    counts: Arc<Mutex<HashMap<i64, usize>>>,
}

/// One connection of all.
#[derive(Debug)]
pub struct Entry {
    _permit: OwnedSemaphorePermit,
}

/// One of a user.
#[derive(Debug)]
pub struct UserEntry {
    counts: Arc<Mutex<HashMap<i64, usize>>>,
    user: i64,
}

impl Drop for UserEntry {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

fn lock(counts: &Mutex<HashMap<i64, usize>>) -> MutexGuard<'_, HashMap<i64, usize>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Users {
    /// With this limit for each.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            counts: Arc::default(),
        }
    }

    /// Lets one of a user in, if the user has not too many.
    pub fn enter(&self, user: i64) -> Option<UserEntry> {
        let mut counts = lock(&self.counts);
        let count = counts.entry(user).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        let counts = Arc::clone(&self.counts);
        Some(UserEntry { counts, user })
    }
}

impl Doors {
    /// With this limit.
    pub fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(most)),
            most,
        }
    }

    /// Lets one in, if there is room.
    pub fn enter(&self) -> Option<Entry> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Entry { _permit: permit })
    }

    /// Returns when all have left, or after `patience`; says how many are still there.
    pub async fn all_left(&self, patience: Duration) -> usize {
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        match tokio::time::timeout(patience, self.free.acquire_many(all)).await {
            Ok(_) => 0,
            Err(_) => self.most - self.free.available_permits(),
        }
    }
}

/// Frames that a client may still send.
#[derive(Debug)]
pub struct FrameBudget {
    left: f64,
    at: Instant,
}

impl FrameBudget {
    /// A whole one.
    pub fn new(now: Instant) -> Self {
        Self {
            left: FRAMES_AT_ONCE,
            at: now,
        }
    }

    /// Takes one frame from it; false if there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.duration_since(self.at).as_secs_f64();
        self.at = now;
        self.left = (self.left + passed * FRAMES_PER_SECOND).min(FRAMES_AT_ONCE);
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_talkative_client_is_stopped_and_a_steady_one_is_not() {
        let mut now = Instant::now();
        let mut budget = FrameBudget::new(now);
        assert_eq!((0..100).filter(|_| budget.take(now)).count(), 40);
        for _ in 0..100 {
            now += Duration::from_millis(50);
            assert!(budget.take(now));
        }
        assert!(!budget.take(now));
    }

    #[tokio::test]
    async fn who_leaves_makes_room() {
        let doors = Doors::new(2);
        let first = doors.enter();
        let _second = doors.enter();
        assert!(first.is_some() && doors.enter().is_none());
        drop(first);
        assert!(doors.enter().is_some());
        assert_eq!(doors.all_left(Duration::ZERO).await, 1);
        let users = Users::new(1);
        let mine = users.enter(7);
        assert!(mine.is_some() && users.enter(7).is_none() && users.enter(8).is_some());
        drop(mine);
        assert!(users.enter(7).is_some());
    }
}
