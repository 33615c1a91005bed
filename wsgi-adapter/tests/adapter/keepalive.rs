//! Connections to HTTP servers: used again where that is safe, and never with somebody else's leftovers.

use std::time::Duration;

use process::units::Time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_proto::origin::Kind as Failure;
use wsgi_adapter::{CheckConfig, KeepaliveConfig, PoolConfig};

use crate::edge::{Edge, end, get, pool, with_body};
use crate::peer::Peer;

/// Reads one head; false at the end of the connection.
async fn read_head(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => seen.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// Answers every request on a connection with these bytes.
async fn server(reply: &'static [u8]) -> Peer {
    Peer::new(move |mut stream| async move {
        while read_head(&mut stream).await {
            let _ = stream.write_all(reply).await;
        }
    })
    .await
}

fn edge(server: &Peer, keepalive: KeepaliveConfig) -> Edge {
    let address = server.address.replace("uwsgi://", "http://");
    Edge::in_process(PoolConfig { keepalive, ..pool(&[&address]) })
}

const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_is_used_again_only_if_it_is_clean() {
    let cases: &[(&str, &[u8], &str, usize)] = &[
        ("a length", PLAIN, "ok", 1),
        (
            "chunks and a trailer",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
            "ok",
            1,
        ),
        ("no body", b"HTTP/1.1 204 No Content\r\n\r\n", "", 1),
        (
            "hints before it",
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "ok",
            1,
        ),
        ("close", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", 3),
        ("HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 3),
        (
            "HTTP/1.0 that stays",
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            "ok",
            1,
        ),
        // A body where none may be: what follows is not the next reply.
        (
            "a body with 204",
            b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            "",
            3,
        ),
    ];
    for (what, reply, body, connections) in cases {
        let server = server(reply).await;
        let edge = edge(&server, KeepaliveConfig::default());
        for _ in 0..3 {
            assert_eq!(edge.ask(get("/")).await.text(), *body, "{what}");
        }
        assert_eq!(server.connections(), *connections, "{what}");
    }
}

#[tokio::test]
async fn bounds_are_kept() {
    let default = KeepaliveConfig::default;
    for (keepalive, connections) in [
        (KeepaliveConfig { connections: 0, ..default() }, 4),
        (KeepaliveConfig { requests: 2, ..default() }, 2),
        (KeepaliveConfig { timeout: Time::from_millis(1), ..default() }, 4),
        (KeepaliveConfig { age: Time::from_millis(1), ..default() }, 4),
        (default(), 1),
    ] {
        let server = server(PLAIN).await;
        let edge = edge(&server, keepalive.clone());
        for _ in 0..4 {
            edge.ask(get("/")).await.text();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(server.connections(), connections, "{keepalive:?}");
    }
}

#[tokio::test]
async fn a_request_that_may_not_be_sent_twice_has_a_connection_of_its_own() {
    let server = server(PLAIN).await;
    let edge = edge(&server, KeepaliveConfig::default());
    for (method, connections) in [("GET", 1), ("POST", 2), ("GET", 2), ("PATCH", 3), ("DELETE", 3)] {
        edge.send(with_body(method, "/", Some(0)), vec![end()]).await.text();
        assert_eq!(server.connections(), connections, "{method}");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closes_fails_nobody() {
    // Answers once per connection and closes, though it has said that it stays: at once, or when asked again.
    for at_once in [true, false] {
        let server = Peer::new(move |mut stream| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(PLAIN).await;
            if !at_once {
                read_head(&mut stream).await;
            }
        })
        .await;
        let edge = edge(&server, KeepaliveConfig::default());
        for _ in 0..5 {
            assert_eq!(edge.ask(get("/")).await.text(), "ok", "{at_once}");
        }
    }
}

#[tokio::test]
async fn what_is_no_reply_is_none() {
    for reply in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        // A line end that others may not see.
        b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
        b"Status: 200 OK\r\n\r\nok",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ] {
        let server = server(reply).await;
        let answer = edge(&server, KeepaliveConfig::default()).ask(get("/")).await;
        assert_eq!(answer.failed(), (Failure::BadReply, true), "{}", reply.escape_ascii());
    }
    for (reply, whole) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok"[..], false),
        // What follows the length is dropped.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", true),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", false),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX", false),
        (b"HTTP/1.1 200 OK\r\n\r\nok", true),
        // RFC 9112 section 2.2: "MAY recognize a single LF as a line terminator", where all lines end so.
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", true),
    ] {
        let peer = Peer::new(move |mut stream| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(reply).await;
        })
        .await;
        let answer = edge(&peer, KeepaliveConfig::default()).ask(get("/")).await;
        match whole {
            true => assert_eq!(answer.text(), "ok"),
            false => assert_eq!(answer.failed(), (Failure::CutOff, true), "{}", reply.escape_ascii()),
        }
    }
}

/// Keeps each connection open, and counts those that are.
async fn counting(open: &std::sync::Arc<std::sync::atomic::AtomicUsize>) -> Peer {
    use std::sync::atomic::Ordering;
    let open = open.clone();
    Peer::new(move |mut stream| {
        let open = open.clone();
        async move {
            open.fetch_add(1, Ordering::SeqCst);
            while read_head(&mut stream).await {
                let _ = stream.write_all(PLAIN).await;
            }
            open.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await
}

#[tokio::test]
async fn idle_connections_are_closed_in_time_and_fresh_ones_take_their_place() {
    use std::sync::atomic::Ordering;
    let open = std::sync::Arc::default();
    let server = counting(&open).await;
    let keepalive = KeepaliveConfig { timeout: Time::from_millis(400), ..KeepaliveConfig::default() };
    let edge = edge(&server, keepalive);
    for method in ["POST", "GET", "POST", "POST", "GET", "POST"] {
        assert_eq!(edge.ask(with_body(method, "/", Some(0))).await.text(), "ok");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(open.load(Ordering::SeqCst), 1, "never more than there were requests at once");
    }
    assert!(server.connections() >= 4, "a request that must be fresh has its own");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(open.load(Ordering::SeqCst), 0, "keepalive.timeout closes it, though nothing is asked");
    assert_eq!(edge.ask(get("/")).await.text(), "ok");
    assert_eq!(open.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_closes_is_closed_here() {
    let closed = std::sync::Arc::new(tokio::sync::Notify::new());
    let notify = closed.clone();
    let server = Peer::new(move |mut stream| {
        let notify = notify.clone();
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(PLAIN).await;
            let _ = stream.shutdown().await;
            // The other side is closed as soon as it has seen that.
            let _ = stream.read_u8().await;
            notify.notify_one();
        }
    })
    .await;
    let keepalive = KeepaliveConfig { timeout: Time::from_secs(60), ..KeepaliveConfig::default() };
    let edge = edge(&server, keepalive);
    assert_eq!(edge.ask(get("/")).await.text(), "ok");
    tokio::time::timeout(Duration::from_secs(5), closed.notified()).await.expect("EOF closes it");
}

/// Serves this many connections at a time, and keeps each open; others are not looked at meanwhile.
async fn taking(places: usize) -> Peer {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(places));
    Peer::new(move |mut stream| {
        let places = places.clone();
        async move {
            let _place = places.acquire().await.unwrap();
            while read_head(&mut stream).await {
                let _ = stream.write_all(PLAIN).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn requests_on_new_connections_do_not_wait_for_idle_ones_to_end() {
    let server = taking(2).await;
    let keepalive = KeepaliveConfig { timeout: Time::from_secs(600), ..KeepaliveConfig::default() };
    let edge = edge(&server, keepalive);
    for method in ["POST", "GET", "POST"] {
        let asks: Vec<_> = (0..12)
            .map(|_| {
                let edge = edge.clone();
                tokio::spawn(async move { edge.ask(with_body(method, "/", Some(0))).await })
            })
            .collect();
        for ask in asks {
            assert_eq!(ask.await.unwrap().text(), "ok", "{method}");
        }
    }
}

#[tokio::test]
async fn a_server_whose_connections_are_all_idle_is_well() {
    let server = taking(1).await;
    let address = server.address.replace("uwsgi://", "http://");
    let mut config = pool(&[&address]);
    config.keepalive.timeout = Time::from_secs(600);
    let timeout = Time::from_millis(2_000);
    config.check = Some(CheckConfig { interval: Time::from_millis(50), timeout, ..CheckConfig::default() });
    let edge = Edge::in_process(config);
    for n in 0..5 {
        assert_eq!(edge.ask(get("/")).await.text(), "ok", "{n}");
        // A check has begun, and would have failed.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}
