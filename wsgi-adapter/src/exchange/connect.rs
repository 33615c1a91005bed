//! A connection to an application server.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use process::nofile::{self, Purpose};
use socket2::{Domain, SockAddr, SockRef, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;
use tokio_util::io::poll_read_buf;

use crate::address::{Address, Endpoint};
use crate::config::ServerTlsConfig;
use crate::error::ServerError;
use crate::exchange::look_up::HostAddresses;
use crate::exchange::secure::ServerTls;

/// What is read from a server at once, so the most of a chunk to the edge.
const READ: usize = 32 * 1024;
/// Less room than this is not read into, unless no more is needed.
const LEAST_ROOM: usize = 4 * 1024;

/// What is read at once before it is known how much comes. What fills less than half of this is copied.
const FIRST_READ: usize = 16 * 1024;

thread_local! {
    /// Lent to whichever connection is being read from; never held across a wait. Empty between two calls.
    static INPUT: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// A connection of either kind.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<SecureSocket>),
}

/// TLS to a server. Its end is told.
#[derive(Debug)]
pub(crate) struct SecureSocket(TlsStream<TcpStream>);

impl Drop for SecureSocket {
    /// RFC 9112 section 9.8: "Clients MUST send a closure alert before closing the connection." Nobody waits
    /// for it: what the socket does not take at once is lost.
    fn drop(&mut self) {
        let (tcp, tls) = self.0.get_mut();
        tls.send_close_notify();
        let mut alert = Vec::new();
        while tls.wants_write() {
            if !matches!(tls.write_tls(&mut alert), Ok(1..)) {
                return;
            }
        }
        let _ = tcp.try_write(&alert);
    }
}

/// The side of a connection that is read from.
pub(crate) enum Reader<'a> {
    Tcp(tcp::ReadHalf<'a>),
    Unix(unix::ReadHalf<'a>),
    Tls(ReadHalf<&'a mut TlsStream<TcpStream>>),
}

/// The side that is written to.
pub(crate) enum Writer<'a> {
    Tcp(tcp::WriteHalf<'a>),
    Unix(unix::WriteHalf<'a>),
    Tls(WriteHalf<&'a mut TlsStream<TcpStream>>),
}

impl Socket {
    /// Tells whether there are descriptors enough for one that lasts as long as its client likes.
    pub(crate) fn may_last(&self) -> bool {
        self.may_be_for(Purpose::Lasting).is_ok()
    }

    fn may_be_for(&self, purpose: Purpose) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => nofile::may_have(stream, purpose),
            Self::Unix(stream) => nofile::may_have(stream, purpose),
            Self::Tls(stream) => nofile::may_have(stream.0.get_ref().0, purpose),
        }
    }

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
            Self::Tls(stream) => {
                let (reader, writer) = tokio::io::split(&mut stream.0);
                (Reader::Tls(reader), Writer::Tls(writer))
            }
        }
    }

    /// Tells whether nothing has come in and the other side has not closed. If so, `context` is woken when
    /// that changes.
    pub(crate) fn poll_quiet(&self, context: &mut Context<'_>) -> bool {
        loop {
            let ready = match self {
                Self::Tcp(stream) => stream.poll_read_ready(context),
                Self::Unix(stream) => stream.poll_read_ready(context),
                Self::Tls(stream) => stream.0.get_ref().0.poll_read_ready(context),
            };
            match ready {
                Poll::Pending => return true,
                // What is told may be out of date: looking at the socket sets it right.
                Poll::Ready(Ok(())) if self.is_quiet() => {}
                Poll::Ready(_) => return false,
            }
        }
    }

    /// Tells whether nothing has come in and the other side has not closed.
    pub(crate) fn is_quiet(&self) -> bool {
        let read = match self {
            Self::Tcp(stream) => stream.try_read(&mut [0]),
            Self::Unix(stream) => stream.try_read(&mut [0]),
            // A byte that is there is of no use to anybody: the connection is closed.
            Self::Tls(stream) => stream.0.get_ref().0.try_read(&mut [0]),
        };
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Reader<'_> {
    /// Adds what has come, or waits for it: no room is made before it is known how much is needed. 0: the
    /// other side has closed.
    pub(crate) async fn read_into(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        poll_fn(|context| {
            INPUT.with_borrow_mut(|input| {
                input.reserve(FIRST_READ);
                let read = ready!(poll_read_buf(Pin::new(&mut *self), context, input))?;
                // A page is not copied, but neither does a small piece of one hold the memory of a large one.
                if buffer.is_empty() && 2 * read >= input.capacity() {
                    *buffer = std::mem::take(input);
                } else {
                    buffer.extend_from_slice(input);
                    input.clear();
                }
                Poll::Ready(Ok(read))
            })
        })
        .await
    }
}

impl Reader<'_> {
    /// Adds what has come of the `left` bytes that will come, or waits for it. Room for a piece of them is
    /// made at once, so that nothing is copied; and for a byte more, which shows that there is too much.
    pub(crate) async fn read_known(&mut self, buffer: &mut BytesMut, left: u64) -> io::Result<usize> {
        let wanted = usize::try_from(left).map_or(READ, |left| left.saturating_add(1)).min(READ);
        // What is left of the room for the piece before is used up first: a server may send byte by byte.
        if buffer.capacity() - buffer.len() < wanted.min(LEAST_ROOM) {
            buffer.reserve(wanted);
        }
        self.read_buf(buffer).await
    }
}

impl Writer<'_> {
    /// Waits until the socket takes some of it.
    pub(crate) async fn write_some(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let wrote = self.write_vectored(pieces).await?;
        if let Self::Tls(half) = self {
            // What TLS has made of it may still be with us.
            half.flush().await?;
        }
        Ok(wrote)
    }

    /// What the socket takes at once. The runtime would first wait to be told that a new one takes anything.
    pub(crate) fn write_now(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => SockRef::from(half.as_ref()).send_vectored(pieces),
            Self::Unix(half) => SockRef::from(half.as_ref()).send_vectored(pieces),
            Self::Tls(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
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
            Self::Tls(half) => Pin::new(half).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Writer<'_> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_write(context, bytes),
            Self::Unix(half) => Pin::new(half).poll_write(context, bytes),
            Self::Tls(half) => Pin::new(half).poll_write(context, bytes),
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
            Self::Tls(half) => Pin::new(half).poll_write_vectored(context, pieces),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_flush(context),
            Self::Unix(half) => Pin::new(half).poll_flush(context),
            Self::Tls(half) => Pin::new(half).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_shutdown(context),
            Self::Unix(half) => Pin::new(half).poll_shutdown(context),
            Self::Tls(half) => Pin::new(half).poll_shutdown(context),
        }
    }
}

/// What connections to a pool's servers need besides their addresses.
#[derive(Debug)]
pub(crate) struct ConnectMeans {
    pub(crate) tls: ServerTls,
    pub(crate) hosts: HostAddresses,
}

impl ConnectMeans {
    pub(crate) fn new(tls: Option<&ServerTlsConfig>) -> Self {
        Self { tls: ServerTls::new(tls), hosts: HostAddresses::default() }
    }
}

/// Connects until `until` at the latest. A name is looked up each time, and all its addresses are tried in
/// turn.
pub(crate) async fn connect(
    address: &Address,
    ConnectMeans { tls, hosts }: &ConnectMeans,
    until: Instant,
) -> Result<Socket, ServerError> {
    let socket = connect_plain(address.endpoint(), hosts, until).await?;
    socket.may_be_for(Purpose::Request).map_err(refused)?;
    match (socket, address.tls_host()) {
        (Socket::Tcp(tcp), Some(host)) => {
            let secured = Box::pin(tls.secure(tcp, host, until)).await?;
            Ok(Socket::Tls(Box::new(SecureSocket(secured))))
        }
        (socket, _) => Ok(socket),
    }
}

async fn connect_plain(
    endpoint: &Endpoint,
    hosts: &HostAddresses,
    until: Instant,
) -> Result<Socket, ServerError> {
    match endpoint {
        Endpoint::Unix(path) => connect_unix(path).map(Socket::Unix).map_err(refused),
        // What it stands for is connected to.
        Endpoint::Srv(_) => Err(ServerError::Lookup(io::ErrorKind::Unsupported.into())),
        Endpoint::Tcp { host, port } => {
            let addresses = hosts.find(host, until).await?;
            Box::pin(connect_tcp(&addresses, *port, until)).await.map(Socket::Tcp)
        }
    }
}

/// Tries all of these addresses, of which there is at least one.
async fn connect_tcp(addresses: &[IpAddr], port: u16, until: Instant) -> Result<TcpStream, ServerError> {
    let mut error = ServerError::ConnectTimeout;
    for (tried, address) in (0u32..).zip(addresses) {
        // A silent address leaves its share of the time to the others.
        let left = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_sub(tried).max(1);
        let now = Instant::now();
        let share = now + until.saturating_duration_since(now) / left;
        match timeout_at(share, TcpStream::connect((*address, port))).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(ServerError::Connect)?;
                return Ok(stream);
            }
            Ok(Err(refusal)) => error = refused(refusal),
            Err(_) => error = ServerError::ConnectTimeout,
        }
    }
    Err(error)
}

/// Connects at once or not at all: a unix socket makes nobody wait.
fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&SockAddr::unix(path)?)?;
    UnixStream::from_std(net::UnixStream::from(OwnedFd::from(socket)))
}

/// A unix socket whose `listen` queue is full says "again" at once, and the caller may ask again; a TCP one
/// lets the caller wait. Where this process has no descriptor left, it waits as well.
fn refused(error: io::Error) -> ServerError {
    if error.kind() == io::ErrorKind::WouldBlock || nofile::is_out(&error) {
        return ServerError::Busy;
    }
    ServerError::Connect(error)
}
