//! `bounds` of a listener: what connections there are bound by in place of `[edge.timeouts]` and
//! `[edge.limits]`. nginx takes these from the default server of an address.

use std::time::Duration;

use http1::head;
use process::units::{Size, Time};
use serde::Deserialize;

use crate::settings::Config;
use crate::settings::bounds::NO_TIME;

/// What a listener says of its own; what it leaves out is the edge's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerBoundsConfig {
    /// The time from the first byte of a request head to its last.
    pub head_timeout: Option<Time>,
    /// The time between two reads of a request body.
    pub body_timeout: Option<Time>,
    /// The time between two writes of a reply that the client accepts.
    pub send_timeout: Option<Time>,
    /// How long a connection may be without a request.
    pub keepalive_timeout: Option<Time>,
    /// Requests on one connection before it is closed.
    pub requests_per_connection: Option<u64>,
    /// Requests at once on one HTTP/2 connection.
    pub http2_streams: Option<u32>,
    /// Size of a request head.
    pub head: Option<Size>,
    /// Size of a request's path and query.
    pub target: Option<Size>,
    /// Field lines in a request head.
    pub fields: Option<usize>,
}

/// What bounds the connections of one listener.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionBounds {
    pub(crate) head: Duration,
    pub(crate) body: Duration,
    pub(crate) send: Duration,
    pub(crate) keepalive: Duration,
    pub(crate) requests: u64,
    pub(crate) http2_streams: u32,
    pub(crate) request_head: head::Limits,
}

impl ConnectionBounds {
    pub(crate) fn of(settings: &Config, own: Option<&ListenerBoundsConfig>) -> Self {
        let usual = ListenerBoundsConfig::default();
        let own = own.unwrap_or(&usual);
        let (timeouts, limits) = (&settings.timeouts, &settings.limits);
        Self {
            head: own.head_timeout.unwrap_or(timeouts.head).0,
            body: own.body_timeout.unwrap_or(timeouts.body).0,
            send: own.send_timeout.unwrap_or(timeouts.send).0,
            keepalive: own.keepalive_timeout.unwrap_or(timeouts.keepalive).0,
            requests: own.requests_per_connection.unwrap_or(limits.requests_per_connection),
            http2_streams: own.http2_streams.unwrap_or(limits.http2_streams),
            request_head: head::Limits {
                head: own.head.unwrap_or(limits.head).bytes(),
                target: own.target.unwrap_or(limits.target).bytes(),
                fields: own.fields.unwrap_or(limits.fields),
                strict_targets: settings.strict_targets,
                bare_line_feeds: settings.bare_line_feeds,
                underscores: settings.underscores,
            },
        }
    }
}

/// What is wrong with the bounds, with the key.
pub(crate) fn mistakes(own: &ListenerBoundsConfig) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let times = [
        ("head_timeout", own.head_timeout),
        ("body_timeout", own.body_timeout),
        ("send_timeout", own.send_timeout),
    ];
    for (key, _) in times.iter().filter(|(_, time)| time.is_some_and(|time| time.0.is_zero())) {
        found.push((*key, NO_TIME));
    }
    if own.requests_per_connection == Some(0) {
        found.push(("requests_per_connection", "must be at least 1"));
    }
    if own.head.is_some_and(|head| head.bytes() < 1024 || head.bytes() > 1 << 20) {
        found.push(("head", "must be from 1 KiB to 1 MiB"));
    }
    if own.http2_streams == Some(0) {
        found.push(("http2_streams", "must be at least 1"));
    }
    if own.fields.is_some_and(|fields| fields == 0 || fields > 1000) {
        found.push(("fields", "must be from 1 to 1000"));
    }
    found
}
