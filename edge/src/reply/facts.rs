//! What variables know of a reply.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::reply::body::ReplyBody;
use crate::reply::delivery::Delivery;
use crate::reply::{Note, Reply};
use crate::variables::{EarlierReply, EarlierUpstream, ReplyFacts, UpstreamFacts};

/// The facts before anything is sent. `headers` are those of the reply as it came.
pub(crate) fn before_sending<'a>(
    status: StatusCode,
    note: &'a Note,
    headers: &'a HeaderMap,
    pool: Option<&'a str>,
) -> ReplyFacts<'a> {
    let upstream = note.upstream.as_deref().map(|upstream| UpstreamFacts {
        earlier: &upstream.earlier,
        server: if upstream.server.is_empty() { pool.unwrap_or_default() } else { &upstream.server },
        status: if upstream.status == 0 { status.as_u16() } else { upstream.status },
        connect: upstream.connect,
        head: upstream.head,
        whole: upstream.whole(),
        work: upstream.work(),
    });
    ReplyFacts {
        status: status.as_u16(),
        headers,
        cache: note.cache_status.map(|status| status.nginx_word()),
        pool,
        upstream,
        took: Duration::ZERO,
        head_bytes: 0,
        body_bytes: 0,
        uncoded: None,
        complete: false,
    }
}

/// What is kept of a reply whose request goes on elsewhere.
pub(crate) fn earlier(reply: &Reply, pool: Option<&str>) -> EarlierReply {
    let told = before_sending(reply.status, &reply.note, &reply.headers, pool);
    EarlierReply {
        fields: if reply.is_error { HeaderMap::new() } else { reply.headers.clone() },
        upstream: told.upstream.as_ref().map(EarlierUpstream::of),
        ..EarlierReply::default()
    }
}

/// What a text that a rule gives knows of its own reply.
pub(crate) fn of_text(status: StatusCode, headers: &HeaderMap) -> ReplyFacts<'_> {
    ReplyFacts {
        status: status.as_u16(),
        headers,
        cache: None,
        pool: None,
        upstream: None,
        took: Duration::ZERO,
        head_bytes: 0,
        body_bytes: 0,
        uncoded: None,
        complete: false,
    }
}

/// The facts of a reply that was sent, complete or not.
pub(crate) fn after_sending<'a>(
    reply: &'a Reply,
    sent: Delivery,
    took: Duration,
    pool: Option<&'a str>,
) -> ReplyFacts<'a> {
    let uncoded = match &reply.body {
        ReplyBody::Coded(coded) => Some(coded.read()),
        _ => reply.note.uncoded,
    };
    ReplyFacts {
        took,
        head_bytes: sent.head,
        body_bytes: sent.body,
        uncoded,
        complete: !sent.broken,
        ..before_sending(reply.status, &reply.note, &reply.headers, pool)
    }
}
