//! The connection that a request came by.

use std::net::SocketAddr;
use std::time::Instant;

use http::Version;
use http1::head::{Head, Scheme};

use crate::connection::client_check::ClientRefusal;

/// The connection a request came by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Via {
    pub(crate) peer: SocketAddr,
    /// The address that the client connected to.
    pub(crate) port: u16,
    /// The listener that accepted the connection: its index in `edge.listen`.
    pub(crate) listener: u16,
    pub(crate) scheme: Scheme,
    /// HTTP/2, whose heads are read by the reader of HTTP/1.
    pub(crate) http2: bool,
    /// The number of the connection among all that the edge has accepted; it begins again after 2^32.
    pub(crate) connection: u32,
    /// How many requests came by it, with this one.
    pub(crate) requests: u32,
    /// When it was accepted.
    pub(crate) since: Instant,
    /// Why it gets no answer but one.
    pub(crate) refused: Option<ClientRefusal>,
}

impl Via {
    /// A connection that was just accepted, by this listener. It is told apart by its number.
    pub(crate) fn accepted((peer, port): (SocketAddr, u16), listener: u16, connection: u32) -> Self {
        let (scheme, http2, requests, refused) = (Scheme::Http, false, 0, None);
        let since = Instant::now();
        Self { peer, port, listener, scheme, http2, connection, requests, since, refused }
    }

    pub(crate) fn version(&self, head: &Head<'_>) -> Version {
        if self.http2 { Version::HTTP_2 } else { head.version.into() }
    }
}
