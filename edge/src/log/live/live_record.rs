//! One answered request, kept for those who watch.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_cache::Reason;
use record_filter::{NumberField, RequestRecord, TextField};
use serde_json::{Value, json};

use crate::application::upstream::Upstream;
use crate::log::access_log::Record;
use crate::metrics::{CacheResult, LocationMetrics};
#[cfg(test)]
use crate::variables::application_work::ApplicationWork;

/// Bytes of a field that are kept.
const MAX_TEXT: usize = 1024;

/// What `weir log` shows.
#[derive(Debug)]
pub(crate) struct LiveRecord {
    pub(crate) time: SystemTime,
    pub(crate) client: IpAddr,
    method: Box<str>,
    pub(crate) target: Box<str>,
    protocol: Box<str>,
    pub(crate) host: Box<str>,
    agent: Box<str>,
    referer: Box<str>,
    trace: Option<Box<str>>,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    pub(crate) cache: Option<CacheResult>,
    pub(crate) reason: Option<Reason>,
    pub(crate) place: Option<Arc<LocationMetrics>>,
    pub(crate) application: Option<ApplicationPart>,
    /// No visitor waited: a page was refreshed.
    pub(crate) is_background: bool,
}

/// What the application did for it.
#[derive(Debug)]
pub(crate) struct ApplicationPart {
    pub(crate) pool: Option<Arc<str>>,
    /// Empty: none was found.
    pub(crate) server: Box<str>,
    connect: Option<Duration>,
    head: Duration,
    /// How long it was busy with the reply.
    pub(crate) whole: Duration,
    /// The servers asked.
    tries: usize,
    /// What it says of its own work; an empty view: nothing.
    pub(crate) view: Box<str>,
    pub(crate) queries: Option<u64>,
    pub(crate) sql: Option<Duration>,
}

impl ApplicationPart {
    pub(crate) fn of(upstream: &Upstream, pool: Option<&Arc<str>>) -> Self {
        let work = upstream.work();
        Self {
            pool: pool.cloned(),
            server: upstream.server.as_str().into(),
            connect: upstream.connect,
            head: upstream.head,
            whole: upstream.whole(),
            tries: upstream.earlier.len() + 1,
            view: text(work.view.as_bytes()),
            queries: work.queries,
            sql: work.sql,
        }
    }
}

impl LiveRecord {
    pub(crate) fn of(record: &Record<'_>) -> Self {
        Self {
            time: record.time,
            client: record.client,
            method: text(record.method.as_bytes()),
            target: text(record.target),
            protocol: record.protocol.into(),
            host: text(record.host.as_bytes()),
            agent: text(record.user_agent.unwrap_or_default()),
            referer: text(record.referer.unwrap_or_default()),
            trace: record.trace_id.map(Into::into),
            status: record.status,
            bytes: record.bytes,
            took: record.duration,
            cache: record.cache,
            reason: None,
            place: None,
            application: None,
            is_background: false,
        }
    }

    /// Where it was answered.
    pub(crate) fn at(mut self, place: Arc<LocationMetrics>) -> Self {
        self.place = Some(place);
        self
    }

    pub(crate) fn because(mut self, reason: Option<Reason>) -> Self {
        self.reason = reason;
        self
    }

    pub(crate) fn by(mut self, application: Option<ApplicationPart>) -> Self {
        self.application = application;
        self
    }

    pub(crate) fn in_background(mut self) -> Self {
        self.is_background = true;
        self
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The names of the JSON access log where it has them too.
    pub(crate) fn json(&self) -> Value {
        let since = self.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let application = self.application.as_ref();
        let server = application.map(|part| &*part.server).filter(|server| !server.is_empty());
        json!({
            "time": httpdate::fmt_http_date(self.time),
            "at": (since.as_secs_f64() * 1e3).round() / 1e3,
            "client": self.client,
            "method": self.method,
            "host": self.host,
            "target": self.target,
            "protocol": self.protocol,
            "status": self.status,
            "bytes": self.bytes,
            "duration_s": seconds(self.took),
            "cache": self.cache.map(CacheResult::word),
            "reason": self.reason.map(Reason::as_str),
            "site": self.place.as_ref().map(|place| place.site()),
            "location": self.place.as_ref().map(|place| place.location()),
            "pool": application.and_then(|part| part.pool.as_deref()),
            "server": server,
            "connect_s": application.and_then(|part| part.connect).map(seconds),
            "upstream_s": application.map(|part| seconds(part.head)),
            "application_s": application.map(|part| seconds(part.whole)),
            "tries": application.map(|part| part.tries),
            "view": application.map(|part| &*part.view).filter(|view| !view.is_empty()),
            "queries": application.and_then(|part| part.queries),
            "query_s": application.and_then(|part| part.sql).map(seconds),
            "user_agent": self.agent,
            "referer": self.referer,
            "trace_id": self.trace,
        })
    }

    #[cfg(test)]
    pub(crate) fn example(target: &str, status: u16) -> Self {
        Self::of(&Record {
            time: SystemTime::now(),
            client: [192, 0, 2, 7].into(),
            method: "GET",
            target: target.as_bytes(),
            protocol: "HTTP/1.1",
            status,
            bytes: 10,
            duration: Duration::from_millis(5),
            upstream: None,
            work: ApplicationWork::default(),
            cache: Some(CacheResult::Miss),
            host: "example.com",
            site: "example.com",
            authorization: None,
            referer: None,
            user_agent: None,
            trace_id: None,
        })
    }
}

impl RequestRecord for LiveRecord {
    fn text(&self, field: TextField) -> Cow<'_, str> {
        let place = self.place.as_ref();
        let application = self.application.as_ref();
        Cow::Borrowed(match field {
            TextField::Method => &self.method,
            TextField::Host => &self.host,
            TextField::Path => self.path(),
            TextField::Query => self.query(),
            TextField::Target => &self.target,
            TextField::Protocol => &self.protocol,
            TextField::Client => return self.client.to_string().into(),
            TextField::Site => place.map_or("", |place| place.site()),
            TextField::Location => place.map_or("", |place| place.location()),
            TextField::Cache => self.cache.map_or("", CacheResult::word),
            TextField::Reason => self.reason.map_or("", Reason::as_str),
            TextField::Pool => application.and_then(|part| part.pool.as_deref()).unwrap_or_default(),
            TextField::Server => application.map_or("", |part| &part.server),
            TextField::View => application.map_or("", |part| &part.view),
            TextField::Agent => &self.agent,
            TextField::Referer => &self.referer,
        })
    }

    fn number(&self, field: NumberField) -> Option<f64> {
        let application = self.application.as_ref();
        match field {
            NumberField::Status => Some(f64::from(self.status)),
            NumberField::Bytes => Some(self.bytes as f64),
            NumberField::Time => Some(self.took.as_secs_f64()),
            NumberField::Application => application.map(|part| part.whole.as_secs_f64()),
            NumberField::Connect => application.and_then(|part| part.connect).map(|time| time.as_secs_f64()),
            NumberField::Queries => application.and_then(|part| part.queries).map(|count| count as f64),
            NumberField::Sql => application.and_then(|part| part.sql).map(|time| time.as_secs_f64()),
            NumberField::Tries => Some(application.map_or(0.0, |part| part.tries as f64)),
        }
    }
}

/// Rounds to the microsecond.
fn seconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

/// What a terminal may be shown: no control characters.
fn text(field: &[u8]) -> Box<str> {
    let field = field.get(..MAX_TEXT).unwrap_or(field);
    let text = String::from_utf8_lossy(field);
    match text.contains(char::is_control) {
        true => text.replace(char::is_control, "\u{fffd}").into(),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use record_filter::Filter;

    use super::*;

    #[test]
    fn a_record_is_asked_by_filters_and_shown_as_json() {
        let mut record = LiveRecord::example("/api/x?page=2", 502);
        record.reason = Some(Reason::OriginFailed);
        for (filter, fits) in [
            ("status >= 500 and path == /api/x and query == 'page=2'", true),
            ("client == 192.0.2.7 and time == 5ms and cache == miss and reason == origin-failed", true),
            ("application > 0", false),
            ("server == '' and site == '' and tries == 0", true),
        ] {
            assert_eq!(Filter::parse(filter).unwrap().fits(&record), fits, "{filter}");
        }
        let json = record.json();
        assert_eq!((&json["target"], &json["duration_s"]), (&"/api/x?page=2".into(), &0.005.into()));
        assert!(json["server"].is_null());
    }

    #[test]
    fn nothing_moves_the_cursor_of_a_terminal() {
        assert_eq!(&*text(b"a\x1b[2J\n\xc2\x9bb\xff"), "a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}");
        assert_eq!(text(&[b'x'; 9000]).len(), MAX_TEXT);
    }
}
