//! Logs, metrics and traces; the same in all programs.

use std::sync::Arc;

use axum::{Router, extract::State, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::{LogFormat, TelemetrySettings};

/// Upper bounds of the histograms' buckets in seconds.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Time between summaries of what histograms were told.
const UPKEEP: std::time::Duration = std::time::Duration::from_secs(5);

/// Keeps telemetry alive; dropping it flushes traces.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take()
            && let Err(cause) = traces.shutdown_with_timeout(std::time::Duration::from_secs(2))
        {
            tracing::debug!(%cause, "traces were not flushed");
        }
    }
}

/// Starts logging, and tracing if there is a collector. Once per process.
pub fn start(program: &'static str, settings: &TelemetrySettings) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(settings.log_level.to_lowercase())?;
    let logs = match settings.log_format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(std::io::stderr)
            .boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().with_writer(std::io::stderr).boxed(),
    };
    let traces = settings
        .otlp_endpoint
        .as_deref()
        .map(|url| exporter(program, url))
        .transpose()?;
    let spans = traces.as_ref().map(|provider| {
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        // The exporter's own calls must not make spans, or they would never end.
        let own = tracing_subscriber::filter::filter_fn(|meta| meta.target().starts_with("gad"));
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(program))
            .with_filter(own)
    });
    tracing_subscriber::registry()
        .with(logs.with_filter(filter))
        .with(spans)
        .try_init()?;
    Ok(Telemetry { traces })
}

fn exporter(program: &'static str, url: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(url)
        .build()?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(program).build())
        .build())
}

/// Metrics of this process in Prometheus' text form.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Starts counting; a second start in the same process counts for itself and shows nothing new.
    pub fn start() -> anyhow::Result<Self> {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::debug!("metrics of this process are counted already");
        }
        let upkeep = handle.clone();
        // Histograms keep every value until somebody looks: here somebody does.
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self(handle))
    }

    /// All metrics now.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }

    /// `GET /metrics`.
    pub fn routes(self) -> Router {
        async fn show(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
            ([("content-type", "text/plain; version=0.0.4")], metrics.render())
        }
        Router::new().route("/metrics", get(show)).with_state(Arc::new(self))
    }
}

/// Waits for SIGTERM or Ctrl-C.
pub async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be heard");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
