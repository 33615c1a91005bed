//! What all streams of one node share.

use std::sync::Arc;

use process::shutdown::Shutdown;
use tokio::sync::Semaphore;

use crate::config::{Config, WrongSetting};
use crate::flight::Flights;
use crate::metrics::Metrics;
use crate::store::tiers::Tiers;

pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) store: Tiers,
    pub(crate) flights: Flights,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
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
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> Result<Arc<Self>, WrongSetting> {
        let parts = Arc::new(Self {
            store: Tiers::new(&config, metrics.clone())?,
            flights: Flights::new(config.max_waiting_per_page),
            metrics,
            shutdown: shutdown.clone(),
            streams: Arc::new(Semaphore::new(config.max_streams)),
            waiting: Semaphore::new(config.max_waiting),
            receiving: Arc::new(Semaphore::new(config.max_receiving.bytes())),
            config,
        });
        let listening = parts.clone();
        shutdown.clone().spawn(async move {
            tokio::select! {
                () = listening.store.listen() => {}
                () = shutdown.draining() => {}
            }
        });
        Ok(parts)
    }
}
