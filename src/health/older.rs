//! Health and numbers at the paths of the older products, on the public door, truthfully. Nothing that tells of the inside is
//! here: metrics and causes stay on the internal address.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use serde_json::{Value, json};

use super::{Health, Report};
use crate::{clock::Clock, config::Environment};

/// Paths below `/api/`, which would be RPCs otherwise.
pub const PATHS: [&str; 7] = [
    "/api/v1/health",
    "/api/v1/health/live",
    "/api/v1/health/ready",
    "/api/v1/health/detailed",
    "/api/v1/health/performance",
    "/api/v1/health/government",
    "/api/v1/metrics/prometheus",
];

/// What the pages are made of.
struct Page {
    health: Health,
    clock: Clock,
    environment: Environment,
}

type Shown = State<Arc<Page>>;

impl Health {
    /// The pages of the older products.
    pub fn older_routes(&self, clock: Clock, environment: Environment) -> Router {
        let page = Arc::new(Page {
            health: self.clone(),
            clock,
            environment,
        });
        let router = Router::new()
            .route("/health", get(whole))
            .route("/health/ready", get(parts))
            .route("/metrics", get(metrics))
            .with_state(Arc::clone(&page));
        let pages = [
            get(async || Json(json!({ "status": "ok" }))),
            get(live),
            get(ready),
            get(detailed),
            get(performance),
            get(government),
            get(metrics),
        ];
        let with_both_slashes = |router: Router<Arc<Page>>, (path, page): (&str, MethodRouter<Arc<Page>>)| {
            router.route(path, page.clone()).route(&format!("{path}/"), page)
        };
        let pages = PATHS.into_iter().zip(pages).fold(Router::new(), with_both_slashes);
        let pages = pages.method_not_allowed_fallback(wrong_method).with_state(page);
        router.merge(pages)
    }
}

impl Page {
    fn time(&self) -> String {
        self.clock.now().to_string()
    }

    /// Seconds since 1970.
    fn seconds(&self) -> f64 {
        self.clock.now().as_microsecond() as f64 / 1e6
    }

    fn uptime(&self) -> f64 {
        self.health.uptime().as_secs_f64()
    }
}

async fn wrong_method() -> Response {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        Json(json!({ "detail": "Method Not Allowed" })),
    )
        .into_response()
}

fn word(well: bool) -> &'static str {
    if well { "ok" } else { "down" }
}

fn answer(well: bool, body: Value) -> Response {
    let status = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}

async fn whole(State(page): Shown) -> Response {
    let Report {
        version,
        database,
        redis,
        ..
    } = page.health.report();
    let well = page.health.is_ready();
    let status = match (well, redis) {
        (true, true) => "ok",
        (true, false) => "warning",
        (false, _) => "unhealthy",
    };
    let body = json!({
        "status": status,
        "version": version,
        "environment": page.environment.name(),
        "timestamp": page.seconds(),
        "uptime": page.uptime(),
        "checks": { "database": word(database), "redis": word(redis) },
    });
    answer(well, body)
}

async fn parts(State(page): Shown) -> Response {
    let Report { database, redis, .. } = page.health.report();
    let well = page.health.is_ready();
    let body = json!({
        "status": if well { "ready" } else { "degraded" },
        "checks": { "database": word(database), "redis": word(redis) },
        "timestamp": page.seconds(),
    });
    answer(well, body)
}

async fn live(State(page): Shown) -> Response {
    answer(true, json!({ "status": "alive", "timestamp": page.time() }))
}

async fn ready(State(page): Shown) -> Response {
    if page.health.is_ready() {
        return answer(true, json!({ "status": "ready", "timestamp": page.time() }));
    }
    let detail = json!({ "status": "not_ready", "error": "Service Unavailable", "timestamp": page.time() });
    answer(false, json!({ "detail": detail }))
}

/// Also when it is not well it is 200: that is what its clients read.
async fn detailed(State(page): Shown) -> Response {
    let report = page.health.report();
    let millis = page.health.database_millis();
    let word = |well: bool| if well { "healthy" } else { "unhealthy" };
    let body = json!({
        "status": if page.health.is_ready() { "healthy" } else { "degraded" },
        "timestamp": page.time(),
        "checks": {
            "database": {
                "status": word(report.database),
                "response_time_ms": millis,
                "circuit_breaker_open": !report.database,
                "circuit_breaker_failures": page.health.failures(),
                "error": (!report.database).then_some("Service Unavailable"),
            },
            "redis": { "status": word(report.redis) },
            "system": { "status": word(report.started && !report.draining), "uptime_seconds": page.uptime() },
        },
        "response_time_ms": millis,
    });
    answer(true, body)
}

/// Once everybody could read slow statements here; those who run the system find them in the database.
async fn performance(State(page): Shown) -> Response {
    let body = json!({
        "status": if page.health.is_ready() { "healthy" } else { "degraded" },
        "timestamp": page.time(),
        "uptime_seconds": page.uptime(),
        "database": { "response_time_ms": page.health.database_millis() },
    });
    answer(true, body)
}

async fn government(State(page): Shown) -> Response {
    let Report { database, redis, .. } = page.health.report();
    let well = page.health.is_ready();
    let status = match (well, redis) {
        (true, true) => "healthy",
        (true, false) => "healthy_with_warnings",
        (false, _) => "unhealthy",
    };
    let check = |well: bool| json!({ "status": if well { "healthy" } else { "unhealthy" } });
    let body = json!({
        "status": status,
        "timestamp": page.time(),
        "checks": { "database": check(database), "redis": check(redis) },
        "citizen_service_availability": well,
        "uptime_seconds": page.uptime(),
    });
    answer(well, body)
}

/// What anybody may know, in Prometheus' text form.
async fn metrics(State(page): Shown) -> Response {
    let Report { database, redis, .. } = page.health.report();
    let mut text = String::new();
    for (name, help, value) in [
        ("app_uptime_seconds", "Seconds since the server started.", page.uptime()),
        ("database_up", "Whether the database answers.", f64::from(u8::from(database))),
        ("redis_up", "Whether Redis answers.", f64::from(u8::from(redis))),
    ] {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
