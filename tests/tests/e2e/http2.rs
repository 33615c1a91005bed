//! HTTP/2 towards clients: the same answers as by HTTP/1, the same strictness, limits and timers, drain.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use tempfile::TempDir;
use weir_tests::{Certificate, Client, Http2, Stack, frame, head_block, until};

#[path = "http2/conformance.rs"]
mod conformance;
#[path = "http2/ends.rs"]
mod ends;

const SETTINGS: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
timeouts = { head = "1s", keepalive = "2s", send = "1s", body = "1s" }
limits = { http2_resets = 50 }
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
max_body = "4MiB"
[[edge.site.location]]
match = "/cached/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
"#;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS_FRAME: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn url(stack: &Stack, path: &str) -> String {
    format!("http://localhost:{}{path}", stack.http().port())
}

/// A connection by hand: preface and empty settings are sent.
fn raw(stack: &Stack) -> Client {
    let mut client = stack.connect();
    client.send(PREFACE);
    client.send(frame(SETTINGS_FRAME, 0, 0, b""));
    client
}

/// The next frame: type, flags, stream, payload; `None` if the connection ends.
fn next(client: &mut Client) -> Option<(u8, u8, u32, Vec<u8>)> {
    let header = client.take(9);
    let [high, middle, low, kind, flags, a, b, c, d] = header.try_into().ok()?;
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    let payload = client.take(length);
    (payload.len() == length).then_some((kind, flags, u32::from_be_bytes([a, b, c, d]), payload))
}

/// What becomes of stream 1: the first byte of its head block, or the error it was reset with.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Answered(u8),
    Reset(u8),
    Gone,
}

fn fate(client: &mut Client) -> Fate {
    while let Some((kind, _, stream, payload)) = next(client) {
        match (kind, stream) {
            (HEADERS, 1) => return Fate::Answered(payload[0]),
            (RST_STREAM, 1) => return Fate::Reset(payload[3]),
            (GOAWAY, _) if payload[7] != 0 => return Fate::Gone,
            _ => {}
        }
    }
    Fate::Gone
}

#[test]
fn the_application_sees_what_it_would_see_by_http_1() {
    let directory = TempDir::new().unwrap();
    let certificate = Certificate::write(directory.path(), &["localhost"]);
    let settings = SETTINGS.replace(
        "listen = [",
        &format!("listen = [{{ address = \"127.0.0.1:$PORT\", tls = {} }}, ", certificate.setting()),
    );
    let stack = Stack::one_process(settings);
    let address = ([127, 0, 0, 1], stack.port).into();
    let mut one = Client::over_tls(address, "localhost", &certificate.client(&["http/1.1"])).unwrap();
    let mut two = Http2::over_tls(address, "localhost", certificate.client(&["h2", "http/1.1"]));
    let environ = |text: String| {
        let mut environ: BTreeMap<String, String> = text
            .lines()
            .filter_map(|line| line.trim().split_once(": "))
            .map(|(a, b)| (a.into(), b.into()))
            .collect();
        environ.retain(|name, _| {
            !["REMOTE_PORT", "TRACEPARENT", "uwsgi."].iter().any(|other| name.contains(other))
        });
        environ
    };
    let fields = [("Cookie", "a=1; b=2"), ("X-A", "ä"), ("Accept", "*/*")];
    let by_one = environ(one.ask("GET", "/echo-environ?x=%20y", &fields, b"").expect(200).text());
    let request = Request::get("https://localhost/echo-environ?x=%20y");
    let request = request.header("cookie", "a=1").header("x-a", "ä".as_bytes()).header("accept", "*/*");
    let request = request.header("cookie", "b=2").body(()).unwrap();
    let mut by_two = environ(two.ask(request, b"").unwrap().expect(200).text());
    let protocol = by_two.iter_mut().find(|(name, _)| name.contains("SERVER_PROTOCOL")).unwrap().1;
    assert!(protocol.contains("HTTP/2.0"), "{protocol}");
    *protocol = protocol.replace("HTTP/2.0", "HTTP/1.1");
    assert_eq!(by_one, by_two);
}

#[test]
fn pages_and_bodies_of_all_kinds_come_whole() {
    let stack = Stack::one_process(SETTINGS);
    let mut client = Http2::connect(stack.http());
    for expected in ["uri-miss", "hit"] {
        let page = client.get(&url(&stack, "/cached/count/a?etag=x")).expect(200);
        assert_eq!(page.text(), "1\n");
        assert!(page.field("cache-status").unwrap().contains(expected), "{:?}", page.fields);
        assert!(page.field("date").is_some() && page.field("server") == Some("weir"));
    }
    let cached = url(&stack, "/cached/count/a?etag=x");
    let head = client.ask(Request::head(&cached).body(()).unwrap(), b"").unwrap().expect(200);
    assert_eq!((head.field("content-length"), head.body.len()), (Some("2"), 0));
    let unchanged = Request::get(&cached).header("if-none-match", "\"x\"").body(()).unwrap();
    assert_eq!(client.ask(unchanged, b"").unwrap().expect(304).field("content-length"), None);
    let part = Request::get(&cached).header("range", "bytes=0-0").body(()).unwrap();
    assert_eq!(client.ask(part, b"").unwrap().expect(206).text(), "1");
    // More than the windows hold, cached and not.
    for path in
        ["/cached/count/b?size=300000", "/cached/count/b?size=300000", "/count/c?size=300000&nolength=1"]
    {
        assert_eq!(client.get(&url(&stack, path)).expect(200).body.len(), 300_000, "{path}");
    }
    let body = vec![b'x'; 3 << 20];
    let upload = Request::post(url(&stack, "/upload")).body(()).unwrap();
    let upload = client.ask(upload, &body).unwrap().expect(200).text();
    assert!(upload.contains("\"length\": 3145728"), "{upload}");
    let refused = Request::post(url(&stack, "/upload")).body(()).unwrap();
    client.ask(refused, &vec![b'x'; 5 << 20]).unwrap().expect(413);
    // Many at once, and the application's limit is not the connection's.
    let requests = (0..80).map(|n| {
        (Request::get(url(&stack, &format!("/cached/count/many-{}", n % 8))).body(()).unwrap(), Bytes::new())
    });
    for answer in client.ask_all(requests.collect()) {
        assert_eq!(answer.unwrap().expect(200).text(), "1\n");
    }
    // HTTP/1 goes on working at the same port.
    assert_eq!(stack.get("/count/d").expect(200).text(), "1\n");
}

type Field = (&'static str, &'static [u8]);

const GOOD: [Field; 4] =
    [(":method", b"GET"), (":scheme", b"http"), (":authority", b"localhost"), (":path", b"/count/strict")];

/// Heads that HTTP/1 refuses too, in its own form, and what is wrong with them.
fn refused() -> Vec<(&'static str, Vec<Field>)> {
    let with = |field: Field| [&GOOD[..], &[field]].concat();
    let instead =
        |field: Field| GOOD.iter().map(|old| if old.0 == field.0 { field } else { *old }).collect::<Vec<_>>();
    let without = |name: &str| GOOD.iter().filter(|old| old.0 != name).copied().collect::<Vec<_>>();
    const LONG: [Field; 1] = [("x-long", &[b'x'; 40_000])];
    vec![
        ("transfer-encoding", with(("transfer-encoding", b"chunked"))),
        ("connection", with(("connection", b"x-a"))),
        ("keep-alive", with(("keep-alive", b"1"))),
        ("proxy-connection", with(("proxy-connection", b"close"))),
        ("upgrade", with(("upgrade", b"h2c"))),
        ("te", with(("te", b"gzip"))),
        ("upper case", with(("X-Upper", b"1"))),
        ("line feed", with(("x-a", b"a\nb"))),
        ("carriage return", with(("x-a", b"a\rb: c"))),
        ("nul", with(("x-a", b"a\0b"))),
        ("control", with(("x-a", b"a\x01b"))),
        ("empty name", with(("", b"a"))),
        ("content-length without a body", with(("content-length", b"5"))),
        ("odd content-length", with(("content-length", b"+0"))),
        ("pseudo after regular", [&[("x-a", b"1".as_slice())][..], &GOOD[..]].concat()),
        ("pseudo twice", with((":path", b"/b"))),
        ("unknown pseudo", with((":foo", b"1"))),
        (":status", with((":status", b"200"))),
        ("no method", without(":method")),
        ("no scheme", without(":scheme")),
        ("no path", without(":path")),
        ("no authority", without(":authority")),
        ("empty path", instead((":path", b""))),
        ("relative path", instead((":path", b"hello"))),
        ("asterisk with GET", instead((":path", b"*"))),
        ("absolute path", instead((":path", b"http://localhost/"))),
        ("space in path", instead((":path", b"/a b"))),
        ("fragment", instead((":path", b"/count/strict#b"))),
        ("fragment after a query", instead((":path", b"/count/strict?a#b"))),
        ("query without a path", instead((":path", b"?a"))),
        ("path that is not UTF-8", instead((":path", b"/\xe9"))),
        ("line within a path", instead((":path", b"/a HTTP/1.1\r\nx: y"))),
        ("line within a name", with(("x: y\r\nz", b"1"))),
        ("escape cut off", instead((":path", b"/%4"))),
        ("encoded nul", instead((":path", b"/a%00"))),
        ("odd scheme", instead((":scheme", b"http://localhost/?"))),
        ("other scheme", instead((":scheme", b"ftp"))),
        ("https without TLS", instead((":scheme", b"https"))),
        ("method with a mark", instead((":method", b"GET?"))),
        ("method in lower case", instead((":method", b"get"))),
        ("method with a version", instead((":method", b"GET /x HTTP/1.1"))),
        ("trace", instead((":method", b"TRACE"))),
        ("user in authority", instead((":authority", b"user@localhost"))),
        ("list in authority", instead((":authority", b"a,b"))),
        ("bad port", instead((":authority", b"localhost:99999"))),
        ("another host", with(("host", b"other"))),
        ("two hosts", [&without(":authority")[..], &[("host", b"a".as_slice()), ("host", b"a")]].concat()),
        ("repeated", [&GOOD[..], &[("range", b"bytes=0-1".as_slice()), ("range", b"bytes=0-2")]].concat()),
        ("many fields", [&GOOD[..], &[("x-a", b"1".as_slice()); 110]].concat()),
        ("long head", [&GOOD[..], &LONG[..]].concat()),
    ]
}

#[test]
fn what_http_1_refuses_is_refused() {
    let stack = Stack::one_process(SETTINGS);
    for (what, fields) in refused() {
        let mut client = raw(&stack);
        for part in head_frames(1, &head_block(&fields)) {
            client.send(part);
        }
        let fate = fate(&mut client);
        // 0x8c: 400 by the static table; 0x08 or 0x48 begins a status that is not there (405, 431).
        assert!(
            matches!(fate, Fate::Reset(_) | Fate::Gone | Fate::Answered(0x8c | 0x08 | 0x48)),
            "{what}: {fate:?}"
        );
    }
    assert_eq!(stack.oracle.calls("strict"), 0);
    let mut client = raw(&stack);
    client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &head_block(&GOOD)));
    assert_eq!(fate(&mut client), Fate::Answered(0x88));
}

/// What RFC 3986 has percent-encoded, and clients send as it is.
#[test]
fn raw_characters_in_paths_are_as_over_http_1() {
    let path = r#"/cached/count/rawé<>"`{}^|\?<>"`{}^|\日"#;
    let get = |path: &'static str| {
        let fields: [(&str, &[u8]); 4] = [
            (":method", b"GET"),
            (":scheme", b"http"),
            (":authority", b"localhost"),
            (":path", path.as_bytes()),
        ];
        frame(HEADERS, END_STREAM | END_HEADERS, 1, &head_block(&fields))
    };
    for (is_strict, expected) in [(false, 0x88), (true, 0x8c)] {
        let settings = format!("strict_targets = {is_strict}\n{SETTINGS}");
        let stack = Stack::one_process(settings);
        let mut client = raw(&stack);
        client.send(get(path));
        assert_eq!(fate(&mut client), Fate::Answered(expected), "strict: {is_strict}");
        // It is the same page by HTTP/1, and with the characters encoded.
        if !is_strict {
            stack.get(path).expect(200).expect_cache(&["hit"]);
            let mut encoded = raw(&stack);
            let same =
                "/cached/count/raw%C3%A9%3C%3E%22%60%7B%7D%5E%7C%5C?%3C%3E%22%60%7B%7D%5E%7C%5C%E6%97%A5";
            encoded.send(get(same));
            assert_eq!(fate(&mut encoded), Fate::Answered(0x88));
        }
    }
}

/// RFC 9110 section 7.4: only "a trusted gateway" may ask for https without TLS. Envoy does so.
#[test]
fn the_scheme_of_a_trusted_proxy_is_believed() {
    for (trusted, expected) in [("127.0.0.2/32", 0x8c), ("127.0.0.1/32", 0x88)] {
        let stack = Stack::one_process(format!("trusted_proxies = [\"{trusted}\"]\n{SETTINGS}"));
        let fields: [(&str, &[u8]); 4] = [
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"localhost"),
            (":path", b"/cached/count/scheme"),
        ];
        let mut client = raw(&stack);
        client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &head_block(&fields)));
        assert_eq!(fate(&mut client), Fate::Answered(expected), "{trusted}");
        // It is the page of https.
        if expected == 0x88 {
            let https = [("X-Forwarded-Proto", "https")];
            stack.get_with("/cached/count/scheme", &https).expect(200).expect_cache(&["hit"]);
            assert_eq!(stack.get("/cached/count/scheme").expect(200).text(), "2\n");
        }
    }
}

/// RFC 9113 section 8.1.1, and as nginx: 400 where no reply has begun, whatever of the body was sent on.
#[test]
fn a_body_that_contradicts_its_length_gets_400() {
    let stack = Stack::one_process(SETTINGS);
    let head = |length: &'static [u8]| {
        let fields: [(&str, &[u8]); 5] = [
            (":method", b"POST"),
            (":scheme", b"http"),
            (":authority", b"localhost"),
            (":path", b"/upload"),
            ("content-length", length),
        ];
        frame(HEADERS, END_HEADERS, 1, &head_block(&fields))
    };
    let data = |flags, content: &[u8]| frame(0, flags, 1, content);
    let trailers = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head_block(&[(":path", b"/other")]));
    let cases: [(&str, Vec<Vec<u8>>); 5] = [
        ("less", vec![head(b"5"), data(0, b"te"), data(END_STREAM, b"st")]),
        ("more", vec![head(b"3"), data(0, b"test")]),
        ("more at the end", vec![head(b"3"), data(0, b"tes"), data(END_STREAM, b"t")]),
        ("something for nothing", vec![head(b"0"), data(END_STREAM, b"x")]),
        ("trailers that are none", vec![head(b"4"), data(0, b"test"), trailers]),
    ];
    for (what, frames) in cases {
        let mut client = raw(&stack);
        frames.into_iter().for_each(|frame| client.send(frame));
        assert_eq!(fate(&mut client), Fate::Answered(0x8c), "{what}");
    }
}

/// HEADERS and as many CONTINUATION as it takes.
fn head_frames(stream: u32, block: &[u8]) -> Vec<Vec<u8>> {
    let pieces: Vec<_> = block.chunks(16_000).collect();
    let last = pieces.len() - 1;
    let kinds = pieces.iter().enumerate().map(|(index, piece)| {
        let (kind, end) = if index == 0 { (HEADERS, END_STREAM) } else { (9, 0) };
        frame(kind, if index == last { end | END_HEADERS } else { end }, stream, piece)
    });
    kinds.collect()
}
