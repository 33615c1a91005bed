//! The listening sockets of this process: those that were handed over to it, and those that it hands over.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use command_fds::FdMapping;
use listenfd::ListenFd;
use socket2::Socket;

/// The first descriptor that is handed over.
const FIRST: i32 = 3;

/// The sockets of this process. Only programs have them: what a test binds is nobody else's.
static SOCKETS: OnceLock<Mutex<Sockets>> = OnceLock::new();

#[derive(Debug, Default)]
struct Sockets {
    /// Handed over to this process, and not yet taken.
    inherited: Vec<Socket>,
    /// What this process listens on, to be handed over.
    open: Vec<Socket>,
}

/// Where a socket listens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SocketPlace<'a> {
    Address(SocketAddr),
    File(&'a Path),
}

impl SocketPlace<'_> {
    fn is_of(&self, socket: &Socket) -> bool {
        socket.local_addr().is_ok_and(|is| match self {
            Self::Address(address) => is.as_socket() == Some(*address),
            Self::File(path) => is.as_pathname() == Some(path),
        })
    }
}

/// Takes over the sockets that the environment names. Call it once, before there are other threads.
pub(crate) fn begin() {
    let mut handed = ListenFd::from_env();
    let mut inherited = Vec::new();
    for index in 0..handed.len() {
        // What is of neither kind stays where it is.
        let tcp = handed.take_tcp_listener(index).ok().flatten().map(Socket::from);
        let mut unix = || handed.take_unix_listener(index).ok().flatten();
        inherited.extend(tcp.or_else(|| unix().map(|unix| Socket::from(OwnedFd::from(unix)))));
    }
    let _ = SOCKETS.set(Mutex::new(Sockets { inherited, open: Vec::new() }));
}

fn sockets() -> Option<MutexGuard<'static, Sockets>> {
    Some(SOCKETS.get()?.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A socket at this place that was handed over. It is remembered for the process that replaces this one.
fn take(place: SocketPlace<'_>) -> Option<Socket> {
    let mut sockets = sockets()?;
    let at = sockets.inherited.iter().position(|socket| place.is_of(socket))?;
    let socket = sockets.inherited.swap_remove(at);
    socket.set_nonblocking(true).ok()?;
    sockets.open.extend(socket.try_clone().ok());
    Some(socket)
}

/// One of TCP that was handed over.
pub(crate) fn take_tcp(address: SocketAddr) -> Option<TcpListener> {
    take(SocketPlace::Address(address)).map(TcpListener::from)
}

/// One in the file system that was handed over.
pub(crate) fn take_unix(path: &Path) -> Option<UnixListener> {
    take(SocketPlace::File(path)).map(|socket| UnixListener::from(OwnedFd::from(socket)))
}

/// Whether a socket at this address was handed over, and is not yet taken.
pub(crate) fn has(address: SocketAddr) -> bool {
    let place = SocketPlace::Address(address);
    sockets().is_some_and(|sockets| sockets.inherited.iter().any(|socket| place.is_of(socket)))
}

/// One more descriptor of a socket at this address that is open already.
pub(crate) fn again(address: SocketAddr) -> Option<TcpListener> {
    let place = SocketPlace::Address(address);
    let sockets = sockets()?;
    let open = sockets.open.iter().find(|socket| place.is_of(socket))?;
    open.try_clone().ok().map(TcpListener::from)
}

/// Remembers the socket for the process that replaces this one.
pub(crate) fn remember(socket: io::Result<OwnedFd>) {
    if let (Some(mut sockets), Ok(socket)) = (sockets(), socket) {
        sockets.open.push(Socket::from(socket));
    }
}

/// Forgets the sockets at this place: whoever listened there closes them.
pub(crate) fn forget(place: SocketPlace<'_>) {
    if let Some(mut sockets) = sockets() {
        sockets.open.retain(|socket| !place.is_of(socket));
    }
}

/// Closes what was handed over and is not in the settings any more: its clients would wait for ever.
pub(crate) fn close_untaken() {
    let Some(mut sockets) = sockets() else { return };
    for socket in std::mem::take(&mut sockets.inherited) {
        let place = socket.local_addr().ok().map(|place| match place.as_pathname() {
            Some(path) => path.display().to_string(),
            None => place.as_socket().map(|address| address.to_string()).unwrap_or_default(),
        });
        tracing::info!(place, "a socket that was handed over is not in the settings, and is closed");
    }
}

/// Closes what was to be handed over: the port is free when the listeners close.
pub(crate) fn end() {
    if let Some(mut sockets) = sockets() {
        *sockets = Sockets::default();
    }
}

/// What the process that replaces this one gets.
pub(crate) fn mappings() -> io::Result<Vec<FdMapping>> {
    let Some(sockets) = sockets() else { return Ok(Vec::new()) };
    let map = |(child_fd, socket): (i32, &Socket)| {
        Ok(FdMapping { parent_fd: OwnedFd::from(socket.try_clone()?), child_fd })
    };
    (FIRST..).zip(&sockets.open).map(map).collect()
}
