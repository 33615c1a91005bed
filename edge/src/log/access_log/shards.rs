//! Lines not yet written: a bounded buffer per thread. Its lock is free except while the writer swaps it.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::log::access_log::stamp::Stamps;
use crate::metrics::threads;

/// A shard this full takes no more lines. The line that fills it may go over by its own length.
const MAX_SHARD: usize = 4 * 1024 * 1024;
/// A shard that grows past this is written at once.
const WRITE_AT: usize = 256 * 1024;
/// The memory that a buffer keeps after a time in which the writer was behind.
const KEPT: usize = 2 * WRITE_AT;

#[derive(Debug)]
pub(super) struct Shards {
    all: Vec<Mutex<LineShard>>,
    dropped: AtomicU64,
    /// The writer has found nothing for a while: the next line wakes it.
    idle: AtomicBool,
}

/// Aligned so that two threads' shards share no cache line.
#[derive(Debug)]
#[repr(align(128))]
struct LineShard {
    lines: Vec<u8>,
    stamps: Stamps,
}

impl Shards {
    /// As many shards as there are processors.
    pub(super) fn new() -> Self {
        let shard = || Mutex::new(LineShard { lines: Vec::new(), stamps: Stamps::new() });
        Self {
            all: (0..threads::parts()).map(|_| shard()).collect(),
            dropped: AtomicU64::new(0),
            idle: AtomicBool::new(false),
        }
    }

    /// Lets `format` add a line to this thread's shard, or counts it as dropped. Returns true if the writer
    /// is to write at once: there is enough, or it has nothing else to do.
    pub(super) fn append(&self, format: impl FnOnce(&mut Vec<u8>, &mut Stamps)) -> bool {
        let Some(shard) = self.all.get(threads::number() % self.all.len()) else { return false };
        let mut shard = shard.lock();
        let LineShard { lines, stamps } = &mut *shard;
        let before = lines.len();
        if before >= MAX_SHARD {
            self.dropped.fetch_add(1, Relaxed);
            return false;
        }
        format(lines, stamps);
        let is_enough = before < WRITE_AT && lines.len() >= WRITE_AT;
        is_enough || self.idle.load(Relaxed) && self.idle.swap(false, Relaxed)
    }

    /// Hands each shard's lines to `write`, with no lock held. `spare` is empty before and after.
    /// Returns the number of bytes.
    pub(super) fn take_each(&self, spare: &mut Vec<u8>, mut write: impl FnMut(&[u8])) -> usize {
        let mut taken = 0;
        for shard in &self.all {
            mem::swap(&mut shard.lock().lines, spare);
            if !spare.is_empty() {
                taken += spare.len();
                write(spare);
                spare.clear();
                spare.shrink_to(KEPT);
            }
        }
        taken
    }

    /// Lets the next line wake the writer. A line that has come just now waits for the writer's next look.
    pub(super) fn rest(&self) {
        self.idle.store(true, Relaxed);
    }

    pub(super) fn count_dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}
