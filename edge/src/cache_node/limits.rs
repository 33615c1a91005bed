//! Asks the cache-nodes to count for all edges (`shared` limit zones). A key belongs to one node, as a page
//! does.
//!
//! Nobody waits for long: an answer that is late is none, and after one that was none the edge asks nobody
//! for a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::{interval_at, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Status};
use weir_proto::cache::limit_request::What;
use weir_proto::cache::{LimitBucket, LimitPlace, LimitReply, LimitRequest};

use crate::cache_node::{Node, NodeFailure, Nodes};
use crate::limit::all_edges::{BucketAnswer, BucketQuestion, PlaceQuestion, SharedCounter};
use crate::metrics::Metrics;

/// How long nobody is asked after an answer that did not come.
const REST: Duration = Duration::from_millis(100);
/// Between two log lines about it.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// How long a node holds a place that it is not asked for again: the edge is gone.
const HOLD: Duration = Duration::from_secs(30);

pub(crate) struct SharedLimits {
    nodes: Arc<Nodes>,
    /// How long a node may take, in microseconds: `timeouts.limit`.
    patience: AtomicU64,
    metrics: Arc<Metrics>,
    start: Instant,
    /// Until when nobody is asked, in milliseconds since `start`.
    rests_until: AtomicU64,
    /// When the log may say again that the edge counts alone, likewise.
    warns_from: AtomicU64,
    /// The log says that the edge counts alone.
    is_alone: AtomicBool,
}

impl SharedLimits {
    pub(crate) fn new(nodes: Arc<Nodes>, patience: Duration, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            nodes,
            patience: AtomicU64::new(microseconds(patience)),
            metrics,
            start: Instant::now(),
            rests_until: AtomicU64::new(0),
            warns_from: AtomicU64::new(0),
            is_alone: AtomicBool::new(false),
        })
    }

    /// A reload names another time.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.patience.store(microseconds(patience), Relaxed);
    }

    fn patience(&self) -> Duration {
        Duration::from_micros(self.patience.load(Relaxed))
    }

    async fn ask(&self, key: &[u8], what: What) -> Option<LimitReply> {
        if self.milliseconds() < self.rests_until.load(Relaxed) {
            self.metrics.limits_alone.inc();
            return None;
        }
        match self.answer(key, what).await {
            Ok(reply) => {
                if self.is_alone.load(Relaxed) && self.is_alone.swap(false, Relaxed) {
                    tracing::info!("limits are counted in all edges together again");
                }
                Some(reply)
            }
            Err(failure) => {
                self.failed(&failure);
                None
            }
        }
    }

    /// A node that refuses at once is down: the next owner of the key counts, for all edges.
    async fn answer(&self, key: &[u8], what: What) -> Result<LimitReply, NodeFailure> {
        let deadline = Instant::now() + self.patience();
        // A node whose store is slow answers from memory while there is time for it.
        let within_us = u32::try_from((self.patience() / 2).as_micros()).unwrap_or(u32::MAX);
        let request = LimitRequest { key: Bytes::copy_from_slice(key), within_us, what: Some(what) };
        let first = self.nodes.owner(key)?;
        let status = match asked(&first, request.clone(), deadline).await {
            Ok(reply) => return Ok(reply),
            Err(status) => status,
        };
        if status.code() == Code::Unavailable {
            first.leave_out();
            let second = self.nodes.owner(key)?;
            if !Arc::ptr_eq(&first, &second) {
                return asked(&second, request, deadline).await.map_err(failure);
            }
        }
        Err(failure(status))
    }

    fn failed(&self, failure: &NodeFailure) {
        self.metrics.limits_alone.inc();
        let now = self.milliseconds();
        self.rests_until.store(now + REST.as_millis() as u64, Relaxed);
        let warns_from = self.warns_from.load(Relaxed);
        let later = now + WARN_EVERY.as_millis() as u64;
        if now >= warns_from && self.warns_from.swap(later, Relaxed) == warns_from {
            self.is_alone.store(true, Relaxed);
            tracing::warn!("{failure}: this edge counts limits alone");
        }
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

async fn asked(node: &Node, request: LimitRequest, deadline: Instant) -> Result<LimitReply, Status> {
    let mut client = node.client();
    match timeout_at(deadline.into(), client.limit(request)).await {
        Ok(reply) => reply.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("no answer in time about a limit")),
    }
}

fn failure(status: Status) -> NodeFailure {
    NodeFailure(status.message().to_owned())
}

fn place(question: &PlaceQuestion, hold: Duration, renew: bool) -> What {
    let id = Bytes::copy_from_slice(&question.id.to_be_bytes());
    What::Place(LimitPlace { id, most: question.most, hold_ms: hold.as_millis() as u32, renew })
}

impl SharedCounter for Arc<SharedLimits> {
    async fn pour(&self, question: BucketQuestion) -> Option<BucketAnswer> {
        let BucketQuestion { key, pace, at_least, look } = question;
        let bucket = LimitBucket {
            interval_ns: nanoseconds(pace.interval),
            burst: pace.burst,
            at_least_ns: nanoseconds(at_least),
            look,
        };
        let LimitReply { refused, held_ns } = self.ask(key.as_bytes(), What::Bucket(bucket)).await?;
        Some(BucketAnswer { refused, held: Duration::from_nanos(held_ns) })
    }

    async fn take(&self, question: PlaceQuestion) -> Option<bool> {
        let reply = self.ask(question.key.as_bytes(), place(&question, HOLD, false)).await?;
        Some(!reply.refused)
    }

    fn hold(&self, question: PlaceQuestion) -> DropGuard {
        let (limits, given_back) = (self.clone(), CancellationToken::new());
        let guard = given_back.clone().drop_guard();
        tokio::spawn(async move {
            let mut renewals = interval_at((Instant::now() + HOLD / 3).into(), HOLD / 3);
            while given_back.run_until_cancelled(renewals.tick()).await.is_some() {
                limits.ask(question.key.as_bytes(), place(&question, HOLD, true)).await;
            }
            limits.ask(question.key.as_bytes(), place(&question, Duration::ZERO, true)).await;
        });
        guard
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
