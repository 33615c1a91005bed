//! Requests that switch to another protocol: nothing early, bytes both ways, an end.

use std::time::Duration;

use process::units::Time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use weir_proto::origin::fetch_reply::Message;
use weir_proto::origin::{FetchRequest, Kind as Failure, RequestHead};
use wsgi_adapter::PoolConfig;

use crate::edge::{Edge, PATIENCE, Replies, chunk, end, field, get, pool};
use crate::peer::{Peer, read_request, variable};

fn upgrade(target: &str) -> RequestHead {
    let fields =
        vec![field("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="), field("sec-websocket-version", b"13")];
    RequestHead { upgrade: "websocket".to_owned(), fields, ..get(target) }
}

async fn open(edge: &Edge, target: &str) -> (mpsc::Sender<FetchRequest>, Replies) {
    let (sender, receiver) = mpsc::channel(8);
    (sender, edge.open(upgrade(target), ReceiverStream::new(receiver)))
}

async fn next(replies: &mut Replies) -> Message {
    let reply = tokio::time::timeout(PATIENCE, replies.message()).await.expect("a message comes").unwrap();
    reply.unwrap().message.unwrap()
}

async fn bytes(replies: &mut Replies, length: usize) -> Vec<u8> {
    let mut got = Vec::new();
    while got.len() < length {
        match next(replies).await {
            Message::Chunk(piece) => got.extend_from_slice(&piece),
            other => panic!("{other:?} after {got:?}"),
        }
    }
    got
}

const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-A: 1\r\n\r\nhello";

/// Reads the request's head and waits a moment: whatever comes before 101 would be too early.
async fn a_quiet_head(stream: &mut tokio::net::TcpStream) -> bool {
    let mut seen = [0; 4096];
    let mut length = 0;
    while !seen[..length].ends_with(b"\r\n\r\n") {
        length += stream.read(&mut seen[length..]).await.unwrap();
    }
    let early = tokio::time::timeout(Duration::from_millis(150), stream.read_u8()).await;
    early.is_err() && seen[..length].windows(20).any(|part| part == b"connection: upgrade\r")
}

fn pool_of(server: &Peer, tunnel_timeout: Time) -> PoolConfig {
    PoolConfig { tunnel_timeout, ..pool(&[&server.address.replace("uwsgi://", "http://")]) }
}

#[tokio::test]
async fn bytes_go_both_ways_after_101_and_none_before() {
    let server = Peer::new(|mut stream| async move {
        let quiet = a_quiet_head(&mut stream).await;
        stream.write_all(SWITCHED).await.unwrap();
        stream.write_all(if quiet { b" quiet" } else { b" early" }).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    })
    .await;
    let edge = Edge::in_process(pool_of(&server, Time::from_secs(60)));
    let (sender, mut replies) = open(&edge, "/").await;
    sender.send(chunk(b"impatient")).await.unwrap();
    match next(&mut replies).await {
        Message::Head(head) => {
            assert_eq!((head.status, head.upgrade.as_str()), (101, "websocket"));
            assert_eq!(head.fields, [field("x-a", b"1")]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bytes(&mut replies, 20).await, b"hello quietimpatient");
    assert!(edge.metrics().contains("weir_wsgi_adapter_tunnels{pool=\"app\"} 1"), "{}", edge.metrics());
    for _ in 0..20 {
        sender.send(chunk(&[7; 100_000])).await.unwrap();
        assert_eq!(bytes(&mut replies, 100_000).await, [7; 100_000]);
    }
    // The client ends it.
    sender.send(end()).await.unwrap();
    assert!(matches!(next(&mut replies).await, Message::End(_)));
    assert!(edge.metrics().contains("weir_wsgi_adapter_tunnels{pool=\"app\"} 0"), "{}", edge.metrics());
}

#[tokio::test]
async fn the_server_ends_it_or_silence_does() {
    for closes in [true, false] {
        let server = Peer::new(move |mut stream| async move {
            a_quiet_head(&mut stream).await;
            stream.write_all(SWITCHED).await.unwrap();
            if !closes {
                let _ = stream.read_u8().await;
            }
        })
        .await;
        let wait = if closes { Time::from_secs(60) } else { Time::from_millis(300) };
        let edge = Edge::in_process(pool_of(&server, wait));
        let (_sender, mut replies) = open(&edge, "/").await;
        assert!(matches!(next(&mut replies).await, Message::Head(_)));
        assert_eq!(bytes(&mut replies, 5).await, b"hello");
        assert!(matches!(next(&mut replies).await, Message::End(_)), "{closes}");
    }
}

#[tokio::test]
async fn a_server_may_refuse() {
    let server = Peer::new(|mut stream| async move {
        a_quiet_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    })
    .await;
    let edge = Edge::in_process(pool_of(&server, Time::from_secs(60)));
    let (sender, replies) = open(&edge, "/").await;
    let _ = sender.send(chunk(b"early")).await;
    let answer = crate::edge::read(replies).await;
    assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));
}

#[tokio::test]
async fn nothing_switches_unasked_or_to_nothing() {
    let server = Peer::new(|mut stream| async move {
        a_quiet_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await;
    })
    .await;
    let edge = Edge::in_process(pool_of(&server, Time::from_secs(60)));
    let (_sender, replies) = open(&edge, "/").await;
    assert_eq!(crate::edge::read(replies).await.failed(), (Failure::BadReply, true));
}

#[tokio::test]
async fn uwsgi_carries_it_too() {
    let server = Peer::new(|mut stream| async move {
        let (packet, _) = read_request(&mut stream).await;
        let told = [variable(&packet, "HTTP_CONNECTION"), variable(&packet, "HTTP_UPGRADE")].join(" ");
        stream.write_all(SWITCHED).await.unwrap();
        stream.write_all(told.as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    })
    .await;
    let edge = Edge::in_process(pool(&[&server.address]));
    let (sender, mut replies) = open(&edge, "/").await;
    assert!(matches!(next(&mut replies).await, Message::Head(head) if head.status == 101));
    assert_eq!(bytes(&mut replies, 22).await, b"helloUpgrade websocket");
    sender.send(chunk(b"back and forth")).await.unwrap();
    assert_eq!(bytes(&mut replies, 14).await, b"back and forth");
}
