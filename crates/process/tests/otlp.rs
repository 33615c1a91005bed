//! Spans as a collector gets them: a real OTLP receiver, in a process of its own since logging starts once.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span as Exported;
use process::telemetry::{self, LogFormat, SPANS, TelemetryOptions};
use process::trace::TraceContext;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tracing::{Span, debug_span, info, info_span};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const DEADLINE: Duration = Duration::from_secs(10);

struct Collector {
    received: mpsc::Sender<ExportTraceServiceRequest>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let _ = self.received.send(request.into_inner()).await;
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn start_collector() -> io::Result<(SocketAddr, mpsc::Receiver<ExportTraceServiceRequest>)> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (received, requests) = mpsc::channel(16);
    let server =
        tonic::transport::Server::builder().add_service(TraceServiceServer::new(Collector { received }));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Ok((address, requests))
}

/// As a service does for a request.
fn span_of(trace: &TraceContext, name: &str) -> Span {
    let span = match telemetry::records(trace) {
        true => info_span!(target: SPANS, "request", otel.name = name),
        false => Span::none(),
    };
    telemetry::set_parent(&span, trace);
    span
}

#[tokio::test]
async fn a_collector_gets_our_spans_and_no_others() {
    assert!(!telemetry::exporting());
    assert!(!telemetry::sampler().decide(None).sampled());

    let (address, mut requests) = start_collector().await.unwrap();
    let options = TelemetryOptions {
        service_name: "weir-test".to_owned(),
        log_format: LogFormat::Json,
        log_filter: "off".to_owned(),
    };
    // Spans of libraries are made, since the log is to show them.
    let env =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}")), ("RUST_LOG", "h2=debug".to_owned())];
    let env = env.map(|(name, value)| (name.to_owned(), value));
    let guard = telemetry::init(&options, env.clone()).unwrap();
    assert!(telemetry::exporting());
    assert!(telemetry::init(&options, env).is_err(), "logging starts once");
    let sampler = telemetry::sampler();

    // A trace that came with the request, one that came unsampled, one that begins here.
    let came = sampler.decide(TraceContext::parse(SAMPLED));
    let span = span_of(&came, "came");
    let handed_on = telemetry::context_of(&span).unwrap();
    assert_eq!(handed_on.trace_id(), came.trace_id());
    assert_ne!(handed_on.span_id(), came.span_id());
    assert!(handed_on.sampled());
    span.in_scope(|| {
        info!(target: SPANS, "an event");
        debug_span!(target: "h2", "frame").in_scope(|| info_span!(target: SPANS, "inside").in_scope(|| ()));
    });

    let unsampled = sampler.decide(TraceContext::parse(UNSAMPLED));
    assert_eq!(telemetry::context_of(&span_of(&unsampled, "unsampled")), None);

    let begun = sampler.decide(None);
    let first = span_of(&begun, "begun");
    let handed_on_first = telemetry::context_of(&first).unwrap();
    telemetry::link(&first, &came);
    assert_eq!(handed_on_first.to_header(), begun.to_header());
    drop((span, first));

    // Without a flush, the batch would wait for its timer; the deadline of the test is the check that it does
    // not.
    tokio::task::spawn_blocking(move || guard.shutdown(DEADLINE)).await.unwrap();
    let mut spans: BTreeMap<String, Exported> = BTreeMap::new();
    while let Ok(request) = requests.try_recv() {
        for of_resource in request.resource_spans {
            let attributes = of_resource.resource.unwrap().attributes;
            let name = attributes.iter().find(|pair| pair.key == "service.name").unwrap();
            assert!(format!("{name:?}").contains("weir-test"), "{name:?}");
            let exported = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(exported.map(|span| (span.name.clone(), span)));
        }
    }
    assert_eq!(spans.keys().collect::<Vec<_>>(), ["begun", "came", "inside"]);
    let came_span = &spans["came"];
    assert_eq!(came_span.trace_id, came.trace_id());
    assert_eq!(came_span.parent_span_id, came.span_id());
    assert_eq!(came_span.span_id, handed_on.span_id());
    assert!(came_span.events.is_empty());
    assert_eq!(spans["inside"].parent_span_id, came_span.span_id);
    assert_eq!(spans["begun"].trace_id, begun.trace_id());
    assert!(spans["begun"].parent_span_id.is_empty(), "the first span of a trace has no parent");
    let links: Vec<_> =
        spans["begun"].links.iter().map(|link| (&link.trace_id[..], &link.span_id[..])).collect();
    assert_eq!(links, [(&came.trace_id()[..], &came.span_id()[..])]);
}
