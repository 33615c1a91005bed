//! Whether Redis's clock runs as ours does. Redis counts lifetimes by the time of day, which may be set; we
//! count by one that may not.

use std::time::{Duration, Instant};

/// Less than this is the network's delay, a slow answer, or a clock that is corrected bit by bit.
const STEP: Duration = Duration::from_secs(1);

/// What it read last.
#[derive(Default)]
pub(crate) struct Clock(Option<ClockReading>);

/// Redis's time in ms, read between two moments of ours.
#[derive(Clone, Copy)]
pub(crate) struct ClockReading {
    pub(crate) time: u64,
    pub(crate) sent: Instant,
    pub(crate) received: Instant,
}

impl Clock {
    /// Counts on from here.
    pub(crate) fn accept(&mut self, reading: ClockReading) {
        self.0 = Some(reading);
    }

    /// Whether it was set, forwards or back, since the last reading; or is another server's.
    pub(crate) fn stepped(&self, now: ClockReading) -> bool {
        let Some(last) = self.0 else { return false };
        let least = now.sent.saturating_duration_since(last.received);
        let most = now.received.saturating_duration_since(last.sent);
        let passed = i128::from(now.time) - i128::from(last.time);
        let ms = |time: Duration| time.as_millis() as i128;
        passed < ms(least) - ms(STEP) || passed > ms(most) + ms(STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_from_a_slow_answer() {
        const HOUR: i64 = 3_600_000;
        // How long after the first reading the second question was sent and answered, what Redis's clock went
        // on by meanwhile, all in ms, and whether it was set.
        let cases = [
            (200, 201, 200, false),
            (200, 201, 0, false),
            (200, 201, 1_100, false),
            (200, 201, 200 + HOUR, true),
            (200, 201, 200 - HOUR, true),
            (200, 201, 1_300, true),
            (200, 201, -900, true),
            // Redis, or this node, stood still: no more can be told.
            (200, 60_200, 200, false),
            (200, 60_200, 60_000, false),
            (200, 60_200, 62_000, true),
            (60_000, 60_001, 60_000, false),
            (60_000, 60_001, 200, true),
        ];
        for (sent, received, passed, expected) in cases {
            let start = Instant::now();
            let after = |ms| start + Duration::from_millis(ms);
            let mut clock = Clock::default();
            let first = ClockReading { time: 10_000_000_000, sent: start, received: start };
            assert!(!clock.stepped(first), "nothing to compare it with");
            clock.accept(first);
            let time = first.time.saturating_add_signed(passed);
            let second = ClockReading { time, sent: after(sent), received: after(received) };
            assert_eq!(clock.stepped(second), expected, "{sent} {received} {passed}");
            assert_eq!(clock.stepped(second), expected, "until it is accepted");
            clock.accept(second);
            assert!(!clock.stepped(second));
        }
    }
}
