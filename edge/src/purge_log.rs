//! The purge logs that this edge follows, and what they say about a page. A check that finds nothing new
//! costs two loads.
//!
//! A page may be used only while a log that covers it is in touch. Without any log, a page lives for
//! `watch_grace`. docs/purges.md has the rules; `crates/purge` has the index of purges.

pub(crate) mod message;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use purge::{LogEntry, LogId, PurgeIndex, Reach, Seq, Subject};
use weir_proto::cache::Position;

/// Names of purges remembered for each log: URLs, prefixes and tags. Of older purges, the edge knows only
/// that older pages are invalid.
const REMEMBERED_NAMES: usize = 65_536;
/// Logs remembered: one if the nodes share a Redis, else one for each node. Beyond that, the edge forgets the
/// log that was silent the longest.
const MAX_LOGS: usize = 256;

/// All logs.
pub(crate) struct Purges {
    logs: RwLock<Vec<Arc<FollowedLog>>>,
    /// How long pages are used without a node that is in touch.
    grace: Duration,
    /// The moment from which trust is counted.
    started: Instant,
    /// Nanoseconds after `started` of the last obeyed purge, of any log. 0: none yet.
    obeyed: Arc<AtomicU64>,
}

/// One log, as far as this edge has received it from any node.
pub(crate) struct FollowedLog {
    pub(crate) id: LogId,
    /// The edge obeys everything up to this purge.
    head: AtomicU64,
    /// Nanoseconds after `started` until which the log counts as connected.
    trusted_until: AtomicU64,
    started: Instant,
    obeyed: Arc<AtomicU64>,
    index: RwLock<PurgeIndex>,
}

/// The right to make or use a page: when the page was requested, and which purges reach it.
#[derive(Clone, Debug)]
pub(crate) struct PurgeStamp {
    /// Requests that came before this moment came before any purge that has reached the page.
    pub(crate) at: Instant,
    by: StampBasis,
}

#[derive(Clone)]
enum StampBasis {
    /// Purges at a later position of this log reach the page.
    Log(Arc<FollowedLog>, Seq),
    /// No log is in touch: the page is used until this moment and no longer, and ends with any purge that is
    /// obeyed after `since`.
    Until { since: Duration, until: Instant, obeyed: Arc<AtomicU64> },
    /// The page is not kept: those who wait for it get it, and then it is gone.
    Passing,
}

/// The purge up to which a page is known to be untouched.
#[derive(Debug, Default)]
pub(crate) struct PurgeCheck(AtomicU64);

impl Purges {
    pub(crate) fn new(grace: Duration) -> Self {
        Self { logs: RwLock::default(), grace, started: Instant::now(), obeyed: Arc::default() }
    }

    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }

    /// The right to use a page whose position a node named, when it was asked at `asked`.
    pub(crate) fn grant(&self, position: Option<&Position>, asked: Instant) -> PurgeStamp {
        let known = position.and_then(|position| self.known(LogId::from_bytes(&position.log)?));
        let by = match (known, position) {
            (Some(log), Some(position)) => StampBasis::Log(log, Seq::new(position.seq)),
            // The node itself is out of touch.
            (None, Some(position)) if position.log.is_empty() => {
                let left = Duration::from_millis(position.left_ms.into());
                let ago = Duration::from_millis(position.since_ms.into());
                self.until(asked.checked_sub(ago).unwrap_or(self.started), asked + left.min(self.grace))
            }
            // This log is not followed yet: any purge obeyed so far may have reached the page.
            _ => self.until(self.started, asked + self.grace),
        };
        PurgeStamp { at: asked, by }
    }

    /// Pages from before now that no log covers are no longer used: a purge was made here, or is no longer
    /// sent.
    pub(crate) fn end_unlogged(&self) {
        let now = self.started.elapsed().as_nanos() as u64;
        self.obeyed.fetch_max(now, Ordering::AcqRel);
    }

    fn until(&self, since: Instant, until: Instant) -> StampBasis {
        StampBasis::Until {
            since: since.saturating_duration_since(self.started),
            until,
            obeyed: self.obeyed.clone(),
        }
    }

    /// Does the same for a page that the edge makes without a node from `now` on.
    pub(crate) fn alone(&self, now: Instant) -> PurgeStamp {
        let logs = self.logs.read();
        let by = match logs.iter().find(|log| log.is_trusted(now)) {
            Some(log) => StampBasis::Log(log.clone(), log.head()),
            None => self.until(now, now + self.grace),
        };
        PurgeStamp { at: now, by }
    }

    /// Whether a log is in touch, so that pages may be kept for longer than a moment.
    pub(crate) fn are_heard(&self, now: Instant) -> bool {
        self.logs.read().iter().any(|log| log.is_trusted(now))
    }

    /// The log. If it is new here, it begins at `floor`: what was granted before that must not be used.
    pub(crate) fn follow(&self, id: LogId, floor: Seq) -> Arc<FollowedLog> {
        if floor > Seq::START {
            // Purges that are no longer sent may have reached what was made without a log.
            self.end_unlogged();
        }
        if let Some(log) = self.known(id) {
            log.forget_before(floor);
            return log;
        }
        let log = Arc::new(FollowedLog {
            id,
            head: AtomicU64::new(floor.get()),
            trusted_until: AtomicU64::new(0),
            started: self.started,
            obeyed: self.obeyed.clone(),
            index: RwLock::new(PurgeIndex::new(floor, REMEMBERED_NAMES)),
        });
        let mut logs = self.logs.write();
        if logs.len() >= MAX_LOGS
            && let Some(oldest) =
                (0..logs.len()).min_by_key(|n| logs[*n].trusted_until.load(Ordering::Relaxed))
        {
            logs.swap_remove(oldest);
        }
        logs.push(log.clone());
        log
    }

    /// No log is followed any more: pages that one covers are no longer used.
    pub(crate) fn lose_all(&self) {
        self.logs.read().iter().for_each(|log| log.lose());
        self.end_unlogged();
    }

    fn known(&self, id: LogId) -> Option<Arc<FollowedLog>> {
        self.logs.read().iter().find(|log| log.id == id).cloned()
    }
}

impl FollowedLog {
    pub(crate) fn head(&self) -> Seq {
        Seq::new(self.head.load(Ordering::Acquire))
    }

    fn is_trusted(&self, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.started).as_nanos() as u64;
        now < self.trusted_until.load(Ordering::Acquire)
    }

    /// Notes that a question sent at `sent` was answered by a node that is itself in touch with the log for
    /// `left`.
    pub(crate) fn heard(&self, sent: Instant, left: Duration) {
        let until = (sent + left).saturating_duration_since(self.started).as_nanos() as u64;
        self.trusted_until.fetch_max(until, Ordering::AcqRel);
    }

    /// Notes that a node has changed to another log: this one may have lost purges.
    pub(crate) fn lose(&self) {
        self.trusted_until.store(0, Ordering::Release);
    }

    /// Obeys a purge. Returns false if it does not follow the last one, so that something between was missed.
    pub(crate) fn apply(&self, logged: &LogEntry) -> bool {
        let mut index = self.index.write();
        let missed = logged.previous > index.head();
        if missed {
            index.forget_before(logged.previous);
        }
        index.apply(logged);
        let now = self.started.elapsed().as_nanos() as u64;
        self.obeyed.fetch_max(now, Ordering::AcqRel);
        self.head.store(index.head().get(), Ordering::Release);
        !missed
    }

    fn forget_before(&self, floor: Seq) {
        let mut index = self.index.write();
        index.forget_before(floor);
        self.head.store(index.head().get(), Ordering::Release);
    }
}

impl PurgeStamp {
    /// The grant of a page that is given to those who wait for it and not kept.
    pub(crate) fn passing() -> Self {
        Self { at: Instant::now(), by: StampBasis::Passing }
    }

    /// What purges have done to the page with this URL and these tags.
    pub(crate) fn reach(&self, url: &[u8], tags: &[u64], checked: &PurgeCheck, now: Instant) -> Reach {
        let (log, seq) = match &self.by {
            StampBasis::Passing => return Reach::Untouched,
            StampBasis::Until { since, until, obeyed } => {
                let obeyed = Duration::from_nanos(obeyed.load(Ordering::Acquire));
                let holds = now < *until && obeyed <= *since;
                return if holds { Reach::Untouched } else { Reach::Gone };
            }
            StampBasis::Log(log, _) if !log.is_trusted(now) => return Reach::Gone,
            StampBasis::Log(log, seq) => (log, *seq),
        };
        let head = log.head();
        if head <= seq || head.get() <= checked.0.load(Ordering::Relaxed) {
            return Reach::Untouched;
        }
        let reach = log.index.read().reach(Subject { url, tags }, seq);
        if reach == Reach::Untouched {
            checked.0.fetch_max(head.get(), Ordering::Relaxed);
        }
        reach
    }
}

impl fmt::Debug for StampBasis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(log, seq) => write!(f, "{} at {}", log.id, seq.get()),
            Self::Until { until, .. } => write!(f, "until {until:?}"),
            Self::Passing => f.write_str("passing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_made_here_ends_what_has_no_log_to_tell() {
        let purges = Purges::new(Duration::from_secs(60));
        let reach =
            |grant: &PurgeStamp| grant.reach(b"http://a/", &[], &PurgeCheck::default(), Instant::now());
        let unknown = Position { log: vec![7; 16].into(), seq: 3, ..Position::default() };
        let out_of_touch = Position { left_ms: 60_000, ..Position::default() };
        for position in [Some(&unknown), Some(&out_of_touch), None] {
            let asked = Instant::now();
            let (granted, alone) = (purges.grant(position, asked), purges.alone(asked));
            assert_eq!(reach(&alone), Reach::Untouched);
            purges.end_unlogged();
            assert_eq!((reach(&granted), reach(&alone)), (Reach::Gone, Reach::Gone));
            assert_eq!(reach(&purges.alone(Instant::now())), Reach::Untouched);
        }
    }
}
