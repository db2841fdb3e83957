//! The Redis Stream between relay and hubs. It may be lost at any time: every entry names the one before it, so a hub
//! that misses some reads them from the database.

use redis::{
    AsyncCommands as _, RedisResult, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
    streams::{StreamReadOptions, StreamReadReply},
};

use super::connection;
use crate::{
    config::RedisSettings,
    error::Result,
    store::outbox::{Entry, Position},
};

/// Entries that the stream keeps, nearly.
const KEPT: usize = 20_000;
/// Entries that a hub takes at a time.
const BATCH: usize = 500;

/// Adds entries if the stream ends where the relay thinks it ends; otherwise says where it does end.
const APPEND: &str = r"
local head = redis.call('GET', KEYS[2])
if head and head ~= ARGV[1] then return head end
for i = 3, #ARGV, 3 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], ARGV[i], 'prev', ARGV[i + 1], 'fact', ARGV[i + 2])
end
redis.call('SET', KEYS[2], ARGV[#ARGV - 2])
return ''";

/// Drops what the stream has, up to a place or all of it, and says up to which erasure it did.
const CLEAR: &str = r"
if ARGV[1] == '' then redis.call('XTRIM', KEYS[1], 'MAXLEN', 0) else redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1]) end
redis.call('SET', KEYS[2], ARGV[2])
return ''";

/// An entry as a hub reads it.
#[derive(Debug)]
pub struct Linked {
    /// Place of the entry before it.
    pub previous: Position,
    /// The entry.
    pub entry: Entry,
}

/// How far a stream was cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleared {
    /// Of all facts that were taken out of the feed by then.
    pub erasures: i64,
    /// Of all facts before this place.
    pub floor: Position,
}

/// The stream of one feed.
#[derive(Clone)]
pub struct FeedStream {
    client: redis::Client,
    prefix: String,
    append: Script,
    clear: Script,
}

impl std::fmt::Debug for FeedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedStream")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl FeedStream {
    /// A stream on the Redis that is set, which need not be there yet; none if none is set.
    pub fn new(settings: &RedisSettings) -> Result<Option<Self>> {
        Ok(connection::client(settings)?.map(|client| Self {
            client,
            prefix: settings.redis_prefix.clone(),
            append: Script::new(APPEND),
            clear: Script::new(CLEAR),
        }))
    }

    /// A connection; fails soon if Redis is away.
    pub async fn connect(&self) -> RedisResult<ConnectionManager> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(std::time::Duration::from_secs(1)))
            .set_response_timeout(Some(std::time::Duration::from_secs(3)));
        ConnectionManager::new_with_config(self.client.clone(), config).await
    }

    fn base(&self, epoch: i64) -> String {
        // The braces keep all keys in one slot of a cluster.
        format!("{}:{{feed:{epoch:x}}}", self.prefix)
    }

    fn keys(&self, epoch: i64) -> (String, String) {
        let base = self.base(epoch);
        (format!("{base}:stream"), format!("{base}:head"))
    }

    /// Up to which erasure, and from which place on, the stream was cleared; none if nobody has cleared it.
    pub async fn cleared(&self, redis: &mut ConnectionManager, epoch: i64) -> RedisResult<Option<Cleared>> {
        let text: Option<String> = redis.get(format!("{}:cleared", self.base(epoch))).await?;
        Ok(text.as_deref().and_then(|text| {
            let (erasures, floor) = text.split_once('/')?;
            Some(Cleared {
                erasures: erasures.parse().ok()?,
                floor: Position::parse(floor)?,
            })
        }))
    }

    /// Drops entries before the floor, or all of them; hubs that had not read them take them from the database.
    pub async fn clear(&self, redis: &mut ConnectionManager, epoch: i64, to: Cleared, all: bool) -> RedisResult<()> {
        let base = self.base(epoch);
        let least = if all { String::new() } else { to.floor.to_string() };
        let mut call = self.clear.prepare_invoke();
        call.key(format!("{base}:stream")).key(format!("{base}:cleared"));
        call.arg(least).arg(format!("{}/{}", to.erasures, to.floor));
        call.invoke_async(redis).await
    }

    /// Adds entries that follow `previous`. If the stream ends elsewhere nothing is added, and that place is the answer.
    pub async fn append(
        &self,
        redis: &mut ConnectionManager,
        epoch: i64,
        previous: Position,
        entries: &[Entry],
    ) -> RedisResult<Option<Position>> {
        let (stream, head) = self.keys(epoch);
        let mut call = self.append.prepare_invoke();
        call.key(stream).key(head).arg(previous.to_string()).arg(KEPT);
        let mut before = previous;
        for entry in entries {
            let fact = serde_json::to_string(&entry.fact).unwrap_or_default();
            call.arg(entry.position.to_string()).arg(before.to_string()).arg(fact);
            before = entry.position;
        }
        let elsewhere: String = call.invoke_async(redis).await?;
        Ok(Position::parse(&elsewhere))
    }

    /// Where the stream ends; none if it is new.
    pub async fn head(&self, redis: &mut ConnectionManager, epoch: i64) -> RedisResult<Option<Position>> {
        let (_, head) = self.keys(epoch);
        let place: Option<String> = redis.get(head).await?;
        Ok(place.as_deref().and_then(Position::parse))
    }

    /// Entries after a place; waits up to `wait_ms` for the first.
    pub async fn read(
        &self,
        redis: &mut ConnectionManager,
        epoch: i64,
        after: Position,
        wait_ms: usize,
    ) -> RedisResult<Vec<Linked>> {
        let (stream, _) = self.keys(epoch);
        let options = StreamReadOptions::default().count(BATCH).block(wait_ms);
        let reply: Option<StreamReadReply> = redis.xread_options(&[stream], &[after.to_string()], &options).await?;
        let entries = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids);
        // What cannot be read is left out: the link of the next entry shows the gap.
        Ok(entries
            .filter_map(|id| {
                let fact: String = id.get("fact")?;
                let previous: String = id.get("prev")?;
                Some(Linked {
                    previous: Position::parse(&previous)?,
                    entry: Entry {
                        position: Position::parse(&id.id)?,
                        fact: serde_json::from_str(&fact).ok()?,
                    },
                })
            })
            .collect())
    }
}
