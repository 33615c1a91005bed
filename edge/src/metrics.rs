//! Every metric of the edge, by name, and the registry for scraping. All names begin with `weir_edge_…`.
//! Every label's values come from the settings or from the source, never from a request.
//!
//! Each location has its own counters (`location`), and each thread adds to its own copy (`threads`), so that
//! a request adds without a lock. Other parts of the edge keep figures that are read when somebody scrapes
//! (`sampled`).

mod cache_result;
mod histogram;
pub(crate) mod history;
pub(crate) mod history_step;
mod location;
mod place_history;
mod sampled;
pub(crate) mod servers;
pub(crate) mod threads;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use admin::Exposition;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram as prometheus;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

pub(crate) use cache_result::CacheResult;
pub(crate) use histogram::{BOUNDS_US, BUCKETS, quantile};
pub(crate) use location::LocationMetrics;
pub(crate) use sampled::Sample;

use histogram::Histogram;
use history::History;
use location::AllLocations;
use sampled::Sampler;
use servers::AllServers;

/// A name of the settings.
type CertificateName = [(&'static str, String); 1];
/// Counters that differ by one word. Finding one takes a lock, so use it for rare events.
type WordCounters = Family<[(&'static str, &'static str); 1], Counter>;

/// Everything that the edge counts. What happens once per request is in `LocationMetrics`.
#[derive(Debug)]
pub struct Metrics {
    pub connections_accepted: Counter,
    /// Open connections; see `GaugeGuard`.
    pub connections_active: Gauge,
    /// Requests in progress that the fast path does not answer.
    pub requests_active: Gauge,
    /// Connections closed at once because a limit was reached.
    pub connections_refused: Counter,
    /// Connections to a TLS port that failed in the handshake.
    pub handshakes_failed: Counter,
    /// Requests sent to the application, including refreshes in the background.
    pub application_calls: Counter,
    /// Requests for a page that the edge's own memory did not have, or had not fresh enough.
    pub l1_misses: Counter,
    /// Times no cache-node could be asked and the edge went on alone.
    pub cache_node_errors: Counter,
    /// Requests of shared limits that this edge counted alone.
    pub limits_alone: Counter,
    /// When certificates that come by themselves expire, in seconds since 1970, and orders that failed, by
    /// name.
    certificates_expire: Family<CertificateName, Gauge>,
    certificate_failures: Family<CertificateName, Counter>,
    purges: WordCounters,
    purge_time: prometheus::Histogram,
    application_failures: WordCounters,
    refused_heads: WordCounters,
    locations: AllLocations,
    /// What application servers have answered.
    pub(crate) servers: AllServers,
    /// The last hour and the last day.
    pub(crate) history: History,
    sampler: Sampler,
    exposition: Exposition,
    started: SystemTime,
}

impl Metrics {
    /// `sample` is called at each scrape for figures that other parts keep themselves.
    pub fn new(sample: impl Fn() -> Sample + Send + Sync + 'static) -> Self {
        let metrics = Self {
            connections_accepted: Counter::default(),
            connections_active: Gauge::default(),
            requests_active: Gauge::default(),
            connections_refused: Counter::default(),
            handshakes_failed: Counter::default(),
            application_calls: Counter::default(),
            l1_misses: Counter::default(),
            cache_node_errors: Counter::default(),
            limits_alone: Counter::default(),
            certificates_expire: Family::default(),
            certificate_failures: Family::default(),
            purges: WordCounters::default(),
            // 250 µs to 2 s.
            purge_time: prometheus::Histogram::new(prometheus::exponential_buckets(0.000_25, 2.0, 14)),
            application_failures: WordCounters::default(),
            refused_heads: WordCounters::default(),
            locations: AllLocations::default(),
            servers: AllServers::default(),
            history: History::default(),
            sampler: Sampler::new(sample),
            exposition: Exposition::default(),
            started: SystemTime::now(),
        };
        metrics.register(|registry| metrics.add_to(registry.sub_registry_with_prefix("weir_edge")));
        metrics
    }

    /// The counters of one location, by the site's name and the location's `match` as in the settings. The
    /// routing table asks for them when it is built. After a reload, the same names get the same counters.
    pub fn location(&self, site: &str, location: &str) -> Arc<LocationMetrics> {
        self.locations.get(site, location)
    }

    /// The counters of all locations.
    pub fn locations(&self) -> Vec<Arc<LocationMetrics>> {
        self.locations.all()
    }

    /// Counts an application's reply that was missing or incomplete. `kind` says why, in one word of the
    /// source.
    pub fn application_failed(&self, kind: &'static str) {
        self.application_failures.get_or_create(&[("kind", kind)]).inc();
    }

    /// Counts a request that was refused before a location was chosen. `reason` says why, in one word of the
    /// source.
    pub fn head_refused(&self, reason: &'static str) {
        self.refused_heads.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts a purge requested here that has ended: complete, or not.
    pub(crate) fn purged(&self, complete: bool, took: Duration) {
        let result = if complete { "complete" } else { "incomplete" };
        self.purges.get_or_create(&[("result", result)]).inc();
        self.purge_time.observe(took.as_secs_f64());
    }

    /// Notes the end of the certificate that is in force for a name of the settings.
    pub(crate) fn certificate_expires(&self, name: &str, at: SystemTime) {
        let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let gauge = self.certificates_expire.get_or_create(&[("name", name.to_owned())]);
        gauge.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// Counts an order for a certificate that failed.
    pub(crate) fn certificate_failed(&self, name: &str) {
        self.certificate_failures.get_or_create(&[("name", name.to_owned())]).inc();
    }

    /// Adds what has happened since the last call to the history.
    pub(crate) fn note(&self, now: SystemTime) {
        let calls = self.application_calls.get();
        self.history.note(&self.locations(), &self.servers.all(), calls, now);
    }

    pub fn sampled(&self) -> Sample {
        self.sampler.sample()
    }

    pub fn uptime(&self) -> Duration {
        self.started.elapsed().unwrap_or_default()
    }

    /// Adds the metrics of another service in this process. Their names begin with that service's.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        self.exposition.add(add);
    }

    /// All metrics of this process, in the text format for scraping.
    pub fn exposition(&self) -> &Exposition {
        &self.exposition
    }

    /// The names. The library adds `_total`, `_info`, the unit, and the full stop of the help text.
    fn add_to(&self, registry: &mut Registry) {
        registry.register("connections_accepted", "Connections accepted", self.connections_accepted.clone());
        registry.register("connections_active", "Connections open now", self.connections_active.clone());
        let help = "Requests in progress that the fast path does not answer";
        registry.register("requests_active", help, self.requests_active.clone());
        registry.register(
            "connections_refused",
            "Connections closed at once because a limit was reached",
            self.connections_refused.clone(),
        );
        registry.register("tls_handshakes_failed", "Failed TLS handshakes", self.handshakes_failed.clone());
        registry.register(
            "application_calls",
            "Requests sent to the application, including background refreshes",
            self.application_calls.clone(),
        );
        registry.register(
            "application_failures",
            "Requests to the application that got no complete reply, by kind",
            self.application_failures.clone(),
        );
        registry.register(
            "refused_heads",
            "Requests refused before a location was chosen, by reason",
            self.refused_heads.clone(),
        );
        registry.register(
            "l1_misses",
            "Requests for a page that the edge's own memory did not hold",
            self.l1_misses.clone(),
        );
        registry.register(
            "cache_node_errors",
            "Times that no cache-node answered and the edge continued alone",
            self.cache_node_errors.clone(),
        );
        registry.register(
            "limits_alone",
            "Requests of shared limits that this edge counted alone, because no cache-node answered in time",
            self.limits_alone.clone(),
        );
        registry.register_with_unit(
            "certificate_expiry",
            "When the certificate of a name expires that came by itself, since 1970",
            Unit::Seconds,
            self.certificates_expire.clone(),
        );
        registry.register(
            "certificate_failures",
            "Orders for certificates that failed, by name",
            self.certificate_failures.clone(),
        );
        registry.register("purges", "Purges requested at this edge, by result", self.purges.clone());
        registry.register_with_unit(
            "purge",
            "Time from a purge to the last acknowledgement",
            Unit::Seconds,
            self.purge_time.clone(),
        );
        registry.register(
            "build",
            "The version that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        let started = self.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        registry.register_with_unit("start_time", "When it started", Unit::Seconds, ConstGauge::new(started));
        registry.register_collector(Box::new(self.locations.clone()));
        registry.register_collector(Box::new(self.sampler.clone()));
    }
}

/// Counts one in a gauge while it exists, however it ends.
#[derive(Debug)]
pub(crate) struct GaugeGuard(Gauge);

impl GaugeGuard {
    pub(crate) fn enter(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests;
