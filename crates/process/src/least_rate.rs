//! Holds a body to a least rate: bytes per second over a window, not only a time between two bytes.

use std::time::Duration;

/// What has come since the window began.
#[derive(Clone, Copy, Debug)]
pub struct LeastRate {
    /// Bytes per second; 0: any.
    rate: u64,
    /// How long a body may be slower. Only the time counts that is spent waiting for it.
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl LeastRate {
    pub fn new(rate: u64, window: Duration) -> Self {
        Self { rate, window, waited: Duration::ZERO, bytes: 0 }
    }

    pub fn set_rate(&mut self, rate: u64) {
        self.rate = rate;
    }

    /// From now on a body may be slower for this long.
    pub fn set_window(&mut self, window: Duration) {
        self.window = window;
    }

    /// How long the next bytes may take.
    pub fn left(&self) -> Duration {
        if self.rate == 0 { Duration::MAX } else { self.window.saturating_sub(self.waited) }
    }

    pub fn waited(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(time);
    }

    /// Notes bytes that have come. False: they were too slow.
    pub fn moved(&mut self, bytes: u64) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        // A window is over when enough has come for it, and too slow when it has not by then.
        let enough = (self.rate as f64 * self.window.as_secs_f64()) as u64;
        if self.bytes >= enough {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
        self.rate == 0 || self.waited < self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces of this size with a wait before each: the wait at which it is too slow, if one is.
    fn ends_at(rate: u64, bytes: u64, every: Duration) -> Option<u32> {
        let mut least = LeastRate::new(rate, Duration::from_secs(20));
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
    }

    #[test]
    fn a_shorter_window_counts_at_once() {
        let second = Duration::from_secs(1);
        let mut least = LeastRate::new(500, 20 * second);
        least.waited(4 * second);
        assert!(least.moved(1));
        least.set_window(3 * second);
        assert!(least.left().is_zero() && !least.moved(1));
        assert!(least.moved(2_000), "enough for the shorter one");
    }
}
