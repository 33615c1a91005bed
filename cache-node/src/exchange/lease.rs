//! Leading a page in the making, with or without the store's lease: what the leader does for those who wait.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use purge::Reach;
use tokio::time::{Instant, sleep_until};
use weir_proto::cache::{PassReason, Use};

use super::flight::Waiter;
use crate::entry::{Entry, Grant};
use crate::metrics::LeaseEvent;
use crate::node::Parts;
use crate::slot::Slot;
use crate::store::{Looked, Put, Release, Token};

/// What one who waits is told in the end.
pub(crate) enum Turn {
    Found(Arc<Entry>, Use),
    Pass(PassReason, Duration),
    /// The leader is gone: lead now.
    Lead(Lead),
    /// The page may stand elsewhere by now, or another Vary rule holds: ask again.
    Again,
}

/// The right to make a page, on this node: one at a time per slot. However it ends, also by a panic, dropping it passes it
/// on to the next in line; the store's lease goes along.
pub(crate) struct Lead {
    node: Arc<Parts>,
    slot: Arc<Slot>,
    lease: Option<Lease>,
}

/// The store's lease: the right to make the page among all nodes.
#[derive(Clone, Copy)]
struct Lease {
    token: Token,
    renewed: Instant,
    /// Then the holder has had it for `max_lease`.
    ends: Instant,
    /// Where the purge log stood when the page began to be made, and when that was.
    grant: Grant,
    granted: std::time::Instant,
}

/// The holder had the lease for as long as one may.
pub(crate) struct Ended;

impl Lead {
    /// Only for one whom `Flights::join` told that it leads.
    pub(crate) fn new(node: Arc<Parts>, slot: Arc<Slot>) -> Self {
        Self { node, slot, lease: None }
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(crate) fn has_lease(&self) -> bool {
        self.lease.is_some()
    }

    /// Where the purge log stood when the lease was given. `None`: there is no lease.
    pub(crate) fn grant(&self) -> Option<Grant> {
        self.lease.as_ref().map(|lease| lease.grant)
    }

    /// Asks the store for the page or the lease.
    pub(crate) async fn ask(&mut self) -> Looked {
        let token = Token::random();
        let looked = self.node.store.look_up(&self.slot, token).await;
        if matches!(looked, Looked::Granted(_)) {
            let now = Instant::now();
            let ends = now + self.node.config.max_lease.0;
            let (grant, granted) = (self.node.purges.grant(), now.into());
            self.lease = Some(Lease { token, renewed: now, ends, grant, granted });
            self.node.metrics.lease(LeaseEvent::Granted);
        }
        looked
    }

    /// Does the holder's work, and keeps the lease alive meanwhile.
    pub(crate) async fn alive_for<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Ended> {
        let mut work = pin!(work);
        loop {
            let Some(Lease { renewed, ends, .. }) = self.lease else { return Err(Ended) };
            tokio::select! {
                biased;
                () = sleep_until(ends) => {
                    self.node.metrics.lease(LeaseEvent::Expired);
                    return Err(Ended);
                }
                () = sleep_until(renewed + self.node.config.lease.0 / 3) => self.renew().await,
                done = &mut work => return Ok(done),
            }
        }
    }

    async fn renew(&mut self) {
        let Some(lease) = &mut self.lease else { return };
        lease.renewed = Instant::now();
        if !self.node.store.renew(&self.slot, lease.token).await {
            // The page is still made: the stream's own visitor wants it. Its store will be refused.
            self.node.metrics.lease(LeaseEvent::Lost);
        }
    }

    /// Tells all who wait.
    pub(crate) fn tell_all(&self, turn: impl Fn() -> Turn) {
        for waiter in self.node.flights.take(&self.slot, |_| true) {
            let _ = waiter.turn.send(turn());
        }
    }

    /// Gives a stale entry to those whom it serves; who refreshes goes on waiting.
    pub(crate) fn serve_stale(&self, entry: &Arc<Entry>) {
        for waiter in self.node.flights.take(&self.slot, |asked| !asked.refresh) {
            let _ = waiter.turn.send(Turn::Found(entry.clone(), Use::Stale));
        }
    }

    /// Ends the lease with a whole page. Those who waited for this very page get it, however short its life; those of
    /// another variant ask again.
    pub(crate) async fn store(mut self, entry: Entry) -> Put {
        let Some(lease) = self.lease.take() else { return Put::LeaseLost };
        let entry = Arc::new(entry);
        let reach = |entry: &Entry| self.node.purges.reach(entry, std::time::Instant::now());
        let put = match reach(&entry) {
            Reach::Gone => {
                self.node.store.release(&self.slot, lease.token, Release::Free).await;
                Put::Purged
            }
            Reach::Untouched | Reach::Stale(_) => self.node.store.put(&self.slot, lease.token, &entry).await,
        };
        let untouched = reach(&entry) == Reach::Untouched;
        let rule = entry.slot().rule();
        for waiter in self.node.flights.take(&self.slot, |_| true) {
            let same_page = waiter.asked.slot(rule.clone()) == *entry.slot();
            // One who asked before the page began to be made asked before any purge that has reached it.
            let may_have_it = untouched || waiter.asked.at <= lease.granted;
            let turn = if put != Put::LeaseLost && same_page && may_have_it {
                Turn::Found(entry.clone(), Use::Fresh)
            } else {
                Turn::Again
            };
            let _ = waiter.turn.send(turn);
        }
        put
    }

    /// Ends the lease: the page may not be stored. All who wait go past the cache, and so do others for that long.
    pub(crate) async fn uncacheable(self, pass_for: Duration) {
        self.tell_all(|| Turn::Pass(PassReason::UncacheableReply, pass_for));
        let then = if pass_for.is_zero() { Release::Free } else { Release::Pass(pass_for) };
        self.release(then).await;
    }

    /// Ends the lease: the application failed. All who wait get what may be used then, or go themselves.
    pub(crate) async fn failed(self) {
        let fallback = self.node.store.known(&self.slot).entry();
        for waiter in self.node.flights.take(&self.slot, |_| true) {
            let turn = match &fallback {
                Some(entry) if !waiter.asked.refresh => Turn::Found(entry.clone(), Use::OnError),
                _ => Turn::Pass(PassReason::HolderFailed, Duration::ZERO),
            };
            let _ = waiter.turn.send(turn);
        }
        self.release(Release::Free).await;
    }

    async fn release(mut self, then: Release) {
        if let Some(lease) = self.lease.take() {
            self.node.store.release(&self.slot, lease.token, then).await;
        }
    }

    fn pass_on(&self, waiter: Waiter, lease: Option<Lease>) {
        let lead = Self { node: self.node.clone(), slot: self.slot.clone(), lease };
        // One who left in this moment drops it, which passes it on again.
        let _ = waiter.turn.send(Turn::Lead(lead));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else {
            if let Some(waiter) = self.node.flights.next_or_land(&self.slot) {
                self.pass_on(waiter, None);
            }
            return;
        };
        if let Some(waiter) = self.node.flights.next(&self.slot) {
            self.node.metrics.lease(LeaseEvent::HandedOver);
            let now = Instant::now();
            let ends = now + self.node.config.max_lease.0;
            let (grant, granted) = (self.node.purges.grant(), now.into());
            return self.pass_on(waiter, Some(Lease { ends, grant, granted, ..lease }));
        }
        // Leads on until the store has the lease back, so that nobody here asks for it before.
        let lead = Self { node: self.node.clone(), slot: self.slot.clone(), lease: None };
        let release = async move {
            lead.node.store.release(&lead.slot, lease.token, Release::Free).await;
        };
        // Without a runtime the process ends, and the lease by its time limit.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.node.shutdown.spawn(release);
        }
    }
}
