//! Accepts connections, as many as there may be. Each is a task, which first finds out what the client
//! speaks: TLS or not, and which HTTP.

use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::BytesMut;
use mio::net::{TcpListener, UnixListener};
use process::nofile::{self, Purpose};
use process::repeated::RepeatCounter;
use process::shutdown::Shutdown;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::acme::challenge;
use crate::connection::client_check::ClientRefusal;
use crate::connection::client_socket::ClientSocket;
use crate::connection::stream::Stream;
use crate::connection::tls_stream::TlsStream;
use crate::connection::unix_client::UNIX;
use crate::http1::connection::Connection;
use crate::http2::PREFACE;
use crate::listen::crowd::Crowd;
use crate::listen::generation::{CurrentGeneration, Door, Generation};
use crate::listen::parking::{self, ParkingLot};
use crate::listen::proxy_protocol::{self, ProxiedSource};
use crate::listen::seat::Seat;
use crate::listen::tls::Acceptor;
use crate::metrics::GaugeGuard;
use crate::request::{Via, forwarded};
use crate::{Edge, http2};

/// How long accepting pauses when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a client that has not finished its first words may go on with them after a drain has begun.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How many connections have been accepted.
static CONNECTIONS: AtomicU32 = AtomicU32::new(0);
/// The first byte of every TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 22;

/// An accepted connection, and its place among all.
pub(crate) struct Guest {
    pub(crate) stream: net::TcpStream,
    pub(crate) peer: SocketAddr,
    /// The address that accepted it.
    pub(crate) port: u16,
    pub(crate) seat: Seat,
}

/// Accepts until the socket is to be closed; hands each connection to `take`, with what is in force when it
/// comes.
pub(crate) async fn accept(
    (listener, address, closing): (net::TcpListener, &str, &Shutdown),
    current: &CurrentGeneration,
    crowd: &Arc<Crowd>,
    take: impl Fn(&Generation, &Door, Guest),
) {
    // A connection that came before its address left the settings is still served by them.
    let mut known = current.load_full();
    let port = listener.local_addr().map_or(0, |local| local.port());
    let listener = match AnyListener::of(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot accept connections"),
    };
    let failures = RepeatCounter::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closing.draining() => return,
        };
        let newest = current.load();
        if newest.door(address).is_some() {
            known = newest.clone();
        }
        drop(newest);
        let edge = &known.edge;
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(more) = failures.happened(address) {
                    tracing::warn!(%error, address, more, "connection not accepted");
                }
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        edge.metrics.connections_accepted.inc();
        let place = crowd.enter(peer, &edge.settings.trusted_proxies);
        let Some(place) = place.filter(|_| nofile::may_have(&stream, Purpose::Client).is_ok()) else {
            edge.metrics.connections_refused.inc();
            tracing::debug!(client = %peer.ip(), "a connection too many: of all, or of this client");
            continue;
        };
        let seat = Seat::new(place, GaugeGuard::enter(&edge.metrics.connections_active));
        if let Some(door) = known.door(address) {
            take(&known, door, Guest { stream, peer, port, seat });
        }
    }
}

/// A listening socket of either kind. The runtime does not learn of what it accepts.
enum AnyListener {
    Tcp(AsyncFd<TcpListener>),
    Unix(AsyncFd<UnixListener>),
}

impl AnyListener {
    #[expect(
        deprecated,
        reason = "its successor is unsafe, as a type may lie about its descriptor; these do not"
    )]
    fn of(listener: net::TcpListener) -> io::Result<Self> {
        if listener.local_addr().is_ok() {
            let listener = TcpListener::from_std(listener);
            return Ok(Self::Tcp(AsyncFd::with_interest(listener, Interest::READABLE)?));
        }
        let listener = UnixListener::from(OwnedFd::from(listener));
        Ok(Self::Unix(AsyncFd::with_interest(listener, Interest::READABLE)?))
    }

    async fn accept(&self) -> io::Result<(net::TcpStream, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.async_io(Interest::READABLE, TcpListener::accept).await?;
                Ok((stream.into(), peer))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.async_io(Interest::READABLE, UnixListener::accept).await?;
                // Reading and writing are the same; what a socket of TCP has besides is not asked for.
                let stream = net::TcpStream::from(OwnedFd::from(stream));
                Ok((stream, SocketAddr::new(UNIX, 0)))
            }
        }
    }
}

/// Serves a connection on the current runtime, whose idle ones wait in `lot`.
pub(crate) fn begin(generation: &Generation, door: &Door, guest: Guest, lot: &Arc<ParkingLot>) {
    let edge = &generation.edge;
    let Guest { stream, peer, port, seat } = guest;
    let connection = CONNECTIONS.fetch_add(1, Relaxed).wrapping_add(1);
    let via = Via::accepted((peer, port), door.listener, connection);
    let stream = ClientSocket::new(stream);
    match door {
        Door { tls: None, http2: false, proxy_protocol: false, .. } => {
            let stream = Stream::Plain(stream);
            parking::serve(Connection::new(stream, via, BytesMut::new(), edge.clone()), seat, lot);
        }
        Door { .. } => {
            let settling = settle(edge.clone(), door.clone(), (stream, via), (seat, lot.clone()));
            edge.shutdown.spawn(settling);
        }
    }
}

/// Finds out what the client speaks, and serves it.
async fn settle(
    edge: Arc<Edge>,
    Door { tls, http2, proxy_protocol, .. }: Door,
    (mut stream, mut via): (ClientSocket, Via),
    (mut seat, lot): (Seat, Arc<ParkingLot>),
) {
    let mut proxied = None;
    if proxy_protocol {
        match introduced(&edge, &mut stream, &via).await {
            Some(ProxiedSource::Client(client)) => {
                via.peer = client.source;
                if !seat.belongs_to(client.source.ip()) {
                    edge.metrics.connections_refused.inc();
                    return;
                }
                proxied = Some(Arc::new(client));
            }
            Some(ProxiedSource::Unknown) => {}
            None => return,
        }
    }
    let is_tls = tls.is_some();
    let mut stream = match tls {
        None => Stream::Plain(stream),
        Some(tls) => match secure(&edge, tls, stream, &via).await {
            Some(stream) => stream,
            None => return,
        },
    };
    let refused = match stream.session() {
        Some(session) => session.refusal,
        None => is_tls.then_some(ClientRefusal::PlainHttp),
    };
    let via = Via { scheme: stream.scheme(), refused, ..via };
    let mut begun = BytesMut::new();
    let speaks_http2 = match &stream {
        Stream::Tls(_) => stream.speaks_http2(),
        Stream::Plain(_) => {
            let patience = edge.bounds(via.listener).head;
            let Some(Ok(found)) = in_time(&edge, patience, begins_http2(&mut stream, &mut begun)).await
            else {
                return;
            };
            http2 && found && !is_tls
        }
    };
    if speaks_http2 {
        Box::pin(http2::serve(stream, begun.freeze(), (Via { http2: true, ..via }, proxied), edge)).await;
        drop(seat);
    } else {
        // A task of its own, which holds no more than HTTP/1 needs.
        parking::serve(Connection::new(stream, via, begun, edge).proxied(proxied), seat, &lot);
    }
}

/// Whose connection it is, by the PROXY protocol. `None`: it has ended, because its peer is not trusted or
/// says nothing that can be read in time.
async fn introduced(edge: &Edge, stream: &mut ClientSocket, via: &Via) -> Option<ProxiedSource> {
    let peer = via.peer;
    if !forwarded::trusts(&edge.settings.trusted_proxies, peer) {
        tracing::debug!(client = %peer.ip(), "not in `trusted_proxies`, and so not heard by the PROXY protocol");
        return None;
    }
    match in_time(edge, edge.bounds(via.listener).head, proxy_protocol::read(stream.known().ok()?)).await {
        Some(Ok(source)) => Some(source),
        // It left without a byte, as health checks do.
        Some(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => None,
        Some(Err(error)) => {
            tracing::debug!(client = %peer.ip(), %error, "no header of the PROXY protocol");
            None
        }
        None => None,
    }
}

/// What a client has to say first, if it says it within `patience`. A drain waits for no client that is slow
/// with it, and does not end one whose words are on their way.
async fn in_time<T>(edge: &Edge, patience: Duration, work: impl Future<Output = T>) -> Option<T> {
    let drained = async {
        edge.process().draining().await;
        sleep(LAST_WORDS).await;
    };
    tokio::select! {
        biased;
        done = timeout(patience, work) => done.ok(),
        () = drained => None,
    }
}

/// Reads until it is certain whether the bytes are the preface of HTTP/2.
async fn begins_http2(stream: &mut Stream, begun: &mut BytesMut) -> io::Result<bool> {
    loop {
        if stream.read_buf(begun).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = begun.len().min(PREFACE.len());
        if begun.get(..length) != PREFACE.get(..length) {
            return Ok(false);
        }
        if length == PREFACE.len() {
            return Ok(true);
        }
    }
}

/// What a client has begun with at a TLS port.
enum Shaken {
    /// And the name that it has asked for.
    Tls(TlsStream, Option<Box<str>>),
    /// HTTP without TLS.
    Plain(TcpStream),
}

/// The handshake. `None`: it failed, and the connection has ended.
async fn secure(edge: &Edge, tls: Acceptor, stream: ClientSocket, via: &Via) -> Option<Stream> {
    let stream = stream.into_known().ok()?;
    let peer = via.peer;
    let (patience, client) = (edge.settings.timeouts.handshake.0, tls.client());
    let shaking = async {
        let mut first = [0];
        if stream.peek(&mut first).await.ok()? == 0 {
            return None;
        }
        if first != [TLS_HANDSHAKE] {
            return match first[0].is_ascii_uppercase() {
                true => Some(Ok(Shaken::Plain(stream))),
                false => Some(Err("not TLS".to_owned())),
            };
        }
        let stream = tls.handshake(stream).await;
        Some(stream.map(|(stream, name)| Shaken::Tls(stream, name)).map_err(|error| error.to_string()))
    };
    let failed = match in_time(edge, patience, shaking).await {
        // RFC 8737 section 3: "the connection MUST be immediately closed".
        Some(Some(Ok(Shaken::Tls(stream, name)))) => {
            let is_challenge = stream.tls().alpn_protocol() == Some(challenge::ALPN);
            return (!is_challenge).then(|| Stream::of_tls(stream, name, client.as_deref()));
        }
        // It is told so, as by nginx.
        Some(Some(Ok(Shaken::Plain(stream)))) => return Some(Stream::Plain(stream.into())),
        Some(Some(Err(error))) => error,
        // The client connected and left without sending anything, as health checks do.
        Some(None) => return None,
        None => "not finished in time".to_owned(),
    };
    edge.metrics.handshakes_failed.inc();
    tracing::debug!(client = %peer.ip(), "TLS handshake failed: {failed}");
    None
}
