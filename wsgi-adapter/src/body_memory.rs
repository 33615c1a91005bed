//! Counts the bytes of bodies that the adapter holds in memory, all requests together (`body_memory`).

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bodies on their way. What finds it full goes to a temporary file, or comes in smaller steps.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    held: AtomicUsize,
    limit: AtomicUsize,
}

impl BodyMemory {
    pub(crate) fn new(limit: usize) -> Self {
        Self { held: AtomicUsize::new(0), limit: limit.into() }
    }

    /// Another limit, from now on.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Tells whether nothing more should be kept in memory.
    pub(crate) fn is_full(&self) -> bool {
        self.held() >= self.limit.load(Ordering::Relaxed)
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn reserve(&self, bytes: usize) {
        if bytes > 0 {
            self.held.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn release(&self, bytes: usize) {
        if bytes > 0 {
            self.held.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}
