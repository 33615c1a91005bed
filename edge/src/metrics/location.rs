//! The counters of each site and location, laid out flat, so that a request adds and never searches.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http_cache::Reason;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Unit;

use crate::metrics::{BUCKETS, CacheResult, Histogram, threads};

const RESULTS: usize = CacheResult::ALL.len();
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of one location. The routing table holds them, so that they are found with the location.
#[derive(Debug)]
pub struct LocationMetrics {
    site: Box<str>,
    location: Box<str>,
    /// Each thread adds to its own counters. Reading sums them up.
    parts: Box<[CounterPart]>,
}

/// What the threads of one number have counted.
#[derive(Debug)]
struct CounterPart {
    results: [ResultMetrics; RESULTS],
    /// Counts in the order of `Reason::ALL`.
    reasons: [AtomicU64; Reason::ALL.len()],
    application: ApplicationTime,
}

/// Calls of the application whose reply has ended, and how long it was busy with them.
#[derive(Debug, Default)]
struct ApplicationTime {
    calls: AtomicU64,
    nanoseconds: AtomicU64,
}

/// The counters of one thread, laid out so that a request touches two cache lines.
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct ResultMetrics {
    by_class: [AtomicU64; CLASSES.len()],
    sent: AtomicU64,
    duration: Histogram,
}

impl LocationMetrics {
    fn new(site: &str, location: &str) -> Self {
        Self {
            site: site.into(),
            location: location.into(),
            parts: (0..threads::parts()).map(|_| CounterPart::new()).collect(),
        }
    }

    fn part(&self) -> &CounterPart {
        &self.parts[threads::number() % self.parts.len()]
    }

    fn total(&self) -> CounterPart {
        let total = CounterPart::new();
        for part in &self.parts {
            for (sum, result) in total.results.iter().zip(&part.results) {
                sum.add(result);
            }
            add_each(&total.reasons, &part.reasons);
        }
        total
    }

    /// Counts one answered request: four relaxed additions. `sent` is body bytes, `took` from the request's
    /// head to the last byte of the answer.
    pub fn record(&self, cache: CacheResult, status: u16, sent: u64, took: Duration) {
        let result = &self.part().results[cache as usize];
        result.by_class[class(status)].fetch_add(1, Relaxed);
        result.sent.fetch_add(sent, Relaxed);
        result.duration.observe(took);
    }

    /// Counts why a request was not answered from the cache, or its reply was not stored.
    pub fn decided(&self, reason: Reason) {
        self.part().reasons[reason as usize].fetch_add(1, Relaxed);
    }

    /// Counts a call of the application, and how long it was busy with it.
    pub(crate) fn application_took(&self, took: Duration) {
        let time = &self.part().application;
        time.calls.fetch_add(1, Relaxed);
        time.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Calls of the application so far, and how long it was busy with all of them.
    pub(crate) fn application(&self) -> (u64, Duration) {
        let sum = |of: fn(&ApplicationTime) -> &AtomicU64| {
            self.parts.iter().map(|part| of(&part.application).load(Relaxed)).sum::<u64>()
        };
        (sum(|time| &time.calls), Duration::from_nanos(sum(|time| &time.nanoseconds)))
    }

    /// The reasons given so far, with their counts.
    pub(crate) fn reasons(&self) -> Vec<(Reason, u64)> {
        let total = self.total();
        let counts =
            Reason::ALL.iter().zip(&total.reasons).map(|(reason, count)| (*reason, count.load(Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// Requests answered so far by the bucket of their time, as in `BOUNDS_US`.
    pub(crate) fn buckets(&self) -> [u64; BUCKETS] {
        let total = Histogram::default();
        self.results().for_each(|result| total.add(&result.duration));
        total.counts()
    }

    /// Requests answered with 5xx so far.
    pub(crate) fn server_errors(&self) -> u64 {
        self.results().map(|result| result.by_class[class(500)].load(Relaxed)).sum()
    }

    /// The site's name, as in the settings.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// The location's `match`, as in the settings.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Requests answered in this way so far.
    pub fn requests(&self, cache: CacheResult) -> u64 {
        self.parts.iter().map(|part| part.results[cache as usize].duration.count()).sum()
    }

    /// Body bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.results().map(|result| result.sent.load(Relaxed)).sum()
    }

    /// Time all requests so far took together.
    pub fn time(&self) -> Duration {
        self.results().map(|result| result.duration.sum()).fold(Duration::ZERO, Duration::saturating_add)
    }

    fn results(&self) -> impl Iterator<Item = &ResultMetrics> {
        self.parts.iter().flat_map(|part| &part.results)
    }
}

impl CounterPart {
    fn new() -> Self {
        Self {
            results: Default::default(),
            reasons: [const { AtomicU64::new(0) }; Reason::ALL.len()],
            application: ApplicationTime::default(),
        }
    }
}

impl ResultMetrics {
    fn add(&self, other: &Self) {
        add_each(&self.by_class, &other.by_class);
        self.sent.fetch_add(other.sent.load(Relaxed), Relaxed);
        self.duration.add(&other.duration);
    }
}

/// Adds each number to the sum in the same place.
pub(super) fn add_each(sums: &[AtomicU64], numbers: &[AtomicU64]) {
    for (sum, number) in sums.iter().zip(numbers) {
        sum.fetch_add(number.load(Relaxed), Relaxed);
    }
}

/// The index in `CLASSES`.
fn class(status: u16) -> usize {
    // RFC 9110 section 15: "Values outside the range 100..599 are invalid. [...] A client that receives a
    // response with an invalid status code SHOULD process the response as if it had a 5xx (Server Error)
    // status code."
    match status {
        100..=599 => usize::from(status / 100 - 1),
        _ => 4,
    }
}

/// All locations: as many as the settings name.
#[derive(Clone, Debug, Default)]
pub(super) struct AllLocations(Arc<Mutex<Vec<Arc<LocationMetrics>>>>);

impl AllLocations {
    /// The location of this name, new if there is none. Names that occur twice share counters, because their
    /// series would clash.
    pub(super) fn get(&self, site: &str, location: &str) -> Arc<LocationMetrics> {
        let mut all = self.0.lock();
        if let Some(known) = all.iter().find(|known| known.site() == site && known.location() == location) {
            return Arc::clone(known);
        }
        let new = Arc::new(LocationMetrics::new(site, location));
        all.push(Arc::clone(&new));
        new
    }

    pub(super) fn all(&self) -> Vec<Arc<LocationMetrics>> {
        self.0.lock().clone()
    }
}

impl Collector for AllLocations {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.all();
        if all.is_empty() {
            return Ok(());
        }
        let help = "Requests answered, by cache result and class of status.";
        encode_requests(&all, encoder.encode_descriptor("requests", help, None, MetricType::Counter)?)?;
        let help = "Time from the request's head to the last byte of the answer.";
        let seconds = Some(&Unit::Seconds);
        encode_durations(
            &all,
            encoder.encode_descriptor("request_duration", help, seconds, MetricType::Histogram)?,
        )?;
        let help =
            "Requests not answered from the cache or not stored, by the reason that Cache-Status gives.";
        encode_reasons(&all, encoder.encode_descriptor("cache_reasons", help, None, MetricType::Counter)?)?;
        let help = "Time that the application was busy with replies.";
        encode_application(
            &all,
            encoder.encode_descriptor("application_busy", help, seconds, MetricType::Counter)?,
        )?;
        let help = "Body bytes sent.";
        encode_sent(&all, encoder.encode_descriptor("sent", help, Some(&Unit::Bytes), MetricType::Counter)?)
    }
}

/// Shows only what has happened: 45 series for each location, most of them never used, would hide the few
/// that are.
fn encode_requests(all: &[Arc<LocationMetrics>], mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
    for location in all {
        for (result, cache) in location.total().results.iter().zip(CacheResult::ALL) {
            for (count, class) in result.by_class.iter().zip(CLASSES) {
                let count = count.load(Relaxed);
                if count == 0 {
                    continue;
                }
                let labels = [
                    ("site", location.site()),
                    ("location", location.location()),
                    ("cache", cache.word()),
                    ("status_class", class),
                ];
                ConstCounter::new(count).encode(encoder.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

fn encode_durations(all: &[Arc<LocationMetrics>], mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
    for location in all {
        for (result, cache) in location.total().results.iter().zip(CacheResult::ALL) {
            if result.duration.count() == 0 {
                continue;
            }
            let labels =
                [("site", location.site()), ("location", location.location()), ("cache", cache.word())];
            result.duration.encode(encoder.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn encode_reasons(all: &[Arc<LocationMetrics>], mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
    for location in all {
        for (count, reason) in location.total().reasons.iter().zip(Reason::ALL) {
            let count = count.load(Relaxed);
            if count == 0 {
                continue;
            }
            let labels =
                [("site", location.site()), ("location", location.location()), ("reason", reason.as_str())];
            ConstCounter::new(count).encode(encoder.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn encode_application(
    all: &[Arc<LocationMetrics>],
    mut encoder: MetricEncoder<'_>,
) -> Result<(), fmt::Error> {
    for location in all {
        let (calls, time) = location.application();
        if calls > 0 {
            let labels = [("site", location.site()), ("location", location.location())];
            ConstCounter::new(time.as_secs_f64()).encode(encoder.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn encode_sent(all: &[Arc<LocationMetrics>], mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
    for location in all {
        let labels = [("site", location.site()), ("location", location.location())];
        ConstCounter::new(location.sent()).encode(encoder.encode_family(&labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_class() {
        for (status, expected) in [
            (100, "1xx"),
            (200, "2xx"),
            (304, "3xx"),
            (499, "4xx"),
            (503, "5xx"),
            (599, "5xx"),
            (600, "5xx"),
            (0, "5xx"),
        ] {
            assert_eq!(CLASSES[class(status)], expected, "{status}");
        }
    }

    #[test]
    fn results_have_their_own_places() {
        for (index, cache) in CacheResult::ALL.into_iter().enumerate() {
            assert_eq!(cache as usize, index);
        }
    }

    #[test]
    fn reasons_have_their_own_places() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }

    #[test]
    fn locations_of_one_name_share_their_counters() {
        let locations = AllLocations::default();
        locations.get("a", "/").record(CacheResult::Hit, 200, 10, Duration::from_millis(1));
        locations.get("a", "/").record(CacheResult::Hit, 200, 10, Duration::from_millis(1));
        locations.get("b", "/").record(CacheResult::Hit, 200, 10, Duration::from_millis(1));
        assert_eq!(locations.all().len(), 2);
        assert_eq!(locations.get("a", "/").requests(CacheResult::Hit), 2);
        assert_eq!(locations.get("a", "/").sent(), 20);
    }
}
