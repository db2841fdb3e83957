//! The dashboard in a real Chromium, before a real Envoy and server.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
};

use gad::{
    clock::Clock,
    config::{DEMO_ACCOUNTS, DEMO_PASSWORD},
};
use jiff::SignedDuration;

use crate::{edge::Edge, world::World};

/// The dashboard's folder, built.
pub fn web() -> PathBuf {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    assert!(
        web.join("dist/index.html").exists(),
        "the dashboard is not built: make web/dist/index.html"
    );
    web
}

/// A script with a browser, as one of the demo's people.
pub fn script(name: &str, edge: &Edge, email: &str) -> Command {
    let mut command = Command::new("node");
    command
        .arg(name)
        .current_dir(web())
        .env("BASE_URL", edge.url(""))
        .env("EMAIL", email)
        .env("PASSWORD", DEMO_PASSWORD);
    if let Ok(folder) = std::env::var("GAD_PICTURES") {
        command.args(["--out", &folder]);
    }
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatcher_sees_the_city_move_by_itself() {
    let world = World::with(|settings| settings.web_dir = Some(web().join("dist"))).await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await;
    for title in ["Patrullar el parque", "Revisar el puente"] {
        supervisor.task(title).await;
    }
    let output = script("e2e/dashboard.mjs", &edge, DEMO_ACCOUNTS[1])
        .env("OTHER_EMAIL", DEMO_ACCOUNTS[0])
        .output()
        .expect("node starts: scripts/install.sh test");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_person_goes_the_whole_way_by_forms() {
    let mails = tempfile::tempdir().expect("a folder");
    let ahead = Arc::new(AtomicI64::new(0));
    let seconds = ahead.clone();
    let clock = Clock::of(move || Clock::system().now() + SignedDuration::from_secs(seconds.load(Ordering::SeqCst)));
    let world = World::with_clock(clock, |settings| {
        settings.web_dir = Some(web().join("dist"));
        settings.account.mail.mail_dir = Some(mails.path().to_owned());
    })
    .await;
    let edge = Edge::before(&[world.replica.address]).await;
    let child = script("e2e/cycle.mjs", &edge, DEMO_ACCOUNTS[0])
        .env("MAIL_DIR", mails.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node starts: scripts/install.sh test");
    tokio::task::spawn_blocking(move || follow(child, &ahead))
        .await
        .expect("the script was followed");
}

/// Moves the clock when the script asks for it: `later SECONDS`.
fn follow(mut child: Child, ahead: &AtomicI64) {
    let mut answers = child.stdin.take().expect("its input");
    let mut errors = child.stderr.take().expect("its errors");
    let complaint = thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).map(|_| text)
    });
    for line in BufReader::new(child.stdout.take().expect("its output")).lines() {
        let line = line.expect("a line");
        if let Some(seconds) = line.strip_prefix("later ") {
            ahead.fetch_add(seconds.parse().expect("seconds"), Ordering::SeqCst);
            writeln!(answers, "done").expect("it listens");
        }
    }
    let status = child.wait().expect("it ends");
    let complaint = complaint.join().expect("its errors were read").expect("text");
    assert!(status.success(), "{complaint}");
}
