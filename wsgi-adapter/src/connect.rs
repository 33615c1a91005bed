//! A new connection to an application server. uwsgi knows no keep-alive: each request has its own.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use crate::address::Endpoint;
use crate::error::ServerError;

/// A connection of either kind.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Connects until `until` at the latest. A name is looked up each time, and all its addresses are tried in
/// turn.
pub(crate) async fn connect(endpoint: &Endpoint, until: Instant) -> Result<Box<dyn Socket>, ServerError> {
    match endpoint {
        Endpoint::Unix(path) => {
            let connected = timeout_at(until, UnixStream::connect(path)).await;
            Ok(Box::new(connected.map_err(|_| ServerError::ConnectTimeout)?.map_err(refused)?))
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
                        return Ok(Box::new(stream));
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
