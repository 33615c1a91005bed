//! edge terminates HTTP: chooses site and location, answers from file and cache, passes on the rest. Knows no Redis, no uwsgi.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use process::listen::{self, ListenError};
use process::settings::Mistakes;
use process::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

mod accel;
mod accept;
mod access_log;
mod adapters;
mod admin;
mod answer;
mod ask;
mod body;
mod both_ways;
/// Public for the fuzz target of the same name, as is `head`.
pub mod chunked;
mod clock;
pub mod config;
mod connection;
mod cores;
mod error;
mod expires;
mod explain;
mod files;
mod fill;
mod first_chunk;
mod flights;
mod forwarded;
mod from_files;
mod growing;
mod handler;
pub mod head;
mod head_update;
mod hit;
mod http2;
mod l1;
mod leaving;
mod linger;
mod location;
mod look_up;
mod metrics;
mod nodes;
mod only_if_cached;
mod origin;
mod page;
mod passing;
mod path;
mod peers;
mod purges;
mod record;
mod reply;
mod request;
mod send_file;
mod site;
mod sites;
mod spans;
mod stream;
mod threads;
mod tls;
mod tunnel;
mod uplink;
mod validate;
mod visit;
mod watchdog;
mod writer;

pub use ::admin::healthcheck;
use ::admin::{Readiness, Routes};
pub use config::Config;
pub use peers::{CacheNodes, WsgiAdapters};

use accept::Door;
use access_log::{AccessLog, Destination, Format};
use config::{LogFormat, Runtime};
use metrics::{Metrics, Sampled};

/// How often it is looked whether a drain is over.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// How often it is looked whether a purge log is heard, at the start.
const READY_LOOK: Duration = Duration::from_millis(5);

/// Seconds between two log lines about a lost cache-node: it fails by the thousand under load.
const WARN_EVERY: u64 = 10;

/// The other services, wherever they are.
pub struct Peers {
    pub cache_nodes: CacheNodes,
    pub wsgi_adapters: WsgiAdapters,
}

/// The sockets an edge serves on; whoever starts it binds them.
pub struct Listeners {
    /// For each address of `listen` one socket, or one for each core.
    http: Vec<Vec<std::net::TcpListener>>,
    admin: Option<TcpListener>,
}

impl Listeners {
    /// Binds every address of the settings. Must be called within a runtime.
    pub fn bind(settings: &Config) -> Result<Self, ListenError> {
        let sockets = match settings.runtime {
            Runtime::Shared => 1,
            Runtime::PerCore => cores::number(),
        };
        let http = settings.listen.iter().map(|listen| bind(&listen.address, sockets));
        let http = http.collect::<Result<_, _>>()?;
        let admin = |address: &str| {
            let listener = listen::tcp(address, "edge.admin", listen::BACKLOG, false)?;
            TcpListener::from_std(listener).map_err(|error| ListenError::new(address, "edge.admin", error))
        };
        let admin = (settings.admin != "off").then(|| admin(&settings.admin)).transpose()?;
        Ok(Self { http, admin })
    }
}

/// As many sockets at one address.
fn bind(address: &str, sockets: usize) -> Result<Vec<std::net::TcpListener>, ListenError> {
    const SETTING: &str = "edge.listen";
    // Alone at first: a second process at the same address would otherwise go unnoticed.
    let first = listen::tcp(address, SETTING, listen::BACKLOG, false)?;
    if sockets == 1 {
        return Ok(vec![first]);
    }
    let local = first.local_addr().map_err(|error| ListenError::new(address, SETTING, error))?.to_string();
    drop(first);
    (0..sockets).map(|_| listen::tcp(&local, SETTING, listen::BACKLOG, true)).collect()
}

/// The edge cannot start with these settings.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Settings(Mistakes),
    #[error("access log: {0}")]
    AccessLog(String),
    #[error(transparent)]
    Tls(#[from] tls::Unavailable),
}

/// One edge: what all of its connections share.
pub struct Edge {
    settings: Config,
    head_limits: head::Limits,
    sites: Arc<ArcSwap<sites::Sites>>,
    /// For each address of `listen`, in that order.
    tls: Vec<Option<tls::Acceptor>>,
    l1: Arc<l1::L1>,
    flights: Arc<flights::Flights>,
    nodes: Arc<nodes::Nodes>,
    purges: Arc<purges::Purges>,
    /// What this edge is called in the answer to a purge.
    name: Arc<str>,
    origins: origin::Origins,
    files: files::FileCache,
    metrics: Arc<Metrics>,
    log: Arc<AccessLog>,
    /// Second of the uptime from which a lost cache-node may be logged again.
    node_warned: AtomicU64,
    shutdown: Shutdown,
}

/// Serves until the shutdown begins; connections then finish by themselves (`Shutdown::finish` waits for them).
pub async fn run(
    config: Config,
    listeners: Listeners,
    peers: Peers,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    Edge::new(config, peers, shutdown)?.serve(listeners, ()).await;
    Ok(())
}

impl Edge {
    pub fn new(settings: Config, peers: Peers, shutdown: Shutdown) -> Result<Arc<Self>, StartError> {
        let l1 = Arc::new(l1::L1::new(settings.l1.memory.0, settings.l1.max_object.0));
        let flights = flights::Flights::new(settings.limits.fills, settings.limits.waiters);
        let log = Arc::new(open_log(&settings)?);
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
        let tls = acceptors(&settings, &sites)?;
        let timeouts = &settings.timeouts;
        Ok(Arc::new(Self {
            head_limits: head::Limits {
                head: settings.limits.head.bytes(),
                target: settings.limits.target.bytes(),
                fields: settings.limits.fields,
            },
            sites,
            tls,
            l1,
            flights,
            nodes: Arc::new(nodes::Nodes::new(peers.cache_nodes, timeouts.cache.0, timeouts.wait.0)),
            purges: Arc::new(purges::Purges::new(settings.watch_grace.0)),
            name: settings.name().into(),
            origins: origin::Origins::new(adapters, timeouts.application.0),
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

    /// `routes`: what the admin listener shows besides, of services in the same process.
    pub async fn serve<R: Routes>(self: Arc<Self>, listeners: Listeners, routes: R) {
        let stop = CancellationToken::new();
        let watching = self.nodes.clone().keep(self.purges.clone(), self.name.clone(), stop.clone());
        let watching = tokio::spawn(watching);
        tokio::spawn(self.origins.adapters().clone().keep(stop.clone()));
        self.shutdown.spawn(self.clone().say_goodbye(stop, watching));
        self.nodes.first_word().await;
        let readiness = Readiness::default();
        tokio::spawn(self.clone().say_when_ready(readiness.clone()));
        let admin = listeners.admin.map(|listener| {
            tokio::spawn(admin::serve(listener, self.clone(), routes, readiness, self.shutdown.clone()))
        });
        tokio::spawn(reopen_log(self.log.clone()));
        let room = Arc::new(Semaphore::new(self.settings.limits.connections));
        let doors = self.settings.listen.iter().zip(&self.tls);
        let doors = doors.map(|(listen, tls)| Door { tls: tls.clone(), http2: listen.speaks_http2() });
        self.clone().serve_http(doors.collect(), listeners.http, &room).await;
        if let Some(admin) = admin {
            // It answers probes to the end of the drain.
            let _ = admin.await;
        }
    }

    /// Until the drain begins.
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

    /// When it follows a purge log; or has tried for as long as it keeps pages without.
    async fn say_when_ready(self: Arc<Self>, readiness: Readiness) {
        let heard = async {
            while !self.purges.are_heard(Instant::now()) {
                tokio::time::sleep(READY_LOOK).await;
            }
        };
        let _ = tokio::time::timeout(self.purges.grace(), heard).await;
        readiness.ready();
    }

    /// Follows the purge logs to the end of a drain: until then pages are served. Then nobody needs to wait for this edge.
    async fn say_goodbye(self: Arc<Self>, stop: CancellationToken, watching: JoinHandle<()>) {
        self.shutdown.draining().await;
        while self.metrics.connections_active.get() > 0 || self.flights.under_way() > 0 {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        stop.cancel();
        let _ = watching.await;
    }

    fn trusts(&self, peer: SocketAddr) -> bool {
        let address = peer.ip().to_canonical();
        self.settings.trusted_proxies.iter().any(|net| net.contains(&address))
    }

    /// One line for the log that says which server failed and why.
    fn log_failure(&self, target: &str, failure: &origin::Failure) {
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
    fn node_gone(&self, gone: &nodes::NodeGone) {
        self.metrics.cache_node_errors.inc();
        let second = self.metrics.uptime().as_secs();
        let warned = self.node_warned.load(Ordering::Relaxed);
        if second >= warned && self.node_warned.swap(second + WARN_EVERY, Ordering::Relaxed) == warned {
            tracing::warn!("{gone}: this edge goes on from its own memory");
        }
    }
}

/// Sockets by address, as sockets by core.
fn by_core(by_address: Vec<Vec<std::net::TcpListener>>) -> Vec<Vec<std::net::TcpListener>> {
    let mut by_core: Vec<_> = (0..cores::number()).map(|_| Vec::new()).collect();
    for sockets in by_address {
        by_core.iter_mut().zip(sockets).for_each(|(core, socket)| core.push(socket));
    }
    by_core
}

fn open_log(settings: &Config) -> Result<AccessLog, StartError> {
    let (destination, format) = match settings.access_log {
        LogFormat::Off => (Destination::Off, Format::Combined),
        LogFormat::Combined => (Destination::from(settings.access_log_to.as_str()), Format::Combined),
        LogFormat::Json => (Destination::from(settings.access_log_to.as_str()), Format::Json),
    };
    AccessLog::open(&destination, format).map_err(|error| StartError::AccessLog(error.to_string()))
}

/// What each listener offers in TLS handshakes.
fn acceptors(
    settings: &Config,
    sites: &Arc<ArcSwap<sites::Sites>>,
) -> Result<Vec<Option<tls::Acceptor>>, tls::Unavailable> {
    let tickets = tls::Tickets::new()?;
    let acceptor = |listen: &config::Listen| {
        let own = sites.load().certificates.of_listener(&listen.address);
        own.map(|own| {
            tls::Acceptor::new(&listen.address, own, listen.speaks_http2(), &tickets, sites.clone())
        })
        .transpose()
    };
    settings.listen.iter().map(acceptor).collect()
}

/// SIGUSR1, as of nginx: whoever rotates the log has moved the file away.
async fn reopen_log(log: Arc<AccessLog>) {
    let Ok(mut asked) = signal(SignalKind::user_defined1()) else { return };
    while asked.recv().await.is_some() {
        log.reopen();
    }
}

fn build_sites(settings: &Config, metrics: &Metrics) -> Result<sites::Sites, StartError> {
    let mut mistakes = Mistakes::default();
    match sites::build(settings, metrics, &mut mistakes) {
        Some(sites) if mistakes.is_empty() => Ok(sites),
        _ => Err(StartError::Settings(mistakes)),
    }
}
