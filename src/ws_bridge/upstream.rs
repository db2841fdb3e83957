//! Connections to `gad serve`: one or several addresses, few streams per connection.
//!
//! A server's HTTP/2 takes 200 streams per connection unless told otherwise, and a stream beyond that waits without a
//! word. So each connection carries fewer, and another is opened when they are full.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::{
    Code, Request, Status, Streaming,
    metadata::{MetadataMap, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    config::UpstreamTls,
    pb::{
        AdmitHandshakeRequest, CreateAnnouncementRequest, GetJwksRequest, Jwk, Revocations, WatchAnnouncementsRequest,
        WatchRequest, WatchResponse, WatchRevocationsRequest, announcement_service_client::AnnouncementServiceClient,
        auth_service_client::AuthServiceClient, edge_service_client::EdgeServiceClient, event_service_client::EventServiceClient,
    },
};

/// Streams that a connection carries.
const STREAMS: usize = 80;
/// Bytes that a stream may be ahead of its reader. The connection takes as much of all its streams together: a reader
/// that is slow, because its client is, must not hold up the others.
const WINDOW: u32 = 64 * 1024;
/// Longest wait for the beginning of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same where the next server must not be waited for.
const SHORT: Duration = Duration::from_secs(3);

/// The servers.
#[derive(Debug)]
pub struct Upstream {
    endpoints: Vec<Endpoint>,
    connections: Mutex<Vec<Connection>>,
    turn: AtomicUsize,
    /// What this bridge shows for itself.
    token: SecretString,
}

/// What the server says of a client that wants to come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Number of the user that the token speaks for; none if it does not count, or not any more.
    pub user: Option<i64>,
    /// How the client stands with its limit.
    pub limits: Limits,
}

/// Headers that tell how a client stands with its limit.
pub type Limits = Vec<(&'static str, String)>;

/// The names of those headers.
const LIMITS: [&str; 6] = [
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
];

/// The headers among the metadata.
pub fn limits(metadata: &MetadataMap) -> Limits {
    let text = |name| Some((name, metadata.get(name)?.to_str().ok()?.to_owned()));
    LIMITS.into_iter().filter_map(text).collect()
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
    pub fn new(urls: &str, tls: &UpstreamTls, token: SecretString) -> anyhow::Result<Self> {
        let tls = tls_config(tls)?;
        let endpoints = urls
            .split(',')
            .map(str::trim)
            .filter(|url| !url.is_empty())
            .map(|url| endpoint(url, tls.as_ref()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::ensure!(!endpoints.is_empty(), "GAD_UPSTREAM_URL names no server");
        Ok(Self {
            endpoints,
            connections: Mutex::default(),
            turn: AtomicUsize::new(0),
            token,
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

    /// Opens a watch on any server but `avoided`, if there is another. Without a token it is one of announcements only.
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
            let answer = if token.is_empty() {
                let mut request = Request::new(WatchAnnouncementsRequest { cursor: request.cursor });
                let own = bearer(self.token.expose_secret())?;
                request.metadata_mut().insert("authorization", own);
                let call = EdgeServiceClient::new(channel);
                within(PATIENCE, { call }.watch_announcements(request)).await?
            } else {
                let mut request = Request::new(request);
                request.metadata_mut().insert("authorization", bearer(token)?);
                let call = EventServiceClient::new(channel);
                within(PATIENCE, { call }.watch(request)).await?
            };
            Ok((answer.into_inner(), lease))
        };
        opened.await.map_err(|status| (status, endpoint))
    }

    /// The public keys that verify access tokens; asks each server until one answers.
    pub async fn keys(&self) -> Result<Vec<Jwk>, Status> {
        let answer = self.any(|channel| async move { AuthServiceClient::new(channel).get_jwks(GetJwksRequest {}).await });
        Ok(answer.await?.into_inner().keys)
    }

    /// Has a client counted that wants to come in, with the token that it brought; asks each server until one answers.
    pub async fn admit(&self, token: Option<&str>, address: Option<IpAddr>) -> Result<Admitted, Status> {
        let own = bearer(self.token.expose_secret())?;
        let asked = AdmitHandshakeRequest {
            token: token.unwrap_or_default().to_owned(),
            address: address.map(|address| address.to_string()).unwrap_or_default(),
        };
        let answer = self.any(|channel| {
            let mut request = Request::new(asked.clone());
            request.metadata_mut().insert("authorization", own.clone());
            async move { EdgeServiceClient::new(channel).admit_handshake(request).await }
        });
        let (metadata, answer, _) = answer.await?.into_parts();
        Ok(Admitted {
            user: Some(answer.user_id).filter(|user| *user != 0),
            limits: limits(&metadata),
        })
    }

    /// Announces something in the name of whoever's token it is.
    pub async fn announce(&self, token: &str, announcement: CreateAnnouncementRequest) -> Result<(), Status> {
        let theirs = bearer(token)?;
        let answer = self.any(|channel| {
            let mut request = Request::new(announcement.clone());
            request.metadata_mut().insert("authorization", theirs.clone());
            async move { AnnouncementServiceClient::new(channel).create_announcement(request).await }
        });
        answer.await.map(drop)
    }

    /// Hears what is not believed any more, from any server that is there.
    pub async fn revocations(&self) -> Result<(Streaming<Revocations>, Lease), Status> {
        let own = bearer(self.token.expose_secret())?;
        let mut refused = None;
        for _ in &self.endpoints {
            let (channel, lease) = self.lease(refused.as_ref().map(|(_, endpoint)| *endpoint));
            let mut request = Request::new(WatchRevocationsRequest {});
            request.metadata_mut().insert("authorization", own.clone());
            match within(SHORT, EdgeServiceClient::new(channel).watch_revocations(request)).await {
                Ok(answer) => return Ok((answer.into_inner(), lease)),
                Err(status) => refused = Some((status, lease.endpoint)),
            }
        }
        Err(refused.map_or_else(|| Status::unavailable("no server"), |(status, _)| status))
    }

    /// Asks each server until one is there to answer.
    async fn any<T, F>(&self, ask: impl Fn(Channel) -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut refused = None;
        for _ in &self.endpoints {
            let (channel, lease) = self.lease(refused.as_ref().map(|(_, endpoint)| *endpoint));
            match within(PATIENCE, ask(channel)).await {
                Err(status) if status.code() == Code::Unavailable => refused = Some((status, lease.endpoint)),
                answer => return answer,
            }
        }
        Err(refused.map_or_else(|| Status::unavailable("no server"), |(status, _)| status))
    }
}

/// TLS on the way to the servers, if they have it.
fn tls_config(tls: &UpstreamTls) -> anyhow::Result<Option<ClientTlsConfig>> {
    let UpstreamTls {
        upstream_ca,
        upstream_name,
        upstream_cert,
        upstream_key,
    } = tls;
    let read = |path: &std::path::Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let Some(authorities) = upstream_ca else {
        return Ok(None);
    };
    let mut config = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read(authorities)?))
        .domain_name(upstream_name);
    if let (Some(certificate), Some(key)) = (upstream_cert, upstream_key) {
        config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(Some(config))
}

fn endpoint(url: &str, tls: Option<&ClientTlsConfig>) -> anyhow::Result<Endpoint> {
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|cause| anyhow::anyhow!("GAD_UPSTREAM_URL: {url}: {cause}"))?
        .user_agent(concat!("gad-ws-bridge/", env!("CARGO_PKG_VERSION")))?
        .connect_timeout(Duration::from_secs(3))
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(20)))
        .http2_keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(10))
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * (STREAMS as u32 + 1));
    anyhow::ensure!(
        tls.is_some() == url.starts_with("https://"),
        "GAD_UPSTREAM_URL: {url}: https:// and GAD_UPSTREAM_CA go together"
    );
    if let Some(tls) = tls {
        endpoint = endpoint.tls_config(tls.clone())?;
    }
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

    fn upstream(urls: &str) -> anyhow::Result<Upstream> {
        Upstream::new(urls, &UpstreamTls::default(), "t".into())
    }

    #[tokio::test]
    async fn a_full_connection_gets_a_neighbour_and_a_failing_server_is_passed_over() {
        let upstream = upstream("http://127.0.0.1:1, http://127.0.0.1:2").expect("two addresses");
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
        assert!(upstream(" , ").is_err());
        assert!(upstream("not a url").is_err());
        assert!(upstream("https://127.0.0.1:1").is_err(), "whose certificate?");
    }
}
