//! PostgreSQL's own programs: what they measure is the limit.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

/// Where Debian and Ubuntu keep the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// What a pgbench run came to.
#[derive(Debug, Clone, Copy)]
pub struct Pgbench {
    /// Transactions per second.
    pub per_second: f64,
    /// Mean time of one in milliseconds.
    pub milliseconds: f64,
}

/// Runs a script by prepared statements.
pub async fn pgbench(database: &str, folder: &Path, script: &str, clients: usize, seconds: u32) -> Result<Pgbench> {
    let file = folder.join("pgbench.sql");
    fs::write(&file, script)?;
    let threads = clients.min(2).to_string();
    let mut command = Command::new(program("pgbench")?);
    command
        .args(["-n", "-M", "prepared", "-c", &clients.to_string(), "-j", &threads])
        .args(["-T", &seconds.to_string(), "-f"])
        .arg(&file)
        .arg(database);
    let said = said(command).await?;
    let number = |label: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(label));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.and_then(|word| word.parse().ok())
            .with_context(|| format!("pgbench did not say {label:?}:\n{said}"))
    };
    Ok(Pgbench {
        per_second: number("tps = ")?,
        milliseconds: number("latency average = ")?,
    })
}

/// Runs a command of psql's.
pub async fn psql(database: &str, statement: &str) -> Result<()> {
    let mut command = Command::new(program("psql")?);
    command
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement])
        .kill_on_drop(true);
    said(command).await.map(drop)
}

/// Runs a program to its end; what it said.
async fn said(mut command: Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "{command:?} failed ({}):\n{said}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(said)
}

/// One of PostgreSQL's programs: where GAD_PG_BIN says, else of Debian's newest version, else wherever PATH finds it.
fn program(name: &str) -> Result<PathBuf> {
    if let Some(folder) = env::var_os("GAD_PG_BIN") {
        return Ok(Path::new(&folder).join(name));
    }
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let found = versions
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse::<u32>().ok()?,
                entry.path().join("bin").join(name),
            ))
        })
        .filter(|(_, program)| program.exists())
        .max();
    Ok(found.map_or_else(|| name.into(), |(_, program)| program))
}
