//! What the access log and metrics need once the response is sent: one line, one set of counters.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{AUTHORIZATION, REFERER, USER_AGENT};
use http::{HeaderValue, Method, StatusCode, Version};
use process::trace::TraceContext;

use crate::log::Log;
use crate::log::access_log::Record;
use crate::log::facts::{self, HitRecord, HitReply, HitRequest};
use crate::log::live::live_record::{ApplicationPart, LiveRecord};
use crate::reply::delivery::Delivery;
use crate::reply::{self, Note, Reply};
use crate::request::Request;
use crate::request::Via;
use crate::request::client::protocol;
use crate::request::snapshot::RequestSnapshot;
use crate::route::Sites;
use crate::variables::application_work::ApplicationWork;
use http1::head::{Head, KnownField, Refusal};

/// What the log needs to know about a request, saved while the handler owns the request itself.
pub(crate) struct Line {
    client: IpAddr,
    method: Method,
    target: String,
    version: Version,
    host: String,
    authorization: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    trace_id: Option<String>,
    started: Instant,
    /// The request, for the logs that the settings add.
    kept: Option<Arc<RequestSnapshot>>,
}

impl Line {
    pub(crate) fn of(request: &Request, kept: Option<Arc<RequestSnapshot>>) -> Self {
        Self {
            client: request.client.address,
            method: request.method.clone(),
            target: request.target.clone(),
            version: request.version,
            host: request.authority.clone(),
            authorization: request.headers.get(AUTHORIZATION).cloned(),
            referer: request.headers.get(REFERER).cloned(),
            user_agent: request.headers.get(USER_AGENT).cloned(),
            trace_id: request.trace.sampled().then(|| hex(request.trace.trace_id())),
            started: request.started,
            kept,
        }
    }
}

impl Line {
    /// What the log needs to know about a request on the straight way.
    pub(crate) fn of_head(
        head: &Head<'_>,
        (client, version): (IpAddr, Version),
        trace: &TraceContext,
        started: Instant,
    ) -> Self {
        let field = |known| HeaderValue::from_bytes(head.fields.values(known).next()?).ok();
        Self {
            client,
            method: if head.method == "HEAD" { Method::HEAD } else { Method::GET },
            target: head.target.as_str().to_owned(),
            version,
            host: head.host.map_or("", |host| host.as_str()).to_owned(),
            authorization: field(KnownField::Authorization),
            referer: field(KnownField::Referer),
            user_agent: field(KnownField::UserAgent),
            trace_id: trace.sampled().then(|| hex(trace.trace_id())),
            started,
            kept: None,
        }
    }
}

impl Log {
    /// Records a request that memory answered.
    pub(crate) fn hit(&self, hit: &HitRecord<'_>, head: &Head<'_>, by: HitRequest<'_>, reply: HitReply) {
        let via = by.via;
        let (location, status, sent) = (hit.location, reply.status.as_u16(), reply.sent);
        let duration = hit.started.elapsed();
        location.metrics.record(hit.result, status, sent, duration);
        let is_logged = location.access_log && !self.access.is_off();
        let is_watched = self.live.is_watched();
        if !(is_logged || is_watched) && location.logs.is_none() {
            return;
        }
        let authorization = head.seen.has(KnownField::Authorization);
        let authorization = authorization.then(|| head.fields.values(KnownField::Authorization).next());
        let record = Record {
            time: SystemTime::now(),
            client: via.peer.ip().to_canonical(),
            method: head.method,
            target: head.target.as_str().as_bytes(),
            protocol: protocol(via.version(head)),
            status,
            bytes: sent,
            duration,
            upstream: None,
            work: ApplicationWork::default(),
            cache: Some(hit.result),
            host: head.host.map_or("", |host| host.as_str()),
            site: &location.site,
            authorization: authorization.flatten(),
            referer: head.fields.values(KnownField::Referer).next(),
            user_agent: head.fields.values(KnownField::UserAgent).next(),
            trace_id: None,
        };
        if is_logged {
            self.access.log(&record);
        }
        if is_watched {
            self.live.push(LiveRecord::of(&record).at(location.metrics.clone()));
        }
        if let Some(logs) = &location.logs {
            facts::of_hit(hit, head, &by, &reply, |facts| self.own.write(logs, facts, &record));
        }
    }

    /// Records an answered request, complete or not.
    pub(crate) fn request(&self, line: &Line, sent: Delivery, reply: &Reply) {
        let took = line.started.elapsed();
        self.count(reply, sent, took);
        if reply.status == StatusCode::PAYLOAD_TOO_LARGE && reply.is_error {
            self.large_body(line, &reply.note);
        }
        if self.is_wanted(&reply.note) || line.kept.is_some() {
            self.write(line, sent, reply, took);
        }
    }

    /// Records one that went straight through. `line` is made only if somebody reads it.
    pub(crate) fn passed(
        &self,
        started: Instant,
        line: impl FnOnce() -> Option<Line>,
        sent: Delivery,
        reply: &Reply,
    ) {
        let took = started.elapsed();
        self.count(reply, sent, took);
        if self.is_wanted(&reply.note)
            && let Some(line) = line()
        {
            self.write(&line, sent, reply, took);
        }
    }

    /// Whether the access log takes it, or somebody watches.
    fn is_wanted(&self, note: &Note) -> bool {
        self.is_logged(note) || self.live.is_watched()
    }

    fn is_logged(&self, note: &Note) -> bool {
        note.location.as_ref().is_none_or(|location| location.access_log) && !self.access.is_off()
    }

    fn count(&self, reply: &Reply, sent: Delivery, took: Duration) {
        let note = &reply.note;
        if let Some(location) = &note.location {
            location.metrics.record(note.cache, reply.status.as_u16(), sent.body, took);
            if let Some(reason) = note.cache_status.and_then(|status| status.detail) {
                location.metrics.decided(reason);
            }
            if let Some(upstream) = &note.upstream {
                location.metrics.application_took(upstream.whole());
                upstream.count(&self.metrics, location.pool.as_deref());
            }
        }
    }

    fn write(&self, line: &Line, sent: Delivery, reply: &Reply, took: Duration) {
        let note = &reply.note;
        let record = Record {
            time: SystemTime::now(),
            // The proxies that the location trusts may have named another.
            client: line.kept.as_ref().map_or(line.client, |kept| kept.client()),
            method: line.method.as_str(),
            target: line.target.as_bytes(),
            protocol: protocol(line.version),
            status: reply.status.as_u16(),
            bytes: sent.body,
            duration: took,
            upstream: note.upstream.as_ref().map(|upstream| upstream.head),
            work: note.upstream.as_ref().map(|upstream| upstream.work()).unwrap_or_default(),
            cache: Some(note.cache),
            host: &line.host,
            site: note.location.as_ref().map_or("-", |location| &*location.site),
            authorization: line.authorization.as_ref().map(HeaderValue::as_bytes),
            referer: line.referer.as_ref().map(HeaderValue::as_bytes),
            user_agent: line.user_agent.as_ref().map(HeaderValue::as_bytes),
            trace_id: line.trace_id.as_deref(),
        };
        if self.is_logged(note) {
            self.access.log(&record);
        }
        if self.live.is_watched() {
            self.live.push(live_record(note, &record));
        }
        if let (Some(location), Some(kept)) = (&note.location, &line.kept)
            && let Some(logs) = &location.logs
        {
            let told = reply::facts::after_sending(reply, sent, took, location.pool.as_deref());
            kept.with_facts(&location.site, |facts| self.own.write(logs, &facts.with_reply(told), &record));
        }
    }

    /// Says why a body was refused, once in a while for each location: nobody looks for a setting in the
    /// access log.
    fn large_body(&self, line: &Line, note: &Note) {
        let Some(location) = &note.location else { return };
        let name = format!("{} {}", location.metrics.site(), location.metrics.location());
        if let Some(more) = self.large_bodies.happened(&name) {
            let (target, client, max_body) = (&line.target, line.client, location.max_body);
            tracing::info!(
                target, %client, location = name, max_body, more,
                "the request body is larger than `max_body` of the location (--max-body), so it gets 413"
            );
        }
    }

    /// Records a head that was refused: nobody knows what the request was, but for what there is of its first
    /// line. As in nginx, it is the default site's.
    pub(crate) fn refusal(
        &self,
        (via, sites): (&Via, &Sites),
        (refusal, line): (Refusal, &[u8]),
        sent: Delivery,
        reply: &Reply,
    ) {
        let (peer, place) = (via.peer, sites.choose(via.listener, "").otherwise());
        self.metrics.head_refused(refusal.reason());
        tracing::debug!(client = %peer.ip(), reason = refusal.reason(), "request refused");
        let record = Record {
            time: SystemTime::now(),
            client: peer.ip().to_canonical(),
            method: "",
            target: line,
            protocol: "",
            status: reply.status.as_u16(),
            bytes: sent.body,
            duration: Duration::ZERO,
            upstream: None,
            work: ApplicationWork::default(),
            cache: None,
            host: "",
            site: "-",
            authorization: None,
            referer: None,
            user_agent: None,
            trace_id: None,
        };
        self.access.log(&record);
        if self.live.is_watched() {
            self.live.push(LiveRecord::of(&record));
        }
        if let Some(logs) = &place.logs {
            facts::of_refusal((via, line), place, (reply, sent), |facts| {
                self.own.write(logs, facts, &record)
            });
        }
    }
}

fn live_record(note: &Note, record: &Record<'_>) -> LiveRecord {
    let location = note.location.as_ref();
    let pool = location.and_then(|location| location.pool.as_ref());
    let application = note.upstream.as_ref().map(|upstream| ApplicationPart::of(upstream, pool));
    let reason = note.cache_status.and_then(|status| status.detail);
    let live = LiveRecord::of(record).because(reason).by(application);
    match location {
        Some(location) => live.at(location.metrics.clone()),
        None => live,
    }
}

fn hex(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}
