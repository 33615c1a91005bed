//! What happened in a step of the history, of the whole edge or of one place.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::metrics::servers::ServerMetrics;
use crate::metrics::{BUCKETS, CacheResult, LocationMetrics, quantile};

/// How long a step of the hour is.
pub(crate) const STEP: Duration = Duration::from_secs(10);
/// A location or a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HistoryPlace {
    Location { site: String, location: String },
    Server { pool: String, server: String },
}

/// What happened in a step.
#[derive(Clone, Debug, Default)]
pub(super) struct HistoryStep {
    /// When it ended, in seconds since 1970.
    pub(super) at: u64,
    pub(super) requests: [u64; CacheResult::ALL.len()],
    pub(super) server_errors: u64,
    pub(super) buckets: [u64; BUCKETS],
    pub(super) sent: u64,
    pub(super) calls: u64,
    pub(super) application: Duration,
    pub(super) saved_calls: u64,
    pub(super) saved: Duration,
}

impl HistoryStep {
    /// What has been counted so far.
    pub(super) fn of_location(location: &LocationMetrics, now: SystemTime) -> (HistoryPlace, Self) {
        let (calls, application) = location.application();
        let place = HistoryPlace::Location {
            site: location.site().to_owned(),
            location: location.location().to_owned(),
        };
        let step = Self {
            at: seconds(now),
            requests: CacheResult::ALL.map(|cache| location.requests(cache)),
            server_errors: location.server_errors(),
            buckets: location.buckets(),
            sent: location.sent(),
            calls,
            application,
            ..Self::default()
        };
        (place, step)
    }

    /// Its requests are calls, and no more is known of them.
    pub(super) fn of_server(server: &ServerMetrics, now: SystemTime) -> (HistoryPlace, Self) {
        let place = HistoryPlace::Server { pool: server.pool.to_string(), server: server.server.to_string() };
        let buckets = server.buckets();
        let calls = buckets.iter().sum();
        (place, Self { at: seconds(now), server_errors: server.errors(), buckets, calls, ..Self::default() })
    }

    pub(super) fn plus(mut self, later: Self) -> Self {
        add(&mut self.requests, &later.requests);
        add(&mut self.buckets, &later.buckets);
        Self {
            at: later.at,
            server_errors: self.server_errors + later.server_errors,
            sent: self.sent + later.sent,
            calls: self.calls + later.calls,
            application: self.application + later.application,
            saved_calls: self.saved_calls + later.saved_calls,
            saved: self.saved + later.saved,
            ..self
        }
    }

    pub(super) fn minus(&self, earlier: &Self) -> Self {
        let mut step = self.clone();
        subtract(&mut step.requests, &earlier.requests);
        subtract(&mut step.buckets, &earlier.buckets);
        step.server_errors = self.server_errors.saturating_sub(earlier.server_errors);
        step.sent = self.sent.saturating_sub(earlier.sent);
        step.calls = self.calls.saturating_sub(earlier.calls);
        step.application = self.application.saturating_sub(earlier.application);
        step
    }

    pub(super) fn json(&self) -> Value {
        let requests: Map<_, _> = CacheResult::ALL
            .iter()
            .zip(self.requests)
            .filter(|(_, count)| *count > 0)
            .map(|(cache, count)| (cache.word().to_owned(), count.into()))
            .collect();
        json!({
            "at": self.at,
            "requests": requests,
            "server_errors": self.server_errors,
            "buckets": self.buckets,
            "p50_s": quantile(&self.buckets, 0.5),
            "p95_s": quantile(&self.buckets, 0.95),
            "p99_s": quantile(&self.buckets, 0.99),
            "sent_bytes": self.sent,
            "calls": self.calls,
            "application_s": self.application.as_secs_f64(),
            "saved_calls": self.saved_calls,
            "saved_s": self.saved.as_secs_f64(),
        })
    }
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

pub(super) fn add(sums: &mut [u64], numbers: &[u64]) {
    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
}

fn subtract(numbers: &mut [u64], others: &[u64]) {
    numbers.iter_mut().zip(others).for_each(|(number, other)| *number = number.saturating_sub(*other));
}
