//! How long a server takes to reply of late: an average in which the past fades, and a slow reply counts at
//! once.

use std::time::Duration;

use tokio::time::Instant;

/// After so long a measurement counts for a third of what it did.
const FADES: f64 = 10.0;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latency(Option<(f64, Instant)>);

impl Latency {
    pub(super) fn observe(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let average = match self.0 {
            // A server that has become slow must not be found out by a hundred requests.
            Some((average, at)) if took < average => {
                // However close together, a fast reply counts a little.
                let share = faded(at, now).min(0.95);
                average * share + took * (1.0 - share)
            }
            _ => took,
        };
        self.0 = Some((average, now));
    }

    /// Seconds to expect. Unmeasured for a while, a server's slowness is forgotten, so that it is tried
    /// again.
    pub(super) fn expected(&self, now: Instant) -> Option<f64> {
        self.0.map(|(average, at)| average * faded(at, now))
    }

    /// Seconds, as last measured.
    pub(super) fn measured(&self) -> Option<f64> {
        self.0.map(|(average, _)| average)
    }
}

fn faded(at: Instant, now: Instant) -> f64 {
    (-now.saturating_duration_since(at).as_secs_f64() / FADES).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_counts_at_once_and_fast_with_time() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut latency = Latency::default();
        assert_eq!(latency.expected(start), None);
        latency.observe(second / 10, start);
        assert_eq!(latency.expected(start), Some(0.1));
        latency.observe(2 * second, start);
        assert_eq!(latency.expected(start), Some(2.0));
        for n in 0..100u32 {
            latency.observe(second / 10, start + n * second / 100);
        }
        let expected = latency.expected(start + second).unwrap();
        assert!((0.1..0.2).contains(&expected), "{expected}");
    }

    #[test]
    fn an_idle_server_is_forgiven() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut latency = Latency::default();
        latency.observe(5 * second, start);
        assert!(latency.expected(start + 60 * second).unwrap() < 0.02);
        assert_eq!(latency.measured(), Some(5.0));
    }
}
