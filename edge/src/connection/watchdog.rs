//! A connection's timer: one for all its waits. It moves only when it fires, so that a busy connection
//! touches no timer wheel.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

pub(crate) struct Watchdog {
    bell: Pin<Box<Sleep>>,
}

/// The time ran out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchdogTimeout;

/// Reads the clock only if there is something to wait for.
enum Wait {
    NotBegun(Duration),
    Until(Instant),
}

impl Watchdog {
    pub(crate) fn new() -> Self {
        Self { bell: Box::pin(sleep_until(Instant::now())) }
    }

    /// Awaits `work`, for at most `patience`. Not an `async fn`, which would hold `work` twice.
    pub(crate) fn guard<'a, F: Future + Unpin + 'a>(
        &'a mut self,
        patience: Duration,
        mut work: F,
    ) -> impl Future<Output = Result<F::Output, WatchdogTimeout>> + 'a {
        let mut wait = Wait::NotBegun(patience);
        poll_fn(move |context| {
            if let Poll::Ready(done) = Pin::new(&mut work).poll(context) {
                return Poll::Ready(Ok(done));
            }
            let deadline = match wait {
                Wait::NotBegun(patience) => Instant::now() + patience,
                Wait::Until(deadline) => deadline,
            };
            wait = Wait::Until(deadline);
            // A timer set for earlier than the deadline may stay: it moves when it fires.
            if self.bell.deadline() > deadline || self.bell.is_elapsed() {
                self.bell.as_mut().reset(deadline);
            }
            while self.bell.as_mut().poll(context).is_ready() {
                if Instant::now() >= deadline {
                    return Poll::Ready(Err(WatchdogTimeout));
                }
                self.bell.as_mut().reset(deadline);
            }
            Poll::Pending
        })
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
        assert_eq!(dog.guard(Duration::from_secs(5), nothing()).await, Err(WatchdogTimeout));
        assert_eq!(started.elapsed().as_secs(), 5);
        assert_eq!(dog.guard(Duration::from_secs(60), Box::pin(async { 7 })).await, Ok(7));
        // The short wait after a long one ends in time, and so does the long one after a short one.
        assert_eq!(dog.guard(Duration::from_secs(1), nothing()).await, Err(WatchdogTimeout));
        assert_eq!(started.elapsed().as_secs(), 6);
        let slow = Box::pin(tokio::time::sleep(Duration::from_secs(2)));
        assert_eq!(dog.guard(Duration::from_secs(100), slow).await, Ok(()));
        assert_eq!(dog.guard(Duration::from_secs(1), nothing()).await, Err(WatchdogTimeout));
        assert_eq!(started.elapsed().as_secs(), 9);
    }
}
