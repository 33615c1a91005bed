//! The caller's end of a link.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use h2::Ping;
use h2::client::{Builder, Connection, SendRequest};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::body::{self, ReceivedBody, SendingTask};
use super::gathered::{TurnEnd, TurnSocket, gathered};
use super::keep_alive::silence;
use super::{MAX_HEAD, MAX_SEND_BUFFER, OnceOnly};
use crate::tls::Tls;
use crate::transport::TransportError;

/// A connection to one peer. It is opened at the first call, and again when it was lost. Cheap to clone.
#[derive(Clone)]
pub struct Channel(Arc<Link>);

/// How a connection behaves.
#[derive(Clone, Copy, Debug)]
pub struct ChannelSettings {
    /// How long reaching the peer may take, and then the TLS handshake. How long it may take to say something
    /// after that is for `ping_every` and `ping_timeout`, as later: it may be starved.
    pub connect: Duration,
    /// A peer that does not answer a ping in time is gone.
    pub ping_every: Duration,
    pub ping_timeout: Duration,
    /// Bytes that may be on their way without having been taken: of one reply, and of all.
    pub stream_window: u32,
    pub connection_window: u32,
    /// Aborted calls whose rest may still arrive.
    pub aborted_calls: usize,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            ping_every: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
            stream_window: 64 << 10,
            connection_window: 1 << 20,
            aborted_calls: 50,
        }
    }
}

type LinkFuture = Shared<BoxFuture<'static, Result<SendRequest<Bytes>, TransportError>>>;

struct Link {
    scheme: Scheme,
    authority: Option<Authority>,
    tls: Option<(Arc<Tls>, ServerName<'static>)>,
    settings: ChannelSettings,
    /// The connection in use, or on its way: all calls that need it wait for the same one.
    current: Mutex<Option<LinkFuture>>,
}

impl Channel {
    /// A channel to the host and port of `url`.
    pub fn new(url: &Uri, settings: ChannelSettings) -> Self {
        Self::secured(url, settings, None)
    }

    /// A channel to a peer that shows a certificate for this name.
    pub(crate) fn secured(
        url: &Uri,
        settings: ChannelSettings,
        tls: Option<(Arc<Tls>, ServerName<'static>)>,
    ) -> Self {
        let scheme = url.scheme().cloned().unwrap_or(Scheme::HTTP);
        let authority = url.authority().cloned();
        Self(Arc::new(Link { scheme, authority, tls, settings, current: Mutex::new(None) }))
    }

    /// Makes one call. The reply's body arrives as it is read.
    pub async fn call(&self, request: Request<Body>) -> Result<Response<Body>, TransportError> {
        let mut link = self.open().await?;
        let (mut head, body) = request.into_parts();
        head.uri = self.0.target(head.uri);
        let once_only = head.extensions.remove::<OnceOnly>().is_some();
        let request = Request::from_parts(head, ());
        let failed = |error: h2::Error| TransportError::lost(&error);
        let (reply, mut stream) = link.send_request(request, false).map_err(failed)?;
        if once_only {
            // A peer that drains answers what was sent before it heard that its farewell has come, and
            // nothing later. Where the head has left and no farewell has come, it was early enough.
            body::has_room(&mut stream).await;
            poll_fn(|context| link.poll_ready(context)).await.map_err(failed)?;
        }
        let mut sending = Box::pin(body::send(body, stream));
        // Most requests are at hand. What is not is sent by a task, whoever reads the reply or does not.
        let sent = poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await;
        let sending = sent.is_pending().then(|| SendingTask(tokio::spawn(sending)));
        let reply = reply.await.map_err(failed)?;
        Ok(reply.map(|body| Body::new(ReceivedBody::new(body, sending))))
    }

    /// A connection that takes calls.
    async fn open(&self) -> Result<SendRequest<Bytes>, TransportError> {
        let (opening, was_open) = self.current();
        match (ready(&opening).await, was_open) {
            // It has ended meanwhile.
            (Err(_), true) => {
                self.forget(&opening);
                let (opening, _) = self.current();
                let opened = ready(&opening).await;
                self.forget_failed(&opening, opened)
            }
            (opened, _) => self.forget_failed(&opening, opened),
        }
    }

    /// The connection in use or on its way, and whether it was open already.
    fn current(&self) -> (LinkFuture, bool) {
        let mut current = self.0.current.lock();
        if let Some(opening) = &*current {
            return (opening.clone(), opening.peek().is_some());
        }
        let link = self.0.clone();
        let opening = async move { link.connect().await };
        let opening = opening.boxed().shared();
        *current = Some(opening.clone());
        (opening, false)
    }

    fn forget_failed<T>(
        &self,
        opening: &LinkFuture,
        opened: Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        if opened.is_err() {
            self.forget(opening);
        }
        opened
    }

    /// The next call opens another connection.
    fn forget(&self, opening: &LinkFuture) {
        self.0.current.lock().take_if(|current| current.ptr_eq(opening));
    }
}

async fn within<T>(time: Duration, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(time, doing).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn ready(opening: &LinkFuture) -> Result<SendRequest<Bytes>, TransportError> {
    opening.clone().await?.ready().await.map_err(|error| TransportError::lost(&error))
}

impl Link {
    /// The whole target of a call, which names only the method.
    fn target(&self, method: Uri) -> Uri {
        let mut parts = method.into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority.clone_from(&self.authority);
        parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
        Uri::from_parts(parts).unwrap_or_default()
    }

    async fn connect(&self) -> Result<SendRequest<Bytes>, TransportError> {
        let ChannelSettings { connect, ping_every, ping_timeout, .. } = self.settings;
        let unreachable = |error: io::Error| TransportError::unreachable(&error);
        let socket = within(connect, self.reach()).await.map_err(unreachable)?;
        let patience = ping_every + ping_timeout;
        let begun = match &self.tls {
            None => within(patience, self.begin(socket)).await,
            Some((tls, name)) => {
                let connector = TlsConnector::from(tls.client());
                let shaking = connector.connect(name.clone(), socket);
                let socket = within(connect, shaking).await.map_err(unreachable)?;
                within(patience, self.begin(socket)).await
            }
        };
        begun.map_err(|error| TransportError::lost(&error))
    }

    async fn reach(&self) -> io::Result<TcpStream> {
        let authority = self.authority.as_ref().ok_or(io::ErrorKind::InvalidInput)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let usual = if self.scheme == Scheme::HTTPS { 443 } else { 80 };
        let socket = TcpStream::connect((host, authority.port_u16().unwrap_or(usual))).await?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    /// Begins HTTP/2. A task drives the connection to its end. It is open when the peer has answered a ping:
    /// one that drains may have closed it without a look, and what was sent would be lost.
    async fn begin<S>(&self, socket: S) -> io::Result<SendRequest<Bytes>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (socket, turn_end) = gathered(socket);
        let settings = &self.settings;
        let mut builder = Builder::new();
        builder
            .initial_window_size(settings.stream_window)
            .initial_connection_window_size(settings.connection_window)
            .max_concurrent_reset_streams(settings.aborted_calls)
            // Otherwise the rest of aborted calls would end the connection, with everything on it, when there
            // is enough of it.
            .max_local_error_reset_streams(None)
            .max_header_list_size(MAX_HEAD)
            .max_send_buffer_size(MAX_SEND_BUFFER)
            .enable_push(false);
        let (link, mut connection) = builder.handshake(socket).await.map_err(io::Error::other)?;
        let mut pings = connection.ping_pong().ok_or(io::ErrorKind::Other)?;
        let driving = tokio::spawn(drive(connection, turn_end));
        pings.ping(Ping::opaque()).await.map_err(io::Error::other)?;
        let silent = silence(pings, settings.ping_every, settings.ping_timeout);
        tokio::spawn(async move {
            silent.await;
            driving.abort();
        });
        Ok(link)
    }
}

async fn drive<S>(mut connection: Connection<TurnSocket<S>, Bytes>, turn_end: TurnEnd<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let ended = poll_fn(|context| {
        let polled = Pin::new(&mut connection).poll(context);
        turn_end.after(context, polled)
    });
    if let Err(error) | Ok(Err(error)) = ended.await.map(|ended| ended.map_err(io::Error::other)) {
        tracing::debug!("connection to another service: {error}");
    }
}
