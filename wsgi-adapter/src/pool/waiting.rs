//! Who waits for a place at the pool's servers: how it lines up, and who is next.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use weir_proto::fetch::BodyMessages;
use weir_proto::origin::fetch_request::Message;

use super::balance::NoServer;
use super::clients::{Holder, Resource};
use super::slot::Slot;
use super::slot_request::{self, SlotRequest};
use super::{ClientHold, Pool, State};
use crate::deadline::Deadline;
use crate::error::PoolFull;
use crate::metrics::PoolMetrics;

/// A place, or the reason why there will be none.
type SlotResult = Result<Slot, PoolFull>;

#[derive(Debug)]
pub(super) struct Waiter {
    /// No other has it.
    number: u64,
    wanted: SlotRequest,
    /// Dropped unanswered: a more urgent one has taken the place.
    slot: oneshot::Sender<SlotResult>,
}

impl Pool {
    /// A place at a server, at once or after waiting for one: a place of the client that has caused the
    /// request, or of one that waits for the same page, as `joiners` tells.
    pub(crate) async fn slot_for_all(
        self: &Arc<Self>,
        wanted: SlotRequest,
        deadline: Deadline,
        joiners: &mut Option<BodyMessages>,
    ) -> Result<Slot, PoolFull> {
        let slot = self.wait_for_slot(wanted, deadline, joiners).await;
        if let Err(full) = &slot {
            self.figures.turned_away(full.reason()).inc();
        }
        slot
    }

    async fn wait_for_slot(
        self: &Arc<Self>,
        wanted: SlotRequest,
        deadline: Deadline,
        joiners: &mut Option<BodyMessages>,
    ) -> Result<Slot, PoolFull> {
        let priority = wanted.priority;
        let (number, waiting, _held, may_pass) = {
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
            state.lined_up += 1;
            let number = state.lined_up;
            line_up(&mut state, Waiter { number, wanted, slot })?;
            let may_pass = state.clients.may_have(holder, Resource::Place);
            (number, receiver, ClientHold { pool: self, holder, resource: Resource::Waiting }, may_pass)
        };
        // Those ahead may be clients that have their part already. If this one has its part too, nobody may
        // go because of it, and a flood does not search the queue for each of its requests.
        if may_pass {
            self.serve_waiters();
        }
        let _counted = WaitCount::one_more(&self.figures);
        let until = deadline.within(self.config.queue.timeout.0);
        let mut waiting = pin!(timeout_at(until, waiting));
        let given = loop {
            tokio::select! {
                biased;
                given = &mut waiting => break given,
                client = next_joiner(joiners) => self.join_waiter(number, client),
            }
        };
        match given {
            Ok(Ok(slot)) => slot,
            Ok(Err(_)) => Err(PoolFull::Queue),
            Err(_) => Err(PoolFull::TooLong),
        }
    }

    /// Another client waits for what the waiter of this number is to fetch.
    fn join_waiter(self: &Arc<Self>, number: u64, client: Option<Holder>) {
        {
            let mut state = self.state.lock();
            let Some(waiter) = state.waiting.find(|waiter| waiter.number == number) else { return };
            waiter.wanted.join(client);
            if !state.clients.may_have(client, Resource::Place) {
                return;
            }
        }
        self.serve_waiters();
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
    /// all that one has asked for; one that has its part of the places is passed over. Where several wait for
    /// one page it counts for the one of them that has the fewest.
    fn next_waiter(self: &Arc<Self>) -> Option<(oneshot::Sender<SlotResult>, SlotResult)> {
        let mut state = self.state.lock();
        while state.in_flight < self.config.max_in_flight {
            let State { waiting, clients, .. } = &mut *state;
            let rank = |waiter: &Waiter| {
                if waiter.slot.is_closed() {
                    return Some((0, 0, 0));
                }
                let wanted = &waiter.wanted;
                // Most have no company, and there may be thousands of them.
                if !wanted.is_joined() {
                    let holder = wanted.holder;
                    return clients.may_have(holder, Resource::Place).then(|| clients.rank(holder));
                }
                clients.giver(wanted.holders()).map(|giver| giver.rank)
            };
            let (priority, mut waiter) = waiting.take_next(rank)?;
            if waiter.slot.is_closed() {
                continue;
            }
            if let Some(giver) = clients.giver(waiter.wanted.holders()) {
                waiter.wanted.is_of(giver.holder);
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

/// The next client that waits for the same page. Never, if nobody tells of any.
async fn next_joiner(joiners: &mut Option<BodyMessages>) -> Option<Holder> {
    while let Some(messages) = joiners {
        match messages.next().await {
            Some(request) => {
                if let Some(Message::Joined(joined)) = request.message {
                    return slot_request::joined(&joined.client);
                }
            }
            None => *joiners = None,
        }
    }
    pending().await
}

/// Lines up who waits for a place. Where its client has its part of the queue, or the queue is full, it goes
/// in for one of a connection, or a client, that has more there. What others wait for stays.
fn line_up(state: &mut State, waiter: Waiter) -> Result<(), PoolFull> {
    let (holder, priority) = (waiter.wanted.holder, waiter.wanted.priority);
    let State { waiting, clients, .. } = state;
    let own = clients.waiting(holder);
    if !clients.may_have(holder, Resource::Waiting) {
        let out = waiting.take_out(priority, |other| {
            let is_own = |other: &Holder| Some(other.client) == holder.map(|own| own.client);
            let of_one = other.wanted.holder.filter(|_| !other.wanted.is_joined()).filter(is_own);
            Some(clients.waiting(of_one).1).filter(|&waiting| waiting > own.1 + 1)
        });
        turned_away(out.ok_or(PoolFull::Client)?, PoolFull::Client);
    }
    let is_gone = |waiter: &Waiter| waiter.slot.is_closed();
    if let Err(waiter) = waiting.push(priority, waiter, is_gone) {
        let heavier = |weight: (usize, usize)| weight.0 > own.0 + 1;
        let out = waiting.take_out(priority, |other| {
            let waiting = other.wanted.holders().map(|holder| clients.waiting(holder));
            waiting.min().filter(|&waiting| heavier(waiting))
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
