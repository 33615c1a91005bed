//! Uploads from nothing to large, and a thousand clients that take their time.

use std::io::Write;
use std::time::Duration;

use weir_tests::{App, Location, Pool, Settings, Setup, Stack, both_topologies, site, until};

fn settings() -> Settings {
    site([
        Location::passed("/").with("max_body", "300MiB"),
        Location::passed("/streamed/").with("max_body", "300MiB").with("request_buffering", false),
    ])
}

/// `WEIR_LARGE=1`: 200 MiB, else 8.
fn large() -> usize {
    if std::env::var_os("WEIR_LARGE").is_some() { 200 << 20 } else { 8 << 20 }
}

both_topologies!(uploads_of_every_size_arrive_whole, settings());
fn uploads_of_every_size_arrive_whole(stack: &Stack) {
    for size in [0, 1, 1 << 20, large()] {
        let body = vec![b'x'; size];
        for path in ["/upload", "/streamed/upload"] {
            let length = size.to_string();
            let seen = stack.ask("POST", path, &[("Content-Length", &length)], &body).expect(200).json();
            assert_eq!(
                (&seen["length"], &seen["content_length"]),
                (&size.into(), &length.clone().into()),
                "{path}"
            );
        }
    }
    // Without a length the application is told one all the same.
    let size = 1 << 20;
    let mut chunks = format!("{size:x}\r\n").into_bytes();
    chunks.resize(chunks.len() + size, b'y');
    chunks.extend(b"\r\n0\r\n\r\n");
    for path in ["/upload", "/streamed/upload"] {
        let seen = stack.ask("POST", path, &[("Transfer-Encoding", "chunked")], &chunks).expect(200).json();
        assert_eq!(
            (&seen["length"], &seen["content_length"]),
            (&size.into(), &size.to_string().into()),
            "{path}"
        );
    }
}

both_topologies!(a_client_is_asked_to_go_on_only_when_its_body_is_wanted, settings());
fn a_client_is_asked_to_go_on_only_when_its_body_is_wanted(stack: &Stack) {
    let head = |path: &str, length: u64| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut client = stack.connect();
    client.send(head("/upload", 5));
    assert_eq!(client.head().status, 100);
    client.send("hello");
    assert_eq!(client.response("POST").expect(200).json()["length"], 5);
    // Too large: refused before a byte is sent.
    let mut client = stack.connect();
    client.send(head("/upload", 400 << 20));
    assert_eq!(client.head().status, 413);
}

both_topologies!(a_client_that_leaves_within_its_upload_reaches_nobody, settings());
fn a_client_that_leaves_within_its_upload_reaches_nobody(stack: &Stack) {
    let mut client = stack.connect();
    client.send("POST /count/left HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nhalf");
    drop(client);
    stack.get("/count/after").expect(200);
    assert_eq!(stack.oracle.calls("left"), 0);
}

const SLOW: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
buffering = false
[[wsgi_adapter.pool]]
name = "app"
servers = ["$APP"]
buffer_size = "32KiB"
client_share = 100
queue = { length = 1000, timeout = "60s" }
"#;

both_topologies!(a_thousand_slow_clients_hold_no_server, Setup::new(SLOW, App::Oracle));
fn a_thousand_slow_clients_hold_no_server(stack: &Stack) {
    const CLIENTS: usize = 1000;
    // Half of a body each, and then nothing: sixteen would be enough to hold every thread of this
    // application.
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = stack.connect();
            client.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n0123456789");
            client
        })
        .collect();
    // Meanwhile others are served.
    for _ in 0..20 {
        stack.get("/count/others").expect(200);
    }
    for client in &mut clients {
        client.send("0123456789");
    }
    for client in &mut clients {
        assert_eq!(client.response("POST").expect(200).json()["length"], 20);
    }
}

both_topologies!(a_reply_that_nobody_reads_fills_no_memory, SLOW);
fn a_reply_that_nobody_reads_fills_no_memory(stack: &Stack) {
    let mut client = stack.connect();
    client.send("GET /count/big?size=200000000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.head().status, 200);
    std::thread::sleep(Duration::from_millis(700));
    // The application waits within its reply, and nobody has taken it off its hands.
    assert_eq!(stack.oracle.running("big"), 1);
    let _ = client.socket().flush();
    drop(client);
    until("the application is free again", || (stack.oracle.running("big") == 0).then_some(()));
}

fn narrow() -> Settings {
    let pool = Pool::new("app", "$APP").with("max_body", "10B").with("body_timeout", "500ms");
    site([Location::passed("/")]).pool(pool)
}

both_topologies!(a_body_that_the_pool_refuses_is_too_large_or_too_slow_and_not_malformed, narrow());
fn a_body_that_the_pool_refuses_is_too_large_or_too_slow_and_not_malformed(stack: &Stack) {
    assert_eq!(
        stack.ask("POST", "/upload", &[("Content-Length", "5")], b"hello").expect(200).json()["length"],
        5
    );
    stack.ask("POST", "/upload", &[("Content-Length", "11")], b"hello world").expect(413);
    stack
        .ask("POST", "/upload", &[("Transfer-Encoding", "chunked")], b"b\r\nhello world\r\n0\r\n\r\n")
        .expect(413);
    stack.ask("POST", "/upload", &[("Content-Length", "5")], b"hel").expect(408);
}
