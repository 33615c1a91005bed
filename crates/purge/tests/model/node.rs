//! A cache-node: follows the log in Redis, keeps pages, grants leases, knows the edges that follow it.

use std::collections::HashMap;
use std::sync::Arc;

use purge::{Log, LogEntry, LogId, Membership, Position, PurgeIndex, Reach, Seq, Trust};

use crate::redis::{BeatResult, Member};
use crate::world::{EDGES, GRACE, Grant, Page, at, steps};

const REMEMBERED_NAMES: usize = 8;
const TAIL: usize = 6;

pub(crate) struct Node {
    log: Log,
    index: PurgeIndex,
    trust: Trust,
    pub(crate) members: Membership<u64>,
    pub(crate) pages: HashMap<usize, Page>,
    /// Leases of its own, while it is out of touch.
    pub(crate) leases: HashMap<usize, (u64, u64)>,
    pub(crate) beats: u64,
    /// Since when the answer to the last beat is awaited: one at a time.
    pub(crate) beating: Option<u64>,
    pub(crate) alive: bool,
    /// When it last obeyed a purge.
    obeyed: u64,
}

/// What a follower is told.
pub(crate) struct News {
    pub(crate) log: LogId,
    pub(crate) floor: Seq,
    pub(crate) purges: Vec<Arc<LogEntry>>,
}

impl Node {
    pub(crate) fn new(log: LogId) -> Self {
        Self {
            log: Log::new(log, Seq::START, TAIL),
            index: PurgeIndex::new(Seq::START, REMEMBERED_NAMES),
            trust: Trust::new(steps(GRACE)),
            members: Membership::default(),
            pages: HashMap::new(),
            leases: HashMap::new(),
            beats: 0,
            beating: None,
            alive: true,
            obeyed: 0,
        }
    }

    pub(crate) fn is_live(&self, now: u64) -> bool {
        self.trust.is_live(at(now))
    }

    /// Steps for which it is in touch.
    pub(crate) fn left(&self, now: u64) -> u64 {
        (self.trust.left(at(now)).as_millis() / 10) as u64
    }

    pub(crate) fn place(&self) -> Position {
        Position { log: self.log.id(), seq: self.log.head() }
    }

    pub(crate) fn grant(&self, now: u64) -> Grant {
        if self.is_live(now) {
            Grant::Logged(self.place())
        } else {
            Grant::Until { since: now, until: now + GRACE }
        }
    }

    pub(crate) fn may_use(&self, page: &Page, now: u64) -> bool {
        match page.grant {
            Grant::Until { since, until } => now < until && self.obeyed < since,
            Grant::Logged(place) => {
                place.log == self.log.id()
                    && self.is_live(now)
                    && self.index.reach(page.subject(), place.seq) != Reach::Gone
            }
        }
    }

    pub(crate) fn member(&mut self, now: u64) -> Member {
        self.beats += 1;
        let mut followed_by = [false; EDGES];
        for (name, _) in self.members.followers() {
            followed_by[name.parse::<usize>().unwrap()] = true;
        }
        for name in self.members.broken_off() {
            followed_by[name.parse::<usize>().unwrap()] = true;
        }
        Member { beats: self.beats, settled: self.settled(now), followed_by }
    }

    pub(crate) fn settled(&mut self, now: u64) -> Position {
        let log = &self.log;
        let seq = self.members.settled(log.head(), |time| log.made_by(time), at(now));
        Position { log: log.id(), seq }
    }

    /// What it said of itself before it died: those who followed it then are nobody else's to remember.
    pub(crate) fn inherit(&mut self, before: Member, session: u64, now: u64) {
        let here: Vec<usize> = self.members.followers().map(|(name, _)| name.parse().unwrap()).collect();
        for edge in (0..EDGES).filter(|edge| before.followed_by[*edge] && !here.contains(edge)) {
            let session = session + edge as u64;
            self.members.join(session, edge.to_string(), steps(GRACE), at(now));
            self.members.break_off(session, at(now));
        }
    }

    /// False: the log has lost purges.
    pub(crate) fn take_in(&mut self, read: &BeatResult, sent: u64, now: u64) -> bool {
        let told = purge::LogTail { head: read.head, floor: read.floor, purges: &read.purges };
        if self.log.id() != read.log {
            self.log = Log::new(read.log, read.floor, TAIL);
            self.index = PurgeIndex::new(read.floor, REMEMBERED_NAMES);
            self.members.begin_anew();
            self.trust.lose();
        } else if !purge::continues(self.log.head(), told) {
            return false;
        }
        if read.floor > self.log.head() {
            self.log = Log::new(read.log, read.floor, TAIL);
        }
        self.index.forget_before(read.floor);
        for logged in &read.purges {
            self.log.push(logged.clone());
            self.index.apply(logged);
            self.obeyed = now;
        }
        self.trust.heard(at(sent));
        true
    }

    /// What one that has had all up to `had` must be told.
    pub(crate) fn news(&self, had: Option<Position>) -> News {
        let had = had.filter(|had| had.log == self.log.id()).map(|had| had.seq);
        let purges = had.and_then(|had| Some(self.log.since(had).ok()?.cloned().collect()));
        let floor = if purges.is_some() { Seq::START } else { self.log.head() };
        News { log: self.log.id(), floor, purges: purges.unwrap_or_default() }
    }
}
