//! When another server is tried, and when never.

use std::time::Duration;

use process::units::{Size, Time};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use weir_proto::origin::{Kind, RequestHead};
use wsgi_adapter::PoolConfig;

use crate::edge::{Edge, chunk, end, get, once_within, pool, with_body};
use crate::peer::{AbsentPeer, Peer, read_request};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers with the body that it got.
async fn echo() -> Peer {
    Peer::new(|mut stream| async move {
        let (_, body) = read_request(&mut stream).await;
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes())
            .await
            .unwrap();
        stream.write_all(&body).await.unwrap();
    })
    .await
}

#[tokio::test]
async fn nobody_there() {
    let directory = TempDir::new().unwrap();
    let socket = format!("unix:{}", directory.path().join("none.sock").display());
    let absent = AbsentPeer::new();
    for address in [absent.address.clone(), socket] {
        let answer = Edge::in_process(pool(&[&address])).ask(get("/")).await;
        assert_eq!(answer.failed(), (Kind::Unreachable, false));
        assert_eq!(answer.failure().server, address, "as in the settings");
    }
}

#[tokio::test]
async fn all_addresses_of_a_name_are_tried() {
    let peer = Peer::replying(OK).await;
    // "localhost" is ::1 too, where nobody listens.
    let port = peer.address.rsplit_once(':').unwrap().1;
    let answer = Edge::in_process(pool(&[&format!("uwsgi://localhost:{port}")])).ask(get("/")).await;
    assert_eq!(answer.text(), "ok");
}

#[tokio::test]
async fn the_next_server_is_tried_when_nothing_was_sent() {
    let (absent, other) = (AbsentPeer::new(), echo().await);
    let edge = Edge::in_process(pool(&[&absent.address, &other.address]));
    let answer = edge.send(with_body("POST", "/", Some(5)), vec![chunk(b"hello"), end()]).await;
    assert_eq!(answer.text(), "hello");
    assert_eq!(answer.head.unwrap().server, other.address);
    // The one that failed is left alone now.
    for _ in 0..4 {
        assert_eq!(edge.ask(get("/")).await.status(), 200);
    }
    assert!(edge.metrics().contains("kind=\"unreachable\"} 1"), "{}", edge.metrics());
}

#[tokio::test]
async fn a_request_that_was_sent_is_repeated_only_if_that_is_harmless() {
    // What the first server does once it has the request, the method, and whether the second is asked.
    let cases: &[(&[u8], &str, bool)] = &[
        (b"", "GET", true),
        (b"", "PUT", true),
        (b"", "POST", false),
        (b"", "PATCH", false),
        (b"H", "GET", false),
        (b"garbage\n\n", "GET", false),
    ];
    for (reply, method, repeated) in cases {
        let (first, second) = (Peer::replying(reply).await, echo().await);
        let edge = Edge::in_process(pool(&[&first.address, &second.address]));
        let answer = edge.send(with_body(method, "/", Some(5)), vec![chunk(b"hello"), end()]).await;
        assert_eq!(first.connections(), 1);
        assert_eq!(second.connections(), usize::from(*repeated), "{method} after {}", reply.escape_ascii());
        if *repeated {
            assert_eq!(answer.text(), "hello", "the body is sent again");
        } else {
            assert_eq!(answer.failed(), (Kind::BadReply, true));
            assert_eq!(answer.failure().server, first.address);
        }
    }
}

#[tokio::test]
async fn a_large_body_is_sent_again_from_its_file() {
    let (first, second) = (Peer::replying(b"").await, echo().await);
    let config = PoolConfig { buffer_memory: Size(1000), ..pool(&[&first.address, &second.address]) };
    let body: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let messages: Vec<_> = body.chunks(60_000).map(chunk).chain([end()]).collect();
    let answer = Edge::in_process(config).send(with_body("PUT", "/", Some(300_000)), messages).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.body == body, "the body is the same");
}

#[tokio::test]
async fn an_unbuffered_body_is_sent_once() {
    let live = |servers: &[&str]| PoolConfig { request_buffering: false, ..pool(servers) };
    let (first, second) = (Peer::replying(b"").await, echo().await);
    let put = || with_body("PUT", "/", Some(5));
    let edge = Edge::in_process(live(&[&first.address, &second.address]));
    let answer = edge.send(put(), vec![chunk(b"hello"), end()]).await;
    assert_eq!((answer.failed(), second.connections()), ((Kind::BadReply, true), 0));
    // But where nothing of it was sent it can still go elsewhere.
    let absent = AbsentPeer::new();
    let edge = Edge::in_process(live(&[&absent.address, &second.address]));
    assert_eq!(edge.send(put(), vec![chunk(b"hello"), end()]).await.text(), "hello");
}

#[tokio::test]
async fn tries_and_the_deadline_limit_repetition() {
    let servers = [Peer::replying(b"").await, Peer::replying(b"").await, Peer::replying(OK).await];
    let addresses: Vec<&str> = servers.iter().map(|server| server.address.as_str()).collect();
    let edge = Edge::in_process(PoolConfig { tries: 2, ..pool(&addresses) });
    assert_eq!(edge.ask(get("/")).await.failed(), (Kind::BadReply, true));
    let asked: Vec<_> = servers.iter().map(Peer::connections).collect();
    assert_eq!(asked, [1, 1, 0]);

    let silent = Peer::new(|mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let edge = Edge::in_process(pool(&[&silent.address, &servers[2].address]));
    let answer = edge.ask(RequestHead { deadline_ms: 100, ..get("/") }).await;
    assert_eq!(answer.failed(), (Kind::Timeout, true));
    assert_eq!(servers[2].connections(), 0, "nobody waits for it any more");
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_left_in_time() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        waiting.push(stream);
    }
    let address = format!("uwsgi://{address}");
    let quick = |servers: &[&str]| PoolConfig { connect_timeout: Time::from_millis(200), ..pool(servers) };
    let answer = Edge::in_process(quick(&[&address])).ask(get("/")).await;
    assert_eq!(answer.failed(), (Kind::Timeout, false));
    let other = Peer::replying(OK).await;
    assert_eq!(Edge::in_process(quick(&[&address, &other.address])).ask(get("/")).await.text(), "ok");
}

#[tokio::test]
async fn a_full_unix_socket_is_overload() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("full.sock");
    let full = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    full.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    full.listen(0).unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = UnixStream::connect(&path).await {
        waiting.push(stream);
    }
    let queue = wsgi_adapter::QueueConfig { timeout: Time::from_millis(300), ..Default::default() };
    let config = PoolConfig { queue, ..pool(&[&format!("uwsgi+unix://{}", path.display())]) };
    let edge = Edge::in_process(config.clone());
    let begun = std::time::Instant::now();
    let answer = edge.ask(get("/")).await;
    assert_eq!(answer.failed(), (Kind::Overloaded, false));
    assert!(answer.failure().retry_after > 0);
    assert!(begun.elapsed() >= Duration::from_millis(300), "it waits for room");
    let queue = wsgi_adapter::QueueConfig { length: 0, ..config.queue };
    let hasty =
        Edge::in_process(PoolConfig { queue, ..pool(&[&format!("uwsgi+unix://{}", path.display())]) });
    once_within(Duration::from_millis(250), "without a queue there is nothing to wait in", async || {
        assert_eq!(hasty.ask(get("/")).await.failed(), (Kind::Overloaded, false));
    })
    .await;

    // Room appears: those who waited longest are let in first, and leave.
    let answer = tokio::spawn(async move { edge.ask(get("/")).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    full.set_nonblocking(false).unwrap();
    let count = waiting.len();
    let accepting = std::thread::spawn(move || {
        let mut last = None;
        for _ in 0..=count {
            last = Some(full.accept().unwrap().0);
        }
        use std::io::Write;
        let mut stream = last.unwrap();
        stream.write_all(OK).unwrap();
    });
    assert_eq!(answer.await.unwrap().text(), "ok");
    accepting.join().unwrap();
}

#[tokio::test]
async fn replies_with_some_statuses_are_not_the_last_word() {
    const BUSY: &[u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";
    let (busy, other) = (Peer::replying(BUSY).await, echo().await);
    let statuses = |any_method| {
        let mut config = pool(&[&busy.address, &other.address]);
        config.retry.statuses = vec![503];
        config.retry.any_method = any_method;
        config
    };
    let edge = Edge::in_process(statuses(false));
    // Whoever is asked first, the answer is that of the other one.
    for _ in 0..2 {
        assert_eq!(edge.ask(get("/")).await.status(), 200);
    }
    // What may have changed something is asked once, unless the settings say otherwise.
    let posts = async |edge: &Edge| {
        let mut all = Vec::new();
        for _ in 0..2 {
            all.push(edge.send(with_body("POST", "/", Some(5)), vec![chunk(b"hello"), end()]).await.status());
        }
        all.sort_unstable();
        all
    };
    assert_eq!(posts(&edge).await, [200, 503]);
    assert_eq!(posts(&Edge::in_process(statuses(true))).await, [200, 200]);
    // Without another server, the reply is the answer.
    let mut alone = pool(&[&busy.address]);
    alone.retry.statuses = vec![503];
    assert_eq!(Edge::in_process(alone).ask(get("/")).await.text(), "busy");
}
