//! Where our spans hang in traces that come from, and go to, other processes.

use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use opentelemetry::{Context, SpanId, TraceId};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::ids;
use crate::trace::TraceContext;

/// Makes `span` a child of the span that `trace` names or, where `trace` was begun here, that very span.
/// To be called before `span` is first entered. Does nothing to a span that is not exported.
pub fn set_parent(span: &Span, trace: &TraceContext) {
    if span.is_disabled() {
        return;
    }
    if trace.begun_here() {
        return ids::take_from(trace, || drop(span.context()));
    }
    let _ = span.set_parent(Context::new().with_remote_span_context(named_by(trace)));
}

/// Links `span` to the span that `other` names, in a trace of its own. Does nothing to a span that is not
/// exported.
pub fn link(span: &Span, other: &TraceContext) {
    span.add_link(named_by(other));
}

fn named_by(trace: &TraceContext) -> SpanContext {
    let flags = TraceFlags::default().with_sampled(trace.sampled());
    let (trace_id, span_id) = (TraceId::from_bytes(trace.trace_id()), SpanId::from_bytes(trace.span_id()));
    SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE)
}

/// What to hand on so that the next process hangs its spans below `span`. `None` for a span that is not
/// exported.
pub fn context_of(span: &Span) -> Option<TraceContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let span = context.span().span_context().clone();
    let handed_on =
        TraceContext::of_span(span.trace_id().to_bytes(), span.span_id().to_bytes(), span.is_sampled());
    span.is_valid().then_some(handed_on)
}
