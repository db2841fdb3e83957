//! The dashboard's pages, each by a story of its own in a real Chromium, before a real Envoy and server.

use gad::config::DEMO_ACCOUNTS;

use crate::{
    dashboard::{script, web},
    edge::Edge,
    world::World,
};

/// A file of the stories that is too large is as large as this at least.
const MAX_FILE_SIZE: u64 = 2_000_000;

/// Runs `web/e2e/<name>.mjs` and says what it did not see.
async fn tell(name: &str) {
    let world = World::with(|settings| {
        settings.web_dir = Some(web().join("dist"));
        settings.files.max_file_size = MAX_FILE_SIZE;
    })
    .await;
    let edge = Edge::before(&[world.replica.address]).await;
    let output = script(&format!("e2e/{name}.mjs"), &edge, DEMO_ACCOUNTS[1])
        .output()
        .expect("node starts: scripts/install.sh test");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_worked_on_in_its_panel() {
    tell("work").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bell_rings_for_assignments_and_emergencies() {
    tell("bell").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_exports_and_actions_on_many_tasks_are_at_hand() {
    tell("numbers").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_webhooks_templates_and_geofences_are_kept_in_the_administration() {
    tell("rules").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_map_groups_warms_and_remembers() {
    tell("city").await;
}
