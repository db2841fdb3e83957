//! The dashboard in a real Chromium, before a real Envoy and server.

use std::{path::Path, process::Command};

use gad::config::{DEMO_ACCOUNTS, DEMO_PASSWORD};

use crate::{edge::Edge, world::World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatcher_sees_the_city_move_by_itself() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    assert!(
        web.join("dist/index.html").exists(),
        "the dashboard is not built: make web/dist/index.html"
    );
    let world = World::with(|settings| settings.web_dir = Some(web.join("dist"))).await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await;
    for title in ["Patrullar el parque", "Revisar el puente"] {
        supervisor.task(title).await;
    }
    let output = Command::new("node")
        .arg("e2e/dashboard.mjs")
        .current_dir(&web)
        .env("BASE_URL", edge.url(""))
        .env("EMAIL", DEMO_ACCOUNTS[1])
        .env("PASSWORD", DEMO_PASSWORD)
        .output()
        .expect("node starts: scripts/install.sh test");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
