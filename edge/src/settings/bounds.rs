//! `[edge.timeouts]` and `[edge.limits]`: a deadline for every wait, a bound for every buffer and table.

use process::units::{Size, Time};
use serde::Deserialize;

/// `[edge.timeouts]`: every wait has one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// A TLS handshake, from the first byte to the last.
    pub handshake: Time,
    /// From the first byte of a request head to its last.
    pub head: Time,
    /// Between two reads of a request body.
    pub body: Time,
    /// Between two writes of a reply that the client takes.
    pub send: Time,
    /// A connection without a request under way.
    pub keepalive: Time,
    /// For the application's reply head.
    pub application: Time,
    /// For the cache-node's first answer; after it the edge goes on without the node.
    pub cache: Time,
    /// A request waits so long for another that makes the same page; then it goes to the application itself.
    pub wait: Time,
    /// A connection that has switched to another protocol (WebSocket), without a byte either way.
    pub tunnel: Time,
    /// For all to acknowledge a purge; then the answer names who has not.
    pub purge: Time,
    /// Running requests at shutdown.
    pub drain: Time,
}

/// `[edge.limits]`: every buffer and table has one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once, over all listeners; more are closed at once.
    pub connections: usize,
    /// Requests on one connection before it is closed.
    pub requests_per_connection: u64,
    /// Requests at once on one HTTP/2 connection; more are refused, to be sent again.
    pub http2_streams: u32,
    /// Requests that one HTTP/2 connection may take back in a minute; then it is closed.
    pub http2_resets: usize,
    /// Size of a request head.
    pub head: Size,
    /// Size of a request's path and query.
    pub target: Size,
    /// Field lines in a request head.
    pub fields: usize,
    /// Pages being made or looked up at once through the cache; more requests go straight to the application.
    pub fills: usize,
    /// Requests that wait for a page another makes; more go straight to the application.
    pub waiters: usize,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Time::from_secs(10),
            head: Time::from_secs(10),
            body: Time::from_secs(60),
            send: Time::from_secs(60),
            keepalive: Time::from_secs(75),
            application: Time::from_secs(60),
            cache: Time::from_millis(250),
            wait: Time::from_secs(5),
            tunnel: Time::from_secs(60),
            purge: Time::from_secs(5),
            drain: Time::from_secs(30),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 50_000,
            requests_per_connection: 100_000,
            http2_streams: 100,
            http2_resets: 200,
            head: Size::kibibytes(32),
            target: Size::kibibytes(8),
            fields: 100,
            fills: 10_000,
            waiters: 50_000,
        }
    }
}
