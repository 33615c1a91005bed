//! All pools of an adapter, for the service that takes requests to them and for the admin listener that shows
//! and changes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use weir_proto::origin::RequestHead;

use crate::body_memory::BodyMemory;
use crate::config::{Config, PoolConfig, ServerConfig};
use crate::metrics::{Metrics, PREFIX};
use crate::pool::{Pool, StartError};

/// Cheap to clone; all clones are the same pools.
#[derive(Clone, Debug)]
pub struct Pools {
    pub(crate) metrics: Metrics,
    pub(crate) body_memory: Arc<BodyMemory>,
    pools: Arc<BTreeMap<String, Arc<Pool>>>,
    /// Pools of servers that requests have named.
    named: Arc<Mutex<Vec<NamedPool>>>,
}

/// A pool that takes any server, with one that requests have named.
#[derive(Debug)]
struct NamedPool {
    server: String,
    pool: Arc<Pool>,
}

/// More servers than this are not remembered.
const MOST_NAMED: usize = 256;

impl Pools {
    /// `config` is one in which `check` found no mistake. Begins to look up names and to check servers, where
    /// the settings say so; must be called within a runtime.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let metrics = Metrics::default();
        let memory = Arc::new(BodyMemory::new(config.body_memory.bytes()));
        let open = |pool| Pool::open(pool, &metrics, &memory);
        let pools = config.pool.iter().map(|pool| Ok((pool.name.clone(), open(pool)?)));
        let pools = Arc::new(pools.collect::<Result<_, StartError>>()?);
        Ok(Self { metrics, body_memory: memory, pools, named: Arc::default() })
    }

    /// Makes their figures appear in what `registry` exposes.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
        registry.sub_registry_with_prefix(PREFIX).register_collector(Box::new(self.clone()));
    }

    /// One of the settings.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Pool>> {
        self.pools.get(name)
    }

    /// The pool that a request is for. A pool that takes any server needs the name of one, and no other pool
    /// takes a name.
    pub(crate) fn of(&self, head: &RequestHead) -> Option<Arc<Pool>> {
        let pool = self.pools.get(&head.pool)?;
        match (pool.config.any_server, head.server.is_empty()) {
            (false, true) => Some(Arc::clone(pool)),
            (true, false) => self.with_server(pool, &head.server),
            _ => None,
        }
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

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools.values()
    }
}

/// What is found out when it is asked for, as it changes with time alone.
impl Collector for Pools {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let gauge = ConstGauge::new(0i64);
        let mut family =
            encoder.encode_descriptor("server_up", "1: the server takes part", None, gauge.metric_type())?;
        for pool in self.iter() {
            for (server, up) in pool.standings() {
                let labels = [("pool", pool.config.name.as_str()), ("server", server.as_str())];
                ConstGauge::new(i64::from(up)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
