//! The lines about one request, in the error logs of its location, as nginx writes them.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use process::telemetry::request_log::RequestLog;
use tracing::Level;

use crate::log::access_log::AccessLog;
use crate::request::Request;
use crate::request::client::protocol;
use crate::route::Location;

/// Where the lines of a request go, and what each of them says of it.
pub(super) struct RequestErrorLog {
    logs: Vec<(Arc<AccessLog>, Level)>,
    /// "*17 " of the connection.
    before: String,
    /// Client, server, request and host.
    after: String,
}

impl RequestErrorLog {
    pub(super) fn new(
        logs: Vec<(Arc<AccessLog>, Level)>,
        request: &Request,
        location: &Location,
    ) -> Arc<Self> {
        let method = &request.method;
        let target = request.sent_target.as_deref().unwrap_or(&request.target);
        let (protocol, authority) = (protocol(request.version), &request.authority);
        let mut after = format!(", client: {}, server: {}", request.client.address, location.site);
        // A request with control characters in its head does not get this far.
        let _ = write!(after, ", request: \"{method} {target} {protocol}\", host: \"{authority}\"");
        Arc::new(Self { logs, before: format!("*{} ", request.arrival.connection), after })
    }
}

impl RequestLog for RequestErrorLog {
    fn write(&self, level: Level, text: &str) {
        let word = match level {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG | Level::TRACE => "debug",
        };
        for (log, _) in self.logs.iter().filter(|(_, least)| level <= *least) {
            log.log_error(SystemTime::now(), word, &[&self.before, text, &self.after]);
        }
    }
}
