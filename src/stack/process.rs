//! A child process: how it is run, watched and ended. No child outlives the program that started it.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::ExitStatusExt as _,
    },
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// Bytes that a log may have; what is older goes to one file beside it.
const LOG_LIMIT: u64 = 64 * 1024 * 1024;

/// The account that a child runs as, where it is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
}

impl Account {
    /// Owner of a file or folder.
    pub fn owner(path: &Path) -> Result<Self> {
        let data = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            uid: data.uid(),
            gid: data.gid(),
        })
    }

    /// An account of this machine, by name.
    pub fn named(name: &str) -> Result<Self> {
        let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let numbers = accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next() == Some(name);
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            found.then_some(Self { uid, gid })
        });
        numbers.with_context(|| format!("this machine has no account {name}"))
    }

    /// Makes the account the owner of a file or folder.
    pub fn own(self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid)).with_context(|| format!("cannot give away {}", path.display()))
    }
}

/// A program and how it is run.
#[derive(Debug, Clone)]
pub struct Program {
    /// Name for people; also of its log.
    pub name: &'static str,
    file: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    account: Option<Account>,
    stop_signal: Signal,
    log: PathBuf,
    output: Option<PathBuf>,
    postmaster: Option<PathBuf>,
}

impl Program {
    /// A program that writes what it says into `logs`/`name`.log and ends by SIGTERM.
    pub fn new(name: &'static str, file: impl Into<PathBuf>, logs: &Path) -> Self {
        Self {
            name,
            file: file.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            account: None,
            stop_signal: Signal::TERM,
            log: logs.join(format!("{name}.log")),
            output: None,
            postmaster: None,
        }
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// Runs as this account, with no variables but those set by [`Program::env`].
    pub fn account(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// Writes its output to a file, and only its errors to the log.
    pub fn output(mut self, file: PathBuf) -> Self {
        self.output = Some(file);
        self
    }

    /// Is a PostgreSQL server on this data folder: ends by SIGINT, and ends its own orphan before it starts.
    pub fn postmaster(mut self, data: PathBuf) -> Self {
        self.stop_signal = Signal::INT;
        self.postmaster = Some(data);
        self
    }

    /// Starts the program.
    pub async fn start(&self) -> Result<Process> {
        if let Some(data) = &self.postmaster {
            super::postgres::clear(data).await?;
        }
        let log = open_log(&self.log)?;
        let output = match &self.output {
            Some(path) => File::create(path).with_context(|| format!("cannot write {}", path.display()))?,
            None => log.try_clone()?,
        };
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(output).stderr(log);
        // Ctrl-C reaches the terminal's foreground group: the children are not in it, and end in order.
        command.process_group(0);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {} by setpriv (util-linux)", self.name))?;
        Ok(Process {
            child,
            stop_signal: self.stop_signal,
        })
    }

    /// The command line.
    fn command(&self) -> Command {
        let mut command = bound_to_us(if self.stop_signal == Signal::INT { "INT" } else { "TERM" }, self.account);
        command.arg(&self.file).args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end; the error holds the last lines that it said.
    pub async fn run(&self) -> Result<()> {
        let status = self.start().await?.ended().await;
        if !status.success() {
            bail!("{} failed ({status}):\n{}", self.name, self.last_words());
        }
        Ok(())
    }

    /// The last lines of the log, for an error message.
    pub fn last_words(&self) -> String {
        let text = read_end(&self.log, 4096).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(15);
        let mut words: String = lines[from..].iter().map(|line| format!("  | {line}\n")).collect();
        words.push_str(&format!("  (all of it: {})", self.log.display()));
        words
    }

    /// Keeps the log within bounds.
    pub fn bound_log(&self) {
        bound(&self.log);
    }
}

/// A running program. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stop_signal: Signal,
}

impl Process {
    /// A command of the user's: it keeps the terminal, and is ended like the others.
    pub fn foreground(command: &[String], environment: &[(&'static str, String)]) -> Result<Self> {
        let mut line = Command::new("setpriv");
        line.args(["--pdeathsig", "TERM", "--"]).args(command).kill_on_drop(true);
        line.envs(environment.iter().map(|(name, value)| (name, value)));
        let child = line.spawn().context("cannot start setpriv (util-linux)")?;
        Ok(Self {
            child,
            stop_signal: Signal::TERM,
        })
    }

    /// Its number; none once it has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end; may be dropped and called again.
    pub async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap_or_else(|_| ExitStatus::from_raw(0x100))
    }

    /// Asks it to end.
    pub fn ask(&self) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process(pid, self.stop_signal);
        }
    }

    /// Asks it to end, and kills it if it has not within `grace`.
    pub async fn stop(&mut self, grace: Duration) {
        self.ask();
        if timeout(grace, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// The beginning of a command line of which the kernel ends the program when this process dies.
fn bound_to_us(death: &str, account: Option<Account>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", death]).kill_on_drop(true);
    if let Some(Account { uid, gid }) = account {
        command.args([
            format!("--reuid={uid}"),
            format!("--regid={gid}"),
            "--clear-groups".to_owned(),
        ]);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/");
    }
    // If this process died before that was set, the kernel stays silent: the shell sees a strange parent instead.
    command.args(["--", "sh", "-c", r#"[ "$PPID" = "$0" ] && exec "$@""#]);
    command.arg(std::process::id().to_string());
    command
}

/// Lets this process and its children hold as many sockets as the machine allows.
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}

/// Moves a log that has grown too long to one file beside it; its writers append, so they go on at its start.
pub fn bound(log: &Path) {
    if fs::metadata(log).is_ok_and(|data| data.len() > LOG_LIMIT) {
        let mut older = log.as_os_str().to_owned();
        older.push(".1");
        let _ = fs::copy(log, older);
        let _ = File::options().write(true).open(log).and_then(|file| file.set_len(0));
    }
}

fn open_log(path: &Path) -> Result<File> {
    bound(path);
    let file = File::options().append(true).create(true).open(path);
    file.with_context(|| format!("cannot write {}", path.display()))
}

fn read_end(path: &Path, bytes: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}
