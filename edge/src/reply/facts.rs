//! What variables know of a reply.

use std::time::Duration;

use http::HeaderMap;

use crate::reply::Reply;
use crate::variables::ReplyFacts;

/// The facts before anything is sent. `headers` are those of the reply as it came.
pub(crate) fn before_sending<'a>(
    reply: &Reply,
    headers: &'a HeaderMap,
    pool: Option<&'a str>,
) -> ReplyFacts<'a> {
    ReplyFacts {
        status: reply.status.as_u16(),
        headers,
        cache: reply.note.cache_status.map(|status| status.nginx_word()),
        upstream: reply.note.upstream,
        pool,
        took: Duration::ZERO,
        head_bytes: 0,
        body_bytes: 0,
        complete: false,
    }
}
