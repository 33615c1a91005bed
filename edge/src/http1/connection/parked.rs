//! A connection between two requests, without what the runtime needs to wait for it.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;

use crate::Edge;
use crate::connection::proxied::ProxyAddresses;
use crate::connection::stream::ParkedStream;
use crate::http1::connection::Connection;
use crate::request::Via;

pub(crate) struct ParkedConnection {
    stream: ParkedStream,
    via: Via,
    proxied: Option<Arc<ProxyAddresses>>,
    edge: Arc<Edge>,
    until: Option<Instant>,
}

impl Connection {
    /// Gives up what the runtime has for it. It must be silent.
    pub(crate) fn park(self) -> io::Result<ParkedConnection> {
        let Self { stream, via, proxied, edge, idle_until, .. } = self;
        Ok(ParkedConnection { stream: stream.park()?, via, proxied, edge, until: idle_until })
    }
}

impl ParkedConnection {
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.stream.socket()
    }

    /// Its time is over.
    pub(crate) fn say_end(&mut self) {
        self.stream.say_end();
    }

    /// Makes it a connection of the current runtime.
    pub(crate) fn resume(self) -> io::Result<Connection> {
        let Self { stream, via, proxied, edge, until } = self;
        let mut connection = Connection::new(stream.resume()?, via, BytesMut::new(), edge).proxied(proxied);
        connection.idle_until = until;
        Ok(connection)
    }
}
