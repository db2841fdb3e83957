//! What browsers get beside gRPC-web: the dashboard's files, its settings, and the API's documentation.

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::get,
};
use serde::Serialize;
use tower_http::services::{ServeDir, ServeFile};

use crate::config::{Environment, ServeSettings};

/// What the dashboard must know before it starts.
#[derive(Debug, Clone, Serialize)]
struct DashboardSettings {
    tile_url: Option<String>,
    environment: &'static str,
    open_registration: bool,
    version: &'static str,
}

/// `/config.json`, `/openapi.json` and `/docs` outside production, and the dashboard.
pub fn routes(settings: &ServeSettings) -> Router {
    let dashboard = DashboardSettings {
        tile_url: settings.tile_url.clone(),
        environment: settings.environment.name(),
        open_registration: settings.account.open_registration,
        version: env!("CARGO_PKG_VERSION"),
    };
    let mut routes = Router::new().route("/config.json", get(async move || Json(dashboard)));
    if settings.environment != Environment::Production {
        routes = routes.merge(crate::openapi::routes());
    }
    if let Some(folder) = &settings.web_dir {
        let index = ServeFile::new(folder.join("index.html"));
        let files = |part: &str| ServeDir::new(folder.join(part)).precompressed_gzip().precompressed_br();
        // A page of the dashboard may have any other name; a file named by its content that is gone is gone.
        routes = routes
            .nest_service("/assets", files("assets"))
            .fallback_service(files("").fallback(index));
    }
    routes.layer(from_fn_with_state(policy(settings), guard))
}

/// Pages that stand among the older products' paths, and are no RPCs.
pub fn older_pages(settings: &ServeSettings) -> Vec<&'static str> {
    let document = (settings.environment != Environment::Production).then_some(crate::openapi::OLDER);
    crate::health::older::PATHS.into_iter().chain(document).collect()
}

/// Content security policy: everything from here, pictures of tiles from where they were set to come.
fn policy(settings: &ServeSettings) -> HeaderValue {
    let tiles = settings.tile_url.as_deref().and_then(origin).unwrap_or_default();
    let text = format!(
        "default-src 'self'; img-src 'self' data: {tiles}; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("default-src 'self'"))
}

fn origin(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    url.get(..end)
}

/// Sets policy and caching: files named by their content never change.
async fn guard(State(policy): State<HeaderValue>, request: Request, next: Next) -> Response {
    let named_by_content = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let cache = if named_by_content && response.status().is_success() {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    response
}
