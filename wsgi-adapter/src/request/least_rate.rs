//! Holds a body to a least rate: bytes per second over a window, not only a time between two bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a body may be slower. Only the time counts that is spent waiting for it.
const WINDOW: Duration = Duration::from_secs(20);
/// The window while other uploads wait for a place.
const SHORT_WINDOW: Duration = Duration::from_secs(3);

/// What has come since the window began.
#[derive(Debug)]
pub(crate) struct LeastRate {
    /// Bytes per second; 0: any.
    rate: u64,
    waited: Duration,
    bytes: u64,
    /// How many uploads wait for a place.
    waiting: Arc<AtomicUsize>,
}

impl LeastRate {
    pub(crate) fn new(rate: u64, waiting: &Arc<AtomicUsize>) -> Self {
        Self { rate, waited: Duration::ZERO, bytes: 0, waiting: Arc::clone(waiting) }
    }

    /// How long the next bytes may take.
    pub(crate) fn left(&self) -> Duration {
        if self.rate == 0 { Duration::MAX } else { self.window().saturating_sub(self.waited) }
    }

    pub(crate) fn waited(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(time);
    }

    /// Notes bytes that have come. False: they were too slow.
    pub(crate) fn moved(&mut self, bytes: u64) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        // A window is over when enough has come for it, and too slow when it has not by then.
        let window = self.window();
        let enough = self.rate.saturating_mul(window.as_secs());
        if self.bytes >= enough {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
        self.rate == 0 || self.waited < window
    }

    fn window(&self) -> Duration {
        if self.waiting.load(Ordering::Relaxed) == 0 { WINDOW } else { SHORT_WINDOW }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces of this size with a wait before each: the wait at which it is too slow, if one is.
    fn ends_at(rate: u64, bytes: u64, every: Duration) -> Option<u32> {
        ends_while(0, rate, bytes, every)
    }

    /// Does so while this number of others wait.
    fn ends_while(waiting: usize, rate: u64, bytes: u64, every: Duration) -> Option<u32> {
        let mut least = LeastRate::new(rate, &Arc::new(AtomicUsize::new(waiting)));
        (1..=10_000).find(|_| {
            let in_time = every <= least.left();
            least.waited(every);
            !in_time || !least.moved(bytes)
        })
    }

    #[test]
    fn only_what_is_slower_over_a_window_ends() {
        let second = Duration::from_secs(1);
        assert_eq!(ends_at(500, 1, second), Some(20));
        assert_eq!(ends_at(500, 400, second), Some(20));
        assert_eq!(ends_at(500, 600, second), None);
        assert_eq!(ends_at(500, 1_000_000, second * 19), None);
        assert_eq!(ends_at(500, 1_000_000, second * 21), Some(1));
        assert_eq!(ends_at(0, 1, second * 50), None);
        assert_eq!(ends_at(500, 32, Duration::from_millis(1)), None);
        // A slow upload loses its place sooner where others want it, and only a slow one.
        assert_eq!(ends_while(1, 500, 1, second), Some(3));
        assert_eq!(ends_while(1, 500, 600, second), None);
        assert_eq!(ends_while(1, 0, 1, second), None);
    }
}
