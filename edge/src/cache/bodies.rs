//! The bytes of pages on their way to clients, all bodies together, and the bound that they share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts what all bodies hold that are being made or read.
#[derive(Debug)]
pub(crate) struct Bodies {
    held: AtomicU64,
    most: AtomicU64,
}

impl Bodies {
    pub(crate) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { held: AtomicU64::new(0), most: most.into() })
    }

    /// Another bound, from now on.
    pub(crate) fn set_most(&self, most: u64) {
        self.most.store(most, Relaxed);
    }

    /// Whether a body may hold this many bytes more and still be kept whole.
    pub(super) fn have_room(&self, bytes: u64) -> bool {
        self.held().saturating_add(bytes) <= self.most.load(Relaxed)
    }

    pub(super) fn add(&self, bytes: u64) {
        self.held.fetch_add(bytes, Relaxed);
    }

    pub(super) fn remove(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Relaxed);
    }

    /// Bytes, for the metrics.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }
}
