//! One request on the straight way: the application's reply goes to the client as the handler would send it.

use std::pin::pin;

use http::Method;

use crate::handler::through::{AskedRequest, ThroughRequest};
use crate::handler::visit::ClientAbort;
use crate::http1::abandon::{self, left, unless};
use crate::http1::connection::Connection;
use crate::http1::connection::exchange::Receiver;
use crate::http1::exchanged::ExchangeResult;
use crate::http1::linger::Persistence;
use crate::http1::write::WriteManner;
use crate::log::record;
use crate::metrics::GaugeGuard;
use crate::reply::Reply;

impl Connection {
    /// Takes the request to the application. Returns true if the connection may be used again.
    pub(super) async fn pass_through(
        &mut self,
        request: Box<(ThroughRequest, AskedRequest)>,
        after: Persistence,
    ) -> bool {
        let (request, asked) = *request;
        let (edge, listener) = (self.edge.clone(), self.via.listener);
        let active = GaugeGuard::enter(&edge.metrics.requests_active);
        let client_abort = ClientAbort::default();
        client_abort.decide(&Method::GET, request.location.ignore_client_abort);
        let manner = WriteManner {
            head_only: request.head_only,
            version: request.version,
            keep_alive: after == Persistence::Next,
            title_names: edge.settings.title_names,
        };
        let (stream, buffer) = (&mut self.stream, &mut self.buffer);
        let limits = &edge.bounds(listener).request_head;
        let answered = {
            let gone = client_abort.heed(left(&mut *stream, &mut *buffer));
            unless(pin!(gone), pin!(request.answered(&edge, asked, limits))).await
        };
        let (sent, reply) = match answered {
            None => abandon::nothing_sent(),
            Some(reply) if reply.elsewhere.is_some() => {
                drop(active);
                return Box::pin(self.go_on(&request, reply, after)).await;
            }
            Some(mut reply) => {
                // A drain that began meanwhile ends the connection.
                reply.close |= edge.ends_connections_of(listener);
                let receiver = Receiver { stream, buffer, client_abort: &client_abort, listener };
                receiver.send(&edge, reply, manner).await
            }
        };
        let line = || {
            let by = (request.client.address, request.version);
            request
                .reread(limits, |head| Some(record::Line::of_head(head, by, &request.trace, request.started)))
        };
        edge.log.passed(request.started, line, sent, &reply);
        self.finished(ExchangeResult::without_body((sent, reply)), after).await
    }

    /// Lets the handler go on with a request to which the application has replied that another location
    /// answers.
    async fn go_on(&mut self, request: &ThroughRequest, reply: Reply, after: Persistence) -> bool {
        let limits = &self.edge.bounds(self.via.listener).request_head;
        let received = request.reread(limits, |head| self.incoming(head, request.head_bytes(), after).ok());
        match received {
            Some(received) => self.exchange(received.after(request, reply)).await,
            // It was read before.
            None => false,
        }
    }
}
