//! What one client may hold, and for how long: slow readers, frames that say nothing, file descriptors, the
//! end of a tunnel.

use std::fs;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weir_tests::{
    AppServer, Certificate, Client, Location, Pool, Settings, Stack, both_topologies, frame, head_block,
    site, until,
};

pub(crate) const HEADERS: u8 = 1;
pub(crate) const DATA: u8 = 0;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS_FRAME: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const UNKNOWN: u8 = 99;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ENHANCE_YOUR_CALM: u8 = 11;
const REFUSED_STREAM: u8 = 7;
const CANCEL: u8 = 8;

const HTTP2: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
timeouts = { send = "2s", body = "2s" }
limits = { send_rate = 1000, http2_idle_frames = 100 }
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
"#;

/// A connection by hand: preface and settings are sent.
pub(crate) fn raw(stack: &Stack, settings: &[u8]) -> Client {
    let mut client = stack.connect();
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client.send(frame(SETTINGS_FRAME, 0, 0, settings));
    client
}

/// The next frame: type, stream, payload; `None` if the connection ends.
pub(crate) fn next(client: &mut Client) -> Option<(u8, u32, Vec<u8>)> {
    let [high, middle, low, kind, _, a, b, c, d] = client.take(9).try_into().ok()?;
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    let payload = client.take(length);
    (payload.len() == length).then_some((kind, u32::from_be_bytes([a, b, c, d]), payload))
}

pub(crate) fn request(stream: u32, path: &str, flags: u8) -> Vec<u8> {
    let fields: [(&str, &[u8]); 4] =
        [(":method", b"GET"), (":scheme", b"http"), (":authority", b"localhost"), (":path", path.as_bytes())];
    frame(HEADERS, flags, stream, &head_block(&fields))
}

/// Whether a request on this stream is answered.
fn is_answered(client: &mut Client, stream: u32, path: &str) -> bool {
    client.send(request(stream, path, END_STREAM | END_HEADERS));
    while let Some((kind, of, _)) = next(client) {
        if (kind, of) == (HEADERS, stream) {
            return true;
        }
    }
    false
}

both_topologies!(a_stream_that_is_taken_too_slowly_ends, HTTP2);
fn a_stream_that_is_taken_too_slowly_ends(stack: &Stack) {
    // SETTINGS_INITIAL_WINDOW_SIZE: 10 bytes.
    let mut client = raw(stack, &[0, 4, 0, 0, 0, 10]);
    client.send(request(1, "/count/slow?size=100000", END_STREAM | END_HEADERS));
    let begun = Instant::now();
    let mut dribble = client.socket().try_clone().unwrap();
    let dribbling = std::thread::spawn(move || {
        // There is always progress, but only 50 bytes each second.
        for _ in 0..300 {
            sleep(Duration::from_millis(200));
            let window = frame(WINDOW_UPDATE, 0, 1, &10u32.to_be_bytes());
            if std::io::Write::write_all(&mut dribble, &window).is_err() {
                return;
            }
        }
    });
    let end = loop {
        match next(&mut client) {
            Some((RST_STREAM, 1, code)) => break code[3],
            Some(_) => {}
            None => panic!("the connection ended"),
        }
    };
    assert_eq!(end, CANCEL);
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(!dribbling.is_finished(), "it ended when the client took nothing any more");
    assert!(is_answered(&mut client, 3, "/count/next?size=0"), "the connection goes on");
    client.socket().shutdown(std::net::Shutdown::Both).unwrap();
    dribbling.join().unwrap();
}

const SLOW_READERS: &str = r#"
listen = ["$HTTP", { address = "127.0.0.1:$PORT", tls = $TLS }]
timeouts = { send = "3s" }
limits = { send_rate = "8MiB" }
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location]]
match = "/files/"
alias = "$DIR/"
"#;

#[test]
fn a_reply_that_is_taken_too_slowly_ends_also_over_tls_and_by_sendfile() {
    const LARGE: usize = 100_000_000;
    let directory = TempDir::new().unwrap();
    let certificate = Certificate::write(directory.path(), &["localhost"]);
    let stack = Stack::one_process(SLOW_READERS.replace("$TLS", &certificate.setting()));
    let file = fs::File::create(stack.directory().join("large.bin")).unwrap();
    file.set_len(LARGE as u64).unwrap();
    let secure = || {
        let address = ([127, 0, 0, 1], stack.port).into();
        Client::over_tls(address, "localhost", &certificate.client(&["http/1.1"])).unwrap()
    };
    let page = format!("/count/large?size={LARGE}");
    let cases = [
        ("page", stack.connect(), page.as_str()),
        ("file", stack.connect(), "/files/large.bin"),
        ("page over TLS", secure(), page.as_str()),
    ];
    let readers = cases.map(|(what, mut client, target)| {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(client.head().status, 200, "{what}");
        std::thread::spawn(move || {
            // About 2 MB each second: the client takes something all the time.
            let (begun, mut taken) = (Instant::now(), 0);
            while begun.elapsed() < Duration::from_secs(45) {
                let piece = client.take(100_000).len();
                taken += piece;
                if piece < 100_000 {
                    break;
                }
                sleep(Duration::from_millis(50));
            }
            (what, taken)
        })
    });
    for reader in readers {
        let (what, taken) = reader.join().unwrap();
        assert!((100_000..LARGE * 4 / 5).contains(&taken), "{what}: {taken} bytes");
    }
}

both_topologies!(frames_that_say_nothing_end_the_connection, HTTP2);
fn frames_that_say_nothing_end_the_connection(stack: &Stack) {
    let cases: [(&str, Vec<u8>); 6] = [
        ("SETTINGS", frame(SETTINGS_FRAME, 0, 0, b"")),
        ("PING", frame(PING, 0, 0, b"12345678")),
        ("PRIORITY", frame(PRIORITY, 0, 9, &[0, 0, 0, 0, 1])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(UNKNOWN, 0, 0, b"what?")),
        ("empty DATA", frame(DATA, 0, 1, b"")),
    ];
    for (what, idle) in cases {
        let mut client = raw(stack, b"");
        client.send(request(1, "/count/open?delay=3000", END_HEADERS));
        for _ in 0..20 {
            client.send(&idle);
        }
        assert!(is_answered(&mut client, 3, "/count/few"), "a few {what} harm nobody");
        // It goes on sending: the reason must arrive all the same.
        for _ in 0..2000 {
            if client.try_send(&idle).is_err() {
                break;
            }
        }
        let code = loop {
            match next(&mut client) {
                Some((GOAWAY, _, payload)) if payload[7] != 0 => break Some(payload[7]),
                Some(_) => {}
                None => break None,
            }
        };
        assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{what}");
    }
    stack.get("/count/others").expect(200);
}

both_topologies!(what_floods_and_reads_nothing_is_not_read_for_long, HTTP2);
fn what_floods_and_reads_nothing_is_not_read_for_long(stack: &Stack) {
    let mut client = raw(stack, b"");
    let flood = frame(SETTINGS_FRAME, 0, 0, b"").repeat(500);
    let begun = Instant::now();
    // nginx's `lingering_time`, which is for uploads: 30 s.
    while client.try_send(&flood).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the edge still reads");
    }
}

both_topologies!(requests_before_settings_are_read_are_refused_one_by_one, HTTP2);
fn requests_before_settings_are_read_are_refused_one_by_one(stack: &Stack) {
    let mut client = raw(stack, b"");
    let streams: Vec<u32> = (0..250).map(|n| 2 * n + 1).collect();
    let all: Vec<u8> = streams
        .iter()
        .flat_map(|stream| request(*stream, "/count/early?delay=300", END_STREAM | END_HEADERS))
        .collect();
    client.send(all);
    let (mut answered, mut refused) = (0, 0);
    while answered + refused < streams.len() {
        match next(&mut client) {
            Some((HEADERS, ..)) => answered += 1,
            Some((RST_STREAM, _, code)) => {
                assert_eq!(code[3], REFUSED_STREAM);
                refused += 1;
            }
            Some((GOAWAY, _, payload)) => panic!("the connection ends: {payload:?}"),
            Some(_) => {}
            None => panic!("the connection ended after {answered} and {refused}"),
        }
    }
    assert!(answered >= 100 && refused > 64, "{answered} answered, {refused} refused");
    assert!(is_answered(&mut client, 501, "/count/late"));
}

const LITTLE_MEMORY: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
limits = { bodies = "512KiB" }
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location]]
match = "/page/"
pool = "app"
[edge.site.location.cache]
[[wsgi_adapter.pool]]
name = "app"
servers = ["http://127.0.0.1:$PORT"]
"#;

both_topologies!(others_do_not_wait_for_the_end_of_an_event_stream, LITTLE_MEMORY);
fn others_do_not_wait_for_the_end_of_an_event_stream(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    // Pages that nobody reads fill the memory for bodies: a connection may have one request at once.
    let pages: Vec<_> = (0..4)
        .map(|n| {
            let mut page = stack.connect();
            page.send(format!(
                "GET /page/count/{n}?size=7000000&chunks=20 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            ));
            page.head().expect(200);
            page
        })
        .collect();
    sleep(Duration::from_secs(1));
    let mut client = raw(stack, &[]);
    assert!(is_answered(&mut client, 1, "/events?gap=60000"));
    assert!(is_answered(&mut client, 3, "/count/other?size=0"), "it waits for the events");
    drop(pages);
}

both_topologies!(a_body_of_length_zero_is_empty, HTTP2);
fn a_body_of_length_zero_is_empty(stack: &Stack) {
    let head = |stream, path: &str| {
        let fields: [(&str, &[u8]); 5] = [
            (":method", b"POST"),
            (":scheme", b"http"),
            (":authority", b"localhost"),
            (":path", path.as_bytes()),
            ("content-length", b"0"),
        ];
        frame(HEADERS, END_HEADERS, stream, &head_block(&fields))
    };
    let mut client = raw(stack, b"");
    client.send(head(1, "/count/lying"));
    client.send(frame(DATA, END_STREAM, 1, b"x"));
    let answer = loop {
        match next(&mut client) {
            Some((HEADERS, 1, head)) => break head.first().copied(),
            Some((RST_STREAM, 1, code)) => panic!("reset: {code:?}"),
            Some(_) => {}
            None => break None,
        }
    };
    // 400 by the static table.
    assert_eq!(answer, Some(0x8c));
    client.send(head(3, "/count/honest"));
    client.send(frame(DATA, END_STREAM, 3, b""));
    loop {
        match next(&mut client).expect("the connection goes on") {
            (HEADERS, 3, _) => break,
            (RST_STREAM, 3, code) => panic!("reset: {code:?}"),
            _ => {}
        }
    }
    assert_eq!((stack.oracle.calls("lying"), stack.oracle.calls("honest")), (0, 1));
}

fn tunnel() -> Settings {
    site([Location::passed("/").pool("ws")])
        .with("edge.timeouts.tunnel_drain", "1s")
        .pool(Pool::new("ws", "http://127.0.0.1:$PORT"))
}

both_topologies!(an_idle_tunnel_does_not_keep_a_process, tunnel());
fn an_idle_tunnel_does_not_keep_a_process(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    let mut client = stack.connect();
    client.send(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    assert_eq!(client.head().status, 101);
    let begun = Instant::now();
    stack.edge.terminate_without_waiting();
    until("the port is free", || TcpStream::connect(stack.http()).is_err().then_some(()));
    assert!(stack.edge.is_running(), "the tunnel may go on for a moment");
    stack.edge.wait();
    // No longer than `wait` has patience for, with nothing else to end the tunnel.
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    TcpStream::connect(stack.admin_address()).expect_err("the admin port is free too");
}

const EVENTS: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
timeouts = { tunnel_drain = "1s" }
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[wsgi_adapter.pool]]
name = "app"
servers = ["http://127.0.0.1:$PORT"]
"#;

both_topologies!(an_event_stream_does_not_keep_a_process, EVENTS);
fn an_event_stream_does_not_keep_a_process(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    let ask = |request: &str| {
        let mut client = stack.connect();
        client.send(request);
        assert_eq!(client.head().status, 200);
        assert!(client.chunk().is_some_and(|event| !event.is_empty()), "the first event");
        client
    };
    let mut streams = [
        ask("GET /events?gap=600000 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ask("POST /events?gap=600000 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi"),
    ];
    let mut over_http2 = raw(stack, b"");
    over_http2.send(request(1, "/events?gap=600000", END_STREAM | END_HEADERS));
    while !matches!(next(&mut over_http2), Some((DATA, 1, _))) {}
    let begun = Instant::now();
    stack.edge.terminate_without_waiting();
    until("the port is free", || TcpStream::connect(stack.http()).is_err().then_some(()));
    assert!(stack.edge.is_running(), "the streams may go on for a moment");
    assert!(stack.edge.wait().success(), "nothing was left of them");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    // The HTTP/2 client has not said that it knows of the end. No client takes what it has for the whole.
    for client in &mut streams {
        assert!(client.chunk().is_none());
    }
    loop {
        match next(&mut over_http2).expect("told how the stream ends") {
            (RST_STREAM, 1, _) => break,
            (DATA, 1, _) => panic!("more came"),
            _ => {}
        }
    }
}

#[test]
fn first_words_that_do_not_end_do_not_keep_a_process() {
    let stack = Stack::one_process(Settings::of_edge(HTTP2));
    let mut clients = [stack.connect(), stack.connect(), stack.connect()];
    for (client, words) in clients.iter_mut().zip(["PRI * HT", "GET / HTTP/1.1\r\nHo", ""]) {
        client.send(words);
    }
    sleep(Duration::from_millis(300));
    let begun = Instant::now();
    stack.edge.terminate_without_waiting();
    assert!(stack.edge.wait().success());
    // `timeouts.head` is 10 s.
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
}
