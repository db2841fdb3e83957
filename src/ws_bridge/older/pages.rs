//! The pages beside `/ws/connect`: numbers, channels, cleaning up, and a broadcast. For administrators.
//!
//! A bridge knows its own connections and nobody else's: so do these pages. A broadcast reaches all bridges.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, FromRequestParts, Query, State},
    http::{HeaderMap, StatusCode, request::Parts},
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use serde_json::{Map, Value, json};
use tonic::Code;

use super::{
    answer::{Wrong, failed, refusal, wrong},
    door,
};
use crate::{
    config::Environment,
    pb::CreateAnnouncementRequest,
    ws_bridge::{
        Shared,
        door::{Refused, bearer},
    },
};

/// What the older product called its own version of this.
const VERSION: &str = "2.0.0-sharding";

/// `/ws/connect` and all pages beside it.
pub fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/ws/connect", any(door::connect))
        .route("/ws/stats", get(stats))
        .route("/ws/_test/broadcast", post(broadcast))
        .route("/ws/admin/channels", post(add_channel))
        .route("/ws/admin/channels/status", get(channels))
        .route("/ws/admin/channels/optimize", post(even_out))
        .route("/ws/cleanup/status", get(cleanup_status))
        .route("/ws/cleanup/report", get(cleanup_report))
        .route("/ws/cleanup/health", get(cleanup_health))
        .route("/ws/cleanup/metrics", get(cleanup_metrics))
        .route("/ws/cleanup/recommendations", get(recommendations))
        .route("/ws/cleanup/emergency", post(sweep))
        .route("/ws/cleanup/initialize", post(initialize))
        .route("/ws/cleanup/shutdown", post(shutdown))
        .method_not_allowed_fallback(async || refusal(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"))
}

/// What is no page.
pub async fn nothing() -> Response {
    refusal(StatusCode::NOT_FOUND, "Not Found")
}

/// An administrator, and the token they came with.
struct Administrator(String);

impl FromRequestParts<Arc<Shared>> for Administrator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Response> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
        admitted(shared, peer, &parts.headers).await
    }
}

async fn admitted(shared: &Shared, peer: Option<SocketAddr>, headers: &HeaderMap) -> Result<Administrator, Response> {
    let peer = peer.ok_or_else(|| refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))?;
    let token = bearer(headers).ok_or_else(|| refusal(StatusCode::UNAUTHORIZED, "Not authenticated"))?;
    let address = shared.proxies.caller(peer.ip(), headers);
    let visitor = shared.receive(Some(&token), address).await.map_err(Refused::into_response)?;
    match visitor.credential.map(|credential| credential.identity().level) {
        Some(3) => Ok(Administrator(token)),
        Some(_) => Err(refusal(StatusCode::BAD_REQUEST, "The user doesn't have enough privileges")),
        None => Err(refusal(StatusCode::FORBIDDEN, "Could not validate credentials")),
    }
}

impl Shared {
    fn time(&self) -> String {
        self.feeds.clock.now().to_string()
    }

    /// Silence after which a client is taken for dead.
    fn silence(&self) -> Duration {
        Duration::from_secs_f64(self.settings.heartbeat_interval.min(45.0)).saturating_mul(2)
    }

    fn cleanup(&self) -> Value {
        let (_, _, _, dropped) = self.older.counts();
        json!({
            "running": true,
            "interval_seconds": self.settings.heartbeat_interval.min(45.0),
            "timeout_seconds": self.settings.connection_timeout,
            "total_dropped": dropped,
        })
    }
}

async fn stats(_: Administrator, State(shared): State<Arc<Shared>>) -> Json<Value> {
    let (connections, users, peak, _) = shared.older.counts();
    Json(json!({
        "status": "ok",
        "stats": {
            "total_connections": connections,
            "connections_by_role": shared.older.roles(),
            "unique_users": users,
            "peak_connections": peak,
            "max_connections": shared.settings.max_connections,
            "heartbeat_active": true,
            "heartbeat_interval": shared.settings.heartbeat_interval.min(45.0),
            "metrics": shared.older.metrics(),
            "sharding": { "channels": shared.older.channels() },
            "cleanup": shared.cleanup(),
            "connection_health": shared.older.health(shared.silence()),
        },
        "timestamp": shared.time(),
        "version": VERSION,
    }))
}

/// Announces something to everybody on all bridges. `sent` counts the connections of this one.
async fn broadcast(
    Administrator(token): Administrator,
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<Json<Value>, Wrong> {
    if shared.settings.environment == Environment::Production {
        return Ok(Json(json!({ "status": "forbidden" })));
    }
    let read: Map<String, Value> =
        serde_json::from_slice(&body).map_err(|_| wrong("body", "payload", "dict_type", "Input should be a valid dictionary"))?;
    let text = |name: &str, otherwise: &str| match read.get(name) {
        None | Some(Value::Null) => Ok(otherwise.to_owned()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(wrong("body", name, "string_type", "Input should be a valid string")),
    };
    let request = CreateAnnouncementRequest {
        title: text("title", "Test Broadcast")?,
        content: text("content", "Mensaje de prueba")?,
        level: text("level", "info")?,
        topic: text("topic", "")?,
        request_id: String::new(),
    };
    let sent = shared.older.listening(&request.topic);
    Ok(match shared.upstream.announce(&token, request).await {
        Ok(()) => Json(json!({ "status": "ok", "sent": sent, "metrics": shared.older.metrics() })),
        Err(status) if status.code() == Code::InvalidArgument => failed(status.message()),
        Err(status) => {
            tracing::warn!(code = ?status.code(), message = status.message(), "nothing was announced");
            failed("the broadcast could not be made; try again")
        }
    })
}

async fn channels(_: Administrator, State(shared): State<Arc<Shared>>) -> Json<Value> {
    let channels = shared.older.channels();
    Json(json!({ "status": "ok", "channels": channels, "timestamp": shared.time() }))
}

async fn add_channel(
    _: Administrator,
    State(shared): State<Arc<Shared>>,
    Query(asked): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Wrong> {
    let text = |name: &str| {
        let text = asked.get(name).filter(|text| !text.is_empty() && text.len() <= 100);
        text.ok_or_else(|| wrong("query", name, "missing", "Field required"))
    };
    let number = |name: &str, otherwise: u16, most: u16| {
        let Some(text) = asked.get(name) else { return Ok(otherwise) };
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        let message = format!("Input should be between 1 and {most}");
        number.ok_or_else(|| wrong("query", name, "int_range", &message))
    };
    let (kind, name) = (text("channel_type")?, text("channel_name")?);
    let capacity = number("capacity", 100, 10_000)?;
    let priority = u8::try_from(number("priority", 1, 10)?).unwrap_or(u8::MAX);
    Ok(match shared.older.add_channel(kind, name, usize::from(capacity), priority) {
        Ok(()) => Json(json!({
            "status": "ok",
            "channel": { "channel_name": name, "channel_type": kind, "capacity": capacity, "priority": priority },
            "timestamp": shared.time(),
        })),
        Err(why) => failed(&why),
    })
}

async fn even_out(_: Administrator, State(shared): State<Arc<Shared>>) -> Json<Value> {
    let moved = shared.older.even_out();
    let channels = shared.older.channels();
    Json(json!({ "status": "ok", "moved": moved, "channels": channels, "timestamp": shared.time() }))
}

async fn cleanup_status(_: Administrator, State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({ "status": "ok", "cleanup": shared.cleanup(), "timestamp": shared.time() }))
}

async fn cleanup_report(_: Administrator, State(shared): State<Arc<Shared>>) -> Json<Value> {
    let health = shared.older.health(shared.silence());
    let report = json!({ "cleanup": shared.cleanup(), "connections": health, "metrics": shared.older.metrics() });
    Json(json!({ "status": "ok", "report": report, "timestamp": shared.time() }))
}

async fn cleanup_health(_: Administrator, State(shared): State<Arc<Shared>>) -> Json<Value> {
    let health = shared.older.health(shared.silence());
    Json(json!({ "status": "ok", "health": health, "timestamp": shared.time() }))
}

async fn cleanup_metrics(_: Administrator, State(shared): State<Arc<Shared>>) -> Json<Value> {
    let metrics = json!({ "cleanup": shared.cleanup(), "messages": shared.older.metrics() });
    Json(json!({ "status": "ok", "metrics": metrics, "timestamp": shared.time() }))
}

async fn recommendations(_: Administrator, State(shared): State<Arc<Shared>>) -> Json<Value> {
    let (connections, _, _, _) = shared.older.counts();
    let health = shared.older.health(shared.silence());
    let mut recommendations = Vec::new();
    if health["silent"] != 0 {
        recommendations.push("POST /ws/cleanup/emergency ends the connections of which nothing was heard");
    }
    if connections * 10 > shared.settings.max_connections * 8 {
        recommendations.push("more than 80 % of WS_MAX_CONNECTIONS are in use: start another bridge");
    }
    Json(json!({ "status": "ok", "recommendations": recommendations, "timestamp": shared.time() }))
}

async fn sweep(Administrator(_): Administrator, State(shared): State<Arc<Shared>>, body: Bytes) -> Json<Value> {
    let read: Value = serde_json::from_slice(&body).unwrap_or_default();
    let reason = read["reason"].as_str().unwrap_or_default();
    let ended = shared.older.sweep(shared.silence());
    tracing::info!(ended, "connections of which nothing was heard were ended");
    Json(json!({ "status": "ok", "reason": reason, "ended": ended, "timestamp": shared.time() }))
}

async fn initialize(_: Administrator, State(shared): State<Arc<Shared>>) -> Json<Value> {
    let cleanup = shared.cleanup();
    Json(json!({ "status": "ok", "message": "it runs already", "cleanup": cleanup, "timestamp": shared.time() }))
}

async fn shutdown(_: Administrator) -> Json<Value> {
    failed("dead connections are always dropped: that cannot be switched off")
}
