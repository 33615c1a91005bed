//! Fills the holes of a shared page for one visitor: the token of the visitor's own cookie, which is set
//! where there is none, texts that the application has signed for this visitor, and nonces.
//!
//! What is sent is one visitor's, although the page is everybody's: it has no validator, is answered whole,
//! and no cache on the way may keep it. The token has another mask each time, so the page may be compressed.

pub(crate) mod value_keys;

use std::array;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, COOKIE, ETAG, EXPIRES, LAST_MODIFIED, PRAGMA, SET_COOKIE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_cache::holes::nonce;
use http_cache::holes::token::{Draw, LETTERS, Secret};
use http_cache::holes::token_cookie::TokenCookie;
use http_cache::holes::{HoleContent, Holes, Mark};
use memchr::memmem;

use crate::coding::head;
use crate::coding::rule::has_directive;
use crate::reply::Reply;
use crate::reply::body::ReplyBody;
use crate::reply::body::filled::FilledBody;
use value_keys::ValueKeys;

/// The cookies of a visitor, saved while the handler owns the request itself.
pub(crate) struct VisitorCookies(Vec<HeaderValue>);

impl VisitorCookies {
    pub(crate) fn of(request: &HeaderMap) -> Self {
        Self(request.get_all(COOKIE).iter().cloned().collect())
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(HeaderValue::as_bytes)
    }
}

/// What the reply of an application declares. `None` also if it makes no sense: such a reply is not shared.
pub(crate) fn declared(headers: &HeaderMap) -> Option<Arc<Holes>> {
    Holes::of(headers).ok().flatten().map(Arc::new)
}

/// Fills the holes, if there are any.
pub(crate) fn fill(mut reply: Reply, cookies: &VisitorCookies, keys: &ValueKeys) -> Reply {
    let Some(holes) = reply.holes.clone().filter(|_| reply.elsewhere.is_none()) else { return reply };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut fills = Vec::new();
    for hole in holes.iter() {
        let value = match &hole.content {
            HoleContent::Token(cookie) => {
                let secret = secret(cookie, cookies, &mut reply.headers);
                Bytes::copy_from_slice(&secret.masked(draw()))
            }
            HoleContent::Value(value) => {
                value.html(cookies.lines(), now, |message, mac| keys.have_signed(message, mac)).into()
            }
            HoleContent::Nonce => {
                // As long as its mark, and as random as a token under its mask.
                let new = Bytes::copy_from_slice(&Secret::new(draw()).masked(draw()));
                nonce::fill(&mut reply.headers, &hole.mark, &new);
                new
            }
        };
        fills.push((hole.mark, value));
    }
    if holes.have_values() {
        set_length(&mut reply, &fills);
    }
    let body = std::mem::replace(&mut reply.body, ReplyBody::Empty);
    reply.body = ReplyBody::Filled(Box::new(FilledBody::new(body, fills)));
    reply
}

/// A text is not as long as its mark. How often a mark stands in a page that still arrives, nobody knows.
fn set_length(reply: &mut Reply, fills: &[(Mark, Bytes)]) {
    reply.length = match &reply.body {
        ReplyBody::Whole(page) => Some(fills.iter().fold(page.len(), |length, (mark, value)| {
            let times = memmem::find_iter(page, mark.as_bytes()).count();
            (length + times * value.len()).saturating_sub(times * mark.as_bytes().len())
        }) as u64),
        ReplyBody::Empty => reply.length,
        _ => None,
    };
    reply.headers.remove(CONTENT_LENGTH);
}

/// The secret of the visitor, or a new one.
fn secret(cookie: &TokenCookie, visitor: &VisitorCookies, headers: &mut HeaderMap) -> Secret {
    cookie.secret(visitor.lines()).unwrap_or_else(|| {
        let new = Secret::new(draw());
        if let Some(cookie) = cookie.set_cookie(&new) {
            headers.append(SET_COOKIE, cookie);
        }
        new
    })
}

fn draw() -> Draw {
    // Seeded by the system, and as good as it for secrets.
    array::from_fn(|_| rand::random_range(0..LETTERS))
}

/// The last word on the head of a page with holes, whatever the application and the settings say: no cache
/// on the way may keep it, and the visitor's own browser asks again, as the secret changes with a login.
pub(crate) fn keep_private(reply: &mut Reply) {
    if reply.holes.is_none() || reply.status == StatusCode::NOT_MODIFIED {
        return;
    }
    let headers = &mut reply.headers;
    let no_store = has_directive(headers, "no-store");
    for name in [ETAG, LAST_MODIFIED, ACCEPT_RANGES, EXPIRES, PRAGMA] {
        headers.remove(name);
    }
    let control = if no_store { "private, no-store" } else { "private, no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(control));
    head::varies_by(headers, "Cookie");
}

#[cfg(test)]
mod tests {
    use http::header::VARY;
    use http_cache::holes::WEIR_HOLES;

    use super::*;
    use crate::reply::ReplyParts;

    const MARK: &str = "0123456789abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ0123";

    fn reply(fields: &[(&'static str, &str)]) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(WEIR_HOLES, format!("csrf;mark=\"{MARK}\";cookie=\"t\"").parse().unwrap());
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let holes = declared(&headers);
        headers.remove(WEIR_HOLES);
        let body = ReplyBody::Whole(format!("<form>{MARK}</form>").into());
        let mut reply = ReplyParts::new(StatusCode::OK, headers, body);
        reply.holes = holes;
        reply
    }

    async fn token(reply: &mut Reply) -> Secret {
        let mut body = Vec::new();
        while let Some(chunk) = reply.body.next().await {
            body.extend_from_slice(&chunk.unwrap());
        }
        let token = body.strip_prefix(b"<form>").and_then(|rest| rest.strip_suffix(b"</form>")).unwrap();
        assert_ne!(token, MARK.as_bytes());
        assert_eq!(reply.length, Some(body.len() as u64));
        Secret::of_cookie(token).unwrap()
    }

    fn cookies(lines: &[String]) -> VisitorCookies {
        VisitorCookies(lines.iter().map(|line| line.parse().unwrap()).collect())
    }

    #[tokio::test]
    async fn a_visitor_keeps_the_secret_and_a_new_one_gets_one() {
        let held = "s".repeat(32);
        let mut filled = fill(reply(&[]), &cookies(&[format!("a=b; t={held}")]), &ValueKeys::default());
        assert!(!filled.headers.contains_key(SET_COOKIE));
        assert_eq!(token(&mut filled).await, Secret::of_cookie(held.as_bytes()).unwrap());
        let mut given = Vec::new();
        for lines in [&[][..], &["t=broken".to_owned()]] {
            let mut filled = fill(reply(&[]), &cookies(lines), &ValueKeys::default());
            let set = filled.headers[SET_COOKIE].to_str().unwrap().to_owned();
            let secret = token(&mut filled).await;
            assert_eq!(set.strip_prefix("t=").unwrap().as_bytes(), secret.cookie_value());
            given.push(set);
        }
        assert_ne!(given[0], given[1]);
    }

    #[test]
    fn no_cache_on_the_way_keeps_what_is_filled() {
        let fields = [
            ("cache-control", "public, max-age=60"),
            ("expires", "Thu, 01 Dec 2094 16:00:00 GMT"),
            ("etag", "\"x\""),
            ("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT"),
            ("accept-ranges", "bytes"),
            ("vary", "Accept-Language"),
        ];
        let mut filled = fill(reply(&fields), &cookies(&["t=x".to_owned()]), &ValueKeys::default());
        keep_private(&mut filled);
        assert_eq!(filled.headers[CACHE_CONTROL], "private, no-cache");
        assert_eq!(filled.headers[VARY], "Accept-Language, Cookie");
        assert_eq!(filled.headers.keys_len(), 3, "{:?}", filled.headers);
        for (control, expected) in
            [("no-store, max-age=0", "private, no-store"), ("no-cache", "private, no-cache")]
        {
            let mut filled = reply(&[("cache-control", control), ("vary", "cookie")]);
            keep_private(&mut filled);
            assert_eq!(filled.headers[CACHE_CONTROL], expected);
            assert_eq!(filled.headers.get_all(VARY).iter().count(), 1);
        }
        let mut without = reply(&fields);
        without.holes = None;
        keep_private(&mut without);
        assert_eq!(without.headers[CACHE_CONTROL], "public, max-age=60");
    }
}
