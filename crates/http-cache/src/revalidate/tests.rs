//! Conditional requests to the application, and what a 304 changes.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

type Fields<'a> = &'a [(&'static str, &'a str)];

const THEN: &str = "Sun, 06 Nov 1994 07:00:00 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:00:00 GMT";

fn headers(fields: Fields<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn lines(headers: &HeaderMap) -> String {
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines.join("\n")
}

/// 08:49:37.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

#[test]
fn conditions_of_one_stored_reply() {
    let cases: &[(Fields<'_>, &str)] = &[
        (&[("etag", "\"a\"")], "if-none-match: \"a\""),
        (&[("etag", "W/\"a\"")], "if-none-match: W/\"a\""),
        (&[("last-modified", THEN), ("date", LATER)], "if-modified-since: Sun, 06 Nov 1994 07:00:00 GMT"),
        (
            &[("etag", "\"a\""), ("last-modified", THEN), ("date", LATER)],
            "if-modified-since: Sun, 06 Nov 1994 07:00:00 GMT\nif-none-match: \"a\"",
        ),
        // Made in the second in which it was sent: a weak validator.
        (&[("last-modified", THEN), ("date", THEN)], ""),
        (&[("etag", "\"a\""), ("last-modified", THEN), ("date", THEN)], "if-none-match: \"a\""),
        (&[("etag", "junk")], ""),
        (&[], ""),
    ];
    for (stored, expected) in cases {
        let mut request = HeaderMap::new();
        assert_eq!(
            make_conditional(&mut request, &[&headers(stored)], now()),
            !expected.is_empty(),
            "{stored:?}"
        );
        assert_eq!(lines(&request), *expected, "{stored:?}");
    }
}

#[test]
fn conditions_of_several_variants() {
    let variants =
        [headers(&[("etag", "\"a\""), ("last-modified", THEN)]), headers(&[]), headers(&[("etag", "\"b\"")])];
    let mut request = HeaderMap::new();
    assert!(make_conditional(&mut request, &variants.each_ref(), now()));
    assert_eq!(lines(&request), "if-none-match: \"a\", \"b\"");
    let many = vec![&variants[0]; MAX_VARIANTS + 1];
    make_conditional(&mut request, &many, now());
    assert_eq!(request[IF_NONE_MATCH].to_str().unwrap().split(',').count(), MAX_VARIANTS);
}

#[test]
fn which_reply_a_304_is_about() {
    let cases: &[(Fields<'_>, Fields<'_>, bool, bool)] = &[
        (&[("etag", "\"a\"")], &[("etag", "\"a\"")], false, true),
        (&[("etag", "\"a\"")], &[("etag", "\"b\"")], true, false),
        (&[("etag", "W/\"a\"")], &[("etag", "\"a\"")], true, false),
        (&[("etag", "\"a\"")], &[("etag", "W/\"a\"")], false, true),
        (&[("etag", "W/\"a\"")], &[("etag", "W/\"a\"")], false, true),
        (&[("last-modified", THEN)], &[("etag", "\"a\"")], true, false),
        (&[("last-modified", THEN)], &[("last-modified", THEN)], false, true),
        (&[("last-modified", THEN)], &[("last-modified", LATER)], true, false),
        (&[("etag", "\"a\"")], &[], true, true),
        (&[("etag", "\"a\"")], &[], false, false),
        (&[], &[], true, true),
    ];
    for (stored, not_modified, only, expected) in cases {
        let found = freshen(&headers(stored), &headers(not_modified), *only, now()).is_some();
        assert_eq!(found, *expected, "{stored:?} {not_modified:?} {only}");
    }
}

#[test]
fn what_a_304_changes() {
    let stored = headers(&[
        ("etag", "W/\"a\""),
        ("date", THEN),
        ("cache-control", "max-age=1"),
        ("content-type", "text/html"),
        ("content-length", "10"),
        ("content-encoding", "gzip"),
        ("x-old", "1"),
        ("x-both", "1"),
        ("x-both", "2"),
    ]);
    let not_modified = headers(&[
        ("etag", "W/\"a\""),
        ("date", LATER),
        ("age", "3"),
        ("cache-control", "max-age=2"),
        ("content-type", "text/plain"),
        ("content-length", "0"),
        ("content-encoding", "br"),
        ("content-range", "bytes 0-1/2"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "1"),
        ("x-both", "3"),
        ("x-new", "1"),
        ("x-new", "2"),
    ]);
    let expected = "age: 3\ncache-control: max-age=2\ncontent-encoding: gzip\ncontent-length: 10\n\
        content-type: text/html\ndate: Sun, 06 Nov 1994 08:00:00 GMT\netag: W/\"a\"\nx-both: 3\nx-new: 1\nx-new: 2\nx-old: 1";
    assert_eq!(lines(&freshen(&stored, &not_modified, true, now()).unwrap()), expected);
    let undated = freshen(&stored, &HeaderMap::new(), true, now()).unwrap();
    assert_eq!(undated[DATE], "Sun, 06 Nov 1994 08:49:37 GMT");
}

#[test]
fn a_page_stays_chosen_by_what_it_was_chosen_by() {
    let stored = headers(&[("etag", "\"a\""), ("vary", "Accept-Language, X-Tenant")]);
    let cases: &[(Fields<'_>, &[&str])] = &[
        (&[], &["accept-language", "x-tenant"]),
        (&[("vary", "Accept-Language")], &["accept-language", "x-tenant"]),
        (&[("vary", "Cookie")], &["accept-language", "cookie", "x-tenant"]),
    ];
    for (not_modified, expected) in cases {
        let updated = freshen(&stored, &headers(not_modified), true, now()).unwrap();
        assert_eq!(crate::vary::names(&updated).unwrap(), *expected, "{not_modified:?}");
    }
}

#[test]
fn a_page_keeps_its_tags_and_gets_no_line_twice() {
    // A function that only looks whether the page has changed has read less than the page shows.
    let mut page = headers(&[
        ("etag", "\"a\""),
        ("vary", "Accept-Language"),
        ("surrogate-key", "news article-7"),
        ("cache-groups", "\"all\""),
    ]);
    for key in ["news", "news", "article-8", "news"] {
        let not_modified =
            headers(&[("vary", "Accept-Language"), ("surrogate-key", key), ("cache-groups", "\"more\"")]);
        page = freshen(&page, &not_modified, true, now()).unwrap();
    }
    assert_eq!(page.get_all(VARY).iter().count(), 1);
    let tags = tags::tags(b"https://a/", &page).unwrap();
    let words = ["article-7", "article-8", "news"];
    assert!(words.iter().all(|word| tags.iter().any(|tag| tag == word)), "{tags:?}");
    assert_eq!(tags.len(), words.len() + 2, "{tags:?}");
}

#[test]
fn the_policy_of_a_page_with_a_hole_goes_with_its_body() {
    let policy = ("content-security-policy", "script-src 'nonce-mark'");
    let newer = headers(&[("content-security-policy", "script-src 'self'")]);
    for (stored, expected) in [
        (headers(&[("etag", "\"a\""), policy, ("weir-holes", "nonce")]), policy.1),
        (headers(&[("etag", "\"a\""), policy]), "script-src 'self'"),
    ] {
        let page = freshen(&stored, &newer, true, now()).unwrap();
        assert_eq!(page["content-security-policy"], expected);
    }
}

#[test]
fn what_a_head_says_of_a_stored_reply() {
    let stored: Fields<'_> = &[("etag", "\"a\""), ("last-modified", THEN), ("content-type", "text/html")];
    let cases: &[(Fields<'_>, bool)] = &[
        (&[("etag", "\"a\"")], true),
        (&[("etag", "\"b\"")], false),
        (&[("last-modified", THEN), ("content-length", "10")], true),
        (&[("last-modified", LATER)], false),
        (&[("etag", "\"a\""), ("content-length", "11")], false),
        (&[("x-new", "1")], true),
    ];
    for (head, expected) in cases {
        let updated = freshen_by_head(&headers(stored), 10, &headers(head), now());
        assert_eq!(updated.is_some(), *expected, "{head:?}");
    }
    let updated = freshen_by_head(&headers(stored), 10, &headers(&[("x-new", "1")]), now()).unwrap();
    assert_eq!(
        (&updated["x-new"], &updated["content-type"]),
        (&"1".parse().unwrap(), &"text/html".parse().unwrap())
    );
}
