//! Time limits and sizes, which Weir has once for all sites: the largest that some server asks for.

use nginx_conf::{Directive, values};

use crate::forwarded;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

/// A time of nginx's as Weir writes it.
pub(crate) fn time(milliseconds: u64) -> Value {
    if milliseconds.is_multiple_of(1000) {
        format!("{}s", milliseconds / 1000).into()
    } else {
        format!("{milliseconds}ms").into()
    }
}

/// Sets `[edge.timeouts]`, `[edge.limits]` and whom to believe.
pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    http: &Scope<'a>,
    servers: &[&'a Directive],
    edge: &mut Table,
) {
    let scopes: Vec<Scope<'a>> = servers.iter().map(|server| http.inside(server.children())).collect();
    let mut timeouts = Table::new(None);
    for (key, name, default) in [
        ("head", "client_header_timeout", 60_000),
        ("body", "client_body_timeout", 60_000),
        ("send", "send_timeout", 60_000),
        ("keepalive", "keepalive_timeout", 75_000),
    ] {
        largest(translator, &scopes, name, default, &mut |value| timeouts.set(key, time(value), name));
    }
    let read = translator.pools.longest_read().max(60_000);
    timeouts.set("application", time(read), "the longest *_read_timeout");
    timeouts.set("tunnel", time(read), "");
    edge.set("timeouts", Value::Section(timeouts), "");

    let mut limits = Table::new(None);
    // They hold for all servers, so none gets less than it says, or than nginx gives one that says nothing.
    let most = |name: &str, default: u64| {
        let of = |scope: &Scope<'_>| scope.arg(name).and_then(values::number).unwrap_or(default);
        scopes.iter().map(of).max().unwrap_or(default)
    };
    let is_named = |name: &str| scopes.iter().any(|scope| scope.one(name).is_some());
    if is_named("large_client_header_buffers") {
        let heads = scopes.iter().map(|scope| {
            let directive = scope.one("large_client_header_buffers");
            let buffers = directive.and_then(|directive| {
                Some((values::number(directive.arg(0)?)?, values::size(directive.arg(1)?)?))
            });
            buffers.unwrap_or(HEADER_BUFFERS)
        });
        let heads = heads.max_by_key(|(count, size)| count.saturating_mul(*size));
        let (count, size) = heads.unwrap_or(HEADER_BUFFERS);
        let head = count.saturating_mul(size).clamp(1024, 1 << 20);
        limits.set("head", head, "large_client_header_buffers");
        limits.set("target", size.min(head), "");
    }
    limits.set("fields", most("max_headers", 1000).clamp(1, 1000), "max_headers");
    limits.set("requests_per_connection", most("keepalive_requests", 1000).max(1), "keepalive_requests");
    if is_named("http2_max_concurrent_streams") {
        let streams = most("http2_max_concurrent_streams", 128).max(1);
        limits.set("http2_streams", streams, "http2_max_concurrent_streams");
    }
    edge.set("limits", Value::Section(limits), "");
    forwarded::translate(translator, http, &scopes, edge);
}

/// nginx's `large_client_header_buffers`: how many, and bytes of each.
const HEADER_BUFFERS: (u64, u64) = (4, 8192);

/// The largest value of a time over all servers; says so if they differ.
fn largest<'a>(
    translator: &mut Translator<'a>,
    scopes: &[Scope<'a>],
    name: &str,
    default: u64,
    set: &mut dyn FnMut(u64),
) {
    let of = |scope: &Scope<'_>| scope.arg(name).and_then(values::milliseconds).unwrap_or(default);
    let largest = scopes.iter().map(of).max().unwrap_or(default);
    for scope in scopes.iter().filter(|scope| of(scope) != largest) {
        if let Some(directive) = scope.one(name) {
            let text = format!("Weir has one for all servers, the longest: {largest} ms");
            translator.ledger.different(directive, text);
        }
    }
    // A connection that is closed at once would be of no use.
    set(largest.max(1));
}
