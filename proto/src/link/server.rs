//! The answering end of a link.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tower::{Service, ServiceExt};

use super::body::{self, ReceivedBody};
use super::gathered::gathered;
use super::keep_alive::silence;
use super::{MAX_HEAD, MAX_SEND_BUFFER};
use crate::tls::Connection;

/// How connections behave.
#[derive(Clone, Copy, Debug)]
pub struct LinkSettings {
    /// Calls under way on one connection.
    pub max_streams: u32,
    /// Calls that a peer may abort before they were begun without being taken for an attack.
    pub aborted_calls: usize,
    /// Streams that end with an error of the peer's before its connection does.
    pub broken_streams: usize,
    /// Bytes that may be on their way without having been taken: of one call, and of all.
    pub stream_window: u32,
    pub connection_window: u32,
    /// A peer that does not answer a ping in time is gone.
    pub ping_every: Duration,
    pub ping_timeout: Duration,
}

/// A service of gRPC.
pub trait GrpcService:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + NamedService
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> GrpcService for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Answers the calls of two services on all connections, until `draining` resolves and the calls under way
/// have ended.
pub async fn serve<A: GrpcService, B: GrpcService>(
    incoming: impl Stream<Item = io::Result<Connection>>,
    services: (A, B),
    settings: LinkSettings,
    draining: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    let (drain, drains) = watch::channel(false);
    {
        // Dropped before the calls under way have ended: nobody waits at a socket that is not accepted from.
        let (mut incoming, mut draining) = (pin!(incoming), pin!(draining));
        loop {
            tokio::select! {
                biased;
                () = &mut draining => break,
                Some(_) = connections.join_next() => {}
                accepted = incoming.next() => match accepted {
                    Some(Ok(connection)) => {
                        connections.spawn(answer_all(connection, services.clone(), settings, drains.clone()));
                    }
                    Some(Err(_)) => {}
                    None => break,
                },
            }
        }
    }
    let _ = drain.send(true);
    while connections.join_next().await.is_some() {}
}

/// Answers the calls of one connection.
async fn answer_all<A: GrpcService, B: GrpcService>(
    connection: Connection,
    services: (A, B),
    settings: LinkSettings,
    mut drains: watch::Receiver<bool>,
) {
    let peer = connection.connect_info();
    let (socket, turn_end) = gathered(connection);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(settings.max_streams)
        .max_pending_accept_reset_streams(settings.aborted_calls)
        .max_local_error_reset_streams(Some(settings.broken_streams))
        .initial_window_size(settings.stream_window)
        .initial_connection_window_size(settings.connection_window)
        .max_header_list_size(MAX_HEAD)
        .max_send_buffer_size(MAX_SEND_BUFFER);
    let mut handshake = pin!(builder.handshake::<_, Bytes>(socket));
    let shaken = poll_fn(|context| {
        let polled = handshake.as_mut().poll(context);
        turn_end.after(context, polled)
    });
    let Ok(Ok(Ok(mut connection))) = tokio::time::timeout(settings.ping_timeout, shaken).await else {
        return;
    };
    let Some(pings) = connection.ping_pong() else { return };
    let mut silent = pin!(silence(pings, settings.ping_every, settings.ping_timeout));
    let mut is_draining = false;
    loop {
        let accepting = poll_fn(|context| {
            let polled = connection.poll_accept(context);
            turn_end.after(context, polled)
        });
        tokio::select! {
            biased;
            accepted = accepting => match accepted {
                Ok(Some(Ok((request, respond)))) => {
                    tokio::spawn(answer(request, respond, services.clone(), peer.clone()));
                }
                Ok(Some(Err(_)) | None) | Err(_) => return,
            },
            _ = drains.wait_for(|drains| *drains), if !is_draining => {
                is_draining = true;
                connection.graceful_shutdown();
            }
            () = &mut silent => return,
        }
    }
}

/// Answers one call, unless its caller aborts it.
async fn answer<A: GrpcService, B: GrpcService>(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    services: (A, B),
    peer: TcpConnectInfo,
) {
    let mut request = request.map(|body| Body::new(ReceivedBody::new(body, None)));
    request.extensions_mut().insert(peer);
    let mut reply = pin!(ask(request, services));
    let reply = poll_fn(|context| match reply.as_mut().poll(context) {
        std::task::Poll::Pending => respond.poll_reset(context).map(|_| None),
        reply => reply.map(Some),
    });
    let Some(reply) = reply.await else { return };
    let (head, body) = reply.into_parts();
    let ends = http_body::Body::is_end_stream(&body);
    match respond.send_response(Response::from_parts(head, ()), ends) {
        Ok(stream) if !ends => body::send(body, stream).await,
        Ok(_) => {}
        Err(_) => respond.send_reset(Reason::INTERNAL_ERROR),
    }
}

/// Asks the service that the target names.
async fn ask<A: GrpcService, B: GrpcService>(
    request: Request<Body>,
    (first, second): (A, B),
) -> Response<Body> {
    let name = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let Ok(reply) = match name {
        name if name == A::NAME => first.oneshot(request).await,
        name if name == B::NAME => second.oneshot(request).await,
        _ => Ok(Status::unimplemented("").into_http()),
    };
    reply
}
