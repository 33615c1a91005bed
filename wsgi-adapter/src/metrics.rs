//! What the adapter counts, per pool and server. Names begin with `weir_wsgi_adapter_`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// What all names begin with.
pub(crate) const PREFIX: &str = "weir_wsgi_adapter";

/// Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    requests: Family<ServerLabels, Counter>,
    in_flight: Family<ServerLabels, Gauge>,
    reply_head: Family<ServerLabels, Histogram, fn() -> Histogram>,
    replies: Family<ReplyLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
    queued: Family<PoolLabels, Gauge>,
    tunnels: Family<PoolLabels, Gauge>,
    queue_wait: Family<PoolLabels, Histogram, fn() -> Histogram>,
    turned_away: Family<ReasonLabels, Counter>,
    retries: Family<PoolLabels, Counter>,
    retries_refused: Family<PoolLabels, Counter>,
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
    reply_head: Histogram,
    /// Counts of these times, to be read here: the library shows its histogram to scrapers only.
    times: Arc<[AtomicU64; TIMES]>,
    /// Replies by the first digit of their status, from 1.
    replies: [Counter; CLASSES.len()],
}

/// The handles of one pool.
#[derive(Clone, Debug)]
pub(crate) struct PoolMetrics {
    pool: String,
    pub(crate) queued: Gauge,
    /// Seconds, of those who waited.
    pub(crate) queue_wait: Histogram,
    turned_away: Family<ReasonLabels, Counter>,
    pub(crate) retries: Counter,
    /// Retries refused because the budget was spent.
    pub(crate) retries_refused: Counter,
}

pub(crate) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabels {
    pool: String,
    server: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReplyLabels {
    pool: String,
    server: String,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    pool: String,
    reason: &'static str,
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
pub(crate) const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// One for each of these, and one for what takes longer.
pub(crate) const TIMES: usize = BUCKETS.len() + 1;

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            in_flight: Family::default(),
            reply_head: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            replies: Family::default(),
            failures: Family::default(),
            queued: Family::default(),
            tunnels: Family::default(),
            queue_wait: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            turned_away: Family::default(),
            retries: Family::default(),
            retries_refused: Family::default(),
        }
    }
}

impl Metrics {
    /// Makes them appear in what `registry` exposes.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix(PREFIX);
        registry.register("requests", "Requests given to a server", self.requests.clone());
        registry.register("in_flight", "Requests at a server now", self.in_flight.clone());
        registry.register_with_unit(
            "reply_head",
            "From choosing a server to its reply's head",
            Unit::Seconds,
            self.reply_head.clone(),
        );
        registry.register("replies", "Replies of a server, by class of status", self.replies.clone());
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
        registry.register_with_unit(
            "queue_wait",
            "How long those waited who had to",
            Unit::Seconds,
            self.queue_wait.clone(),
        );
        registry.register(
            "turned_away",
            "Requests that no server was found for, by reason",
            self.turned_away.clone(),
        );
        registry.register("retries", "Requests taken to another server", self.retries.clone());
        registry.register(
            "retries_refused",
            "Requests not taken to another server, because too many were (retry.budget)",
            self.retries_refused.clone(),
        );
    }

    /// One more connection that has switched to another protocol.
    pub(crate) fn tunnel(&self, pool: &str) -> Tunnel {
        let gauge = self.tunnels.get_or_create_owned(&PoolLabels { pool: pool.to_owned() });
        gauge.inc();
        Tunnel(gauge)
    }

    pub(crate) fn server(&self, pool: &str, server: &str) -> ServerMetrics {
        let labels = ServerLabels { pool: pool.to_owned(), server: server.to_owned() };
        let replies = |class| {
            let labels = ReplyLabels { pool: pool.to_owned(), server: server.to_owned(), class };
            self.replies.get_or_create_owned(&labels)
        };
        ServerMetrics {
            requests: self.requests.get_or_create_owned(&labels),
            in_flight: self.in_flight.get_or_create_owned(&labels),
            reply_head: self.reply_head.get_or_create_owned(&labels),
            replies: CLASSES.map(replies),
            times: Arc::new([const { AtomicU64::new(0) }; TIMES]),
        }
    }

    pub(crate) fn pool(&self, pool: &str) -> PoolMetrics {
        let labels = PoolLabels { pool: pool.to_owned() };
        PoolMetrics {
            pool: pool.to_owned(),
            queued: self.queued.get_or_create_owned(&labels),
            queue_wait: self.queue_wait.get_or_create_owned(&labels),
            turned_away: self.turned_away.clone(),
            retries: self.retries.get_or_create_owned(&labels),
            retries_refused: self.retries_refused.get_or_create_owned(&labels),
        }
    }

    /// A server has left its pool: its figures go with it.
    pub(crate) fn forget(&self, pool: &str, server: &str) {
        let (pool, server) = (pool.to_owned(), server.to_owned());
        for class in CLASSES {
            self.replies.remove(&ReplyLabels { pool: pool.clone(), server: server.clone(), class });
        }
        let labels = ServerLabels { pool, server };
        self.requests.remove(&labels);
        self.in_flight.remove(&labels);
        self.reply_head.remove(&labels);
    }

    pub(crate) fn failure(&self, pool: &str, server: &str, kind: &'static str) {
        let labels = FailureLabels { pool: pool.to_owned(), server: server.to_owned(), kind };
        self.failures.get_or_create(&labels).inc();
    }
}

impl ServerMetrics {
    /// Whether it has ever replied to this process.
    pub(crate) fn has_replied(&self) -> bool {
        self.replies.iter().any(|class| class.get() > 0)
    }

    /// A reply's head has come, after this time.
    pub(crate) fn replied(&self, status: u16, took: Duration) {
        self.reply_head.observe(took.as_secs_f64());
        let bucket = BUCKETS.partition_point(|bound| *bound < took.as_secs_f64());
        if let Some(count) = self.times.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        if let Some(class) = self.replies.get(usize::from(status / 100).wrapping_sub(1)) {
            class.inc();
        }
    }
}

impl ServerMetrics {
    /// Replies by class of status.
    pub(crate) fn replies(&self) -> [u64; CLASSES.len()] {
        self.replies.each_ref().map(Counter::get)
    }

    /// Replies by the time to their head, as in `BUCKETS`.
    pub(crate) fn times(&self) -> [u64; TIMES] {
        self.times.each_ref().map(|count| count.load(Relaxed))
    }
}

impl PoolMetrics {
    pub(crate) fn turned_away(&self, reason: &'static str) -> impl std::ops::Deref<Target = Counter> {
        self.turned_away.get_or_create(&ReasonLabels { pool: self.pool.clone(), reason })
    }
}
