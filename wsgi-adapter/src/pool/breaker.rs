//! Circuit breaker of one server: after failures in a row nobody is sent to it for a while, not even when
//! there is no other, so that requests fail at once instead of each waiting out its time. Then one request
//! tries it.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::BreakerConfig;

#[derive(Clone, Debug)]
pub(super) enum Breaker {
    /// Failures in a row.
    Closed { fails: u32 },
    /// Nobody is let through until then.
    Open { until: Instant, pause: Duration },
    /// One was let through; if nothing is heard of it, the next one then.
    Trying { until: Instant, pause: Duration },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { fails: 0 }
    }
}

impl Breaker {
    pub(super) fn allows(&self, now: Instant) -> bool {
        self.closed_for(now).is_zero()
    }

    /// Time until a request may go to the server.
    pub(super) fn closed_for(&self, now: Instant) -> Duration {
        match self {
            Self::Closed { .. } => Duration::ZERO,
            Self::Open { until, .. } | Self::Trying { until, .. } => until.saturating_duration_since(now),
        }
    }

    pub(super) fn chosen(&mut self, now: Instant) {
        if let Self::Open { until, pause } | Self::Trying { until, pause } = *self
            && until <= now
        {
            *self = Self::Trying { until: now + pause, pause };
        }
    }

    /// True: it has just opened.
    pub(super) fn failed(&mut self, settings: &BreakerConfig, now: Instant) -> bool {
        match *self {
            Self::Closed { fails } if settings.failures == 0 || fails + 1 < settings.failures => {
                *self = Self::Closed { fails: fails.saturating_add(1).min(u32::MAX - 1) };
                false
            }
            Self::Closed { .. } => {
                let pause = settings.pause.0;
                *self = Self::Open { until: now + pause, pause };
                true
            }
            // These requests were under way when it opened.
            Self::Open { .. } => false,
            Self::Trying { pause, .. } => {
                let pause = (pause * 2).min(settings.max_pause.0.max(settings.pause.0));
                *self = Self::Open { until: now + pause, pause };
                false
            }
        }
    }

    /// True: it was open.
    pub(super) fn succeeded(&mut self) -> bool {
        !matches!(std::mem::take(self), Self::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use process::units::Time;

    use super::*;

    #[test]
    fn opens_tries_and_closes() {
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let settings =
            BreakerConfig { failures: 3, pause: Time::from_secs(1), max_pause: Time::from_secs(3) };
        let mut breaker = Breaker::default();
        assert!(!breaker.failed(&settings, start) && !breaker.failed(&settings, start));
        breaker.succeeded();
        assert!(!breaker.failed(&settings, start) && !breaker.failed(&settings, start), "in a row");
        assert!(breaker.allows(start));
        assert!(breaker.failed(&settings, start));
        assert!(!breaker.failed(&settings, start), "those under way make it no worse");
        assert!(!breaker.allows(start + second / 2));
        let mut now = start;
        for pause in [1, 2, 3, 3] {
            assert_eq!(breaker.closed_for(now), pause * second);
            now += pause * second;
            assert!(breaker.allows(now));
            breaker.chosen(now);
            assert!(!breaker.allows(now), "one tries it");
            breaker.failed(&settings, now);
        }
        now += 3 * second;
        breaker.chosen(now);
        assert!(breaker.succeeded());
        assert!(breaker.allows(now) && !breaker.succeeded());
    }

    #[test]
    fn a_trial_that_is_lost_bars_nobody_for_ever() {
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let settings = BreakerConfig { failures: 1, ..BreakerConfig::default() };
        let mut breaker = Breaker::default();
        assert!(breaker.failed(&settings, start));
        breaker.chosen(start + second);
        assert!(!breaker.allows(start + second) && breaker.allows(start + 2 * second));
    }

    #[test]
    fn none_without_a_setting() {
        let (settings, now) = (BreakerConfig::default(), Instant::now());
        let mut breaker = Breaker::default();
        assert!((0..1000).all(|_| !breaker.failed(&settings, now) && breaker.allows(now)));
    }
}
