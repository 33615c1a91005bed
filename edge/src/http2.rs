//! One HTTP/2 connection, from preface to GOAWAY. The crate `http2` keeps frames, windows and header tables;
//! this room reads and writes, and adds deadlines and rates. Heads go through the HTTP/1 reader, so nothing
//! is accepted here that is refused there.
//!
//! One task reads, answers what memory can answer, and writes the frames of all streams together. A request
//! that needs more has a task of its own, which shares the state of the connection (`link`).

mod blocks;
mod exchange;
pub(crate) mod head;
mod link;
mod reply;
mod session;
mod traffic;
mod turn;
mod upload;

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ::http2::{FieldList, Limits};
use bytes::Bytes;

use crate::Edge;
use crate::connection::proxied::ProxyAddresses;
use crate::connection::stream::Stream;
use crate::connection::tls_session::TlsSession;
use crate::http1::linger::{linger, linger_briefly};
use crate::request::Via;
use crate::settings::listener_bounds::ConnectionBounds;
use http1::head::FieldSpan;

use blocks::HitBlocks;
use link::Link;
use session::{End, Session};
use turn::{RequestTurn, RequestTurns};

/// The first bytes of every HTTP/2 client (RFC 9113 section 3.4).
pub(crate) const PREFACE: &[u8; 24] = ::http2::PREFACE;

/// The window of one stream, and of all streams of a connection together: what a client may send before
/// somebody reads it.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Buffers of a thread, used while requests are read and answered; never held across a wait.
#[derive(Default)]
struct Http2Buffers {
    fields: FieldList,
    /// A head as HTTP/1 has it.
    head: Vec<u8>,
    spans: Vec<FieldSpan>,
    key: Vec<u8>,
    /// The header block of a reply.
    block: Vec<u8>,
    blocks: HitBlocks,
    /// The head of a hit as HTTP/1 has it.
    lines: Vec<u8>,
}

thread_local! {
    static BUFFERS: RefCell<Http2Buffers> = RefCell::default();
}

/// Serves requests until the peer or we close. `begun`: what was read of the connection already.
pub(crate) async fn serve(
    stream: Stream,
    begun: Bytes,
    (via, proxied): (Via, Option<Arc<ProxyAddresses>>),
    edge: Arc<Edge>,
) {
    let bounds = edge.bounds(via.listener);
    let link = Link::new(Limits {
        streams: bounds.http2_streams,
        head: bounds.request_head.head,
        stream_window: STREAM_WINDOW,
        connection_window: CONNECTION_WINDOW,
    });
    let client = Http2Client {
        via,
        tls: stream.session().cloned(),
        server: stream.local_addr().ok().map(|local| local.ip()),
        proxied,
        edge: edge.clone(),
        link,
        open: Arc::default(),
        turns: Arc::default(),
    };
    let (end, mut stream) = Session::new(stream, &client).serve(begun).await;
    // The client may still be sending: a reset would destroy what told it why the connection ends.
    match end {
        End::Gone | End::Usual => {}
        End::Broken => linger(&mut stream).await,
        // What floods the edge is not read for longer than the reason takes to arrive.
        End::Abort => linger_briefly(&mut stream).await,
    }
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
    link: Arc<Link>,
    /// Requests that are being answered.
    open: Arc<AtomicUsize>,
    turns: Arc<RequestTurns>,
}

/// Counts a request while it is being answered.
struct OpenStream(Arc<AtomicUsize>);

impl Http2Client {
    fn bounds(&self) -> &ConnectionBounds {
        self.edge.bounds(self.via.listener)
    }

    /// The right to answer one more request. `None`: the others take too long.
    async fn turn(&self) -> Option<RequestTurn> {
        let edge = &self.edge;
        let connections = || u64::try_from(edge.metrics.connections_active.get()).unwrap_or(1);
        let most = || edge.cache.bodies.requests_of_each(connections());
        self.turns.take(most, edge.settings.timeouts.wait.0).await
    }

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
