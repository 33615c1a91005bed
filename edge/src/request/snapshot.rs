//! What variables still need of a request when its reply is there: the handler has given the request away.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::{HeaderMap, Method};
use parking_lot::Mutex;

use crate::request::client::{Client, protocol};
use crate::request::path::{self, split};
use crate::request::{Arrival, Request, Upgrade};
use crate::variables::{
    DocumentRoot, EarlierReply, Facts, FieldSource, LimitStatus, RequestFacts, RouteFacts, Values,
};

pub(crate) struct RequestSnapshot {
    method: Method,
    target: String,
    protocol: &'static str,
    authority: String,
    headers: HeaderMap,
    client: Client,
    scheme: &'static str,
    server_port: u16,
    length: Option<u64>,
    id: u128,
    upgrade: &'static str,
    arrival: Arrival,
    body: Option<Arc<AtomicU64>>,
    /// What limits have done with it.
    limited: Mutex<LimitStatus>,
    place: Mutex<ReachedPlace>,
}

/// Where the request got to.
#[derive(Clone, Default)]
struct ReachedPlace {
    uri: Vec<u8>,
    args: Option<String>,
    document_root: Option<Arc<DocumentRoot>>,
    values: Values,
    /// The application's reply that has sent it there.
    upstream: Option<Arc<EarlierReply>>,
    /// Who has asked, as this place sees it.
    client: Option<Client>,
}

impl RequestSnapshot {
    pub(crate) fn of(request: &mut Request) -> Self {
        let (raw_path, query) = split(&request.target);
        let uri = path::normalise(raw_path.as_bytes()).map(|path| path.as_bytes().to_vec());
        let place = ReachedPlace {
            uri: uri.unwrap_or_default(),
            args: query.map(str::to_owned),
            document_root: None,
            values: request.values.clone(),
            upstream: request.upstream.clone(),
            client: None,
        };
        Self {
            method: request.method.clone(),
            target: request.target.clone(),
            protocol: protocol(request.version),
            authority: request.authority.clone(),
            headers: request.headers.clone(),
            client: request.client,
            scheme: request.scheme.as_str(),
            server_port: request.server_port,
            length: request.body.length().filter(|length| *length > 0),
            id: request.id,
            upgrade: request.upgrade.map_or("", Upgrade::name),
            arrival: request.arrival.clone(),
            body: request.body.counter(),
            limited: Mutex::default(),
            place: Mutex::new(place),
        }
    }

    /// The request has reached a location.
    pub(crate) fn reached(&self, request: &Request, uri: &[u8], document_root: &Arc<DocumentRoot>) {
        *self.place.lock() = ReachedPlace {
            uri: uri.to_vec(),
            args: split(&request.target).1.map(str::to_owned),
            document_root: Some(document_root.clone()),
            values: request.values.clone(),
            upstream: request.upstream.clone(),
            client: Some(request.client),
        };
    }

    /// Who has asked, as the place sees it that the request has reached.
    pub(crate) fn client(&self) -> IpAddr {
        self.place.lock().client.unwrap_or(self.client).address
    }

    /// Limits have counted the request.
    pub(crate) fn limited(&self, status: LimitStatus) {
        *self.limited.lock() = status;
    }

    /// Hands out the facts, without those of the reply.
    pub(crate) fn with_facts<T>(&self, server_name: &str, use_them: impl FnOnce(Facts<'_>) -> T) -> T {
        // Taken out, so that no lock is held meanwhile.
        let place = self.place.lock().clone();
        let client = place.client.unwrap_or(self.client);
        let request = RequestFacts {
            method: self.method.as_str(),
            target: &self.target,
            protocol: self.protocol,
            authority: &self.authority,
            fields: FieldSource::Map(&self.headers),
            client: client.address,
            client_port: client.port,
            scheme: self.scheme,
            server_port: self.server_port,
            length: self.length,
            id: self.id,
            upgrade: self.upgrade,
            connection: self.arrival.connection,
            connection_requests: self.arrival.requests,
            connected: self.arrival.since,
            limited: *self.limited.lock(),
            received: self.arrival.head as u64 + self.body.as_ref().map_or(0, |read| read.load(Relaxed)),
            tls: self.arrival.tls.as_deref(),
            server: self.arrival.server,
            body: self.arrival.body.as_deref(),
            upstream: place.upstream.as_deref(),
            proxied: self.arrival.proxied.as_deref(),
            unread_line: b"",
            claims: self.arrival.claims.as_deref(),
            peer: self.arrival.peer,
            endless: None,
        };
        let route = RouteFacts {
            uri: &place.uri,
            args: place.args.as_deref(),
            server_name,
            document_root: place.document_root.as_deref(),
            definitions: None,
        };
        use_them(Facts { request, route, values: &place.values, reply: None })
    }
}
