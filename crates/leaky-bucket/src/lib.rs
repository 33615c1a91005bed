//! Requests in a time, by key: nginx's leaky bucket. For each key one number is kept, the time at which its
//! bucket is empty, and each request pours in what drains in one interval. Memory is bounded by the number of
//! keys.
//!
//! An edge and a cache-node count alike, so what one of them knows the other can start from: what a bucket
//! holds is a length of time, which no clock has to be compared for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// How requests of one key may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestPace {
    pub interval: Duration,
    /// More than these at once are refused.
    pub burst: u32,
    /// More than these at once have to wait; at least `burst`: none.
    pub delay: u32,
}

impl RequestPace {
    /// The most that a bucket may hold: how long the last request of a burst would have to wait.
    pub fn most(self) -> Duration {
        self.interval.saturating_mul(self.burst)
    }

    /// How long a request waits that leaves this much in its bucket.
    pub fn wait(self, held: Duration) -> Duration {
        held.saturating_sub(self.interval.saturating_mul(self.delay))
    }
}

/// The buckets of many keys. What a bucket holds is the time until it is empty.
pub struct RequestCounts {
    start: Instant,
    seed: u64,
    /// When the bucket of a key is empty, in nanoseconds since `start`. Keys that come rarely make room.
    buckets: Cache<u128, Arc<AtomicU64>>,
}

impl RequestCounts {
    pub fn new(keys: usize) -> Self {
        // An hour back, so that a bucket may have been empty before now.
        let now = Instant::now();
        let start = now.checked_sub(Duration::from_secs(3600)).unwrap_or(now);
        Self { start, seed: rand::random(), buckets: Cache::new(keys) }
    }

    /// What the bucket of this key would hold with one more request, whether it may or not.
    pub fn with_one_more(&self, key: &[u8], interval: Duration, now: Instant) -> Duration {
        let empty = self.buckets.get(&self.hash(key)).map(|bucket| bucket.load(Relaxed));
        let now = self.since_start(now);
        Duration::from_nanos(filled(empty, interval, Duration::ZERO, now) - now)
    }

    /// What the bucket holds with the request that is counted. `None`: it is refused, and counts nowhere.
    /// `at_least`: what others know that the bucket holds with it.
    pub fn count_from(
        &self,
        key: &[u8],
        pace: RequestPace,
        at_least: Duration,
        now: Instant,
    ) -> Option<Duration> {
        let (key, now) = (self.hash(key), self.since_start(now));
        let most = now.saturating_add(nanoseconds(pace.most()));
        let pour = |empty| {
            let empty = filled(empty, pace.interval, at_least, now);
            (empty <= most).then_some(empty)
        };
        let mut held = None;
        let made = self.buckets.get_or_insert_with(&key, || {
            let empty = pour(None).ok_or(())?;
            held = Some(empty - now);
            Ok::<_, ()>(Arc::new(AtomicU64::new(empty)))
        });
        let Ok(bucket) = made else { return None };
        if held.is_none() {
            let poured = |empty| {
                let empty = pour(Some(empty))?;
                held = Some(empty - now);
                Some(empty)
            };
            bucket.fetch_update(Relaxed, Relaxed, poured).ok()?;
        }
        held.map(Duration::from_nanos)
    }

    /// Counts the request. Returns how long it has to wait. `None`: it is refused, and counts nowhere.
    pub fn count(&self, key: &[u8], pace: RequestPace, now: Instant) -> Option<Duration> {
        self.count_from(key, pace, Duration::ZERO, now).map(|held| pace.wait(held))
    }

    /// How long a request of this key would have to wait now. `None`: it would be refused.
    pub fn look(&self, key: &[u8], pace: RequestPace, now: Instant) -> Option<Duration> {
        let held = self.with_one_more(key, pace.interval, now);
        (held <= pace.most()).then(|| pace.wait(held))
    }

    /// Others know that the bucket of this key held this much at `then`, with the request that was counted.
    pub fn learn(&self, key: &[u8], held: Duration, then: Instant) {
        self.learn_empty(key, self.since_start(then).saturating_add(nanoseconds(held)));
    }

    /// Others know that it would have held this much with one more request, which was not counted.
    pub fn learn_uncounted(&self, key: &[u8], held: Duration, interval: Duration, then: Instant) {
        let held = self.since_start(then).saturating_add(nanoseconds(held));
        self.learn_empty(key, held.saturating_sub(nanoseconds(interval)));
    }

    fn learn_empty(&self, key: &[u8], empty: u64) {
        let made =
            self.buckets.get_or_insert_with(&self.hash(key), || Ok::<_, ()>(Arc::new(AtomicU64::new(empty))));
        if let Ok(bucket) = made {
            bucket.fetch_max(empty, Relaxed);
        }
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.buckets.len()
    }

    fn since_start(&self, time: Instant) -> u64 {
        nanoseconds(time.saturating_duration_since(self.start))
    }

    fn hash(&self, key: &[u8]) -> u128 {
        xxh3_128_with_seed(key, self.seed)
    }
}

/// When a bucket is empty that gets one more request now. As in nginx, the first request of a key leaves
/// nothing in it.
fn filled(empty: Option<u64>, interval: Duration, at_least: Duration, now: u64) -> u64 {
    let known = now.saturating_add(nanoseconds(at_least));
    empty.map_or(known, |empty| empty.saturating_add(nanoseconds(interval)).max(known))
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
        assert!(requests.keys() <= 1000, "{}", requests.keys());
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
    #[test]
    fn who_counts_from_what_another_knows_gives_nothing_twice() {
        let pace = RequestPace { interval: Duration::from_secs(60), burst: 9, delay: 9 };
        let now = Instant::now();
        let [a, b] = [0, 1].map(|_| RequestCounts::new(10));
        // They ask each other before each request, as an edge asks a node that may have begun anew.
        let allowed = (0..40).filter(|n| {
            let (one, other) = if n % 3 == 0 { (&a, &b) } else { (&b, &a) };
            let at_least = other.with_one_more(b"k", pace.interval, now);
            one.count_from(b"k", pace, at_least, now).is_some()
        });
        assert_eq!(allowed.count(), 10);
        // What it learns later than it was true drains meanwhile.
        let third = RequestCounts::new(10);
        third.learn(b"k", Duration::from_secs(540), now);
        let later = now + Duration::from_secs(120);
        assert_eq!(third.with_one_more(b"k", pace.interval, later), Duration::from_secs(480));
        third.learn(b"k", Duration::from_secs(60), now);
        assert_eq!(third.with_one_more(b"k", pace.interval, later), Duration::from_secs(480), "never less");
        // What was not counted is not in it: a bucket that nobody has poured into, and one that has drained
        // by half an interval.
        for held in [0, 30] {
            let fourth = RequestCounts::new(10);
            fourth.learn_uncounted(b"k", Duration::from_secs(held), pace.interval, now);
            assert_eq!(fourth.with_one_more(b"k", pace.interval, now), Duration::from_secs(held));
            let later = now + Duration::from_secs(held);
            assert_eq!(fourth.with_one_more(b"k", pace.interval, later), Duration::ZERO);
        }
    }
}
