//! What is measured: servers, bridge and Envoy as they are run in earnest, each a process of its own.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use gad::{
    config::{DEMO_ACCOUNTS, DEMO_PASSWORD, DEMO_SECRET},
    pb::{self, auth_service_client::AuthServiceClient},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};
use tonic::transport::{Channel, Endpoint};

/// Longest that a program may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A free address on this machine.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// Stores and a folder for what programs say.
pub struct World {
    /// URL of a database of the cluster.
    pub database_url: String,
    /// URL of the Redis.
    pub redis_url: String,
    folder: TempDir,
}

impl World {
    /// On the stores of `gad with-stores`.
    pub fn new() -> Result<Self> {
        let variable = |name| env::var(name).with_context(|| format!("{name} is not set: run `make bench`"));
        Ok(Self {
            database_url: variable("DATABASE_URL")?,
            redis_url: variable("REDIS_URL")?,
            folder: tempfile::tempdir()?,
        })
    }

    /// Folder for small files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// URL of a database by name.
    pub fn database(&self, name: &str) -> String {
        let server = self.database_url.rsplit_once('/').map_or("", |(server, _)| server);
        format!("{server}/{name}")
    }

    /// Starts a program, whose words go to a file.
    fn start(&self, name: &str, program: &Path, arguments: &[OsString], variables: &[(&str, String)]) -> Result<Running> {
        let log = self.folder().join(format!("{name}.log"));
        let said = File::options().append(true).create(true).open(&log)?;
        // The kernel ends it should this process die.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .kill_on_drop(true);
        let child = command.spawn().context("cannot start setpriv (util-linux)")?;
        let number = child.id().context("it ended at once")?;
        Ok(Running { child, number, log })
    }

    /// Runs `gad` with arguments to its end; what it said.
    pub async fn gad(&self, arguments: &[&str], database: &str) -> Result<Vec<u8>> {
        let output = Command::new(env!("CARGO_BIN_EXE_gad"))
            .args(arguments)
            .env("DATABASE_URL", self.database(database))
            .output()
            .await?;
        if !output.status.success() {
            bail!("gad {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output.stdout)
    }

    /// Starts `gad serve` on a database, and says how long it took until it was ready.
    pub async fn serve(&self, database: &str) -> Result<(Server, Duration)> {
        let (address, internal) = (free_address()?, free_address()?);
        let variables = [
            ("DATABASE_URL", self.database(database)),
            ("REDIS_URL", self.redis_url.clone()),
            ("REDIS_PREFIX", format!("bench-{database}")),
            ("GAD_LISTEN", address.to_string()),
            ("GAD_INTERNAL_LISTEN", internal.to_string()),
            // One caller stands for many here.
            ("RATE_LIMIT_CALLS", u32::MAX.to_string()),
            ("RATE_LIMIT_LOGINS", u32::MAX.to_string()),
            ("RATE_LIMIT_HANDSHAKES", u32::MAX.to_string()),
            ("SECRET_KEY", DEMO_SECRET.to_owned()),
            ("ACCESS_TOKEN_EXPIRE_MINUTES", "120".to_owned()),
        ];
        let begun = Instant::now();
        let program = Path::new(env!("CARGO_BIN_EXE_gad"));
        let mut running = self.start(&format!("serve-{database}"), program, &["serve".into()], &variables)?;
        running.ready(internal, "/ready").await?;
        Ok((Server { running, address }, begun.elapsed()))
    }

    /// Starts a bridge before a server.
    pub async fn bridge(&self, server: &Server) -> Result<Server> {
        let (address, internal) = (free_address()?, free_address()?);
        let variables = [
            ("GAD_BRIDGE_LISTEN", address.to_string()),
            ("GAD_BRIDGE_INTERNAL_LISTEN", internal.to_string()),
            ("GAD_UPSTREAM_URL", format!("http://{}", server.address)),
            ("WS_MAX_CONNECTIONS_PER_USER", u32::MAX.to_string()),
        ];
        let program = Path::new(env!("CARGO_BIN_EXE_ws-bridge"));
        let mut running = self.start("ws-bridge", program, &[], &variables)?;
        running.ready(internal, "/ready").await?;
        Ok(Server { running, address })
    }

    /// Starts Envoy with this configuration, in which `address` is a door and `admin` its admin pages.
    pub async fn envoy(&self, name: &str, yaml: &[u8], address: SocketAddr, admin: SocketAddr) -> Result<Server> {
        let file = self.folder().join(format!("{name}.yaml"));
        fs::write(&file, yaml)?;
        let mut arguments: Vec<OsString> = vec!["-c".into(), file.into()];
        arguments.extend(["--disable-hot-restart", "--log-level", "warn"].map(OsString::from));
        let mut running = self.start(name, &envoy_program(), &arguments, &[])?;
        running.ready(admin, "/ready").await?;
        Ok(Server { running, address })
    }
}

/// Envoy as installed for the project, else where GAD_TOOLS says, else wherever PATH finds it.
fn envoy_program() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin");
    let named = env::var_os("GAD_TOOLS").map(PathBuf::from);
    let folders = [Some(installed), named].into_iter().flatten();
    let found = folders.map(|folder| folder.join("envoy")).find(|program| program.exists());
    found.unwrap_or_else(|| "envoy".into())
}

/// A running program. Dropped, it is killed.
struct Running {
    child: Child,
    number: u32,
    log: PathBuf,
}

impl Running {
    /// Waits until it says that it is ready.
    async fn ready(&mut self, address: SocketAddr, path: &str) -> Result<()> {
        let ready = async {
            while !is_ready(address, path).await {
                if let Ok(Some(status)) = self.child.try_wait() {
                    bail!("it ended: {status}");
                }
                sleep(Duration::from_millis(2)).await;
            }
            Ok(())
        };
        let ready = timeout(PATIENCE, ready).await.context("it is not ready").flatten();
        ready.with_context(|| fs::read_to_string(&self.log).unwrap_or_default())
    }
}

async fn is_ready(address: SocketAddr, path: &str) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with(b"HTTP/1.1 200"))
    };
    asked.await.unwrap_or(false)
}

/// A running server.
pub struct Server {
    running: Running,
    /// Where it serves.
    pub address: SocketAddr,
}

impl Server {
    /// Memory that it holds, in bytes.
    pub fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.number))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: Option<f64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Ok(kilobytes.context("/proc does not say how much memory it holds")? * 1024.0)
    }

    /// Seconds of processor time that it took so far.
    pub fn processor_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.running.number)).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        // A tick is a hundredth of a second on Linux.
        (ticks(11) + ticks(12)) / 100.0
    }

    /// A channel to it.
    pub async fn channel(&self) -> Result<Channel> {
        Ok(Endpoint::from_shared(format!("http://{}", self.address))?.connect().await?)
    }

    /// Signs the supervisor in.
    pub async fn token(&self) -> Result<String> {
        let request = pb::LoginRequest {
            email: DEMO_ACCOUNTS[1].to_owned(),
            password: DEMO_PASSWORD.to_owned(),
            ..Default::default()
        };
        let answer = AuthServiceClient::new(self.channel().await?).login(request).await?;
        Ok(answer.into_inner().access_token)
    }

    /// Ends it.
    pub async fn end(mut self) {
        let _ = self.running.child.kill().await;
    }
}
