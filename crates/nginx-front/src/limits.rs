//! Time limits and sizes of connections: those of `http` for all, and of each listener what its default
//! server says otherwise.

use nginx_conf::values;

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
pub(crate) fn translate<'a>(translator: &mut Translator<'a>, http: &Scope<'a>, edge: &mut Table) {
    let mut timeouts = Table::new(None);
    for (key, name, default) in [
        ("head", "client_header_timeout", 60_000),
        ("body", "client_body_timeout", 60_000),
        ("send", "send_timeout", 60_000),
        ("keepalive", "keepalive_timeout", 75_000),
    ] {
        timeouts.set(key, time(milliseconds(http, name).unwrap_or(default)), name);
    }
    let read = translator.pools.longest_read().max(60_000);
    timeouts.set("application", time(read), "the longest *_read_timeout");
    timeouts.set("tunnel", time(read), "");
    edge.set("timeouts", Value::Section(timeouts), "");

    let mut limits = Table::new(None);
    let number = |name: &str, default: u64| http.arg(name).and_then(values::number).unwrap_or(default);
    if let Some((head, target)) = heads(http) {
        limits.set("head", head, "large_client_header_buffers");
        limits.set("target", target, "");
    }
    limits.set("fields", number("max_headers", 1000).clamp(1, 1000), "max_headers");
    limits.set("requests_per_connection", number("keepalive_requests", 1000).max(1), "keepalive_requests");
    limits.set(
        "http2_streams",
        number("http2_max_concurrent_streams", 128).max(1),
        "http2_max_concurrent_streams",
    );
    edge.set("limits", Value::Section(limits), "");
    forwarded::translate(translator, http, edge);
}

/// `bounds` of a listener: what its default server says otherwise than `http`.
pub(crate) fn of_listener(server: &Scope<'_>) -> Option<Table> {
    let http = server.outside();
    let mut bounds = Table::default();
    for (key, name) in [
        ("head_timeout", "client_header_timeout"),
        ("body_timeout", "client_body_timeout"),
        ("send_timeout", "send_timeout"),
        ("keepalive_timeout", "keepalive_timeout"),
    ] {
        if let Some(value) =
            milliseconds(server, name).filter(|value| milliseconds(&http, name) != Some(*value))
        {
            bounds.set(key, time(value), "");
        }
    }
    let number = |scope: &Scope<'_>, name: &str| scope.arg(name).and_then(values::number);
    for (key, name, most) in [
        ("requests_per_connection", "keepalive_requests", u64::from(u32::MAX)),
        ("http2_streams", "http2_max_concurrent_streams", u64::from(u32::MAX)),
        ("fields", "max_headers", 1000),
    ] {
        if let Some(value) = number(server, name).filter(|value| number(&http, name) != Some(*value)) {
            bounds.set(key, value.clamp(1, most), "");
        }
    }
    if let Some((head, target)) = heads(server).filter(|_| heads(server) != heads(&http)) {
        bounds.set("head", head, "");
        bounds.set("target", target, "");
    }
    (!bounds.is_empty()).then_some(bounds)
}

/// A time that a block or one around it says. A connection that is closed at once would be of no use.
fn milliseconds(scope: &Scope<'_>, name: &str) -> Option<u64> {
    scope.arg(name).and_then(values::milliseconds).map(|value| value.max(1))
}

/// `large_client_header_buffers`: bytes of a head, and of its first line.
fn heads(scope: &Scope<'_>) -> Option<(u64, u64)> {
    let directive = scope.one("large_client_header_buffers")?;
    let (count, size) = (values::number(directive.arg(0)?)?, values::size(directive.arg(1)?)?);
    let head = count.saturating_mul(size).clamp(1024, 1 << 20);
    Some((head, size.min(head)))
}
