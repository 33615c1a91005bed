//! One request and its reply on one connection, whatever the protocol: opening and body there, head and body
//! back, both at once.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt;
use process::wait::within;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout_at;
use uwsgi::body::{Decoder, Step};
use uwsgi::reply::{Form, Head, Limits, Parser};

use crate::config::PoolConfig;
use crate::deadline::Deadline;
use crate::error::{Error, ServerError};
use crate::exchange::connect::{Socket, Writer};
use crate::exchange::idle::Connection;
use crate::replies::Replies;
use crate::request::Told;
use crate::request::protocol::{Dialect, Unpacking};
use crate::request::upload::Upload;

pub(crate) mod connect;
pub(crate) mod idle;
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

/// A request, ready to be sent to a server of this dialect.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) dialect: Dialect,
    pub(crate) opening: Bytes,
    pub(crate) body: Told,
    /// HEAD: the reply has no body.
    pub(crate) head_only: bool,
    /// An application may stop working at it when the client has left.
    pub(crate) idempotent: bool,
    pub(crate) form: Form,
}

/// A reply whose head has come.
pub(crate) struct Reply {
    pub(crate) head: Head,
    connection: Connection,
    unpacking: Unpacking,
    received: BytesMut,
    body: Decoder,
    /// The reply has ended, or its connection.
    closed: bool,
    /// The request was sent whole, and the server keeps the connection for another one.
    reusable: bool,
    patience: Duration,
}

/// Sends the request and waits for the reply's head. `progress` is right even where this fails or is dropped.
///
/// When nobody wants the reply any more, what was sent whole is waited for all the same: the server works at it,
/// and its place is not free before it has done so.
pub(crate) async fn exchange(
    mut connection: Connection,
    outgoing: Outgoing,
    upload: &mut Upload,
    replies: &Replies,
    pool: &PoolConfig,
    deadline: Deadline,
    progress: &mut Progress,
) -> Result<Reply, Error> {
    let Outgoing { dialect, opening, body, head_only, idempotent, form } = outgoing;
    let (mut reader, mut writer) = connection.socket.split();
    let mut unpacking = dialect.unpacking();
    let mut received = BytesMut::new();
    let mut sending = Sending { dialect, body, upload, pieces: VecDeque::from([opening]), last: false };
    let mut sent_whole = false;
    let mut closed = false;
    while !sent_whole {
        tokio::select! {
            biased;
            () = replies.unwanted() => return Err(Error::Unread),
            // An application may answer before it has read the whole body. The rest of it is not wanted then.
            read = reader.read_into(unpacking.target(&mut received)) => {
                closed = end_of_input(read)?;
                break;
            }
            sent = sending.send(&mut writer, pool, deadline) => match sent {
                Ok(true) => *progress = Progress::Sent,
                Ok(false) => sent_whole = true,
                // It takes no more, but may have said why.
                Err(Error::Server(ServerError::Lost(_))) => break,
                Err(error) => return Err(error),
            },
        }
    }

    let mut wanted = true;
    let mut parser = Parser::new(Limits { head: pool.reply_head.bytes(), fields: MAX_FIELDS }, form);
    loop {
        closed = unpacking.unpack(&mut received, closed)?;
        if !received.is_empty() {
            *progress = Progress::Replied;
            if !wanted {
                return Err(Error::Unread);
            }
        }
        if let Some(head) = parser.parse(&mut received).map_err(ServerError::BadReply)? {
            let reusable = sent_whole && !closed && head.persistent && dialect.keeps_connections();
            let (body, patience) = (Decoder::new(&head, head_only), pool.read_timeout.0);
            return Ok(Reply { head, connection, unpacking, received, body, closed, reusable, patience });
        }
        if closed {
            let nothing = *progress < Progress::Replied;
            return Err(if nothing { ServerError::Closed } else { ServerError::CutHead }.into());
        }
        let until = deadline.within(pool.read_timeout.0);
        let target = unpacking.target(&mut received);
        tokio::select! {
            biased;
            read = timeout_at(until, reader.read_into(target)) => {
                closed = end_of_input(read.map_err(|_| ServerError::ReplyTimeout)?)?;
            }
            () = replies.unwanted(), if wanted => {
                wanted = false;
                // An asynchronous server sees it and cancels its work; others go on to the end.
                if idempotent {
                    let _ = writer.shutdown().await;
                }
            }
        }
    }
}

fn end_of_input(read: io::Result<usize>) -> Result<bool, ServerError> {
    read.map(|count| count == 0).map_err(ServerError::Lost)
}

struct Sending<'a> {
    dialect: Dialect,
    body: Told,
    upload: &'a mut Upload,
    pieces: VecDeque<Bytes>,
    /// Nothing follows `pieces`.
    last: bool,
}

impl Sending<'_> {
    /// Sends some more. False: all has been sent.
    async fn send(
        &mut self,
        writer: &mut Writer<'_>,
        pool: &PoolConfig,
        deadline: Deadline,
    ) -> Result<bool, Error> {
        // What is there already goes along with the opening.
        while !self.last && (self.pieces.is_empty() || self.upload.is_ready()) {
            match self.upload.next().await? {
                Some(piece) => self.dialect.piece(piece, self.body, &mut self.pieces),
                None => {
                    self.last = true;
                    self.pieces.extend(Some(self.dialect.end(self.body)).filter(|end| !end.is_empty()));
                }
            }
        }
        if self.pieces.is_empty() {
            return Ok(false);
        }
        let mut slices = [IoSlice::new(&[]); VECTORS];
        let count = self.pieces.len().min(VECTORS);
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
        }
        let slices = &slices[..count];
        let wrote = match writer.write_now(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let until = deadline.within(pool.send_timeout.0);
                let writing = timeout_at(until, writer.write_vectored(slices));
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

    /// So many bytes of `pieces` have been sent.
    fn take_off(&mut self, mut left: usize) {
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
            // Where there is no body, what came in its place is dropped: its end is not known.
            self.reusable &= self.received.is_empty() || self.body.has_body();
            match self.body.step(&mut self.received)? {
                Step::Data(data) => return Ok(Some(data)),
                Step::Done => return self.nothing_follows().map(|()| None),
                Step::NeedMore if self.closed => return Ok(self.body.closed().map(|()| None)?),
                Step::NeedMore => {}
            }
            let (mut reader, _) = self.connection.socket.split();
            let target = self.unpacking.target(&mut self.received);
            let read = within(self.patience, reader.read_into(target)).await;
            let read = read.map_err(|_| ServerError::BodyTimeout)?.map_err(ServerError::BodyLost)?;
            self.closed = self.unpack(read == 0)?;
        }
    }

    /// The connection, if another request may follow on it. To be asked when the body is whole.
    pub(crate) fn into_connection(self) -> Option<Connection> {
        self.reusable.then_some(self.connection)
    }

    /// The connection after 101, and what has come behind the head.
    pub(crate) fn into_tunnel(self) -> (Socket, BytesMut) {
        (self.connection.socket, self.received)
    }

    /// What has arrived behind a body that ends by its length makes that length a lie. What may arrive later
    /// is never read.
    fn nothing_follows(&mut self) -> Result<(), ServerError> {
        if !self.closed {
            let (mut reader, _) = self.connection.socket.split();
            let read = reader.read_into(self.unpacking.target(&mut self.received)).now_or_never();
            self.closed = self.unpack(matches!(read, Some(Ok(0) | Err(_))))?;
            self.reusable &= read.is_none();
        }
        self.body.step(&mut self.received)?;
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
