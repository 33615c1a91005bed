//! After 101 (Switching Protocols): moves bytes between client and application in both directions, until one
//! side ends, both are silent for too long, or the edge shuts down.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use http1::write::start;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use crate::Edge;
use crate::cache::page::LAST;
use crate::connection::stream::Stream;
use crate::http1::exchanged::ExchangeResult;
use crate::reply::Reply;
use crate::reply::body::ReplyBody;
use crate::reply::delivery::Delivery;
use crate::request::body::Chunks;

/// Bytes read from the client at once.
const READ: usize = 16 * 1024;

/// Sends the reply's head and becomes a tunnel. `buffer` holds what the client has sent after its request.
/// No other request follows on this connection.
pub(crate) async fn run(
    stream: &mut Stream,
    buffer: &mut BytesMut,
    mut reply: Reply,
    chunks: Chunks,
    (edge, listener): (&Edge, u16),
) -> ExchangeResult {
    let (send, silent) = (edge.bounds(listener).send, edge.settings.timeouts.tunnel.0);
    let (reader, mut writer) = tokio::io::split(stream);
    let mut head = Vec::with_capacity(512);
    start(&mut head, reply.status, &reply.headers, &LAST);
    // RFC 9110 section 7.8: "A sender of Upgrade MUST also send an \"Upgrade\" connection option".
    head.extend_from_slice(b"connection: upgrade\r\n\r\n");
    let mut sent = Delivery { head: head.len() as u64, ..Delivery::default() };
    let mut body = std::mem::replace(&mut reply.body, ReplyBody::Empty);
    // Each direction runs separately.
    body.go_on();
    if write(&mut writer, &head, send).await.is_ok() {
        let heard = Mutex::new(Instant::now());
        tokio::select! {
            () = up(reader, buffer, chunks, &heard) => {}
            () = down(&mut writer, body, &heard, &mut sent.body, send) => {}
            () = silence(&heard, silent) => {}
            () = edge.endless_ends() => {}
        }
    }
    ExchangeResult::to_the_end((sent, reply))
}

async fn up<R: AsyncRead + Unpin>(
    mut reader: R,
    buffer: &mut BytesMut,
    chunks: Chunks,
    heard: &Mutex<Instant>,
) {
    loop {
        if !buffer.is_empty() && chunks.send(Ok(buffer.split().freeze())).await.is_err() {
            return;
        }
        buffer.reserve(READ);
        match reader.read_buf(buffer).await {
            Ok(1..) => *heard.lock() = Instant::now(),
            Ok(0) | Err(_) => return,
        }
    }
}

async fn down<W: AsyncWrite + Unpin>(
    writer: &mut W,
    mut body: ReplyBody,
    heard: &Mutex<Instant>,
    sent: &mut u64,
    patience: Duration,
) {
    while let Some(Ok(piece)) = body.next().await {
        *heard.lock() = Instant::now();
        if write(writer, &piece, patience).await.is_err() {
            return;
        }
        *sent += piece.len() as u64;
    }
}

async fn write<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8], patience: Duration) -> io::Result<()> {
    let write = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    timeout(patience, write).await.map_err(|_| io::ErrorKind::TimedOut)?
}

/// Resolves when neither side has sent anything for this long.
async fn silence(heard: &Mutex<Instant>, idle: Duration) {
    loop {
        let until = *heard.lock() + idle;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}
