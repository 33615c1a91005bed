//! A histogram of durations without a lock: prometheus-client's own takes a mutex at each observation.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::metrics::location::add_each;

/// Upper bounds of the buckets, inclusive, in microseconds: 100 µs to 60 s.
pub(crate) const BOUNDS_US: [u64; 18] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// The number of buckets: one for each bound, and one for what is above all of them.
pub(crate) const BUCKETS: usize = BOUNDS_US.len() + 1;

/// Durations counted by bucket. An observation is two relaxed additions.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Histogram {
    sum_ns: AtomicU64,
    /// Counts of each bucket alone, not cumulative. The last one counts everything above all bounds.
    buckets: [AtomicU64; BUCKETS],
}

impl Histogram {
    pub(super) fn observe(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| bound * 1000 < ns);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum_ns.fetch_add(ns, Relaxed);
    }

    pub(super) fn add(&self, other: &Self) {
        self.sum_ns.fetch_add(other.sum_ns.load(Relaxed), Relaxed);
        add_each(&self.buckets, &other.buckets);
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// The count of each bucket alone.
    pub(super) fn counts(&self) -> [u64; BUCKETS] {
        self.buckets.each_ref().map(|count| count.load(Relaxed))
    }

    pub(super) fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.load(Relaxed))
    }
}

/// The time in seconds that this part of the requests stays below, by their buckets; between two bounds as if
/// they were spread evenly. `None`: there are none.
pub(crate) fn quantile(buckets: &[u64; BUCKETS], part: f64) -> Option<f64> {
    let all: u64 = buckets.iter().sum();
    let wanted = part * all as f64;
    let (mut before, mut lower) = (0.0, 0.0);
    for (bucket, count) in buckets.iter().enumerate() {
        // Nobody knows how far above the last bound the rest is.
        let upper = BOUNDS_US.get(bucket).or(BOUNDS_US.last()).map_or(0.0, |us| *us as f64 / 1e6);
        let count = *count as f64;
        if count > 0.0 && before + count >= wanted {
            return Some(lower + (upper - lower) * ((wanted - before) / count).clamp(0.0, 1.0));
        }
        (before, lower) = (before + count, upper);
    }
    None
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let bounds = BOUNDS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(self.buckets.iter().map(|count| count.load(Relaxed))).collect();
        // The sum of the same reading as the buckets, so that the count always equals the last bucket.
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(self.sum().as_secs_f64(), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_rise() {
        assert!(BOUNDS_US.is_sorted_by(|a, b| a < b));
        let cases: &[(Duration, usize)] = &[
            (Duration::ZERO, 0),
            (Duration::from_micros(100), 0),
            (Duration::from_nanos(100_001), 1),
            (Duration::from_millis(1), 3),
            (Duration::from_secs(60), 17),
            (Duration::from_nanos(60_000_000_001), 18),
            (Duration::MAX, 18),
        ];
        for (took, bucket) in cases {
            let histogram = Histogram::default();
            histogram.observe(*took);
            let filled = histogram.buckets.iter().position(|count| count.load(Relaxed) == 1);
            assert_eq!(filled, Some(*bucket), "{took:?}");
        }
    }

    #[test]
    fn quantiles_lie_between_the_bounds() {
        let histogram = Histogram::default();
        assert_eq!(quantile(&histogram.counts(), 0.5), None);
        for _ in 0..90 {
            histogram.observe(Duration::from_micros(80));
        }
        for _ in 0..10 {
            histogram.observe(Duration::from_millis(40));
        }
        let counts = histogram.counts();
        let within = |part: f64, from: f64, to: f64| {
            let found = quantile(&counts, part).unwrap();
            assert!((from..=to).contains(&found), "{part}: {found}");
        };
        within(0.5, 0.000_05, 0.000_06);
        within(0.9, 0.000_1, 0.000_1);
        within(0.95, 0.025, 0.05);
        within(1.0, 0.05, 0.05);
        histogram.observe(Duration::from_secs(100));
        assert_eq!(quantile(&histogram.counts(), 1.0), Some(60.0));
    }

    #[test]
    fn counts_and_adds_up() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(2));
        histogram.observe(Duration::from_millis(3));
        assert_eq!((histogram.count(), histogram.sum()), (2, Duration::from_millis(5)));
    }
}
