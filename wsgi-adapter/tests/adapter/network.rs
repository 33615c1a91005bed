//! The adapter as a server of its own, over a socket.

use std::time::Duration;

use process::shutdown::Shutdown;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use weir_proto::origin::Kind;

use crate::edge::{Edge, PATIENCE, chunk, end, get, once_within, pool, with_body};
use crate::peer::{Peer, read_request};

#[tokio::test]
async fn over_the_network_all_is_the_same() {
    let peer = Peer::new(|mut stream| async move {
        let (_, body) = read_request(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = stream.write_all(&body).await;
    })
    .await;
    let (edge, _run) = Edge::over_network(pool(&[&peer.address]), Shutdown::new()).await;
    let body: Vec<u8> = (0..5_000_000u32).map(|n| (n % 251) as u8).collect();
    let messages: Vec<_> = body.chunks(64 * 1024).map(chunk).chain([end()]).collect();
    let answer = edge.send(with_body("POST", "/", Some(body.len() as u64)), messages).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.body == body, "the same body comes back");
    // Many at once on one connection, and none of them waits for Nagle.
    once_within(Duration::from_secs(5), "350 requests over one connection", async || {
        let asks: Vec<_> = (0..300)
            .map(|_| {
                let edge = edge.clone();
                tokio::spawn(async move { edge.ask(get("/")).await })
            })
            .collect();
        for ask in asks {
            assert_eq!(ask.await.unwrap().status(), 200);
        }
        for _ in 0..50 {
            assert_eq!(edge.ask(get("/")).await.status(), 200);
        }
    })
    .await;
}

#[tokio::test]
async fn an_early_answer_comes_whole_while_the_upload_stops() {
    let hasty = Peer::new(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    })
    .await;
    let unbuffered = wsgi_adapter::PoolConfig { request_buffering: false, ..pool(&[&hasty.address]) };
    let (edge, _run) = Edge::over_network(unbuffered, Shutdown::new()).await;
    let messages: Vec<_> = vec![b'x'; 20_000_000].chunks(60_000).map(chunk).chain([end()]).collect();
    for _ in 0..5 {
        let answer = edge.send(with_body("POST", "/", Some(20_000_000)), messages.clone()).await;
        assert_eq!((answer.status(), answer.text().as_str()), (413, "no"));
    }
}

#[tokio::test]
async fn clients_that_leave_do_not_break_the_connection() {
    let silent = Peer::new(|mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let (edge, _run) = Edge::over_network(pool(&[&silent.address]), Shutdown::new()).await;
    for _ in 0..300 {
        let asked = edge.clone();
        let _ =
            tokio::time::timeout(Duration::from_millis(1), async move { asked.ask(get("/")).await }).await;
    }
    let mut other = get("/");
    other.pool = "other".to_owned();
    assert_eq!(edge.ask(other).await.failed(), (Kind::UnknownPool, false));
}

#[tokio::test]
async fn draining_lets_running_requests_finish() {
    let (arrived, arrives) = oneshot::channel();
    let (go, gate) = oneshot::channel::<()>();
    let mut once = Some((arrived, gate));
    let peer = Peer::new(move |mut stream| {
        let once = once.take();
        async move {
            read_request(&mut stream).await;
            let (arrived, gate) = once.unwrap();
            arrived.send(()).unwrap();
            gate.await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        }
    })
    .await;
    let shutdown = Shutdown::new();
    let (edge, run) = Edge::over_network(pool(&[&peer.address]), shutdown.clone()).await;
    let running = tokio::spawn({
        let edge = edge.clone();
        async move { edge.ask(get("/")).await }
    });
    arrives.await.unwrap();
    shutdown.begin();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!run.is_finished(), "it waits for the running request");
    go.send(()).unwrap();
    assert_eq!(running.await.unwrap().text(), "ok");
    drop(edge);
    assert!(tokio::time::timeout(PATIENCE, run).await.expect("run ends").unwrap(), "without an error");
    assert_eq!(shutdown.finish(Duration::from_secs(1)).await, 0);
}
