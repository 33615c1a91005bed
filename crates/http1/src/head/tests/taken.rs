//! Heads that go further, and what is read from them.

use super::*;

const BROWSER: &[u8] = b"GET /main?page=2 HTTP/1.1\r\n\
    Host: myapp.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: de,en-US;q=0.7,en;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://myapp.example.com/\r\n\
    Connection: keep-alive\r\n\
    Cookie: csrftoken=x; _ga=GA1.1.1\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    If-None-Match: \"abc\"\r\n\r\n";

#[test]
fn a_browsers_head() {
    assert_verdict("browser", BROWSER, &Limits::default(), Ok(Some(BROWSER.len())));
    with_head(BROWSER, |head| {
        assert_eq!((head.method, head.version), ("GET", Version::Http11));
        assert_eq!((head.target.path(), head.target.query()), ("/main", Some("page=2")));
        assert_eq!(head.host.map(|host| host.as_str()), Some("myapp.example.com"));
        assert_eq!((head.framing, head.keep_alive, head.expect_continue), (Framing::None, true, false));
        assert_eq!((head.upgrade, head.has_body()), (None, false));
        assert!(
            head.seen.has(KnownField::Cookie)
                && head.seen.has(KnownField::IfNoneMatch)
                && !head.seen.has(KnownField::Range)
        );
        assert!(head.seen.any(KnownFields::of(&[KnownField::Range, KnownField::IfNoneMatch])));
        assert!(!head.seen.any(KnownFields::of(&[KnownField::Range, KnownField::Authorization])));
        assert_eq!(head.fields.values(KnownField::IfNoneMatch).collect::<Vec<_>>(), [b"\"abc\""]);
        assert_eq!(head.fields.iter().count(), 10);
        assert_eq!(head.fields.iter().nth(8), Some(("Upgrade-Insecure-Requests", &b"1"[..])));
        let headers = head.to_headers();
        assert_eq!(headers.len(), 8, "all but Host and Connection");
        assert_eq!(headers["cookie"], "csrftoken=x; _ga=GA1.1.1");
    });
}

#[test]
fn later_minor_versions_are_read_as_1_1() {
    for minor in 1..=9 {
        with_head(format!("GET / HTTP/1.{minor}\r\nHost: a\r\n\r\n").as_bytes(), |head| {
            assert_eq!((head.version, head.keep_alive), (Version::Http11, true), "{minor}");
        });
    }
}

/// What stands in the way of the next head stays there.
#[test]
fn consumes_one_head() {
    let one = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    let cases: &[(&str, Vec<u8>, usize)] = &[
        ("pipelined", [&one[..], one].concat(), one.len()),
        ("garbage after", [&one[..], b"\0garbage"].concat(), one.len()),
        ("body after", [&one[..], b"\n\n"].concat(), one.len()),
        ("empty line before", [b"\r\n", &one[..]].concat(), one.len() + 2),
    ];
    for (name, bytes, consumed) in cases {
        assert_verdict(name, bytes, &Limits::default(), Ok(Some(*consumed)));
    }
    for end in 0..one.len() {
        assert_eq!(verdict(&one[..end], &Limits::default()), Ok(None));
    }
}

#[test]
fn targets_and_hosts() {
    /// Path, query, host, port, scheme.
    type Parts = (&'static str, Option<&'static str>, Option<&'static str>, Option<u16>, Option<Scheme>);
    let cases: &[(&str, Parts)] = &[
        ("GET / HTTP/1.1\r\nHost: a:80", ("/", None, Some("a"), Some(80), None)),
        ("GET / HTTP/1.1\r\nHOST:A.b.\t ", ("/", None, Some("A.b"), None, None)),
        ("GET /?a|b^c`{d}\\ HTTP/1.1\r\nHost: a", ("/", Some("a|b^c`{d}\\"), Some("a"), None, None)),
        ("GET /a|b[c]?d?e HTTP/1.1\r\nHost: [::1]:8", ("/a|b[c]", Some("d?e"), Some("[::1]"), Some(8), None)),
        (
            "GET /%2e%2e/%2f%5c%0d%0a%c0%ae HTTP/1.1\r\nHost: a",
            ("/%2e%2e/%2f%5c%0d%0a%c0%ae", None, Some("a"), None, None),
        ),
        ("GET //evil/.. HTTP/1.1\r\nHost: a", ("//evil/..", None, Some("a"), None, None)),
        ("OPTIONS * HTTP/1.1\r\nHost: a", ("*", None, Some("a"), None, None)),
        ("OPTIONS /* HTTP/1.1\r\nHost: a", ("/*", None, Some("a"), None, None)),
        (
            "GET http://b:81/x?y HTTP/1.1\r\nHost: a",
            ("/x", Some("y"), Some("b"), Some(81), Some(Scheme::Http)),
        ),
        ("GET HTTPS://b HTTP/1.1\r\nHost: a:1", ("/", None, Some("b"), None, Some(Scheme::Https))),
        ("OPTIONS http://b HTTP/1.1\r\nHost: a", ("*", None, Some("b"), None, Some(Scheme::Http))),
        ("OPTIONS http://b/ HTTP/1.1\r\nHost: a", ("/", None, Some("b"), None, Some(Scheme::Http))),
        ("GET / HTTP/1.0", ("/", None, None, None, None)),
        ("GET / HTTP/1.0\r\nHost: a", ("/", None, Some("a"), None, None)),
        ("GET http://b/ HTTP/1.0", ("/", None, Some("b"), None, Some(Scheme::Http))),
    ];
    for (lines, parts) in cases {
        let bytes = format!("{lines}\r\n\r\n");
        assert_verdict("target", bytes.as_bytes(), &Limits::default(), Ok(Some(bytes.len())));
        with_head(bytes.as_bytes(), |head| {
            let host = head.host;
            let found = (
                head.target.path(),
                head.target.query(),
                host.map(|host| host.host()),
                host.and_then(|host| host.port()),
                head.target.scheme(),
            );
            assert_eq!(found, *parts, "{lines}");
            assert_eq!(head.target.is_asterisk(), parts.0 == "*");
        });
    }
}

#[test]
fn framing_and_connection() {
    /// Framing, keep-alive, waits for 100, upgrade.
    type FramingVerdict = (Framing, bool, bool, Option<&'static str>);
    let none = Framing::None;
    let cases: &[(&str, &str, FramingVerdict)] = &[
        ("GET / HTTP/1.1", "", (none, true, false, None)),
        ("GET / HTTP/1.1", "Connection: close\r\n", (none, false, false, None)),
        ("GET / HTTP/1.1", "Connection: keep-alive, CLOSE\r\n", (none, false, false, None)),
        ("GET / HTTP/1.1", "Connection:\r\n", (none, true, false, None)),
        ("GET / HTTP/1.1", "Connection: , ,TE,\r\nTE: trailers\r\n", (none, true, false, None)),
        ("GET / HTTP/1.1", "Connection: x\r\nConnection: close\r\n", (none, false, false, None)),
        ("GET / HTTP/1.1", "Content-Length: 0\r\n", (Framing::Length(0), true, false, None)),
        ("POST / HTTP/1.1", "Content-Length:5\r\n", (Framing::Length(5), true, false, None)),
        ("POST / HTTP/1.1", "Content-Length: \t5 \t\r\n", (Framing::Length(5), true, false, None)),
        (
            "POST / HTTP/1.1",
            "Content-Length: 18446744073709551615\r\n",
            (Framing::Length(u64::MAX), true, false, None),
        ),
        ("POST / HTTP/1.1", "transfer-ENCODING: CHUNKED\r\n", (Framing::Chunked, true, false, None)),
        ("POST / HTTP/1.1", "Transfer_Encoding: chunked\r\nContent_Length: 5\r\n", (none, true, false, None)),
        ("POST / HTTP/1.1", "", (none, true, false, None)),
        (
            "POST / HTTP/1.1",
            "Expect: 100-Continue\r\nContent-Length: 1\r\n",
            (Framing::Length(1), true, true, None),
        ),
        (
            "POST / HTTP/1.1",
            "Expect: 100-continue\r\nContent-Length: 0\r\n",
            (Framing::Length(0), true, false, None),
        ),
        (
            "POST / HTTP/1.0",
            "Expect: 100-continue\r\nContent-Length: 1\r\n",
            (Framing::Length(1), false, false, None),
        ),
        (
            "GET / HTTP/1.1",
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            (none, true, false, Some("websocket")),
        ),
        ("GET / HTTP/1.1", "Upgrade: websocket\r\n", (none, true, false, None)),
        ("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade:\r\n", (none, true, false, None)),
        ("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: \u{e9}\r\n", (none, true, false, Some("\u{e9}"))),
        ("GET / HTTP/1.0", "Connection: Upgrade, keep-alive\r\nUpgrade: x\r\n", (none, true, false, None)),
        ("GET / HTTP/1.0", "", (none, false, false, None)),
        ("GET / HTTP/1.0", "Connection: keep-alive\r\n", (none, true, false, None)),
        ("GET / HTTP/1.0", "Connection: keep-alive, close\r\n", (none, false, false, None)),
        ("POST / HTTP/1.0", "Connection: keep-alive\r\n", (none, false, false, None)),
        (
            "POST / HTTP/1.0",
            "Connection: keep-alive\r\nContent-Length: 2\r\n",
            (Framing::Length(2), true, false, None),
        ),
    ];
    for (line, fields, decided) in cases {
        let bytes = format!("{line}\r\nHost: a\r\n{fields}\r\n");
        assert_verdict("control", bytes.as_bytes(), &Limits::default(), Ok(Some(bytes.len())));
        with_head(bytes.as_bytes(), |head| {
            assert_eq!(
                (head.framing, head.keep_alive, head.expect_continue, head.upgrade),
                *decided,
                "{line} {fields}"
            );
        });
    }
}

#[test]
fn fields_that_stop_here() {
    let bytes = b"POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded_For: 1\r\nX_Y: 1\r\n_: 1\r\nX-Forwarded.For: 2\r\n\
        Connection: x-one, close\r\nx-ONE: 1\r\nConnection: X-Two, keep-alive\r\nX-Two: 2\r\nX-Two: 3\r\nX-Three: 3\r\n\
        Keep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: x\r\nHTTP2-Settings: x\r\n\
        Expect: 100-continue\r\nTransfer-Encoding: chunked\r\nCookie: a=1\r\nCookie: b=2\r\nX-Empty:\r\nX-Latin: caf\xe9\r\n\r\n";
    with_head(bytes, |head| {
        let seen: Vec<_> = head.fields.iter().map(|(name, _)| name).collect();
        let dropped = ["X-Forwarded_For", "X_Y", "_", "x-ONE", "X-Two"];
        assert!(dropped.iter().all(|name| !seen.contains(name)), "{seen:?}");
        assert_eq!(head.fields.values(KnownField::Cookie).count(), 2);
        let headers = head.to_headers();
        let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["x-forwarded.for", "x-three", "cookie", "x-empty", "x-latin"]);
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(headers["x-latin"].as_bytes(), b"caf\xe9");
        assert_eq!(headers["x-empty"], "");
    });
}

/// The vector of spans is emptied, not added to; its room is kept.
#[test]
fn spans_are_reused() {
    let mut spans = Vec::new();
    for _ in 0..3 {
        let (head, _) = read(BROWSER, &Limits::default(), &mut spans).unwrap().unwrap();
        assert_eq!(head.fields.iter().count(), 10);
    }
    let room = spans.capacity();
    assert_eq!(read(b"GET / HTTP/1.1\r\n", &Limits::default(), &mut spans).unwrap().map(|_| ()), None);
    assert_eq!((spans.len(), spans.capacity()), (0, room));
}
