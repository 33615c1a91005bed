//! The microcache all edges share: entries, leases, Redis behind them. Serves `proto/cache.proto`.

mod config;
mod entry;
mod error;
mod exchange;
mod known_edges;
mod legacy;
mod limits;
mod metrics;
mod node;
pub mod program;
mod purge_order;
mod purges;
mod reach;
mod secrets;
mod service;
mod shared_log;
mod slot;
mod store;
mod streams;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use admin::{Authority, Readiness};
use process::legacy::{Legacy, LegacyFile};
use process::settings::Mistakes;
use process::shutdown::Shutdown;
use tokio::net::TcpListener;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use weir_proto::cache::cache_server::CacheServer;
use weir_proto::link::{self, LinkSettings};
use weir_proto::tls::{self, Tls, TlsError};

pub use config::{Config, RedisConfig, WrongSetting};
#[doc(hidden)]
pub use entry::record::fuzzed::read_record;
pub use metrics::Metrics;
#[doc(hidden)]
pub use purges::message::fuzzed::read_purge;
pub use reach::reach_redis;
pub use service::Node;

/// The largest message from an edge: a head with all its fields, or one chunk of a body.
const MAX_MESSAGE: usize = 1024 * 1024;
/// An edge that does not answer for these two together is gone, and its leases are free.
const PING_EVERY: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Per connection. The larger of the two also bounds how many small frames h2 lets through.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024 * 1024;

/// Why a node did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Redis(#[from] WrongSetting),
    #[error("cache_node.tls.{key}: {0}", key = .0.key)]
    Tls(#[from] TlsError),
}

/// Reports everything that is wrong with the settings, by building what the node would use.
pub fn check(config: &Config, mistakes: &mut Mistakes) {
    config.check(mistakes);
    if let Some(redis) = config.redis.as_ref().filter(|redis| redis.is_right()) {
        store::redis::check(redis, mistakes);
    }
}

/// The settings of the node that only a new process takes over, with all below them: what edges and other
/// nodes hold it to, how it reaches Redis, and what the purge log's length follows from.
pub const FIXED: &[&str] = &[
    "cache_node.listen",
    "cache_node.admin",
    "cache_node.tls",
    "cache_node.name",
    "cache_node.redis",
    "cache_node.max_streams",
    "cache_node.limit_keys",
    "cache_node.max_variants",
    "cache_node.lease",
    "cache_node.max_lease",
    "cache_node.max_lifetime",
    "cache_node.watch_grace",
];

/// A node that runs, for whoever changes its settings. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle(Arc<node::NodeState>);

impl NodeHandle {
    /// Takes over the bounds of checked settings. Must be called within a runtime.
    pub fn take_over(&self, config: &Config) {
        self.0.take_over(config, None);
    }

    /// What this node leaves to the one that takes its place. `None`: Redis has it.
    pub fn legacy(&self) -> Option<Box<dyn Legacy>> {
        self.0.shared_log.is_none().then(|| Box::new(legacy::Pages::of(self.0.clone())) as Box<dyn Legacy>)
    }

    /// Takes over what the node before has left, if it has. Call it before this process takes over.
    pub async fn inherit(&self, most: u64) {
        if let Some(file) = LegacyFile::of_this_process().filter(|_| self.0.shared_log.is_none()) {
            legacy::inherit(self.0.clone(), file, most).await;
        }
    }

    /// Does the same for a node that others reach, which takes purges from those that the settings name.
    pub fn take_over_with_authority(&self, config: &Config) {
        self.0.take_over(config, Some(config.authority()));
    }
}

/// The node as a gRPC service: for a server, or for `weir_proto::transport::in_process`. Settings must have
/// passed [`check`]. Must be called within a tokio runtime; its tasks end when `shutdown` begins and
/// their streams are done.
pub fn service(
    config: &Config,
    metrics: &Metrics,
    shutdown: &Shutdown,
) -> Result<(CacheServer<Node>, NodeHandle), RunError> {
    // Nobody reaches it but this process.
    let state = node::NodeState::new(config.clone(), Authority::Local, metrics.clone(), shutdown.clone())?;
    let handle = NodeHandle(state.clone());
    Ok((CacheServer::new(Node { state }).max_decoding_message_size(MAX_MESSAGE), handle))
}

/// A node that others reach; it serves when [`run`] is called. Settings must have passed [`check`]. Must be
/// called within a runtime.
pub fn open(config: &Config, metrics: Metrics, shutdown: &Shutdown) -> Result<NodeHandle, RunError> {
    let state = node::NodeState::new(config.clone(), config.authority(), metrics, shutdown.clone())?;
    if config.redis.is_none() {
        state.purges.expect_strangers();
    }
    Ok(NodeHandle(state))
}

/// Serves the node, and gRPC health checks, on `listener` until `shutdown` begins and the streams under way
/// have ended. It is healthy, and `readiness` ready, when it follows the purge log.
pub async fn run(
    NodeHandle(state): NodeHandle,
    config: Config,
    listener: TcpListener,
    readiness: Readiness,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let (closing, starting) = (state.closing.clone(), state.clone());
    let cache = CacheServer::new(Node { state }).max_decoding_message_size(MAX_MESSAGE);
    let (health, health_service) = tonic_health::server::health_reporter();
    say(&health, ServingStatus::NotServing).await;
    let (healthy, draining) = (health.clone(), shutdown.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = draining.draining() => {}
            () = starting.in_touch() => {
                readiness.ready();
                say(&healthy, ServingStatus::Serving).await;
            }
        }
    });
    let incoming = tls::incoming(listener, Tls::watched(config.tls.as_ref())?);
    let max_streams = u32::try_from(config.max_streams).unwrap_or(u32::MAX);
    let settings = LinkSettings {
        // An edge has few connections: one must carry all who wait, and the lookups behind them.
        max_streams,
        // Visitors who leave cancel streams, which is no attack here.
        aborted_calls: config.max_streams,
        broken_streams: config.max_streams,
        stream_window: STREAM_WINDOW,
        connection_window: CONNECTION_WINDOW,
        ping_every: PING_EVERY,
        ping_timeout: PING_TIMEOUT,
    };
    let draining = async {
        shutdown.draining().await;
        closing.cancel();
        say(&health, ServingStatus::NotServing).await;
    };
    link::serve(incoming, (cache, health_service), settings, draining).await;
    Ok(())
}

/// Reports the status of the service by its name, and of the whole process, which has none.
async fn say(health: &HealthReporter, status: ServingStatus) {
    for name in ["", <CacheServer<Node> as NamedService>::NAME] {
        health.set_service_status(name, status).await;
    }
}
