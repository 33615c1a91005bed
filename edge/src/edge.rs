//! One edge: handles of what its connections share, and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use process::settings::Mistakes;
use process::shutdown::Shutdown;

use crate::application::{self, adapters};
use crate::cache::{flights, l1};
use crate::cache_node::{self, NodeGone};
use crate::listen::{listeners, tls};
use crate::log::access_log::AccessLog;
use crate::metrics::{Metrics, Sampled};
use crate::peers::Peers;
use crate::route::{self, Sites};
use crate::serve::{self, StartError};
use crate::settings::Config;
use crate::{files, purge_log};

/// Seconds between two log lines about a lost cache-node: it fails by the thousand under load.
const WARN_EVERY: u64 = 10;

/// One edge: what all of its connections share.
pub struct Edge {
    pub(crate) settings: Config,
    pub(crate) head_limits: ::http1::head::Limits,
    pub(crate) sites: Arc<ArcSwap<Sites>>,
    /// For each address of `listen`, in that order.
    pub(crate) tls: Vec<Option<tls::Acceptor>>,
    pub(crate) l1: Arc<l1::L1>,
    pub(crate) flights: Arc<flights::Flights>,
    pub(crate) nodes: Arc<cache_node::Nodes>,
    pub(crate) purges: Arc<purge_log::Purges>,
    /// What this edge is called in the answer to a purge.
    pub(crate) name: Arc<str>,
    pub(crate) origins: application::Origins,
    pub(crate) files: files::FileCache,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Arc<AccessLog>,
    /// Second of the uptime from which a lost cache-node may be logged again.
    pub(crate) node_warned: AtomicU64,
    pub(crate) shutdown: Shutdown,
}

impl Edge {
    pub fn new(settings: Config, peers: Peers, shutdown: Shutdown) -> Result<Arc<Self>, StartError> {
        let l1 = Arc::new(l1::L1::new(settings.l1.memory.0, settings.l1.max_object.0));
        let flights = flights::Flights::new(settings.limits.fills, settings.limits.waiters);
        let log = Arc::new(serve::open_log(&settings)?);
        let adapters = Arc::new(adapters::Adapters::new(peers.wsgi_adapters));
        let metrics = Arc::new(Metrics::new({
            let (l1, flights, log) = (l1.clone(), flights.clone(), log.clone());
            let adapters = adapters.clone();
            move || Sampled {
                adapters: adapters.figures(),
                l1_entries: l1.len() as u64,
                l1_bytes: l1.weight(),
                l1_hits: l1.hits(),
                l1_evictions: l1.evictions(),
                fills: flights.under_way() as u64,
                access_log_dropped: log.dropped(),
            }
        }));
        let sites = Arc::new(ArcSwap::from_pointee(build_sites(&settings, &metrics)?));
        let tls = listeners::acceptors(&settings, &sites)?;
        let timeouts = &settings.timeouts;
        Ok(Arc::new(Self {
            head_limits: ::http1::head::Limits {
                head: settings.limits.head.bytes(),
                target: settings.limits.target.bytes(),
                fields: settings.limits.fields,
            },
            sites,
            tls,
            l1,
            flights,
            nodes: Arc::new(cache_node::Nodes::new(peers.cache_nodes, timeouts.cache.0, timeouts.wait.0)),
            purges: Arc::new(purge_log::Purges::new(settings.watch_grace.0)),
            name: settings.name().into(),
            origins: application::Origins::new(adapters, timeouts.application.0),
            files: files::FileCache::new(settings.files.clone()),
            metrics,
            log,
            node_warned: AtomicU64::new(0),
            shutdown,
            settings,
        }))
    }

    /// Takes over the sites of new settings; requests under way finish by the old ones. Everything else needs a restart.
    pub fn reload(&self, settings: &Config) {
        match build_sites(settings, &self.metrics) {
            Ok(sites) => {
                self.sites.store(Arc::new(sites));
                tracing::info!(
                    "sites, locations and certificates taken over from the settings; the rest needs a restart"
                );
            }
            Err(error) => tracing::error!("settings not taken over: {error}"),
        }
    }

    /// For the metrics of services in the same process.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn trusts(&self, peer: SocketAddr) -> bool {
        let address = peer.ip().to_canonical();
        self.settings.trusted_proxies.iter().any(|net| net.contains(&address))
    }

    /// One line for the log that says which server failed and why.
    pub(crate) fn log_failure(&self, target: &str, failure: &application::Failure) {
        self.metrics.application_failed(failure.kind.as_str_name());
        tracing::warn!(
            target,
            server = failure.server,
            kind = failure.kind.as_str_name(),
            reached = failure.reached,
            "application failed: {}",
            failure.detail
        );
    }

    /// No cache-node could be asked: the edge goes on alone.
    pub(crate) fn node_gone(&self, gone: &NodeGone) {
        self.metrics.cache_node_errors.inc();
        let second = self.metrics.uptime().as_secs();
        let warned = self.node_warned.load(Ordering::Relaxed);
        if second >= warned && self.node_warned.swap(second + WARN_EVERY, Ordering::Relaxed) == warned {
            tracing::warn!("{gone}: this edge goes on from its own memory");
        }
    }
}

fn build_sites(settings: &Config, metrics: &Metrics) -> Result<Sites, StartError> {
    let mut mistakes = Mistakes::default();
    match route::build(settings, metrics, &mut mistakes) {
        Some(sites) if mistakes.is_empty() => Ok(sites),
        _ => Err(StartError::Settings(mistakes)),
    }
}
