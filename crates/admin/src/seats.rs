//! The connections of an admin listener: a full house makes room by ending the one that has been idle
//! longest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::task::AbortHandle;

/// Connections served at once.
pub(crate) const MAX_CONNECTIONS: usize = 64;

/// When a connection began to be idle: waiting for a request to come whole, or for its client to take an
/// answer. `None` while a request is being answered. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct IdleSince {
    since: Arc<Mutex<Option<Instant>>>,
    stream: Arc<AtomicBool>,
}

impl IdleSince {
    pub(crate) fn new() -> Self {
        Self { since: Arc::new(Mutex::new(Some(Instant::now()))), stream: Arc::default() }
    }

    pub(crate) fn end(&self) {
        *self.since.lock() = None;
    }

    pub(crate) fn begin(&self) {
        *self.since.lock() = Some(Instant::now());
    }

    /// The connection has begun an answer that goes on.
    pub(crate) fn streams(&self) {
        self.stream.store(true, Relaxed);
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.stream.load(Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Seats(Vec<(AbortHandle, IdleSince)>);

impl Seats {
    /// Whether there is room for one more connection, if need be by ending another.
    pub(crate) fn make_room(&mut self) -> bool {
        self.0.retain(|(task, _)| !task.is_finished());
        if self.0.len() < MAX_CONNECTIONS {
            return true;
        }
        let idle =
            self.0.iter().enumerate().filter_map(|(index, (_, idle))| Some(((*idle.since.lock())?, index)));
        let Some((_, longest)) = idle.min() else { return false };
        self.0.swap_remove(longest).0.abort();
        true
    }

    pub(crate) fn add(&mut self, task: AbortHandle, idle: IdleSince) {
        self.0.push((task, idle));
    }
}
