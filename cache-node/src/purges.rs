//! The purge log as this node follows it: what it has reached, whether the node is in touch with it, which
//! edges follow it here.

pub(crate) mod message;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use purge::{
    Log, LogEntry, LogGap, LogId, LogTail, Membership, Position, Purge, PurgeIndex, Reach, Seq, Subject,
    Trust,
};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch as signal};
use tokio::time::timeout;
use weir_proto::cache::{PurgeReply, Use};

use crate::entry::{Entry, Grant};

/// Names of purges remembered: URLs, prefixes and tags. Of older ones it is only known that what is older is
/// gone.
const REMEMBERED_NAMES: usize = 65_536;
/// Purges kept to be sent to edges that were away for a moment.
const TAIL: usize = 4_096;
/// Names, in the answer to a purge, the nodes that may not have noticed yet that another log has begun.
pub(crate) const UNAWARE: &str = "nodes from before";
/// Edges that followed this node before it started, and may come back.
const STRANGERS: &str = "edges from before";
/// The longest an edge may go on using pages without an echo.
pub(crate) const MAX_GRACE: Duration = Duration::from_secs(60);

pub(crate) struct Purges {
    state: Mutex<LogState>,
    /// Counts changes of the log, of trust in it, and of what followers acknowledged.
    changes: signal::Sender<u64>,
    grace: Duration,
    /// Asks the task that follows the shared log for a beat now.
    nudge: Notify,
    /// The last beat failed: there is no use in waiting for the next.
    lost: AtomicBool,
}

struct LogState {
    log: Log,
    index: PurgeIndex,
    /// `None`: the log is this node's own.
    trust: Option<Trust>,
    followers: Membership<u64>,
    last_follower: u64,
    retired: bool,
    /// Has read the shared log.
    has_read: bool,
    /// When a purge was taken in last.
    obeyed: Option<Instant>,
}

/// What the log says at one moment, to one that follows it.
pub(crate) struct LogNews {
    pub(crate) log: LogId,
    /// Other nodes follow the log too.
    pub(crate) shared: bool,
    pub(crate) head: Seq,
    /// Purges up to this are not among `purges`.
    pub(crate) floor: Seq,
    /// The purges after the follower's position, or after `floor`.
    pub(crate) purges: Vec<Arc<LogEntry>>,
}

/// What is known at a follower's beat.
pub(crate) struct BeatAnswer {
    /// How much longer the node is in touch.
    pub(crate) left: Duration,
    /// How long after the purge it came, if it acknowledges one.
    pub(crate) delay: Option<Duration>,
}

impl Purges {
    /// A node without a shared store keeps a log of its own. One with a shared store follows the log there,
    /// and is out of touch at first.
    pub(crate) fn new(shared: bool, grace: Duration) -> Self {
        let log = LogId::new(rand::random());
        Self {
            state: Mutex::new(LogState {
                log: Log::new(log, Seq::START, TAIL),
                index: PurgeIndex::new(Seq::START, REMEMBERED_NAMES),
                trust: shared.then(|| Trust::new(grace)),
                followers: Membership::default(),
                last_follower: 0,
                retired: false,
                has_read: false,
                obeyed: None,
            }),
            changes: signal::Sender::new(0),
            grace,
            nudge: Notify::new(),
            lost: AtomicBool::new(false),
        }
    }

    /// The right by which a page may be made that is asked for from now on.
    pub(crate) fn grant(&self) -> Grant {
        let (state, now) = (self.state.lock(), Instant::now());
        match state.is_live(now) {
            true => Grant::Logged(Position { log: state.log.id(), seq: state.log.head() }),
            false => Grant::Until { since: now, until: now + self.grace },
        }
    }

    /// What an entry may be used for, its age and all purges considered. `None`: nothing any more.
    pub(crate) fn usage(&self, entry: &Entry) -> Option<Use> {
        let now = Instant::now();
        match self.reach(entry, now) {
            Reach::Untouched => entry.use_at(now.into()),
            Reach::Stale(since) => entry.use_if_stale_since(since.into(), now.into()),
            Reach::Gone => None,
        }
    }

    /// Whether a purge came between the grant and now.
    pub(crate) fn reach(&self, entry: &Entry, now: Instant) -> Reach {
        let state = self.state.lock();
        match entry.grant() {
            // It cannot be compared with a purge.
            Grant::Until { since, until } if now < until && state.obeyed.is_none_or(|at| at < since) => {
                Reach::Untouched
            }
            Grant::Logged(position) if position.log == state.log.id() && state.is_live(now) => {
                let subject = Subject { url: entry.slot().url(), tags: entry.tags() };
                state.index.reach(subject, position.seq)
            }
            Grant::Until { .. } | Grant::Logged(_) => Reach::Gone,
        }
    }

    /// Where the log stands: another value means that a purge came, or another log.
    pub(crate) fn position(&self) -> Position {
        let state = self.state.lock();
        Position { log: state.log.id(), seq: state.log.head() }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.state.lock().is_live(Instant::now())
    }

    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }

    /// Whether the node is in touch with the shared log. If it lost touch only a moment ago, waits for it,
    /// `patience` at most.
    pub(crate) async fn in_touch(&self, patience: Duration) -> bool {
        if self.is_live() {
            return true;
        }
        let mut changes = self.changes();
        self.nudge.notify_one();
        let heard = async {
            while !self.is_live() && !self.lost.load(Ordering::Relaxed) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(patience, heard).await;
        self.is_live()
    }

    /// Resolves when a beat is asked for.
    pub(crate) fn nudged(&self) -> Notified<'_> {
        self.nudge.notified()
    }

    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Notes that the shared log could not be reached: nobody waits for it. Returns whether that is new.
    pub(crate) fn lose_touch(&self) -> bool {
        let new = !self.lost.swap(true, Ordering::Relaxed);
        self.changed();
        new
    }

    /// Notes that the shared log was reached.
    pub(crate) fn touch(&self) {
        self.lost.store(false, Ordering::Relaxed);
    }

    pub(crate) fn has_lost_touch(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Nothing that a purge could reach is used from here on.
    pub(crate) fn retire(&self) {
        let mut state = self.state.lock();
        state.trust = Some(Trust::new(self.grace));
        state.retired = true;
    }

    /// Resolves whenever something has changed since the last time.
    pub(crate) fn changes(&self) -> signal::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// The log: this node's own, or read from the shared store.
impl Purges {
    /// Makes a purge in the node's own log.
    pub(crate) fn append(&self, purge: Purge) -> Seq {
        let mut state = self.state.lock();
        let logged = state.log.append(purge, Instant::now());
        state.index.apply(&logged);
        drop(state);
        self.changed();
        logged.seq
    }

    /// Where reading goes on.
    pub(crate) fn read_to(&self) -> Position {
        let state = self.state.lock();
        Position { log: state.log.id(), seq: state.log.head() }
    }

    /// Takes in what was read of the shared log after `read_to`, by a question sent then. False: it does not
    /// go on where reading had ended, and another log must begin.
    pub(crate) fn take_in(&self, log: LogId, read: LogTail<'_>, sent: Instant, to_the_end: bool) -> bool {
        let mut state = self.state.lock();
        if state.log.id() != log {
            if state.has_read {
                // Redis has lost the list of the others as well. One that does not reach it now goes on from
                // what it makes itself, and so do its edges.
                state.inherit(UNAWARE.to_owned(), self.grace);
            }
            state.begin(log, read.floor);
        } else if !purge::continues(state.log.head(), read) {
            return false;
        }
        if read.floor > state.log.head() {
            state.log = Log::new(log, read.floor, TAIL);
        }
        state.has_read = true;
        state.index.forget_before(read.floor);
        let before = (state.log.head(), state.is_live(sent));
        for logged in read.purges {
            state.log.push(logged.clone());
            state.index.apply(logged);
            state.obeyed = Some(Instant::now());
        }
        let trusted = to_the_end && !state.retired;
        if let Some(trust) = state.trust.as_mut().filter(|_| trusted) {
            trust.heard(sent);
        }
        let changed = before != (state.log.head(), state.is_live(sent));
        drop(state);
        if changed {
            self.changed();
        }
        true
    }
}

/// The edges that follow the log here.
impl Purges {
    pub(crate) fn join(&self, name: String, grace: Duration) -> u64 {
        let mut state = self.state.lock();
        state.last_follower += 1;
        let id = state.last_follower;
        state.followers.join(id, name, grace, Instant::now());
        id
    }

    /// A beat came.
    pub(crate) fn heard(&self, follower: u64, acknowledged: Seq) -> BeatAnswer {
        let (mut state, now) = (self.state.lock(), Instant::now());
        let more = state.followers.heard(follower, acknowledged, now);
        let made = state.log.made_at(acknowledged).filter(|_| more);
        let left = state.trust.as_ref().map_or(Duration::MAX, |trust| trust.left(now));
        drop(state);
        self.changed();
        BeatAnswer { left, delay: made.map(|made| now.saturating_duration_since(made)) }
    }

    /// This node has no memory of those who followed it before it started, and nobody keeps it for it. They
    /// come back within two graces, or have no page by then that they have not made themselves.
    pub(crate) fn expect_strangers(&self) {
        self.state.lock().followers.expect_strangers(Instant::now() + self.grace * 2);
    }

    fn expects_strangers(&self) -> bool {
        self.state.lock().followers.expects_strangers(Instant::now())
    }

    /// One that followed this node before it died, and may be cut off since.
    pub(crate) fn inherit(&self, name: String, grace: Duration) {
        self.state.lock().inherit(name, grace);
    }

    pub(crate) fn leave(&self, follower: u64) {
        self.state.lock().followers.leave(follower);
        self.changed();
    }

    pub(crate) fn break_off(&self, follower: u64) {
        self.state.lock().followers.break_off(follower, Instant::now());
        self.changed();
    }

    /// What a follower that has had all up to `place` must be told.
    pub(crate) fn news(&self, place: Option<Position>) -> LogNews {
        let state = self.state.lock();
        let log = &state.log;
        let had = place.filter(|place| place.log == log.id()).map(|place| place.seq);
        let since = had.map_or(Err(LogGap), |had| log.since(had));
        let (floor, purges) = match since {
            Ok(purges) => (Seq::START, purges.cloned().collect()),
            Err(LogGap) => (log.head(), Vec::new()),
        };
        LogNews { log: log.id(), shared: state.trust.is_some(), head: log.head(), floor, purges }
    }

    /// Up to which purge nobody here uses a page from before.
    pub(crate) fn settled(&self) -> Seq {
        let now = Instant::now();
        let mut state = self.state.lock();
        let LogState { log, followers, .. } = &mut *state;
        followers.settled(log.head(), |time| log.made_by(time), now)
    }

    /// Names, and what each has acknowledged.
    pub(crate) fn followers(&self) -> Vec<(String, Seq)> {
        let state = self.state.lock();
        state.followers.followers().map(|(name, acknowledged)| (name.to_owned(), acknowledged)).collect()
    }

    /// Puts into the reply which followers have acknowledged the purge and, unless it is `over`, which have
    /// not.
    pub(crate) fn name_followers(&self, reply: &mut PurgeReply, seq: Seq, over: bool) {
        let (mut acknowledged, mut missing) = (BTreeSet::new(), BTreeSet::new());
        for (name, place) in self.followers() {
            if place >= seq {
                acknowledged.insert(name);
            } else if !over {
                missing.insert(name);
            }
        }
        if !over {
            missing.extend(self.state.lock().followers.broken_off().map(str::to_owned));
            missing.extend(self.expects_strangers().then(|| STRANGERS.to_owned()));
        }
        reply.missing.extend(missing.difference(&acknowledged).cloned());
        reply.acknowledged.extend(acknowledged);
        reply.acknowledged.sort();
    }
}

impl LogState {
    fn is_live(&self, now: Instant) -> bool {
        self.trust.as_ref().is_none_or(|trust| trust.is_live(now))
    }

    fn inherit(&mut self, name: String, grace: Duration) {
        let now = Instant::now();
        if self.followers.followers().any(|(here, _)| here == name) {
            return;
        }
        self.last_follower += 1;
        let id = self.last_follower;
        self.followers.join(id, name, grace, now);
        self.followers.break_off(id, now);
    }

    fn begin(&mut self, log: LogId, floor: Seq) {
        self.log = Log::new(log, floor, TAIL);
        self.index = PurgeIndex::new(floor, REMEMBERED_NAMES);
        self.followers.begin_anew();
        if let Some(trust) = &mut self.trust {
            trust.lose();
        }
    }
}
