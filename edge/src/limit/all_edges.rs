//! Limits that all edges count together: what is asked of whoever counts for all of them, and how this edge
//! goes on without an answer.
//!
//! The edge's own counts follow the answers. They never hold more than is true, so a request that they refuse
//! is refused without a question, and when nobody answers the edge goes on from where all were.

use std::time::{Duration, Instant};

use leaky_bucket::RequestPace;
use ring::digest;
use tokio_util::sync::DropGuard;

use crate::limit::zone::Zone;
use crate::limit::{ConnectionLimit, RequestLimit};

/// Names a key of a zone to all edges. A hash: neither addresses nor secrets in keys leave the edge, and
/// nobody can make a key that is counted as another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedKey([u8; 16]);

#[derive(Clone, Copy, Debug)]
pub(crate) struct BucketQuestion {
    pub(crate) key: SharedKey,
    pub(crate) pace: RequestPace,
    /// What the bucket holds with this request, as far as is known here.
    pub(crate) at_least: Duration,
    /// Counts nothing.
    pub(crate) look: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct BucketAnswer {
    pub(crate) refused: bool,
    /// What the bucket holds with this request, or would hold.
    pub(crate) held: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceQuestion {
    pub(crate) key: SharedKey,
    pub(crate) id: u128,
    pub(crate) most: u32,
}

/// Who counts for all edges. `None`: nobody answered in time.
pub(crate) trait SharedCounter: Sync {
    fn pour(&self, question: BucketQuestion) -> impl Future<Output = Option<BucketAnswer>> + Send;

    /// Whether the place is free.
    fn take(&self, question: PlaceQuestion) -> impl Future<Output = Option<bool>> + Send;

    /// Holds the place until the guard is dropped.
    fn hold(&self, question: PlaceQuestion) -> DropGuard;
}

impl SharedKey {
    /// `zone`: what makes the zone the same one for all edges.
    pub(super) fn of(zone: &[u8], key: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(zone);
        context.update(key);
        let mut name = [0; 16];
        name.iter_mut().zip(context.finish().as_ref()).for_each(|(name, byte)| *name = *byte);
        Self(name)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl RequestLimit {
    /// Whether the request would be refused, by the counts of all edges.
    pub(super) async fn is_full(&self, key: &[u8], counter: &impl SharedCounter) -> bool {
        let asked = Instant::now();
        let Some(question) = self.question(key, asked) else { return false };
        let Some(answer) = counter.pour(BucketQuestion { look: true, ..question }).await else {
            return false;
        };
        self.zone.requests.learn_uncounted(key, answer.held, self.pace.interval, asked);
        answer.refused
    }

    /// Counts the request. Returns how long it has to wait. `None`: it is refused.
    pub(super) async fn count(&self, key: &[u8], counter: &impl SharedCounter) -> Option<Duration> {
        let (counts, pace, asked) = (&self.zone.requests, self.pace, Instant::now());
        let Some(question) = self.question(key, asked) else { return counts.count(key, pace, asked) };
        match counter.pour(question).await {
            // It was true at some time since: to drain from now on could only be too late.
            Some(BucketAnswer { refused: false, held }) => {
                counts.learn(key, held, asked);
                Some(pace.wait(held))
            }
            Some(BucketAnswer { refused: true, held }) => {
                counts.learn_uncounted(key, held, pace.interval, asked);
                None
            }
            None => counts.count(key, pace, Instant::now()),
        }
    }

    /// `None`: this edge counts for itself.
    fn question(&self, key: &[u8], now: Instant) -> Option<BucketQuestion> {
        let shared = self.zone.shared_key(key)?;
        let at_least = self.zone.requests.with_one_more(key, self.pace.interval, now);
        Some(BucketQuestion { key: shared, pace: self.pace, at_least, look: false })
    }
}

impl ConnectionLimit {
    /// `Err`: the edges together have as many as they may. `None`: this edge counts for itself.
    pub(super) async fn take(
        &self,
        key: &[u8],
        counter: &impl SharedCounter,
    ) -> Result<Option<DropGuard>, ()> {
        let Some(key) = self.zone.shared_key(key) else { return Ok(None) };
        let question = PlaceQuestion { key, id: rand::random(), most: self.most };
        match counter.take(question).await {
            Some(false) => Err(()),
            // Where nobody answered, they hear of it later.
            Some(true) | None => Ok(Some(counter.hold(question))),
        }
    }
}

impl Zone {
    /// The key as all edges know it; `None`: each edge counts for itself.
    pub(super) fn shared_key(&self, key: &[u8]) -> Option<SharedKey> {
        self.shared.as_deref().map(|zone| SharedKey::of(zone, key))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;

    use http::StatusCode;
    use leaky_bucket::RequestCounts;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::limit::refusals::RefusalLevel;
    use crate::limit::zone::{Rate, ZoneSettings};
    use crate::limit::{LimitDecision, LocationLimits};
    use crate::variables::Template;

    /// A cache-node as an edge sees it: its counts, whether it answers, and how often it was asked.
    struct TestCounter {
        counts: RequestCounts,
        answers: bool,
        asked: AtomicU32,
    }

    impl TestCounter {
        fn new() -> Self {
            Self { counts: RequestCounts::new(100), answers: true, asked: AtomicU32::new(0) }
        }
    }

    impl SharedCounter for TestCounter {
        async fn pour(&self, question: BucketQuestion) -> Option<BucketAnswer> {
            self.asked.fetch_add(1, Relaxed);
            let BucketQuestion { key, pace, at_least, look } = question;
            let (key, now) = (key.as_bytes(), Instant::now());
            let held = self.counts.with_one_more(key, pace.interval, now).max(at_least);
            if look {
                return self.answers.then_some(BucketAnswer { refused: held > pace.most(), held });
            }
            let counted = self.counts.count_from(key, pace, at_least, now);
            let answer = BucketAnswer { refused: counted.is_none(), held: counted.unwrap_or(held) };
            self.answers.then_some(answer)
        }

        async fn take(&self, _: PlaceQuestion) -> Option<bool> {
            Some(self.answers)
        }

        fn hold(&self, _: PlaceQuestion) -> DropGuard {
            CancellationToken::new().drop_guard()
        }
    }

    /// An edge's limits, with counts of its own.
    fn edge(zones: &[(&str, u32)]) -> LocationLimits {
        let limit = |(name, burst): &(&str, u32)| {
            let key = Template::parse("$remote_addr").unwrap();
            let settings = ZoneSettings { rate: Rate::parse("1r/m"), keys: 100, shared: true };
            let zone = Arc::new(Zone::new(name, &key, settings));
            let interval = zone.rate.unwrap().interval();
            let pace = RequestPace { interval, burst: *burst, delay: *burst };
            let log_level = RefusalLevel::default();
            RequestLimit { zone, pace, status: StatusCode::SERVICE_UNAVAILABLE, dry_run: false, log_level }
        };
        LocationLimits { requests: zones.iter().map(limit).collect(), connections: Vec::new() }
    }

    async fn allowed(edges: &[&LocationLimits], counter: &TestCounter, requests: usize) -> usize {
        let mut allowed = 0;
        for n in 0..requests {
            let limits = edges[n % edges.len()];
            let keys = limits.request_keys(|_| b"client".to_vec());
            allowed +=
                usize::from(matches!(limits.count(&keys, counter, &mut "").await, LimitDecision::Wait(_)));
        }
        allowed
    }

    #[tokio::test]
    async fn two_edges_allow_what_one_would() {
        let (a, b) = (edge(&[("two edges", 9)]), edge(&[("two edges", 9)]));
        let counter = TestCounter::new();
        assert_eq!(allowed(&[&a, &b], &counter, 60).await, 10);
        // A flood that is refused costs no questions.
        assert!(counter.asked.load(Relaxed) <= 12, "{:?}", counter.asked);
    }

    #[tokio::test]
    async fn a_node_that_begins_anew_or_is_lost_gives_nothing_twice() {
        let (a, b) = (edge(&[("anew", 9)]), edge(&[("anew", 9)]));
        assert_eq!(allowed(&[&a, &b], &TestCounter::new(), 6).await, 6);
        // It has forgotten everything. The one that asked last knows.
        assert_eq!(allowed(&[&b, &a], &TestCounter::new(), 2).await, 2);
        // None answers: each goes on from where all were.
        let lost = TestCounter { answers: false, ..TestCounter::new() };
        assert_eq!(allowed(&[&a], &lost, 30).await, 2);
        assert_eq!(allowed(&[&a], &TestCounter::new(), 30).await, 0, "they count when a node is back");
    }

    #[tokio::test]
    async fn what_one_zone_refuses_counts_in_none() {
        let one = [("wide", 9), ("narrow", 2)];
        let (a, b) = (edge(&one), edge(&one));
        let counter = TestCounter::new();
        assert_eq!(allowed(&[&a, &b], &counter, 40).await, 3);
        let wide = edge(&[("wide", 9)]);
        assert_eq!(allowed(&[&wide], &counter, 40).await, 7);
    }

    #[test]
    fn keys_of_zones_and_clients_differ() {
        let keys = [("a", "x"), ("a", "y"), ("b", "x")];
        let keys = keys.map(|(zone, key)| SharedKey::of(zone.as_bytes(), key.as_bytes()));
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    }
}
