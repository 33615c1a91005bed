//! Replies that rules give: `return`, and the redirects of `rewrite`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::metrics::CacheResult;
use crate::reply::body::ReplyBody;
use crate::reply::facts::of_text;
use crate::reply::{Reply, ReplyParts, error};
use crate::request::Request;
use crate::route::Location;
use crate::route::returns::{HANG_UP, Return, ReturnContent};
use crate::variables::Facts;
use crate::variables::expression::EndlessSearch;

/// The answer of a `return`. The error whose page it is has a status of its own.
pub(super) fn reply(
    answer: &Return,
    (facts, of_error): (&Facts<'_>, Option<StatusCode>),
    location: &Location,
) -> Reply {
    let mut reply = content(answer, (facts, of_error), location);
    location.expires.apply(reply.status, &mut reply.headers, SystemTime::now(), None);
    reply
}

fn content(
    answer: &Return,
    (facts, of_error): (&Facts<'_>, Option<StatusCode>),
    location: &Location,
) -> Reply {
    match &answer.content {
        ReturnContent::Page if answer.status.as_u16() == HANG_UP => error::hang_up(),
        ReturnContent::Page if answer.status.is_success() => {
            let mut headers = HeaderMap::new();
            if answer.status != StatusCode::NO_CONTENT {
                let path = Path::new(OsStr::from_bytes(facts.route.uri));
                headers.insert(CONTENT_TYPE, location.types.of_text(path));
            }
            ReplyParts::new(answer.status, headers, ReplyBody::Empty).noting(CacheResult::Own)
        }
        ReturnContent::Page => error::of_status(answer.status),
        ReturnContent::Location(template) => redirect(answer.status, &template.value(facts)),
        ReturnContent::Text(template) => {
            let path = Path::new(OsStr::from_bytes(facts.route.uri));
            let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, location.types.of_text(path))]);
            let has_body = !matches!(answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
            if !has_body {
                headers.clear();
            }
            let told = facts.with_reply(of_text(of_error.unwrap_or(answer.status), &headers));
            let body = Bytes::from(template.value(&told).into_owned());
            if location.nosniff && has_body {
                headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            }
            let body = if has_body { ReplyBody::Whole(body) } else { ReplyBody::Empty };
            ReplyParts::new(answer.status, headers, body).noting(CacheResult::Own)
        }
    }
}

/// The answer where a regular expression cannot be searched to its end.
pub(super) fn endless(endless: EndlessSearch, request: &Request) -> Reply {
    tracing::warn!(target = request.target, "{endless}");
    error::internal()
}

/// A redirect to a URL or path. A value that could end the field is refused.
pub(super) fn redirect(status: StatusCode, to: &[u8]) -> Reply {
    let Ok(to) = HeaderValue::from_bytes(to) else {
        tracing::warn!(to = %to.escape_ascii(), "a redirect would contain a control character");
        return error::internal();
    };
    let mut reply = error::page(status, "This page is at another address.");
    // A permanent redirect may be kept, as nginx's may.
    reply.headers.remove(CACHE_CONTROL);
    reply.headers.insert(LOCATION, to);
    reply.noting(CacheResult::Own)
}
