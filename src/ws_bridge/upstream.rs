//! Connections to `gad serve`: one or several addresses, few streams per connection.
//!
//! A server's HTTP/2 takes 200 streams per connection unless told otherwise, and a stream beyond that waits without a
//! word. So each connection carries fewer, and another is opened when they are full.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tonic::{
    Request, Status, Streaming,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};

use crate::pb::{
    GetJwksRequest, Jwk, WatchRequest, WatchResponse, auth_service_client::AuthServiceClient,
    event_service_client::EventServiceClient,
};

/// Streams that a connection carries.
const STREAMS: usize = 80;
/// Bytes that a stream may be ahead of its reader. The connection takes as much of all its streams together: a reader
/// that is slow, because its client is, must not hold up the others.
const WINDOW: u32 = 64 * 1024;
/// Longest wait for the beginning of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The servers.
#[derive(Debug)]
pub struct Upstream {
    endpoints: Vec<Endpoint>,
    connections: Mutex<Vec<Connection>>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Connection {
    endpoint: usize,
    channel: Channel,
    streams: Arc<AtomicUsize>,
}

/// A place on a connection, given back when dropped.
#[derive(Debug)]
pub struct Lease {
    endpoint: usize,
    streams: Arc<AtomicUsize>,
}

impl Lease {
    /// Which server it leads to.
    pub fn endpoint(&self) -> usize {
        self.endpoint
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upstream {
    /// From addresses such as `http://10.0.0.1:50051`, separated by commas. Connects when needed.
    pub fn new(urls: &str) -> anyhow::Result<Self> {
        let endpoints = urls
            .split(',')
            .map(str::trim)
            .filter(|url| !url.is_empty())
            .map(endpoint)
            .collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::ensure!(!endpoints.is_empty(), "GAD_UPSTREAM_URL names no server");
        Ok(Self {
            endpoints,
            connections: Mutex::default(),
            turn: AtomicUsize::new(0),
        })
    }

    /// A place on a connection to any server but `avoided`, if there is another.
    fn lease(&self, avoided: Option<usize>) -> (Channel, Lease) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| connection.streams.load(Ordering::Relaxed) > 0);
        let next = self.next(avoided);
        let free = connections
            .iter()
            .find(|connection| connection.endpoint == next && connection.streams.load(Ordering::Relaxed) < STREAMS);
        let (channel, streams) = match free {
            Some(connection) => (connection.channel.clone(), Arc::clone(&connection.streams)),
            None => {
                let channel = self.endpoints[next].connect_lazy();
                let streams = Arc::default();
                connections.push(Connection {
                    endpoint: next,
                    channel: channel.clone(),
                    streams: Arc::clone(&streams),
                });
                (channel, streams)
            }
        };
        streams.fetch_add(1, Ordering::Relaxed);
        (channel, Lease { endpoint: next, streams })
    }

    /// The servers in turn.
    fn next(&self, avoided: Option<usize>) -> usize {
        let count = self.endpoints.len();
        let next = self.turn.fetch_add(1, Ordering::Relaxed) % count;
        if Some(next) == avoided { (next + 1) % count } else { next }
    }

    /// Opens a watch on any server but `avoided`, if there is another.
    /// The server that was tried is named in either case.
    pub async fn watch(
        &self,
        token: &str,
        request: WatchRequest,
        avoided: Option<usize>,
    ) -> Result<(Streaming<WatchResponse>, Lease), (Status, usize)> {
        let (channel, lease) = self.lease(avoided);
        let endpoint = lease.endpoint;
        let opened = async {
            let mut request = Request::new(request);
            request.metadata_mut().insert("authorization", bearer(token)?);
            let call = EventServiceClient::new(channel);
            let answer = within(PATIENCE, { call }.watch(request)).await?;
            Ok((answer.into_inner(), lease))
        };
        opened.await.map_err(|status| (status, endpoint))
    }

    /// The public keys that verify access tokens; asks each server until one answers.
    pub async fn keys(&self) -> Result<Vec<Jwk>, Status> {
        let mut refused = None;
        for _ in &self.endpoints {
            let (channel, lease) = self.lease(refused.as_ref().map(|(_, endpoint)| *endpoint));
            let mut client = AuthServiceClient::new(channel);
            match within(PATIENCE, client.get_jwks(GetJwksRequest {})).await {
                Ok(answer) => return Ok(answer.into_inner().keys),
                Err(status) => refused = Some((status, lease.endpoint)),
            }
        }
        Err(refused.map_or_else(|| Status::unavailable("no server"), |(status, _)| status))
    }
}

fn endpoint(url: &str) -> anyhow::Result<Endpoint> {
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|cause| anyhow::anyhow!("GAD_UPSTREAM_URL: {url}: {cause}"))?
        .user_agent(concat!("gad-ws-bridge/", env!("CARGO_PKG_VERSION")))?
        .connect_timeout(Duration::from_secs(3))
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(20)))
        .http2_keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(10))
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * (STREAMS as u32 + 1));
    Ok(endpoint)
}

fn bearer(token: &str) -> Result<MetadataValue<tonic::metadata::Ascii>, Status> {
    let mut value: MetadataValue<_> = format!("Bearer {token}")
        .parse()
        .map_err(|_| Status::unauthenticated("the token is no header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(limit, call)
        .await
        .unwrap_or_else(|_| Err(Status::unavailable("the server does not answer")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_connection_gets_a_neighbour_and_a_failing_server_is_passed_over() {
        let upstream = Upstream::new("http://127.0.0.1:1, http://127.0.0.1:2").expect("two addresses");
        let leases: Vec<_> = (0..=2 * STREAMS).map(|_| upstream.lease(None).1).collect();
        assert_eq!(upstream.connections.lock().expect("not poisoned").len(), 3);
        assert_eq!(upstream.lease(Some(0)).1.endpoint(), 1);
        assert_eq!(upstream.lease(Some(0)).1.endpoint(), 1);
        drop(leases);
        let _one = upstream.lease(None);
        assert_eq!(upstream.connections.lock().expect("not poisoned").len(), 1);
    }

    #[test]
    fn no_address_is_refused() {
        assert!(Upstream::new(" , ").is_err());
        assert!(Upstream::new("not a url").is_err());
    }
}
