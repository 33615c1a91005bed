//! The wsgi-adapters that this edge may use, and which of them gets the next request.

mod adapter;
mod discovery;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use weir_proto::fetch::{BodyMessages, Replies};
use weir_proto::origin::RequestHead;
use weir_proto::plain::PlainRequest;

use crate::peers::WsgiAdapters;
use crate::peers::look_up::LOOK_UP_TIMEOUT;
use adapter::{Adapter, AdapterState};

/// All adapters that are known at the moment.
pub(crate) struct Adapters {
    /// The only adapter there can be, in this process: nothing to choose.
    only: Option<Arc<Adapter>>,
    known: ArcSwap<Vec<Arc<Adapter>>>,
    source: WsgiAdapters,
    turn: AtomicUsize,
    /// A request found no adapter: look up the names at once.
    missed: Arc<Notify>,
    /// The set of adapters has changed.
    renewed: Notify,
}

impl Adapters {
    /// Adapters whose addresses must be looked up appear when `keep` runs.
    pub(crate) fn new(source: WsgiAdapters) -> Self {
        let missed = Arc::new(Notify::new());
        let known = discovery::at_once(&source, &missed);
        let only = match (&source, &known[..]) {
            (WsgiAdapters::Connected(_), [only]) => Some(only.clone()),
            _ => None,
        };
        Self {
            only,
            known: ArcSwap::from_pointee(known),
            source,
            turn: AtomicUsize::new(0),
            missed,
            renewed: Notify::new(),
        }
    }

    /// Begins a call at the best adapter, if possible not at `but`, where a call was just lost. `None`: there
    /// is no adapter.
    pub(crate) async fn begin(&self, but: Option<&Call>) -> Option<Call> {
        if let Some(only) = &self.only {
            return Some(Call { adapter: only.clone(), counted: false, losses: 0 });
        }
        let chosen = self.choose(but);
        if chosen.is_some() || matches!(self.source, WsgiAdapters::Connected(_)) {
            return chosen;
        }
        // No adapter has been found yet.
        let found = async {
            loop {
                let renewed = self.renewed.notified();
                if let Some(call) = self.choose(but) {
                    return call;
                }
                self.missed.notify_one();
                renewed.await;
            }
        };
        timeout(LOOK_UP_TIMEOUT, found).await.ok()
    }

    fn choose(&self, but: Option<&Call>) -> Option<Call> {
        let (known, turn) = (self.known.load(), self.turn.fetch_add(1, Ordering::Relaxed));
        let chosen = best(&known, turn, but.map(|call| &*call.adapter), Instant::now())?;
        Some(Call::count(chosen.clone()))
    }

    /// Begins a call in this process, with what nothing was copied of.
    pub(crate) fn ask_here(&self, request: &PlainRequest<'_>) -> Option<Replies> {
        self.only.as_ref()?.ask_here(request)
    }

    /// In this process none is lost.
    pub(crate) fn may_lose_calls(&self) -> bool {
        self.only.is_none()
    }

    /// How many other adapters a call may be tried at.
    pub(crate) fn others(&self) -> usize {
        if self.only.is_some() { 0 } else { self.known.load().len().saturating_sub(1) }
    }

    /// Whether one is healthy, so that a failed request may be tried there.
    pub(crate) fn is_any_well(&self) -> bool {
        let now = Instant::now();
        self.only.is_none()
            && self.known.load().iter().any(|adapter| adapter.standing(now) == AdapterState::Well)
    }

    /// How many adapters there are, and how many of them answer as far as is known.
    pub(crate) fn figures(&self) -> (usize, usize) {
        let known = self.known.load();
        (known.len(), known.iter().filter(|adapter| adapter.is_alive()).count())
    }
}

/// The least busy of those that are healthy, or else of the rest; equal ones take turns.
fn best<'a>(
    known: &'a [Arc<Adapter>],
    turn: usize,
    but: Option<&Adapter>,
    now: Instant,
) -> Option<&'a Arc<Adapter>> {
    let (later, first) = known.split_at(turn % known.len().max(1));
    first.iter().chain(later).min_by_key(|adapter| {
        let again = but.is_some_and(|but| std::ptr::eq(but, &***adapter));
        (adapter.standing(now), again, adapter.calls())
    })
}

/// A call in progress at an adapter. It counts as one of its calls until it is dropped.
pub(crate) struct Call {
    adapter: Arc<Adapter>,
    counted: bool,
    /// The adapter's losses when the call began.
    losses: usize,
}

impl Call {
    fn count(adapter: Arc<Adapter>) -> Self {
        adapter.enter();
        Self { losses: adapter.losses(), adapter, counted: true }
    }

    pub(crate) fn fetch(&self, head: RequestHead, rest: BodyMessages) -> Replies {
        self.adapter.fetch(head, rest)
    }

    /// In this process no call is lost on its way.
    pub(crate) fn may_get_lost(&self) -> bool {
        self.counted
    }

    /// The adapter has answered: it is alive, unless a call was lost in the meantime.
    pub(crate) fn answered(&self) {
        if self.counted {
            self.adapter.answered(self.losses);
        }
    }

    /// The adapter reaches none of its servers and says so at once: it must not attract all requests because
    /// it is the least busy.
    pub(crate) fn refused(&self) {
        self.adapter.shun(Instant::now());
    }

    /// The call was lost with its connection, or there was none.
    pub(crate) fn lost(&self) {
        if self.counted {
            self.adapter.lose();
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.counted {
            self.adapter.leave();
        }
    }
}

#[cfg(test)]
mod tests;
