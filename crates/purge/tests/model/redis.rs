//! The store that nodes share: the purge log, pages, leases, and who follows. It may stop, and fail over to a
//! copy that lagged.

use std::collections::HashMap;
use std::sync::Arc;

use purge::{LogEntry, LogId, Position, Purge, Seq};

use crate::world::{EDGES, Grant, Page, at};

/// How many purges the log keeps.
const KEPT: usize = 12;
/// Steps that a lease lasts without renewal.
pub(crate) const LEASE: u64 = 60;

#[derive(Clone)]
pub(crate) struct Redis {
    pub(crate) up: bool,
    pub(crate) log: LogId,
    entries: Vec<Arc<LogEntry>>,
    floor: Seq,
    pub(crate) pages: HashMap<usize, Page>,
    pub(crate) leases: HashMap<usize, (u64, u64)>,
    pub(crate) members: HashMap<usize, Member>,
    /// A copy that takes over: as it was a while ago.
    copy: Option<Box<Self>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) beats: u64,
    pub(crate) settled: Position,
    /// Whether an edge followed it, by edge.
    pub(crate) followed_by: [bool; EDGES],
}

/// What a beat brings back.
#[derive(Debug)]
pub(crate) struct BeatResult {
    pub(crate) log: LogId,
    pub(crate) head: Seq,
    pub(crate) floor: Seq,
    pub(crate) purges: Vec<Arc<LogEntry>>,
    /// What the node had said before.
    pub(crate) before: Option<Member>,
}

impl Redis {
    pub(crate) fn new(log: LogId) -> Self {
        Self {
            up: true,
            log,
            entries: Vec::new(),
            floor: Seq::START,
            pages: HashMap::new(),
            leases: HashMap::new(),
            members: HashMap::new(),
            copy: None,
        }
    }

    fn head(&self) -> Seq {
        self.entries.last().map_or(self.floor, |last| last.seq)
    }

    /// Places grow with time, as a stream's do.
    pub(crate) fn append(&mut self, purge: Purge, now: u64) -> Position {
        let previous = self.head();
        let seq = Seq::new((now << 8).max(previous.get() + 1));
        self.entries.push(Arc::new(LogEntry { seq, previous, purge, at: at(now) }));
        while self.entries.len() > KEPT {
            self.floor = self.entries.remove(0).seq;
        }
        Position { log: self.log, seq }
    }

    pub(crate) fn beat(&mut self, node: usize, member: Member, read: Position) -> BeatResult {
        let before = self.members.insert(node, member);
        let since = if read.log == self.log { read.seq } else { Seq::START };
        let purges = self.entries.iter().filter(|logged| logged.seq > since).cloned().collect();
        BeatResult { log: self.log, head: self.head(), floor: self.floor, purges, before }
    }

    pub(crate) fn succeed(&mut self, lost: LogId, new: LogId) {
        if self.log == lost {
            (self.log, self.floor) = (new, Seq::START);
            self.entries.clear();
        }
    }

    pub(crate) fn grant(&mut self, key: usize, token: u64, now: u64) -> bool {
        if self.leases.get(&key).is_some_and(|(_, until)| now < *until) {
            return false;
        }
        self.leases.insert(key, (token, now + LEASE));
        true
    }

    /// Fenced by the token.
    pub(crate) fn put(&mut self, key: usize, token: u64, page: Page, now: u64) -> bool {
        if self.leases.get(&key).is_none_or(|(held, until)| *held != token || now >= *until) {
            return false;
        }
        self.leases.remove(&key);
        if matches!(page.grant, Grant::Logged(_)) {
            self.pages.insert(key, page);
        }
        true
    }

    /// The copy catches up with what is here.
    pub(crate) fn replicate(&mut self) {
        self.copy = None;
        self.copy = Some(Box::new(self.clone()));
    }

    /// The copy takes over, and what it had not got is lost.
    pub(crate) fn fail_over(&mut self) {
        if let Some(copy) = self.copy.take() {
            *self = *copy;
            self.up = true;
            self.replicate();
        }
    }
}
