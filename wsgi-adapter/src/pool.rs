//! A pool of application servers: who may go to which of them now, who waits, who is turned away.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use rand::Rng;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::Instant;

use balance::{Servers, Wanted};

use crate::address::Address;
use crate::config::PoolConfig;
use crate::deadline::Deadline;
use crate::idle::Idle;
use crate::metrics::{Metrics, ServerMetrics};

mod balance;
mod mark;

#[cfg(test)]
mod tests;

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) config: PoolConfig,
    pub(crate) metrics: Metrics,
    /// Connections to its servers that wait for a request.
    pub(crate) idle: Idle,
    servers: Vec<Server>,
    queued: Gauge,
    uploads: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: Address,
    pub(crate) metrics: ServerMetrics,
}

#[derive(Debug)]
struct State {
    servers: Servers,
    in_flight: usize,
    /// First come, first served. Some may have left.
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    wanted: Wanted,
    slot: oneshot::Sender<Slot>,
}

/// A request's place at a server, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    pool: Arc<Pool>,
    server: usize,
    wanted: Wanted,
}

/// The pool has as many requests as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("every server is busy (max_in_flight, max_conns) and queue.length requests wait already")]
    Queue,
    #[error(
        "every server was busy (max_in_flight, max_conns) for the whole of queue.timeout, or until the edge's deadline"
    )]
    TooLong,
    #[error("max_uploads request bodies are being received already")]
    Uploads,
}

impl Pool {
    pub(crate) fn new(config: &PoolConfig, metrics: &Metrics) -> Arc<Self> {
        let servers = config.servers.iter().map(|server| Server {
            address: server.address.clone(),
            metrics: metrics.server(&config.name, server.address.as_str()),
        });
        Arc::new(Self {
            idle: Idle::default(),
            servers: servers.collect(),
            queued: metrics.queued(&config.name),
            uploads: Semaphore::new(config.max_uploads.min(Semaphore::MAX_PERMITS)),
            state: Mutex::new(State {
                servers: Servers::new(config.balance, &config.servers),
                in_flight: 0,
                waiting: VecDeque::new(),
            }),
            config: config.clone(),
            metrics: metrics.clone(),
        })
    }

    /// A place at a server, at once or after waiting for one.
    pub(crate) async fn slot(
        self: &Arc<Self>,
        client: Option<IpAddr>,
        deadline: Deadline,
    ) -> Result<Slot, Full> {
        let wanted = Wanted { client, tried: Vec::new() };
        let mut waiting = {
            let mut state = self.state.lock();
            if state.waiting.is_empty()
                && let Some(server) = self.take(&mut state, &wanted)
            {
                return Ok(self.occupied(server, wanted));
            }
            if state.waiting.len() >= self.config.queue.length {
                state.waiting.retain(|waiter| !waiter.slot.is_closed());
            }
            if state.waiting.len() >= self.config.queue.length {
                return Err(Full::Queue);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back(Waiter { wanted, slot: sender });
            receiver
        };
        let _counted = Counted::one_more(&self.queued);
        let until = deadline.within(self.config.queue.timeout.0);
        match tokio::time::timeout_at(until, &mut waiting).await {
            Ok(Ok(slot)) => Ok(slot),
            // A sender is dropped only when its receiver is gone.
            Ok(Err(_)) | Err(_) => Err(Full::TooLong),
        }
    }

    /// Leave to receive a body, as long as it is held.
    pub(crate) fn upload(&self) -> Result<SemaphorePermit<'_>, Full> {
        self.uploads.try_acquire().map_err(|_| Full::Uploads)
    }

    /// A place, if the pool and one of its servers has one.
    fn take(&self, state: &mut State, wanted: &Wanted) -> Option<usize> {
        if state.in_flight >= self.config.max_in_flight {
            return None;
        }
        let server = take_server(&mut state.servers, wanted)?;
        state.in_flight += 1;
        Some(server)
    }

    fn occupied(self: &Arc<Self>, server: usize, wanted: Wanted) -> Slot {
        self.servers[server].metrics.in_flight.inc();
        Slot { pool: Arc::clone(self), server, wanted }
    }

    /// Gives places that have become free to those who wait. Without the lock while it does: a slot that
    /// comes back, because its waiter has just left, takes it.
    fn serve_waiters(self: &Arc<Self>) {
        while let Some((waiter, slot)) = self.next_waiter() {
            let _ = waiter.send(slot);
        }
    }

    /// The next who waits, with a place for them.
    fn next_waiter(self: &Arc<Self>) -> Option<(oneshot::Sender<Slot>, Slot)> {
        let mut state = self.state.lock();
        while let Some(waiter) = state.waiting.pop_front() {
            if waiter.slot.is_closed() {
                continue;
            }
            let Some(server) = self.take(&mut state, &waiter.wanted) else {
                state.waiting.push_front(waiter);
                return None;
            };
            return Some((waiter.slot, self.occupied(server, waiter.wanted)));
        }
        None
    }
}

impl Slot {
    pub(crate) fn server(&self) -> &Server {
        &self.pool.servers[self.server]
    }

    /// The server did not answer, or answered nonsense: after some of these it is left alone for a while.
    pub(crate) fn failed(&self) {
        self.pool.state.lock().servers.failed(self.server, Instant::now());
    }

    /// The server answered.
    pub(crate) fn succeeded(&self) {
        self.pool.state.lock().servers.succeeded(self.server);
    }

    /// Moves to a server that this request has not tried. False: there is none, or none has room; the slot
    /// stays where it is.
    pub(crate) fn move_on(&mut self) -> bool {
        if !self.wanted.tried.contains(&self.server) {
            self.wanted.tried.push(self.server);
        }
        let next = {
            let mut state = self.pool.state.lock();
            let Some(next) = take_server(&mut state.servers, &self.wanted) else {
                return false;
            };
            state.servers.release(self.server);
            next
        };
        self.server().metrics.in_flight.dec();
        self.server = next;
        self.server().metrics.in_flight.inc();
        self.pool.serve_waiters();
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.server().metrics.in_flight.dec();
        {
            let mut state = self.pool.state.lock();
            state.servers.release(self.server);
            state.in_flight -= 1;
        }
        self.pool.serve_waiters();
    }
}

fn take_server(servers: &mut Servers, wanted: &Wanted) -> Option<usize> {
    servers.take(wanted, Instant::now(), |below| rand::rng().random_range(0..below))
}

/// One more in a gauge, as long as it lives.
struct Counted<'a>(&'a Gauge);

impl<'a> Counted<'a> {
    fn one_more(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
