//! What is written down of requests: access log, metrics' records, spans.

pub(crate) mod access_log;
pub(crate) mod record;
pub(crate) mod spans;

use std::sync::Arc;

use access_log::{AccessLog, Destination, Format, OpenError};

use crate::metrics::Metrics;
use crate::settings::{Config, LogFormat};

/// Takes note of each request that was answered: one access log line, one set of counters.
pub(crate) struct Log {
    pub(crate) access: Arc<AccessLog>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Opens the access log that the settings name.
pub(crate) fn open(settings: &Config) -> Result<Arc<AccessLog>, OpenError> {
    let to = || Destination::from(settings.access_log_to.as_str());
    let (destination, format) = match settings.access_log {
        LogFormat::Off => (Destination::Off, Format::Combined),
        LogFormat::Combined => (to(), Format::Combined),
        LogFormat::Json => (to(), Format::Json),
    };
    AccessLog::open(&destination, format).map(Arc::new)
}
