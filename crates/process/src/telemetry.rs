//! The diagnostic log on stderr, and the export of traces by OTLP over gRPC where the standard `OTEL_*`
//! variables ask for it.
//!
//! A span costs nothing where it is not made, so whoever handles a request asks first:
//!
//! ```
//! # use process::{telemetry, trace::TraceContext};
//! # use tracing::{Span, info_span};
//! # let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
//! let trace = telemetry::sampler().decide(TraceContext::parse(traceparent));
//! let span = match telemetry::records(&trace) {
//!     true => info_span!(target: telemetry::SPANS, "request", otel.kind = "server"),
//!     false => Span::none(),
//! };
//! telemetry::set_parent(&span, &trace); // before the span is first entered
//! let to_hand_on = telemetry::context_of(&span).unwrap_or(trace).to_header();
//! ```

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::Deserialize;
use tokio::runtime::Runtime;
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, reload};

use crate::trace::{Sampler, TraceContext};

mod exporter;
mod ids;
mod otel;
pub mod request_log;
mod spans;

pub use spans::{context_of, link, set_parent};

/// The target of every span that may be exported; those of libraries have others and stay here.
pub const SPANS: &str = "weir";

/// How long a guard that is merely dropped waits for the collector.
const LAST_FLUSH: Duration = Duration::from_secs(1);

/// Replaces the log filter, unless the environment has set it.
static SET_FILTER: OnceLock<Box<dyn Fn(EnvFilter) + Send + Sync>> = OnceLock::new();

/// Set once, if at all, when spans are exported.
static SAMPLER: OnceLock<Sampler> = OnceLock::new();

#[derive(Clone, Debug)]
pub struct TelemetryOptions {
    /// Names this process in traces unless the environment does: "weir-edge".
    pub service_name: String,
    pub log_format: LogFormat,
    /// What is logged unless `RUST_LOG` says so: "info", "info,edge=debug".
    pub log_filter: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// Why a process cannot start to log: always the fault of what was set. Retrying does not help.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("{source_name}: {filter:?} is no log filter such as \"info\" or \"info,edge=debug\"")]
    Filter { source_name: &'static str, filter: String },
    #[error("{variable}: only \"grpc\" can be used, not {protocol:?}")]
    Protocol { variable: &'static str, protocol: String },
    #[error("OTLP endpoint {endpoint:?}: {reason}")]
    Endpoint { endpoint: String, reason: String },
    #[error("cannot start the thread that exports traces: {0}")]
    Thread(#[from] std::io::Error),
    #[error("logging was started already")]
    Started,
}

/// Keeps the export going; `shutdown` ends it.
#[derive(Debug)]
pub struct Guard {
    export: Option<Export>,
}

#[derive(Debug)]
struct Export {
    provider: SdkTracerProvider,
    /// Carries the exporter's connection. Its own, so that spans made while the others stop are still sent.
    runtime: Runtime,
}

/// Starts logging and, where asked for, exporting. Once per process, anywhere; `env` as of
/// `std::env::vars()`.
pub fn init(
    options: &TelemetryOptions,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Guard, TelemetryError> {
    let env: BTreeMap<String, String> = env.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let (filter, handle) = reload::Layer::new(log_filter(options, &env)?);
    let mut ignored = Vec::new();
    let asked = otel::TraceExport::of(&env, &mut ignored)?;
    let export = match &asked {
        Some(asked) => Some(exporter::start(asked, &options.service_name)?),
        None => None,
    };
    let guard = Guard { export };
    let spans = guard.export.as_ref().map(|export| exporter::layer(export.provider.tracer("weir")));
    tracing_subscriber::registry()
        .with(spans)
        .with(log_layer(options.log_format).with_filter(filter.and(request_log::ElsewhereFilter)))
        .with(request_log::layer())
        .try_init()
        .map_err(|_| TelemetryError::Started)?;
    if !env.contains_key("RUST_LOG") {
        let _ = SET_FILTER.set(Box::new(move |new| {
            let _ = handle.modify(|filter| *filter = new);
        }));
    }
    if let Some(asked) = asked {
        let _ = SAMPLER.set(asked.sampler);
        tracing::info!(endpoint = asked.endpoint, "exporting traces");
    }
    for reason in ignored {
        tracing::warn!("ignored: {reason}");
    }
    Ok(guard)
}

/// Logs from this level on ("info", "warn"), unless `RUST_LOG` says something else.
pub fn set_log_level(level: &str) {
    let filter = EnvFilter::builder().parse(format!("{level},redis=off"));
    if let (Some(set), Ok(filter)) = (SET_FILTER.get(), filter) {
        set(filter);
    }
}

/// Whether spans are exported at all.
pub fn exporting() -> bool {
    SAMPLER.get().is_some()
}

/// The sampler that the environment asks for; where nothing is exported, one that keeps a parent's decision
/// and begins nothing.
pub fn sampler() -> Sampler {
    SAMPLER.get().copied().unwrap_or(Sampler::PASS_ON)
}

/// Whether spans are to be made for a request with this context.
pub fn records(trace: &TraceContext) -> bool {
    trace.sampled() && exporting()
}

impl Guard {
    /// Sends what spans are left, waiting at most `within`. Blocks.
    pub fn shutdown(mut self, within: Duration) {
        self.stop(within);
    }

    fn stop(&mut self, within: Duration) {
        let Some(Export { provider, runtime }) = self.export.take() else { return };
        if let Err(error) = provider.shutdown_with_timeout(within) {
            tracing::warn!(%error, "the last traces were not exported");
        }
        runtime.shutdown_background();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop(LAST_FLUSH);
    }
}

fn log_filter(
    options: &TelemetryOptions,
    env: &BTreeMap<String, String>,
) -> Result<EnvFilter, TelemetryError> {
    let (source_name, filter) = match env.get("RUST_LOG") {
        Some(filter) => ("RUST_LOG", filter),
        None => ("log filter", &options.log_filter),
    };
    let wrong = || TelemetryError::Filter { source_name, filter: filter.clone() };
    EnvFilter::builder().parse(filter).map_err(|_| wrong())
}

/// A log line that cannot be written is lost in silence: without that, a closed stderr would panic whoever
/// logs.
fn log_layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    match format {
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.with_ansi(false).json().flatten_event(true).boxed(),
    }
}
