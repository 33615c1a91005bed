//! A body that is coded as it arrives. What has arrived is flushed before it waits for more, so that no
//! client waits for what the application has sent.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::coding::encoder::Encoder;
use crate::coding::work::{CodingCapacity, LONG, StreamPermit};
use crate::reply::body::{IncompleteReply, ReplyBody};

/// Coded bytes that are sent on although more of the body is there.
const ENOUGH: usize = 16 * 1024;

/// A wait for the next piece may be dropped at any time: nothing is lost.
pub(crate) struct CodedBody {
    body: ReplyBody,
    works: Arc<CodingCapacity>,
    _permit: StreamPermit,
    state: EncoderState,
    /// A piece that has arrived and is not coded yet.
    piece: Option<Bytes>,
    /// The encoder may hold back something that the client does not have.
    unflushed: bool,
    /// How many bytes were coded.
    read: u64,
}

enum EncoderState {
    Here(Box<Encoder>),
    /// On another thread, with a long piece.
    Away(JoinHandle<io::Result<Box<Encoder>>>),
    Ended,
}

impl CodedBody {
    pub(crate) fn new(
        body: ReplyBody,
        encoder: Encoder,
        works: Arc<CodingCapacity>,
        permit: StreamPermit,
    ) -> Self {
        let state = EncoderState::Here(Box::new(encoder));
        Self { body, works, _permit: permit, state, piece: None, unflushed: false, read: 0 }
    }

    /// How many bytes of the body were coded until now.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// The body that is coded.
    pub(crate) fn body(&self) -> &ReplyBody {
        &self.body
    }

    pub(crate) fn body_mut(&mut self) -> &mut ReplyBody {
        &mut self.body
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, IncompleteReply>> {
        match self.step().await {
            Ok(chunk) => chunk.map(Ok),
            Err(broken) => {
                self.state = EncoderState::Ended;
                Some(Err(broken))
            }
        }
    }

    async fn step(&mut self) -> Result<Option<Bytes>, IncompleteReply> {
        loop {
            let encoder = match &mut self.state {
                EncoderState::Ended => return Ok(None),
                EncoderState::Away(away) => {
                    let back = away.await.map_err(io::Error::other).and_then(|back| back);
                    self.state = EncoderState::Here(back.map_err(IncompleteReply::Coding)?);
                    continue;
                }
                EncoderState::Here(encoder) => encoder,
            };
            if let Some(piece) = &self.piece {
                if piece.len() > LONG {
                    self.send_away().await;
                    continue;
                }
                encoder.write(piece).map_err(IncompleteReply::Coding)?;
                self.piece = None;
                self.unflushed = true;
            }
            if encoder.coded() >= ENOUGH {
                return Ok(Some(encoder.take()));
            }
            let next = match self.body.next().now_or_never() {
                Some(next) => next,
                None if self.unflushed => {
                    encoder.flush().map_err(IncompleteReply::Coding)?;
                    self.unflushed = false;
                    let flushed = encoder.take();
                    if !flushed.is_empty() {
                        return Ok(Some(flushed));
                    }
                    continue;
                }
                None => self.body.next().await,
            };
            match next {
                Some(piece) => {
                    let piece = piece?;
                    self.read += piece.len() as u64;
                    self.piece = Some(piece);
                }
                None => return self.finish(),
            }
        }
    }

    /// Codes the long piece on another thread.
    async fn send_away(&mut self) {
        // The application's server is not kept waiting for a processor.
        self.body.go_on();
        let permit = self.works.processor().await;
        let (Some(piece), EncoderState::Here(mut encoder)) =
            (self.piece.take(), std::mem::replace(&mut self.state, EncoderState::Ended))
        else {
            return;
        };
        self.unflushed = true;
        self.state = EncoderState::Away(spawn_blocking(move || {
            let _permit = permit;
            encoder.write(&piece)?;
            Ok(encoder)
        }));
    }

    fn finish(&mut self) -> Result<Option<Bytes>, IncompleteReply> {
        let EncoderState::Here(encoder) = std::mem::replace(&mut self.state, EncoderState::Ended) else {
            return Ok(None);
        };
        let rest = encoder.finish().map_err(IncompleteReply::Coding)?;
        Ok((!rest.is_empty()).then_some(rest))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::Read;
    use std::time::Duration;

    use super::*;
    use crate::cache::shared_body::{IncompleteBody, SharedBody};
    use crate::coding::Coding;
    use crate::coding::encoder::Level;
    use crate::connection::bodies::Bodies;
    use crate::reply::body::BegunBody;

    fn coded(body: ReplyBody, works: &Arc<CodingCapacity>) -> CodedBody {
        let encoder = Encoder::new(Coding::Gzip, Level::USUAL, None).unwrap();
        CodedBody::new(body, encoder, works.clone(), works.stream().unwrap())
    }

    fn decoded(coded: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(coded).read_to_end(&mut plain).unwrap();
        plain
    }

    #[tokio::test]
    async fn short_and_long_pieces_are_coded_in_order_whoever_stops_waiting() {
        let works = Arc::new(CodingCapacity::new(0));
        let noise = |seed: u32, length: usize| -> Bytes {
            (0..length as u32)
                .map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 24) as u8)
                .collect()
        };
        let pieces: VecDeque<Bytes> = [3, 100_000, 0, LONG, LONG + 1, 200_000, 7]
            .into_iter()
            .zip(0..)
            .map(|(length, seed)| noise(seed, length))
            .collect();
        let whole = pieces.iter().flatten().copied().collect::<Vec<u8>>();
        let mut body = coded(ReplyBody::Begun(Box::new(BegunBody::new(pieces, ReplyBody::Empty))), &works);
        let mut sent = Vec::new();
        loop {
            // Asked once without waiting, as the writers do.
            let next = match body.next().now_or_never() {
                Some(next) => next,
                None => body.next().await,
            };
            match next {
                Some(chunk) => sent.extend_from_slice(&chunk.unwrap()),
                None => break,
            }
        }
        assert_eq!(decoded(&sent), whole);
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn what_has_arrived_is_sent_before_the_next_is_waited_for() {
        let works = Arc::new(CodingCapacity::new(0));
        let growing = SharedBody::new(1000, &Bodies::new(1000));
        let mut body = coded(ReplyBody::Growing(growing.reader().unwrap()), &works);
        growing.push(Bytes::from_static(b"first")).await;
        let first = tokio::time::timeout(Duration::from_secs(5), body.next()).await.unwrap();
        let first = first.unwrap().unwrap();
        let mut plain = [0; 5];
        flate2::read::GzDecoder::new(&first[..]).read_exact(&mut plain).unwrap();
        assert_eq!(&plain, b"first");
        assert!(body.next().now_or_never().is_none());
        growing.push(Bytes::from_static(b"second")).await;
        growing.end(Ok(()));
        let mut sent = first.to_vec();
        while let Some(chunk) = body.next().await {
            sent.extend_from_slice(&chunk.unwrap());
        }
        assert_eq!(decoded(&sent), b"firstsecond");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_breaks_off() {
        let works = Arc::new(CodingCapacity::new(0));
        let growing = SharedBody::new(1000, &Bodies::new(1000));
        let mut body = coded(ReplyBody::Growing(growing.reader().unwrap()), &works);
        growing.push(Bytes::from_static(b"first")).await;
        growing.end(Err(IncompleteBody));
        let mut chunks = Vec::new();
        while let Some(chunk) = body.next().await {
            chunks.push(chunk.is_ok());
        }
        assert_eq!(chunks.last(), Some(&false));
    }
}
