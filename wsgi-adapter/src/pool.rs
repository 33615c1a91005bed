//! A pool of application servers: who may go to which of them now, who waits, who is turned away.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::Rng;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::Instant;
use weir_proto::origin::RequestHead;

use balance::{NoServer, Servers};
use budget::Budget;
use member::Server;
pub(crate) use member::ServerId;
use queue::Queue;
pub use state_file::StartError;
use sticky::Sticky;
use wanted::Wanted;

use crate::config::PoolConfig;
use crate::deadline::Deadline;
use crate::error::Full;
use crate::exchange::idle::Idle;
use crate::metrics::{Metrics, PoolMetrics};

mod balance;
mod breaker;
mod budget;
mod check;
mod checks;
mod figures;
mod latency;
mod learnt;
mod mark;
mod member;
mod names;
mod outlier;
mod queue;
mod resolve;
mod ring;
mod roster;
mod slot;
mod state_file;
mod sticky;
mod wanted;

pub(crate) use roster::{Entry, Refused};
pub(crate) use slot::Slot;

#[cfg(test)]
mod tests;

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) config: PoolConfig,
    pub(crate) metrics: Metrics,
    /// Connections to its servers that wait for a request.
    pub(crate) idle: Idle,
    figures: PoolMetrics,
    sticky: Option<Sticky>,
    uploads: Semaphore,
    state: Mutex<State>,
    /// Held while the list of servers is changed and written down.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    /// As they are listed.
    entries: Vec<Entry>,
    next_id: u32,
    /// Listed names that have not been looked up yet.
    unresolved: usize,
    /// As they are used.
    servers: Servers,
    in_flight: usize,
    budget: Budget,
    /// Some may have left.
    waiting: Queue<Waiter>,
}

/// A place, or the reason why there will be none.
type Granted = Result<Slot, Full>;

#[derive(Debug)]
struct Waiter {
    wanted: Wanted,
    /// Dropped unanswered: a more urgent one has taken the place.
    slot: oneshot::Sender<Granted>,
}

impl Pool {
    /// With the servers of its state file, or those of the settings. Must be called within a runtime.
    pub(crate) fn open(config: &PoolConfig, metrics: &Metrics) -> Result<Arc<Self>, StartError> {
        let entries = entries(config)?;
        let next_id = entries.iter().map(|entry| entry.id.0 + 1).max().unwrap_or(0);
        let pool = Arc::new(Self {
            idle: Idle::default(),
            figures: metrics.pool(&config.name),
            sticky: config.sticky.as_ref().map(Sticky::new),
            uploads: Semaphore::new(config.max_uploads.min(Semaphore::MAX_PERMITS)),
            state: Mutex::new(State {
                entries: entries.clone(),
                next_id,
                unresolved: 0,
                servers: Servers::new(config),
                in_flight: 0,
                budget: Budget::new(Instant::now()),
                waiting: Queue::new(config.queue.length),
            }),
            changing: tokio::sync::Mutex::new(()),
            config: config.clone(),
            metrics: metrics.clone(),
        });
        for entry in &entries {
            pool.begin(entry, None);
        }
        Ok(pool)
    }

    /// A place at a server, at once or after waiting for one.
    pub(crate) async fn slot(self: &Arc<Self>, head: &RequestHead, deadline: Deadline) -> Result<Slot, Full> {
        let bound = self
            .sticky
            .as_ref()
            .and_then(|sticky| sticky.bound(head, self.state.lock().servers.iter(), Instant::now()));
        let wanted = Wanted::new(head, &self.config.hash_key, bound);
        let slot = self.wait_for_slot(wanted, deadline).await;
        if let Err(full) = &slot {
            self.figures.turned_away(full.reason()).inc();
        }
        slot
    }

    async fn wait_for_slot(self: &Arc<Self>, wanted: Wanted, deadline: Deadline) -> Result<Slot, Full> {
        let priority = wanted.priority;
        let mut waiting = {
            let mut state = self.state.lock();
            if !state.waiting.is_ahead_of(priority) {
                match self.take(&mut state, &wanted) {
                    Ok(server) => return Ok(Slot::new(self, server, wanted)),
                    Err(NoServer::Barred(after)) => return Err(Full::Barred(after)),
                    Err(NoServer::Busy) => {}
                }
            }
            let (slot, receiver) = oneshot::channel();
            if !state.waiting.push(priority, Waiter { wanted, slot }, |waiter| waiter.slot.is_closed()) {
                return Err(Full::Queue);
            }
            receiver
        };
        let _counted = Counted::one_more(&self.figures);
        let until = deadline.within(self.config.queue.timeout.0);
        match tokio::time::timeout_at(until, &mut waiting).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_)) => Err(Full::Queue),
            Err(_) => Err(Full::TooLong),
        }
    }

    /// Leave to receive a body, as long as it is held.
    pub(crate) fn upload(&self) -> Result<SemaphorePermit<'_>, Full> {
        self.uploads.try_acquire().map_err(|_| Full::Uploads)
    }

    /// A place, if the pool and one of its servers has one.
    fn take(&self, state: &mut State, wanted: &Wanted) -> Result<Arc<Server>, NoServer> {
        if state.in_flight >= self.config.max_in_flight {
            return Err(NoServer::Busy);
        }
        let now = Instant::now();
        let server = take_server(&mut state.servers, wanted, now).map_err(|none| match none {
            // There will be some in a moment.
            NoServer::Barred(_) if state.unresolved > 0 => NoServer::Busy,
            none => none,
        })?;
        state.in_flight += 1;
        state.budget.requested(now);
        Ok(server)
    }

    /// Gives places that have become free to those who wait. Without the lock while it does: a slot that comes back, because its
    /// waiter has just left, takes it.
    fn serve_waiters(self: &Arc<Self>) {
        while let Some((waiter, slot)) = self.next_waiter() {
            let _ = waiter.send(slot);
        }
    }

    /// The next who waits, with a place for them, or the reason why there will be none.
    fn next_waiter(self: &Arc<Self>) -> Option<(oneshot::Sender<Granted>, Granted)> {
        let mut state = self.state.lock();
        while let Some((priority, waiter)) = state.waiting.pop() {
            if waiter.slot.is_closed() {
                continue;
            }
            return match self.take(&mut state, &waiter.wanted) {
                Ok(server) => Some((waiter.slot, Ok(Slot::new(self, server, waiter.wanted)))),
                Err(NoServer::Barred(after)) => Some((waiter.slot, Err(Full::Barred(after)))),
                Err(NoServer::Busy) => {
                    state.waiting.put_back(priority, waiter);
                    None
                }
            };
        }
        None
    }
}

fn entries(config: &PoolConfig) -> Result<Vec<Entry>, StartError> {
    let Some(file) = &config.state_file else { return Ok(roster::of_settings(&config.servers)) };
    let wrong =
        |why: String| StartError::State { pool: config.name.clone(), file: file.display().to_string(), why };
    let Some(entries) = state_file::read(file).map_err(|error| wrong(error.to_string()))? else {
        return Ok(roster::of_settings(&config.servers));
    };
    roster::check(&entries, config).map_err(|refused| wrong(refused.to_string()))?;
    Ok(entries)
}

fn take_server(servers: &mut Servers, wanted: &Wanted, now: Instant) -> Result<Arc<Server>, NoServer> {
    servers.take(wanted, now, |below| rand::rng().random_range(0..below))
}

/// One more who waits, as long as it lives.
struct Counted<'a> {
    figures: &'a PoolMetrics,
    since: Instant,
}

impl<'a> Counted<'a> {
    fn one_more(figures: &'a PoolMetrics) -> Self {
        figures.queued.inc();
        Self { figures, since: Instant::now() }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.figures.queued.dec();
        self.figures.queue_wait.observe(self.since.elapsed().as_secs_f64());
    }
}
