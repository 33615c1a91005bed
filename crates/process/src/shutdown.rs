//! Draining: one signal that new work is refused, one tracker of the work under way, one deadline for it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Duration;

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

/// Handed to every service. Cheap to clone; all clones are the same shutdown.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Asked with each request, and so no lock.
    begun: Arc<AtomicBool>,
    /// Another process serves on the same sockets.
    handed_over: Arc<AtomicBool>,
    draining: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts draining: listeners close, idle connections end, running requests finish.
    pub fn begin(&self) {
        self.begun.store(true, Release);
        self.draining.cancel();
    }

    /// Says, before the drain begins, that another process has taken over the sockets.
    pub fn hand_over(&self) {
        self.handed_over.store(true, Release);
    }

    /// Whether another process has taken over the sockets of this one, which drains.
    pub fn is_handed_over(&self) -> bool {
        self.handed_over.load(Acquire)
    }

    /// Resolves once draining has begun.
    pub fn draining(&self) -> WaitForCancellationFuture<'_> {
        self.draining.cancelled()
    }

    pub fn is_draining(&self) -> bool {
        self.begun.load(Acquire)
    }

    /// Runs work that a drain waits for: a connection, a fill.
    pub fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(work)
    }

    /// Resolves once a drain has finished all spawned work.
    pub async fn finished(&self) {
        self.tasks.wait().await;
    }

    /// Waits for all spawned work, at most `grace`. Returns how much was still running then.
    pub async fn finish(&self, grace: Duration) -> usize {
        self.tasks.close();
        match tokio::time::timeout(grace, self.tasks.wait()).await {
            Ok(()) => 0,
            Err(_) => self.tasks.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_work_and_counts_what_is_left() {
        let shutdown = Shutdown::new();
        let drained = shutdown.clone();
        shutdown.spawn(async move { drained.draining().await });
        shutdown.spawn(std::future::pending::<()>());
        shutdown.begin();
        assert_eq!(shutdown.finish(Duration::from_secs(1)).await, 1);
    }
}
