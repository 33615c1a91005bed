//! `GET /api/v1/status`: the figures the live page and scripts read. Fields are added, never renamed.

use std::time::SystemTime;

use admin::{Phase, Readiness};
use serde::{Serialize, Serializer};

use crate::admin::remedies;
use crate::metrics::servers::ServerMetrics;
use crate::metrics::{BOUNDS_US, BUCKETS, CacheResult, LocationMetrics, Metrics};

/// Counts are since the start.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    name: String,
    version: &'static str,
    /// Now, in seconds since 1970.
    time: f64,
    uptime_s: f64,
    state: Phase,
    connections: Connections,
    /// Sums over all locations.
    requests: Requests,
    application: ApplicationStatus,
    cache_node: CacheNode,
    l1: L1Status,
    access_log: AccessLogStatus,
    saved: SavedStatus,
    /// The upper bounds of the buckets of `locations`, in seconds; a last bucket counts what is above them.
    bucket_bounds_s: Vec<f64>,
    locations: Vec<LocationStatus>,
    servers: Vec<ServerStatus>,
}

/// What the cache has saved, as the history counts it.
#[derive(Debug, Serialize)]
struct SavedStatus {
    /// Calls of the application.
    calls: u64,
    /// The time that they would have taken.
    seconds: f64,
}

/// Why requests were not answered from the cache, or their replies not stored.
#[derive(Debug, Serialize)]
struct ReasonStatus {
    reason: &'static str,
    count: u64,
    meaning: &'static str,
    /// What to do about it; empty: nothing.
    remedy: String,
}

#[derive(Debug, Serialize)]
struct Connections {
    accepted: u64,
    /// Now.
    active: i64,
    refused: u64,
}

#[derive(Debug, Serialize)]
struct ApplicationStatus {
    calls: u64,
    /// Pages being fetched at the moment.
    fills: u64,
}

#[derive(Debug, Serialize)]
struct CacheNode {
    /// Times that no cache-node answered.
    errors: u64,
}

#[derive(Debug, Serialize)]
struct L1Status {
    /// Now.
    entries: u64,
    /// Now.
    bytes: u64,
    hits: u64,
    evictions: u64,
}

#[derive(Debug, Serialize)]
struct AccessLogStatus {
    dropped: u64,
}

#[derive(Debug, Serialize)]
struct LocationStatus {
    site: String,
    location: String,
    requests: Requests,
    /// Body bytes.
    sent_bytes: u64,
    /// The time that the requests took together.
    seconds: f64,
    /// Requests answered with 5xx.
    server_errors: u64,
    /// Requests by their time.
    buckets: [u64; BUCKETS],
    /// Calls of the application whose reply has ended, and how long it was busy with them.
    calls: u64,
    application_s: f64,
    reasons: Vec<ReasonStatus>,
}

/// An application server, as this edge has met it.
#[derive(Debug, Serialize)]
struct ServerStatus {
    pool: String,
    server: String,
    requests: u64,
    /// Without a reply, or with 5xx.
    errors: u64,
    /// Requests by the time to the head of the reply.
    buckets: [u64; BUCKETS],
}

/// An object: requests by cache result.
#[derive(Clone, Copy, Debug, Default)]
struct Requests([u64; CacheResult::ALL.len()]);

impl Status {
    pub(super) fn now(name: String, metrics: &Metrics, readiness: &Readiness) -> Self {
        let (sampled, saved) = (metrics.sampled(), metrics.history.saved());
        let locations: Vec<LocationStatus> =
            metrics.locations().iter().map(|location| LocationStatus::now(location)).collect();
        Self {
            name,
            version: env!("CARGO_PKG_VERSION"),
            time: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            uptime_s: metrics.uptime().as_millis() as f64 / 1e3,
            state: readiness.phase(),
            connections: Connections {
                accepted: metrics.connections_accepted.get(),
                active: metrics.connections_active.get(),
                refused: metrics.connections_refused.get(),
            },
            requests: locations.iter().fold(Requests::default(), |sum, location| sum.plus(location.requests)),
            application: ApplicationStatus { calls: metrics.application_calls.get(), fills: sampled.fills },
            cache_node: CacheNode { errors: metrics.cache_node_errors.get() },
            l1: L1Status {
                entries: sampled.l1_entries,
                bytes: sampled.l1_bytes,
                hits: sampled.l1_hits,
                evictions: sampled.l1_evictions,
            },
            access_log: AccessLogStatus { dropped: sampled.access_log_dropped },
            saved: SavedStatus { calls: saved.0, seconds: saved.1.as_secs_f64() },
            bucket_bounds_s: BOUNDS_US.iter().map(|us| *us as f64 / 1e6).collect(),
            locations,
            servers: metrics.servers.all().iter().map(|server| ServerStatus::now(server)).collect(),
        }
    }
}

impl ServerStatus {
    fn now(metrics: &ServerMetrics) -> Self {
        let buckets = metrics.buckets();
        Self {
            pool: metrics.pool.to_string(),
            server: metrics.server.to_string(),
            requests: buckets.iter().sum(),
            errors: metrics.errors(),
            buckets,
        }
    }
}

impl LocationStatus {
    fn now(metrics: &LocationMetrics) -> Self {
        let (calls, busy) = metrics.application();
        let reasons = metrics.reasons().into_iter().map(|(reason, count)| ReasonStatus {
            reason: reason.as_str(),
            count,
            meaning: reason.sentence(),
            remedy: remedies::remedy(reason),
        });
        Self {
            site: metrics.site().to_owned(),
            location: metrics.location().to_owned(),
            requests: Requests(CacheResult::ALL.map(|cache| metrics.requests(cache))),
            sent_bytes: metrics.sent(),
            seconds: metrics.time().as_secs_f64(),
            server_errors: metrics.server_errors(),
            buckets: metrics.buckets(),
            calls,
            application_s: busy.as_secs_f64(),
            reasons: reasons.collect(),
        }
    }
}

impl Requests {
    fn plus(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
        self
    }
}

impl Serialize for Requests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(CacheResult::ALL.iter().map(|cache| cache.word()).zip(self.0))
    }
}
