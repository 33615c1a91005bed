//! What all streams of one node share.

use std::sync::Arc;
use std::time::Duration;

use admin::Authority;
use process::shutdown::Shutdown;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, WrongSetting};
use crate::exchange::flight::Flights;
use crate::metrics::Metrics;
use crate::purges::Purges;
use crate::store::tiers::Tiers;

/// How often it is looked whether a drain is over.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

pub(crate) struct Parts {
    /// What this node is called in the answer to a purge.
    pub(crate) name: String,
    pub(crate) config: Config,
    /// Who may purge.
    pub(crate) authority: Authority,
    pub(crate) purges: Arc<Purges>,
    pub(crate) store: Tiers,
    pub(crate) flights: Flights,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
    /// The server takes no more calls: watches end. In one process there is none, and the edge leaves by itself.
    pub(crate) closing: CancellationToken,
    /// Streams that may still be opened.
    pub(crate) streams: Arc<Semaphore>,
    /// Streams that may still wait.
    pub(crate) waiting: Semaphore,
    /// Bytes of bodies that may still be received.
    pub(crate) receiving: Arc<Semaphore>,
}

impl Parts {
    /// The settings are taken as checked; an error is a file of theirs that changed since. Must be called within a runtime.
    pub(crate) fn new(
        config: Config,
        authority: Authority,
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> Result<Arc<Self>, WrongSetting> {
        let name = config.name();
        let purges = Arc::new(Purges::new(config.redis.is_some(), config.watch_grace.0));
        let parts = Arc::new(Self {
            store: Tiers::new(&config, &name, &purges, metrics.clone())?,
            name,
            authority,
            purges,
            flights: Flights::new(config.max_waiting_per_page),
            metrics,
            shutdown: shutdown.clone(),
            closing: CancellationToken::new(),
            streams: Arc::new(Semaphore::new(config.max_streams)),
            waiting: Semaphore::new(config.max_waiting),
            receiving: Arc::new(Semaphore::new(config.max_receiving.bytes())),
            config,
        });
        let listening = parts.clone();
        shutdown.clone().spawn(async move {
            tokio::select! {
                () = listening.store.listen() => {}
                () = listening.drained(&shutdown) => {}
            }
            // From here on it uses nothing that a purge could reach, so that nobody needs to wait for it.
            if let Some(log) = listening.store.shared_log() {
                listening.purges.retire();
                log.leave().await;
            }
        });
        Ok(parts)
    }

    /// Resolves when the node is in touch with the purge log, or has tried for as long as it keeps pages without.
    pub(crate) async fn in_touch(&self) {
        let mut changes = self.purges.changes();
        let heard = async { while !self.purges.is_live() && changes.changed().await.is_ok() {} };
        let _ = timeout(self.purges.grace(), heard).await;
    }

    /// Resolves when a drain has begun and no stream is open any more.
    async fn drained(&self, shutdown: &Shutdown) {
        shutdown.draining().await;
        while self.streams.available_permits() < self.config.max_streams {
            sleep(DRAIN_LOOK).await;
        }
    }
}
