//! The facts of a request that variables are computed from.

use crate::request::client::protocol;
use crate::request::{Request, Upgrade};
use crate::variables::{Facts, FieldSource, RequestFacts, RouteFacts};

impl Request {
    /// What variables know of the request at this place.
    pub(crate) fn facts<'a>(&'a self, route: RouteFacts<'a>) -> Facts<'a> {
        let request = RequestFacts {
            // As in nginx, the page of `auth_request` is told of the client's method.
            method: self.check_of.as_ref().unwrap_or(&self.method).as_str(),
            target: self.sent_target.as_deref().unwrap_or(&self.target),
            protocol: protocol(self.version),
            authority: &self.authority,
            fields: match &self.credentials {
                Some(credentials) => FieldSource::Checked(&self.headers, credentials),
                None => FieldSource::Map(&self.headers),
            },
            client: self.client.address,
            client_port: self.client.port,
            scheme: self.scheme.as_str(),
            server_port: self.server_port,
            length: self.body.length().filter(|length| *length > 0),
            id: self.id,
            upgrade: self.upgrade.map_or("", Upgrade::name),
            connection: self.arrival.connection,
            connection_requests: self.arrival.requests,
            connected: self.arrival.since,
            limited: self.limited,
            received: self.arrival.head as u64,
            tls: self.arrival.tls.as_deref(),
            server: self.arrival.server,
            body: self.arrival.body.as_deref(),
            upstream: self.upstream.as_deref(),
            proxied: self.arrival.proxied.as_deref(),
            unread_line: b"",
            claims: self.arrival.claims.as_deref(),
            peer: self.arrival.peer,
            endless: Some(&self.endless),
        };
        Facts { request, route, values: &self.values, reply: None }
    }
}
