//! OpenAPI 3.1 of the canonical REST, from the descriptors.

use axum::Router;

/// `/openapi.json` and `/docs`.
pub fn routes() -> Router {
    Router::new()
}

/// The document.
pub fn document() -> String {
    String::new()
}
