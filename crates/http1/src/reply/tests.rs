//! Reply heads, good and bad, cut at every byte.

use proptest::prelude::*;

use super::*;
use crate::octets::is_token;

const LIMITS: ResponseLimits = ResponseLimits { head: 1024, fields: 20 };
/// What a gunicorn that speaks uwsgi sends.
const FORM: ResponseForm<'_> = ResponseForm { status_line: false, chunks: true, upgrade: "" };

/// The head and what is left as body. `Ok(None)`: not whole yet.
fn parse(bytes: &[u8]) -> Result<Option<(ResponseHead, Vec<u8>)>, BadReply> {
    let mut buffer = BytesMut::from(bytes);
    let head = ResponseParser::new(LIMITS, FORM).parse(&mut buffer)?;
    Ok(head.map(|head| (head, buffer.to_vec())))
}

fn fields(head: &ResponseHead) -> Vec<String> {
    head.fields
        .iter()
        .map(|field| format!("{}: {}", field.name.escape_ascii(), field.value.escape_ascii()))
        .collect()
}

/// What was received, and the status, fields, length and body that it means.
type GoodReply = (&'static [u8], u16, &'static [&'static str], Option<u64>, &'static [u8]);

const GOOD: &[GoodReply] = &[
    (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
        200,
        &["content-type: text/html"],
        Some(2),
        b"hi",
    ),
    (b"HTTP/1.0 404 NOT FOUND\r\nX-A:1\r\n\r\nbody", 404, &["x-a: 1"], None, b"body"),
    (b"HTTP/2.0 200 OK\r\n\r\n", 200, &[], None, b""),
    (b"HTTP/2 200 OK\r\n\r\n", 200, &[], None, b""),
    (b"HTTP/1.1 200\r\n\r\n", 200, &[], None, b""),
    (b"HTTP/1.1 599 \r\nA: b\r\n\r\n\n", 599, &["a: b"], None, b"\n"),
    (b"HTTP/1.1 200 caf\xe9\r\nX: caf\xe9 \t \r\n\r\n", 200, &["x: caf\\xe9"], None, b""),
    (b"HTTP/1.1 200 OK\r\nX-Empty:\r\nX-Blank:  \t\r\n\r\n", 200, &["x-empty: ", "x-blank: "], None, b""),
    (b"HTTP/1.1 200 OK\r\nStatus: 500\r\n\r\n", 200, &[], None, b""),
    // CGI.
    (b"Status: 201 Created\r\nX-A: 1\r\n\r\nx", 201, &["x-a: 1"], None, b"x"),
    (b"X-A: 1\r\nstatus: 404\r\n\r\n", 404, &["x-a: 1"], None, b""),
    (b"Content-Type: text/plain\n\nx", 200, &["content-type: text/plain"], None, b"x"),
    (b"Location: /there\r\n\r\n", 302, &["location: /there"], None, b""),
    (b"Location: /there\r\nStatus: 201 Created\r\n\r\n", 201, &["location: /there"], None, b""),
    // Lengths.
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\nabc", 200, &[], Some(3), b"abc"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 007\r\n\r\n", 200, &[], Some(7), b""),
    // Fields that concern the connection only, and some that never do, whatever Connection says.
    (
        b"HTTP/1.1 200 OK\r\nConnection: X-Hop, Cache-Control, SET-COOKIE\r\nX-Hop: 1\r\nCache-Control: private\r\nSet-Cookie: a=b\r\n\r\n",
        200,
        &["cache-control: private", "set-cookie: a=b"],
        None,
        b"",
    ),
    (
        b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\nTrailer: a\r\nX-B: 2\r\n\r\n",
        200,
        &["x-b: 2"],
        None,
        b"",
    ),
    // Repeats.
    (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nETag: 1\r\nSet-Cookie: b\r\nETag: 2\r\nLocation: /a\r\nLocation: /b\r\n\r\n",
        200,
        &["set-cookie: a", "etag: 1", "set-cookie: b", "location: /a"],
        None,
        b"",
    ),
    // LF alone, in all lines.
    (b"HTTP/1.1 200 OK\nA: b\n\nX", 200, &["a: b"], None, b"X"),
    // Interim heads.
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, &[], None, b""),
];

#[test]
fn reads_what_applications_send() {
    for (bytes, status, expected, length, body) in GOOD {
        let text = bytes.escape_ascii();
        let (head, rest) = parse(bytes).unwrap_or_else(|bad| panic!("{text}: {bad}")).unwrap();
        assert_eq!((head.status, head.content_length), (*status, *length), "{text}");
        assert_eq!(fields(&head), *expected, "{text}");
        assert_eq!(rest, *body, "{text}");
    }
}

#[test]
fn waits_for_the_whole_head_at_every_cut() {
    for (bytes, _, _, _, body) in GOOD {
        let whole = parse(bytes).unwrap().unwrap().0;
        for cut in 0..=bytes.len() - body.len() {
            let (mut parser, mut buffer) = (ResponseParser::new(LIMITS, FORM), BytesMut::from(&bytes[..cut]));
            let mut head = parser.parse(&mut buffer).unwrap();
            assert_eq!(
                head.is_some(),
                cut == bytes.len() - body.len(),
                "{} cut at {cut}",
                bytes.escape_ascii()
            );
            buffer.extend_from_slice(&bytes[cut..]);
            head = head.or_else(|| parser.parse(&mut buffer).unwrap());
            assert_eq!(head.unwrap(), whole, "{} cut at {cut}", bytes.escape_ascii());
            assert_eq!(buffer[..], **body);
        }
        let (mut parser, mut buffer) = (ResponseParser::new(LIMITS, FORM), BytesMut::new());
        let head = bytes.iter().find_map(|byte| {
            buffer.extend_from_slice(&[*byte]);
            parser.parse(&mut buffer).unwrap()
        });
        assert_eq!(head.unwrap(), whole, "{} byte by byte", bytes.escape_ascii());
    }
}

#[test]
fn says_whether_the_connection_stays() {
    let cases: &[(&[u8], bool)] = &[
        (b"HTTP/1.1 200 OK\r\n\r\n", true),
        (b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: close\r\n\r\n", false),
        (b"HTTP/1.0 200 OK\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", false),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", true),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\n\r\n", false),
        // RFC 9112 section 6.1.
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        (b"X-A: 1\r\n\r\n", false),
    ];
    for (bytes, persistent) in cases {
        assert_eq!(parse(bytes).unwrap().unwrap().0.persistent, *persistent, "{}", bytes.escape_ascii());
    }
}

#[test]
fn switches_only_if_asked_and_only_to_something() {
    let switched =
        &b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nX-A: 1\r\n\r\n\x81"[..];
    let parse = |bytes: &[u8], upgrade| {
        let mut buffer = BytesMut::from(bytes);
        let form = ResponseForm { status_line: true, chunks: true, upgrade };
        let head = ResponseParser::new(LIMITS, form).parse(&mut buffer);
        head.map(|head| head.map(|head| (head.status, head.upgrade, buffer.to_vec())))
    };
    for asked in ["websocket", "WebSocket", "foo, websocket"] {
        assert_eq!(parse(switched, asked), Ok(Some((101, Some("websocket".into()), b"\x81".to_vec()))));
    }
    for asked in ["", "web", "h2c", "websocket2", ","] {
        assert_eq!(parse(switched, asked), Err(BadReply::Switched), "{asked}");
    }
    assert_eq!(parse(b"HTTP/1.1 101 Switching\r\n\r\n", "websocket"), Err(BadReply::Switched));
}

#[test]
fn only_a_server_that_frames_bodies_may_send_chunks() {
    let form = ResponseForm { chunks: false, ..FORM };
    for (bytes, length) in [
        (&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"[..], None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nX-A: 1\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\nX-A: 1\r\n\r\n", Some(7)),
    ] {
        let head = ResponseParser::new(LIMITS, form).parse(&mut BytesMut::from(bytes)).unwrap().unwrap();
        assert_eq!(
            (head.chunked, head.content_length, fields(&head)),
            (false, length, vec!["x-a: 1".to_owned()])
        );
    }
}

#[test]
fn an_http_server_sends_a_status_line() {
    let mut buffer = BytesMut::from("Status: 200 OK\r\n\r\n");
    let form = ResponseForm { status_line: true, ..FORM };
    assert_eq!(ResponseParser::new(LIMITS, form).parse(&mut buffer), Err(BadReply::NotHttp));
}

#[test]
fn refuses_what_is_not_a_reply() {
    use BadReply as B;
    let cases: &[(&[u8], BadReply)] = &[
        (b"\r\n\r\n", B::NotHttp),
        (b"\n\nbody", B::NotHttp),
        (b"HTTP/ 200 OK\r\n\r\n", B::NotHttp),
        (b"HTTP/x.1 200 OK\r\n\r\n", B::NotHttp),
        (b"HTTP/1. 200 OK\r\n\r\n", B::NotHttp),
        (b"HTTP/1.1\r\n\r\n", B::NotHttp),
        (b"HTTP/1.1 \r\n\r\n", B::Status),
        (b"HTTP/1.1 abc\r\n\r\n", B::Status),
        (b"HTTP/1.1 20\r\n\r\n", B::Status),
        (b"HTTP/1.1 2000\r\n\r\n", B::Status),
        (b"HTTP/1.1 +20 OK\r\n\r\n", B::Status),
        (b"HTTP/1.1  200 OK\r\n\r\n", B::Status),
        (b"HTTP/1.1 099 X\r\n\r\n", B::Status),
        (b"HTTP/1.1 600 X\r\n\r\n", B::Status),
        (b"HTTP/1.1 999 X\r\n\r\n", B::Status),
        (b"HTTP/1.1 200 OK\nA: b\r\n\r\n", B::LineEnd),
        (b"HTTP/1.1 200 OK\r\nA: b\n\r\n", B::LineEnd),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\n", B::LineEnd),
        (b"HTTP/1.1 200 OK\r\nA: b\nSet-Cookie: c\r\n\r\n", B::LineEnd),
        (b"HTTP/1.1 200 O\0K\r\n\r\n", B::Status),
        (b"HTTP/1.1 200 O\rK\r\n\r\n", B::Status),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", B::Switched),
        (b"Status: abc\r\n\r\n", B::Status),
        (b"Status:\r\n\r\n", B::Status),
        (b"Status: 200\r\nStatus: 200\r\n\r\n", B::Status),
        (b"200 OK\r\nA: b\r\n\r\n", B::FieldName),
        (b"http/1.1 200 OK\r\n\r\n", B::FieldName),
        (b"<html>hello</html>\n\n", B::FieldName),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", B::FieldName),
        (b"HTTP/1.1 200 OK\r\n: x\r\n\r\n", B::FieldName),
        (b"HTTP/1.1 200 OK\r\nA : x\r\n\r\n", B::FieldName),
        (b"HTTP/1.1 200 OK\r\nA b: x\r\n\r\n", B::FieldName),
        (b"HTTP/1.1 200 OK\r\nA\xe9: x\r\n\r\n", B::FieldName),
        (b"HTTP/1.1 200 OK\r\nA: x\r\n folded: y\r\n\r\n", B::FieldName),
        (b"HTTP/1.1 200 OK\r\nA: x\rSet-Cookie: y\r\n\r\n", B::FieldValue),
        (b"HTTP/1.1 200 OK\r\nA: x\0y\r\n\r\n", B::FieldValue),
        (b"HTTP/1.1 200 OK\r\nA: \x7f\r\n\r\n", B::FieldValue),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", B::ContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", B::ContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", B::ContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", B::ContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", B::ContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", B::ContentLength),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", B::TransferEncoding),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            B::TransferEncoding,
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", B::TransferEncoding),
    ];
    for (bytes, expected) in cases {
        assert_eq!(parse(bytes), Err(*expected), "{}", bytes.escape_ascii());
    }
}

#[test]
fn chunked_is_told() {
    let (head, _) = parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n").unwrap().unwrap();
    assert!(head.chunked && head.fields.is_empty());
}

#[test]
fn a_head_is_bounded() {
    let line = b"X-A: 0123456789\r\n";
    let many = [&b"HTTP/1.1 200 OK\r\n"[..], &line.repeat(21), b"\r\n"].concat();
    assert_eq!(parse(&many), Err(BadReply::TooManyFields(20)));
    let long = [&b"HTTP/1.1 200 OK\r\nA: "[..], &[b'x'; 1024]].concat();
    assert_eq!(parse(&long), Err(BadReply::TooLong(1024)), "not ended yet");
    assert_eq!(parse(&[&long, &b"\r\n\r\n"[..]].concat()), Err(BadReply::TooLong(1024)), "ended");
    // A body of any size behind a small head is no matter.
    assert!(parse(&[&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[b'x'; 4096]].concat()).unwrap().is_some());
    // Interim heads count.
    assert_eq!(parse(&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(50)), Err(BadReply::TooLong(1024)));
}

proptest! {
    #[test]
    fn what_is_accepted_is_clean(
        bytes in "(HTTP/1.1 200 OK\r\n|Status: 200\n)?(X: [a-c\r\t\0\x1f\x7f]{0,20}\r\n|[ -~\r\n\t\0]{0,40}|X: y\r\n|\n){0,4}\r\n\r\n",
    ) {
        if let Ok(Some((head, _))) = parse(bytes.as_bytes()) {
            prop_assert!((200..=599).contains(&head.status));
            for field in &head.fields {
                prop_assert!(is_token(&field.name) && !field.name.iter().any(u8::is_ascii_uppercase));
                let is_clean = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
                prop_assert!(field.value.iter().all(is_clean), "{}", field.value.escape_ascii());
            }
        }
    }

    #[test]
    fn never_panics(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    #[test]
    fn fields_come_back(values in prop::collection::vec("[!-~]([ -~]{0,20}[!-~])?", 0..10)) {
        let lines: String = values.iter().enumerate().map(|(n, value)| format!("X-{n}: {value}\r\n")).collect();
        let (head, _) = parse(format!("HTTP/1.1 200 OK\r\n{lines}\r\n").as_bytes()).unwrap().unwrap();
        let got: Vec<_> = head.fields.iter().map(|field| field.value.to_vec()).collect();
        let sent: Vec<_> = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        prop_assert_eq!(got, sent);
    }
}
