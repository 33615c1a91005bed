//! What all edges count together in Redis (`shared` limit zones): buckets of requests, and places of requests
//! in progress. One script each, on one key, so that it is one step also in a Cluster.

use std::time::Duration;

use super::script::Script;
use super::{Redis, RedisUnavailable};
use crate::metrics::Command;

/// Buckets stand in this many tables, each with at most `BUCKETS`: some 25 MB, whoever asks. All nodes must
/// agree on it.
const TABLES: u16 = 4096;
const BUCKETS: usize = 64;

/// A place is never held longer than this without its edge asking again.
pub(crate) const LONGEST_HOLD: Duration = Duration::from_secs(300);

pub(super) struct LimitScripts {
    limit: Script,
    place: Script,
}

/// What is poured into a bucket, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PourRequest {
    pub(crate) interval: f64,
    pub(crate) most: f64,
    pub(crate) at_least: f64,
    pub(crate) counts: bool,
}

/// A place that is taken, held on or given back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceRequest<'a> {
    pub(crate) id: &'a [u8],
    pub(crate) most: u32,
    /// Zero: given back.
    pub(crate) hold: Duration,
    pub(crate) renew: bool,
}

impl LimitScripts {
    pub(super) fn new() -> Self {
        Self { limit: Script::new(include_str!("limit.lua")), place: Script::new(include_str!("place.lua")) }
    }
}

impl Redis {
    /// Whether the request is allowed, and what the bucket holds with it.
    pub(crate) async fn pour(
        &self,
        key: &[u8],
        pouring: PourRequest,
    ) -> Result<(bool, Duration), RedisUnavailable> {
        let table = key.iter().take(2).fold(0, |table, byte| table << 8 | u16::from(*byte)) % TABLES;
        let PourRequest { interval, most, at_least, counts } = pouring;
        let mut script = self.limits.limit.prepare_invoke();
        script.key(format!("{}:limit:{table:03x}", self.prefix));
        script.arg(key).arg(interval).arg(most).arg(at_least).arg(u8::from(counts)).arg(BUCKETS);
        let (allowed, held): (bool, u64) = self.call(Command::Limit, &self.leases, &script).await?;
        Ok((allowed, Duration::from_micros(held)))
    }

    /// Whether the place is the caller's.
    pub(crate) async fn place(&self, key: &[u8], place: PlaceRequest<'_>) -> Result<bool, RedisUnavailable> {
        let name = key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut script = self.limits.place.prepare_invoke();
        script.key(format!("{}:places:{name}", self.prefix));
        script.arg(place.id).arg(place.most).arg(crate::entry::millis(place.hold));
        script.arg(u8::from(place.renew)).arg(crate::entry::millis(LONGEST_HOLD));
        self.call(Command::Limit, &self.leases, &script).await
    }
}
