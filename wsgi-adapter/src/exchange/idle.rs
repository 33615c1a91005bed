//! Connections that HTTP servers keep open between requests, bounded in number, age and use.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::KeepaliveConfig;
use crate::exchange::connect::Socket;

/// A connection to a server, and what it has behind it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    made: Instant,
    requests: u32,
}

impl Connection {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, made: Instant::now(), requests: 0 }
    }
}

/// A pool's connections that wait for their next request, by server.
#[derive(Debug, Default)]
pub(crate) struct Idle(Mutex<HashMap<String, Vec<Parked>>>);

#[derive(Debug)]
struct Parked {
    connection: Connection,
    since: Instant,
}

impl Idle {
    /// The one that was used last, if the server has not closed it meanwhile.
    pub(crate) fn take(&self, server: &str, limits: &KeepaliveConfig) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = self.0.lock();
        let parked = idle.get_mut(server)?;
        parked.retain(|parked| parked.is_young(now, limits));
        // A server that has closed, or said something that nobody asked for, is not to be asked here.
        std::iter::from_fn(|| parked.pop())
            .map(|parked| parked.connection)
            .find(|connection| connection.socket.is_quiet())
    }

    /// After a request that left it clean.
    pub(crate) fn park(&self, server: &str, mut connection: Connection, limits: &KeepaliveConfig) {
        let now = Instant::now();
        connection.requests += 1;
        let parked = Parked { connection, since: now };
        if limits.connections == 0 || !parked.is_young(now, limits) {
            return;
        }
        let mut idle = self.0.lock();
        // Servers that are no longer asked leave nothing behind.
        idle.retain(|_, parked| {
            parked.retain(|parked| parked.is_young(now, limits));
            !parked.is_empty()
        });
        let others = idle.entry(server.to_owned()).or_default();
        if others.len() < limits.connections {
            others.push(parked);
        }
    }
}

impl Parked {
    fn is_young(&self, now: Instant, limits: &KeepaliveConfig) -> bool {
        now.saturating_duration_since(self.since) < limits.timeout.0
            && now.saturating_duration_since(self.connection.made) < limits.age.0
            && self.connection.requests < limits.requests
    }
}
