//! Sends a reply on a stream: its head, and its body as fast as the client's windows allow.

use std::future::poll_fn;
use std::io;
use std::time::Instant;

use ::http2::{ErrorCode, block};
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, SERVER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, StatusCode};
use http1::write::{bodiless, number};

use crate::connection::clock;
use crate::connection::pace::ClientPace;
use crate::http2::OpenStream;
use crate::http2::link::ClientStream;
use crate::reply::Reply;
use crate::reply::body::ReplyBody;
use crate::reply::delivery::Delivery;

/// The most window that is requested from the client at once.
const PIECE: usize = 64 * 1024;

/// Why a body is incomplete.
enum IncompleteStream {
    /// The client left the stream, or accepts nothing.
    Client,
    /// The edge has no more of the body, or something else than the head announced.
    Ours,
    /// The edge shuts down, and the body does not end by itself.
    Drain,
}

/// Writes the block of a reply's head, and tells as many bytes as HTTP/1 would need for it. Framing is the
/// business of HTTP/2.
pub(super) fn head(reply: &Reply, out: &mut Vec<u8>) -> u64 {
    const STATUS_LINE: usize = "HTTP/1.1 200 OK\r\n\r\n".len();
    const OURS: [http::HeaderName; 4] = [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH, UPGRADE];
    out.clear();
    block::status(out, reply.status.as_u16());
    let mut length = STATUS_LINE;
    let mut field = |name: &[u8], value: &[u8]| {
        length += name.len() + value.len() + 4;
        block::field(out, name, value);
    };
    for (name, value) in reply.headers.iter().filter(|(name, _)| !OURS.contains(name)) {
        field(name.as_str().as_bytes(), value.as_bytes());
    }
    if let Some(length) = reply.length.filter(|_| !bodiless(reply.status)) {
        let mut digits = Vec::with_capacity(20);
        number(&mut digits, length);
        field(b"content-length", &digits);
    }
    if !reply.headers.contains_key(SERVER) {
        field(b"server", b"weir");
    }
    if !reply.headers.contains_key(DATE) {
        clock::with_http_date(Instant::now(), |date| field(b"date", date));
    }
    length as u64
}

/// Writes the block of an interim reply.
pub(super) fn interim(status: StatusCode, fields: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::new();
    block::status(&mut out, status.as_u16());
    for (name, value) in fields {
        block::field(&mut out, name.as_str().as_bytes(), value.as_bytes());
    }
    out
}

/// The body of a reply that is there as a whole.
pub(super) fn whole_body(reply: &Reply, head_only: bool) -> Bytes {
    match &reply.body {
        ReplyBody::Whole(body) if !head_only && !bodiless(reply.status) => body.clone(),
        _ => Bytes::new(),
    }
}

/// How fast the client must take a reply, and the request that it answers.
pub(super) struct StreamPace {
    pub(super) pace: ClientPace,
    pub(super) open: OpenStream,
}

/// Sends the reply. It ends if the client does not keep the pace, and when something `breaks_off`.
pub(super) async fn send(
    stream: &ClientStream,
    mut reply: Reply,
    head_only: bool,
    mut pace: StreamPace,
    breaks_off: impl Future<Output = ()>,
) -> (Delivery, Reply) {
    let mut sent = Delivery::default();
    if reply.hangs_up {
        stream.reset(ErrorCode::CANCEL);
        sent.broken = true;
        return (sent, reply);
    }
    let mut block = Vec::with_capacity(512);
    sent.head = head(&reply, &mut block);
    let nothing = head_only || bodiless(reply.status) || reply.length == Some(0);
    if stream.send_head(&block, nothing).is_err() {
        sent.broken = true;
        return (sent, reply);
    }
    drop(block);
    if !nothing {
        let sending = send_body(stream, &mut reply.body, reply.length, &mut pace, &mut sent);
        let ended = tokio::select! {
            biased;
            ended = sending => ended,
            () = breaks_off => Err(IncompleteStream::Drain),
        };
        if let Err(broken) = ended {
            sent.broken = true;
            stream.reset(match broken {
                IncompleteStream::Client | IncompleteStream::Drain => ErrorCode::CANCEL,
                IncompleteStream::Ours => ErrorCode::INTERNAL_ERROR,
            });
        }
    }
    (sent, reply)
}

async fn send_body(
    stream: &ClientStream,
    body: &mut ReplyBody,
    length: Option<u64>,
    pace: &mut StreamPace,
    sent: &mut Delivery,
) -> Result<(), IncompleteStream> {
    loop {
        let next = next_piece(stream, body, length.is_some(), pace).await?;
        let Some(chunk) = next else { break };
        sent.body += chunk.len() as u64;
        if length.is_some_and(|length| sent.body > length) {
            return Err(IncompleteStream::Ours);
        }
        let last = length == Some(sent.body);
        let held = pace.pace.hold(chunk.len());
        let sending = send_piece(stream, chunk, last, pace);
        tokio::pin!(sending);
        match sending.as_mut().now_or_never() {
            Some(sent) => sent?,
            None => {
                body.go_on();
                let _held = held;
                sending.await?;
            }
        }
        if last {
            return Ok(());
        }
    }
    match length {
        Some(_) => Err(IncompleteStream::Ours),
        None => stream.send_data(Bytes::new(), true).map_err(|_| IncompleteStream::Client),
    }
}

/// The next piece of a body. What is known to follow is not read before the client has room for some of it:
/// it waits where it takes no memory. The end of another body can only be found by reading it.
async fn next_piece(
    stream: &ClientStream,
    body: &mut ReplyBody,
    has_more: bool,
    pace: &mut StreamPace,
) -> Result<Option<Bytes>, IncompleteStream> {
    let mut most = pace.pace.piece();
    if has_more {
        most = match stream.room(PIECE) {
            0 => {
                body.go_on();
                room(stream, PIECE, pace).await?
            }
            room => room,
        };
        if body.is_arriving() {
            // Others may use the room until it is needed.
            stream.give_back();
        }
    }
    let next = tokio::select! {
        biased;
        next = body.next_of(most) => next,
        () = poll_fn(|context| stream.poll_reset(context)) => return Err(IncompleteStream::Client),
    };
    next.transpose().map_err(|_| IncompleteStream::Ours)
}

/// Waits until the client has room for something, and returns how much of it.
async fn room(
    stream: &ClientStream,
    wanted: usize,
    StreamPace { pace, open }: &mut StreamPace,
) -> Result<usize, IncompleteStream> {
    let mut room = stream.room(wanted);
    while room == 0 {
        // Requests that are answered side by side share what the client takes.
        pace.share(open.beside());
        let more = poll_fn(|context| stream.poll_room(context, wanted));
        let more = async { more.await.map_err(|_| io::ErrorKind::ConnectionReset.into()) };
        room = pace.wait(more).await.map_err(|_| IncompleteStream::Client)?;
    }
    Ok(room)
}

/// Sends what could not be sent at once.
pub(super) async fn send_rest(stream: ClientStream, body: Bytes, mut pace: StreamPace) {
    if send_piece(&stream, body, true, &mut pace).await.is_err() {
        stream.reset(ErrorCode::CANCEL);
    }
}

async fn send_piece(
    stream: &ClientStream,
    mut chunk: Bytes,
    last: bool,
    pace: &mut StreamPace,
) -> Result<(), IncompleteStream> {
    while !chunk.is_empty() {
        let room = room(stream, chunk.len().min(PIECE), pace).await?;
        let piece = chunk.split_to(room.min(chunk.len()));
        pace.pace.took(piece.len()).map_err(|_| IncompleteStream::Client)?;
        let ends = last && chunk.is_empty();
        stream.send_data(piece, ends).map_err(|_| IncompleteStream::Client)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ::http2::{Decoder, FieldList};
    use http::HeaderValue;

    use super::*;
    use crate::reply::ReplyParts;

    #[test]
    fn fields_of_a_connection_are_not_sent() {
        let fields =
            [CONNECTION, TRANSFER_ENCODING, UPGRADE].map(|name| (name, HeaderValue::from_static("x")));
        let reply =
            ReplyParts::new(StatusCode::UPGRADE_REQUIRED, HeaderMap::from_iter(fields), ReplyBody::Empty);
        let (mut block, mut sent) = (Vec::new(), FieldList::new(4096));
        head(&reply, &mut block);
        Decoder::default().decode(&block, &mut sent).unwrap();
        let names: Vec<_> = sent.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        assert!(names.iter().any(|name| name == "date"), "{names:?}");
        assert!(names.iter().all(|name| [":status", "content-length", "server", "date"].contains(&&**name)));
    }
}
