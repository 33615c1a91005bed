//! One wsgi-adapter, at one address: its calls in progress, and whether it seems alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Status;
use weir_proto::fetch::{self, BodyMessages, Fetcher, Replies};
use weir_proto::origin::RequestHead;
use weir_proto::plain::PlainRequest;
use weir_proto::transport::Transport;

use crate::peers::look_up::Peer;

/// How long an adapter that reaches none of its servers gets no requests, if there are others.
const SHUNNED: Duration = Duration::from_secs(1);

/// The state for choosing; the best comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AdapterState {
    Well,
    /// No call has been answered yet.
    Untried,
    /// It does not answer, says that it accepts no calls, or reaches none of its servers.
    Out,
}

const UNTRIED: u8 = 0;
const ALIVE: u8 = 1;
const OUT: u8 = 2;

pub(crate) struct Adapter {
    name: String,
    fetcher: Arc<dyn Fetcher>,
    /// The client for health checks. `None`: the adapter is in this process, and alive.
    transport: Option<Transport>,
    calls: AtomicUsize,
    life: AtomicU8,
    /// The number of times it was found not to answer.
    losses: AtomicUsize,
    since: Instant,
    /// Milliseconds from `since` until it may get requests again.
    shunned: AtomicU64,
    /// It must be checked at once.
    doubted: Notify,
    /// Its name must be looked up at once.
    missed: Arc<Notify>,
}

impl Peer for Adapter {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Adapter {
    pub(crate) fn remote(name: String, transport: Transport, missed: Arc<Notify>) -> Self {
        Self::new(name, fetch::over(transport.clone()), Some(transport), missed)
    }

    pub(crate) fn in_process(fetcher: Arc<dyn Fetcher>) -> Self {
        Self::new("embedded".into(), fetcher, None, Arc::default())
    }

    fn new(
        name: String,
        fetcher: Arc<dyn Fetcher>,
        transport: Option<Transport>,
        missed: Arc<Notify>,
    ) -> Self {
        Self {
            life: AtomicU8::new(if transport.is_some() { UNTRIED } else { ALIVE }),
            name,
            fetcher,
            transport,
            calls: AtomicUsize::new(0),
            losses: AtomicUsize::new(0),
            since: Instant::now(),
            shunned: AtomicU64::new(0),
            doubted: Notify::new(),
            missed,
        }
    }

    pub(crate) fn transport(&self) -> Option<Transport> {
        self.transport.clone()
    }

    pub(crate) fn fetch(&self, head: RequestHead, rest: BodyMessages) -> Replies {
        self.fetcher.fetch(head, rest)
    }

    pub(crate) fn ask_here(&self, request: &PlainRequest<'_>) -> Option<Replies> {
        self.fetcher.fetch_plain(request)
    }

    pub(crate) fn enter(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn losses(&self) -> usize {
        self.losses.load(Ordering::Relaxed)
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.life.load(Ordering::Relaxed) == ALIVE
    }

    pub(crate) fn standing(&self, now: Instant) -> AdapterState {
        match self.life.load(Ordering::Relaxed) {
            UNTRIED => AdapterState::Untried,
            ALIVE if self.shunned.load(Ordering::Relaxed) <= self.milliseconds(now) => AdapterState::Well,
            _ => AdapterState::Out,
        }
    }

    /// A call was answered that began when there had been this many `losses`.
    pub(crate) fn answered(&self, losses: usize) {
        if self.losses() == losses {
            self.set(ALIVE);
        }
    }

    /// Applies the result of a health check.
    pub(crate) fn checked(&self, serves: &Result<bool, Status>) {
        match serves {
            Ok(true) => drop(self.set(ALIVE)),
            Ok(false) if self.set(OUT) => {
                tracing::info!(adapter = %self.name, "the wsgi-adapter accepts no more calls");
            }
            Err(status) if self.set(OUT) => {
                tracing::warn!(adapter = %self.name, "the wsgi-adapter does not answer: {}", status.message());
                self.missed.notify_one();
            }
            _ => {}
        }
    }

    /// A call was lost: the adapter gets no more requests before it answers, if there are others.
    pub(crate) fn lose(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
        if self.set(OUT) {
            tracing::info!(adapter = %self.name, "a call was lost: the wsgi-adapter is not used until it answers");
            self.doubted.notify_one();
        }
        self.missed.notify_one();
    }

    pub(crate) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    pub(crate) fn shun(&self, now: Instant) {
        self.shunned.store(self.milliseconds(now + SHUNNED), Ordering::Relaxed);
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.since).as_millis() as u64
    }

    /// Returns false if it was so already.
    fn set(&self, life: u8) -> bool {
        // Answers come by the thousand: they only read.
        let old = self.life.load(Ordering::Relaxed);
        if old == life || self.life.swap(life, Ordering::Relaxed) == life {
            return false;
        }
        if (old, life) == (OUT, ALIVE) {
            tracing::info!(adapter = %self.name, "the wsgi-adapter is back");
        }
        true
    }
}
