//! A request with a body: pumps it up while the handler works and while the reply goes down.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::body::BodyPump;
use crate::config::Timeouts;
use crate::head::Framing;
use crate::reply::Reply;
use crate::stream::Stream;
use crate::uplink::{self, UplinkEnd};
use crate::writer::{self, Manner, Sent};

/// The request's body on its way up.
pub(crate) struct Up {
    pub(crate) framing: Framing,
    pub(crate) pump: BodyPump,
    pub(crate) expects_continue: bool,
}

/// Pumps the body up while the handler works and while the reply goes down. The flag says whether the body was read whole.
/// `None`: the client is gone.
pub(crate) async fn both_ways(
    stream: &mut Stream,
    buffer: &mut BytesMut,
    up: Up,
    handling: impl Future<Output = Reply>,
    mut manner: Manner,
    timeouts: &Timeouts,
) -> Option<(Sent, Reply, bool)> {
    let Up { framing, pump: BodyPump { chunks, mut wanted }, expects_continue } = up;
    let (mut read, mut write) = tokio::io::split(stream);
    let pumping = uplink::pump(&mut read, buffer, framing, chunks, timeouts.body.0);
    tokio::pin!(pumping, handling);
    let mut ended = None;
    let mut go_on = !expects_continue;
    let reply = loop {
        tokio::select! {
            biased;
            reply = &mut handling => break reply,
            end = &mut pumping, if go_on && ended.is_none() => ended = Some(end),
            asked = &mut wanted, if !go_on => {
                go_on = true;
                // RFC 9110 section 10.1.1: send 100 (Continue) only once the body is going to be read.
                if asked.is_ok() && request_continue(&mut write, timeouts.send.0).await.is_err() {
                    return None;
                }
            }
        }
    };
    // A body that nobody read whole leaves bytes that must never be taken for a request.
    manner.keep_alive &= ended == Some(UplinkEnd::Whole);
    let sending = writer::send(&mut write, reply, manner, timeouts.send.0);
    tokio::pin!(sending);
    let (sent, reply) = loop {
        tokio::select! {
            biased;
            sent = &mut sending => break sent,
            end = &mut pumping, if go_on && ended.is_none() => ended = Some(end),
        }
    };
    Some((sent, reply, ended == Some(UplinkEnd::Whole)))
}

async fn request_continue<W: tokio::io::AsyncWrite + Unpin>(
    write: &mut W,
    patience: Duration,
) -> io::Result<()> {
    let writing = async {
        write.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        write.flush().await
    };
    match timeout(patience, writing).await {
        Ok(written) => written,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
