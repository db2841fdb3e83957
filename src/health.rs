//! Whether the server lives, has started, and can serve: for balancers by grpc health, for people and probes by HTTP.

pub mod older;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    app::App,
    error::Result,
    store::{Database, Query as _},
};

/// Time between looks at the database.
const LOOK: Duration = Duration::from_secs(1);
/// Longest that the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Looks that must fail in a row before the server says it cannot serve: a failover must not remove every replica at once.
const FAILURES: u32 = 5;

#[derive(Debug)]
struct Marks {
    since: Instant,
    /// Looks at the database that failed in a row.
    failures: AtomicU32,
    /// How long the last look took, in microseconds.
    look: AtomicU64,
    started: AtomicBool,
    draining: AtomicBool,
    database: AtomicBool,
    redis: AtomicBool,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            failures: AtomicU32::default(),
            look: AtomicU64::default(),
            started: AtomicBool::default(),
            draining: AtomicBool::default(),
            database: AtomicBool::default(),
            redis: AtomicBool::default(),
        }
    }
}

/// The health of a server.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Marks>);

/// What `/health` and `/ready` answer.
#[derive(Debug, Serialize)]
struct Report {
    status: &'static str,
    version: &'static str,
    started: bool,
    draining: bool,
    database: bool,
    redis: bool,
}

impl Health {
    /// Says that all is loaded.
    pub fn start(&self) {
        self.0.started.store(true, Ordering::Relaxed);
        self.0.database.store(true, Ordering::Relaxed);
    }

    /// Says that the server is about to go.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Whether calls are welcome.
    pub fn is_ready(&self) -> bool {
        let Marks {
            started,
            draining,
            database,
            ..
        } = &*self.0;
        started.load(Ordering::Relaxed) && !draining.load(Ordering::Relaxed) && database.load(Ordering::Relaxed)
    }

    /// How long the server has run.
    pub fn uptime(&self) -> Duration {
        self.0.since.elapsed()
    }

    /// How long the database took to answer lately, in milliseconds.
    pub fn database_millis(&self) -> f64 {
        self.0.look.load(Ordering::Relaxed) as f64 / 1e3
    }

    /// Looks at the database that failed in a row.
    pub fn failures(&self) -> u32 {
        self.0.failures.load(Ordering::Relaxed)
    }

    fn report(&self) -> Report {
        let Marks {
            started,
            draining,
            database,
            redis,
            ..
        } = &*self.0;
        Report {
            status: if self.is_ready() { "ok" } else { "unavailable" },
            version: env!("CARGO_PKG_VERSION"),
            started: started.load(Ordering::Relaxed),
            draining: draining.load(Ordering::Relaxed),
            database: database.load(Ordering::Relaxed),
            redis: redis.load(Ordering::Relaxed),
        }
    }

    /// `/health` (alive), `/startup` (loaded), `/ready` (serving).
    pub fn routes(self) -> Router {
        async fn alive(State(health): State<Health>) -> Json<Report> {
            Json(health.report())
        }
        async fn startup(State(health): State<Health>) -> (StatusCode, Json<Report>) {
            let report = health.report();
            (status(report.started), Json(report))
        }
        async fn ready(State(health): State<Health>) -> (StatusCode, Json<Report>) {
            (status(health.is_ready()), Json(health.report()))
        }
        fn status(well: bool) -> StatusCode {
            if well {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
        Router::new()
            .route("/health", get(alive))
            .route("/startup", get(startup))
            .route("/ready", get(ready))
            .with_state(self)
    }

    /// Looks at what the server depends on, and tells grpc health, until stopped.
    pub async fn watch(self, app: Arc<App>, reporter: HealthReporter, services: Vec<String>, stop: CancellationToken) {
        loop {
            let begun = Instant::now();
            let well = matches!(tokio::time::timeout(PATIENCE, ask(&app.database)).await, Ok(Ok(())));
            let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            let failures = if well { 0 } else { self.failures().saturating_add(1) };
            self.0.failures.store(failures, Ordering::Relaxed);
            self.0.look.store(took, Ordering::Relaxed);
            self.0.database.store(failures < FAILURES, Ordering::Relaxed);
            self.0.redis.store(app.hub.has_redis(), Ordering::Relaxed);
            self.tell(&reporter, &services).await;
            measure(&app);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Tells grpc health how things are.
    pub async fn tell(&self, reporter: &HealthReporter, services: &[String]) {
        let serving = |well: bool| {
            if well {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            }
        };
        let report = self.report();
        let all = serving(self.is_ready());
        for service in services.iter().map(String::as_str).chain([""]) {
            reporter.set_service_status(service, all).await;
        }
        reporter.set_service_status("database", serving(report.database)).await;
        reporter.set_service_status("redis", serving(report.redis)).await;
    }
}

/// Whether the database answers.
pub async fn ask(database: &Database) -> Result<()> {
    let conn = database.lease().await?;
    conn.one("select 1 as one", &[]).await.map(drop)
}

fn measure(app: &App) {
    let (open, idle) = app.database.connections();
    metrics::gauge!("database_connections", "state" => "open").set(f64::from(open));
    metrics::gauge!("database_connections", "state" => "idle").set(f64::from(idle));
    metrics::gauge!("watchers").set(app.hub.watchers() as f64);
}
