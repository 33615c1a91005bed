//! A connection to an application server.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host, tcp, unix};
use tokio::time::{Instant, timeout_at};

use crate::address::Endpoint;
use crate::error::ServerError;

/// A connection of either kind.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The side of a connection that is read from.
pub(crate) enum Reader<'a> {
    Tcp(tcp::ReadHalf<'a>),
    Unix(unix::ReadHalf<'a>),
}

/// The side that is written to.
pub(crate) enum Writer<'a> {
    Tcp(tcp::WriteHalf<'a>),
    Unix(unix::WriteHalf<'a>),
}

impl Socket {
    pub(crate) fn split(&mut self) -> (Reader<'_>, Writer<'_>) {
        match self {
            Self::Tcp(stream) => {
                let (reader, writer) = stream.split();
                (Reader::Tcp(reader), Writer::Tcp(writer))
            }
            Self::Unix(stream) => {
                let (reader, writer) = stream.split();
                (Reader::Unix(reader), Writer::Unix(writer))
            }
        }
    }

    /// Nothing has come in and the other side has not closed.
    pub(crate) fn is_quiet(&self) -> bool {
        let read = match self {
            Self::Tcp(stream) => stream.try_read(&mut [0]),
            Self::Unix(stream) => stream.try_read(&mut [0]),
        };
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsyncRead for Reader<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_read(context, buffer),
            Self::Unix(half) => Pin::new(half).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Writer<'_> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_write(context, bytes),
            Self::Unix(half) => Pin::new(half).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_write_vectored(context, pieces),
            Self::Unix(half) => Pin::new(half).poll_write_vectored(context, pieces),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_flush(context),
            Self::Unix(half) => Pin::new(half).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_shutdown(context),
            Self::Unix(half) => Pin::new(half).poll_shutdown(context),
        }
    }
}

/// Connects until `until` at the latest. A name is looked up each time, and all its addresses are tried in
/// turn.
pub(crate) async fn connect(endpoint: &Endpoint, until: Instant) -> Result<Socket, ServerError> {
    match endpoint {
        Endpoint::Unix(path) => {
            let connected = timeout_at(until, UnixStream::connect(path)).await;
            Ok(Socket::Unix(connected.map_err(|_| ServerError::ConnectTimeout)?.map_err(refused)?))
        }
        Endpoint::Tcp { host, port } => {
            let found = timeout_at(until, lookup_host((host.as_str(), *port))).await;
            let addresses: Vec<_> =
                found.map_err(|_| ServerError::ConnectTimeout)?.map_err(ServerError::Lookup)?.collect();
            let mut error =
                ServerError::Lookup(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
            for (tried, address) in (0u32..).zip(&addresses) {
                // A silent address leaves its share of the time to the others.
                let left = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_sub(tried).max(1);
                let now = Instant::now();
                let share = now + until.saturating_duration_since(now) / left;
                match timeout_at(share, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => {
                        stream.set_nodelay(true).map_err(ServerError::Connect)?;
                        return Ok(Socket::Tcp(stream));
                    }
                    Ok(Err(refusal)) => error = refused(refusal),
                    Err(_) => error = ServerError::ConnectTimeout,
                }
            }
            Err(error)
        }
    }
}

/// A unix socket whose `listen` queue is full says "again" at once; a TCP one lets the client wait.
fn refused(error: io::Error) -> ServerError {
    if error.kind() == io::ErrorKind::WouldBlock { ServerError::Busy } else { ServerError::Connect(error) }
}
