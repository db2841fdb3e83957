//! What a person, or a test, needs to know of a started installation.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use crate::config::{DEMO_ACCOUNTS, DEMO_PASSWORD};

/// A started installation.
#[derive(Debug)]
pub struct Summary<'a> {
    /// Where everybody comes in.
    pub public: SocketAddr,
    /// Envoy's admin pages.
    pub envoy_admin: SocketAddr,
    /// The server's gRPC, without Envoy.
    pub serve: SocketAddr,
    /// The server's /health and /metrics.
    pub serve_internal: SocketAddr,
    /// The bridge's /health and /metrics.
    pub bridge_internal: SocketAddr,
    /// Folder with `buf`.
    pub tools: &'a Path,
    /// Folder of the logs.
    pub logs: PathBuf,
    /// The private database, if it is one.
    pub database_url: Option<String>,
    /// The private Redis, if it is one.
    pub redis_url: Option<String>,
}

impl Summary<'_> {
    /// For tools and tests.
    pub fn json(&self, pids: Map<String, Value>) -> String {
        json!({
            "url": self.url(),
            "envoy_admin": format!("http://{}", self.envoy_admin),
            "serve": format!("http://{}", self.serve),
            "serve_internal": format!("http://{}", self.serve_internal),
            "bridge_internal": format!("http://{}", self.bridge_internal),
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "pid": std::process::id(),
            "pids": pids,
        })
        .to_string()
    }

    /// For people.
    pub fn text(&self) -> String {
        let (url, buf, logs) = (self.url(), self.tools.join("buf"), self.logs.display());
        let (buf, [admin, supervisor, agent]) = (buf.display(), DEMO_ACCOUNTS);
        let open = if self.public.ip().is_loopback() {
            ""
        } else {
            "\n  Whoever reaches this machine can sign in with the demo accounts.\n"
        };
        let psql = self
            .database_url
            .as_ref()
            .map_or(String::new(), |url| format!("  Database    psql '{url}'\n"));
        format!(
            r#"
GAD is ready

  Dashboard   {url}/
  Sign in     {admin} (administrator)  {supervisor} (supervisor)  {agent} (agent)
  Password    {DEMO_PASSWORD}
  Logs        {logs}
{psql}{open}
REST:
  TOKEN=$(curl -s {url}/v1/auth:login -d '{{"email":"{supervisor}","password":"{DEMO_PASSWORD}"}}' | sed 's/.*"access_token": *"\([^"]*\)".*/\1/'); curl -s -H "authorization: Bearer $TOKEN" "{url}/v1/tasks?page_size=3"

gRPC, in the same terminal:
  {buf} curl --schema . --protocol grpc --http2-prior-knowledge -H "authorization: Bearer $TOKEN" -d '{{"page_size":3}}' {url}/gad.v1.TaskService/ListTasks

Ctrl-C stops everything."#
        )
    }

    /// The public address as a person of this machine reaches it.
    fn url(&self) -> String {
        let port = self.public.port();
        if self.public.ip().is_unspecified() {
            return format!("http://localhost:{port}");
        }
        format!("http://{}", self.public)
    }
}
