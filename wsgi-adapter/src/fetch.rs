//! One request's way to the application and its reply's way back, top to bottom.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use tonic::Streaming;
use tracing::{Span, warn};
use weir_proto::origin::fetch_reply::Message;
use weir_proto::origin::{End, FetchRequest, Field, ReplyHead, RequestHead};

use crate::connect::connect;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::exchange::{Progress, Reply, exchange};
use crate::pool::{Pool, Slot};
use crate::replies::Replies;
use crate::request;
use crate::spans;
use crate::upload::{Incoming, Upload};

/// A request that got no (whole) reply.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// The server that failed, empty if none was chosen.
    pub(crate) server: String,
    /// Bytes of the request reached a server.
    pub(crate) reached: bool,
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self { error: error.into(), server: String::new(), reached: false }
    }
}

/// Takes the request to a server of `pool` and sends its reply to `replies`, up to its end. `span` is told who replied.
pub(crate) async fn fetch(
    pool: &Arc<Pool>,
    head: &RequestHead,
    messages: Streaming<FetchRequest>,
    replies: &Replies,
    span: &Span,
) -> Result<(), Failed> {
    // Refused before a byte of the body is received.
    let mut packet = request::packet(head, request::told_length(head), &pool.config)?;
    let incoming = Incoming::new(messages, head.content_length, &pool.config)?;
    let mut upload = receive(pool, head, incoming).await?;
    if head.content_length.is_none() {
        packet = request::packet(head, upload.length(), &pool.config)?;
    }

    // A slow client's upload is not the application's time: the edge has a limit of its own for that.
    let deadline = Deadline::in_millis(head.deadline_ms);
    let mut slot = pool.slot(request::client(head), deadline).await?;
    let reply = reach(pool, head, &packet, &mut upload, &mut slot, deadline).await?;
    let server = slot.server().address.to_string();
    spans::replied(span, &server, reply.head.status);
    relay(reply, &head.method, &server, replies).await.map_err(|error| Failed {
        error,
        server,
        reached: true,
    })
}

/// The body, ready to be sent. A slow client holds no server meanwhile.
async fn receive(pool: &Pool, head: &RequestHead, incoming: Incoming) -> Result<Upload, Error> {
    match head.content_length {
        Some(0) => Ok(Upload::empty()),
        Some(_) if !pool.config.request_buffering => Ok(Upload::live(incoming)),
        _ => {
            let _counted = pool.upload()?;
            Upload::receive(incoming, &pool.config).await
        }
    }
}

/// Tries servers until one replies.
async fn reach(
    pool: &Pool,
    head: &RequestHead,
    packet: &Bytes,
    upload: &mut Upload,
    slot: &mut Slot,
    deadline: Deadline,
) -> Result<Reply, Failed> {
    let (mut tries, mut reached) = (0, false);
    loop {
        tries += 1;
        let mut progress = Progress::Nothing;
        let error = match attempt(pool, head, packet, upload, slot, deadline, &mut progress).await {
            Ok(reply) => {
                slot.succeeded();
                return Ok(reply);
            }
            Err(error) => error,
        };
        if error.marks_server() {
            slot.failed();
        }
        reached |= progress >= Progress::Sent;
        let server = slot.server().address.to_string();
        let harmless = match progress {
            Progress::Nothing => true,
            Progress::Sent => request::is_idempotent(&head.method),
            Progress::Replied => false,
        };
        let again = harmless
            && matches!(error, Error::Server(_))
            && tries < pool.config.tries
            && !deadline.has_passed()
            && upload.rewind().await
            && slot.move_on();
        if !again {
            return Err(Failed { error, server, reached });
        }
        let next = &slot.server().address;
        warn!(pool = pool.config.name, %server, kind = error.kind_name(), reached, "{error}; trying {next}");
        pool.metrics.failure(&pool.config.name, &server, error.kind_name());
    }
}

/// One server, up to its reply's head.
async fn attempt(
    pool: &Pool,
    head: &RequestHead,
    packet: &Bytes,
    upload: &mut Upload,
    slot: &Slot,
    deadline: Deadline,
    progress: &mut Progress,
) -> Result<Reply, Error> {
    let server = slot.server();
    server.metrics.requests.inc();
    let started = Instant::now();
    let until = deadline.within(pool.config.connect_timeout.0);
    let socket = connect(server.address.endpoint(), until).await?;
    let head_only = head.method == "HEAD";
    let reply = exchange(socket, packet.clone(), upload, head_only, &pool.config, deadline, progress).await?;
    server.metrics.reply_head.observe(started.elapsed().as_secs_f64());
    Ok(reply)
}

async fn relay(mut reply: Reply, method: &str, server: &str, replies: &Replies) -> Result<(), Error> {
    let head = &mut reply.head;
    let mut fields: Vec<Field> =
        head.fields.drain(..).map(|field| Field { name: field.name, value: field.value }).collect();
    // To HEAD it tells the length of what GET would give. For a 204 or a 304 it would tell of a body that
    // never comes.
    if let Some(length) =
        head.content_length.filter(|_| method == "HEAD" || !uwsgi::body::bodiless(head.status))
    {
        let name = Bytes::from_static(b"content-length");
        fields.push(Field { name, value: length.to_string().into() });
    }
    let head = ReplyHead { status: head.status.into(), fields, server: server.to_owned() };
    replies.send(Message::Head(head)).await?;
    while let Some(piece) = reply.next().await? {
        replies.send(Message::Chunk(piece)).await?;
    }
    replies.send(Message::End(End {})).await
}
