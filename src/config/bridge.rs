//! Settings of `ws-bridge`.

use std::net::SocketAddr;

use clap::Parser;
use ipnet::IpNet;
use secrecy::SecretString;

use super::{DEMO_BRIDGE_TOKEN, Environment, Settings, TelemetrySettings, UpstreamTls, values::networks};

/// `ws-bridge`: streams the live feed to WebSocket and SSE clients.
#[derive(Debug, Clone, Parser)]
#[command(name = "ws-bridge", version)]
pub struct BridgeSettings {
    /// Where the program runs; in production nobody comes to /ws/connect without a token.
    #[arg(long, env = "ENVIRONMENT", value_enum, ignore_case = true, default_value_t = Environment::Development)]
    pub environment: Environment,
    /// Address of WebSocket and SSE.
    #[arg(long, env = "GAD_BRIDGE_LISTEN", default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,
    /// Address of /health and /metrics.
    #[arg(long, env = "GAD_BRIDGE_INTERNAL_LISTEN", default_value = "127.0.0.1:9465")]
    pub internal_listen: SocketAddr,
    /// `gad serve`, or a balancer before its replicas; several are separated by commas.
    #[arg(long, env = "GAD_UPSTREAM_URL", default_value = "http://127.0.0.1:50051")]
    pub upstream_url: String,
    /// TLS on the way to `gad serve`.
    #[command(flatten)]
    pub upstream_tls: UpstreamTls,
    /// Token that this bridge shows to `gad serve`.
    #[arg(long, env = "GAD_BRIDGE_TOKEN", hide_env_values = true, default_value = DEMO_BRIDGE_TOKEN)]
    pub bridge_token: SecretString,
    /// Addresses and networks of proxies whose x-forwarded-for is believed, Envoy's among them; a JSON list or
    /// comma-separated.
    #[arg(long, env = "TRUSTED_PROXY_HOSTS", value_parser = networks, default_value = "127.0.0.0/8,::1")]
    pub trusted_proxy_hosts: std::vec::Vec<IpNet>,
    /// Most connections at a time.
    #[arg(long, env = "WS_MAX_CONNECTIONS", default_value_t = 10_000)]
    pub max_connections: usize,
    /// Most connections of one user at a time.
    #[arg(long, env = "WS_MAX_CONNECTIONS_PER_USER", default_value_t = 100)]
    pub max_connections_per_user: usize,
    /// Most subscriptions of one user at a time, on all connections together.
    #[arg(long, env = "WS_MAX_SUBSCRIPTIONS_PER_USER", default_value_t = 200)]
    pub max_subscriptions_per_user: usize,
    /// Greatest frame a client may send, in bytes.
    #[arg(long, env = "WS_MESSAGE_MAX_SIZE", default_value_t = 65_536)]
    pub message_max_size: usize,
    /// Seconds between pings to a client.
    #[arg(long, env = "WS_HEARTBEAT_INTERVAL", default_value_t = 30.0)]
    pub heartbeat_interval: f64,
    /// Seconds without a frame or pong until a client is dropped.
    #[arg(long, env = "WS_CONNECTION_TIMEOUT", default_value_t = 300.0)]
    pub connection_timeout: f64,
    /// Messages that a client may be behind before it is told to resume.
    #[arg(long, env = "WS_QUEUE", default_value_t = 256)]
    pub queue: usize,
    /// Bytes that a client may be behind before it is told to resume.
    #[arg(long, env = "WS_QUEUE_BYTES", default_value_t = 1_048_576)]
    pub queue_bytes: usize,
    /// Seconds that a client may take to accept a message until it is dropped.
    #[arg(long, env = "WS_SEND_TIMEOUT", default_value_t = 10.0)]
    pub send_timeout: f64,
    /// Seconds that clients have to leave after SIGTERM.
    #[arg(long, env = "GAD_DRAIN_SECONDS", default_value_t = 20.0)]
    pub drain_seconds: f64,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

impl Settings for BridgeSettings {
    fn problems(&self) -> Vec<String> {
        self.upstream_tls.problems()
    }
}
