//! `ws-bridge`: streams the live feed to WebSocket and SSE clients.

use gad::{
    config::{BridgeSettings, reading},
    telemetry, ws_bridge,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (settings, problems) = reading::read::<BridgeSettings>();
    anyhow::ensure!(problems.is_empty(), "cannot start:\n  {}", problems.join("\n  "));
    let _telemetry = telemetry::start("ws-bridge", &settings.telemetry)?;
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let guard = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        guard.cancel();
    });
    ws_bridge::run(settings, stop).await
}
