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
    /// The whole process's, if this is a part's.
    of_process: Option<Arc<AtomicBool>>,
    /// Another process serves on the same sockets.
    handed_over: Arc<AtomicBool>,
    draining: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// The shutdown of a part, which can be told to drain alone. It begins with the whole's at the latest;
    /// what is spawned is the whole's work.
    pub fn part(&self) -> Self {
        Self {
            begun: Arc::default(),
            of_process: Some(self.of_process.clone().unwrap_or_else(|| self.begun.clone())),
            handed_over: self.handed_over.clone(),
            draining: self.draining.child_token(),
            tasks: self.tasks.clone(),
        }
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
        self.begun.load(Acquire) || self.of_process.as_ref().is_some_and(|whole| whole.load(Acquire))
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
    #[tokio::test(start_paused = true)]
    async fn a_part_drains_alone_and_with_the_whole() {
        let whole = Shutdown::new();
        let (first, second) = (whole.part(), whole.part());
        first.begin();
        first.draining().await;
        assert!(first.is_draining() && !second.is_draining() && !whole.is_draining());
        let (ended, inner) = (second.clone(), second.part());
        first.spawn(async move { ended.draining().await });
        whole.begin();
        assert!(second.is_draining() && inner.is_draining());
        assert_eq!(whole.finish(Duration::from_secs(1)).await, 0);
    }
}
