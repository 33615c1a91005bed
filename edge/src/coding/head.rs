//! What coding changes in the head of a reply.

use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, VARY};
use http::{HeaderMap, HeaderValue};

use crate::coding::Coding;

/// Makes it the head of the body in this coding.
pub(crate) fn coded(headers: &mut HeaderMap, coding: Coding) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    headers.remove(CONTENT_LENGTH);
    // No part of a coded body is served.
    headers.remove(ACCEPT_RANGES);
    weaken(headers);
}

/// RFC 9110 section 8.8.1: a strong validator "changes value whenever a change occurs to the representation
/// data". Each coding is other data.
pub(crate) fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) else { return };
    match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        Ok(weak) => drop(headers.insert(ETAG, weak)),
        Err(_) => drop(headers.remove(ETAG)),
    }
}

/// RFC 9110 section 12.5.5: "An origin server SHOULD generate a Vary header field on a cacheable response
/// when it wishes that response to be selectively reused".
pub(crate) fn varies(headers: &mut HeaderMap) {
    varies_by(headers, "Accept-Encoding");
}

/// Adds this name to Vary.
pub(crate) fn varies_by(headers: &mut HeaderMap, by: &'static str) {
    let is_named = |name: &str| {
        let name = name.trim();
        name == "*" || name.eq_ignore_ascii_case(by)
    };
    let named = headers
        .get_all(VARY)
        .iter()
        .any(|line| line.to_str().is_ok_and(|line| line.split(',').any(is_named)));
    if named {
        return;
    }
    let mut lines = headers.get_all(VARY).iter();
    let joined = match (lines.next(), lines.next()) {
        (None, _) => Some(HeaderValue::from_static(by)),
        // One line, as most readers expect it.
        (Some(only), None) => HeaderValue::from_bytes(&[only.as_bytes(), b", ", by.as_bytes()].concat()).ok(),
        _ => None,
    };
    match joined {
        Some(joined) => drop(headers.insert(VARY, joined)),
        None => drop(headers.append(VARY, HeaderValue::from_static(by))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn vary_is_merged() {
        let cases: &[(&[&'static str], &[&str])] = &[
            (&[], &["Accept-Encoding"]),
            (&["Cookie"], &["Cookie, Accept-Encoding"]),
            (&["Cookie, accept-encoding"], &["Cookie, accept-encoding"]),
            (&["*"], &["*"]),
            (&["Cookie", "Origin"], &["Cookie", "Origin", "Accept-Encoding"]),
            (&["Cookie", "Accept-Encoding"], &["Cookie", "Accept-Encoding"]),
        ];
        for (before, after) in cases {
            let mut headers = headers(&before.iter().map(|line| ("vary", *line)).collect::<Vec<_>>());
            varies(&mut headers);
            assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), *after, "{before:?}");
        }
    }

    #[test]
    fn validators_become_weak_and_ranges_and_length_go() {
        for (tag, weak) in [("\"x\"", Some("W/\"x\"")), ("W/\"x\"", Some("W/\"x\"")), ("x", Some("x"))] {
            let mut headers = headers(&[("etag", tag), ("content-length", "5"), ("accept-ranges", "bytes")]);
            coded(&mut headers, Coding::Zstandard);
            assert_eq!(headers.get(ETAG).map(|tag| tag.to_str().unwrap()), weak);
            assert_eq!(headers[CONTENT_ENCODING], "zstd");
            assert_eq!(headers.len(), 2);
        }
    }
}
