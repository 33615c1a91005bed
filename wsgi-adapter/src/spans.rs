//! The adapter's span in a trace: made for sampled requests only, so that the rest costs nothing.

use process::telemetry;
use process::trace::TraceContext;
use tracing::{Span, field, info_span};
use weir_proto::origin::RequestHead;

use crate::error::FetchFailure;

/// The span of one fetch, below the one the edge names; none if the request is not sampled.
pub(crate) fn of_fetch(head: &RequestHead) -> Span {
    if !telemetry::exporting() {
        return Span::none();
    }
    let sampled = TraceContext::parse(&head.traceparent).filter(telemetry::records);
    let Some(trace) = sampled else { return Span::none() };
    let span = info_span!(
        target: telemetry::SPANS,
        "uwsgi",
        otel.kind = "client",
        otel.status_code = field::Empty,
        weir.pool = head.pool,
        weir.server = field::Empty,
        http.response.status_code = field::Empty,
        error.type = field::Empty,
    );
    telemetry::set_parent(&span, &trace);
    span
}

/// What the application is handed: a context below our span if there is one, as it came if not.
pub(crate) fn to_hand_on(span: &Span, traceparent: String) -> String {
    telemetry::context_of(span).map_or(traceparent, |own| own.to_header())
}

/// Writes down who replied, and how.
pub(crate) fn replied(span: &Span, server: &str, status: u16) {
    span.record("weir.server", server);
    span.record("http.response.status_code", status);
}

/// Writes down that there was no whole reply, and whose fault that is.
pub(crate) fn failed(span: &Span, failed: &FetchFailure) {
    if !failed.server.is_empty() {
        span.record("weir.server", failed.server.as_str());
    }
    span.record("error.type", failed.error.kind_name());
    span.record("otel.status_code", "error");
}
