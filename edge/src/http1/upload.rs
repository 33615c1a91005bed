//! The upload side: takes a request's body off the connection, exactly as its framing says, and passes it to
//! the reader.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::request::body::{BodyFault, Chunks};
use http1::chunked::{ChunkStep, Decoder};
use http1::head::Framing;

/// Bytes read from the socket at once.
const READ: usize = 16 * 1024;

/// So much of a body that nobody wants is read in vain, so that the connection can be used again.
const MOST_IN_VAIN: usize = 256 * 1024;

/// How the upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadEnd {
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
    chunks: mpsc::Sender<Result<Bytes, BodyFault>>,
    patience: Duration,
) -> UploadEnd {
    let fault = match framing {
        Framing::None => return UploadEnd::Whole,
        Framing::Length(length) => pump_length(stream, buffer, length, &chunks, patience).await,
        Framing::Chunked => pump_chunked(stream, buffer, &chunks, patience).await,
    };
    match fault {
        Ok(end) => end,
        Err(fault) => {
            let _ = chunks.send(Err(fault)).await;
            UploadEnd::Unusable
        }
    }
}

async fn pump_length<R: AsyncRead + Unpin>(
    stream: &mut R,
    buffer: &mut BytesMut,
    mut left: u64,
    chunks: &Chunks,
    patience: Duration,
) -> Result<UploadEnd, BodyFault> {
    let mut vain = InVain::default();
    while left > 0 {
        if buffer.is_empty() {
            fill(stream, buffer, patience).await?;
        }
        let take = left.min(buffer.len() as u64);
        left -= take;
        if !vain.taken(chunks, buffer.split_to(take as usize).freeze()).await {
            return Ok(UploadEnd::Unusable);
        }
    }
    Ok(UploadEnd::Whole)
}

async fn pump_chunked<R: AsyncRead + Unpin>(
    stream: &mut R,
    buffer: &mut BytesMut,
    chunks: &Chunks,
    patience: Duration,
) -> Result<UploadEnd, BodyFault> {
    let (mut decoder, mut vain) = (Decoder::default(), InVain::default());
    loop {
        let (data, is_over) = decode(&mut decoder, buffer)?;
        if !data.is_empty() && !vain.taken(chunks, data).await {
            return Ok(UploadEnd::Unusable);
        }
        if is_over {
            return Ok(UploadEnd::Whole);
        }
        fill(stream, buffer, patience).await?;
    }
}

/// Bytes that were read although nobody wants them.
#[derive(Default)]
struct InVain(usize);

impl InVain {
    /// Hands a piece up, or discards it. False: nobody wants the body, and there is too much of it.
    async fn taken(&mut self, chunks: &Chunks, piece: Bytes) -> bool {
        let length = piece.len();
        if chunks.send(Ok(piece)).await.is_err() {
            self.0 += length;
        }
        self.0 <= MOST_IN_VAIN
    }
}

/// The data of all chunks that `buffer` holds, in one piece however small they are, and whether the body is
/// over. What is left in `buffer` follows the body.
fn decode(decoder: &mut Decoder, buffer: &mut BytesMut) -> Result<(Bytes, bool), BodyFault> {
    let mut data = BytesMut::new();
    loop {
        match decoder.next(buffer).map_err(|_| BodyFault::Malformed)? {
            ChunkStep::NeedMore => {
                // All of it was processed.
                buffer.clear();
                return Ok((data.freeze(), false));
            }
            ChunkStep::Data(range) => {
                let mut taken = buffer.split_to(range.end);
                let chunk = taken.split_off(range.start);
                if data.is_empty() {
                    data = chunk;
                } else {
                    data.extend_from_slice(&chunk);
                }
            }
            ChunkStep::End(used) => {
                buffer.advance(used);
                return Ok((data.freeze(), true));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_read_is_one_message_however_small_its_chunks_are() {
        let body: String = (0..5000).map(|_| "1\r\nx\r\n").collect::<String>() + "0\r\n\r\nGET /next";
        let (sender, mut receiver) = mpsc::channel(64);
        let (mut stream, mut buffer) = (body.as_bytes(), BytesMut::new());
        let patience = Duration::from_secs(1);
        let end = pump(&mut stream, &mut buffer, Framing::Chunked, sender, patience).await;
        assert_eq!(end, UploadEnd::Whole);
        let (mut messages, mut bytes) = (0, 0);
        while let Some(chunk) = receiver.recv().await {
            let chunk = chunk.unwrap();
            assert!(chunk.iter().all(|byte| *byte == b'x'));
            messages += 1;
            bytes += chunk.len();
        }
        assert_eq!(bytes, 5000);
        assert!(messages <= 3, "{messages} messages of {} bytes on the wire", body.len());
        buffer.extend_from_slice(stream);
        assert_eq!(&buffer[..], b"GET /next");
    }
}
