//! `gad up`: the whole installation, from the stores to the public door.

use std::{
    fs,
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, interval, sleep, timeout};

use super::{
    home::Home,
    postgres::Durability,
    probe::{Probe, http},
    process::{Program, bound, raise_file_limit},
    say,
    signals::Wishes,
    stores::{self, Urls, Wanted},
    summary::Summary,
    supervisor::{Member, Team},
};
use crate::config::UpSettings;

/// Seconds that calls have to end when everything stops.
const DRAIN_SECONDS: u64 = 5;

/// Starts everything, keeps it running, and ends it on Ctrl-C or SIGTERM; a second one ends it the hard way.
pub async fn up(settings: UpSettings) -> Result<()> {
    raise_file_limit();
    let mut wishes = Wishes::listen()?;
    let home = Home::open(&settings.home)?;
    let addresses = Addresses::choose(settings.public_listen).await?;
    let stack = Stack {
        settings,
        addresses,
        home,
        program: std::env::current_exe()?,
    };
    let mut team = Team::default();

    let outcome = tokio::select! {
        outcome = stack.run(&mut team) => outcome,
        _ = wishes.next() => Ok(()),
    };
    say("Stopping; once more Ctrl-C kills");
    tokio::select! {
        () = stack.stop(&mut team) => say("Stopped"),
        _ = wishes.next() => say("Killed"),
    }
    outcome
}

/// Where everything listens. Only the public address is for others to know.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    public: SocketAddr,
    serve: SocketAddr,
    serve_internal: SocketAddr,
    bridge: SocketAddr,
    bridge_internal: SocketAddr,
    envoy_admin: SocketAddr,
}

impl Addresses {
    /// The public address, and free ones for the rest.
    async fn choose(public: SocketAddr) -> Result<Self> {
        let public = listen(public).await?;
        // All are held until all are chosen, so that no two are the same.
        let mut held = vec![public];
        for _ in 0..5 {
            held.push(TcpListener::bind(("127.0.0.1", 0))?);
        }
        let chosen: Vec<SocketAddr> = held.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        match chosen[..] {
            [public, serve, serve_internal, bridge, bridge_internal, envoy_admin] => Ok(Self {
                public,
                serve,
                serve_internal,
                bridge,
                bridge_internal,
                envoy_admin,
            }),
            _ => bail!("no free ports"),
        }
    }
}

/// Takes the public address. Patient for a moment: after a crash the former Envoy may still be going.
async fn listen(public: SocketAddr) -> Result<TcpListener> {
    let last = Instant::now() + Duration::from_secs(2);
    loop {
        match TcpListener::bind(public) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() != ErrorKind::AddrInUse => {
                bail!("cannot listen on {public}: {error}")
            }
            Err(_) if Instant::now() < last => sleep(Duration::from_millis(50)).await,
            Err(_) => {
                let (address, port) = (public.ip(), public.port());
                let next = SocketAddr::new(address, port.saturating_add(1));
                bail!("port {port} is in use by another program: choose one, such as GAD_PUBLIC_LISTEN={next}");
            }
        }
    }
}

struct Stack {
    settings: UpSettings,
    addresses: Addresses,
    home: Home,
    program: PathBuf,
}

impl Stack {
    /// Starts everything and watches over it; returns only with an error.
    async fn run(&self, team: &mut Team) -> Result<()> {
        let urls = self.start_stores(team).await?;
        self.fill(&urls).await?;
        self.start_servers(&urls, team).await?;
        let summary = Summary {
            public: self.addresses.public,
            envoy_admin: self.addresses.envoy_admin,
            serve: self.addresses.serve,
            serve_internal: self.addresses.serve_internal,
            bridge_internal: self.addresses.bridge_internal,
            tools: &self.settings.tools,
            logs: self.home.logs(),
            // Those that were given may hold a password: they are not shown.
            database_url: urls.database.filter(|_| given(&self.settings.database_url).is_none()),
            redis_url: urls.redis.filter(|_| given(&self.settings.redis_url).is_none()),
        };
        self.write_ready(&summary, team);
        say(summary.text());
        let mut minute = interval(Duration::from_secs(60));
        loop {
            tokio::select! {
                () = team.step() => self.write_ready(&summary, team),
                _ = minute.tick() => {
                    team.bound_logs();
                    bound(&self.access_log());
                }
            }
        }
    }

    fn ready_file(&self) -> PathBuf {
        self.home.join("ready.json")
    }

    /// Tells tools and tests what runs; whoever reads it sees all of it.
    fn write_ready(&self, summary: &Summary<'_>, team: &Team) {
        let (draft, file) = (self.home.join("ready.json.new"), self.ready_file());
        let written = fs::write(&draft, summary.json(team.numbers())).and_then(|()| fs::rename(&draft, &file));
        if let Err(error) = written {
            say(format!("  cannot write {}: {error}", file.display()));
        }
    }

    fn access_log(&self) -> PathBuf {
        self.home.logs().join("access.log")
    }

    /// The stores that were not given, and the URLs of all.
    async fn start_stores(&self, team: &mut Team) -> Result<Urls> {
        let (database, redis) = (given(&self.settings.database_url), given(&self.settings.redis_url));
        let wanted = Wanted {
            postgres: database.is_none(),
            redis: redis.is_none(),
            durability: Durability::Kept,
            programs: self.settings.pg_bin.as_deref(),
        };
        let private = stores::start(&self.home, wanted, team).await?;
        Ok(Urls {
            database: database.or(private.database),
            redis: redis.or(private.redis),
        })
    }

    /// Brings the database up to date, and writes what Envoy reads.
    async fn fill(&self, urls: &Urls) -> Result<()> {
        let (descriptor, configuration) = (self.home.join("gad.bin"), self.home.join("envoy.yaml"));
        let database = urls.database.as_deref().unwrap_or_default();
        let own = |name| Program::new(name, &self.program, &self.home.logs());
        own("migrate").args(["migrate"]).env("DATABASE_URL", database).run().await?;
        own("seed").args(["seed"]).env("DATABASE_URL", database).run().await?;
        own("descriptor").args(["descriptor"]).args([&descriptor]).run().await?;
        let Addresses {
            public,
            serve,
            bridge,
            envoy_admin,
            ..
        } = self.addresses;
        own("envoy-config")
            .args([
                "envoy",
                "--public-listen",
                &public.to_string(),
                "--admin",
                &envoy_admin.to_string(),
            ])
            .args(["--upstreams", &serve.to_string(), "--bridges", &bridge.to_string()])
            .args([
                Path::new("--descriptor"),
                &descriptor,
                Path::new("--access-log"),
                &self.access_log(),
            ])
            .output(configuration)
            .run()
            .await
    }

    /// `gad serve`, the bridge, and Envoy in front of both.
    async fn start_servers(&self, urls: &Urls, team: &mut Team) -> Result<()> {
        let at = self.addresses;
        let grace = Duration::from_secs(DRAIN_SECONDS + 2);
        team.start(Member::new(
            self.server(urls),
            Probe::Http(at.serve_internal, "/health"),
            grace,
        ))
        .await?;
        team.start(Member::new(self.bridge(), Probe::Http(at.bridge_internal, "/health"), grace))
            .await?;
        bound(&self.access_log());
        let quick = Duration::from_secs(5);
        team.start(Member::new(self.envoy(), Probe::Http(at.envoy_admin, "/ready"), quick))
            .await?;
        if given(&self.settings.database_url).is_none() {
            let probe = Probe::Http(at.serve_internal, "/ready");
            team.start(Member::new(self.simulation(), probe, quick)).await?;
        }
        front_door(at.public).await
    }

    /// The demo city lives: without fresh positions nobody could be sent.
    fn simulation(&self) -> Program {
        Program::new("simulation", &self.program, &self.home.logs())
            .args(["simulate"])
            .env("GAD_UPSTREAM_URL", format!("http://{}", self.addresses.serve))
    }

    fn server(&self, urls: &Urls) -> Program {
        let server = Program::new("serve", &self.program, &self.home.logs())
            .args(["serve"])
            .env("DATABASE_URL", urls.database.as_deref().unwrap_or_default())
            .env("REDIS_URL", urls.redis.as_deref().unwrap_or_default())
            .env("GAD_LISTEN", self.addresses.serve.to_string())
            .env("GAD_INTERNAL_LISTEN", self.addresses.serve_internal.to_string())
            .env("SECRET_KEY", self.settings.secret_key.expose_secret())
            .env("RATE_LIMIT_CALLS", self.settings.rate_limit_calls.to_string())
            .env("RATE_LIMIT_ADMIN", self.settings.rate_limit_admin.to_string())
            .env("RATE_LIMIT_LOGINS", self.settings.rate_limit_logins.to_string())
            .env("RATE_LIMIT_REGISTRATIONS", self.settings.rate_limit_registrations.to_string())
            .env("RATE_LIMIT_HANDSHAKES", self.settings.rate_limit_handshakes.to_string())
            .env("FRONTEND_URL", format!("http://{}", local(self.addresses.public)))
            .env("GAD_MAIL_DIR", self.home.join("mail"))
            .env("GAD_FILES_DIR", self.home.join("files"))
            .env("GAD_OPEN_REGISTRATION", "true")
            .env("GAD_LAME_DUCK_SECONDS", "0")
            .env("GAD_DRAIN_SECONDS", DRAIN_SECONDS.to_string());
        match self.settings.web_dir.canonicalize() {
            Ok(folder) => server.env("GAD_WEB_DIR", folder),
            Err(_) => {
                say(format!("  no dashboard: {} is not there", self.settings.web_dir.display()));
                server
            }
        }
    }

    fn bridge(&self) -> Program {
        Program::new("ws-bridge", self.program.with_file_name("ws-bridge"), &self.home.logs())
            .env("GAD_BRIDGE_LISTEN", self.addresses.bridge.to_string())
            .env("GAD_BRIDGE_INTERNAL_LISTEN", self.addresses.bridge_internal.to_string())
            .env("GAD_UPSTREAM_URL", format!("http://{}", self.addresses.serve))
            .env("GAD_DRAIN_SECONDS", DRAIN_SECONDS.to_string())
    }

    fn envoy(&self) -> Program {
        let installed = self.settings.tools.join("envoy").canonicalize();
        Program::new("envoy", installed.unwrap_or_else(|_| "envoy".into()), &self.home.logs())
            .args([Path::new("-c"), &self.home.join("envoy.yaml")])
            .args(["--disable-hot-restart", "--log-level", "warn", "--drain-time-s", "2"])
    }

    /// Ends everything: no new callers, streams told to resume elsewhere, calls ended, then what they stood on.
    async fn stop(&self, team: &mut Team) {
        let _ = fs::remove_file(self.ready_file());
        let admin = self.addresses.envoy_admin;
        for path in ["/healthcheck/fail", "/drain_listeners?graceful"] {
            let _ = http("POST", admin, path).await;
        }
        team.end("ws-bridge").await;
        let _ = timeout(Duration::from_secs(2), idle(admin)).await;
        team.end("serve").await;
        let _ = http("POST", admin, "/quitquitquit").await;
        team.end_all().await;
    }
}

/// A URL from the settings; an empty variable is none.
fn given(url: &Option<SecretString>) -> Option<String> {
    let url = url.as_ref().map(|url| url.expose_secret().to_owned());
    url.filter(|url| !url.is_empty())
}

/// The public address as this machine reaches it.
fn local(public: SocketAddr) -> SocketAddr {
    match public {
        SocketAddr::V4(address) if address.ip().is_unspecified() => ([127, 0, 0, 1], address.port()).into(),
        address => address,
    }
}

/// Asks through the public door until the server behind it answers.
async fn front_door(public: SocketAddr) -> Result<()> {
    let probe = Probe::Http(local(public), "/.well-known/jwks.json");
    let asked = timeout(Duration::from_secs(20), async {
        while probe.ask().await.is_err() {
            sleep(Duration::from_millis(25)).await;
        }
    });
    match asked.await {
        Ok(()) => Ok(()),
        Err(_) => probe.ask().await.context("the public door does not lead to the server"),
    }
}

/// Waits until no call is under way, or Envoy is gone.
async fn idle(admin: SocketAddr) {
    while let Ok((_, calls)) = http("GET", admin, "/stats?filter=http.public.downstream_rq_active").await {
        if calls.lines().any(|line| line.ends_with("downstream_rq_active: 0")) {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
}
