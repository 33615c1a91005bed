//! The ids of spans: random, but for the first span of a trace that was begun and handed on before there was
//! a span.

use std::cell::Cell;

use opentelemetry::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use crate::trace::TraceContext;

thread_local! {
    /// Whose ids the span that is being built on this thread takes.
    static BEGUN: Cell<Option<TraceContext>> = const { Cell::new(None) };
}

#[derive(Debug, Default)]
pub(super) struct Ids {
    random: RandomIdGenerator,
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        BEGUN.get().map_or_else(|| self.random.new_trace_id(), |begun| TraceId::from_bytes(begun.trace_id()))
    }

    fn new_span_id(&self) -> SpanId {
        BEGUN.get().map_or_else(|| self.random.new_span_id(), |begun| SpanId::from_bytes(begun.span_id()))
    }
}

/// Runs `build`, which builds one span, so that this span is the one that `begun` names.
pub(super) fn take_from(begun: &TraceContext, build: impl FnOnce()) {
    BEGUN.set(Some(*begun));
    build();
    BEGUN.set(None);
}
