//! Shared fetches in this edge: a request for a page joins the fetch of the same page that is already in
//! progress.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::HeaderMap;
use http_cache::cache_status::Fwd;
use http_cache::{Reason, Use};
use parking_lot::Mutex;
use tokio::sync::watch;
use weir_proto::joiners::Joiners;

use crate::application::upstream::Upstream;
use crate::application::{Failure, OriginReply};
use crate::cache::page::{PageHead, Staleness};
use crate::cache::shared_body::{Reader, SharedBody};

/// The number of locks of the table: requests for different keys rarely contend.
const SHARDS: usize = 64;

/// The result of a flight, for everybody who joined it.
#[derive(Clone)]
pub(crate) enum Outcome {
    /// A page, complete or still arriving, for the requests that its Vary selects.
    Page(Arc<ServedPage>),
    /// The reply may not be shared: each request goes to the application itself.
    Pass(Reason),
    /// The application failed and there is no stale page to serve.
    Failed(Failure),
}

/// A page that a flight gives to many.
pub(crate) struct ServedPage {
    pub head: PageHead,
    /// The fingerprint of the request fields that selected it.
    pub selected: Vec<u8>,
    pub body: Arc<SharedBody>,
    /// The complete length, if it is known from the beginning.
    pub length: Option<u64>,
    pub source: Source,
    /// Fields of the reply that only the request gets that it was made for.
    pub own: HeaderMap,
    /// The application's part, if it was asked.
    pub upstream: Option<Arc<Upstream>>,
}

impl ServedPage {
    /// The page existed before it was requested.
    pub(crate) fn was_stored(&self) -> bool {
        matches!(self.source, Source::Node | Source::Stale(_) | Source::Waited)
    }

    pub(crate) fn with_own(mut self, own: HeaderMap) -> Self {
        self.own = own;
        self
    }

    /// Whether it could no longer be used by a request of that moment, were it stored.
    pub(crate) fn is_over_for(&self, at: Instant) -> bool {
        let made_now = matches!(self.source, Source::Application { not_stored: None, .. });
        made_now && !matches!(self.head.use_at(at), Use::Fresh | Use::Stale | Use::Validate)
    }

    pub(crate) fn with_length(mut self, length: Option<u64>) -> Self {
        self.length = length;
        self
    }
}

/// The source of a served page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The cache-node had it.
    Node,
    /// It is past its lifetime.
    Stale(Staleness),
    /// Another edge filled it while this request waited.
    Waited,
    /// The application generated it now, for a request with this look-up result; `stored` unless a reason
    /// says why not.
    Application { fwd: Fwd, not_stored: Option<Reason> },
    /// The application confirmed a stored page.
    Validated { fwd: Fwd },
}

/// What only the flight's first request may take.
pub(crate) enum FirstResult {
    /// The reply that may not be shared, and why.
    Reply(Box<OriginReply>, Reason),
    /// Its reader of the page that is being filled.
    Reader(Reader),
}

pub(crate) struct Flight {
    outcome: watch::Sender<Option<Outcome>>,
    first: Mutex<FirstSlot>,
    /// How many have stopped waiting for it.
    alone: AtomicUsize,
    /// The clients that want its page.
    pub joiners: Joiners,
}

/// What is kept for the request that began the flight.
#[derive(Default)]
enum FirstSlot {
    /// Nobody waits: a background refresh, or a client that left.
    #[default]
    Nobody,
    Waiting,
    Kept(FirstResult),
}

impl Flight {
    /// Publishes the outcome to everybody who joined or will join. Only the first outcome counts.
    pub(crate) fn settle(&self, outcome: Outcome) {
        self.outcome.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(outcome);
            first
        });
    }

    /// Keeps something for the first request, if it still waits.
    pub(crate) fn keep_for_first(&self, own: FirstResult) {
        let mut first = self.first.lock();
        if matches!(*first, FirstSlot::Waiting) {
            *first = FirstSlot::Kept(own);
        }
    }

    /// Marks that the request that began the flight waits, for as long as it holds the returned value.
    pub(crate) fn first_waits(self: &Arc<Self>) -> FirstSeat {
        *self.first.lock() = FirstSlot::Waiting;
        FirstSeat(self.clone())
    }

    /// Whether one that has waited for long asks for the page by itself, since it may be each visitor's own.
    /// Of a flight so many do at most: a thousand would be the end of an application that is slow already.
    pub(crate) fn goes_alone(&self, most: usize) -> bool {
        self.alone.fetch_add(1, Ordering::Relaxed) < most
    }

    /// The outcome, as soon as there is one; `None` if it takes longer than `patience` or the flight was
    /// lost.
    pub(crate) async fn outcome(&self, patience: Duration) -> Option<Outcome> {
        let mut receiver = self.outcome.subscribe();
        let settled = tokio::time::timeout(patience, receiver.wait_for(Option::is_some)).await;
        settled.ok()?.ok()?.clone()
    }
}

/// The place of the request that began a flight; released when dropped.
pub(crate) struct FirstSeat(Arc<Flight>);

impl FirstSeat {
    /// The reply that is this request's own, and why it is.
    pub(crate) fn take_reply(&self) -> Option<(Box<OriginReply>, Reason)> {
        let mut slot = self.0.first.lock();
        match std::mem::take(&mut *slot) {
            FirstSlot::Kept(FirstResult::Reply(reply, reason)) => Some((reply, reason)),
            other => {
                *slot = other;
                None
            }
        }
    }

    /// Its seat at the page that is being made.
    pub(crate) fn take_reader(&self) -> Option<Reader> {
        match std::mem::take(&mut *self.0.first.lock()) {
            FirstSlot::Kept(FirstResult::Reader(reader)) => Some(reader),
            _ => None,
        }
    }
}

impl Drop for FirstSeat {
    fn drop(&mut self) {
        let kept = std::mem::take(&mut *self.0.first.lock());
        drop(kept);
    }
}

type FlightKey = (Box<[u8]>, Option<Vec<u8>>);
type Shard = Mutex<HashMap<FlightKey, Arc<Flight>, ahash::RandomState>>;

pub(crate) struct Flights {
    shards: Vec<Shard>,
    hasher: ahash::RandomState,
    under_way: AtomicUsize,
    most: AtomicUsize,
    /// Requests that wait for another's page, and how many may.
    waiting: AtomicUsize,
    most_waiters: AtomicUsize,
}

/// A waiting request's place, released when dropped.
pub(crate) struct WaitPlace<'a>(&'a AtomicUsize);

impl Drop for WaitPlace<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How a request joined.
pub(crate) enum FlightSeat {
    /// It is the first: it must fill the page, holding the ticket.
    First(Ticket),
    /// Joined another request's flight.
    Follows(Arc<Flight>),
    /// There are too many flights already.
    Full,
}

impl Flights {
    pub(crate) fn new(most: usize, most_waiters: usize) -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self {
            shards,
            hasher: ahash::RandomState::new(),
            under_way: AtomicUsize::new(0),
            most: most.into(),
            waiting: AtomicUsize::new(0),
            most_waiters: most_waiters.into(),
        })
    }

    /// Other bounds, from now on. What is under way goes on.
    pub(crate) fn set_bounds(&self, most: usize, most_waiters: usize) {
        self.most.store(most, Ordering::Relaxed);
        self.most_waiters.store(most_waiters, Ordering::Relaxed);
    }

    /// One flight per key and known variant. `client`: who wants the page.
    pub(crate) fn join(self: &Arc<Self>, key: &[u8], variant: Option<Vec<u8>>, client: &str) -> FlightSeat {
        let key: FlightKey = (key.into(), variant);
        let mut shard = self.shard(&key).lock();
        match shard.entry(key) {
            Entry::Occupied(entry) => {
                let flight = entry.get().clone();
                flight.joiners.add(client);
                FlightSeat::Follows(flight)
            }
            Entry::Vacant(_) if self.under_way() >= self.most.load(Ordering::Relaxed) => FlightSeat::Full,
            Entry::Vacant(entry) => {
                self.under_way.fetch_add(1, Ordering::Relaxed);
                let flight = Arc::new(Flight {
                    outcome: watch::Sender::new(None),
                    first: Mutex::default(),
                    alone: AtomicUsize::new(0),
                    joiners: Joiners::new(client),
                });
                let key = entry.key().clone();
                entry.insert(flight.clone());
                FlightSeat::First(Ticket { flights: self.clone(), key, flight, listed: true })
            }
        }
    }

    /// A place for a waiting request, released when dropped; `None`: too many wait already.
    pub(crate) fn place(&self) -> Option<WaitPlace<'_>> {
        let most = self.most_waiters.load(Ordering::Relaxed);
        let one_more = |waiting: usize| (waiting < most).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(WaitPlace(&self.waiting))
    }

    /// Lets nobody join this flight any more: its result is not for later requests.
    pub(crate) fn part_with(&self, key: &[u8], variant: Option<Vec<u8>>, flight: &Arc<Flight>) {
        self.remove(&(key.into(), variant), flight);
    }

    /// Another flight may be in its place by now.
    fn remove(&self, key: &FlightKey, flight: &Arc<Flight>) {
        let mut shard = self.shard(key).lock();
        if shard.get(key).is_some_and(|listed| Arc::ptr_eq(listed, flight)) {
            shard.remove(key);
            self.under_way.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    fn shard(&self, key: &FlightKey) -> &Shard {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

/// Held by the fill. The flight leaves the table when the ticket is dropped, however the fill ended.
pub(crate) struct Ticket {
    flights: Arc<Flights>,
    key: FlightKey,
    pub flight: Arc<Flight>,
    listed: bool,
}

impl Ticket {
    /// The variant that the flight was joined by.
    pub(crate) fn variant(&self) -> Option<&[u8]> {
        self.key.1.as_deref()
    }

    /// The flight is over: nobody joins any more, and then those who have are told. Whoever asks later asks
    /// anew.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.close();
        self.flight.settle(outcome);
    }

    /// Lets nobody join from now on.
    pub(crate) fn close(&mut self) {
        if std::mem::take(&mut self.listed) {
            self.flights.remove(&self.key, &self.flight);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.close();
        // A fill that ended without an outcome (a panic) must not leave its followers waiting.
        self.flight.settle(Outcome::Pass(Reason::HolderFailed));
    }
}

#[cfg(test)]
mod tests;
