//! WebSocket from the client to an ASGI application and back, and uWSGI's own.

use std::time::Duration;

use weir_tests::{
    AppServer, Client, Location, Pool, Response, Settings, Stack, both_topologies, site, until,
};

fn settings() -> Settings {
    site([Location::passed("/").pool("ws"), Location::cached("/cached/", "60s").pool("ws")])
        .with("edge.timeouts.tunnel", "2s")
        .pool(Pool::new("ws", "http://127.0.0.1:$PORT").with("tunnel_timeout", "60s"))
}

fn handshake(client: &mut Client, path: &str, upgrade: &str) -> Response {
    client.send(format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: {upgrade}\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ));
    client.head()
}

/// A text frame as a client sends it: masked, here with zeros.
fn frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(text.len()) {
        Ok(length @ ..126) => frame.push(0x80 | length as u8),
        Ok(length) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => panic!("too long for this"),
    }
    frame.extend([0; 4]);
    frame.extend(text);
    frame
}

/// The content of the next frame that a server sends.
fn content(client: &mut Client) -> Vec<u8> {
    let head = client.take(2);
    assert_eq!(head.first(), Some(&0x81), "a text frame: {head:?}");
    let length = match head[1] {
        126 => usize::from(u16::from_be_bytes(client.take(2).try_into().unwrap())),
        length => usize::from(length),
    };
    client.take(length)
}

fn switched(response: &Response) {
    assert_eq!(response.status, 101, "{response:?}");
    assert_eq!(response.field("connection"), Some("upgrade"));
    assert_eq!(response.field("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
    assert_eq!(response.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!((response.field("content-length"), response.field("transfer-encoding")), (None, None));
}

both_topologies!(messages_go_both_ways, settings());
fn messages_go_both_ways(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    // Through a location with a cache too; beside others.
    for (path, word) in [("/ws", "websocket"), ("/cached/ws", "WebSocket"), ("/cached/ws", "h2c, websocket")]
    {
        let mut client = stack.connect();
        switched(&handshake(&mut client, path, word));
        client.send(frame(b"hello"));
        assert_eq!(content(&mut client), b"hello");
        let long = vec![b'x'; 60_000];
        client.send(frame(&long));
        assert_eq!(content(&mut client), long);
        client.send(frame(b"client"));
        assert_eq!(content(&mut client), b"127.0.0.1");
        // In pieces, and several at once.
        let both = [frame(b"one"), frame(b"two")].concat();
        let (front, back) = both.split_at(3);
        client.send(front);
        std::thread::sleep(Duration::from_millis(30));
        client.send(back);
        assert_eq!((content(&mut client), content(&mut client)), (b"one".to_vec(), b"two".to_vec()));
        client.send(frame(b"close"));
        let rest = client.rest();
        assert_eq!(rest.first(), Some(&0x88), "a close frame, then the end: {rest:?}");
    }
    until("the log has them", || (stack.edge.output().matches("\" 101 ").count() == 3).then_some(()));
}

both_topologies!(a_message_sent_with_the_handshake_waits_for_its_answer, settings());
fn a_message_sent_with_the_handshake_waits_for_its_answer(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    let mut client = stack.connect();
    let mut early = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        .to_vec();
    early.extend(frame(b"early"));
    client.send(early);
    switched(&client.head());
    assert_eq!(content(&mut client), b"early");
}

both_topologies!(what_is_no_websocket_stays_http, settings());
fn what_is_no_websocket_stays_http(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    let mut client = stack.connect();
    // Refused by the application: the connection goes on.
    let mut refused = handshake(&mut client, "/ws/refused", "websocket");
    assert_eq!(refused.status, 403);
    client.body(&mut refused, "GET");
    assert_eq!(client.get("/count/a").expect(200).text(), "1\n");
    // Another protocol is never asked for.
    let mut other = handshake(&mut client, "/echo-environ", "h2c");
    assert_eq!(other.status, 200);
    client.body(&mut other, "GET");
    assert!(!other.text().contains("h2c"), "{}", other.text());
    // Not with a body, not in HTTP/1.0, not unless Connection says so.
    for request in [
        "POST /echo-environ HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi",
        "GET /echo-environ HTTP/1.0\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET /echo-environ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut client = stack.connect();
        client.send(request);
        let method = request.split(' ').next().unwrap();
        let response = client.response(method).expect(200);
        assert!(!response.text().contains("HTTP_UPGRADE"), "{request:?}: {}", response.text());
    }
}

both_topologies!(silence_ends_it_and_so_does_a_client_that_leaves, settings());
fn silence_ends_it_and_so_does_a_client_that_leaves(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    let tunnels = |stack: &Stack| {
        let metrics = stack.admin("/metrics").text();
        let line =
            metrics.lines().find(|line| line.starts_with("weir_wsgi_adapter_tunnels{")).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    let mut silent = stack.connect();
    switched(&handshake(&mut silent, "/ws", "websocket"));
    let mut busy = stack.connect();
    switched(&handshake(&mut busy, "/ws", "websocket"));
    // A service of its own has its metrics on its own listener.
    if stack.wsgi_adapter.is_none() {
        assert_eq!(tunnels(stack), Some(2));
    }
    // The one that says something from time to time stays.
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(500));
        busy.send(frame(b"still here"));
        assert_eq!(content(&mut busy), b"still here");
    }
    silent.expect_closed();
    drop(busy);
    if stack.wsgi_adapter.is_none() {
        until("both are gone", || (tunnels(stack) == Some(0)).then_some(()));
    }
}

both_topologies!(a_drain_waits_for_it, settings());
fn a_drain_waits_for_it(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    let mut client = stack.connect();
    switched(&handshake(&mut client, "/ws", "websocket"));
    stack.edge.terminate_without_waiting();
    std::thread::sleep(Duration::from_millis(500));
    client.send(frame(b"still here"));
    assert_eq!(content(&mut client), b"still here");
    client.send(frame(b"close"));
    assert_eq!(client.rest().first(), Some(&0x88));
    drop(client);
    assert!(stack.edge.wait().success());
}
