//! One request and its reply on one connection, whatever the protocol: opening and body there, head and body
//! back, both at once.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt;
use http1::reply::body::{BodyDecoder, BodyStep};
use http1::reply::{ResponseForm, ResponseHead, ResponseLimits, ResponseParser};
use process::wait::within;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout_at;
use weir_proto::origin::fetch_reply::Message;
use weir_proto::origin::{Field, Hints};

use crate::config::PoolConfig;
use crate::deadline::Deadline;
use crate::error::{Error, ServerError};
use crate::exchange::connect::{Socket, Writer};
use crate::exchange::idle::Connection;
use crate::replies::Replies;
use crate::request::BodyLength;
use crate::request::protocol::{Dialect, ReplyDecoder};
use crate::request::upload::Upload;

pub(crate) mod connect;
pub(crate) mod idle;
mod look_up;
pub(crate) mod secure;
pub(crate) mod tunnel;

/// Field lines in a reply's head.
const MAX_FIELDS: usize = 256;
/// Pieces that go to the system in one call.
const VECTORS: usize = 8;

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    /// The server has seen nothing of the request.
    Nothing,
    /// It has, and may have acted on it.
    Sent,
    /// It has begun to reply.
    Replied,
}

/// A request in the dialect of the server that it goes to.
#[derive(Clone, Debug)]
pub(crate) struct ServerRequest<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) opening: &'a [u8],
    pub(crate) body: BodyLength,
    /// The request is HEAD: the reply has no body.
    pub(crate) head_only: bool,
    /// An application may stop working at it when the client has left.
    pub(crate) idempotent: bool,
    pub(crate) form: ResponseForm<'a>,
}

/// A reply whose head has come.
pub(crate) struct Reply {
    pub(crate) head: ResponseHead,
    connection: Connection,
    unpacking: ReplyDecoder,
    received: BytesMut,
    body: BodyDecoder,
    /// The reply has ended, or its connection.
    closed: bool,
    /// The request was sent whole, and the server keeps the connection for another one.
    reusable: bool,
    patience: Duration,
}

/// What one request's exchanges with servers have in common.
pub(crate) struct Exchange<'a> {
    pub(crate) upload: &'a mut Upload,
    pub(crate) replies: &'a Replies,
    pub(crate) config: &'a PoolConfig,
    pub(crate) deadline: Deadline,
    /// How long the server may take between two parts of its reply.
    pub(crate) patience: Duration,
    /// Interim replies 103 are passed on.
    pub(crate) hints: bool,
    /// It is right even where an exchange fails or is dropped.
    pub(crate) progress: &'a mut Progress,
}

/// How sending has ended.
enum SendResult {
    Whole,
    /// The server has replied, or takes no more. True: it has closed its side.
    Stopped(bool),
}

impl Exchange<'_> {
    /// Sends the request and waits for the reply's head.
    ///
    /// When nobody wants the reply any more, a request that was sent whole is waited for all the same: the
    /// server works at it, and its place is not free before it has done so.
    pub(crate) async fn run(
        &mut self,
        mut connection: Connection,
        outgoing: ServerRequest<'_>,
    ) -> Result<Reply, Error> {
        let ServerRequest { dialect, head_only, idempotent, form, .. } = outgoing;
        let mut unpacking = dialect.unpacking();
        let mut received = BytesMut::new();
        let sent = self.send(&mut connection, outgoing, unpacking.target(&mut received)).await?;
        let sent_whole = matches!(sent, SendResult::Whole);
        let mut closed = matches!(sent, SendResult::Stopped(true));

        let (mut reader, mut writer) = connection.socket.split();
        let mut wanted = true;
        let limits = ResponseLimits { head: self.config.reply_head.bytes(), fields: MAX_FIELDS };
        let mut parser = ResponseParser::new(limits, form);
        loop {
            closed = unpacking.unpack(&mut received, closed)?;
            if !received.is_empty() {
                *self.progress = Progress::Replied;
                if !wanted {
                    return Err(Error::Unread);
                }
            }
            let parsed = parser.parse(&mut received).map_err(ServerError::BadReply)?;
            let hints = parser.take_hints();
            for hint in hints.into_iter().filter(|_| self.hints && wanted) {
                self.replies.send(Message::Hints(told_hints(hint))).await?;
            }
            if let Some(head) = parsed {
                // RFC 9110 section 15.3.6: 205 has no content, but its framing is that of any other reply:
                // where that ends is not looked for. Nor is it for HEAD: an application that has sent a head
                // may still be at work on a body that nobody sees, and takes no other request before its end.
                let ends = (head.status != 205 && !head_only) || head.content_length == Some(0);
                let reusable =
                    sent_whole && !closed && head.persistent && ends && dialect.keeps_connections();
                let (body, patience) = (BodyDecoder::new(&head, head_only), self.patience);
                return Ok(Reply { head, connection, unpacking, received, body, closed, reusable, patience });
            }
            if closed {
                let nothing = *self.progress < Progress::Replied;
                return Err(if nothing { ServerError::Closed } else { ServerError::CutHead }.into());
            }
            let until = self.deadline.within(self.patience);
            let target = unpacking.target(&mut received);
            tokio::select! {
                biased;
                read = timeout_at(until, reader.read_into(target)) => {
                    closed = end_of_input(read.map_err(|_| ServerError::ReplyTimeout)?)?;
                }
                () = self.replies.unwanted(), if wanted => {
                    wanted = false;
                    // An asynchronous server sees it and cancels its work; others go on to the end.
                    if idempotent {
                        let _ = writer.shutdown().await;
                    }
                }
            }
        }
    }

    /// Sends the request, until the server begins to reply.
    async fn send(
        &mut self,
        connection: &mut Connection,
        outgoing: ServerRequest<'_>,
        received: &mut BytesMut,
    ) -> Result<SendResult, Error> {
        let (mut reader, mut writer) = connection.socket.split();
        let ServerRequest { dialect, opening, body, .. } = outgoing;
        let (upload, pieces) = (&mut *self.upload, VecDeque::new());
        let mut output = Output { dialect, body, upload, opening, pieces, last: false };
        if self.replies.is_unwanted() {
            return Err(Error::Unread);
        }
        // A request that is at hand goes out at once, mostly whole: nothing else is waited for meanwhile.
        while output.upload.is_ready() {
            match output.send(&mut writer, self.config, self.deadline).now_or_never() {
                Some(Ok(true)) => *self.progress = Progress::Sent,
                Some(sent) => return stopped(sent.map(|_| ())),
                None => break,
            }
        }
        loop {
            tokio::select! {
                biased;
                () = self.replies.unwanted() => return Err(Error::Unread),
                // An application may answer before it has read the whole body. The rest of it is not wanted
                // then.
                read = reader.read_into(received) => return Ok(SendResult::Stopped(end_of_input(read)?)),
                sent = output.send(&mut writer, self.config, self.deadline) => match sent {
                    Ok(true) => *self.progress = Progress::Sent,
                    sent => return stopped(sent.map(|_| ())),
                },
            }
        }
    }
}

/// How sending has ended: with the whole request, or with this error.
fn stopped(sent: Result<(), Error>) -> Result<SendResult, Error> {
    match sent {
        Ok(()) => Ok(SendResult::Whole),
        // It takes no more, but may have said why.
        Err(Error::Server(ServerError::Lost(_))) => Ok(SendResult::Stopped(false)),
        Err(error) => Err(error),
    }
}

fn told_hints(head: ResponseHead) -> Hints {
    let fields = head.fields.into_iter().map(|field| Field { name: field.name, value: field.value });
    Hints { fields: fields.collect() }
}

fn end_of_input(read: io::Result<usize>) -> Result<bool, ServerError> {
    read.map(|count| count == 0).map_err(ServerError::Lost)
}

/// What is still to be sent of a request.
struct Output<'a> {
    dialect: Dialect,
    body: BodyLength,
    upload: &'a mut Upload,
    opening: &'a [u8],
    /// What follows the opening.
    pieces: VecDeque<Bytes>,
    /// Nothing follows `pieces`.
    last: bool,
}

impl Output<'_> {
    /// Sends some more. False: all has been sent.
    async fn send(
        &mut self,
        writer: &mut Writer<'_>,
        pool: &PoolConfig,
        deadline: Deadline,
    ) -> Result<bool, Error> {
        // What is there already goes along with the opening.
        while !self.last && (self.is_empty() || self.upload.is_ready()) {
            match self.upload.next().await? {
                Some(piece) => self.dialect.piece(piece, self.body, &mut self.pieces),
                None => {
                    self.last = true;
                    self.pieces.extend(Some(self.dialect.end(self.body)).filter(|end| !end.is_empty()));
                }
            }
        }
        if self.is_empty() {
            return Ok(false);
        }
        let mut slices = [IoSlice::new(&[]); VECTORS];
        let mut count = 0;
        let opening = Some(self.opening).filter(|opening| !opening.is_empty());
        for (slice, piece) in
            slices.iter_mut().zip(opening.into_iter().chain(self.pieces.iter().map(|piece| &piece[..])))
        {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let slices = &slices[..count];
        let wrote = match writer.write_now(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let until = deadline.within(pool.send_timeout.0);
                let writing = timeout_at(until, writer.write_some(slices));
                writing.await.map_err(|_| ServerError::SendTimeout)?
            }
            wrote => wrote,
        };
        match wrote.map_err(ServerError::Lost)? {
            0 => Err(ServerError::Lost(io::ErrorKind::WriteZero.into()).into()),
            wrote => {
                self.take_off(wrote);
                Ok(true)
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.opening.is_empty() && self.pieces.is_empty()
    }

    /// Notes that this many bytes have been sent.
    fn take_off(&mut self, mut left: usize) {
        let taken = left.min(self.opening.len());
        self.opening = &self.opening[taken..];
        left -= taken;
        while let Some(piece) = self.pieces.front_mut().filter(|_| left > 0) {
            let taken = piece.len().min(left);
            piece.advance(taken);
            left -= taken;
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
    }
}

impl Reply {
    /// The next piece of the body, as soon as it is there. `None`: the body is whole.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ServerError> {
        loop {
            match self.body.step(&mut self.received)? {
                BodyStep::Data(data) => return Ok(Some(data)),
                BodyStep::Done => return self.nothing_follows().map(|()| None),
                BodyStep::NeedMore if self.closed => return Ok(self.body.closed().map(|()| None)?),
                BodyStep::NeedMore => {}
            }
            let (mut reader, _) = self.connection.socket.split();
            let known = self.body.left().filter(|_| matches!(self.unpacking, ReplyDecoder::Plain));
            let target = self.unpacking.target(&mut self.received);
            let reading = async {
                match known {
                    Some(left) => reader.read_known(target, left).await,
                    None => reader.read_into(target).await,
                }
            };
            let read = within(self.patience, reading).await;
            let read = read.map_err(|_| ServerError::BodyTimeout)?.map_err(ServerError::BodyLost)?;
            self.closed = self.unpack(read == 0)?;
        }
    }

    /// The connection, if another request may follow on it. To be asked when the body is whole.
    pub(crate) fn into_connection(self) -> Option<Connection> {
        self.reusable.then_some(self.connection)
    }

    /// Tells whether this may become a tunnel or a stream of events.
    pub(crate) fn may_last(&self) -> bool {
        self.connection.socket.may_last()
    }

    /// The connection after 101, and what has come behind the head.
    pub(crate) fn into_tunnel(self) -> (Socket, BytesMut) {
        (self.connection.socket, self.received)
    }

    /// The body is whole. What has arrived behind it is no part of any reply: it is dropped, as nginx does,
    /// and with it the connection. What may arrive later is never read, nor is it looked for on a connection
    /// that serves no other request: what came with the end of the body is here already.
    fn nothing_follows(&mut self) -> Result<(), ServerError> {
        if self.reusable && !self.closed && self.received.is_empty() {
            let (mut reader, _) = self.connection.socket.split();
            let read = reader.read_into(self.unpacking.target(&mut self.received)).now_or_never();
            self.closed = self.unpack(matches!(read, Some(Ok(0) | Err(_))))?;
            self.reusable &= read.is_none();
        }
        if !self.received.is_empty() {
            self.reusable = false;
            if self.body.has_body() {
                tracing::warn!("the server sent more than the reply's length; the rest was dropped");
            }
        }
        Ok(())
    }

    fn unpack(&mut self, closed: bool) -> Result<bool, ServerError> {
        match self.unpacking.unpack(&mut self.received, closed) {
            // The edge has the reply's head.
            Err(ServerError::Lost(error)) => Err(ServerError::BodyLost(error)),
            unpacked => unpacked,
        }
    }
}
