//! The fast path: a GET or HEAD that a fresh L1 page or a file in memory answers at once. It takes no global
//! lock, copies no body, and waits for nothing. All other requests go through the handler, and get the same
//! bytes.

use std::sync::Arc;
use std::time::Instant;

use http::header::{
    ACCEPT_ENCODING, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_cache::{ClientAddress, Look, Methods, Policy, vary};
use http1::head::{Head, Known, Scheme, Seen};
use process::telemetry;
use process::trace::TraceContext;

use crate::Edge;
use crate::cache::l1;
use crate::cache::page::Page;
use crate::handler::static_file;
use crate::log::record::HitRecord;
use crate::metrics::CacheResult;
use crate::reply::{Reply, answer};
use crate::request::{Via, forwarded, path};
use crate::route::{Chosen, Location, Sites};
use crate::settings::expires::Expires;

/// Fields that exclude a request from the fast path.
const NOT_PLAIN: Seen = Seen::of(&[Known::Authorization, Known::Expect, Known::Upgrade]);
/// Fields that decide which part of a page or file is sent.
const DECIDING: &[(Known, HeaderName)] = &[
    (Known::AcceptEncoding, ACCEPT_ENCODING),
    (Known::IfMatch, IF_MATCH),
    (Known::IfModifiedSince, IF_MODIFIED_SINCE),
    (Known::IfNoneMatch, IF_NONE_MATCH),
    (Known::IfRange, IF_RANGE),
    (Known::IfUnmodifiedSince, IF_UNMODIFIED_SINCE),
    (Known::Range, RANGE),
];
/// Fields in which a trusted proxy describes the client.
const FORWARDING: Seen = Seen::of(&[Known::Forwarded, Known::XForwarded, Known::XRealIp]);

/// What answers the request, and what the log needs to know about it.
pub(crate) struct PlainHit<'a> {
    pub(crate) found: Found,
    pub(crate) record: HitRecord<'a>,
    pub(crate) https: bool,
}

/// A file in memory that is still valid.
pub(crate) enum Found {
    Page(Arc<Page>),
    File(Box<Reply>),
}

/// Finds it; `key` is a buffer that is used again and again. `None`: the request is not plain, or no fresh
/// page answers it.
pub(crate) fn find<'a>(
    edge: &Edge,
    sites: &'a Sites,
    head: &Head<'_>,
    via: &Via,
    key: &mut Vec<u8>,
) -> Option<PlainHit<'a>> {
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
    if location.internal || location.needs_whole_request() {
        return None;
    }
    if location.pool.is_none() {
        let (method, fields) = (method(head), fields(head));
        let reply = static_file::from_memory(edge, location, (&method, &fields), &path)?;
        let record = HitRecord { location, result: CacheResult::File, started };
        return Some(PlainHit {
            found: Found::File(Box::new(reply)),
            record,
            https: via.scheme == Scheme::Https,
        });
    }
    let policy = location.cache.as_ref().filter(|policy| is_plain(policy))?;
    if location.expires != Expires::Off || (head.method == "HEAD" && policy.methods == Methods::Get) {
        return None;
    }
    if head.seen.has(Known::Other) {
        return None;
    }
    let page = find_page(edge, policy, head, (via.scheme, host), started, key)?;
    let record = HitRecord { location, result: CacheResult::Hit, started };
    Some(PlainHit { found: Found::Page(page), record, https: via.scheme == Scheme::Https })
}

impl<'a> PlainHit<'a> {
    /// Makes a reply equal to the handler's.
    pub(crate) fn reply(self, edge: &Edge, head: &Head<'_>) -> (Reply, HitRecord<'a>) {
        (self.found.reply(edge, head, (self.record.location, self.https)), self.record)
    }
}

impl Found {
    pub(crate) fn reply(self, edge: &Edge, head: &Head<'_>, (location, https): (&Location, bool)) -> Reply {
        let mut reply = match self {
            Self::Page(page) => answer::hit_under(&method(head), &fields(head), &page),
            Self::File(reply) => *reply,
        };
        if let Some(fields) = &location.reply_fields {
            fields.apply(reply.status, &mut reply.headers, None, https);
        }
        if edge.settings.nginx_cache_status { reply.in_nginx_words() } else { reply }
    }
}

/// It says who asks, or what for, on behalf of its sender.
fn speaks_of_another(head: &Head<'_>) -> bool {
    head.seen.any(FORWARDING) || head.fields.iter().any(|(name, _)| forwarded::is_forwarding(name))
}

fn method(head: &Head<'_>) -> Method {
    if head.method == "HEAD" { Method::HEAD } else { Method::GET }
}

/// The request's fields that decide how much of a page or file is sent, and in which coding.
fn fields(head: &Head<'_>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (known, name) in DECIDING.iter().filter(|(known, _)| head.seen.has(*known)) {
        for value in head.fields.values(*known).filter_map(|value| HeaderValue::from_bytes(value).ok()) {
            fields.append(name, value);
        }
    }
    fields
}

/// No setting looks at more of a request than the key and the names that are known here.
fn is_plain(policy: &Policy) -> bool {
    policy.bypass.0.is_empty()
        && !policy.honour_request
        && policy.fields.is_default()
        && policy.client == ClientAddress::Ignore
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
    let look = Look { personal: keyed.personal, trimmed: keyed.trimmed, ..Look::default() };
    let selected = |names: &[HeaderName]| vary::selected(names, &policy.selecting(names, head.fields.iter()));
    match edge.cache.l1.find(key, &look, now, selected) {
        // The parameters that the key ignores may have to be added to where it leads.
        l1::Found::Fresh(page) if keyed.trimmed && page.head.status.is_redirection() => None,
        l1::Found::Fresh(page) => Some(page),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
