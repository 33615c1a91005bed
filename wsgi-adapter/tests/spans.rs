//! The adapter's spans as a collector gets them, and the context the application is handed. A process of its
//! own: spans are exported from its start to its end.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that panics has failed

#[path = "adapter/edge.rs"]
#[allow(dead_code)] // most of it is for the other tests
mod edge;
#[path = "adapter/peer.rs"]
#[allow(dead_code)]
mod peer;

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use process::shutdown::Shutdown;
use process::telemetry::{self, LogFormat, TelemetryOptions};
use process::trace::TraceContext;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use weir_proto::origin::{Kind, RequestHead};

use crate::edge::{Edge, PATIENCE, get, pool};
use crate::peer::{Peer, read_request, variable};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

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

/// Its URL, and what it receives.
async fn start_collector() -> (String, mpsc::Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (received, requests) = mpsc::channel(16);
    let server =
        tonic::transport::Server::builder().add_service(TraceServiceServer::new(Collector { received }));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (url, requests)
}

fn traced(target: &str, traceparent: &str) -> RequestHead {
    RequestHead { traceparent: traceparent.to_owned(), ..get(target) }
}

/// The attributes as text.
fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let value = |pair: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        text(pair.value.as_ref().unwrap().value.as_ref().unwrap())
    };
    span.attributes.iter().map(|pair| (pair.key.as_str(), value(pair))).collect()
}

#[tokio::test]
async fn sampled_fetches_have_a_span_and_the_application_hangs_below_it() {
    let (url, mut requests) = start_collector().await;
    let options = TelemetryOptions {
        service_name: "weir-wsgi-adapter".to_owned(),
        log_format: LogFormat::Text,
        log_filter: "off".to_owned(),
    };
    let guard = telemetry::init(&options, [("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), url)]).unwrap();

    // Tells the traceparent it was handed; /broken gets no reply.
    let application = Peer::new(|mut stream| async move {
        let (packet, _) = read_request(&mut stream).await;
        if variable(&packet, "PATH_INFO") != "/broken" {
            let handed = variable(&packet, "HTTP_TRACEPARENT");
            let _ = stream.write_all(format!("HTTP/1.1 404 Not Found\r\n\r\n{handed}").as_bytes()).await;
        }
    })
    .await;
    let shutdown = Shutdown::new();
    let (edge, _run) = Edge::over_network(pool(&[&application.address]), shutdown.clone()).await;
    for as_it_came in [UNSAMPLED, "", "not a traceparent"] {
        let answer = edge.ask(traced("/", as_it_came)).await;
        assert_eq!(answer.text(), as_it_came);
    }
    let handed = TraceContext::parse(&edge.ask(traced("/", SAMPLED)).await.text()).unwrap();
    assert_eq!(edge.ask(traced("/broken", SAMPLED)).await.failed(), (Kind::BadReply, true));

    // A span ends with its task, shortly after the reply.
    assert_eq!(shutdown.finish(PATIENCE).await, 0);
    tokio::task::spawn_blocking(move || guard.shutdown(PATIENCE)).await.unwrap();
    let mut spans: Vec<Span> = Vec::new();
    while let Ok(request) = requests.try_recv() {
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        spans.extend(scopes.flat_map(|scope| scope.spans));
    }
    let [replied, broken] = &spans[..] else { panic!("two spans, not {spans:#?}") };
    let parent = TraceContext::parse(SAMPLED).unwrap();
    for span in &spans {
        assert_eq!((span.name.as_str(), span.kind()), ("uwsgi", SpanKind::Client));
        assert_eq!(span.trace_id, parent.trace_id());
        assert_eq!(span.parent_span_id, parent.span_id());
        assert_eq!(attributes(span)["weir.pool"], "app");
        assert_eq!(attributes(span)["weir.server"], application.address);
    }
    assert_eq!((handed.trace_id(), handed.sampled()), (parent.trace_id(), true));
    assert_eq!(replied.span_id, handed.span_id());
    assert_eq!(attributes(replied)["http.response.status_code"], "404");
    assert!(!attributes(replied).contains_key("error.type"), "{replied:#?}");
    assert_eq!(attributes(broken)["error.type"], "bad_reply");
    assert_eq!(broken.status.as_ref().unwrap().code(), StatusCode::Error);
    assert!(!attributes(broken).contains_key("http.response.status_code"), "{broken:#?}");
}
