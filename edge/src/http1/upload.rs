//! The upload side: takes a request's body off the connection, exactly as its framing says, and passes it to
//! the reader.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::request::body::{BodyFault, Chunks};
use http1::chunked::{Decoder, Step};
use http1::head::Framing;

/// Bytes read from the socket at once.
const READ: usize = 16 * 1024;

/// How the upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UplinkEnd {
    /// Complete: what is left in the buffer belongs to the next request.
    Whole,
    /// Not to be read further; the connection cannot be used again.
    Unusable,
}

/// Uploads the body. `buffer` holds what was read with the head; afterwards it holds what followed the body.
pub(crate) async fn pump<R: AsyncRead + Unpin>(
    stream: &mut R,
    buffer: &mut BytesMut,
    framing: Framing,
    chunks: mpsc::Sender<Result<bytes::Bytes, BodyFault>>,
    patience: Duration,
) -> UplinkEnd {
    let fault = match framing {
        Framing::None => return UplinkEnd::Whole,
        Framing::Length(length) => pump_length(stream, buffer, length, &chunks, patience).await,
        Framing::Chunked => pump_chunked(stream, buffer, &chunks, patience).await,
    };
    match fault {
        Ok(end) => end,
        Err(fault) => {
            let _ = chunks.send(Err(fault)).await;
            UplinkEnd::Unusable
        }
    }
}

async fn pump_length<R: AsyncRead + Unpin>(
    stream: &mut R,
    buffer: &mut BytesMut,
    mut left: u64,
    chunks: &Chunks,
    patience: Duration,
) -> Result<UplinkEnd, BodyFault> {
    while left > 0 {
        if buffer.is_empty() {
            fill(stream, buffer, patience).await?;
        }
        let take = left.min(buffer.len() as u64);
        left -= take;
        if chunks.send(Ok(buffer.split_to(take as usize).freeze())).await.is_err() {
            return Ok(UplinkEnd::Unusable);
        }
    }
    Ok(UplinkEnd::Whole)
}

async fn pump_chunked<R: AsyncRead + Unpin>(
    stream: &mut R,
    buffer: &mut BytesMut,
    chunks: &Chunks,
    patience: Duration,
) -> Result<UplinkEnd, BodyFault> {
    let mut decoder = Decoder::default();
    loop {
        match decoder.next(buffer).map_err(|_| BodyFault::Malformed)? {
            Step::NeedMore => {
                // All of it was processed.
                buffer.clear();
                fill(stream, buffer, patience).await?;
            }
            Step::Data(range) => {
                let mut taken = buffer.split_to(range.end);
                if chunks.send(Ok(taken.split_off(range.start).freeze())).await.is_err() {
                    return Ok(UplinkEnd::Unusable);
                }
            }
            Step::End(used) => {
                buffer.advance(used);
                return Ok(UplinkEnd::Whole);
            }
        }
    }
}

async fn fill<R: AsyncRead + Unpin>(
    stream: &mut R,
    buffer: &mut BytesMut,
    patience: Duration,
) -> Result<(), BodyFault> {
    buffer.reserve(READ);
    match timeout(patience, stream.read_buf(buffer)).await {
        Ok(Ok(1..)) => Ok(()),
        Ok(Ok(0) | Err(_)) => Err(BodyFault::CutOff),
        Err(_) => Err(BodyFault::TooSlow),
    }
}
