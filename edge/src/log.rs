//! What is recorded about requests: access log, the record for log and metrics, spans.
//!
//! A handler makes a `record::Entry` from the request, and records it when the response is sent. The access
//! log formats a line into a buffer of the thread; one thread writes, and a request never waits for it.

pub(crate) mod access_log;
mod error_log;
pub(crate) mod facts;
pub(crate) mod live;
pub(crate) mod own_logs;
pub(crate) mod record;
pub(crate) mod spans;

use std::sync::Arc;

use access_log::{AccessLog, Destination, Format, OpenError};
use live::LiveLog;
use own_logs::OwnLogs;
use process::repeated::RepeatCounter;

use crate::metrics::Metrics;
use crate::settings::{Config, LogFormat};

/// Records each answered request: one access log line, one set of counters.
pub(crate) struct Log {
    pub(crate) access: Arc<AccessLog>,
    /// Those that the settings add.
    pub(crate) own: Arc<OwnLogs>,
    /// Requests whose body was larger than their location takes, by location.
    pub(crate) large_bodies: RepeatCounter,
    /// Records for those who watch.
    pub(crate) live: Arc<LiveLog>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Log {
    pub(crate) fn new(
        access: Arc<AccessLog>,
        own: Arc<OwnLogs>,
        live: Arc<LiveLog>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { access, own, large_bodies: RepeatCounter::default(), live, metrics }
    }
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
