//! Leading a page in the making, with or without the store's lease: what the leader does for those that wait.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use process::shutdown::Shutdown;
use purge::Reach;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use weir_proto::cache::{PassReason, Use};
use weir_proto::joiners::Joiners;

use super::flight::{self, Flights, Waiter};
use super::request::LookupRequest;
use crate::config::Config;
use crate::entry::{Entry, Grant};
use crate::metrics::{LeaseEvent, Metrics};
use crate::purges::Purges;
use crate::slot::{Rule, Selection};
use crate::store::tiers::Tiers;
use crate::store::{LookUpResult, Mark, PutResult, Release, Token};

/// What a request that waits is told in the end.
pub(super) enum Turn {
    Found(Arc<Entry>, Use),
    Pass(PassReason, Duration),
    /// The leader is gone: lead now.
    Lead(Lead),
    /// The page may stand elsewhere by now, or another Vary rule holds: ask again.
    Again,
}

/// How a request joined the page it asks for.
pub(super) enum LeadAttempt {
    Leads(Lead),
    Waits(oneshot::Receiver<Turn>, Arc<Joiners>),
    /// Somebody leads, and the request would not wait.
    HasLeader,
    /// Somebody leads, and too many wait already.
    Full,
}

/// What all leads of a node work with.
pub(super) struct Leads {
    pub(super) store: Arc<Tiers>,
    flights: Flights<LookupRequest, Turn>,
    purges: Arc<Purges>,
    metrics: Metrics,
    shutdown: Shutdown,
    renew_every: Duration,
    max_lease: Duration,
}

/// The right to make a page, on this node: one at a time per slot. However it ends, also by a panic, dropping
/// it passes it on to the next in line; the store's lease goes along.
pub(super) struct Lead {
    all: Arc<Leads>,
    selection: Arc<Selection>,
    lease: Option<Lease>,
    /// The clients that want the page.
    joiners: Arc<Joiners>,
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
pub(super) struct LeaseTimeout;

impl Leads {
    pub(super) fn new(
        config: &Config,
        store: Arc<Tiers>,
        purges: Arc<Purges>,
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> Arc<Self> {
        let flights = Flights::new(config.max_waiting_per_page);
        let (renew_every, max_lease) = (config.lease.0 / 3, config.max_lease.0);
        Arc::new(Self { store, flights, purges, metrics, shutdown, renew_every, max_lease })
    }

    /// Another bound for the line of one page, from now on.
    pub(super) fn set_max_waiting(&self, max_waiting: usize) {
        self.flights.set_max_waiting(max_waiting);
    }

    /// The store of all pages.
    pub(super) fn store(&self) -> &Tiers {
        &self.store
    }

    /// Leads the page if nobody does. If somebody does, waits in line where `waits` says so.
    pub(super) fn join(
        self: &Arc<Self>,
        selection: &Arc<Selection>,
        asked: &Arc<LookupRequest>,
        waits: bool,
    ) -> LeadAttempt {
        match self.flights.join(selection.lease(), asked, waits, &asked.client) {
            flight::LinePlace::Leads(joiners) => {
                let (all, selection) = (self.clone(), selection.clone());
                LeadAttempt::Leads(Lead { all, selection, lease: None, joiners })
            }
            flight::LinePlace::Waits(turn, joiners) => LeadAttempt::Waits(turn, joiners),
            flight::LinePlace::HasLeader => LeadAttempt::HasLeader,
            flight::LinePlace::Full => LeadAttempt::Full,
        }
    }

    fn lease(&self, token: Token) -> Lease {
        let now = Instant::now();
        let (grant, granted) = (self.purges.grant(), now.into());
        Lease { token, renewed: now, ends: now + self.max_lease, grant, granted }
    }
}

impl Lead {
    pub(super) fn selection(&self) -> &Selection {
        &self.selection
    }

    pub(super) fn joiners(&self) -> &Arc<Joiners> {
        &self.joiners
    }

    pub(super) fn has_lease(&self) -> bool {
        self.lease.is_some()
    }

    /// Where the purge log stood when the lease was given. `None`: there is no lease.
    pub(super) fn grant(&self) -> Option<Grant> {
        self.lease.as_ref().map(|lease| lease.grant)
    }

    /// Asks the store for the page or the lease.
    pub(super) async fn ask(&mut self, probe: bool) -> LookUpResult {
        let token = Token::random();
        let looked = self.all.store.look_up(&self.selection, token, probe).await;
        if matches!(looked, LookUpResult::Granted(_)) {
            self.lease = Some(self.all.lease(token));
            self.all.metrics.lease(LeaseEvent::Granted);
        }
        looked
    }

    /// Does the holder's work, and keeps the lease alive meanwhile.
    pub(super) async fn alive_for<T>(&mut self, work: impl Future<Output = T>) -> Result<T, LeaseTimeout> {
        let mut work = pin!(work);
        loop {
            let Some(Lease { renewed, ends, .. }) = self.lease else { return Err(LeaseTimeout) };
            tokio::select! {
                biased;
                () = sleep_until(ends) => {
                    self.all.metrics.lease(LeaseEvent::Expired);
                    return Err(LeaseTimeout);
                }
                () = sleep_until(renewed + self.all.renew_every) => self.renew().await,
                done = &mut work => return Ok(done),
            }
        }
    }

    async fn renew(&mut self) {
        let Some(lease) = &mut self.lease else { return };
        lease.renewed = Instant::now();
        if !self.all.store.renew(self.selection.lease(), lease.token).await {
            // The page is still made: the stream's own visitor wants it. Its store will be refused.
            self.all.metrics.lease(LeaseEvent::Lost);
        }
    }

    /// Tells all that wait.
    pub(super) fn tell_all(&self, turn: impl Fn() -> Turn) {
        for waiter in self.all.flights.take(self.selection.lease(), |_| true) {
            let _ = waiter.turn.send(turn());
        }
    }

    /// Gives a stale entry to those that it serves. A refresh goes on waiting.
    pub(super) fn serve_stale(&self, entry: &Arc<Entry>) {
        for waiter in self.all.flights.take(self.selection.lease(), |asked| !asked.refresh) {
            let _ = waiter.turn.send(Turn::Found(entry.clone(), Use::Stale));
        }
    }

    /// Ends the lease with a whole page. Those that waited for this very page get it, however short its life;
    /// those of another variant ask again.
    pub(super) async fn store(mut self, entry: Entry) -> PutResult {
        let Some(lease) = self.lease.take() else { return PutResult::LeaseLost };
        let entry = Arc::new(entry);
        let reach = |entry: &Entry| self.all.purges.reach(entry, std::time::Instant::now());
        let put = match reach(&entry) {
            Reach::Gone => {
                self.all.store.release(self.selection.lease(), lease.token, Release::Free).await;
                PutResult::Purged
            }
            Reach::Untouched | Reach::Stale(_) => {
                self.all.store.put(self.selection.lease(), lease.token, &entry).await
            }
        };
        let untouched = reach(&entry) == Reach::Untouched;
        let rule = entry.slot().rule();
        for waiter in self.all.flights.take(self.selection.lease(), |_| true) {
            let same_page = waiter.asked.slot(rule.clone()) == *entry.slot();
            // A request that came before the page began to be made came before any purge that has reached it.
            let may_have_it = untouched || waiter.asked.at <= lease.granted;
            // One that came after the page began gets it only if it could be used then, were it stored.
            let usage = entry.use_at(waiter.asked.at.into());
            let usable = Instant::from(waiter.asked.at) <= entry.arrived()
                || matches!(usage, Some(Use::Fresh | Use::Stale));
            let turn = if put != PutResult::LeaseLost && same_page && may_have_it && usable {
                Turn::Found(entry.clone(), Use::Fresh)
            } else {
                Turn::Again
            };
            let _ = waiter.turn.send(turn);
        }
        put
    }

    /// Ends the lease: the reply may not be stored. All that wait get what may be used while that lasts, or
    /// bypass the cache, and so do others for `pass_for`. `vary`: the fields that select the reply; where
    /// others than those known do, it is not known which variants are concerned, and no mark is left.
    pub(super) async fn uncacheable(self, vary: &Rule, pass_for: Duration) {
        let pass_for = if self.selection.rules().cover(vary) { pass_for } else { Duration::ZERO };
        self.tell_stale_or(PassReason::UncacheableReply, pass_for);
        let mark = Release::Mark(Mark::Uncacheable, pass_for);
        self.release(if pass_for.is_zero() { Release::Free } else { mark }).await;
    }

    /// Ends the lease: the application failed. All that wait get what may be used then, or go themselves.
    /// Nobody refreshes the page for `pause`.
    pub(super) async fn failed(self, pause: Duration) {
        self.tell_stale_or(PassReason::HolderFailed, Duration::ZERO);
        let mark = Release::Mark(Mark::Failed, pause);
        self.release(if pause.is_zero() { Release::Free } else { mark }).await;
    }

    fn tell_stale_or(&self, reason: PassReason, pass_for: Duration) {
        let stale = self.all.store.known(&self.selection).entry;
        for waiter in self.all.flights.take(self.selection.lease(), |_| true) {
            let turn = match &stale {
                Some((entry, Use::Stale)) if !waiter.asked.refresh => Turn::Found(entry.clone(), Use::Stale),
                Some((entry, _)) if !waiter.asked.refresh => Turn::Found(entry.clone(), Use::OnError),
                _ => Turn::Pass(reason, pass_for),
            };
            let _ = waiter.turn.send(turn);
        }
    }

    async fn release(mut self, then: Release) {
        if let Some(lease) = self.lease.take() {
            self.all.store.release(self.selection.lease(), lease.token, then).await;
        }
    }

    /// This right, for another to have.
    fn with(&self, lease: Option<Lease>) -> Self {
        let (all, selection, joiners) = (self.all.clone(), self.selection.clone(), self.joiners.clone());
        Self { all, selection, lease, joiners }
    }

    fn pass_on(&self, waiter: Waiter<LookupRequest, Turn>, lease: Option<Lease>) {
        let lead = self.with(lease);
        // One that left in this moment drops it, which passes it on again.
        let _ = waiter.turn.send(Turn::Lead(lead));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else {
            if let Some(waiter) = self.all.flights.next_or_land(self.selection.lease()) {
                self.pass_on(waiter, None);
            }
            return;
        };
        if let Some(waiter) = self.all.flights.next(self.selection.lease()) {
            self.all.metrics.lease(LeaseEvent::HandedOver);
            let renewed = lease.renewed;
            return self.pass_on(waiter, Some(Lease { renewed, ..self.all.lease(lease.token) }));
        }
        // Leads on until the store has the lease back, so that nobody here asks for it before.
        let lead = self.with(None);
        let release = async move {
            lead.all.store.release(lead.selection.lease(), lease.token, Release::Free).await;
        };
        // Without a runtime the process ends, and the lease by its time limit.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.all.shutdown.spawn(release);
        }
    }
}
