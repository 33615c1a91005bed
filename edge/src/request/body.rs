//! A request's body on its way to the application. Its connection pumps it, and reads nothing from the client
//! before it is wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http1::head::Framing;
use tokio::sync::{mpsc, oneshot};

use crate::variables::body_copy::BodyCopy;

/// How many chunks of a request body may wait between the connection and the application.
const CHUNKS_AHEAD: usize = 4;

/// The sending side of a request's body.
pub(crate) type Chunks = mpsc::Sender<Result<Bytes, BodyFault>>;

/// Why a request body did not arrive completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the client closed the connection in the middle of the request body")]
    CutOff,
    #[error("the client stopped sending the request body")]
    TooSlow,
    #[error("the framing of the request body is invalid")]
    Malformed,
    #[error("the request body is larger than max_body")]
    TooLarge,
}

/// A request's body. Nothing is read from the client before the first `next`.
pub(crate) struct RequestBody {
    /// Content-Length; `None` for a chunked body. `Some(0)`: there is none.
    length: Option<u64>,
    limit: u64,
    taken: u64,
    chunks: Option<mpsc::Receiver<Result<Bytes, BodyFault>>>,
    wanted: Option<oneshot::Sender<()>>,
    /// Counts what is taken, for somebody else to read.
    counter: Option<Arc<AtomicU64>>,
    /// Remembers what is taken.
    kept: Option<Arc<BodyCopy>>,
}

/// The connection's side of a request body.
pub(crate) struct BodyPump {
    pub chunks: Chunks,
    /// Resolves when somebody wants the body: the time to send 100 (Continue).
    pub wanted: oneshot::Receiver<()>,
}

impl RequestBody {
    pub(crate) fn empty() -> Self {
        Self {
            length: Some(0),
            limit: u64::MAX,
            taken: 0,
            chunks: None,
            wanted: None,
            counter: None,
            kept: None,
        }
    }

    /// A body that is there already.
    pub(crate) fn text(text: Bytes) -> Self {
        if text.is_empty() {
            return Self::empty();
        }
        let length = Some(text.len() as u64);
        let (sender, receiver) = mpsc::channel(1);
        let _ = sender.try_send(Ok(text));
        Self { length, chunks: Some(receiver), ..Self::empty() }
    }

    /// A client's side of another protocol: its bytes come after the application has agreed to switch.
    pub(crate) fn tunnel() -> (Self, Chunks) {
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        (Self { chunks: Some(receiver), ..Self::empty() }, sender)
    }

    /// The body that a head announces, and the connection's side of it; `None`: there is no body.
    pub(crate) fn announced(framing: Framing) -> (Self, Option<BodyPump>) {
        let length = match framing {
            Framing::None | Framing::Length(0) => return (Self::empty(), None),
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        };
        let (body, pump) = Self::pumped(length);
        (body, Some(pump))
    }

    pub(crate) fn pumped(length: Option<u64>) -> (Self, BodyPump) {
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let (wanted_sender, wanted) = oneshot::channel();
        let body = Self { length, chunks: Some(receiver), wanted: Some(wanted_sender), ..Self::empty() };
        (body, BodyPump { chunks: sender, wanted })
    }

    /// Takes the body and leaves an empty one.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::empty())
    }

    /// What tells how much of the body was taken; `None`: there is none.
    pub(crate) fn counter(&mut self) -> Option<Arc<AtomicU64>> {
        (!self.is_empty()).then(|| self.counter.get_or_insert_default().clone())
    }

    /// Remembers a body of at most this length while it is taken.
    pub(crate) fn keep(&mut self, kept: Arc<BodyCopy>, most: u64) {
        kept.keep(most);
        self.kept = Some(kept);
    }

    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == Some(0)
    }

    /// Sets the largest body allowed. Returns false if its declared length is larger already.
    pub(crate) fn limit(&mut self, most: u64) -> bool {
        self.limit = most;
        self.length.is_none_or(|length| length <= most)
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, BodyFault>> {
        if let Some(wanted) = self.wanted.take() {
            let _ = wanted.send(());
        }
        let chunk = match self.chunks.as_mut()?.recv().await {
            Some(Ok(chunk)) => chunk,
            Some(Err(fault)) => return Some(Err(fault)),
            None => {
                if let Some(kept) = &self.kept {
                    kept.end();
                }
                return None;
            }
        };
        self.taken += chunk.len() as u64;
        if let Some(kept) = &self.kept {
            kept.push(&chunk);
            if self.length == Some(self.taken) {
                kept.end();
            }
        }
        if let Some(counter) = &self.counter {
            counter.store(self.taken, Relaxed);
        }
        if self.taken > self.limit {
            return Some(Err(BodyFault::TooLarge));
        }
        Some(Ok(chunk))
    }
}
