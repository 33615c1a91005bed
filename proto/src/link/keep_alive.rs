//! Finds out that the peer is gone although its socket does not say so.

use std::pin::pin;
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{sleep, timeout};

/// The patience has this many parts, and one long pause of this process counts as one of them.
const PARTS: u32 = 20;

/// Resolves when the peer has not answered a ping for `patience`, or the connection has ended. It pings again
/// this long (`every`) after each answer.
pub(super) async fn silence(mut pings: PingPong, every: Duration, patience: Duration) {
    loop {
        sleep(every).await;
        let answered = pings.ping(Ping::opaque());
        if !matches!(in_time(answered, patience).await, Some(Ok(_))) {
            return;
        }
    }
}

/// What comes within the patience. Only the time counts in which this process has run: on a machine that is
/// busy or paused, the peer runs no more often than this process, and its answer may lie unread.
async fn in_time<T>(work: impl Future<Output = T>, patience: Duration) -> Option<T> {
    let mut work = pin!(work);
    for _ in 0..PARTS {
        if let Ok(done) = timeout(patience / PARTS, &mut work).await {
            return Some(done);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn a_pause_of_this_process_is_not_the_silence_of_its_peer() {
        let answered = tokio::spawn(async {
            for _ in 0..3 {
                // Nothing else runs meanwhile.
                thread::sleep(PATIENCE * 2);
                tokio::task::yield_now().await;
            }
        });
        assert!(in_time(answered, PATIENCE).await.is_some());
    }

    #[tokio::test]
    async fn silence_has_an_end() {
        assert_eq!(in_time(pending::<()>(), PATIENCE).await, None);
    }
}
