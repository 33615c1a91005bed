//! More requests than the servers take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use process::units::{Size, Time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc};
use weir_proto::origin::Kind;
use wsgi_adapter::{PoolConfig, QueueConfig, ReplyBufferConfig, ServerConfig};

use crate::edge::{Edge, end, get, pool, with_body};
use crate::peer::{Peer, read_request};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers when `go` has a permit for it.
async fn gated(go: &Arc<Semaphore>) -> Peer {
    let go = Arc::clone(go);
    Peer::new(move |mut stream| {
        let go = Arc::clone(&go);
        async move {
            read_request(&mut stream).await;
            go.acquire().await.unwrap().forget();
            let _ = stream.write_all(OK).await;
        }
    })
    .await
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < crate::edge::PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn beyond_the_limit_requests_wait_and_beyond_the_queue_they_are_turned_away() {
    let go = Arc::new(Semaphore::new(0));
    let peer = gated(&go).await;
    let queue = QueueConfig { length: 1, timeout: Time::from_secs(10) };
    let edge = Edge::in_process(PoolConfig { max_in_flight: 1, queue, ..pool(&[&peer.address]) });
    let ask = || {
        let edge = edge.clone();
        tokio::spawn(async move { edge.ask(get("/")).await })
    };
    let first = ask();
    until("the first is at the server", || peer.connections() == 1).await;
    let second = ask();
    until("the second waits", || edge.metrics().contains("weir_wsgi_adapter_queued{pool=\"app\"} 1")).await;

    let third = edge.ask(get("/")).await;
    assert_eq!(third.failed(), (Kind::Overloaded, false));
    assert_eq!(third.failure().retry_after, 10);
    assert!(!second.is_finished(), "the third waited longer than one that came before it");
    assert_eq!(peer.connections(), 1);

    go.add_permits(2);
    assert_eq!(first.await.unwrap().text(), "ok");
    assert_eq!(second.await.unwrap().text(), "ok");
}

#[tokio::test]
async fn max_conns_sends_the_rest_elsewhere() {
    let go = Arc::new(Semaphore::new(0));
    let (small, large) = (gated(&go).await, gated(&go).await);
    let mut config = pool(&[&small.address, &large.address]);
    config.servers[0] = ServerConfig { max_conns: 1, ..config.servers[0].clone() };
    let edge = Edge::in_process(config);
    let asks: Vec<_> = (0..6)
        .map(|_| {
            let edge = edge.clone();
            tokio::spawn(async move { edge.ask(get("/")).await })
        })
        .collect();
    until("all are at a server", || small.connections() + large.connections() == 6).await;
    assert_eq!(small.connections(), 1);
    go.add_permits(6);
    for ask in asks {
        assert_eq!(ask.await.unwrap().text(), "ok");
    }
}

#[tokio::test]
async fn a_client_that_leaves_closes_the_connection_and_frees_its_place() {
    let (closed, mut closes) = mpsc::channel(4);
    // Sends a head and some body, then waits for the other side to leave. The second connection is answered.
    let mut turn = 0;
    let peer = Peer::new(move |mut stream| {
        turn += 1;
        let (closed, first) = (closed.clone(), turn == 1);
        async move {
            read_request(&mut stream).await;
            if !first {
                return stream.write_all(OK).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nsome").await.unwrap();
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let queue = QueueConfig { length: 0, ..QueueConfig::default() };
    let edge = Edge::in_process(PoolConfig { max_in_flight: 1, queue, ..pool(&[&peer.address]) });
    let mut replies = edge.open(get("/"), tokio_stream::iter([end()]));
    replies.message().await.unwrap().unwrap();
    assert_eq!(edge.ask(get("/")).await.failed().0, Kind::Overloaded, "its place is taken");
    drop(replies);
    tokio::time::timeout(crate::edge::PATIENCE, closes.recv()).await.unwrap().unwrap();
    assert_eq!(edge.ask(get("/")).await.text(), "ok");
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_until_the_server_is_free() {
    // A server that works on to the end; one that stops when it sees that nobody waits; and one that is not
    // told, since the method is not idempotent.
    for (method, heeds, free_at_once) in [("GET", false, false), ("GET", true, true), ("POST", true, false)] {
        let go = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&go);
        let peer = Peer::new(move |mut stream| {
            let gate = Arc::clone(&gate);
            async move {
                read_request(&mut stream).await;
                tokio::select! {
                    permit = gate.acquire() => permit.unwrap().forget(),
                    _ = stream.read_u8(), if heeds => return,
                }
                let _ = stream.write_all(OK).await;
            }
        })
        .await;
        let queue = QueueConfig { length: 0, ..QueueConfig::default() };
        let edge = Edge::in_process(PoolConfig { max_in_flight: 1, queue, ..pool(&[&peer.address]) });
        let asked = edge.clone();
        let left =
            tokio::spawn(async move { asked.send(with_body(method, "/", Some(0)), vec![end()]).await });
        until("the request is at the server", || peer.connections() == 1).await;
        // The server has read it too.
        tokio::time::sleep(Duration::from_millis(50)).await;
        left.abort();
        let in_flight = |count: usize| {
            let text = edge.metrics();
            text.lines().any(|line| {
                line.starts_with("weir_wsgi_adapter_in_flight{") && line.ends_with(&format!(" {count}"))
            })
        };
        if !free_at_once {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(in_flight(1), "{method} {heeds}");
            assert_eq!(edge.ask(get("/")).await.failed().0, Kind::Overloaded, "{method} {heeds}");
            go.add_permits(1);
        }
        until("its place is free", || in_flight(0)).await;
        go.add_permits(1);
        assert_eq!(edge.ask(get("/")).await.text(), "ok", "{method} {heeds}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_reaches_no_server() {
    let go = Arc::new(Semaphore::new(0));
    let peer = gated(&go).await;
    let edge = Edge::in_process(PoolConfig { max_in_flight: 1, ..pool(&[&peer.address]) });
    let ask = || {
        let edge = edge.clone();
        tokio::spawn(async move { edge.ask(get("/")).await })
    };
    let first = ask();
    until("the first is at the server", || peer.connections() == 1).await;
    let second = ask();
    until("the second waits", || edge.metrics().contains("weir_wsgi_adapter_queued{pool=\"app\"} 1")).await;
    second.abort();
    until("it waits no more", || edge.metrics().contains("weir_wsgi_adapter_queued{pool=\"app\"} 0")).await;
    go.add_permits(2);
    assert_eq!(first.await.unwrap().text(), "ok");
    assert_eq!(edge.ask(get("/")).await.text(), "ok");
    assert_eq!(peer.connections(), 2, "the one that left was never sent");
}

/// Sends 50 MB behind this head, on a unix socket that holds little, and counts what is taken from it.
fn large_reply(path: &std::path::Path, head: &'static str) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(path).unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let sending = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sending = Arc::clone(&sending);
            tokio::spawn(async move {
                stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes()).await.unwrap();
                for _ in 0..5000 {
                    stream.write_all(&[b'x'; 10_000]).await.unwrap();
                    sending.fetch_add(10_000, Ordering::SeqCst);
                }
            });
        }
    });
    sent
}

const LARGE: &str = "Content-Length: 50000000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_does_not_wait_for_a_client_that_does_not_read() {
    for network in [false, true] {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("app.sock");
        let sent = large_reply(&path, LARGE);
        let config = PoolConfig { max_in_flight: 1, ..pool(&[&format!("unix:{}", path.display())]) };
        let edge = match network {
            true => Edge::over_network(config, process::shutdown::Shutdown::new()).await.0,
            false => Edge::in_process(config),
        };
        let mut replies = edge.open(get("/"), tokio_stream::iter([end()]));
        let first = replies.message().await.unwrap().unwrap();
        replies.go_on();
        until("the application is done", || sent.load(Ordering::SeqCst) == 50_000_000).await;
        let is_free = || {
            let metrics = edge.metrics();
            let mut lines = metrics.lines();
            lines.any(|line| line.starts_with("weir_wsgi_adapter_in_flight{") && line.ends_with(" 0"))
        };
        until("its place is free", is_free).await;
        let answer = crate::edge::read(replies).await;
        assert_eq!(answer.body.len(), 50_000_000, "network: {network}");
        assert!(matches!(answer.end, crate::edge::AnswerEnd::Whole) && first.message.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_buffered_stops_the_application() {
    let streamed = weir_proto::origin::RequestHead { stream_reply: true, ..get("/") };
    let small = ReplyBufferConfig { file: Size::mebibytes(1), ..ReplyBufferConfig::default() };
    let none_left = ReplyBufferConfig { files: Size::mebibytes(1), ..ReplyBufferConfig::default() };
    let usual = ReplyBufferConfig::default();
    for (head, fields, buffer) in [
        (streamed.clone(), LARGE, &usual),
        (get("/"), "Content-Length: 50000000\r\nX-Accel-Buffering: no", &usual),
        (get("/"), "Content-Length: 50000000\r\nContent-Type: text/event-stream; charset=utf-8", &usual),
        (get("/"), LARGE, &small),
        (get("/"), LARGE, &none_left),
    ] {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("app.sock");
        let sent = large_reply(&path, fields);
        let config =
            PoolConfig { reply_buffer: buffer.clone(), ..pool(&[&format!("unix:{}", path.display())]) };
        let edge = Edge::in_process(config);
        let replies = edge.open(head, tokio_stream::iter([end()]));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let held = sent.load(Ordering::SeqCst);
        assert!(held < 3_000_000, "{held} bytes were taken from the application for nobody: {fields}");
        let answer = crate::edge::read(replies).await;
        assert_eq!((answer.status(), answer.body.len()), (200, 50_000_000));
    }
}

#[tokio::test]
async fn a_reply_is_passed_on_as_it_comes() {
    let go = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go);
    let peer = Peer::new(move |mut stream| {
        let gate = Arc::clone(&gate);
        async move {
            read_request(&mut stream).await;
            for piece in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b"one", b"two"] {
                stream.write_all(piece).await.unwrap();
                gate.acquire().await.unwrap().forget();
            }
        }
    })
    .await;
    let edge = Edge::in_process(pool(&[&peer.address]));
    let mut replies = edge.open(get("/"), tokio_stream::iter([end()]));
    for _ in 0..4 {
        let message = tokio::time::timeout(crate::edge::PATIENCE, replies.message()).await;
        assert!(message.expect("before the next piece is sent").unwrap().is_some());
        go.add_permits(1);
    }
}
