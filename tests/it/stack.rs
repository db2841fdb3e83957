//! `gad with-stores` and `gad up`: what they start, keep running, and never leave behind.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Prints where Redis is, then waits for ever.
const TELL_AND_WAIT: &str = "echo $REDIS_URL; exec sleep infinity";

fn with_stores(script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gad"));
    command.args(["with-stores", "--", "sh", "-c", script]);
    command
}

fn run(script: &str) -> Output {
    with_stores(script).output().expect("gad starts")
}

/// Starts a program and waits for a line of its output.
fn start(command: &mut Command, wanted: &str) -> (Child, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gad starts");
    let mut seen = String::new();
    for line in BufReader::new(child.stdout.take().expect("its output"))
        .lines()
        .map_while(Result::ok)
    {
        if line.starts_with(wanted) {
            return (child, line);
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    let _ = child.wait();
    panic!("{wanted} was not said:\n{seen}");
}

fn start_with_stores() -> (Child, String) {
    let (child, url) = start(&mut with_stores(TELL_AND_WAIT), "redis+unix://");
    let folder = url.trim_start_matches("redis+unix://").trim_end_matches("/run/redis.sock");
    (child, folder.to_owned())
}

fn up(home: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gad"));
    command
        .arg("up")
        .arg("--home")
        .arg(home)
        .args(["--public-listen", "127.0.0.1:0"]);
    command.env_remove("DATABASE_URL").env_remove("REDIS_URL");
    start(&mut command, "GAD is ready").0
}

fn signal(id: u32, signal: Signal) {
    let pid = Pid::from_raw(id.cast_signed()).expect("a process number");
    kill_process(pid, signal).expect("it runs");
}

/// Asks again and again; for what has no other way to tell.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let last = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < last, "{what}");
        thread::yield_now();
    }
}

/// Command lines with the folder in them.
fn users_of(folder: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc is there").flatten();
    processes
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder))
        .collect()
}

fn ready(home: &Path) -> Value {
    let text = fs::read_to_string(home.join("ready.json")).expect("ready.json is there");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn the_commands_exit_code_is_the_answer() {
    assert_eq!(run("exit 7").status.code(), Some(7));
    assert_eq!(run("kill -TERM $$").status.code(), Some(128 + 15));
}

#[test]
fn killed_with_stores_leaves_no_store_behind() {
    let (mut child, folder) = start_with_stores();
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    wait_until("somebody is left", || users_of(&folder).is_empty());
    fs::remove_dir_all(&folder).expect("only its data is left");
}

#[test]
fn terminated_with_stores_leaves_nothing_behind() {
    let (mut child, folder) = start_with_stores();
    signal(child.id(), Signal::TERM);
    assert_eq!(child.wait().expect("it ends").code(), Some(128 + 15));
    assert_eq!(users_of(&folder), Vec::<String>::new());
    assert!(!Path::new(&folder).exists());
}

#[test]
fn up_replaces_dead_programs_survives_its_own_death_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("home");
    let named = home.to_str().expect("a plain path").to_owned();
    let mut first = up(&home);
    for name in ["postgres", "redis", "serve", "ws-bridge", "envoy"] {
        let number = |ready: Value| ready["pids"][name].as_u64().and_then(|id| u32::try_from(id).ok());
        let before = number(ready(&home)).expect("it has a number");
        signal(before, Signal::KILL);
        wait_until(name, || number(ready(&home)).is_some_and(|after| after != before));
    }
    first.kill().expect("it is killed");
    first.wait().expect("it ends");

    let mut second = up(&home);
    signal(second.id(), Signal::TERM);
    assert!(second.wait().expect("it ends").success());
    assert_eq!(users_of(&named), Vec::<String>::new());
    assert!(!home.join("ready.json").exists());
}
