//! The cache of this edge: L1, shared fetches, fills, revalidation.
//!
//! A request looks in `l1`, then joins or begins a flight (`flights`). The first request's `fill` asks the
//! cache-node and, with the lease, the application; all who joined read the page from its `shared_body` while
//! it arrives. Nothing half-received is stored.

pub(crate) mod fill;
pub(crate) mod flights;
pub(crate) mod head_update;
pub(crate) mod l1;
pub(crate) mod lanes;
pub(crate) mod page;
pub(crate) mod shared_body;
pub(crate) mod validate;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use process::shutdown::Shutdown;

use crate::application::Application;
use crate::cache_node::{NodeFailure, Nodes};
use crate::connection::bodies::Bodies;
use crate::metrics::Metrics;
use crate::purge::order::Purger;
use crate::purge_log::Purges;

/// Seconds between two log lines about a lost cache-node: under load there are thousands of failures.
const WARN_EVERY: u64 = 10;

/// Fills, serves and forgets pages in this edge.
pub(crate) struct Cache {
    pub(crate) l1: Arc<l1::L1>,
    pub(crate) flights: Arc<flights::Flights>,
    pub(crate) bodies: Arc<Bodies>,
    /// Bounds the requests that a hit-for-miss mark lets through.
    pub(crate) lanes: Arc<lanes::Lanes>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) log: Arc<Purges>,
    pub(crate) purger: Arc<Purger>,
    pub(crate) application: Arc<Application>,
    pub(crate) patience: Patience,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Shutdown,
    /// The second of the uptime from which a lost cache-node may be logged again.
    pub(crate) node_warned: AtomicU64,
}

/// How long a request waits for a page that is being filled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Its own fill: it waits as long as that may take.
    pub(crate) first: Duration,
    /// Another request's fill: `timeouts.wait`.
    pub(crate) follower: Duration,
}

impl Patience {
    /// How long to wait for a page that another makes. One whose last reply could be shared is worth any
    /// wait: alone, each would wait as long, and ask the application too.
    pub(crate) fn of_a_follower(&self, was_stored: bool) -> Duration {
        if was_stored { self.first } else { self.follower }
    }
}

impl Cache {
    /// Notes that no cache-node answered: the edge continues alone.
    pub(crate) fn node_gone(&self, gone: &NodeFailure) {
        self.metrics.cache_node_errors.inc();
        let second = self.metrics.uptime().as_secs();
        let warned = self.node_warned.load(Ordering::Relaxed);
        if second >= warned && self.node_warned.swap(second + WARN_EVERY, Ordering::Relaxed) == warned {
            tracing::warn!("{gone}: this edge continues from its own memory");
        }
    }
}
