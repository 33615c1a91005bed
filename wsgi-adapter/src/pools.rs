//! All pools of an adapter, for the service that takes requests to them and for the admin listener that shows
//! and changes them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use weir_proto::origin::RequestHead;

use crate::body_memory::BodyMemory;
use crate::config::{Config, PoolConfig, ServerConfig};
use crate::metrics::{Metrics, PREFIX};
use crate::pool::{Pool, PoolTally, StartError};

/// Cheap to clone; all clones are the same pools.
#[derive(Clone, Debug)]
pub struct Pools {
    pub(crate) metrics: Metrics,
    pub(crate) body_memory: Arc<BodyMemory>,
    tunnel_drain: Arc<Mutex<Duration>>,
    pools: Arc<ArcSwap<PoolMap>>,
    /// Pools of servers that requests have named.
    named: Arc<Mutex<Vec<NamedPool>>>,
}

type PoolMap = BTreeMap<String, Arc<Pool>>;

/// Pools that are ready to take the place of those in use.
#[derive(Debug)]
pub struct PoolsPlan {
    body_memory: usize,
    tunnel_drain: Duration,
    pools: PoolMap,
}

/// A pool that takes any server, with one that requests have named.
#[derive(Debug)]
struct NamedPool {
    server: String,
    pool: Arc<Pool>,
}

/// More servers than this are not remembered.
const MOST_NAMED: usize = 256;
/// How long a pool that the settings no longer name takes requests: for this long at most, an edge may have
/// one on its way by the settings of before.
const LEAVES_AFTER: Duration = Duration::from_secs(60);

/// The settings of the adapter that only a new process takes over, with all below them: its links to edges.
pub const FIXED: &[&str] = &["wsgi_adapter.listen", "wsgi_adapter.tls"];

impl Pools {
    /// `config` is one in which `check` found no mistake. Begins to look up names and to check servers, where
    /// the settings say so; must be called within a runtime.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let metrics = Metrics::default();
        let memory = Arc::new(BodyMemory::new(config.body_memory.bytes()));
        let open = |pool| Pool::open(pool, &metrics, &memory);
        let pools = config.pool.iter().map(|pool| Ok((pool.name.clone(), open(pool)?)));
        let pools = Arc::new(ArcSwap::from_pointee(pools.collect::<Result<_, StartError>>()?));
        let tunnel_drain = Arc::new(Mutex::new(config.tunnel_drain.0));
        Ok(Self { metrics, body_memory: memory, tunnel_drain, pools, named: Arc::default() })
    }

    /// The pools of new settings. Nothing changes yet, and nothing has if it fails.
    pub fn prepare(&self, config: &Config) -> Result<PoolsPlan, StartError> {
        let now = self.pools.load();
        let open = |config: &PoolConfig| match now.get(&config.name) {
            Some(same) if same.is_by(config) => Ok(Arc::clone(same)),
            before => Pool::prepare(config, &self.metrics, &self.body_memory, before.map(|pool| &**pool)),
        };
        let pools = config.pool.iter().map(|pool| Ok((pool.name.clone(), open(pool)?)));
        Ok(PoolsPlan {
            body_memory: config.body_memory.bytes(),
            tunnel_drain: config.tunnel_drain.0,
            pools: pools.collect::<Result<_, StartError>>()?,
        })
    }

    /// Requests that come from now on go to these pools; those in progress finish where they are. Must be
    /// called within a runtime.
    pub fn take_over(&self, plan: PoolsPlan) {
        let PoolsPlan { body_memory, tunnel_drain, mut pools } = plan;
        *self.tunnel_drain.lock() = tunnel_drain;
        self.body_memory.set_limit(body_memory);
        let before = self.pools.load_full();
        for (name, pool) in &pools {
            match before.get(name) {
                Some(same) if Arc::ptr_eq(same, pool) => pool.stays(),
                Some(before) => pool.succeed(before),
                None => pool.start(),
            }
        }
        for (name, gone) in before.iter() {
            if pools.contains_key(name) {
                continue;
            }
            gone.leaves();
            pools.insert(name.clone(), Arc::clone(gone));
            tokio::spawn(self.clone().leave(Arc::clone(gone)));
        }
        self.pools.store(Arc::new(pools));
        self.named.lock().clear();
    }

    /// Lets go of a pool that leaves, after a while.
    async fn leave(self, pool: Arc<Pool>) {
        tokio::time::sleep(LEAVES_AFTER).await;
        self.pools.rcu(|pools| {
            let mut pools = PoolMap::clone(pools);
            // It may have come back.
            if pools.get(&pool.config.name).is_some_and(|listed| Arc::ptr_eq(listed, &pool))
                && pool.is_leaving()
            {
                pools.remove(&pool.config.name);
                pool.retire(None);
            }
            pools
        });
    }

    /// How long tunnels may go on once a drain has begun.
    pub(crate) fn tunnel_drain(&self) -> Duration {
        *self.tunnel_drain.lock()
    }

    /// Makes their figures appear in what `registry` exposes.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
        registry.sub_registry_with_prefix(PREFIX).register_collector(Box::new(self.clone()));
    }

    /// The tally of one of the settings' pools.
    pub fn tally(&self, name: &str) -> Option<PoolTally> {
        self.get(name).map(|pool| pool.tally())
    }

    /// One of the settings.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Pool>> {
        self.pools.load().get(name).filter(|pool| !pool.is_leaving()).cloned()
    }

    /// The pool that a request is for. A pool that takes any server needs the name of one, and no other pool
    /// takes a name.
    pub(crate) fn of(&self, head: &RequestHead) -> Option<Arc<Pool>> {
        let pools = self.pools.load();
        let pool = pools.get(&head.pool)?;
        match (pool.config.any_server, head.server.is_empty()) {
            (false, true) => Some(Arc::clone(pool)),
            (true, false) => self.with_server(pool, &head.server),
            _ => None,
        }
    }

    /// The pool of this name, for requests that name no server.
    pub(crate) fn plain(&self, name: &str) -> Option<Arc<Pool>> {
        self.pools.load().get(name).filter(|pool| !pool.config.any_server).cloned()
    }

    fn with_server(&self, pool: &Pool, server: &str) -> Option<Arc<Pool>> {
        let name = &pool.config.name;
        let mut named = self.named.lock();
        if let Some(known) =
            named.iter().find(|known| known.server == server && known.pool.config.name == *name)
        {
            return Some(Arc::clone(&known.pool));
        }
        let address = server.parse().ok()?;
        let plain = ServerConfig::new(address);
        // Who has nameservers of its own is asked for each name.
        let asked = ServerConfig { resolve: true, ..plain.clone() };
        let is_asked = !pool.config.nameservers.is_empty() && asked.check().is_ok();
        let config = PoolConfig {
            servers: vec![if is_asked { asked } else { plain }],
            any_server: false,
            ..pool.config.clone()
        };
        let opened = Pool::open(&config, &self.metrics, &self.body_memory).ok()?;
        if named.len() >= MOST_NAMED {
            named.remove(0);
        }
        named.push(NamedPool { server: server.to_owned(), pool: Arc::clone(&opened) });
        Some(opened)
    }

    /// Those of the settings.
    pub(crate) fn all(&self) -> Vec<Arc<Pool>> {
        self.pools.load().values().filter(|pool| !pool.is_leaving()).cloned().collect()
    }
}

/// What is found out when it is asked for, as it changes with time alone.
impl Collector for Pools {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let gauge = ConstGauge::new(0i64);
        let mut family =
            encoder.encode_descriptor("server_up", "1: the server takes part", None, gauge.metric_type())?;
        for pool in self.all() {
            for (server, up) in pool.standings() {
                let labels = [("pool", pool.config.name.as_str()), ("server", server.as_str())];
                ConstGauge::new(i64::from(up)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use process::units::Time;

    use super::*;
    use crate::deadline::Deadline;

    fn config(servers: &[&str], read_timeout: u64) -> Config {
        let servers = servers.iter().map(|server| ServerConfig::new(server.parse().unwrap())).collect();
        let read_timeout = Time::from_secs(read_timeout);
        let pool = PoolConfig { name: "app".to_owned(), servers, read_timeout, ..PoolConfig::default() };
        Config { pool: vec![pool], ..Config::default() }
    }

    fn down(pools: &Pools) -> Vec<String> {
        let standings = pools.get("app").unwrap().standings();
        standings.into_iter().filter(|(_, up)| !up).map(|(server, _)| server).collect()
    }

    #[tokio::test]
    async fn a_changed_pool_keeps_what_is_known_of_servers_that_stay() {
        let pools = Pools::open(&config(&["127.0.0.1:1", "127.0.0.1:2"], 60)).unwrap();
        let first = pools.get("app").unwrap();
        let slot =
            first.slot(first.wanted(&RequestHead::default()), Deadline::in_millis(1000)).await.unwrap();
        slot.failed("refused", true);
        let failed = vec![slot.server().address.as_str().to_owned()];
        assert_eq!(down(&pools), failed);
        // Settings that are as they were: it is this pool still.
        pools.take_over(pools.prepare(&config(&["127.0.0.1:1", "127.0.0.1:2"], 60)).unwrap());
        assert!(Arc::ptr_eq(&first, &pools.get("app").unwrap()));
        // Other settings, and another server.
        let more = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"];
        pools.take_over(pools.prepare(&config(&more, 30)).unwrap());
        let second = pools.get("app").unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!(second.entries().len(), 3);
        assert_eq!(down(&pools), failed);
        // The request that the first has begun with ends there.
        drop(slot);
        assert_eq!(down(&pools), failed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_that_is_gone_takes_requests_for_a_while_and_may_come_back() {
        let pools = Pools::open(&config(&["127.0.0.1:1"], 60)).unwrap();
        let head = RequestHead { pool: "app".to_owned(), ..RequestHead::default() };
        let none = Config { pool: Vec::new(), ..Config::default() };
        pools.take_over(pools.prepare(&none).unwrap());
        assert!(pools.get("app").is_none() && pools.all().is_empty());
        assert!(pools.of(&head).is_some());
        pools.take_over(pools.prepare(&config(&["127.0.0.1:1"], 60)).unwrap());
        assert!(pools.get("app").is_some());
        tokio::time::sleep(2 * LEAVES_AFTER).await;
        assert!(pools.get("app").is_some());
        pools.take_over(pools.prepare(&none).unwrap());
        tokio::time::sleep(2 * LEAVES_AFTER).await;
        assert!(pools.of(&head).is_none());
    }
}
