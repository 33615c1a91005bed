//! Conditions and ranges in, what to send out.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
const LONG_AFTER: &str = "Sun, 06 Nov 1994 09:49:37 GMT";

type Fields<'a> = &'a [(&'static str, &'a str)];

fn headers(fields: Fields<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn answer(method: &Method, role: Role, status: u16, reply: Fields<'_>, request: Fields<'_>) -> Answer {
    let selected = SelectedRepresentation {
        status: StatusCode::from_u16(status).unwrap(),
        headers: &headers(reply),
        length: 10,
        received: UNIX_EPOCH + Duration::from_secs(784_111_777),
        role,
    };
    evaluate(method, &headers(request), &selected)
}

fn get(reply: Fields<'_>, request: Fields<'_>) -> Answer {
    answer(&Method::GET, Role::Cache, 200, reply, request)
}

const STRONG: (&str, &str) = ("etag", "\"a\"");
const WEAK: (&str, &str) = ("etag", "W/\"a\"");
const LAST_MODIFIED_THEN: (&str, &str) = ("last-modified", MODIFIED);

#[test]
fn if_none_match() {
    let cases: &[(Fields<'_>, Fields<'_>, Answer)] = &[
        (&[STRONG], &[], Answer::Full),
        (&[STRONG], &[("if-none-match", "\"a\"")], Answer::NotModified),
        (&[STRONG], &[("if-none-match", "W/\"a\"")], Answer::NotModified),
        (&[WEAK], &[("if-none-match", "\"a\"")], Answer::NotModified),
        (&[STRONG], &[("if-none-match", "\"b\"")], Answer::Full),
        (&[STRONG], &[("if-none-match", "\"b\", \"a\"")], Answer::NotModified),
        (&[STRONG], &[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")], Answer::NotModified),
        (&[STRONG], &[("if-none-match", "*")], Answer::NotModified),
        (&[], &[("if-none-match", "*")], Answer::NotModified),
        (&[], &[("if-none-match", "\"a\"")], Answer::Full),
        (&[STRONG], &[("if-none-match", "a")], Answer::Full),
        (&[STRONG, ("etag", "\"b\"")], &[("if-none-match", "\"a\"")], Answer::Full),
    ];
    for (reply, request, expected) in cases {
        assert_eq!(get(reply, request), *expected, "{reply:?} {request:?}");
        assert_eq!(
            answer(&Method::HEAD, Role::Origin, 200, reply, request),
            *expected,
            "HEAD {reply:?} {request:?}"
        );
    }
}

#[test]
fn if_modified_since() {
    let cases: &[(Fields<'_>, &str, Answer)] = &[
        // Sent in the second in which it was made: another may have been there before it.
        (&[LAST_MODIFIED_THEN], MODIFIED, Answer::Full),
        (&[LAST_MODIFIED_THEN, ("date", LATER)], MODIFIED, Answer::NotModified),
        (&[LAST_MODIFIED_THEN], LATER, Answer::NotModified),
        (&[LAST_MODIFIED_THEN], EARLIER, Answer::Full),
        (&[LAST_MODIFIED_THEN], "junk", Answer::Full),
        (&[("last-modified", "junk")], LATER, Answer::Full),
        (&[("date", MODIFIED)], MODIFIED, Answer::NotModified),
        (&[("date", MODIFIED)], EARLIER, Answer::Full),
        // Received at 08:49:37.
        (&[], MODIFIED, Answer::NotModified),
        (&[], EARLIER, Answer::Full),
    ];
    for (reply, since, expected) in cases {
        assert_eq!(get(reply, &[("if-modified-since", since)]), *expected, "{reply:?} {since}");
    }
    let file = |reply, since| answer(&Method::GET, Role::Origin, 200, reply, &[("if-modified-since", since)]);
    assert_eq!(file(&[LAST_MODIFIED_THEN], LATER), Answer::NotModified);
    assert_eq!(file(&[], LATER), Answer::Full);
}

#[test]
fn precedence() {
    let both: Fields<'_> = &[STRONG, LAST_MODIFIED_THEN];
    // "A recipient MUST ignore If-Modified-Since if the request contains an If-None-Match header field"
    // (13.1.3).
    assert_eq!(get(both, &[("if-none-match", "\"b\""), ("if-modified-since", LATER)]), Answer::Full);
    assert_eq!(get(both, &[("if-none-match", "\"a\""), ("if-modified-since", EARLIER)]), Answer::NotModified);
    assert_eq!(get(both, &[("if-none-match", "\"a\""), ("range", "bytes=0-1")]), Answer::NotModified);
    let file = |request| answer(&Method::GET, Role::Origin, 200, both, request);
    assert_eq!(file(&[("if-match", "\"b\""), ("if-none-match", "\"a\"")]), Answer::PreconditionFailed);
    assert_eq!(file(&[("if-match", "\"a\""), ("if-none-match", "\"a\"")]), Answer::NotModified);
    // "A recipient MUST ignore If-Unmodified-Since if the request contains an If-Match header field"
    // (13.1.4).
    assert_eq!(file(&[("if-match", "\"a\""), ("if-unmodified-since", EARLIER)]), Answer::Full);
}

#[test]
fn preconditions_of_an_origin() {
    let cases: &[(Fields<'_>, Fields<'_>, Answer)] = &[
        (&[STRONG], &[("if-match", "\"a\"")], Answer::Full),
        (&[STRONG], &[("if-match", "\"b\", \"a\"")], Answer::Full),
        (&[STRONG], &[("if-match", "*")], Answer::Full),
        (&[STRONG], &[("if-match", "\"b\"")], Answer::PreconditionFailed),
        // "An origin server MUST use the strong comparison function when comparing entity tags for If-Match"
        // (13.1.1).
        (&[STRONG], &[("if-match", "W/\"a\"")], Answer::PreconditionFailed),
        (&[WEAK], &[("if-match", "W/\"a\"")], Answer::PreconditionFailed),
        (&[LAST_MODIFIED_THEN], &[("if-unmodified-since", MODIFIED)], Answer::Full),
        (&[LAST_MODIFIED_THEN], &[("if-unmodified-since", EARLIER)], Answer::PreconditionFailed),
        (&[LAST_MODIFIED_THEN], &[("if-unmodified-since", "junk")], Answer::Full),
        (&[], &[("if-unmodified-since", EARLIER)], Answer::Full),
    ];
    for (reply, request, expected) in cases {
        assert_eq!(
            answer(&Method::GET, Role::Origin, 200, reply, request),
            *expected,
            "{reply:?} {request:?}"
        );
        assert_eq!(get(reply, request), Answer::Full, "not for a cache: {request:?}");
    }
}

#[test]
fn if_range() {
    let part = Answer::Partial(ByteRange { first: 0, last: 1 });
    let sent_later = ("date", LONG_AFTER);
    let sent_then = ("date", MODIFIED);
    let cases: &[(Fields<'_>, &str, &Answer)] = &[
        (&[STRONG], "\"a\"", &part),
        (&[STRONG], "\"b\"", &Answer::Full),
        (&[STRONG], "W/\"a\"", &Answer::Full),
        (&[WEAK], "W/\"a\"", &Answer::Full),
        (&[], "\"a\"", &Answer::Full),
        (&[LAST_MODIFIED_THEN, sent_later], MODIFIED, &part),
        (&[LAST_MODIFIED_THEN, sent_later], LATER, &Answer::Full),
        (&[LAST_MODIFIED_THEN, sent_then], MODIFIED, &Answer::Full),
        (&[LAST_MODIFIED_THEN, sent_later], "junk", &Answer::Full),
        (&[sent_later], MODIFIED, &Answer::Full),
    ];
    for (reply, validator, expected) in cases {
        assert_eq!(
            &get(reply, &[("range", "bytes=0-1"), ("if-range", validator)]),
            *expected,
            "{reply:?} {validator}"
        );
    }
}

#[test]
fn ranges_of_other_methods_and_statuses_are_ignored() {
    let range: Fields<'_> = &[("range", "bytes=0-1")];
    assert_eq!(get(&[], range), Answer::Partial(ByteRange { first: 0, last: 1 }));
    assert_eq!(get(&[], &[("range", "bytes=10-")]), Answer::Unsatisfiable);
    assert_eq!(answer(&Method::HEAD, Role::Cache, 200, &[], range), Answer::Full);
    let unmodified: Fields<'_> = &[("if-none-match", "\"a\"")];
    assert_eq!(answer(&Method::GET, Role::Cache, 404, &[STRONG], unmodified), Answer::Full);
    assert_eq!(answer(&Method::GET, Role::Cache, 301, &[], range), Answer::Full);
    assert_eq!(answer(&Method::POST, Role::Origin, 200, &[STRONG], &[("if-match", "\"b\"")]), Answer::Full);
}

#[test]
fn fields_of_a_304() {
    let reply = headers(&[
        STRONG,
        LAST_MODIFIED_THEN,
        ("date", LATER),
        ("vary", "a"),
        ("vary", "b"),
        ("cache-control", "max-age=1"),
        ("expires", LATER),
        ("content-location", "/x"),
        ("content-type", "text/html"),
        ("content-length", "10"),
    ]);
    let found = headers_for_304(&reply);
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-location", "date", "etag", "vary", "vary", "cache-control", "expires"]);
    assert!(headers_for_304(&headers(&[LAST_MODIFIED_THEN])).contains_key("last-modified"));
}
