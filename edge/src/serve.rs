//! An edge from its start to the end of its drain: bind, serve, report readiness, say goodbye.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use admin::{Readiness, Routes};
use process::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cache_node::identity::EdgeIdentity;
use crate::edge::{Edge, StartError};
use crate::listen::accept::{self, Door};
use crate::listen::cores;
use crate::listen::listeners::{Listeners, acceptors, by_core};
use crate::listen::room;
use crate::log::access_log::AccessLog;
use crate::log::own_logs::OwnLogs;
use crate::metrics::{Metrics, history};
use crate::peers::Peers;
use crate::settings::{Config, Runtime};

/// How often to check whether a drain has ended.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// How often to check, at startup, whether a purge log is connected.
const READY_LOOK: Duration = Duration::from_millis(5);

/// Serves until the shutdown begins. Connections then finish by themselves (`Shutdown::finish` waits for
/// them).
pub async fn run(
    config: Config,
    listeners: Listeners,
    peers: Peers,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    Edge::new(config, peers, shutdown)?.serve(listeners, ()).await
}

impl Edge {
    /// Serves. `routes` is what the admin listener shows besides, for services in the same process.
    pub async fn serve<R: Routes>(
        self: Arc<Self>,
        listeners: Listeners,
        routes: R,
    ) -> Result<(), StartError> {
        let acceptors = acceptors(&self)?;
        let stop = CancellationToken::new();
        let identity = EdgeIdentity {
            name: self.settings.name(),
            admin: self.settings.admin.clone(),
            token_file: self.settings.admin_token_file.clone(),
        };
        let watching = self.cache.nodes.clone().keep(self.cache.log.clone(), identity, stop.clone());
        let watching = tokio::spawn(watching);
        tokio::spawn(self.application.adapters().clone().keep(stop.clone()));
        tokio::spawn(keep_history(self.metrics.clone(), stop.clone()));
        self.shutdown.spawn(self.clone().say_goodbye(stop, watching));
        self.cache.nodes.first_word().await;
        let readiness = Readiness::default();
        tokio::spawn(self.clone().say_when_ready(readiness.clone()));
        let admin = listeners.admin.map(|listener| {
            tokio::spawn(crate::admin::serve(
                listener,
                self.clone(),
                routes,
                readiness,
                self.shutdown.clone(),
            ))
        });
        tokio::spawn(reopen_logs(self.log.access.clone(), self.log.own.clone()));
        let room = Arc::new(Semaphore::new(room::connections(self.settings.limits.connections)));
        let doors = (0..).zip(self.settings.listen.iter().zip(acceptors));
        let doors = doors.map(|(listener, (listen, tls))| Door {
            listener,
            tls,
            http2: listen.speaks_http2(),
            proxy_protocol: listen.proxy_protocol,
        });
        self.clone().serve_http(doors.collect(), listeners.http, &room).await;
        if let Some(admin) = admin {
            // The admin listener answers probes to the end of the drain.
            let _ = admin.await;
        }
        Ok(())
    }

    /// Serves until the drain begins.
    async fn serve_http(
        self: Arc<Self>,
        doors: Vec<Door>,
        listeners: Vec<Vec<std::net::TcpListener>>,
        room: &Arc<Semaphore>,
    ) {
        if self.settings.runtime == Runtime::PerCore {
            match cores::start(&self, doors, by_core(listeners), room) {
                Ok(()) => self.shutdown.draining().await,
                Err(error) => tracing::error!("cannot start a thread for each core: {error}"),
            }
            return;
        }
        let accepting =
            doors.into_iter().zip(listeners.into_iter().flatten()).filter_map(|(door, listener)| {
                let listener = TcpListener::from_std(listener)
                    .inspect_err(|error| tracing::error!(%error, "cannot accept connections"))
                    .ok()?;
                let this = self.clone();
                Some(accept::accept(self.clone(), listener, room.clone(), move |guest| {
                    accept::begin(&this, &door, guest, ());
                }))
            });
        futures_util::future::join_all(accepting).await;
    }

    /// Reports readiness when the edge follows a purge log, or has tried for as long as it keeps pages
    /// without one.
    async fn say_when_ready(self: Arc<Self>, readiness: Readiness) {
        let heard = async {
            while !self.cache.log.are_heard(Instant::now()) {
                tokio::time::sleep(READY_LOOK).await;
            }
        };
        let _ = tokio::time::timeout(self.cache.log.grace(), heard).await;
        readiness.ready();
    }

    /// Follows the purge logs to the end of a drain, because pages are served until then. After that, nobody
    /// needs to wait for this edge.
    async fn say_goodbye(self: Arc<Self>, stop: CancellationToken, watching: JoinHandle<()>) {
        self.shutdown.draining().await;
        self.acme.stop();
        if self.shutdown.is_handed_over() {
            // The next process purges without this one, which uses no page from memory any more.
            stop.cancel();
            let _ = watching.await;
            self.cache.log.lose_all();
            return;
        }
        while self.metrics.connections_active.get() > 0 || self.cache.flights.under_way() > 0 {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        stop.cancel();
        let _ = watching.await;
    }
}

/// Adds to the history at each of its steps.
async fn keep_history(metrics: Arc<Metrics>, stop: CancellationToken) {
    let mut steps = tokio::time::interval(history::STEP);
    loop {
        tokio::select! {
            _ = steps.tick() => metrics.note(SystemTime::now()),
            () = stop.cancelled() => return,
        }
    }
}

/// Reopens the logs on SIGUSR1, as nginx does: a log rotation has moved the files away.
async fn reopen_logs(log: Arc<AccessLog>, own: Arc<OwnLogs>) {
    let Ok(mut asked) = signal(SignalKind::user_defined1()) else { return };
    while asked.recv().await.is_some() {
        log.reopen();
        own.reopen();
    }
}
