//! HTTP/1.1 towards clients: connections, framing, streaming, timeouts.

use std::thread::sleep;
use std::time::{Duration, Instant};

use weir_tests::{Location, Pool, Settings, Stack, both_topologies, site, until};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
max_body = "4MiB"
[[edge.site.location]]
match = "/small/"
pool = "app"
max_body = "1KiB"
[[edge.site.location]]
match = "/cached/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
fields = { vary = ["x-n"] }
"#;

/// SHA-256 of "hello world".
const HELLO_WORLD: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

both_topologies!(a_client_that_says_close_is_not_waited_for, SETTINGS);
fn a_client_that_says_close_is_not_waited_for(stack: &Stack) {
    stack.get("/cached/count/page").expect(200);
    let close: &[_] = &[("Connection", "close")];
    for (method, target, fields, body, is_waited_for) in [
        ("GET", "/cached/count/page", close, "", false),
        ("HEAD", "/cached/count/page", close, "", false),
        ("GET", "/count/through", close, "", false),
        // More may come with these, which must not be answered by a reset before the reply is read.
        ("POST", "/count/through", &[("Connection", "close"), ("Content-Length", "1")], "x", true),
        ("GET", "/a b", &[], "", true),
    ] {
        let mut client = stack.connect();
        client.ask(method, target, fields, body.as_bytes());
        client.expect_closed();
        let sent = (0..5).all(|_| {
            let sent = client.try_send("x").is_ok();
            sleep(Duration::from_millis(20));
            sent
        });
        assert_eq!(sent, is_waited_for, "{method} {target}");
    }
}

both_topologies!(a_connection_is_kept_for_the_next_request, SETTINGS);
fn a_connection_is_kept_for_the_next_request(stack: &Stack) {
    let mut client = stack.connect();
    for n in 1..=3 {
        let response = client.get("/count/a").expect(200);
        assert_eq!(response.text(), format!("{n}\n"));
        assert_eq!(response.field("connection"), None);
    }
    let last = client.ask("GET", "/count/a", &[("Connection", "close")], b"").expect(200);
    assert_eq!(last.field("connection"), Some("close"));
    client.expect_closed();
}

both_topologies!(a_hundred_requests_in_one_packet_are_answered_in_order, SETTINGS);
fn a_hundred_requests_in_one_packet_are_answered_in_order(stack: &Stack) {
    for path in ["/count/p", "/cached/count/q/"] {
        let mut client = stack.connect();
        let requests: String = (1..=100)
            .map(|n| format!("GET {path}?body=field:X-N HTTP/1.1\r\nHost: localhost\r\nX-N: {n}\r\n\r\n"))
            .collect();
        client.send(requests);
        for n in 1..=100 {
            let text = client.response("GET").expect(200).text();
            let expected = if path == "/count/p" { format!("{n} X-N={n}\n") } else { "1 X-N=1\n".to_owned() };
            assert_eq!(text, expected);
        }
    }
}

both_topologies!(a_head_never_fills_the_cache_with_an_empty_page, SETTINGS);
fn a_head_never_fills_the_cache_with_an_empty_page(stack: &Stack) {
    let mut client = stack.connect();
    let head = client.ask("HEAD", "/cached/count/h?size=1000", &[], b"").expect(200);
    assert_eq!(head.field("content-length"), Some("1000"));
    let get = client.get("/cached/count/h?size=1000").expect(200);
    assert_eq!(get.body.len(), 1000);
    // And from the page that is kept now.
    let head = client.ask("HEAD", "/cached/count/h?size=1000", &[], b"").expect(200).expect_cache(&["hit"]);
    assert_eq!(head.field("content-length"), Some("1000"));
    assert_eq!(stack.oracle.calls("h"), 1);
    client.get("/count/next").expect(200);
}

both_topologies!(a_body_in_answer_to_head_is_dropped, SETTINGS);
fn a_body_in_answer_to_head_is_dropped(stack: &Stack) {
    let mut client = stack.connect();
    for path in ["/count/b?head-body=1", "/cached/count/b?head-body=1"] {
        client.ask("HEAD", path, &[], b"").expect(200);
        // A body would be read as the head of the next response.
        assert_eq!(client.get("/count/after").expect(200).status, 200);
    }
}

both_topologies!(bodies_arrive_whole_with_length_and_in_chunks, SETTINGS);
fn bodies_arrive_whole_with_length_and_in_chunks(stack: &Stack) {
    let mut client = stack.connect();
    let seen = client.ask("POST", "/upload", &[("Content-Length", "11")], b"hello world").expect(200).json();
    assert_eq!((&seen["length"], &seen["sha256"]), (&11.into(), &HELLO_WORLD.into()));
    let chunked = b"5;a=b\r\nhello\r\n1\r\n \r\n005\r\nworld\r\n0\r\nX-Trailer: dropped\r\n\r\n";
    let seen = client.ask("POST", "/upload", &[("Transfer-Encoding", "chunked")], chunked).expect(200).json();
    assert_eq!((&seen["length"], &seen["sha256"]), (&11.into(), &HELLO_WORLD.into()));
    assert_eq!(seen["content_length"], "11", "an application reads as much as CONTENT_LENGTH says");
    let large = vec![b'x'; 3_000_000];
    let seen = client.ask("PUT", "/upload", &[("Content-Length", "3000000")], &large).expect(200).json();
    assert_eq!(seen["length"], 3_000_000);
    let seen = client.ask("POST", "/upload", &[("Content-Length", "0")], b"").expect(200).json();
    assert_eq!(seen["length"], 0);
}

both_topologies!(a_reply_without_length_comes_in_chunks_or_ends_with_the_connection, SETTINGS);
fn a_reply_without_length_comes_in_chunks_or_ends_with_the_connection(stack: &Stack) {
    let mut client = stack.connect();
    let response = client.get("/count/n?nolength=1&size=100000").expect(200);
    assert_eq!(response.field("transfer-encoding"), Some("chunked"));
    assert!(response.whole && response.body.len() == 100_000);
    client.get("/count/n").expect(200);
    client.send(
        "GET /count/n?nolength=1&size=100000 HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
    );
    let response = client.response("GET").expect(200);
    assert_eq!(response.field("transfer-encoding"), None);
    assert!(response.whole && response.body.len() == 100_000);
}

both_topologies!(the_first_piece_arrives_before_the_last_is_made, SETTINGS);
fn the_first_piece_arrives_before_the_last_is_made(stack: &Stack) {
    for path in ["/count/s", "/cached/count/c"] {
        for length in ["", "&nolength=1"] {
            let name = format!("{}{}", path.rsplit('/').next().unwrap(), length.len());
            let target =
                format!("{}/{name}?size=2000&chunks=2&gap=3000{length}", path.rsplit_once('/').unwrap().0);
            let mut client = stack.connect();
            client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            client.head().expect(200);
            assert!(!client.take(100).is_empty());
            assert_eq!(stack.oracle.running(&name), 1, "{target}: nothing came before the page was whole");
            drop(client);
            stack.get("/count/other").expect(200);
        }
    }
}

fn unbuffered() -> Settings {
    site([Location::passed("/")])
        .pool(Pool::new("app", "$APP").with("buffer_size", "32KiB").with("request_buffering", false))
}

both_topologies!(an_upload_is_streamed_where_it_is_not_to_be_buffered, unbuffered());
fn an_upload_is_streamed_where_it_is_not_to_be_buffered(stack: &Stack) {
    // The application answers while most of the body is still to come.
    let mut client = stack.connect();
    client.send("POST /count/early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nthe beginning");
    client.response("POST").expect(200);
    // What is left of the body must never be taken for a request.
    let _ = client.try_send("GET /count/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.expect_closed();
    assert_eq!(stack.oracle.calls("smuggled"), 0);
}

both_topologies!(a_buffered_upload_reaches_the_application_only_when_whole, SETTINGS);
fn a_buffered_upload_reaches_the_application_only_when_whole(stack: &Stack) {
    let mut client = stack.connect();
    client.send("POST /count/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nthe beginning");
    client.finish_sending();
    let response = client.try_response("POST");
    assert!(response.is_none_or(|response| response.status == 400), "a body that broke off was answered");
    stack.get("/count/after").expect(200);
    assert_eq!(stack.oracle.calls("half"), 0);
}

both_topologies!(continue_is_sent_only_to_who_waits_for_it, SETTINGS);
fn continue_is_sent_only_to_who_waits_for_it(stack: &Stack) {
    let mut client = stack.connect();
    client.send(
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.head().status, 100);
    client.send("hello world");
    assert_eq!(client.head().expect(200).status, 200);
    let mut client = stack.connect();
    client.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nhello world");
    assert_eq!(client.head().status, 200, "unasked for");
    let mut client = stack.connect();
    client.send("GET /count/c HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().status, 200, "there is no body to wait for");
    let mut client = stack.connect();
    client.send("POST /upload HTTP/1.0\r\nHost: localhost\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\nhello world");
    assert_eq!(client.head().status, 200, "HTTP/1.0 knows no interim responses");
}

both_topologies!(a_body_that_is_too_large_is_refused_without_continue, SETTINGS);
fn a_body_that_is_too_large_is_refused_without_continue(stack: &Stack) {
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut client = stack.connect();
        client.send(format!(
            "POST /small/count/large HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1025\r\n{expect}\r\n"
        ));
        let mut response = client.head().expect(413);
        client.body(&mut response, "POST");
        client.expect_closed();
    }
    let mut client = stack.connect();
    client.send("POST /small/count/large HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..3 {
        let _ = client.try_send(format!("200\r\n{}\r\n", "x".repeat(512)));
    }
    client.response("POST").expect(413);
    client.expect_closed();
    assert_eq!(stack.oracle.calls("large"), 0);
    let body = "x".repeat(1024);
    stack.ask("POST", "/small/upload", &[("Content-Length", "1024")], body.as_bytes()).expect(200);
}

both_topologies!(http_1_0_is_served_and_closed, SETTINGS);
fn http_1_0_is_served_and_closed(stack: &Stack) {
    let mut client = stack.connect();
    client.send("GET /count/old HTTP/1.0\r\n\r\n");
    let response = client.response("GET").expect(200);
    assert_eq!(response.version, "HTTP/1.1");
    client.expect_closed();
    let mut client = stack.connect();
    for _ in 0..2 {
        client.send("GET /count/old HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n");
        let response = client.response("GET").expect(200);
        assert_eq!(response.field("connection"), Some("keep-alive"));
    }
}

both_topologies!(an_unread_body_is_never_taken_for_a_request, SETTINGS);
fn an_unread_body_is_never_taken_for_a_request(stack: &Stack) {
    let inner = "GET /count/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stack.get("/cached/count/hit").expect(200);
    let length = inner.len().to_string();
    for (method, target) in
        [("GET", "/cached/count/hit"), ("DELETE", "/count/d"), ("GET", "/none"), ("OPTIONS", "/count/o")]
    {
        let mut client = stack.connect();
        client.ask(method, target, &[("Content-Length", &length)], inner.as_bytes());
        let _ = client.try_send("GET /count/after HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        // Either the next request is answered, or the connection is closed.
        let _ = client.try_response("GET");
        assert!(client.try_response("GET").is_none(), "{method} {target}");
    }
    assert_eq!(stack.oracle.calls("smuggled"), 0);
}

both_topologies!(an_upgrade_that_is_not_taken_changes_nothing, SETTINGS);
fn an_upgrade_that_is_not_taken_changes_nothing(stack: &Stack) {
    let mut client = stack.connect();
    let fields = "Host: localhost\r\nConnection: upgrade\r\nUpgrade: h2c\r\n";
    client.send(format!(
        "GET /count/u HTTP/1.1\r\n{fields}\r\nGET /count/v HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ));
    client.response("GET").expect(200);
    client.response("GET").expect(200);
    assert_eq!(stack.oracle.field("u", 0, "HTTP_UPGRADE"), None);
    assert_eq!((stack.oracle.calls("u"), stack.oracle.calls("v")), (1, 1));
}

fn impatient() -> Settings {
    site([Location::passed("/").with("buffering", false)])
        .with("edge.timeouts.head", "700ms")
        .with("edge.timeouts.body", "700ms")
        .with("edge.timeouts.send", "700ms")
        .with("edge.timeouts.keepalive", "700ms")
}

both_topologies!(slow_clients_are_left, impatient());
fn slow_clients_are_left(stack: &Stack) {
    // Nothing at all; half a head; half a head and a byte now and then; nothing after the first request.
    let start = Instant::now();
    stack.connect().expect_closed();
    assert!(start.elapsed() >= Duration::from_millis(600), "closed at once");
    let mut client = stack.connect();
    client.send("GET /count/slow HTTP/1.1\r\nHo");
    assert!(client.try_response("GET").is_none_or(|response| response.status == 408));
    let mut client = stack.connect();
    client.send("GET /count/slow HTTP/1.1\r\nX: ");
    let closed = until("a head that dribbles is given up", || {
        sleep(Duration::from_millis(100));
        client.try_send("x").is_err().then_some(true)
    });
    assert!(closed);
    let mut client = stack.connect();
    client.get("/count/quick").expect(200);
    client.expect_closed();
    assert_eq!(stack.oracle.calls("slow"), 0);
}

both_topologies!(a_slow_body_is_given_up, impatient());
fn a_slow_body_is_given_up(stack: &Stack) {
    for framing in ["Content-Length: 1000\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let mut client = stack.connect();
        client.send(format!("POST /count/body HTTP/1.1\r\nHost: localhost\r\n{framing}"));
        client.response("POST").expect(408);
        client.expect_closed();
    }
    assert_eq!(stack.oracle.calls("body"), 0);
}

both_topologies!(a_client_that_does_not_read_is_given_up, impatient());
fn a_client_that_does_not_read_is_given_up(stack: &Stack) {
    let mut client = stack.connect();
    client.send("GET /count/unread?size=60000000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    until("the application's side ends too", || {
        (stack.oracle.calls("unread") == 1 && stack.oracle.running("unread") == 0).then_some(())
    });
    let response = client.response("GET");
    assert!(!response.whole && response.body.len() < 60_000_000, "60 MB were kept for who does not read");
}

both_topologies!(a_slow_reader_gets_the_whole_page_and_holds_nobody_up, SETTINGS);
fn a_slow_reader_gets_the_whole_page_and_holds_nobody_up(stack: &Stack) {
    for path in ["/count/large", "/cached/count/large"] {
        let mut client = stack.connect();
        client.send(format!("GET {path}?size=12000000 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let mut response = client.head().expect(200);
        for _ in 0..5 {
            stack.get("/count/others").expect(200);
        }
        client.body(&mut response, "GET");
        assert!(response.whole && response.body.len() == 12_000_000, "{path}");
    }
}

both_topologies!(a_client_that_leaves_takes_nobody_with_it, SETTINGS);
fn a_client_that_leaves_takes_nobody_with_it(stack: &Stack) {
    for path in ["/count/left", "/cached/count/left2"] {
        for _ in 0..5 {
            let mut client = stack.connect();
            client
                .send(format!("GET {path}?size=3000000&chunks=3&gap=50 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            client.head().expect(200);
        }
        stack.get("/count/stays").expect(200);
    }
}

fn per_core() -> Settings {
    site([Location::passed("/"), Location::cached("/cached/", "60s")]).with("edge.runtime", "per_core")
}

both_topologies!(each_core_may_serve_by_itself, per_core());
fn each_core_may_serve_by_itself(stack: &Stack) {
    // One page is made once for all cores, and each core has visitors who stay.
    let mut visitors: Vec<_> = (0..40).map(|_| stack.connect()).collect();
    for round in 0..3 {
        for (index, visitor) in visitors.iter_mut().enumerate() {
            assert_eq!(visitor.get("/cached/count/core").expect(200).text(), "1\n", "{round} {index}");
            let upload = visitor.ask("POST", "/upload", &[("Content-Length", "11")], b"hello world");
            assert!(upload.expect(200).text().contains(HELLO_WORLD));
        }
    }
    // A drain lets them finish.
    let mut slow = stack.connect();
    slow.send("GET /count/drain?delay=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    until("the request is under way", || (stack.oracle.calls("drain") == 1).then_some(()));
    stack.edge.terminate_without_waiting();
    assert_eq!(slow.response("GET").expect(200).text(), "1\n");
    assert!(stack.edge.wait().success());
}
