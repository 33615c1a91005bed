//! One server of a pool, as choosing sees it: its settings, what is under way at it, and what is known of its
//! health.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::breaker::Breaker;
use super::check::CheckState;
use super::latency::Latency;
use super::max_fails::Mark;
use super::outlier::Outlier;
use crate::address::{Address, Endpoint};
use crate::config::ServerConfig;
use crate::metrics::ServerMetrics;

/// Names one server of one pool, as long as the process runs and longer where there is a state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ServerId(pub(crate) u32);

/// What a request needs of its server; also after the server has been taken out of the pool.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) id: ServerId,
    /// The entry in the list that it comes of: itself, or a name with this address.
    pub(super) listed: ServerId,
    pub(crate) address: Address,
    pub(crate) metrics: ServerMetrics,
    /// Its name in the cookie of `sticky`.
    pub(super) route: Option<String>,
}

impl Server {
    /// Its place as nginx writes it, for the ring.
    pub(super) fn place(&self) -> String {
        match self.address.endpoint() {
            Endpoint::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Endpoint::Tcp { host, port } => format!("{host}:{port}"),
            Endpoint::Unix(path) => format!("unix:{}", path.display()),
            Endpoint::Srv(name) => name.clone(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) server: Arc<Server>,
    pub(super) settings: ServerConfig,
    pub(super) in_flight: usize,
    /// The current weight of smooth weighted round robin.
    pub(super) current: i64,
    pub(super) mark: Mark,
    pub(super) breaker: Breaker,
    pub(super) checked: CheckState,
    pub(super) outlier: Outlier,
    pub(super) latency: Latency,
    /// When it joined or came back, for `slow_start`.
    pub(super) back: Option<Instant>,
    pub(super) last_failure: Option<(Instant, &'static str)>,
    pub(super) failures: u64,
}

/// Weights are counted in so many parts, so that `slow_start` can begin with little.
pub(super) const WEIGHT_PARTS: i64 = 100;

/// Why a server gets what it gets. In the words of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerState {
    Up,
    /// `down`, by settings or API.
    Down,
    /// Only requests bound to it by `sticky`.
    Draining,
    /// `max_fails`.
    Failed,
    /// Its active check fails, or has not passed yet.
    Unhealthy,
    /// `eject`.
    Ejected,
    /// `breaker`.
    Open,
}

impl Member {
    pub(super) fn new(server: Arc<Server>, settings: ServerConfig, checked: CheckState) -> Self {
        Self {
            server,
            in_flight: 0,
            current: 0,
            mark: Mark::new(settings.max_fails, settings.fail_timeout.0),
            breaker: Breaker::default(),
            checked,
            outlier: Outlier::default(),
            latency: Latency::default(),
            back: None,
            last_failure: None,
            failures: 0,
            settings,
        }
    }

    pub(super) fn id(&self) -> ServerId {
        self.server.id
    }

    pub(super) fn weight(&self) -> i64 {
        i64::from(self.settings.weight)
    }

    /// In parts, less while it starts slowly.
    pub(super) fn weight_now(&self, now: Instant) -> i64 {
        let whole = self.weight() * WEIGHT_PARTS;
        let slow = self.settings.slow_start.0;
        let Some(back) = self.outlier.back_since(now).max(self.back).filter(|_| !slow.is_zero()) else {
            return whole;
        };
        let share = now.saturating_duration_since(back).as_secs_f64() / slow.as_secs_f64();
        ((whole as f64 * share.min(1.0)) as i64).max(1)
    }

    pub(super) fn has_room(&self) -> bool {
        self.settings.max_conns == 0 || self.in_flight < self.settings.max_conns
    }

    /// Takes part in balancing.
    pub(super) fn is_on(&self) -> bool {
        !self.settings.down && !self.settings.drain
    }

    /// `marking`: there is another server to go to, so `max_fails` counts.
    pub(super) fn standing(&self, marking: bool, now: Instant) -> ServerState {
        if self.settings.down {
            ServerState::Down
        } else if self.settings.drain {
            ServerState::Draining
        } else if !self.checked.is_up() {
            ServerState::Unhealthy
        } else if !self.breaker.allows(now) {
            ServerState::Open
        } else if self.outlier.is_ejected(now) {
            ServerState::Ejected
        } else if marking && !self.mark.allows(now) {
            ServerState::Failed
        } else {
            ServerState::Up
        }
    }

    /// Seconds to expect for one more request; `usual` for a server that has not been measured.
    pub(super) fn cost(&self, usual: f64, now: Instant) -> f64 {
        let expected = self.latency.expected(now).unwrap_or(usual).max(MIN_COST);
        expected * (self.in_flight + 1) as f64 / self.weight_now(now) as f64
    }
}

/// Below this the number of requests alone decides: seconds.
const MIN_COST: f64 = 1e-6;

impl ServerState {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Draining => "draining",
            Self::Failed => "failed",
            Self::Unhealthy => "unhealthy",
            Self::Ejected => "ejected",
            Self::Open => "open",
        }
    }
}
