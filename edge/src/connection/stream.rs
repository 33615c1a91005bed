//! A client's connection as bytes: TCP, or TLS over it.

use std::io::{self, IoSlice, Write};
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::connection::client_check::ClientCheck;
use crate::connection::client_socket::ClientSocket;
use crate::connection::pace::ClientPace;
use crate::connection::tls_session::TlsSession;
use crate::connection::tls_stream::{TlsState, TlsStream};
use http1::head::Scheme;

/// The protocol name of HTTP/2 in a TLS handshake.
pub(crate) const H2: &[u8] = b"h2";

pub(crate) enum Stream {
    Plain(ClientSocket),
    /// Boxed, so that a waiting plain connection does not hold the room for TLS.
    Tls(Box<TlsClient>),
}

/// TLS, and what its handshake agreed on.
pub(crate) struct TlsClient {
    stream: TlsStream,
    session: Arc<TlsSession>,
}

/// A silent connection without the runtime's entry for its socket.
pub(crate) enum ParkedStream {
    Plain(net::TcpStream),
    Tls(net::TcpStream, Box<TlsState>, Arc<TlsSession>),
}

/// How much of a reply was sent at once.
pub(crate) struct WriteResult {
    pub(crate) bytes: usize,
    /// No part of it waits in a buffer of the edge.
    pub(crate) flushed: bool,
}

impl Stream {
    /// The handshake is over, in which the client asked for this name.
    pub(crate) fn of_tls(stream: TlsStream, name: Option<Box<str>>, client: Option<&ClientCheck>) -> Self {
        let session = Arc::new(TlsSession::of(stream.tls(), name, client));
        Self::Tls(Box::new(TlsClient { stream, session }))
    }

    /// Whether it can do without the runtime while it is silent.
    pub(crate) fn may_park(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tls(tls) => tls.stream.is_silent(),
        }
    }

    pub(crate) fn park(self) -> io::Result<ParkedStream> {
        match self {
            Self::Plain(tcp) => Ok(ParkedStream::Plain(tcp.into_std()?)),
            Self::Tls(tls) => {
                let TlsClient { stream, session } = *tls;
                let (tcp, state) = stream.into_parts();
                Ok(ParkedStream::Tls(tcp.into_std()?, state, session))
            }
        }
    }

    /// What the TLS handshake agreed on.
    pub(crate) fn session(&self) -> Option<&Arc<TlsSession>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => Some(&tls.session),
        }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        match self {
            Self::Plain(_) => Scheme::Http,
            Self::Tls(_) => Scheme::Https,
        }
    }

    /// The server name that the client sent in its TLS handshake.
    pub(crate) fn sni(&self) -> Option<&str> {
        self.session()?.server_name.as_deref()
    }

    /// The TLS handshake agreed on HTTP/2.
    pub(crate) fn speaks_http2(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.stream.tls().alpn_protocol() == Some(H2))
    }

    /// The socket as the runtime knows it.
    pub(crate) fn tcp(&mut self) -> io::Result<&TcpStream> {
        match self {
            Self::Plain(tcp) => tcp.known().map(|tcp| &*tcp),
            Self::Tls(tls) => Ok(tls.stream.tcp()),
        }
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(tcp) => tcp.peer_addr(),
            Self::Tls(tls) => tls.stream.tcp().peer_addr(),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(tcp) => tcp.local_addr(),
            Self::Tls(tls) => tls.stream.tcp().local_addr(),
        }
    }

    /// Says, as far as that needs no wait, that nothing more is sent. Not where a reply breaks off: there its
    /// absence tells the client so.
    ///
    /// RFC 9112 section 9.8: "Servers MUST attempt to initiate an exchange of closure alerts with the client
    /// before closing the connection."
    pub(crate) fn say_end(&mut self) {
        if let Self::Tls(tls) = self {
            tls.stream.say_end();
        }
    }

    /// Writes what the other side accepts without waiting.
    pub(crate) fn write_now(
        &mut self,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> io::Result<WriteResult> {
        match self {
            Self::Plain(tcp) => match tcp.try_write(parts) {
                Ok(bytes) => Ok(WriteResult { bytes, flushed: true }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Ok(WriteResult { bytes: 0, flushed: true })
                }
                Err(error) => Err(error),
            },
            Self::Tls(tls) => {
                let bytes = match Pin::new(&mut tls.stream).poll_write_vectored(context, parts) {
                    Poll::Ready(written) => written?,
                    Poll::Pending => 0,
                };
                let flushed = match Pin::new(&mut tls.stream).poll_flush(context) {
                    Poll::Ready(flushed) => flushed.map(|()| true)?,
                    Poll::Pending => false,
                };
                Ok(WriteResult { bytes, flushed })
            }
        }
    }
}

impl ParkedStream {
    /// As [`Stream::say_end`].
    pub(crate) fn say_end(&mut self) {
        if let Self::Tls(tcp, state, _) = self
            && let Ok(alert) = state.last_alert()
        {
            let _ = tcp.write(alert);
        }
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(tcp) | Self::Tls(tcp, ..) => tcp.as_fd(),
        }
    }

    /// Makes it a stream of the current runtime.
    pub(crate) fn resume(self) -> io::Result<Stream> {
        match self {
            Self::Plain(tcp) => Ok(Stream::Plain(ClientSocket::new(tcp))),
            Self::Tls(tcp, state, session) => {
                let stream = TlsStream::of_parts(TcpStream::from_std(tcp)?, state);
                Ok(Stream::Tls(Box::new(TlsClient { stream, session })))
            }
        }
    }
}

impl Stream {
    /// Writes the rest, as fast as the client takes it, which must keep this pace.
    pub(crate) async fn write_rest(
        &mut self,
        head: Bytes,
        body: Bytes,
        pace: &mut ClientPace,
    ) -> io::Result<()> {
        let mut rest = head.chain(body);
        while rest.has_remaining() {
            match pace.wait(self.write_buf(&mut rest)).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                taken => pace.took(taken)?,
            }
        }
        pace.wait(self.flush()).await
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(context, parts),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_shutdown(context),
        }
    }
}
