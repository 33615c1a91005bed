//! What is written down of requests: access log, metrics' records, spans.

pub(crate) mod access_log;
pub(crate) mod record;
pub(crate) mod spans;
