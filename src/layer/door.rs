//! The door that a call came through.

use http::{Request, header};
use tonic::body::Body;

use crate::rpc::Door;

/// Paths of canonical REST; what the edge transcodes beside them is the older products'.
const CANONICAL: [&str; 2] = ["/v1/", "/.well-known/"];

/// Marks what is gRPC-web as long as that can be seen: below, it looks like gRPC.
pub fn mark(request: &mut Request<Body>) {
    let content = request.headers().get(header::CONTENT_TYPE);
    if content.is_some_and(|content| content.as_bytes().starts_with(b"application/grpc-web")) {
        request.extensions_mut().insert(Door::GrpcWeb);
    }
}

/// The door. The edge names the path of what it transcoded, and drops what callers say of it.
pub fn of(request: &Request<Body>) -> Door {
    if let Some(door) = request.extensions().get::<Door>() {
        return *door;
    }
    let text = |name: &str| request.headers().get(name).and_then(|header| header.to_str().ok());
    match text("x-envoy-original-path") {
        Some(path) if CANONICAL.iter().any(|prefix| path.starts_with(prefix)) => Door::Rest,
        Some(_) => Door::Legacy,
        None if text("user-agent").is_some_and(|agent| agent.starts_with("telegram-bot")) => Door::Bot,
        None => Door::Grpc,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_in_is_told_apart() {
        let request = |name: &str, value: &str| {
            let mut request = Request::builder().header(name, value).body(Body::empty()).expect("a request");
            mark(&mut request);
            of(&request)
        };
        assert_eq!(request("content-type", "application/grpc"), Door::Grpc);
        assert_eq!(request("content-type", "application/grpc-web+proto"), Door::GrpcWeb);
        assert_eq!(request("x-envoy-original-path", "/v1/tasks/7:start"), Door::Rest);
        assert_eq!(request("x-envoy-original-path", "/.well-known/jwks.json"), Door::Rest);
        assert_eq!(request("x-envoy-original-path", "/api/v1/tasks"), Door::Legacy);
        assert_eq!(request("user-agent", "telegram-bot/0.1 tonic/0.14"), Door::Bot);
    }
}
