//! What the PROXY protocol says of a connection.

use std::net::SocketAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProxyAddresses {
    /// The client.
    pub(crate) source: SocketAddr,
    /// Where the client has connected to.
    pub(crate) destination: SocketAddr,
}
