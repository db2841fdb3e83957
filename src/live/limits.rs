//! Rate limits, counted in Redis for all replicas together (GCRA), and by this process alone while Redis is away.
//!
//! Not every call asks Redis. A caller who has used up a quota is refused here until a call comes back; and of a large
//! quota a replica takes a share (`leases`), which grows as long as it is used up within a second, so that callers who
//! come seldom, or to many replicas, do not pay for what nobody uses.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use governor::{
    RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use redis::{
    RedisResult, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::{
    connection,
    leases::{Leases, Place},
};
use crate::{
    config::{RedisSettings, ServeSettings},
    domain::limit::{Class, Payer, Quota, Standing},
    error::{Error, Result},
};

/// Longest wait for Redis where calls go on without it.
const PATIENCE: Duration = Duration::from_millis(250);
/// Longest wait for Redis where they do not.
const LONG_PATIENCE: Duration = Duration::from_secs(2);
/// Time in which Redis is not asked again after it did not answer.
const REST: Duration = Duration::from_secs(1);
/// Callers that a process tells apart on its own; beyond it, those who were quiet are forgotten.
const CALLERS: usize = 50_000;

/// Takes up to ARGV[3] calls of a quota whose calls come back every ARGV[1] microseconds and are whole again after ARGV[2].
/// Kept is only when the quota will be whole. Says: calls taken, calls left, microseconds until it is whole, and until
/// a call comes back if none could be taken.
const TAKE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, whole = tonumber(ARGV[1]), tonumber(ARGV[2])
local at = tonumber(redis.call('GET', KEYS[1]) or now)
if at < now then at = now end
local free = math.floor((now + whole - at) / interval + 0.000001)
if free < 1 then
  return {0, 0, math.ceil(at - now), math.ceil(at - now - whole + interval)}
end
local taken = math.min(free, tonumber(ARGV[3]))
at = at + taken * interval
redis.call('SET', KEYS[1], string.format('%.3f', at), 'PX', math.ceil((at - now) / 1000) + 1)
return {taken, free - taken, math.ceil(at - now), 0}";

/// What came of a call's being counted.
#[derive(Debug)]
pub struct Counted {
    /// How the caller stands now, if anybody could tell.
    pub standing: Option<Standing>,
    /// Whether the call may go on.
    pub verdict: Result<()>,
}

impl Counted {
    fn allowed(standing: Standing) -> Self {
        Self {
            standing: Some(standing),
            verdict: Ok(()),
        }
    }

    fn refused(class: Class, standing: Standing, retry_after: Duration) -> Self {
        metrics::counter!("rate_limited_total", "class" => class.name()).increment(1);
        Self {
            standing: Some(standing),
            verdict: Err(Error::RateLimited { retry_after }),
        }
    }
}

/// The limits of one process.
#[derive(Debug)]
pub struct Limits {
    quotas: [Quota; Class::ALL.len()],
    shared: Option<Shared>,
    alone: [Alone; Class::ALL.len()],
}

impl Limits {
    /// Limits as set; Redis need not be there yet.
    pub fn new(settings: &ServeSettings) -> Result<Self> {
        let quotas = Class::ALL.map(|class| quota(class, settings));
        Ok(Self {
            shared: Shared::new(&settings.redis)?,
            alone: quotas.map(Alone::new),
            quotas,
        })
    }

    /// Counts a call.
    pub async fn count(&self, class: Class, payer: Payer) -> Counted {
        let Some(shared) = &self.shared else {
            return self.alone[class as usize - 1].count(class, payer);
        };
        match shared.count(class, payer, self.quotas[class as usize - 1]).await {
            Some(counted) => counted,
            None if class.fails_closed() => Counted {
                standing: None,
                verdict: Err(Error::Down(format!("Redis is away: {} cannot be counted", class.name()))),
            },
            None => self.alone[class as usize - 1].count(class, payer),
        }
    }
}

fn quota(class: Class, settings: &ServeSettings) -> Quota {
    let (calls, seconds) = match class {
        Class::Read | Class::Write | Class::Stream => (settings.rate_limit_calls, settings.rate_limit_period),
        Class::Login => (settings.rate_limit_logins, 60),
        Class::Admin => (settings.rate_limit_admin, 60),
        Class::Handshake => (settings.rate_limit_handshakes, 60),
        Class::Export => (settings.rate_limit_exports, 60),
        Class::Register => (settings.rate_limit_registrations, 60),
        Class::Refresh => (settings.rate_limit_refreshes, 60),
        Class::Emergency => (settings.rate_limit_emergencies, 60),
    };
    Quota {
        calls,
        period: Duration::from_secs(seconds.into()),
    }
}

/// Limits that all replicas share.
struct Shared {
    redis: ConnectionManager,
    prefix: String,
    take: Script,
    leases: Leases,
    away_until: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Shared {
    fn new(settings: &RedisSettings) -> Result<Option<Self>> {
        let Some(client) = connection::client(settings)? else {
            return Ok(None);
        };
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(LONG_PATIENCE))
            .set_response_timeout(Some(LONG_PATIENCE));
        Ok(Some(Self {
            redis: ConnectionManager::new_lazy_with_config(client, config)?,
            prefix: settings.redis_prefix.clone(),
            take: Script::new(TAKE),
            leases: Leases::default(),
            away_until: Mutex::default(),
        }))
    }

    /// Counts a call; none if Redis is away.
    async fn count(&self, class: Class, payer: Payer, quota: Quota) -> Option<Counted> {
        let key = (class, payer);
        let turn = match self.leases.take(key, quota, Instant::now()) {
            Place::Allowed(standing) => return Some(Counted::allowed(standing)),
            Place::Refused(standing, wait) => return Some(Counted::refused(class, standing, wait)),
            Place::Ask(turn) => turn,
        };
        // One asks for all who want more of the same quota, and they look again.
        let _turn = turn.lock().await;
        let wanted = match self.leases.take(key, quota, Instant::now()) {
            Place::Allowed(standing) => return Some(Counted::allowed(standing)),
            Place::Refused(standing, wait) => return Some(Counted::refused(class, standing, wait)),
            Place::Ask(_) => self.leases.wanted(key, quota, Instant::now()),
        };
        if self.is_away() && !class.fails_closed() {
            return None;
        }
        let patience = if class.fails_closed() { LONG_PATIENCE } else { PATIENCE };
        let told = tokio::time::timeout(patience, self.ask(class, payer, quota, wanted)).await;
        let (taken, left, whole, wait) = match told {
            Ok(Ok(told)) => told,
            Ok(Err(cause)) => return self.note_absence(&cause),
            Err(slow) => return self.note_absence(&slow),
        };
        let standing = Standing {
            limit: quota.calls,
            remaining: left,
            reset: Duration::from_micros(whole),
        };
        let wait = Duration::from_micros(wait);
        Some(match self.leases.note(key, taken, standing, wait, Instant::now()) {
            Some(standing) => Counted::allowed(standing),
            None => Counted::refused(class, standing, wait),
        })
    }

    async fn ask(&self, class: Class, payer: Payer, quota: Quota, wanted: u32) -> RedisResult<(u32, u32, u64, u64)> {
        let whole = quota.period.as_secs_f64() * 1e6;
        let mut call = self.take.prepare_invoke();
        call.key(format!("{}:limit:{}:{payer}", self.prefix, class.name()))
            .arg(whole / f64::from(quota.calls))
            .arg(whole)
            .arg(wanted);
        call.invoke_async(&mut self.redis.clone()).await
    }

    fn is_away(&self) -> bool {
        let until = *self.away_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Redis is not asked again for a moment.
    fn note_absence<T>(&self, cause: &dyn std::fmt::Display) -> Option<T> {
        metrics::counter!("rate_limit_absences_total").increment(1);
        tracing::warn!(%cause, "Redis is away: calls are counted by this process alone, and strangers wait");
        *self.away_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
        None
    }
}

type Local = RateLimiter<Payer, DefaultKeyedStateStore<Payer>, DefaultClock, StateInformationMiddleware>;

/// Limits of this process alone.
struct Alone {
    quota: Quota,
    limiter: Local,
}

impl std::fmt::Debug for Alone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alone").field("quota", &self.quota).finish_non_exhaustive()
    }
}

impl Alone {
    fn new(quota: Quota) -> Self {
        let burst = NonZeroU32::new(quota.calls).unwrap_or(NonZeroU32::MIN);
        let pace = governor::Quota::with_period(quota.interval()).unwrap_or(governor::Quota::per_minute(burst));
        Self {
            quota,
            limiter: RateLimiter::keyed(pace.allow_burst(burst)).with_middleware(),
        }
    }

    fn count(&self, class: Class, payer: Payer) -> Counted {
        if self.limiter.len() > CALLERS {
            self.limiter.retain_recent();
        }
        let standing = |remaining: u32| Standing {
            limit: self.quota.calls,
            remaining,
            reset: self.quota.interval() * (self.quota.calls - remaining.min(self.quota.calls)),
        };
        match self.limiter.check_key(&payer) {
            Ok(state) => Counted::allowed(standing(state.remaining_burst_capacity())),
            Err(until) => Counted::refused(class, standing(0), until.wait_time_from(DefaultClock::default().now())),
        }
    }
}
