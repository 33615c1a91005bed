//! How fast a client must take its reply: no wait longer than `timeouts.send`, and over that time not fewer
//! bytes per second than `limits.send_rate`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use process::least_rate::LeastRate;
use tokio::time::{Instant, timeout};

use crate::connection::bodies::{Bodies, HeldPiece};

/// The most that is read at once for a client, and where bodies have little room.
const PIECE: usize = 128 * 1024;
const SMALL_PIECE: usize = 16 * 1024;

/// One reply's allowance. Only the time counts in which the edge waits for the client.
#[derive(Clone, Debug)]
pub(crate) struct ClientPace {
    patience: Duration,
    rate: u64,
    least: LeastRate,
    bodies: Arc<Bodies>,
}

impl ClientPace {
    /// `rate`: bytes per second over `patience`; 0: any.
    pub(crate) fn new(patience: Duration, rate: u64, bodies: Arc<Bodies>) -> Self {
        Self { patience, rate, least: LeastRate::new(rate, patience), bodies }
    }

    /// How much of a body to read at once.
    pub(crate) fn piece(&self) -> usize {
        if self.bodies.have_room(0) { PIECE } else { SMALL_PIECE }
    }

    /// Counts bytes among those that wait for clients.
    pub(crate) fn hold(&self, bytes: usize) -> HeldPiece {
        self.bodies.hold(bytes)
    }

    /// Lets this many replies of one connection share the rate.
    pub(crate) fn share(&mut self, replies: usize) {
        let replies = u64::try_from(replies).unwrap_or(u64::MAX).max(1);
        self.least.set_rate(if self.rate == 0 { 0 } else { (self.rate / replies).max(1) });
    }

    /// Waits for the client, for at most as long as it may still take.
    pub(crate) async fn wait<T>(&mut self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let begun = Instant::now();
        let done = timeout(self.patience.min(self.least.left()), work).await;
        self.least.waited(begun.elapsed());
        done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Notes bytes that the client has taken. An error: they were too few.
    pub(crate) fn took(&mut self, bytes: usize) -> io::Result<()> {
        match self.least.moved(bytes as u64) {
            true => Ok(()),
            false => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    /// The seconds after which a client is too slow that takes this many bytes at such times.
    async fn too_slow_after(mut pace: ClientPace, bytes: usize, every: Duration) -> Option<u64> {
        let begun = Instant::now();
        for _ in 0..200 {
            let taken = async {
                sleep(every).await;
                Ok(bytes)
            };
            let taken = pace.wait(taken).await.and_then(|bytes| pace.took(bytes));
            if taken.is_err() {
                return Some(begun.elapsed().as_secs());
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_waits_too_long_or_moves_too_slowly_ends() {
        let second = Duration::from_secs(1);
        let pace = |rate| ClientPace::new(second, rate, Bodies::new(u64::MAX));
        let often = Duration::from_millis(100);
        assert_eq!(too_slow_after(pace(0), 1, second * 2).await, Some(1));
        assert_eq!(too_slow_after(pace(0), 1, Duration::from_millis(20)).await, None);
        assert_eq!(too_slow_after(pace(1000), 50, often).await, Some(1));
        assert_eq!(too_slow_after(pace(1000), 500, Duration::from_millis(20)).await, None);
        let mut shared = pace(1000);
        shared.share(100);
        assert_eq!(too_slow_after(shared, 50, Duration::from_millis(20)).await, None);
    }
}
