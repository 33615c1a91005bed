//! Sends a request on a connection of its own. An HTTP server may take few of them.

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use super::first_reply;
use crate::error::Error;
use crate::exchange::connect::connect;
use crate::exchange::idle::Connection;
use crate::exchange::{Exchange, Reply, ServerRequest};
use crate::pool::{Pool, Server};

/// A request's own connection to its server.
pub(super) struct NewConnection<'a> {
    pub(super) pool: &'a Pool,
    pub(super) server: &'a Server,
    /// Told how long that took.
    pub(super) connecting: &'a mut Duration,
}

impl NewConnection<'_> {
    /// Connects, and sends the request there. While an HTTP server does not accept the connection, others to
    /// it are closed.
    pub(super) async fn run(
        self,
        exchange: &mut Exchange<'_>,
        outgoing: ServerRequest<'_>,
    ) -> Result<Reply, Error> {
        let Self { pool, server, connecting } = self;
        let (idle, dialect, place) = (&pool.idle, outgoing.dialect, server.address.as_str());
        let begun = Instant::now();
        let until = exchange.deadline.within(exchange.config.connect_timeout.0);
        let mut connected = pin!(connect(&server.address, &pool.means, until));
        let connected = if dialect.keeps_connections() {
            idle.make_room(place);
            idle.beside(place, &mut connected).await
        } else {
            connected.await
        };
        let connection = Connection::new(connected?);
        *connecting = begun.elapsed();
        // A server that has finished a TLS handshake has accepted the connection.
        let may_wait = dialect.keeps_connections() && server.address.tls_host().is_none();
        let exchanging = pin!(exchange.run(connection, outgoing));
        let listening = async {
            if server.metrics.has_replied() {
                return exchanging.await;
            }
            Box::pin(first_reply::awaited(pool, server, dialect, exchanging)).await
        };
        if may_wait { idle.beside(place, listening).await } else { listening.await }
    }
}
