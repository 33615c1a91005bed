//! One HTTP/1 connection, from accept to close. It waits for bytes without a buffer, reads heads strictly,
//! answers fast-path hits at once, hands everything else to the handler, and keeps the framing of both
//! directions.

mod exchange;
mod parked;
mod refused_head;
mod through;

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use http::Version;
use process::shutdown::Shutdown;
use tokio::io::{AsyncRead, ReadBuf};

pub(crate) use self::parked::ParkedConnection;
use crate::Edge;
use crate::connection::proxied::ProxyAddresses;
use crate::connection::stream::Stream;
use crate::connection::watchdog::Watchdog;
use crate::handler::plain::{self, PlainWay};
use crate::handler::through::{AskedRequest, ThroughRequest};
use crate::http1::connection::exchange::ReceivedRequest;
use crate::http1::connection::refused_head::RefusedHead;
use crate::http1::linger::{Persistence, linger};
use crate::http1::send_hit::{self, RestOfHit, Room};
use crate::http1::write;
use crate::http1::write::WriteManner;
use crate::reply::error;
use crate::request::Via;
use http1::head;
use http1::head::{FieldSpan, Head, Progress, Refusal};

/// How long an idle connection stays open when a drain begins: a request may be on its way, which would be
/// lost if the connection closed at once.
const LAST_REQUEST: Duration = Duration::from_secs(1);
/// A connection that has been silent for this long is parked.
const PARKED_AFTER: Duration = Duration::from_millis(250);
/// Bytes read at once while a connection waits for a head.
const INPUT: usize = 16 * 1024;

/// The buffers for finding and sending a fast-path hit.
#[derive(Default)]
struct Buffers {
    key: Vec<u8>,
    room: Room,
}

/// Buffers of a thread, lent to the connection that is being worked on; never held across a wait.
struct ThreadBuffers {
    input: Box<[u8]>,
    spans: Vec<FieldSpan>,
    buffers: Buffers,
}

thread_local! {
    static SCRATCH: RefCell<ThreadBuffers> = RefCell::new(ThreadBuffers {
        input: vec![0; INPUT].into_boxed_slice(),
        spans: Vec::with_capacity(64),
        buffers: Buffers::default(),
    });
}

pub(crate) struct Connection {
    stream: Stream,
    via: Via,
    /// What the PROXY protocol has said.
    proxied: Option<Arc<ProxyAddresses>>,
    edge: Arc<Edge>,
    /// Bytes of an incomplete head, or of what follows the last request; holds no memory while idle.
    buffer: BytesMut,
    /// How much of an incomplete head has been scanned.
    progress: Progress,
    /// A drain that begins wakes this task.
    awaits_drain: bool,
    /// A drain has begun: one more request is answered, if it comes soon.
    drains: bool,
    /// When an idle connection ends that was silent for a moment, or was parked.
    idle_until: Option<Instant>,
}

/// The result of one look at the connection's bytes.
enum ConnectionStep {
    /// The head is incomplete.
    Partial,
    /// A fast-path hit, answered. What the socket did not accept is still to be written.
    Answered {
        unsent: RestOfHit,
        after: Persistence,
    },
    Request(Box<ReceivedRequest>),
    /// It goes straight to the application.
    Through {
        request: Box<(ThroughRequest, AskedRequest)>,
        after: Persistence,
    },
    Refused(Box<RefusedHead>),
    /// The connection is idle, and the edge drains.
    Drain,
    Closed,
}

/// Why a connection is no longer served by its edge.
enum ConnectionEnd {
    /// It is over.
    Closed,
    /// The edge drains: another has its place, or the process ends.
    Replaced,
    /// It is silent, and may be parked.
    Silent,
}

impl Connection {
    /// Makes a connection. `buffer` holds what was read from it already.
    pub(crate) fn new(stream: Stream, via: Via, buffer: BytesMut, edge: Arc<Edge>) -> Self {
        Self {
            stream,
            via,
            proxied: None,
            edge,
            buffer,
            progress: Progress::default(),
            awaits_drain: false,
            drains: false,
            idle_until: None,
        }
    }

    /// The work that a drain waits for.
    pub(crate) fn shutdown(&self) -> Shutdown {
        self.edge.shutdown.clone()
    }

    /// What the PROXY protocol has said of the connection.
    pub(crate) fn proxied(self, proxied: Option<Arc<ProxyAddresses>>) -> Self {
        Self { proxied, ..self }
    }

    /// Serves requests until the peer or the edge closes. `Some`: it is silent, may be parked, and ends then.
    pub(crate) async fn serve(&mut self) -> Option<Instant> {
        loop {
            match self.serve_by_edge().await {
                ConnectionEnd::Closed => return None,
                ConnectionEnd::Replaced => self.follow(),
                ConnectionEnd::Silent => return self.idle_until,
            }
        }
    }

    /// Goes over to the edge that has taken the place of this one's. Without one, or if another thing is
    /// spoken at the listener now, it stays and drains.
    fn follow(&mut self) {
        self.idle_until = None;
        if let Some(newest) = self.edge.successor()
            && let Some(listener) = newest.listener_of(&self.edge, self.via.listener)
        {
            self.via.listener = listener;
            self.edge = newest;
        } else {
            self.drains = true;
        }
    }

    /// Serves until the connection has ended, or a drain or another edge calls it away between two requests.
    async fn serve_by_edge(&mut self) -> ConnectionEnd {
        let edge = self.edge.clone();
        let mut watchdog = Watchdog::new();
        let draining = edge.shutdown.draining();
        tokio::pin!(draining);
        let mut head_started: Option<Instant> = None;
        self.awaits_drain = false;
        loop {
            if head_started.is_none() && !self.drains && edge.shutdown.is_draining() {
                return ConnectionEnd::Replaced;
            }
            let step = if !self.buffer.is_empty() && head_started.is_none() {
                // Bytes behind the last request are examined before more are read.
                poll_fn(|context| Poll::Ready(self.look_at_buffer(context))).await
            } else {
                let (patience, silence) = self.waits(head_started);
                let stepping = poll_fn(|context| match self.poll_step(context) {
                    Poll::Ready(step) => Poll::Ready(step),
                    Poll::Pending if self.drains => Poll::Pending,
                    Poll::Pending if self.awaits_drain && !edge.shutdown.is_draining() => Poll::Pending,
                    Poll::Pending => {
                        self.awaits_drain = true;
                        draining.as_mut().poll(context).map(|()| ConnectionStep::Drain)
                    }
                });
                match watchdog.guard(silence, stepping).await {
                    Ok(step) => step,
                    Err(_) if silence < patience => {
                        self.idle_until = Some(Instant::now() + (patience - silence));
                        return ConnectionEnd::Silent;
                    }
                    Err(_) => ConnectionStep::Closed,
                }
            };
            self.idle_until = None;
            head_started = match step {
                ConnectionStep::Partial => head_started.or_else(|| Some(Instant::now())),
                _ => None,
            };
            match step {
                ConnectionStep::Partial => {}
                ConnectionStep::Answered { unsent, after } => {
                    if let Some(rest) = unsent
                        && Box::pin(self.write_rest(*rest)).await.is_err()
                    {
                        return ConnectionEnd::Closed;
                    }
                    if after != Persistence::Next {
                        self.end(after).await;
                        return ConnectionEnd::Closed;
                    }
                }
                ConnectionStep::Request(incoming) => {
                    // Boxed, like everything that an idle connection does not need: its task holds none of
                    // it.
                    if !Box::pin(self.exchange(*incoming)).await {
                        return ConnectionEnd::Closed;
                    }
                }
                ConnectionStep::Through { request, after } => {
                    if !Box::pin(self.pass_through(request, after)).await {
                        return ConnectionEnd::Closed;
                    }
                }
                ConnectionStep::Refused(refused) => {
                    Box::pin(self.refuse(*refused)).await;
                    return ConnectionEnd::Closed;
                }
                ConnectionStep::Drain => return ConnectionEnd::Replaced,
                ConnectionStep::Closed => return self.over(),
            }
        }
    }

    /// It was idle too long, or its client has gone.
    fn over(&mut self) -> ConnectionEnd {
        self.stream.say_end();
        ConnectionEnd::Closed
    }

    /// How long the client may leave the connection as it is, and how long it waits for that in a task.
    fn waits(&self, head_started: Option<Instant>) -> (Duration, Duration) {
        let patience = self.patience(head_started);
        let may_park = head_started.is_none() && !self.drains && self.stream.may_park();
        (patience, if may_park { patience.min(PARKED_AFTER) } else { patience })
    }

    /// How long the client may leave the connection as it is.
    fn patience(&self, head_started: Option<Instant>) -> Duration {
        let bounds = self.edge.bounds(self.via.listener);
        match (head_started, self.idle_until) {
            (Some(started), _) if self.drains => LAST_REQUEST.saturating_sub(started.elapsed()),
            (Some(started), _) => bounds.head.saturating_sub(started.elapsed()),
            (None, _) if self.drains => LAST_REQUEST,
            (None, Some(until)) => until.saturating_duration_since(Instant::now()),
            (None, None) if self.via.requests == 0 => bounds.head,
            (None, None) => bounds.keepalive,
        }
    }

    /// Reads what has arrived into the thread's buffer, and examines it there.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<ConnectionStep> {
        SCRATCH.with_borrow_mut(|scratch| {
            let ThreadBuffers { input, spans, buffers } = scratch;
            let mut read = ReadBuf::new(input);
            match Pin::new(&mut self.stream).poll_read(context, &mut read) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(ConnectionStep::Closed),
                Poll::Ready(Ok(())) if read.filled().is_empty() => {
                    return Poll::Ready(ConnectionStep::Closed);
                }
                Poll::Ready(Ok(())) => {}
            }
            let bytes = read.filled();
            if self.buffer.is_empty() {
                let (step, used) = self.take_step(context, bytes, spans, buffers);
                self.buffer.extend_from_slice(bytes.get(used..).unwrap_or_default());
                return Poll::Ready(step);
            }
            self.buffer.extend_from_slice(bytes);
            if !self.progress.worth_reading(&self.buffer, &self.edge.bounds(self.via.listener).request_head) {
                return Poll::Ready(ConnectionStep::Partial);
            }
            let buffer = std::mem::take(&mut self.buffer);
            let step = self.take_step(context, &buffer, spans, buffers);
            Poll::Ready(self.keep_rest(step, buffer))
        })
    }

    fn look_at_buffer(&mut self, context: &mut Context<'_>) -> ConnectionStep {
        SCRATCH.with_borrow_mut(|ThreadBuffers { spans, buffers, .. }| {
            let buffer = std::mem::take(&mut self.buffer);
            let step = self.take_step(context, &buffer, spans, buffers);
            self.keep_rest(step, buffer)
        })
    }

    fn keep_rest(&mut self, (step, used): (ConnectionStep, usize), mut buffer: BytesMut) -> ConnectionStep {
        buffer.advance(used);
        if used > 0 {
            self.progress = Progress::default();
        }
        if !buffer.is_empty() {
            self.buffer = buffer;
        }
        step
    }

    /// The step that `bytes` allow, and how many bytes it used.
    fn take_step(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        spans: &mut Vec<FieldSpan>,
        buffers: &mut Buffers,
    ) -> (ConnectionStep, usize) {
        let (head, used) = match head::read(bytes, &self.edge.bounds(self.via.listener).request_head, spans) {
            Ok(Some(read)) => read,
            Ok(None) => return (ConnectionStep::Partial, 0),
            Err(refusal) => {
                // RFC 9110 section 9.3.2: "the server MUST NOT send content in the response" to HEAD.
                let head_only = bytes.trim_ascii_start().starts_with(b"HEAD ");
                return (ConnectionStep::Refused(RefusedHead::boxed(refusal, head_only, bytes)), bytes.len());
            }
        };
        self.via.requests = self.via.requests.saturating_add(1);
        let head_only = head.method == "HEAD";
        let sites = self.edge.routes.load();
        if sites.misdirected(self.via.listener, self.stream.sni(), head.host.as_ref()) {
            return (
                ConnectionStep::Refused(RefusedHead::boxed(Refusal::Misdirected, head_only, bytes)),
                used,
            );
        }
        let after = self.after(&head);
        let way = plain::find(&self.edge, &sites, &head, &self.via, &mut buffers.key);
        if let Some(PlainWay::Through(place)) = &way
            && let Some(request) = ThroughRequest::of(&self.edge, &head, &self.via, place)
        {
            return (ConnectionStep::Through { request: Box::new(request), after }, used);
        }
        if let Some(PlainWay::Hit(hit)) = way {
            let keep_alive = after == Persistence::Next;
            let client = send_hit::HitReceiver {
                edge: &self.edge,
                via: &self.via,
                room: &mut buffers.room,
                stream: &mut self.stream,
                context,
                head_bytes: used,
            };
            let step = match hit.send(client, &head, keep_alive) {
                Ok(unsent) => ConnectionStep::Answered { unsent, after },
                Err(_) => ConnectionStep::Closed,
            };
            return (step, used);
        }
        match self.incoming(&head, used, after) {
            Ok(incoming) => (ConnectionStep::Request(Box::new(incoming)), used),
            Err(refusal) => (ConnectionStep::Refused(RefusedHead::boxed(refusal, head_only, bytes)), used),
        }
    }

    fn after(&self, head: &Head<'_>) -> Persistence {
        let is_last = u64::from(self.via.requests) >= self.edge.bounds(self.via.listener).requests;
        Persistence::of(head, &self.stream, is_last || self.edge.ends_connections_of(self.via.listener))
    }

    /// Writes what the socket did not take of a hit at once.
    async fn write_rest(&mut self, (head, body): (Bytes, Bytes)) -> io::Result<()> {
        let mut pace = self.edge.pace(self.via.listener);
        self.stream.write_rest(head, body, &mut pace).await
    }

    /// Ends the connection after the last reply.
    async fn end(&mut self, after: Persistence) {
        if after != Persistence::Close || !self.buffer.is_empty() {
            Box::pin(linger(&mut self.stream)).await;
        }
    }

    async fn refuse(&mut self, RefusedHead { refusal, head_only, line }: RefusedHead) {
        let reply = error::refused(refusal);
        let title_names = self.edge.settings.title_names;
        let manner = WriteManner { head_only, version: Version::HTTP_11, keep_alive: false, title_names };
        let (sent, reply) =
            write::send(&mut self.stream, reply, manner, self.edge.pace(self.via.listener), pending()).await;
        self.edge.log.refusal((&self.via, &self.edge.routes.load()), (refusal, &line), sent, &reply);
        linger(&mut self.stream).await;
    }
}

#[cfg(test)]
mod tests;
