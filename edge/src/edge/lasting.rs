//! What lasts over reloads: pages in memory, fetches under way, links to the other services, logs, metrics.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use process::shutdown::Shutdown;

use super::{Edge, StartError, log_mistake};
use crate::acme::Acme;
use crate::application::Application;
use crate::application::adapters::Adapters;
use crate::application::admin_field::AdminField;
use crate::cache::flights::Flights;
use crate::cache::l1::L1;
use crate::cache::lanes::Lanes;
use crate::cache::{Cache, Patience};
use crate::cache_node::Nodes;
use crate::cache_node::limits::SharedLimits;
use crate::cache_node::secrets::NodeSecrets;
use crate::coding::work::CodingCapacity;
use crate::connection::bodies::Bodies;
use crate::files::FileCache;
use crate::log::access_log::AccessLog;
use crate::log::live::LiveLog;
use crate::log::own_logs::OwnLogs;
use crate::log::{self, Log};
use crate::metrics::{Metrics, Sample};
use crate::peers::Peers;
use crate::purge::next_process::NextProcess;
use crate::purge::order::Purger;
use crate::purge::pace::Pace;
use crate::purge::recent::RecentPurges;
use crate::purge_log::Purges;
use crate::reply::holes::value_keys::ValueKeys;
use crate::route::Sites;
use crate::settings::Config;
use crate::settings::listener_bounds::ConnectionBounds;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct LastingState {
    l1: Arc<L1>,
    flights: Arc<Flights>,
    bodies: Arc<Bodies>,
    coding: Arc<CodingCapacity>,
    adapters: Arc<Adapters>,
    pub(super) admin_field: Arc<AdminField>,
    nodes: Arc<Nodes>,
    shared_limits: Arc<SharedLimits>,
    purge_log: Arc<Purges>,
    pub(super) acme: Arc<Acme>,
    pub(super) value_keys: Arc<ArcSwap<ValueKeys>>,
    /// The one that the settings name now.
    pub(super) access: Arc<ArcSwap<AccessLog>>,
    pub(super) own_logs: Arc<OwnLogs>,
    live: Arc<LiveLog>,
    recent: Arc<RecentPurges>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) process: Shutdown,
    /// The edge of the settings of now.
    pub(super) newest: Arc<Mutex<Weak<Edge>>>,
}

/// The settings of what lasts. It is built from these alone, so that a reload can change all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    l1_memory: u64,
    l1_max_object: u64,
    compressed: u64,
    fills: usize,
    waiters: usize,
    bodies: u64,
    cache_patience: Duration,
    limit_patience: Duration,
}

impl Bounds {
    fn of(settings: &Config) -> Self {
        Self {
            l1_memory: settings.l1.memory.0,
            l1_max_object: settings.l1.max_object.0,
            compressed: settings.l1.compressed.0,
            fills: settings.limits.fills,
            waiters: settings.limits.waiters,
            bodies: settings.limits.bodies.0,
            cache_patience: settings.timeouts.cache.0,
            limit_patience: settings.timeouts.limit.0,
        }
    }
}

/// What metrics are sampled from when they are asked for.
struct Samplers {
    adapters: Arc<Adapters>,
    l1: Arc<L1>,
    flights: Arc<Flights>,
    bodies: Arc<Bodies>,
    coding: Arc<CodingCapacity>,
    access: Arc<ArcSwap<AccessLog>>,
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
            access_log_dropped: self.access.load().dropped() + self.own_logs.dropped(),
        }
    }
}

impl LastingState {
    pub(super) fn new(settings: &Config, peers: Peers, process: Shutdown) -> Result<Self, StartError> {
        let bounds = Bounds::of(settings);
        let l1 = Arc::new(L1::new(bounds.l1_memory, bounds.l1_max_object));
        let flights = Flights::new(bounds.fills, bounds.waiters);
        let bodies = Bodies::new(bounds.bodies);
        let coding = Arc::new(CodingCapacity::new(bounds.compressed));
        let access = Arc::new(ArcSwap::new(log::open(settings).map_err(log_mistake)?));
        let own_logs = Arc::new(OwnLogs::default());
        let adapters = Arc::new(Adapters::new(peers.wsgi_adapters));
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
        let nodes = Arc::new(Nodes::new(peers.cache_nodes, bounds.cache_patience));
        let secrets = Arc::new(NodeSecrets::new(nodes.clone()));
        let shared_limits = SharedLimits::new(nodes.clone(), bounds.limit_patience, metrics.clone());
        Ok(Self {
            l1,
            flights,
            bodies,
            coding,
            adapters,
            admin_field: Arc::default(),
            nodes,
            shared_limits,
            purge_log: Arc::new(Purges::new(settings.watch_grace.0)),
            acme: Arc::new(Acme::new(metrics.clone(), secrets)),
            value_keys: Arc::default(),
            access,
            own_logs,
            live: Arc::default(),
            recent: Arc::default(),
            metrics,
            process,
            newest: Arc::default(),
        })
    }

    /// Gives what lasts the bounds of new settings.
    pub(super) fn set_bounds(&self, settings: &Config) {
        // Each by its name, so that none is forgotten.
        let Bounds {
            l1_memory,
            l1_max_object,
            compressed,
            fills,
            waiters,
            bodies,
            cache_patience,
            limit_patience,
        } = Bounds::of(settings);
        self.l1.set_bounds(l1_memory, l1_max_object);
        self.coding.set_memory(compressed);
        self.flights.set_bounds(fills, waiters);
        self.bodies.set_most(bodies);
        self.nodes.set_patience(cache_patience);
        self.shared_limits.set_patience(limit_patience);
    }

    /// The edge of these settings, from now on the newest.
    pub(super) fn edge(
        self,
        settings: Config,
        sites: Sites,
        access: Arc<AccessLog>,
        files: Arc<FileCache>,
    ) -> Arc<Edge> {
        let (timeouts, metrics) = (&settings.timeouts, self.metrics.clone());
        let application = Arc::new(Application::new(
            self.adapters.clone(),
            timeouts.application.0,
            metrics.clone(),
            self.admin_field.clone(),
        ));
        let purger = Arc::new(Purger {
            nodes: self.nodes.clone(),
            log: self.purge_log.clone(),
            token_file: settings.admin_token_file.clone(),
            wait: timeouts.purge.0,
            metrics: metrics.clone(),
            tasks: self.process.clone(),
            named: settings.invalidate_named.then(Pace::default),
            recent: self.recent.clone(),
            next_process: (settings.admin != "off").then(|| NextProcess {
                address: settings.admin.clone(),
                token_file: settings.admin_token_file.clone(),
            }),
        });
        let cache = Arc::new(Cache {
            l1: self.l1.clone(),
            flights: self.flights.clone(),
            bodies: self.bodies.clone(),
            lanes: Lanes::new(settings.limits.hit_for_miss),
            nodes: self.nodes.clone(),
            log: self.purge_log.clone(),
            purger: purger.clone(),
            application: application.clone(),
            patience: Patience {
                first: timeouts.application.0 + timeouts.wait.0 + 2 * timeouts.cache.0,
                follower: timeouts.wait.0,
            },
            metrics: metrics.clone(),
            tasks: self.process.clone(),
            node_warned: AtomicU64::new(0),
        });
        let edge = Arc::new(Edge {
            bounds: settings
                .listen
                .iter()
                .map(|listen| ConnectionBounds::of(&settings, listen.bounds.as_deref()))
                .collect(),
            usual_bounds: ConnectionBounds::of(&settings, None),
            routes: Arc::new(ArcSwap::from_pointee(sites)),
            cache,
            application,
            purger,
            shared_limits: self.shared_limits.clone(),
            files,
            coding: self.coding.clone(),
            acme: self.acme.clone(),
            value_keys: self.value_keys.clone(),
            log: Log::new(access, self.own_logs.clone(), self.live.clone(), metrics.clone()),
            metrics,
            shutdown: self.process.part(),
            settings,
            lasting: self,
        });
        *edge.lasting.newest.lock() = Arc::downgrade(&edge);
        edge
    }
}
