//! A server from its listener to its graceful end.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use futures::Stream;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use prost_reflect::DescriptorPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes, transport::ServerTlsConfig};
use tonic_health::server::HealthReporter;
use tower::{Layer as _, ServiceExt as _, util::MapRequestLayer};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{
    app::App,
    clock::Clock,
    config::{Environment, ServeSettings},
    descriptor, files,
    health::{self, Health},
    layer::{self, Gate, GateLayer, legacy},
    listener::{self, Connection},
    pb,
    rpc::{
        self, agent::Agents, api_token::ApiTokens, audit::Audits, auth::Auth, edge::Edge, event::Events, permission::Permissions,
        task::Tasks, user::Users, zone::Zones,
    },
    telemetry::Metrics,
};

/// Wait before another try to start.
const RETRY: Duration = Duration::from_secs(1);

/// A server that listens.
pub struct Server {
    settings: ServeSettings,
    clock: Clock,
    public: TcpListener,
    internal: TcpListener,
    health: Health,
    metrics: Metrics,
}

impl Server {
    /// Takes its addresses. Port 0 takes a free one.
    pub async fn bind(settings: ServeSettings, clock: Clock) -> anyhow::Result<Self> {
        Ok(Self {
            public: TcpListener::bind(settings.listen).await?,
            internal: TcpListener::bind(settings.internal_listen).await?,
            health: Health::default(),
            metrics: Metrics::start()?,
            settings,
            clock,
        })
    }

    /// Public and internal address.
    pub fn addresses(&self) -> anyhow::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.internal.local_addr()?))
    }

    /// Serves until `stop`, then ends gracefully: not serving, lame duck, GOAWAY, END to streams, hard stop.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self {
            settings,
            clock,
            public,
            internal,
            health,
            metrics,
        } = self;
        let tls = listener::tls(&settings)?;
        let connections = listener::connections(public, settings.max_connections);
        let over = CancellationToken::new();
        let pages = health.clone().routes().merge(metrics.routes());
        let inside = tokio::spawn(
            axum::serve(internal, pages)
                .with_graceful_shutdown(over.clone().cancelled_owned())
                .into_future(),
        );

        let Some((app, background)) = start(&settings, &clock, &stop).await else {
            over.cancel();
            return Ok(());
        };
        // Cancelled when a part that must run to the end does not: by an error or by a panic.
        let died = CancellationToken::new();
        let background = tokio::spawn(guarded(died.clone(), background.run(over.clone())));
        let pool = descriptor::pool();
        let services = descriptor::services(&pool);
        let (reporter, health_service) = tonic_health::server::health_reporter();
        health.start();
        health.tell(&reporter, &services).await;
        let watch = health
            .clone()
            .watch(Arc::clone(&app), reporter.clone(), services.clone(), over.clone());
        let watching = tokio::spawn(watch);

        let system = tonic_web::GrpcWebLayer::new().layer(system_routes(settings.environment, health_service)?);
        let router = Router::new()
            .route_service("/grpc.health.v1.Health/{*method}", system.clone())
            .route_service("/grpc.reflection.v1.ServerReflection/{*method}", system.clone())
            .route_service("/grpc.reflection.v1alpha.ServerReflection/{*method}", system)
            .merge(health.older_routes(clock, settings.environment))
            .merge(files::routes(&settings));
        let pages = health::older::PATHS.into_iter().chain(files::older_page(&settings));
        let unknown = Arc::new(legacy::Unknown::of(&pool, pages.collect()));
        let entry = cors(&settings).layer(entry(calls(&app, &pool), unknown, router));
        let entry = MapRequestLayer::new(layer::heard::out).layer(entry);

        let goaway = CancellationToken::new();
        let serving = tokio::spawn(guarded(died.clone(), listen(connections, tls, entry, goaway.clone())));
        tracing::info!(address = %settings.listen, "serving");
        tokio::select! {
            () = stop.cancelled() => {}
            () = died.cancelled() => tracing::error!("a part of the server died: ending"),
        }
        let failed = died.is_cancelled();
        drain(&settings, &health, &reporter, &services, (&goaway, &app.closing), serving).await;
        over.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(background, watching, inside) }).await;
        anyhow::ensure!(!failed, "a part of the server died");
        Ok(())
    }
}

/// Our services behind all layers, for gRPC and gRPC-web.
fn calls(app: &Arc<App>, pool: &DescriptorPool) -> tonic_web::GrpcWebService<legacy::Print<Gate<legacy::Read<Routes>>>> {
    let methods = legacy::declared::methods(pool);
    let longest = app.settings.max_request_body_size as usize;
    let reading = legacy::ReadLayer {
        methods: Arc::clone(&methods),
        longest,
    };
    let gate = GateLayer::new(Arc::clone(app), descriptor::rules(pool));
    let printed = legacy::PrintLayer {
        methods,
        clock: app.clock.clone(),
    }
    .layer(gate.layer(reading.layer(routes(app, longest))));
    tonic_web::GrpcWebLayer::new().layer(printed)
}

/// Work that tells when it is over, however it ends.
async fn guarded<T>(died: CancellationToken, work: impl Future<Output = T>) -> T {
    let _guard = died.drop_guard();
    work.await
}

/// Starts the app as soon as what it needs is there; none if stopped before.
async fn start(settings: &ServeSettings, clock: &Clock, stop: &CancellationToken) -> Option<(Arc<App>, crate::app::Background)> {
    loop {
        match App::start(settings.clone(), clock.clone()).await {
            Ok(started) => return Some(started),
            Err(cause) => tracing::warn!(%cause, "cannot start yet"),
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

fn routes(app: &Arc<App>, longest: usize) -> Routes {
    let begun =
        Routes::new(pb::auth_service_server::AuthServiceServer::new(Auth(Arc::clone(app))).max_decoding_message_size(longest))
            .add_service(
                pb::task_service_server::TaskServiceServer::new(Tasks(Arc::clone(app))).max_decoding_message_size(longest),
            )
            .add_service(
                pb::agent_service_server::AgentServiceServer::new(Agents(Arc::clone(app))).max_decoding_message_size(longest),
            );
    told(older(field_work(begun, app, longest), app, longest), app, longest)
        .add_service(
            pb::event_service_server::EventServiceServer::new(Events(Arc::clone(app))).max_decoding_message_size(longest),
        )
        .add_service(
            pb::privacy_service_server::PrivacyServiceServer::new(rpc::privacy::Privacy(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::audit_service_server::AuditServiceServer::new(Audits(Arc::clone(app))).max_decoding_message_size(longest),
        )
        .add_service(
            pb::bulk_service_server::BulkServiceServer::new(rpc::bulk::Bulk(Arc::clone(app))).max_decoding_message_size(longest),
        )
        .add_service(
            pb::sync_service_server::SyncServiceServer::new(rpc::sync::Sync(Arc::clone(app))).max_decoding_message_size(longest),
        )
        .add_service(pb::zone_service_server::ZoneServiceServer::new(Zones(Arc::clone(app))).max_decoding_message_size(longest))
        .add_service(pb::user_service_server::UserServiceServer::new(Users(Arc::clone(app))).max_decoding_message_size(longest))
        .add_service(
            pb::api_token_service_server::ApiTokenServiceServer::new(ApiTokens(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(pb::permission_service_server::PermissionServiceServer::new(Permissions))
        .add_service(pb::edge_service_server::EdgeServiceServer::new(Edge(Arc::clone(app))).max_decoding_message_size(longest))
        .prepare()
}

/// Facades for the clients of the older products.
fn older(routes: Routes, app: &Arc<App>, longest: usize) -> Routes {
    routes
        .add_service(
            pb::legacy::auth_service_server::AuthServiceServer::new(rpc::legacy::auth::Auth(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::legacy::user_service_server::UserServiceServer::new(rpc::legacy::user::Users(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::legacy::privacy_service_server::PrivacyServiceServer::new(rpc::legacy::privacy::Privacy(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::legacy::task_service_server::TaskServiceServer::new(rpc::legacy::task::Tasks(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::legacy::telegram_service_server::TelegramServiceServer::new(rpc::legacy::telegram::Telegram(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::legacy::stats_service_server::StatsServiceServer::new(rpc::legacy::stats::StatsOf(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::legacy::geo_service_server::GeoServiceServer::new(rpc::legacy::geo::Geo(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::legacy::usuario_service_server::UsuarioServiceServer::new(rpc::legacy::usuario::Usuarios(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
}

/// The services that tell and count.
fn told(routes: Routes, app: &Arc<App>, longest: usize) -> Routes {
    routes
        .add_service(
            pb::notification_service_server::NotificationServiceServer::new(rpc::notification::Notifications(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::webhook_service_server::WebhookServiceServer::new(rpc::webhook::Webhooks(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::statistics_service_server::StatisticsServiceServer::new(rpc::statistics::Statistics(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
}

/// Services of work in the field.
fn field_work(routes: Routes, app: &Arc<App>, longest: usize) -> Routes {
    routes
        .add_service(
            pb::dispatch_service_server::DispatchServiceServer::new(rpc::dispatch::Dispatches(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::emergency_service_server::EmergencyServiceServer::new(rpc::emergency::Emergencies(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::announcement_service_server::AnnouncementServiceServer::new(rpc::announcement::Announcements(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::message_service_server::MessageServiceServer::new(rpc::message::Messages(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::check_in_service_server::CheckInServiceServer::new(rpc::check_in::CheckIns(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::geo_service_server::GeoServiceServer::new(rpc::map::Maps(Arc::clone(app))).max_decoding_message_size(longest),
        )
        .add_service(
            pb::geofence_service_server::GeofenceServiceServer::new(rpc::geofence::Geofences(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::comment_service_server::CommentServiceServer::new(rpc::comment::Comments(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::attachment_service_server::AttachmentServiceServer::new(rpc::attachment::Attachments(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::checklist_service_server::ChecklistServiceServer::new(rpc::checklist::Checklists(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::dependency_service_server::DependencyServiceServer::new(rpc::dependency::Dependencies(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
        .add_service(
            pb::template_service_server::TemplateServiceServer::new(rpc::template::Templates(Arc::clone(app)))
                .max_decoding_message_size(longest),
        )
}

/// Health, and reflection outside production: nobody needs a token for them.
fn system_routes<H>(environment: Environment, health: H) -> anyhow::Result<Routes>
where
    H: tower::Service<Request<Body>, Error = Infallible> + tonic::server::NamedService + Clone + Send + Sync + 'static,
    H::Response: axum::response::IntoResponse,
    H::Future: Send + 'static,
{
    let routes = Routes::new(health);
    if environment == Environment::Production {
        return Ok(routes.prepare());
    }
    let reflect = || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(descriptor::SET);
    Ok(routes
        .add_service(reflect().build_v1()?)
        .add_service(reflect().build_v1alpha()?)
        .prepare())
}

/// Calls go to the services, what Envoy found no RPC for is told so, everything else goes to the pages.
fn entry<S>(
    ours: S,
    unknown: Arc<legacy::Unknown>,
    pages: Router,
) -> impl tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    tower::service_fn(move |mut request: Request<Body>| {
        let (ours, pages) = (ours.clone(), pages.clone());
        let called = is_grpc(&request);
        let refusal = if called { None } else { unknown.answer(&request) };
        async move {
            if called {
                layer::door::mark(&mut request);
                ours.oneshot(request).await
            } else if let Some(refusal) = refusal {
                Ok(refusal)
            } else {
                let answer = pages.oneshot(request.map(axum::body::Body::new)).await;
                answer.map(|response| response.map(Body::new))
            }
        }
    })
}

/// Calls of our services, and whatever else says it is gRPC.
fn is_grpc<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    let content = request.headers().get(http::header::CONTENT_TYPE);
    let grpc = content.is_some_and(|content| content.as_bytes().starts_with(b"application/grpc"));
    grpc && !path.starts_with("/grpc.")
}

/// Browsers of other origins, if they are allowed; and what they may read of an answer.
fn cors(settings: &ServeSettings) -> CorsLayer {
    let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect::<Vec<_>>();
    let origins = settings
        .cors_allowed_origins
        .iter()
        .filter_map(|origin| HeaderValue::try_from(origin).ok());
    let anybody = settings.cors_allowed_origins.iter().any(|origin| origin == "*");
    let allowed = if anybody {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins)
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_credentials(settings.cors_allow_credentials && !anybody)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(names(&[
            "authorization",
            "content-type",
            "accept-language",
            "x-grpc-web",
            "x-user-agent",
            "grpc-timeout",
            "traceparent",
            "x-request-id",
            "x-csrf-token",
        ]))
        .expose_headers(names(&[
            "grpc-status",
            "grpc-message",
            "grpc-status-details-bin",
            "x-request-id",
            "x-gad-version",
            "idempotent-replayed",
            "retry-after",
            "ratelimit-limit",
            "ratelimit-remaining",
            "ratelimit-reset",
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
            "x-process-time",
        ]))
        .max_age(Duration::from_secs(600))
}

/// Bytes of one call that a connection may have on the way.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// Bytes of all calls that a connection may have on the way. h2 ends a connection with ENHANCE_YOUR_CALM when small messages
/// that wait to be read cost it half of this at some 256 bytes each: with a window that begins at 64 KiB, two hundred calls
/// at a time did, be it Envoy's connection or anybody's.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

async fn listen<S, B>(
    connections: impl Stream<Item = std::io::Result<Connection>>,
    tls: Option<ServerTlsConfig>,
    entry: S,
    goaway: CancellationToken,
) -> Result<(), tonic::transport::Error>
where
    S: tower::Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut server = tonic::transport::Server::builder()
        .accept_http1(true)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(Some(32 * 1024))
        // Streams that are opened only to be cancelled, or break the rules, end the connection; but behind the edge it is
        // everybody's, so it takes many. The edge itself lets go who does it there.
        .http2_max_pending_accept_reset_streams(Some(1000))
        .http2_max_local_error_reset_streams(Some(10_000))
        .max_concurrent_streams(Some(4096));
    if let Some(tls) = tls {
        server = server.tls_config(tls)?;
    }
    server
        .serve_with_incoming_shutdown(entry, connections, goaway.cancelled_owned())
        .await
}

async fn drain(
    settings: &ServeSettings,
    health: &Health,
    reporter: &HealthReporter,
    services: &[String],
    (goaway, streams): (&CancellationToken, &CancellationToken),
    serving: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
) {
    tracing::info!("draining");
    health.drain();
    health.tell(reporter, services).await;
    tokio::time::sleep(Duration::from_secs_f64(settings.lame_duck_seconds)).await;
    goaway.cancel();
    streams.cancel();
    let abort = serving.abort_handle();
    // hyper waits for idle streams without end: the deadline does not.
    match tokio::time::timeout(Duration::from_secs_f64(settings.drain_seconds), serving).await {
        Ok(Ok(Ok(()))) => tracing::info!("drained"),
        Ok(ended) => tracing::warn!(?ended, "ended badly"),
        Err(_) => {
            tracing::warn!("calls were cut at the drain deadline");
            abort.abort();
        }
    }
}
