//! What is recorded about requests: access log, the record for log and metrics, spans.
//!
//! A handler makes a `record::Entry` from the request, and records it when the response is sent. The access
//! log formats a line into a buffer of the thread; one thread writes, and a request never waits for it.

pub(crate) mod access_log;
mod error_log;
pub(crate) mod facts;
pub(crate) mod own_logs;
pub(crate) mod record;
pub(crate) mod spans;

use std::sync::Arc;

use access_log::{AccessLog, Destination, Format, OpenError};
use own_logs::OwnLogs;

use crate::metrics::Metrics;
use crate::settings::{Config, LogFormat};

/// Records each answered request: one access log line, one set of counters.
pub(crate) struct Log {
    pub(crate) access: Arc<AccessLog>,
    /// Those that the settings add.
    pub(crate) own: Arc<OwnLogs>,
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
