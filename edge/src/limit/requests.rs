//! Requests in a time, by key: nginx's leaky bucket. For each key one number is kept, the time at which its
//! bucket is empty, and each request pours in what drains in one interval.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// How a location's requests may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestPace {
    pub(crate) interval: Duration,
    /// More than these at once are refused.
    pub(crate) burst: u32,
    /// More than these at once have to wait; at least `burst`: none.
    pub(crate) delay: u32,
}

pub(crate) struct RequestCounts {
    start: Instant,
    seed: u64,
    /// When the bucket of a key is empty, in nanoseconds since `start`. Keys that come rarely make room.
    buckets: Cache<u128, Arc<AtomicU64>>,
}

impl RequestCounts {
    pub(super) fn new(keys: usize) -> Self {
        // An hour back, so that a bucket may have been empty before now.
        let now = Instant::now();
        let start = now.checked_sub(Duration::from_secs(3600)).unwrap_or(now);
        Self { start, seed: rand::random(), buckets: Cache::new(keys) }
    }

    /// How long a request of this key would have to wait now. `None`: it would be refused.
    pub(crate) fn look(&self, key: &[u8], pace: RequestPace, now: Instant) -> Option<Duration> {
        let empty = self.buckets.get(&self.hash(key)).map(|bucket| bucket.load(Relaxed));
        self.after(empty, pace, now).map(|(_, wait)| wait)
    }

    /// Counts the request.
    pub(crate) fn count(&self, key: &[u8], pace: RequestPace, now: Instant) -> Option<Duration> {
        let key = self.hash(key);
        let mut wait = None;
        let made = self.buckets.get_or_insert_with(&key, || {
            let (empty, first) = self.after(None, pace, now).ok_or(())?;
            wait = Some(first);
            Ok::<_, ()>(Arc::new(AtomicU64::new(empty)))
        });
        let Ok(bucket) = made else { return None };
        if wait.is_some() {
            return wait;
        }
        let pour = |empty| {
            let (empty, then) = self.after(Some(empty), pace, now)?;
            wait = Some(then);
            Some(empty)
        };
        bucket.fetch_update(Relaxed, Relaxed, pour).ok()?;
        wait
    }

    /// When the bucket is empty after one more request, and how long that request waits.
    fn after(&self, empty: Option<u64>, pace: RequestPace, now: Instant) -> Option<(u64, Duration)> {
        let now = nanoseconds(now.saturating_duration_since(self.start));
        let interval = nanoseconds(pace.interval);
        // As in nginx, the first request of a key leaves nothing in its bucket.
        let empty = empty.map_or(now, |empty| empty.saturating_add(interval).max(now));
        let excess = empty - now;
        if excess > interval.saturating_mul(pace.burst.into()) {
            return None;
        }
        Some((empty, Duration::from_nanos(excess.saturating_sub(interval.saturating_mul(pace.delay.into())))))
    }

    fn hash(&self, key: &[u8]) -> u128 {
        xxh3_128_with_seed(key, self.seed)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.buckets.len()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for RequestCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.buckets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// nginx's own computation (ngx_http_limit_req_lookup), in thousandths of a request and milliseconds.
    struct NginxCount {
        last: Option<(u64, i64)>,
    }

    impl NginxCount {
        fn count(&mut self, rate: i64, burst: i64, delay: i64, now: u64) -> Option<u64> {
            let Some((last, excess)) = self.last else {
                self.last = Some((now, 0));
                return Some(0);
            };
            let passed = (now - last) as i64;
            let excess = (excess - rate * passed / 1000 + 1000).max(0);
            if excess > burst * 1000 {
                return None;
            }
            self.last = Some((now, excess));
            Some(((excess - delay * 1000).max(0) * 1000 / rate) as u64)
        }
    }

    #[test]
    fn decides_as_nginx() {
        let mut random = 1_u64;
        for (rate, burst, delay) in
            [(1000, 0, 0), (10_000, 5, 0), (10_000, 5, 5), (10_000, 20, 8), (2000, 3, 1), (100_000, 50, 0)]
        {
            let pace = RequestPace { interval: Duration::from_secs(1) * 1000 / rate, burst, delay };
            let requests = RequestCounts::new(100);
            let mut nginx = NginxCount { last: None };
            let begun = Instant::now();
            let (mut now, mut refused, mut delayed) = (0, 0, 0);
            for _ in 0..3000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                now += (random >> 33) % (1_500_000 / u64::from(rate));
                let theirs = nginx.count(rate.into(), burst.into(), delay.into(), now);
                let at = begun + Duration::from_millis(now);
                let looked = requests.look(b"key", pace, at);
                let ours = requests.count(b"key", pace, at);
                assert_eq!(looked, ours);
                assert_eq!(
                    ours.map(|wait| wait.as_millis() as u64),
                    theirs,
                    "{rate} {burst} {delay} at {now}"
                );
                refused += u32::from(ours.is_none());
                delayed += u32::from(ours.is_some_and(|wait| !wait.is_zero()));
            }
            assert!(refused > 100 && (delayed > 100 || delay >= burst), "{refused} {delayed}");
        }
    }

    #[test]
    fn memory_is_bounded_and_a_busy_key_is_not_forgotten() {
        let requests = RequestCounts::new(1000);
        let pace = RequestPace { interval: Duration::from_secs(60), burst: 0, delay: 0 };
        let now = Instant::now();
        assert_eq!(requests.count(b"busy", pace, now), Some(Duration::ZERO));
        for n in 0..50_000_u32 {
            requests.count(&n.to_be_bytes(), pace, now);
            if n.is_multiple_of(100) {
                assert_eq!(requests.count(b"busy", pace, now), None, "forgotten after {n}");
            }
        }
        assert!(requests.len() <= 1000, "{}", requests.len());
    }

    #[test]
    fn threads_together_get_no_more_than_one_would() {
        let requests = RequestCounts::new(10);
        let pace = RequestPace { interval: Duration::from_secs(60), burst: 99, delay: 99 };
        let now = Instant::now();
        let allowed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| (0..200).filter(|_| requests.count(b"k", pace, now).is_some()).count())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(allowed, 100);
    }
}
