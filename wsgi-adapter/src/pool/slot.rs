//! A request's place at a server: what became of it is told here, and it may move to another server.

use std::sync::Arc;

use http1::reply::ResponseField;
use tokio::time::Instant;
use tracing::{debug, info, warn};
use weir_proto::origin::RequestHead;

use super::balance::Event;
use super::clients::{Holder, Resource};
use super::member::Server;
use super::slot_request::SlotRequest;
use super::{Pool, take_server};
use crate::error::{Error, PoolFull};

/// Given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    pool: Arc<Pool>,
    server: Arc<Server>,
    wanted: SlotRequest,
    /// It counts as a tunnel or event stream, and is not in flight any more.
    is_stream: bool,
    first_try: Instant,
    this_try: Instant,
}

impl Slot {
    /// The slot for a place that has been taken.
    pub(super) fn new(pool: &Arc<Pool>, server: Arc<Server>, wanted: SlotRequest) -> Self {
        server.metrics.in_flight.inc();
        let now = Instant::now();
        Self { pool: Arc::clone(pool), server, wanted, is_stream: false, first_try: now, this_try: now }
    }

    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The reply's head has come.
    pub(crate) fn replied(&self, status: u16) {
        let took = self.this_try.elapsed();
        self.server.metrics.replied(status, took);
        let events = self.pool.state.lock().servers.replied(self.server.id, status, took, Instant::now());
        self.pool.tell(&self.server, &events);
    }

    /// Sees to it that the visitor of this request comes to the same server next time (`sticky`). `fields`:
    /// those of the reply.
    pub(crate) fn bind(&self, head: Option<&RequestHead>, fields: &mut Vec<ResponseField>) {
        if let (Some(sticky), Some(head)) = (&self.pool.sticky, head)
            && (self.wanted.bound != Some(self.server.id) || sticky.always_looks())
        {
            sticky.bind(head, &self.server, fields, Instant::now());
        }
    }

    /// There is no reply, or no whole one. `marks`: the server counts as failing for it (`max_fails`,
    /// `breaker`).
    pub(crate) fn failed(&self, kind: &'static str, marks: bool) {
        let events = self.pool.state.lock().servers.failed(self.server.id, kind, marks, Instant::now());
        self.pool.tell(&self.server, &events);
    }

    /// The reply broke off after its head.
    pub(crate) fn broke_off(&self, error: &Error) {
        if let Error::Server(_) = error {
            self.failed(error.kind_name(), error.marks_server());
        }
    }

    /// Who has this place.
    pub(crate) fn holder(&self) -> Option<Holder> {
        self.wanted.holder
    }

    /// Counts this request among tunnels and event streams, which last, and makes its place free. Its server
    /// still counts it.
    pub(crate) fn stream(&mut self) -> Result<(), PoolFull> {
        {
            let mut state = self.pool.state.lock();
            let holder = self.wanted.holder;
            if state.streams >= self.pool.config.max_tunnels {
                return Err(PoolFull::Tunnels);
            }
            if !state.clients.may_have(holder, Resource::Stream) {
                return Err(PoolFull::Client);
            }
            state.in_flight -= 1;
            state.streams += 1;
            state.clients.give_back(holder, Resource::Place);
            state.clients.take(holder, Resource::Stream);
        }
        self.is_stream = true;
        self.pool.serve_waiters();
        Ok(())
    }

    /// Moves to a server that this request has not tried. False: there is none, none has room, or enough has
    /// been tried (`retry`); the slot stays where it is.
    pub(crate) fn move_on(&mut self) -> bool {
        let (retry, now) = (&self.pool.config.retry, Instant::now());
        if !retry.timeout.0.is_zero() && now.saturating_duration_since(self.first_try) >= retry.timeout.0 {
            return false;
        }
        if !self.wanted.tried.contains(&self.server.id) {
            self.wanted.tried.push(self.server.id);
        }
        let next = {
            let mut state = self.pool.state.lock();
            if !state.budget.allows(retry, state.in_flight, now) {
                self.pool.figures.retries_refused.inc();
                return false;
            }
            let Ok(next) = take_server(&mut state.servers, &self.wanted, now) else {
                return false;
            };
            state.servers.release(self.server.id);
            state.budget.retried(now);
            next
        };
        self.pool.figures.retries.inc();
        self.server.metrics.in_flight.dec();
        self.server = next;
        self.server.metrics.in_flight.inc();
        self.this_try = now;
        self.pool.serve_waiters();
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.server.metrics.in_flight.dec();
        {
            let mut state = self.pool.state.lock();
            state.servers.release(self.server.id);
            let holder = self.wanted.holder;
            if self.is_stream {
                state.streams -= 1;
                state.clients.give_back(holder, Resource::Stream);
            } else {
                state.in_flight -= 1;
                state.clients.give_back(holder, Resource::Place);
            }
        }
        self.pool.serve_waiters();
    }
}

impl Pool {
    /// What an active check has found.
    pub(super) fn checked(&self, server: &Server, result: Result<(), String>) {
        if let Err(fault) = &result {
            debug!(pool = self.config.name, server = %server.address, "check failed: {fault}");
        }
        let event = self.state.lock().servers.checked(server.id, result, Instant::now());
        self.tell(server, event.as_slice());
    }

    /// Writes down how a server's standing has changed.
    pub(super) fn tell(&self, server: &Server, events: &[Event]) {
        let (pool, server) = (&self.config.name, &server.address);
        for event in events {
            match event {
                Event::Failed => {
                    warn!(pool, %server, "left alone for fail_timeout: max_fails requests have failed")
                }
                Event::Opened => {
                    warn!(pool, %server, "left alone: breaker.failures requests in a row have failed")
                }
                Event::Ejected(time) => {
                    warn!(pool, %server, "left alone for {time:?}: it fails far more often than the others (eject)");
                }
                Event::Unhealthy => warn!(pool, %server, "left alone: its health check fails"),
                Event::Back => info!(pool, %server, "takes part again"),
            }
        }
    }
}
