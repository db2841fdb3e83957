//! The public door: a real Envoy before servers of a test.

use std::{
    cell::RefCell,
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command},
};

use tempfile::TempDir;
use tonic::transport::Channel;

use crate::{
    envoy::{configure, envoy_program},
    world::{channel, until},
};

/// A running Envoy; killed when dropped.
///
/// It dies with the thread that started it too, so start it from the test itself, not from a spawned task.
pub struct Edge {
    /// Where the public is served.
    pub address: SocketAddr,
    /// Where Envoy's own pages are.
    pub admin: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl Edge {
    /// Starts Envoy before these servers, and waits until it has looked at the health of each.
    pub async fn before(servers: &[SocketAddr]) -> Self {
        Self::start(servers, &[]).await
    }

    /// The same, with these bridges.
    pub async fn start(servers: &[SocketAddr], bridges: &[SocketAddr]) -> Self {
        Self::with(servers, bridges, &[]).await
    }

    /// The same, configured with more arguments of `gad envoy`.
    pub async fn with(servers: &[SocketAddr], bridges: &[SocketAddr], more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let list = |addresses: &[SocketAddr]| {
            let texts: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
            texts.join(",")
        };
        let (servers, bridges) = (list(servers), list(bridges));
        // Envoy takes free ports itself: nobody else can take them in between.
        let mut arguments = vec!["--admin", "127.0.0.1:0", "--upstreams", &servers];
        if !more.contains(&"--public-listen") {
            arguments.extend(["--public-listen", "127.0.0.1:0"]);
        }
        arguments.extend(more);
        if !bridges.is_empty() {
            arguments.extend(["--bridges", &bridges]);
        }
        let configuration = configure(folder.path(), &arguments);
        let said = folder.path().join("admin");
        let process = Command::new(envoy_program())
            .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "error", "-c"])
            .arg(&configuration)
            .arg("--admin-address-path")
            .arg(&said)
            .spawn()
            .expect("Envoy starts: scripts/install.sh run");
        let mut edge = Self {
            address: ([127, 0, 0, 1], 0).into(),
            admin: ([127, 0, 0, 1], 0).into(),
            process,
            _folder: folder,
        };
        edge.settle(&said).await;
        edge
    }

    /// Learns its addresses and waits until it serves.
    async fn settle(&mut self, said: &Path) {
        let read = || {
            fs::read_to_string(said)
                .ok()
                .and_then(|text| text.trim().parse::<SocketAddr>().ok())
        };
        let process = RefCell::new(&mut self.process);
        let alive = || assert!(process.borrow_mut().try_wait().unwrap().is_none(), "Envoy ended");
        until("Envoy says where its pages are", async || {
            alive();
            read().is_some()
        })
        .await;
        let admin = read().unwrap();
        let ready = format!("http://{admin}/ready");
        until("Envoy is ready", async || {
            alive();
            reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        self.admin = admin;
        let page = reqwest::get(format!("http://{}/listeners", self.admin)).await.unwrap();
        let page = page.text().await.unwrap();
        let public = page
            .lines()
            .find_map(|line| line.strip_prefix("public::"))
            .expect("a public listener");
        self.address = public.trim().parse().unwrap();
    }

    /// A URL at the public door.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Number of its process.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// A gRPC channel through the public door.
    pub fn channel(&self) -> Channel {
        channel(self.address)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
