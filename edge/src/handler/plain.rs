//! The plain hit: a GET or HEAD that a fresh L1 page or a file in memory answers, on the spot. Takes no global lock, copies no body,
//! waits for nothing. Whatever is not plain goes the long way, through the handler, and gets the same bytes.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::Context;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_cache::{Look, Methods, Policy, Wants, vary};
use process::telemetry;
use process::trace::TraceContext;

use crate::Edge;
use crate::application::ask::Scheme;
use crate::cache::l1::Found;
use crate::cache::page::Page;
use crate::connection::clock;
use crate::connection::stream::{Stream, Taken};
use crate::handler::static_file;
use crate::http1::joined::{Joined, Said};
use crate::http1::write;
use crate::http1::write::Manner;
use crate::log::access_log::Record;
use crate::metrics::CacheResult;
use crate::reply::body::ReplyBody;
use crate::reply::{Reply, answer};
use crate::request::{Via, forwarded, path};
use crate::route::{Chosen, Location, Sites};
use crate::settings::expires::Expires;
use http1::head::{Head, Known, Seen, Version};

/// Fields that make a request anything but plain.
const NOT_PLAIN: Seen = Seen::of(&[Known::Authorization, Known::Expect, Known::Upgrade]);
/// Fields on which it depends what of a page or file is sent.
const DECIDING: &[(Known, HeaderName)] = &[
    (Known::AcceptEncoding, ACCEPT_ENCODING),
    (Known::IfMatch, IF_MATCH),
    (Known::IfModifiedSince, IF_MODIFIED_SINCE),
    (Known::IfNoneMatch, IF_NONE_MATCH),
    (Known::IfRange, IF_RANGE),
    (Known::IfUnmodifiedSince, IF_UNMODIFIED_SINCE),
    (Known::Range, RANGE),
];
const CONDITIONAL: Seen = Seen::of(&[
    Known::IfMatch,
    Known::IfModifiedSince,
    Known::IfNoneMatch,
    Known::IfRange,
    Known::IfUnmodifiedSince,
    Known::Range,
]);
/// Fields by which a trusted proxy speaks of the client.
const FORWARDING: Seen = Seen::of(&[Known::Forwarded, Known::XForwarded, Known::XRealIp]);

/// Buffers of a thread.
#[derive(Default)]
pub(crate) struct Scratch {
    key: Vec<u8>,
    out: Out,
}

/// The room to answer in.
#[derive(Default)]
struct Out {
    head: Vec<u8>,
    joined: Joined,
}

/// What answers the request, and the room to answer in.
pub(crate) struct Hit<'a> {
    found: Kept,
    entry: Entry<'a>,
    out: &'a mut Out,
}

/// What is to be written down of it, once it is sent.
pub(crate) struct Entry<'a> {
    location: &'a Location,
    result: CacheResult,
    started: Instant,
}

/// Kept in memory, and good.
enum Kept {
    Page(Arc<Page>),
    File(Box<Reply>),
}

/// What the socket did not take: rest of the head, rest of the body. Boxed: it is rare, and a connection keeps the room for it.
pub(crate) type Unsent = Option<Box<(Bytes, Bytes)>>;

/// `None`: the request is not plain, or no fresh page answers it.
pub(crate) fn find<'a>(
    edge: &Edge,
    sites: &'a Sites,
    head: &Head<'_>,
    via: &Via,
    scratch: &'a mut Scratch,
) -> Option<Hit<'a>> {
    let started = Instant::now();
    if head.has_body() || head.seen.any(NOT_PLAIN) || !matches!(head.method, "GET" | "HEAD") {
        return None;
    }
    if head.target.scheme().is_some() || !head.target.is_encoded() {
        return None;
    }
    if forwarded::trusts(&edge.settings.trusted_proxies, via.peer) && speaks_of_another(head) {
        return None;
    }
    if telemetry::exporting() && is_sampled(head) {
        return None;
    }
    let path = path::normalise(head.target.path().as_bytes()).ok()?;
    let host = head.host.map_or("", |host| host.as_str());
    let Chosen::Location(_, location) = sites.choose(host).choose(&path) else { return None };
    if location.internal {
        return None;
    }
    if location.pool.is_none() {
        let (method, fields) = (method(head), fields(head));
        let reply = static_file::from_memory(edge, location, (&method, &fields), &path)?;
        let entry = Entry { location, result: CacheResult::File, started };
        return Some(Hit { found: Kept::File(Box::new(reply)), entry, out: &mut scratch.out });
    }
    let policy = location.cache.as_ref().filter(|policy| is_plain(policy))?;
    if location.expires != Expires::Off || (head.method == "HEAD" && policy.methods == Methods::Get) {
        return None;
    }
    let page = find_page(edge, policy, head, (via.scheme, host), started, &mut scratch.key)?;
    let entry = Entry { location, result: CacheResult::Hit, started };
    Some(Hit { found: Kept::Page(page), entry, out: &mut scratch.out })
}

impl<'a> Hit<'a> {
    /// Over HTTP/1: head and what was asked of the body in one call.
    pub(crate) fn send(
        self,
        edge: &Edge,
        head: &Head<'_>,
        via: &Via,
        keep_alive: bool,
        (stream, context): (&mut Stream, &mut Context<'_>),
    ) -> io::Result<Unsent> {
        let head_only = head.method == "HEAD";
        let Self { found, entry, out } = self;
        let Out { head: out, joined } = out;
        let (status, body) = match found {
            Kept::Page(page) if !head.seen.any(CONDITIONAL) => {
                let said = Said::of(&page, entry.started, keep_alive, head.version);
                let write_head = |out: &mut Vec<u8>| write_head(edge, &page, said, entry.started, out);
                if !head_only && let Some((whole, body_at)) = joined.find(&page, said, write_head) {
                    let taken = stream.write_now(context, &[IoSlice::new(whole)])?;
                    let unsent = rest(taken, whole.get(..body_at).unwrap_or_default(), &page.body);
                    entry.record(edge, head, via, page.head.status, page.body.len() as u64);
                    return Ok(unsent);
                }
                out.clear();
                write_head(out);
                (page.head.status, page.body.clone())
            }
            found => {
                let reply = found.reply(edge, head);
                let manner = Manner { head_only, version: head.version.into(), keep_alive };
                write::whole_head(out, &reply, manner);
                let body = if let ReplyBody::Whole(body) = reply.body { body } else { Bytes::new() };
                (reply.status, body)
            }
        };
        let body = if head_only { Bytes::new() } else { body };
        let taken = stream.write_now(context, &[IoSlice::new(out), IoSlice::new(&body)])?;
        let unsent = rest(taken, out, &body);
        entry.record(edge, head, via, status, body.len() as u64);
        Ok(unsent)
    }

    /// As a reply, the same as for whoever goes the long way.
    pub(crate) fn reply(self, edge: &Edge, head: &Head<'_>) -> (Reply, Entry<'a>) {
        (self.found.reply(edge, head), self.entry)
    }
}

impl Kept {
    fn reply(self, edge: &Edge, head: &Head<'_>) -> Reply {
        let reply = match self {
            Self::Page(page) => answer::hit_under(&method(head), &fields(head), &page),
            Self::File(reply) => *reply,
        };
        if edge.settings.nginx_cache_status { reply.in_nginx_words() } else { reply }
    }
}

impl Entry<'_> {
    /// Writes it down; `sent`: bytes of the body.
    pub(crate) fn record(&self, edge: &Edge, head: &Head<'_>, via: &Via, status: StatusCode, sent: u64) {
        let (location, status) = (self.location, status.as_u16());
        let duration = self.started.elapsed();
        location.metrics.record(self.result, status, sent, duration);
        if !location.access_log || edge.log.access.is_off() {
            return;
        }
        edge.log.access.log(&Record {
            time: SystemTime::now(),
            client: via.peer.ip().to_canonical(),
            method: head.method,
            target: head.target.as_str().as_bytes(),
            protocol: crate::application::ask::protocol(via.version(head)),
            status,
            bytes: sent,
            duration,
            upstream: None,
            cache: Some(self.result),
            host: head.host.map_or("", |host| host.as_str()),
            site: &location.site,
            referer: head.fields.values(Known::Referer).next(),
            user_agent: head.fields.values(Known::UserAgent).next(),
            trace_id: None,
        });
    }
}

/// It says who asks, or for what, on behalf of whom it comes from.
fn speaks_of_another(head: &Head<'_>) -> bool {
    head.seen.any(FORWARDING) || head.fields.iter().any(|(name, _)| forwarded::is_forwarding(name))
}

fn method(head: &Head<'_>) -> Method {
    if head.method == "HEAD" { Method::HEAD } else { Method::GET }
}

/// What of the request's fields it depends on how much of a page or file is sent, and in which coding.
fn fields(head: &Head<'_>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (known, name) in DECIDING.iter().filter(|(known, _)| head.seen.has(*known)) {
        for value in head.fields.values(*known).filter_map(|value| HeaderValue::from_bytes(value).ok()) {
            fields.append(name, value);
        }
    }
    fields
}

/// Nothing in the settings looks at more of a request than the key does.
fn is_plain(policy: &Policy) -> bool {
    policy.bypass.0.is_empty() && !policy.honour_request && policy.key_fields.is_empty()
}

fn is_sampled(head: &Head<'_>) -> bool {
    let parent = head.fields.values(Known::Traceparent).next();
    let parent = parent.and_then(|value| TraceContext::parse(std::str::from_utf8(value).ok()?));
    telemetry::sampler().decide(parent).sampled()
}

fn find_page(
    edge: &Edge,
    policy: &Policy,
    head: &Head<'_>,
    (scheme, host): (Scheme, &str),
    now: Instant,
    key: &mut Vec<u8>,
) -> Option<Arc<Page>> {
    key.clear();
    let (path, query) = (head.target.path().as_bytes(), head.target.query().map(str::as_bytes));
    let keyed =
        policy.key(scheme.as_str(), host, path, query, head.fields.values(Known::Cookie), key).ok()?;
    let look = Look {
        personal: keyed.personal,
        authorization: false,
        trimmed: keyed.trimmed,
        no_store: None,
        wants: Wants::default(),
    };
    match edge.cache.l1.find(key, &look, now, |names| vary::selected(names, &selecting(head, names))) {
        Found::Fresh(page) => Some(page),
        _ => None,
    }
}

/// The request's fields that Vary names.
fn selecting(head: &Head<'_>, names: &[HeaderName]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in head.fields.iter() {
        if let Some(name) = names.iter().find(|wanted| wanted.as_str().eq_ignore_ascii_case(name))
            && let Ok(value) = HeaderValue::from_bytes(value)
        {
            fields.append(name, value);
        }
    }
    fields
}

impl Said {
    fn of(page: &Page, now: Instant, keep_alive: bool, version: Version) -> Self {
        let age = page.head.age(now);
        let date = if page.has_date { 0 } else { clock::second(now) };
        Self { age: age.as_secs(), ttl: page.head.lifetime.ttl_at(age), date, keep_alive, version }
    }
}

fn write_head(edge: &Edge, page: &Page, said: Said, now: Instant, out: &mut Vec<u8>) {
    out.extend_from_slice(&page.wire_head);
    let status = answer::hit_status(said.ttl);
    out.extend_from_slice(b"cache-status: ");
    status.write(out);
    out.extend_from_slice(b"\r\n");
    if edge.settings.nginx_cache_status {
        write::field_line(out, answer::X_CACHE_STATUS.as_str(), status.nginx_word().as_bytes());
    }
    out.extend_from_slice(b"age: ");
    write::number(out, said.age);
    out.extend_from_slice(b"\r\n");
    if !page.has_date {
        write::date_line(out, now);
    }
    write::persistence_line(out, said.keep_alive, said.version.into());
    out.extend_from_slice(b"\r\n");
}

fn rest(taken: Taken, head: &[u8], body: &Bytes) -> Unsent {
    let written = taken.bytes;
    if taken.flushed && written == head.len() + body.len() {
        return None;
    }
    let head_rest = head.get(written..).unwrap_or_default();
    let body_rest = body.slice(written.saturating_sub(head.len())..);
    Some(Box::new((Bytes::copy_from_slice(head_rest), body_rest)))
}

#[cfg(test)]
mod tests;
