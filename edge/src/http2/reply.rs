//! Sends a reply on a stream: its head, and its body as fast as the client's windows allow.

use std::future::poll_fn;
use std::io;
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderValue, SERVER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Response};

use crate::connection::clock;
use crate::connection::pace::ClientPace;
use crate::http2::OpenStream;
use crate::reply::Reply;
use crate::reply::body::ReplyBody;
use crate::reply::delivery::Delivery;
use http1::write::bodiless;

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

/// The head. Framing is the business of HTTP/2.
pub(super) fn head(reply: &Reply) -> Response<()> {
    let mut headers: HeaderMap = reply.headers.clone();
    for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH, UPGRADE] {
        headers.remove(name);
    }
    if let Some(length) = reply.length.filter(|_| !bodiless(reply.status)) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if !headers.contains_key(SERVER) {
        headers.insert(SERVER, HeaderValue::from_static("weir"));
    }
    if !headers.contains_key(DATE)
        && let Ok(date) = clock::with_http_date(Instant::now(), HeaderValue::from_bytes)
    {
        headers.insert(DATE, date);
    }
    let mut response = Response::new(());
    *response.status_mut() = reply.status;
    *response.headers_mut() = headers;
    response
}

/// As many bytes as HTTP/1 would need for it.
fn length(head: &Response<()>) -> u64 {
    const STATUS_LINE: usize = "HTTP/1.1 200 OK\r\n\r\n".len();
    let fields = head.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    (STATUS_LINE + fields.sum::<usize>()) as u64
}

/// What is still to be sent, and where.
type UnsentData = Option<(SendStream<Bytes>, Bytes)>;

/// Sends a complete reply if the client's windows accept it at once; otherwise returns the rest.
pub(super) fn send_now(
    respond: &mut SendResponse<Bytes>,
    reply: &Reply,
    head_only: bool,
) -> Result<(Delivery, UnsentData), h2::Error> {
    let body = match &reply.body {
        ReplyBody::Whole(body) if !head_only && !bodiless(reply.status) => body.clone(),
        _ => Bytes::new(),
    };
    let head = head(reply);
    let head_bytes = length(&head);
    let mut stream = respond.send_response(head, body.is_empty())?;
    let sent = Delivery { head: head_bytes, body: body.len() as u64, reusable: true, ..Delivery::default() };
    if body.is_empty() {
        return Ok((sent, None));
    }
    stream.reserve_capacity(body.len());
    if stream.capacity() < body.len() {
        return Ok((sent, Some((stream, body))));
    }
    stream.send_data(body, true)?;
    Ok((sent, None))
}

/// How fast the client must take a reply, and the request that it answers.
pub(super) struct StreamPace {
    pub(super) pace: ClientPace,
    pub(super) open: OpenStream,
}

/// Sends the reply. It ends if the client does not keep the pace, and when something `breaks_off`.
pub(super) async fn send(
    respond: &mut SendResponse<Bytes>,
    mut reply: Reply,
    head_only: bool,
    mut pace: StreamPace,
    breaks_off: impl Future<Output = ()>,
) -> (Delivery, Reply) {
    let mut sent = Delivery::default();
    if reply.hangs_up {
        respond.send_reset(Reason::CANCEL);
        sent.broken = true;
        return (sent, reply);
    }
    let head = head(&reply);
    sent.head = length(&head);
    let nothing = head_only || bodiless(reply.status) || reply.length == Some(0);
    let Ok(mut stream) = respond.send_response(head, nothing) else {
        sent.broken = true;
        return (sent, reply);
    };
    if !nothing {
        let sending = send_body(&mut stream, &mut reply.body, reply.length, &mut pace, &mut sent);
        let ended = tokio::select! {
            biased;
            ended = sending => ended,
            () = breaks_off => Err(IncompleteStream::Drain),
        };
        if let Err(broken) = ended {
            sent.broken = true;
            stream.send_reset(match broken {
                IncompleteStream::Client | IncompleteStream::Drain => Reason::CANCEL,
                IncompleteStream::Ours => Reason::INTERNAL_ERROR,
            });
        }
    }
    (sent, reply)
}

async fn send_body(
    stream: &mut SendStream<Bytes>,
    body: &mut ReplyBody,
    length: Option<u64>,
    pace: &mut StreamPace,
    sent: &mut Delivery,
) -> Result<(), IncompleteStream> {
    loop {
        let next = tokio::select! {
            biased;
            next = body.next() => next,
            _ = poll_fn(|context| stream.poll_reset(context)) => return Err(IncompleteStream::Client),
        };
        let Some(chunk) = next else { break };
        let chunk = chunk.map_err(|_| IncompleteStream::Ours)?;
        sent.body += chunk.len() as u64;
        if length.is_some_and(|length| sent.body > length) {
            return Err(IncompleteStream::Ours);
        }
        let last = length == Some(sent.body);
        let sending = send_piece(stream, chunk, last, pace);
        tokio::pin!(sending);
        match sending.as_mut().now_or_never() {
            Some(sent) => sent?,
            None => {
                body.go_on();
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

/// Sends what `send_now` could not.
pub(super) async fn send_rest(mut stream: SendStream<Bytes>, body: Bytes, mut pace: StreamPace) {
    if send_piece(&mut stream, body, true, &mut pace).await.is_err() {
        stream.send_reset(Reason::CANCEL);
    }
}

async fn send_piece(
    stream: &mut SendStream<Bytes>,
    mut chunk: Bytes,
    last: bool,
    StreamPace { pace, open }: &mut StreamPace,
) -> Result<(), IncompleteStream> {
    while !chunk.is_empty() {
        stream.reserve_capacity(chunk.len().min(PIECE));
        let mut room = stream.capacity();
        while room == 0 {
            // Requests that are answered side by side share what the client takes.
            pace.share(open.beside());
            let capacity = poll_fn(|context| stream.poll_capacity(context));
            let capacity = async { capacity.await.transpose().map_err(io::Error::other) };
            room = pace.wait(capacity).await.ok().flatten().ok_or(IncompleteStream::Client)?;
        }
        let piece = chunk.split_to(room.min(chunk.len()));
        pace.took(piece.len()).map_err(|_| IncompleteStream::Client)?;
        let ends = last && chunk.is_empty();
        stream.send_data(piece, ends).map_err(|_| IncompleteStream::Client)?;
    }
    Ok(())
}
