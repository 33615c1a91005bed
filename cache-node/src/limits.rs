//! What all edges count together: requests in a time and requests in progress, of `shared` limit zones.
//!
//! Redis counts where there is one, and memory where there is none or it does not answer at once. A bucket is
//! never taken for emptier than anybody knows: the edge says what it holds at least, the node adds what it
//! has heard, and both of them note the answer. So a node that begins anew, an edge that changes to another
//! node, and a Redis that was lost, emptied, or whose clock was set, give no burst for a second time.

mod places;

use std::sync::Arc;
use std::time::{Duration, Instant};

use leaky_bucket::{RequestCounts, RequestPace};
use tokio::time::timeout;
use weir_proto::cache::limit_request::What;
use weir_proto::cache::{LimitBucket, LimitPlace, LimitReply, LimitRequest};

use crate::config::Config;
use crate::error::Refusal;
use crate::limits::places::Places;
use crate::metrics::Metrics;
use crate::store::redis::Redis;
use crate::store::redis::limits::{LONGEST_HOLD, PlaceRequest, PourRequest};

/// A longer key is no hash.
const LONGEST_KEY: usize = 64;
/// Requests in progress that one node remembers.
const MOST_PLACES: usize = 1 << 20;

pub(crate) struct SharedLimits {
    buckets: RequestCounts,
    places: Places,
    redis: Option<Arc<Redis>>,
    metrics: Metrics,
}

impl SharedLimits {
    pub(crate) fn new(config: &Config, redis: Option<Arc<Redis>>, metrics: Metrics) -> Self {
        let buckets = RequestCounts::new(config.limit_keys as usize);
        Self { buckets, places: Places::new(MOST_PLACES), redis, metrics }
    }

    pub(crate) async fn answer(&self, request: LimitRequest) -> Result<LimitReply, Refusal> {
        let LimitRequest { key, within_us, what } = request;
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(Refusal::BadKey(LONGEST_KEY));
        }
        let within = Duration::from_micros(within_us.into());
        let reply = match what.ok_or(Refusal::BadLimit)? {
            What::Bucket(bucket) if bucket.interval_ns == 0 => return Err(Refusal::BadLimit),
            What::Place(place) if place.id.len() > LONGEST_KEY => return Err(Refusal::BadLimit),
            What::Bucket(bucket) => self.pour(&key, &bucket, within).await,
            What::Place(place) => self.place(&key, &place, within).await,
        };
        self.metrics.limit(reply.refused);
        self.metrics.limit_keys.set(self.buckets.keys() as i64);
        Ok(reply)
    }

    async fn pour(&self, key: &[u8], bucket: &LimitBucket, within: Duration) -> LimitReply {
        let asked = Instant::now();
        let interval = Duration::from_nanos(bucket.interval_ns);
        let pace = RequestPace { interval, burst: bucket.burst, delay: 0 };
        let known = self.buckets.with_one_more(key, interval, asked);
        let at_least = known.max(Duration::from_nanos(bucket.at_least_ns));
        // What is full as far as anybody knows is full: Redis does not pay for a flood.
        if at_least > pace.most() {
            return LimitReply { refused: true, held_ns: nanoseconds(at_least) };
        }
        if let Some(redis) = &self.redis {
            let pouring = PourRequest {
                interval: micros(interval),
                most: micros(pace.most()),
                at_least: micros(at_least),
                counts: !bucket.look,
            };
            if let Ok(Ok((allowed, held))) = timeout(within, redis.pour(key, pouring)).await {
                // It was true at some time since: to drain from now on could only be too late.
                match allowed && !bucket.look {
                    true => self.buckets.learn(key, held, asked),
                    false => self.buckets.learn_uncounted(key, held, pace.interval, asked),
                }
                return LimitReply { refused: !allowed, held_ns: nanoseconds(held) };
            }
        }
        if bucket.look {
            return LimitReply { refused: false, held_ns: nanoseconds(at_least) };
        }
        match self.buckets.count_from(key, pace, at_least, Instant::now()) {
            Some(held) => LimitReply { refused: false, held_ns: nanoseconds(held) },
            None => {
                let held = self.buckets.with_one_more(key, interval, Instant::now());
                LimitReply { refused: true, held_ns: nanoseconds(held) }
            }
        }
    }

    async fn place(&self, key: &[u8], place: &LimitPlace, within: Duration) -> LimitReply {
        let hold = Duration::from_millis(place.hold_ms.into()).min(LONGEST_HOLD);
        let mut request = PlaceRequest { id: &place.id, most: place.most, hold, renew: place.renew };
        let mut is_counted = false;
        if let Some(redis) = &self.redis {
            match timeout(within, redis.place(key, request)).await {
                Ok(Ok(false)) => return LimitReply { refused: true, held_ns: 0 },
                Ok(Ok(true)) => is_counted = true,
                _ => {}
            }
        }
        // What Redis has given stands in memory too, for when Redis is lost.
        request.renew |= is_counted;
        LimitReply { refused: !self.places.take(key, request, Instant::now()), held_ns: 0 }
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
