//! Replies that rules give: `return`, and the redirects of `rewrite`.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::percent_encode_byte;

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

/// A redirect to a URL or path. Control characters, which could end the field, are encoded: no URL has any
/// (RFC 3986 section 2), and visitors send them.
pub(super) fn redirect(status: StatusCode, to: &[u8]) -> Reply {
    let Ok(to) = HeaderValue::from_bytes(&without_controls(to)) else { return error::internal() };
    let mut reply = error::page(status, "This page is at another address.");
    // A permanent redirect may be kept, as nginx's may.
    reply.headers.remove(CACHE_CONTROL);
    reply.headers.insert(LOCATION, to);
    reply.noting(CacheResult::Own)
}

fn without_controls(url: &[u8]) -> Cow<'_, [u8]> {
    if !url.iter().any(u8::is_ascii_control) {
        return Cow::Borrowed(url);
    }
    let encoded = url.iter().flat_map(|byte| match byte.is_ascii_control() {
        true => percent_encode_byte(*byte).as_bytes(),
        false => std::slice::from_ref(byte),
    });
    Cow::Owned(encoded.copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_has_no_control_characters() {
        let table: &[(&[u8], &[u8])] = &[
            (b"/a?b=c", b"/a?b=c"),
            (b"/a\r\nset-cookie: x", b"/a%0D%0Aset-cookie: x"),
            (b"/\x00\x1f\x7f", b"/%00%1F%7F"),
            ("/é".as_bytes(), "/é".as_bytes()),
        ];
        for (to, expected) in table {
            let reply = redirect(StatusCode::FOUND, to);
            assert_eq!((reply.status, reply.headers[LOCATION].as_bytes()), (StatusCode::FOUND, *expected));
        }
    }
}
