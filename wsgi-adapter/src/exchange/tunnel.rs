//! After 101: bytes both ways, in whatever protocol client and application have agreed on, until one side
//! ends or neither has said anything for a while.

use std::time::Duration;

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::StreamExt;
use weir_proto::fetch::BodyMessages;
use weir_proto::origin::fetch_reply::Message;
use weir_proto::origin::fetch_request;

use crate::error::{Error, ServerError};
use crate::exchange::connect::{Reader, Socket, Writer};
use crate::replies::Replies;

/// Read from the server at once.
const READ: usize = 16 * 1024;

/// `received`: what came behind the reply's head. Ok: one side has ended it, or it was idle.
pub(crate) async fn run(
    mut socket: Socket,
    received: BytesMut,
    messages: BodyMessages,
    replies: &Replies,
    idle: Duration,
) -> Result<(), Error> {
    let (reader, writer) = socket.split();
    let heard = Mutex::new(Instant::now());
    tokio::select! {
        ended = down(reader, received, replies, &heard) => ended,
        ended = up(writer, messages, &heard, idle) => ended,
        () = silence(&heard, idle) => Ok(()),
    }
}

async fn down(
    mut reader: Reader<'_>,
    mut received: BytesMut,
    replies: &Replies,
    heard: &Mutex<Instant>,
) -> Result<(), Error> {
    loop {
        if !received.is_empty() {
            replies.send(Message::Chunk(received.split().freeze())).await?;
        }
        received.reserve(READ);
        match reader.read_buf(&mut received).await {
            Ok(0) => return Ok(()),
            Ok(_) => *heard.lock() = Instant::now(),
            Err(error) => return Err(ServerError::BodyLost(error).into()),
        }
    }
}

async fn up(
    mut writer: Writer<'_>,
    mut messages: BodyMessages,
    heard: &Mutex<Instant>,
    patience: Duration,
) -> Result<(), Error> {
    loop {
        let message = messages.next().await;
        let Some(fetch_request::Message::Chunk(piece)) = message.and_then(|message| message.message) else {
            // The client has left. An application may still have something to log, but nobody to say it to.
            return Ok(());
        };
        *heard.lock() = Instant::now();
        let wrote = timeout(patience, writer.write_all(&piece)).await;
        wrote.map_err(|_| ServerError::SendTimeout)?.map_err(ServerError::BodyLost)?;
    }
}

/// Resolves when nothing has come from either side for so long.
async fn silence(heard: &Mutex<Instant>, idle: Duration) {
    loop {
        let until = *heard.lock() + idle;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}
