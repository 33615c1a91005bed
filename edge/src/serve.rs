//! An edge from its start to the end of its drain: bind, serve, report readiness, take over new settings, say
//! goodbye.

mod reload;
mod renewals;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use admin::{Guard, Readiness, Routes};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use process::shutdown::Shutdown;
use purge::{Purge, Target};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::{AdminPlane, EdgeInForce};
use crate::cache_node::identity::EdgeIdentity;
use crate::edge::{Edge, StartError};
use crate::listen::crowd::Crowd;
use crate::listen::floor::Floor;
use crate::listen::generation::{CurrentGeneration, Generation};
use crate::listen::listeners::Listeners;
use crate::listen::room;
use crate::listen::tls::Tickets;
use crate::metrics::{Metrics, history_step};
use crate::peers::Peers;
use crate::settings::Config;

pub use reload::{FIXED, ReloadPlan};

/// How often to check whether a drain has ended.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// How often to check, at startup, whether a purge log is connected.
const READY_LOOK: Duration = Duration::from_millis(5);

/// Pauses between tries of a purge of all pages.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Serves until the shutdown begins. Connections then finish by themselves (`Shutdown::finish` waits for
/// them).
pub async fn run(
    config: Config,
    listeners: Listeners,
    peers: Peers,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    EdgeServer::new(config, peers, shutdown)?.serve(listeners, ()).await;
    Ok(())
}

/// The edge of the settings in force, and the sockets that it serves on.
pub struct EdgeServer {
    current: CurrentGeneration,
    tickets: Tickets,
    process: Shutdown,
    /// Places for connections.
    crowd: Arc<Crowd>,
    readiness: Readiness,
    guard: Guard,
    serving: Mutex<ListenState>,
    /// The admin listeners that are to be opened; the last one is in force.
    admins: watch::Sender<Option<AdminOrder>>,
    /// What cache-nodes know this edge by.
    identity: watch::Sender<EdgeIdentity>,
    /// The sockets of the settings are served.
    is_open: watch::Sender<bool>,
    /// Somebody looks whether the files of certificates have changed.
    renews: AtomicBool,
}

/// What is open.
#[derive(Default)]
struct ListenState {
    floor: Option<Floor>,
    /// What closes the sockets of each address of the settings.
    closing: HashMap<String, Shutdown>,
}

fn identity(settings: &Config) -> EdgeIdentity {
    EdgeIdentity {
        name: settings.name(),
        admin: settings.admin.clone(),
        token_file: settings.admin_token_file.clone(),
    }
}

/// An admin listener to serve at, in place of the one before. `None`: none.
type AdminOrder = Arc<Mutex<Option<TcpListener>>>;

impl EdgeServer {
    pub fn new(settings: Config, peers: Peers, shutdown: Shutdown) -> Result<Arc<Self>, StartError> {
        let tickets = Tickets::new()?;
        room::warn(settings.limits.connections);
        let crowd = Arc::new(Crowd::new(room::connections(settings.limits.connections)));
        let guard = match settings.admin.as_str() {
            "off" => Guard::default(),
            admin => Guard::new(admin, &settings.admin_hosts, settings.admin_token_file.as_deref()),
        };
        let identity = watch::Sender::new(identity(&settings));
        let edge = Edge::new(settings, peers, shutdown.clone())?;
        edge.tell_applications(guard.token().as_deref());
        let generation = Generation::new(edge, &tickets)?;
        let server = Arc::new(Self {
            current: Arc::new(ArcSwap::from_pointee(generation)),
            tickets,
            process: shutdown,
            crowd,
            readiness: Readiness::default(),
            guard,
            serving: Mutex::default(),
            admins: watch::Sender::new(None),
            identity,
            is_open: watch::Sender::new(false),
            renews: AtomicBool::new(false),
        });
        server.look_after_certificates();
        Ok(server)
    }

    /// Says which certificates in force clients do not accept, and renews them all once their files change.
    fn look_after_certificates(self: &Arc<Self>) {
        let sites = self.edge().routes.load_full();
        sites.certificates.warn();
        if sites.certificates.are_none() || self.renews.swap(true, Relaxed) {
            return;
        }
        if let Err(error) = renewals::begin(Arc::downgrade(self)) {
            tracing::error!(%error, "changed certificates are not seen before a reload");
        }
    }

    /// Resolves when the sockets of the settings are served: a reload before that would not know of them.
    pub async fn opened(&self) {
        // The sender lives as long as this.
        let _ = self.is_open.subscribe().wait_for(|is_open| *is_open).await;
    }

    /// Lets services in the same process register their metrics.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.edge().metrics.clone()
    }

    /// Purges all pages, everywhere: tried until it is over.
    pub async fn purge_all(&self) {
        let Ok(purge) = Purge::new(vec![Target::All], false) else { return };
        let mut pause = FIRST_PAUSE;
        loop {
            let outcome = self.edge().cache.purger.purge(&purge).await;
            if outcome.complete {
                return;
            }
            tracing::warn!(missing = ?outcome.missing, "a purge of all pages is not complete: trying again");
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(LAST_PAUSE);
        }
    }

    fn edge(&self) -> Arc<Edge> {
        self.current.load().edge.clone()
    }

    /// Serves until the drain begins, and answers probes to its end. `routes` is what the admin listener
    /// shows besides, for services in the same process.
    pub async fn serve<R: Routes + Clone>(self: Arc<Self>, listeners: Listeners, routes: R) {
        let edge = self.edge();
        let stop = CancellationToken::new();
        let identity = self.identity.subscribe();
        let watching = edge.cache.nodes.clone().keep(edge.cache.log.clone(), identity, stop.clone());
        let watching = tokio::spawn(watching);
        tokio::spawn(edge.application.adapters().clone().keep(stop.clone()));
        tokio::spawn(keep_history(edge.metrics.clone(), stop.clone()));
        self.process.spawn(say_goodbye(edge.clone(), stop, watching));
        edge.cache.nodes.first_word().await;
        tokio::spawn(say_when_ready(edge.clone(), self.readiness.clone()));
        let admin = listeners.admin.map(|listener| Arc::new(Mutex::new(Some(listener))));
        self.admins.send_replace(admin);
        let admin = tokio::spawn(self.clone().serve_admin(routes));
        tokio::spawn(reopen_logs(edge.clone()));
        self.open_floor(&edge, listeners.http);
        self.is_open.send_replace(true);
        drop(edge);
        self.process.draining().await;
        // The admin listener answers probes to the end of the drain.
        let _ = admin.await;
    }

    fn open_floor(&self, edge: &Edge, listeners: Vec<Vec<std::net::TcpListener>>) {
        let floor = Floor::start(edge.settings.runtime, &self.current, &self.crowd, &self.process);
        let floor = match floor {
            Ok(floor) => floor,
            Err(error) => return tracing::error!("cannot start a thread for each core: {error}"),
        };
        let mut serving = self.serving.lock();
        for (listen, sockets) in edge.settings.listen.iter().zip(listeners) {
            serving.open(&floor, &listen.address, sockets, &self.process);
        }
        serving.floor = Some(floor);
    }

    /// Serves at the admin listener in force until a drain has ended.
    async fn serve_admin<R: Routes + Clone>(self: Arc<Self>, routes: R) {
        let mut orders = self.admins.subscribe();
        loop {
            let listener = orders.borrow_and_update().as_ref().and_then(|order| order.lock().take());
            let serving = async {
                let Some(listener) = listener else { return self.process.draining().await };
                let plane = AdminPlane {
                    edge: EdgeInForce::new({
                        let this = Arc::downgrade(&self);
                        move || this.upgrade().map(|this| this.edge())
                    }),
                    readiness: self.readiness.clone(),
                    guard: self.guard.clone(),
                };
                crate::admin::serve(listener, plane, routes.clone(), self.process.clone()).await;
            };
            tokio::select! {
                () = serving => return,
                () = replaced(&mut orders) => {}
            }
        }
    }
}

/// How long an admin listener that has another address answers requests that it had begun with.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

async fn replaced(orders: &mut watch::Receiver<Option<AdminOrder>>) {
    match orders.changed().await {
        Ok(()) => tokio::time::sleep(LAST_ANSWERS).await,
        Err(_) => std::future::pending().await,
    }
}

impl ListenState {
    fn open(
        &mut self,
        floor: &Floor,
        address: &str,
        sockets: Vec<std::net::TcpListener>,
        process: &Shutdown,
    ) {
        let closing = process.part();
        floor.open(address, sockets, &closing);
        self.closing.insert(address.to_owned(), closing);
    }
}

/// Reports readiness when the edge follows a purge log, or has tried for as long as it keeps pages without
/// one.
async fn say_when_ready(edge: Arc<Edge>, readiness: Readiness) {
    let heard = async {
        while !edge.cache.log.are_heard(Instant::now()) {
            tokio::time::sleep(READY_LOOK).await;
        }
    };
    let _ = tokio::time::timeout(edge.cache.log.grace(), heard).await;
    readiness.ready();
}

/// Follows the purge logs to the end of a drain, because pages are served until then. After that, nobody
/// needs to wait for this edge.
async fn say_goodbye(edge: Arc<Edge>, stop: CancellationToken, watching: JoinHandle<()>) {
    edge.process().draining().await;
    edge.acme.stop();
    if edge.process().is_handed_over() {
        // The next process purges without this one, which uses no page from memory any more.
        stop.cancel();
        let _ = watching.await;
        edge.cache.log.lose_all();
        return;
    }
    while edge.metrics.connections_active.get() > 0 || edge.cache.flights.under_way() > 0 {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    stop.cancel();
    let _ = watching.await;
}

/// Adds to the history at each of its steps.
async fn keep_history(metrics: Arc<Metrics>, stop: CancellationToken) {
    let mut steps = tokio::time::interval(history_step::STEP);
    loop {
        tokio::select! {
            _ = steps.tick() => metrics.note(SystemTime::now()),
            () = stop.cancelled() => return,
        }
    }
}

/// Reopens the logs on SIGUSR1, as nginx does: a log rotation has moved the files away.
async fn reopen_logs(edge: Arc<Edge>) {
    let Ok(mut asked) = signal(SignalKind::user_defined1()) else { return };
    while asked.recv().await.is_some() {
        edge.reopen_logs();
    }
}
