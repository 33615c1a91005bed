//! One edge: handles of what its connections share, and nothing else.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use process::settings::Mistakes;
use process::shutdown::Shutdown;
use process::telemetry;
use tokio::time::sleep;

use crate::acme::{self, Acme};
use crate::application::Application;
use crate::application::adapters::Adapters;
use crate::cache::bodies::Bodies;
use crate::cache::flights::Flights;
use crate::cache::l1::L1;
use crate::cache::lanes::Lanes;
use crate::cache::{Cache, Patience};
use crate::cache_node::Nodes;
use crate::cache_node::limits::SharedLimits;
use crate::coding::work::CodingCapacity;
use crate::connection::pace::ClientPace;
use crate::files::FileCache;
use crate::log::access_log::AccessLog;
use crate::log::own_logs::OwnLogs;
use crate::log::{self, Log};
use crate::metrics::{Metrics, Sample};
use crate::peers::Peers;
use crate::purge::order::Purger;
use crate::purge::pace::Pace;
use crate::purge_log::Purges;
use crate::route::{self, Sites};
use crate::settings::{Config, Listen};
use crate::tls::TlsUnavailable;

/// The edge cannot start with these settings.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Settings(Mistakes),
    #[error("certificates that come by themselves: {0}")]
    Acme(std::io::Error),
    #[error("access log: {0}")]
    AccessLog(String),
    #[error(transparent)]
    Tls(#[from] TlsUnavailable),
}

/// One edge: what all of its connections share.
pub struct Edge {
    pub(crate) settings: Config,
    pub(crate) head_limits: ::http1::head::Limits,
    pub(crate) routes: Arc<ArcSwap<Sites>>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) application: Arc<Application>,
    pub(crate) purger: Arc<Purger>,
    /// Who counts for all edges.
    pub(crate) shared_limits: Arc<SharedLimits>,
    pub(crate) files: FileCache,
    pub(crate) coding: Arc<CodingCapacity>,
    pub(crate) acme: Acme,
    pub(crate) log: Log,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: Shutdown,
}

/// What metrics are sampled from when they are asked for.
struct Samplers {
    adapters: Arc<Adapters>,
    l1: Arc<L1>,
    flights: Arc<Flights>,
    bodies: Arc<Bodies>,
    coding: Arc<CodingCapacity>,
    access: Arc<AccessLog>,
    own_logs: Arc<OwnLogs>,
}

impl Samplers {
    fn sample(&self) -> Sample {
        Sample {
            adapters: self.adapters.figures(),
            l1_entries: self.l1.len() as u64,
            l1_bytes: self.l1.weight(),
            l1_hits: self.l1.hits(),
            l1_evictions: self.l1.evictions(),
            fills: self.flights.under_way() as u64,
            bodies: self.bodies.held(),
            compressed: self.coding.memory_used(),
            access_log_dropped: self.access.dropped() + self.own_logs.dropped(),
        }
    }
}

impl Edge {
    pub fn new(settings: Config, peers: Peers, shutdown: Shutdown) -> Result<Arc<Self>, StartError> {
        telemetry::set_log_level(settings.error_log_level.word());
        let l1 = Arc::new(L1::new(settings.l1.memory.0, settings.l1.max_object.0));
        let flights = Flights::new(settings.limits.fills, settings.limits.waiters);
        let bodies = Bodies::new(settings.limits.bodies.0);
        let access = log::open(&settings).map_err(|error| StartError::AccessLog(error.to_string()))?;
        let own_logs = Arc::new(OwnLogs::default());
        let adapters = Arc::new(Adapters::new(peers.wsgi_adapters));
        let coding = Arc::new(CodingCapacity::new(settings.l1.compressed.0));
        let sampled = Samplers {
            adapters: adapters.clone(),
            l1: l1.clone(),
            flights: flights.clone(),
            bodies: bodies.clone(),
            coding: coding.clone(),
            access: access.clone(),
            own_logs: own_logs.clone(),
        };
        let metrics = Arc::new(Metrics::new(move || sampled.sample()));
        let sites = build_sites(&settings, &settings.listen, &metrics)?;
        let acme = Acme::new(metrics.clone());
        let prepared = acme.prepare(&settings).map_err(mistake)?;
        own_logs.open(&sites).map_err(|error| StartError::AccessLog(error.to_string()))?;
        let routes = Arc::new(ArcSwap::from_pointee(sites));
        let timeouts = &settings.timeouts;
        let application = Arc::new(Application::new(adapters, timeouts.application.0, metrics.clone()));
        let nodes = Arc::new(Nodes::new(peers.cache_nodes, timeouts.cache.0));
        let shared_limits = SharedLimits::new(nodes.clone(), timeouts.limit.0, metrics.clone());
        let purge_log = Arc::new(Purges::new(settings.watch_grace.0));
        let purger = Arc::new(Purger {
            nodes: nodes.clone(),
            log: purge_log.clone(),
            token_file: settings.admin_token_file.clone(),
            wait: timeouts.purge.0,
            metrics: metrics.clone(),
            tasks: shutdown.clone(),
            named: settings.invalidate_named.then(Pace::default),
        });
        let cache = Arc::new(Cache {
            l1,
            flights,
            bodies,
            lanes: Lanes::new(settings.limits.hit_for_miss),
            nodes,
            log: purge_log,
            purger: purger.clone(),
            application: application.clone(),
            patience: Patience {
                first: timeouts.application.0 + timeouts.wait.0 + 2 * timeouts.cache.0,
                follower: timeouts.wait.0,
            },
            metrics: metrics.clone(),
            tasks: shutdown.clone(),
            node_warned: AtomicU64::new(0),
        });
        acme.start(prepared).map_err(StartError::Acme)?;
        Ok(Arc::new(Self {
            head_limits: head_limits(&settings),
            routes,
            cache,
            application,
            purger,
            shared_limits,
            files: FileCache::new(settings.files.clone()),
            coding,
            acme,
            log: Log { access, own: own_logs, metrics: metrics.clone() },
            metrics,
            shutdown,
            settings,
        }))
    }

    /// Loads the sites of new settings. Requests in progress finish with the old ones. Everything else needs
    /// a restart.
    pub fn reload(&self, settings: &Config) {
        let built = build_sites(settings, &self.settings.listen, &self.metrics);
        let prepared = built.and_then(|sites| Ok((sites, self.acme.prepare(settings).map_err(mistake)?)));
        match prepared {
            Ok((sites, prepared)) => {
                if let Err(error) = self.log.own.open(&sites) {
                    return tracing::error!("settings not reloaded: {error}");
                }
                self.routes.store(Arc::new(sites));
                if let Err(error) = self.acme.start(prepared) {
                    tracing::error!("no certificate is renewed any more: {error}");
                }
                telemetry::set_log_level(settings.error_log_level.word());
                tracing::info!(
                    "sites, locations and certificates are reloaded; all other settings need a restart"
                );
            }
            Err(error) => tracing::error!("settings not reloaded: {error}"),
        }
    }

    /// How fast a client must take a reply.
    pub(crate) fn pace(&self) -> ClientPace {
        ClientPace::new(self.settings.timeouts.send.0, self.settings.limits.send_rate.0)
    }

    /// Resolves when a drain has begun and what does not end by itself, a tunnel or a stream of events, has
    /// had its time.
    pub(crate) async fn endless_ends(&self) {
        self.shutdown.draining().await;
        sleep(self.settings.timeouts.tunnel_drain.0).await;
    }

    /// Resolves when a reply is to be broken off because of a drain.
    pub(crate) async fn breaks_off(&self, is_endless: bool) {
        match is_endless {
            true => self.endless_ends().await,
            false => pending().await,
        }
    }

    /// Lets services in the same process register their metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

fn head_limits(settings: &Config) -> ::http1::head::Limits {
    ::http1::head::Limits {
        head: settings.limits.head.bytes(),
        target: settings.limits.target.bytes(),
        fields: settings.limits.fields,
        strict_targets: settings.strict_targets,
        bare_line_feeds: settings.bare_line_feeds,
    }
}

fn mistake((key, text): (&'static str, String)) -> StartError {
    let mut mistakes = Mistakes::default();
    mistakes.push(key, text);
    StartError::Settings(mistakes)
}

fn build_sites(settings: &Config, listeners: &[Listen], metrics: &Metrics) -> Result<Sites, StartError> {
    let mut mistakes = Mistakes::default();
    match route::build(settings, listeners, metrics, &mut mistakes) {
        Some(sites) if mistakes.is_empty() => Ok(sites),
        _ => Err(StartError::Settings(mistakes)),
    }
}

/// Reports everything that is wrong with the settings, by building what the edge would use.
pub fn check(settings: &Config, mistakes: &mut Mistakes) {
    settings.check(mistakes);
    acme::check::check(settings, mistakes);
    route::build(settings, &settings.listen, &Metrics::new(Default::default), mistakes);
}
