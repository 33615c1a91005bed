//! All pools of an adapter, for the service that takes requests to them and for the admin listener that shows
//! and changes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::body_memory::BodyMemory;
use crate::config::Config;
use crate::metrics::{Metrics, PREFIX};
use crate::pool::{Pool, StartError};

/// Cheap to clone; all clones are the same pools.
#[derive(Clone, Debug)]
pub struct Pools {
    pub(crate) metrics: Metrics,
    pub(crate) body_memory: Arc<BodyMemory>,
    pools: Arc<BTreeMap<String, Arc<Pool>>>,
}

impl Pools {
    /// `config` is one in which `check` found no mistake. Begins to look up names and to check servers, where
    /// the settings say so; must be called within a runtime.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let metrics = Metrics::default();
        let memory = Arc::new(BodyMemory::new(config.body_memory.bytes()));
        let open = |pool| Pool::open(pool, &metrics, &memory);
        let pools = config.pool.iter().map(|pool| Ok((pool.name.clone(), open(pool)?)));
        let pools = Arc::new(pools.collect::<Result<_, StartError>>()?);
        Ok(Self { metrics, body_memory: memory, pools })
    }

    /// Makes their figures appear in what `registry` exposes.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
        registry.sub_registry_with_prefix(PREFIX).register_collector(Box::new(self.clone()));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Pool>> {
        self.pools.get(name)
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
