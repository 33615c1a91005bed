//! Who waits for a place at the pool's servers: how it lines up, and who is next.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::balance::NoServer;
use super::clients::Resource;
use super::slot::Slot;
use super::slot_request::SlotRequest;
use super::{ClientHold, Pool, State};
use crate::deadline::Deadline;
use crate::error::PoolFull;
use crate::metrics::PoolMetrics;

/// A place, or the reason why there will be none.
type SlotResult = Result<Slot, PoolFull>;

#[derive(Debug)]
pub(super) struct Waiter {
    wanted: SlotRequest,
    /// Dropped unanswered: a more urgent one has taken the place.
    slot: oneshot::Sender<SlotResult>,
}

impl Pool {
    /// A place at a server, at once or after waiting for one.
    pub(crate) async fn slot(
        self: &Arc<Self>,
        wanted: SlotRequest,
        deadline: Deadline,
    ) -> Result<Slot, PoolFull> {
        let slot = self.wait_for_slot(wanted, deadline).await;
        if let Err(full) = &slot {
            self.figures.turned_away(full.reason()).inc();
        }
        slot
    }

    async fn wait_for_slot(
        self: &Arc<Self>,
        wanted: SlotRequest,
        deadline: Deadline,
    ) -> Result<Slot, PoolFull> {
        let priority = wanted.priority;
        let (mut waiting, _held, may_pass) = {
            let mut state = self.state.lock();
            if !state.waiting.is_ahead_of(priority) {
                match self.take(&mut state, &wanted) {
                    Ok(server) => return Ok(Slot::new(self, server, wanted)),
                    Err(NoServer::Barred(after)) => return Err(PoolFull::Barred(after)),
                    Err(NoServer::Busy) => {}
                }
            }
            let (slot, receiver) = oneshot::channel();
            let holder = wanted.holder;
            line_up(&mut state, Waiter { wanted, slot })?;
            let may_pass = state.clients.may_have(holder, Resource::Place);
            (receiver, ClientHold { pool: self, holder, resource: Resource::Waiting }, may_pass)
        };
        // Those ahead may be clients that have their part already. If this one has its part too, nobody may
        // go because of it, and a flood does not search the queue for each of its requests.
        if may_pass {
            self.serve_waiters();
        }
        let _counted = WaitCount::one_more(&self.figures);
        let until = deadline.within(self.config.queue.timeout.0);
        match tokio::time::timeout_at(until, &mut waiting).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_)) => Err(PoolFull::Queue),
            Err(_) => Err(PoolFull::TooLong),
        }
    }

    /// Gives places that have become free to those who wait. Without the lock while it does: a slot that
    /// comes back, because its waiter has just left, takes it.
    pub(super) fn serve_waiters(self: &Arc<Self>) {
        while let Some((waiter, slot)) = self.next_waiter() {
            let _ = waiter.send(slot);
        }
    }

    /// The next that waits, with a place for it, or the reason why there will be none. Clients that have few
    /// places go before those that have many, and their connections likewise, so that nobody stands behind
    /// all that one has asked for; one that has its part of the places is passed over.
    fn next_waiter(self: &Arc<Self>) -> Option<(oneshot::Sender<SlotResult>, SlotResult)> {
        let mut state = self.state.lock();
        while state.in_flight < self.config.max_in_flight {
            let State { waiting, clients, .. } = &mut *state;
            let rank = |waiter: &Waiter| {
                let holder = waiter.wanted.holder;
                if waiter.slot.is_closed() {
                    return Some((0, 0, 0));
                }
                clients.may_have(holder, Resource::Place).then(|| clients.rank(holder))
            };
            let (priority, waiter) = waiting.take_next(rank)?;
            if waiter.slot.is_closed() {
                continue;
            }
            return match self.take(&mut state, &waiter.wanted) {
                Ok(server) => Some((waiter.slot, Ok(Slot::new(self, server, waiter.wanted)))),
                Err(NoServer::Barred(after)) => Some((waiter.slot, Err(PoolFull::Barred(after)))),
                Err(NoServer::Busy) => {
                    state.waiting.put_back(priority, waiter);
                    None
                }
            };
        }
        None
    }
}

/// Lines up who waits for a place. Where its client has its part of the queue, or the queue is full, it goes
/// in for one of a connection, or a client, that has more there.
fn line_up(state: &mut State, waiter: Waiter) -> Result<(), PoolFull> {
    let (holder, priority) = (waiter.wanted.holder, waiter.wanted.priority);
    let State { waiting, clients, .. } = state;
    let own = clients.waiting(holder);
    if !clients.may_have(holder, Resource::Waiting) {
        let out = waiting.take_out(priority, |other| {
            let other =
                other.wanted.holder.filter(|other| Some(other.client) == holder.map(|own| own.client));
            Some(clients.waiting(other).1).filter(|&waiting| waiting > own.1 + 1)
        });
        turned_away(out.ok_or(PoolFull::Client)?, PoolFull::Client);
    }
    let is_gone = |waiter: &Waiter| waiter.slot.is_closed();
    if let Err(waiter) = waiting.push(priority, waiter, is_gone) {
        let heavier = |weight: (usize, usize)| weight.0 > own.0 + 1;
        let out = waiting.take_out(priority, |other| {
            Some(clients.waiting(other.wanted.holder)).filter(|&waiting| heavier(waiting))
        });
        turned_away(out.ok_or(PoolFull::Queue)?, PoolFull::Queue);
        waiting.push(priority, waiter, is_gone).map_err(|_| PoolFull::Queue)?;
    }
    clients.take(holder, Resource::Waiting);
    Ok(())
}

fn turned_away(waiter: Waiter, why: PoolFull) {
    let _ = waiter.slot.send(Err(why));
}

/// One more who waits, as long as it lives.
struct WaitCount<'a> {
    figures: &'a PoolMetrics,
    since: Instant,
}

impl<'a> WaitCount<'a> {
    fn one_more(figures: &'a PoolMetrics) -> Self {
        figures.queued.inc();
        Self { figures, since: Instant::now() }
    }
}

impl Drop for WaitCount<'_> {
    fn drop(&mut self) {
        self.figures.queued.dec();
        self.figures.queue_wait.observe(self.since.elapsed().as_secs_f64());
    }
}
