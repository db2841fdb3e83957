//! Programs as processes of their own, so that a test can kill them as a crash would.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use gad::config::{DEMO_SECRET, ServeSettings};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{certificates::Certificate, world::until};

/// An address that is free now.
pub fn free_address() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

/// A program that is killed and started again under the same address.
pub struct Mortal {
    /// Where it serves.
    pub address: SocketAddr,
    internal: Option<SocketAddr>,
    start: Box<dyn Fn() -> Command + Send + Sync>,
    child: Mutex<Child>,
}

impl Mortal {
    fn new(address: SocketAddr, internal: Option<SocketAddr>, start: impl Fn() -> Command + Send + Sync + 'static) -> Self {
        let child = Mutex::new(start().spawn().unwrap());
        Self {
            address,
            internal,
            start: Box::new(start),
            child,
        }
    }

    /// A replica of `gad serve`.
    pub fn serve(settings: &ServeSettings) -> Self {
        Self::serve_with(settings, &[])
    }

    /// The same with variables of its own.
    pub fn serve_with(settings: &ServeSettings, variables: &[(&str, &str)]) -> Self {
        let (address, internal) = (free_address(), free_address());
        let settings = settings.clone();
        let variables: Vec<(String, String)> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self::new(address, Some(internal), move || {
            let mut command = quiet(env!("CARGO_BIN_EXE_gad"));
            let url = |secret: &SecretString| secret.expose_secret().to_owned();
            command
                .arg("serve")
                .env("GAD_LISTEN", address.to_string())
                .env("GAD_INTERNAL_LISTEN", internal.to_string())
                .env("SECRET_KEY", DEMO_SECRET)
                .env("DATABASE_URL", url(&settings.database.database_url))
                .env("REDIS_PREFIX", &settings.redis.redis_prefix)
                .env("REDIS_URL", settings.redis.redis_url.as_ref().map(url).unwrap_or_default())
                .env("RATE_LIMIT_CALLS", "1000000")
                .env("RATE_LIMIT_LOGINS", "1000000")
                .env("RATE_LIMIT_HANDSHAKES", "1000000")
                .env("GAD_LAME_DUCK_SECONDS", settings.lame_duck_seconds.to_string())
                .env("GAD_DRAIN_SECONDS", "10")
                .envs(variables.clone());
            command
        })
    }

    /// A bridge before these servers.
    pub fn bridge(servers: &[SocketAddr]) -> Self {
        let (address, internal) = (free_address(), free_address());
        let urls: Vec<String> = servers.iter().map(|server| format!("http://{server}")).collect();
        Self::new(address, Some(internal), move || {
            let mut command = quiet(env!("CARGO_BIN_EXE_ws-bridge"));
            command
                .env("GAD_BRIDGE_LISTEN", address.to_string())
                .env("GAD_BRIDGE_INTERNAL_LISTEN", internal.to_string())
                .env("GAD_UPSTREAM_URL", urls.join(","));
            command
        })
    }

    /// A Redis of the test's own, without memory, in a folder.
    pub fn redis(folder: &Path) -> Self {
        let address = free_address();
        let folder = folder.to_owned();
        Self::new(address, None, move || {
            let mut command = quiet("redis-server");
            command
                .current_dir(&folder)
                .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
            command.args(["--port", &address.port().to_string()]);
            command
        })
    }

    /// The same behind TLS.
    pub fn redis_with_tls(folder: &Path, certificate: &Certificate, authority: &Path) -> Self {
        let address = free_address();
        let folder = folder.to_owned();
        let files = [
            ("--tls-cert-file", certificate.certificate.clone()),
            ("--tls-key-file", certificate.key.clone()),
            ("--tls-ca-cert-file", authority.to_owned()),
        ];
        Self::new(address, None, move || {
            let mut command = quiet("redis-server");
            command
                .current_dir(&folder)
                .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", "0"])
                .args(["--tls-auth-clients", "no", "--tls-port", &address.port().to_string()]);
            for (name, file) in &files {
                command.arg(name).arg(file);
            }
            command
        })
    }

    /// Kills it at once.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub async fn end(&self) {
        let id = self.child.lock().unwrap().id();
        let pid = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        until("the program ends", async || {
            self.child.lock().unwrap().try_wait().unwrap().is_some()
        })
        .await;
    }

    /// Starts it again.
    pub fn revive(&self) {
        *self.child.lock().unwrap() = (self.start)().spawn().unwrap();
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        match self.internal {
            Some(internal) => {
                let url = format!("http://{internal}/ready");
                until("the program is ready", async || {
                    reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success())
                })
                .await;
            }
            None => {
                until("the program listens", async || {
                    tokio::net::TcpStream::connect(self.address).await.is_ok()
                })
                .await;
            }
        }
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("LOG_LEVEL", "error");
    command
}
