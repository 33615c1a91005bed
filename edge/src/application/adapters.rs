//! The wsgi-adapters this edge may use, and which of them gets the next request.

mod adapter;
mod discovery;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use weir_proto::fetch::{Replies, Rest};
use weir_proto::origin::RequestHead;

use crate::peers::WsgiAdapters;
use crate::peers::look_up::LOOK_UP_TIMEOUT;
use adapter::{Adapter, Standing};

/// All of them, as they are found at the moment.
pub(crate) struct Adapters {
    /// The one that is all there ever is, in this process: nothing to choose.
    only: Option<Arc<Adapter>>,
    known: ArcSwap<Vec<Arc<Adapter>>>,
    source: WsgiAdapters,
    turn: AtomicUsize,
    /// Somebody misses an adapter: names are looked up at once.
    missed: Arc<Notify>,
    /// There are other adapters than before.
    renewed: Notify,
}

impl Adapters {
    /// Those whose addresses must be looked up come when `keep` runs.
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

    /// Begins a call at the best of them: rather not at the one `but`, where a call has just been lost. `None`: there is none.
    pub(crate) async fn begin(&self, but: Option<&Call>) -> Option<Call> {
        if let Some(only) = &self.only {
            return Some(Call { adapter: only.clone(), counted: false, losses: 0 });
        }
        let chosen = self.choose(but);
        if chosen.is_some() || matches!(self.source, WsgiAdapters::Connected(_)) {
            return chosen;
        }
        // Nobody has been found yet.
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

    /// How many others a call may be tried at.
    pub(crate) fn others(&self) -> usize {
        if self.only.is_some() { 0 } else { self.known.load().len().saturating_sub(1) }
    }

    /// Whether one is well, so that what another could not do may be tried there.
    pub(crate) fn is_any_well(&self) -> bool {
        let now = Instant::now();
        self.only.is_none() && self.known.load().iter().any(|adapter| adapter.standing(now) == Standing::Well)
    }

    /// How many there are, and how many of them answer as far as is known.
    pub(crate) fn figures(&self) -> (usize, usize) {
        let known = self.known.load();
        (known.len(), known.iter().filter(|adapter| adapter.is_alive()).count())
    }
}

/// The least busy of those that are well, or else of the rest; of those that are equal, in turn.
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

/// A call under way at an adapter. It counts as one of its calls until it is dropped.
pub(crate) struct Call {
    adapter: Arc<Adapter>,
    counted: bool,
    /// Of the adapter, when the call began.
    losses: usize,
}

impl Call {
    fn count(adapter: Arc<Adapter>) -> Self {
        adapter.enter();
        Self { losses: adapter.losses(), adapter, counted: true }
    }

    pub(crate) fn fetch(&self, head: RequestHead, rest: Rest) -> Replies {
        self.adapter.fetch(head, rest)
    }

    /// In this process nothing gets lost on its way.
    pub(crate) fn may_get_lost(&self) -> bool {
        self.counted
    }

    /// The adapter has answered: it is alive, unless it was lost in the meantime.
    pub(crate) fn answered(&self) {
        if self.counted {
            self.adapter.answered(self.losses);
        }
    }

    /// The adapter reaches none of its servers, and says so at once: it must not draw all the requests for being the least busy.
    pub(crate) fn refused(&self) {
        self.adapter.shun(Instant::now());
    }

    /// The call got lost with its connection, or there was none to be had.
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
