//! One HTTP/2 connection, from preface to GOAWAY. The `h2` crate keeps frames, windows and header tables;
//! this room adds the limits and timers that it lacks. Heads go through the HTTP/1 reader, so nothing is
//! accepted here that is refused there.
//!
//! `h2` is used directly, without hyper's server: hyper offers no deadline for a reply that waits for its
//! client, and no stream to reset (docs/decisions/0002).

mod exchange;
mod frames;
mod head;
mod reply;
mod upload;
mod watched;

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::time::timeout;

use crate::Edge;
use crate::connection::proxied::ProxyAddresses;
use crate::connection::stream::Stream;
use crate::connection::tls_session::TlsSession;
use crate::connection::watchdog::Watchdog;
use crate::http1::linger::{linger, linger_briefly};
use crate::request::Via;
use http1::head::FieldSpan;

use watched::{Traffic, WatchedStream};

/// The first bytes of every HTTP/2 client (RFC 9113 section 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The window of one stream, and of all streams of a connection together: what a client may send before
/// somebody reads it.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How much of one reply waits in `h2` for its client.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that `h2` refuses or resets, before it ends the connection. A client may send more requests than
/// SETTINGS allows before it has read them, so refusals are no mistake; streams that are reset because of the
/// client's mistakes (CVE-2025-8671) count as those that it resets itself (`limits.http2_resets`).
const OWN_RESETS: usize = 1024;
/// Streams that the client reset before we looked at them (CVE-2023-26964).
const PENDING_RESETS: usize = 20;
/// The time over which resets are counted.
const RESETS_OVER: Duration = Duration::from_secs(60);
/// How long the last frames may take to reach a client that does not read.
const GOODBYE: Duration = Duration::from_secs(2);

/// Buffers of a connection, used while a head is read.
#[derive(Default)]
struct StreamBuffers {
    head: Vec<u8>,
    spans: Vec<FieldSpan>,
    key: Vec<u8>,
}

type Http2Request = (Request<RecvStream>, SendResponse<Bytes>);

/// The next thing to do.
enum Http2Step {
    Stream(Box<Http2Request>),
    /// The last request was accepted: nothing more may begin.
    Drain,
    /// The peer is gone, or everything is sent.
    Closed,
    /// `h2` has ended it because of an error.
    Broken,
    /// The client takes too long, resets too often, or says nothing too often.
    Abort(Reason),
}

/// Serves requests until the peer or we close. `begun`: what was read of the connection already.
pub(crate) async fn serve(
    stream: Stream,
    begun: Bytes,
    (via, proxied): (Via, Option<Arc<ProxyAddresses>>),
    edge: Arc<Edge>,
) {
    let tls = stream.session().cloned();
    let server = stream.tcp().local_addr().ok().map(|local| local.ip());
    let limits = &edge.settings.limits;
    let traffic = Traffic::default();
    let handshake = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(limits.head.bytes()).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(Some(OWN_RESETS))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .handshake::<_, Bytes>(WatchedStream::new(stream, begun, traffic.clone()));
    let Ok(Ok(connection)) = timeout(edge.settings.timeouts.head.0, handshake).await else { return };
    let client = Http2Client { via, tls, server, proxied, edge: edge.clone(), open: Arc::default() };
    let session = Session {
        connection,
        traffic: traffic.clone(),
        requests: 0,
        draining: None,
        idle_since: Instant::now(),
    };
    let end = session.serve(&client).await;
    let Some(mut stream) = traffic.take_stream() else { return };
    // The client may still be sending: a reset would destroy what told it why the connection ends.
    match end {
        End::Usual => {}
        End::Broken => linger(&mut stream).await,
        // What floods the edge is not read for longer than the reason takes to arrive.
        End::Abort => linger_briefly(&mut stream).await,
    }
}

/// How a connection ended.
enum End {
    /// The client has left, or everything was answered.
    Usual,
    /// `h2` ended it because of an error of the client.
    Broken,
    /// The client takes too long, resets too often, or says nothing too often.
    Abort,
}

/// What all streams of a connection share.
#[derive(Clone)]
struct Http2Client {
    via: Via,
    /// What the TLS handshake agreed on.
    tls: Option<Arc<TlsSession>>,
    /// The address that it connected to.
    server: Option<IpAddr>,
    proxied: Option<Arc<ProxyAddresses>>,
    edge: Arc<Edge>,
    /// Requests that are being answered.
    open: Arc<AtomicUsize>,
}

/// Counts a request while it is being answered.
struct OpenStream(Arc<AtomicUsize>);

impl Http2Client {
    fn open(&self) -> OpenStream {
        self.open.fetch_add(1, Relaxed);
        OpenStream(self.open.clone())
    }
}

impl OpenStream {
    /// The number of requests of the connection that are being answered.
    fn beside(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

struct Session {
    connection: Connection<WatchedStream, Bytes>,
    traffic: Traffic,
    requests: u64,
    /// Since when it takes no more requests.
    draining: Option<Instant>,
    /// Since when no stream was seen open.
    idle_since: Instant,
}

impl Session {
    async fn serve(mut self, client: &Http2Client) -> End {
        let mut scratch = StreamBuffers::default();
        let mut watchdog = Watchdog::new();
        let shutdown = client.edge.shutdown.clone();
        let begin_drain = shutdown.draining();
        tokio::pin!(begin_drain);
        loop {
            let patience = self.patience(&client.edge);
            let stepping = poll_fn(|context| {
                if let Poll::Ready(step) = self.poll_step(context, client) {
                    return Poll::Ready(step);
                }
                match self.draining {
                    None => begin_drain.as_mut().poll(context).map(|()| Http2Step::Drain),
                    Some(_) => Poll::Pending,
                }
            });
            // Checks again when the time is up, because the reason for the deadline may have changed.
            let step = match watchdog.guard(patience, stepping).await {
                Ok(step) => step,
                Err(_) if self.patience(&client.edge).is_zero() => Http2Step::Abort(Reason::NO_ERROR),
                Err(_) => continue,
            };
            match step {
                Http2Step::Stream(accepted) => {
                    self.requests += 1;
                    let (request, respond) = *accepted;
                    let requests = u32::try_from(self.requests).unwrap_or(u32::MAX);
                    let via = Via { requests, ..client.via };
                    exchange::begin((client, via), request, respond, &mut scratch);
                    if self.requests >= client.edge.settings.limits.requests_per_connection {
                        self.drain();
                    }
                }
                Http2Step::Drain => self.drain(),
                Http2Step::Closed => return End::Usual,
                Http2Step::Broken => return End::Broken,
                Http2Step::Abort(reason) => {
                    self.connection.abrupt_shutdown(reason);
                    let _ = timeout(GOODBYE, poll_fn(|context| self.connection.poll_closed(context))).await;
                    return End::Abort;
                }
            }
        }
    }

    fn poll_step(&mut self, context: &mut Context<'_>, client: &Http2Client) -> Poll<Http2Step> {
        let accepted = self.connection.poll_accept(context);
        if self.connection.has_streams() {
            self.idle_since = Instant::now();
        }
        let limits = &client.edge.settings.limits;
        if self.traffic.resets_within(RESETS_OVER) > limits.http2_resets
            || self.traffic.is_idle_talk(limits.http2_idle_frames)
        {
            return Poll::Ready(Http2Step::Abort(Reason::ENHANCE_YOUR_CALM));
        }
        match accepted {
            Poll::Ready(Some(Ok(accepted))) => Poll::Ready(Http2Step::Stream(Box::new(accepted))),
            Poll::Ready(None) => Poll::Ready(Http2Step::Closed),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Http2Step::Broken),
            // A half-sent head, or a client that reads nothing, has a shorter deadline than an idle
            // connection.
            Poll::Pending if self.traffic.waits() => match self.patience(&client.edge) {
                Duration::ZERO => Poll::Ready(Http2Step::Abort(Reason::NO_ERROR)),
                _ => Poll::Pending,
            },
            Poll::Pending => Poll::Pending,
        }
    }

    /// How long the client may leave the connection in this state.
    fn patience(&self, edge: &Edge) -> Duration {
        let timeouts = &edge.settings.timeouts;
        let left = |since: Option<Instant>, whole: Duration| {
            since.map_or(Duration::MAX, |since| whole.saturating_sub(since.elapsed()))
        };
        let idle = if self.requests == 0 { timeouts.head.0 } else { timeouts.keepalive.0 };
        let (idle_since, idle) = match self.draining {
            Some(begun) => (self.idle_since.max(begun), idle.min(DRAINED)),
            None => (self.idle_since, idle),
        };
        left(self.traffic.unfinished_since(), timeouts.head.0)
            .min(left(self.traffic.blocked_since(), timeouts.send.0))
            .min(left((!self.connection.has_streams()).then_some(idle_since), idle))
            .min(LOOK_AGAIN)
    }

    /// Sends GOAWAY: requests in progress finish, new ones use another connection.
    fn drain(&mut self) {
        if self.draining.is_none() {
            self.draining = Some(Instant::now());
            self.connection.graceful_shutdown();
        }
    }
}

/// How long a connection that takes no more requests, and has none, waits for its client to say that it
/// knows.
const DRAINED: Duration = Duration::from_secs(5);
/// So often a connection's deadlines are looked at, whatever wakes it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
