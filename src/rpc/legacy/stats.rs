//! `/api/v1/stats`, `/api/v1/cache` and `/api/v1/admin` of GRUPO_GAD.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{checked, in_keys};
use crate::{
    app::App,
    domain::UserId,
    error::{Error, Missing, Result},
    pb::{
        self as canonical,
        legacy::{self as pb, stats_service_server::StatsService},
    },
    rpc::{
        Call, message,
        user_stats::{self, Stats},
        wire,
    },
    store::{self, user_stats::Counts},
};

/// Days back if nobody says how many.
const DAYS: i32 = 30;
/// What has no answer of its own, and is forgotten with all answers.
const ALL: &str = "*";
/// Keys of GRUPO_GAD that are not those of `gad.v1`.
const KEYS: [(&str, &str); 3] = [("text", "message"), ("audience", "group"), ("urgency", "type")];

/// The service.
#[derive(Debug, Clone)]
pub struct StatsOf(pub Arc<App>);

#[tonic::async_trait]
impl StatsService for StatsOf {
    async fn get_user_stats(&self, request: Request<pb::GetUserStatsRequest>) -> Result<Response<pb::UserStats>, Status> {
        let call = Call::of(&request)?;
        let pb::GetUserStatsRequest { id, days, use_cache } = request.into_inner();
        let (user, days) = (UserId(id), days.unwrap_or(DAYS));
        let (stats, hit) = user_stats::get(&self.0, &call, user, days, use_cache.unwrap_or(true)).await?;
        let key = self.0.cache.whole(&user_stats::key(user, days));
        Ok(Response::new(told(id, days, &stats, hit.then_some(key))))
    }

    async fn invalidate_user_stats(
        &self,
        request: Request<pb::InvalidateUserStatsRequest>,
    ) -> Result<Response<pb::CacheInvalidation>, Status> {
        let call = Call::of(&request)?;
        let pb::InvalidateUserStatsRequest { id } = request.into_inner();
        let deleted_keys = number(user_stats::forget(&self.0, &call, UserId(id)).await?);
        let pattern = user_stats::pattern(UserId(id));
        Ok(Response::new(pb::CacheInvalidation {
            message: format!("Caché de estadísticas invalidado para usuario {id}"),
            deleted_keys,
            pattern,
        }))
    }

    async fn get_cache_stats(&self, _request: Request<pb::GetCacheStatsRequest>) -> Result<Response<pb::CacheStats>, Status> {
        Ok(Response::new(cache_stats(&self.0).await))
    }

    async fn invalidate_cache_key(
        &self,
        request: Request<pb::InvalidateCacheKeyRequest>,
    ) -> Result<Response<pb::CacheMessage>, Status> {
        let call = Call::of(&request)?;
        let pb::InvalidateCacheKeyRequest { key } = request.into_inner();
        call.trail.detail("key", key.as_str());
        if !self.0.cache.forget(&key).await? {
            return Err(Error::NotFound(Missing::CachedAnswer).into());
        }
        Ok(say(format!("Clave {key} invalidada exitosamente")))
    }

    async fn invalidate_cache_pattern(
        &self,
        request: Request<pb::InvalidateCachePatternRequest>,
    ) -> Result<Response<pb::CacheDeletion>, Status> {
        let call = Call::of(&request)?;
        let pb::InvalidateCachePatternRequest { pattern } = request.into_inner();
        call.trail.detail("pattern", pattern.as_str());
        let deleted_count = number(self.0.cache.forget_like(&pattern).await?);
        Ok(Response::new(pb::CacheDeletion {
            message: format!("{deleted_count} claves invalidadas con el patrón {pattern}"),
            deleted_count,
        }))
    }

    async fn clear_cache(&self, _request: Request<pb::ClearCacheRequest>) -> Result<Response<pb::CacheMessage>, Status> {
        self.0.cache.forget_like(ALL).await?;
        Ok(say("Caché limpiado exitosamente".to_owned()))
    }

    async fn run_command(&self, request: Request<pb::RunCommandRequest>) -> Result<Response<pb::CommandAnswer>, Status> {
        let call = Call::of(&request)?;
        let pb::RunCommandRequest { body: _, command } = request.into_inner();
        let pb::Command { action, command } = command.unwrap_or_default();
        let missing = || Error::invalid("command.action", "falta", "is missing");
        let action = action.or(command).ok_or_else(missing)?;
        call.trail.detail("action", action.as_str());
        Ok(run(&self.0, &action).await?)
    }

    async fn send_telegram(&self, request: Request<pb::SendTelegramRequest>) -> Result<Response<pb::TelegramQueued>, Status> {
        let sent = send(&self.0, &Call::of(&request)?, request.into_inner()).await;
        Ok(sent.map_err(|error| in_keys(error, &KEYS))?)
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn say(message: String) -> Response<pb::CacheMessage> {
    Response::new(pb::CacheMessage { message })
}

/// A user's numbers, and the key under which they were kept.
fn told(user_id: i64, period_days: i32, stats: &Stats, key: Option<String>) -> pb::UserStats {
    let Stats { counts, counted } = stats;
    let Counts {
        total,
        scheduled,
        in_progress,
        paused,
        finished,
        cancelled,
        mean_hours,
    } = *counts;
    let source = if key.is_some() { "redis" } else { "database" };
    pb::UserStats {
        user_id,
        period_days,
        total,
        completadas: finished,
        en_progreso: in_progress,
        programadas: scheduled,
        canceladas: cancelled,
        pausadas: paused,
        promedio_duracion_horas: mean_hours,
        productividad_diaria: finished as f64 / f64::from(period_days),
        estados: Some(pb::StatesCount {
            completed: finished,
            in_progress,
            programmed: scheduled,
            cancelled,
            paused,
        }),
        calculated_at: Some(wire::timestamp(*counted)),
        cache: Some(pb::CacheNote {
            hit: key.is_some(),
            source: source.to_owned(),
            key,
        }),
    }
}

async fn cache_stats(app: &App) -> pb::CacheStats {
    let state = app.cache.state().await;
    let connected = state.is_some();
    let (keys, hits, misses, evicted) = state.map_or((0, 0, 0, 0), |state| (state.keys, state.hits, state.misses, state.evicted));
    let asked = hits.saturating_add(misses).max(1);
    pb::CacheStats {
        connected,
        keys_count: number(keys),
        keyspace_hits: number(hits),
        keyspace_misses: number(misses),
        hit_rate: hits as f64 * 100.0 / asked as f64,
        evicted_keys: number(evicted),
        prefix: app.cache.prefix().to_owned(),
    }
}

/// Sends a message to a group; the rule has let none but these words through.
async fn send(app: &App, call: &Call, request: pb::SendTelegramRequest) -> Result<Response<pb::TelegramQueued>> {
    use canonical::{MessageAudience as Audience, MessageUrgency as Urgency};
    let pb::SendTelegramRequest { body: _, mensaje } = request;
    let pb::TelegramMessage { group, message, kind } = mensaje.unwrap_or_default();
    let (group, kind) = (group.unwrap_or("general".to_owned()), kind.unwrap_or("normal".to_owned()));
    let audience = match group.as_str() {
        "supervisores" => Audience::Supervisors,
        "emergencias" => Audience::Responders,
        "operaciones" => Audience::Agents,
        _ => Audience::Everybody,
    };
    let urgency = match kind.as_str() {
        "info" => Urgency::Info,
        "alert" => Urgency::Alert,
        "urgent" => Urgency::Urgent,
        _ => Urgency::Normal,
    };
    let request = canonical::CreateMessageRequest {
        audience: audience.into(),
        urgency: urgency.into(),
        text: message,
        request_id: String::new(),
    };
    let queued = message::create(app, call, checked(request)?).await?;
    Ok(queued.map(|queued| pb::TelegramQueued {
        status: "queued".to_owned(),
        message: match queued.sendable {
            true => format!("Mensaje en cola para {} destinatarios", queued.recipient_count),
            false => "Mensaje en cola: todavía no hay un bot de Telegram configurado".to_owned(),
        },
        group,
        kind,
        recipients: queued.recipient_count,
        message_id: queued.id,
        timestamp: queued.create_time,
    }))
}

/// Does what a command says; its rule has let none but these through.
async fn run(app: &App, action: &str) -> Result<Response<pb::CommandAnswer>> {
    let result = match action {
        "CLEAR_CACHE" => {
            app.cache.forget_like(ALL).await?;
            None
        }
        _ => Some(system_status(app).await),
    };
    Ok(Response::new(pb::CommandAnswer {
        status: "accepted".to_owned(),
        message: format!("Administrative command '{action}' has been accepted and logged"),
        timestamp: Some(wire::timestamp(app.clock.now())),
        result,
    }))
}

async fn system_status(app: &App) -> pb::SystemStatus {
    let asking = async {
        let conn = app.database.lease().await?;
        store::user::any(&*conn).await
    };
    let database = asking.await.is_ok();
    let (open, _) = app.database.connections();
    pb::SystemStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database,
        redis: app.hub.has_redis(),
        database_connections: i32::try_from(open).unwrap_or(i32::MAX),
        watchers: i64::try_from(app.hub.watchers()).unwrap_or(i64::MAX),
    }
}
