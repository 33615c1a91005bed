//! Takes a request's body from the edge to a server: received whole (memory, then a temporary file), or
//! passed on as it comes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use process::least_rate::LeastRate;
use process::nofile::{self, Purpose};
use process::wait::within;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_stream::StreamExt;
use weir_proto::fetch::BodyMessages;
use weir_proto::origin::fetch_request::Message;

use crate::body_memory::BodyMemory;
use crate::config::PoolConfig;
use crate::error::{BodyError, Error};

/// How long a body may be slower than `body_rate`.
const RATE_WINDOW: Duration = Duration::from_secs(20);
/// How long it may be while other uploads wait for a place.
const SHORT_WINDOW: Duration = Duration::from_secs(3);
/// What is sent to a server at once.
const PIECE: usize = 64 * 1024;

/// How often a silent upload looks whether others wait for its place.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A body that can be sent.
pub(crate) enum Upload {
    Memory {
        body: Bytes,
        sent: bool,
        _reserved: MemoryReservation,
    },
    File {
        file: File,
        length: u64,
    },
    /// Can be sent only once.
    Live {
        incoming: EdgeBody,
        begun: bool,
    },
}

impl Upload {
    /// Receives the whole body. It goes to a file if it is longer than `buffer_memory`, or `held` is full.
    pub(crate) async fn receive(
        mut incoming: EdgeBody,
        pool: &PoolConfig,
        held: &Arc<BodyMemory>,
    ) -> Result<Self, Error> {
        let limit = pool.buffer_memory.bytes();
        let mut memory = BytesMut::new();
        let mut reserved = MemoryReservation { memory: Some(Arc::clone(held)), bytes: 0 };
        while let Some(piece) = incoming.next().await? {
            if memory.len() + piece.len() > limit || held.is_full() {
                // Boxed, as is all that few requests have a use for: whatever a future has room for is copied
                // with it.
                return Box::pin(spill(&memory, piece, incoming)).await;
            }
            memory.extend_from_slice(&piece);
            reserved.add(piece.len());
        }
        Ok(Self::Memory { body: memory.freeze(), sent: false, _reserved: reserved })
    }

    pub(crate) fn live(incoming: EdgeBody) -> Self {
        Self::Live { incoming, begun: false }
    }

    pub(crate) fn empty() -> Self {
        Self::Memory { body: Bytes::new(), sent: false, _reserved: MemoryReservation::default() }
    }

    /// Known when the body has been received.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Memory { body, .. } => Some(body.len() as u64),
            Self::File { length, .. } => Some(*length),
            Self::Live { .. } => None,
        }
    }

    /// Will `next` return at once?
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Self::Memory { .. })
    }

    /// The next piece to send, not empty. `None`: that was all.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Memory { body, sent, .. } => {
                let first = !std::mem::replace(sent, true);
                Ok((first && !body.is_empty()).then(|| body.clone()))
            }
            Self::File { file, .. } => {
                let mut piece = BytesMut::with_capacity(PIECE);
                let read = file.read_buf(&mut piece).await.map_err(Error::Storage)?;
                Ok((read > 0).then(|| piece.freeze()))
            }
            Self::Live { incoming, begun } => {
                *begun = true;
                Ok(incoming.next().await?)
            }
        }
    }

    /// Back to the first byte, for another server. False: what has been sent is gone.
    pub(crate) async fn rewind(&mut self) -> bool {
        match self {
            Self::Memory { sent, .. } => *sent = false,
            Self::File { file, .. } => return file.rewind().await.is_ok(),
            Self::Live { begun, .. } => return !*begun,
        }
        true
    }
}

/// Memory that a body takes, counted as long as it lives.
#[derive(Default)]
pub(crate) struct MemoryReservation {
    memory: Option<Arc<BodyMemory>>,
    bytes: usize,
}

impl MemoryReservation {
    fn add(&mut self, bytes: usize) {
        if let Some(memory) = &self.memory {
            memory.reserve(bytes);
            self.bytes += bytes;
        }
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        if let Some(memory) = &self.memory {
            memory.release(self.bytes);
        }
    }
}

/// Goes on receiving into a temporary file, which has no name and goes with its last handle.
async fn spill(memory: &[u8], piece: Bytes, mut incoming: EdgeBody) -> Result<Upload, Error> {
    let create =
        || tempfile::tempfile().and_then(|file| nofile::may_have(&file, Purpose::Lasting).map(|()| file));
    let created = tokio::task::spawn_blocking(create).await;
    let mut file = File::from_std(created.map_err(io::Error::other).flatten().map_err(Error::Storage)?);
    file.write_all(memory).await.map_err(Error::Storage)?;
    let mut length = memory.len() as u64;
    let mut next = Some(piece);
    while let Some(piece) = next {
        file.write_all(&piece).await.map_err(Error::Storage)?;
        length += piece.len() as u64;
        next = incoming.next().await?;
    }
    file.flush().await.map_err(Error::Storage)?;
    file.rewind().await.map_err(Error::Storage)?;
    Ok(Upload::File { file, length })
}

/// The body as the edge sends it, held against its length.
pub(crate) struct EdgeBody {
    messages: BodyMessages,
    /// Bytes still to come, if the head told a length.
    left: Option<u64>,
    received: u64,
    max: u64,
    patience: Duration,
    rate: LeastRate,
    /// How many uploads wait for a place.
    waiting: Arc<AtomicUsize>,
}

impl EdgeBody {
    /// `waiting` tells how many uploads of the pool wait for a place.
    pub(crate) fn new(
        messages: BodyMessages,
        length: Option<u64>,
        config: &PoolConfig,
        waiting: &Arc<AtomicUsize>,
    ) -> Result<Self, BodyError> {
        let max = config.max_body.0;
        if length.is_some_and(|length| length > max) {
            return Err(BodyError::TooLarge(max));
        }
        Ok(Self {
            messages,
            left: length,
            received: 0,
            max,
            patience: config.body_timeout.0,
            rate: LeastRate::new(config.body_rate.0, RATE_WINDOW),
            waiting: Arc::clone(waiting),
        })
    }

    /// The next piece, not empty. `None`: the body is whole.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let mut silent = Duration::ZERO;
        loop {
            let message = match self.messages.next().now_or_never() {
                Some(message) => message,
                None => {
                    let begun = Instant::now();
                    self.hurry();
                    let patience = (self.patience - silent).min(self.rate.left()).min(LOOK_AGAIN);
                    let message = within(patience, self.messages.next()).await;
                    self.rate.waited(begun.elapsed());
                    match message {
                        Ok(message) => message,
                        Err(_) => {
                            silent = self.patience.min(silent + begun.elapsed());
                            self.may_be_silent(silent)?;
                            continue;
                        }
                    }
                }
            };
            // An end without `End` is not the end of the body.
            match message.and_then(|message| message.message) {
                Some(Message::Chunk(piece)) if piece.is_empty() => {}
                Some(Message::Chunk(piece)) => return self.count(piece).map(Some),
                Some(Message::End(_)) if self.left.unwrap_or(0) == 0 => return Ok(None),
                Some(Message::End(_)) => return Err(BodyError::TooShort),
                Some(Message::Head(_) | Message::Joined(_)) | None => return Err(BodyError::BrokeOff),
            }
        }
    }

    /// A slow body may keep its place for a shorter time while others wait for it.
    fn hurry(&mut self) {
        let is_wanted = self.waiting.load(Ordering::Relaxed) > 0;
        self.rate.set_window(if is_wanted { SHORT_WINDOW } else { RATE_WINDOW });
    }

    fn may_be_silent(&self, silent: Duration) -> Result<(), BodyError> {
        if silent >= self.patience {
            return Err(BodyError::Stalled);
        }
        if self.rate.left().is_zero() { Err(BodyError::Slow) } else { Ok(()) }
    }

    fn count(&mut self, piece: Bytes) -> Result<Bytes, BodyError> {
        let length = piece.len() as u64;
        self.received += length;
        if !self.rate.moved(length) {
            return Err(BodyError::Slow);
        }
        if self.received > self.max {
            return Err(BodyError::TooLarge(self.max));
        }
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(length).ok_or(BodyError::TooLong)?;
        }
        Ok(piece)
    }
}
