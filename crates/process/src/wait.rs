//! A wait with a limit, for what is mostly there already.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::sleep;

/// It took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it took too long")]
pub struct WaitTimeout;

/// Does `work`, unless it takes longer than `limit`. As tokio's `timeout`, but that what is done at once
/// costs no look at the clock.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, WaitTimeout> {
    let (mut work, mut limit_passes) = (pin!(work), pin!(None));
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        if limit_passes.is_none() {
            // Also where `work` has had all the turns that a task has at a time.
            limit_passes.set(Some(unconstrained(sleep(limit))));
        }
        match limit_passes.as_mut().as_pin_mut() {
            Some(passes) => passes.poll(context).map(|()| Err(WaitTimeout)),
            None => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::task::yield_now;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ends_with_the_work_or_with_the_limit() {
        let (second, begun) = (Duration::from_secs(1), Instant::now());
        assert_eq!(within(Duration::ZERO, ready(1)).await, Ok(1));
        assert_eq!(within(second, yield_now()).await, Ok(()));
        assert_eq!(within(second * 3, sleep(second * 2)).await, Ok(()));
        assert_eq!(begun.elapsed(), second * 2);
        assert_eq!(within(second, pending::<()>()).await, Err(WaitTimeout));
        assert_eq!(begun.elapsed(), second * 3);
        assert_eq!(within(Duration::MAX, sleep(second)).await, Ok(()));
    }

    #[tokio::test]
    async fn work_that_is_never_done_and_never_pauses_is_limited_too() {
        let busy = async {
            loop {
                tokio::task::consume_budget().await;
            }
        };
        assert_eq!(within(Duration::from_millis(10), busy).await, Err(WaitTimeout));
    }
}
