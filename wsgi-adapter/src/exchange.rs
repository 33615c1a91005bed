//! One request and its reply on one connection, as uwsgi has it: packet and body there, head and body back.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{timeout, timeout_at};
use uwsgi::body::{Decoder, Step};
use uwsgi::reply::{Head, Limits, Parser};

use crate::config::PoolConfig;
use crate::connect::Socket;
use crate::deadline::Deadline;
use crate::error::{Error, ServerError};
use crate::upload::Upload;

/// What is read from a server at once, so the most of a chunk to the edge.
const READ: usize = 32 * 1024;
/// Field lines in a reply's head.
const MAX_FIELDS: usize = 256;

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

/// A reply whose head has come.
pub(crate) struct Reply {
    pub(crate) head: Head,
    reader: ReadHalf<Box<dyn Socket>>,
    /// Kept, for a server may take a half-closed connection for a client that left.
    _writer: WriteHalf<Box<dyn Socket>>,
    received: BytesMut,
    body: Decoder,
    patience: Duration,
}

/// Sends the request and waits for the reply's head. `progress` is right even where this fails or is dropped.
pub(crate) async fn exchange(
    socket: Box<dyn Socket>,
    packet: Bytes,
    upload: &mut Upload,
    head_only: bool,
    pool: &PoolConfig,
    deadline: Deadline,
    progress: &mut Progress,
) -> Result<Reply, Error> {
    let (mut reader, mut writer) = tokio::io::split(socket);
    let mut received = BytesMut::with_capacity(READ);
    let mut outgoing = Outgoing { packet, upload };
    let mut closed = false;
    loop {
        tokio::select! {
            biased;
            // An application may answer before it has read the whole body. The rest of it is not wanted then.
            read = reader.read_buf(&mut received) => {
                closed = end_of_input(read)?;
                break;
            }
            sent = outgoing.send(&mut writer, pool, deadline) => match sent {
                Ok(true) => *progress = Progress::Sent,
                Ok(false) => break,
                // It takes no more, but may have said why.
                Err(Error::Server(ServerError::Lost(_))) => break,
                Err(error) => return Err(error),
            },
        }
    }

    let mut parser = Parser::new(Limits { head: pool.reply_head.bytes(), fields: MAX_FIELDS });
    loop {
        if !received.is_empty() {
            *progress = Progress::Replied;
        }
        if let Some(head) = parser.parse(&mut received).map_err(ServerError::BadReply)? {
            let (body, patience) = (Decoder::new(&head, head_only), pool.read_timeout.0);
            return Ok(Reply { head, reader, _writer: writer, received, body, patience });
        }
        if closed {
            let nothing = *progress < Progress::Replied;
            return Err(if nothing { ServerError::Closed } else { ServerError::CutHead }.into());
        }
        make_room(&mut received);
        let read = timeout_at(deadline.within(pool.read_timeout.0), reader.read_buf(&mut received)).await;
        closed = end_of_input(read.map_err(|_| ServerError::ReplyTimeout)?)?;
    }
}

/// A new buffer only when little is left of the old one, which pieces on their way to the edge share.
fn make_room(buffer: &mut BytesMut) {
    if buffer.capacity() - buffer.len() < READ / 4 {
        buffer.reserve(READ);
    }
}

fn end_of_input(read: io::Result<usize>) -> Result<bool, ServerError> {
    read.map(|count| count == 0).map_err(ServerError::Lost)
}

struct Outgoing<'a> {
    packet: Bytes,
    upload: &'a mut Upload,
}

impl Outgoing<'_> {
    /// Sends some more. False: all has been sent.
    async fn send(
        &mut self,
        writer: &mut WriteHalf<Box<dyn Socket>>,
        pool: &PoolConfig,
        deadline: Deadline,
    ) -> Result<bool, Error> {
        if self.packet.is_empty() {
            match self.upload.next().await? {
                Some(piece) => self.packet = piece,
                None => return Ok(false),
            }
        }
        let wrote =
            timeout_at(deadline.within(pool.send_timeout.0), writer.write_buf(&mut self.packet)).await;
        match wrote.map_err(|_| ServerError::SendTimeout)? {
            Ok(0) => Err(ServerError::Lost(io::ErrorKind::WriteZero.into()).into()),
            Ok(_) => Ok(true),
            Err(error) => Err(ServerError::Lost(error).into()),
        }
    }
}

impl Reply {
    /// The next piece of the body, as soon as it is there. `None`: the body is whole.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ServerError> {
        loop {
            match self.body.step(&mut self.received)? {
                Step::Data(data) => return Ok(Some(data)),
                Step::Done => return self.nothing_follows().map(|()| None),
                Step::NeedMore => {}
            }
            make_room(&mut self.received);
            let read = timeout(self.patience, self.reader.read_buf(&mut self.received)).await;
            match read.map_err(|_| ServerError::BodyTimeout)? {
                Ok(0) => return Ok(self.body.closed().map(|()| None)?),
                Ok(_) => {}
                Err(error) => return Err(ServerError::BodyLost(error)),
            }
        }
    }

    /// What has arrived behind a body that ends by its length makes that length a lie. What may arrive later
    /// is never read.
    fn nothing_follows(&mut self) -> Result<(), ServerError> {
        let _ = self.reader.read_buf(&mut self.received).now_or_never();
        self.body.step(&mut self.received)?;
        Ok(())
    }
}
