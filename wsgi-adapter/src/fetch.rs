//! One request's way to the application and its reply's way back, top to bottom.

use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use process::wait::within;
use tracing::{Span, warn};
use weir_proto::fetch::Rest;
use weir_proto::origin::fetch_reply::Message;
use weir_proto::origin::{End, Field, ReplyHead, RequestHead};

use crate::config::{PoolConfig, ServerConfig};
use crate::deadline::Deadline;
use crate::error::{Error, ServerError};
use crate::exchange::connect::connect;
use crate::exchange::idle::Connection;
use crate::exchange::tunnel;
use crate::exchange::{Outgoing, Progress, Reply, exchange};
use crate::pool::{Pool, Slot};
use crate::replies::{Reader, Replies};
use crate::request::openings::Openings;
use crate::request::protocol::Dialect;
use crate::request::upload::{Incoming, Upload};
use crate::request::{self, Told};
use crate::spans;

/// A reply's head waits so long for the beginning of its body, which servers send behind it, so that both go over the network together.
const MOMENT: Duration = Duration::from_millis(10);

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
    messages: Rest,
    replies: &Replies,
    span: &Span,
) -> Result<(), Failed> {
    let config = &pool.config;
    let unknown = may_stay_unknown(config, head);
    // Refused before a byte of the body is received.
    let told = match head.content_length {
        Some(length) => request::told(head, length),
        None if unknown => Told::Unknown,
        None => Told::Nothing,
    };
    let mut openings = Openings::new(head, told, config)?;
    let (mut upload, messages) = if head.upgrade.is_empty() {
        let incoming = Incoming::new(messages, head.content_length, config)?;
        (replies.while_wanted(pin!(receive(pool, head, incoming, unknown))).await?, None)
    } else {
        // What follows belongs to the protocol that is switched to, once it is.
        (Upload::empty(), Some(messages))
    };
    if let (None, Some(length)) = (head.content_length, upload.length()) {
        openings = Openings::new(head, Told::Length(length), config)?;
    }

    // A slow client's upload is not the application's time: the edge has a limit of its own for that.
    let deadline = Deadline::in_millis(head.deadline_ms);
    let slot = async { Ok(pool.slot(head, deadline).await?) };
    let mut slot = replies.while_wanted(pin!(slot)).await?;
    let mut reply = reach(pool, head, &mut openings, &mut upload, &mut slot, replies, deadline).await?;
    slot.bind(head, &mut reply.head.fields);
    let server = slot.server().address.as_str();
    spans::replied(span, server, reply.head.status);
    let relayed = match messages {
        Some(messages) if reply.head.status == 101 => {
            let _counted = pool.metrics.tunnel(&config.name);
            Box::pin(switch(reply, server, messages, replies, config)).await
        }
        _ => relay(pool, reply, &head.method, server, replies).await,
    };
    relayed.map_err(|error| {
        if let Error::Server(_) = error {
            slot.failed(error.kind_name(), error.marks_server());
        }
        Failed { error, server: server.to_owned(), reached: true }
    })
}

fn streams(pool: &PoolConfig, head: &RequestHead) -> bool {
    head.stream_body || !pool.request_buffering
}

/// May a body of unknown length be passed on as it comes?
fn may_stay_unknown(pool: &PoolConfig, head: &RequestHead) -> bool {
    let takes = |server: &ServerConfig| Dialect::of(&server.address, pool).takes_unknown_length();
    head.content_length.is_none() && streams(pool, head) && pool.servers.iter().all(takes)
}

/// The body, ready to be sent. A slow client holds no server meanwhile.
async fn receive(
    pool: &Pool,
    head: &RequestHead,
    incoming: Incoming,
    unknown: bool,
) -> Result<Upload, Error> {
    match head.content_length {
        Some(0) => Ok(Upload::empty()),
        Some(_) if streams(&pool.config, head) => Ok(Upload::live(incoming)),
        None if unknown => Ok(Upload::live(incoming)),
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
    openings: &mut Openings<'_>,
    upload: &mut Upload,
    slot: &mut Slot,
    replies: &Replies,
    deadline: Deadline,
) -> Result<Reply, Failed> {
    let (mut tries, mut reached) = (0, false);
    loop {
        tries += 1;
        let mut progress = Progress::Nothing;
        let error = match attempt(pool, head, openings, upload, slot, replies, deadline, &mut progress).await
        {
            Ok(reply) => {
                slot.replied(reply.head.status);
                return Ok(reply);
            }
            Err(error) => error,
        };
        if let Error::Server(_) = error {
            slot.failed(error.kind_name(), error.marks_server());
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
#[allow(clippy::too_many_arguments)] // each of them is of another owner
async fn attempt(
    pool: &Pool,
    head: &RequestHead,
    openings: &mut Openings<'_>,
    upload: &mut Upload,
    slot: &Slot,
    replies: &Replies,
    deadline: Deadline,
    progress: &mut Progress,
) -> Result<Reply, Error> {
    let server = slot.server();
    server.metrics.requests.inc();
    let config = &pool.config;
    let dialect = Dialect::of(&server.address, config);
    let outgoing = Outgoing {
        dialect,
        opening: openings.of(dialect)?,
        body: openings.body,
        head_only: head.method == "HEAD",
        idempotent: request::is_idempotent(&head.method),
        form: dialect.form(head),
    };
    let mut reply = None;
    if let Some(connection) = kept(pool, head, dialect, server.address.as_str()) {
        match exchange(connection, outgoing.clone(), upload, replies, config, deadline, progress).await {
            // It was about to be closed when the request came: that says nothing of the server.
            Err(Error::Server(ServerError::Closed | ServerError::Lost(_)))
                if *progress < Progress::Replied && upload.rewind().await =>
            {
                *progress = Progress::Nothing;
            }
            exchanged => reply = Some(exchanged?),
        }
    }
    match reply {
        Some(reply) => Ok(reply),
        None => {
            let until = deadline.within(config.connect_timeout.0);
            let connection = Connection::new(connect(server.address.endpoint(), until).await?);
            exchange(connection, outgoing, upload, replies, config, deadline, progress).await
        }
    }
}

/// A connection that the server has kept open. It may close just now, so only for a request that may be sent
/// again.
fn kept(pool: &Pool, head: &RequestHead, dialect: Dialect, server: &str) -> Option<Connection> {
    let may = dialect.keeps_connections() && request::is_idempotent(&head.method) && head.upgrade.is_empty();
    if may { pool.idle.take(server, &pool.config.keepalive) } else { None }
}

async fn relay(
    pool: &Pool,
    mut reply: Reply,
    method: &str,
    server: &str,
    replies: &Replies,
) -> Result<(), Error> {
    let head = &mut reply.head;
    let mut fields: Vec<Field> = mem::take(&mut head.fields)
        .into_iter()
        .map(|field| Field { name: field.name, value: field.value })
        .collect();
    // To HEAD it tells the length of what GET would give. For a 204 or a 304 it would tell of a body that
    // never comes.
    if let Some(length) =
        head.content_length.filter(|_| method == "HEAD" || !uwsgi::body::bodiless(head.status))
    {
        let name = Bytes::from_static(b"content-length");
        fields.push(Field { name, value: length.to_string().into() });
    }
    let (status, server_name) = (head.status.into(), server.to_owned());
    let head = ReplyHead { status, fields, server: server_name, ..ReplyHead::default() };
    // An edge that leaves here closes the connection: the server finds out when it next writes.
    let mut first = None;
    if replies.reader() == Reader::Network {
        first = replies.while_wanted(pin!(async { Ok(within(MOMENT, reply.next()).await.ok()) })).await?;
    }
    replies.send(Message::Head(head)).await?;
    let mut next = match first {
        Some(piece) => piece?,
        None => replies.while_wanted(pin!(async { Ok(reply.next().await?) })).await?,
    };
    while let Some(piece) = next {
        replies.send(Message::Chunk(piece)).await?;
        next = replies.while_wanted(pin!(async { Ok(reply.next().await?) })).await?;
    }
    if let Some(connection) = reply.into_connection() {
        pool.idle.park(server, connection, &pool.config.keepalive);
    }
    replies.send(Message::End(End {})).await
}

/// After 101 the connection is a tunnel.
async fn switch(
    reply: Reply,
    server: &str,
    messages: Rest,
    replies: &Replies,
    config: &PoolConfig,
) -> Result<(), Error> {
    let upgrade = reply.head.upgrade.clone().unwrap_or_default();
    let fields = reply.head.fields.iter();
    let head = ReplyHead {
        status: reply.head.status.into(),
        fields: fields.map(|field| Field { name: field.name.clone(), value: field.value.clone() }).collect(),
        server: server.to_owned(),
        upgrade: String::from_utf8_lossy(&upgrade).into_owned(),
    };
    replies.send(Message::Head(head)).await?;
    let (socket, received) = reply.into_tunnel();
    tunnel::run(socket, received, messages, replies, config.tunnel_timeout.0).await?;
    replies.send(Message::End(End {})).await
}
