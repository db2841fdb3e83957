//! Calls to addresses that somebody else chose, such as those of webhooks: to the public Internet only.
//!
//! A name may lead anywhere, and elsewhere the next moment. So addresses are judged after the name was resolved, and the
//! very address that was judged is connected to; the same for every redirect.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use ipnet::IpNet;
use reqwest::{
    Client, Method, RequestBuilder, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

/// Redirects that are followed, unless a policy says otherwise.
const REDIRECTS: usize = 3;

/// Why a call was not made, or not ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The URL is none that may be called.
    #[error("the URL may not be called: {0}")]
    Url(&'static str),
    /// The name leads to an address that is not public.
    #[error("the address is not public")]
    Address,
    /// The answer is longer than what is read.
    #[error("the answer is too long")]
    TooLong,
    /// Nothing came of it: no such name, no connection, no answer in time.
    #[error("no answer: {0}")]
    Failed(String),
}

/// Where calls may go, and how long they and their answers may be.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether `http` will do.
    pub plain: bool,
    /// Ports that may be called.
    pub ports: Vec<u16>,
    /// Networks that may be called though they are not public.
    pub inside: Vec<IpNet>,
    /// Longest time that all of it may take.
    pub patience: Duration,
    /// Longest answer that is read, in bytes.
    pub longest: usize,
    /// Redirects that are followed.
    pub redirects: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            plain: false,
            ports: vec![443],
            inside: Vec::new(),
            patience: Duration::from_secs(10),
            longest: 1024 * 1024,
            redirects: REDIRECTS,
        }
    }
}

impl Policy {
    fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.inside.iter().any(|network| network.contains(&address))
    }

    /// Whether a URL may be called, as far as that can be seen before its name is resolved.
    fn judge(&self, url: &Url) -> Result<(), Refusal> {
        match url.scheme() {
            "https" => {}
            "http" if self.plain => {}
            _ => return Err(Refusal::Url("the scheme is not https")),
        }
        let port = url.port_or_known_default().ok_or(Refusal::Url("there is no port"))?;
        if !self.ports.contains(&port) {
            return Err(Refusal::Url("the port is none of those that may be called"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Url("there is a password in it"));
        }
        // Names are judged by the resolver. An address in any spelling was made an address by the reader of URLs.
        let host = url.host_str().ok_or(Refusal::Url("there is no host"))?;
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(address) if !self.permits(address) => Err(Refusal::Address),
            _ => Ok(()),
        }
    }
}

/// Whether an address is one of the public Internet. What wraps another address is not: it may wrap any.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// RFC 6890 and its registry: special blocks are not public.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || a == 10
        || a == 127
        || a == 100 && (64..128).contains(&b)
        || a == 169 && b == 254
        || a == 172 && (16..32).contains(&b)
        || a == 192 && b == 0 && (c == 0 || c == 2)
        || a == 192 && b == 88 && c == 99
        || a == 192 && b == 168
        || a == 198 && (18..20).contains(&b)
        || a == 198 && b == 51 && c == 100
        || a == 203 && b == 0 && c == 113
        || a >= 224;
    !special
}

/// Only 2000::/3 is given out, and not all of that.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let given_out = a & 0xe000 == 0x2000;
    // 2001::/23 (Teredo and protocols), documentation, 6to4.
    let special = a == 0x2001 && (b < 0x0200 || b == 0x0db8) || a == 0x2002 || a == 0x3fff;
    given_out && !special
}

/// Resolves names, and gives out those addresses only that may be called.
struct Judge(Arc<Policy>);

impl Resolve for Judge {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let permitted: Vec<SocketAddr> = found.into_iter().filter(|found| policy.permits(found.ip())).collect();
            if permitted.is_empty() {
                return Err(Refusal::Address.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

/// Calls out.
#[derive(Debug, Clone)]
pub struct Outbound {
    client: Client,
    policy: Arc<Policy>,
}

impl Outbound {
    /// With a policy, and certificates that are trusted beside the public ones.
    pub fn new(policy: Policy, roots: rustls::RootCertStore) -> Result<Self, Refusal> {
        let policy = Arc::new(policy);
        let mut trusted = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        trusted.roots.extend(roots.roots);
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let judged = Arc::clone(&policy);
        let redirects = redirect::Policy::custom(move |attempt| match judged.judge(attempt.url()) {
            Err(refusal) => attempt.error(refusal),
            Ok(()) if attempt.previous().len() > judged.redirects => attempt.error(Refusal::Url("too many redirects")),
            Ok(()) => attempt.follow(),
        });
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(Judge(Arc::clone(&policy))))
            .redirect(redirects)
            // A proxy would resolve names itself, and nobody would judge them.
            .no_proxy()
            .referer(false)
            .connect_timeout(policy.patience)
            .timeout(policy.patience)
            .user_agent(concat!("gad/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(failed)?;
        Ok(Self { client, policy })
    }

    /// Whether a URL may be called, as far as that can be seen before its name is resolved.
    pub fn check(&self, url: &str) -> Result<(), Refusal> {
        self.policy.judge(&parsed(url)?)
    }

    /// Calls a URL as [`Outbound::call`] does, and reads nothing of the answer but its status.
    pub async fn tell(
        &self,
        method: Method,
        url: &str,
        prepare: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<StatusCode, Refusal> {
        Ok(self.send(method, url, prepare).await?.status())
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        prepare: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Refusal> {
        let url = parsed(url)?;
        self.policy.judge(&url)?;
        prepare(self.client.request(method, url)).send().await.map_err(failed)
    }

    /// Calls a URL; `prepare` adds headers and body.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        prepare: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, Refusal> {
        let mut response = self.send(method, url, prepare).await?;
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            if body.len() + part.len() > self.policy.longest {
                return Err(Refusal::TooLong);
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer {
            status: response.status(),
            body: body.into(),
        })
    }
}

fn parsed(url: &str) -> Result<Url, Refusal> {
    Url::parse(url).map_err(|_| Refusal::Url("it is no URL"))
}

/// What is behind a failure: a refusal of ours, or whatever else. URLs are left out: they may hold secrets.
fn failed(failure: reqwest::Error) -> Refusal {
    let failure = failure.without_url();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&failure);
    let mut text = String::new();
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return refusal.clone();
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    Refusal::Failed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(url: &str) -> Result<(), Refusal> {
        Policy {
            ports: vec![443, 80],
            plain: true,
            ..Policy::default()
        }
        .judge(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn addresses_that_are_not_public_are_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::7f00:1]",
            "[2002:7f00:1::]",
            "[2001:0:7f00:1::]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[2001:db8::1]",
        ] {
            assert_eq!(judge(&format!("http://{host}/")), Err(Refusal::Address), "{host}");
        }
        for host in [
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "[2606:4700::1111]",
            "example.org",
            "localhost",
        ] {
            assert_eq!(
                judge(&format!("https://{host}/")),
                Ok(()),
                "{host}: a name is judged when it is resolved"
            );
        }
    }

    #[test]
    fn schemes_ports_and_passwords_are_judged() {
        let usual = Policy::default();
        for (url, good) in [
            ("https://example.org/", true),
            ("https://example.org:443/", true),
            ("http://example.org/", false),
            ("https://example.org:22/", false),
            ("https://user:secret@example.org/", false),
            ("ftp://example.org/", false),
            ("file:///etc/passwd", false),
            ("gopher://example.org:443/", false),
        ] {
            assert_eq!(usual.judge(&Url::parse(url).expect("a URL")).is_ok(), good, "{url}");
        }
    }

    #[test]
    fn what_is_permitted_inside_is_permitted_in_every_spelling() {
        let policy = Policy {
            inside: vec!["10.0.0.0/24".parse().expect("a network")],
            ..Policy::default()
        };
        let judge = |url: &str| policy.judge(&Url::parse(url).expect("a URL"));
        assert_eq!(judge("https://10.0.0.7/"), Ok(()));
        assert_eq!(judge("https://[::ffff:10.0.0.7]/"), Ok(()));
        assert_eq!(judge("https://10.0.1.7/"), Err(Refusal::Address));
    }
}
