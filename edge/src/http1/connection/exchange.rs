//! One request on a connection that is not answered on the fast path: through the handler, with both
//! directions at once, to the end of its reply.

use std::future::pending;

use bytes::BytesMut;
use http::{Method, StatusCode};
use http1::head::{Framing, Head, Refusal};
use tracing::Instrument;

use crate::connection::stream::Stream;
use crate::handler::through::ThroughRequest;
use crate::handler::visit::{ClientAbort, Visit};
use crate::http1::abandon::{either, left};
use crate::http1::connection::Connection;
use crate::http1::duplex::{BodyUpload, both_ways};
use crate::http1::exchanged::ExchangeResult;
use crate::http1::linger::Persistence;
use crate::http1::write::WriteManner;
use crate::http1::{abandon, interim, send_file, tunnel, write};
use crate::log::{record, spans};
use crate::reply::Reply;
use crate::reply::delivery::Delivery;
use crate::request::body::{BodyPump, Chunks, RequestBody};
use crate::request::{Request, Upgrade};
use crate::{Edge, handler};

/// A request whose head was read.
pub(super) struct ReceivedRequest {
    request: Request,
    framing: Framing,
    pump: Option<BodyPump>,
    /// The upload side of another protocol, after the switch.
    tunnel: Option<Chunks>,
    expects_continue: bool,
    after: Persistence,
    /// The application's reply, which says that another location answers.
    first: Option<Reply>,
}

impl ReceivedRequest {
    /// The request of the straight way, which goes on with this reply.
    pub(super) fn after(mut self, was: &ThroughRequest, first: Reply) -> Self {
        (self.request.started, self.request.trace) = (was.started, was.trace);
        Self { first: Some(first), ..self }
    }
}

impl Connection {
    pub(super) fn incoming(
        &self,
        head: &Head<'_>,
        head_bytes: usize,
        after: Persistence,
    ) -> Result<ReceivedRequest, Refusal> {
        let upgrade = Upgrade::of_head(head);
        let mut tunnel = None;
        let (body, pump) = match upgrade {
            Some(_) => {
                let (body, chunks) = RequestBody::tunnel();
                tunnel = Some(chunks);
                (body, None)
            }
            None => RequestBody::announced(head.framing),
        };
        let sites = self.edge.routes.load();
        let hosts = |asked: &str, told: &str| self.edge.may_be_told(&sites, &self.via, (asked, told));
        let mut request = Request::new(self.edge.settings.forwarding(&hosts), head, &self.via, body)?;
        request.arrival.head = head_bytes;
        request.arrival.tls = self.stream.session().cloned();
        if let Some(proxied) = &self.proxied {
            // The proxy, and not its client.
            request.arrival.peer = self.stream.peer_addr().ok();
            request.arrival.proxied = Some(proxied.clone());
        }
        request.arrival.server = self.stream.local_addr().ok().map(|local| local.ip());
        Ok(ReceivedRequest {
            request: Request { upgrade, ..request },
            framing: head.framing,
            pump,
            tunnel,
            expects_continue: head.expect_continue,
            after,
            first: None,
        })
    }

    /// Runs one request through the handler, both directions at once. Returns true if the connection may be
    /// used again.
    pub(super) async fn exchange(&mut self, incoming: ReceivedRequest) -> bool {
        let ReceivedRequest { mut request, framing, pump, tunnel, expects_continue, after, first } = incoming;
        let keep_alive = after == Persistence::Next;
        let visit = Visit::of(&self.edge, &mut request);
        let line = record::Line::of(&request, visit.kept.clone());
        let (edge, listener) = (self.edge.clone(), self.via.listener);
        let manner = WriteManner {
            head_only: request.method == Method::HEAD,
            version: request.version,
            keep_alive,
            title_names: edge.settings.title_names,
        };
        // Boxed: the functions that get it would each hold its room.
        let handling = Box::pin(async {
            let mut reply = handler::handle_after(&edge, request, first, &visit).await;
            // A drain that began meanwhile ends the connection.
            reply.close |= edge.ends_connections_of(listener);
            reply
        });
        let handling = handling.instrument(visit.span.clone());
        let (stream, buffer) = (&mut self.stream, &mut self.buffer);
        let exchanged = match pump {
            None => match interim::reply(&edge, &visit, (&mut *stream, &mut *buffer), handling).await {
                None => ExchangeResult::without_body(abandon::nothing_sent()),
                Some(reply) => match tunnel.filter(|_| reply.status == StatusCode::SWITCHING_PROTOCOLS) {
                    Some(chunks) => {
                        Box::pin(tunnel::run(stream, buffer, reply, chunks, (&edge, listener))).await
                    }
                    None => {
                        let client_abort = &visit.client_abort;
                        let receiver = Receiver { stream, buffer, client_abort, listener };
                        ExchangeResult::without_body(receiver.send(&edge, reply, manner).await)
                    }
                },
            },
            Some(pump) => {
                let client_abort = &visit.client_abort;
                let edge = (&*edge, listener);
                let upload = BodyUpload { framing, pump, expects_continue, edge, client_abort };
                Box::pin(both_ways(stream, buffer, upload, handling, manner)).await
            }
        };
        spans::answered(&visit.span, &exchanged.reply);
        self.edge.log.request(&line, exchanged.sent, &exchanged.reply);
        self.finished(exchanged, after).await
    }

    /// Closes the connection unless it may be used again.
    pub(super) async fn finished(&mut self, exchanged: ExchangeResult, after: Persistence) -> bool {
        let ExchangeResult { sent, reply, body_read } = exchanged;
        // Whoever still produces the body learns that nobody reads.
        drop(reply);
        if sent.must_reset {
            let _ = self.stream.tcp().and_then(|tcp| tcp.set_zero_linger());
        }
        if sent.broken {
            return false;
        }
        if sent.reusable && body_read {
            return true;
        }
        self.end(after).await;
        false
    }
}

/// The client's side of the connection, while its reply is sent.
pub(super) struct Receiver<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) buffer: &'a mut BytesMut,
    pub(super) client_abort: &'a ClientAbort,
    /// Where the connection was accepted.
    pub(super) listener: u16,
}

impl Receiver<'_> {
    /// Sends the reply, and checks whether the client is still there when the next chunk may take long.
    pub(super) async fn send(self, edge: &Edge, mut reply: Reply, manner: WriteManner) -> (Delivery, Reply) {
        let Self { stream, buffer, client_abort, listener } = self;
        let pace = edge.pace(listener);
        if send_file::suits(edge.settings.files.sendfile, stream, &reply, manner) {
            return Box::pin(send_file::send(stream, reply, manner, pace)).await;
        }
        reply.body.settle();
        if !reply.body.is_arriving() {
            return write::send(stream, reply, manner, pace, pending()).await;
        }
        let (mut read, mut write) = tokio::io::split(stream);
        let left = client_abort.heed(left(&mut read, buffer));
        let left = either(left, edge.breaks_off(reply.is_event_stream()));
        write::send(&mut write, reply, manner, pace, left).await
    }
}
