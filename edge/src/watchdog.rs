//! A connection's timer: one for all its waits, moved only when it rings, so that a busy connection touches no timer wheel.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

pub(crate) struct Watchdog {
    bell: Pin<Box<Sleep>>,
}

/// The time was up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeIsUp;

impl Watchdog {
    pub(crate) fn new() -> Self {
        Self { bell: Box::pin(sleep_until(Instant::now())) }
    }

    /// Awaits `work`, at most `patience`.
    pub(crate) async fn guard<F: Future>(
        &mut self,
        patience: Duration,
        work: F,
    ) -> Result<F::Output, TimeIsUp> {
        let mut work = pin!(work);
        let mut deadline = None;
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + patience);
            // A bell set for earlier than the deadline may stay: it is moved when it rings.
            if self.bell.deadline() > deadline || self.bell.is_elapsed() {
                self.bell.as_mut().reset(deadline);
            }
            while self.bell.as_mut().poll(context).is_ready() {
                if Instant::now() >= deadline {
                    return Poll::Ready(Err(TimeIsUp));
                }
                self.bell.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rings_at_the_deadline_of_each_wait() {
        let mut dog = Watchdog::new();
        let started = Instant::now();
        let nothing = std::future::pending::<()>;
        assert_eq!(dog.guard(Duration::from_secs(5), nothing()).await, Err(TimeIsUp));
        assert_eq!(started.elapsed().as_secs(), 5);
        assert_eq!(dog.guard(Duration::from_secs(60), async { 7 }).await, Ok(7));
        // The short wait after a long one rings in time, and the long one after a short one too.
        assert_eq!(dog.guard(Duration::from_secs(1), nothing()).await, Err(TimeIsUp));
        assert_eq!(started.elapsed().as_secs(), 6);
        let slow = tokio::time::sleep(Duration::from_secs(2));
        assert_eq!(dog.guard(Duration::from_secs(100), slow).await, Ok(()));
        assert_eq!(dog.guard(Duration::from_secs(1), nothing()).await, Err(TimeIsUp));
        assert_eq!(started.elapsed().as_secs(), 9);
    }
}
