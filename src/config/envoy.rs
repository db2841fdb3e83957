//! Settings of `gad envoy`: the public door.

use std::{net::SocketAddr, path::PathBuf};

use clap::{ArgAction, Args, builder::BoolishValueParser, value_parser};
use ipnet::IpNet;

use super::{
    UpstreamTls,
    values::{list, networks},
};

/// `gad envoy`.
#[derive(Debug, Clone, Args)]
pub struct EnvoySettings {
    /// Address that Envoy listens on.
    #[arg(long, env = "GAD_PUBLIC_LISTEN", default_value = "127.0.0.1:8080")]
    pub public_listen: SocketAddr,
    /// Certificate (PEM, with its chain) of the public address; none: no TLS.
    #[arg(long, env = "GAD_PUBLIC_TLS_CERT")]
    pub public_tls_cert: Option<PathBuf>,
    /// Key (PEM) of that certificate.
    #[arg(long, env = "GAD_PUBLIC_TLS_KEY")]
    pub public_tls_key: Option<PathBuf>,
    /// Address without TLS that sends everybody to https, such as `0.0.0.0:80`.
    #[arg(long, env = "GAD_REDIRECT_LISTEN")]
    pub redirect_listen: Option<SocketAddr>,
    /// Send whoever came by http to https, also where a proxy before Envoy speaks TLS and says so.
    #[arg(long, env = "FORCE_HTTPS", default_value_t = false, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub force_https: bool,
    /// Seconds that browsers are to remember that there is nothing but https here; 0: they are not told.
    #[arg(long, env = "HSTS_MAX_AGE", default_value_t = 31_536_000)]
    pub hsts_max_age: u64,
    /// Names that the public address is reached by, such as `gad.example.org` or `*.example.org`; a JSON list or
    /// comma-separated; others are refused.
    #[arg(long, env = "ALLOWED_HOSTS", value_parser = list, default_value = "*")]
    pub allowed_hosts: std::vec::Vec<String>,
    /// Addresses and networks of proxies before Envoy whose x-forwarded-for is believed; a JSON list or comma-separated.
    #[arg(long, env = "TRUSTED_PROXY_HOSTS", value_parser = networks, default_value = "")]
    pub trusted_proxy_hosts: std::vec::Vec<IpNet>,
    /// Most connections at a time.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 12_000, value_parser = value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// Longest REST request, in bytes; a longer one is 413.
    #[arg(long, env = "MAX_REQUEST_BODY_SIZE", default_value_t = 10 * 1024 * 1024, value_parser = value_parser!(u32).range(1024..))]
    pub max_request_body_size: u32,
    /// Seconds in which the headers of a request must have come.
    #[arg(long, env = "GAD_EDGE_HEADER_SECONDS", default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    pub header_seconds: u32,
    /// Seconds until a call that is no stream must be answered; a sixth more, and it is cut, also while its request is on its way.
    #[arg(long, env = "GAD_EDGE_CALL_SECONDS", default_value_t = 65, value_parser = value_parser!(u32).range(1..))]
    pub call_seconds: u32,
    /// Address of Envoy's admin pages; keep it on loopback.
    #[arg(long, env = "GAD_ENVOY_ADMIN", default_value = "127.0.0.1:9901")]
    pub admin: SocketAddr,
    /// Replicas of `gad serve`; comma-separated.
    #[arg(long, env = "GAD_UPSTREAMS", value_delimiter = ',', default_value = "127.0.0.1:50051")]
    pub upstreams: Vec<SocketAddr>,
    /// Bridges; comma-separated.
    #[arg(long, env = "GAD_BRIDGES", value_delimiter = ',', default_value = "127.0.0.1:8090")]
    pub bridges: Vec<SocketAddr>,
    /// Descriptor set that `gad descriptor` wrote.
    #[arg(long, default_value = "gad.bin")]
    pub descriptor: PathBuf,
    /// Access log; `/dev/stdout` for standard output.
    #[arg(long, default_value = "/dev/null")]
    pub access_log: PathBuf,
    /// TLS on the way to `gad serve`.
    #[command(flatten)]
    pub upstream_tls: UpstreamTls,
}

impl EnvoySettings {
    /// All reasons why there is no such configuration.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.upstream_tls.problems();
        if self.public_tls_cert.is_some() != self.public_tls_key.is_some() {
            problems.push("GAD_PUBLIC_TLS_CERT and GAD_PUBLIC_TLS_KEY go together".to_owned());
        }
        if self.redirect_listen.is_some() && self.public_tls_cert.is_none() {
            problems.push("GAD_REDIRECT_LISTEN needs GAD_PUBLIC_TLS_CERT and GAD_PUBLIC_TLS_KEY".to_owned());
        }
        // Without TLS here, only a proxy in front can know whether somebody came by https.
        if self.force_https && self.public_tls_cert.is_none() && self.trusted_proxy_hosts.is_empty() {
            problems.push("FORCE_HTTPS needs GAD_PUBLIC_TLS_CERT here, or TLS at one of TRUSTED_PROXY_HOSTS".to_owned());
        }
        if self.allowed_hosts.is_empty() {
            problems.push("ALLOWED_HOSTS names no host".to_owned());
        }
        problems
    }
}
