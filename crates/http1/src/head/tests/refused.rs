//! Heads that go no further, by the rule they break.

use super::*;

/// Request lines, each with a valid `Host` after it.
#[test]
fn request_lines() {
    let long_method = "M".repeat(33);
    let cases: &[(&str, Refusal)] = &[
        ("GET /", Refusal::RequestLine), // HTTP/0.9
        ("GET", Refusal::Method),
        ("GET ", Refusal::RequestLine),
        ("GET  / HTTP/1.1", Refusal::RequestLine),
        ("GET /  HTTP/1.1", Refusal::RequestLine),
        ("GET / HTTP/1.1 ", Refusal::RequestLine),
        ("GET HTTP/1.1", Refusal::RequestLine),
        ("GET\t/\tHTTP/1.1", Refusal::Method),
        ("GET /\tHTTP/1.1", Refusal::RequestLine),
        (" GET / HTTP/1.1", Refusal::Folded),
        ("GET /a b HTTP/1.1", Refusal::RequestLine),
        ("get / HTTP/1.1", Refusal::Method),
        ("Get / HTTP/1.1", Refusal::Method),
        ("G@T / HTTP/1.1", Refusal::Method),
        ("GET\0 / HTTP/1.1", Refusal::Method),
        ("G\u{e9}T / HTTP/1.1", Refusal::Method),
        ("(GET) / HTTP/1.1", Refusal::Method),
        ("\"GET / HTTP/1.1", Refusal::Method),
        ("CONNECT a:80 HTTP/1.1", Refusal::MethodNotServed),
        ("CONNECT / HTTP/1.1", Refusal::MethodNotServed),
        ("TRACE / HTTP/1.1", Refusal::MethodNotServed),
        ("PRI / HTTP/1.1", Refusal::MethodNotServed),
        ("GET / HTTP/0.9", Refusal::Version),
        ("GET / HTTP/2.0", Refusal::Version),
        ("GET / HTTP/3.0", Refusal::Version),
        ("GET / http/1.1", Refusal::RequestLine),
        ("GET / HTTP/1", Refusal::RequestLine),
        ("GET / HTTP", Refusal::RequestLine),
        ("GET / H", Refusal::RequestLine),
        ("GET / HTTP/2", Refusal::RequestLine),
        ("GET / HTTP/1.10", Refusal::RequestLine),
        ("GET / HTTP/11.1", Refusal::RequestLine),
        ("GET / HTTP/01.1", Refusal::RequestLine),
        ("GET / HTTP/1,1", Refusal::RequestLine),
        ("GET / HTTPS/1.1", Refusal::RequestLine),
        ("GET / ICAP/1.0", Refusal::RequestLine),
        ("PRI * HTTP/2.0", Refusal::MethodNotServed), // the HTTP/2 preface
        (&long_method, Refusal::MethodTooLong),
    ];
    for (line, refusal) in cases {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        assert_verdict("request line", head.as_bytes(), &Limits::default(), Err(*refusal));
        // A line is judged at its own end, not at that of a later one.
        assert_verdict(
            "request line alone",
            format!("{line}\r\n").as_bytes(),
            &Limits::default(),
            Err(*refusal),
        );
    }
}

#[test]
fn what_clients_do_not_percent_encode_is_refused_where_the_settings_say_so() {
    let strict = Limits { strict_targets: true, ..Limits::default() };
    for target in [
        "/a\"b",
        "/a<b",
        "/a>b",
        "/a\\b",
        "/a^b",
        "/a`b",
        "/a{b}",
        "/a|b",
        "/?a\"b",
        "/?{a}",
        "http://a/<",
        "http://a?{",
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_verdict(target, head.as_bytes(), &Limits::default(), Ok(Some(head.len())));
        assert_verdict(target, head.as_bytes(), &strict, Err(Refusal::TargetCharacter));
    }
    let head = b"GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_verdict("no path", head, &strict, Ok(Some(head.len())));
}

#[test]
fn targets() {
    let cases: &[(&str, &[u8], Refusal)] = &[
        ("GET", b"*", Refusal::TargetForm),
        ("POST", b"*", Refusal::TargetForm),
        ("OPTIONS", b"**", Refusal::TargetForm),
        ("GET", b"a:80", Refusal::TargetForm),
        ("GET", b"foo", Refusal::TargetForm),
        ("GET", b"?a=b", Refusal::TargetForm),
        ("GET", b"http://h?x y", Refusal::RequestLine),
        ("GET", b"http://h?x#y", Refusal::Fragment),
        ("GET", b"\\", Refusal::TargetForm),
        ("GET", b"/a#b", Refusal::Fragment),
        ("GET", b"/?a#b", Refusal::Fragment),
        ("GET", b"/#", Refusal::Fragment),
        ("GET", b"http://h#a", Refusal::Fragment),
        ("GET", b"/\x01", Refusal::TargetCharacter),
        ("GET", b"/\x00", Refusal::TargetCharacter),
        ("GET", b"/\x7f", Refusal::TargetCharacter),
        ("GET", b"/a\tb", Refusal::TargetCharacter),
        ("GET", b"/a\rb", Refusal::TargetCharacter),
        ("GET", b"/?\x0b", Refusal::TargetCharacter),
        // Not UTF-8.
        ("GET", b"/caf\xe9", Refusal::TargetCharacter),
        ("GET", b"/?\xc0\xae", Refusal::TargetCharacter),
        ("GET", b"/%", Refusal::TargetEscape),
        ("GET", b"/%a", Refusal::TargetEscape),
        ("GET", b"/%zz", Refusal::TargetEscape),
        ("GET", b"/%%20", Refusal::TargetEscape),
        ("GET", b"/a%2?b", Refusal::TargetEscape),
        ("GET", b"/%u0041", Refusal::TargetEscape),
        ("GET", b"/a%00b", Refusal::TargetEscape),
        ("GET", b"ftp://h/", Refusal::TargetForm),
        ("GET", b"http:/h/", Refusal::TargetForm),
        ("GET", b"http:h", Refusal::TargetForm),
        ("GET", b"HTTP//h/", Refusal::TargetForm),
        ("GET", b"http://", Refusal::Authority),
        ("GET", b"http:///", Refusal::Authority),
        ("GET", b"http://u@h/", Refusal::Authority),
        ("GET", b"http://u:p@h/", Refusal::Authority),
        ("GET", b"http://h:x/", Refusal::Authority),
        ("GET", b"http://a,b/", Refusal::Authority),
        ("GET", b"http://a\\b/", Refusal::Authority),
        ("GET", b"http://a/%0", Refusal::TargetEscape),
        ("GET", b"http://a/*#", Refusal::Fragment),
    ];
    for (method, target, refusal) in cases {
        let head = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        assert_verdict("target", &head, &Limits::default(), Err(*refusal));
    }
}

/// Field lines after `POST / HTTP/1.1` and a valid `Host`.
#[test]
fn field_lines() {
    let cases: &[(&[u8], Refusal)] = &[
        (b" X: y", Refusal::Folded),
        (b"\tX: y", Refusal::Folded),
        (b" ", Refusal::Folded),
        (b"X: y\r\n z", Refusal::Folded),
        (b"X: y\r\n\tz", Refusal::Folded),
        (b"X: y\r\n \r\nZ: z", Refusal::Folded),
        (b"Transfer-Encoding:\r\n chunked", Refusal::TransferEncoding),
        (b"X : y", Refusal::SpaceBeforeColon),
        (b"X\t: y", Refusal::SpaceBeforeColon),
        (b"Content-Length : 5", Refusal::SpaceBeforeColon),
        (b"Transfer-Encoding : chunked", Refusal::SpaceBeforeColon),
        (b"no colon", Refusal::SpaceBeforeColon),
        (b"nocolon", Refusal::FieldName),
        (b": y", Refusal::FieldName),
        (b":", Refusal::FieldName),
        (b"X/Y: z", Refusal::FieldName),
        (b"X(Y): z", Refusal::FieldName),
        (b"X\"Y: z", Refusal::FieldName),
        (b"[X]: z", Refusal::FieldName),
        (b"X\x00: z", Refusal::FieldName),
        (b"X\x0b: z", Refusal::FieldName),
        (b"X\x7f: z", Refusal::FieldName),
        (b"Content-Length\x85: 10", Refusal::FieldName),
        (b"\xa0X: y", Refusal::FieldName),
        (b"caf\xc3\xa9: y", Refusal::FieldName),
        (b"X: \x00", Refusal::FieldValue),
        (b"X: a\x00b", Refusal::FieldValue),
        (b"X: a\x07b", Refusal::FieldValue),
        (b"X: a\x08b", Refusal::FieldValue),
        (b"X: a\x0bb", Refusal::FieldValue),
        (b"X: a\x0cb", Refusal::FieldValue),
        (b"X: a\x1bb", Refusal::FieldValue),
        (b"X: a\x7fb", Refusal::FieldValue),
        (b"X_Y: \x00", Refusal::FieldValue),
        (b"X: a\rb", Refusal::BareCarriageReturn),
        (b"X: a\r\rb", Refusal::BareCarriageReturn),
        (b"X: y\r", Refusal::BareCarriageReturn),
        (b"X: y\rZ: z", Refusal::BareCarriageReturn),
        (b"X\rY: z", Refusal::FieldName),
        (b"X: y\nZ: z", Refusal::BareLineFeed),
        (b"X: y\n", Refusal::BareLineFeed),
        (b"X: y\n\nGET /b HTTP/1.1", Refusal::BareLineFeed),
        (b"X\nY: z", Refusal::FieldName),
        (b"\rX: y", Refusal::BareCarriageReturn),
        (b"\nX: y", Refusal::BareLineFeed),
    ];
    assert_fields_refused(cases);
}

#[test]
fn hosts() {
    let cases: &[(&str, Refusal)] = &[
        ("GET / HTTP/1.1\r\n", Refusal::NoHost),
        ("GET / HTTP/1.1\r\nX: y\r\n", Refusal::NoHost),
        ("GET / HTTP/1.1\r\nHost_: a\r\n", Refusal::NoHost),
        ("GET http://a/ HTTP/1.1\r\n", Refusal::NoHost),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", Refusal::FieldRepeated),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhOST: b\r\n", Refusal::FieldRepeated),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", Refusal::FieldRepeated),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n", Refusal::FieldRepeated),
        ("GET / HTTP/1.1\r\nHost:\r\n", Refusal::Authority),
        ("GET / HTTP/1.1\r\nHost: \t \r\n", Refusal::Authority),
        ("GET / HTTP/1.0\r\nHost:\r\n", Refusal::Authority),
        ("GET / HTTP/1.1\r\nHost: a,b\r\n", Refusal::Authority),
        ("GET / HTTP/1.1\r\nHost: a b\r\n", Refusal::Authority),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n", Refusal::Authority),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n", Refusal::Authority),
        ("GET / HTTP/1.1\r\nHost: a:x\r\n", Refusal::Authority),
        ("GET / HTTP/1.1\r\nHost: a:99999\r\n", Refusal::Authority),
        ("GET / HTTP/1.1\r\nHost: http://a\r\n", Refusal::Authority),
        ("GET / HTTP/1.1\r\nHost: a\0.b\r\n", Refusal::FieldValue),
        ("GET http://a/ HTTP/1.1\r\nHost: a,b\r\n", Refusal::Authority),
    ];
    for (head, refusal) in cases {
        assert_verdict("host", format!("{head}\r\n").as_bytes(), &Limits::default(), Err(*refusal));
    }
}

#[test]
fn framing() {
    let cases: &[(&[u8], Refusal)] = &[
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", Refusal::TwoLengths),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", Refusal::TwoLengths),
        (b"Transfer-Encoding: chunked\r\nX: y\r\ncontent-length: 0", Refusal::TwoLengths),
        (b"Content-Length: 5\r\nContent-Length: 6", Refusal::FieldRepeated),
        (b"Content-Length: 5\r\nContent-Length: 5", Refusal::FieldRepeated),
        (b"Content-Length: 5, 5", Refusal::ContentLength),
        (b"Content-Length: 5, 6", Refusal::ContentLength),
        (b"Content-Length: 5,", Refusal::ContentLength),
        (b"Content-Length: +5", Refusal::ContentLength),
        (b"Content-Length: -1", Refusal::ContentLength),
        (b"Content-Length: -0", Refusal::ContentLength),
        (b"Content-Length: 1_0", Refusal::ContentLength),
        (b"Content-Length: 0_1", Refusal::ContentLength),
        (b"Content-Length: 0 1", Refusal::ContentLength),
        (b"Content-Length: 3 1", Refusal::ContentLength),
        (b"Content-Length:", Refusal::ContentLength),
        (b"Content-Length: ", Refusal::ContentLength),
        (b"Content-Length: 005", Refusal::ContentLength),
        (b"Content-Length: 00", Refusal::ContentLength),
        (b"Content-Length: 5Z", Refusal::ContentLength),
        (b"Content-Length: 0x5", Refusal::ContentLength),
        (b"Content-Length: 5.0", Refusal::ContentLength),
        (b"Content-Length: 1e3", Refusal::ContentLength),
        (b"Content-Length: \"5\"", Refusal::ContentLength),
        (b"Content-Length: \xb2", Refusal::ContentLength),
        (b"Content-Length: \xef\xbc\x95", Refusal::ContentLength),
        (b"Content-Length: 18446744073709551616", Refusal::ContentLength),
        (b"Content-Length: 99999999999999999999999999", Refusal::ContentLength),
        (b"Transfer-Encoding: xchunked", Refusal::TransferEncoding),
        (b"Transfer-Encoding: blegh", Refusal::TransferEncoding),
        (b"Transfer-Encoding: identity", Refusal::TransferEncoding),
        (b"Transfer-Encoding: gzip", Refusal::TransferEncoding),
        (b"Transfer-Encoding: chunked, gzip", Refusal::TransferEncoding),
        (b"Transfer-Encoding: gzip, chunked", Refusal::TransferCoding),
        (b"Transfer-Encoding: identity, chunked", Refusal::TransferEncoding),
        (b"Transfer-Encoding: chunked, chunked", Refusal::TransferEncoding),
        (b"Transfer-Encoding: chunked, identity", Refusal::TransferEncoding),
        (b"Transfer-Encoding: ,chunked", Refusal::TransferEncoding),
        (b"Transfer-Encoding: chunked,", Refusal::TransferEncoding),
        (b"Transfer-Encoding:", Refusal::TransferEncoding),
        (b"Transfer-Encoding: chunked;q=1", Refusal::TransferEncoding),
        (b"Transfer-Encoding: \"chunked\"", Refusal::TransferEncoding),
        (b"Transfer-Encoding: chunked x", Refusal::TransferEncoding),
        (b"Transfer-Encoding: \x0bchunked", Refusal::FieldValue),
        (b"Transfer-Encoding: \x0cchunked", Refusal::FieldValue),
        (b"Transfer-Encoding: chunked\x00", Refusal::FieldValue),
        (b"Transfer-Encoding: \xa0chunked\xa0", Refusal::TransferEncoding),
        (b"Transfer-Encoding: \xffchunked", Refusal::TransferEncoding),
        (b"Transfer-Encoding: chunked\r\n x", Refusal::Folded),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Refusal::FieldRepeated),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Refusal::FieldRepeated),
        (b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", Refusal::TransferEncoding),
    ];
    assert_fields_refused(cases);
    for old in ["Transfer-Encoding: chunked", "Content-Length: 0\r\nTransfer-Encoding: chunked"] {
        let head = format!("POST / HTTP/1.0\r\nHost: a\r\n{old}\r\n\r\n");
        assert_verdict("1.0", head.as_bytes(), &Limits::default(), Err(Refusal::TransferEncodingOld));
    }
}

#[test]
fn connection_expect_and_repeats() {
    let many = format!("Connection: {}", ["close"; 17].join(","));
    let cases: &[(&[u8], Refusal)] = &[
        (b"Connection: Content-Length", Refusal::Nominated),
        (b"Connection: close, Host", Refusal::Nominated),
        (b"Connection: transfer-encoding", Refusal::Nominated),
        (b"Connection: X-Forwarded-For, Cookie", Refusal::Nominated),
        (b"Connection: x-forwarded-host", Refusal::Nominated),
        (b"Connection: keep-alive\r\nConnection: Cookie", Refusal::Nominated),
        (b"Connection: Authorization", Refusal::Nominated),
        (b"Connection: Accept-Encoding", Refusal::Nominated),
        (b"Connection: X-Real-IP", Refusal::Nominated),
        (b"Connection: Forwarded", Refusal::Nominated),
        (b"Connection: Connection", Refusal::Nominated),
        (b"Connection: close;x", Refusal::Connection),
        (b"Connection: \"close\"", Refusal::Connection),
        (b"Connection: close keep-alive", Refusal::Connection),
        (b"Connection: caf\xe9", Refusal::Connection),
        (many.as_bytes(), Refusal::Connection),
        (b"Expect: y 100-continue", Refusal::Expectation),
        (b"Expect: 200-ok", Refusal::Expectation),
        (b"Expect: 100-continue, 100-continue", Refusal::Expectation),
        (b"Expect: 100-continue\r\nExpect: 100-continue", Refusal::FieldRepeated),
        (b"Authorization: a\r\nAuthorization: b", Refusal::FieldRepeated),
        (b"Range: bytes=0-1\r\nRange: bytes=0-1", Refusal::FieldRepeated),
        (b"If-Modified-Since: x\r\nif-modified-since: y", Refusal::FieldRepeated),
        (b"Content-Type: a/b\r\nContent-Type: c/d", Refusal::FieldRepeated),
        (b"Upgrade: websocket\r\nUpgrade: h2c", Refusal::FieldRepeated),
    ];
    assert_fields_refused(cases);
}

/// What begins with something that no request line begins with is refused at that byte, whole line or not.
#[test]
fn other_protocols() {
    let cases: &[(&[u8], Refusal)] = &[
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Refusal::NotHttp), // TLS ClientHello
        (b"\x80\x2e\x01\x00\x02", Refusal::NotHttp),                         // SSL 2
        (b"\x00", Refusal::NotHttp),
        (b"\x04\x01\x00\x50", Refusal::NotHttp), // SOCKS
        (b"\r\n\x16", Refusal::NotHttp),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::EmptyLines),
        (b"\r\n\n", Refusal::EmptyLines),
        (b"\r\n\r", Refusal::EmptyLines),
        (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BareLineFeed),
        (b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BareCarriageReturn),
        (b"\r\r\n", Refusal::BareCarriageReturn),
        (b" ", Refusal::Folded),
        (b"\r\n GET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Folded),
        (b"{\"json\": 1}", Refusal::Method),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Refusal::Method),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", Refusal::TargetForm),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::MethodNotServed),
        (b"GET / HTTP/1.1\nHost: a\n\n", Refusal::BareLineFeed),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::BareLineFeed),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", Refusal::BareLineFeed),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::BareLineFeed),
        (b"GET / HTTP/1.1\rHost: a\r\r", Refusal::BareCarriageReturn),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\rX", Refusal::BareCarriageReturn),
    ];
    for (bytes, refusal) in cases {
        // A line that nothing ends is not judged yet: with a line feed it is.
        let judged = verdict(bytes, &Limits::default()) == Ok(None);
        let bytes = if judged { [bytes, &b"\n"[..]].concat() } else { bytes.to_vec() };
        assert_verdict("start", &bytes, &Limits::default(), Err(*refusal));
    }
}

#[test]
fn statuses() {
    let cases = [
        (Refusal::NotHttp, 400),
        (Refusal::MethodTooLong, 501),
        (Refusal::MethodNotServed, 405),
        (Refusal::RequestLineTooLong, 414),
        (Refusal::Version, 505),
        (Refusal::TransferCoding, 501),
        (Refusal::TwoLengths, 400),
        (Refusal::Expectation, 417),
        (Refusal::HeadTooLarge, 431),
        (Refusal::TooManyFields, 431),
    ];
    for (refusal, status) in cases {
        assert_eq!(refusal.status().as_u16(), status, "{refusal:?}");
    }
}

fn assert_fields_refused(cases: &[(&[u8], Refusal)]) {
    for (fields, refusal) in cases {
        let head = [b"POST / HTTP/1.1\r\nHost: a\r\n", *fields, b"\r\n\r\n"].concat();
        assert_verdict("fields", &head, &Limits::default(), Err(*refusal));
    }
}

#[test]
fn a_bare_line_feed_ends_a_line_only_where_it_may() {
    let text = b"\nGET / HTTP/1.1\nHost: a\r\nX-B: c\n\nrest";
    let lax = Limits { bare_line_feeds: true, ..Limits::default() };
    let mut spans = Vec::new();
    let (head, taken) = read(text, &lax, &mut spans).unwrap().unwrap();
    assert_eq!((head.method, taken), ("GET", text.len() - "rest".len()));
    assert_eq!(head.fields.iter().collect::<Vec<_>>(), [("Host", &b"a"[..]), ("X-B", b"c")]);
    for end in 0..taken {
        assert!(read(&text[..end], &lax, &mut Vec::new()).unwrap().is_none(), "{end}");
    }
    let mut spans = Vec::new();
    let refused = read(&text[1..], &Limits::default(), &mut spans);
    assert!(matches!(refused, Err(Refusal::BareLineFeed)), "{refused:?}");
}

#[test]
fn names_with_underscores_pass_if_asked_for_and_forge_nothing() {
    let lax = Limits { underscores: true, ..Limits::default() };
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nx_own: 1\r\nX_Forwarded_For: 2\r\nContent_Length: 3\r\n\r\n";
    for (limits, names) in [(&lax, &["Host", "x_own"][..]), (&Limits::default(), &["Host"][..])] {
        let mut spans = Vec::new();
        let (head, _) = read(head, limits, &mut spans).unwrap().unwrap();
        let found: Vec<_> = head.fields.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(found, names);
    }
}
