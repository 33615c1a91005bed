//! `[edge.timeouts]` and `[edge.limits]`: a deadline for every wait, a bound for every buffer and table.

use process::units::{Size, Time};
use serde::Deserialize;

/// What is wrong with a time of zero.
pub(crate) const NO_TIME: &str = "must be longer than zero, for example \"5s\"";

/// `[edge.timeouts]`: every wait has a deadline.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// The time of a TLS handshake, from its first byte to its last.
    pub handshake: Time,
    /// The time from the first byte of a request head to its last.
    pub head: Time,
    /// The time between two reads of a request body.
    pub body: Time,
    /// The time between two writes of a reply that the client accepts; see also `limits.send_rate`.
    pub send: Time,
    /// How long a connection may be without a request.
    pub keepalive: Time,
    /// How long the application may take for the head of its reply.
    pub application: Time,
    /// How long the cache-node may take for its first answer; then the edge continues without the node.
    pub cache: Time,
    /// How long a cache-node may take to count a request for all edges; then this edge counts alone.
    pub limit: Time,
    /// How long a request waits for another one that fetches the same page; then it goes to the application
    /// itself.
    pub wait: Time,
    /// How long a connection that switched to another protocol (WebSocket) may carry no byte in either
    /// direction.
    pub tunnel: Time,
    /// How long such connections may go on at shutdown.
    pub tunnel_drain: Time,
    /// How long to wait until all acknowledge a purge; then the answer names those missing.
    pub purge: Time,
    /// How long requests in progress may take at shutdown.
    pub drain: Time,
}

/// `[edge.limits]`: every buffer and table has a bound.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once, over all listeners; more are closed at once.
    pub connections: usize,
    /// Requests on one connection before it is closed.
    pub requests_per_connection: u64,
    /// Requests at once on one HTTP/2 connection; more are refused, to be sent again.
    pub http2_streams: u32,
    /// Requests that one HTTP/2 connection may reset in a minute; then it is closed.
    pub http2_resets: usize,
    /// Frames that ask for nothing and carry nothing (SETTINGS, PING, PRIORITY, WINDOW_UPDATE, unknown ones)
    /// which one HTTP/2 connection may send in a minute beyond what its requests and replies explain; then it
    /// is closed.
    pub http2_idle_frames: u64,
    /// Bytes per second that a client takes of a reply at least, over `timeouts.send`; slower clients are cut
    /// off. 0: any.
    pub send_rate: Size,
    /// Size of a request head.
    pub head: Size,
    /// Size of a request's path and query.
    pub target: Size,
    /// Field lines in a request head.
    pub fields: usize,
    /// Pages being fetched or looked up at once through the cache; more requests go straight to the
    /// application.
    pub fills: usize,
    /// Requests that wait for a page that another request fetches; more go straight to the application.
    pub waiters: usize,
    /// Bytes of pages on their way to clients, all together; beyond it a page is not kept, and follows its
    /// fastest reader.
    pub bodies: Size,
    /// Requests for one page that go to the application at once because its reply could not be stored a short
    /// time ago; more wait.
    pub hit_for_miss: usize,
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
            limit: Time::from_millis(5),
            wait: Time::from_secs(5),
            tunnel: Time::from_secs(60),
            tunnel_drain: Time::from_secs(2),
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
            http2_idle_frames: 1000,
            send_rate: Size(500),
            head: Size::kibibytes(32),
            target: Size::kibibytes(8),
            fields: 100,
            fills: 10_000,
            waiters: 50_000,
            bodies: Size::mebibytes(128),
            hit_for_miss: 32,
        }
    }
}
