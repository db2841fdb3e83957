//! What a replica remembers of shared quotas: calls that it took for itself, and callers who must wait.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::domain::limit::{Class, Payer, Quota, Standing};

/// Time after which calls that nobody wanted are no longer ours.
const LIFE: Duration = Duration::from_secs(1);
/// Parts that are locked apart.
const PARTS: usize = 16;
/// Callers that a part remembers; beyond it, those who have nothing and wait for nothing are forgotten.
const CALLERS: usize = 4096;

/// Whose, of what.
type Key = (Class, Payer);

/// Calls of one quota that are ours, or the time until there are any.
#[derive(Debug)]
struct Lease {
    taken: u32,
    left: u32,
    /// As the quota stood when they were taken, without them.
    standing: Standing,
    at: Instant,
    closed_until: Option<Instant>,
    /// Held by whoever asks for more.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What a caller finds.
pub enum Place {
    /// A call that was ours.
    Allowed(Standing),
    /// Nothing, for so long.
    Refused(Standing, Duration),
    /// Nothing is known: somebody must ask, one at a time.
    Ask(Arc<tokio::sync::Mutex<()>>),
}

/// All that is remembered.
#[derive(Debug, Default)]
pub struct Leases {
    parts: [Mutex<HashMap<Key, Lease>>; PARTS],
    hasher: RandomState,
}

impl Leases {
    fn part(&self, key: Key) -> MutexGuard<'_, HashMap<Key, Lease>> {
        let number = self.hasher.hash_one(key) as usize % PARTS;
        self.parts[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a call of those that are ours.
    pub fn take(&self, key: Key, quota: Quota, now: Instant) -> Place {
        let mut part = self.part(key);
        if part.len() >= CALLERS && !part.contains_key(&key) {
            part.retain(|_, lease| lease.matters(now));
            if part.len() >= CALLERS {
                part.clear();
            }
        }
        let lease = part.entry(key).or_insert_with(|| Lease::empty(quota, now));
        lease.take(now)
    }

    /// How many calls to ask for: twice as many as before if those were used up while they were ours.
    pub fn wanted(&self, key: Key, quota: Quota, now: Instant) -> u32 {
        let part = self.part(key);
        part.get(&key).map_or(1, |lease| lease.wanted(now)).min(quota.share())
    }

    /// Notes what was given, and takes one of it; none if nothing was given.
    pub fn note(&self, key: Key, taken: u32, standing: Standing, wait: Duration, now: Instant) -> Option<Standing> {
        let mut part = self.part(key);
        let lease = part.get_mut(&key);
        let closed_until = (taken == 0).then(|| now + wait);
        let left = taken.saturating_sub(1);
        if let Some(lease) = lease {
            *lease = Lease {
                taken,
                left,
                standing,
                at: now,
                closed_until,
                turn: Arc::clone(&lease.turn),
            };
        }
        (taken > 0).then(|| with(standing, left, Duration::ZERO))
    }
}

impl Lease {
    fn empty(quota: Quota, now: Instant) -> Self {
        Self {
            taken: 0,
            left: 0,
            standing: Standing {
                limit: quota.calls,
                remaining: 0,
                reset: Duration::ZERO,
            },
            at: now,
            closed_until: None,
            turn: Arc::default(),
        }
    }

    fn is_ours(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < LIFE
    }

    /// Whether it is more than what a caller who was never seen has, or somebody asks just now.
    fn matters(&self, now: Instant) -> bool {
        self.left > 0 && self.is_ours(now)
            || self.closed_until.is_some_and(|until| now < until)
            || Arc::strong_count(&self.turn) > 1
    }

    fn take(&mut self, now: Instant) -> Place {
        let age = now.saturating_duration_since(self.at);
        if let Some(until) = self.closed_until.filter(|until| now < *until) {
            return Place::Refused(with(self.standing, 0, age), until - now);
        }
        if self.left > 0 && self.is_ours(now) {
            self.left -= 1;
            return Place::Allowed(with(self.standing, self.left, age));
        }
        Place::Ask(Arc::clone(&self.turn))
    }

    fn wanted(&self, now: Instant) -> u32 {
        if self.is_ours(now) && self.left == 0 {
            self.taken.saturating_mul(2).max(1)
        } else {
            (self.taken - self.left).max(1)
        }
    }
}

/// The standing with calls that are ours besides, some time later.
fn with(standing: Standing, ours: u32, age: Duration) -> Standing {
    Standing {
        remaining: standing.remaining.saturating_add(ours),
        reset: standing.reset.saturating_sub(age),
        ..standing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserId;

    const KEY: Key = (Class::Read, Payer::User(UserId(1)));
    const QUOTA: Quota = Quota {
        calls: 6000,
        period: Duration::from_secs(60),
    };

    fn given(leases: &Leases, taken: u32, now: Instant) {
        assert!(matches!(leases.take(KEY, QUOTA, now), Place::Ask(_)));
        let standing = Standing {
            limit: 6000,
            remaining: 100,
            reset: Duration::from_secs(9),
        };
        leases.note(KEY, taken, standing, Duration::from_millis(300), now);
    }

    #[test]
    fn a_share_grows_while_it_is_used_up_and_shrinks_to_what_is_used() {
        let leases = Leases::default();
        let mut now = Instant::now();
        let mut asked = Vec::new();
        for _ in 0..8 {
            assert!(matches!(leases.take(KEY, QUOTA, now), Place::Ask(_)));
            let wanted = leases.wanted(KEY, QUOTA, now);
            asked.push(wanted);
            given(&leases, wanted, now);
            for _ in 1..wanted {
                assert!(matches!(leases.take(KEY, QUOTA, now), Place::Allowed(_)));
            }
            now += Duration::from_millis(10);
        }
        assert_eq!(asked, [1, 2, 4, 8, 16, 32, 60, 60]);
        given(&leases, 60, now);
        assert!(matches!(leases.take(KEY, QUOTA, now), Place::Allowed(standing) if standing.remaining == 158));
        now += LIFE;
        assert!(
            matches!(leases.take(KEY, QUOTA, now), Place::Ask(_)),
            "what is old is not ours"
        );
        assert_eq!(leases.wanted(KEY, QUOTA, now), 2);
    }

    #[test]
    fn who_must_wait_is_refused_without_asking() {
        let leases = Leases::default();
        let now = Instant::now();
        given(&leases, 0, now);
        let later = now + Duration::from_millis(100);
        match leases.take(KEY, QUOTA, later) {
            Place::Refused(standing, wait) => {
                assert_eq!((standing.remaining, wait), (100, Duration::from_millis(200)));
            }
            _ => panic!("it is let in"),
        }
        assert!(matches!(
            leases.take(KEY, QUOTA, now + Duration::from_millis(300)),
            Place::Ask(_)
        ));
    }

    #[test]
    fn a_million_strangers_are_not_all_remembered() {
        let leases = Leases::default();
        let now = Instant::now();
        for number in 0..1_000_000 {
            leases.take((Class::Read, Payer::User(UserId(number))), QUOTA, now);
        }
        let kept: usize = leases.parts.iter().map(|part| part.lock().expect("whole").len()).sum();
        assert!(kept <= PARTS * CALLERS, "{kept}");
    }
}
