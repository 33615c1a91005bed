//! The way of spans out of the process: our spans only, in batches, by OTLP over gRPC.

use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{self as sdk, SdkTracer, SdkTracerProvider};
use tokio::runtime::Builder;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::ids::Ids;
use super::otel::TraceExport;
use super::{Export, SPANS, TelemetryError};

/// Connects when the first spans leave, and again whenever the connection is lost.
pub(super) fn start(asked: &TraceExport, service_name: &str) -> Result<Export, TelemetryError> {
    let wrong = |reason: String| TelemetryError::Endpoint { endpoint: asked.endpoint.clone(), reason };
    if !asked.endpoint.starts_with("http://") {
        return Err(wrong("must begin with http://; there is no TLS to a collector here".to_owned()));
    }
    let runtime =
        Builder::new_multi_thread().worker_threads(1).thread_name("telemetry").enable_all().build()?;
    let exporter = {
        let _inside = runtime.enter();
        SpanExporter::builder().with_tonic().with_endpoint(&asked.endpoint).build()
    };
    let exporter = match exporter {
        Ok(exporter) => exporter,
        Err(error) => {
            // Dropped plainly, a runtime panics where the caller is async.
            runtime.shutdown_background();
            return Err(wrong(error.to_string()));
        }
    };
    let mut resource = Resource::builder();
    match &asked.service_name {
        Some(name) => resource = resource.with_service_name(name.clone()),
        None if asked.named_in_attributes => {}
        None => resource = resource.with_service_name(service_name.to_owned()),
    }
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        // What becomes a span was decided before: see `crate::trace::Sampler`.
        .with_sampler(sdk::Sampler::AlwaysOn)
        .with_id_generator(Ids::default())
        .with_resource(resource.build())
        .build();
    Ok(Export { provider, runtime })
}

/// Turns spans with the target `SPANS` into OpenTelemetry's. Log lines and the spans of libraries stay here.
pub(super) fn layer<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == SPANS))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use opentelemetry::trace::TracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::Guard;
    use crate::trace::Sampler;

    fn asked(endpoint: &str) -> TraceExport {
        let endpoint = endpoint.to_owned();
        TraceExport { endpoint, sampler: Sampler::PASS_ON, service_name: None, named_in_attributes: false }
    }

    #[test]
    fn a_collector_that_is_gone_holds_nothing_up() {
        let export = start(&asked("http://127.0.0.1:1"), "test").unwrap();
        let subscriber = tracing_subscriber::registry().with(layer(export.provider.tracer("test")));
        tracing::subscriber::with_default(subscriber, || drop(tracing::info_span!(target: SPANS, "lost")));
        let begun = Instant::now();
        Guard { export: Some(export) }.shutdown(Duration::from_millis(200));
        assert!(begun.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn an_endpoint_that_cannot_be_used_is_named() {
        for endpoint in ["https://collector:4317", "collector:4317", "http://no host"] {
            let error = start(&asked(endpoint), "test").unwrap_err().to_string();
            assert!(error.starts_with(&format!("OTLP endpoint {endpoint:?}: ")), "{error}");
        }
    }
}
