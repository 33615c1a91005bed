//! The trace in which a page to be shared is made: its own, so that no visitor's goes into the page. Its span
//! is linked to the visitor who caused it.

use process::telemetry;
use process::trace::TraceContext;
use tracing::{Span, field, info_span};

use crate::application::{Failure, OriginReply};

/// The span of one request for a page, and the traceparent below it. `visitors`: the visitor's own
/// traceparent.
pub(crate) fn begin(visitors: &str) -> (Span, String) {
    let trace = telemetry::sampler().decide(None);
    if !telemetry::records(&trace) {
        return (Span::none(), trace.to_header());
    }
    let span = info_span!(
        target: telemetry::SPANS,
        "page",
        otel.kind = "internal",
        http.response.status_code = field::Empty,
    );
    if let Some(visitors) = TraceContext::parse(visitors).filter(telemetry::records) {
        telemetry::link(&span, &visitors);
    }
    telemetry::set_parent(&span, &trace);
    (span, trace.to_header())
}

/// Records the head of the reply.
pub(crate) fn answered(span: &Span, reply: &Result<OriginReply, Failure>) {
    if let Ok(reply) = reply {
        span.record("http.response.status_code", reply.status.as_u16());
    }
}
