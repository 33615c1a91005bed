//! What all streams of one node share.

use std::sync::Arc;

use admin::Authority;
use arc_swap::ArcSwap;
use process::shutdown::Shutdown;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, WrongSetting};
use crate::exchange::Exchanges;
use crate::known_edges::KnownEdges;
use crate::limits::SharedLimits;
use crate::metrics::Metrics;
use crate::purges::Purges;
use crate::secrets::SharedSecrets;
use crate::shared_log::SharedLog;
use crate::store::redis::Redis;
use crate::store::redis::news::Wakeups;
use crate::store::tiers::Tiers;
use crate::streams::Streams;

pub(crate) struct NodeState {
    /// What this node is called in the answer to a purge.
    pub(crate) name: String,
    /// Who may purge.
    authority: ArcSwap<Authority>,
    pub(crate) purges: Arc<Purges>,
    /// Those that follow the log here.
    pub(crate) edges: Arc<KnownEdges>,
    /// The purge log, where the node shares it with others.
    pub(crate) shared_log: Option<Arc<SharedLog>>,
    pub(crate) exchanges: Exchanges,
    pub(crate) limits: SharedLimits,
    pub(crate) secrets: SharedSecrets,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
    /// The server takes no more calls: watches end. In one process there is none, and the edge leaves by
    /// itself.
    pub(crate) closing: CancellationToken,
    pub(crate) streams: Arc<Streams>,
}

impl NodeState {
    /// The settings are taken as checked; an error is a file of theirs that changed since. Must be called
    /// within a runtime.
    pub(crate) fn new(
        config: Config,
        authority: Authority,
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> Result<Arc<Self>, WrongSetting> {
        let purges = Arc::new(Purges::new(config.redis.is_some(), config.watch_grace.0));
        let wakeups = Arc::new(Wakeups::new());
        let redis = match &config.redis {
            None => None,
            Some(settings) => {
                let (lease, variants) = (config.lease.0, config.max_variants);
                let redis = Redis::new(settings, lease, purges.clone(), metrics.clone(), variants)?;
                Some(Arc::new(redis))
            }
        };
        let shared_log = redis.as_ref().map(|redis| {
            let log = SharedLog::new(redis.clone(), purges.clone(), wakeups.clone(), &metrics, &config);
            Arc::new(log)
        });
        let store = Tiers::new(&config, redis.clone(), purges.clone(), wakeups.clone(), metrics.clone());
        let exchanges = Exchanges::new(
            config.clone(),
            Arc::new(store),
            purges.clone(),
            metrics.clone(),
            shutdown.clone(),
        );
        let limits = SharedLimits::new(&config, redis.clone(), metrics.clone());
        let secrets = SharedSecrets::new(redis.clone());
        let state = Arc::new(Self {
            name: config.name(),
            authority: ArcSwap::from_pointee(authority),
            purges,
            edges: Arc::default(),
            shared_log: shared_log.clone(),
            exchanges,
            limits,
            secrets,
            metrics,
            shutdown: shutdown.clone(),
            closing: CancellationToken::new(),
            streams: Streams::new(config.max_streams),
        });
        if let (Some(redis), Some(log)) = (redis, shared_log) {
            let node = state.clone();
            shutdown.spawn(async move { node.follow(&redis, &log, &wakeups).await });
        }
        Ok(state)
    }

    /// Who may purge at the moment.
    pub(crate) fn authority(&self) -> Arc<Authority> {
        self.authority.load_full()
    }

    /// Other bounds, from now on, and for a node that others reach, another authority. What is under way goes
    /// on. Must be called within a runtime.
    pub(crate) fn take_over(&self, config: &Config, authority: Option<Authority>) {
        self.exchanges.take_over(config);
        if let Some(authority) = authority {
            self.authority.store(Arc::new(authority));
        }
    }

    /// Resolves when the node is in touch with the purge log, or has tried for as long as it keeps pages
    /// without.
    pub(crate) async fn in_touch(&self) {
        let mut changes = self.purges.changes();
        let heard = async { while !self.purges.is_live() && changes.changed().await.is_ok() {} };
        let _ = timeout(self.purges.grace(), heard).await;
    }

    /// Follows the news of other nodes and the log that they share, until this node has drained.
    async fn follow(&self, redis: &Redis, log: &SharedLog, wakeups: &Wakeups) {
        tokio::select! {
            _ = async { tokio::join!(redis.channel().listen(wakeups), log.follow()) } => {}
            () = self.drained() => {}
        }
        // From here on it uses nothing that a purge could reach, so that nobody needs to wait for it.
        self.purges.retire();
        log.leave().await;
    }

    /// Resolves when a drain has begun and no stream is open any more. A stream that came later would hear of
    /// no purge and of no page of other nodes.
    async fn drained(&self) {
        self.shutdown.draining().await;
        self.streams.close().await;
    }
}
