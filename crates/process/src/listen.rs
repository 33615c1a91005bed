//! Binding to an address, with an error that says what to do.

mod unix;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::Path;

use socket2::{Domain, Protocol, Socket, Type};

use crate::handover::socket_files;
use crate::handover::sockets::{self, SocketPlace};

pub use unix::{accepts_unix, unix};

/// What the address of a socket in the file system begins with.
const UNIX: &str = "unix:";

/// Connections that wait to be accepted, where the system allows as many (`net.core.somaxconn`).
pub const BACKLOG: i32 = 4096;

/// Why an address cannot be listened on. Retrying helps only where another process has it.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}; {advice}")]
pub struct ListenError {
    address: String,
    reason: String,
    advice: String,
    #[source]
    source: io::Error,
}

/// Listens on `address`, "127.0.0.1:8080", "[::]:80" or "localhost:8080", as a non-blocking socket.
///
/// `setting` is where the address was set, for the error: "edge.listen". Of several addresses behind a name
/// the first that works is taken, IPv4 before IPv6. An IPv6 address takes no IPv4 connections, so
/// "0.0.0.0:80" and "[::]:80" go together. A socket at that address that was handed over is taken as it is.
/// With `reuse_port` several listeners share one address, and the system spreads the connections.
pub fn tcp(address: &str, setting: &str, backlog: i32, reuse_port: bool) -> Result<TcpListener, ListenError> {
    let failed = |source| ListenError::new(address, setting, source);
    let mut addresses: Vec<SocketAddr> = address.to_socket_addrs().map_err(failed)?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut last = io::Error::other("the name has no address");
    if let Some(handed_over) = addresses.iter().find_map(|address| sockets::take_tcp(*address)) {
        return Ok(handed_over);
    }
    for address in addresses {
        match bind(address, backlog, reuse_port) {
            Ok(listener) => {
                sockets::remember(listener.try_clone().map(OwnedFd::from));
                return Ok(listener);
            }
            // systemd has not opened it for sharing: the listeners share one socket.
            Err(error) => match sockets::again(address).filter(|_| reuse_port) {
                Some(listener) => return Ok(listener),
                None => last = error,
            },
        }
    }
    Err(failed(last))
}

/// A listener as [`tcp`] makes it, for this runtime.
pub fn tokio(address: &str, setting: &str) -> Result<tokio::net::TcpListener, ListenError> {
    let listener = tcp(address, setting, BACKLOG, false)?;
    tokio::net::TcpListener::from_std(listener).map_err(|source| ListenError::new(address, setting, source))
}

/// Whether nobody else listens at `address`: its first socket is bound without sharing, and closed. Returns
/// the address with its port. One that was handed over is ours.
pub fn free(address: &str, setting: &str) -> Result<SocketAddr, ListenError> {
    let failed = |source| ListenError::new(address, setting, source);
    let mut last = io::Error::other("the name has no address");
    let mut addresses: Vec<SocketAddr> = address.to_socket_addrs().map_err(failed)?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    for address in addresses {
        if sockets::has(address) {
            return Ok(address);
        }
        match bind(address, 1, false).and_then(|listener| listener.local_addr()) {
            Ok(address) => return Ok(address),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

/// Says that sockets at this address of the settings are closed now, and no longer handed to the process that
/// replaces this one. The file of one in the file system is removed.
pub fn forget(address: &str) {
    if let Some(path) = address.strip_prefix(UNIX) {
        return unix::forget(Path::new(path));
    }
    for address in address.to_socket_addrs().into_iter().flatten() {
        sockets::forget(SocketPlace::Address(address));
    }
}

/// Removes the files of this process's sockets.
pub fn remove_files() {
    socket_files::remove();
}

fn bind(address: SocketAddr, backlog: i32, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of the process before this one may still be in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.set_nonblocking(true)?;
    // Connections inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

impl ListenError {
    /// What went wrong with `address`, which `setting` gave.
    pub fn new(address: &str, setting: &str, source: io::Error) -> Self {
        let change = format!("change `{setting}`");
        let (reason, advice) = match source.kind() {
            io::ErrorKind::AddrInUse => {
                ("address already in use".to_owned(), format!("stop what runs there or {change}"))
            }
            io::ErrorKind::PermissionDenied => (
                "not permitted".to_owned(),
                format!("ports below 1024 need the capability CAP_NET_BIND_SERVICE; give it or {change}"),
            ),
            io::ErrorKind::AddrNotAvailable => ("this machine has no such address".to_owned(), change),
            io::ErrorKind::InvalidInput => ("it is not host:port, such as 127.0.0.1:8080".to_owned(), change),
            _ => (source.to_string(), change),
        };
        Self { address: address.to_owned(), reason, advice, source }
    }

    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn listen(address: &str) -> Result<TcpListener, ListenError> {
        tcp(address, "edge.listen", BACKLOG, false)
    }

    #[test]
    fn takes_addresses_and_names() {
        for address in ["127.0.0.1:0", "localhost:0", "0.0.0.0:0"] {
            let listener = listen(address).unwrap();
            let port = listener.local_addr().unwrap().port();
            assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "{address}");
            TcpStream::connect(("127.0.0.1", port)).unwrap();
        }
    }

    #[test]
    fn says_what_is_wrong_and_what_to_do() {
        let cases = [
            (
                "192.0.2.1:80",
                "cannot listen on 192.0.2.1:80: this machine has no such address; change `edge.listen`",
            ),
            (
                "8080",
                "cannot listen on 8080: it is not host:port, such as 127.0.0.1:8080; change `edge.listen`",
            ),
            (
                "127.0.0.1:x",
                "cannot listen on 127.0.0.1:x: it is not host:port, such as 127.0.0.1:8080; change `edge.listen`",
            ),
        ];
        for (address, text) in cases {
            assert_eq!(listen(address).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn one_address_is_taken_once_unless_it_is_shared() {
        let first = listen("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap().to_string();
        let error = listen(&address).unwrap_err();
        assert!(error.is_taken());
        let text = format!(
            "cannot listen on {address}: address already in use; stop what runs there or change `edge.listen`"
        );
        assert_eq!(error.to_string(), text);
        drop(first);
        let shared = tcp(&address, "edge.listen", BACKLOG, true).unwrap();
        assert!(tcp(&address, "edge.listen", BACKLOG, true).is_ok());
        drop(shared);
    }
}
