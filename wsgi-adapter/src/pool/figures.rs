//! A pool and its servers as `GET /api/v1/pools` shows them. Fields are added, never renamed.

use serde::Serialize;
use tokio::time::Instant;

use super::Pool;
use super::member::{Member, ServerId};
use crate::config::ServerConfig;
use crate::error::PoolFull;
use crate::metrics::{BUCKETS, CLASSES, TIMES};

/// What has become of the requests to the servers of a pool, since each began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolTally {
    pub replies: u64,
    /// Requests without a reply, by a server's fault.
    pub failures: u64,
}

/// Counts are since the start.
#[derive(Debug, Serialize)]
pub(crate) struct PoolFigures {
    name: String,
    balance: &'static str,
    /// Now, at all servers.
    in_flight: usize,
    max_in_flight: usize,
    queue: QueueFigures,
    retries: u64,
    /// Retries refused because the budget was spent.
    retries_refused: u64,
    /// The upper bounds of the servers' `buckets`, in seconds; a last bucket counts what is above them.
    bucket_bounds_s: [f64; BUCKETS.len()],
    pub(crate) servers: Vec<ServerFigures>,
}

#[derive(Debug, Serialize)]
struct QueueFigures {
    /// Now.
    waiting: i64,
    length: usize,
    turned_away: RefusalCounts,
}

#[derive(Debug, Serialize)]
struct RefusalCounts {
    queue_full: u64,
    queue_timeout: u64,
    no_server: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct ServerFigures {
    id: ServerId,
    /// The entry whose name has this address in DNS.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<ServerId>,
    #[serde(flatten)]
    settings: ServerConfig,
    /// "up", "down", "draining", "failed", "unhealthy", "ejected", "open".
    state: &'static str,
    /// Now.
    in_flight: usize,
    /// Given to it, those that failed included.
    requests: u64,
    replies: RepliesByClass,
    /// Replies by the time to their head.
    buckets: [u64; TIMES],
    failures: u64,
    /// The recent time to a reply's head.
    latency_ms: Option<f64>,
    last_failure: Option<LastFailure>,
    check: Option<CheckFigures>,
}

#[derive(Debug, Serialize)]
struct LastFailure {
    kind: &'static str,
    seconds_ago: f64,
}

#[derive(Debug, Serialize)]
struct CheckFigures {
    passed: u64,
    failed: u64,
    /// What was wrong with the last one, if something was.
    fault: Option<String>,
}

/// An object: replies by class of status.
#[derive(Debug)]
struct RepliesByClass([u64; CLASSES.len()]);

impl Serialize for RepliesByClass {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(CLASSES.iter().zip(self.0))
    }
}

impl Pool {
    pub(crate) fn figures(&self) -> PoolFigures {
        let now = Instant::now();
        let state = self.state.lock();
        let turned_away = |full: PoolFull| self.figures.turned_away(full.reason()).get();
        let servers = state.servers.iter().map(|member| {
            let standing = state.servers.standing(member, now).word();
            ServerFigures::of(member, standing, self.config.check.is_some(), now)
        });
        PoolFigures {
            name: self.config.name.clone(),
            balance: self.config.balance.name(),
            in_flight: state.in_flight,
            max_in_flight: self.config.max_in_flight,
            queue: QueueFigures {
                waiting: self.figures.queued.get(),
                length: self.config.queue.length,
                turned_away: RefusalCounts {
                    queue_full: turned_away(PoolFull::Queue),
                    queue_timeout: turned_away(PoolFull::TooLong),
                    no_server: turned_away(PoolFull::Barred(None)),
                },
            },
            retries: self.figures.retries.get(),
            retries_refused: self.figures.retries_refused.get(),
            bucket_bounds_s: BUCKETS,
            servers: servers.collect(),
        }
    }

    pub(crate) fn tally(&self) -> PoolTally {
        let mut tally = PoolTally::default();
        for member in self.state.lock().servers.iter() {
            tally.replies += member.server.metrics.replies().iter().sum::<u64>();
            tally.failures += member.failures;
        }
        tally
    }

    /// Whether each server takes part now, for `/metrics`.
    pub(crate) fn standings(&self) -> Vec<(String, bool)> {
        let now = Instant::now();
        let state = self.state.lock();
        let servers = state.servers.iter();
        servers
            .map(|member| {
                let up = state.servers.standing(member, now) == super::member::ServerState::Up;
                (member.server.address.as_str().to_owned(), up)
            })
            .collect()
    }
}

impl ServerFigures {
    fn of(member: &Member, state: &'static str, checks: bool, now: Instant) -> Self {
        let server = &member.server;
        Self {
            id: server.id,
            parent: (server.listed != server.id).then_some(server.listed),
            settings: member.settings.clone(),
            state,
            in_flight: member.in_flight,
            requests: server.metrics.requests.get(),
            replies: RepliesByClass(server.metrics.replies()),
            buckets: server.metrics.times(),
            failures: member.failures,
            latency_ms: member.latency.measured().map(|seconds| (seconds * 1e6).round() / 1e3),
            last_failure: member.last_failure.map(|(at, kind)| LastFailure {
                kind,
                seconds_ago: (now.saturating_duration_since(at).as_secs_f64() * 1e3).round() / 1e3,
            }),
            check: checks.then(|| CheckFigures {
                passed: member.checked.passed,
                failed: member.checked.failed,
                fault: member.checked.fault.clone(),
            }),
        }
    }

    pub(crate) fn belongs_to(&self, id: ServerId) -> bool {
        self.id == id || self.parent == Some(id)
    }
}
