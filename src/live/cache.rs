//! Answers that are kept in Redis for a while. They can be made again at any time: without Redis nothing is kept.
//!
//! The keys stand beside those of limits and of the feed, and nothing here touches those.

use std::time::Duration;

use redis::{
    AsyncCommands as _, InfoDict, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::connection;
use crate::{
    config::RedisSettings,
    error::{Error, Result},
};

/// Longest that Redis may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// Keys that are looked at in a step of a search.
const STEP: usize = 1000;
/// What keys of answers begin with, after the prefix.
const KINDS: [&str; 1] = ["stats:"];

/// Kept answers.
#[derive(Clone)]
pub struct Cache {
    redis: Option<ConnectionManager>,
    prefix: String,
}

/// How the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheState {
    /// Answers that are kept.
    pub keys: u64,
    /// Keys that Redis was asked for and had, whoever asked.
    pub hits: u64,
    /// Keys that Redis was asked for and did not have.
    pub misses: u64,
    /// Keys that Redis gave up for want of memory.
    pub evicted: u64,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Cache {
    /// In the Redis that is set, which need not be there yet.
    pub fn new(settings: &RedisSettings) -> Result<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let client = connection::client(settings)?;
        let redis = client.map(|client| ConnectionManager::new_lazy_with_config(client, config));
        Ok(Self {
            redis: redis.transpose()?,
            prefix: format!("{}:", settings.redis_prefix),
        })
    }

    /// What all keys begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The whole of a key that may be given without the prefix.
    pub fn whole(&self, key: &str) -> String {
        let key = key.strip_prefix(&self.prefix).unwrap_or(key);
        format!("{}{key}", self.prefix)
    }

    /// Whether a whole key is one of an answer.
    fn is_kept(&self, key: &str) -> bool {
        let kind = key.strip_prefix(&self.prefix).unwrap_or_default();
        KINDS.iter().any(|known| kind.starts_with(known))
    }

    fn redis(&self) -> Result<ConnectionManager> {
        self.redis.clone().ok_or_else(|| Error::Down("there is no Redis".to_owned()))
    }

    /// The answer under a key, if it is kept.
    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let found: RedisResult<Option<Vec<u8>>> = self.redis().ok()?.get(self.whole(key)).await;
        found.inspect_err(|cause| tracing::debug!(%cause, "the cache is away")).ok()?
    }

    /// Keeps an answer for a time; if Redis is away, it is not kept.
    pub async fn put(&self, key: &str, answer: &[u8], time: Duration) {
        let Ok(mut redis) = self.redis() else { return };
        let kept: RedisResult<()> = redis.set_ex(self.whole(key), answer, time.as_secs().max(1)).await;
        if let Err(cause) = kept {
            tracing::debug!(%cause, "the cache is away");
        }
    }

    /// Forgets an answer; says whether it was kept.
    pub async fn forget(&self, key: &str) -> Result<bool> {
        let key = self.whole(key);
        if !self.is_kept(&key) {
            return Ok(false);
        }
        let gone: u64 = self.redis()?.unlink(key).await.map_err(away)?;
        Ok(gone > 0)
    }

    /// Forgets the answers whose keys are like a pattern of Redis; says how many.
    pub async fn forget_like(&self, pattern: &str) -> Result<u64> {
        let keys = self.keys(&self.whole(pattern)).await?;
        let mut redis = self.redis()?;
        let mut gone = 0;
        for some in keys.chunks(STEP) {
            gone += redis.unlink::<_, u64>(some).await.map_err(away)?;
        }
        Ok(gone)
    }

    /// Keys of answers that are like a pattern.
    async fn keys(&self, pattern: &str) -> Result<Vec<String>> {
        let mut redis = self.redis()?;
        let (mut keys, mut cursor) = (Vec::new(), 0_u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
            let (next, found): (u64, Vec<String>) = scan.query_async(&mut redis).await.map_err(away)?;
            keys.extend(found.into_iter().filter(|key| self.is_kept(key)));
            cursor = next;
            if cursor == 0 {
                keys.sort_unstable();
                keys.dedup();
                return Ok(keys);
            }
        }
    }

    /// How it is; none if Redis is away.
    pub async fn state(&self) -> Option<CacheState> {
        let keys = self.keys(&self.whole("*")).await.ok()?;
        let mut redis = self.redis().ok()?;
        let info: RedisResult<InfoDict> = redis::cmd("INFO").arg("stats").query_async(&mut redis).await;
        let info = info.ok()?;
        let number = |name: &str| info.get::<u64>(name).unwrap_or_default();
        Some(CacheState {
            keys: u64::try_from(keys.len()).unwrap_or_default(),
            hits: number("keyspace_hits"),
            misses: number("keyspace_misses"),
            evicted: number("evicted_keys"),
        })
    }
}

fn away(cause: redis::RedisError) -> Error {
    Error::Down(format!("Redis: {cause}"))
}
