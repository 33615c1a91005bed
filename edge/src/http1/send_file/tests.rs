//! Large files over real sockets: whole, to slow clients, to none, and changed on their way.

use std::fs;
use std::io::Write;
use std::time::Duration;

use http::{HeaderMap, StatusCode, Version};
use rustix::fs::{OFlags, fcntl_setfl};
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::*;
use crate::connection::bodies::Bodies;
use crate::reply::ReplyParts;

const LENGTH: usize = 20_000_000;
const PATIENCE: Duration = Duration::from_secs(10);

fn content() -> Vec<u8> {
    (0..LENGTH).map(|n| (n % 251) as u8).collect()
}

fn file() -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, content()).unwrap();
    file
}

fn reply(file: &NamedTempFile, start: u64, end: u64) -> Reply {
    let stream = FileStream::of(file.reopen().unwrap(), start, end).unwrap();
    let mut reply = ReplyParts::new(StatusCode::OK, HeaderMap::new(), ReplyBody::File(Box::new(stream)));
    reply.length = Some(end - start);
    reply
}

fn manner() -> WriteManner {
    WriteManner { head_only: false, version: Version::HTTP_11, keep_alive: true, title_names: false }
}

async fn connected() -> (TcpStream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, Stream::Plain(listener.accept().await.unwrap().0.into()))
}

/// All that comes, read so much at a time with so long a pause.
async fn read(mut client: TcpStream, at_once: usize, pause: Duration) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::new(), vec![0; at_once]);
    loop {
        match client.read(&mut piece).await {
            Ok(0) | Err(_) => return all,
            Ok(read) => all.extend_from_slice(&piece[..read]),
        }
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}

fn body(wire: &[u8]) -> &[u8] {
    let end = wire.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    &wire[end + 4..]
}

#[tokio::test]
async fn comes_whole_and_in_part_to_quick_and_slow_clients() {
    let (file, content) = (file(), content());
    let whole = 0..LENGTH as u64;
    let slow = Duration::from_millis(20);
    let cases = [
        ("quick", whole.clone(), 65_536, Duration::ZERO, OFlags::empty()),
        ("slow", whole.clone(), 1_000_000, slow, OFlags::empty()),
        ("a part", 7..5_000_001, 65_536, Duration::ZERO, OFlags::empty()),
        // What sendfile refuses, as it does some file systems.
        ("read", whole, 65_536, Duration::ZERO, OFlags::APPEND),
    ];
    for (what, range, at_once, pause, flags) in cases {
        let (client, mut stream) = connected().await;
        fcntl_setfl(stream.tcp().unwrap(), OFlags::NONBLOCK | flags).unwrap();
        let reading = tokio::spawn(read(client, at_once, pause));
        let reply = reply(&file, range.start, range.end);
        let (sent, _) =
            send(&mut stream, reply, manner(), ClientPace::new(PATIENCE, 0, Bodies::new(u64::MAX))).await;
        assert!(sent.reusable && !sent.broken, "{what}: {sent:?}");
        assert_eq!(sent.body, range.end - range.start, "{what}");
        // No copy of the socket is left open, or the client would wait for more.
        drop(stream);
        let wire = reading.await.unwrap();
        let length = format!("content-length: {}\r\n", range.end - range.start);
        assert!(wire.windows(length.len()).any(|window| window == length.as_bytes()), "{what}");
        assert!(body(&wire) == &content[range.start as usize..range.end as usize], "{what}");
    }
}

#[tokio::test]
async fn breaks_off_when_nobody_reads_or_the_client_leaves() {
    let file = file();
    let patience = Duration::from_millis(200);
    let (client, mut stream) = connected().await;
    let began = Instant::now();
    let (sent, _) = send(
        &mut stream,
        reply(&file, 0, LENGTH as u64),
        manner(),
        ClientPace::new(patience, 0, Bodies::new(u64::MAX)),
    )
    .await;
    assert!(sent.broken && !sent.reusable && sent.body < LENGTH as u64, "{sent:?}");
    assert!(began.elapsed() >= patience, "{:?}", began.elapsed());
    drop(client);

    let (client, mut stream) = connected().await;
    let leaving = tokio::spawn(async move {
        sleep(Duration::from_millis(50)).await;
        drop(client);
    });
    let (sent, _) = send(
        &mut stream,
        reply(&file, 0, LENGTH as u64),
        manner(),
        ClientPace::new(PATIENCE, 0, Bodies::new(u64::MAX)),
    )
    .await;
    assert!(sent.broken && !sent.reusable, "{sent:?}");
    leaving.await.unwrap();
}

#[tokio::test]
async fn only_a_file_that_becomes_shorter_on_its_way_breaks_off() {
    type Change = fn(&std::path::Path);
    let changes: [(&str, Change, bool); 3] = [
        ("emptied", |path| fs::write(path, "").unwrap(), true),
        ("shortened", |path| fs::File::options().write(true).open(path).unwrap().set_len(9).unwrap(), true),
        (
            "lengthened",
            |path| fs::File::options().append(true).open(path).unwrap().write_all(b"more").unwrap(),
            false,
        ),
    ];
    for (what, change, breaks) in changes {
        let file = file();
        let (client, mut stream) = connected().await;
        let sending = reply(&file, 0, LENGTH as u64);
        let path = file.path().to_owned();
        let changing = async {
            // The socket is full by then: nobody has read.
            sleep(Duration::from_millis(200)).await;
            change(&path);
            read(client, 65_536, Duration::ZERO).await.len()
        };
        let sending = async {
            let (sent, _) =
                send(&mut stream, sending, manner(), ClientPace::new(PATIENCE, 0, Bodies::new(u64::MAX)))
                    .await;
            drop(stream);
            sent
        };
        let (sent, read) = tokio::join!(sending, changing);
        let is_whole = sent.reusable && sent.body == LENGTH as u64 && read > LENGTH;
        let is_broken = sent.broken && sent.body < LENGTH as u64 && read < LENGTH;
        assert!(if breaks { is_broken } else { is_whole }, "{what}: {sent:?}, read {read}");
    }
}
