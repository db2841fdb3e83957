//! A private PostgreSQL cluster with PostGIS: made once, reachable by a socket only.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::time::{Instant, sleep};

use super::{
    home::Home,
    process::{Account, Program},
};

/// Where Debian and Ubuntu keep the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// How much a power failure may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was committed.
    Kept,
    /// Everything: the data is thrown away in the end anyway.
    Temporary,
}

/// A cluster.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    data: PathBuf,
    sockets: PathBuf,
    account: Option<Account>,
    durability: Durability,
    logs: PathBuf,
}

impl Cluster {
    /// The home's cluster; makes it if it is not there.
    pub async fn open(
        home: &Home,
        sockets: &Path,
        account: Option<Account>,
        durability: Durability,
        programs: Option<&Path>,
    ) -> Result<Self> {
        let data = home.data_folder(account)?;
        if !data.starts_with(home.join("")) {
            super::say(format!(
                "  the database account cannot enter the home; its data is in {}",
                data.display()
            ));
        }
        let programs = match programs {
            Some(programs) => programs.to_owned(),
            None => find_programs(Path::new(DEBIAN), &data)?,
        };
        let logs = home.logs();
        let cluster = Self {
            programs,
            data,
            sockets: sockets.to_owned(),
            account,
            durability,
            logs,
        };
        if !cluster.data.join("PG_VERSION").exists() {
            cluster.make().await?;
        }
        Ok(cluster)
    }

    /// Makes the cluster beside its place first, so that half a cluster is never taken for one.
    async fn make(&self) -> Result<()> {
        let half = self.data.with_extension("half");
        let _ = fs::remove_dir_all(&half);
        fs::create_dir(&half).with_context(|| format!("cannot make {}", half.display()))?;
        if let Some(account) = self.account {
            account.own(&half)?;
        }
        let quick: &[&str] = if self.durability == Durability::Temporary {
            &["--no-sync"]
        } else {
            &[]
        };
        Program::new("initdb", self.programs.join("initdb"), &self.logs)
            .account(self.account)
            .args([
                "--username=gad",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--pgdata",
            ])
            .args([&half])
            .args(quick)
            .run()
            .await?;
        fs::rename(&half, &self.data).with_context(|| format!("cannot make {}", self.data.display()))
    }

    /// The server.
    pub fn program(&self) -> Program {
        let common = [
            "listen_addresses=",
            "timezone=UTC",
            "log_timezone=UTC",
            "jit=off",
            "shared_buffers=256MB",
            "max_connections=200",
        ];
        let temporary = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
        let settings = match self.durability {
            Durability::Kept => common.to_vec(),
            Durability::Temporary => [common.as_slice(), &temporary].concat(),
        };
        Program::new("postgres", self.programs.join("postgres"), &self.logs)
            .account(self.account)
            .postmaster(self.data.clone())
            .args([Path::new("-D"), &self.data, Path::new("-k"), &self.sockets])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
    }

    /// URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        let host = self.sockets.to_string_lossy().replace('%', "%25").replace('/', "%2F");
        format!("postgresql://gad@{host}/{database}")
    }
}

/// Clears the way for a server on this data: ends one that its supervisor left behind, and removes a note of a
/// server whose number now belongs to another program. A note of a server that is merely gone stays: PostgreSQL
/// reads it to be sure that no worker of that server is still at work.
pub async fn clear(data: &Path) -> Result<()> {
    let note = data.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&note) else {
        return Ok(());
    };
    let number = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok())
        .and_then(Pid::from_raw);
    let Some(pid) = number.filter(|pid| test_kill_process(*pid).is_ok()) else {
        return Ok(());
    };
    if works_in(pid, data) {
        let _ = kill_process(pid, Signal::INT);
        let killed_at = Instant::now() + Duration::from_secs(10);
        while works_in(pid, data) {
            if Instant::now() > killed_at {
                let _ = kill_process(pid, Signal::KILL);
            }
            sleep(Duration::from_millis(20)).await;
        }
        return Ok(());
    }
    let workers = fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    if workers.filter_map(Pid::from_raw).any(|worker| works_in(worker, data)) {
        bail!("a worker of a killed PostgreSQL is still busy with {}", data.display());
    }
    fs::remove_file(&note).with_context(|| format!("cannot remove {}", note.display()))
}

/// Whether a process works in this data folder, as every process of its server does.
fn works_in(pid: Pid, data: &Path) -> bool {
    fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).is_ok_and(|folder| folder == data)
}

/// Folder of the newest version that has PostGIS, or of the version that made the data.
fn find_programs(root: &Path, data: &Path) -> Result<PathBuf> {
    let made_by = fs::read_to_string(data.join("PG_VERSION"))
        .ok()
        .map(|version| version.trim().to_owned());
    let mut versions: Vec<(u32, String)> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            Path::new("/usr/share/postgresql")
                .join(name)
                .join("extension/postgis.control")
                .exists()
        })
        .filter(|name| made_by.as_ref().is_none_or(|made_by| made_by == name))
        .filter_map(|name| Some((name.parse().ok()?, name)))
        .collect();
    versions.sort();
    match (versions.pop(), made_by) {
        (Some((_, name)), _) => Ok(root.join(name).join("bin")),
        (None, Some(version)) => bail!(
            "the data in {} needs PostgreSQL {version} with PostGIS: sudo apt-get install postgresql-{version}-postgis-3",
            data.display()
        ),
        (None, None) => bail!("PostgreSQL with PostGIS is missing: scripts/install.sh run, or name its programs by GAD_PG_BIN"),
    }
}
