//! When Redis is left alone: after failures in a row, for a time that doubles until it answers again. Reads
//! no clock.

use std::time::Duration;

use tokio::time::Instant;

/// One slow answer is no outage.
const FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// Failures since the last answer.
    failures: u32,
    /// Set once there were too many: who asks then is the one who tries.
    next_try: Option<Instant>,
    pause: Duration,
}

/// What a call's end changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Lost,
    Back,
}

impl Breaker {
    /// Whether a call may go out now. While Redis is lost one call per pause tries it.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        match self.next_try {
            None => true,
            Some(at) if now < at => false,
            Some(_) => {
                self.next_try = Some(now + self.pause);
                true
            }
        }
    }

    pub(crate) fn answered(&mut self) -> Change {
        let change = if self.next_try.is_some() { Change::Back } else { Change::None };
        *self = Self::default();
        change
    }

    /// `jitter` from 0 to 1 spreads the tries of many nodes over the second half of each pause.
    pub(crate) fn failed(&mut self, now: Instant, jitter: f64) -> Change {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES {
            return Change::None;
        }
        let change = if self.next_try.is_none() { Change::Lost } else { Change::None };
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.next_try = Some(now + self.pause.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0));
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 1..FAILURES {
            assert_eq!(breaker.failed(now, 1.0), Change::None);
        }
        assert_eq!(breaker.failed(now, 1.0), Change::Lost);
        breaker
    }

    #[test]
    fn single_failures_change_nothing() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            assert_eq!(breaker.failed(now, 1.0), Change::None);
            assert!(breaker.admits(now));
            assert_eq!(breaker.answered(), Change::None);
        }
    }

    #[test]
    fn lost_redis_is_tried_by_one_call_per_pause() {
        let now = Instant::now();
        let mut breaker = lost(now);
        assert!(!breaker.admits(now + FIRST_PAUSE / 2));
        assert!(breaker.admits(now + FIRST_PAUSE));
        assert!(!breaker.admits(now + FIRST_PAUSE), "one try is under way");
        assert_eq!(breaker.answered(), Change::Back);
        assert!(breaker.admits(now));
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_are_spread() {
        let mut now = Instant::now();
        let mut breaker = lost(now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let began = now;
            while !breaker.admits(now) {
                now += Duration::from_millis(10);
            }
            pauses.push((now - began).as_millis());
            assert_eq!(breaker.failed(now, 1.0), Change::None, "it is told once");
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);

        let mut early = Breaker { pause: LONGEST_PAUSE, failures: FAILURES, next_try: None };
        early.failed(now, 0.0);
        assert!(early.admits(now + LONGEST_PAUSE / 2));
    }
}
