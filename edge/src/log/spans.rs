//! The edge's span in a trace. Only sampled requests have one, so that the others cost nothing.

use process::telemetry;
use process::trace::TraceContext;
use tracing::{Span, field, info_span};

use crate::reply::Reply;
use crate::request::Request;

/// The span of one request; none if it is not sampled. Field names are OpenTelemetry's for HTTP servers.
pub(crate) fn of_request(request: &Request) -> Span {
    if !telemetry::records(&request.trace) {
        return Span::none();
    }
    let span = info_span!(
        target: telemetry::SPANS,
        "request",
        otel.kind = "server",
        otel.name = request.method.as_str(),
        http.request.method = request.method.as_str(),
        url.path = request.target.as_str(),
        server.address = request.authority.as_str(),
        client.address = %request.client.address,
        http.response.status_code = field::Empty,
        weir.cache = field::Empty,
    );
    telemetry::set_parent(&span, &request.trace);
    span
}

/// Records the result in the span.
pub(crate) fn answered(span: &Span, reply: &Reply) {
    span.record("http.response.status_code", reply.status.as_u16());
    span.record("weir.cache", reply.note.cache.word());
}

/// The traceparent for the services behind: below our span if there is one, else as it arrived or was started
/// here.
pub(crate) fn to_hand_on(span: &Span, trace: &TraceContext) -> String {
    telemetry::context_of(span).unwrap_or(*trace).to_header()
}
