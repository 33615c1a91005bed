//! The plain hit: a GET or HEAD that a fresh L1 page answers as it is, on the spot. Takes no global lock, copies no body, waits for
//! nothing. Whatever is not plain goes the long way, through the handler, and gets the same bytes.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Context;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_cache::{Look, Methods, Policy, Wants, vary};
use process::telemetry;
use process::trace::TraceContext;

use crate::Edge;
use crate::access_log::Record;
use crate::answer;
use crate::ask::Scheme;
use crate::expires::Expires;
use crate::head::{Head, Known, Seen, Version};
use crate::l1::Found;
use crate::metrics::CacheResult;
use crate::page::Page;
use crate::path;
use crate::sites::{Chosen, Location};
use crate::stream::{Stream, Taken};
use crate::writer;

/// Fields that make a request anything but plain.
const NOT_PLAIN: Seen = Seen::of(&[
    Known::Authorization,
    Known::Expect,
    Known::IfMatch,
    Known::IfModifiedSince,
    Known::IfNoneMatch,
    Known::IfRange,
    Known::IfUnmodifiedSince,
    Known::Range,
    Known::Upgrade,
]);
/// Fields by which a trusted proxy speaks of the client.
const FORWARDING: Seen = Seen::of(&[Known::Forwarded, Known::XForwarded, Known::XRealIp]);

/// Buffers of a thread.
#[derive(Default)]
pub(crate) struct Scratch {
    key: Vec<u8>,
    head: Vec<u8>,
}

/// Who asks, and over what.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) peer: SocketAddr,
    pub(crate) scheme: Scheme,
}

pub(crate) enum Answer {
    /// Sent, but for what the socket did not take: rest of the head, rest of the body.
    Sent {
        unsent: Option<(Bytes, Bytes)>,
    },
    /// The connection is broken.
    Failed,
    NotPlain,
}

pub(crate) fn answer(
    edge: &Edge,
    head: &Head<'_>,
    client: Client,
    stream: &mut Stream,
    context: &mut Context<'_>,
    keep_alive: bool,
    scratch: &mut Scratch,
) -> Answer {
    let started = Instant::now();
    if head.has_body() || head.seen.any(NOT_PLAIN) || !matches!(head.method, "GET" | "HEAD") {
        return Answer::NotPlain;
    }
    if head.seen.any(FORWARDING) && edge.trusts(client.peer) || head.target.scheme().is_some() {
        return Answer::NotPlain;
    }
    if telemetry::exporting() && is_sampled(head) {
        return Answer::NotPlain;
    }
    let sites = edge.sites.load();
    let Ok(path) = path::normalise(head.target.path().as_bytes()) else { return Answer::NotPlain };
    let host = head.host.map_or("", |host| host.as_str());
    let Chosen::Location(_, location) = sites.choose(host).choose(&path) else { return Answer::NotPlain };
    let Some(policy) = location.cache.as_ref().filter(|policy| is_plain(policy) && !location.internal) else {
        return Answer::NotPlain;
    };
    if location.expires != Expires::Off || (head.method == "HEAD" && policy.methods == Methods::Get) {
        return Answer::NotPlain;
    }
    let Some(page) = find(edge, policy, head, (client.scheme, host), started, &mut scratch.key) else {
        return Answer::NotPlain;
    };
    write_head(edge, &page, keep_alive, head.version, started, &mut scratch.head);
    let body = if head.method == "HEAD" { Bytes::new() } else { page.body.clone() };
    let parts = [IoSlice::new(&scratch.head), IoSlice::new(&body)];
    let Ok(taken) = stream.write_now(context, &parts) else { return Answer::Failed };
    let unsent = rest(taken, &scratch.head, &body);
    record(edge, head, client.peer, location, &page, body.len() as u64, started);
    Answer::Sent { unsent }
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

fn find(
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
    match edge.l1.find(key, &look, now, |names| vary::selected(names, &selecting(head, names))) {
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

fn write_head(edge: &Edge, page: &Page, keep_alive: bool, version: Version, now: Instant, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&page.wire_head);
    out.extend_from_slice(b"age: ");
    writer::number(out, page.head.age(now).as_secs());
    out.extend_from_slice(b"\r\n");
    let status = answer::hit_status(&page.head, now);
    writer::field_line(out, answer::CACHE_STATUS.as_str(), status.to_value().as_bytes());
    if edge.settings.nginx_cache_status {
        writer::field_line(out, answer::X_CACHE_STATUS.as_str(), status.nginx_word().as_bytes());
    }
    writer::persistence_line(out, keep_alive, version.into());
    out.extend_from_slice(b"\r\n");
}

fn rest(taken: Taken, head: &[u8], body: &Bytes) -> Option<(Bytes, Bytes)> {
    let written = taken.bytes;
    if taken.flushed && written == head.len() + body.len() {
        return None;
    }
    let head_rest = head.get(written..).unwrap_or_default();
    Some((Bytes::copy_from_slice(head_rest), body.slice(written.saturating_sub(head.len())..)))
}

fn record(
    edge: &Edge,
    head: &Head<'_>,
    peer: SocketAddr,
    location: &Location,
    page: &Page,
    sent: u64,
    started: Instant,
) {
    let status = page.head.status.as_u16();
    let duration = started.elapsed();
    location.metrics.record(CacheResult::Hit, status, sent, duration);
    if !location.access_log {
        return;
    }
    edge.log.log(&Record {
        time: SystemTime::now(),
        client: peer.ip().to_canonical(),
        method: head.method,
        target: head.target.as_str().as_bytes(),
        protocol: crate::ask::protocol(head.version.into()),
        status,
        bytes: sent,
        duration,
        upstream: None,
        cache: Some(CacheResult::Hit),
        host: head.host.map_or("", |host| host.as_str()),
        site: &location.site,
        referer: head.fields.values(Known::Referer).next(),
        user_agent: head.fields.values(Known::UserAgent).next(),
        trace_id: None,
    });
}
