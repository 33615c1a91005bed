//! What the node counts, by the names Prometheus sees. Cheap to clone: all clones count together.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone)]
pub struct Metrics {
    lookups: Family<LookupLabels, Counter>,
    leases: Family<LeaseLabels, Counter>,
    stores: Family<StoreLabels, Counter>,
    pub(crate) streams: Gauge,
    pub(crate) waiting: Gauge,
    pub(crate) memory_pages: Gauge,
    pub(crate) memory_bytes: Gauge,
    limits: Family<LimitLabels, Counter>,
    pub(crate) limit_keys: Gauge,
    pub(crate) redis_up: Gauge,
    pub(crate) watches: Gauge,
    pub(crate) purge_log_live: Gauge,
    pub(crate) purge_logs_lost: Counter,
    purges: Family<PurgeLabels, Histogram, fn() -> Histogram>,
    acknowledgements: Histogram,
    redis_calls: Family<RedisLabels, Histogram, fn() -> Histogram>,
    redis_faults: Family<FaultLabels, Counter>,
}

/// An enum with the label value that stands for each of its variants.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($(#[$note])* $variant,)* }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
                let value = match self { $(Self::$variant => $value,)* };
                EncodeLabelValue::encode(&value, encoder)
            }
        }
    };
}

label! {
    /// How a lookup was answered.
    Answered {
        Fresh = "fresh",
        Stale = "stale",
        StaleWithLease = "stale_with_lease",
        OnError = "on_error",
        OnErrorWithLease = "on_error_with_lease",
        Lease = "lease",
        HitForMiss = "hit_for_miss",
        UncacheableReply = "uncacheable_reply",
        HolderFailed = "holder_failed",
        WaitTimeout = "wait_timeout",
        TooMany = "too_many",
        /// The edge left before the answer.
        Left = "left",
    }
}

label! {
    LeaseEvent {
        Granted = "granted",
        /// The holder left without a page: the next one in line has it.
        HandedOver = "handed_over",
        /// Held for `max_lease`.
        Expired = "expired",
        /// The shared store does not know it any more.
        Lost = "lost",
    }
}

label! {
    /// What a holder's message did.
    StoreResult {
        Kept = "kept",
        /// Over before it was stored; only those who waited for it got it.
        Expired = "expired",
        TooLarge = "too_large",
        /// Bodies being received have reached their bound.
        Busy = "busy",
        InvalidVary = "invalid_vary",
        LeaseLost = "lease_lost",
        /// A purge reached the page while it was made.
        Purged = "purged",
        Uncacheable = "uncacheable",
        Failed = "failed",
    }
}

label! {
    Command {
        LookUp = "look_up",
        Put = "put",
        Renew = "renew",
        Release = "release",
        /// A purge is written.
        Purge = "purge",
        /// The purge log is read, and this node says that it is there.
        Beat = "beat",
        Members = "members",
        /// A request is counted for all edges.
        Limit = "limit",
        Secret = "secret",
    }
}

label! {
    /// How a purge ended.
    PurgeResult {
        /// Everybody has acknowledged it, or can use no page from before.
        Complete = "complete",
        Incomplete = "incomplete",
        /// It could not be written to the log.
        NotMade = "not_made",
    }
}

label! {
    /// Why a call to Redis gave nothing.
    Fault {
        Timeout = "timeout",
        Connect = "connect",
        ConnectionLost = "connection_lost",
        /// NOAUTH, WRONGPASS, NOPERM.
        Denied = "denied",
        Loading = "loading",
        /// READONLY: a replica, or a master that may not write.
        ReadOnly = "read_only",
        OutOfMemory = "out_of_memory",
        ClusterDown = "cluster_down",
        /// No node of the Cluster is connected.
        NoNode = "no_node",
        /// MOVED, ASK, TRYAGAIN, where asking again did not help.
        SlotMoving = "slot_moving",
        /// A record under our name that is not ours.
        Foreign = "foreign",
        Other = "other",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    refused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabels {
    answer: Answered,
    /// Whether the stream had to wait for another's page.
    waited: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaseLabels {
    event: LeaseEvent,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreLabels {
    result: StoreResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PurgeLabels {
    result: PurgeResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RedisLabels {
    command: Command,
    ok: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabels {
    kind: Fault,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            lookups: Family::default(),
            leases: Family::default(),
            stores: Family::default(),
            streams: Gauge::default(),
            waiting: Gauge::default(),
            memory_pages: Gauge::default(),
            memory_bytes: Gauge::default(),
            limits: Family::default(),
            limit_keys: Gauge::default(),
            redis_up: Gauge::default(),
            watches: Gauge::default(),
            purge_log_live: Gauge::default(),
            purge_logs_lost: Counter::default(),
            // 250 µs to 2 s.
            purges: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_25, 2.0, 14))),
            acknowledgements: Histogram::new(exponential_buckets(0.000_25, 2.0, 14)),
            // 50 µs to 100 ms.
            redis_calls: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.000_05, 2.0, 12))
            }),
            redis_faults: Family::default(),
        }
    }
}

impl Metrics {
    /// Makes the counts visible in a process's `/metrics`. Names begin with `weir_cache_node_`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("weir_cache_node");
        registry.register("lookups", "Lookups by how they were answered", self.lookups.clone());
        registry.register("leases", "What became of leases", self.leases.clone());
        registry.register("stores", "How leases ended, by what the holder sent", self.stores.clone());
        registry.register("streams", "Exchange streams open now", self.streams.clone());
        registry.register("waiting", "Streams that wait for another's page now", self.waiting.clone());
        registry.register("memory_pages", "Keys held in memory", self.memory_pages.clone());
        registry.register_with_unit(
            "memory",
            "Weight of what is held in memory",
            Unit::Bytes,
            self.memory_bytes.clone(),
        );
        registry.register("limits", "Requests and places counted for all edges", self.limits.clone());
        registry.register("limit_keys", "Keys of shared limits in memory", self.limit_keys.clone());
        registry.register("redis_up", "1 while Redis answers; 0 also without Redis", self.redis_up.clone());
        registry.register("watches", "Edges that follow the purge log here now", self.watches.clone());
        registry.register(
            "purge_log_live",
            "1 while the node is in touch with the purge log in Redis; 0 also without Redis",
            self.purge_log_live.clone(),
        );
        registry.register(
            "purge_logs_lost",
            "Times the purge log had lost purges and all pages were made again",
            self.purge_logs_lost.clone(),
        );
        registry.register_with_unit(
            "purge",
            "Time from a purge to the last acknowledgement",
            Unit::Seconds,
            self.purges.clone(),
        );
        registry.register_with_unit(
            "acknowledgement",
            "Time from a purge to the acknowledgement of one edge that follows here",
            Unit::Seconds,
            self.acknowledgements.clone(),
        );
        registry.register_with_unit(
            "redis_call",
            "Time per call to Redis",
            Unit::Seconds,
            self.redis_calls.clone(),
        );
        registry.register("redis_errors", "Calls to Redis that failed, by why", self.redis_faults.clone());
    }

    pub(crate) fn lookup(&self, answer: Answered, waited: bool) {
        self.lookups.get_or_create(&LookupLabels { answer, waited }).inc();
    }

    pub(crate) fn acknowledged(&self, delay: Duration) {
        self.acknowledgements.observe(delay.as_secs_f64());
    }

    pub(crate) fn lease(&self, event: LeaseEvent) {
        self.leases.get_or_create(&LeaseLabels { event }).inc();
    }

    pub(crate) fn store(&self, result: StoreResult) {
        self.stores.get_or_create(&StoreLabels { result }).inc();
    }

    pub(crate) fn limit(&self, refused: bool) {
        self.limits.get_or_create(&LimitLabels { refused }).inc();
    }

    pub(crate) fn redis_fault(&self, kind: Fault) {
        self.redis_faults.get_or_create(&FaultLabels { kind }).inc();
    }

    pub(crate) fn purge(&self, result: PurgeResult, took: Duration) {
        self.purges.get_or_create(&PurgeLabels { result }).observe(took.as_secs_f64());
    }

    pub(crate) fn redis_call(&self, command: Command, took: Duration, ok: bool) {
        self.redis_calls.get_or_create(&RedisLabels { command, ok }).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clones_count_together_and_are_shown() {
        let metrics = Metrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let clone = metrics.clone();
        clone.lookup(Answered::Fresh, true);
        clone.lease(LeaseEvent::HandedOver);
        clone.store(StoreResult::Kept);
        clone.redis_call(Command::LookUp, Duration::from_micros(300), true);
        clone.redis_fault(Fault::OutOfMemory);
        clone.memory_bytes.set(7);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "weir_cache_node_lookups_total{answer=\"fresh\",waited=\"true\"} 1",
            "weir_cache_node_leases_total{event=\"handed_over\"} 1",
            "weir_cache_node_stores_total{result=\"kept\"} 1",
            "weir_cache_node_redis_call_seconds_count{command=\"look_up\",ok=\"true\"} 1",
            "weir_cache_node_redis_errors_total{kind=\"out_of_memory\"} 1",
            "weir_cache_node_memory_bytes 7",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }
}
