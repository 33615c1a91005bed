//! Headers, precompressed siblings, conditional requests and ranges.

use http::header::{
    ACCEPT_RANGES, CONTENT_RANGE, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    RANGE, X_CONTENT_TYPE_OPTIONS,
};

use super::*;

const CHANGED_DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
const BEFORE: &str = "Wed, 31 Dec 2025 23:59:59 GMT";
const AFTER: &str = "Thu, 01 Jan 2026 00:00:01 GMT";

#[tokio::test]
async fn headers_of_a_file() {
    let site = Fixture::new();
    site.write("a.css", "css");
    let answer = site.get("/a.css").await;
    let FileAnswer::Reply(reply) = &answer else { panic!("{answer:?}") };
    let expected = [
        (CONTENT_TYPE, "text/css"),
        (CONTENT_LENGTH, "3"),
        (ACCEPT_RANGES, "bytes"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (ETAG, "\"18867251edfa0000-3\""),
        (LAST_MODIFIED, CHANGED_DATE),
    ];
    for (name, value) in &expected {
        assert_eq!(reply.headers.get(name).unwrap(), value, "{name}");
    }
    assert_eq!(reply.headers.len(), expected.len(), "{:?}", reply.headers);
    assert_eq!(reply.last_modified, UNIX_EPOCH + Duration::from_secs(CHANGED));
}

#[tokio::test]
async fn odd_times_of_change() {
    let site = Fixture::new();
    site.write_at("future", "f", NOW + 1_000_000);
    site.write("ancient", "a");
    let ancient = fs::File::options().write(true).open(site.path("ancient")).unwrap();
    ancient.set_modified(UNIX_EPOCH - Duration::from_secs(100)).unwrap();
    let now = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(NOW));
    let cases = [("/future", now.as_str()), ("/ancient", "Thu, 01 Jan 1970 00:00:00 GMT")];
    for (target, expected) in cases {
        assert_eq!(header(&site.get(target).await, LAST_MODIFIED), Some(expected), "{target}");
    }
}

/// What is asked of a file of ten bytes; E stands for its entity tag. Status, body, Content-Range.
#[tokio::test]
async fn conditions_and_ranges() {
    type Case<'a> = (&'a [(HeaderName, &'a str)], u16, &'a str, Option<&'a str>);
    const ALL: &str = "0123456789";
    let cases: &[Case] = &[
        (&[(IF_NONE_MATCH, "E")], 304, "", None),
        (&[(IF_NONE_MATCH, "W/E")], 304, "", None),
        (&[(IF_NONE_MATCH, "*")], 304, "", None),
        (&[(IF_NONE_MATCH, "\"x\", E")], 304, "", None),
        (&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "E")], 304, "", None),
        (&[(IF_NONE_MATCH, "\"x\"")], 200, ALL, None),
        (&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, CHANGED_DATE)], 200, ALL, None),
        (&[(IF_MODIFIED_SINCE, CHANGED_DATE)], 304, "", None),
        (&[(IF_MODIFIED_SINCE, AFTER)], 304, "", None),
        (&[(IF_MODIFIED_SINCE, BEFORE)], 200, ALL, None),
        (&[(IF_MODIFIED_SINCE, "yesterday")], 200, ALL, None),
        (&[(IF_MATCH, "E")], 200, ALL, None),
        (&[(IF_MATCH, "*")], 200, ALL, None),
        (&[(IF_MATCH, "\"x\"")], 412, "", None),
        (&[(IF_MATCH, "W/E")], 412, "", None),
        (&[(IF_UNMODIFIED_SINCE, CHANGED_DATE)], 200, ALL, None),
        (&[(IF_UNMODIFIED_SINCE, BEFORE)], 412, "", None),
        (&[(RANGE, "bytes=0-3")], 206, "0123", Some("bytes 0-3/10")),
        (&[(RANGE, "bytes=7-")], 206, "789", Some("bytes 7-9/10")),
        (&[(RANGE, "bytes=-3")], 206, "789", Some("bytes 7-9/10")),
        (&[(RANGE, "bytes=-30")], 206, ALL, Some("bytes 0-9/10")),
        (&[(RANGE, "bytes=9-99")], 206, "9", Some("bytes 9-9/10")),
        (&[(RANGE, "bytes=10-")], 416, "", Some("bytes */10")),
        (&[(RANGE, "bytes=-0")], 416, "", Some("bytes */10")),
        (&[(RANGE, "bytes=3-2")], 416, "", Some("bytes */10")),
        (&[(RANGE, "bytes=x")], 416, "", Some("bytes */10")),
        (&[(RANGE, "lines=0-3")], 200, ALL, None),
        (&[(RANGE, "bytes=0-3"), (IF_RANGE, "E")], 206, "0123", Some("bytes 0-3/10")),
        (&[(RANGE, "bytes=0-3"), (IF_RANGE, "W/E")], 200, ALL, None),
        (&[(RANGE, "bytes=0-3"), (IF_RANGE, "\"x\"")], 200, ALL, None),
        (&[(RANGE, "bytes=0-3"), (IF_RANGE, CHANGED_DATE)], 206, "0123", Some("bytes 0-3/10")),
        (&[(RANGE, "bytes=0-3"), (IF_RANGE, AFTER)], 200, ALL, None),
        (&[(RANGE, "bytes=99-"), (IF_RANGE, "\"x\"")], 200, ALL, None),
        (&[(RANGE, "bytes=0-3"), (IF_NONE_MATCH, "E")], 304, "", None),
        (&[(RANGE, "bytes=0-3"), (IF_MATCH, "\"x\"")], 412, "", None),
    ];
    let site = Fixture::new();
    site.write("a.txt", ALL);
    let tag = header(&site.get("/a.txt").await, ETAG).unwrap().to_owned();
    for (headers, status, body, range) in cases {
        let values: Vec<String> = headers.iter().map(|(_, value)| value.replace('E', &tag)).collect();
        let headers: Vec<(HeaderName, &str)> =
            headers.iter().zip(&values).map(|((name, _), value)| (name.clone(), value.as_str())).collect();
        let answer = site.ask(Method::GET, "/a.txt", &headers, NOW).await;
        assert_eq!(kind(&answer), status.to_string(), "{headers:?}");
        assert_eq!(header(&answer, CONTENT_RANGE), *range, "{headers:?}");
        if *status != 304 {
            assert_eq!(header(&answer, CONTENT_LENGTH), Some(body.len().to_string().as_str()), "{headers:?}");
        }
        let FileAnswer::Reply(reply) = answer else { panic!("{answer:?}") };
        assert_eq!(whole(reply.body).await.unwrap(), body.as_bytes(), "{headers:?}");
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_its_body() {
    let site = Fixture::new();
    site.write("a.txt", "0123456789");
    let cases = [
        (RANGE, "bytes=0-3", "200"),
        (IF_NONE_MATCH, "*", "304"),
        (IF_MODIFIED_SINCE, AFTER, "304"),
        (IF_MATCH, "\"x\"", "412"),
    ];
    for (name, value, status) in cases {
        let answer = site.ask(Method::HEAD, "/a.txt", &[(name.clone(), value)], NOW).await;
        assert_eq!(kind(&answer), status, "{name}");
        let FileAnswer::Reply(FileReply { body: FileBody::Empty, .. }) = answer else { panic!("{answer:?}") };
    }
}

/// RFC 9110 §15.4.5 says what a 304 must and should not carry.
#[tokio::test]
async fn headers_of_a_304() {
    let site = Fixture::new();
    site.write("app.js", "plain").write("app.js.br", "br");
    let headers = [(IF_NONE_MATCH, "*"), (ACCEPT_ENCODING, "br")];
    let answer = site.ask(Method::GET, "/app.js", &headers, NOW).await;
    let FileAnswer::Reply(reply) = answer else { panic!("{answer:?}") };
    let mut names: Vec<&str> = reply.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["etag", "vary"]);
}

#[tokio::test]
async fn ranges_of_a_large_file_come_from_disk() {
    let site = Fixture::new();
    let content: Vec<u8> = (0..400_000u32).map(|i| (i % 251) as u8).collect();
    site.write("a.bin", &content);
    for (range, from, to) in
        [("bytes=0-0", 0, 1), ("bytes=131071-262144", 131_071, 262_145), ("bytes=-5", 399_995, 400_000)]
    {
        let answer = site.ask(Method::GET, "/a.bin", &[(RANGE, range)], NOW).await;
        assert_eq!(header(&answer, CONTENT_LENGTH), Some((to - from).to_string().as_str()), "{range}");
        let FileAnswer::Reply(FileReply { body: FileBody::Stream(stream), .. }) = answer else {
            panic!("{range}")
        };
        assert_eq!(stream.remaining(), (to - from) as u64);
        assert!(whole(FileBody::Stream(stream)).await.unwrap() == content[from..to], "{range}");
    }
}

#[tokio::test]
async fn an_empty_file() {
    let site = Fixture::new();
    site.write("empty", "");
    assert_eq!(site.text("/empty").await.as_deref(), Some(""));
    for (range, expected) in [("bytes=0-", "200"), ("bytes=1-", "416")] {
        let ranged = site.ask(Method::GET, "/empty", &[(RANGE, range)], NOW).await;
        assert_eq!(kind(&ranged), expected, "{range}");
    }
}

#[tokio::test]
async fn precompressed_siblings() {
    let site = Fixture::new();
    let large = "x".repeat(2000);
    site.write("app.js", "plain")
        .write("app.js.br", "br")
        .write("app.js.gz", "gz")
        .write("page/index.html", "page")
        .write("page/index.html.zst", "zst")
        .write("alone.js", "alone")
        .write("large.js", &large)
        .write("large.js.gz", "small")
        .write("old.js", "new")
        .write_at("old.js.gz", "old", CHANGED - 1)
        .write("odd.js", "odd");
    fs::create_dir(site.path("odd.js.gz")).unwrap();
    // Path, Accept-Encoding, body, Content-Encoding, whether it varies.
    let cases = [
        ("/app.js", "", "plain", None, true),
        ("/app.js", "gzip, br", "br", Some("br"), true),
        ("/app.js", "gzip", "gz", Some("gzip"), true),
        ("/app.js", "gzip;q=0", "plain", None, true),
        ("/app.js", "deflate", "plain", None, true),
        ("/page/", "zstd", "zst", Some("zstd"), true),
        ("/alone.js", "gzip, br", "alone", None, false),
        ("/large.js", "gzip", "small", Some("gzip"), true),
        ("/large.js", "", &large, None, true),
        ("/old.js", "gzip", "new", None, false),
        ("/odd.js", "gzip", "odd", None, false),
        ("/app.js.gz", "", "gz", None, false),
    ];
    let mut tags = std::collections::HashSet::new();
    for (target, accepted, body, coding, varies) in cases {
        for _cold_and_warm in 0..2 {
            let answer = site.ask(Method::GET, target, &[(ACCEPT_ENCODING, accepted)], NOW).await;
            assert_eq!(header(&answer, CONTENT_ENCODING), coding, "{target} {accepted}");
            assert_eq!(header(&answer, VARY).is_some(), varies, "{target} {accepted}");
            if target == "/app.js" {
                tags.insert(header(&answer, ETAG).unwrap().to_owned());
                assert_eq!(header(&answer, CONTENT_TYPE), Some("text/javascript; charset=utf-8"));
            }
            assert_eq!(text(answer).await.unwrap(), body, "{target} {accepted}");
        }
    }
    assert_eq!(tags.len(), 3, "{tags:?}");
}
