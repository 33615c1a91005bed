//! What each application server has answered, by the pool that a location names: for the live page, also
//! where the pools are in another process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ahash::HashMap;
use parking_lot::RwLock;

use crate::metrics::{BUCKETS, Histogram};

/// Servers that are counted: names in DNS may stand for ever others.
const MOST: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct AllServers(RwLock<ServerTable>);

/// The servers, by pool and then by address: looked up for each request, so by texts that are there already.
type ServerTable = HashMap<Box<str>, HashMap<Box<str>, Arc<ServerMetrics>>>;

/// The counters of one server.
#[derive(Debug)]
pub(crate) struct ServerMetrics {
    pub(crate) pool: Box<str>,
    pub(crate) server: Box<str>,
    /// The times to the head of the reply, or to the failure.
    times: Histogram,
    /// Without a reply, or with 5xx.
    errors: AtomicU64,
}

impl AllServers {
    /// Counts a request that this server was asked last for.
    pub(crate) fn answered(&self, (pool, server): (&str, &str), head: Duration, is_error: bool) {
        if let Some(metrics) = self.0.read().get(pool).and_then(|servers| servers.get(server)) {
            return metrics.count(head, is_error);
        }
        if let Some(metrics) = self.add(pool, server) {
            metrics.count(head, is_error);
        }
    }

    fn add(&self, pool: &str, server: &str) -> Option<Arc<ServerMetrics>> {
        let mut known = self.0.write();
        let is_known = known.get(pool).is_some_and(|servers| servers.contains_key(server));
        if !is_known && known.values().map(HashMap::len).sum::<usize>() >= MOST {
            return None;
        }
        let new = || {
            let (times, errors) = Default::default();
            Arc::new(ServerMetrics { pool: pool.into(), server: server.into(), times, errors })
        };
        Some(known.entry(pool.into()).or_default().entry(server.into()).or_insert_with(new).clone())
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<Arc<ServerMetrics>> {
        let mut servers: Vec<_> = self.0.read().values().flat_map(HashMap::values).cloned().collect();
        servers.sort_by(|a, b| (&a.pool, &a.server).cmp(&(&b.pool, &b.server)));
        servers
    }
}

impl ServerMetrics {
    fn count(&self, head: Duration, is_error: bool) {
        self.times.observe(head);
        self.errors.fetch_add(u64::from(is_error), Relaxed);
    }

    pub(crate) fn buckets(&self) -> [u64; BUCKETS] {
        self.times.counts()
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_counted_up_to_a_number() {
        let servers = AllServers::default();
        for n in 0..MOST + 10 {
            servers.answered(("app", &format!("s{n}")), Duration::from_millis(1), n == 0);
        }
        servers.answered(("app", "s0"), Duration::from_millis(1), true);
        let all = servers.all();
        assert_eq!((all.len(), &*all[0].server), (MOST, "s0"));
        assert_eq!((all[0].errors(), all[0].buckets().iter().sum::<u64>()), (2, 2));
    }
}
