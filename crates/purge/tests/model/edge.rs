//! An edge: follows the log through every node, keeps pages.

use std::collections::HashMap;
use std::sync::Arc;

use purge::{LogEntry, LogId, Position, PurgeIndex, Reach, Seq, Trust};

use crate::world::{GRACE, Grant, Page, at, steps};

const REMEMBERED_NAMES: usize = 8;

pub(crate) struct Edge {
    pub(crate) alive: bool,
    logs: HashMap<LogId, ModelLog>,
    pub(crate) pages: HashMap<usize, Page>,
    /// The watch at each node.
    pub(crate) watches: HashMap<usize, Watch>,
    /// When it last obeyed a purge.
    obeyed: u64,
}

/// One watch, from the edge's end.
pub(crate) struct Watch {
    /// The node's name for it: another one after each break.
    pub(crate) session: u64,
    /// The log that this node follows.
    pub(crate) log: Option<LogId>,
}

struct ModelLog {
    index: PurgeIndex,
    trust: Trust,
}

impl Edge {
    pub(crate) fn new() -> Self {
        Self { alive: true, logs: HashMap::new(), pages: HashMap::new(), watches: HashMap::new(), obeyed: 0 }
    }

    pub(crate) fn follow(&mut self, log: LogId, floor: Seq) {
        let followed = self.logs.entry(log).or_insert_with(|| ModelLog {
            index: PurgeIndex::new(floor, REMEMBERED_NAMES),
            trust: Trust::new(steps(GRACE)),
        });
        followed.index.forget_before(floor);
    }

    pub(crate) fn apply(&mut self, log: LogId, logged: &Arc<LogEntry>, now: u64) {
        let Some(followed) = self.logs.get_mut(&log) else { return };
        self.obeyed = now;
        if logged.previous > followed.index.head() {
            followed.index.forget_before(logged.previous);
        }
        followed.index.apply(logged);
    }

    /// A node answered what was sent then, and is itself in touch for so much longer.
    pub(crate) fn heard(&mut self, log: LogId, sent: u64, left: u64) {
        if let Some(followed) = self.logs.get_mut(&log) {
            followed.trust.heard_for(at(sent), steps(left));
        }
    }

    /// A node has gone over to another log.
    pub(crate) fn lose(&mut self, log: LogId) {
        if let Some(followed) = self.logs.get_mut(&log) {
            followed.trust.lose();
        }
    }

    pub(crate) fn place(&self, log: LogId) -> Option<Position> {
        Some(Position { log, seq: self.logs.get(&log)?.index.head() })
    }

    pub(crate) fn may_use(&self, page: &Page, now: u64) -> bool {
        match page.grant {
            // What was made out of touch cannot be compared with a purge: each one ends it.
            Grant::Until { since, until } => now < until && self.obeyed <= since,
            Grant::Logged(place) => self.logs.get(&place.log).is_some_and(|followed| {
                followed.trust.is_live(at(now))
                    && followed.index.reach(page.subject(), place.seq) != Reach::Gone
            }),
        }
    }

    /// The right by which it may use what a node granted so when it was asked at `asked`.
    pub(crate) fn takes(&self, grant: Grant, asked: u64) -> Grant {
        match grant {
            Grant::Logged(place) if self.logs.contains_key(&place.log) => grant,
            // A log that is not followed here: whatever was obeyed may have reached it.
            Grant::Logged(_) => Grant::Until { since: 0, until: asked + GRACE },
            Grant::Until { since, until } => {
                Grant::Until { since: since.min(asked), until: until.min(asked + GRACE) }
            }
        }
    }

    /// The right by which it makes a page without a node.
    pub(crate) fn alone(&self, now: u64) -> Grant {
        let live = self.logs.iter().find(|(_, followed)| followed.trust.is_live(at(now)));
        match live {
            Some((log, followed)) => Grant::Logged(Position { log: *log, seq: followed.index.head() }),
            None => Grant::Until { since: now, until: now + GRACE },
        }
    }
}
