//! The private PostgreSQL and Redis of a home.

use std::{path::Path, time::Duration};

use anyhow::Result;

use super::{
    home::Home,
    postgres::{Cluster, Durability},
    probe::{self, Probe},
    process::{Account, Program},
    supervisor::{Member, Team},
};

/// Name of the database.
const DATABASE: &str = "gad";

/// Which stores to start, and how.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Whether a PostgreSQL is wanted.
    pub postgres: bool,
    /// Whether a Redis is wanted.
    pub redis: bool,
    /// How much a power failure may cost.
    pub durability: Durability,
    /// Folder with PostgreSQL's programs; none: Debian's.
    pub programs: Option<&'a Path>,
}

/// Where the started stores are.
#[derive(Debug, Default)]
pub struct Urls {
    /// The database.
    pub database: Option<String>,
    /// Redis.
    pub redis: Option<String>,
}

/// Starts the stores as members of the team, and returns when they answer.
pub async fn start(home: &Home, wanted: Wanted<'_>, team: &mut Team) -> Result<Urls> {
    let mut urls = Urls::default();
    if !wanted.postgres && !wanted.redis {
        return Ok(urls);
    }
    let account = if wanted.postgres { home.store_account()? } else { None };
    let sockets = home.socket_folder(account)?;
    if wanted.postgres {
        let cluster = Cluster::open(home, &sockets, account, wanted.durability, wanted.programs).await?;
        let (every_cluster_has, ours) = (cluster.url("postgres"), cluster.url(DATABASE));
        let member = Member::new(
            cluster.program(),
            Probe::Postgres(every_cluster_has.clone()),
            Duration::from_secs(20),
        );
        team.start(member).await?;
        if probe::postgres(&ours, "SELECT 1").await.is_err() {
            probe::postgres(&every_cluster_has, &format!("CREATE DATABASE {DATABASE}")).await?;
        }
        urls.database = Some(ours);
    }
    if wanted.redis {
        let socket = sockets.join("redis.sock");
        let url = format!("redis+unix://{}", socket.display());
        let program = redis(home, &sockets, &socket, account);
        team.start(Member::new(program, Probe::Redis(url.clone()), Duration::from_secs(5)))
            .await?;
        urls.redis = Some(url);
    }
    Ok(urls)
}

/// A Redis that forgets everything when it ends: nothing in it is the only copy.
fn redis(home: &Home, folder: &Path, socket: &Path, account: Option<Account>) -> Program {
    Program::new("redis", "redis-server", &home.logs())
        .account(account)
        .args(["--port", "0", "--unixsocketperm", "700", "--save", "", "--appendonly", "no"])
        .args([
            "--maxmemory",
            "256mb",
            "--maxmemory-policy",
            "noeviction",
            "--daemonize",
            "no",
        ])
        .args([Path::new("--unixsocket"), socket, Path::new("--dir"), folder])
}
