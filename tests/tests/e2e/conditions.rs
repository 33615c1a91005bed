//! A client's conditions and ranges, answered from a stored page: which comes first, and what of the page is
//! sent.

use weir_tests::{Location, Response, Settings, Stack, both_topologies, site};

fn settings() -> Settings {
    site([Location::cached("/", "60s")])
}

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

/// A page of ten bytes: "1\n........".
fn page(stack: &Stack, name: &str) -> String {
    let target = format!("/count/{name}?size=10&etag=a&modified={}", DATE.replace(' ', "%20"));
    stack.get(&target).expect(200).expect_cache(&["stored"]);
    target
}

type Fields<'a> = &'a [(&'a str, &'a str)];

both_topologies!(conditions_in_the_order_of_the_standard, settings());
fn conditions_in_the_order_of_the_standard(stack: &Stack) {
    let target = page(stack, "order");
    // RFC 9110 section 13.2.2: If-None-Match before If-Modified-Since, and both before Range and If-Range.
    let cases: &[(Fields<'_>, u16)] = &[
        (&[("If-None-Match", "\"a\"")], 304),
        (&[("If-None-Match", "W/\"a\"")], 304),
        (&[("If-None-Match", "\"x\", \"a\"")], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"x\"")], 200),
        (&[("If-Modified-Since", DATE)], 304),
        (&[("If-Modified-Since", EARLIER)], 200),
        (&[("If-Modified-Since", "junk")], 200),
        (&[("If-None-Match", "\"x\""), ("If-Modified-Since", DATE)], 200),
        (&[("If-None-Match", "\"a\""), ("If-Modified-Since", EARLIER)], 304),
        (&[("If-None-Match", "\"a\""), ("Range", "bytes=0-1")], 304),
        (&[("If-None-Match", "\"x\""), ("Range", "bytes=0-1")], 206),
        (&[("Range", "bytes=0-1"), ("If-Range", "\"a\"")], 206),
        (&[("Range", "bytes=0-1"), ("If-Range", "W/\"a\"")], 200),
        (&[("Range", "bytes=0-1"), ("If-Range", "\"x\"")], 200),
        (&[("Range", "bytes=0-1"), ("If-Range", DATE)], 206),
        (&[("Range", "bytes=0-1"), ("If-Range", EARLIER)], 200),
        (&[("If-Range", "\"a\"")], 200),
        // "not applicable to a cache" (RFC 9111 section 4.3.2)
        (&[("If-Match", "\"x\"")], 200),
        (&[("If-Unmodified-Since", EARLIER)], 200),
    ];
    for method in ["GET", "HEAD"] {
        for (fields, status) in cases {
            // "GET is the only method for which range handling is defined" (RFC 9110 section 14.2).
            let status = if method == "HEAD" && *status == 206 { 200 } else { *status };
            let response = stack.ask(method, &target, fields, b"");
            assert_eq!(response.status, status, "{method} {fields:?}");
            assert_eq!(response.field("etag"), Some("\"a\""), "{method} {fields:?}");
            assert!(response.cache_status().contains("hit"), "{method} {fields:?}");
            if status == 304 {
                assert!(response.body.is_empty() && response.field("content-type").is_none());
            }
        }
    }
    assert_eq!(stack.oracle.calls("order"), 1);
}

both_topologies!(one_range, settings());
fn one_range(stack: &Stack) {
    let target = page(stack, "range");
    let cases = [
        ("bytes=0-1", "1\n", "bytes 0-1/10"),
        ("bytes=1-2", "\n.", "bytes 1-2/10"),
        ("bytes=8-", "..", "bytes 8-9/10"),
        ("bytes=-3", "...", "bytes 7-9/10"),
        ("bytes=-99", "1\n........", "bytes 0-9/10"),
        ("bytes=9-99", ".", "bytes 9-9/10"),
        ("bytes=0-0, 20-30", "1", "bytes 0-0/10"),
    ];
    for (range, text, content_range) in cases {
        let part = stack.get_with(&target, &[("Range", range)]).expect(206);
        assert_eq!(
            (part.text().as_str(), part.field("content-range")),
            (text, Some(content_range)),
            "{range}"
        );
        assert_eq!(part.field("content-length"), Some(text.len().to_string().as_str()));
    }
    for range in ["bytes=10-", "bytes=-0", "bytes=10-12, 20-", "bytes=5-2", "bytes=x-y"] {
        let refused = stack.get_with(&target, &[("Range", range)]).expect(416);
        assert_eq!(refused.field("content-range"), Some("bytes */10"), "{range}");
    }
    for range in ["lines=0-1", "bytes", "bytes=0-5,3-8"] {
        let whole = stack.get_with(&target, &[("Range", range)]).expect(200);
        assert_eq!(whole.body.len(), 10, "{range}");
    }
}

both_topologies!(several_ranges_come_as_parts, settings());
fn several_ranges_come_as_parts(stack: &Stack) {
    let target = page(stack, "parts");
    let response = stack.get_with(&target, &[("Range", "bytes=0-0, 4-5, -1")]).expect(206);
    assert!(response.field("content-range").is_none(), "that is the parts' own");
    let parts = parts(&response);
    let part = |range, text: &str| {
        format!("content-type: text/plain; charset=utf-8\r\ncontent-range: bytes {range}/10\r\n\r\n{text}")
    };
    assert_eq!(parts, [part("0-0", "1"), part("4-5", ".."), part("9-9", ".")]);
}

fn parts(response: &Response) -> Vec<String> {
    let media_type = response.field("content-type").unwrap();
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let text = response.text();
    let body = text.strip_suffix(&format!("\r\n--{boundary}--\r\n")).unwrap();
    body.split(&format!("\r\n--{boundary}\r\n")).skip(1).map(str::to_owned).collect()
}
