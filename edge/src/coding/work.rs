//! What coding may take of this machine: processors, open encoders, memory for coded copies.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use process::wait::within;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::coding::Coding;
use crate::coding::encoder::{self, Level};

/// A longer piece is coded on another thread, so that the connections of this one do not wait for it.
pub(crate) const LONG: usize = 16 * 1024;
/// Bodies that are coded as they arrive, at the same time: each takes up to 2 MiB. Others are sent as they
/// are.
const MOST_STREAMS: usize = 256;
/// A body that cannot be coded within this is sent as it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// The bounds, and how much is used.
pub(crate) struct CodingCapacity {
    /// Long pieces that are coded at the same time.
    long: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    memory: Arc<Memory>,
}

/// The memory that coded copies take.
#[derive(Debug)]
pub(crate) struct Memory {
    used: AtomicU64,
    most: AtomicU64,
}

/// A part of the memory, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryShare {
    memory: Arc<Memory>,
    bytes: u64,
}

/// The right to code a body as it arrives.
pub(crate) struct StreamPermit(OwnedSemaphorePermit);

impl CodingCapacity {
    pub(crate) fn new(memory: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            long: Arc::new(Semaphore::new(cores)),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
            memory: Arc::new(Memory { used: AtomicU64::new(0), most: memory.into() }),
        }
    }

    /// Bytes that coded copies take now.
    pub(crate) fn memory_used(&self) -> u64 {
        self.memory.used.load(Ordering::Relaxed)
    }

    /// Another bound for copies, from now on.
    pub(crate) fn set_memory(&self, memory: u64) {
        self.memory.most.store(memory, Ordering::Relaxed);
    }

    /// `None`: as many bodies as may be are being coded.
    pub(crate) fn stream(&self) -> Option<StreamPermit> {
        self.streams.clone().try_acquire_owned().ok().map(StreamPermit)
    }

    /// A place for a copy of this length, or nothing if there is none.
    pub(crate) fn take(&self, bytes: u64) -> Option<MemoryShare> {
        let most = self.memory.most.load(Ordering::Relaxed);
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= most);
        self.memory.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        Some(MemoryShare { memory: self.memory.clone(), bytes })
    }

    /// Codes a whole body.
    pub(crate) async fn whole(&self, coding: Coding, level: Level, body: &Bytes) -> io::Result<Bytes> {
        if body.len() <= LONG {
            return encoder::whole(coding, level, body);
        }
        let body = body.clone();
        self.elsewhere(move || encoder::whole(coding, level, &body)).await?
    }

    /// A processor for a long piece; waits a moment for one, then does without.
    pub(crate) async fn processor(&self) -> Option<OwnedSemaphorePermit> {
        within(PATIENCE, self.long.clone().acquire_owned()).await.ok()?.ok()
    }

    /// Does long work on another thread.
    pub(crate) async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let permit = self.processor().await.ok_or(io::ErrorKind::TimedOut)?;
        let done = spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(io::Error::other)
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for StreamPermit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StreamPermit({})", self.0.num_permits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_given_back() {
        let works = CodingCapacity::new(100);
        let first = works.take(60).unwrap();
        assert!(works.take(41).is_none());
        let second = works.take(40).unwrap();
        assert_eq!(works.memory_used(), 100);
        drop(first);
        assert_eq!(works.memory_used(), 40);
        drop(second);
        assert_eq!(works.memory_used(), 0);
        assert!(works.take(u64::MAX).is_none());
    }

    #[tokio::test]
    async fn streams_are_bounded() {
        let works = CodingCapacity::new(0);
        let all: Vec<_> = (0..MOST_STREAMS).map(|_| works.stream().unwrap()).collect();
        assert!(works.stream().is_none());
        drop(all);
        assert!(works.stream().is_some());
    }

    #[tokio::test]
    async fn long_bodies_are_coded_elsewhere_and_come_back() {
        let works = CodingCapacity::new(0);
        let body = Bytes::from(vec![b'x'; 3 * LONG]);
        let coded = works.whole(Coding::Gzip, Level::new(5).unwrap(), &body).await.unwrap();
        assert!(coded.len() < LONG);
    }
}
