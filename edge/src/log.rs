//! What is written down of requests: access log, metrics' records, spans.

pub(crate) mod access_log;
pub(crate) mod record;
pub(crate) mod spans;

use std::sync::Arc;

use crate::metrics::Metrics;
use access_log::AccessLog;

/// Takes note of each request that was answered: one access log line, one set of counters.
pub(crate) struct Log {
    pub(crate) access: Arc<AccessLog>,
    pub(crate) metrics: Arc<Metrics>,
}
