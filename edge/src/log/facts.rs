//! What the formats of one's own know of a request that is over.

use std::time::Duration;

use http::HeaderMap;
use http1::head::Head;

use crate::log::record::{HitRecord, HitReply};
use crate::metrics::CacheResult;
use crate::reply::sent::Sent;
use crate::reply::{self, Reply};
use crate::request::client::protocol;
use crate::request::{Via, path};
use crate::variables::{Facts, FieldSource, ReplyFacts, RequestFacts, RouteFacts, Values};

/// The facts of a request that memory answered.
pub(super) fn of_hit(
    hit: &HitRecord<'_>,
    head: &Head<'_>,
    via: &Via,
    sent: &HitReply,
    use_them: impl FnOnce(&Facts<'_>),
) {
    let uri = path::normalise(head.target.path().as_bytes());
    let headers = HeaderMap::new();
    let reply = ReplyFacts {
        status: sent.status.as_u16(),
        headers: &headers,
        cache: (hit.result == CacheResult::Hit).then_some("HIT"),
        upstream: None,
        pool: hit.location.pool.as_deref(),
        took: hit.started.elapsed(),
        head_bytes: sent.head,
        body_bytes: sent.sent,
        complete: true,
    };
    let request = RequestFacts {
        method: head.method,
        target: head.target.as_str(),
        protocol: protocol(via.version(head)),
        authority: head.host.map_or("", |host| host.as_str()),
        fields: FieldSource::Lines(head.fields),
        client: via.peer.ip().to_canonical(),
        client_port: via.peer.port(),
        scheme: via.scheme.as_str(),
        server_port: via.port,
        length: None,
        id: rand::random(),
        upgrade: "",
    };
    let route = RouteFacts {
        uri: uri.as_ref().map_or(&b""[..], |path| path.as_bytes()),
        args: head.target.query(),
        server_name: &hit.location.site,
        document_root: "",
        definitions: None,
    };
    use_them(&Facts { request, route, values: Values::NONE, reply: Some(reply) });
}

/// The facts of a reply that was sent, wholly or not.
pub(super) fn after_sending<'a>(
    reply: &'a Reply,
    sent: Sent,
    took: Duration,
    pool: Option<&'a str>,
) -> ReplyFacts<'a> {
    ReplyFacts {
        took,
        head_bytes: sent.head,
        body_bytes: sent.body,
        complete: !sent.broken,
        ..reply::facts::before_sending(reply, &reply.headers, pool)
    }
}
