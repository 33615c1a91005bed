//! The log of purges: its latest part, in order, and whether what is read from elsewhere goes on where one
//! left off.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::{LogId, Purge, Seq};

/// A purge in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub seq: Seq,
    /// The one before it in the log. Whoever has another one there has missed something.
    pub previous: Seq,
    pub purge: Purge,
    /// When it was made, by the reader's clock.
    pub at: Instant,
}

/// The latest purges of a log. Older ones are dropped; whoever has not had them must forget all it holds.
#[derive(Clone, Debug)]
pub struct Log {
    id: LogId,
    head: Seq,
    tail: VecDeque<Arc<LogEntry>>,
    capacity: usize,
}

/// The purges asked for are not all there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogGap;

impl Log {
    /// Begins after `head`.
    pub fn new(id: LogId, head: Seq, capacity: usize) -> Self {
        Self { id, head, tail: VecDeque::new(), capacity }
    }

    pub fn id(&self) -> LogId {
        self.id
    }

    pub fn head(&self) -> Seq {
        self.head
    }

    /// Makes a purge, as the one who keeps the log.
    pub fn append(&mut self, purge: Purge, now: Instant) -> Arc<LogEntry> {
        let logged = Arc::new(LogEntry { seq: self.head.next(), previous: self.head, purge, at: now });
        self.push(logged.clone());
        logged
    }

    /// Takes in the next purge of a log that is kept elsewhere. False: it was there before.
    pub fn push(&mut self, logged: Arc<LogEntry>) -> bool {
        if logged.seq <= self.head {
            return false;
        }
        if logged.previous != self.head {
            self.tail.clear();
        }
        self.head = logged.seq;
        self.tail.push_back(logged);
        while self.tail.len() > self.capacity {
            self.tail.pop_front();
        }
        true
    }

    /// The last purge made at `time` or earlier; of those that are dropped it is taken that they were.
    pub fn made_by(&self, time: Instant) -> Seq {
        let by_then = self.tail.iter().rev().find(|logged| logged.at <= time);
        by_then.map_or_else(|| self.oldest(), |logged| logged.seq)
    }

    /// When the purge of that place was made, if it is still kept.
    pub fn made_at(&self, seq: Seq) -> Option<Instant> {
        let place = self.tail.partition_point(|logged| logged.seq < seq);
        self.tail.get(place).filter(|logged| logged.seq == seq).map(|logged| logged.at)
    }

    /// All purges after `seq`, oldest first.
    pub fn since(&self, seq: Seq) -> Result<impl Iterator<Item = &Arc<LogEntry>>, LogGap> {
        if seq < self.oldest() {
            return Err(LogGap);
        }
        let have = self.tail.partition_point(|logged| logged.seq <= seq);
        Ok(self.tail.iter().skip(have))
    }

    /// The place before the oldest purge that is kept.
    pub fn oldest(&self) -> Seq {
        self.tail.front().map_or(self.head, |first| first.previous)
    }
}

/// What was read of a log that is kept elsewhere, after a place that the reader had.
#[derive(Clone, Copy, Debug)]
pub struct LogTail<'a> {
    /// Where the log ends.
    pub head: Seq,
    /// Before this the log may have dropped purges.
    pub floor: Seq,
    /// What came after the reader's place, oldest first.
    pub purges: &'a [Arc<LogEntry>],
}

/// Whether this is what follows `had`. False: the log has lost purges that were made (its keeper failed over
/// to a copy that lagged), so nothing granted in it can be believed any more.
pub fn continues(had: Seq, read: LogTail<'_>) -> bool {
    if read.head < had {
        return false;
    }
    let mut last = had;
    for (n, logged) in read.purges.iter().enumerate() {
        // Dropped for age: known to be missing, and made good by forgetting what is older.
        let dropped = n == 0 && read.floor > had;
        if !dropped && logged.previous != last {
            return false;
        }
        last = logged.seq;
    }
    true
}

#[cfg(test)]
mod tests;
