//! Accepts connections and bounds their number. Each is a task, which first settles what the client speaks: TLS or not, and which HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::Version;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::http2::{self, PREFACE};
use crate::linger::linger;
use crate::metrics::Active;
use crate::request::Via;
use crate::stream::Stream;
use crate::tls::Acceptor;
use crate::writer::{self, Manner};
use crate::{Edge, error};

/// How long accepting pauses when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The first byte of every TLS connection: a record that is a handshake.
const TLS_HANDSHAKE: u8 = 22;

/// A socket that is listened on, and what is spoken there.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<Acceptor>,
    pub(crate) http2: bool,
}

/// Accepts until the drain begins.
pub(crate) async fn accept(edge: Arc<Edge>, door: Door, room: Arc<Semaphore>) {
    let Door { listener, tls, http2 } = door;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = edge.shutdown.draining() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        edge.metrics.connections_accepted.inc();
        let Ok(seat) = room.clone().try_acquire_owned() else {
            edge.metrics.connections_refused.inc();
            continue;
        };
        let Ok(local) = stream.local_addr() else { continue };
        let _ = stream.set_nodelay(true);
        let active = Active::enter(&edge.metrics.connections_active);
        let (edge_, tls) = (edge.clone(), tls.clone());
        edge.shutdown.spawn(async move {
            let stream = match tls {
                None => Some(Stream::Plain(stream)),
                // Boxed: the room a handshake takes is not held afterwards.
                Some(tls) => Box::pin(secure(&edge_, tls, stream, peer)).await,
            };
            if let Some(stream) = stream {
                serve(edge_, stream, (peer, local), http2).await;
            }
            drop((active, seat));
        });
    }
}

/// Settles which HTTP it is, and speaks it to the end.
async fn serve(edge: Arc<Edge>, mut stream: Stream, (peer, local): (SocketAddr, SocketAddr), http2: bool) {
    let via = Via { peer, local, scheme: stream.scheme(), http2: false };
    let mut begun = BytesMut::new();
    let speaks_http2 = match &stream {
        Stream::Tls(_) => stream.speaks_http2(),
        Stream::Plain(_) if http2 => {
            let patience = edge.settings.timeouts.head.0;
            let sniffing = timeout(patience, Box::pin(begins_http2(&mut stream, &mut begun)));
            let Ok(Ok(found)) = sniffing.await else { return };
            found
        }
        Stream::Plain(_) => false,
    };
    match speaks_http2 {
        true => Box::pin(http2::serve(stream, begun.freeze(), Via { http2: true, ..via }, edge)).await,
        false => Connection::new(stream, via, begun, edge).serve().await,
    }
}

/// Reads until it is sure whether these are the bytes by which HTTP/2 begins.
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

/// The handshake. `None`: it failed, and the connection is done with.
async fn secure(edge: &Edge, tls: Acceptor, mut stream: TcpStream, peer: SocketAddr) -> Option<Stream> {
    let patience = edge.settings.timeouts.handshake.0;
    let shaking = async {
        let mut first = [0];
        if stream.peek(&mut first).await.ok()? == 0 {
            return None;
        }
        if first != [TLS_HANDSHAKE] {
            answer_plain(edge, &mut stream, first[0]).await;
            return Some(Err("not TLS".to_owned()));
        }
        Some(tls.handshake(stream).await.map_err(|error| error.to_string()))
    };
    let failed = match timeout(patience, shaking).await {
        Ok(Some(Ok(stream))) => return Some(Stream::Tls(Box::new(stream))),
        Ok(Some(Err(error))) => error,
        // Connected and left without a word, as health checks do.
        Ok(None) => return None,
        Err(_) => "not finished in time".to_owned(),
    };
    edge.metrics.handshakes_failed.inc();
    tracing::debug!(client = %peer.ip(), "TLS handshake failed: {failed}");
    None
}

/// Who speaks HTTP where TLS is spoken is told so, as nginx does.
async fn answer_plain(edge: &Edge, stream: &mut TcpStream, first: u8) {
    if !first.is_ascii_uppercase() {
        return;
    }
    let reply = error::bad_request("This port speaks HTTPS: use https:// in the address.").closing();
    let manner = Manner { head_only: false, version: Version::HTTP_11, keep_alive: false };
    let _ = writer::send(stream, reply, manner, edge.settings.timeouts.send.0).await;
    linger(stream).await;
}
