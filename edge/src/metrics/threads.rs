//! Numbers of threads, so that each thread uses its own part of something shared.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

/// The number of parts: one for each processor.
pub(crate) fn parts() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The number of this thread. Threads get a number when they first ask, so that the workers of one runtime
/// spread evenly.
pub(crate) fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<Option<usize>> = const { Cell::new(None) });
    NUMBER.get().unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Relaxed);
        NUMBER.set(Some(number));
        number
    })
}
