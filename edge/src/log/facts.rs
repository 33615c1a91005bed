//! A request that memory answered, and what the formats of the settings' own know of it.

use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use http1::head::Head;

use crate::connection::tls_session::TlsSession;
use crate::metrics::CacheResult;
use crate::reply::delivery::Delivery;
use crate::reply::{self, Reply};
use crate::request::client::protocol;
use crate::request::{Via, path};
use crate::route::Location;
use crate::variables::{Facts, FieldSource, LimitStatus, ReplyFacts, RequestFacts, RouteFacts, Values};

/// What the log needs to know about a request that memory answers.
pub(crate) struct HitRecord<'a> {
    pub(crate) location: &'a Location,
    pub(crate) result: CacheResult,
    pub(crate) started: Instant,
}

/// What was sent for it.
pub(crate) struct HitReply {
    pub(crate) status: StatusCode,
    /// Bytes of the head.
    pub(crate) head: u64,
    /// Bytes of the body.
    pub(crate) sent: u64,
}

/// How a request came that memory answers.
pub(crate) struct HitRequest<'a> {
    pub(crate) via: &'a Via,
    /// Bytes of its head.
    pub(crate) head_bytes: usize,
    pub(crate) tls: Option<&'a TlsSession>,
}

/// What the connection alone tells of a request.
fn of_connection<'a>(via: &'a Via, fields: FieldSource<'a>) -> RequestFacts<'a> {
    RequestFacts {
        method: "",
        target: "",
        protocol: "",
        authority: "",
        fields,
        client: via.peer.ip().to_canonical(),
        client_port: via.peer.port(),
        scheme: via.scheme.as_str(),
        server_port: via.port,
        length: None,
        id: rand::random(),
        upgrade: "",
        connection: via.connection,
        connection_requests: via.requests,
        connected: via.since,
        limited: LimitStatus::default(),
        received: 0,
        tls: None,
        server: None,
        body: None,
        upstream: None,
        proxied: None,
        unread_line: b"",
        claims: None,
        peer: Some(via.peer),
        endless: None,
    }
}

/// Hands out the facts. The reply's fields are not among them: see `Needs::WHOLE`.
pub(super) fn of_hit(
    hit: &HitRecord<'_>,
    head: &Head<'_>,
    by: &HitRequest<'_>,
    sent: &HitReply,
    use_them: impl FnOnce(&Facts<'_>),
) {
    let via = by.via;
    let uri = path::normalise(head.target.path().as_bytes());
    let headers = HeaderMap::new();
    let reply = ReplyFacts {
        status: sent.status.as_u16(),
        headers: &headers,
        cache: (hit.result == CacheResult::Hit).then_some("HIT"),
        pool: hit.location.pool.as_deref(),
        upstream: None,
        took: hit.started.elapsed(),
        head_bytes: sent.head,
        body_bytes: sent.sent,
        uncoded: None,
        complete: true,
    };
    let request = RequestFacts {
        method: head.method,
        target: head.target.as_str(),
        protocol: protocol(via.version(head)),
        authority: head.host.map_or("", |host| host.as_str()),
        received: by.head_bytes as u64,
        tls: by.tls,
        peer: None,
        ..of_connection(via, FieldSource::Lines(head.fields))
    };
    let route = RouteFacts {
        uri: uri.as_ref().map_or(&b""[..], |path| path.as_bytes()),
        args: head.target.query(),
        server_name: &hit.location.site,
        document_root: None,
        definitions: None,
    };
    use_them(&Facts { request, route, values: Values::NONE, reply: Some(reply) });
}

/// Hands out what is known of a request whose head could not be read.
pub(super) fn of_refusal(
    (via, unread_line): (&Via, &[u8]),
    place: &Location,
    (reply, sent): (&Reply, Delivery),
    use_them: impl FnOnce(&Facts<'_>),
) {
    let headers = HeaderMap::new();
    let request = RequestFacts { unread_line, ..of_connection(via, FieldSource::Map(&headers)) };
    let told = reply::facts::after_sending(reply, sent, Duration::ZERO, None);
    let route = RouteFacts { server_name: &place.site, ..RouteFacts::default() };
    use_them(&Facts { request, route, values: Values::NONE, reply: Some(told) });
}
