//! What the adapter counts, per pool and server. Names begin with `weir_wsgi_adapter_`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<ServerLabels, Counter>,
    in_flight: Family<ServerLabels, Gauge>,
    reply_head: Family<ServerLabels, Histogram, fn() -> Histogram>,
    failures: Family<FailureLabels, Counter>,
    queued: Family<PoolLabels, Gauge>,
    tunnels: Family<PoolLabels, Gauge>,
}

/// A connection that has switched to another protocol, counted as long as it lives.
#[derive(Debug)]
pub(crate) struct Tunnel(Gauge);

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The handles of one server: no lookup while requests are served.
#[derive(Clone, Debug)]
pub(crate) struct ServerMetrics {
    /// Requests given to it, those that failed included.
    pub(crate) requests: Counter,
    pub(crate) in_flight: Gauge,
    /// From choosing it to its reply's head, in seconds.
    pub(crate) reply_head: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabels {
    pool: String,
    server: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    pool: String,
    /// Empty if no server was chosen.
    server: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

/// Seconds, from a page out of a template's cache to nginx's read timeout.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            in_flight: Family::default(),
            reply_head: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            failures: Family::default(),
            queued: Family::default(),
            tunnels: Family::default(),
        }
    }
}

impl Metrics {
    /// Makes them appear in what `registry` exposes.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("weir_wsgi_adapter");
        registry.register("requests", "Requests given to a server", self.requests.clone());
        registry.register("in_flight", "Requests at a server now", self.in_flight.clone());
        registry.register_with_unit(
            "reply_head",
            "From choosing a server to its reply's head",
            Unit::Seconds,
            self.reply_head.clone(),
        );
        registry.register(
            "failures",
            "Requests without a whole reply, by what went wrong",
            self.failures.clone(),
        );
        registry.register(
            "tunnels",
            "Connections that have switched to another protocol (WebSocket), now",
            self.tunnels.clone(),
        );
        registry.register("queued", "Requests that wait for a server", self.queued.clone());
    }

    /// One more connection that has switched to another protocol.
    pub(crate) fn tunnel(&self, pool: &str) -> Tunnel {
        let gauge = self.tunnels.get_or_create_owned(&PoolLabels { pool: pool.to_owned() });
        gauge.inc();
        Tunnel(gauge)
    }

    pub(crate) fn server(&self, pool: &str, server: &str) -> ServerMetrics {
        let labels = ServerLabels { pool: pool.to_owned(), server: server.to_owned() };
        ServerMetrics {
            requests: self.requests.get_or_create_owned(&labels),
            in_flight: self.in_flight.get_or_create_owned(&labels),
            reply_head: self.reply_head.get_or_create_owned(&labels),
        }
    }

    pub(crate) fn queued(&self, pool: &str) -> Gauge {
        self.queued.get_or_create_owned(&PoolLabels { pool: pool.to_owned() })
    }

    pub(crate) fn failure(&self, pool: &str, server: &str, kind: &'static str) {
        let labels = FailureLabels { pool: pool.to_owned(), server: server.to_owned(), kind };
        self.failures.get_or_create(&labels).inc();
    }
}
