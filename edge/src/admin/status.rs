//! `GET /api/v1/status`: the figures the live page and scripts read. Fields are added, never renamed.

use admin::{Phase, Readiness};
use serde::{Serialize, Serializer};

use crate::metrics::{CacheResult, LocationMetrics, Metrics};

/// Counts are since the start.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    uptime_s: f64,
    state: Phase,
    connections: Connections,
    /// Sums over all locations.
    requests: Requests,
    application: ApplicationStatus,
    cache_node: CacheNode,
    l1: L1Status,
    access_log: AccessLogStatus,
    locations: Vec<LocationStatus>,
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
}

/// An object: requests by cache result.
#[derive(Clone, Copy, Debug, Default)]
struct Requests([u64; CacheResult::ALL.len()]);

impl Status {
    pub(super) fn now(metrics: &Metrics, readiness: &Readiness) -> Self {
        let sampled = metrics.sampled();
        let locations: Vec<LocationStatus> =
            metrics.locations().iter().map(|location| LocationStatus::now(location)).collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
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
            locations,
        }
    }
}

impl LocationStatus {
    fn now(metrics: &LocationMetrics) -> Self {
        Self {
            site: metrics.site().to_owned(),
            location: metrics.location().to_owned(),
            requests: Requests(CacheResult::ALL.map(|cache| metrics.requests(cache))),
            sent_bytes: metrics.sent(),
            seconds: metrics.time().as_secs_f64(),
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
