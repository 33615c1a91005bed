//! A pool of application servers: who may go to which of them now, who waits, who is turned away.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use parking_lot::Mutex;
use process::repeated::RepeatCounter;
use rand::Rng;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use weir_proto::origin::RequestHead;
use weir_proto::plain::PlainRequest;

use balance::{NoServer, Servers};
use budget::Budget;
use clients::{Clients, Holder, Resource};
use member::Member;
pub(crate) use member::{Server, ServerId};
use queue::Queue;
pub use state_file::StartError;
use sticky::Sticky;

use crate::body_memory::BodyMemory;
use crate::config::{Balance, HashKey, PoolConfig};
use crate::exchange::connect::ConnectMeans;
use crate::exchange::idle::IdleConnections;
use crate::metrics::{Metrics, PoolMetrics};
use crate::replies::spool::FileSpace;

mod balance;
mod breaker;
mod budget;
mod check;
mod checks;
mod clients;
mod entry;
mod figures;
mod latency;
mod learnt;
mod max_fails;
mod member;
mod names;
mod outlier;
mod queue;
mod resolve;
mod ring;
mod roster;
mod slot;
mod slot_request;
mod state_file;
mod sticky;
mod succession;
mod unread;
mod uploads;
mod waiting;

pub(crate) use entry::Entry;
pub use figures::PoolTally;
pub(crate) use roster::RosterError;
pub(crate) use slot::Slot;
pub(crate) use slot_request::SlotRequest;
pub(crate) use unread::Unread;
use waiting::Waiter;

#[cfg(test)]
mod tests;

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) config: PoolConfig,
    pub(crate) metrics: Metrics,
    /// Connections to its servers that wait for a request.
    pub(crate) idle: IdleConnections,
    pub(crate) means: ConnectMeans,
    figures: PoolMetrics,
    sticky: Option<Arc<Sticky>>,
    uploads: Semaphore,
    upload_ended: Notify,
    /// Uploads that are under way and wait for leave to go on.
    pub(crate) waiting_uploads: Arc<AtomicUsize>,
    /// What its requests' bodies have of the disk.
    pub(crate) file_space: Arc<FileSpace>,
    /// What all pools' bodies have of memory.
    pub(crate) body_memory: Arc<BodyMemory>,
    /// Failures of its servers.
    pub(crate) repeated: RepeatCounter,
    state: Mutex<State>,
    /// Held while the list of servers is changed and written down.
    changing: tokio::sync::Mutex<()>,
    /// Another pool has its place.
    retired: AtomicBool,
    /// The settings no longer name it.
    leaving: AtomicBool,
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
    /// What is known of servers that may join, by address: from the pool whose place this one took.
    inherited: HashMap<String, Member>,
    in_flight: usize,
    /// Tunnels and event streams. They are no longer in flight.
    streams: usize,
    clients: Clients,
    budget: Budget,
    /// Some may have left.
    waiting: Queue<Waiter>,
    /// How many have lined up there so far.
    lined_up: u64,
}

impl Pool {
    /// Opens a pool with the servers of its state file, or those of the settings. Must be called within a
    /// runtime.
    pub(crate) fn open(
        config: &PoolConfig,
        metrics: &Metrics,
        body_memory: &Arc<BodyMemory>,
    ) -> Result<Arc<Self>, StartError> {
        let pool = Self::prepare(config, metrics, body_memory, None)?;
        pool.start();
        Ok(pool)
    }

    /// A pool that does nothing yet. `before`: whose place it is to take.
    pub(crate) fn prepare(
        config: &PoolConfig,
        metrics: &Metrics,
        body_memory: &Arc<BodyMemory>,
        before: Option<&Self>,
    ) -> Result<Arc<Self>, StartError> {
        let entries = entries(config)?;
        let same_sticky =
            before.filter(|before| format!("{:?}", before.config.sticky) == format!("{:?}", config.sticky));
        let sticky = match same_sticky {
            // It knows who belongs where.
            Some(before) => before.sticky.clone(),
            None => config.sticky.as_ref().map(|sticky| Arc::new(Sticky::new(sticky))),
        };
        let next_id = entries.iter().map(|entry| entry.id.0 + 1).max().unwrap_or(0);
        Ok(Arc::new(Self {
            idle: IdleConnections::new(&config.keepalive),
            means: ConnectMeans::new(config.tls.as_ref()),
            figures: metrics.pool(&config.name),
            sticky,
            uploads: Semaphore::new(config.max_uploads.min(Semaphore::MAX_PERMITS)),
            upload_ended: Notify::new(),
            waiting_uploads: Arc::default(),
            file_space: Arc::new(FileSpace::new(config.reply_buffer.files.0)),
            body_memory: Arc::clone(body_memory),
            repeated: RepeatCounter::default(),
            state: Mutex::new(State {
                entries,
                next_id,
                unresolved: 0,
                servers: Servers::new(config),
                inherited: HashMap::new(),
                in_flight: 0,
                streams: 0,
                clients: Clients::new(
                    [config.max_in_flight, config.queue.length, config.max_tunnels, config.max_uploads],
                    config.client_share,
                ),
                budget: Budget::new(Instant::now()),
                waiting: Queue::new(config.queue.length),
                lined_up: 0,
            }),
            changing: tokio::sync::Mutex::new(()),
            config: config.clone(),
            metrics: metrics.clone(),
            retired: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
        }))
    }

    /// What choosing a server looks at in a request.
    pub(crate) fn wanted(&self, head: &RequestHead) -> SlotRequest {
        let bound = self
            .sticky
            .as_ref()
            .and_then(|sticky| sticky.bound(head, self.state.lock().servers.iter(), Instant::now()));
        SlotRequest::new(head, self.hash_key(), bound)
    }

    /// What it looks at in a plain request. `None`: at more than who asks.
    pub(crate) fn wanted_plain(&self, request: &PlainRequest<'_>) -> Option<SlotRequest> {
        let by_more = self.sticky.is_some() || self.hash_key().is_some();
        (!by_more).then(|| SlotRequest::of_plain(request))
    }

    fn hash_key(&self) -> Option<&HashKey> {
        match self.config.balance {
            Balance::Hash | Balance::HashModulo => Some(&self.config.hash_key),
            _ => None,
        }
    }

    /// Counts one more for this client, unless it has its part.
    fn hold(&self, holder: Option<Holder>, resource: Resource) -> Option<ClientHold<'_>> {
        let mut state = self.state.lock();
        if !state.clients.may_have(holder, resource) {
            return None;
        }
        state.clients.take(holder, resource);
        Some(ClientHold { pool: self, holder, resource })
    }

    /// All places are taken, and requests wait for one.
    pub(crate) fn is_crowded(&self) -> bool {
        let state = self.state.lock();
        state.in_flight >= self.config.max_in_flight && state.waiting.waiting() > 0
    }

    /// A place, if the pool and one of its servers has one.
    fn take(&self, state: &mut State, wanted: &SlotRequest) -> Result<Arc<Server>, NoServer> {
        let holder = wanted.holder;
        let is_full = state.in_flight >= self.config.max_in_flight;
        if is_full || !state.clients.may_have(holder, Resource::Place) {
            return Err(NoServer::Busy);
        }
        let now = Instant::now();
        let server = take_server(&mut state.servers, wanted, now).map_err(|none| match none {
            // There will be some in a moment.
            NoServer::Barred(_) if state.unresolved > 0 => NoServer::Busy,
            none => none,
        })?;
        state.in_flight += 1;
        state.clients.take(holder, Resource::Place);
        state.budget.requested(now);
        Ok(server)
    }
}

/// One thing that a client has of the pool, as long as it lives.
#[derive(Debug)]
struct ClientHold<'a> {
    pool: &'a Pool,
    holder: Option<Holder>,
    resource: Resource,
}

impl Drop for ClientHold<'_> {
    fn drop(&mut self) {
        self.pool.state.lock().clients.give_back(self.holder, self.resource);
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

fn take_server(servers: &mut Servers, wanted: &SlotRequest, now: Instant) -> Result<Arc<Server>, NoServer> {
    servers.take(wanted, now, |below| rand::rng().random_range(0..below))
}
