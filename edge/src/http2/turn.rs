//! How many requests of one connection are answered at once while the memory for bodies is short: each holds
//! something of its reply, and a connection has many streams. The others wait, or are refused unprocessed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// So often those who wait look whether there is memory again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct RequestTurns {
    taken: AtomicU64,
    given_back: Notify,
}

/// One request that is being answered.
pub(super) struct RequestTurn(Arc<RequestTurns>);

impl RequestTurns {
    /// A turn, as soon as fewer requests are being answered than may be. `None`: not within `patience`.
    pub(super) async fn take(
        self: &Arc<Self>,
        most: impl Fn() -> u64,
        patience: Duration,
    ) -> Option<RequestTurn> {
        if let Some(turn) = self.try_take(&most) {
            return Some(turn);
        }
        let deadline = Instant::now() + patience;
        loop {
            let _ = timeout_at(deadline.min(Instant::now() + LOOK_AGAIN), self.given_back.notified()).await;
            if let Some(turn) = self.try_take(&most) {
                return Some(turn);
            }
            if Instant::now() >= deadline {
                return None;
            }
        }
    }

    fn try_take(self: &Arc<Self>, most: impl Fn() -> u64) -> Option<RequestTurn> {
        let one_more = |taken: u64| (taken < most()).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        Some(RequestTurn(self.clone()))
    }
}

impl Drop for RequestTurn {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_beyond_the_share_wait_for_those_before_them() {
        let (turns, patience) = (Arc::new(RequestTurns::default()), Duration::from_secs(5));
        let first = turns.take(|| 1, patience).await.unwrap();
        assert!(turns.take(|| 1, patience).await.is_none());
        let beside = turns.take(|| 2, patience).await.unwrap();
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(|| 1, patience).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop((first, beside));
        assert!(waiting.await.unwrap());
        assert!(turns.take(|| 1, patience).await.is_some(), "all were given back");
    }
}
