//! Paths that the older products do not have, and methods that a path of theirs does not have.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use prost_reflect::DescriptorPool;
use serde_json::json;
use tonic::body::Body;

use super::{declared::Template, respond};
use crate::descriptor;

/// Where the older products' paths begin.
const PREFIX: &str = "/api/";

/// The paths that there are.
#[derive(Debug)]
pub struct Unknown {
    routes: Vec<(Template, String)>,
    /// Pages below the same prefix, which are no RPCs.
    pages: Vec<&'static str>,
}

impl Unknown {
    /// With the paths of all RPCs of the older products, and pages beside them.
    pub fn of(pool: &DescriptorPool, pages: Vec<&'static str>) -> Self {
        let services = descriptor::services(pool).into_iter();
        let services = services.filter(|name| descriptor::is_legacy(name));
        let services = services.filter_map(|name| pool.get_service_by_name(&name));
        let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
        let routes = methods.flat_map(|method| descriptor::routes(pool, &method));
        Self {
            routes: routes.map(|route| (Template::of(&route.path), route.verb)).collect(),
            pages,
        }
    }

    /// What to say to a request that Envoy found no RPC for, if it is for one of the older products.
    pub fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let path = request.uri().path();
        if !path.starts_with(PREFIX) || self.pages.contains(&path.strip_suffix('/').unwrap_or(path)) {
            return None;
        }
        let there = self.routes.iter().filter(|(template, _)| template.fit(path).is_some());
        let verbs: BTreeSet<&str> = there.map(|(_, verb)| verb.as_str()).collect();
        let mut headers = HeaderMap::new();
        let wrong_verb = !verbs.is_empty() && !verbs.contains(&request.method().as_str());
        let (status, text) = if wrong_verb {
            headers.extend(HeaderValue::try_from(Vec::from_iter(verbs).join(", ")).map(|verbs| (header::ALLOW, verbs)));
            (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        } else {
            (StatusCode::NOT_FOUND, "Not Found")
        };
        let mut response = respond(status, headers, json!({ "detail": text }).to_string());
        if request.method() == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        Some(response)
    }
}
