//! One edge: handles of what its connections share, and nothing else.

mod lasting;

use std::future::pending;
use std::sync::Arc;

use arc_swap::ArcSwap;
use process::listen::ListenError;
use process::settings::Mistakes;
use process::shutdown::Shutdown;
use process::telemetry;
use tokio::time::sleep;

use crate::acme::{self, Acme, AcmePlan};
use crate::application::{Application, admin_field};
use crate::cache::Cache;
use crate::cache_node::limits::SharedLimits;
use crate::coding::work::CodingCapacity;
use crate::connection::pace::ClientPace;
use crate::files::FileCache;
use crate::log::access_log::{AccessLog, OpenError};
use crate::log::own_logs::OpenLogs;
use crate::log::{self, Log};
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::purge::order::Purger;
use crate::reply::holes::value_keys::ValueKeys;
use crate::request::Via;
use crate::route::{self, Sites};
use crate::settings::Config;
use crate::settings::listener_bounds::ConnectionBounds;
use crate::tls::TlsUnavailable;
use lasting::LastingState;

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
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// One edge by one reading of the settings: what all of its connections share. A reload puts another in its
/// place, which shares what lasts.
pub struct Edge {
    pub(crate) settings: Config,
    /// What bounds connections, by listener.
    bounds: Box<[ConnectionBounds]>,
    /// What bounds those of a listener that is none of these.
    usual_bounds: ConnectionBounds,
    pub(crate) routes: Arc<ArcSwap<Sites>>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) application: Arc<Application>,
    pub(crate) purger: Arc<Purger>,
    /// Who counts for all edges.
    pub(crate) shared_limits: Arc<SharedLimits>,
    pub(crate) files: Arc<FileCache>,
    pub(crate) coding: Arc<CodingCapacity>,
    pub(crate) acme: Arc<Acme>,
    /// What the signatures of visitors' values are checked with.
    pub(crate) value_keys: Arc<ArcSwap<ValueKeys>>,
    pub(crate) log: Log,
    pub(crate) metrics: Arc<Metrics>,
    /// Begins when the process drains, or when another edge has taken this one's place.
    pub(crate) shutdown: Shutdown,
    lasting: LastingState,
}

/// What the edge of new settings needs, all of which is there already.
pub(crate) struct EdgePlan {
    settings: Config,
    sites: Sites,
    acme: AcmePlan,
    access: Arc<AccessLog>,
    own_logs: OpenLogs,
    value_keys: ValueKeys,
}

impl Edge {
    pub fn new(settings: Config, peers: Peers, shutdown: Shutdown) -> Result<Arc<Self>, StartError> {
        let lasting = LastingState::new(&settings, peers, shutdown)?;
        let sites = build_sites(&settings, &lasting.metrics)?;
        let acme = lasting.acme.prepare(&settings).map_err(mistake)?;
        let own_logs = lasting.own_logs.prepare(&sites).map_err(log_mistake)?;
        let access = lasting.access.load_full();
        let files = Arc::new(FileCache::new(settings.files.clone()));
        lasting.value_keys.store(Arc::new(ValueKeys::read(&settings).map_err(mistake)?));
        lasting.own_logs.take_over(own_logs, &sites);
        lasting.acme.start(acme).map_err(StartError::Acme)?;
        telemetry::set_log_level(settings.error_log_level.word());
        Ok(lasting.clone().edge(settings, sites, access, files))
    }

    /// Opens and builds everything that new settings need. Nothing has changed yet, and nothing has if it
    /// fails. `listeners` of the settings must be open, or be opened, by the caller.
    pub(crate) fn prepare(&self, settings: Config) -> Result<EdgePlan, StartError> {
        let sites = build_sites(&settings, &self.metrics)?;
        let acme = self.acme.prepare(&settings).map_err(mistake)?;
        let own_logs = self.log.own.prepare(&sites).map_err(log_mistake)?;
        let is_same = (settings.access_log, &settings.access_log_to)
            == (self.settings.access_log, &self.settings.access_log_to);
        let access = match is_same {
            true => self.log.access.clone(),
            false => log::open(&settings).map_err(log_mistake)?,
        };
        let value_keys = ValueKeys::read(&settings).map_err(mistake)?;
        Ok(EdgePlan { settings, sites, acme, access, own_logs, value_keys })
    }

    /// The edge of the new settings, in place of this one. `None`: only sites have changed, and this edge has
    /// taken them over.
    pub(crate) fn take_over(&self, plan: EdgePlan) -> Option<Arc<Self>> {
        let EdgePlan { settings, sites, acme, access, own_logs, value_keys } = plan;
        self.value_keys.store(Arc::new(value_keys));
        self.log.own.take_over(own_logs, &sites);
        if let Err(error) = self.acme.start(acme) {
            tracing::error!("no certificate is renewed any more: {error}");
        }
        telemetry::set_log_level(settings.error_log_level.word());
        if differs_in_sites_alone(&settings, &self.settings) {
            self.routes.store(Arc::new(sites));
            return None;
        }
        let files = match settings.files == self.settings.files {
            true => self.files.clone(),
            false => Arc::new(FileCache::new(settings.files.clone())),
        };
        self.lasting.set_bounds(&settings);
        self.lasting.access.store(access.clone());
        Some(self.lasting.clone().edge(settings, sites, access, files))
    }

    /// From now on applications are told where changes purge what this edge keeps. `token` guards that place.
    pub(crate) fn tell_applications(&self, token: Option<&[u8]>) {
        let keeps_pages = self.routes.load().keeps_pages();
        let field =
            keeps_pages.then(|| admin_field::field(&self.settings.admin, &self.settings.name(), token));
        self.lasting.admin_field.set(field);
    }

    /// From now on the connections of this edge belong to the newest, or end after their next reply.
    pub(crate) fn retire(&self) {
        self.shutdown.begin();
    }

    /// The edge that has taken this one's place, if one has and the process does not drain.
    pub(crate) fn successor(&self) -> Option<Arc<Self>> {
        if !self.shutdown.is_draining() || self.process().is_draining() {
            return None;
        }
        self.lasting.newest.lock().upgrade().filter(|newest| !std::ptr::eq(&**newest, self))
    }

    /// The number that a listener has in this edge, if it is still spoken there as in `other`.
    pub(crate) fn listener_of(&self, other: &Self, number: u16) -> Option<u16> {
        let listen = other.settings.listen.get(usize::from(number))?;
        let at = self.settings.listen.iter().position(|mine| mine == listen)?;
        u16::try_from(at).ok()
    }

    /// Whether connections of this listener end with their next reply: the process drains, or what replaces
    /// this edge does not serve them.
    pub(crate) fn ends_connections_of(&self, listener: u16) -> bool {
        let follow = || self.successor()?.listener_of(self, listener);
        self.shutdown.is_draining() && follow().is_none()
    }

    /// Opens the files of all logs in use again.
    pub(crate) fn reopen_logs(&self) {
        self.lasting.access.load().reopen();
        self.log.own.reopen();
    }

    /// The shutdown of the whole process.
    pub(crate) fn process(&self) -> &Shutdown {
        &self.lasting.process
    }

    /// Whether a trusted proxy that asks for the first host may say that its client has asked for the second.
    pub(crate) fn may_be_told(&self, sites: &Sites, via: &Via, (asked, told): (&str, &str)) -> bool {
        let may_be = sites.may_be_told(self.settings.forwarded_host, via.listener, (asked, told));
        if !may_be {
            tracing::debug!(host = asked, told, "X-Forwarded-Host does not count: see `forwarded_host`");
        }
        may_be
    }

    /// What bounds the connections of a listener.
    pub(crate) fn bounds(&self, listener: u16) -> &ConnectionBounds {
        self.bounds.get(usize::from(listener)).unwrap_or(&self.usual_bounds)
    }

    /// How fast a client of this listener must take a reply.
    pub(crate) fn pace(&self, listener: u16) -> ClientPace {
        let rate = self.settings.limits.send_rate.0;
        ClientPace::new(self.bounds(listener).send, rate, self.cache.bodies.clone())
    }

    /// Resolves when a drain has begun and what does not end by itself, a tunnel or a stream of events, has
    /// had its time.
    pub(crate) async fn endless_ends(&self) {
        self.process().draining().await;
        sleep(self.settings.timeouts.tunnel_drain.0).await;
    }

    /// Resolves when a reply is to be broken off because of a drain.
    pub(crate) async fn breaks_off(&self, is_endless: bool) {
        match is_endless {
            true => self.endless_ends().await,
            false => pending().await,
        }
    }
}

fn mistake((key, text): (&'static str, String)) -> StartError {
    let mut mistakes = Mistakes::default();
    mistakes.push(key, text);
    StartError::Settings(mistakes)
}

fn log_mistake(error: OpenError) -> StartError {
    StartError::AccessLog(error.to_string())
}

/// Whether all settings but those of sites are the same.
fn differs_in_sites_alone(settings: &Config, before: &Config) -> bool {
    Config { site: before.site.clone(), ..settings.clone() } == *before
}

fn build_sites(settings: &Config, metrics: &Metrics) -> Result<Sites, StartError> {
    let mut mistakes = Mistakes::default();
    match route::build(settings, &settings.listen, metrics, &mut mistakes) {
        Some(sites) if mistakes.is_empty() => Ok(sites),
        _ => Err(StartError::Settings(mistakes)),
    }
}

/// Reports everything that is wrong with the settings, by building what the edge would use.
pub fn check(settings: &Config, mistakes: &mut Mistakes) {
    settings.check(mistakes);
    acme::check::check(settings, mistakes);
    if let Err((key, text)) = ValueKeys::read(settings) {
        mistakes.push(key, text);
    }
    route::build(settings, &settings.listen, &Metrics::new(Default::default), mistakes);
}
