//! Request bodies: buffered, streamed, too large, broken off.

use std::time::{Duration, Instant};

use process::units::{Size, Time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use weir_proto::origin::{FetchRequest, Kind, fetch_request};
use wsgi_adapter::{PoolConfig, QueueConfig};

use crate::edge::{Edge, chunk, end, get, pool, read, with_body};
use crate::peer::{Peer, read_request, variable};

/// Answers with CONTENT_LENGTH and the body that it got.
async fn echo() -> Peer {
    Peer::new(|mut stream| async move {
        let (packet, body) = read_request(&mut stream).await;
        assert_eq!(variable(&packet, "HTTP_TRANSFER_ENCODING"), "");
        let length = variable(&packet, "CONTENT_LENGTH");
        let reply = format!("HTTP/1.1 200 OK\r\n\r\n{length}:{}", String::from_utf8_lossy(&body));
        let _ = stream.write_all(reply.as_bytes()).await;
    })
    .await
}

#[tokio::test]
async fn the_application_gets_body_and_length() {
    let peer = echo().await;
    let hello = || vec![chunk(b"hel"), chunk(b""), chunk(b"lo"), end()];
    let nothing = || vec![end()];
    // Method, length told by the edge, body, and what the application sees.
    let cases: Vec<(&str, Option<u64>, Vec<FetchRequest>, &str)> = vec![
        ("POST", Some(5), hello(), "5:hello"),
        ("POST", None, hello(), "5:hello"),
        ("GET", Some(5), hello(), "5:hello"),
        ("POST", None, nothing(), "0:"),
        ("POST", Some(0), nothing(), "0:"),
        ("GET", Some(0), nothing(), ":"),
        ("DELETE", Some(0), nothing(), ":"),
    ];
    for memory in [Size::kibibytes(64), Size(3), Size(0)] {
        for request_buffering in [true, false] {
            let config = PoolConfig { buffer_memory: memory, request_buffering, ..pool(&[&peer.address]) };
            let edge = Edge::in_process(config);
            for (method, length, body, expected) in &cases {
                let answer = edge.send(with_body(method, "/", *length), body.clone()).await;
                assert_eq!(
                    answer.text(),
                    *expected,
                    "{method} {length:?} memory {memory:?} {request_buffering}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_whole_never_reaches_a_server() {
    let peer = echo().await;
    let config = PoolConfig {
        max_body: Size(10),
        buffer_memory: Size(4),
        body_timeout: Time::from_millis(200),
        ..pool(&[&peer.address])
    };
    let edge = Edge::in_process(config);
    let post = |length| with_body("POST", "/", length);
    let head = FetchRequest { message: Some(fetch_request::Message::Head(get("/"))) };
    let cases: Vec<(Option<u64>, Vec<FetchRequest>, u32)> = vec![
        (Some(5), vec![], 0),
        (Some(5), vec![chunk(b"hel")], 0),
        (None, vec![chunk(b"hello")], 0),
        (Some(5), vec![chunk(b"hel"), end()], 0),
        (Some(5), vec![chunk(b"hello!"), end()], 0),
        (Some(5), vec![chunk(b"hello"), chunk(b"!"), end()], 0),
        (Some(5), vec![chunk(b"hello"), head], 0),
        (Some(11), vec![chunk(b"hello world"), end()], 413),
        (None, vec![chunk(b"hello world"), end()], 413),
        (None, vec![chunk(b"hello"), chunk(b" world"), end()], 413),
    ];
    for (length, body, status) in cases {
        let answer = edge.send(post(length), body.clone()).await;
        assert_eq!(answer.failed(), (Kind::BadBody, false), "{length:?} {body:?}");
        assert_eq!(answer.failure().status, status, "{length:?} {body:?}");
        assert_eq!(answer.failure().server, "");
    }
    // And one that stops coming.
    let (sender, messages) = mpsc::channel(4);
    sender.send(chunk(b"hel")).await.unwrap();
    let answer = read(edge.open(post(Some(5)), ReceiverStream::new(messages))).await;
    assert_eq!(answer.failed(), (Kind::BadBody, false));
    assert_eq!(answer.failure().status, 408);
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn a_slow_client_holds_no_server() {
    let peer = echo().await;
    let edge = Edge::in_process(PoolConfig { max_in_flight: 1, ..pool(&[&peer.address]) });
    let (sender, messages) = mpsc::channel(4);
    let head = with_body("POST", "/", Some(5));
    sender.send(chunk(b"hel")).await.unwrap();
    let slow = edge.open(head, ReceiverStream::new(messages));
    assert_eq!(edge.ask(get("/")).await.text(), ":");
    sender.send(chunk(b"lo")).await.unwrap();
    sender.send(end()).await.unwrap();
    assert_eq!(read(slow).await.text(), "5:hello");
}

#[tokio::test]
async fn unbuffered_the_body_goes_on_as_it_comes() {
    let (seen, mut sees) = mpsc::channel(4);
    let peer = Peer::new(move |mut stream| {
        let seen = seen.clone();
        async move {
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"hel") {
                stream.read_buf(&mut bytes).await.unwrap();
            }
            seen.send(()).await.unwrap();
            let mut rest = [0; 2];
            stream.read_exact(&mut rest).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            stream.write_all(&rest).await.unwrap();
        }
    })
    .await;
    let edge = Edge::in_process(PoolConfig { request_buffering: false, ..pool(&[&peer.address]) });
    let (sender, messages) = mpsc::channel(4);
    let head = with_body("POST", "/", Some(5));
    sender.send(chunk(b"hel")).await.unwrap();
    let replies = edge.open(head, ReceiverStream::new(messages));
    sees.recv().await.unwrap();
    sender.send(chunk(b"lo")).await.unwrap();
    sender.send(end()).await.unwrap();
    assert_eq!(read(replies).await.text(), "lo");
}

#[tokio::test]
async fn unbuffered_a_client_that_leaves_is_to_blame() {
    let peer = echo().await;
    let edge = Edge::in_process(PoolConfig { request_buffering: false, ..pool(&[&peer.address]) });
    let answer = edge.send(with_body("POST", "/", Some(5)), vec![chunk(b"hel")]).await;
    assert_eq!(answer.failed(), (Kind::BadBody, true), "the server has seen some of it");
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_is_relayed_and_the_upload_stops() {
    let hasty = |reply: &'static [u8]| {
        Peer::new(move |mut stream| async move {
            stream.write_all(reply).await.unwrap();
            stream.flush().await.unwrap();
            // Closing with the upload unread resets the connection.
            tokio::time::sleep(Duration::from_millis(100)).await;
        })
    };
    let peer = hasty(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await;
    let body = vec![b'x'; 20_000_000];
    let messages: Vec<_> = body.chunks(60_000).map(chunk).chain([end()]).collect();
    for request_buffering in [true, false] {
        let edge = Edge::in_process(PoolConfig { request_buffering, ..pool(&[&peer.address]) });
        let answer = edge.send(with_body("POST", "/", Some(20_000_000)), messages.clone()).await;
        assert_eq!((answer.status(), answer.text().as_str()), (413, "no"));
    }
}

#[tokio::test]
async fn a_server_that_takes_nothing_is_left_in_time() {
    let deaf = Peer::new(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let config = PoolConfig { send_timeout: Time::from_millis(200), ..pool(&[&deaf.address]) };
    let messages: Vec<_> = vec![b'x'; 20_000_000].chunks(60_000).map(chunk).chain([end()]).collect();
    let answer = Edge::in_process(config).send(with_body("POST", "/", Some(20_000_000)), messages).await;
    assert_eq!(answer.failed(), (Kind::Timeout, true));
    assert!(answer.failure().detail.contains("send_timeout"), "{}", answer.failure().detail);
}

#[tokio::test]
async fn bodies_received_at_once_are_limited() {
    let peer = echo().await;
    let queue = QueueConfig { length: 10, timeout: Time::from_millis(500) };
    let config = PoolConfig { max_uploads: 1, body_rate: Size(0), queue, ..pool(&[&peer.address]) };
    let edge = Edge::in_process(config);
    let head = with_body("POST", "/", Some(5));
    let slow = || {
        let (sender, messages) = mpsc::channel(4);
        (sender, edge.open(head.clone(), ReceiverStream::new(messages)))
    };
    let (first_sender, first) = slow();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let (_second_sender, second) = slow();
    assert_eq!(read(second).await.failed(), (Kind::Overloaded, false));
    assert_eq!(edge.ask(get("/")).await.text(), ":", "one without a body is no upload");
    let whole = edge.send(head.clone(), vec![chunk(b"hello"), end()]).await;
    assert_eq!(whole.text(), "5:hello", "nor is one that is at hand");
    first_sender.send(chunk(b"hello")).await.unwrap();
    first_sender.send(end()).await.unwrap();
    assert_eq!(read(first).await.text(), "5:hello");
}

#[tokio::test]
async fn a_slow_body_makes_room_for_one_that_waits() {
    let peer = echo().await;
    let edge = Edge::in_process(PoolConfig { max_uploads: 1, ..pool(&[&peer.address]) });
    let head = with_body("POST", "/", Some(5));
    let (slow_sender, messages) = mpsc::channel(4);
    let slow = edge.open(head.clone(), ReceiverStream::new(messages));
    slow_sender.send(chunk(b"h")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let (sender, messages) = mpsc::channel(4);
    let waits = edge.open(head.clone(), ReceiverStream::new(messages));
    sender.send(chunk(b"he")).await.unwrap();
    // Nobody asked the first one to hurry before; now it has sent a byte in more than three seconds.
    let begun = Instant::now();
    let slow = read(slow).await;
    assert_eq!((slow.failed().0, slow.failure().status), (Kind::BadBody, 408));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    sender.send(chunk(b"llo")).await.unwrap();
    sender.send(end()).await.unwrap();
    assert_eq!(read(waits).await.text(), "5:hello");
}
