//! Which fields are stored with a reply, which the client sees, and which the application sees.

use std::time::SystemTime;

use http::header::{AGE, CACHE_CONTROL, CONNECTION, DATE, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use http1::hop_by_hop;

use crate::cache_control::{ReplyDirectives, directives};
use crate::targeted::{self, CDN_CACHE_CONTROL, WEIR_CACHE_CONTROL};
use crate::vary;

/// What is kept of a reply's fields. `now` is when it was received.
///
/// Fields that steer the cache ([`client_headers`]) are kept: purges need the tags. Age is not: it is
/// [`crate::Lifetime::age`]. Set-Cookie never is.
pub fn stored_headers(reply: &HeaderMap, now: SystemTime) -> HeaderMap {
    let (nominated, withheld) = (nominated(reply), withheld_names(reply));
    let keep = |name: &HeaderName| {
        !is_hop_by_hop(name) && *name != AGE && !nominated.contains(name) && !withheld.contains(name)
    };
    // "Caches MUST include all received response header fields -- including unrecognized ones -- when storing
    // a response" (section 3.1), with the exceptions above.
    let mut stored = HeaderMap::with_capacity(reply.len() + 1);
    for (name, value) in reply.iter().filter(|(name, _)| keep(name)) {
        stored.append(name, value.clone());
    }
    // RFC 9110 section 12.5.5: what else than the URL has chosen the content stands in Vary.
    if let Some(name) = vary::unsaid(reply) {
        stored.append(VARY, HeaderValue::from(name));
    }
    // RFC 9110 section 6.6.1: "A recipient with a clock that receives a response message without a Date
    // header field MUST record the time it was received and append a corresponding Date header field to the
    // message's header section if it is cached or forwarded downstream."
    if !stored.contains_key(DATE)
        && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now))
    {
        stored.insert(DATE, date);
    }
    stored
}

/// The fields that are not stored with the reply but belong to the one request that it was made for: what
/// `private` and
/// `no-cache` name, and Set-Cookie. They forbid storing and reuse, not forwarding.
pub fn withheld_headers(reply: &HeaderMap) -> HeaderMap {
    let (nominated, withheld) = (nominated(reply), withheld_names(reply));
    let is_one =
        |name: &HeaderName| withheld.contains(name) && !is_hop_by_hop(name) && !nominated.contains(name);
    let fields = reply.iter().filter(|(name, _)| is_one(name));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether a stored reply may hold this field: no other one is ever stored.
pub fn is_stored(name: &HeaderName) -> bool {
    *name != SET_COOKIE && !is_hop_by_hop(name)
}

fn withheld_names(reply: &HeaderMap) -> Vec<HeaderName> {
    let lines = reply.get_all(CACHE_CONTROL).iter();
    let governing = [
        Some(ReplyDirectives::collect(directives(lines))),
        targeted::directives(reply, &WEIR_CACHE_CONTROL),
        targeted::directives(reply, &CDN_CACHE_CONTROL),
    ];
    let mut names = vec![SET_COOKIE];
    for directives in governing.iter().flatten() {
        // private: "a shared cache MUST NOT store the listed header fields if they are present in the
        // original response" (RFC 9111 section 5.2.2.7). no-cache: "a cache MAY use the response to satisfy a
        // subsequent request […] if the listed header fields are excluded from the subsequent response"
        // (section 5.2.2.4).
        names.extend_from_slice(directives.private.names());
        names.extend_from_slice(directives.no_cache.names());
    }
    names
}

/// Takes out the fields by which the application steers us, before the client sees the reply. Cache-Groups
/// stays: it is for every cache on the way (RFC 9875).
pub fn client_headers(reply: &mut HeaderMap) {
    remove(reply, |name| {
        matches!(
            name,
            "x-accel-expires"
                | "x-accel-redirect"
                | "x-accel-buffering"
                | "x-accel-charset"
                | "x-accel-limit-rate"
                | "surrogate-key"
                | "surrogate-control"
                | "cache-tag"
                | "edge-cache-tag"
                | "cdn-cache-control"
                | "weir-cache-control"
                | "weir-holes"
                | "weir-acted"
        )
    });
}

/// Takes out all fields of these names. Looks at what is there: to ask the map for each name costs more where
/// few are.
pub fn remove(message: &mut HeaderMap, is_one: impl Fn(&str) -> bool) {
    let found: Vec<HeaderName> = message.keys().filter(|name| is_one(name.as_str())).cloned().collect();
    for name in found {
        message.remove(name);
    }
}

/// Fields that hold for one connection (RFC 9110 section 7.6.1), and those of RFC 9111 section 3.1: "Header
/// fields that are specific to the proxy that a cache uses when forwarding a request MUST NOT be stored".
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    hop_by_hop::is_hop_by_hop(name.as_str().as_bytes())
}

/// The fields that Connection names: "Intermediaries MUST parse a received Connection header field before a
/// message is forwarded and, for each connection-option in this field, remove any header or trailer field(s)
/// from the message with the same name as the connection-option" (RFC 9110 section 7.6.1). Those that are for
/// all recipients stay.
pub fn nominated(message: &HeaderMap) -> Vec<HeaderName> {
    let options =
        message.get_all(CONNECTION).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let options = options.map(<[u8]>::trim_ascii).filter(|name| !hop_by_hop::is_for_all(name));
    options.filter_map(|name| HeaderName::from_bytes(name).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn stored(fields: &[(&'static str, &str)]) -> String {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let stored = stored_headers(&headers(fields), now);
        let lines: Vec<_> =
            stored.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.join("; ")
    }

    #[test]
    fn what_is_stored() {
        let date = ("date", "Sun, 06 Nov 1994 08:00:00 GMT");
        let cases: &[(&[(&'static str, &str)], &str)] = &[
            (&[date, ("x-new", "1"), ("x-new", "2")], "x-new: 1; x-new: 2"),
            (&[date, ("connection", "close, X-A"), ("x-a", "1"), ("keep-alive", "5")], ""),
            (
                &[date, ("connection", "Cache-Control"), ("cache-control", "private")],
                "cache-control: private",
            ),
            (
                &[date, ("content-encoding", "gzip"), ("vary", "a")],
                "content-encoding: gzip; vary: a; vary: accept-encoding",
            ),
            (
                &[date, ("transfer-encoding", "chunked"), ("trailer", "x"), ("te", "x"), ("upgrade", "h2c")],
                "",
            ),
            (&[date, ("proxy-authenticate", "x"), ("proxy-authentication-info", "x")], ""),
            (&[date, ("set-cookie", "a=1"), ("age", "5")], ""),
            (
                &[date, ("cache-control", "private=\"X-User\""), ("x-user", "u")],
                "cache-control: private=\"X-User\"",
            ),
            (
                &[date, ("cache-control", "no-cache=\"x-user\""), ("x-user", "u")],
                "cache-control: no-cache=\"x-user\"",
            ),
            (
                &[date, ("cdn-cache-control", "private=\"X-User\""), ("x-user", "u")],
                "cdn-cache-control: private=\"X-User\"",
            ),
            (&[date, ("surrogate-key", "a b"), ("etag", "\"x\"")], "surrogate-key: a b; etag: \"x\""),
        ];
        for (fields, expected) in cases {
            let found = stored(fields);
            let rest = found.strip_prefix("date: Sun, 06 Nov 1994 08:00:00 GMT").unwrap();
            assert_eq!(rest.trim_start_matches("; "), *expected, "{fields:?}");
        }
    }

    #[test]
    fn what_the_first_visitor_gets_besides() {
        let reply = headers(&[
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("cache-control", "private=\"X-User\", no-cache=\"x-token, connection\""),
            ("x-user", "u"),
            ("x-token", "t"),
            ("connection", "x-user"),
            ("etag", "\"x\""),
        ]);
        let lines: Vec<_> = withheld_headers(&reply)
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        assert_eq!(lines, ["set-cookie: a=1", "set-cookie: b=2", "x-token: t"]);
    }

    #[test]
    fn a_reply_without_a_date_gets_the_time_of_receipt() {
        assert_eq!(stored(&[("etag", "\"x\"")]), "etag: \"x\"; date: Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn steering_fields_end_here() {
        let mut reply = headers(&[
            ("X-Accel-Expires", "5"),
            ("x-accel-redirect", "/x"),
            ("surrogate-key", "a"),
            ("surrogate-control", "max-age=5"),
            ("cache-tag", "a"),
            ("edge-cache-tag", "a"),
            ("cdn-cache-control", "max-age=5"),
            ("weir-cache-control", "max-age=5"),
            ("weir-holes", "csrf"),
            ("weir-acted", "?1"),
            ("cache-groups", "\"a\""),
            ("cache-control", "max-age=5"),
        ]);
        client_headers(&mut reply);
        let mut left: Vec<_> = reply.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["cache-control", "cache-groups"]);
    }
}
